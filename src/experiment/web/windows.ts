/**
 * Requests by the seconds in which they were sent and ended, with the times that they took.
 *
 * Contract: a window counts what is sent and what ends in it, from its start up to and without its
 * end. Percentiles are by nearest rank: the p-th of n sorted values is number ceil(p × n).
 */

import { between, isLate, WINDOW_NS } from '../judge/recovery.ts';
import type { WebExchange } from './load.ts';
import { ERRORS, type ErrorName } from './options.ts';
import type { WebRun, WebWindow } from './result.ts';

type Errors = WebRun['errors'];
type Latency = Pick<WebRun, 'p50Ns' | 'p99Ns'>;

/**
 * The windows from `beginNs` to `endNs`, with time 0 at `rebootNs`. The first may begin earlier.
 */
export function windowsOf(
  exchanges: readonly WebExchange[],
  { beginNs, rebootNs, endNs }: { readonly beginNs: number; readonly rebootNs: number; readonly endNs: number },
): WebWindow[] {
  const first = Math.ceil((beginNs - rebootNs) / WINDOW_NS);
  const count = Math.floor((endNs - rebootNs) / WINDOW_NS) - first;
  const sent = Float64Array.from(exchanges, ({ sentNs }) => sentNs).sort();
  const ended = Array.from({ length: Math.max(0, count) }, (): WebExchange[] => []);
  for (const exchange of exchanges) ended[Math.floor((exchange.endNs - rebootNs) / WINDOW_NS) - first]?.push(exchange);
  return ended.map((those, n) => {
    const startNs = (first + n) * WINDOW_NS;
    const from = rebootNs + startNs;
    const answered = those.filter(({ isAnswered }) => isAnswered);
    return {
      startNs,
      sent: between(sent, from, from + WINDOW_NS),
      answered: answered.length,
      late: answered.filter(isLate).length,
      bytes: answered.reduce((bytes, each) => bytes + each.bytes, 0),
      ...latencyOf(answered),
      errors: errorsOf(those),
    };
  });
}

/** @param answered requests that were answered */
export function latencyOf(answered: readonly WebExchange[]): Latency {
  const times = Float64Array.from(answered, ({ sentNs, endNs }) => endNs - sentNs).sort();
  const rank = (share: number): number | null => times[Math.ceil(share * times.length) - 1] ?? null;
  return { p50Ns: rank(0.5), p99Ns: rank(0.99) };
}

export function errorsOf(exchanges: readonly WebExchange[]): Errors {
  const counts = Object.fromEntries(ERRORS.map((name) => [name, 0])) as Record<ErrorName, number>;
  for (const { error } of exchanges) if (error !== undefined) counts[error]++;
  return counts;
}
