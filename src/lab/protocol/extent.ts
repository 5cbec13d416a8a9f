/** How much a part of a state holds, be it plain data or not. */

import { NESTING_MAX } from './words.ts';

export interface Extent {
  /** Numbers, texts, lists and records. */
  readonly size: number;
  /** Greatest absolute value of a number. */
  readonly greatest: number;
  /** Characters of all texts. */
  readonly text: number;
  /** Characters of the longest text. */
  readonly longest: number;
}

export const NOTHING: Extent = { size: 0, greatest: 0, text: 0, longest: 0 };

/** What lies deeper than a state may be nested does not count. */
export function extentOf(value: unknown, depth = 0): Extent {
  const one = { ...NOTHING, size: 1 };
  if (typeof value === 'number') return { ...one, greatest: Math.abs(value) };
  if (typeof value === 'string') return { ...one, text: value.length, longest: value.length };
  if (typeof value !== 'object' || value === null || depth > NESTING_MAX) return one;
  return Object.values(value)
    .map((each) => extentOf(each, depth + 1))
    .reduce<Extent>(
      (a, b) => ({
        size: a.size + b.size,
        greatest: Math.max(a.greatest, b.greatest),
        text: a.text + b.text,
        longest: Math.max(a.longest, b.longest),
      }),
      one,
    );
}
