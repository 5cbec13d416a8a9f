/**
 * Buffers: blocks of metadata, read and changed through the block device's own mapping (fs/buffer.c
 * of 2.6.12).
 *
 * A block is a page here, so a buffer is a page of the address space with inode number 0, page
 * index = block number. Superblock, group descriptors, bitmaps, inode tables and indirect blocks
 * are reached through this file.
 *
 * Contract: a page that `bread` or `getblk` gave is valid until the next wait: read it, change it,
 * then wait. A page that was pinned stays. A store marks the buffer dirty; writing back is
 * fs-writeback.ts. These buffers are written straight to their places. Those of a file system with
 * a journal are jbd/journaled-buffers.ts.
 */

import { ModelError } from '../../base/errno.ts';
import { PAGE_SIZE, type Pfn } from '../../base/units.ts';
import { NOTHING, type Process } from '../../sim/index.ts';
import type { GuestMemory } from '../../xen/public/index.ts';
import { NO_PAGE, PG } from '../mm/mem-map.ts';
import type { MemoryManagement } from '../mm/mm.ts';
import type { AddressSpace } from '../mm/page-cache.ts';
import type { Mapping } from '../cache/mapping.ts';
import type { PageIo } from '../cache/page-io.ts';
import type { Writeback } from '../cache/fs-writeback.ts';
import type { FsCore } from './core.ts';
import type { InodesInMemory } from './inode.ts';

/** The block device's own mapping: page index = block number. */
export class BlockDeviceMapping implements Mapping {
  readonly space: AddressSpace;
  readonly pageCount: number;
  readonly isMetadata = true;
  readonly mapVersion = 0;
  readonly isInodeDirty = false;
  /** Pages that are held for the life of the mount. */
  readonly held = new Set<Pfn>();
  readonly #inodes: InodesInMemory;

  /** @param inodes of the file system on the device */
  constructor(space: AddressSpace, blocks: number, inodes: InodesInMemory) {
    this.space = space;
    this.pageCount = blocks;
    this.#inodes = inodes;
  }

  blockNow(index: number): number {
    return index;
  }

  *loadMetadata(): Process {
    // A block needs no metadata to be found.
  }

  *allocate(): Process {
    // Every block is there.
  }

  /**
   * A new block of metadata could not be written: what it leads to is a hole, instead of what the
   * block's former owner left.
   */
  *withdraw(block: number): Process {
    for (const inode of this.#inodes.all()) {
      if (!inode.leadsThrough(block) || !inode.hold()) continue;
      try {
        yield* inode.withdrawMetadata(block);
      } finally {
        yield* inode.release();
      }
      return;
    }
  }

  *writeInode(): Process {
    // The block device has no inode on the disk.
  }

  tail(): number {
    return 0;
  }

  isBoundary(): boolean {
    return false;
  }

  hold(): boolean {
    return true;
  }

  release(): Process {
    return NOTHING;
  }
}

export class Buffers {
  readonly device: BlockDeviceMapping;
  readonly #memory: GuestMemory;
  readonly #mm: MemoryManagement;
  readonly #io: PageIo;
  readonly #writeback: Writeback;

  constructor({ env, mm, io, writeback }: FsCore, device: BlockDeviceMapping) {
    this.#memory = env.memory;
    this.#mm = mm;
    this.#io = io;
    this.#writeback = writeback;
    this.device = device;
  }

  /** Whether metadata could not be written since the mount. */
  get hasLostWrites(): boolean {
    return this.#writeback.hasLostMetadata;
  }

  /** Whether a block's page is in memory and up to date. Does not count as an access. */
  has(block: number): boolean {
    return this.#io.find(this.device.space, block) !== undefined;
  }

  /** sb_bread: the block's page, up to date. Throws EIO. */
  *bread(block: number): Process<Pfn> {
    const pfn = yield* this.#io.getPage(this.device, block);
    this.#mm.lru.markAccessed(pfn);
    return pfn;
  }

  /**
   * The block's page, up to date, for a change that is made before the next wait. With a journal,
   * it may be changed until the handle ends. Throws EIO.
   */
  breadForChange(block: number): Process<Pfn> {
    return this.bread(block);
  }

  /**
   * sb_find_get_block: what `bread` would return without waiting; undefined when it would have to.
   */
  find(block: number): Pfn | undefined {
    const pfn = this.#io.find(this.device.space, block);
    if (pfn !== undefined) this.#mm.lru.markAccessed(pfn);
    return pfn;
  }

  /** What `breadForChange` would return without waiting; undefined when it would have to. */
  findForChange(block: number): Pfn | undefined {
    return this.find(block);
  }

