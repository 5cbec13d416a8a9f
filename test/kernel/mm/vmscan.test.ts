// Scenarios worked out by hand from the rules of mm/vmscan.c, 2.6.12. At priority p, shrink_zone
// looks at (list >> p) + 1 pages of each list. It carries over what is below 32, and works in
// batches of 32.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Ino, Pfn } from '../../../src/base/index.ts';
import {
  DEF_PRIORITY,
  MemoryManagement,
  NO_NAMES,
  NO_PAGE,
  PG,
  type UnclaimedPages,
} from '../../../src/kernel/index.ts';
import { property } from '../../support/property.ts';
import { activePages, checkMemory, inactivePages } from './memory-state.ts';

const range = (from: number, end: number): number[] => Array.from({ length: end - from }, (_, i) => from + i);

/** Memory with pages 0 … count - 1 on the inactive list, 0 oldest, up to date. */
function withPages(count: number, nrPages = 200, unclaimed?: UnclaimedPages): MemoryManagement {
  const mm = new MemoryManagement(nrPages, NO_NAMES, unclaimed);
  mm.freeAll();
  const space = mm.cache.open(1 as Ino);
  for (let index = 0; index < count; index++) {
    const pfn = mm.allocator.take();
    expect(pfn).toBe(index);
    mm.cache.add(space, index, pfn);
    mm.cache.setUptodate(pfn);
  }
  mm.lru.drain();
  return mm;
}

function activate(mm: MemoryManagement, pages: number[]): void {
  for (const pfn of [...pages, ...pages]) mm.lru.markAccessed(pfn as Pfn);
}

describe('shrink_zone', () => {
  it('shrink_zone at priority 0 frees from the old end and stops at its target', () => {
    const mm = withPages(64);
    expect(mm.reclaim.shrinkZone(0, 32)).toBe(32);
    expect(inactivePages(mm.map)).toEqual(range(32, 64));
    expect(mm.reclaim).toMatchObject({ scanned: 32, reclaimed: 32 });
  });

  it('shrink_zone goes on in batches of 32 until the target is reached', () => {
    const mm = withPages(100);
    // 101 pages to be looked at: 32 + 32 make 64 >= 33.
    expect(mm.reclaim.shrinkZone(0, 33)).toBe(64);
    expect(inactivePages(mm.map)).toEqual(range(64, 100));
  });

  it('shrink_zone at priority 12 looks at one page a call, and carries them over until they are 32', () => {
    const mm = withPages(64);
    expect(range(0, 31).map(() => mm.reclaim.shrinkZone(DEF_PRIORITY, 32))).toEqual(range(0, 31).map(() => 0));
    expect(mm.reclaim.scanned).toBe(0);
    expect(mm.reclaim.shrinkZone(DEF_PRIORITY, 32)).toBe(32);
  });

  it('shrink_zone frees a clean page that no process maps even if it was referenced', () => {
    const mm = withPages(40);
    for (let pfn = 0; pfn < 8; pfn++) mm.lru.markAccessed(pfn as Pfn);
    expect(mm.reclaim.shrinkZone(0, 32)).toBe(32);
    expect(inactivePages(mm.map)).toEqual(range(32, 40));
  });

  it('shrink_zone puts locked pages and pages under writeback back to the young end', () => {
    const mm = withPages(40);
    for (let pfn = 0; pfn < 8; pfn++) mm.map.set(pfn as Pfn, pfn % 2 === 0 ? PG.locked : PG.writeback);
    // 41 to be looked at. The first 32: 8 stay, 24 go. The next 9: pages 32 to 39 go, and page 0
    // stays once more.
    expect(mm.reclaim.shrinkZone(0, 40)).toBe(32);
    expect(inactivePages(mm.map)).toEqual([...range(1, 8), 0]);
    expect(mm.reclaim).toMatchObject({ scanned: 41, reclaimed: 32 });
  });

  it('shrink_zone moves the old end of the active list over, keeping order and referenced bits, whatever those are', () => {
    const mm = withPages(40);
    activate(mm, range(0, 40));
    for (let pfn = 0; pfn < 40; pfn += 2) mm.lru.markAccessed(pfn as Pfn);
    // 41 of the active list are due; of the inactive one 0 + 1, too few.
    expect(mm.reclaim.shrinkZone(0, 32)).toBe(0);
    expect(activePages(mm.map)).toEqual([]);
    expect(inactivePages(mm.map)).toEqual(range(0, 40));
    expect(range(0, 40).map((pfn) => mm.map.has(pfn as Pfn, PG.referenced))).toEqual(
      range(0, 40).map((n) => n % 2 === 0),
    );
  });

  it('shrink_zone alternates between the lists: 32 deactivated, 32 looked at', () => {
    const mm = withPages(80, 300);
    activate(mm, range(0, 40));
    // Active: 0 … 39, inactive: 40 … 79. 41 are due of each. First 32 active pages become the
    // youngest inactive ones, then the 32 oldest inactive ones go: 40 … 71.
    expect(mm.reclaim.shrinkZone(0, 32)).toBe(32);
    expect(activePages(mm.map)).toEqual(range(32, 40));
    expect(inactivePages(mm.map)).toEqual([...range(72, 80), ...range(0, 32)]);
  });

  it('shrink_zone gives back an unclaimed page that comes to the old end, without a look at it', () => {
    const released: number[] = [];
    const unclaimed: UnclaimedPages = {
      release: (pfn) => {
        released.push(pfn);
        mm.map.clear(pfn, mm.map.flagsOf(pfn));
      },
    };
    const mm: MemoryManagement = withPages(64, 200, unclaimed);
    const set = [64, 65, 66] as Pfn[];
    for (const pfn of set) expect(mm.allocator.take()).toBe(pfn);
    // 64 among the oldest, 65 and 66 the youngest; no process has locked 65, whatever its bits.
    for (const pfn of set) mm.map.set(pfn, PG.preserved | (pfn === 65 ? PG.referenced : 0));
    for (const pfn of set) mm.lru.putBack(pfn);
    mm.lru.rotate(64 as Pfn);
    checkMemory(mm);
    const free = mm.allocator.freeCount;
    expect(mm.reclaim.shrinkZone(0, 32)).toBe(32);
    expect([released, mm.reclaim.reclaimed, mm.allocator.freeCount - free]).toEqual([[64], 31, 32]);
    checkMemory(mm);
    expect(mm.reclaim.shrinkZone(0, 64)).toBe(35);
    expect([released, mm.reclaim.reclaimed]).toEqual([[64, 65, 66], 64]);
    checkMemory(mm);
  });
});

