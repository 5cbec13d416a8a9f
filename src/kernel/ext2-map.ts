/**
 * The map from the pages of a file to blocks (fs/ext2/inode.c of 2.6.12: ext2_get_block, ext2_truncate).
 *
 * Twelve direct pointers in the inode, then trees of indirect blocks of depth one, two and three. Looking up does not wait
 * (`blockNow`); allocating and freeing do, under the inode's mapLock. Every pointer on the disk is checked before it is used.
 *
 * Differs from the original: no preallocation of eight blocks; an indirect block that was allocated for a data block that
 * could not be (ENOSPC) stays, empty, until the file is truncated.
 */

import { ModelError } from '../base/errno.ts';
import { PAGE_SIZE } from '../base/units.ts';
import {
  blockPath,
  EXT2_DIRECT_BLOCKS,
  EXT2_DOUBLE_INDIRECT,
  EXT2_INDIRECT,
  EXT2_MAX_FILE_BLOCKS,
  EXT2_POINTERS_PER_BLOCK,
  EXT2_TRIPLE_INDIRECT,
  inodeLocation,
} from '../disk/ext2-format.ts';
import { NOTHING, type Process } from '../sim/index.ts';
import { freeBlocks, newBlock } from './ext2-balloc.ts';
import type { Ext2Super } from './ext2-super.ts';
import type { Inode } from './inode.ts';
import { HOLE, NEEDS_METADATA } from './page-io.ts';

const SINGLE_END = EXT2_DIRECT_BLOCKS + EXT2_POINTERS_PER_BLOCK;
const DOUBLE_END = SINGLE_END + EXT2_POINTERS_PER_BLOCK ** 2;
/** Pages below a pointer that leads through so many indirect blocks. */
const SPANS = [1, EXT2_POINTERS_PER_BLOCK, EXT2_POINTERS_PER_BLOCK ** 2, EXT2_POINTERS_PER_BLOCK ** 3] as const;
/** 512-byte sectors of a block. */
export const SECTORS_PER_BLOCK = PAGE_SIZE / 512;

export class Ext2Map {
  readonly #super: Ext2Super;
  readonly #markDirty: (inode: Inode) => void;
  /** Set by #through when it meets an indirect block that is not in memory; read by loadMetadata right after. */
  #missing = 0;

  /** @param markDirty called when pointers or sectors of an inode have changed */
  constructor(superblock: Ext2Super, markDirty: (inode: Inode) => void) {
    this.#super = superblock;
    this.#markDirty = markDirty;
  }

  /** ext2_get_block without waiting or allocating. Throws EIO when a pointer leads outside the file system. */
  blockNow(inode: Inode, index: number): number {
    const { pointers } = inode.fields;
    if (index < EXT2_DIRECT_BLOCKS) return this.#checked(pointers[index]!, inode);
    if (index < SINGLE_END) return this.#through(inode, pointers[EXT2_INDIRECT]!, index - EXT2_DIRECT_BLOCKS, 1);
    if (index < DOUBLE_END) return this.#through(inode, pointers[EXT2_DOUBLE_INDIRECT]!, index - SINGLE_END, 2);
    return this.#through(inode, pointers[EXT2_TRIPLE_INDIRECT]!, index - DOUBLE_END, 3);
  }

  /** Reads the first indirect block that blockNow lacks. */
  *loadMetadata(inode: Inode, index: number): Process {
    this.#missing = 0;
    if (this.blockNow(inode, index) === NEEDS_METADATA) yield* this.#super.buffers.bread(this.#missing);
  }

  /** Block 11, and the last entry of every indirect block. */
  isBoundary(index: number): boolean {
    return (
      index === EXT2_DIRECT_BLOCKS - 1 ||
      (index >= EXT2_DIRECT_BLOCKS && (index - EXT2_DIRECT_BLOCKS + 1) % EXT2_POINTERS_PER_BLOCK === 0)
    );
  }

