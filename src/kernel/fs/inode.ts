/**
 * Inodes in memory, and the inode cache (fs/inode.c of 2.6.12).
 *
 * An inode stays in the cache with its pages after its last use, until memory is short: least recently used first to go. When it
 * goes, its pages are invalidated first; an inode in use, dirty, or with pages that are dirty or under I/O, is passed over. So
 * is one whose indirect blocks are not written yet: its fsync must know of them. It lies in a page of its slab cache. Differs
 * in that inodes in use are on the same list (lru-cache) as the unused, and in that an inode with an error that no fsync was
 * told of stays in memory.
 *
 * Locks, in this order: `sem` (i_sem) is held by whoever changes size, data or entries; `mapLock` by whoever changes the
 * map from pages to blocks.
 */

import { LRUCache } from 'lru-cache';
import { assert } from '../../base/assert.ts';
import { PAGE_SIZE, pagesOf, type Ino, type Pfn } from '../../base/units.ts';
import { EXT2_MODE } from '../../format/ext2.ts';
import type { Process } from '../../sim/index.ts';
import type { Buffers } from './buffer.ts';
import type { DirectoryIndex } from './ext2/dir-index.ts';
import { NO_PAGE } from '../mm/mem-map.ts';
import type { MemoryManagement } from '../mm/mm.ts';
import type { AddressSpace } from '../mm/page-cache.ts';
import { Mutex } from './mutex.ts';
import type { Mapping } from '../cache/mapping.ts';
import type { SlabCache } from '../cache/slab.ts';
import { UNBOUNDED, type Shrinker } from '../mm/vmscan.ts';

/** How a file system maps the pages of its inodes. */
export interface InodeOperations {
  blockNow(inode: Inode, index: number): number;
  loadMetadata(inode: Inode, index: number): Process;
  isBoundary(index: number): boolean;
  allocate(inode: Inode, index: number): Process;
  withdraw(inode: Inode, index: number): Process;
  writeInode(inode: Inode): Process;
}

/** Where inodes are held and let go of: the inode cache. */
export interface InodeHolder {
  hold(inode: Inode): boolean;
  iput(inode: Inode): Process;
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
  /** 512-byte sectors of data and indirect blocks, and of the block of attributes. */
  sectors: number;
  /** Block of extended attributes (ext2/xattr.ts); 0: none. */
  fileAcl: number;
}

export class Inode implements Mapping {
  readonly fields: InodeFields;
  readonly space: AddressSpace;
  /** Of a directory: what is known of its blocks. */
  readonly index: DirectoryIndex | undefined;
  /** i_sem. */
  readonly sem: Mutex;
  /** Held while the map from pages to blocks changes. */
  readonly mapLock: Mutex;
  readonly #operations: InodeOperations;
  readonly #holder: InodeHolder;
  /** Open files and walks that use it. */
  references = 0;
  /** Page of the slab cache that it lies in. */
  object: Pfn = NO_PAGE;
  mapVersion = 0;
  isInodeDirty = false;
  /** Whether more than times has changed since it was written (I_DIRTY_DATASYNC). */
  isSizeDirty = false;
  /** Whether it was mapped for shared stores since it was read: those may reach beyond its end. */
  mayHoldTail = false;
  /** Transactions in which it was changed last, and in which more than its times was, at the latest; -1: in none since the mount. */
  tid = -1;
  syncTid = -1;
  /**
   * Without a journal: indirect blocks that were changed (the private list of buffers), each with a page to which it leads, -1 when it
   * was there already; made by the first.
   */
  #metadataBlocks: Map<number, number> | undefined;
  /** Page and block that were allocated last: where a sequential writer goes on. */
  lastIndex = -1;
  lastBlock = 0;

  constructor(
    fields: InodeFields,
    space: AddressSpace,
    operations: InodeOperations,
    holder: InodeHolder,
    index?: DirectoryIndex,
  ) {
    this.fields = fields;
    this.space = space;
    this.index = index;
    this.#operations = operations;
    this.#holder = holder;
    this.sem = new Mutex('i_sem', fields);
    this.mapLock = new Mutex('the map lock', fields);
  }

  get size(): number {
    return this.fields.size;
  }

