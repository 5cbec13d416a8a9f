/**
 * The journal: transactions, and how they are committed and checkpointed (fs/jbd of 2.6.12,
 * data=ordered).
 *
 * All metadata is changed under a handle (`run`). All handles of some seconds make one transaction,
 * and it reaches the disk whole or not at all. Commit (jbd/commit.ts) closes it, waits until its
 * handles have ended, and writes, in this order:
 * - the data of its files to their places;
 * - copies of its buffers to the log;
 * - the commit block.
 *
 * Only then may its buffers be written to their own places (checkpoint), as any dirty buffer is.
 * Until then they are pinned, and all others see them as not dirty.
 *
 * A buffer is joined to the running transaction before it is changed (`access`), after any write of
 * it in flight has ended. So what goes to the buffer's place is always what was committed. Blocks
 * freed in a transaction are not used again before it is committed (`frozen`). A freed block of
 * metadata is revoked: recovery does not bring its old contents back.
 *
 * Invariants:
 *   1. metadata is changed while a transaction runs;
 *   2. it is changed under a handle;
 *   3. no write of a buffer is in flight when the buffer is joined;
 *   4. a handle is given back once.
 *
 * Differs from the original: all buffers of a transaction are copied when it closes. The original
 * copies only those which are changed again meanwhile. The log is emptied in one go, when a
 * transaction begins and less than half of it is free. The original checkpoints only the oldest
 * transactions. The drive's cache is flushed before and after the commit block (barrier=1).
 *
 * Where dirty pages survive a crash (Rio), buffers are registered as soon as they are joined,
 * committed or not. With them goes a superblock of the journal that calls the log empty
 * (jbd/log.ts): what is written home is newer than anything in the log.
 *
 * The file is long because its state is one: which transaction runs, which is being committed, and
 * which processes wait for either. How a transaction is written is commit.ts, the ring is log.ts.
 *
 * The journal ends (`abort`) when the log or the data cannot be written. From then on the file
 * system is read-only, and what was not committed is lost.
 *
 * Longer than other files: the running and the committing transaction share lists, and each step of
 * a commit reads what the step before left there.
 */

import { assert } from '../../../base/assert.ts';
import { ModelError } from '../../../base/errno.ts';
import { Ns, type Pfn } from '../../../base/units.ts';
import { WaitQueue, type Process } from '../../../sim/index.ts';
import type { GuestEnvironment } from '../../../xen/public/index.ts';
import type { Buffers } from '../buffer.ts';
import type { FsCore } from '../core.ts';
import { TransactionWriter } from './commit.ts';
import type { Inode } from '../inode.ts';
import type { Journal, JournaledInode } from './journal.ts';
import type { JournalLog } from './log.ts';
import { Transaction } from './transaction.ts';
import { PG } from '../../mm/mem-map.ts';
import type { MemoryManagement } from '../../mm/mm.ts';
import { HOLE, lookUpBlock, type Mapping } from '../../cache/mapping.ts';
import type { PageIo } from '../../cache/page-io.ts';
import type { Writeback } from '../../cache/fs-writeback.ts';

/** JBD_DEFAULT_MAX_COMMIT_AGE: a transaction is committed at this age at the latest. */
const COMMIT_INTERVAL = Ns(5_000_000_000);
/**
 * Buffers that one handle is assumed to need, when it is asked whether another one fits into the
 * transaction.
 */
const HANDLE_CREDITS = 24;
/**
 * Times that an operation is tried again after a commit, when the only free blocks were frozen
 * (ext3_should_retry_alloc).
 */
const ALLOCATION_RETRIES = 3;

/** What the journal asks of the file system. */
export interface JournalClient {
  /** Whether nothing may be changed. */
  readonly isReadOnly: boolean;
  /** Writes every dirty buffer to its place and waits for it. Throws EIO. */
  writeMetadata(): Process;
  /** The file system is changed for the first time since the mount. Throws EIO. */
  beginChanges(): Process;
  /** The journal has ended: nothing may be changed any more. */
  aborted(why: string): void;
}

