/**
 * When dirty pages are written unasked (mm/page-writeback.c and pdflush.c of 2.6.12); how is
 * fs-writeback.ts.
 *
 * kupdate writes every 5 s what became dirty more than 30 s ago. Background writeout begins above
 * 10 % of memory. Above 40 % the writer itself writes (balance_dirty_pages), and then waits.
 * Reclaim writes page by page, and has pdflush write more where that does not help.
 *
 * Differs from the original:
 * - there is one device, on which only one pdflush works at a time: one for background writeout,
 *   one for kupdate (of 2 to 8);
 * - the timer of kupdate runs only while something is dirty;
 * - a writer checks the thresholds after a number of pages that it made dirty, not that it wrote.
 */

import { Ns } from '../../base/units.ts';
import { WaitQueue, type Process } from '../../sim/index.ts';
import type { GuestEnvironment } from '../../xen/public/index.ts';
import type { BlockQueue } from '../block/block-queue.ts';
import type { Writeback } from './fs-writeback.ts';
import { everything, type WritebackControl } from './writeback-control.ts';
import type { MemoryManagement } from '../mm/mm.ts';

/** dirty_background_ratio, percent of memory. */
const BACKGROUND_RATIO = 10;
/** vm_dirty_ratio, percent of memory. */
const DIRTY_RATIO = 40;
/** dirty_writeback_centisecs. */
const KUPDATE_PERIOD = Ns(5_000_000_000);
/** Least time between two rounds of kupdate: HZ jiffies. */
const KUPDATE_PAUSE = 1_000_000_000;
/** dirty_expire_centisecs. */
const DIRTY_EXPIRE = 30_000_000_000;
/** blk_congestion_wait of a throttled writer, at most. */
const THROTTLE_NAP = Ns(100_000_000);
/** Pages of one round of background writeout. */
const MAX_WRITEBACK_PAGES = 1024;
/** Pages that may be dirtied between two looks at the thresholds, while they are exceeded. */
const RATELIMIT_EXCEEDED = 8;

const pdflushRound = (): WritebackControl => ({
  nrToWrite: MAX_WRITEBACK_PAGES,
  isNonblocking: true,
  encounteredCongestion: false,
});

export class DirtyLimits {
  readonly #env: GuestEnvironment;
  readonly #mm: MemoryManagement;
  readonly #queue: BlockQueue;
  readonly #writeback: Writeback;
  readonly #background = new WaitQueue('background writeout to be wanted');
  readonly #ratelimit: number;
  /**
   * Pages that had become dirty when a writer looked at the thresholds last, and will have when one
   * is to look again.
   */
  #balancedAt = 0;
  #dueAt: number;
  /** Pages that background writeout is to write at least, when it is to begin. */
  #wanted: number | undefined;
  #exceeded = false;

  constructor(env: GuestEnvironment, mm: MemoryManagement, queue: BlockQueue, writeback: Writeback) {
    this.#env = env;
    this.#mm = mm;
    this.#queue = queue;
    this.#writeback = writeback;
    // 4 MiB at most, a 32nd of memory for the one processor, 16 pages at least.
    this.#ratelimit = Math.max(16, Math.min(1024, Math.floor(mm.map.nrPages / 32)));
    this.#dueAt = this.#ratelimit;
  }

  /** Starts the two pdflush threads. */
  start(): void {
    this.#env.spawn('pdflush/background', this.#backgroundWriteout());
    this.#env.spawn('pdflush/kupdate', this.#kupdate());
  }

  /** Whether a writer should look at the thresholds (`balance`) now. */
  get isDue(): boolean {
    return this.#writeback.pagesDirtied >= this.#dueAt;
  }