describe('try_to_free_pages', () => {
  it('try_to_free_pages raises the priority until 32 pages are due, and is content with them', () => {
    const mm = withPages(100);
    // 100 pages. Due at priorities 12 … 7: 1 each; 6: 2; 5: 4; 4: 7; 3: 13. Together 32, at
    // priority 3.
    expect(mm.reclaim.tryToFreePages()).toBe(32);
    expect(mm.reclaim.scanned).toBe(32);
    expect(inactivePages(mm.map)).toEqual(range(32, 100));
  });

  it('try_to_free_pages frees nothing when everything is locked, and ends', () => {
    const mm = withPages(100);
    for (let pfn = 0; pfn < 100; pfn++) mm.map.set(pfn as Pfn, PG.locked);
    expect(mm.reclaim.tryToFreePages()).toBe(0);
    expect(mm.cache.nrPages).toBe(100);
    checkMemory(mm);
  });

  const flags = fc.constantFrom(0, PG.locked, PG.writeback, PG.referenced);

  property(
    'try_to_free_pages never frees a locked page, counts what it frees, ends, and frees all that may go when asked for everything',
    fc.array(fc.tuple(flags, fc.nat(3)), { minLength: 1, maxLength: 150 }),
    fc.array(fc.nat(80), { maxLength: 5 }),
    (pages, targets) => {
      const mm = withPages(pages.length);
      const space = mm.cache.spaceOf(0 as Pfn);
      pages.forEach(([flag, accesses], pfn) => {
        mm.map.set(pfn as Pfn, flag);
        for (let i = 0; i < accesses; i++) mm.lru.markAccessed(pfn as Pfn);
      });
      for (const target of targets) {
        const before = mm.allocator.freeCount;
        expect(mm.reclaim.tryToFreePages(target)).toBe(mm.allocator.freeCount - before);
        checkMemory(mm);
      }
      const stays = ([flag]: [number, number]): boolean => flag === PG.locked || flag === PG.writeback;
      // Fewer than 32 pages are due only after several calls; 32 calls at any priority make them
      // so.
      for (let i = 0; i < 64; i++) mm.reclaim.tryToFreePages(1000);
      pages.forEach((page, index) => expect(mm.cache.find(space, index) !== NO_PAGE).toBe(stays(page)));
      expect(mm.cache.nrPages).toBe(pages.filter(stays).length);
    },
  );
});

describe('refill_inactive_zone', () => {
  // Half the per cent of memory that is mapped, 60, and 100 halved for each step of priority: at
  // 100 mapped pages go, too.
  it.each([
    [1, 0],
    [2, 30],
    [3, 56],
    [4, 68],
    [5, 74],
    [6, 78],
    [7, 80],
  ])(
    'refill_inactive_zone at priority %i deactivates mapped pages when %i per cent of memory are mapped, not at less',
    (priority, least) => {
      const deactivated = (nrMapped: number): number => {
        const mm = withPages(400, 1000);
        activate(mm, range(0, 400));
        for (let pfn = 0; pfn < 400; pfn++) mm.map.set(pfn as Pfn, PG.mapped);
        Object.defineProperty(mm.cache, 'nrMapped', { value: nrMapped });
        // 32 pages are due after so many calls.
        for (let i = 0; i < Math.ceil(32 / ((400 >> priority) + 1)); i++) mm.reclaim.shrinkZone(priority, 0);
        return 400 - mm.lru.nrActive;
      };
      expect(deactivated(10 * least)).toBeGreaterThanOrEqual(32);
      if (least > 0) expect(deactivated(10 * least - 1)).toBe(0);
    },
  );
});

