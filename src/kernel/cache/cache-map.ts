/**
 * The guest's side of the cache-mapping table and of the registry of dirty pages: tells the hypervisor which page holds
 * what, and claims pages after a reboot.
 *
 * Names are told in batches, as the kernel batches its LRU additions. Order within the batch is order of effect, so an
 * erase never overtakes the insert it undoes. `flush` is called before an erased page is used again: that is the law
 * erase-before-reuse (xen/public/cache-map-op.ts). Names that still wait in the batch at a crash are lost with it, and their
 * pages are read again: late is safe.
 *
 * Pages kept from before the reboot are on the LRU lists from the beginning. If the guest before told where they were,
 * they are there, and stay there when they are claimed; else a page that is claimed is as young as one just read. They
 * leave the lists when they are refused, when reclaim comes upon them, when their block is freed, and after a time.
 */

import { assert } from '../../base/assert.ts';
import { type PageIndex, Pfn, type Ino, type Lba } from '../../base/units.ts';
import {
  CacheMapBatch,
  rankOf,
  Reason,
  RECENCY_ACTIVE,
  RECENCY_RANK,
  RECENCY_REFERENCED,
  type Hypercalls,
} from '../../xen/public/index.ts';
import { NO_PAGE, PG } from '../mm/mem-map.ts';
import type { MemoryManagement } from '../mm/mm.ts';
import type { AddressSpace, NameTable } from '../mm/page-cache.ts';
import { RA_MAX } from '../mm/readahead.ts';
import { PAGEVEC_SIZE } from '../mm/swap.ts';
import type { UnclaimedPages } from '../mm/vmscan.ts';

// As constants of this file: one of another module is loaded, and checked, each time it is named.
const NONE = NO_PAGE;
const OK = Reason.ok;
const ABSENT = Reason.absent;
const PRESERVED = PG.preserved;
const UPTODATE_AND_NAMED = PG.uptodate | PG.named;

/** Pages whose recency is told or asked in one hypercall: entries of 16 KiB. */
const RECENCY_BATCH = 512;

/** Told of every page taken over, at the moment of reuse; for an oracle outside the guest. */
export type ReuseObserver = (pfn: Pfn, ino: Ino, index: PageIndex, block: Lba) => void;

export class CacheMap implements NameTable, UnclaimedPages {
  readonly #hypercalls: Pick<Hypercalls, 'cacheMapOp'>;
  readonly #names = new CacheMapBatch(PAGEVEC_SIZE);
  readonly #claims = new CacheMapBatch(RA_MAX);
  readonly #onReuse: ReuseObserver | undefined;
  #mm: MemoryManagement | undefined;
  #unclaimed = 0;
  #hasRecency = false;
  /** Pages taken over since boot. */
  reused = 0;

  constructor(hypercalls: Pick<Hypercalls, 'cacheMapOp'>, onReuse: ReuseObserver | undefined) {
    this.#hypercalls = hypercalls;
    this.#onReuse = onReuse;
  }

  /**
   * Binds the memory whose preserved pages (PG.preserved) may be claimed, and puts those on the lists: where they were when the
   * guest before shut down, if it told that; else on the inactive list, lower numbers first to go.
   */
  attach(mm: MemoryManagement): void {
    this.#mm = mm;
    const pages: Pfn[] = [];
    for (let pfn = 0; pfn < mm.map.nrPages; pfn++) if (mm.map.has(Pfn(pfn), PRESERVED)) pages.push(Pfn(pfn));
    this.#unclaimed = pages.length;
    const recency = this.#askRecency(pages);
    this.#hasRecency = recency !== undefined;
    if (recency !== undefined) {
      const order = Uint32Array.from(pages.keys());
      order.sort((a, b) => (recency[a]! & RECENCY_RANK) - (recency[b]! & RECENCY_RANK) || a - b);
      for (const i of order) {
        const told = recency[i]!;
        if ((told & RECENCY_ACTIVE) !== 0) mm.map.set(pages[i]!, PG.active);
        if ((told & RECENCY_REFERENCED) !== 0) mm.map.set(pages[i]!, PG.referenced);
        mm.lru.putBack(pages[i]!);
      }
    } else for (const pfn of pages) mm.lru.putBack(pfn);
  }

