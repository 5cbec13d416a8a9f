/**
 * CLOCK, or second chance: a queue by arrival. A page at its old end leaves, unless it was used
 * again since it came to its place. Then it goes to the young end, with its bit cleared.
 *
 * Source: F. J. Corbató, "A paging experiment with the Multics system", 1968.
 */

import type { Pfn } from '../../../base/units.ts';
import { PG } from '../mem-map.ts';
import { QueuePolicy, setReferenced } from './queue-policy.ts';

const REFERENCED = PG.referenced;

/** One queue, by arrival, with a second chance. */
export class Clock extends QueuePolicy {
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
    const { words } = this;
    for (;;) {
      const pfn = this.oldest(this.inactiveHead);
      if (pfn < 0) return pfn;
      if ((words[pfn << 2]! & REFERENCED) === 0) return this.take(pfn);
      words[pfn << 2]! &= ~REFERENCED;
      this.renew(pfn);
    }
  }
}
