/**
 * Reclaim: which pages go when memory is short (mm/vmscan.c of 2.6.12).
 *
 * The replacement policy (policy/) names candidates in batches of up to 32; here each is freed or
 * goes back to the policy. A clean page that no process maps is freed even if it was referenced;
 * locked pages and pages under writeback stay. Direct reclaim goes from priority 12 to 0 and stops
 * at 32 pages. Pages kept from before a reboot are candidates too, claimed or not: one that was not
 * claimed is given back.
 *
 * A dirty page that was referenced since is kept. For any other, a write is begun (PageWriter), and
 * the page is freed when reclaim meets it again afterwards.
 *
 * A page that a program maps and has touched since is activated. One that it has not touched is
 * unmapped and then treated like any other. Mapped pages go, too, when memory is tight: when mapped
 * share / 2 + distress + 60 reaches 100. Here distress is 100 >> (the priority that reclaim reached
 * last). There is no swap: pages that belong to no file are on no list.
 *
 * After each pass over the lists the slab caches are asked (shrink_slab). Each looks at (4 ·
 * scanned / 2) · objects / (pages on the lists + 1) of its objects, in batches of 128. What is less
 * than a batch is carried over.
 *
 * Plain synchronous code: what must wait for I/O waits in the caller.
 */

import type { Pfn } from '../../base/units.ts';
import type { PageCache } from './page-cache.ts';
import type { NameTable } from './page-users.ts';
import { PG, type MemMap } from './mem-map.ts';
import type { PageAllocator } from './page-alloc.ts';
import { pageReferenced, unmapPage } from './rmap.ts';
import {
  DEF_PRIORITY,
  PASS_IS_OVER,
  SWAP_CLUSTER_MAX,
  type MappedPages,
  type ReplacementPolicy,
} from './policy/policy.ts';

/** A page that carries none of these is freed with no more questions. */
const NOT_IDLE = PG.locked | PG.writeback | PG.pinned | PG.referenced | PG.mapped | PG.dirty | PG.preserved;
/** vm_swappiness: how readily mapped pages are reclaimed. */
const SWAPPINESS = 60;

/** Seeks that it takes to make a dentry or an inode again (DEFAULT_SEEKS). */
const SEEKS = 2;
/** Objects that a slab cache looks at in one go. */
const SHRINK_BATCH = 128;

/** A cache of objects that gives some back when memory is short (set_shrinker). */
export interface Shrinker {
  /** Objects that are not in use. */
  readonly nrObjects: number;
  /** Looks at `count` objects, oldest first, and frees those that may go. */
  scan(count: number): void;
}

/** Pages from before the reboot that have not been claimed yet. */
export interface UnclaimedPages {
  /**
   * One of them, which is on no list and carries no flag any more, is given up. In effect when the
   * NameTable was flushed.
   */
  release(pfn: Pfn): void;
}

/** What makes room in memory: the pages that are used least leave. */
export class Reclaim implements MappedPages {
  readonly #map: MemMap;
  readonly #lru: ReplacementPolicy;
  readonly #cache: PageCache;
  readonly #allocator: PageAllocator;
  readonly #names: NameTable;
  readonly #unclaimed: UnclaimedPages;
  readonly #isolated = new Int32Array(SWAP_CLUSTER_MAX);
  readonly #shrinkers: { readonly shrinker: Shrinker; due: number }[] = [];
  /** The highest pressure of the last pass. */
  #prevPriority = DEF_PRIORITY;
  /** Pages looked at by shrink_list, since the beginning. */
  scanned = 0;
  /** Pages freed from the page cache, since the beginning. */
  reclaimed = 0;

  constructor(
    map: MemMap,
    lru: ReplacementPolicy,
    cache: PageCache,
    allocator: PageAllocator,
    names: NameTable,
    unclaimed: UnclaimedPages,
  ) {
    this.#map = map;
    this.#lru = lru;
    this.#cache = cache;
    this.#allocator = allocator;
    this.#names = names;
    this.#unclaimed = unclaimed;
  }

  /**
   * try_to_free_pages: frees about `target` pages, with rising pressure. Returns the pages freed; 0
   * means that nothing can be freed without waiting.
   */
  tryToFreePages(target = SWAP_CLUSTER_MAX): number {
    let freed = 0;
    let priority = DEF_PRIORITY;
    for (; priority >= 0 && freed < target; priority--) freed += this.shrink(priority, target - freed);
    this.endPass(priority + 1);
    return freed;
  }

  /**
   * @internal set_shrinker: as in Linux a cache registers when it is set up, long after memory
   * management runs.
   */
  addShrinker(shrinker: Shrinker): void {
    this.#shrinkers.push({ shrinker, due: 0 });
  }

  /** @internal One pass over the lists, then the slab caches. Returns the pages freed. */
  shrink(priority: number, target: number): number {
    const before = this.scanned;
    const freed = this.shrinkZone(priority, target);
    return freed + this.#shrinkSlab(this.scanned - before);
  }

