/**
 * The journal: transactions, and how they are committed and checkpointed (fs/jbd of 2.6.12, data=ordered).
 *
 * Whoever changes metadata does so under a handle (`start`, `stop`). All handles of some seconds make one transaction, and
 * it reaches the disk whole or not at all: commit closes it, waits until its handles have ended, and writes, in this order,
 * the data of its files to their places, copies of its buffers to the log, and the commit block. Only then may its buffers be written
 * to their own places (checkpoint), as any dirty buffer is; until then they are pinned, and not dirty for anybody else.
 *
 * A buffer is joined to the running transaction before it is changed (`access`), after a write of it that is in flight has
 * ended: what goes to the buffer's place is always what was committed. Blocks freed in a transaction are not used again before
 * it is committed (`frozen`). A freed block of metadata is revoked: recovery does not bring its old contents back.
 *
 * Differs from the original: the buffers of a transaction are copied when it closes, all of them, where that copies those which are
 * changed again meanwhile; when memory is too short for the copies, the next transaction waits until the log is written. The
 * log is emptied in one go, when less than half of it is free and a transaction begins, where that checkpoints the
 * oldest transactions. The drive's cache is flushed before and after the commit block (barrier=1).
 *
 * Where dirty pages survive a crash (Rio), buffers are registered as soon as they are joined, committed or not, and with them a
 * superblock of the journal that calls the log empty (jbd/log.ts): what is written home is newer than anything in the log.
 *
 * A log that cannot be written, or data that cannot be, ends the journal (`abort`): the file system is read-only from
 * then on, and what was not committed is lost.
 */

import { assert } from '../../../base/assert.ts';
import { ModelError } from '../../../base/errno.ts';
import { Ns, PAGE_SIZE, type Pfn } from '../../../base/units.ts';
import { putCommit } from '../../../format/jbd.ts';
import { WaitQueue, type Process } from '../../../sim/index.ts';
import type { GuestEnvironment } from '../../../xen/public/index.ts';
import type { Buffers } from '../buffer.ts';
import type { KernelCosts } from '../../costs.ts';
import type { Inode } from '../inode.ts';
import type { JournalLog } from './log.ts';
import { logBlocks, Transaction } from './transaction.ts';
import { NO_PAGE, PG } from '../../mm/mem-map.ts';
import type { MemoryManagement } from '../../mm/mm.ts';
import type { Mapping } from '../../cache/mapping.ts';
import type { PageIo } from '../../cache/page-io.ts';
import type { Writeback } from '../../cache/fs-writeback.ts';

/** JBD_DEFAULT_MAX_COMMIT_AGE: a transaction is committed at this age at the latest. */
const COMMIT_INTERVAL = Ns(5_000_000_000);
/** Buffers that one handle is assumed to need, when it is asked whether another one fits into the transaction. */
const HANDLE_CREDITS = 24;
/** Pages that the journal keeps for writing the log when memory is short. */
const RESERVED_PAGES = 16;

/** What the journal asks of the file system. */
export interface JournalClient {
  /** Stores the fields of an inode in its buffer. */
  storeInode(inode: Inode): Process;
  /** Writes every dirty buffer to its place and waits for it. Throws EIO. */
  writeMetadata(): Process;
  /** The file system is changed for the first time since the mount. Throws EIO. */
  beginChanges(): Process;
  /** The journal has ended: nothing may be changed any more. */
  aborted(why: string): void;
}

export class Journal {
  readonly log: JournalLog;
  readonly #env: GuestEnvironment;
  readonly #costs: KernelCosts;
  readonly #mm: MemoryManagement;
  readonly #io: PageIo;
  readonly #buffers: Buffers;
  readonly #writeback: Writeback;
  readonly #client: JournalClient;
  readonly #maxSize: number;
  readonly #reserved: Pfn[] = [];
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

  private constructor(
    env: GuestEnvironment,
    costs: KernelCosts,
    mm: MemoryManagement,
    io: PageIo,
    buffers: Buffers,
    writeback: Writeback,
    client: JournalClient,
    log: JournalLog,
    nextTid: number,
  ) {
    this.#env = env;
    this.#costs = costs;
    this.#mm = mm;
    this.#io = io;
    this.#buffers = buffers;
    this.#writeback = writeback;
    this.#client = client;
    this.log = log;
    this.#nextTid = nextTid;
    this.#committedTid = nextTid - 1;
    this.#maxSize = Math.floor(log.superblock.maxLength / 4);
  }

