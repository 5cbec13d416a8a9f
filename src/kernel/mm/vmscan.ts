/**
 * Reclaim: which pages go when memory is short (mm/vmscan.c of 2.6.12).
 *
 * shrink_zone at priority p scans (list >> p) + 1 pages of each list, in batches of 32: refill_inactive moves the old
 * end of the active list to the inactive one, shrink_cache frees from the old end of the inactive list. A clean page
 * that no process maps is freed even if it was referenced; locked pages and pages under writeback stay. Direct reclaim
 * goes from priority 12 to 0 and stops at 32 pages. Pages kept from before a reboot are on the lists too, claimed or not:
 * when one that nobody claimed comes to the old end, it is given back.
 *
 * A dirty page that was referenced since is kept; else its write is begun (`pageOut`), and it is freed when reclaim meets
 * it again after that.
 *
 * A page that a program maps and has touched since goes to the active list; one that it has not is unmapped and then treated
 * like any other. Active pages that are mapped stay where they are until memory is tight: mapped share / 2 + distress + 60 of
 * 100, where distress is 100 >> (the priority that reclaim reached last). There is no swap: pages that belong to no file
 * are on no list.
 *
 * After each pass over the lists the slab caches are asked (shrink_slab): each looks at (4 · scanned / 2) · objects / (pages on
 * the lists + 1) of its objects, in batches of 128; what is less than a batch is carried over.
 *
 * Plain synchronous code: what must wait for I/O waits in the caller.
 */

import type { Pfn } from '../../base/units.ts';
import type { NameTable, PageCache } from './page-cache.ts';
import { PG, type MemMap } from './mem-map.ts';
import type { PageAllocator } from './page-alloc.ts';
import { pageReferenced, unmapPage } from './rmap.ts';
import type { Lru } from './swap.ts';

/** Pages of one scan, and what direct reclaim is content with. */
export const SWAP_CLUSTER_MAX = 32;
/** Lowest pressure: one 4096th of a list is scanned. */
export const DEF_PRIORITY = 12;
/** A page that carries none of these is freed with no more questions. */
const NOT_IDLE = PG.locked | PG.writeback | PG.pinned | PG.referenced | PG.mapped | PG.dirty | PG.preserved;
/** vm_swappiness: how readily mapped pages are reclaimed. */
const SWAPPINESS = 60;

/** Seeks that it takes to make a dentry or an inode again (DEFAULT_SEEKS). */
const SEEKS = 2;
/** Objects that a slab cache looks at in one go. */
const SHRINK_BATCH = 128;
/** For lru-cache, which wants a bound: memory is the one that binds. */
export const UNBOUNDED = Number.MAX_SAFE_INTEGER;

/** A cache of objects that gives some back when memory is short (set_shrinker). */
export interface Shrinker {
  /** Objects that nobody uses. */
  readonly nrObjects: number;
  /** Looks at `count` objects, oldest first, and frees those that may go. */
  scan(count: number): void;
}

/** Pages from before the reboot that nobody claimed yet. */
export interface UnclaimedPages {
  /** One of them, which is on no list, is given up: it carries no flag any more. In effect when the NameTable was flushed. */
  release(pfn: Pfn): void;
}

export class Reclaim {
  readonly #map: MemMap;
  readonly #lru: Lru;
  readonly #cache: PageCache;
  readonly #allocator: PageAllocator;
  readonly #names: NameTable;
  readonly #unclaimed: UnclaimedPages;
  readonly #isolated = new Int32Array(SWAP_CLUSTER_MAX);
  readonly #shrinkers: { readonly shrinker: Shrinker; due: number }[] = [];
  #scanActive = 0;
  #scanInactive = 0;
  /** The highest pressure of the last pass. */
  #prevPriority = DEF_PRIORITY;
  /** Begins to write a dirty page when that needs no waiting; returns whether it did. */
  pageOut: (pfn: Pfn) => boolean = () => false;
  /** Pages looked at by shrink_list, since the beginning. */
  scanned = 0;
  /** Pages freed from the page cache, since the beginning. */
  reclaimed = 0;

