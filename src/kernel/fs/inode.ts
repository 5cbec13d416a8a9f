/**
 * Inodes in memory, and the inode cache (fs/inode.c of 2.6.12).
 *
 * An inode stays in the cache with its pages after its last use, until memory is short. The least
 * recently used goes first, and its pages are invalidated before it. An inode in use, dirty, or
 * with pages that are dirty or under I/O is passed over. So is one of which its file system knows
 * something that is not written yet. It lies in a page of its slab cache.
 *
 * A file system derives its own inode from `Inode` (ext2_inode_info), and gives each its
 * operations.
 *
 * Differs from the original in two ways. Inodes in use are on the same list (lru-cache) as the
 * unused. An inode with an error that no fsync has reported stays in memory.
 *
 * Lock: `sem` (i_sem) is held while size, data or entries change. A file system's own locks are
 * taken under it.
 *
 * Invariants:
 *   1. an inode number is in memory once;
 *   2. a reference is given back once;
 *   3. an inode that is deleted is in memory, and is not in use.
 */

import { LRUCache } from 'lru-cache';
import { assert } from '../../base/assert.ts';
import { PAGE_SIZE, pagesOf, type Ino, type Pfn } from '../../base/units.ts';
import type { Process } from '../../sim/index.ts';
import { NO_PAGE } from '../mm/mem-map.ts';
import type { MemoryManagement } from '../mm/mm.ts';
import type { AddressSpace } from '../mm/page-cache.ts';
import { Mutex } from './mutex.ts';
import type { Mapping } from '../cache/mapping.ts';
import type { SlabCache } from '../cache/slab.ts';
import type { Shrinker } from '../mm/vmscan.ts';

/**
 * Bits of `mode` beside the type (linux/stat.h): setuid, setgid, sticky, and execution by the
 * group.
 */
export const S_IS = { uid: 0o4000, gid: 0o2000, vtx: 0o1000 } as const;
export const S_IXGRP = 0o0010;
/** All bits of `mode` that are permissions. */
export const PERMISSIONS = 0o7777;

/** Types of inodes in `mode` (linux/stat.h). */
export const S_IF = { mask: 0o170000, regular: 0o100000, directory: 0o040000, symlink: 0o120000 } as const;

/**
 * What a file system does for an inode in memory (address_space_operations and super_operations).
 */
export interface InodeOperations {
  /** As the functions of `Mapping` with these names. */
  blockNow(inode: Inode, index: number): number;
  loadMetadata(inode: Inode, index: number): Process;
  isBoundary(index: number): boolean;
  allocate(inode: Inode, index: number): Process;
  withdraw(inode: Inode, index: number): Process;
  writeInode(inode: Inode): Process;
  /** Whether something of the inode besides its fields and pages is not written yet. */
  hasUnwritten(inode: Inode): boolean;
  /** Whether a new block of metadata leads to pages of the inode. */
  leadsThrough(inode: Inode, block: number): boolean;
  /** Such a block could not be written: the pages to which it leads are holes. */
  withdrawMetadata(inode: Inode, block: number): Process;
}

/** Where inodes are held and let go of. */
export interface InodeHolder {
  hold(inode: Inode): boolean;
  iput(inode: Inode): Process;
}

/** What the disk says about an inode, on any file system. */
export interface InodeFields {
  readonly ino: Ino;
  readonly generation: number;
  mode: number;
  uid: number;
  gid: number;
  links: number;
  /** Bytes. */
  size: number;
  /** Seconds since 1970, as the two below. */
  atime: number;
  mtime: number;
  ctime: number;
  /** Nanoseconds that belong to each, 0 to 999,999,999; always 0 where only seconds are kept. */
  atimeNs: number;
  mtimeNs: number;
  ctimeNs: number;
  /** 512-byte sectors that it takes on the disk. */
  sectors: number;
}

export class Inode implements Mapping {
  readonly fields: InodeFields;
  readonly space: AddressSpace;
  /** i_sem. */
  readonly sem: Mutex;
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

  constructor(fields: InodeFields, space: AddressSpace, operations: InodeOperations, holder: InodeHolder) {
    this.fields = fields;
    this.space = space;
    this.#operations = operations;
    this.#holder = holder;
    this.sem = new Mutex('i_sem', fields);
  }

  get size(): number {
    return this.fields.size;
  }

