/**
 * A slab cache: objects of one kind in pages of their own (mm/slab.c of 2.6.12).
 *
 * The model keeps no object in those bytes. A cache takes the pages that its objects would fill, so
 * that dentries and inodes compete with the page cache for memory. An object is known by its page.
 * Objects come from a page that has room, then from a new page. A page whose last object is gone is
 * given back at once; the original keeps some for later.
 *
 * Invariant:
 *   1. the pages that carry an object are exactly those that the cache holds.
 */

import { assert } from '../../base/assert.ts';
import type { Pfn } from '../../base/units.ts';
import type { Process } from '../../sim/index.ts';
import { NO_PAGE, PG } from '../mm/mem-map.ts';
import type { MemoryManagement } from '../mm/mm.ts';
import type { MemorySupply } from './memory-supply.ts';

/**
 * Objects of a cache in a page: /proc/slabinfo of i386 kernels 2.6 of 2004 (objects of 140 bytes;
 * of 416, ext3 448).
 */
export const DENTRIES_PER_PAGE = 28;
export const INODES_PER_PAGE = 9;

export class SlabCache {
  readonly #mm: MemoryManagement;
  readonly #source: Pick<MemorySupply, 'allocate' | 'allocateWaiting'>;
  readonly #perPage: number;
  /** Objects in use, by page. */
  readonly #used = new Map<Pfn, number>();
  readonly #withRoom = new Set<Pfn>();
  /** Objects in use. */
  nrObjects = 0;

  constructor(mm: MemoryManagement, source: Pick<MemorySupply, 'allocate' | 'allocateWaiting'>, perPage: number) {
    this.#mm = mm;
    this.#source = source;
    this.#perPage = perPage;
  }

  get nrPages(): number {
    return this.#used.size;
  }

  /**
   * An object, as its page; waits for memory. Reclaim may run: no page that is not held is sure to
   * be there afterwards. Throws ENOMEM.
   */
  *allocate(): Process<Pfn> {
    let page = this.#room();
    if (page === NO_PAGE) {
      page = this.#source.allocate();
      if (page === NO_PAGE) page = yield* this.#source.allocateWaiting();
      this.#grow(page);
    }
    return this.#take(page);
  }

  /**
   * An object without waiting and without reclaim, or NO_PAGE (GFP_ATOMIC, but for its reserves).
   */
  allocateNow(): Pfn {
    const { allocator } = this.#mm;
    let page = this.#room();
    if (page === NO_PAGE && allocator.freeCount > allocator.marks.min) {
      page = allocator.take();
      this.#grow(page);
    }
    return page === NO_PAGE ? NO_PAGE : this.#take(page);
  }

  free(page: Pfn): void {
    const used = this.#used.get(page);
    assert(used !== undefined, 'slab 1: the object is of this cache');
    this.nrObjects--;
    if (used > 1) {
      this.#used.set(page, used - 1);
      this.#withRoom.add(page);
      return;
    }
    this.#used.delete(page);
    this.#withRoom.delete(page);
    this.#mm.map.clear(page, PG.reserved);
    this.#mm.allocator.free(page);
  }

  #room(): Pfn {
    for (const page of this.#withRoom) return page;
    return NO_PAGE;
  }

  #grow(page: Pfn): void {
    this.#mm.map.set(page, PG.reserved);
    this.#used.set(page, 0);
    this.#withRoom.add(page);
  }

  #take(page: Pfn): Pfn {
    const used = this.#used.get(page)! + 1;
    this.#used.set(page, used);
    if (used === this.#perPage) this.#withRoom.delete(page);
    this.nrObjects++;
    return page;
  }
}