  /** journal_load, after recovery; starts kjournald. Throws ENOMEM. */
  static *load(
    env: GuestEnvironment,
    costs: KernelCosts,
    mm: MemoryManagement,
    io: PageIo,
    buffers: Buffers,
    writeback: Writeback,
    client: JournalClient,
    log: JournalLog,
    nextTid: number,
  ): Process<Journal> {
    const journal = new Journal(env, costs, mm, io, buffers, writeback, client, log, nextTid);
    for (let i = 0; i < RESERVED_PAGES; i++) journal.#reserved.push(yield* io.supply.allocateReserved());
    if (writeback.registry !== undefined) yield* log.prepareStandIn(writeback.registry, nextTid);
    env.spawn('kjournald', journal.#kjournald());
    return journal;
  }

  /** Whether an inode may be marked as changed without a handle: a transaction runs and is not being closed. */
  get isOpen(): boolean {
    return this.#running !== undefined && !this.#isLocked;
  }

  get isAborted(): boolean {
    return this.#isAborted;
  }

  /** Whether what was changed in transaction `tid` is in the log. */
  isCommitted(tid: number): boolean {
    return tid <= this.#committedTid;
  }

  /** Sequence number of the running transaction; after the journal's end, of one that is never committed. */
  get tid(): number {
    return this.#isAborted ? Infinity : this.#mustRun.tid;
  }

  /** Sequence number of the youngest transaction, committed or not. */
  get lastTid(): number {
    return this.#nextTid - 1;
  }

  /** Whether blocks were freed that can be used again after the next commit. */
  get hasFrozen(): boolean {
    return (this.#running?.freed.size ?? 0) + (this.#committing?.freed.size ?? 0) > 0;
  }

  get #mustRun(): Transaction {
    assert(this.#running !== undefined, 'metadata is changed outside of a transaction');
    return this.#running;
  }

  /** journal_start: a handle on the running transaction. Not recursive. Throws EROFS when the journal has ended, EIO. */
  *start(): Process {
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
  stop(): void {
    if (this.#isAborted) return;
    const running = this.#mustRun;
    assert(running.handles > 0, 'a handle is given back twice');
    if (--running.handles === 0) this.#drained.wakeAll();
  }

  /** journal_force_commit: everything changed so far is in the log, on the disk's medium. Throws EIO when it could not be. */
  *force(): Process {
    const tid = this.#running?.tid ?? this.#committing?.tid;
    if (tid !== undefined) yield* this.waitFor(tid);
  }

  /** log_wait_commit: as `force`, up to transaction `tid`. */
  *waitFor(tid: number): Process {
    while (this.#committedTid < tid) {
      if (this.#isAborted) throw new ModelError('EIO', 'the journal has ended');
      if (this.#running?.tid === tid && !this.#isLocked) this.#close();
      if (this.#isLocked && this.#running === undefined) yield this.#unlocked;
      else yield this.#committed;
    }
  }

  /** journal_get_write_access: the page of a buffer, which may be changed until the handle ends. Throws EIO. */
  *access(mapping: Mapping, index: number, block: number): Process<Pfn> {
    const { map } = this.#mm;
    for (;;) {
      const pfn = yield* this.#io.getPage(mapping, index);
      if (map.has(pfn, PG.locked | PG.writeback)) yield* this.#io.locks.wait(pfn);
      else {
        this.join(mapping, index, block, pfn);
        return pfn;
      }
    }
  }

  /** What `access` would return without waiting; undefined when it would have to. */
  tryAccess(mapping: Mapping, index: number, block: number): Pfn | undefined {
    const pfn = this.#io.find(mapping.space, index);
    if (pfn === undefined || this.#mm.map.has(pfn, PG.locked | PG.writeback)) return undefined;
    this.join(mapping, index, block, pfn);
    return pfn;
  }

  /** journal_get_create_access: a new buffer, of which no write is in flight. */
  join(mapping: Mapping, index: number, block: number, pfn: Pfn): void {
    if (this.#isAborted) throw new ModelError('EROFS', 'the journal has ended');
    const running = this.#mustRun;
    assert(running.handles > 0, 'metadata is changed without a handle');
    assert(!this.#mm.map.has(pfn, PG.writeback), 'a buffer is joined while a write of it is in flight');
    running.revoked.delete(block);
    if (running.buffers.has(block)) return;
    running.buffers.set(block, { mapping, index, pfn });
    this.#mm.cache.clearDirty(pfn);
    this.#mm.map.set(pfn, PG.pinned);
    this.#writeback.registry?.registerAt(pfn, block);
  }

  /** Whether a block's buffer may be changed now; for assertions. */
  isJoined(block: number): boolean {
    return this.#isAborted || this.#running?.buffers.has(block) === true;
  }

  /** The inode's fields have changed. */
  addInode(inode: Inode): void {
    if (!this.#isAborted) this.#mustRun.inodes.add(inode);
  }

  /** journal_dirty_data: the file's data must be on the disk before what leads to it. */
  addData(mapping: Mapping): void {
    this.#running?.data.add(mapping);
  }

  /** journal_revoke and journal_forget: a block of metadata is freed. The page is the caller's to drop. */
  revoke(block: number): void {
    if (this.#isAborted) return;
    this.#mustRun.buffers.delete(block);
    this.#committing?.buffers.delete(block);
    this.#mustRun.revoked.add(block);
  }

  /**
   * Under a handle, before dirty pages of a file are dropped: the transaction that is being committed may say that the file has
   * their blocks, and then those must be written first, or a crash now shows what they held before.
   */
  *waitForData(mapping: Mapping): Process {
    while (this.#committing?.data.has(mapping) === true) yield this.#dataWritten;
  }

  /** Under a handle: the pages of a mapping are about to be dropped, it is deleted. */
  forgetMapping(mapping: Mapping): void {
    for (const transaction of [this.#running, this.#committing]) {
      if (transaction === undefined) continue;
      transaction.data.delete(mapping);
      for (const [block, buffer] of transaction.buffers)
        if (buffer.mapping === mapping) transaction.buffers.delete(block);
    }
  }

  /** A block is freed: until that is committed it is not used again. */
  freeze(group: number, bit: number): void {
    if (this.#isAborted) return;
    const { freed } = this.#mustRun;
    let bits = freed.get(group);
    if (bits === undefined) freed.set(group, (bits = new Uint8Array(PAGE_SIZE)));
    bits[bit >>> 3]! |= 1 << (bit & 7);
  }

  /** The blocks of a group that are free in its bitmap and must not be used yet, one bit each; undefined: none. */
  frozen(group: number): Uint8Array | undefined {
    const now = this.#running?.freed.get(group);
    const before = this.#committing?.freed.get(group);
    if (now === undefined || before === undefined) return now ?? before;
    return now.map((byte, i) => byte | before[i]!);
  }

  /** journal_flush: everything is committed and in its place, and the log is empty. Nobody changes anything any more. */
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
    this.log.recordError();
    this.#client.aborted(why);
    for (const queue of [this.#unlocked, this.#drained, this.#committed, this.#dataWritten]) queue.wakeAll();
  }

  /** A new transaction, after the log has been given room for it. */
  *#begin(): Process {
    this.#isLocked = true;
    try {
      yield* this.#client.beginChanges();
      const need = Math.floor(this.log.length / 2);
      if (this.log.free - (this.#committing?.size ?? 0) < need) {
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
      // The error is not met again, and the log must not be emptied by whoever tries again.
      this.#failed(error);
      throw error;
    }
    if (!this.#isAborted) yield* this.log.empty(this.#nextTid, isClosing);
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
    for (const inode of transaction.inodes) yield* this.#client.storeInode(inode);
    transaction.handles--;
    if (this.#isAborted) return;
    for (const { mapping } of transaction.buffers.values()) {
      // What memory holds now may have been read again from there, and is older than what the log has.
      if (mapping.space.error !== undefined)
        throw new ModelError('EIO', `ext3: metadata of inode ${mapping.space.ino} could not be written to its place`);
    }
    this.#committing = transaction;
    const { memory, cpu } = this.#env;
    const charge = (): void => cpu.charge(this.#costs.copyNsPerByte * PAGE_SIZE);
    const blocks = logBlocks(transaction, this.log.superblock.uuid, memory, charge);
    const pages = this.#takePages(blocks.length);
    try {
      if (pages !== undefined) {
        for (const [i, fill] of blocks.entries()) fill(pages[i]!);
        this.#unlock();
      }
      yield* this.#writeData(transaction);
      yield* this.log.begin(transaction.tid, transaction.revoked.size > 0);
      if (pages === undefined) yield* this.#writeInBatches(blocks);
      else yield* this.log.append(pages);
    } finally {
      for (const pfn of pages ?? []) this.#mm.allocator.free(pfn);
    }
    yield* this.#writeback.flushDrive();
    const bytes = new Uint8Array(PAGE_SIZE);
    putCommit(bytes, transaction.tid);
    this.#env.memory.copyIn(this.#reserved[0]!, 0, bytes, 0, PAGE_SIZE);
    yield* this.log.append([this.#reserved[0]!]);
    yield* this.#writeback.flushDrive();
    if (this.#isAborted) return;
    this.#finish(transaction);
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

  /** Ordered mode: the data of the transaction's files goes first. Pages without a block belong to no transaction yet. */
  *#writeData(transaction: Transaction): Process {
    for (const mapping of transaction.data) yield* this.#writeback.writePages(mapping, true, 0, Infinity, true);
    for (const mapping of transaction.data) {
      yield* this.#writeback.waitPages(mapping);
      if (mapping.space.error === 'EIO' || this.#isAborted)
        throw new ModelError('EIO', `ext3: data of inode ${mapping.space.ino} could not be written`);
    }
    transaction.data.clear();
    this.#dataWritten.wakeAll();
  }

  /** So many pages, if they can be had without waiting. */
  #takePages(count: number): Pfn[] | undefined {
    const pages: Pfn[] = [];
    while (pages.length < count) {
      const pfn = this.#io.supply.allocate();
      if (pfn === NO_PAGE) break;
      pages.push(pfn);
    }
    if (pages.length === count) return pages;
    for (const pfn of pages) this.#mm.allocator.free(pfn);
    return undefined;
  }

  /** Writes the log through the pages that are kept for that, while nobody may change a buffer. */
  *#writeInBatches(blocks: readonly ((pfn: Pfn) => void)[]): Process {
    for (let at = 0; at < blocks.length; at += RESERVED_PAGES) {
      const batch = blocks.slice(at, at + RESERVED_PAGES);
      for (const [i, fill] of batch.entries()) fill(this.#reserved[i]!);
      yield* this.log.append(this.#reserved.slice(0, batch.length));
    }
    this.#unlock();
  }
}
