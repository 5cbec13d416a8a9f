/**
 * The two lists of Linux 2.6.12, and how pages get onto and along them (mm/swap.c, and the lists'
 * half of mm/vmscan.c).
 *
 * Active and inactive, with a referenced bit. New pages go through a 14-entry pagevec. They are on
 * no list until it drains to the young end of the inactive list. mark_page_accessed has three
 * cases:
 * - inactive and unreferenced → referenced;
 * - inactive, referenced and on the list → active, bit cleared;
 * - active and unreferenced → referenced.
 *
 * A pass at priority p scans (list >> p) + 1 pages of each list, in batches of 32 by default. First
 * refill_inactive moves the old end of the active list to the inactive one. Then candidates are
 * taken off the old end of the inactive list. What is less than a batch is carried over to the next
 * pass. An unmapped active page is always deactivated, even if it is referenced. A mapped one is
 * deactivated when memory is tight and no program has touched it.
 *
 * Invariants:
 *   1. `nrActive` and `nrInactive` count the lists;
 *   2. a page on a list carries PG.lru, and PG.active on the active one (`checkMemory` of the tests
 *      asserts both).
 */

import type { Pfn } from '../../../base/units.ts';
import { noSuchPage, PG, type MemMap } from '../mem-map.ts';
import { PAGEVEC_SIZE, PASS_IS_OVER, SWAP_CLUSTER_MAX, type MappedPages, type ReplacementPolicy } from './policy.ts';

// Constants of this file: one of another module is loaded, and checked, each time it is named.
const FREE = PG.free;
const LRU = PG.lru;
const ACTIVE = PG.active;
const REFERENCED = PG.referenced;
const MAPPED = PG.mapped;

export class TwoListLru implements ReplacementPolicy {
  /** @internal Head nodes of the lists. */
  readonly activeHead: Pfn;
  /** @internal */
  readonly inactiveHead: Pfn;
  readonly #map: MemMap;
  /** Of mem_map: a page's flags are at four times its number. */
  readonly #words: Int32Array;
  readonly #pagevec = new Int32Array(PAGEVEC_SIZE);
  /** @internal Pages that a pass takes at a time. */
  protected readonly batch: number;
  #pending = 0;
  #nrActive = 0;
  #nrInactive = 0;
  /** Pages that are still to be scanned, of passes that had less than a batch. */
  #scanActive = 0;
  #scanInactive = 0;
  /** @internal Pages that are still to be scanned, of this pass. */
  protected passActive = 0;
  /** @internal */
  protected passInactive = 0;

  /** @param batch pages that a pass takes at a time, 1 to SWAP_CLUSTER_MAX */
  constructor(map: MemMap, batch = SWAP_CLUSTER_MAX) {
    this.#map = map;
    this.batch = batch;
    this.#words = map.words;
    this.activeHead = map.head(0);
    this.inactiveHead = map.head(1);
  }

  get nrActive(): number {
    return this.#nrActive;
  }

  get nrInactive(): number {
    return this.#nrInactive;
  }

  willAdd(): void {
    // It remembers no page that has left.
  }

