/**
 * The page allocator: single pages off a free list, with the watermarks of 2.6.12
 * (mm/page_alloc.c).
 *
 * min_free_kbytes = isqrt(16 · memory in KiB), clamped to 128 … 65536; low = 5/4 min, high = 6/4
 * min. Below low kswapd is woken, below min the allocating process reclaims itself. One zone and
 * order 0 only: the buddy system of the original serves callers that this kernel does not have. The
 * free list is linked one way: only its head ever leaves.
 *
 * Invariants:
 *   1. a free page carries no other flag;
 *   2. `freeCount` counts the free list (`checkMemory` of the tests asserts it).
 */

import { ArgumentError } from '../../base/argument-error.ts';
import { assert } from '../../base/assert.ts';
import type { Pfn } from '../../base/units.ts';
import { NO_PAGE, PG, type MemMap } from './mem-map.ts';

// See hot-paths 3.
const FREE = PG.free;

/** Free pages at which reclaim begins and ends. */
export interface Watermarks {
  /** Pages at which an allocation reclaims by itself. */
  readonly min: number;
  /** Pages below which kswapd is woken. */
  readonly low: number;
  /** Pages at which kswapd is content. */
  readonly high: number;
}

/** Watermarks of a zone of `nrPages` pages. */
export function watermarks(nrPages: number): Watermarks {
  const kilobytes = Math.floor(Math.sqrt(16 * nrPages * 4));
  const min = Math.floor(Math.min(65536, Math.max(128, kilobytes)) / 4);
  return { min, low: Math.floor((min * 5) / 4), high: Math.floor((min * 6) / 4) };
}

/** The free pages. */
export class PageAllocator {
  /** When reclaim begins and ends. */
  readonly marks: Watermarks;
  readonly #map: MemMap;
  #freeCount = 0;

  /** Starts with no free page: boot frees what may be used, page by page. */
  constructor(map: MemMap) {
    this.#map = map;
    this.marks = watermarks(map.nrPages);
  }

  /** Free pages. */
  get freeCount(): number {
    return this.#freeCount;
  }

  /** Takes a free page, or NO_PAGE. The caller sees to the watermarks. */
  take(): Pfn {
    if (this.#freeCount === 0) return NO_PAGE;
    const { words, links, freeHead } = this.#map;
    const pfn = links[freeHead << 2]! as Pfn;
    assert(words[pfn << 2] === FREE, 'page allocator 1: a free page carries no other flag');
    links[freeHead << 2] = links[pfn << 2]!;
    words[pfn << 2] = 0;
    this.#freeCount--;
    return pfn;
  }

  /**
   * Gives a page back. Its flags must be clear: it belongs to no list, no address space, and has no
   * name.
   * @throws ArgumentError
   */
  free(pfn: Pfn): void {
    const { words, links, freeHead } = this.#map;
    if (pfn >>> 0 !== pfn || words[pfn << 2] !== 0)
      throw new ArgumentError('pfn: there is no such page, or it still carries flags');
    words[pfn << 2] = FREE;
    links[pfn << 2] = links[freeHead << 2]!;
    links[freeHead << 2] = pfn;
    this.#freeCount++;
  }
}
