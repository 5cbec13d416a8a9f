/**
 * The page cache: which page holds page `index` of which file. The index of mm/filemap.c, keyed by (inode, index); the read
 * path over it is filemap.ts.
 *
 * An address space stands for one inode in use: (inode number, generation) ↔ slot. Pages hash by slot and index so that
 * neighbouring pages lie in neighbouring buckets: a sequential read walks memory in order.
 *
 * Contract with the cache-mapping table (a NameTable): a page is named when its contents are up to date, and its name
 * is erased before it leaves the cache. `remove` is the one place where pages leave.
 *
 * Invariants: a page in the cache belongs to exactly one space; a space's `nrPages` counts its list; no two pages have
 * one (space, index).
 */

import { assert } from '../base/assert.ts';
import type { ErrnoName } from '../base/errno.ts';
import type { Ino, PageIndex, Pfn } from '../base/units.ts';
import { NO_PAGE, PG, type MemMap } from './mem-map.ts';
import type { Lru } from './swap.ts';

/** Where pages are named: the guest's side of the cache-mapping table, or an embedder's own. */
export interface NameTable {
  /** The page is up to date and holds page `index` of the inode. */
  insert(pfn: Pfn, ino: Ino, generation: number, index: PageIndex): void;
  /** The page leaves the cache; when `flush` has returned, the name must be gone. */
  erase(pfn: Pfn): void;
  /** Everything told so far takes effect. Called before a page that was erased is used for anything else. */
  flush(): void;
}

/** Memory that maps a space's pages: what reclaim and truncation ask of it (rmap.ts). `index` is a page of the space. */
export interface MappedRange {
  /** Whether an entry leads to the page. */
  maps(index: number): boolean;
  /** Whether the page was touched through an entry since it was asked last. */
  testAndClearYoung(index: number): boolean;
  /** Drops the entry that leads to the page, if there is one; the page is dirty then if a store came through it. */
  unmap(index: number): void;
}

/** Slot of a space that was closed. */
const NO_SLOT = -1;
const NO_RANGES: readonly MappedRange[] = [];

/** A file's pages. Made by PageCache.open, ended by PageCache.close when it holds none: then it finds none any more. */
export class AddressSpace {
  slot: number;
  readonly ino: Ino;
  readonly generation: number;
  /** Whether its pages are named in the table. */
  readonly named: boolean;
  /** Pages in the cache. */
  nrPages = 0;
  /** One of its pages, or NO_PAGE: the head of the list through spaceNext. */
  firstPage: Pfn = NO_PAGE;
  /** Pages that are newer than their block. */
  readonly dirtyPages = new Set<Pfn>();
  /** Pages with a write in flight. */
  nrWriteback = 0;
  /** Memory that maps it (i_mmap). */
  ranges: readonly MappedRange[] = NO_RANGES;
  /** What a write of a page met, for the next fsync (AS_EIO, AS_ENOSPC). */
  error: ErrnoName | undefined;
  /** Offset of its pages in the hash. */
  readonly salt: number;

  constructor(slot: number, ino: Ino, generation: number, named: boolean) {
    this.slot = slot;
    this.ino = ino;
    this.generation = generation;
    this.named = named;
    this.salt = Math.imul(slot, 0x9e3779b1) >>> 1;
  }

  get nrDirty(): number {
    return this.dirtyPages.size;
  }
}

export class PageCache {
  readonly #map: MemMap;
  readonly #lru: Lru;
  readonly #names: NameTable;
  readonly #flags: Uint16Array;
  readonly #space: Uint32Array;
  readonly #index: Uint32Array;
  readonly #hashNext: Int32Array;
  readonly #buckets: Int32Array;
  readonly #mask: number;
  readonly #spaces: (AddressSpace | undefined)[] = [];
  readonly #freeSlots: number[] = [];
  #nrPages = 0;
  #nrDirty = 0;
  #nrWriteback = 0;
  #nrMapped = 0;