  /** ext2_get_block that allocates: the block of a page. Throws EFBIG, ENOSPC, EIO, EROFS. */
  *blockForWrite(inode: Inode, index: number): Process<number> {
    if (index >= EXT2_MAX_FILE_BLOCKS) throw new ModelError('EFBIG', `inode ${inode.ino} cannot have a page ${index}`);
    if (!inode.mapLock.tryAcquire()) yield* inode.mapLock.acquire();
    try {
      const { buffers } = this.#super;
      const { pointers } = inode.fields;
      const path = blockPath(index);
      const leaf = path.length - 1;
      let block = this.#checked(pointers[path[0]!]!, inode);
      if (block === HOLE) {
        block = yield* this.#allocate(inode, this.#goal(inode, index, 0, path[0]!, pointers), leaf === 0);
        pointers[path[0]!] = block;
        this.#changed(inode);
      }
      for (let level = 1; level <= leaf; level++) {
        const at = 4 * path[level]!;
        const parent = block;
        const pfn = buffers.find(parent) ?? (yield* buffers.bread(parent));
        block = this.#checked(buffers.readU32(pfn, at), inode);
        if (block !== HOLE) continue;
        const before = at === 0 ? 0 : buffers.readU32(pfn, at - 4);
        const goal = this.#goal(inode, index, parent, -1, before === 0 ? [] : [before]);
        block = yield* this.#allocate(inode, goal, level === leaf);
        buffers.writeU32(buffers.findForChange(parent) ?? (yield* buffers.breadForChange(parent)), at, block);
        this.#addBuffer(inode, parent);
        this.#changed(inode);
      }
      inode.lastIndex = index;
      inode.lastBlock = block;
      return block;
    } finally {
      inode.mapLock.release();
    }
  }

