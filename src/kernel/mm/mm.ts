/**
 * Memory management in one piece: mem_map, allocator, replacement policy, page cache and reclaim,
 * wired together. All of it is synchronous and knows neither time nor hypervisor. Another simulator
 * can therefore drive it from its own loop. It hands in a NameTable and allocates pages. It adds
 * them when its disk has filled them, and asks `cache.find` on each access.
 */

import { checkArgument, checkList, checkObject } from '../../base/argument-error.ts';
import type { Pfn } from '../../base/units.ts';
import { MemMap, NO_PAGE, PG } from './mem-map.ts';
import { PageAllocator } from './page-alloc.ts';
import { checkSpace, PageCache, type AddressSpace } from './page-cache.ts';
import type { NameTable } from './page-users.ts';
import type { ReplacementPolicy } from './policy/policy.ts';
import { OnDemandReadahead } from './ondemand-readahead.ts';
import { DEFAULT_POLICY, POLICY, type PolicyRules } from './policy/policies.ts';
import { type Readahead, ReadaheadState } from './readahead.ts';
import { Reclaim, type UnclaimedPages } from './vmscan.ts';

const NOTHING_UNCLAIMED: UnclaimedPages = { release: () => undefined };

/** A NameTable that keeps nothing: a kernel without the cache-mapping table. */
export const NO_NAMES: NameTable = { insert: () => undefined, erase: () => undefined, flush: () => undefined };

/** Memory management in one piece, without time and I/O. */
export class MemoryManagement {
  /** What is known of each page. */
  readonly map: MemMap;
  /** Free pages. */
  readonly allocator: PageAllocator;
  /** What the policy's name stands for. */
  readonly policy: PolicyRules;
  /** The replacement policy. */
  readonly lru: ReplacementPolicy;
  /** The page cache. */
  readonly cache: PageCache;
  /** What makes room. */
  readonly reclaim: Reclaim;
  readonly #names: NameTable;
  #isFreed = false;

  /**
   * @param nrPages pages of memory; none is free yet, see `freeAll`
   * @param names called for every page named and evicted
   * @param policy what is replaced and read ahead; by default as in 2.6.12
   * @param batch pages that reclaim takes at a time, 1 to 32; by default 32
   * @throws ArgumentError unless `nrPages` is a number of pages that `MemMap` can hold
   */
  constructor(
    nrPages: number,
    names: NameTable = NO_NAMES,
    unclaimed: UnclaimedPages = NOTHING_UNCLAIMED,
    policy: PolicyRules = POLICY[DEFAULT_POLICY],
    batch?: number,
  ) {
    checkObject('names', names, 'insert', 'erase', 'flush');
    checkObject('unclaimed', unclaimed, 'release');
    checkObject('policy', policy, 'make');
    this.map = new MemMap(nrPages);
    this.allocator = new PageAllocator(this.map);
    this.policy = policy;
    this.lru = policy.make(this.map, batch);
    this.cache = new PageCache(this.map, this.lru, names);
    this.reclaim = new Reclaim(this.map, this.lru, this.cache, this.allocator, names, unclaimed);
    this.#names = names;
  }

  /**
   * Makes every page allocatable that carries no flag. Lower pages are handed out first.
   * @throws ArgumentError the second time: it would free what is in use
   */
  freeAll(): void {
    checkArgument(!this.#isFreed, 'freeAll', 'was called before');
    this.#isFreed = true;
    for (let pfn = this.map.nrPages - 1; pfn >= 0; pfn--)
      if (this.map.flagsOf(pfn as Pfn) === 0) this.allocator.free(pfn as Pfn);
  }

  /** A readahead machine for a file that is opened. */
  newReadahead(): Readahead {
    const { readahead } = this.policy;
    return readahead === 'windows' ? new ReadaheadState() : new OnDemandReadahead(readahead === 'on-demand since 6.16');
  }

  /**
   * __alloc_pages: a page, after direct reclaim where free memory is below min; NO_PAGE when
   * nothing can be freed.
   */
  allocate(): Pfn {
    const { allocator } = this;
    if (allocator.freeCount <= allocator.marks.min) this.reclaim.tryToFreePages();
    return allocator.take();
  }

  /**
   * invalidate_mapping_pages: drops every page of a space, from `start` up to and without `end`,
   * that is neither locked nor under writeback nor dirty nor mapped. Returns the pages dropped.
   */
  invalidate(space: AddressSpace, start = 0, end = Infinity): number {
    checkSpace(space);
    const { map } = this;
    const dropped: Pfn[] = [];
    let pfn = space.firstPage;
    while (pfn !== NO_PAGE) {
      const next = map.nextInSpace(pfn);
      const index = map.indexOf(pfn);
      const inUse = map.has(pfn, PG.locked | PG.writeback | PG.dirty | PG.pinned | PG.mapped);
      if (!inUse && index >= start && index < end) dropped.push(pfn);
      pfn = next;
    }
    this.discard(dropped);
    return dropped.length;
  }

  /**
   * Takes pages out of the cache and frees them: their names are erased first.
   * @throws ArgumentError when one is not in the cache, or in use; then none has left
   */
  discard(pages: readonly Pfn[]): void {
    checkList('pages', pages);
    if (pages.length === 0) return;
    for (const pfn of pages)
      checkArgument(this.cache.mayRemove(pfn), 'pages', 'one of them is not in the cache, or in use');
    const isUnique = pages.length === 1 || new Set(pages).size === pages.length;
    checkArgument(isUnique, 'pages', 'one of them is there twice');
    for (const pfn of pages) this.cache.remove(pfn);
    this.#names.flush();
    for (const pfn of pages) this.allocator.free(pfn);
  }
}
