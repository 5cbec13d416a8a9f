/**
 * The LRU lists and how pages get onto and along them (mm/swap.c of 2.6.12).
 *
 * Two lists, active and inactive, with a referenced bit. New pages go through a 14-entry pagevec and are on no list
 * until it drains to the young end of the inactive list. mark_page_accessed: inactive and unreferenced → referenced;
 * inactive, referenced and on the list → active, bit cleared; active and unreferenced → referenced.
 */

import type { Pfn } from '../../base/units.ts';
import { noSuchPage, PG, type MemMap } from './mem-map.ts';

// Constants of this file: one of another module is loaded, and checked, each time it is named.
const FREE = PG.free;
const LRU = PG.lru;
const ACTIVE = PG.active;
const REFERENCED = PG.referenced;
/** Pages in a pagevec. */
export const PAGEVEC_SIZE = 14;

export class Lru {
  readonly #map: MemMap;
  /** Of mem_map: a page's flags are at four times its number. */
  readonly #words: Int32Array;
  readonly #pagevec = new Int32Array(PAGEVEC_SIZE);
  #pending = 0;
  #nrActive = 0;
  #nrInactive = 0;

  constructor(map: MemMap) {
    this.#map = map;
    this.#words = map.words;
  }

  get nrActive(): number {
    return this.#nrActive;
  }

  get nrInactive(): number {
    return this.#nrInactive;
  }

  /** @internal lru_cache_add: the page will be on the inactive list when the pagevec drains. */
  add(pfn: Pfn): void {
    this.#pagevec[this.#pending++] = pfn;
    if (this.#pending === PAGEVEC_SIZE) this.drain();
  }

  /** @internal lru_add_drain. */
  drain(): void {
    for (let i = 0; i < this.#pending; i++) this.putBack(this.#pagevec[i]! as Pfn);
    this.#pending = 0;
  }

  /**
   * mark_page_accessed.
   * @throws ArgumentError for a page that is free, or none
   */
  markAccessed(pfn: Pfn): void {
    const flags = this.#words[pfn << 2];
    if (flags === undefined || pfn >>> 0 !== pfn || (flags & FREE) !== 0) throw noSuchPage();
    if ((flags & REFERENCED) === 0) this.#words[pfn << 2] = flags | REFERENCED;
    else if ((flags & (ACTIVE | LRU)) === LRU) {
      this.#map.unlink(pfn);
      this.#nrInactive--;
      this.#map.link(this.#map.activeHead, pfn);
      this.#nrActive++;
      this.#words[pfn << 2] = (flags & ~REFERENCED) | ACTIVE;
    }
  }

  /** @internal Takes a page off the lists, wherever it is, the pagevec included. Its active bit stays as it was. */
  remove(pfn: Pfn): void {
    const flags = this.#words[pfn << 2]!;
    if ((flags & LRU) === 0) {
      // Reclaim takes pages off the lists first, and drains before that.
      if (this.#pending > 0) this.#removePending(pfn);
      return;
    }
    this.#map.unlink(pfn);
    if (flags & ACTIVE) this.#nrActive--;
    else this.#nrInactive--;
    this.#words[pfn << 2] = flags & ~LRU;
  }

  /** @internal Puts a page at the young end of the list that its active bit names. */
  putBack(pfn: Pfn): void {
    const map = this.#map;
    const flags = this.#words[pfn << 2]!;
    this.#words[pfn << 2] = flags | LRU;
    if (flags & ACTIVE) {
      map.link(map.activeHead, pfn);
      this.#nrActive++;
    } else {
      map.link(map.inactiveHead, pfn);
      this.#nrInactive++;
    }
  }

  /** @internal rotate_reclaimable_page: an inactive page goes to the old end, where reclaim meets it next. */
  rotate(pfn: Pfn): void {
    const map = this.#map;
    if ((this.#words[pfn << 2]! & (LRU | ACTIVE)) !== LRU) return;
    map.unlink(pfn);
    map.link(map.last(map.inactiveHead), pfn);
  }

  /** @internal The oldest active page, back to the young end of its list. */
  rotateActive(): void {
    const map = this.#map;
    const pfn = map.last(map.activeHead);
    map.unlink(pfn);
    map.link(map.activeHead, pfn);
  }

  /** @internal Moves the oldest active page to the young end of the inactive list; false when no page is active. */
  deactivateOldest(): boolean {
    const map = this.#map;
    const pfn = map.last(map.activeHead);
    if (pfn === map.activeHead) return false;
    map.unlink(pfn);
    map.link(map.inactiveHead, pfn);
    this.#nrActive--;
    this.#nrInactive++;
    this.#words[pfn << 2]! &= ~ACTIVE;
    return true;
  }

  /** @internal Takes up to `count` of the oldest inactive pages off their list into `pages`, oldest first. Returns how many. */
  isolateOldest(pages: Int32Array, count: number): number {
    const words = this.#words;
    const { links, inactiveHead: head } = this.#map;
    let taken = 0;
    let pfn = links[(head << 2) | 1]!;
    while (taken < count && pfn !== head) {
      pages[taken++] = pfn;
      words[pfn << 2]! &= ~LRU;
      pfn = links[(pfn << 2) | 1]!;
    }
    links[pfn << 2] = head;
    links[(head << 2) | 1] = pfn;
    this.#nrInactive -= taken;
    return taken;
  }

  #removePending(pfn: Pfn): void {
    let at = 0;
    while (at < this.#pending && this.#pagevec[at] !== pfn) at++;
    if (at === this.#pending) return;
    this.#pagevec.copyWithin(at, at + 1, this.#pending);
    this.#pending--;
  }
}
