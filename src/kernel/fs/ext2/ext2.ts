/**
 * The ext2 and ext3 driver as a whole: mounting, syncing, remounting read-only (fs/ext2/super.c and fsync.c, fs/ext3/super.c
 * and fsync.c of 2.6.12).
 *
 * How anything is changed is ext2/change.ts, the life of inodes ext2/iget.ts, their pages ext2/pages.ts, names ext2/namei.ts.
 * Below these: superblock and group descriptors ext2/super.ts, the map from pages to blocks ext2/map.ts, inodes on the disk
 * ext2/inode.ts, allocation ext2/balloc.ts and ext2/ialloc.ts, directories ext2/dir.ts. Metadata goes through the block
 * device's own mapping (buffer.ts). Nothing on the disk is trusted: what does not make sense is EIO, and what the driver cannot
 * mount is refused in one line.
 */

import { ModelError } from '../../../base/errno.ts';
import { Ino, SECTORS_PER_PAGE } from '../../../base/units.ts';
import { NOTHING, type Process } from '../../../sim/index.ts';
import { BLOCK_DEVICE_INO, type GuestEnvironment } from '../../../xen/public/index.ts';
import { BlockDeviceMapping, Buffers } from '../buffer.ts';
import type { KernelCosts } from '../../costs.ts';
import { Ext2Changes } from './change.ts';
import { Ext2Inodes, type NamingPolicy } from './iget.ts';
import { InodeTable } from './inode.ts';
import { Ext2Map } from './map.ts';
import { Ext2Pages } from './pages.ts';
import { Ext2Super } from './super.ts';
import type { Inode } from '../inode.ts';
import { Journal, type JournalClient } from '../jbd/jbd.ts';
import { JournalLog } from '../jbd/log.ts';
import { recoverJournal } from '../jbd/recovery.ts';
import type { MemoryManagement } from '../../mm/mm.ts';
import type { PageIo } from '../../cache/page-io.ts';
import type { Writeback } from '../../cache/fs-writeback.ts';
import type { SlabCache } from '../../cache/slab.ts';

export class Ext2 implements JournalClient {
  /** Told of blocks that are freed. Set before the mount. */
  onFreeBlocks: (block: number, count: number) => void = () => undefined;
  readonly buffers: Buffers;
  readonly changes: Ext2Changes;
  readonly pages: Ext2Pages;
  readonly inodes: Ext2Inodes;
  readonly #env: GuestEnvironment;
  readonly #costs: KernelCosts;
  readonly #mm: MemoryManagement;
  readonly #io: PageIo;
  readonly #writeback: Writeback;
  /** Inodes of which fsync has told that a write of metadata failed; undefined: none has failed since the mount. */
  #toldOfLoss: Set<Ino> | undefined;

  constructor(
    env: GuestEnvironment,
    costs: KernelCosts,
    mm: MemoryManagement,
    io: PageIo,
    writeback: Writeback,
    policy: NamingPolicy,
    inodeSlab: SlabCache,
    sectorCount: number,
  ) {
    this.#env = env;
    this.#costs = costs;
    this.#mm = mm;
    this.#io = io;
    this.#writeback = writeback;
    const device = new BlockDeviceMapping(
      mm.cache.open(Ino(BLOCK_DEVICE_INO), 0, policy.metadata, writeback),
      Math.floor(sectorCount / SECTORS_PER_PAGE),
      (block) => this.#withdrawIndirect(block),
    );
    this.buffers = new Buffers(env, mm, io, writeback, device);
    this.changes = new Ext2Changes(io, writeback, this.buffers);
    this.pages = new Ext2Pages(env.memory, mm, io, this.changes);
    this.inodes = new Ext2Inodes(
      env,
      costs,
      mm,
      io,
      writeback,
      policy,
      inodeSlab,
      this.buffers,
      this.changes,
      this.pages,
    );
  }

  /** ext2_fill_super. Throws EINVAL with one line that names what the driver cannot mount; EIO. */
  *mount(): Process {
    yield* this.#mountSuper();
    const { journalInode } = this.changes.geometry;
    if (journalInode !== 0) yield* this.#mountJournal(journalInode);
    else this.#writeback.startRegistering();
  }