  constructor(
    map: MemMap,
    lru: Lru,
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
   * try_to_free_pages: frees about `target` pages, with rising pressure. Returns the pages freed; 0 means that nothing
   * can be freed without waiting.
   */
  tryToFreePages(target = SWAP_CLUSTER_MAX): number {
    let freed = 0;
    let priority = DEF_PRIORITY;
    for (; priority >= 0 && freed < target; priority--) freed += this.shrink(priority, target - freed);
    this.endPass(priority + 1);
    return freed;
  }

  /** @internal set_shrinker. */
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

  /** @internal shrink_zone: one pass over the lists at a priority; stops early at `target` pages. Returns the pages freed. */
  shrinkZone(priority: number, target: number): number {
    this.#prevPriority = Math.min(this.#prevPriority, priority);
    this.#lru.drain();
    this.#scanActive += (this.#lru.nrActive >>> priority) + 1;
    this.#scanInactive += (this.#lru.nrInactive >>> priority) + 1;
    let active = 0;
    let inactive = 0;
    if (this.#scanActive >= SWAP_CLUSTER_MAX) {
      active = this.#scanActive;
      this.#scanActive = 0;
    }
    if (this.#scanInactive >= SWAP_CLUSTER_MAX) {
      inactive = this.#scanInactive;
      this.#scanInactive = 0;
    }
    let freed = 0;
    while (active > 0 || inactive > 0) {
      if (active > 0) {
        const batch = Math.min(active, SWAP_CLUSTER_MAX);
        active -= batch;
        this.#refillInactive(batch);
      }
      if (inactive > 0) {
        const batch = Math.min(inactive, SWAP_CLUSTER_MAX);
        inactive -= batch;
        freed += this.#shrinkCache(batch);
        if (freed >= target) break;
      }
    }
    return freed;
  }

  /** Unmapped active pages are always deactivated, whatever their referenced bit; mapped ones when memory is tight. */
  #refillInactive(count: number): void {
    const map = this.#map;
    const cache = this.#cache;
    const distress = 100 >> this.#prevPriority;
    const mappedRatio = Math.floor((cache.nrMapped * 100) / map.nrPages);
    const reclaimMapped = Math.floor(mappedRatio / 2) + distress + SWAPPINESS >= 100;
    for (let i = 0; i < count; i++) {
      const pfn = map.last(map.activeHead);
      if (pfn === map.activeHead) return;
      if (map.has(pfn, PG.mapped) && (!reclaimMapped || pageReferenced(cache, pfn))) this.#lru.rotateActive();
      else this.#lru.deactivateOldest();
    }
  }

  #shrinkCache(count: number): number {
    const taken = this.#lru.isolateOldest(this.#isolated, count);
    this.scanned += taken;
    const freed = this.#shrinkList(taken);
    if (freed > 0) this.#giveBack(freed);
    return freed;
  }

  /** shrink_list: takes the first `taken` isolated pages out of the cache, or puts them back; those taken out come first then. */
  #shrinkList(taken: number): number {
    const isolated = this.#isolated;
    const cache = this.#cache;
    const map = this.#map;
    let freed = 0;
    // What most are, nobody uses; the rest is in functions of its own, so that the engine can inline what is done for each page.
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

  /** The same for a page that somebody uses, or has; returns whether it is to be freed. */
  #shrinkUsed(pfn: Pfn): boolean {
    const map = this.#map;
    const flags = map.flagsOf(pfn);
    if ((flags & PG.preserved) !== 0) {
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
        map.set(pfn, PG.active);
        this.#lru.putBack(pfn);
        return false;
      }
      if ((flags & PG.mapped) !== 0) unmapPage(this.#cache, pfn);
    }
    if (map.has(pfn, PG.dirty)) {
      this.#lru.putBack(pfn);
      if (!referenced) this.pageOut(pfn);
      return false;
    }
    this.#cache.removeIsolated(pfn);
    this.reclaimed++;
    return true;
  }

  /** The first `freed` isolated pages, whose names are erased before anybody gets them. */
  #giveBack(freed: number): void {
    this.#names.flush();
    for (let i = 0; i < freed; i++) this.#allocator.free(this.#isolated[i]! as Pfn);
  }
}