  /** lru_cache_add: the page will be on the inactive list when the pagevec drains. */
  add(pfn: Pfn): void {
    this.#pagevec[this.#pending++] = pfn;
    if (this.#pending === PAGEVEC_SIZE) this.drain();
  }

  /** lru_add_drain. */
  drain(): void {
    for (let i = 0; i < this.#pending; i++) this.link(this.#pagevec[i]! as Pfn);
    this.#pending = 0;
  }

  /** mark_page_accessed. */
  markAccessed(pfn: Pfn): void {
    const flags = this.#words[pfn << 2];
    if (flags === undefined || pfn >>> 0 !== pfn || (flags & FREE) !== 0) throw noSuchPage();
    if ((flags & REFERENCED) === 0) this.#words[pfn << 2] = flags | REFERENCED;
    else if ((flags & (ACTIVE | LRU)) === LRU) this.promote(pfn, flags);
  }

  /** @internal activate_page. A function of its own: see hot-paths 7. */
  protected promote(pfn: Pfn, flags: number): void {
    this.#map.unlink(pfn);
    this.#nrInactive--;
    this.#map.link(this.activeHead, pfn);
    this.#nrActive++;
    this.#words[pfn << 2] = (flags & ~REFERENCED) | ACTIVE;
  }

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

  putBack(pfn: Pfn): void {
    this.link(pfn);
  }

  /** @internal At the young end of the list that its active bit names. */
  protected link(pfn: Pfn): void {
    const map = this.#map;
    const flags = this.#words[pfn << 2]!;
    this.#words[pfn << 2] = flags | LRU;
    if (flags & ACTIVE) {
      map.link(this.activeHead, pfn);
      this.#nrActive++;
    } else {
      map.link(this.inactiveHead, pfn);
      this.#nrInactive++;
    }
  }

  /** Nothing is known of a page that is not in memory. */
  endSpace(_slot: number): void {}

  activate(pfn: Pfn): void {
    this.#words[pfn << 2]! |= ACTIVE;
    this.putBack(pfn);
  }

  restore(pfn: Pfn, wasActive: boolean, wasReferenced: boolean): void {
    this.#words[pfn << 2]! |= (wasActive ? ACTIVE : 0) | (wasReferenced ? REFERENCED : 0);
    this.link(pfn);
  }

  orders(): readonly Pfn[][] {
    this.drain();
    return [this.#oldestFirst(this.inactiveHead, this.#nrInactive), this.#oldestFirst(this.activeHead, this.#nrActive)];
  }

  #oldestFirst(head: Pfn, length: number): Pfn[] {
    const map = this.#map;
    const pages = new Array<Pfn>(length);
    let pfn = head;
    for (let i = 0; i < length; i++) pages[i] = pfn = map.younger(pfn);
    return pages;
  }

  /** rotate_reclaimable_page: an inactive page goes to the old end, where reclaim meets it next. */
  rotate(pfn: Pfn): void {
    const map = this.#map;
    if ((this.#words[pfn << 2]! & (LRU | ACTIVE)) !== LRU) return;
    map.unlink(pfn);
    map.link(map.last(this.inactiveHead), pfn);
  }

  beginPass(priority: number): void {
    this.drain();
    this.#scanActive += (this.#nrActive >>> priority) + 1;
    this.#scanInactive += (this.#nrInactive >>> priority) + 1;
    this.passActive = 0;
    this.passInactive = 0;
    if (this.#scanActive >= this.batch) {
      this.passActive = this.#scanActive;
      this.#scanActive = 0;
    }
    if (this.#scanInactive >= this.batch) {
      this.passInactive = this.#scanInactive;
      this.#scanInactive = 0;
    }
  }

  nextBatch(pages: Int32Array, mapped: MappedPages): number {
    while (this.passActive > 0 || this.passInactive > 0) {
      if (this.passActive > 0) {
        const batch = Math.min(this.passActive, this.batch);
        this.passActive -= batch;
        this.refillInactive(batch, mapped);
      }
      if (this.passInactive > 0) {
        const batch = Math.min(this.passInactive, this.batch);
        this.passInactive -= batch;
        return this.isolateOldest(pages, batch);
      }
    }
    return PASS_IS_OVER;
  }

  /** @internal refill_inactive_zone. */
  protected refillInactive(count: number, mapped: MappedPages): void {
    const map = this.#map;
    const words = this.#words;
    const { activeHead, inactiveHead } = this;
    const mayReclaimMapped = mapped.mayReclaimMapped();
    for (let i = 0; i < count; i++) {
      const pfn = map.last(activeHead);
      if (pfn === activeHead) return;
      map.unlink(pfn);
      if ((words[pfn << 2]! & MAPPED) !== 0 && (!mayReclaimMapped || mapped.testAndClearYoung(pfn))) {
        map.link(activeHead, pfn);
        continue;
      }
      map.link(inactiveHead, pfn);
      this.#nrActive--;
      this.#nrInactive++;
      words[pfn << 2]! &= ~ACTIVE;
    }
  }

  /**
   * @internal isolate_lru_pages: takes up to `count` of the oldest inactive pages off their list.
   * Returns how many.
   */
  protected isolateOldest(pages: Int32Array, count: number): number {
    const words = this.#words;
    const { links } = this.#map;
    const head = this.inactiveHead;
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
