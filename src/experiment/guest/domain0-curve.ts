/**
 * What reboots are worth over disks that are files, by the size of domain 0's page cache. It is a
 * hypothesis for the deck's 15 × and 64 %, whose disk is not known.
 *
 * A scan of a file that is larger than the cache gains nothing from it when it is cold. The blocks
 * of metadata that a warm-cache reboot leaves to be read are still there. So both figures rise with
 * the size, up to that of the file. A larger cache serves the cold scan too.
 */

import { ArgumentError } from '../../base/argument-error.ts';
import { checkCacheSize } from '../host/backend.ts';
import type { StrategyName } from '../host/strategies.ts';
import type { CurvePoint, StrategyResult } from './result.ts';

/** What is run at each size, in this order. */
export const CURVE_STRATEGIES: readonly StrategyName[] = ['cold', 'warm-cache'];

/**
 * The sizes, ascending; none when no curve is asked for.
 * @throws ArgumentError for what is neither 0 nor a size, or there twice
 */
export function curveSizes(sizes: readonly number[] = []): number[] {
  if (!(sizes instanceof Array)) throw new ArgumentError('domain0Curve: expected a list');
  for (const size of sizes) if (size !== 0) checkCacheSize('domain0Curve', size);
  if (new Set(sizes).size < sizes.length) throw new ArgumentError('domain0Curve: a size is there twice');
  return [...sizes].sort((one, other) => one - other);
}

/** @param results of the two strategies at each size, one after the other */
export function curveOf(sizes: readonly number[], results: readonly StrategyResult[]): CurvePoint[] {
  const nsOf = (at: number, number: number): number =>
    results[at]!.runs.find((run) => run.phase === 'after' && run.number === number)!.ns;
  return sizes.map((domain0Cache, n) => ({
    domain0Cache,
    coldNs: nsOf(2 * n, 1),
    warmNs: nsOf(2 * n + 1, 1),
    secondNs: nsOf(2 * n + 1, 2),
  }));
}
