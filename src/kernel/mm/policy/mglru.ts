/**
 * The multi-generational LRU of Linux 6.1 and later, for file pages (lru_gen of mm/vmscan.c).
 *
 * Pages are in two to four generations, each a list with a sequence number. A page comes into the
 * oldest generation, and a page that a program has touched through a mapping into the youngest.
 * The oldest generation is evicted from its old end. When it is empty the next one becomes the
 * oldest; a new youngest one is begun when only two are left (aging).
 *
 * Uses by system calls move nothing. They are counted, up to five, and make tiers. One use or none
 * is tier 0, two are tier 1, three and four tier 2, and five tier 3. At the old end a page of a
 * protected tier goes to the next generation, and its count begins again.
 *
 * Refaults decide which tiers are protected: pages that come in again while the generation that
 * they were evicted from is the oldest one. A tier above 0 is protected when it had 64 refaults,
 * and more than twice as many as tier 0 for each page that left. So are those above it. At a
 * change of the oldest generation the counts are halved into averages.
 *
 * Source: Documentation/mm/multigen_lru.rst of Linux 6.1, by Yu Zhao. Differs: page tables are not
 * walked, for reclaim asks about each mapped candidate. There are no anonymous pages and no memory
 * groups. As many names are remembered as memory has pages.
 *
 * Invariants:
 *   1. `nrInactive` counts the oldest generation, `nrActive` the others;
 *   2. a page on a list carries PG.lru, and the number of its list.
 */

import type { Pfn } from '../../../base/units.ts';
import { NO_PAGE, PG, type MemMap } from '../mem-map.ts';
import { GhostQueue } from './ghost-queue.ts';
import { checkedFlags, QueuePolicy } from './queue-policy.ts';

// See hot-paths 3.
const LRU = PG.lru;
const ACTIVE = PG.active;
const REFERENCED = PG.referenced;
/** Lists: a generation's is its sequence number modulo this. */
const LISTS = 4;
const LEAST_GENERATIONS = 2;
const TIERS = 4;
/** Refaults below which a tier is not protected. */
const FEW = 64;
/** Margin by which a tier must be worse than tier 0. */
const MARGIN = 2;
const MOST_USES = 5;
/** Tier by uses. */
const TIER_OF = [0, 0, 1, 2, 2, 3] as const;
// The policy's bits of a page.
const USES_SHIFT = 18;
const USES = 7 << USES_SHIFT;
const ONE_USE = 1 << USES_SHIFT;
const LIST_SHIFT = 21;
const LIST = 3 << LIST_SHIFT;
const SEQUENCE_MASK = 0xff_ffff;

/** Generations of pages, and tiers that refaults protect. */
export class Mglru extends QueuePolicy {
  readonly #heads: readonly Pfn[];
  readonly #counts = new Int32Array(LISTS);
  readonly #ghosts: GhostQueue;
  #oldest = 0;
  #youngest = LISTS - 1;
  /** Of each tier, since the oldest generation became that; and averages of before. */
  readonly #refaulted = new Float64Array(TIERS);
  readonly #left = new Float64Array(TIERS);
  readonly #averageRefaulted = new Float64Array(TIERS);
  readonly #averageLeft = new Float64Array(TIERS);
  /** Tiers above it are protected. */
  #lastTier = 0;
  #space = -1;
  #index = 0;

  constructor(map: MemMap, batch: number) {
    super(map, batch);
    this.#heads = Array.from({ length: LISTS }, (_, list) => map.head(list));
    this.#ghosts = new GhostQueue(map.nrPages);
  }

  override endSpace(slot: number): void {
    this.#ghosts.endSpace(slot);
  }

