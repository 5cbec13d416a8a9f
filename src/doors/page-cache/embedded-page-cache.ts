/**
 * The page cache of the kernel for another simulator: its clock, its disk, its bytes. Lists and
 * reclaim are those of Linux 2.6.12 (kernel/mm), all of it synchronous, without time and I/O.
 *
 * A page is a number below `maxCapacity`; its 4 KiB are the caller's. Differs from a guest's cache:
 * no watermark is kept free, and reclaim takes one page at a time by default. Once full, the cache
 * stays full.
 *
 * Invariants:
 *   1. no more pages are cached than `capacity`. A cache that was made smaller may hold more, pages
 *      in use, until they can go, and takes no new page meanwhile;
 *   2. pages inserted = pages cached + pages dropped, by all causes;
 *   3. no two open files have one number.
 *
 * Callbacks run in the middle of a call, see call-guard.ts. Each method throws an ArgumentError
 * that names the argument at fault, and nothing has changed then.
 *
 * Longer than other files: each call that an embedder makes is a method here.
 */

import {
  ArgumentError,
  checkArgument,
  checkFunction,
  checkInteger,
  checkKeys,
  checkObject,
  checkOneOf,
} from '../../base/argument-error.ts';
import type { Ino, PageIndex, Pfn } from '../../base/units.ts';
import { MAX_PAGES, NO_PAGE, PG, type MemMap } from '../../kernel/mm/mem-map.ts';
import { MemoryManagement, NO_NAMES } from '../../kernel/mm/mm.ts';
import { AddressSpace, type PageCache } from '../../kernel/mm/page-cache.ts';
import { unmapRange } from '../../kernel/mm/rmap.ts';
import { SWAP_CLUSTER_MAX, type ReplacementPolicy } from '../../kernel/mm/policy/policy.ts';
import { DEFAULT_POLICY, POLICIES, POLICY, type PolicyName } from '../../kernel/mm/policy/policies.ts';
import { CallGuard } from './call-guard.ts';
import type { DropCause, EmbeddedPageCacheOptions, PageCacheCounts, PageMappings } from './options.ts';

/** Passes in which any page can be freed: touched, unmapped and being written, written. */
const LOOKS = 3;
const BUSY = PG.locked | PG.writeback;

/** The page cache of Linux 2.6.12 for another simulator: lists, reclaim, dirty and mapped pages. */
export class EmbeddedPageCache {
  /** Page numbers are below this. */
  readonly maxCapacity: number;
  /** @internal */
  readonly memory: MemoryManagement;
  /** What chooses the pages that leave. */
  readonly policy: PolicyName;
  readonly #map: MemMap;
  readonly #cache: PageCache;
  readonly #lru: ReplacementPolicy;
  readonly #mappings: PageMappings | undefined;
  readonly #pageOut: { pageOut: (page: Pfn) => void } | undefined;
  /** Open files by their number. */
  readonly #files = new Map<number, AddressSpace>();
  readonly #dropped = { reclaimed: 0, shrunk: 0, truncated: 0, invalidated: 0, failed: 0 };
  readonly #batch: number;
  #capacity: number;
  #hits = 0;
  #misses = 0;
  #inserted = 0;
  readonly #guard = new CallGuard();