export class Jbd implements Journal {
  readonly isKept = true;
  readonly #log: JournalLog;
  readonly #env: GuestEnvironment;
  readonly #mm: MemoryManagement;
  readonly #io: PageIo;
  readonly #buffers: Buffers;
  readonly #writeback: Writeback;
  readonly #client: JournalClient;
  readonly #maxSize: number;
  readonly #freezes: boolean;
  readonly #writer: TransactionWriter;
  #nextTid: number;
  #committedTid: number;
  #running: Transaction | undefined;
  #committing: Transaction | undefined;
  /** No handle may start: the running transaction is being closed, or one is about to begin. */
  #isLocked = false;
  #isAborted = false;
  readonly #unlocked = new WaitQueue('the journal to take handles again');
  readonly #drained = new WaitQueue('the handles of a transaction to end');
  readonly #committed = new WaitQueue('a transaction to be committed');
  readonly #dataWritten = new WaitQueue('the data of a transaction to be written');
  readonly #wake = new WaitQueue('a transaction to commit');
  /** Transactions committed since the mount. */
  commits = 0;

  private constructor(core: FsCore, client: JournalClient, buffers: Buffers, log: JournalLog, nextTid: number) {
    this.#env = core.env;
    this.#mm = core.mm;
    this.#io = core.io;
    this.#buffers = buffers;
    this.#writeback = core.writeback;
    this.#client = client;
    this.#log = log;
    this.#nextTid = nextTid;
    this.#committedTid = nextTid - 1;
    this.#maxSize = Math.floor(log.superblock.maxLength / 4);
    this.#writer = new TransactionWriter(core, log);
    this.#freezes = core.rules.frozenBlocks;
  }

  /**
   * journal_load, after recovery; starts kjournald. Throws ENOMEM.
   * @param buffers that go straight to their places
   */
  static *load(core: FsCore, client: JournalClient, buffers: Buffers, log: JournalLog, nextTid: number): Process<Jbd> {
    const journal = new Jbd(core, client, buffers, log, nextTid);
    yield* journal.#writer.reserve();
    const { registry } = core.writeback;
    if (registry !== undefined) yield* log.prepareStandIn(registry, nextTid);
    core.env.spawn('kjournald', journal.#kjournald());
    return journal;
  }

  /**
   * Whether an inode may be marked as changed without a handle: a transaction runs and is not being
   * closed.
   */
  get isOpen(): boolean {
    return this.#running !== undefined && !this.#isLocked;
  }

  get isAborted(): boolean {
    return this.#isAborted;
  }

  isCommitted(tid: number): boolean {
    return tid <= this.#committedTid;
  }

  /**
   * Sequence number of the running transaction; after the journal's end, of one that is never
   * committed.
   */
  get #tid(): number {
    return this.#isAborted ? Infinity : this.#mustRun.tid;
  }

  get lastTid(): number {
    return this.#nextTid - 1;
  }

