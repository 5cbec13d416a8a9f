/**
 * The map from the pages of a file to blocks (fs/ext2/inode.c of 2.6.12: ext2_get_block,
 * ext2_truncate).
 *
 * Twelve direct pointers in the inode, then trees of indirect blocks of depth one, two and three.
 * Looking up does not wait (`blockNow`); allocating and freeing do, under the inode's mapLock.
 * Every pointer on the disk is checked before it is used.
 *
 * The missing blocks on the way to a page become the file's by one store, after all of them were
 * allocated. If one cannot be had, the others are given back. Truncation may meet an indirect block
 * that cannot be read. It then notes an error of the file system, clears the pointer to the block,
 * and goes on with the others.
 *
 * Differs from the original: no preallocation of eight blocks.
 */

import { ModelError } from '../../../base/errno.ts';
import { PAGE_SIZE } from '../../../base/units.ts';
import {
  blockPath,
  EXT2_DIRECT_BLOCKS,
  EXT2_DOUBLE_INDIRECT,
  EXT2_INDIRECT,
  EXT2_MAX_FILE_BLOCKS,
  EXT2_POINTERS_PER_BLOCK,
  EXT2_TRIPLE_INDIRECT,
  inodeLocation,
} from '../../../format/ext2.ts';
import { NOTHING, type Process } from '../../../sim/index.ts';
import { freeBlocks, newBlock } from './balloc.ts';
import { FreedRun } from './freed-run.ts';
import type { Ext2Super } from './super.ts';
import type { Ext2Inode } from './inode-info.ts';
import { HOLE, NEEDS_METADATA } from '../../cache/mapping.ts';
import { NO_PAGE, PG } from '../../mm/mem-map.ts';
import type { MemoryManagement } from '../../mm/mm.ts';

const SINGLE_END = EXT2_DIRECT_BLOCKS + EXT2_POINTERS_PER_BLOCK;
const DOUBLE_END = SINGLE_END + EXT2_POINTERS_PER_BLOCK ** 2;
/** Pages below a pointer that leads through so many indirect blocks. */
const SPANS = [1, EXT2_POINTERS_PER_BLOCK, EXT2_POINTERS_PER_BLOCK ** 2, EXT2_POINTERS_PER_BLOCK ** 3] as const;
/** 512-byte sectors of a block. */
export const SECTORS_PER_BLOCK = PAGE_SIZE / 512;

/** Anything that has pointers. */
type Mapped = Pick<Ext2Inode, 'ino' | 'fields'>;

export class Ext2Map {
  readonly #super: Ext2Super;
  readonly #mm: MemoryManagement;
  readonly #markDirty: (inode: Ext2Inode) => void;

  /** @param markDirty called when pointers or sectors of an inode have changed */
  constructor(mm: MemoryManagement, superblock: Ext2Super, markDirty: (inode: Ext2Inode) => void) {
    this.#mm = mm;
    this.#super = superblock;
    this.#markDirty = markDirty;
  }

  /**
   * ext2_get_block without waiting or allocating. Throws EIO when a pointer leads outside the file
   * system.
   */
  blockNow(inode: Mapped, index: number): number {
    const { pointers } = inode.fields;
    if (index < EXT2_DIRECT_BLOCKS) return this.#checked(pointers[index]!, inode);
    if (index < SINGLE_END) return this.#through(inode, pointers[EXT2_INDIRECT]!, index - EXT2_DIRECT_BLOCKS, 1);
    if (index < DOUBLE_END) return this.#through(inode, pointers[EXT2_DOUBLE_INDIRECT]!, index - SINGLE_END, 2);
    return this.#through(inode, pointers[EXT2_TRIPLE_INDIRECT]!, index - DOUBLE_END, 3);
  }

  /** Reads the first indirect block that blockNow lacks. */
  *loadMetadata(inode: Mapped, index: number): Process {
    const { buffers } = this.#super;
    const path = blockPath(index);
    let block = this.#checked(inode.fields.pointers[path[0]!]!, inode);
    for (let level = 1; level < path.length && block !== HOLE; level++) {
      const pfn = buffers.find(block);
      if (pfn === undefined) {
        yield* buffers.bread(block);
        return;
      }
      block = this.#checked(buffers.readU32(pfn, 4 * path[level]!), inode);
    }
  }

