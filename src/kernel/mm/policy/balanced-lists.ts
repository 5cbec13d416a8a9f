/**
 * The two lists of Linux 6.1 without multi-generation LRU: balanced, with refault detection
 * (mm/swap.c, mm/vmscan.c, mm/workingset.c). What differs from the lists of 2.6.12:
 *
 * - A pass deactivates pages only while the inactive list is low, or when a page was activated by
 *   its return since the reclaim before. It is low when it has fewer pages than the active one.
 *   From 1 GiB on the active list may be √(10 · GiB) times as long.
 * - A pass at priority p scans list >> p pages of each list, and carries nothing over. Candidates
 *   are taken before the pass deactivates.
 * - A page that leaves has a shadow entry with its age: the count of pages that have left and of
 *   activations. One that returns is activated when it was away for no longer than the active list
 *   is long.
 * - A second use of a page that is not on a list yet makes it active, too.
 * - Of the active pages, those that a program maps are deactivated like the others.
 *
 * Since 6.11 reclaim looks at lengths and counts as they were when statistics were gathered last,
 * which is every 2 s (`gatherStatistics`; FLUSH_TIME of mm/memcontrol.c). So the active list may be
 * drained long after it has become the shorter one.
 *
 * Differs from the original: activations are not collected in batches of 15. Pages of programs do
 * not share the lists. A program's code is not spared. Shadow entries are as many as pages.
 * Additions come in batches of 14, not 15.
 */

import type { Pfn } from '../../../base/units.ts';
import { PG, type MemMap } from '../mem-map.ts';
import { GhostQueue } from './ghost-queue.ts';
import { DEF_PRIORITY, PASS_IS_OVER, type MappedPages } from './policy.ts';
import { TwoListLru } from './two-list.ts';

/** Pages of 1 GiB. */
const GIB_PAGES = 2 ** 18;

/** inactive_is_low. */
function isLow(inactive: number, active: number): boolean {
  const gib = Math.floor((inactive + active) / GIB_PAGES);
  const ratio = gib === 0 ? 1 : Math.floor(Math.sqrt(10 * gib));
  return inactive * ratio < active;
}

/** A pass never needs a page's mappings. */
const NO_MAPPINGS: MappedPages = { mayReclaimMapped: () => true, testAndClearYoung: () => false };

export class BalancedLists extends TwoListLru {
  readonly #memMap: MemMap;
  /** With the age at which each page left. An older name than memory has pages says nothing. */
  readonly #shadows: GhostQueue;
  /** nonresident_age: pages that have left, and activations. Modulo 2^32. */
  #age = 0;
  /** Pages that were activated by their return, and how many when reclaim began last. */
  #refaults = 0;
  #refaultsSeen = 0;
  /** Whether this reclaim began after such an activation. */
  #isThrashing = false;

  readonly #isLagging: boolean;
  /** As they were when statistics were gathered last. */
  #gathered = { active: 0, inactive: 0, refaults: 0 };

  /** @param isLagging decides by statistics that are gathered now and then */
  constructor(map: MemMap, batch?: number, isLagging = false) {
    super(map, batch);
    this.#memMap = map;
    this.#isLagging = isLagging;
    this.#shadows = new GhostQueue(map.nrPages);
  }

  override add(pfn: Pfn): void {
    const { words } = this.#memMap;
    const wasHere = this.#shadows.remove(words[(pfn << 2) | 1]!, words[(pfn << 2) | 2]!);
    if (
      wasHere &&
      (this.#age - this.#shadows.note) >>> 0 <= (this.#isLagging ? this.#gathered.active : this.nrActive)
    ) {
      words[pfn << 2]! |= PG.active;
      this.#age++;
      this.#refaults++;
    }
    super.add(pfn);
  }

  override markAccessed(pfn: Pfn): void {
    const { words } = this.#memMap;
    const flags = words[pfn << 2]!;
    if ((flags & (PG.referenced | PG.lru | PG.active | PG.free)) === PG.referenced) {
      // In the pagevec: it goes to the active list.
      words[pfn << 2] = (flags & ~PG.referenced) | PG.active;
      this.#age++;
    } else super.markAccessed(pfn);
  }

  protected override promote(pfn: Pfn, flags: number): void {
    super.promote(pfn, flags);
    this.#age++;
  }

  /** It has not left after all. */
  override putBack(pfn: Pfn): void {
    const { words } = this.#memMap;
    this.#shadows.remove(words[(pfn << 2) | 1]!, words[(pfn << 2) | 2]!);
    super.putBack(pfn);
  }

  override activate(pfn: Pfn): void {
    this.#age++;
    super.activate(pfn);
  }

  override endSpace(slot: number): void {
    this.#shadows.endSpace(slot);
  }

  /** What reclaim decides by is as it is now. */
  gatherStatistics(): void {
    const gathered = this.#gathered;
    gathered.active = this.nrActive;
    gathered.inactive = this.nrInactive;
    gathered.refaults = this.#refaults;
  }

  override beginPass(priority: number): void {
    this.drain();
    if (!this.#isLagging) this.gatherStatistics();
    const { active, inactive, refaults } = this.#gathered;
    if (priority === DEF_PRIORITY) {
      this.#isThrashing = refaults !== this.#refaultsSeen;
      this.#refaultsSeen = refaults;
    }
    // Without inactive pages the kernel tries again, and deactivates (force_deactivate).
    const isForced = priority === 0 && this.nrInactive === 0;
    const mayDeactivate = isForced || this.#isThrashing || isLow(inactive, active);
    this.passActive = mayDeactivate ? this.nrActive >>> priority : 0;
    this.passInactive = isForced ? this.passActive + this.batch : this.nrInactive >>> priority;
  }

  override nextBatch(pages: Int32Array): number {
    if (this.passActive === 0 && this.passInactive === 0) return PASS_IS_OVER;
    const inactive = Math.min(this.passInactive, this.batch);
    this.passInactive -= inactive;
    const taken = this.isolateOldest(pages, inactive);
    const { words } = this.#memMap;
    for (let i = 0; i < taken; i++) {
      const at = pages[i]! << 2;
      // One that was kept from before a reboot and not claimed has no place.
      if (words[at | 1]! >= 0) this.#shadows.push(words[at | 1]!, words[at | 2]!, undefined, this.#age++);
    }
    const active = Math.min(this.passActive, this.batch);
    this.passActive -= active;
    this.refillInactive(active, NO_MAPPINGS);
    return taken;
  }
}