  /** Sequence numbers of the oldest and the youngest generation. */
  get generations(): readonly [number, number] {
    return [this.#oldest, this.#youngest];
  }

  override willAdd(space: number, index: number): void {
    this.#space = space;
    this.#index = index | 0;
    if (!this.#ghosts.remove(space, index)) return;
    const { note } = this.#ghosts;
    if (note >>> 2 === (this.#oldest & SEQUENCE_MASK)) this.#refaulted[note & 3]!++;
  }

  override add(pfn: Pfn): void {
    const space = this.words[(pfn << 2) | 1]!;
    const index = this.words[(pfn << 2) | 2]!;
    if (space !== this.#space || index !== this.#index) this.willAdd(space, index);
    this.#space = -1;
    this.#link(pfn, this.#oldest);
  }

  markAccessed(pfn: Pfn): void {
    const flags = checkedFlags(this.words, pfn);
    const uses = (flags & USES) >>> USES_SHIFT;
    if (uses === MOST_USES) return;
    this.words[pfn << 2] = (flags + ONE_USE) | (uses === MOST_USES - 1 ? REFERENCED : 0);
  }

  override putBack(pfn: Pfn): void {
    this.#forget(pfn);
    this.#link(pfn, this.#oldest + 1);
  }

  override activate(pfn: Pfn): void {
    this.#forget(pfn);
    this.#link(pfn, this.#youngest);
  }

  override rotate(pfn: Pfn): void {
    if ((this.words[pfn << 2]! & LRU) === 0) return;
    this.take(pfn);
    this.#link(pfn, this.#oldest);
    const head = this.#heads[this.#oldest % LISTS]!;
    this.map.unlink(pfn);
    this.map.link(this.map.last(head), pfn);
  }

  override restore(pfn: Pfn, wasActive: boolean, wasReferenced: boolean): void {
    this.words[pfn << 2]! |= (wasReferenced ? MOST_USES : 1) << USES_SHIFT;
    if (wasReferenced) this.words[pfn << 2]! |= REFERENCED;
    this.#link(pfn, wasActive ? this.#youngest : this.#oldest);
  }

  override beginPass(priority: number): void {
    this.#lastTier = this.#unprotectedTiers() - 1;
    super.beginPass(priority);
  }

  takeNext(): Pfn {
    if (this.nrActive + this.nrInactive === 0) return NO_PAGE;
    for (;;) {
      const pfn = this.oldest(this.#heads[this.#oldest % LISTS]!);
      if (pfn < 0) {
        this.#nextGeneration();
        continue;
      }
      const flags = this.words[pfn << 2]!;
      const tier = TIER_OF[(flags & USES) >>> USES_SHIFT]!;
      this.words[pfn << 2] = flags & ~(USES | REFERENCED);
      this.#left[tier]!++;
      this.take(pfn);
      if (tier > this.#lastTier) {
        this.#link(pfn, this.#oldest + 1);
        continue;
      }
      const space = this.words[(pfn << 2) | 1]!;
      const note = ((this.#oldest & SEQUENCE_MASK) << 2) | tier;
      if (space >= 0) this.#ghosts.push(space, this.words[(pfn << 2) | 2]!, undefined, note);
      return pfn;
    }
  }

  override orders(): readonly Pfn[][] {
    const orders: Pfn[][] = [];
    for (let sequence = this.#oldest; sequence <= this.#youngest; sequence++) {
      const head = this.#heads[sequence % LISTS]!;
      const order: Pfn[] = [];
      for (let pfn = this.map.last(head); pfn !== head; pfn = this.map.younger(pfn)) {
        // Who asks for the order asks for this bit, too.
        if (sequence === this.#oldest) this.words[pfn << 2]! &= ~ACTIVE;
        else this.words[pfn << 2]! |= ACTIVE;
        order.push(pfn);
      }
      orders.push(order);
    }
    return orders;
  }

  protected override take(pfn: Pfn): Pfn {
    const flags = this.words[pfn << 2]!;
    const list = (flags & LIST) >>> LIST_SHIFT;
    this.map.unlink(pfn);
    this.#counts[list]!--;
    if (list === this.#oldest % LISTS) this.nrInactive--;
    else this.nrActive--;
    this.words[pfn << 2] = flags & ~(LRU | LIST);
    return pfn;
  }

  /** At the young end of a generation. */
  #link(pfn: Pfn, sequence: number): void {
    const list = sequence % LISTS;
    this.map.link(this.#heads[list]!, pfn);
    this.#counts[list]!++;
    if (sequence === this.#oldest) this.nrInactive++;
    else this.nrActive++;
    this.words[pfn << 2] = (this.words[pfn << 2]! & ~LIST) | LRU | (list << LIST_SHIFT);
  }

  #forget(pfn: Pfn): void {
    const space = this.words[(pfn << 2) | 1]!;
    if (space >= 0) this.#ghosts.remove(space, this.words[(pfn << 2) | 2]!);
  }

  /** The oldest generation is empty: the next one becomes that. */
  #nextGeneration(): void {
    this.#oldest++;
    if (this.#youngest - this.#oldest + 1 < LEAST_GENERATIONS) this.#youngest++;
    const pages = this.nrActive + this.nrInactive;
    this.nrInactive = this.#counts[this.#oldest % LISTS]!;
    this.nrActive = pages - this.nrInactive;
    for (let tier = 0; tier < TIERS; tier++) {
      this.#averageRefaulted[tier] = (this.#averageRefaulted[tier]! + this.#refaulted[tier]!) / 2;
      this.#averageLeft[tier] = (this.#averageLeft[tier]! + this.#left[tier]!) / 2;
    }
    this.#refaulted.fill(0);
    this.#left.fill(0);
  }

  /** How many tiers, from 0 on, are evicted. */
  #unprotectedTiers(): number {
    const refaulted = (tier: number): number => this.#averageRefaulted[tier]! + this.#refaulted[tier]!;
    const left = (tier: number): number => this.#averageLeft[tier]! + this.#left[tier]!;
    let tier = 1;
    for (; tier < TIERS; tier++) {
      const isFine =
        refaulted(tier) < FEW || refaulted(tier) * (left(0) + FEW) <= (refaulted(0) + 1) * left(tier) * MARGIN;
      if (!isFine) break;
    }
    return tier;
  }
}
