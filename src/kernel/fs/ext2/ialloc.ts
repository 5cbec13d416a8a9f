/**
 * Inode allocation (fs/ext2/ialloc.c of 2.6.12).
 *
 * A file goes to its directory's group. If that is full, quadratic hashing looks for a group from
 * there. The last resort is the first group that has a free inode. A directory is placed by Orlov's
 * rule. One in the root goes to a group that has more free inodes and blocks than the average. Any
 * other stays near its parent as long as the group is not too full of directories.
 *
 * Differs from the original: a counter goes round where that draws a random group. The generation
 * of a new inode is one more than that of the last use of its number. It is read from the inode
 * table, where the original draws it from a counter which starts at random. So no two uses of a
 * number share a generation over any reboot, and a run repeats.
 */

import { ModelError } from '../../../base/errno.ts';
import type { Pfn } from '../../../base/units.ts';
import {
  EXT2_MODE,
  EXT2_ROOT_INO,
  EXT2_SUPERBLOCK_OFFSET,
  GROUP_DESCRIPTOR,
  INODE,
  inodeLocation,
  SUPERBLOCK,
} from '../../../format/ext2.ts';
import type { Process } from '../../../sim/index.ts';
import type { Buffers } from '../buffer.ts';
import { nextClearBit, setBit, testBit } from './balloc.ts';
import type { Ext2Super } from './super.ts';

const D = GROUP_DESCRIPTOR.offset;
const S_FREE_INODES = EXT2_SUPERBLOCK_OFFSET + SUPERBLOCK.offset.s_free_inodes_count;
/** Orlov: what an inode and a directory's blocks count for in a group's debt. */
const INODE_COST = 64;
const BLOCK_COST = 256;

/** An inode number that was free, and the generation of its new use. Throws ENOSPC, EIO. */
export function* newInode(
  superblock: Ext2Super,
  parent: number,
  mode: number,
): Process<{ ino: number; generation: number }> {
  const { geometry, buffers } = superblock;
  const { inodesPerGroup, groupCount } = geometry;
  const isDirectory = (mode & EXT2_MODE.typeMask) === EXT2_MODE.directory;
  // See hot-paths 14.
  if (!superblock.lock.tryAcquire()) yield* superblock.lock.acquire();
  try {
    const first = isDirectory ? directoryGroup(superblock, parent) : fileGroup(superblock, parent);
    for (let n = 0; first >= 0 && n < groupCount; n++) {
      const group = (first + n) % groupCount;
      const bitmap = word(superblock, group, D.bg_inode_bitmap);
      const from = group === 0 ? geometry.firstInode - 1 : 0;
      const pfn = buffers.find(bitmap) ?? (yield* buffers.bread(bitmap));
      const bit = nextClearBit(buffers, pfn, from, inodesPerGroup);
      // Full, whatever its count says.
      if (bit < 0) continue;
      const ino = group * inodesPerGroup + bit + 1;
      const block = superblock.inodeTable(group) + Math.floor(bit / geometry.inodesPerBlock);
      const at = (bit % geometry.inodesPerBlock) * geometry.inodeSize;
      const table = buffers.find(block) ?? (yield* buffers.bread(block));
      const last = buffers.readU32(table, at + INODE.offset.i_generation);
      if (superblock.journal.isKept) yield* superblock.prepareGroup(group);
      setBit(buffers, buffers.findForChange(bitmap) ?? (yield* buffers.breadForChange(bitmap)), bit, true);
      count(superblock, group, -1, isDirectory ? 1 : 0);
      const debts = superblock.debts;
      debts[group] = isDirectory ? Math.min(255, debts[group]! + 1) : Math.max(0, debts[group]! - 1);
      return { ino, generation: (last + 1) >>> 0 };
    }
  } finally {
    superblock.lock.release();
  }
  throw new ModelError('ENOSPC', 'no inode is free');
}

/** ext2_free_inode: the number may be used again. */
export function* freeInode(superblock: Ext2Super, ino: number, isDirectory: boolean): Process {
  const { buffers } = superblock;
  const { group, indexInTable } = inodeLocation(superblock.geometry, ino);
  if (ino < superblock.geometry.firstInode) {
    superblock.error(`ext2: inode ${ino} is reserved and is to be freed`);
    return;
  }
  if (!superblock.lock.tryAcquire()) yield* superblock.lock.acquire();
  try {
    if (superblock.journal.isKept) yield* superblock.prepareGroup(group);
    const bitmap = word(superblock, group, D.bg_inode_bitmap);
    const pfn = buffers.findForChange(bitmap) ?? (yield* buffers.breadForChange(bitmap));
    if (!testBit(buffers, pfn, indexInTable)) {
      superblock.error(`ext2: inode ${ino} is free already`);
      return;
    }
    setBit(buffers, pfn, indexInTable, false);
    count(superblock, group, 1, isDirectory ? -1 : 0);
  } finally {
    superblock.lock.release();
  }
}

/** Whether the bitmap says that an inode number is in use. Throws EIO. */
export function* isInodeInUse(superblock: Ext2Super, ino: number): Process<boolean> {
  const { group, indexInTable } = inodeLocation(superblock.geometry, ino);
  return testBit(
    superblock.buffers,
    yield* superblock.buffers.bread(word(superblock, group, D.bg_inode_bitmap)),
    indexInTable,
  );
}

