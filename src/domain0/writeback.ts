/**
 * When domain 0 writes dirty pages back (mm/page-writeback.c of 2.6.12). It looks every 5 s for
 * files that have been dirty for 30 s. What is above 10 % of the cache is written in the
 * background. Above 40 % the writer itself writes, and waits.
 *
 * Events are scheduled only while a page is dirty. After a write that has failed nothing is tried
 * until a page is written again, or a flush comes.
 */

import { Ns } from '../base/units.ts';
import type { Process } from '../sim/simulation.ts';
import type { CachedFile } from './cached-file.ts';
import type { Domain0PageCache } from './page-cache.ts';

/** dirty_writeback_centisecs and dirty_expire_centisecs. */
const LOOK_NS = Ns(5e9);
const EXPIRE_NS = 30e9;
/** dirty_background_ratio and vm_dirty_ratio, per cent. */
const BACKGROUND_PERCENT = 10;
const LIMIT_PERCENT = 40;
/** Pages that the background writes before it looks again. */
const BACKGROUND_PAGES = 1024;
/** Pages that a writer above the limit writes before it looks again. */
const WRITER_PAGES = 48;

export class Domain0Writeback {
  readonly #cache: Domain0PageCache;
  readonly #now: () => number;
  /** Since when files are dirty, ns. */
  readonly #since = new Map<CachedFile, number>();
  #isLooking = false;
  #isInBackground = false;

  /** @param now the present instant, virtual ns */
  constructor(cache: Domain0PageCache, now: () => number) {
    this.#cache = cache;
    this.#now = now;
  }

  /** A page of a file was stored to. */
  dirtied(file: CachedFile): void {
    if (!this.#since.has(file)) this.#since.set(file, this.#now());
    this.#look();
    if (this.#isAbove(BACKGROUND_PERCENT) && !this.#isInBackground) {
      this.#isInBackground = true;
      this.#cache.processor.power.spawn('write-back of domain 0', this.#writeInBackground());
    }
  }

  /** balance_dirty_pages: a writer waits while too much is dirty, and writes. */
  *balance(file: CachedFile): Process {
    const { failures } = file;
    while (this.#isAbove(LIMIT_PERCENT) && file.failures === failures) yield* this.#cache.writeBack(file, WRITER_PAGES);
  }

  /** Whether a writer has to wait. */
  get isOverLimit(): boolean {
    return this.#isAbove(LIMIT_PERCENT);
  }

  /** The machine was reset. */
  lose(): void {
    this.#since.clear();
    this.#isLooking = false;
    this.#isInBackground = false;
  }

  #isAbove(percent: number): boolean {
    const { cache } = this.#cache.mm;
    return (cache.nrDirty + cache.nrWriteback) * 100 > this.#cache.nrPages * percent;
  }

  *#writeInBackground(): Process {
    for (const file of this.#cache.files)
      while (file.space.nrDirty > 0 && this.#isAbove(BACKGROUND_PERCENT))
        if (!(yield* this.#cache.writeBack(file, BACKGROUND_PAGES))) break;
    this.#isInBackground = false;
  }

  #look(): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    const { power } = this.#cache.processor;
    power.after(LOOK_NS, () => {
      power.spawn('write-back of domain 0', this.#writeOld());
    });
  }

  /** wb_kupdate. */
  *#writeOld(): Process {
    let isOk = true;
    for (const [file, since] of this.#since) {
      const now = this.#now();
      if (file.space.nrDirty > 0 && now - since < EXPIRE_NS) continue;
      this.#since.delete(file);
      if (!(yield* this.#cache.writeBack(file))) isOk = false;
      // What was stored to meanwhile, and what could not be written.
      if (file.space.nrDirty > 0) this.#since.set(file, now);
    }
    this.#isLooking = false;
    if (this.#since.size > 0 && isOk) this.#look();
  }
}
