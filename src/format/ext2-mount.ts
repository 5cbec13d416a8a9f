/**
 * What a mount must know before it trusts an ext2 image: the superblock and the group descriptors,
 * checked.
 *
 * Contract: the checks take any bytes. They never throw, never loop over a number that the image
 * gave, and refuse with one line that names the field or the feature. What passes is safe to
 * compute with: every group, inode-table block and descriptor that follows from an Ext2Geometry
 * lies inside the device.
 *
 * Modelled after the mount of ext2 in Linux 2.6.12; stricter, because the images come from users.
 * Inode counts must agree with the groups, a device must hold all blocks, and only 4096-byte blocks
 * are read.
 */

import { DONE, err, ok, type Result } from '../base/result.ts';
import { counted } from '../base/counted.ts';
import { assert } from '../base/assert.ts';
import { getField } from '../base/layout.ts';
import {
  EXT2_BLOCK_SIZE,
  EXT2_COMPAT,
  EXT2_DYNAMIC_REV,
  EXT2_FIRST_INO,
  EXT2_GOOD_OLD_INODE_SIZE,
  EXT2_INCOMPAT,
  EXT2_LOG_BLOCK_SIZE,
  EXT2_MAGIC,
  EXT2_MAX_PER_GROUP,
  EXT2_RO_COMPAT,
  EXT2_STATE,
  EXT2_SUPERBLOCK_SIZE,
  EXT2_UNSIGNED_HASH,
  GROUP_DESCRIPTOR,
  SUPERBLOCK,
} from './ext2-layout.ts';

/** The shape of a file system, from a superblock that passed `checkSuperblock`. */
export interface Ext2Geometry {
  /** Blocks of 4096 bytes. */
  readonly blockCount: number;
  readonly inodeCount: number;
  readonly groupCount: number;
  /** Blocks in each group except the last, which may be shorter. */
  readonly blocksPerGroup: number;
  readonly inodesPerGroup: number;
  /** Bytes from one inode of a table to the next; the inode itself is the first 128. */
  readonly inodeSize: number;
  readonly inodesPerBlock: number;
  /** Blocks of one group's inode table. */
  readonly inodeTableBlocks: number;
  /** First inode that is not reserved. */
  readonly firstInode: number;
  /** Blocks of group descriptors. */
  readonly descriptorBlocks: number;
  /**
   * How many of them lie behind the superblock. With meta_bg, the others lie in the groups that
   * they describe.
   */
  readonly headDescriptorBlocks: number;
  /** Feature bits, by the tables EXT2_COMPAT, EXT2_INCOMPAT, EXT2_RO_COMPAT. */
  readonly features: { readonly compat: number; readonly incompat: number; readonly roCompat: number };
  /** Features in use with which the image may only be read, by name; empty: it may be written. */
  readonly readOnlyFeatures: readonly string[];
  /** It was unmounted cleanly, without errors. */
  readonly clean: boolean;
  /** Inode of the journal; 0: there is none. */
  readonly journalInode: number;
  /** The journal is to be replayed. */
  readonly needsRecovery: boolean;
  readonly directoryHash: DirectoryHash;
}

/** How names are hashed for the index of a directory. */
export interface DirectoryHash {
  /** s_hash_seed: four words. */
  readonly seed: readonly number[];
  /** dx_hash_version of a new index. */
  readonly version: number;
  /** Whether bytes of names are hashed as unsigned numbers. */
  readonly isUnsigned: boolean;
}

const DESCRIPTORS_PER_BLOCK = EXT2_BLOCK_SIZE / GROUP_DESCRIPTOR.size;

/** Names of the features set in `bits`; those without a name are given as one number. */
function featureNames(bits: number, names: Readonly<Record<string, number>>): string[] {
  const found: string[] = [];
  let unnamed = bits;
  for (const [name, bit] of Object.entries(names)) {
    if ((bits & bit) !== 0) found.push(name);
    unnamed &= ~bit;
  }
  if (unnamed !== 0) found.push(`bits 0x${(unnamed >>> 0).toString(16)}`);
  return found;
}

/** Whether the features allow a mount, or which one forbids it. */
export function checkIncompatibleFeatures(incompat: number): Result {
  const { filetype, needs_recovery: needsRecovery, meta_bg: metaBg } = EXT2_INCOMPAT;
  const unknown = (incompat & ~(filetype | needsRecovery | metaBg)) >>> 0;
  if (unknown === 0) return DONE;
  return err(`incompatible feature ${featureNames(unknown, EXT2_INCOMPAT).join(', ')}`);
}

