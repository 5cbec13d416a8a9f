import { describe, expect, it } from 'vitest';
import { ArgumentError, type Pfn } from '../../../../src/base/index.ts';
import { MemMap, PG } from '../../../../src/kernel/mm/mem-map.ts';
import { PAGEVEC_SIZE } from '../../../../src/kernel/mm/policy/policy.ts';
import { TwoListLru } from '../../../../src/kernel/mm/policy/two-list.ts';
import { activePages, allFlags, inactivePages } from '../memory-state.ts';

const page = (n: number): Pfn => n as Pfn;

function lists(nrPages: number): { map: MemMap; lru: TwoListLru } {
  const map = new MemMap(nrPages);
  return { map, lru: new TwoListLru(map) };
}

/** Lists with pages 0 … count - 1 on the inactive list, 0 oldest. */
function withPages(count: number): { map: MemMap; lru: TwoListLru } {
  const made = lists(count);
  for (let pfn = 0; pfn < count; pfn++) made.lru.add(page(pfn));
  made.lru.drain();
  return made;
}

describe('the pagevec', () => {
  it('holds 13 pages off the lists; the 14th drains it to the young end of the inactive list', () => {
    const { map, lru } = lists(32);
    for (let pfn = 0; pfn < PAGEVEC_SIZE - 1; pfn++) lru.add(page(pfn));
    expect([lru.nrInactive, inactivePages(map)]).toEqual([0, []]);
    lru.add(page(13));
    expect(lru.nrInactive).toBe(14);
    expect(inactivePages(map)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
    lru.add(page(14));
    lru.drain();
    expect(inactivePages(map).at(-1)).toBe(14);
  });

  it('forgets a page that is removed', () => {
    const { map, lru } = lists(4);
    for (const pfn of [0, 1, 2]) lru.add(page(pfn));
    lru.remove(page(1));
    lru.drain();
    expect(inactivePages(map)).toEqual([0, 2]);
    expect(map.flagsOf(page(1))).toBe(0);
  });
});

describe('mark_page_accessed', () => {
  const REFERENCED = PG.lru | PG.referenced;

  it.each([
    { from: 'inactive, unreferenced', flags: PG.lru, to: REFERENCED },
    { from: 'inactive, referenced', flags: REFERENCED, to: PG.lru | PG.active },
    { from: 'active, unreferenced', flags: PG.lru | PG.active, to: PG.lru | PG.active | PG.referenced },
    { from: 'active, referenced', flags: REFERENCED | PG.active, to: REFERENCED | PG.active },
  ])('$from', ({ flags, to }) => {
    const { map, lru } = lists(1);
    map.set(page(0), flags & ~PG.lru);
    lru.putBack(page(0));
    lru.markAccessed(page(0));
    expect(map.flagsOf(page(0))).toBe(to);
    expect([inactivePages(map).length, activePages(map).length]).toEqual([lru.nrInactive, lru.nrActive]);
    expect(lru.nrActive).toBe(to & PG.active ? 1 : 0);
  });

  it('a page still in the pagevec is referenced, and activated only once it is on the list', () => {
    const { map, lru } = lists(1);
    lru.add(page(0));
    lru.markAccessed(page(0));
    lru.markAccessed(page(0));
    expect(map.flagsOf(page(0))).toBe(PG.referenced);
    lru.drain();
    expect([lru.nrActive, lru.nrInactive]).toEqual([0, 1]);
    lru.markAccessed(page(0));
    expect([lru.nrActive, lru.nrInactive]).toEqual([1, 0]);
  });

  it('does not move a page that is only referenced, and moves an activated one to the young end', () => {
    const { map, lru } = withPages(4);
    lru.markAccessed(page(0));
    expect(inactivePages(map)).toEqual([0, 1, 2, 3]);
    for (const pfn of [2, 2, 0]) lru.markAccessed(page(pfn));
    expect(inactivePages(map)).toEqual([1, 3]);
    expect(activePages(map)).toEqual([2, 0]);
    lru.markAccessed(page(2));
    expect(activePages(map)).toEqual([2, 0]);
  });
});

describe('remove and putBack', () => {
  it('keep the active bit', () => {
    const { map, lru } = withPages(2);
    for (const pfn of [0, 0]) lru.markAccessed(page(pfn));
    lru.remove(page(0));
    lru.remove(page(1));
    expect([lru.nrActive, lru.nrInactive]).toEqual([0, 0]);
    expect(allFlags(map)).toEqual([PG.active, 0]);
    lru.putBack(page(0));
    lru.putBack(page(1));
    expect([activePages(map), inactivePages(map)]).toEqual([[0], [1]]);
  });
});

describe('mem_map', () => {
  it('has at least one page', () => {
    expect(() => new MemMap(0)).toThrow(ArgumentError);
  });

  it('keeps its heads out of the pages', () => {
    const map = new MemMap(3);
    const lru = new TwoListLru(map);
    expect([map.freeHead, lru.activeHead, lru.inactiveHead].every((head) => head >= map.nrPages)).toBe(true);
    expect(map.last(lru.activeHead)).toBe(lru.activeHead);
  });
});
