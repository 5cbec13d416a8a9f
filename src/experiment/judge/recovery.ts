/**
 * How a service recovers from a reboot, as its clients see it. Every command and page uses these
 * definitions.
 *
 * - The *rate before* is the mean of the last 30 s before the reboot begins, in requests a second.
 * - *Down* is the longest time without an answer that ends after the reboot has begun, or has not
 *   ended. The service *returns* with the answer that ends it.
 * - Windows are of 1 s. The first one begins when the service returns.
 * - *Until 90 %* begins with the reboot. It ends with the first window whose rate is at least 0.9
 *   of the rate before, if those of the next two windows are, too.
 * - A request is *late* when it is answered more than 1 s after it was sent, and *lost* when it is
 *   never answered. Those count that were under way when the reboot began, and all later ones.
 * - The *area lost* is the rate before less the rate, integrated from the start of the reboot until
 *   90 %. It is a number of requests. What is answered in excess of the rate before makes it
 *   smaller. When 90 % is not reached, it ends with the measurement.
 * - A command may choose shorter windows for a short run. Then the mean before is that of 30 of
 *   them.
 * - The *loss* over a span from the return on is the share of the rate before that is missing in
 *   it.
 *
 * Contract: a span has its first instant and not its last. An answer as it begins counts in it.
 */

/** Length of a window, ns. */
export const WINDOW_NS = 1e9;
/** The span before the reboot whose mean is compared with, ns. */
export const MEAN_NS = 30e9;
/** Share of the rate before at which the service has recovered. */
export const RECOVERED_SHARE = 0.9;
/** Windows in a row that must have it. */
export const RECOVERED_WINDOWS = 3;
/** A request that is answered later than this after it was sent is late, ns. */
export const LATE_NS = 1e9;

/** A request of a client. Instants are virtual ns. */
export interface Exchange {
  readonly sentNs: number;
  /** When the whole answer was there, or the client gave up. */
  readonly endNs: number;
  readonly isAnswered: boolean;
}

/** Three instants of a measurement, virtual ns. */
interface Instants {
  readonly beginNs: number;
  readonly rebootNs: number;
  readonly endNs: number;
}

/** What was measured: all requests, and three instants. */
export interface Measurement extends Instants {
  readonly exchanges: readonly Exchange[];
}

/** Requests as columns, for millions of them. The columns have one length. */
export interface Requests {
  readonly sentNs: Float64Array;
  /** When the whole answer was there, or the client gave up; NaN: never. */
  readonly endNs: Float64Array;
  /** 1: there was an answer. */
  readonly isAnswered: Uint8Array;
}

export interface Recovery {
  /** Requests answered a second. */
  readonly rateBefore: number;
  readonly downNs: number;
  /** From the start of the reboot; undefined when the service does not return. */
  readonly returnNs: number | undefined;
  /** From the start of the reboot; undefined when it is not reached while it is measured. */
  readonly until90Ns: number | undefined;
  readonly late: number;
  readonly lost: number;
  /** Requests. */
  readonly areaLost: number;
  /**
   * Over the first 20 s and 33 s after the return, the spans of the slides; undefined when they
   * were not measured.
   */
  readonly loss: { readonly first20s: number | undefined; readonly first33s: number | undefined };
}

export const isLate = ({ sentNs, endNs, isAnswered }: Exchange): boolean => isAnswered && endNs - sentNs > LATE_NS;

export const recoveryOf = ({ exchanges, ...instants }: Measurement): Recovery =>
  recoveryOfRequests(
    {
      sentNs: Float64Array.from(exchanges, ({ sentNs }) => sentNs),
      endNs: Float64Array.from(exchanges, ({ endNs }) => endNs),
      isAnswered: Uint8Array.from(exchanges, ({ isAnswered }) => Number(isAnswered)),
    },
    instants,
  );

