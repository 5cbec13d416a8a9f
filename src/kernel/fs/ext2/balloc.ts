/**
 * Block allocation (fs/ext2/balloc.c of 2.6.12).
 *
 * A block is sought near its goal, in this order:
 * - the goal itself;
 * - the blocks up to the next multiple of 64;
 * - the next eight free blocks that share a byte of the bitmap;
 * - any free block behind the goal;
 * - the following groups in a circle;
 * - last, what lies before the goal.
 *
 * Bitmaps and counts are changed in their buffers, under lock_super.
 *
 * The bitmap is not believed when it says that metadata is free. Counts on the disk only decide
 * where to look, and never go below 0. Differs from the original: there are no reservation windows,
 * and every process may use the reserved blocks (all run as root).
 */

import { ModelError } from '../../../base/errno.ts';
import type { Pfn } from '../../../base/units.ts';
import { EXT2_SUPERBLOCK_OFFSET, GROUP_DESCRIPTOR, groupHeadBlocks, SUPERBLOCK } from '../../../format/ext2.ts';
import type { Process } from '../../../sim/index.ts';
import type { Buffers } from '../buffer.ts';
import type { Ext2Super } from './super.ts';

const FREE_BLOCKS = GROUP_DESCRIPTOR.offset.bg_free_blocks_count;
/** 32 blocks in use, as a word of a bitmap. */
const ALL_TAKEN = 0xffff_ffff;
const S_FREE_BLOCKS = EXT2_SUPERBLOCK_OFFSET + SUPERBLOCK.offset.s_free_blocks_count;

/** ext2_new_block: a block that was free, as near as possible behind `goal`. Throws ENOSPC, EIO. */
export function* newBlock(superblock: Ext2Super, goal: number): Process<number> {
  const { geometry, buffers } = superblock;
  const { blocksPerGroup, groupCount } = geometry;
  const wanted = goal > 0 && goal < geometry.blockCount ? goal : 0;
  const first = Math.floor(wanted / blocksPerGroup);
  // See hot-paths 14.
  if (!superblock.lock.tryAcquire()) yield* superblock.lock.acquire();
  try {
    for (let n = 0; n <= groupCount; n++) {
      const group = (first + n) % groupCount;
      const descriptor = superblock.descriptor(group);
      if (buffers.readU16(descriptor.pfn, descriptor.offset + FREE_BLOCKS) === 0) continue;
      const bitmap = bitmapOf(superblock, group);
      const pfn = buffers.find(bitmap) ?? (yield* buffers.bread(bitmap));
      const goalInGroup = n === 0 ? wanted % blocksPerGroup : 0;
      const taken = new Taken(buffers, pfn, superblock.journal.frozen(group));
      const bit = findFree(taken, goalInGroup, blocksIn(superblock, group));
      if (bit < 0) continue;
      const block = group * blocksPerGroup + bit;
      if (isMetadata(superblock, group, block)) {
        superblock.error(`ext2: block ${block} holds metadata, but is free in the bitmap of group ${group}`);
        throw new ModelError('EIO', `ext2: the bitmap of group ${group} is wrong`);
      }
      if (superblock.journal.isKept) yield* superblock.prepareGroup(group);
      setBit(buffers, buffers.findForChange(bitmap) ?? (yield* buffers.breadForChange(bitmap)), bit, true);
      addFreeBlocks(superblock, group, -1);
      return block;
    }
  } finally {
    superblock.lock.release();
  }
  throw new ModelError('ENOSPC', 'no block is free');
}

/**
 * Before the first store of a change that may free a block: reads what freeing it changes. Throws
 * EIO.
 */
export function* prepareFreeing(superblock: Ext2Super, block: number): Process {
  const group = Math.floor(block / superblock.geometry.blocksPerGroup);
  if (block >= superblock.geometry.blockCount) return;
  if (superblock.journal.isKept) yield* superblock.prepareGroup(group);
  yield* superblock.buffers.breadForChange(bitmapOf(superblock, group));
}