  /** An indirect block was changed, and fsync must write it. @param index of a page to which it leads, when it is new */
  addMetadataBlock(block: number, index = -1): void {
    const blocks = (this.#metadataBlocks ??= new Map<number, number>());
    if (index >= 0 || !blocks.has(block)) blocks.set(block, index);
  }

  /** A page to which a new indirect block of this inode leads; -1 when it has no such block. */
  pageBehind(block: number): number {
    return this.#metadataBlocks?.get(block) ?? -1;
  }

  /** An indirect block was freed. */
  removeMetadataBlock(block: number): void {
    this.#metadataBlocks?.delete(block);
  }

  /** remove_inode_buffers: the indirect blocks that are not written yet, ascending. Forgets the others. */
  unwrittenBlocks(buffers: Buffers): number[] {
    if (this.#metadataBlocks === undefined) return [];
    for (const block of this.#metadataBlocks.keys())
      if (!buffers.isUnwritten(block)) this.#metadataBlocks.delete(block);
    const blocks = [...this.#metadataBlocks.keys()].sort((a, b) => a - b);
    if (blocks.length === 0) this.#metadataBlocks = undefined;
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

  withdraw(index: number): Process {
    return this.#operations.withdraw(this, index);
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

  hold(): boolean {
    return this.#holder.hold(this);
  }

  release(): Process {
    return this.#holder.iput(this);
  }
}

export class InodeCache implements Shrinker {
  readonly #mm: MemoryManagement;
  readonly #slab: SlabCache;
  readonly #buffers: Buffers;
  readonly #inodes = new LRUCache<Ino, Inode>({ maxSize: UNBOUNDED, sizeCalculation: () => 1 });
  #nrUnused = 0;

  constructor(mm: MemoryManagement, slab: SlabCache, buffers: Buffers) {
    this.#mm = mm;
    this.#slab = slab;
    this.#buffers = buffers;
  }

  /** Inodes that nobody uses. */
  get nrObjects(): number {
    return this.#nrUnused;
  }

  /** alloc_inode, before anything is read or changed for it: what `add` takes, or `free`. Throws ENOMEM. */
  allocate(): Process<Pfn> {
    return this.#slab.allocate();
  }

  free(object: Pfn): void {
    this.#slab.free(object);
  }

  /** iget for an inode in memory: takes a reference, or returns undefined. */
  get(ino: Ino): Inode | undefined {
    const inode = this.#inodes.get(ino);
    if (inode !== undefined && inode.references++ === 0) this.#nrUnused--;
    return inode;
  }

  /** __iget: takes a reference to an inode; false when it has left the cache. */
  hold(inode: Inode): boolean {
    if (this.#inodes.peek(inode.ino) !== inode) return false;
    if (inode.references++ === 0) this.#nrUnused--;
    return true;
  }

  /** Whether an inode is in memory. */
  has(ino: Ino): boolean {
    return this.#inodes.has(ino);
  }

  /** Adds an inode that was just read, with one reference. */
  add(inode: Inode, object: Pfn): void {
    assert(!this.has(inode.ino), 'inode is in memory already');
    inode.references = 1;
    inode.object = object;
    this.#inodes.set(inode.ino, inode);
  }

  /** iput: gives a reference back. */
  put(inode: Inode): void {
    assert(inode.references > 0, 'inode has no reference');
    if (--inode.references === 0) this.#nrUnused++;
  }

  /** The inode, which nobody uses, is deleted: nobody finds it any more. `destroy` follows. */
  delete(inode: Inode): void {
    assert(inode.references === 0 && this.#inodes.peek(inode.ino) === inode, 'inode is in memory and unused');
    this.#inodes.delete(inode.ino);
    this.#nrUnused--;
  }

  /** destroy_inode: it has left the cache, and its pages are gone. */
  destroy(inode: Inode): void {
    this.#mm.cache.close(inode.space);
    this.#slab.free(inode.object);
  }

  /** Every inode in memory. */
  *all(): Generator<Inode, void, void> {
    yield* this.#inodes.values();
  }

  /** prune_icache. */
  scan(count: number): void {
    for (let i = 0; i < count; i++) {
      const [ino] = this.#inodes.rkeys();
      if (ino === undefined) return;
      // Makes it the youngest.
      const inode = this.#inodes.get(ino)!;
      if (inode.references > 0 || inode.isInodeDirty || inode.space.error !== undefined) continue;
      if (inode.unwrittenBlocks(this.#buffers).length > 0) continue;
      this.#mm.invalidate(inode.space);
      if (inode.space.nrPages > 0) continue;
      this.delete(inode);
      this.destroy(inode);
    }
  }
}