  constructor(map: MemMap, lru: Lru, names: NameTable) {
    this.#map = map;
    this.#lru = lru;
    this.#names = names;
    this.#flags = map.flags;
    this.#space = map.space;
    this.#index = map.index;
    this.#hashNext = map.hashNext;
    let buckets = 1;
    while (buckets < map.nrPages) buckets *= 2;
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

  /** Pages in somebody's page table. */
  get nrMapped(): number {
    return this.#nrMapped;
  }

  /** Bytes of the index, beside the arrays of mem_map. */
  get indexBytes(): number {
    return this.#buckets.byteLength;
  }

  /** Opens the address space of an inode. The caller keeps it: two spaces of one inode would be two caches. */
  open(ino: Ino, generation = 0, named = true): AddressSpace {
    const slot = this.#freeSlots.pop() ?? this.#spaces.length;
    const space = new AddressSpace(slot, ino, generation, named);
    this.#spaces[slot] = space;
    return space;
  }

  /** Ends a space that holds no page. */
  close(space: AddressSpace): void {
    assert(space.nrPages === 0, 'address space still holds pages');
    assert(this.#spaces[space.slot] === space, 'address space was closed before');
    this.#spaces[space.slot] = undefined;
    this.#freeSlots.push(space.slot);
    space.slot = NO_SLOT;
  }

  /** The page of (space, index), or NO_PAGE. */
  find(space: AddressSpace, index: number): Pfn {
    // Compared as signed words: the engine need not make doubles of them.
    const slot = space.slot;
    const wanted = index | 0;
    let pfn = this.#buckets[(space.salt + index) & this.#mask]!;
    while (pfn !== NO_PAGE && ((this.#index[pfn]! | 0) !== wanted || (this.#space[pfn]! | 0) !== slot))
      pfn = this.#hashNext[pfn]!;
    return pfn as Pfn;
  }

  /** The space that a cached page belongs to. */
  spaceOf(pfn: Pfn): AddressSpace {
    const space = this.#spaces[this.#space[pfn]!];
    assert(space !== undefined, 'page belongs to no open address space');
    return space;
  }

  /**
   * add_to_page_cache_lru: `pfn`, which carries no flag but locked, uptodate, named, hasBlock, active or referenced,
   * becomes
   * page `index` of the space. There must be none yet.
   */
  add(space: AddressSpace, index: number, pfn: Pfn): void {
    assert(this.find(space, index) === NO_PAGE, 'page is in the cache already');
    const bucket = (space.salt + index) & this.#mask;
    this.#space[pfn] = space.slot;
    this.#index[pfn] = index;
    this.#hashNext[pfn] = this.#buckets[bucket]!;
    this.#buckets[bucket] = pfn;
    const { spaceNext, spacePrev } = this.#map;
    spaceNext[pfn] = space.firstPage;
    spacePrev[pfn] = NO_PAGE;
    if (space.firstPage !== NO_PAGE) spacePrev[space.firstPage] = pfn;
    space.firstPage = pfn;
    space.nrPages++;
    this.#nrPages++;
    this.#lru.add(pfn);
  }

  /** The page's contents have arrived: it is up to date, and named where its space is. */
  setUptodate(pfn: Pfn): void {
    const flags = this.#flags[pfn]!;
    const space = this.spaceOf(pfn);
    if (space.named && (flags & PG.named) === 0) {
      this.#flags[pfn] = flags | PG.uptodate | PG.named;
      this.#names.insert(pfn, space.ino, space.generation, this.#index[pfn]! as PageIndex);
    } else this.#flags[pfn] = flags | PG.uptodate;
  }

  /** Page index of a cached page within its file. */
  indexOf(pfn: Pfn): PageIndex {
    return this.#index[pfn]! as PageIndex;
  }

  /** Sets the dirty bit; returns whether it was clear. */
  setDirty(pfn: Pfn): boolean {
    const flags = this.#flags[pfn]!;
    if ((flags & PG.dirty) !== 0) return false;
    this.#flags[pfn] = flags | PG.dirty;
    this.spaceOf(pfn).dirtyPages.add(pfn);
    this.#nrDirty++;
    return true;
  }

  /** Clears the dirty bit; returns whether it was set. */
  clearDirty(pfn: Pfn): boolean {
    const flags = this.#flags[pfn]!;
    if ((flags & PG.dirty) === 0) return false;
    this.#flags[pfn] = flags & ~PG.dirty;
    this.spaceOf(pfn).dirtyPages.delete(pfn);
    this.#nrDirty--;
    return true;
  }

  /** A write of the page begins: one at a time. */
  setWriteback(pfn: Pfn): void {
    assert((this.#flags[pfn]! & PG.writeback) === 0, 'page is under writeback already');
    this.#flags[pfn]! |= PG.writeback;
    this.spaceOf(pfn).nrWriteback++;
    this.#nrWriteback++;
  }

  endWriteback(pfn: Pfn): void {
    assert((this.#flags[pfn]! & PG.writeback) !== 0, 'page is not under writeback');
    this.#flags[pfn]! &= ~PG.writeback;
    this.spaceOf(pfn).nrWriteback--;
    this.#nrWriteback--;
  }

  /** An entry of a page table leads to the page. */
  setMapped(pfn: Pfn): void {
    if ((this.#flags[pfn]! & PG.mapped) !== 0) return;
    this.#flags[pfn]! |= PG.mapped;
    this.#nrMapped++;
  }

  /** No entry of any page table leads to the page any more. */
  clearMapped(pfn: Pfn): void {
    if ((this.#flags[pfn]! & PG.mapped) === 0) return;
    this.#flags[pfn]! &= ~PG.mapped;
    this.#nrMapped--;
  }

  /** Indices of the dirty pages from `start` up to and without `end`, ascending. */
  dirtyIndices(space: AddressSpace, start: number, end: number): number[] {
    const indices: number[] = [];
    for (const pfn of space.dirtyPages) {
      const index = this.#index[pfn]!;
      if (index >= start && index < end) indices.push(index);
    }
    return indices.sort((a, b) => a - b);
  }

  /** Indices of the cached pages from `start` up to and without `end` that carry one of `flags`, ascending. */
  indicesWith(space: AddressSpace, flags: number, start: number, end: number): number[] {
    const indices: number[] = [];
    for (let pfn = space.firstPage; pfn !== NO_PAGE; pfn = this.#map.spaceNext[pfn]! as Pfn) {
      const index = this.#index[pfn]!;
      if (index >= start && index < end && (this.#flags[pfn]! & flags) !== 0) indices.push(index);
    }
    return indices.sort((a, b) => a - b);
  }

  /**
   * __remove_from_page_cache: the page leaves the cache and the LRU lists, its name is erased and its flags are clear.
   * The caller flushes the NameTable, then frees the page.
   */
  remove(pfn: Pfn): void {
    const flags = this.#flags[pfn]!;
    assert((flags & (PG.locked | PG.writeback | PG.dirty | PG.mapped)) === 0, 'page leaves the cache while in use');
    const space = this.spaceOf(pfn);
    this.#lru.remove(pfn);
    if (flags & PG.named) this.#names.erase(pfn);
    this.#unhash(space, pfn);
    const { spaceNext, spacePrev } = this.#map;
    const next = spaceNext[pfn]!;
    const prev = spacePrev[pfn]!;
    if (prev === NO_PAGE) space.firstPage = next as Pfn;
    else spaceNext[prev] = next;
    if (next !== NO_PAGE) spacePrev[next] = prev;
    space.nrPages--;
    this.#nrPages--;
    this.#flags[pfn] = 0;
  }

  #unhash(space: AddressSpace, pfn: Pfn): void {
    const bucket = (space.salt + this.#index[pfn]!) & this.#mask;
    const next = this.#hashNext;
    let at = this.#buckets[bucket]!;
    if (at === pfn) {
      this.#buckets[bucket] = next[pfn]!;
      return;
    }
    while (next[at] !== pfn) {
      assert(at !== NO_PAGE, 'page is not in its hash chain');
      at = next[at]!;
    }
    next[at] = next[pfn]!;
  }
}