/** What a superblock says, believed or not: `CHECKS` decides. */
interface Claimed extends Ext2Geometry {
  /** What the mount gets. */
  readonly geometry: Ext2Geometry;
  readonly magic: number;
  readonly revision: number;
  readonly logBlockSize: number;
  readonly logFragmentSize: number;
  readonly firstDataBlock: number;
  /** Blocks that group 0 needs for superblock, descriptors, two bitmaps and an inode table. */
  readonly firstGroupNeeds: number;
  readonly hasJournal: boolean;
  readonly journalDevice: number;
  readonly deviceBytes: number;
}

/** Reads the fields; computes nothing that a field could make dangerous. */
function claimedBy(bytes: Uint8Array, deviceBytes: number): Claimed {
  const field = (name: Parameters<typeof getField<keyof typeof SUPERBLOCK.offset>>[3]): number =>
    getField(SUPERBLOCK, bytes, 0, name);
  const revision = field('s_rev_level');
  const isDynamic = revision === EXT2_DYNAMIC_REV;
  const features = {
    compat: isDynamic ? field('s_feature_compat') : 0,
    incompat: isDynamic ? field('s_feature_incompat') : 0,
    roCompat: isDynamic ? field('s_feature_ro_compat') : 0,
  };
  const inodeSize = isDynamic ? field('s_inode_size') : EXT2_GOOD_OLD_INODE_SIZE;
  const blocksPerGroup = field('s_blocks_per_group');
  const inodesPerGroup = field('s_inodes_per_group');
  const inodesPerBlock = EXT2_BLOCK_SIZE / inodeSize;
  const inodeTableBlocks = inodesPerGroup / inodesPerBlock;
  const blockCount = field('s_blocks_count');
  const groupCount = Math.ceil(blockCount / blocksPerGroup);
  const descriptorBlocks = Math.ceil(groupCount / DESCRIPTORS_PER_BLOCK);
  const hasMetaGroups = (features.incompat & EXT2_INCOMPAT.meta_bg) !== 0;
  const headDescriptorBlocks = hasMetaGroups ? field('s_first_meta_bg') : descriptorBlocks;
  const descriptorsInFirst = hasMetaGroups ? Math.max(1, headDescriptorBlocks) : descriptorBlocks;
  const hasJournal = (features.compat & EXT2_COMPAT.has_journal) !== 0;
  const known = EXT2_RO_COMPAT.sparse_super | EXT2_RO_COMPAT.large_file | EXT2_RO_COMPAT.btree_dir;
  const state = field('s_state');
  const geometry: Ext2Geometry = {
    blockCount,
    inodeCount: field('s_inodes_count'),
    groupCount,
    blocksPerGroup,
    inodesPerGroup,
    inodeSize,
    inodesPerBlock,
    inodeTableBlocks,
    firstInode: isDynamic ? field('s_first_ino') : EXT2_FIRST_INO,
    descriptorBlocks,
    headDescriptorBlocks,
    features,
    readOnlyFeatures: featureNames((features.roCompat & ~known) >>> 0, EXT2_RO_COMPAT),
    journalInode: hasJournal ? field('s_journal_inum') : 0,
    needsRecovery: (features.incompat & EXT2_INCOMPAT.needs_recovery) !== 0,
    directoryHash: {
      seed: [0, 1, 2, 3].map((i) => getField(SUPERBLOCK, bytes, 0, 's_hash_seed', i)),
      version: field('s_def_hash_version'),
      isUnsigned: (field('s_flags') & EXT2_UNSIGNED_HASH) !== 0,
    },
    clean: (state & EXT2_STATE.valid) !== 0 && (state & EXT2_STATE.error) === 0,
  };
  return {
    ...geometry,
    geometry,
    magic: field('s_magic'),
    revision,
    logBlockSize: field('s_log_block_size'),
    logFragmentSize: field('s_log_frag_size'),
    firstDataBlock: field('s_first_data_block'),
    firstGroupNeeds: 1 + descriptorsInFirst + 2 + inodeTableBlocks,
    hasJournal,
    journalDevice: field('s_journal_dev'),
    deviceBytes,
  };
}

