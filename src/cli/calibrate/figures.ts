/** What a measurement found: a value with its spread, or why there is none. */

import type { ConstantName } from '../../machine/profile.ts';

/** A value of repeated rounds. */
export interface Figure {
  readonly median: number;
  /** Of the middle 80 % of the rounds; of all of them where there are few. */
  readonly low: number;
  readonly high: number;
}

/** A constant of the profile that was measured, in its unit. */
export interface Measured extends Figure {
  readonly name: ConstantName;
  /** What was done, and what the value contains besides. */
  readonly how: string;
}

/** A constant that was not, and why. */
export interface Missed {
  readonly name: ConstantName;
  readonly why: string;
}

export type Finding = Measured | Missed;

/** What was found of a host. */
export interface Calibration {
  readonly findings: readonly Finding[];
  /** What a reader must know of the figures. */
  readonly remarks: readonly string[];
}

export const isMeasured = (finding: Finding): finding is Measured => 'median' in finding;

/** @param rounds one value or more, in any order */
export function figureOf(rounds: readonly number[]): Figure {
  const sorted = rounds.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  const cut = Math.floor(sorted.length / 10);
  return { median, low: sorted[cut]!, high: sorted[sorted.length - 1 - cut]! };
}

/** The figure with each of its numbers changed, by a function that never falls. */
export const mapped = ({ median, low, high }: Figure, change: (value: number) => number): Figure => ({
  median: change(median),
  low: change(low),
  high: change(high),
});
