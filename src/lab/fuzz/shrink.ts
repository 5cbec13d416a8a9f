/**
 * The smallest case that breaks the same law, as far as a fixed number of plays finds it. Edits are
 * left out one by one, from the last to the first. The repair is left out. Then numbers become
 * smaller and texts shorter. All of it is repeated while something changes.
 */

import { type Edit, type FuzzCase, type Kind, playCase } from './kind.ts';

/** Plays that a shrink may take. */
const MOST_PLAYS = 120;

/** @returns the smaller case, or the same one */
export function shrink(kind: Kind, found: FuzzCase, law: string): FuzzCase {
  let smallest = found;
  let plays = 0;
  const takes = (smaller: FuzzCase): boolean => {
    if (plays === MOST_PLAYS) return false;
    plays++;
    const played = playCase(kind, smaller);
    if (!('law' in played) || played.law !== law) return false;
    smallest = smaller;
    return true;
  };
  for (let isSmaller = true; isSmaller && plays < MOST_PLAYS; ) {
    isSmaller = false;
    for (let n = smallest.edits.length - 1; n >= 0; n--)
      if (takes({ ...smallest, edits: smallest.edits.filter((_, i) => i !== n) })) isSmaller = true;
    if (smallest.repair && takes({ ...smallest, repair: false })) isSmaller = true;
    for (let n = 0; n < smallest.edits.length; n++)
      for (const name of Object.keys(smallest.edits[n]!)) if (reduce(n, name)) isSmaller = true;
  }
  return smallest;

  /** Makes one value of one edit as small as it goes. */
  function reduce(n: number, name: string): boolean {
    let isSmaller = false;
    for (let again = name !== 'op'; again; ) {
      again = smallerThan(smallest.edits[n]![name]!).some((value) => takes(withValue(n, name, value)));
      isSmaller ||= again;
    }
    return isSmaller;
  }

  function withValue(n: number, name: string, value: number | string): FuzzCase {
    const edits = smallest.edits.map((edit, i): Edit => (i === n ? { ...edit, [name]: value } : edit));
    return { ...smallest, edits };
  }
}

/** What may stand for a value, the smallest first. */
function smallerThan(value: number | string): (number | string)[] {
  if (typeof value === 'number')
    return value === 0 ? [] : [...new Set([0, Math.floor(value / 2), value - 1])].filter((each) => each < value);
  const half = Math.floor(value.length / 2);
  return value === ''
    ? []
    : [...new Set(['', value.slice(0, half), value.slice(half), value.slice(1)])].filter(
        (each) => each.length < value.length,
      );
}