/**
 * What is wrong with a number of things that lie in a group: 1 up to the bits of a bitmap, a
 * multiple of `unit`.
 */
const isBadPerGroup = (count: number, unit: number): boolean =>
  count === 0 || count > EXT2_MAX_PER_GROUP || count % unit !== 0;

/**
 * What forbids a mount, in the order in which it is asked: each row may rely on those above it. A
 * row answers with one line, or with undefined or false when it has no objection. It is no Result:
 * only `checkSuperblock` looks at it, and gives that.
 */
const CHECKS: readonly ((s: Claimed) => string | false | undefined)[] = [
  (s) => s.magic !== EXT2_MAGIC && `no ext2 file system: s_magic is 0x${s.magic.toString(16)}, not 0xef53`,
  (s) => s.revision > EXT2_DYNAMIC_REV && `s_rev_level is ${s.revision}; 0 and 1 are supported`,
  (s) => {
    const checked = checkIncompatibleFeatures(s.features.incompat);
    return !checked.ok && checked.reason;
  },
  ({ logBlockSize: log }) => {
    if (log === EXT2_LOG_BLOCK_SIZE) return undefined;
    const size = log <= 6 ? `block size ${1024 << log}` : 'block size out of range';
    return `${size} (s_log_block_size ${log}); only 4096 is supported`;
  },
  (s) =>
    s.logFragmentSize !== EXT2_LOG_BLOCK_SIZE &&
    `s_log_frag_size is ${s.logFragmentSize}; only fragments of a whole block are supported`,
  (s) => s.firstDataBlock !== 0 && `s_first_data_block is ${s.firstDataBlock}, not 0`,
  ({ inodeSize: size }) =>
    (size < EXT2_GOOD_OLD_INODE_SIZE || size > EXT2_BLOCK_SIZE || (size & (size - 1)) !== 0) &&
    `s_inode_size is ${size}, not a power of two from 128 to 4096`,
  (s) =>
    isBadPerGroup(s.blocksPerGroup, 8) &&
    `s_blocks_per_group is ${s.blocksPerGroup}, not a multiple of 8 from 8 to ${EXT2_MAX_PER_GROUP}`,
  (s) =>
    isBadPerGroup(s.inodesPerGroup, s.inodesPerBlock) &&
    `s_inodes_per_group is ${s.inodesPerGroup}, not a multiple of ${s.inodesPerBlock} up to ${EXT2_MAX_PER_GROUP}`,
  ({ blockCount, deviceBytes }) =>
    blockCount * EXT2_BLOCK_SIZE > deviceBytes &&
    `image cut short: s_blocks_count is ${blockCount} (${blockCount * EXT2_BLOCK_SIZE} bytes), the device has ${deviceBytes} bytes`,
  (s) =>
    s.headDescriptorBlocks > s.descriptorBlocks &&
    `s_first_meta_bg is ${s.headDescriptorBlocks}, but the descriptors have ${counted(s.descriptorBlocks, 'block')}`,
  (s) =>
    s.firstGroupNeeds > s.blocksPerGroup &&
    `s_blocks_per_group is ${s.blocksPerGroup}, but the metadata of a group needs ${s.firstGroupNeeds}`,
  (s) =>
    s.firstGroupNeeds > s.blockCount &&
    `s_blocks_count is ${s.blockCount}, but the metadata of a group needs ${s.firstGroupNeeds}`,
  ({ inodeCount, groupCount, inodesPerGroup: each }) =>
    inodeCount !== groupCount * each &&
    `s_inodes_count is ${inodeCount}, not ${groupCount * each}: ${counted(groupCount, 'group')} of ${each}`,
  (s) =>
    (s.firstInode < EXT2_FIRST_INO || s.firstInode > s.inodeCount) &&
    `s_first_ino is ${s.firstInode}, not from ${EXT2_FIRST_INO} to s_inodes_count ${s.inodeCount}`,
  (s) => s.needsRecovery && !s.hasJournal && 'needs_recovery is set and there is no journal',
  (s) =>
    s.hasJournal &&
    s.journalDevice !== 0 &&
    `s_journal_dev is ${s.journalDevice}; only a journal of its own is supported`,
  (s) =>
    s.hasJournal &&
    (s.journalInode < 1 || s.journalInode > s.inodeCount) &&
    `s_journal_inum is ${s.journalInode}, not from 1 to s_inodes_count ${s.inodeCount}`,
  (s) => {
    const last = descriptorBlock(s, s.descriptorBlocks - 1);
    return last >= s.blockCount && `s_blocks_count is ${s.blockCount}, but block ${last} holds group descriptors`;
  },
];

