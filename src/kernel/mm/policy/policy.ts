/**
 * What a replacement policy is to the page cache and to reclaim: it orders the cached pages, and
 * names those that are to go first. It knows neither files nor I/O. Reclaim decides what becomes of
 * a candidate (mm/vmscan.ts).
 *
 * One is chosen when a machine's memory is made (MemoryManagement), so that each call has one
 * receiver for life. Another policy is a file of this folder: it implements this interface, and
 * nothing else of the house changes.
 *
 * A page's way: `willAdd`, where it is known before room is made; `add`; then `markAccessed` for
 * each access, the one that brought it in included. In a pass of reclaim `nextBatch` takes
 * candidates off the policy's lists; each is given to `putBack` or to `activate`, or leaves the
 * cache. `remove` takes off a page that leaves for another reason. Pages kept from before a reboot
 * come by `restore`.
 *
 * A policy may use the two list links of a page (MemMap.link, unlink) and the heads that
 * `MemMap.head` gives it. It may also use the bits lru (on its lists), active, referenced and
 * policy. What it knows of pages that are not in memory (ghosts) is its own. In `add` and
 * `nextBatch` a page's space and index are in mem_map.
 */

import type { Pfn } from '../../../base/units.ts';

/** Pages in a batch of additions. */
export const PAGEVEC_SIZE = 14;
/** Pages of one scan, and what direct reclaim is content with. */
export const SWAP_CLUSTER_MAX = 32;
/** Lowest pressure: one 4096th of a list is scanned. */
export const DEF_PRIORITY = 12;
/** What `nextBatch` returns when the pass is over. */
export const PASS_IS_OVER = -1;

/** What a policy may ask, in a pass, about pages that programs map. */
export interface MappedPages {
  /** Whether memory is so tight that mapped pages are to go, too. */
  mayReclaimMapped(): boolean;
  /** Whether a program has touched the page through a mapping since it was asked last. */
  testAndClearYoung(pfn: Pfn): boolean;
}

/** Orders the cached pages, and names those that are to go first. */
export interface ReplacementPolicy {
  /** Pages on its lists that were used more than once, as the policy understands that. */
  readonly nrActive: number;
  /** The other pages on its lists: those that go first. */
  readonly nrInactive: number;

  /**
   * @internal Page `index` of the space in slot `space` was missed. Room is made for it next, if
   * there is none. Not every cache knows it in time; then `add` is the first to tell.
   */
  willAdd(space: number, index: number): void;

  /** @internal A page has come into the cache. It need not be on a list before `drain`. */
  add(pfn: Pfn): void;

  /** @internal What was added is on a list when this returns. */
  drain(): void;

  /**
   * A page in the cache was used.
   * @throws ArgumentError for a page that is free, or not one of memory
   */
  markAccessed(pfn: Pfn): void;

  /**
   * @internal Takes a page off the lists, wherever it is, whether it was drained or not. Its active
   * bit stays as it was.
   */
  remove(pfn: Pfn): void;

  /**
   * @internal A candidate stays in the cache, for it cannot be taken now; the policy knows nothing
   * new of its use.
   */
  putBack(pfn: Pfn): void;

  /**
   * @internal The space with this slot (MemMap.words) has ended, and its pages have left: what is
   * known of them is of no use.
   */
  endSpace(slot: number): void;

  /** @internal A candidate stays in the cache, since it is used. */
  activate(pfn: Pfn): void;

  /**
   * @internal A page that is not in use has become clean: it is to be among the next candidates.
   */
  rotate(pfn: Pfn): void;

  /** @internal A pass of reclaim begins. Pressure rises from priority DEF_PRIORITY to 0. */
  beginPass(priority: number): void;

  /**
   * @internal Takes the next candidates of the pass off the lists into `pages`, first to go first,
   * SWAP_CLUSTER_MAX at most. Returns how many, which may be none; PASS_IS_OVER after the last
   * batch.
   */
  nextBatch(pages: Int32Array, mapped: MappedPages): number;

  /**
   * @internal A page from before a reboot, with what is known of its use then; younger than those
   * that were restored before.
   */
  restore(pfn: Pfn, wasActive: boolean, wasReferenced: boolean): void;

  /**
   * @internal Its lists, the one whose pages go first before the others; each with the page that
   * goes first before the others.
   */
  orders(): readonly Pfn[][];
}
