import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArgumentError, type Pfn } from '../../../src/base/index.ts';
import { MemMap, NO_PAGE, PG } from '../../../src/kernel/mm/mem-map.ts';
import { PageAllocator, watermarks } from '../../../src/kernel/mm/page-alloc.ts';
import { property } from '../../support/property.ts';

describe('watermarks', () => {
  // isqrt(16 · KiB) clamped to 128 … 65536 KiB, in pages; low = 5/4, high = 6/4, rounded down.
  it.each([
    { memory: '64 KiB: clamped below', pages: 16, min: 32, low: 40, high: 48 },
    { memory: '64 MiB', pages: 16384, min: 256, low: 320, high: 384 },
    { memory: '256 MiB', pages: 65536, min: 512, low: 640, high: 768 },
    { memory: '832 MiB', pages: 212992, min: 923, low: 1153, high: 1384 },
    { memory: '1 TiB: clamped above', pages: 2 ** 28, min: 16384, low: 20480, high: 24576 },
  ])('the watermarks of $memory are those of Linux', ({ pages, min, low, high }) => {
    expect(watermarks(pages)).toEqual({ min, low, high });
  });

  property(
    'the watermarks rise with memory and are in order',
    fc.integer({ min: 1, max: 2 ** 28 }),
    fc.nat(2 ** 28),
    (pages, more) => {
      const [a, b] = [watermarks(pages), watermarks(pages + more)];
      expect(a.min).toBeLessThan(a.low);
      expect(a.low).toBeLessThan(a.high);
      expect(a.min).toBeLessThanOrEqual(b.min);
    },
  );
});

describe('the free list', () => {
  const allocator = (nrPages: number): { map: MemMap; allocator: PageAllocator } => {
    const map = new MemMap(nrPages);
    return { map, allocator: new PageAllocator(map) };
  };

  it('the free list is empty at first, and hands out NO_PAGE', () => {
    expect(allocator(4).allocator.take()).toBe(NO_PAGE);
  });

  property(
    'the free list hands out every free page once and none that is taken',
    fc.array(fc.oneof(fc.constant('take' as const), fc.nat(15))),
    (ops) => {
      const { map, allocator: pages } = allocator(16);
      const taken = new Set<Pfn>();
      for (let pfn = 0; pfn < 16; pfn++) taken.add(pfn as Pfn);
      for (const op of ops) {
        if (op === 'take') {
          const pfn = pages.take();
          if (pfn === NO_PAGE) expect(taken.size).toBe(16);
          else {
            expect(taken.has(pfn)).toBe(false);
            expect(map.flagsOf(pfn)).toBe(0);
            taken.add(pfn);
          }
        } else if (taken.delete(op as Pfn)) pages.free(op as Pfn);
        expect(pages.freeCount).toBe(16 - taken.size);
      }
    },
  );

  it('the free list refuses a page that is free or still carries a flag', () => {
    const { map, allocator: pages } = allocator(2);
    pages.free(0 as Pfn);
    expect(() => pages.free(0 as Pfn)).toThrow(ArgumentError);
    map.set(1 as Pfn, PG.named);
    expect(() => pages.free(1 as Pfn)).toThrow(ArgumentError);
  });
});