  /** Block 11, and the last entry of every indirect block. */
  isBoundary(index: number): boolean {
    return (
      index === EXT2_DIRECT_BLOCKS - 1 ||
      (index >= EXT2_DIRECT_BLOCKS && (index - EXT2_DIRECT_BLOCKS + 1) % EXT2_POINTERS_PER_BLOCK === 0)
    );
  }

  /** ext2_get_block that allocates: the block of a page. Throws EFBIG, ENOSPC, EIO, EROFS. */
  *blockForWrite(inode: Ext2Inode, index: number): Process<number> {
    if (index >= EXT2_MAX_FILE_BLOCKS) throw new ModelError('EFBIG', `inode ${inode.ino} cannot have a page ${index}`);
    // See hot-paths 14.
    if (!inode.mapLock.tryAcquire()) yield* inode.mapLock.acquire();
    try {
      const { buffers } = this.#super;
      const path = blockPath(index);
      const { pointers } = inode.fields;
      let parent = 0;
      let level = 0;
      let block = this.#checked(pointers[path[0]!]!, inode);
      let goal = block === HOLE ? this.#goal(inode, index, 0, path[0]!, pointers) : 0;
      while (block !== HOLE && level < path.length - 1) {
        parent = block;
        const at = 4 * path[++level]!;
        const pfn = buffers.find(parent) ?? (yield* buffers.bread(parent));
        block = this.#checked(buffers.readU32(pfn, at), inode);
        if (block !== HOLE) continue;
        const before = at === 0 ? 0 : buffers.readU32(pfn, at - 4);
        goal = this.#goal(inode, index, parent, -1, before === 0 ? [] : [before]);
      }
      if (block === HOLE && path.length === 1) block = yield* this.#addDirect(inode, index, goal);
      else if (block === HOLE) block = yield* this.#addBranch(inode, index, path, level, parent, goal);
      inode.lastIndex = index;
      inode.lastBlock = block;
      return block;
    } finally {
      inode.mapLock.release();
    }
  }

  /** `#addBranch` for a page whose pointer is in the inode: nothing fails after the allocation. */
  *#addDirect(inode: Ext2Inode, index: number, goal: number): Process<number> {
    this.#super.beginChange();
    const block = yield* newBlock(this.#super, goal);
    const forgetting = this.#super.buffers.forget(block);
    if (forgetting !== NOTHING) yield* forgetting;
    inode.fields.pointers[index] = block;
    this.#added(inode, index, 1);
    return block;
  }