  /** @throws ArgumentError which names the option that is out of range or of another kind */
  constructor(options: EmbeddedPageCacheOptions) {
    checkKeys('options', options, [
      'capacity',
      'maxCapacity',
      'policy',
      'rules',
      'batch',
      'names',
      'pageOut',
      'mappings',
    ]);
    const { capacity, maxCapacity = capacity, policy = DEFAULT_POLICY, batch = 1 } = options;
    const { names = NO_NAMES, pageOut, mappings, rules } = options;
    checkInteger('capacity', capacity, 1, MAX_PAGES);
    checkInteger('maxCapacity', maxCapacity, capacity, MAX_PAGES);
    checkOneOf('policy', policy, POLICIES);
    checkInteger('batch', batch, 1, SWAP_CLUSTER_MAX);
    checkObject('names', names, 'insert', 'erase', 'flush');
    checkFunction('pageOut', pageOut, true);
    if (mappings !== undefined) checkObject('mappings', mappings, 'testAndClearYoung', 'unmap');
    this.#capacity = capacity;
    this.policy = policy;
    this.#batch = batch;
    this.maxCapacity = maxCapacity;
    const chosen = rules ?? POLICY[policy];
    this.memory = new MemoryManagement(maxCapacity, this.#guard.namesOf(names), undefined, chosen, batch);
    this.memory.freeAll();
    this.#map = this.memory.map;
    this.#cache = this.memory.cache;
    this.#lru = this.memory.lru;
    this.#mappings = mappings;
    this.#pageOut = pageOut === undefined ? undefined : { pageOut };
  }

  /** Pages that can be cached. */
  get capacity(): number {
    return this.#capacity;
  }

  /** Pages in the cache, those that are being read included. */
  get nrPages(): number {
    return this.#cache.nrPages;
  }

  /** Pages that are newer than the disk. */
  get nrDirty(): number {
    return this.#cache.nrDirty;
  }

  /** Pages that are being written. */
  get nrWriteback(): number {
    return this.#cache.nrWriteback;
  }

  /** Pages to which an entry of a page table leads. */
  get nrMapped(): number {
    return this.#cache.nrMapped;
  }

  /** The counts as they are now. */
  counts(): PageCacheCounts {
    return { hits: this.#hits, misses: this.#misses, inserted: this.#inserted, dropped: { ...this.#dropped } };
  }

  /**
   * The file of a number, opened if it is not open. A number that is used again for another file
   * has another generation; both are unsigned integers of 32 bits.
   * @throws ArgumentError while the number is open with another generation
   */
  open(number: number, generation = 0): AddressSpace {
    checkInteger('number', number, 0, 0xffff_ffff);
    const open = this.#files.get(number);
    if (open !== undefined) {
      checkArgument(open.generation === generation, 'generation', 'the number is open with another one: close it');
      return open;
    }
    const file = this.#cache.open(number as Ino, generation, true, this.#pageOut);
    this.#files.set(number, file);
    return file;
  }

  /**
   * Whether a file is of this cache and was not closed.
   * @throws ArgumentError for what is no file of any cache
   */
  isOpen(file: AddressSpace): boolean {
    return file instanceof AddressSpace && this.#files.get(file.ino) === file;
  }

  /**
   * Ends a file, which was deleted: its pages leave, dirty ones too.
   * @throws ArgumentError while pages of it are being read or written; then nothing has changed
   */
  close(file: AddressSpace): void {
    this.#checkFile(file);
    checkArgument(this.#cache.indicesWith(file, BUSY, 0, Infinity).length === 0, 'file', 'has pages in transfer');
    this.truncate(file, 0);
    this.#cache.close(file);
    this.#files.delete(file.ino);
  }

  /**
   * An access of a program: the page, which is marked accessed; NO_PAGE when it is absent.
   * Allocates nothing. A file that was closed has no page.
   * @param file of this cache, which is not asked
   * @param index of 0 to 2^32 - 1
   * @throws ArgumentError
   */
  get(file: AddressSpace, index: number): Pfn {
    if (index >>> 0 !== index) throw noIndex();
    const page = this.#cache.find(file, index);
    if (page < 0) {
      this.#misses++;
      return page;
    }
    this.#hits++;
    this.#lru.markAccessed(page);
    return page;
  }

  /**
   * As `get`, without being an access.
   * @throws ArgumentError for a closed file, or an index that is no integer of 32 bits
   */
  find(file: AddressSpace, index: number): Pfn {
    if (index >>> 0 !== index) throw noIndex();
    return this.#cache.find(file, index);
  }

  /**
   * Marks a page accessed, once an access; the second one makes it active. For the page of a miss:
   * `get` does it for that of a hit.
   * @throws ArgumentError for no page of the cache
   */
  access(page: Pfn): void {
    this.#checkPage(page);
    this.#lru.markAccessed(page);
  }

  /**
   * Puts in a page that is about to be read or filled. Another may leave for it. It stays until
   * `end`.
   * @returns NO_PAGE when no page can leave now
   * @throws ArgumentError when the page is cached
   */
  begin(file: AddressSpace, index: number): Pfn {
    this.#guard.checkIdle();
    this.#checkFile(file);
    checkInteger('index', index, 0, 0xffff_ffff);
    checkArgument(this.#cache.find(file, index) < 0, 'index', 'the page is in the cache already');
    this.#lru.willAdd(file.slot, index);
    if (this.#cache.nrPages >= this.#capacity) {
      this.#reclaim(this.#capacity - 1, 'reclaimed');
      if (this.#cache.nrPages >= this.#capacity) return NO_PAGE;
    }
    const page = this.memory.allocator.take();
    this.#map.set(page, PG.locked);
    this.#cache.add(file, index, page);
    this.#inserted++;
    return page;
  }

  /**
   * The contents have arrived: the page is up to date and is named. When they could not be read, it
   * leaves.
   * @throws ArgumentError unless the page is between `begin` and `end`
   */
  end(page: Pfn, isOk = true): void {
    this.#guard.checkIdle();
    this.#checkPage(page);
    checkFlag(isOk);
    checkArgument(this.#map.has(page, PG.locked), 'page', 'it is not being read');
    this.#map.clear(page, PG.locked);
    if (isOk) this.#cache.setUptodate(page);
    else this.#drop([page], 'failed');
  }

  /**
   * Whether the contents are there. A page that is not up to date is being read.
   * @throws ArgumentError for no page of the cache
   */
  isUptodate(page: Pfn): boolean {
    return this.#has(page, PG.uptodate);
  }

  /**
   * Whether it was changed since it was last written.
   * @throws ArgumentError for no page of the cache
   */
  isDirty(page: Pfn): boolean {
    return this.#has(page, PG.dirty);
  }

  /**
   * Whether it is between `beginWrite` and `endWrite`.
   * @throws ArgumentError for no page of the cache
   */
  isWriting(page: Pfn): boolean {
    return this.#has(page, PG.writeback);
  }

  /**
   * Whether page-table entries reach it.
   * @throws ArgumentError for no page of the cache
   */
  isMapped(page: Pfn): boolean {
    return this.#has(page, PG.mapped);
  }

  /**
   * The file that it is a page of.
   * @throws ArgumentError for no page of the cache
   */
  fileOf(page: Pfn): AddressSpace {
    this.#checkPage(page);
    return this.#cache.spaceOf(page);
  }

  /**
   * Index of the page in its file.
   * @throws ArgumentError for no page of the cache
   */
  indexOf(page: Pfn): PageIndex {
    this.#checkPage(page);
    return this.#map.indexOf(page);
  }

  /**
   * A store has changed the page.
   * @returns whether it was clean
   * @throws ArgumentError while it is being read
   */
  setDirty(page: Pfn): boolean {
    this.#checkChangeable(page);
    checkArgument(this.#map.has(page, PG.uptodate), 'page', 'it is not up to date');
    return this.#cache.setDirty(page);
  }

  /**
   * The dirty pages of a file from index `start` up to and without `end`, by index.
   * @throws ArgumentError for a closed file, or indices that are not valid
   */
  dirtyPages(file: AddressSpace, start = 0, end = Infinity): Pfn[] {
    this.#checkFile(file);
    checkBounds(start, end);
    return this.#cache.dirtyIndices(file, start, end).map((index) => this.#cache.find(file, index));
  }

  /**
   * A write of the page begins: it is clean from here on, and stays until `endWrite`. A store
   * meanwhile makes it dirty again.
   * @throws ArgumentError unless it is dirty, and not being written
   */
  beginWrite(page: Pfn): void {
    this.#checkChangeable(page);
    checkArgument(!this.#map.has(page, PG.writeback), 'page', 'it is being written');
    checkArgument(this.#cache.clearDirty(page), 'page', 'it is not dirty');
    this.#cache.setWriteback(page);
    // As pageout does: what was written because memory is short is to go next.
    if (this.#guard.isInPass) this.#map.set(page, PG.reclaim);
  }

  /**
   * The write has ended. When it has failed the page is dirty again.
   * @throws ArgumentError unless it is being written
   */
  endWrite(page: Pfn, isOk = true): void {
    this.#checkChangeable(page);
    checkFlag(isOk);
    checkArgument(this.#map.has(page, PG.writeback), 'page', 'it is not being written');
    if (!isOk) this.#cache.setDirty(page);
    this.#cache.endWriteback(page);
    if (!this.#map.has(page, PG.reclaim)) return;
    this.#map.clear(page, PG.reclaim);
    this.#lru.rotate(page);
  }

  /**
   * One more entry of a page table leads to the page.
   * @throws ArgumentError without the option `mappings`, or unless the page is up to date
   */
  map(page: Pfn): void {
    const mappings = this.#mappings;
    this.#checkChangeable(page);
    checkArgument(this.#map.has(page, PG.uptodate), 'page', 'it is not up to date');
    if (mappings === undefined) throw new ArgumentError('mappings: the option was not given');
    const file = this.#cache.spaceOf(page);
    if (file.ranges.size === 0)
      file.ranges = new Set([
        {
          testAndClearYoung: (index) => mappings.testAndClearYoung(this.#cache.find(file, index)),
          unmap: (index) => mappings.unmap(this.#cache.find(file, index)),
        },
      ]);
    this.#cache.addEntry(page);
  }

  /**
   * One entry less leads to the page. A store that came through it is told by `setDirty`.
   * @throws ArgumentError when none does
   */
  unmap(page: Pfn): void {
    this.#checkChangeable(page);
    checkArgument(this.#map.has(page, PG.mapped), 'page', 'it is not mapped');
    this.#cache.removeEntry(page);
  }

  /**
   * The file ends before page `start` now: all pages from there on leave, also dirty and mapped
   * ones.
   * @returns the pages that stay because they are being read or written: when that has ended, call
   * again
   * @throws ArgumentError for a closed file, or an index that is not valid
   */
  truncate(file: AddressSpace, start: number): number {
    this.#guard.checkIdle();
    this.#checkFile(file);
    checkBounds(start, Infinity);
    const map = this.#map;
    this.#guard.pass(() => unmapRange(this.#cache, map, file, start, Infinity));
    const pages: Pfn[] = [];
    let busy = 0;
    for (let page = file.firstPage; page !== NO_PAGE; page = map.nextInSpace(page)) {
      if (map.indexOf(page) < start) continue;
      if (map.has(page, BUSY)) busy++;
      else {
        this.#cache.clearDirty(page);
        pages.push(page);
      }
    }
    this.#drop(pages, 'truncated');
    return busy;
  }

  /**
   * The disk has changed below the cache. Pages from index `start` up to and without `end` leave,
   * except those that are dirty, mapped, or being read or written.
   * @returns the pages dropped
   * @throws ArgumentError for a closed file, or indices that are not valid
   */
  invalidate(file: AddressSpace, start = 0, end = Infinity): number {
    this.#guard.checkIdle();
    this.#checkFile(file);
    checkBounds(start, end);
    const count = this.#guard.pass(() => this.memory.invalidate(file, start, end));
    this.#dropped.invalidated += count;
    return count;
  }

  /**
   * Changes the capacity, 1 to `maxCapacity`. What is too much leaves, as in reclaim.
   * @returns the pages above the capacity that cannot leave now: `begin` tries again, and puts in
   * nothing before that
   * @throws ArgumentError for a capacity out of range, or while a callback runs
   */
  resize(capacity: number): number {
    this.#guard.checkIdle();
    checkInteger('capacity', capacity, 1, this.maxCapacity);
    this.#capacity = capacity;
    this.#reclaim(capacity, 'shrunk');
    return Math.max(0, this.#cache.nrPages - capacity);
  }

  /** Frees pages until `limit` of them are left, or none can be freed. */
  #reclaim(limit: number, cause: DropCause): void {
    const before = this.#cache.nrPages;
    this.#guard.pass(() => {
      for (let looks = LOOKS; looks > 0 && this.#cache.nrPages > limit; looks--)
        if (this.memory.reclaim.tryToFreePages(Math.max(this.#batch, this.#cache.nrPages - limit)) > 0)
          looks = LOOKS + 1;
    });
    this.#dropped[cause] += before - this.#cache.nrPages;
  }

  #drop(pages: readonly Pfn[], cause: DropCause): void {
    this.#guard.pass(() => this.memory.discard(pages));
    this.#dropped[cause] += pages.length;
  }

  #has(page: Pfn, flag: number): boolean {
    this.#checkPage(page);
    return this.#map.has(page, flag);
  }

  #checkPage(page: Pfn): void {
    if (page >>> 0 !== page || page >= this.maxCapacity || this.#map.words[(page << 2) | 1]! < 0)
      throw new ArgumentError('page: it is not in the cache');
  }

  #checkChangeable(page: Pfn): void {
    this.#guard.checkChangeable();
    this.#checkPage(page);
  }

  #checkFile(file: AddressSpace): void {
    checkArgument(this.isOpen(file), 'file', 'expected an open file of this cache');
  }
}

function checkFlag(isOk: boolean): void {
  checkArgument(typeof isOk === 'boolean', 'isOk', 'expected true or false');
}

function checkBounds(start: number, end: number): void {
  checkInteger('start', start);
  checkArgument(end >= 0, 'end', 'expected the number of a page, or Infinity');
}

// Made out of line (see hot-paths 7).
function noIndex(): ArgumentError {
  return new ArgumentError('index: expected an integer of 0 to 4294967295');
}
