/**
 * What the page cache and reclaim ask of those outside who have to do with a page: table, page
 * tables, writers, watchers.
 */

import type { Ino, PageIndex, Pfn } from '../../base/units.ts';

/** Where pages are named: the guest's side of the cache-mapping table, or an embedder's own. */
export interface NameTable {
  /** The page is up to date and holds page `index` of the inode. */
  insert(pfn: Pfn, ino: Ino, generation: number, index: PageIndex): void;
  /**
   * The page leaves the cache; when `flush` has returned, the name must be gone, and nothing may be
   * written home from it.
   */
  erase(pfn: Pfn): void;
  /**
   * Everything told so far takes effect. Called before a page that was erased is used for anything
   * else.
   */
  flush(): void;
}

/**
 * Memory that maps a space's pages: what reclaim and truncation ask of it (rmap.ts). `index` is a
 * page of the space.
 */
export interface MappedRange {
  /** Whether the page was touched through an entry since it was asked last. */
  testAndClearYoung(index: number): boolean;
  /**
   * Drops the entry that leads to the page, if there is one; the page is dirty then if a store came
   * through it.
   */
  unmap(index: number): void;
}

/** Keeps something that follows from the contents of a space's pages. */
export interface PageWatcher {
  /** The page leaves the cache: what it is read as again may be something else. */
  removedPage(index: number): void;
}

/** Writes a space's dirty pages. */
export interface PageWriter {
  /** Memory is short: begins to write a dirty page of the space, when that needs no waiting. */
  pageOut(pfn: Pfn): void;
}
