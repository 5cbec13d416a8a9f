/**
 * How a mounted ext2 or ext3 file system is changed: handles, and inodes and pages that become dirty (fs/ext3/ext3_jbd.c and
 * ext3_mark_inode_dirty of fs/ext3/inode.c, 2.6.12).
 *
 * Every change is made by an operation that `change` runs. With a journal (jbd.ts) that is a handle: what the operation
 * changes reaches the disk whole or not at all. The fields of inodes go to their buffers when the transaction closes;
 * directories are journaled like any metadata, files are written before what leads to them (data=ordered). Without a
 * journal, an inode that changes is on the writeback's list, and its fields go to the buffer when it is written.
 *
 * Where dirty pages survive a crash (Rio), `publish` ends every operation. There is nothing like it in the original.
 */

import { assert } from '../../../base/assert.ts';
import { ModelError } from '../../../base/errno.ts';
import type { Pfn } from '../../../base/units.ts';
import type { Ext2Geometry } from '../../../format/ext2.ts';
import { NOTHING, type Process } from '../../../sim/index.ts';
import type { Buffers } from '../buffer.ts';
import type { DirtyRegistry } from '../../cache/dirty-registry.ts';
import type { InodeTable } from './inode.ts';
import type { Ext2Map } from './map.ts';
import type { Ext2Super } from './super.ts';
import { OrphanList } from './orphan.ts';
import type { Inode } from '../inode.ts';
import type { Journal } from '../jbd/jbd.ts';
import { HOLE, lookUpBlock } from '../../cache/mapping.ts';
import type { PageIo } from '../../cache/page-io.ts';
import type { Writeback } from '../../cache/fs-writeback.ts';

/** Times that an operation is tried again after a commit, when the only free blocks were frozen (ext3_should_retry_alloc). */
const ALLOCATION_RETRIES = 3;

/** What is known of the file system once its superblock was read. */
interface Mounted {
  readonly superblock: Ext2Super;
  readonly map: Ext2Map;
  readonly inodeTable: InodeTable;
}

export class Ext2Changes {
  readonly orphans: OrphanList;
  readonly #io: PageIo;
  readonly #writeback: Writeback;
  #mounted: Mounted | undefined;
  #journal: Journal | undefined;
  /** With a registry of dirty pages: inodes that changed since `publish`. */
  readonly #unpublished = new Set<Inode>();

  constructor(io: PageIo, writeback: Writeback, buffers: Buffers) {
    this.#io = io;
    this.#writeback = writeback;
    this.orphans = new OrphanList(buffers, (inode) => this.markInodeDirty(inode));
  }

  /** The superblock was read, or read again. */
  setMounted(mounted: Mounted): void {
    this.#mounted = mounted;
  }

  /** From now on every operation is a handle of this journal. */
  setJournal(journal: Journal): void {
    this.#journal = journal;
  }

  get superblock(): Ext2Super {
    return this.#fs().superblock;
  }

  get map(): Ext2Map {
    return this.#fs().map;
  }

  get inodeTable(): InodeTable {
    return this.#fs().inodeTable;
  }

  get geometry(): Ext2Geometry {
    return this.superblock.geometry;
  }

  get isReadOnly(): boolean {
    return this.superblock.isReadOnly;
  }

  // On the path of every overwrite: a private method is inlined, a private getter is a call of the engine's.
  #fs(): Mounted {
    assert(this.#mounted !== undefined, 'file system is mounted');
    return this.#mounted;
  }

  /** Of a file system mounted as ext3. */
  get journal(): Journal | undefined {
    return this.#journal;
  }

  /** Wall-clock time, seconds since 1970. */
  now(): number {
    return this.superblock.now();
  }

  /**
   * Runs an operation that changes the file system; with a journal, under one handle. Not recursive. An operation that found no
   * free block is run again after a commit when that frees some.
   * @param isWhole whether a system call ends with it; else the caller publishes
   */
  change<T>(operation: () => Process<T>, isWhole = true): Process<T> {
    const process = this.#journal === undefined ? operation() : this.#underHandle(this.#journal, operation);
    return isWhole && this.#writeback.registry !== undefined ? this.#published(process) : process;
  }