  /**
   * balance_dirty_pages: above the threshold the writer writes pages himself, and waits while the
   * disk is behind; above the background threshold pdflush is woken.
   */
  *balance(): Process {
    this.#balancedAt = this.#writeback.pagesDirtied;
    this.#setDue();
    const { cache } = this.#mm;
    let toWrite = Math.floor((3 * this.#ratelimit) / 2);
    while (this.#isOverLimit()) {
      this.#exceeded = true;
      this.#setDue();
      if (cache.nrDirty > 0) {
        toWrite -= yield* this.#writeback.writeInodes(everything(toWrite));
        // Below the limit again, or this writer has done his duty.
        if (!this.#isOverLimit() || toWrite <= 0) break;
      }
      yield* this.#congestionWait();
    }
    if (!this.#isOverLimit()) {
      this.#exceeded = false;
      this.#setDue();
    }
    if (cache.nrDirty > this.#limits().background) this.#wakeBackground(0);
  }

  #setDue(): void {
    this.#dueAt = this.#balancedAt + (this.#exceeded ? RATELIMIT_EXCEEDED : this.#ratelimit);
  }

  /**
   * Reclaim does not get on: so many pages are to be written, whatever is dirty (wakeup_bdflush);
   * the first of them are waited for.
   */
  *nap(pages: number): Process {
    this.#wakeBackground(pages);
    yield* this.#congestionWait();
  }

  /**
   * pdflush_operation: where it is at work already it begins again afterwards, as another thread
   * would.
   */
  #wakeBackground(pages: number): void {
    this.#wanted = Math.max(this.#wanted ?? 0, pages);
    this.#background.wakeAll();
  }

  /**
   * background_writeout: until fewer pages than the background threshold are dirty, and as many are
   * written as reclaim asked for.
   */
  *#backgroundWriteout(): Process {
    for (;;) {
      while (this.#wanted === undefined) yield this.#background;
      let wanted = this.#wanted;
      this.#wanted = undefined;
      while (wanted > 0 || this.#mm.cache.nrDirty >= this.#limits().background) {
        const control = pdflushRound();
        wanted -= yield* this.#writeback.writeInodes(control);
        if (control.nrToWrite <= 0) continue;
        yield* this.#congestionWait();
        if (!control.encounteredCongestion) break;
      }
    }
  }

  /** wb_kupdate. */
  *#kupdate(): Process {
    for (;;) {
      if (this.#writeback.nrDirtyMappings === 0) {
        yield this.#writeback.somethingDirty;
        yield KUPDATE_PERIOD;
      }
      const begin = this.#env.now;
      for (let left = this.#mm.cache.nrDirty + this.#writeback.nrDirtyMappings; left > 0; ) {
        const control = pdflushRound();
        left -= yield* this.#writeback.writeInodes(control, begin - DIRTY_EXPIRE);
        if (control.nrToWrite <= 0) continue;
        if (!control.encounteredCongestion) break;
        yield* this.#congestionWait();
      }
      yield Math.max(KUPDATE_PERIOD - (this.#env.now - begin), KUPDATE_PAUSE);
    }
  }

  /** blk_congestion_wait: until a write ends and the queue is not congested, 100 ms at most. */
  *#congestionWait(): Process {
    this.#queue.unplug();
    yield* this.#env.cpu.settle();
    if (this.#mm.cache.nrWriteback === 0) {
      yield THROTTLE_NAP;
      return;
    }
    const { progress } = this.#writeback;
    this.#env.after(THROTTLE_NAP, () => progress.wakeAll());
    yield progress;
  }

  #isOverLimit(): boolean {
    const { nrDirty, nrWriteback } = this.#mm.cache;
    return nrDirty + nrWriteback > this.#limits().dirty;
  }

  /** get_dirty_limits. */
  #limits(): { dirty: number; background: number } {
    const { nrPages } = this.#mm.map;
    const unmapped = 100 - Math.floor((this.#mm.cache.nrMapped * 100) / nrPages);
    const ratio = Math.max(5, Math.min(DIRTY_RATIO, Math.floor(unmapped / 2)));
    const background = BACKGROUND_RATIO >= ratio ? Math.floor(ratio / 2) : BACKGROUND_RATIO;
    return { dirty: Math.floor((ratio * nrPages) / 100), background: Math.floor((background * nrPages) / 100) };
  }
}
