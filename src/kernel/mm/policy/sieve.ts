/**
 * SIEVE: a queue by arrival, and a hand that walks from its old end to its young one. A page under
 * the hand that was used again stays in its place, with its bit cleared; another one leaves. Past
 * the young end the hand begins at the old one.
 *
 * Source: Y. Zhang, J. Yang, Y. Yue, Y. Vigfusson and K. V. Rashmi, "SIEVE is simpler than LRU",
 * NSDI 2024.
 */

import type { Pfn } from '../../../base/units.ts';
import { PG, type MemMap } from '../mem-map.ts';
import { QueuePolicy, setReferenced } from './queue-policy.ts';

const REFERENCED = PG.referenced;

/** One queue, by arrival, with a hand. */
export class Sieve extends QueuePolicy {
  /** The page at which the hand goes on; the head where it begins at the old end. */
  #hand: Pfn;

  constructor(map: MemMap, batch: number) {
    super(map, batch);
    this.#hand = this.inactiveHead;
  }

  markAccessed(pfn: Pfn): void {
    setReferenced(this.words, pfn);
  }

  override activate(pfn: Pfn): void {
    this.words[pfn << 2]! |= REFERENCED;
    this.putBack(pfn);
  }

  override restore(pfn: Pfn, wasActive: boolean, wasReferenced: boolean): void {
    super.restore(pfn, false, wasActive || wasReferenced);
  }

  takeNext(): Pfn {
    const { words, map, inactiveHead } = this;
    let pfn = this.#hand;
    for (;;) {
      if (pfn === inactiveHead) {
        pfn = this.oldest(inactiveHead);
        if (pfn < 0) return pfn;
      }
      if ((words[pfn << 2]! & REFERENCED) === 0) break;
      words[pfn << 2]! &= ~REFERENCED;
      pfn = map.younger(pfn);
    }
    this.#hand = pfn;
    return this.take(pfn);
  }

  /** To where the hand goes on. */
  override rotate(pfn: Pfn): void {
    super.rotate(pfn);
    this.#hand = this.inactiveHead;
  }

  protected override take(pfn: Pfn): Pfn {
    if (pfn === this.#hand) this.#hand = this.map.younger(pfn);
    return super.take(pfn);
  }
}
