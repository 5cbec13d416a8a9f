/**
 * The page cache: which page holds page `index` of which file. The index of mm/filemap.c, keyed by
 * (inode, index); the read path over it is filemap.ts.
 *
 * An address space stands for one inode in use: (inode number, generation) ↔ slot. Pages hash by
 * slot and index so that neighbouring pages lie in neighbouring buckets: a sequential read walks
 * memory in order.
 *
 * Contract with the cache-mapping table (a NameTable): a page is named when its contents are up to
 * date. Its name is erased before it leaves the cache. `remove` is the one place where pages leave.
 *
 * Invariants (`checkMemory` of the tests asserts 3 and 4):
 *   1. a page that leaves is neither locked, under writeback, dirty nor mapped, and on no LRU list;
 *   2. a page in the cache is in the chain of its hash;
 *   3. it belongs to one space, and no two pages have one (space, index);
 *   4. a space's `nrPages` counts its list.
 *
 * Longer than other files: the space and the index over it belong together, and a look-up is faster
 * in the file that names them.
 */

import { ArgumentError, checkArgument, checkInteger, checkObject } from '../../base/argument-error.ts';
import { assert } from '../../base/assert.ts';
import type { ErrnoName } from '../../base/errno.ts';
import type { Ino, PageIndex, Pfn } from '../../base/units.ts';
import { NO_PAGE, PG, type MemMap } from './mem-map.ts';
import type { MappedRange, NameTable, PageWatcher, PageWriter } from './page-users.ts';
import type { ReplacementPolicy } from './policy/policy.ts';

// What every miss asks; hot loops compare a page with 0 for the same reason (see hot-paths 3).
const UPTODATE = PG.uptodate;
const NAMED = PG.named;
const LRU = PG.lru;
const FREE = PG.free;
const RESERVED = PG.reserved;
const DIRTY = PG.dirty;
const TOLD = PG.named | PG.registered;
const IN_USE = PG.locked | PG.writeback | PG.dirty | PG.mapped;
/** Slot of a space that was closed. */
const NO_SLOT = -1;
const NO_RANGES: ReadonlySet<MappedRange> = new Set();

/**
 * A file's pages. Made by PageCache.open, ended by PageCache.close when it holds none: then it
 * finds none any more.
 */
export class AddressSpace {
  /** Its place in the cache; -1 when it was closed. */
  slot = NO_SLOT;
  /** Number of the file. */
  readonly ino: Ino;
  /** Its generation: a number that is used again is another file. */
  readonly generation: number;
  /** Whether its pages are named in the table. */
  readonly named: boolean;
  /** @internal */
  readonly writer: PageWriter | undefined;
  /** @internal */
  readonly watcher: PageWatcher | undefined;
  /** Pages in the cache. */
  nrPages = 0;
  /** One of its pages, or NO_PAGE: the head of the list through spaceNext. */
  firstPage: Pfn = NO_PAGE;
  /** Pages that are newer than their block. Made with the first: most files never have one. */
  dirtyPages: Set<Pfn> | undefined;
  /** Pages with a write in flight. Made with the first, too. */
  writebackPages: Set<Pfn> | undefined;
  /** Memory that maps it (i_mmap). */
  ranges: ReadonlySet<MappedRange> = NO_RANGES;
  /** What a write of a page met, for the next fsync (AS_EIO, AS_ENOSPC). */
  error: ErrnoName | undefined;
  /** @internal Whether some of its pages may be lost (MemMap.isLost). */
  hasLost = false;
  /** @internal Offset of its pages in the hash. */
  readonly salt: number;

  constructor(
    slot: number,
    ino: Ino,
    generation: number,
    named: boolean,
    writer: PageWriter | undefined,
    watcher: PageWatcher | undefined,
  ) {
    this.slot = slot;
    this.ino = ino;
    this.generation = generation;
    this.named = named;
    this.writer = writer;
    this.watcher = watcher;
    this.salt = Math.imul(slot, 0x9e3779b1) >>> 1;
  }

  /** Pages that are newer than their block. */
  get nrDirty(): number {
    return this.dirtyPages?.size ?? 0;
  }

  /** Pages of the file with a write in flight. */
  get nrWriteback(): number {
    return this.writebackPages?.size ?? 0;
  }
}

/** @throws ArgumentError unless it was made by `PageCache.open` */
export function checkSpace(space: AddressSpace): void {
  if (!(space instanceof AddressSpace)) throw noSpace();
}

// Errors are made out of line (see hot-paths 7).
function noSpace(): ArgumentError {
  // The door of the page cache calls it a file.
  return new ArgumentError('file, space: expected what open has returned');
}

function notCached(): ArgumentError {
  return new ArgumentError('pfn: the page is not in the cache');
}

