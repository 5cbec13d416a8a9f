/**
 * Recency of a cache page, in two bytes: its place on its guest's LRU lists when the guest shut
 * down, and its bits there. The guest tells it with cache_map_op before an orderly shutdown, and
 * the next guest asks for it. The hypervisor keeps the bytes and believes nothing in them.
 *
 * Rank counts from the old end of a list. A list of more pages than there are ranks shares each
 * among neighbours.
 */

import { defineLayout } from '../../base/layout.ts';

/** Layout of what a guest tells of a page. */
export const RECENCY = defineLayout('recency', 2, [
  { name: 'word', width: 2, writer: 'guest', meaning: 'rank and bits, see below; 0: nothing was told' },
]);

/** @internal Bits of the word, for the reference page; the masks are below. */
export const RECENCY_BITS = [
  { bits: '0–13', name: 'rank', meaning: '1 the oldest of its list … 16383 the youngest; 0 not told' },
  { bits: '14', name: 'active', meaning: 'on the active list, else on the inactive one' },
  { bits: '15', name: 'referenced', meaning: 'referenced since it came to its place' },
] as const;

/** Bits of the rank: 1 to 16383, the oldest first; 0: nothing was told. */
export const RECENCY_RANK = 0x3fff;
/** Bit: on the active list. */
export const RECENCY_ACTIVE = 0x4000;
/** Bit: referenced. */
export const RECENCY_REFERENCED = 0x8000;

/** Rank of the page at `position` from the old end of a list of `length` pages. */
export function rankOf(position: number, length: number): number {
  return 1 + (length <= RECENCY_RANK ? position : Math.floor((position * RECENCY_RANK) / length));
}
