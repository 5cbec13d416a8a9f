/**
 * How a transaction is written to the log (the phases of fs/jbd/commit.c of 2.6.12). First data go
 * to their places, then copies of buffers and revoke blocks to the log, and behind them the commit
 * block.
 *
 * When memory is too short for all copies, the log is written in batches through pages that are
 * kept for that. The next transaction waits meanwhile.
 */

import { ModelError } from '../../../base/errno.ts';
import { PAGE_SIZE, type Pfn } from '../../../base/units.ts';
import { putCommit } from '../../../format/jbd.ts';
import type { Process } from '../../../sim/index.ts';
import { NO_PAGE } from '../../mm/mem-map.ts';
import type { FsCore } from '../core.ts';
import type { JournalLog } from './log.ts';
import { logBlocks, type Transaction } from './transaction.ts';

/** Pages that the journal keeps for writing the log when memory is short. */
const RESERVED_PAGES = 16;

/** What the journal hears of a transaction on its way to the log. */
interface CommitProgress {
  /** Whether the journal has ended meanwhile. */
  isAborted(): boolean;
  /** No buffer is read any more: the next transaction may run. */
  copied(): void;
  /** The data of its files is in its place. */
  dataWritten(): void;
}

export class TransactionWriter {
  readonly #core: FsCore;
  readonly #log: JournalLog;
  readonly #reserved: Pfn[] = [];

  constructor(core: FsCore, log: JournalLog) {
    this.#core = core;
    this.#log = log;
  }

  /** Takes the pages that are kept. Once, before the first `write`. Throws ENOMEM. */
  *reserve(): Process {
    for (let i = 0; i < RESERVED_PAGES; i++) this.#reserved.push(yield* this.#core.io.supply.allocateReserved());
  }

  /**
   * Writes a closed transaction. It is committed once its commit block is on the medium. Throws
   * EIO.
   */
  *write(transaction: Transaction, progress: CommitProgress): Process {
    const { env, costs, mm, writeback, rules } = this.#core;
    const charge = (): void => env.cpu.charge(costs.copyNsPerByte * PAGE_SIZE);
    const blocks = logBlocks(transaction, this.#log.superblock.uuid, env.memory, charge);
    const pages = this.#takePages(blocks.length);
    try {
      if (pages !== undefined) {
        for (const [i, fill] of blocks.entries()) fill(pages[i]!);
        progress.copied();
      }
      yield* this.#writeData(transaction, progress);
      yield* this.#log.begin(transaction.tid, transaction.revoked.size > 0);
      if (pages === undefined) yield* this.#writeInBatches(blocks, progress);
      else yield* this.#log.append(pages);
    } finally {
      for (const pfn of pages ?? []) mm.allocator.free(pfn);
    }
    if (rules.flushBeforeCommit) yield* writeback.flushDrive();
    const bytes = new Uint8Array(PAGE_SIZE);
    putCommit(bytes, transaction.tid);
    env.memory.copyIn(this.#reserved[0]!, 0, bytes, 0, PAGE_SIZE);
    yield* this.#log.append([this.#reserved[0]!]);
    if (rules.flushAfterCommit) yield* writeback.flushDrive();
  }

  /**
   * Ordered mode: the data of the transaction's files goes first. Pages without a block belong to
   * no transaction yet.
   */
  *#writeData({ data }: Transaction, progress: CommitProgress): Process {
    const { writeback, rules } = this.#core;
    if (!rules.orderedData) data.clear();
    for (const mapping of data) yield* writeback.writePages(mapping, true, 0, Infinity, true);
    for (const mapping of data) {
      yield* writeback.waitPages(mapping);
      if (mapping.space.error === 'EIO' || progress.isAborted())
        throw new ModelError('EIO', `ext3: data of inode ${mapping.space.ino} could not be written`);
    }
    data.clear();
    progress.dataWritten();
  }

  /** So many pages, if there are as many without waiting. */
  #takePages(count: number): Pfn[] | undefined {
    const { io, mm } = this.#core;
    const pages: Pfn[] = [];
    while (pages.length < count) {
      const pfn = io.supply.allocate();
      if (pfn === NO_PAGE) break;
      pages.push(pfn);
    }
    if (pages.length === count) return pages;
    for (const pfn of pages) mm.allocator.free(pfn);
    return undefined;
  }

  /** Writes the log through the pages that are kept for that, while no buffer may be changed. */
  *#writeInBatches(blocks: readonly ((pfn: Pfn) => void)[], progress: CommitProgress): Process {
    for (let at = 0; at < blocks.length; at += RESERVED_PAGES) {
      const batch = blocks.slice(at, at + RESERVED_PAGES);
      for (const [i, fill] of batch.entries()) fill(this.#reserved[i]!);
      yield* this.#log.append(this.#reserved.slice(0, batch.length));
    }
    progress.copied();
  }
}