describe('shrink_slab', () => {
  /** Of so many objects, all of which are looked at and none freed. */
  const shrinker = (nrObjects: number): { nrObjects: number; asked: number[]; scan: (count: number) => void } => {
    const asked: number[] = [];
    return { nrObjects, asked, scan: (count) => asked.push(count) };
  };

  it('shrink_slab looks at 2 · scanned · objects / (pages + 1), 128 at a time, and carries the rest over', () => {
    const mm = withPages(99);
    const many = shrinker(1099);
    mm.reclaim.addShrinker(many);
    // Priority 0: 100 pages due, all 99 are looked at and freed, except what the target keeps: 32
    // of them, 67 are left.
    expect(mm.reclaim.shrink(0, 32)).toBe(32);
    // 64 · 1000 / 68 = 941: seven batches, 45 are left over.
    expect(many.asked).toEqual(Array(7).fill(128));
    // Nothing is due at priority 12: then as if 32 pages had been. 64 · 1000 / 68 = 941 once more;
    // with 45, 986.
    mm.reclaim.shrink(DEF_PRIORITY, 32);
    expect(many.asked).toHaveLength(14);
    mm.reclaim.shrink(DEF_PRIORITY, 32);
    // 90 + 941 = 1031: eight.
    expect(many.asked).toHaveLength(22);
  });

  it('shrink_slab counts the pages that a cache gives back, besides those of the lists', () => {
    const mm = withPages(99);
    const held = range(0, 7).map(() => mm.allocator.take());
    const scan = (): void => {
      const pfn = held.pop();
      if (pfn !== undefined) mm.allocator.free(pfn);
    };
    mm.reclaim.addShrinker({ nrObjects: 1000, scan });
    expect(mm.reclaim.shrink(0, 32)).toBe(32 + 7);
    expect(held).toEqual([]);
  });

  // At priority 12 no page of so few is looked at, and then it is as if 32 had been: 64 · objects /
  // (pages + 1).
  it.each([
    // 64 · 100 / 50 = 128 at each call; hundreds are counted.
    [49, 99, [0, 0, 0]],
    [49, 100, [1, 1, 1]],
    [49, 199, [1, 1, 1]],
    [49, 200, [2, 2, 2]],
    // 64 · 300 / 151 = 127.
    [150, 300, [0, 1, 1]],
    // 64 · 100 / 51 = 125.
    [50, 100, [0, 1, 1]],
  ])(
    'shrink_slab with %i pages and %i objects comes to batches of 128 when that many are due: %j',
    (pages, objects, batches) => {
      const mm = withPages(pages);
      const some = shrinker(objects);
      mm.reclaim.addShrinker(some);
      const asked = batches.map(() => {
        some.asked.length = 0;
        expect(mm.reclaim.shrink(DEF_PRIORITY, 32)).toBe(0);
        expect(some.asked.every((count) => count === 128)).toBe(true);
        return some.asked.length;
      });
      expect(asked).toEqual(batches);
    },
  );

  it('shrink_slab leaves a cache of less than a hundred objects alone, but not when everything is dropped', () => {
    const mm = withPages(40);
    const few = shrinker(99);
    mm.reclaim.addShrinker(few);
    for (let i = 0; i < 20; i++) mm.reclaim.tryToFreePages(1000);
    expect(few.asked).toEqual([]);
    mm.reclaim.dropSlab();
    expect(few.asked).toEqual([198]);
  });
});

describe('allocate', () => {
  it('allocate reclaims at the min watermark, 32 pages at a time, the oldest first', () => {
    const mm = new MemoryManagement(200);
    mm.freeAll();
    const space = mm.cache.open(1 as Ino);
    const add = (index: number): void => {
      const pfn = mm.allocate();
      mm.cache.add(space, index, pfn);
      mm.cache.setUptodate(pfn);
    };
    // min is 32: 168 pages are handed out before an allocation finds no more than 32 free.
    for (let index = 0; index < 168; index++) add(index);
    expect([mm.allocator.freeCount, mm.reclaim.reclaimed]).toEqual([32, 0]);
    add(168);
    expect([mm.allocator.freeCount, mm.reclaim.reclaimed]).toEqual([63, 32]);
    expect(range(0, 169).filter((index) => mm.cache.find(space, index) === NO_PAGE)).toEqual(range(0, 32));
  });

  it('allocate hands out the last page, then NO_PAGE, when nothing can be reclaimed', () => {
    const mm = new MemoryManagement(40);
    mm.freeAll();
    expect(range(0, 41).map(() => mm.allocate())).toEqual([...range(0, 40), NO_PAGE]);
  });
});