  /** ext2_truncate: frees every block from page `first` on, with the indirect blocks that lead to nothing else. */
  *truncate(inode: Inode, first: number): Process {
    if (!inode.mapLock.tryAcquire()) yield* inode.mapLock.acquire();
    try {
      const { pointers } = inode.fields;
      inode.mapVersion++;
      inode.lastIndex = -1;
      const freed = new FreedRun(this.#super);
      for (let i = first; i < EXT2_DIRECT_BLOCKS; i++) {
        if (pointers[i] === 0) continue;
        if (inode.isDirectory) this.#super.buffers.revoke(pointers[i]!);
        yield* freed.add(pointers[i]!);
        pointers[i] = 0;
        inode.fields.sectors -= SECTORS_PER_BLOCK;
      }
      let base = EXT2_DIRECT_BLOCKS;
      for (let depth = 1; depth <= 3; depth++) {
        const slot = EXT2_DIRECT_BLOCKS - 1 + depth;
        const span = SPANS[depth]!;
        const from = Math.max(0, first - base);
        base += span;
        if (pointers[slot] === 0 || from >= span) continue;
        if (yield* this.#freeTree(inode, pointers[slot]!, depth, from, freed)) pointers[slot] = 0;
      }
      yield* freed.end();
      inode.fields.sectors = Math.max(0, inode.fields.sectors);
      this.#markDirty(inode);
    } finally {
      inode.mapLock.release();
    }
  }

  /** Frees what lies at or behind page `from` of a tree of indirect blocks; returns whether its root is freed too. */
  *#freeTree(inode: Inode, root: number, depth: number, from: number, freed: FreedRun): Process<boolean> {
    const { buffers } = this.#super;
    const bytes = new Uint8Array(PAGE_SIZE);
    buffers.copyOut(yield* buffers.bread(this.#checked(root, inode)), 0, bytes, PAGE_SIZE);
    const words = new Uint32Array(bytes.buffer);
    const span = SPANS[depth - 1]!;
    for (let i = Math.floor(from / span); i < EXT2_POINTERS_PER_BLOCK; i++) {
      const child = words[i]!;
      if (child === 0) continue;
      // A structure that is found to be wrong, a block freed twice, is not walked any further: it need not end.
      if (this.#super.isReadOnly) throw new ModelError('EIO', `ext2: the blocks of inode ${inode.ino} make no sense`);
      if (depth === 1) {
        if (inode.isDirectory) buffers.revoke(child);
        yield* freed.add(child);
        inode.fields.sectors -= SECTORS_PER_BLOCK;
      } else if (!(yield* this.#freeTree(inode, child, depth - 1, Math.max(0, from - i * span), freed))) continue;
      words[i] = 0;
    }
    if (from > 0) {
      buffers.copyIn(yield* buffers.breadForChange(root), 0, bytes, PAGE_SIZE);
      this.#addBuffer(inode, root);
      return false;
    }
    inode.removeMetadataBlock(root);
    buffers.revoke(root);
    yield* buffers.forget(root);
    yield* freed.add(root);
    inode.fields.sectors -= SECTORS_PER_BLOCK;
    return true;
  }

  /** A new block: for data, whatever the device's mapping holds of it is dropped; for pointers, it is zeroed there. */
  *#allocate(inode: Inode, goal: number, isData: boolean): Process<number> {
    this.#super.beginChange();
    const block = yield* newBlock(this.#super, goal);
    if (isData) yield* this.#super.buffers.forget(block);
    else {
      yield* this.#super.buffers.getblk(block);
      this.#addBuffer(inode, block);
    }
    inode.fields.sectors += SECTORS_PER_BLOCK;
    return block;
  }

  /** mark_buffer_dirty_inode: fsync must write an indirect block. A journal knows of it already. */
  #addBuffer(inode: Inode, block: number): void {
    if (this.#super.buffers.journal === undefined) inode.addMetadataBlock(block);
  }

  #changed(inode: Inode): void {
    inode.mapVersion++;
    this.#markDirty(inode);
  }

  /**
   * ext2_find_goal: behind the block of a sequential writer; else behind the nearest pointer before this one; else behind
   * the indirect block; else the beginning of the inode's group.
   */
  #goal(inode: Inode, index: number, parent: number, slot: number, pointers: ArrayLike<number>): number {
    if (inode.lastIndex >= 0 && index === inode.lastIndex + 1) return inode.lastBlock + 1;
    for (let i = slot >= 0 ? slot - 1 : pointers.length - 1; i >= 0; i--)
      if (pointers[i] !== 0) return pointers[i]! + 1;
    if (parent > 0) return parent + 1;
    const { geometry } = this.#super;
    return inodeLocation(geometry, inode.ino).group * geometry.blocksPerGroup;
  }

  /** Follows `levels` indirect blocks from `block` to the pointer of the `offset`-th page below it. */
  #through(inode: Inode, block: number, offset: number, levels: number): number {
    const { buffers } = this.#super;
    let at = this.#checked(block, inode);
    for (let level = levels - 1; level >= 0; level--) {
      if (at === HOLE) return HOLE;
      const pfn = buffers.find(at);
      if (pfn === undefined) {
        this.#missing = at;
        return NEEDS_METADATA;
      }
      const element = Math.floor(offset / SPANS[level]!) % EXT2_POINTERS_PER_BLOCK;
      at = this.#checked(buffers.readU32(pfn, 4 * element), inode);
    }
    return at;
  }

  /** A pointer as a block; 0 is a hole. */
  #checked(block: number, inode: Inode): number {
    if (block === 0) return HOLE;
    if (block < this.#super.geometry.blockCount) return block;
    throw new ModelError('EIO', `ext2: inode ${inode.ino} points to block ${block}, beyond the file system`);
  }
}

/** Blocks on their way to being free, collected while they follow each other. */
class FreedRun {
  readonly #super: Ext2Super;
  #start = 0;
  #count = 0;

  constructor(superblock: Ext2Super) {
    this.#super = superblock;
  }

  add(block: number): Process {
    if (this.#count > 0 && block === this.#start + this.#count) {
      this.#count++;
      return NOTHING;
    }
    const freed = this.end();
    this.#start = block;
    this.#count = 1;
    return freed;
  }

  end(): Process {
    const count = this.#count;
    this.#count = 0;
    return count > 0 ? freeBlocks(this.#super, this.#start, count) : NOTHING;
  }
}