  /**
   * sb_getblk for a block that was just allocated: its page, zeroed, up to date and dirty, without
   * reading it.
   */
  *getblk(block: number): Process<Pfn> {
    const { cache, map } = this.#mm;
    const pfn = yield* this.#io.grabPage(this.device, block);
    this.#memory.zero(pfn, 0, PAGE_SIZE);
    map.set(pfn, PG.hasBlock);
    if (!map.has(pfn, PG.uptodate)) cache.setUptodate(pfn);
    this.#io.locks.unlock(pfn);
    this.join(block, pfn);
    return pfn;
  }

  /** A new block is a buffer now, and dirty. */
  protected join(_block: number, pfn: Pfn): void {
    this.#mm.map.set(pfn, PG.fresh);
    this.dirty(pfn);
  }

  /**
   * bforget, unmap_underlying_metadata: a block was freed, or is now a file's. What memory holds of
   * it is dropped unwritten, and can never be written over the block's new contents.
   */
  forget(block: number): Process {
    const isCached = this.#mm.cache.find(this.device.space, block) !== NO_PAGE;
    return isCached ? this.#io.dropPage(this.device, block) : NOTHING;
  }

  /** Whether memory has something of a block that the drive has not taken yet. */
  isUnwritten(block: number): boolean {
    const pfn = this.#mm.cache.find(this.device.space, block);
    return pfn !== NO_PAGE && this.#mm.map.has(pfn, PG.dirty | PG.writeback);
  }

  /** A block of metadata is freed: recovery must not bring it back. */
  revoke(_block: number): void {
    // Without a journal nothing is recovered.
  }

  /** The page never leaves the cache: a buffer held for the life of the mount. */
  pin(pfn: Pfn): void {
    this.#mm.map.set(pfn, PG.pinned);
    this.device.held.add(pfn);
  }

  /** The buffer's transaction is committed: its page may leave the cache, unless it is held. */
  unpin(pfn: Pfn): void {
    if (!this.device.held.has(pfn)) this.#mm.map.clear(pfn, PG.pinned);
  }

  /** mark_buffer_dirty, or journal_dirty_metadata. */
  dirty(pfn: Pfn): void {
    this.dirtyDirect(pfn);
  }

  /** Marks a buffer dirty past the journal: what it holds goes to its place. */
  dirtyDirect(pfn: Pfn): void {
    this.#writeback.markPageDirty(this.device, pfn);
  }

  /**
   * sync_dirty_buffer: writes a block to its place now, whatever a journal says, and waits for it.
   * Throws EIO.
   */
  *writeThrough(block: number): Process {
    const pfn = yield* this.bread(block);
    this.dirtyDirect(pfn);
    yield* this.#writeback.writePages(this.device, true, block, block + 1);
    yield* this.#writeback.waitPages(this.device, block, block + 1);
    if (this.#mm.map.has(yield* this.bread(block), PG.error))
      throw new ModelError('EIO', `block ${block} cannot be written`);
  }

  readU8(pfn: Pfn, offset: number): number {
    return this.#memory.readU8(pfn, offset);
  }

  readU16(pfn: Pfn, offset: number): number {
    return this.#memory.readU16(pfn, offset);
  }

  readU32(pfn: Pfn, offset: number): number {
    return this.#memory.readU32(pfn, offset);
  }

  /** The offset of the first word from `offset` on that is not `word`, or `end`. */
  skipWords(pfn: Pfn, offset: number, end: number, word: number): number {
    return this.#memory.skipWords(pfn, offset, end, word);
  }

  copyOut(pfn: Pfn, offset: number, dst: Uint8Array, length: number): void {
    this.#memory.copyOut(pfn, offset, dst, 0, length);
  }

  /** Stores and marks the buffer dirty; the same holds for those below. */
  writeU8(pfn: Pfn, offset: number, value: number): void {
    this.#memory.writeU8(pfn, offset, value);
    this.dirty(pfn);
  }

  writeU16(pfn: Pfn, offset: number, value: number): void {
    this.#memory.writeU16(pfn, offset, value);
    this.dirty(pfn);
  }

  writeU32(pfn: Pfn, offset: number, value: number): void {
    this.#memory.writeU32(pfn, offset, value);
    this.dirty(pfn);
  }

  copyIn(pfn: Pfn, offset: number, src: Uint8Array, length: number): void {
    this.#memory.copyIn(pfn, offset, src, 0, length);
    this.dirty(pfn);
  }

  zero(pfn: Pfn, offset: number, length: number): void {
    this.#memory.zero(pfn, offset, length);
    this.dirty(pfn);
  }
}