/** The page cache: pages by file and index. */
export class PageCache {
  readonly #map: MemMap;
  readonly #lru: ReplacementPolicy;
  readonly #names: NameTable;
  /** Of mem_map, four a page: flags, space, index, hash next. */
  readonly #words: Int32Array;
  readonly #buckets: Int32Array;
  readonly #mask: number;
  readonly #spaces: (AddressSpace | undefined)[] = [];
  readonly #freeSlots: number[] = [];
  #nrPages = 0;
  #nrDirty = 0;
  #nrWriteback = 0;
  #nrMapped = 0;
  /**
   * Entries of page tables that lead to a page, without the first, of pages that have more
   * (_mapcount).
   */
  readonly #moreEntries = new Map<Pfn, number>();

  constructor(map: MemMap, lru: ReplacementPolicy, names: NameTable) {
    this.#map = map;
    this.#lru = lru;
    this.#names = names;
    this.#words = map.words;
    // Between 3/4 and 3/2 of a bucket a page: at most 6 bytes.
    let buckets = 1;
    while (4 * buckets < 3 * map.nrPages) buckets *= 2;
    this.#buckets = new Int32Array(buckets).fill(NO_PAGE);
    this.#mask = buckets - 1;
  }

  /** Pages in the cache. */
  get nrPages(): number {
    return this.#nrPages;
  }

  /** Pages that are newer than their block. */
  get nrDirty(): number {
    return this.#nrDirty;
  }

  /** Pages with a write in flight. */
  get nrWriteback(): number {
    return this.#nrWriteback;
  }

  /** Pages in a program's page table. */
  get nrMapped(): number {
    return this.#nrMapped;
  }

  /** Bytes of the index, beside the arrays of mem_map. */
  get indexBytes(): number {
    return this.#buckets.byteLength;
  }

  /**
   * Opens the address space of an inode. The caller keeps it: two spaces of one inode would be two
   * caches.
   * @param writer asked by reclaim to write dirty pages; without one they stay until they are clean
   */
  open(ino: Ino, generation = 0, named = true, writer?: PageWriter, watcher?: PageWatcher): AddressSpace {
    // Every file that is made comes here: what is right is seen at once (see hot-paths 7).
    if (ino >>> 0 !== ino) checkInteger('ino', ino, 0, 0xffff_ffff);
    if (generation >>> 0 !== generation) checkInteger('generation', generation, 0, 0xffff_ffff);
    if (writer !== undefined && typeof writer?.pageOut !== 'function') checkObject('writer', writer, 'pageOut');
    if (watcher !== undefined && typeof watcher?.removedPage !== 'function')
      checkObject('watcher', watcher, 'removedPage');
    const slot = this.#freeSlots.pop() ?? this.#spaces.length;
    const space = new AddressSpace(slot, ino, generation, named, writer, watcher);
    this.#spaces[slot] = space;
    return space;
  }

