/**
 * The guest's side of the cache-mapping table: tells the hypervisor which page holds what, and claims pages after a
 * reboot.
 *
 * Names are told in batches, as the kernel batches its LRU additions. Order within the batch is order of effect, so an
 * erase never overtakes the insert it undoes. `flush` is called before an erased page is used again: that is the law
 * erase-before-reuse (xen/public/cache-map-op.ts). Names that still wait in the batch at a crash are lost with it, and
 * their pages are read again: late is safe.
 */

import { assert } from '../base/assert.ts';
import { PageIndex, Pfn, type Ino, type Lba } from '../base/units.ts';
import { CacheMapBatch, Reason, type Hypercalls } from '../xen/public/index.ts';
import { NO_PAGE, PG, type MemMap } from './mem-map.ts';
import type { PageAllocator } from './page-alloc.ts';
import type { AddressSpace, NameTable } from './page-cache.ts';
import { RA_MAX } from './readahead.ts';
import { PAGEVEC_SIZE } from './swap.ts';
import type { UnclaimedPages } from './vmscan.ts';

/** Told of every page taken over, at the moment of reuse; for an oracle outside the guest. */
export type ReuseObserver = (pfn: Pfn, ino: Ino, index: PageIndex, block: Lba) => void;

export class CacheMap implements NameTable, UnclaimedPages {
  readonly #hypercalls: Pick<Hypercalls, 'cacheMapOp'>;
  readonly #names = new CacheMapBatch(PAGEVEC_SIZE);
  readonly #claims = new CacheMapBatch(RA_MAX);
  readonly #onReuse: ReuseObserver | undefined;
  #map: MemMap | undefined;
  #allocator: PageAllocator | undefined;
  #unclaimed = 0;
  #cursor = 0;
  /** Pages taken over since boot. */
  reused = 0;

  constructor(hypercalls: Pick<Hypercalls, 'cacheMapOp'>, onReuse: ReuseObserver | undefined) {
    this.#hypercalls = hypercalls;
    this.#onReuse = onReuse;
  }

  /** Binds the memory whose preserved pages (PG.preserved) may be claimed. */
  attach(map: MemMap, allocator: PageAllocator, unclaimed: number): void {
    this.#map = map;
    this.#allocator = allocator;
    this.#unclaimed = unclaimed;
  }

  /** Preserved pages that nobody claimed yet. */
  get unclaimed(): number {
    return this.#unclaimed;
  }

  insert(pfn: Pfn, ino: Ino, generation: number, index: PageIndex): void {
    this.#names.insert(pfn, ino, generation, index);
    if (this.#names.isFull) this.flush();
  }

  erase(pfn: Pfn): void {
    this.#names.erase(pfn);
    if (this.#names.isFull) this.flush();
  }

  flush(): void {
    if (this.#names.count === 0) return;
    this.#hypercalls.cacheMapOp(this.#names);
    this.#names.reset();
  }

  /**
   * Claims pages of a file: indices[i] lies at block blocks[i] now. On return pages[i] is the page that holds it,
   * carries uptodate and named and belongs to the caller; or NO_PAGE. At most RA_MAX at once. One hypercall.
   */
  claim(
    space: AddressSpace,
    indices: ArrayLike<number>,
    blocks: ArrayLike<number>,
    count: number,
    pages: Int32Array,
  ): void {
    for (let i = 0; i < count; i++) pages[i] = NO_PAGE;
    if (this.#unclaimed === 0 || !space.named) return;
    const map = this.#memMap;
    const batch = this.#claims;
    batch.reset();
    for (let i = 0; i < count; i++) batch.claim(space.ino, space.generation, PageIndex(indices[i]!), blocks[i]! as Lba);
    this.#hypercalls.cacheMapOp(batch);
    for (let i = 0; i < count; i++) {
      const result = batch.result(i);
      if (result === Reason.absent) continue;
      const pfn = batch.pfn(i);
      assert(map.has(pfn, PG.preserved), 'the hypervisor handed out a page that was not set aside');
      map.clear(pfn, PG.preserved);
      this.#unclaimed--;
      if (result === Reason.ok) {
        map.set(pfn, PG.uptodate | PG.named);
        pages[i] = pfn;
        this.reused++;
        this.#onReuse?.(pfn, space.ino, PageIndex(indices[i]!), blocks[i]! as Lba);
      } else this.#pageAllocator.free(pfn);
    }
  }

  /** Gives unclaimed pages back to the allocator. A crash tells no recency, so the order is that of their numbers. */
  release(count: number): number {
    if (this.#unclaimed === 0) return 0;
    const map = this.#memMap;
    const batch = this.#claims;
    batch.reset();
    const wanted = Math.min(count, batch.capacity, this.#unclaimed);
    for (; batch.count < wanted; this.#cursor++) {
      assert(this.#cursor < map.nrPages, 'fewer pages are set aside than were counted');
      const pfn = Pfn(this.#cursor);
      if (map.has(pfn, PG.preserved)) batch.release(pfn);
    }
    this.#hypercalls.cacheMapOp(batch);
    for (let i = 0; i < wanted; i++) {
      map.clear(batch.pfn(i), PG.preserved);
      this.#pageAllocator.free(batch.pfn(i));
    }
    this.#unclaimed -= wanted;
    return wanted;
  }

  get #memMap(): MemMap {
    assert(this.#map !== undefined, 'cache map used before memory was initialised');
    return this.#map;
  }

  get #pageAllocator(): PageAllocator {
    assert(this.#allocator !== undefined, 'cache map used before memory was initialised');
    return this.#allocator;
  }
}