/** find_group_other; -1 when no group has a free inode. */
function fileGroup(superblock: Ext2Super, parent: number): number {
  const { groupCount } = superblock.geometry;
  const home = inodeLocation(superblock.geometry, parent).group;
  const hasRoom = (group: number): boolean => freeInodes(superblock, group) > 0 && freeBlocksOf(superblock, group) > 0;
  if (hasRoom(home)) return home;
  let group = (home + parent) % groupCount;
  for (let step = 1; step < groupCount; step *= 2) {
    group = (group + step) % groupCount;
    if (hasRoom(group)) return group;
  }
  return anyGroup(superblock, home, 1);
}

/** find_group_orlov; -1 when no group has a free inode. */
function directoryGroup(superblock: Ext2Super, parent: number): number {
  const { groupCount, inodesPerGroup, blocksPerGroup, blockCount } = superblock.geometry;
  const home = inodeLocation(superblock.geometry, parent).group;
  let [inodes, blocks, directories] = [0, 0, 0];
  for (let group = 0; group < groupCount; group++) {
    inodes += freeInodes(superblock, group);
    blocks += freeBlocksOf(superblock, group);
    directories += directoriesOf(superblock, group);
  }
  const averageInodes = Math.floor(inodes / groupCount);
  const averageBlocks = Math.floor(blocks / groupCount);
  if (parent === EXT2_ROOT_INO) {
    let best = -1;
    let fewest = inodesPerGroup;
    const start = superblock.nextTopGroup++ % groupCount;
    for (let n = 0; n < groupCount; n++) {
      const group = (start + n) % groupCount;
      const free = freeInodes(superblock, group);
      if (directoriesOf(superblock, group) >= fewest || free === 0 || free < averageInodes) continue;
      if (freeBlocksOf(superblock, group) < averageBlocks) continue;
      best = group;
      fewest = directoriesOf(superblock, group);
    }
    return best >= 0 ? best : anyGroup(superblock, home, averageInodes);
  }
  const mostDirectories = Math.floor(directories / groupCount) + Math.floor(inodesPerGroup / 16);
  const leastInodes = averageInodes - Math.floor(inodesPerGroup / 4);
  const leastBlocks = averageBlocks - Math.floor(blocksPerGroup / 4);
  const blocksADirectory = Math.floor((blockCount - blocks) / Math.max(1, directories));
  const mostDebt = mostDebtOf(blocksPerGroup, inodesPerGroup, blocksADirectory);
  for (let n = 0; n < groupCount; n++) {
    const group = (home + n) % groupCount;
    if (superblock.debts[group]! >= mostDebt || directoriesOf(superblock, group) >= mostDirectories) continue;
    const free = freeInodes(superblock, group);
    if (free > 0 && free >= leastInodes && freeBlocksOf(superblock, group) >= leastBlocks) return group;
  }
  return anyGroup(superblock, home, averageInodes);
}

/**
 * The debt at which a group gets no more directories: 1 to 128, since a group has 32,768 blocks at
 * most.
 * @param blocksADirectory blocks in use, of all, for each directory
 */
export function mostDebtOf(blocksPerGroup: number, inodesPerGroup: number, blocksADirectory: number): number {
  const byBlocks = Math.floor(blocksPerGroup / Math.max(blocksADirectory, BLOCK_COST));
  return Math.max(1, Math.min(byBlocks, Math.floor(inodesPerGroup / INODE_COST)));
}

/**
 * The first group from `home` on with at least so many free inodes, or, when there is none, with
 * any.
 */
function anyGroup(superblock: Ext2Super, home: number, least: number): number {
  const { groupCount } = superblock.geometry;
  for (const wanted of [Math.max(1, least), 1])
    for (let n = 0; n < groupCount; n++)
      if (freeInodes(superblock, (home + n) % groupCount) >= wanted) return (home + n) % groupCount;
  return -1;
}

function word(superblock: Ext2Super, group: number, field: number): number {
  const { pfn, offset } = superblock.descriptor(group);
  return superblock.buffers.readU32(pfn, offset + field);
}

function half(superblock: Ext2Super, group: number, field: number): number {
  const { pfn, offset } = superblock.descriptor(group);
  return superblock.buffers.readU16(pfn, offset + field);
}

const freeInodes = (superblock: Ext2Super, group: number): number => half(superblock, group, D.bg_free_inodes_count);
const freeBlocksOf = (superblock: Ext2Super, group: number): number => half(superblock, group, D.bg_free_blocks_count);
const directoriesOf = (superblock: Ext2Super, group: number): number => half(superblock, group, D.bg_used_dirs_count);

function count(superblock: Ext2Super, group: number, inodes: number, directories: number): void {
  const { buffers, superblockPage } = superblock;
  const { pfn, offset } = superblock.descriptor(group);
  add(buffers, pfn, offset + D.bg_free_inodes_count, inodes);
  if (directories !== 0) add(buffers, pfn, offset + D.bg_used_dirs_count, directories);
  buffers.writeU32(superblockPage, S_FREE_INODES, Math.max(0, buffers.readU32(superblockPage, S_FREE_INODES) + inodes));
}

function add(buffers: Buffers, pfn: Pfn, at: number, delta: number): void {
  buffers.writeU16(pfn, at, Math.min(0xffff, Math.max(0, buffers.readU16(pfn, at) + delta)));
}