  /**
   * Ends a space that holds no page.
   * @throws ArgumentError when it does, or was ended before
   */
  close(space: AddressSpace): void {
    checkSpace(space);
    checkArgument(this.#spaces[space.slot] === space, 'space', 'was closed before');
    checkArgument(space.nrPages === 0, 'space', 'still holds pages');
    this.#spaces[space.slot] = undefined;
    this.#freeSlots.push(space.slot);
    this.#lru.endSpace(space.slot);
    space.slot = NO_SLOT;
  }

  /**
   * The page of (space, index), or NO_PAGE.
   * @throws ArgumentError unless `space` is a space
   */
  find(space: AddressSpace, index: number): Pfn {
    if (space?.slot === undefined) throw noSpace();
    return this.lookUp(space, index);
  }

  /** @internal As `find`, of what is a space: on the paths of cached reads and overwrites. */
  lookUp(space: AddressSpace, index: number): Pfn {
    const words = this.#words;
    const { slot } = space;
    // As the word that it is kept in.
    const wanted = index | 0;
    let pfn = this.#buckets[(space.salt + index) & this.#mask]!;
    while (pfn >= 0) {
      const at = pfn << 2;
      if (words[at | 2] === wanted && words[at | 1] === slot) break;
      pfn = words[at | 3]!;
    }
    // Less than 0: NO_PAGE.
    return pfn as Pfn;
  }

  /** Flags as MemMap.flagsOf; right after `find` it reads what that has fetched. */
  flagsOf(pfn: Pfn): number {
    return this.#words[pfn << 2]!;
  }

  /**
   * The space that a cached page belongs to.
   * @throws ArgumentError for a page that is not in the cache, as do all that change one
   */
  spaceOf(pfn: Pfn): AddressSpace {
    const space = this.#spaces[this.#words[(pfn << 2) | 1]!];
    if (space === undefined || pfn >>> 0 !== pfn) throw notCached();
    return space;
  }

  /**
   * add_to_page_cache_lru: `pfn`, which carries no flag but locked, uptodate, named, hasBlock, lru,
   * active or referenced, becomes page `index` of the space.
   * @throws ArgumentError unless the page is in no cache and not free, and `index` is an unsigned
   * 32-bit integer that is new to the space
   */
  add(space: AddressSpace, index: number, pfn: Pfn): void {
    const isNobodys =
      pfn >>> 0 === pfn && this.#words[(pfn << 2) | 1]! < 0 && (this.#words[pfn << 2]! & (FREE | RESERVED)) === 0;
    if (!isNobodys || index >>> 0 !== index || this.find(space, index) >= 0) throw this.#whyNotAdded(index, pfn);
    const bucket = (space.salt + index) & this.#mask;
    const words = this.#words;
    const at = pfn << 2;
    words[at | 1] = space.slot;
    words[at | 2] = index;
    words[at | 3] = this.#buckets[bucket]!;
    this.#buckets[bucket] = pfn;
    const { links } = this.#map;
    const first = space.firstPage;
    links[at | 2] = first;
    links[at | 3] = -1;
    if (first >= 0) links[(first << 2) | 3] = pfn;
    space.firstPage = pfn;
    space.nrPages++;
    this.#nrPages++;
    // A page from before the reboot may be in its place already.
    if ((words[at]! & LRU) === 0) this.#lru.add(pfn);
  }

  #whyNotAdded(index: number, pfn: Pfn): ArgumentError {
    if (pfn >>> 0 !== pfn || pfn >= this.#map.nrPages) return new ArgumentError('pfn: there is no such page');
    if (this.#words[(pfn << 2) | 1]! >= 0 || this.#map.has(pfn, FREE | RESERVED))
      return new ArgumentError('pfn: the page is free, reserved or in the cache already');
    if (index >>> 0 !== index) return new ArgumentError('index: expected an integer of 0 to 4294967295');
    return new ArgumentError('index: the page is in the cache already');
  }

  /** The page's contents have arrived: it is up to date, and named where its space is. */
  setUptodate(pfn: Pfn): void {
    const flags = this.#words[pfn << 2]!;
    const space = this.spaceOf(pfn);
    if (space.named && (flags & NAMED) === 0) {
      this.#words[pfn << 2] = flags | UPTODATE | NAMED;
      this.#names.insert(pfn, space.ino, space.generation, this.#map.indexOf(pfn));
    } else this.#words[pfn << 2] = flags | UPTODATE;
  }

  /** Page index of a cached page within its file. */
  indexOf(pfn: Pfn): PageIndex {
    return this.#map.indexOf(pfn);
  }

  /** Sets the dirty bit; returns whether it was clear. */
  setDirty(pfn: Pfn): boolean {
    const flags = this.#words[pfn << 2]!;
    if ((flags & DIRTY) !== 0) return false;
    const space = this.spaceOf(pfn);
    (space.dirtyPages ??= new Set()).add(pfn);
    this.#words[pfn << 2] = flags | DIRTY;
    this.#nrDirty++;
    return true;
  }

  /** Clears the dirty bit; returns whether it was set. */
  clearDirty(pfn: Pfn): boolean {
    const flags = this.#words[pfn << 2]!;
    if ((flags & PG.dirty) === 0) return false;
    this.spaceOf(pfn).dirtyPages?.delete(pfn);
    this.#words[pfn << 2] = flags & ~PG.dirty;
    this.#nrDirty--;
    return true;
  }

  /** A write of the page begins: one at a time. */
  setWriteback(pfn: Pfn): void {
    const space = this.spaceOf(pfn);
    checkArgument((this.#words[pfn << 2]! & PG.writeback) === 0, 'pfn', 'the page is under writeback already');
    this.#words[pfn << 2]! |= PG.writeback;
    (space.writebackPages ??= new Set()).add(pfn);
    this.#nrWriteback++;
  }

  /** The write has ended. Throws ArgumentError unless the page is under writeback. */
  endWriteback(pfn: Pfn): void {
    const space = this.spaceOf(pfn);
    checkArgument((this.#words[pfn << 2]! & PG.writeback) !== 0, 'pfn', 'the page is not under writeback');
    this.#words[pfn << 2]! &= ~PG.writeback;
    space.writebackPages?.delete(pfn);
    this.#nrWriteback--;
  }

  /** @internal One more entry of a page table leads to the page. */
  addEntry(pfn: Pfn): void {
    if ((this.#words[pfn << 2]! & PG.mapped) !== 0) {
      this.#moreEntries.set(pfn, (this.#moreEntries.get(pfn) ?? 0) + 1);
      return;
    }
    this.#words[pfn << 2]! |= PG.mapped;
    this.#nrMapped++;
  }

  /** @internal An entry that led to the page does not any more. */
  removeEntry(pfn: Pfn): void {
    const more = this.#moreEntries.get(pfn);
    if (more === undefined) this.removeEntries(pfn);
    else if (more === 1) this.#moreEntries.delete(pfn);
    else this.#moreEntries.set(pfn, more - 1);
  }

  /** @internal No entry of any page table leads to the page any more. */
  removeEntries(pfn: Pfn): void {
    if ((this.#words[pfn << 2]! & PG.mapped) === 0) return;
    this.#words[pfn << 2]! &= ~PG.mapped;
    this.#moreEntries.delete(pfn);
    this.#nrMapped--;
  }

  /** Indices of the dirty pages from `start` up to and without `end`, ascending. */
  dirtyIndices(space: AddressSpace, start: number, end: number): number[] {
    checkSpace(space);
    return space.dirtyPages === undefined ? [] : this.#indicesOf(space.dirtyPages, start, end);
  }

  /** @internal The same of the pages under writeback. */
  writebackIndices(space: AddressSpace, start: number, end: number): number[] {
    return space.writebackPages === undefined ? [] : this.#indicesOf(space.writebackPages, start, end);
  }

  #indicesOf(pages: ReadonlySet<Pfn>, start: number, end: number): number[] {
    const indices: number[] = [];
    for (const pfn of pages) {
      const index = this.#map.indexOf(pfn);
      if (index >= start && index < end) indices.push(index);
    }
    return indices.sort((a, b) => a - b);
  }

  /**
   * Indices of the cached pages from `start` up to and without `end` that carry one of `flags`,
   * ascending.
   */
  indicesWith(space: AddressSpace, flags: number, start: number, end: number): number[] {
    checkSpace(space);
    const indices: number[] = [];
    for (let pfn = space.firstPage; pfn !== NO_PAGE; pfn = this.#map.nextInSpace(pfn)) {
      const index = this.#map.indexOf(pfn);
      if (index >= start && index < end && (this.#words[pfn << 2]! & flags) !== 0) indices.push(index);
    }
    return indices.sort((a, b) => a - b);
  }

  /**
   * __remove_from_page_cache: the page leaves the cache and the LRU lists, its name is erased and
   * its flags are clear. The caller flushes the NameTable, then frees the page.
   * @throws ArgumentError for a page that is not in the cache, or in use
   */
  remove(pfn: Pfn): void {
    checkArgument(this.mayRemove(pfn), 'pfn', 'the page is not in the cache, or in use');
    this.#lru.remove(pfn);
    this.removeIsolated(pfn);
  }

  /** Whether a page of memory is in the cache. */
  has(pfn: Pfn): boolean {
    return pfn >>> 0 === pfn && this.#words[(pfn << 2) | 1]! >= 0;
  }

  /**
   * @internal Whether a page is in the cache and neither locked, under writeback, dirty nor mapped.
   */
  mayRemove(pfn: Pfn): boolean {
    return this.has(pfn) && (this.#words[pfn << 2]! & IN_USE) === 0;
  }

  /** @internal The same for a page that is on no list. */
  removeIsolated(pfn: Pfn): void {
    const words = this.#words;
    const flags = words[pfn << 2]!;
    assert((flags & (IN_USE | LRU)) === 0, 'page cache 1: a page that leaves is not in use');
    const space = this.spaceOf(pfn);
    if (flags & TOLD) this.#names.erase(pfn);
    space.watcher?.removedPage(this.#map.indexOf(pfn));
    this.#unhash(space, pfn);
    const { links } = this.#map;
    const next = links[(pfn << 2) | 2]!;
    const prev = links[(pfn << 2) | 3]!;
    if (prev < 0) space.firstPage = next as Pfn;
    else links[(prev << 2) | 2] = next;
    if (next >= 0) links[(next << 2) | 3] = prev;
    space.nrPages--;
    this.#nrPages--;
    words[pfn << 2] = 0;
    words[(pfn << 2) | 1] = NO_SLOT;
  }

  #unhash(space: AddressSpace, pfn: Pfn): void {
    const words = this.#words;
    const bucket = (space.salt + words[(pfn << 2) | 2]!) & this.#mask;
    const next = words[(pfn << 2) | 3]!;
    let at = this.#buckets[bucket]!;
    if (at === pfn) {
      this.#buckets[bucket] = next;
      return;
    }
    while (words[(at << 2) | 3] !== pfn) {
      assert(at >= 0, 'page cache 2: a page in the cache is in the chain of its hash');
      at = words[(at << 2) | 3]!;
    }
    words[(at << 2) | 3] = next;
  }
}
