/** Which parts of the state still grew when a search ended at its bound. */

import type { Expander } from './expander.ts';
import { type Extent, extentOf, NOTHING } from './extent.ts';

const SAMPLE = 500;

/** @param cut the first state whose steps were not all taken */
export function grewOf(expander: Expander, cut: number): string[] {
  const early = extents(expander, 0, Math.max(1, cut >> 2));
  const late = extents(expander, cut, expander.visited.count);
  return [...late].flatMap(([part, { size, greatest, text }]) => {
    const before = early.get(part) ?? NOTHING;
    if (size > before.size) return [`${part}: up to ${before.size} numbers and texts at first, ${size} in the end`];
    if (greatest > before.greatest)
      return [`${part}: numbers up to ${before.greatest} at first, ${greatest} in the end`];
    if (text > before.text) return [`${part}: up to ${before.text} characters at first, ${text} in the end`];
    return [];
  });
}

function extents(expander: Expander, from: number, to: number): Map<string, Extent> {
  const found = new Map<string, Extent>();
  const stride = Math.max(1, Math.floor((to - from) / SAMPLE));
  for (let number = from; number < to; number += stride)
    for (const [part, value] of Object.entries(expander.stateOf(number))) {
      const { size, greatest, text, longest } = found.get(part) ?? NOTHING;
      const here = extentOf(value);
      found.set(part, {
        size: Math.max(size, here.size),
        greatest: Math.max(greatest, here.greatest),
        text: Math.max(text, here.text),
        longest: Math.max(longest, here.longest),
      });
    }
  return found;
}
