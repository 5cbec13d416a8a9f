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

/** Why the features forbid a mount; undefined when they do not. */
export function incompatibleFeature(incompat: number): string | undefined {
  const { filetype, needs_recovery: needsRecovery, meta_bg: metaBg } = EXT2_INCOMPAT;
  const unknown = (incompat & ~(filetype | needsRecovery | metaBg)) >>> 0;
  if (unknown === 0) return undefined;
  return `incompatible feature ${featureNames(unknown, EXT2_INCOMPAT).join(', ')}`;
}

/**
 * Checks a superblock.
 * @param bytes the 1024 bytes at offset 1024 of the device
 * @param deviceBytes size of the device in bytes
 * @returns the geometry, or one line that says what is wrong
 */
export function checkSuperblock(bytes: Uint8Array, deviceBytes: number): Ext2Geometry | { refused: string } {
  const refused = (why: string): { refused: string } => ({ refused: why });
  if (bytes.length < EXT2_SUPERBLOCK_SIZE) return refused('image cut short: it ends before the superblock does');
  const field = (name: Parameters<typeof getField<keyof typeof SUPERBLOCK.offset>>[3]): number =>
    getField(SUPERBLOCK, bytes, 0, name);

  const magic = field('s_magic');
  if (magic !== EXT2_MAGIC) return refused(`no ext2 file system: s_magic is 0x${magic.toString(16)}, not 0xef53`);
  const revision = field('s_rev_level');
  if (revision > EXT2_DYNAMIC_REV) return refused(`s_rev_level is ${revision}; 0 and 1 are supported`);
  const dynamic = revision === EXT2_DYNAMIC_REV;
  const features = {
    compat: dynamic ? field('s_feature_compat') : 0,
    incompat: dynamic ? field('s_feature_incompat') : 0,
    roCompat: dynamic ? field('s_feature_ro_compat') : 0,
  };
  const incompatible = incompatibleFeature(features.incompat);
  if (incompatible !== undefined) return refused(incompatible);

  const logBlockSize = field('s_log_block_size');
  if (logBlockSize !== EXT2_LOG_BLOCK_SIZE) {
    const size = logBlockSize <= 6 ? `block size ${1024 << logBlockSize}` : 'block size out of range';
    return refused(`${size} (s_log_block_size ${logBlockSize}); only 4096 is supported`);
  }
  const logFragmentSize = field('s_log_frag_size');
  if (logFragmentSize !== EXT2_LOG_BLOCK_SIZE)
    return refused(`s_log_frag_size is ${logFragmentSize}; only fragments of a whole block are supported`);
  const firstDataBlock = field('s_first_data_block');
  if (firstDataBlock !== 0) return refused(`s_first_data_block is ${firstDataBlock}, not 0`);

  const inodeSize = dynamic ? field('s_inode_size') : EXT2_GOOD_OLD_INODE_SIZE;
  if (inodeSize < EXT2_GOOD_OLD_INODE_SIZE || inodeSize > EXT2_BLOCK_SIZE || (inodeSize & (inodeSize - 1)) !== 0)
    return refused(`s_inode_size is ${inodeSize}, not a power of two from 128 to 4096`);

  const blocksPerGroup = field('s_blocks_per_group');
  if (blocksPerGroup === 0 || blocksPerGroup > EXT2_MAX_PER_GROUP || blocksPerGroup % 8 !== 0)
    return refused(`s_blocks_per_group is ${blocksPerGroup}, not a multiple of 8 from 8 to ${EXT2_MAX_PER_GROUP}`);
  const inodesPerBlock = EXT2_BLOCK_SIZE / inodeSize;
  const inodesPerGroup = field('s_inodes_per_group');
  if (inodesPerGroup === 0 || inodesPerGroup > EXT2_MAX_PER_GROUP || inodesPerGroup % inodesPerBlock !== 0)
    return refused(
      `s_inodes_per_group is ${inodesPerGroup}, not a multiple of ${inodesPerBlock} up to ${EXT2_MAX_PER_GROUP}`,
    );

  const blockCount = field('s_blocks_count');
  if (blockCount * EXT2_BLOCK_SIZE > deviceBytes)
    return refused(
      `image cut short: s_blocks_count is ${blockCount} (${blockCount * EXT2_BLOCK_SIZE} bytes), the device has ${deviceBytes} bytes`,
    );
  const groupCount = Math.ceil(blockCount / blocksPerGroup);
  const descriptorBlocks = Math.ceil(groupCount / DESCRIPTORS_PER_BLOCK);
  const inodeTableBlocks = inodesPerGroup / inodesPerBlock;
  const hasMetaGroups = (features.incompat & EXT2_INCOMPAT.meta_bg) !== 0;
  const headDescriptorBlocks = hasMetaGroups ? field('s_first_meta_bg') : descriptorBlocks;
  if (headDescriptorBlocks > descriptorBlocks)
    return refused(
      `s_first_meta_bg is ${headDescriptorBlocks}, but the descriptors have ${counted(descriptorBlocks, 'block')}`,
    );
  // Group 0 holds the superblock, descriptors, two bitmaps and an inode table.
  const descriptorsInFirst = hasMetaGroups ? Math.max(1, headDescriptorBlocks) : descriptorBlocks;
  const firstGroupNeeds = 1 + descriptorsInFirst + 2 + inodeTableBlocks;
  if (firstGroupNeeds > blocksPerGroup)
    return refused(`s_blocks_per_group is ${blocksPerGroup}, but the metadata of a group needs ${firstGroupNeeds}`);
  if (firstGroupNeeds > blockCount)
    return refused(`s_blocks_count is ${blockCount}, but the metadata of a group needs ${firstGroupNeeds}`);

  const inodeCount = field('s_inodes_count');
  if (inodeCount !== groupCount * inodesPerGroup)
    return refused(
      `s_inodes_count is ${inodeCount}, not ${groupCount * inodesPerGroup}: ${counted(groupCount, 'group')} of ${inodesPerGroup}`,
    );
  const firstInode = dynamic ? field('s_first_ino') : EXT2_FIRST_INO;
  if (firstInode < EXT2_FIRST_INO || firstInode > inodeCount)
    return refused(`s_first_ino is ${firstInode}, not from ${EXT2_FIRST_INO} to s_inodes_count ${inodeCount}`);

  const hasJournal = (features.compat & EXT2_COMPAT.has_journal) !== 0;
  const needsRecovery = (features.incompat & EXT2_INCOMPAT.needs_recovery) !== 0;
  if (needsRecovery && !hasJournal) return refused('needs_recovery is set and there is no journal');
  if (hasJournal && field('s_journal_dev') !== 0)
    return refused(`s_journal_dev is ${field('s_journal_dev')}; only a journal of its own is supported`);
  const journalInode = hasJournal ? field('s_journal_inum') : 0;
  if (hasJournal && (journalInode < 1 || journalInode > inodeCount))
    return refused(`s_journal_inum is ${journalInode}, not from 1 to s_inodes_count ${inodeCount}`);

  const known = EXT2_RO_COMPAT.sparse_super | EXT2_RO_COMPAT.large_file | EXT2_RO_COMPAT.btree_dir;
  const state = field('s_state');
  const geometry: Ext2Geometry = {
    blockCount,
    inodeCount,
    groupCount,
    blocksPerGroup,
    inodesPerGroup,
    inodeSize,
    inodesPerBlock,
    inodeTableBlocks,
    firstInode,
    descriptorBlocks,
    headDescriptorBlocks,
    features,
    readOnlyFeatures: featureNames((features.roCompat & ~known) >>> 0, EXT2_RO_COMPAT),
    journalInode,
    needsRecovery,
    directoryHash: {
      seed: [0, 1, 2, 3].map((i) => getField(SUPERBLOCK, bytes, 0, 's_hash_seed', i)),
      version: field('s_def_hash_version'),
      isUnsigned: (field('s_flags') & EXT2_UNSIGNED_HASH) !== 0,
    },
    clean: (state & EXT2_STATE.valid) !== 0 && (state & EXT2_STATE.error) === 0,
  };
  const lastDescriptors = descriptorBlock(geometry, descriptorBlocks - 1);
  if (lastDescriptors >= blockCount)
    return refused(`s_blocks_count is ${blockCount}, but block ${lastDescriptors} holds group descriptors`);
  return geometry;
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
 * @returns one line that says what is wrong, undefined when nothing is
 */
export function checkGroupDescriptor(
  geometry: Ext2Geometry,
  group: number,
  bytes: Uint8Array,
  offset: number,
): string | undefined {
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
      return `group ${group}: ${name} is ${block}, which leaves the group's blocks ${first} to ${end - 1}`;
  }
  return undefined;
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