/** @param windowNs length of a window; the mean before the reboot is that of 30 of them */
export function recoveryOfRequests(
  requests: Requests,
  { beginNs, rebootNs, endNs }: Instants,
  windowNs: number = WINDOW_NS,
): Recovery {
  const answers = requests.endNs.filter((_, n) => requests.isAnswered[n] === 1).sort();
  const meanBegin = meanBeginOf(beginNs, rebootNs, windowNs);
  const span = rebootNs - meanBegin;
  const rateBefore = span > 0 ? (between(answers, meanBegin, rebootNs) * 1e9) / span : 0;
  const { fromNs, toNs } = longestSilence(answers, beginNs, rebootNs, endNs);
  const hasRate = (from: number): boolean =>
    (between(answers, from, from + windowNs) * 1e9) / windowNs >= RECOVERED_SHARE * rateBefore;
  const recovered = toNs === undefined ? undefined : recoveredAt(toNs, endNs, windowNs, hasRate);
  const until = recovered ?? endNs;
  const loss = (seconds: number): number | undefined => {
    const end = (toNs ?? Infinity) + seconds * 1e9;
    return end > endNs || rateBefore === 0 ? undefined : 1 - between(answers, toNs!, end) / (rateBefore * seconds);
  };
  return {
    rateBefore,
    downNs: (toNs ?? endNs) - fromNs,
    returnNs: toNs === undefined ? undefined : toNs - rebootNs,
    until90Ns: recovered === undefined ? undefined : recovered - rebootNs,
    ...lateAndLost(requests, rebootNs, endNs),
    areaLost: (rateBefore * (until - rebootNs)) / 1e9 - between(answers, rebootNs, until),
    loss: { first20s: loss(20), first33s: loss(33) },
  };
}

/** Answers from `from` on, up to and without `to`. */
export function between(answers: Float64Array, from: number, to: number): number {
  return firstFrom(answers, to) - firstFrom(answers, from);
}

/** Index of the first answer at `from` or later. */
function firstFrom(answers: Float64Array, from: number): number {
  let low = 0;
  let high = answers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (answers[middle]! < from) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A time without an answer. */
interface Silence {
  readonly fromNs: number;
  /** Undefined: it has not ended. */
  readonly toNs: number | undefined;
}

/** For how long the service is down: the longest silence that ends after the reboot has begun. */
export function longestSilence(answers: Float64Array, beginNs: number, rebootNs: number, endNs: number): Silence {
  const first = firstFrom(answers, rebootNs);
  const end = firstFrom(answers, endNs);
  let fromNs = first === 0 ? beginNs : answers[first - 1]!;
  let longest: Silence & { readonly ns: number } = { fromNs, toNs: undefined, ns: -1 };
  for (let i = first; i <= end; i++) {
    const toNs = i === end ? undefined : answers[i]!;
    const ns = (toNs ?? endNs) - fromNs;
    if (ns > longest.ns) longest = { fromNs, toNs, ns };
    fromNs = toNs ?? endNs;
  }
  return longest;
}

/** Where the span before the reboot begins whose mean is compared with: 30 windows before it. */
export const meanBeginOf = (beginNs: number, rebootNs: number, windowNs: number): number =>
  Math.max(beginNs, rebootNs - (MEAN_NS / WINDOW_NS) * windowNs);

/** Of the requests that were under way when the reboot began, and of all later ones. */
function lateAndLost(
  { sentNs, endNs, isAnswered }: Requests,
  from: number,
  to: number,
): Pick<Recovery, 'late' | 'lost'> {
  let late = 0;
  let lost = 0;
  for (let n = 0; n < sentNs.length; n++) {
    if (!(sentNs[n]! < to) || endNs[n]! < from) continue;
    if (isAnswered[n] !== 1) lost++;
    else if (endNs[n]! - sentNs[n]! > LATE_NS) late++;
  }
  return { late, lost };
}

/**
 * The end of the window with which the service has recovered.
 * @param has whether the window that begins there has 90 % of what was before
 */
export function recoveredAt(
  returnNs: number,
  endNs: number,
  windowNs: number,
  has: (from: number) => boolean,
): number | undefined {
  let inRow = 0;
  for (let from = returnNs; from + windowNs <= endNs; from += windowNs) {
    inRow = has(from) ? inRow + 1 : 0;
    if (inRow === RECOVERED_WINDOWS) return from + windowNs - (RECOVERED_WINDOWS - 1) * windowNs;
  }
  return undefined;
}
