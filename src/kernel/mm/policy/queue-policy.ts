/**
 * What policies of at most two queues have in common: the queues, their counts, and passes that
 * name one candidate after the other.
 *
 * Pages come onto a list at once: there is no pagevec. A pass at priority p names (pages >> p) + 1
 * candidates. A page that programs map is a candidate like any other: reclaim asks whether it was
 * touched, and gives it to `activate` then.
 *
 * The access that brought a page in is no second use of it. The bit USED tells them apart.
 *
 * Invariants:
 *   1. `nrActive` and `nrInactive` count the lists;
 *   2. a page on a list carries PG.lru, and PG.active on the active one.
 */

import type { Pfn } from '../../../base/units.ts';
import { NO_PAGE, noSuchPage, PG, type MemMap } from '../mem-map.ts';
import { PASS_IS_OVER, type ReplacementPolicy } from './policy.ts';

// See hot-paths 3.
const FREE = PG.free;
const LRU = PG.lru;
const ACTIVE = PG.active;
const REFERENCED = PG.referenced;

/** The page was accessed since it came in. The lowest bit of a policy's own. */
export const USED = 1 << 18;

/**
 * Flags of a page.
 * @throws ArgumentError for a page that is free, or not one of memory
 */
export function checkedFlags(words: Int32Array, pfn: Pfn): number {
  const flags = words[pfn << 2];
  if (flags === undefined || pfn >>> 0 !== pfn || (flags & FREE) !== 0) throw noSuchPage();
  return flags;
}

/** The first access sets USED, and each later one referenced. */
export function setReferenced(words: Int32Array, pfn: Pfn): void {
  const flags = checkedFlags(words, pfn);
  if ((flags & USED) === 0) words[pfn << 2] = flags | USED;
  else if ((flags & REFERENCED) === 0) words[pfn << 2] = flags | REFERENCED;
}

/** One or two queues: the inactive one first. A policy of one queue has only that. */
export abstract class QueuePolicy implements ReplacementPolicy {
  /** Pages of the active list. */
  nrActive = 0;
  /** Pages of the inactive list. */
  nrInactive = 0;
  /** @internal */
  readonly map: MemMap;
  /** @internal Of mem_map: a page's flags are at four times its number. */
  readonly words: Int32Array;
  /** @internal */
  readonly activeHead: Pfn;
  /** @internal */
  readonly inactiveHead: Pfn;
  readonly #batch: number;
  /** Candidates that the pass may still name. */
  #left = 0;

  /** @param batch candidates that a pass names at a time, 1 to SWAP_CLUSTER_MAX */
  constructor(map: MemMap, batch: number) {
    this.map = map;
    this.words = map.words;
    this.activeHead = map.head(0);
    this.inactiveHead = map.head(1);
    this.#batch = batch;
  }

  /** @internal Takes the page that goes next off its list; NO_PAGE when there is none. */
  abstract takeNext(): Pfn;

  willAdd(_space: number, _index: number): void {
    // A policy without ghosts has nothing to look up.
  }

  endSpace(_slot: number): void {
    // Nor has it anything to forget.
  }

  add(pfn: Pfn): void {
    this.putBack(pfn);
  }

  drain(): void {
    // What was added is on a list.
  }

  /** Each policy has its own, which the engine can compile for it alone. */
  abstract markAccessed(pfn: Pfn): void;

  remove(pfn: Pfn): void {
    if ((this.words[pfn << 2]! & LRU) !== 0) this.take(pfn);
  }

  /** At the young end of the list that its active bit names. */
  putBack(pfn: Pfn): void {
    const flags = this.words[pfn << 2]!;
    this.words[pfn << 2] = flags | LRU;
    if ((flags & ACTIVE) !== 0) {
      this.map.link(this.activeHead, pfn);
      this.nrActive++;
    } else {
      this.map.link(this.inactiveHead, pfn);
      this.nrInactive++;
    }
  }

  activate(pfn: Pfn): void {
    this.words[pfn << 2]! |= ACTIVE;
    this.putBack(pfn);
  }

  /** To the old end of the inactive list, whichever list it is on. */
  rotate(pfn: Pfn): void {
    if ((this.words[pfn << 2]! & LRU) === 0) return;
    this.take(pfn);
    this.words[pfn << 2]! &= ~(ACTIVE | REFERENCED);
    this.words[pfn << 2]! |= LRU;
    this.map.link(this.map.last(this.inactiveHead), pfn);
    this.nrInactive++;
  }

  beginPass(priority: number): void {
    this.#left = ((this.nrActive + this.nrInactive) >>> priority) + 1;
  }

  nextBatch(pages: Int32Array): number {
    const most = Math.min(this.#batch, this.#left);
    let taken = 0;
    for (; taken < most; taken++) {
      const pfn = this.takeNext();
      if (pfn < 0) break;
      pages[taken] = pfn;
    }
    this.#left -= taken;
    return taken === 0 ? PASS_IS_OVER : taken;
  }

  restore(pfn: Pfn, wasActive: boolean, wasReferenced: boolean): void {
    this.words[pfn << 2]! |= USED | (wasActive ? ACTIVE : 0) | (wasReferenced ? REFERENCED : 0);
    this.putBack(pfn);
  }

  orders(): readonly Pfn[][] {
    return [this.#oldestFirst(this.inactiveHead, this.nrInactive), this.#oldestFirst(this.activeHead, this.nrActive)];
  }

  /** The oldest page of a list, or NO_PAGE. */
  protected oldest(head: Pfn): Pfn {
    const pfn = this.map.last(head);
    return pfn === head ? NO_PAGE : pfn;
  }

  /** Takes a page off its list. */
  protected take(pfn: Pfn): Pfn {
    const flags = this.words[pfn << 2]!;
    this.map.unlink(pfn);
    if ((flags & ACTIVE) !== 0) this.nrActive--;
    else this.nrInactive--;
    this.words[pfn << 2] = flags & ~LRU;
    return pfn;
  }

  /** To the young end of the list that it is on. */
  protected renew(pfn: Pfn): void {
    this.map.unlink(pfn);
    this.map.link((this.words[pfn << 2]! & ACTIVE) === 0 ? this.inactiveHead : this.activeHead, pfn);
  }

  /** From the inactive list to the young end of the active one. */
  protected promote(pfn: Pfn): void {
    this.map.unlink(pfn);
    this.nrInactive--;
    this.map.link(this.activeHead, pfn);
    this.nrActive++;
    this.words[pfn << 2]! |= ACTIVE;
  }

  #oldestFirst(head: Pfn, length: number): Pfn[] {
    const pages = new Array<Pfn>(length);
    let pfn = head;
    for (let i = 0; i < length; i++) pages[i] = pfn = this.map.younger(pfn);
    return pages;
  }
}
