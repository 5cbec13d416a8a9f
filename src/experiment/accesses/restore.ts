/**
 * What part of a warm cache is worth restoring first. The accesses up to a reboot fill a cache. The
 * accesses that follow meet an empty one, into which pages of the old cache come in some order and
 * at some rate. A run is one order and one share of the pages.
 *
 * A page that comes is put where it was, active or inactive, as the youngest of its list. Pages
 * that come between the same two accesses keep their order. A page that was accessed meanwhile is
 * passed over, and takes no time. Once the cache is full nothing more comes.
 */

import type { Runs } from '../guest/runs.ts';
import { PAGE_SIZE } from '../../base/units.ts';
import { playAll, usedSize, withoutDisk } from './curve.ts';
import type { RecordedAccesses } from './page-accesses.ts';
import { type KeptPages, PageReplay, REPLAY_PAGE_BYTES } from './page-replay.ts';

/** Accesses between two reports of progress. */
const CHUNK = 2 ** 20;

/** What comes first. */
export const RESTORE_ORDERS = ['recency', 'frequency', 'file', 'first-touch'] as const;
export type RestoreOrder = (typeof RESTORE_ORDERS)[number];

/** Per cent of the pages that are tried. */
export const RESTORE_PERCENTS: readonly number[] = [1, 5, 10, 25, 50, 100];

/** Pages an access, or bytes a second of the trace's times. */
export type RestoreRate = { readonly pagesPerAccess: number } | { readonly bytesPerSecond: number };

/** What is known at the reboot. Plain data. */
export interface RestoreJob {
  readonly accesses: RecordedAccesses;
  /** Pages of the cache. */
  readonly size: number;
  /** The first access after the reboot. */
  readonly rebootAt: number;
  readonly kept: KeptPages;
  /** Hits before the reboot. */
  readonly hitsBefore: number;
  /** The first restores nothing, the second all at once. */
  readonly runs: readonly RestoreRun[];
}

interface RestoreRun {
  readonly order: RestoreOrder;
  /** Per cent of the pages, 0 to 100. */
  readonly percent: number;
  /** Places in `kept`, in the order in which they come. */
  readonly coming: Uint32Array;
  /** Undefined: all come before the first access. */
  readonly rate: RestoreRate | undefined;
}

/** What a run found. */
export interface RestoreFound extends Pick<RestoreRun, 'order' | 'percent'> {
  readonly hits: number;
  readonly restored: number;
}

/** What all runs found, after the reboot. */
export interface RestoreOutcome {
  readonly coldHits: number;
  readonly warmHits: number;
  /** Of each order in turn, each share. */
  readonly found: readonly RestoreFound[];
}

export interface RestoreOptions {
  readonly accesses: RecordedAccesses;
  /** Of each page its place in the order of files. */
  readonly filePlaces: Uint32Array;
  /** Pages of the cache, at least 1. */
  readonly size: number;
  /** The first access after the reboot, 1 to the last access. */
  readonly rebootAt: number;
  readonly orders: readonly RestoreOrder[];
  readonly percents: readonly number[];
  readonly rate: RestoreRate | undefined;
}

/** Plays the accesses up to the reboot, and says what is to be tried after it. */
export function restoreJob({
  accesses,
  filePlaces,
  size,
  rebootAt,
  orders,
  percents,
  rate,
}: RestoreOptions): RestoreJob {
  const replay = new PageReplay(usedSize(size, accesses));
  replay.play(accesses.pages, 0, rebootAt);
  const kept = replay.kept();
  const sweep = orders.flatMap((order) => {
    const sorted = inOrder(order, kept, accesses, filePlaces, rebootAt);
    return percents.map((percent): RestoreRun => {
      const coming = sorted.subarray(0, Math.ceil((sorted.length * percent) / 100));
      return { order, percent, coming, rate };
    });
  });
  const coming = Uint32Array.from(kept.pages.keys());
  const runs: RestoreRun[] = [
    { order: 'recency', percent: 0, coming: new Uint32Array(0), rate: undefined },
    { order: 'recency', percent: 100, coming, rate: undefined },
    ...sweep,
  ];
  return { accesses, size, rebootAt, kept, hitsBefore: replay.hits, runs };
}