  *#mountSuper(): Process {
    const superblock = yield* Ext2Super.mount(this.#env, this.buffers);
    superblock.onFreeBlocks = this.onFreeBlocks;
    const map = new Ext2Map(
      superblock,
      (inode) => {
        inode.isSizeDirty = true;
        this.changes.markInodeDirty(inode);
      },
      (inode, index) => this.pages.gotNewBlock(inode, index),
    );
    const inodeTable = new InodeTable(this.#env.memory, this.buffers, superblock);
    this.changes.setMounted({ superblock, map, inodeTable });
  }

  /** ext3_load_journal: replays what a crash has left, and deletes what was in use without a name. */
  *#mountJournal(ino: number): Process {
    const inode = yield* this.inodes.iget(ino);
    const log = yield* JournalLog.open(this.#env.memory, this.buffers, this.#io, this.#writeback, inode);
    const nextTid = yield* this.#replay(log);
    const { superblock } = this.changes;
    if (superblock.isReadOnly) return;
    this.#writeback.startRegistering();
    const journal = yield* Journal.load(
      this.#env,
      this.#costs,
      this.#mm,
      this.#io,
      this.buffers,
      this.#writeback,
      this,
      log,
      nextTid,
    );
    this.changes.setJournal(journal);
    this.buffers.journal = journal;
    superblock.onError = (text) => journal.abort(text);
    superblock.frozen = (group) => journal.frozen(group);
    superblock.onFree = (group, bit) => journal.freeze(group, bit);
    yield* this.inodes.deleteOrphans();
  }

  /** What the log holds comes home, and the log is empty; an error that it notes becomes the file system's. Returns the next transaction. */
  *#replay(log: JournalLog): Process<number> {
    const { device } = this.buffers;
    const { blockCount, needsRecovery } = this.changes.geometry;
    // A log that the superblock does not ask for is older than what was written since (journal_wipe).
    const recovered = yield* recoverJournal(log, this.buffers, this.#io, blockCount, needsRecovery);
    const nextTid = recovered.nextSequence;
    if (needsRecovery || log.superblock.start !== 0) {
      yield* this.#writeback.sync(device);
      this.#writeback.throwError(device);
      yield* log.empty(nextTid, true);
      // What was read before may have been replaced.
      yield* this.#mountSuper();
      const { superblock } = this.changes;
      superblock.setNeedsRecovery(false);
      yield* this.buffers.writeThrough(0);
      if (recovered.problem !== undefined) superblock.error(recovered.problem);
    }
    if (log.superblock.errno !== 0) {
      // ext3_clear_journal_err: what ended the journal is now known to the file system, and to e2fsck.
      this.changes.superblock.noteErrors();
      yield* this.buffers.writeThrough(0);
      yield* log.clearError();
    }
    return nextTid;
  }

  /** Transactions committed since the mount. */
  get commits(): number {
    return this.changes.journal?.commits ?? 0;
  }

  /** Whether anything was changed since the mount. */
  get isChanged(): boolean {
    return this.changes.superblock.isChanged;
  }

  /**
   * ext2_sync_file, ext3_sync_file: the file's pages, the indirect blocks that lead to them and its inode are on the disk's medium when this
   * returns. Throws what a write of it met since the last time (EIO, ENOSPC), once; with ext2 also EIO, once, after a failed write of
   * any metadata.
   * @param dataOnly fdatasync: an inode of which only times have changed need not be written
   */
  *fsync(inode: Inode, dataOnly: boolean): Process {
    const { journal } = this.changes;
    if (journal === undefined) yield* this.#syncInode(inode, dataOnly);
    // The pages of a directory are the journal's, and so are errors of theirs.
    else if (inode.isDirectory) yield* this.#commitInode(journal, inode, dataOnly);
    else {
      yield* this.#writeback.writePages(inode, true);
      yield* this.#writeback.waitPages(inode);
      try {
        yield* this.#commitInode(journal, inode, dataOnly);
      } finally {
        this.#writeback.throwError(inode);
      }
    }
  }

  /**
   * A new indirect block could not be written: what it leads to is a hole instead of whatever the block's former owner has left. That
   * the blocks behind it stay in use is for e2fsck, as all metadata that could not be written.
   */
  *#withdrawIndirect(block: number): Process {
    for (const inode of this.inodes.all()) {
      const index = inode.pageBehind(block);
      if (index < 0 || !inode.hold()) continue;
      try {
        yield* this.changes.map.withdraw(inode, index, block);
      } catch (error) {
        // In memory it stays what it is.
        if (!(error instanceof ModelError)) throw error;
        this.changes.superblock.error(`ext2: block ${block} of inode ${inode.ino} is not withdrawn: ${error.message}`);
      } finally {
        yield* inode.release();
      }
      return;
    }
  }