  /** What is known of the pages' recency; undefined when nothing is. */
  #askRecency(pages: readonly Pfn[]): Uint16Array | undefined {
    const recency = new Uint16Array(pages.length);
    const batch = new CacheMapBatch(RECENCY_BATCH);
    for (let at = 0; at < pages.length; at += batch.count) {
      batch.reset();
      for (const pfn of pages.slice(at, at + RECENCY_BATCH)) batch.askRecency(pfn);
      this.#hypercalls.cacheMapOp(batch);
      for (let i = 0; i < batch.count; i++) {
        if (batch.result(i) !== OK) return undefined;
        recency[at + i] = batch.recency(i);
      }
    }
    return recency;
  }

  /** Before an orderly shutdown: tells the places on the lists of all pages that may be kept. Nothing is cached or evicted afterwards. */
  tellRecency(): void {
    this.flush();
    const { map, lru } = this.#memory;
    lru.drain();
    const batch = new CacheMapBatch(RECENCY_BATCH);
    for (const head of [map.inactiveHead, map.activeHead]) {
      const pages: Pfn[] = [];
      for (let pfn = map.last(head); pfn !== head; pfn = map.younger(pfn))
        if (map.has(pfn, PG.named | PRESERVED)) pages.push(pfn);
      pages.forEach((pfn, position) => {
        let recency = rankOf(position, pages.length);
        if (map.has(pfn, PG.active)) recency |= RECENCY_ACTIVE;
        if (map.has(pfn, PG.referenced)) recency |= RECENCY_REFERENCED;
        batch.tellRecency(pfn, recency);
        if (batch.isFull) this.#send(batch);
      });
    }
    if (batch.count > 0) this.#send(batch);
  }

  #send(batch: CacheMapBatch): void {
    this.#hypercalls.cacheMapOp(batch);
    batch.reset();
  }

  /** Preserved pages that nobody claimed yet. */
  get unclaimed(): number {
    return this.#unclaimed;
  }

  insert(pfn: Pfn, ino: Ino, generation: number, index: PageIndex): void {
    this.#names.insert(pfn, ino, generation, index);
    if (this.#names.isFull) this.flush();
  }

  /** The page is newer than that block: should this kernel crash, it is to be written there. */
  dirty(pfn: Pfn, block: Lba): void {
    this.#memory.map.set(pfn, PG.registered);
    this.#names.dirty(pfn, block);
    if (this.#names.isFull) this.flush();
  }

  erase(pfn: Pfn): void {
    this.#names.erase(pfn);
    if (this.#names.isFull) this.flush();
  }

  flush(): void {
    if (this.#names.count > 0) this.#send(this.#names);
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
    for (let i = 0; i < count; i++) pages[i] = NONE;
    if (this.#unclaimed === 0 || !space.named) return;
    const { map, lru, allocator } = this.#memory;
    const batch = this.#claims;
    batch.reset();
    for (let i = 0; i < count; i++)
      batch.claim(space.ino, space.generation, indices[i]! as PageIndex, blocks[i]! as Lba);
    this.#hypercalls.cacheMapOp(batch);
    for (let i = 0; i < count; i++) {
      const result = batch.result(i);
      if (result === ABSENT) continue;
      const pfn = batch.pfn(i);
      assert(map.has(pfn, PRESERVED), 'the hypervisor handed out a page that was not set aside');
      if (result === OK && this.#hasRecency) {
        // It stays in its place.
        map.clear(pfn, PRESERVED);
        this.#unclaimed--;
      } else {
        lru.remove(pfn);
        this.#leave(pfn);
      }
      if (result === OK) {
        map.set(pfn, UPTODATE_AND_NAMED);
        pages[i] = pfn;
        this.reused++;
        this.#onReuse?.(pfn, space.ino, indices[i]! as PageIndex, blocks[i]! as Lba);
      } else allocator.free(pfn);
    }
  }

  release(pfn: Pfn): void {
    this.#leave(pfn);
    this.#names.release(pfn);
    if (this.#names.isFull) this.flush();
  }

  /** The unclaimed pages, coldest first. */
  coldestFirst(): Pfn[] {
    const { map, lru } = this.#memory;
    lru.drain();
    const pages: Pfn[] = [];
    for (const head of [map.inactiveHead, map.activeHead])
      for (let pfn = map.last(head); pfn !== head; pfn = map.younger(pfn)) if (map.has(pfn, PRESERVED)) pages.push(pfn);
    return pages;
  }

  /** Gives those of the pages that are unclaimed still back to the allocator. */
  giveBack(pages: readonly Pfn[]): void {
    const { map, lru, allocator } = this.#memory;
    const given = pages.filter((pfn) => map.has(pfn, PRESERVED));
    for (const pfn of given) {
      lru.remove(pfn);
      this.release(pfn);
    }
    this.flush();
    for (const pfn of given) allocator.free(pfn);
  }

  /** Blocks of the device were freed: pages that were kept for their sake are given back. */
  discard(block: number, count: number): void {
    for (let at = 0; at < count && this.#unclaimed > 0; at += RA_MAX)
      this.#discard(block + at, Math.min(RA_MAX, count - at));
  }

  #discard(block: number, count: number): void {
    const { lru, allocator } = this.#memory;
    const batch = this.#claims;
    batch.reset();
    for (let i = 0; i < count; i++) batch.discard((block + i) as Lba);
    this.#hypercalls.cacheMapOp(batch);
    for (let i = 0; i < batch.count; i++) {
      if (batch.result(i) === ABSENT) continue;
      const pfn = batch.pfn(i);
      lru.remove(pfn);
      this.#leave(pfn);
      allocator.free(pfn);
    }
  }

  /** A page is neither preserved nor anything else any more. */
  #leave(pfn: Pfn): void {
    const { map } = this.#memory;
    assert(map.has(pfn, PRESERVED), 'the page was set aside');
    map.clear(pfn, map.flagsOf(pfn));
    this.#unclaimed--;
  }

  get #memory(): MemoryManagement {
    assert(this.#mm !== undefined, 'cache map used before memory was initialised');
    return this.#mm;
  }
}
