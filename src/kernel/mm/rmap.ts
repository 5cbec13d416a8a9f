/**
 * From a page to the page tables that map it (mm/rmap.c of 2.6.12, for pages of files). A file's
 * address space knows every range of memory that maps the file. The entry of a page lies at its
 * index in the range.
 *
 * A page carries PG.mapped as long as an entry of any range leads to it.
 */

import type { Pfn } from '../../base/units.ts';
import { NO_PAGE, PG, type MemMap } from './mem-map.ts';
import type { AddressSpace, PageCache } from './page-cache.ts';

/** page_referenced: whether the page was touched through a mapping since it was asked last. */
export function pageReferenced(cache: PageCache, pfn: Pfn): boolean {
  const index = cache.indexOf(pfn);
  let referenced = false;
  for (const range of cache.spaceOf(pfn).ranges) referenced = range.testAndClearYoung(index) || referenced;
  return referenced;
}

/**
 * try_to_unmap: no entry leads to the page any more. If a store came through one, the page is dirty
 * now.
 */
export function unmapPage(cache: PageCache, pfn: Pfn): void {
  const index = cache.indexOf(pfn);
  for (const range of cache.spaceOf(pfn).ranges) range.unmap(index);
  cache.removeEntries(pfn);
}

/**
 * unmap_mapping_range: no entry leads to a page of the file from page `start` up to and without
 * `end`.
 */
export function unmapRange(cache: PageCache, map: MemMap, space: AddressSpace, start: number, end: number): void {
  if (space.ranges.size === 0) return;
  for (let pfn = space.firstPage; pfn !== NO_PAGE; pfn = map.nextInSpace(pfn)) {
    const index = cache.indexOf(pfn);
    if (index >= start && index < end && map.has(pfn, PG.mapped)) unmapPage(cache, pfn);
  }
}
