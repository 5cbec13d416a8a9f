/**
 * S3-FIFO: three queues by arrival. New pages come into a small one (the inactive list), a tenth
 * of the cache. What leaves it after two or more uses goes to the main queue (the active list).
 * What leaves it after fewer is remembered as a ghost. There are nine tenths as many ghosts as
 * pages. A page that comes in while it is a ghost goes to the main queue. There a page at the old
 * end that was used goes round again, with one use less; up to three uses count.
 *
 * Source: J. Yang, Y. Zhang, Z. Qiu, Y. Yue and K. V. Rashmi, "FIFO queues are all you need for
 * cache eviction", SOSP 2023, with two uses as the threshold.
 *
 * The cache's size is the pages on the lists when a pass begins.
 */

import type { Pfn } from '../../../base/units.ts';
import { PG, type MemMap } from '../mem-map.ts';
import { GhostPolicy } from './ghost-policy.ts';
import { GhostQueue } from './ghost-queue.ts';
import { checkedFlags, USED } from './queue-policy.ts';

const REFERENCED = PG.referenced;
const SMALL = 0.1;
const GHOSTS = 0.9;
/** Uses after which a page of the small queue goes to the main one. */
const ENOUGH = 2;
const USES_SHIFT = 19;
/** Uses since the page came to its queue, 0 to 3. The bit referenced says that they are 3. */
const USES = 3 << USES_SHIFT;
const ONE_USE = 1 << USES_SHIFT;

/** A small queue, a main one, and ghosts. */
export class S3Fifo extends GhostPolicy {
  readonly #ghosts: GhostQueue;
  #mostMain = 0;
  #mostGhosts = 0;

  constructor(map: MemMap, batch: number) {
    super(map, batch);
    this.#ghosts = new GhostQueue(Math.floor(GHOSTS * map.nrPages));
  }

  override endSpace(slot: number): void {
    this.#ghosts.endSpace(slot);
  }

  markAccessed(pfn: Pfn): void {
    const flags = checkedFlags(this.words, pfn);
    const uses = flags & USES;
    if ((flags & USED) === 0) this.words[pfn << 2] = flags | USED;
    else if (uses !== USES) this.words[pfn << 2] = (flags + ONE_USE) | (uses === USES - ONE_USE ? REFERENCED : 0);
  }

  override beginPass(priority: number): void {
    const size = this.nrActive + this.nrInactive;
    this.#mostMain = size - Math.floor(SMALL * size);
    this.#mostGhosts = Math.floor(GHOSTS * size);
    super.beginPass(priority);
  }

  takeNext(): Pfn {
    if (this.nrActive <= this.#mostMain) {
      const pfn = this.#takeSmall();
      if (pfn >= 0) return pfn;
    }
    const pfn = this.#takeMain();
    return pfn < 0 ? this.#takeSmall() : pfn;
  }

  #takeSmall(): Pfn {
    const { words } = this;
    for (;;) {
      const pfn = this.oldest(this.inactiveHead);
      if (pfn < 0) return pfn;
      const flags = words[pfn << 2]!;
      words[pfn << 2] = flags & ~(USES | REFERENCED);
      if ((flags & USES) >>> USES_SHIFT < ENOUGH) {
        this.remember(this.#ghosts, pfn, this.#mostGhosts);
        return this.take(pfn);
      }
      this.promote(pfn);
    }
  }

  #takeMain(): Pfn {
    const { words } = this;
    for (;;) {
      const pfn = this.oldest(this.activeHead);
      if (pfn < 0) return pfn;
      const flags = words[pfn << 2]!;
      if ((flags & USES) === 0) return this.take(pfn);
      words[pfn << 2] = (flags - ONE_USE) & ~REFERENCED;
      this.renew(pfn);
    }
  }

  protected meetGhost(space: number, index: number): boolean {
    return this.#ghosts.remove(space, index);
  }

  protected forget(space: number, index: number): void {
    this.#ghosts.remove(space, index);
  }

  override restore(pfn: Pfn, wasActive: boolean, wasReferenced: boolean): void {
    if (wasReferenced) this.words[pfn << 2]! |= USES;
    super.restore(pfn, wasActive, wasReferenced);
  }

  override rotate(pfn: Pfn): void {
    this.words[pfn << 2]! &= ~USES;
    super.rotate(pfn);
  }
}
