// Looking at the kernel's memory from outside: the lists as arrays, and everything that must hold
// between them.
import { expect } from 'vitest';
import type { Pfn } from '../../../src/base/index.ts';
import { NO_PAGE, PAGEVEC_SIZE, PG, type MemMap, type MemoryManagement } from '../../../src/kernel/index.ts';

const next = (map: MemMap, pfn: Pfn): Pfn => map.links[4 * pfn]! as Pfn;
const prev = (map: MemMap, pfn: Pfn): Pfn => map.links[4 * pfn + 1]! as Pfn;

function pagesOf(map: MemMap, head: Pfn): number[] {
  const pages: number[] = [];
  for (let pfn = map.last(head); pfn !== head; pfn = prev(map, pfn)) {
    if (next(map, prev(map, pfn)) !== pfn) throw new Error(`page ${pfn} is not the next one of the page before it`);
    pages.push(pfn);
    if (pages.length > map.nrPages) throw new Error('a list does not end');
  }
  return pages;
}

/** Pages of the inactive list, oldest first. */
export const inactivePages = (map: MemMap): number[] => pagesOf(map, map.head(1));
/** Pages of the active list, oldest first. */
export const activePages = (map: MemMap): number[] => pagesOf(map, map.head(0));
/** Pages of the free list, which is linked one way, first to go first. */
export function freePages(map: MemMap): number[] {
  const pages: number[] = [];
  for (let pfn = next(map, map.freeHead); pfn !== map.freeHead; pfn = next(map, pfn)) {
    pages.push(pfn);
    if (pages.length > map.nrPages) throw new Error('the free list does not end');
  }
  return pages;
}

/** Flags of every page, by number. */
export const allFlags = (map: MemMap): number[] =>
  Array.from({ length: map.nrPages }, (_, pfn) => map.flagsOf(pfn as Pfn));

/**
 * Checks that every page is at one place, and that flags, lists and counts agree. The cache's list
 * of each space must agree with its index.
 * @param outside pages that are neither free nor in the cache nor unclaimed
 */
export function checkMemory(mm: MemoryManagement, outside = 0): void {
  const { map, lru, allocator, cache } = mm;
  const [free, active, inactive] = [freePages(map), activePages(map), inactivePages(map)];
  expect(free.length, 'page allocator 2').toBe(allocator.freeCount);
  expect([active.length, inactive.length], 'two-list 1').toEqual([lru.nrActive, lru.nrInactive]);
  expect(new Set([...free, ...active, ...inactive]).size).toBe(free.length + active.length + inactive.length);
  const cached = [...active, ...inactive].filter((pfn) => !map.has(pfn as Pfn, PG.preserved));
  const unclaimed = active.length + inactive.length - cached.length;
  expect(cache.nrPages + free.length + unclaimed + outside).toBe(map.nrPages);
  const waiting = cache.nrPages - cached.length;
  expect(waiting).toBeGreaterThanOrEqual(0);
  expect(waiting).toBeLessThan(PAGEVEC_SIZE);

  // One assertion a list: one a page would take longer than what is tested.
  const place = (pfn: number): number => map.flagsOf(pfn as Pfn) & (PG.lru | PG.active);
  const not = (flags: number) => (pfn: number) => place(pfn) !== flags;
  expect(
    free.filter((pfn) => map.flagsOf(pfn as Pfn) !== PG.free),
    'page allocator 1',
  ).toEqual([]);
  expect(active.filter(not(PG.lru | PG.active)), 'two-list 2').toEqual([]);
  expect(inactive.filter(not(PG.lru)), 'two-list 2').toEqual([]);
  const spaces = new Set(cached.map((pfn) => cache.spaceOf(pfn as Pfn)));
  for (const space of spaces) {
    let count = 0;
    for (let pfn = space.firstPage; pfn !== NO_PAGE; pfn = map.nextInSpace(pfn)) {
      count++;
      if (cache.spaceOf(pfn) !== space || cache.find(space, map.indexOf(pfn)) !== pfn)
        expect.fail(`page cache 3: page ${pfn}`);
    }
    expect(count, 'page cache 4').toBe(space.nrPages);
  }
}
