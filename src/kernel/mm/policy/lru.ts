/**
 * Least recently used: the page whose last use is longest ago goes first.
 *
 * Source: R. L. Mattson, J. Gecsei, D. R. Slutz and I. L. Traiger, "Evaluation techniques for
 * storage hierarchies", IBM Systems Journal 9 (2), 1970.
 */

import type { Pfn } from '../../../base/units.ts';
import { PG } from '../mem-map.ts';
import { checkedFlags, QueuePolicy } from './queue-policy.ts';

const LRU = PG.lru;

/** One queue, by last use. */
export class Lru extends QueuePolicy {
  markAccessed(pfn: Pfn): void {
    const flags = checkedFlags(this.words, pfn);
    if ((flags & LRU) !== 0) this.renew(pfn);
  }

  override activate(pfn: Pfn): void {
    this.putBack(pfn);
  }

  override restore(pfn: Pfn): void {
    super.restore(pfn, false, false);
  }

  takeNext(): Pfn {
    const pfn = this.oldest(this.inactiveHead);
    return pfn < 0 ? pfn : this.take(pfn);
  }
}