/**
 * Checks a superblock.
 * @param bytes the 1024 bytes at offset 1024 of the device
 * @param deviceBytes size of the device in bytes
 * @returns the geometry, or one line that says what is wrong
 */
export function checkSuperblock(bytes: Uint8Array, deviceBytes: number): Result<Ext2Geometry> {
  if (bytes.length < EXT2_SUPERBLOCK_SIZE) return err('image cut short: it ends before the superblock does');
  const claimed = claimedBy(bytes, deviceBytes);
  for (const check of CHECKS) {
    const refused = check(claimed);
    if (refused !== undefined && refused !== false) return err(refused);
  }
  return ok(claimed.geometry);
}

/** Where the n-th block of group descriptors lies; n is 0 to descriptorBlocks - 1. */
export function descriptorBlock(geometry: Ext2Geometry, n: number): number {
  assert(n >= 0 && n < geometry.descriptorBlocks, 'no such block of descriptors');
  if (n < geometry.headDescriptorBlocks) return 1 + n;
  const group = n * DESCRIPTORS_PER_BLOCK;
  return group * geometry.blocksPerGroup + (holdsSuperblock(geometry, group) ? 1 : 0);
}

/**
 * Blocks at the start of a group that hold the superblock and group descriptors, or copies of them.
 */
export function groupHeadBlocks(geometry: Ext2Geometry, group: number): number {
  const superblocks = holdsSuperblock(geometry, group) ? 1 : 0;
  if (Math.floor(group / DESCRIPTORS_PER_BLOCK) < geometry.headDescriptorBlocks)
    return superblocks * (1 + geometry.headDescriptorBlocks);
  const place = group % DESCRIPTORS_PER_BLOCK;
  return superblocks + (place <= 1 || place === DESCRIPTORS_PER_BLOCK - 1 ? 1 : 0);
}

function holdsSuperblock(geometry: Ext2Geometry, group: number): boolean {
  return (geometry.features.roCompat & EXT2_RO_COMPAT.sparse_super) === 0 || hasSuperblock(group);
}

/**
 * Checks a group descriptor: its bitmaps and its inode table must lie inside the group.
 * @param offset of the descriptor in `bytes`
 */
export function checkGroupDescriptor(geometry: Ext2Geometry, group: number, bytes: Uint8Array, offset: number): Result {
  assert(group >= 0 && group < geometry.groupCount, 'no such group');
  const start = group * geometry.blocksPerGroup;
  const end = Math.min(start + geometry.blocksPerGroup, geometry.blockCount);
  const first = group === 0 ? groupHeadBlocks(geometry, 0) : start;
  const places = [
    ['bg_block_bitmap', 1],
    ['bg_inode_bitmap', 1],
    ['bg_inode_table', geometry.inodeTableBlocks],
  ] as const;
  for (const [name, blocks] of places) {
    const block = getField(GROUP_DESCRIPTOR, bytes, offset, name);
    if (block < first || block + blocks > end)
      return err(`group ${group}: ${name} is ${block}, which leaves the group's blocks ${first} to ${end - 1}`);
  }
  return DONE;
}

/**
 * Where the inode lies: its group and its index in that group's table. `ino` is 1 to inodeCount.
 */
export function inodeLocation(geometry: Ext2Geometry, ino: number): { group: number; indexInTable: number } {
  assert(ino >= 1 && ino <= geometry.inodeCount, 'no such inode');
  const index = ino - 1;
  return {
    group: Math.floor(index / geometry.inodesPerGroup),
    indexInTable: index % geometry.inodesPerGroup,
  };
}

/**
 * Whether a group holds a copy of the superblock and the descriptors, with sparse_super: 0, 1 and
 * powers of 3, 5, 7.
 */
export function hasSuperblock(group: number): boolean {
  if (group <= 1) return true;
  for (const base of [3, 5, 7]) {
    let power = base;
    while (power < group) power *= base;
    if (power === group) return true;
  }
  return false;
}