  *#underHandle<T>(journal: Journal, operation: () => Process<T>): Process<T> {
    for (let attempt = 0; ; attempt++) {
      if (this.isReadOnly) throw new ModelError('EROFS', 'the file system is mounted read-only');
      yield* journal.start();
      try {
        return yield* operation();
      } catch (error) {
        const mayRetry = error instanceof ModelError && error.code === 'ENOSPC' && journal.hasFrozen;
        if (!mayRetry || attempt === ALLOCATION_RETRIES) throw error;
      } finally {
        journal.stop();
      }
      yield* journal.force();
    }
  }

  *#published<T>(process: Process<T>): Process<T> {
    try {
      return yield* process;
    } finally {
      yield* this.publish();
    }
  }

  /**
   * Where dirty pages survive a crash: what changed of inodes goes to their buffers, and the hypervisor knows of every dirty
   * page. So the pages say all that this kernel knows of the file system, as long as no operation is under way.
   */
  publish(): Process {
    const { registry } = this.#writeback;
    return registry === undefined ? NOTHING : this.#publish(registry);
  }

  *#publish(registry: DirtyRegistry): Process {
    if (this.#unpublished.size > 0) {
      try {
        yield* this.change(() => this.#storeChanged(), false);
      } catch (error) {
        // The inode table cannot be read, or nothing may be changed any more: the inodes stay dirty, as without a registry.
        if (!(error instanceof ModelError)) throw error;
      }
    }
    yield* registry.publish();
  }

  *#storeChanged(): Process {
    for (const inode of this.#unpublished) {
      this.#unpublished.delete(inode);
      yield* this.inodeTable.store(inode);
    }
  }

  /** Whether what the fields of an inode are written to is in memory: then there is nothing to `prepare`. */
  isPrepared(inode: Inode): boolean {
    return this.inodeTable.has(inode.ino);
  }

  /** Before the first store of a change: what the fields of these inodes are written to comes into memory. Throws EIO. */
  *prepare(...inodes: readonly (Inode | undefined)[]): Process {
    for (const inode of inodes)
      if (inode !== undefined && !this.isPrepared(inode)) yield* this.inodeTable.bread(inode.ino);
  }

  /** The inode lost its last name and is still in use: a crash deletes it. Under `change`. */
  addOrphan(inode: Inode): Process {
    return this.#journal === undefined ? NOTHING : this.orphans.add(inode);
  }

  removeOrphan(inode: Inode): Process {
    return this.#journal === undefined ? NOTHING : this.orphans.remove(inode);
  }

  /** mark_inode_dirty: `fields` have changed. */
  markInodeDirty(inode: Inode): void {
    const journal = this.#journal;
    if (journal === undefined) {
      // One that is dirty is on the list already.
      if (!inode.isInodeDirty) this.#writeback.markInodeDirty(inode);
      inode.isInodeDirty = true;
      if (this.#writeback.registry !== undefined) this.#unpublished.add(inode);
      return;
    }
    inode.isInodeDirty = true;
    if (this.#writeback.registry !== undefined && !journal.isAborted) this.#unpublished.add(inode);
    journal.addInode(inode);
    inode.tid = journal.tid;
    if (inode.isSizeDirty) inode.syncTid = journal.tid;
  }

  /** set_page_dirty for a page of a file, or of a directory that `pageForChange` gave. */
  markPageDirty(inode: Inode, pfn: Pfn): void {
    if (this.#journal !== undefined && inode.isDirectory) return;
    this.#writeback.markPageDirty(inode, pfn);
    this.#journal?.addData(inode);
  }

  /** What `pageForChange` would return without waiting; undefined when it would have to. */
  findForChange(directory: Inode, index: number): Pfn | undefined {
    if (this.#journal === undefined) return this.#io.find(directory.space, index);
    const block = directory.blockNow(index);
    return block < 0 ? undefined : this.#journal.tryAccess(directory, index, block);
  }

  /** The page of a directory, for a change that is made before the next wait. Throws EIO. */
  *pageForChange(directory: Inode, index: number): Process<Pfn> {
    if (this.#journal === undefined) return yield* this.#io.getPage(directory, index);
    const block = yield* lookUpBlock(directory, index);
    if (block === HOLE) throw new ModelError('EIO', `ext2: directory ${directory.ino} has no page ${index}`);
    return yield* this.#journal.access(directory, index, block);
  }
}