  /** So many blocks were added to an inode, the last of them for a page. */
  #added(inode: Ext2Inode, index: number, blocks: number): void {
    inode.fields.sectors += blocks * SECTORS_PER_BLOCK;
    this.#changed(inode);
    // What the disk has there belongs to another file until the page is written.
    const pfn = this.#mm.cache.find(inode.space, index);
    if (pfn !== NO_PAGE) this.#mm.map.set(pfn, PG.fresh);
  }

  /**
   * ext2_alloc_branch and ext2_splice_branch: allocates the missing blocks of the path to a page,
   * from `level` on, below the block `parent`. The first lies near `goal`. Returns the page's
   * block, which is the file's now. Throws ENOSPC, EIO, EROFS, and then nothing has changed.
   */
  *#addBranch(
    inode: Ext2Inode,
    index: number,
    path: readonly number[],
    level: number,
    parent: number,
    goal: number,
  ): Process<number> {
    const leaf = path.length - 1;
    const fresh: number[] = [];
    let block = HOLE;
    try {
      for (let at = level; at <= leaf; at++) {
        const above = block;
        this.#super.beginChange();
        block = yield* newBlock(this.#super, at === level ? goal : this.#goal(inode, index, above, -1, []));
        fresh.push(block);
        // What the device's mapping holds of a block of data is dropped; one of pointers is zeroed
        // there.
        if (at === leaf) yield* this.#super.buffers.forget(block);
        else yield* this.#super.buffers.getblk(block);
        if (at > level) yield* this.#setPointer(above, path[at]!, block);
      }
      if (level === 0) inode.fields.pointers[path[0]!] = fresh[0]!;
      else yield* this.#setPointer(parent, path[level]!, fresh[0]!);
    } catch (error) {
      for (const unused of fresh) yield* this.#giveBack(unused);
      throw error;
    }
    if (level > 0) this.#addBuffer(inode, parent);
    for (let i = 0; i < leaf - level; i++) this.#addBuffer(inode, fresh[i]!, index);
    this.#added(inode, index, fresh.length);
    return block;
  }

  /** Stores a pointer in an indirect block. Throws EIO, EROFS. */
  *#setPointer(parent: number, element: number, block: number): Process {
    const { buffers } = this.#super;
    buffers.writeU32(buffers.findForChange(parent) ?? (yield* buffers.breadForChange(parent)), 4 * element, block);
  }

  /** A new block is not needed after all. */
  *#giveBack(block: number): Process {
    const { buffers } = this.#super;
    buffers.revoke(block);
    yield* buffers.forget(block);
    yield* freeBlocks(this.#super, block, 1);
  }

  /**
   * A block that was allocated on the way to a page could not be written. The pointer to it is
   * cleared, and what lies behind it is a hole. A block of data is free again, unless the file
   * system has errors. An indirect block, which memory forgets, and what lies behind it stay in
   * use. Throws EIO.
   * @param lost the indirect block; undefined: the page's own
   */
  *withdraw(inode: Ext2Inode, index: number, lost?: number): Process {
    if (!inode.mapLock.tryAcquire()) yield* inode.mapLock.acquire();
    try {
      const { buffers } = this.#super;
      const { pointers } = inode.fields;
      const path = blockPath(index);
      let parent = 0;
      let level = 0;
      let block = this.#checked(pointers[path[0]!]!, inode);
      while (block !== HOLE && block !== lost && level < path.length - 1) {
        parent = block;
        const pfn = buffers.find(parent) ?? (yield* buffers.bread(parent));
        block = this.#checked(buffers.readU32(pfn, 4 * path[++level]!), inode);
      }
      if (block === HOLE || (lost !== undefined && block !== lost)) return;
      if (level === 0) pointers[path[0]!] = 0;
      else {
        // Not for a change of the journal's: it has ended, if there is one.
        buffers.writeU32(buffers.find(parent) ?? (yield* buffers.bread(parent)), 4 * path[level]!, 0);
        this.#addBuffer(inode, parent);
      }
      inode.fields.sectors = Math.max(0, inode.fields.sectors - SECTORS_PER_BLOCK);
      inode.lastIndex = -1;
      this.#changed(inode);
      if (lost !== undefined) {
        inode.removeMetadataBlock(lost);
        yield* buffers.forget(lost);
      } else if (!this.#super.state.isReadOnly) yield* freeBlocks(this.#super, block, 1);
    } finally {
      inode.mapLock.release();
    }
  }

  /**
   * Before pages from `first` on are cut off: reads the indirect blocks that lead to pages on both
   * sides of it. Throws EIO.
   */
  prepareTruncation(inode: Ext2Inode, first: number): Process {
    if (first >= EXT2_MAX_FILE_BLOCKS) return NOTHING;
    const path = blockPath(first);
    const root = this.#checked(inode.fields.pointers[path[0]!]!, inode);
    return path.length === 1 ? NOTHING : this.#prepareBelow(root, inode, path);
  }

  *#prepareBelow(root: number, inode: Ext2Inode, path: readonly number[]): Process {
    const { buffers } = this.#super;
    let block = root;
    for (let level = 1; block !== HOLE && path.slice(level).some((element) => element > 0); level++) {
      const pfn = buffers.findForChange(block) ?? (yield* buffers.breadForChange(block));
      block = this.#checked(buffers.readU32(pfn, 4 * path[level]!), inode);
    }
  }

  /**
   * ext2_truncate: frees every block from page `first` on, with the indirect blocks that lead to
   * nothing else. What cannot be freed is an error of the file system. Throws EIO when it makes no
   * sense to free any more.
   */
  *truncate(inode: Ext2Inode, first: number): Process {
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
    } finally {
      inode.fields.sectors = Math.max(0, inode.fields.sectors);
      this.#markDirty(inode);
      inode.mapLock.release();
    }
  }

  /**
   * Frees what lies at or behind page `from` of a tree of indirect blocks; returns whether its root
   * is freed too.
   */
  *#freeTree(inode: Ext2Inode, root: number, depth: number, from: number, freed: FreedRun): Process<boolean> {
    const { buffers } = this.#super;
    const bytes = new Uint8Array(PAGE_SIZE);
    try {
      buffers.copyOut(yield* buffers.bread(this.#checked(root, inode)), 0, bytes, PAGE_SIZE);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      // What it leads to stays in use, and is out of reach.
      this.#super.error(`ext2: blocks of inode ${inode.ino} are not freed: ${error.message}`);
      return from === 0;
    }
    const words = new Uint32Array(bytes.buffer);
    const span = SPANS[depth - 1]!;
    // A journal that has ended frees nothing any more.
    const hasEnded = (): boolean => this.#super.journal.isAborted;
    for (let i = Math.floor(from / span); i < EXT2_POINTERS_PER_BLOCK && !hasEnded(); i++) {
      const child = words[i]!;
      if (child === 0) continue;
      // A structure that is found to be wrong, a block freed twice, is not walked any further: it
      // need not end.
      if (!freed.isSound) throw new ModelError('EIO', `ext2: the blocks of inode ${inode.ino} make no sense`);
      if (depth === 1) {
        if (inode.isDirectory) buffers.revoke(child);
        yield* freed.add(child);
        inode.fields.sectors -= SECTORS_PER_BLOCK;
      } else if (!(yield* this.#freeTree(inode, child, depth - 1, Math.max(0, from - i * span), freed))) continue;
      words[i] = 0;
    }
    if (hasEnded()) return false;
    if (from > 0 && words.some((word) => word !== 0)) {
      const pfn = yield* this.#super.begun(buffers.breadForChange(root));
      buffers.copyIn(pfn, 0, bytes, PAGE_SIZE);
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

  /** mark_buffer_dirty_inode: fsync must write an indirect block. A journal knows of it already. */
  #addBuffer(inode: Ext2Inode, block: number, index?: number): void {
    if (!this.#super.journal.isKept) inode.addMetadataBlock(block, index);
  }

  #changed(inode: Ext2Inode): void {
    inode.mapVersion++;
    this.#markDirty(inode);
  }

  /**
   * ext2_find_goal. For a sequential writer, the block behind its last one. Otherwise the block
   * behind the nearest pointer before this one, or behind the indirect block. The last resort is
   * the beginning of the inode's group.
   */
  #goal(inode: Ext2Inode, index: number, parent: number, slot: number, pointers: ArrayLike<number>): number {
    if (inode.lastIndex >= 0 && index === inode.lastIndex + 1) return inode.lastBlock + 1;
    for (let i = slot >= 0 ? slot - 1 : pointers.length - 1; i >= 0; i--)
      if (pointers[i] !== 0) return pointers[i]! + 1;
    if (parent > 0) return parent + 1;
    const { geometry } = this.#super;
    return inodeLocation(geometry, inode.ino).group * geometry.blocksPerGroup;
  }

  /**
   * Follows `levels` indirect blocks from `block` to the pointer of the `offset`-th page below it.
   */
  #through(inode: Mapped, block: number, offset: number, levels: number): number {
    const { buffers } = this.#super;
    let at = this.#checked(block, inode);
    for (let level = levels - 1; level >= 0; level--) {
      if (at === HOLE) return HOLE;
      const pfn = buffers.find(at);
      if (pfn === undefined) return NEEDS_METADATA;
      const element = Math.floor(offset / SPANS[level]!) % EXT2_POINTERS_PER_BLOCK;
      at = this.#checked(buffers.readU32(pfn, 4 * element), inode);
    }
    return at;
  }

  /** A pointer as a block; 0 is a hole. */
  #checked(block: number, inode: Mapped): number {
    if (block === 0) return HOLE;
    if (block < this.#super.geometry.blockCount) return block;
    throw new ModelError('EIO', `ext2: inode ${inode.ino} points to block ${block}, beyond the file system`);
  }
}