/** What each order and share gives. */
export const RESTORE_RUNS: Runs<RestoreJob, RestoreFound, RestoreOutcome> = {
  bytesOf: ({ accesses, size, runs }) => runs.map(() => usedSize(size, accesses) * REPLAY_PAGE_BYTES),
  open: (job) =>
    withoutDisk((index, onRun) => {
      const run = job.runs[index]!;
      const { accesses, rebootAt } = job;
      const restoring = new Restoring(job, run);
      const phase = `${run.percent} % by ${run.order}`;
      let at = rebootAt;
      for (; at < accesses.pages.length && !restoring.isOver; at++) {
        restoring.before(at);
        restoring.replay.play(accesses.pages, at, at + 1);
        if (at % CHUNK === 0) onRun(phase, (at - rebootAt) / (accesses.pages.length - rebootAt));
      }
      playAll(restoring.replay, accesses, at, phase, onRun);
      return { order: run.order, percent: run.percent, hits: restoring.replay.hits, restored: restoring.restored };
    }),
  merge: (_job, _disk, parts) => restoreOutcome(parts),
};

/** @param parts of all runs, in their order */
export const restoreOutcome = ([cold, warm, ...found]: readonly RestoreFound[]): RestoreOutcome => ({
  ...{ coldHits: cold!.hits, warmHits: warm!.hits, found },
});

class Restoring {
  readonly replay: PageReplay;
  restored = 0;
  readonly #job: RestoreJob;
  readonly #run: RestoreRun;
  #next = 0;
  /** The latest time so far: calls that overlap are not sorted by time. */
  #now: number;

  constructor(job: RestoreJob, run: RestoreRun) {
    this.replay = new PageReplay(usedSize(job.size, job.accesses));
    this.#job = job;
    this.#run = run;
    this.#now = job.accesses.times[job.rebootAt] ?? 0;
  }

  get isOver(): boolean {
    return this.#next === this.#run.coming.length || this.replay.isFull;
  }

  /** Puts in what has come before an access. */
  before(at: number): void {
    const { kept } = this.#job;
    const due = this.#due(at);
    const came: number[] = [];
    for (; this.restored + came.length < due && this.#next < this.#run.coming.length; this.#next++) {
      const place = this.#run.coming[this.#next]!;
      if (!this.replay.has(kept.pages[place]!)) came.push(place);
    }
    for (const place of came.sort((a, b) => a - b)) {
      if (this.replay.isFull) return;
      this.replay.restore(kept, place);
      this.restored++;
    }
  }

  /** Pages that can have come before an access. */
  #due(at: number): number {
    const { rebootAt, accesses } = this.#job;
    const { rate } = this.#run;
    if (rate === undefined) return Infinity;
    if ('pagesPerAccess' in rate) return Math.floor(rate.pagesPerAccess * (at - rebootAt));
    this.#now = Math.max(this.#now, accesses.times[at]!);
    return Math.floor(((this.#now - accesses.times[rebootAt]!) * rate.bytesPerSecond) / 1e9 / PAGE_SIZE);
  }
}

/** Places in `kept`, the one to come first before the others. */
function inOrder(
  order: RestoreOrder,
  { pages }: KeptPages,
  { pages: accessed, distinct }: RecordedAccesses,
  filePlaces: Uint32Array,
  rebootAt: number,
): Uint32Array {
  const count = new Uint32Array(distinct);
  const last = new Uint32Array(distinct);
  for (let at = 0; at < rebootAt; at++) {
    count[accessed[at]!]!++;
    last[accessed[at]!] = at;
  }
  const places = Uint32Array.from(pages.keys());
  const by = (compare: (a: number, b: number) => number): Uint32Array =>
    places.sort((a, b) => compare(pages[a]!, pages[b]!));
  switch (order) {
    case 'recency':
      return by((a, b) => last[b]! - last[a]!);
    case 'frequency':
      return by((a, b) => count[b]! - count[a]! || last[b]! - last[a]!);
    case 'file':
      return by((a, b) => filePlaces[a]! - filePlaces[b]!);
    case 'first-touch':
      // Pages are numbered so.
      return by((a, b) => a - b);
  }
}
