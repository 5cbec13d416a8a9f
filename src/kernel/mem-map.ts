/**
 * mem_map: what the kernel knows about each of its pages, as a struct of arrays indexed by pfn. Modelled after
 * `struct page` of 2.6.12; there is no reference count: a page that is waited for is locked, and whoever waited looks it up
 * again.
 *
 * One page is on at most one of: the free list, the active list, the inactive list; `next` and `prev` belong to that
 * list. `hashNext` chains the page-cache index; `spaceNext` and `spacePrev` the pages of one address space.
 * 30 bytes a page, with the index buckets of page-cache.ts 34 to 38.
 */

import { assert } from '../base/assert.ts';
import type { Pfn } from '../base/units.ts';

/** No page: pfn 0 is a valid one. Negative, and the links signed, because the engine boxes numbers beyond 2^31. */
export const NO_PAGE = -1 as Pfn;

/** Page flags, as the PG_ bits of 2.6.12. */
export const PG = {
  /** Under I/O or being filled: nobody else may use its contents. */
  locked: 1 << 0,
  /** A read of it failed. */
  error: 1 << 1,
  referenced: 1 << 2,
  uptodate: 1 << 3,
  dirty: 1 << 4,
  /** On the active or the inactive list. */
  lru: 1 << 5,
  active: 1 << 6,
  writeback: 1 << 7,
  /** Never given to anybody: boot region, kernel data. */
  reserved: 1 << 8,
  /** Kept from before the reboot and not claimed yet. */
  preserved: 1 << 9,
  /** Named in the hypervisor's cache-mapping table, or about to be. */
  named: 1 << 10,
  /** On the free list. */
  free: 1 << 11,
  /** Never leaves the cache: a buffer held for the life of the mount. */
  pinned: 1 << 12,
  /** Its block is allocated, as BH_Mapped says of the page's one buffer. */
  hasBlock: 1 << 13,
  /** Being written because memory is short: it goes to the old end of the inactive list when that has ended. */
  reclaim: 1 << 14,
  /** In somebody's page table. */
  mapped: 1 << 15,
} as const;

/** Sentinel nodes behind the pages in `next` and `prev`: list heads. */
const HEADS = 3;

export class MemMap {
  readonly nrPages: number;
  readonly flags: Uint16Array;
  /** Address space (slot number) that the page belongs to; meaningful for page-cache pages only. */
  readonly space: Uint32Array;
  /** Page index within the address space. */
  readonly index: Uint32Array;
  readonly next: Int32Array;
  readonly prev: Int32Array;
  readonly hashNext: Int32Array;
  readonly spaceNext: Int32Array;
  readonly spacePrev: Int32Array;
  /** Head nodes of the three lists. */
  readonly freeHead: Pfn;
  readonly activeHead: Pfn;
  readonly inactiveHead: Pfn;

  constructor(nrPages: number) {
    assert(Number.isSafeInteger(nrPages) && nrPages > 0 && nrPages + HEADS < 2 ** 31, 'number of pages out of range');
    this.nrPages = nrPages;
    this.flags = new Uint16Array(nrPages);
    this.space = new Uint32Array(nrPages);
    this.index = new Uint32Array(nrPages);
    this.next = new Int32Array(nrPages + HEADS);
    this.prev = new Int32Array(nrPages + HEADS);
    this.hashNext = new Int32Array(nrPages);
    this.spaceNext = new Int32Array(nrPages);
    this.spacePrev = new Int32Array(nrPages);
    this.freeHead = nrPages as Pfn;
    this.activeHead = (nrPages + 1) as Pfn;
    this.inactiveHead = (nrPages + 2) as Pfn;
    for (const head of [this.freeHead, this.activeHead, this.inactiveHead]) {
      this.next[head] = head;
      this.prev[head] = head;
    }
  }

  has(pfn: Pfn, flag: number): boolean {
    return (this.flags[pfn]! & flag) !== 0;
  }

  set(pfn: Pfn, flag: number): void {
    this.flags[pfn]! |= flag;
  }

  clear(pfn: Pfn, flag: number): void {
    this.flags[pfn]! &= ~flag;
  }

  /** Puts a page behind a head: at the young end of a list. */
  link(head: Pfn, pfn: Pfn): void {
    const first = this.next[head]!;
    this.next[pfn] = first;
    this.prev[pfn] = head;
    this.prev[first] = pfn;
    this.next[head] = pfn;
  }

  /** Takes a page off the list that it is on. */
  unlink(pfn: Pfn): void {
    const next = this.next[pfn]!;
    const prev = this.prev[pfn]!;
    this.next[prev] = next;
    this.prev[next] = prev;
  }

  /** The old end of a list, or the head itself when the list is empty. */
  last(head: Pfn): Pfn {
    return this.prev[head]! as Pfn;
  }
}
