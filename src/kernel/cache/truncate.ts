/**
 * Dropping a file's pages (mm/truncate.c of 2.6.12). A page goes when nothing uses it: one that is
 * locked or under writeback is waited for, one that is mapped is unmapped. Names are erased before
 * the pages are free (MemoryManagement.discard).
 */

import type { Pfn } from '../../base/units.ts';
import { NOTHING, type Process } from '../../sim/index.ts';
import { NO_PAGE, PG } from '../mm/mem-map.ts';
import type { MemoryManagement } from '../mm/mm.ts';
import type { AddressSpace } from '../mm/page-cache.ts';
import type { PageIo } from './page-io.ts';
import { unmapPage } from '../mm/rmap.ts';

/**
 * truncate_inode_pages: drops every page from `start` up to and without `end`, dirty ones
 * unwritten. The caller has seen to it that no new ones are added: the file's size is below them,
 * or it holds i_sem.
 */
export function truncatePages(
  mm: MemoryManagement,
  io: PageIo,
  space: AddressSpace,
  start: number,
  end = Infinity,
): Process {
  const busy = dropIdle(mm, space, start, end);
  return busy === NO_PAGE ? NOTHING : dropBusy(mm, io, space, start, end, busy);
}

function* dropBusy(
  mm: MemoryManagement,
  io: PageIo,
  space: AddressSpace,
  start: number,
  end: number,
  first: Pfn,
): Process {
  for (let busy = first; busy !== NO_PAGE; busy = dropIdle(mm, space, start, end)) yield* io.locks.wait(busy);
}

/** Drops the pages of the range that are not in use; returns one that is in use, or NO_PAGE. */
function dropIdle(mm: MemoryManagement, space: AddressSpace, start: number, end: number): Pfn {
  const { cache, map } = mm;
  const idle: Pfn[] = [];
  let busy: Pfn = NO_PAGE;
  for (let pfn = space.firstPage; pfn !== NO_PAGE; pfn = map.nextInSpace(pfn)) {
    const index = cache.indexOf(pfn);
    if (index < start || index >= end) continue;
    if (map.has(pfn, PG.locked | PG.writeback)) busy = pfn;
    else idle.push(pfn);
  }
  dropPages(mm, idle);
  return busy;
}

/** Drops pages that are neither locked nor under writeback, dirty ones unwritten. */
export function dropPages(mm: MemoryManagement, pages: readonly Pfn[]): void {
  const { cache, map } = mm;
  for (const pfn of pages) {
    if (map.has(pfn, PG.mapped)) unmapPage(cache, pfn);
    cache.clearDirty(pfn);
  }
  mm.discard(pages);
}
