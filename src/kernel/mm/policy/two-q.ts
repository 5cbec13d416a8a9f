/**
 * 2Q, in its full version: pages come into a queue by arrival (A1in, the inactive list), a quarter
 * of the cache. A use of a page there changes nothing. What leaves it is remembered (A1out), up to
 * half as many names as the cache has pages. A page that comes in while it is remembered goes to an
 * LRU (Am, the active list). While A1in is larger than its share its oldest page goes first, else
 * that of Am.
 *
 * Source: T. Johnson and D. Shasha, "2Q: a low overhead high performance buffer management
 * replacement algorithm", VLDB 1994.
 *
 * The cache's size is the pages on the lists when a pass begins.
 */

import type { Pfn } from '../../../base/units.ts';
import { PG, type MemMap } from '../mem-map.ts';
import { GhostPolicy } from './ghost-policy.ts';
import { GhostQueue } from './ghost-queue.ts';
import { checkedFlags } from './queue-policy.ts';

/** On the active list. */
const LISTED = PG.lru | PG.active;
/** Kin and Kout of the paper, as shares of the cache. */
const IN = 0.25;
const OUT = 0.5;

/** A queue of new pages, and an LRU of those that came back. */
export class TwoQ extends GhostPolicy {
  readonly #out: GhostQueue;
  #most = 0;
  #mostGhosts = 0;

  constructor(map: MemMap, batch: number) {
    super(map, batch);
    this.#out = new GhostQueue(Math.floor(OUT * map.nrPages));
  }

  override endSpace(slot: number): void {
    this.#out.endSpace(slot);
  }

  markAccessed(pfn: Pfn): void {
    const flags = checkedFlags(this.words, pfn);
    if ((flags & LISTED) === LISTED) this.renew(pfn);
  }

  override beginPass(priority: number): void {
    const size = this.nrActive + this.nrInactive;
    this.#most = Math.floor(IN * size);
    this.#mostGhosts = Math.floor(OUT * size);
    super.beginPass(priority);
  }

  takeNext(): Pfn {
    const isIn = this.nrInactive > this.#most || this.nrActive === 0;
    const pfn = this.oldest(isIn ? this.inactiveHead : this.activeHead);
    if (pfn < 0) return pfn;
    if (isIn) this.remember(this.#out, pfn, this.#mostGhosts);
    return this.take(pfn);
  }

  protected meetGhost(space: number, index: number): boolean {
    return this.#out.remove(space, index);
  }

  protected forget(space: number, index: number): void {
    this.#out.remove(space, index);
  }
}
