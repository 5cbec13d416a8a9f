/**
 * ARC: an LRU of pages used once since they came in (T1, the inactive list), and one of the others
 * (T2, the active list). Each has a queue of ghosts (B1, B2). A page that comes in while B1
 * remembers it makes the target of T1 larger. One that B2 remembers makes it smaller. Both go to
 * T2. The oldest page of T1 goes first while T1 is larger than its target, else that of T2. T1 and
 * B1 together have no more names than the cache has pages, all four no more than twice as many.
 *
 * Source: N. Megiddo and D. S. Modha, "ARC: a self-tuning, low overhead replacement cache", FAST
 * 2003. The target is no whole number.
 *
 * The cache's size is the pages on the lists when a pass begins. Before the first it is all of
 * memory.
 */

import type { Pfn } from '../../../base/units.ts';
import { PG, type MemMap } from '../mem-map.ts';
import { GhostPolicy } from './ghost-policy.ts';
import { GhostQueue } from './ghost-queue.ts';
import { checkedFlags, USED } from './queue-policy.ts';

const LRU = PG.lru;
/** On the active list. */
const LISTED = PG.lru | PG.active;

/** Two LRUs whose shares follow the misses that a larger one would have saved. */
export class Arc extends GhostPolicy {
  readonly #b1: GhostQueue;
  readonly #b2: GhostQueue;
  /** Pages that T1 is to have: p of the paper. */
  #target = 0;
  #size: number;
  #wasInB2 = false;

  constructor(map: MemMap, batch: number) {
    super(map, batch);
    this.#size = map.nrPages;
    this.#b1 = new GhostQueue(map.nrPages);
    this.#b2 = new GhostQueue(2 * map.nrPages);
  }

  override endSpace(slot: number): void {
    this.#b1.endSpace(slot);
    this.#b2.endSpace(slot);
  }

  markAccessed(pfn: Pfn): void {
    const flags = checkedFlags(this.words, pfn);
    if ((flags & USED) === 0) this.words[pfn << 2] = flags | USED;
    else if ((flags & LISTED) === LISTED) this.renew(pfn);
    else if ((flags & LRU) !== 0) this.promote(pfn);
  }

  override beginPass(priority: number): void {
    this.#size = this.nrActive + this.nrInactive;
    super.beginPass(priority);
  }

  override add(pfn: Pfn): void {
    super.add(pfn);
    // Where a pass has made more room than for one page nothing was dropped for this one.
    const size = Math.max(this.#size, this.nrActive + this.nrInactive);
    while (this.#b1.count > 0 && this.nrInactive + this.#b1.count > size) this.#b1.dropOldest();
    while (this.#b2.count > 0 && this.#names() > 2 * size) this.#b2.dropOldest();
  }

  protected meetGhost(space: number, index: number): boolean {
    const [b1, b2] = [this.#b1.count, this.#b2.count];
    this.#wasInB2 = false;
    if (this.#b1.remove(space, index)) {
      this.#target = Math.min(this.#target + Math.max(b2 / b1, 1), this.#size);
      return true;
    }
    if (!this.#b2.remove(space, index)) return false;
    this.#wasInB2 = true;
    this.#target = Math.max(this.#target - Math.max(b1 / b2, 1), 0);
    return true;
  }

  takeNext(): Pfn {
    if (!this.isGhostComing) {
      if (this.nrInactive + this.#b1.count >= this.#size) {
        // A page that is nowhere comes in: T1 and B1 have room for it.
        if (this.#b1.count === 0) return this.#takeOldest(this.inactiveHead, undefined);
        this.#b1.dropOldest();
      } else if (this.#names() >= 2 * this.#size && this.#b2.count > 0) this.#b2.dropOldest();
    }
    return this.#replace();
  }

  /** REPLACE of the paper. */
  #replace(): Pfn {
    const t1 = this.nrInactive;
    const isFirst = t1 > 0 && (t1 > this.#target || (t1 === this.#target && this.isGhostComing && this.#wasInB2));
    if (isFirst || this.nrActive === 0) return this.#takeOldest(this.inactiveHead, this.#b1);
    return this.#takeOldest(this.activeHead, this.#b2);
  }

  #takeOldest(head: Pfn, ghosts: GhostQueue | undefined): Pfn {
    const pfn = this.oldest(head);
    if (pfn < 0) return pfn;
    if (ghosts !== undefined) this.remember(ghosts, pfn);
    return this.take(pfn);
  }

  #names(): number {
    return this.nrInactive + this.nrActive + this.#b1.count + this.#b2.count;
  }

  protected forget(space: number, index: number): void {
    if (!this.#b1.remove(space, index)) this.#b2.remove(space, index);
  }
}