  get ino(): Ino {
    return this.fields.ino;
  }

  get isDirectory(): boolean {
    return (this.fields.mode & S_IF.mask) === S_IF.directory;
  }

  get isRegular(): boolean {
    return (this.fields.mode & S_IF.mask) === S_IF.regular;
  }

  get isSymlink(): boolean {
    return (this.fields.mode & S_IF.mask) === S_IF.symlink;
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

  /** Whether something of it besides its fields and pages is not written yet. */
  get hasUnwritten(): boolean {
    return this.#operations.hasUnwritten(this);
  }

  /** Whether a new block of metadata leads to pages of it. */
  leadsThrough(block: number): boolean {
    return this.#operations.leadsThrough(this, block);
  }

  /** Such a block could not be written. */
  withdrawMetadata(block: number): Process {
    return this.#operations.withdrawMetadata(this, block);
  }

  hold(): boolean {
    return this.#holder.hold(this);
  }

  /** iput: gives a reference back; the last one of an inode without links deletes it. */
  release(): Process {
    return this.#holder.iput(this);
  }
}

/** lru-cache wants a bound: memory is the one that binds. */
const UNBOUNDED = Number.MAX_SAFE_INTEGER;

/** The inode cache; `T` is the file system's own inode. */
export class InodeCache<T extends Inode = Inode> implements Shrinker {
  readonly #mm: MemoryManagement;
  readonly #slab: SlabCache;
  readonly #inodes = new LRUCache<Ino, T>({ maxSize: UNBOUNDED, sizeCalculation: () => 1 });
  #nrUnused = 0;

  constructor(mm: MemoryManagement, slab: SlabCache) {
    this.#mm = mm;
    this.#slab = slab;
  }

  /** Inodes that are not in use. */
  get nrObjects(): number {
    return this.#nrUnused;
  }

  /**
   * alloc_inode, before anything is read or changed for it: what `add` takes, or `free`. Throws
   * ENOMEM.
   */
  allocate(): Process<Pfn> {
    return this.#slab.allocate();
  }

  /** The same without waiting, or NO_PAGE. */
  tryAllocate(): Pfn {
    return this.#slab.tryAllocate();
  }

  free(object: Pfn): void {
    this.#slab.free(object);
  }

  /** iget for an inode in memory: takes a reference, or returns undefined. */
  get(ino: Ino): T | undefined {
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
  add(inode: T, object: Pfn): void {
    assert(!this.has(inode.ino), 'inode cache 1: an inode number is in memory once');
    inode.references = 1;
    inode.object = object;
    this.#inodes.set(inode.ino, inode);
  }

  /** iput: gives a reference back. */
  put(inode: Inode): void {
    assert(inode.references > 0, 'inode cache 2: a reference is given back once');
    if (--inode.references === 0) this.#nrUnused++;
  }

  /** The inode, which is not in use, is deleted: it is not found any more. `destroy` follows. */
  delete(inode: Inode): void {
    assert(
      inode.references === 0 && this.#inodes.peek(inode.ino) === inode,
      'inode cache 3: an inode that is deleted is in memory and not in use',
    );
    this.#inodes.delete(inode.ino);
    this.#nrUnused--;
  }

  /** destroy_inode: it has left the cache, and its pages are gone. */
  destroy(inode: Inode): void {
    this.#mm.cache.close(inode.space);
    this.#slab.free(inode.object);
  }

  /** Every inode in memory. */
  *all(): IterableIterator<T> {
    yield* this.#inodes.values();
  }

  /** prune_icache. Since Linux 5.15 an inode stays while it has pages. */
  scan(count: number): void {
    for (let i = 0; i < count; i++) {
      const [ino] = this.#inodes.rkeys();
      if (ino === undefined) return;
      // Makes it the youngest.
      const inode = this.#inodes.get(ino)!;
      if (inode.references > 0 || inode.isInodeDirty || inode.space.error !== undefined) continue;
      if (inode.hasUnwritten) continue;
      if (inode.space.nrPages > 0 && !this.#mm.policy.prunesInodesWithPages) continue;
      this.#mm.invalidate(inode.space);
      if (inode.space.nrPages > 0) continue;
      this.delete(inode);
      this.destroy(inode);
    }
  }
}

/** What those know of the inode cache who do not know the file system. */
export type InodesInMemory = Pick<InodeCache, 'get' | 'put' | 'all'>;
