/**
 * A replay by intervals of time: which operations ended in each, and how long they took. The pages
 * that they read are counted, and those of them that were missing. Percentiles are by nearest rank.
 */

import { isReading } from '../../trace/operations.ts';
import { pagesIn } from '../accesses/page-accesses.ts';
import { LATE_NS, RECOVERED_SHARE, recoveredAt, WINDOW_NS } from '../judge/recovery.ts';
import type { TraceLoad } from './load.ts';
import type { PredictPart, PredictWindow } from './result.ts';

/** As in the result. */
const PARTS = ['before', 'after, first half', 'after, second half'] as const satisfies readonly PredictPart['name'][];

/** Lengths of windows: the longest is taken of which so many fit before the reboot. */
const LADDER_NS = [WINDOW_NS, 1e8, 1e7, 1e6] as const;
const WINDOWS_BEFORE = 30;
/** Windows of a result at most. */
const MOST_WINDOWS = 400;

/** The window by which recovery is judged. */
export function windowFor(beforeNs: number): number {
  return LADDER_NS.find((ns) => beforeNs >= WINDOWS_BEFORE * ns) ?? LADDER_NS.at(-1)!;
}

/** Pages of a read. */
export function pagesOf(load: TraceLoad, operation: number): number {
  const { kind, offset, length } = load.recording.columns;
  return isReading(kind[operation]!) ? pagesIn(offset[operation]!, length[operation]!) : 0;
}

/** What operations that ended in some time have done. */
interface Sums {
  operations: number;
  late: number;
  bytes: number;
  pages: number;
  missed: number;
}

class Sum implements Sums {
  operations = 0;
  late = 0;
  bytes = 0;
  pages = 0;
  missed = 0;
  readonly latencies: number[] = [];

  add(load: TraceLoad, operation: number): void {
    const ns = load.endNs[operation]! - load.sentNs[operation]!;
    this.operations++;
    if (ns > LATE_NS) this.late++;
    this.bytes += load.recording.columns.length[operation]!;
    this.pages += pagesOf(load, operation);
    this.missed += load.missed[operation]!;
    this.latencies.push(ns);
  }

  get figures() {
    const times = Float64Array.from(this.latencies).sort();
    const rank = (share: number): number | null => {
      const ns = times[Math.ceil(share * times.length) - 1];
      return ns === undefined ? null : Math.round(ns);
    };
    const { operations, late, bytes, pages, missed } = this;
    return { operations, late, bytes, pages, missed, p50Ns: rank(0.5), p99Ns: rank(0.99) };
  }
}

/** Virtual ns. */
export interface Instants {
  readonly beginNs: number;
  readonly rebootNs: number;
  /** When the service is there again. */
  readonly returnNs: number;
  readonly endNs: number;
}

/**
 * What ended before the reboot, and two halves of all else.
 * @param firstAfter the first operation that may come after the reboot
 */
export function partsOf(
  load: TraceLoad,
  firstAfter: number,
  { beginNs, rebootNs, returnNs, endNs }: Instants,
): PredictPart[] {
  const { count } = load.recording.columns;
  const half = Math.ceil((firstAfter + count) / 2);
  const sums = [new Sum(), new Sum(), new Sum()] as const;
  let halfNs = returnNs;
  for (let n = 0; n < count; n++) {
    if (load.isAnswered[n] !== 1) continue;
    const isFirst = n < half;
    const isBefore = load.endNs[n]! < rebootNs;
    sums[isBefore ? 0 : isFirst ? 1 : 2].add(load, n);
    if (!isBefore && isFirst) halfNs = Math.max(halfNs, load.endNs[n]!);
  }
  const spans = [rebootNs - beginNs, halfNs - returnNs, Math.max(0, endNs - halfNs)] as const;
  return PARTS.map((name, n) => ({ name, ns: Math.round(spans[n]!), ...sums[n]!.figures }));
}

/** All that was measured, by intervals; time 0 is the start of the reboot. */
export function windowsOf(
  load: TraceLoad,
  { beginNs, rebootNs, endNs }: Omit<Instants, 'returnNs'>,
  windowNs: number,
): { readonly intervalNs: number; readonly windows: PredictWindow[] } {
  let intervalNs = windowNs;
  for (let n = 0; (endNs - beginNs) / intervalNs > MOST_WINDOWS; n++) intervalNs *= n % 3 === 1 ? 2.5 : 2;
  const first = Math.floor((beginNs - rebootNs) / intervalNs);
  const count = Math.floor((endNs - rebootNs) / intervalNs) - first + 1;
  const sums = Array.from({ length: count }, () => new Sum());
  for (let n = 0; n < load.endNs.length; n++)
    if (load.isAnswered[n] === 1) sums[Math.floor((load.endNs[n]! - rebootNs) / intervalNs) - first]!.add(load, n);
  return { intervalNs, windows: sums.map((sum, n) => ({ startNs: (first + n) * intervalNs, ...sum.figures })) };
}

/** Share of the pages that were read by operations that ended in a span; undefined: none was. */
export function hitRatio(load: TraceLoad, from: number, to: number): number | undefined {
  let [pages, missed] = [0, 0];
  for (let n = 0; n < load.endNs.length; n++)
    if (load.endNs[n]! >= from && load.endNs[n]! < to) {
      pages += pagesOf(load, n);
      missed += load.missed[n]!;
    }
  return pages === 0 ? undefined : 1 - missed / pages;
}

/**
 * The end of the first window with 0.9 of the hit ratio before, if the next two have it, too.
 * Windows begin at `returnNs`. One in which no page is read has it.
 */
export function hitsRecoveredAt(
  load: TraceLoad,
  returnNs: number,
  endNs: number,
  windowNs: number,
  before: number,
): number | undefined {
  const count = Math.max(0, Math.ceil((endNs - returnNs) / windowNs));
  const pages = new Float64Array(count);
  const missed = new Float64Array(count);
  for (let n = 0; n < load.endNs.length; n++) {
    const window = Math.floor((load.endNs[n]! - returnNs) / windowNs);
    if (!(window >= 0 && window < count)) continue;
    pages[window]! += pagesOf(load, n);
    missed[window]! += load.missed[n]!;
  }
  return recoveredAt(returnNs, endNs, windowNs, (from) => {
    const window = Math.round((from - returnNs) / windowNs);
    return pages[window] === 0 || 1 - missed[window]! / pages[window]! >= RECOVERED_SHARE * before;
  });
}
