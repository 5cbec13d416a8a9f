/**
 * How a mounted ext2 or ext3 file system is changed: handles, and inodes and pages that become
 * dirty (fs/ext3/ext3_jbd.c and ext3_mark_inode_dirty of fs/ext3/inode.c, 2.6.12).
 *
 * Every change is made by an operation that `change` runs. With a journal (jbd.ts) that is a
 * handle: what the operation changes reaches the disk whole or not at all. The fields of inodes go
 * to their buffers when the transaction closes. Directories are journaled like any metadata. Files
 * are written before what leads to them (data=ordered). Without a journal, an inode that changes is
 * on the writeback's list, and its fields go to the buffer when it is written.
 *
 * Where dirty pages survive a crash (Rio), `publish` ends every operation. There is nothing like it
 * in the original.
 */

import { ModelError } from '../../../base/errno.ts';
import type { Pfn } from '../../../base/units.ts';
import type { Ext2Geometry } from '../../../format/ext2.ts';
import { NOTHING, type CpuClock, type Process } from '../../../sim/index.ts';
import type { FsCore } from '../core.ts';
import type { ChangeOperations } from '../file-system.ts';
import type { DirtyRegistry } from '../../cache/dirty-registry.ts';
import { InodeTable } from './inode.ts';
import { Ext2Map } from './map.ts';
import type { Ext2State } from './state.ts';
import type { Ext2Super } from './super.ts';
import { OrphanList } from './orphan.ts';
import { type Ext2Inode, isFine } from './inode-info.ts';
import type { Journal } from '../jbd/journal.ts';
import type { Writeback } from '../../cache/fs-writeback.ts';

export class Ext2Changes implements ChangeOperations {
  readonly superblock: Ext2Super;
  readonly journal: Journal;
  readonly hearsEveryStore: boolean;
  readonly geometry: Ext2Geometry;
  readonly inodeTable: InodeTable;
  readonly map: Ext2Map;
  readonly orphans: OrphanList;
  readonly #state: Ext2State;
  readonly #cpu: CpuClock;
  readonly #writeback: Writeback;
  readonly #listsOrphans: boolean;
  /** With a registry of dirty pages: inodes that changed since `publish`. */
  readonly #unpublished = new Set<Ext2Inode>();

  constructor({ env, mm, writeback, rules }: FsCore, superblock: Ext2Super) {
    this.superblock = superblock;
    this.#state = superblock.state;
    this.#cpu = env.cpu;
    this.journal = superblock.journal;
    this.hearsEveryStore = superblock.journal.isKept;
    this.geometry = superblock.geometry;
    this.inodeTable = new InodeTable(env.memory, superblock);
    this.map = new Ext2Map(mm, superblock, (inode) => {
      inode.isSizeDirty = true;
      this.markInodeDirty(inode);
    });
    this.orphans = new OrphanList(superblock.buffers, (inode) => {
      this.markInodeDirty(inode);
    });
    this.#writeback = writeback;
    this.#listsOrphans = superblock.journal.isKept && rules.orphanList;
  }

  get isReadOnly(): boolean {
    return this.#state.isReadOnly;
  }

  get isOpen(): boolean {
    return this.#state.isChanging && this.#writeback.registry === undefined && this.journal.isOpen;
  }

  /**
   * inode_update_time: data of the inode was written. The second write in a tick changes nothing,
   * and is answered here (see hot-paths 7).
   */
  touch(inode: Ext2Inode): void {
    if (this.#cpu.now >= inode.stampedUntil || !inode.isInodeDirty) this.#touch(inode);
  }

  #touch(inode: Ext2Inode): void {
    const { fields } = inode;
    const now = this.#state.now();
    const ns = isFine(fields) ? this.#state.nowNs() : 0;
    inode.stampedUntil = this.#state.tickEnds;
    const isStamped = fields.mtime === now && fields.ctime === now && fields.mtimeNs === ns && fields.ctimeNs === ns;
    if (isStamped && inode.isInodeDirty) return;
    this.#state.stampChange(fields);
    this.markInodeDirty(inode);
  }

  /**
   * Runs an operation that changes the file system; with a journal, under one handle. Not
   * recursive. An operation that found no free block is run again after a commit when that frees
   * some.
   * @param isWhole whether a system call ends with it; else the caller publishes
   */
  change<T>(operation: () => Process<T>, isWhole = true): Process<T> {
    const process = this.journal.run(operation);
    return isWhole && this.#writeback.registry !== undefined ? this.#published(process) : process;
  }

  *#published<T>(process: Process<T>): Process<T> {
    try {
      return yield* process;
    } finally {
      yield* this.publish();
    }
  }

  /**
   * Where dirty pages survive a crash: what changed of inodes goes to their buffers, and the
   * hypervisor knows of every dirty page. So the pages say all that this kernel knows of the file
   * system, as long as no operation is under way.
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
        // The inode table cannot be read, or nothing may be changed any more: the inodes stay
        // dirty, as without a registry.
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

  /**
   * Whether what the fields of an inode are written to is in memory: then there is nothing to
   * `prepare`.
   */
  isPrepared(inode: Ext2Inode): boolean {
    return this.inodeTable.has(inode.ino);
  }

  /**
   * Before the first store of a change: what the fields of these inodes are written to comes into
   * memory. Throws EIO.
   */
  *prepare(...inodes: readonly (Ext2Inode | undefined)[]): Process {
    for (const inode of inodes)
      if (inode !== undefined && !this.isPrepared(inode)) yield* this.inodeTable.bread(inode.ino);
  }

  /** The inode lost its last name and is still in use: a crash deletes it. Under `change`. */
  addOrphan(inode: Ext2Inode): Process {
    return this.#listsOrphans ? this.orphans.add(inode) : NOTHING;
  }

  removeOrphan(inode: Ext2Inode): Process {
    return this.journal.isKept ? this.orphans.remove(inode) : NOTHING;
  }

  *setAttributes(inode: Ext2Inode, set: (fields: Ext2Inode['fields']) => void): Process {
    yield* this.change(() => this.#setAttributes(inode, set));
  }

  *#setAttributes(inode: Ext2Inode, set: (fields: Ext2Inode['fields']) => void): Process {
    this.superblock.beginChange();
    yield* this.prepare(inode);
    set(inode.fields);
    inode.stampedUntil = 0;
    const { fields } = inode;
    if (!isFine(fields)) fields.atimeNs = fields.mtimeNs = 0;
    this.#state.stampInode(fields);
    this.markInodeDirty(inode);
  }

  markPageDirty(inode: Ext2Inode, pfn: Pfn): void {
    this.journal.markPageDirty(inode, pfn);
  }

  /** mark_inode_dirty: `fields` have changed. */
  markInodeDirty(inode: Ext2Inode): void {
    this.journal.addInode(inode);
    if (this.#writeback.registry !== undefined && !this.journal.isAborted) this.#unpublished.add(inode);
  }
}