/** Whose blocks are freed. */
export interface Freeing {
  /** Set to false when it made no sense to free one of its blocks. */
  isSound: boolean;
}

/**
 * ext2_free_blocks: gives back `count` blocks from `block` on. Blocks that cannot be freed are an
 * error of the file system. So is a bitmap that cannot be read: its blocks stay in use, and the
 * others are freed.
 */
export function* freeBlocks(
  superblock: Ext2Super,
  block: number,
  count: number,
  freeing: Freeing = { isSound: true },
): Process {
  const { geometry, buffers } = superblock;
  const { blocksPerGroup } = geometry;
  if (block < 1 || block + count > geometry.blockCount) {
    superblock.error(`ext2: blocks ${block} to ${block + count - 1} are to be freed, beyond the file system`);
    freeing.isSound = false;
    return;
  }
  if (!superblock.lock.tryAcquire()) yield* superblock.lock.acquire();
  try {
    for (let at = block; at < block + count; ) {
      const group = Math.floor(at / blocksPerGroup);
      const end = Math.min(block + count, (group + 1) * blocksPerGroup);
      try {
        if (superblock.journal.isKept) yield* superblock.prepareGroup(group);
        const bitmap = bitmapOf(superblock, group);
        const pfn = buffers.findForChange(bitmap) ?? (yield* buffers.breadForChange(bitmap));
        if (!freeInGroup(superblock, pfn, group, at, end)) freeing.isSound = false;
      } catch (error) {
        if (!(error instanceof ModelError)) throw error;
        superblock.error(`ext2: blocks ${at} to ${end - 1} are not freed: ${error.message}`);
      }
      at = end;
    }
    superblock.copies.discard(block, count);
  } finally {
    superblock.lock.release();
  }
}

/**
 * Frees the blocks from `start` up to and without `end` in the bitmap of their group. Returns
 * whether all were in use, by data.
 */
function freeInGroup(superblock: Ext2Super, bitmap: Pfn, group: number, start: number, end: number): boolean {
  const { buffers } = superblock;
  const { blocksPerGroup } = superblock.geometry;
  let freed = 0;
  for (let at = start; at < end; at++) {
    if (isMetadata(superblock, group, at)) superblock.error(`ext2: block ${at} holds metadata and is to be freed`);
    else if (!testBit(buffers, bitmap, at % blocksPerGroup)) superblock.error(`ext2: block ${at} is free already`);
    else {
      setBit(buffers, bitmap, at % blocksPerGroup, false);
      superblock.journal.freeze(group, at % blocksPerGroup);
      freed++;
    }
  }
  addFreeBlocks(superblock, group, freed);
  return freed === end - start;
}

/** Sets or clears a bit of a bitmap in a buffer. */
export function setBit(buffers: Buffers, pfn: Pfn, bit: number, value: boolean): void {
  const byte = buffers.readU8(pfn, bit >>> 3);
  const mask = 1 << (bit & 7);
  buffers.writeU8(pfn, bit >>> 3, value ? byte | mask : byte & ~mask);
}

export function testBit(buffers: Buffers, pfn: Pfn, bit: number): boolean {
  return ((buffers.readU8(pfn, bit >>> 3) >>> (bit & 7)) & 1) !== 0;
}

/** The first clear bit of a bitmap from `from` up to and without `end`; -1 when there is none. */
export function nextClearBit(buffers: Buffers, pfn: Pfn, from: number, end: number): number {
  return new Taken(buffers, pfn, undefined).nextClear(from, end);
}

/** The bits that are set in a bitmap or in a second one, until the next wait. */
class Taken {
  readonly #buffers: Buffers;
  readonly #pfn: Pfn;
  readonly #more: DataView | undefined;

  constructor(buffers: Buffers, pfn: Pfn, more: Uint8Array | undefined) {
    this.#buffers = buffers;
    this.#pfn = pfn;
    this.#more = more && new DataView(more.buffer, more.byteOffset);
  }