  /** ext2_sync_file. What one of its steps meets does not keep it from the others. */
  *#syncInode(inode: Inode, dataOnly: boolean): Process {
    const { device } = this.buffers;
    const { inodeTable } = this.changes;
    const writeback = this.#writeback;
    yield* writeback.writePages(inode, true);
    try {
      if (!dataOnly || inode.isSizeDirty) yield* inodeTable.store(inode);
    } finally {
      for (let mustStore = true; mustStore; ) {
        const blocks = inode.unwrittenBlocks(this.buffers);
        blocks.push(inodeTable.place(inode.ino).block);
        for (const block of blocks) yield* writeback.writePages(device, true, block, block + 1);
        mustStore = yield* writeback.waitPages(inode);
        for (const block of blocks) mustStore = (yield* writeback.waitPages(device, block, block + 1)) || mustStore;
        // Blocks were withdrawn: their place, too, is on the disk when this returns.
        if (mustStore) yield* inodeTable.store(inode);
      }
      yield* writeback.flushDrive();
      const mustTell = this.#mustTellLoss(inode);
      writeback.throwError(inode);
      if (mustTell) throw new ModelError('EIO', `ext2: writing metadata has failed, perhaps of inode ${inode.ino}`);
    }
  }

  /**
   * AS_EIO of the block device: whether a write of metadata has failed since this inode was told last. Nobody knows whose the
   * block was, so each inode is told; by its number, for it may have left memory meanwhile.
   */
  #mustTellLoss({ ino }: Inode): boolean {
    const { space } = this.buffers.device;
    if (space.error !== undefined) {
      space.error = undefined;
      this.#toldOfLoss = new Set();
    }
    if (this.#toldOfLoss === undefined || this.#toldOfLoss.has(ino)) return false;
    this.#toldOfLoss.add(ino);
    return true;
  }

  /** The last change of the inode is in the log; where it has been there before, the drive's cache is flushed. */
  *#commitInode(journal: Journal, inode: Inode, dataOnly: boolean): Process {
    const tid = dataOnly ? inode.syncTid : inode.tid;
    if (journal.isCommitted(tid)) yield* this.#writeback.flushDrive();
    else yield* journal.waitFor(tid);
  }

  /**
   * sync: everything that is dirty is on the disk's medium when this returns. Throws EIO when the drive says so, or when metadata
   * could not be written: the superblock says that then.
   */
  *sync(): Process {
    const { superblock, journal } = this.changes;
    const wasReadOnly = superblock.isReadOnly;
    try {
      yield* this.#writeback.sync(this.buffers.device);
      yield* journal?.force() ?? NOTHING;
    } finally {
      superblock.noteLostWrites();
      if (!wasReadOnly && superblock.isReadOnly) yield* this.#writeback.sync(this.buffers.device);
    }
    if (!wasReadOnly && superblock.isReadOnly) throw new ModelError('EIO', superblock.errors.at(-1)!);
  }

  /** What fadvise(DONTNEED) does: starts writing what is dirty of a file, and drops other pages from `start` up to `end`. */
  *dropClean(inode: Inode, start: number, end: number): Process {
    yield* this.#writeback.writePages(inode, false);
    this.#mm.invalidate(inode.space, start, end);
  }

  /**
   * Remount read-only, as the root is at shutdown: all is written, the page cache stays. What cannot be written is an error of the
   * file system, and what follows is done all the same. Throws the first such error at the end.
   */
  *remountReadOnly(): Process {
    const { journal, superblock } = this.changes;
    let failure: ModelError | undefined;
    try {
      yield* this.sync();
      yield* journal?.flush() ?? NOTHING;
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      failure = error;
      superblock.error(`ext2: ${error.message}`);
    }
    // After an abort the log holds what is nowhere else: it is to be replayed.
    if (journal?.isAborted !== true) superblock.endChanges();
    const isNoted = failure !== undefined;
    try {
      yield* this.#writeback.sync(this.buffers.device);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      failure ??= error;
    }
    if (this.#writeback.hasLostMetadata || (!isNoted && failure !== undefined)) {
      superblock.noteErrors();
      yield* this.#writeback.sync(this.buffers.device);
    }
    if (failure !== undefined) throw failure;
  }

  /** For the journal, whose transaction closes. Throws EIO. */
  storeInode(inode: Inode): Process {
    return this.changes.inodeTable.store(inode);
  }

  /** For the journal: every dirty page of directories and of the device goes to its place. Throws EIO. */
  *writeMetadata(): Process {
    const mappings: (Inode | BlockDeviceMapping)[] = [this.buffers.device];
    for (const inode of this.inodes.all())
      if (inode.isDirectory && (inode.space.nrPages > 0 || inode.space.error !== undefined)) mappings.push(inode);
    for (const mapping of mappings) yield* this.#writeback.writePages(mapping, true);
    for (const mapping of mappings) {
      yield* this.#writeback.waitPages(mapping);
      this.#writeback.throwError(mapping);
    }
    if (this.#writeback.hasLostMetadata) throw new ModelError('EIO', 'metadata could not be written');
  }

  /** For the journal: before the first transaction, the superblock says that there will be something to replay. */
  *beginChanges(): Process {
    if (this.isChanged) return;
    this.changes.superblock.beginChange();
    yield* this.buffers.writeThrough(0);
    yield* this.#writeback.flushDrive();
  }

  /** For the journal: it has ended. */
  aborted(why: string): void {
    this.changes.superblock.error(why);
  }
}
