/**
 * mem_map: what the kernel knows about each of its pages. Modelled after `struct page` of 2.6.12.
 * There is no reference count: a page that is waited for is locked, and the waiter looks it up
 * again afterwards.
 *
 * Eight signed words a page (see hot-paths 5), in two arrays of four (see hot-paths 1). The first
 * holds what a look-up reads. The second holds the links of a page on its way in, out or along a
 * list.
 *
 * ```
 * words  4 pfn     + 0 flags        PG bits
 *                  + 1 space        slot of the address space; this and the index mean something in the page cache only
 *                  + 2 index        page index within the address space, unsigned
 *                  + 3 hash next    chain of the page-cache index
 * links  4 pfn     + 0 next         ┐ the list that the page is on: the free one or one of the replacement policy's,
 *                  + 1 prev         ┘ at most one of them; their heads lie behind the pages
 *                  + 2 space next   ┐ the pages of one address space
 *                  + 3 space prev   ┘
 * ```
 *
 * 32 bytes a page; page-cache.ts adds 3 to 6 for the buckets of its index. The files on the path of
 * every access or miss (page-cache.ts, policy/, page-alloc.ts) use these places literally (see
 * hot-paths 4). All others call the methods.
 */

import { ArgumentError, checkArgument } from '../../base/argument-error.ts';
import { assert } from '../../base/assert.ts';
import type { PageIndex, Pfn } from '../../base/units.ts';

/** No page: pfn 0 is a valid one. Negative, and the links signed (see hot-paths 5). */
export const NO_PAGE = -1 as Pfn;

/** Page flags, as the PG_ bits of 2.6.12. */
export const PG = {
  /** Under I/O or being filled: only its holder may use its contents. */
  locked: 1 << 0,
  /** A read or a write of it failed. */
  error: 1 << 1,
  /** Used since it came to its place on a list. */
  referenced: 1 << 2,
  /** Its contents have arrived. */
  uptodate: 1 << 3,
  /** Newer than its block. */
  dirty: 1 << 4,
  /** On the active or the inactive list. */
  lru: 1 << 5,
  /** On the active list, or to be. */
  active: 1 << 6,
  /** Being written. */
  writeback: 1 << 7,
  /** Never given away: boot region, kernel data. */
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
  /**
   * Being written because memory is short: it goes to the old end of the inactive list when that
   * has ended.
   */
  reclaim: 1 << 14,
  /** In a program's page table. */
  mapped: 1 << 15,
  /** Registered with the hypervisor as dirty, or about to be, since it is in the cache. */
  registered: 1 << 16,
  /**
   * Its block was allocated for it and not written since: on the disk it holds what its former
   * owner has left.
   */
  fresh: 1 << 17,
  /** Bits of the replacement policy. */
  policy: 0xff << 18,
  /** A reader that comes here begins the next window (ondemand-readahead.ts). */
  readahead: 1 << 26,
} as const;

const LOST = PG.fresh | PG.error | PG.dirty;
/** Bits of a word that are no flags. */
const NO_FLAGS = ~((PG.readahead << 1) - 1);

/**
 * Sentinel nodes behind the pages in `links`: the heads of the free list and of the replacement
 * policy's.
 */
const HEADS = 8;
/** A word's place, four times a page's number, is a small integer (see hot-paths 5): 1 TiB. */
export const MAX_PAGES = 2 ** 28;

/** Of a page that the caller has named, and that memory does not have. */
export function noSuchPage(): ArgumentError {
  return new ArgumentError('pfn: there is no such page');
}

function notSettable(flag: number): ArgumentError {
  return (flag & NO_FLAGS) === 0 ? noSuchPage() : new ArgumentError('flag: expected bits of PG');
}

/** What is known of each page of memory: mem_map. */
export class MemMap {
  /** Pages of memory. */
  readonly nrPages: number;
  /** @internal */
  readonly words: Int32Array;
  /** @internal */
  readonly links: Int32Array;
  /** @internal */
  readonly freeHead: Pfn;

  constructor(nrPages: number) {
    checkArgument(
      Number.isSafeInteger(nrPages) && nrPages > 0 && nrPages <= MAX_PAGES,
      'nrPages',
      'number of pages out of range',
    );
    this.nrPages = nrPages;
    this.words = new Int32Array(4 * nrPages);
    // In no address space.
    for (let pfn = 0; pfn < nrPages; pfn++) this.words[(pfn << 2) | 1] = -1;
    this.links = new Int32Array(4 * (nrPages + HEADS));
    this.freeHead = nrPages as Pfn;
    for (let head = nrPages; head < nrPages + HEADS; head++) {
      this.links[4 * head] = head;
      this.links[4 * head + 1] = head;
    }
  }

  /** @internal The head node of the replacement policy's list `list`, from 0. */
  head(list: number): Pfn {
    assert(list >= 0 && list < HEADS - 1, 'a policy has seven lists at most');
    return (this.freeHead + 1 + list) as Pfn;
  }

  /** Flags of a page. It asks nothing of `pfn`, and neither do the others that only read. */
  flagsOf(pfn: Pfn): number {
    return this.words[pfn << 2]!;
  }

  /** Whether a page has one of these flags of `PG`. */
  has(pfn: Pfn, flag: number): boolean {
    return (this.words[pfn << 2]! & flag) !== 0;
  }

  /**
   * The block of a cached page was allocated for it, and the first write of it has failed. Such a
   * page stays dirty.
   */
  isLost(pfn: Pfn): boolean {
    return (this.words[pfn << 2]! & LOST) === LOST;
  }

  /** @throws ArgumentError unless there is such a page, and `flag` is of `PG` */
  set(pfn: Pfn, flag: number): void {
    if (pfn >>> 0 !== pfn || pfn >= this.nrPages || (flag & NO_FLAGS) !== 0) throw notSettable(flag);
    this.words[pfn << 2]! |= flag;
  }

  /** @throws ArgumentError unless there is such a page, and `flag` is of `PG` */
  clear(pfn: Pfn, flag: number): void {
    if (pfn >>> 0 !== pfn || pfn >= this.nrPages || (flag & NO_FLAGS) !== 0) throw notSettable(flag);
    this.words[pfn << 2]! &= ~flag;
  }

  /** Page index of a cached page within its file. */
  indexOf(pfn: Pfn): PageIndex {
    return (this.words[(pfn << 2) | 2]! >>> 0) as PageIndex;
  }

  /** The next page of the same address space, or NO_PAGE. */
  nextInSpace(pfn: Pfn): Pfn {
    return this.links[(pfn << 2) | 2]! as Pfn;
  }

  /** @internal Puts a page behind a head: at the young end of a list. */
  link(head: Pfn, pfn: Pfn): void {
    const { links } = this;
    const first = links[head << 2]!;
    links[pfn << 2] = first;
    links[(pfn << 2) | 1] = head;
    links[(first << 2) | 1] = pfn;
    links[head << 2] = pfn;
  }

  /** @internal Takes a page off the list that it is on. */
  unlink(pfn: Pfn): void {
    const { links } = this;
    const next = links[pfn << 2]!;
    const prev = links[(pfn << 2) | 1]!;
    links[prev << 2] = next;
    links[(next << 2) | 1] = prev;
  }

  /** @internal The old end of a list, or the head itself when the list is empty. */
  last(head: Pfn): Pfn {
    return this.links[(head << 2) | 1]! as Pfn;
  }
  /** @internal The next page of a list, on the way from its old end to its head. */
  younger(pfn: Pfn): Pfn {
    return this.links[(pfn << 2) + 1]! as Pfn;
  }
}
