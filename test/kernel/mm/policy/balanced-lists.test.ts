// The policy linux-6 against a plain model of it, access by access; and what it does that 2.6.12
// does not.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EmbeddedPageCache, type Pfn } from '../../../../src/doors/page-cache/index.ts';
import { property } from '../../../support/property.ts';
import { activePages, inactivePages } from '../memory-state.ts';
import { MemMap } from '../../../../src/kernel/mm/mem-map.ts';
import { BalancedLists } from '../../../../src/kernel/mm/policy/balanced-lists.ts';
import { BalancedReference } from './references/balanced.ts';

const FILES = 3;
const PAGES = 40;
const steps = fc.array(
  fc.oneof(
    { weight: 30, arbitrary: fc.record({ file: fc.nat(FILES - 1), index: fc.nat(PAGES - 1) }) },
    { weight: 10, arbitrary: fc.record({ file: fc.constant(0), index: fc.nat(7) }) },
    { weight: 1, arbitrary: fc.record({ file: fc.nat(FILES - 1), cut: fc.nat(PAGES - 1) }) },
    { weight: 1, arbitrary: fc.record({ close: fc.nat(FILES - 1) }) },
  ),
  { minLength: 1, maxLength: 400 },
);

property(
  'the lists of linux-6 hold what a plain model of them holds, in its order, after each access',
  fc.integer({ min: 1, max: 40 }),
  fc.constantFrom(1, 3, 32),
  steps,
  (capacity, batch, all) => {
    const cache = new EmbeddedPageCache({ capacity, batch, policy: 'linux-6' });
    const model = new BalancedReference(capacity, batch);
    // A file that is closed is followed by another one of its number.
    const generations = new Array<number>(FILES).fill(0);
    const open = (file: number) => cache.open(file, generations[file]);
    const nameOf = (file: number, index: number): string => `${file}.${generations[file]}.${index}`;
    const namesFrom = (file: number, cut: number): string[] =>
      Array.from({ length: PAGES - cut }, (_, n) => nameOf(file, cut + n));
    for (const step of all) {
      if ('close' in step) {
        const names = namesFrom(step.close, 0);
        cache.close(open(step.close));
        for (const name of names) model.drop(name);
        model.forget(names);
        generations[step.close]!++;
      } else if ('cut' in step) {
        cache.truncate(open(step.file), step.cut);
        for (const name of namesFrom(step.file, step.cut)) model.drop(name);
      } else {
        const isHit = cache.get(open(step.file), step.index) >= 0;
        if (!isHit) {
          const page = cache.begin(open(step.file), step.index);
          cache.end(page);
          cache.access(page);
        }
        expect(isHit).toBe(model.access(nameOf(step.file, step.index)));
      }
      const { map } = cache.memory;
      const names = (pages: number[]): string[] =>
        pages.map((page) => nameOf(cache.fileOf(page as Pfn).ino, map.indexOf(page as Pfn)));
      expect([names(inactivePages(map)), names(activePages(map))]).toEqual([model.inactive, model.active]);
    }
  },
);

/** A cache of one file, to be read page by page. */
function reader(capacity: number, policy: 'linux-6' | 'linux-2.6.12') {
  const cache = new EmbeddedPageCache({ capacity, batch: 32, policy });
  const file = cache.open(1);
  const read = (index: number): boolean => {
    const isHit = cache.get(file, index) >= 0;
    if (!isHit) {
      const page = cache.begin(file, index);
      cache.end(page);
      cache.access(page);
    }
    return isHit;
  };
  const scan = (from: number, to: number): number => {
    let hits = 0;
    for (let index = from; index < to; index++) if (read(index)) hits++;
    return hits;
  };
  return { cache, scan };
}

describe('the lists of linux-6', () => {
  it('pages that are used twice survive a scan of three times the memory, which in 2.6.12 drops them', () => {
    const survivors = (['linux-6', 'linux-2.6.12'] as const).map((policy) => {
      const { scan } = reader(1000, policy);
      scan(0, 300);
      scan(0, 300);
      scan(1000, 4000);
      return scan(0, 300);
    });
    expect(survivors).toEqual([300, 0]);
  });

  it('a page that returns soon is active at once, and one that was away for longer than the active list is not', () => {
    const { cache, scan } = reader(1000, 'linux-6');
    scan(0, 400);
    scan(0, 400);
    scan(1000, 1700);
    // 400 active pages: the pages that left last are 100 evictions away, the first ones 600.
    scan(1700, 2200);
    const { lru } = cache.memory;
    const before = lru.nrActive;
    scan(1600, 1601);
    lru.drain();
    expect([before, lru.nrActive]).toEqual([400, 401]);
    scan(1000, 1001);
    lru.drain();
    expect(lru.nrActive).toBe(401);
  });

  it('pages are deactivated while the inactive list is long, when a page was activated by its return', () => {
    const { cache, scan } = reader(1000, 'linux-6');
    scan(0, 400);
    scan(0, 400);
    scan(1000, 2200);
    const { lru } = cache.memory;
    scan(3000, 3100);
    expect(lru.nrActive).toBe(400);
    const gone = Array.from({ length: 1200 }, (_, n) => 2199 - n).find((at) => cache.find(cache.open(1), at) < 0)!;
    scan(gone, gone + 1);
    lru.drain();
    expect(lru.nrActive).toBe(401);
    scan(3200, 3232);
    expect(lru.nrActive).toBeLessThan(401);
  });

  it('the active list may be √(10 · GiB) times as long as the inactive one, from 1 GiB on', () => {
    const gib = 2 ** 18;
    const { cache, scan } = reader(gib + 64, 'linux-6');
    scan(0, gib + 64);
    scan(0, (5 * gib) / 8);
    const { lru } = cache.memory;
    lru.drain();
    expect([lru.nrActive, lru.nrInactive]).toEqual([(5 * gib) / 8, (3 * gib) / 8 + 64]);
    // Less than three times as long, of √10 rounded down: nothing is deactivated.
    scan(2 * gib, 2 * gib + 1000);
    expect(lru.nrActive).toBe((5 * gib) / 8);
  });
});

it('lists with late statistics deactivate until the next ones, however short the active list is by then', () => {
  const map = new MemMap(64);
  const lists = new BalancedLists(map, 4, true);
  for (let pfn = 0; pfn < 40; pfn++) {
    map.words[(pfn << 2) | 1] = 0;
    map.words[(pfn << 2) | 2] = pfn;
    lists.restore(pfn as Pfn, pfn < 24, false);
  }
  const pass = (): number => {
    lists.beginPass(0);
    const before = lists.nrActive;
    lists.nextBatch(new Int32Array(32));
    return before - lists.nrActive;
  };
  expect(pass()).toBe(0);
  lists.gatherStatistics();
  expect([pass(), pass(), pass(), pass()]).toEqual([4, 4, 4, 4]);
  expect([lists.nrActive, lists.nrInactive]).toEqual([8, 12]);
  expect(pass()).toBe(4);
  lists.gatherStatistics();
  expect(pass()).toBe(0);
});