  get hasFrozen(): boolean {
    return (this.#running?.freed.size ?? 0) + (this.#committing?.freed.size ?? 0) > 0;
  }

  get #mustRun(): Transaction {
    assert(this.#running !== undefined, 'jbd 1: metadata is changed while a transaction runs');
    return this.#running;
  }

  /** An operation that found no free block is run again after a commit when that frees some. */
  *run<T>(operation: () => Process<T>): Process<T> {
    for (let attempt = 0; ; attempt++) {
      if (this.#client.isReadOnly) throw new ModelError('EROFS', 'the file system is mounted read-only');
      yield* this.#start();
      try {
        return yield* operation();
      } catch (error) {
        const mayRetry = error instanceof ModelError && error.code === 'ENOSPC' && this.hasFrozen;
        if (!mayRetry || attempt === ALLOCATION_RETRIES) throw error;
      } finally {
        this.#stop();
      }
      yield* this.force();
    }
  }

  /**
   * journal_start: a handle on the running transaction. Not recursive. Throws EROFS when the
   * journal has ended, EIO.
   */
  *#start(): Process {
    for (;;) {
      if (this.#isAborted) throw new ModelError('EROFS', 'the journal has ended');
      if (this.#isLocked) yield this.#unlocked;
      else if (this.#running === undefined) yield* this.#begin();
      else if (
        this.#running.size > 0 &&
        this.#running.size + HANDLE_CREDITS * (this.#running.handles + 1) > this.#maxSize
      )
        this.#close();
      else {
        this.#running.handles++;
        return;
      }
    }
  }

  /** journal_stop. */
  #stop(): void {
    if (this.#isAborted) return;
    const running = this.#mustRun;
    assert(running.handles > 0, 'jbd 4: a handle is given back once');
    if (--running.handles === 0) this.#drained.wakeAll();
  }

  /** journal_force_commit. */
  *force(): Process {
    const tid = this.#running?.tid ?? this.#committing?.tid;
    if (tid !== undefined) yield* this.waitFor(tid);
  }

  /** log_wait_commit. */
  *waitFor(tid: number): Process {
    while (this.#committedTid < tid) {
      if (this.#isAborted) throw new ModelError('EIO', 'the journal has ended');
      if (this.#running?.tid === tid && !this.#isLocked) this.#close();
      if (this.#isLocked && this.#running === undefined) yield this.#unlocked;
      else yield this.#committed;
    }
  }

  /** journal_get_write_access. */
  *access(mapping: Mapping, index: number): Process<Pfn> {
    const { map } = this.#mm;
    const block = yield* lookUpBlock(mapping, index);
    if (block === HOLE) throw new ModelError('EIO', `ext3: inode ${mapping.space.ino} has no page ${index}`);
    for (;;) {
      const pfn = yield* this.#io.getPage(mapping, index);
      if (map.has(pfn, PG.locked | PG.writeback)) yield* this.#io.locks.wait(pfn);
      else {
        this.join(mapping, index, block, pfn);
        return pfn;
      }
    }
  }

  tryAccess(mapping: Mapping, index: number): Pfn | undefined {
    const block = mapping.blockNow(index);
    const pfn = block < 0 ? undefined : this.#io.find(mapping.space, index);
    if (pfn === undefined || this.#mm.map.has(pfn, PG.locked | PG.writeback)) return undefined;
    this.join(mapping, index, block, pfn);
    return pfn;
  }

  /** journal_get_create_access. */
  join(mapping: Mapping, index: number, block: number, pfn: Pfn): void {
    if (this.#isAborted) throw new ModelError('EROFS', 'the journal has ended');
    const running = this.#mustRun;
    assert(running.handles > 0, 'jbd 2: metadata is changed under a handle');
    assert(!this.#mm.map.has(pfn, PG.writeback), 'jbd 3: no write of a buffer is in flight when it is joined');
    running.revoked.delete(block);
    if (running.buffers.has(block)) return;
    running.buffers.set(block, { mapping, index, pfn });
    this.#mm.cache.clearDirty(pfn);
    this.#mm.map.set(pfn, PG.pinned);
    this.#writeback.registry?.registerAt(pfn, block);
  }

  isJoined(block: number): boolean {
    return this.#isAborted || this.#running?.buffers.has(block) === true;
  }

  addInode(inode: JournaledInode): void {
    inode.isInodeDirty = true;
    if (!this.#isAborted) this.#mustRun.inodes.add(inode);
    inode.tid = this.#tid;
    if (inode.isSizeDirty) inode.syncTid = inode.tid;
  }

  markPageDirty(inode: Inode, pfn: Pfn): void {
    // Those of a directory become dirty when they are committed.
    if (inode.isDirectory) return;
    this.#writeback.markPageDirty(inode, pfn);
    this.addData(inode);
  }

  /** journal_dirty_data. */
  addData(mapping: Mapping): void {
    this.#running?.data.add(mapping);
  }

  /** journal_revoke and journal_forget. The page is the caller's to drop. */
  revoke(block: number): void {
    if (this.#isAborted) return;
    this.#mustRun.buffers.delete(block);
    this.#committing?.buffers.delete(block);
    this.#mustRun.revoked.add(block);
  }

  /**
   * The transaction that is being committed may say that the file has the blocks of its dirty
   * pages. Then those must be written first, or a crash now shows what the blocks held before.
   */
  *waitForData(mapping: Mapping): Process {
    while (this.#committing?.data.has(mapping) === true) yield this.#dataWritten;
  }

  forgetMapping(mapping: Mapping): void {
    this.#running?.forget(mapping);
    this.#committing?.forget(mapping);
  }

  freeze(group: number, bit: number): void {
    if (!this.#isAborted && this.#freezes) this.#mustRun.freeze(group, bit);
  }

  frozen(group: number): Uint8Array | undefined {
    const now = this.#running?.freed.get(group);
    const before = this.#committing?.freed.get(group);
    if (now === undefined || before === undefined) return now ?? before;
    return now.map((byte, i) => byte | before[i]!);
  }

  /** journal_flush. */
  *flush(): Process {
    if (this.#isAborted) return;
    yield* this.force();
    yield* this.#checkpoint(true);
  }

  /** journal_abort. */
  abort(why: string): void {
    if (this.#isAborted) return;
    this.#isAborted = true;
    this.#running = undefined;
    this.#committing = undefined;
    this.#isLocked = false;
    this.#log.recordError();
    this.#client.aborted(why);
    for (const queue of [this.#unlocked, this.#drained, this.#committed, this.#dataWritten]) queue.wakeAll();
  }

  /** A new transaction, after the log has been given room for it. */
  *#begin(): Process {
    this.#isLocked = true;
    try {
      yield* this.#client.beginChanges();
      const need = Math.floor(this.#log.length / 2);
      if (this.#log.free - (this.#committing?.size ?? 0) < need) {
        while (this.#committing !== undefined) yield this.#committed;
        yield* this.#checkpoint(false);
      }
      if (this.#isAborted) return;
      const transaction = new Transaction(this.#nextTid++);
      this.#running = transaction;
      this.#env.after(COMMIT_INTERVAL, () => {
        if (this.#running === transaction) this.#close();
      });
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#isLocked = false;
      this.#unlocked.wakeAll();
    }
  }

  /** log_do_checkpoint: no transaction runs and none is being committed. */
  *#checkpoint(isClosing: boolean): Process {
    try {
      yield* this.#client.writeMetadata();
      yield* this.#writeback.flushDrive();
    } catch (error) {
      // The error is not met again, and a later attempt must not empty the log.
      this.#failed(error);
      throw error;
    }
    if (!this.#isAborted) yield* this.#log.empty(this.#nextTid, isClosing);
  }

  /** The running transaction takes no more handles; kjournald commits it. */
  #close(): void {
    if (this.#isLocked || this.#running === undefined) return;
    this.#isLocked = true;
    this.#wake.wakeAll();
  }

  *#kjournald(): Process {
    for (;;) {
      while (!this.#isLocked || this.#running === undefined) yield this.#wake;
      try {
        yield* this.#commit(this.#running);
      } catch (error) {
        this.#failed(error);
      }
    }
  }

  #failed(error: unknown): void {
    if (!(error instanceof ModelError)) throw error;
    this.abort(error.message);
  }

  /** journal_commit_transaction. Throws EIO. */
  *#commit(transaction: Transaction): Process {
    while (transaction.handles > 0 && !this.#isAborted) yield this.#drained;
    if (this.#isAborted) return;
    transaction.handles++;
    for (const inode of transaction.inodes) yield* inode.store();
    transaction.handles--;
    if (this.#isAborted) return;
    for (const { mapping } of transaction.buffers.values()) {
      // What memory holds now may have been read again from there, and is older than what the log
      // has.
      if (mapping.space.error !== undefined)
        throw new ModelError('EIO', `ext3: metadata of inode ${mapping.space.ino} could not be written to its place`);
    }
    this.#committing = transaction;
    yield* this.#writer.write(transaction, {
      isAborted: () => this.#isAborted,
      copied: () => {
        this.#unlock();
      },
      dataWritten: () => {
        this.#dataWritten.wakeAll();
      },
    });
    if (!this.#isAborted) this.#finish(transaction);
  }

  /** The transaction is in the log: its buffers may go to their places. */
  #finish(transaction: Transaction): void {
    this.#committing = undefined;
    this.#committedTid = transaction.tid;
    this.commits++;
    for (const [block, { mapping, pfn }] of transaction.buffers) {
      // One that the running transaction has changed since stays until that is committed too.
      if (this.#running?.buffers.has(block) === true) continue;
      this.#buffers.unpin(pfn);
      this.#writeback.markPageDirty(mapping, pfn);
    }
    this.#committed.wakeAll();
  }

  #unlock(): void {
    this.#running = undefined;
    this.#isLocked = false;
    this.#unlocked.wakeAll();
  }
}