  /** @internal Drops every object of the slab caches that is not in use. */
  dropSlab(): void {
    // Twice, because an object may be passed over once.
    for (const { shrinker } of this.#shrinkers) shrinker.scan(2 * shrinker.nrObjects);
  }

  /** shrink_slab; returns the pages freed, those of the inodes that went included. */
  #shrinkSlab(scanned: number): number {
    const before = this.#allocator.freeCount;
    const lruPages = this.#lru.nrActive + this.#lru.nrInactive;
    for (const each of this.#shrinkers) {
      const { shrinker } = each;
      // In hundreds: vfs_cache_pressure is per cent, and 100.
      const objects = Math.floor(shrinker.nrObjects / 100) * 100;
      each.due += Math.floor((Math.floor((4 * (scanned || SWAP_CLUSTER_MAX)) / SEEKS) * objects) / (lruPages + 1));
      for (; each.due >= SHRINK_BATCH; each.due -= SHRINK_BATCH) shrinker.scan(SHRINK_BATCH);
    }
    return this.#allocator.freeCount - before;
  }

  /** @internal A pass with rising pressure has ended at `priority`. */
  endPass(priority: number): void {
    this.#prevPriority = priority;
  }

  /**
   * @internal shrink_zone: one pass over the lists at a priority; stops early at `target` pages.
   * Returns the pages freed.
   */
  shrinkZone(priority: number, target: number): number {
    this.#prevPriority = Math.min(this.#prevPriority, priority);
    this.#lru.beginPass(priority);
    let freed = 0;
    for (;;) {
      const taken = this.#lru.nextBatch(this.#isolated, this);
      if (taken === PASS_IS_OVER) return freed;
      freed += this.#shrinkCache(taken);
      if (freed >= target) return freed;
    }
  }

  /** @internal */
  mayReclaimMapped(): boolean {
    const distress = 100 >> this.#prevPriority;
    const mappedRatio = Math.floor((this.#cache.nrMapped * 100) / this.#map.nrPages);
    return Math.floor(mappedRatio / 2) + distress + SWAPPINESS >= 100;
  }

  /** @internal */
  testAndClearYoung(pfn: Pfn): boolean {
    return pageReferenced(this.#cache, pfn);
  }

  /** shrink_cache: a batch of candidates. Returns the pages freed. */
  #shrinkCache(taken: number): number {
    this.scanned += taken;
    const freed = this.#shrinkList(taken);
    if (freed > 0) this.#giveBack(freed);
    return freed;
  }

  /**
   * shrink_list: takes the first `taken` isolated pages out of the cache, or puts them back; those
   * taken out come first then.
   */
  #shrinkList(taken: number): number {
    const isolated = this.#isolated;
    const cache = this.#cache;
    const map = this.#map;
    let freed = 0;
    // Most pages are idle. The others have a function of their own (see hot-paths 7).
    for (let i = 0; i < taken; i++) {
      const pfn = isolated[i]! as Pfn;
      if ((map.flagsOf(pfn) & NOT_IDLE) === 0) {
        cache.removeIsolated(pfn);
        this.reclaimed++;
      } else if (!this.#shrinkUsed(pfn)) continue;
      isolated[freed++] = pfn;
    }
    return freed;
  }

  /** The same for a page that is in use, or unclaimed; returns whether it is to be freed. */
  #shrinkUsed(pfn: Pfn): boolean {
    const map = this.#map;
    const flags = map.flagsOf(pfn);
    if ((flags & PG.preserved) !== 0) {
      map.clear(pfn, flags);
      this.#unclaimed.release(pfn);
      return true;
    }
    if ((flags & (PG.locked | PG.writeback | PG.pinned)) !== 0) {
      this.#lru.putBack(pfn);
      return false;
    }
    let referenced = (flags & PG.referenced) !== 0;
    if (referenced) map.clear(pfn, PG.referenced);
    const space = this.#cache.spaceOf(pfn);
    if (space.ranges.size > 0) {
      if ((flags & PG.mapped) !== 0) referenced = pageReferenced(this.#cache, pfn) || referenced;
      if (referenced) {
        this.#lru.activate(pfn);
        return false;
      }
      if ((flags & PG.mapped) !== 0) unmapPage(this.#cache, pfn);
    }
    if (map.has(pfn, PG.dirty)) {
      this.#lru.putBack(pfn);
      if (!referenced) space.writer?.pageOut(pfn);
      return false;
    }
    this.#cache.removeIsolated(pfn);
    this.reclaimed++;
    return true;
  }

  /** The first `freed` isolated pages, whose names are erased before they get another use. */
  #giveBack(freed: number): void {
    this.#names.flush();
    for (let i = 0; i < freed; i++) this.#allocator.free(this.#isolated[i]! as Pfn);
  }
}