  /** 32 bits, as a signed number. */
  word(n: number): number {
    return this.#buffers.readU32(this.#pfn, 4 * n) | (this.#more?.getUint32(4 * n, true) ?? 0);
  }

  isClear(bit: number): boolean {
    return ((this.word(bit >>> 5) >>> (bit & 31)) & 1) === 0;
  }

  /** The first clear bit from `from` up to and without `end`; -1 when there is none. */
  nextClear(from: number, end: number): number {
    for (let at = from; at < end; ) {
      const clear = ~this.word(at >>> 5) & (-1 << (at & 31));
      if (clear !== 0) {
        const bit = (at & ~31) + (31 - Math.clz32(clear & -clear));
        return bit < end ? bit : -1;
      }
      at = 32 * this.nextWord(at >>> 5, end);
    }
    return -1;
  }

  /**
   * The next word behind `n` that has a clear bit in the first bitmap. When there is none, the one
   * behind `end` bits.
   */
  nextWord(n: number, end: number): number {
    const last = 4 * ((end + 31) >>> 5);
    return this.#buffers.skipWords(this.#pfn, Math.min(last, 4 * n + 4), last, ALL_TAKEN) >>> 2;
  }
}

/** grab_block: a bit that is clear, the goal or behind it; -1 when there is none. */
function findFree(taken: Taken, goal: number, size: number): number {
  if (taken.isClear(goal)) return goal;
  // Up to the next multiple of 64: nothing, where the goal is one.
  const near = taken.nextClear(goal, Math.min(size, (goal + 63) & ~63));
  if (near >= 0) return near;
  for (let byte = (goal >>> 3) + 1; byte < size >>> 3; byte++) {
    const word = taken.word(byte >>> 2);
    if (word === -1) {
      byte = 4 * taken.nextWord(byte >>> 2, size) - 1;
      continue;
    }
    if (((word >>> (8 * (byte & 3))) & 0xff) !== 0) continue;
    // The run may begin in the byte before, behind the goal.
    let bit = byte * 8;
    while (bit > goal && bit > byte * 8 - 7 && taken.isClear(bit - 1)) bit--;
    return bit;
  }
  return taken.nextClear(goal, size);
}

function bitmapOf(superblock: Ext2Super, group: number): number {
  const { pfn, offset } = superblock.descriptor(group);
  return superblock.buffers.readU32(pfn, offset + GROUP_DESCRIPTOR.offset.bg_block_bitmap);
}

function blocksIn(superblock: Ext2Super, group: number): number {
  const { blockCount, blocksPerGroup } = superblock.geometry;
  return Math.min(blocksPerGroup, blockCount - group * blocksPerGroup);
}

/** Whether a block of a group holds superblock, descriptors, bitmaps or inodes. */
function isMetadata(superblock: Ext2Super, group: number, block: number): boolean {
  const { geometry, buffers } = superblock;
  const { pfn, offset } = superblock.descriptor(group);
  if (block - group * geometry.blocksPerGroup < groupHeadBlocks(geometry, group)) return true;
  const table = superblock.inodeTable(group);
  return (
    (block >= table && block < table + geometry.inodeTableBlocks) ||
    block === buffers.readU32(pfn, offset + GROUP_DESCRIPTOR.offset.bg_block_bitmap) ||
    block === buffers.readU32(pfn, offset + GROUP_DESCRIPTOR.offset.bg_inode_bitmap)
  );
}

function addFreeBlocks(superblock: Ext2Super, group: number, delta: number): void {
  const { buffers, superblockPage } = superblock;
  const { pfn, offset } = superblock.descriptor(group);
  const inGroup = buffers.readU16(pfn, offset + FREE_BLOCKS) + delta;
  buffers.writeU16(pfn, offset + FREE_BLOCKS, Math.min(0xffff, Math.max(0, inGroup)));
  buffers.writeU32(superblockPage, S_FREE_BLOCKS, Math.max(0, buffers.readU32(superblockPage, S_FREE_BLOCKS) + delta));
}
