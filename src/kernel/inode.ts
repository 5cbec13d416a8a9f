/**
 * Inodes in memory, and the inode cache (fs/inode.c of 2.6.12).
 *
 * An inode stays in the cache with its pages after its last use, least recently used first to go (lru-cache stands for
 * the slab and its unused list). When it goes, its pages are invalidated first; an inode in use, dirty, or with pages
 * that are dirty or under I/O, lingers until the next time.
 *
 * Locks, in this order: `sem` (i_sem) is held by whoever changes size, data or entries; `mapLock` by whoever changes the
 * map from pages to blocks.
 */

import { LRUCache } from 'lru-cache';
import { assert } from '../base/assert.ts';
import { PAGE_SIZE, pagesOf, type Ino } from '../base/units.ts';
import { EXT2_MODE } from '../disk/ext2-format.ts';
import type { Process } from '../sim/index.ts';
import type { MemoryManagement } from './mm.ts';
import type { AddressSpace } from './page-cache.ts';
import { Mutex } from './mutex.ts';
import type { Mapping } from './page-io.ts';

/** How a file system maps the pages of its inodes. */
export interface InodeOperations {
  blockNow(inode: Inode, index: number): number;
  loadMetadata(inode: Inode, index: number): Process;
  isBoundary(index: number): boolean;
  allocate(inode: Inode, index: number): Process;
  writeInode(inode: Inode): Process;
}

/** What the disk says about an inode. After a change, `markInodeDirty`. */
export interface InodeFields {
  readonly ino: Ino;
  readonly generation: number;
  mode: number;
  readonly uid: number;
  readonly gid: number;
  links: number;
  /** Bytes. */
  size: number;
  /** Seconds since 1970, as the three below. */
  atime: number;
  mtime: number;
  ctime: number;
  /** 0 while the inode is in use; on the orphan list, the number of the next. */
  dtime: number;
  flags: number;
  /** i_block: 15 pointers, or the text of a short symbolic link. */
  readonly pointers: Uint32Array;
  /** 512-byte sectors of data and indirect blocks. */
  sectors: number;
}

export class Inode implements Mapping {
  readonly fields: InodeFields;
  readonly space: AddressSpace;
  /** i_sem. */
  readonly sem = new Mutex();
  /** Held while the map from pages to blocks changes. */
  readonly mapLock = new Mutex();
  readonly #operations: InodeOperations;
  /** Open files and walks that use it. */
  references = 0;
  mapVersion = 0;
  isInodeDirty = false;
  /** Whether more than times has changed since it was written (I_DIRTY_DATASYNC). */
  isSizeDirty = false;
  /** Whether it was mapped for shared stores since it was read: those may reach beyond its end. */
  mayHoldTail = false;
  /** Transactions in which it was changed last, and in which more than its times was; -1: in none since it was read. */
  tid = -1;
  syncTid = -1;
  /** Indirect blocks changed since the last fsync (the private list of buffers); made by the first. */
  #metadataBlocks: Set<number> | undefined;
  /** Page and block that were allocated last: where a sequential writer goes on. */
  lastIndex = -1;
  lastBlock = 0;

  constructor(fields: InodeFields, space: AddressSpace, operations: InodeOperations) {
    this.fields = fields;
    this.space = space;
    this.#operations = operations;
  }

  get size(): number {
    return this.fields.size;
  }

  /** mark_buffer_dirty_inode: an indirect block was changed, and fsync must write it. */
  addMetadataBlock(block: number): void {
    (this.#metadataBlocks ??= new Set()).add(block);
  }

  /** An indirect block was freed. */
  removeMetadataBlock(block: number): void {
    this.#metadataBlocks?.delete(block);
  }

  /** The indirect blocks that fsync must write, ascending; forgets them. */
  takeMetadataBlocks(): number[] {
    const blocks = [...(this.#metadataBlocks ?? [])].sort((a, b) => a - b);
    this.#metadataBlocks = undefined;
    return blocks;
  }

  get ino(): Ino {
    return this.fields.ino;
  }

  get isDirectory(): boolean {
    return (this.fields.mode & EXT2_MODE.typeMask) === EXT2_MODE.directory;
  }

  get isRegular(): boolean {
    return (this.fields.mode & EXT2_MODE.typeMask) === EXT2_MODE.regular;
  }

  get isSymlink(): boolean {
    return (this.fields.mode & EXT2_MODE.typeMask) === EXT2_MODE.symlink;
  }

  get isMetadata(): boolean {
    return !this.isRegular;
  }

  get pageCount(): number {
    return pagesOf(this.size);
  }

  blockNow(index: number): number {
    return this.#operations.blockNow(this, index);
  }

  loadMetadata(index: number): Process {
    return this.#operations.loadMetadata(this, index);
  }

  allocate(index: number): Process {
    return this.#operations.allocate(this, index);
  }

  writeInode(): Process {
    return this.#operations.writeInode(this);
  }

  tail(index: number): number {
    if (!this.mayHoldTail || index !== Math.floor(this.size / PAGE_SIZE)) return 0;
    return PAGE_SIZE - (this.size % PAGE_SIZE);
  }

  isBoundary(index: number): boolean {
    return this.#operations.isBoundary(index);
  }
}

export class InodeCache {
  readonly #mm: MemoryManagement;
  readonly #cached: LRUCache<Ino, Inode>;
  /** Inodes that fell out of the cache while they were in use or had pages under I/O. */
  readonly #lingering = new Map<Ino, Inode>();

  /** @param capacity inodes kept at most, beyond those in use */
  constructor(mm: MemoryManagement, capacity: number) {
    this.#mm = mm;
    this.#cached = new LRUCache<Ino, Inode>({
      max: capacity,
      disposeAfter: (inode, _ino, reason) => {
        if (reason === 'evict') this.#retire(inode);
      },
    });
  }

  /** iget for an inode in memory: takes a reference, or returns undefined. */
  get(ino: Ino): Inode | undefined {
    const inode = this.#cached.get(ino) ?? this.#lingering.get(ino);
    if (inode !== undefined) inode.references++;
    return inode;
  }

  /** Whether an inode is in memory. */
  has(ino: Ino): boolean {
    return this.#cached.has(ino) || this.#lingering.has(ino);
  }

  /** Adds an inode that was just read, with one reference. */
  add(inode: Inode): void {
    assert(this.get(inode.ino) === undefined, 'inode is in memory already');
    inode.references = 1;
    this.#cached.set(inode.ino, inode);
  }

  /** iput: gives a reference back. */
  put(inode: Inode): void {
    assert(inode.references > 0, 'inode has no reference');
    if (--inode.references === 0 && this.#lingering.delete(inode.ino)) this.#cached.set(inode.ino, inode);
  }

  /** The inode is deleted: nobody finds it any more. */
  delete(inode: Inode): void {
    this.#lingering.delete(inode.ino);
    if (this.#cached.peek(inode.ino) === inode) this.#cached.delete(inode.ino);
  }

  /** Every inode in memory. */
  *all(): Generator<Inode, void, void> {
    yield* this.#cached.values();
    yield* this.#lingering.values();
  }

  /** prune_icache, for one inode and those that lingered. */
  #retire(evicted: Inode): void {
    this.#lingering.set(evicted.ino, evicted);
    for (const inode of this.#lingering.values()) {
      if (inode.references > 0 || inode.isInodeDirty) continue;
      this.#mm.invalidate(inode.space);
      if (inode.space.nrPages > 0) continue;
      this.#lingering.delete(inode.ino);
      this.#mm.cache.close(inode.space);
    }
  }
}
