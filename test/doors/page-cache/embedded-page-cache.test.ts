// The door of the page cache as an embedder uses it. Tested are its capacity, pages that are dirty,
// mapped or in transfer, and mistakes. So are files that are cut, or closed, and whose number comes
// again.
import { describe, expect, it } from 'vitest';
import {
  type AddressSpace,
  ArgumentError,
  EmbeddedPageCache,
  type EmbeddedPageCacheOptions,
  NO_PAGE,
  type PageMappings,
  type NameTable,
  type Pfn,
} from '../../../src/doors/page-cache/index.ts';
import { checkMemory } from '../../kernel/mm/memory-state.ts';

/** Names as a mirror of the cache would keep them. */
class Mirror implements NameTable {
  readonly names = new Map<number, string>();

  insert(page: number, file: number, generation: number, index: number): void {
    expect(this.names.has(page)).toBe(false);
    this.names.set(page, `${file}.${generation}/${index}`);
  }

  erase(page: number): void {
    expect(this.names.delete(page)).toBe(true);
  }

  flush(): void {}
}

function make(options: EmbeddedPageCacheOptions): { cache: EmbeddedPageCache; file: AddressSpace } {
  const cache = new EmbeddedPageCache(options);
  return { cache, file: cache.open(1) };
}

/** Reads a page at once. */
function read(cache: EmbeddedPageCache, file: AddressSpace, index: number): Pfn {
  const page = cache.begin(file, index);
  expect(page).not.toBe(NO_PAGE);
  cache.end(page);
  return page;
}

const fill = (cache: EmbeddedPageCache, file: AddressSpace, count: number, from = 0): Pfn[] =>
  Array.from({ length: count }, (_, n) => read(cache, file, from + n));

/** Pages inserted are those that are there and those that were dropped, and the memory is whole. */
function check(cache: EmbeddedPageCache): void {
  const { inserted, dropped } = cache.counts();
  expect(cache.nrPages + Object.values(dropped).reduce((sum, count) => sum + count, 0)).toBe(inserted);
  checkMemory(cache.memory);
}

/** Page tables with a bit for each page that was touched, and one for each that was stored to. */
class Tables {
  readonly young = new Set<Pfn>();
  readonly stored = new Set<Pfn>();
  readonly unmapped: Pfn[] = [];
  cache!: EmbeddedPageCache;

  testAndClearYoung(page: Pfn): boolean {
    return this.young.delete(page);
  }

  unmap(page: Pfn): void {
    this.unmapped.push(page);
    if (this.stored.delete(page)) this.cache.setDirty(page);
  }
}

/** A cache whose pages can be mapped, and whose dirty pages are written at once. */
function mapped(capacity: number): { cache: EmbeddedPageCache; file: AddressSpace; tables: Tables } {
  const tables = new Tables();
  const pageOut = (page: Pfn): void => {
    cache.beginWrite(page);
    cache.endWrite(page);
  };
  const { cache, file } = make({ capacity, mappings: tables, pageOut });
  tables.cache = cache;
  return { cache, file, tables };
}

describe('the capacity of an embedded page cache', () => {
  const CAPACITIES = [1, 2, 3, 31, 32, 33, 1000, 4096];

  it.each(CAPACITIES)('a cache of %i pages holds exactly as many when it is full, and never more', (capacity) => {
    const { cache, file } = make({ capacity });
    for (let index = 0; index < capacity; index++) {
      read(cache, file, index);
      expect(cache.nrPages).toBe(index + 1);
    }
    expect(cache.counts().dropped.reclaimed).toBe(0);
    for (let index = capacity; index < 2 * capacity + 100; index++) {
      read(cache, file, index);
      if (cache.nrPages !== capacity) expect.fail(`${cache.nrPages} pages after page ${index}`);
    }
    expect(cache.counts().dropped.reclaimed).toBe(capacity + 100);
    check(cache);
  });

  it.each(CAPACITIES)('a cache of %i pages with batches of 32 is full at its capacity, and never above', (capacity) => {
    const { cache, file } = make({ capacity, batch: 32 });
    fill(cache, file, capacity);
    expect(cache.nrPages).toBe(capacity);
    let [least, most] = [capacity, 0];
    for (let index = capacity; index < 2 * capacity + 100; index++) {
      read(cache, file, index);
      least = Math.min(least, cache.nrPages);
      most = Math.max(most, cache.nrPages);
    }
    expect(most).toBe(capacity);
    expect(least).toBe(Math.max(1, capacity - 31));
    check(cache);
  });

  it('the page that leaves is the one used longest ago, and one that was used twice stays', () => {
    const { cache, file } = make({ capacity: 40 });
    fill(cache, file, 40);
    const isThere = (index: number): boolean => cache.find(file, index) !== NO_PAGE;
    cache.get(file, 2);
    read(cache, file, 100);
    expect([0, 1, 2].map(isThere)).toEqual([false, true, true]);
    // One access makes a page referenced, the second one active.
    for (const index of [1, 1]) cache.get(file, index);
    read(cache, file, 101);
    expect([1, 2, 3].map(isThere)).toEqual([true, false, true]);
  });

  it('a cache grows up to its maximum while it is in use', () => {
    const { cache, file } = make({ capacity: 10, maxCapacity: 25 });
    fill(cache, file, 30);
    expect([cache.capacity, cache.maxCapacity, cache.nrPages]).toEqual([10, 25, 10]);
    expect(cache.resize(25)).toBe(0);
    fill(cache, file, 15, 100);
    expect([cache.nrPages, cache.counts().dropped.reclaimed]).toEqual([25, 20]);
    read(cache, file, 200);
    expect([cache.nrPages, cache.counts().dropped.reclaimed]).toEqual([25, 21]);
    check(cache);
  });

  it('a cache that is made smaller gives pages up at once, and counts them apart', () => {
    const { cache, file } = make({ capacity: 4096 });
    fill(cache, file, 4096);
    for (const index of [7, 7, 9, 9]) cache.get(file, index);
    expect(cache.resize(100)).toBe(0);
    expect(cache.nrPages).toBe(100);
    expect(cache.counts().dropped).toMatchObject({ shrunk: 3996, reclaimed: 0 });
    expect(cache.resize(1)).toBe(0);
    expect(cache.nrPages).toBe(1);
    check(cache);
  });

  it('one call makes a cache small where some pages are idle, and the others need more than one look', () => {
    const { cache, file, tables } = mapped(40);
    for (const page of fill(cache, file, 40).slice(20)) {
      cache.map(page);
      tables.young.add(page);
      tables.stored.add(page);
    }
    expect([cache.resize(1), cache.nrPages]).toEqual([0, 1]);
    check(cache);
  });

  it('pages in transfer outlive a smaller capacity, and nothing comes in before they have gone', () => {
    const { cache, file } = make({ capacity: 8 });
    const reading = Array.from({ length: 6 }, (_, index) => cache.begin(file, index));
    fill(cache, file, 2, 10);
    expect(cache.resize(2)).toBe(4);
    expect([cache.nrPages, cache.begin(file, 20)]).toEqual([6, NO_PAGE]);
    for (const page of reading) cache.end(page);
    expect(cache.begin(file, 20)).not.toBe(NO_PAGE);
    expect(cache.nrPages).toBe(2);
    expect(cache.counts().dropped).toMatchObject({ shrunk: 2, reclaimed: 5 });
    check(cache);
  });
});

describe('reading through an embedded page cache', () => {
  it('a hit and a miss are counted, and a page that is being read is a hit that has to wait', () => {
    const { cache, file } = make({ capacity: 4 });
    expect(cache.get(file, 3)).toBe(NO_PAGE);
    const page = cache.begin(file, 3);
    expect([cache.get(file, 3), cache.isUptodate(page)]).toEqual([page, false]);
    cache.end(page);
    expect([cache.get(file, 3), cache.isUptodate(page)]).toEqual([page, true]);
    expect(cache.find(file, 4)).toBe(NO_PAGE);
    expect(cache.counts()).toMatchObject({ hits: 2, misses: 1, inserted: 1 });
    expect([cache.fileOf(page), cache.indexOf(page)]).toEqual([file, 3]);
  });

  it('a page whose read has failed leaves, and was never named', () => {
    const names = new Mirror();
    const { cache, file } = make({ capacity: 4, names });
    cache.end(cache.begin(file, 0), false);
    expect([cache.find(file, 0), cache.nrPages, names.names.size]).toEqual([NO_PAGE, 0, 0]);
    expect(cache.counts().dropped.failed).toBe(1);
    check(cache);
  });

  it('no page is to be had while all are being read', () => {
    const { cache, file } = make({ capacity: 2 });
    const [first, second] = [cache.begin(file, 0), cache.begin(file, 1)];
    expect(cache.begin(file, 2)).toBe(NO_PAGE);
    cache.end(second);
    expect(cache.begin(file, 2)).toBe(second);
    cache.end(first);
    check(cache);
  });
});

describe('dirty pages of an embedded page cache', () => {
  it('a dirty page stays until it was written, when nobody writes it for reclaim', () => {
    const { cache, file } = make({ capacity: 2 });
    const [first, second] = fill(cache, file, 2);
    expect([cache.setDirty(first!), cache.setDirty(first!), cache.setDirty(second!)]).toEqual([true, false, true]);
    expect([cache.begin(file, 2), cache.nrDirty]).toEqual([NO_PAGE, 2]);
    expect(cache.dirtyPages(file)).toEqual([first, second]);
    expect(cache.dirtyPages(file, 1)).toEqual([second]);
    cache.beginWrite(first!);
    expect([cache.isDirty(first!), cache.isWriting(first!), cache.nrWriteback]).toEqual([false, true, 1]);
    expect(cache.begin(file, 2)).toBe(NO_PAGE);
    cache.endWrite(first!);
    expect(cache.begin(file, 2)).toBe(first);
    check(cache);
  });

  it('reclaim has a dirty page written, and takes it first when that has ended', () => {
    const written: Pfn[] = [];
    const { cache, file } = make({
      capacity: 4,
      pageOut: (page) => {
        cache.beginWrite(page);
        written.push(page);
      },
    });
    const pages = fill(cache, file, 4);
    cache.setDirty(pages[0]!);
    // Page 0 is the oldest: its write begins, and page 1 goes.
    expect(cache.begin(file, 10)).toBe(pages[1]);
    expect([written, cache.isWriting(pages[0]!)]).toEqual([[pages[0]], true]);
    cache.endWrite(pages[0]!);
    expect(cache.begin(file, 11)).toBe(pages[0]);
    check(cache);
  });

  it('a page that was not written for reclaim keeps its place, also when reclaim had it written once', () => {
    let isAsked = true;
    const { cache, file } = make({
      capacity: 4,
      pageOut: (page) => {
        if (isAsked) cache.beginWrite(page);
      },
    });
    const write = (page: Pfn): void => {
      cache.setDirty(page);
      cache.beginWrite(page);
      cache.endWrite(page);
    };
    const pages = fill(cache, file, 4);
    write(pages[3]!);
    cache.setDirty(pages[0]!);
    expect(read(cache, file, 10)).toBe(pages[1]);
    cache.endWrite(pages[0]!);
    // Dirty again, and not written: it goes to the young end, and page 2 leaves.
    isAsked = false;
    cache.setDirty(pages[0]!);
    expect(read(cache, file, 11)).toBe(pages[2]);
    cache.beginWrite(pages[0]!);
    cache.endWrite(pages[0]!);
    expect(read(cache, file, 12)).toBe(pages[3]);
    check(cache);
  });

  it('a page whose write for reclaim has failed is the next one that reclaim has written', () => {
    const asked: Pfn[] = [];
    const { cache, file } = make({
      capacity: 4,
      pageOut: (page) => {
        asked.push(page);
        cache.beginWrite(page);
      },
    });
    const pages = fill(cache, file, 4);
    cache.setDirty(pages[0]!);
    cache.setDirty(pages[2]!);
    read(cache, file, 10);
    cache.endWrite(pages[0]!, false);
    read(cache, file, 11);
    expect(asked).toEqual([pages[0], pages[0], pages[2]]);
  });

  it('a writer that writes at once always finds room for the next page', () => {
    let writes = 0;
    const { cache, file } = make({
      capacity: 50,
      pageOut: (page) => {
        writes++;
        cache.beginWrite(page);
        cache.endWrite(page);
      },
    });
    for (let index = 0; index < 1000; index++) cache.setDirty(read(cache, file, index));
    expect(cache.nrPages).toBe(50);
    expect(writes).toBe(1000 - cache.nrDirty);
    check(cache);
  });

  it('a write that fails leaves the page dirty, and so does a store during the write', () => {
    const { cache, file } = make({ capacity: 4 });
    const page = read(cache, file, 0);
    for (const isOk of [false, true]) {
      cache.setDirty(page);
      cache.beginWrite(page);
      if (isOk) cache.setDirty(page);
      cache.endWrite(page, isOk);
      expect([cache.isDirty(page), cache.nrDirty, cache.nrWriteback]).toEqual([true, 1, 0]);
    }
  });
});

describe('mapped pages of an embedded page cache', () => {
  it('a page is mapped until as many entries have gone as came', () => {
    const { cache, file } = mapped(4);
    const page = read(cache, file, 0);
    cache.map(page);
    cache.map(page);
    cache.unmap(page);
    expect([cache.isMapped(page), cache.nrMapped]).toEqual([true, 1]);
    cache.unmap(page);
    expect([cache.isMapped(page), cache.nrMapped]).toEqual([false, 0]);
    expect(() => cache.unmap(page)).toThrow(/^page: it is not mapped/);
    const reading = cache.begin(file, 1);
    expect(() => cache.map(reading)).toThrow(/^page: it is not up to date/);
    expect(cache.isMapped(reading)).toBe(false);
  });

  it('reclaim passes over a page that was touched through its entry, and unmaps one that was not', () => {
    const { cache, file, tables } = mapped(4);
    const pages = fill(cache, file, 4, 50);
    cache.map(pages[0]!);
    cache.map(pages[1]!);
    tables.young.add(pages[0]!);
    read(cache, file, 10);
    expect(tables.unmapped).toEqual([pages[1]]);
    expect([cache.isMapped(pages[0]!), tables.young.size]).toEqual([true, 0]);
    check(cache);
  });

  it('one call finds room where every page is mapped, touched and stored to', () => {
    const { cache, file, tables } = mapped(100);
    for (const page of fill(cache, file, 100)) {
      cache.map(page);
      tables.young.add(page);
      tables.stored.add(page);
    }
    read(cache, file, 1000);
    expect([cache.nrPages, cache.counts().dropped.reclaimed]).toEqual([100, 1]);
    check(cache);
  });
});

describe('files of an embedded page cache', () => {
  it('truncation drops every page from there on, dirty and mapped ones too', () => {
    const names = new Mirror();
    const tables = new Tables();
    const { cache, file } = make({ capacity: 20, names, mappings: tables });
    tables.cache = cache;
    const pages = fill(cache, file, 10);
    cache.setDirty(pages[5]!);
    cache.map(pages[6]!);
    tables.stored.add(pages[6]!);
    expect(cache.truncate(file, 3)).toBe(0);
    expect([cache.nrPages, cache.nrDirty, cache.nrMapped, names.names.size]).toEqual([3, 0, 0, 3]);
    expect([tables.unmapped, cache.counts().dropped.truncated]).toEqual([[pages[6]], 7]);
    check(cache);
  });

  it('truncation says how many pages stay because they are in transfer', () => {
    const { cache, file } = make({ capacity: 20 });
    const [written] = fill(cache, file, 5);
    const reading = cache.begin(file, 7);
    cache.setDirty(written!);
    cache.beginWrite(written!);
    expect([cache.truncate(file, 0), cache.nrPages]).toEqual([2, 2]);
    expect(() => cache.close(file)).toThrow(/^file: has pages in transfer/);
    cache.endWrite(written!);
    cache.end(reading);
    expect(cache.truncate(file, 0)).toBe(0);
    check(cache);
  });

  it('invalidation drops what is idle, and leaves dirty, mapped and locked pages', () => {
    const { cache, file } = make({ capacity: 20, mappings: new Tables() });
    const pages = fill(cache, file, 6);
    cache.setDirty(pages[1]!);
    cache.map(pages[2]!);
    cache.begin(file, 8);
    expect([cache.invalidate(file, 5), cache.invalidate(file), cache.nrPages]).toEqual([1, 3, 3]);
    expect(cache.counts().dropped.invalidated).toBe(4);
    check(cache);
  });

  it('a number that is used again has another generation, and none of the old pages', () => {
    const names = new Mirror();
    const { cache, file } = make({ capacity: 20, names });
    fill(cache, file, 3);
    expect(cache.open(1)).toBe(file);
    expect(() => cache.open(1, 2)).toThrow(/^generation: the number is open with another one/);
    cache.close(file);
    expect([cache.isOpen(file), cache.get(file, 0), names.names.size]).toEqual([false, NO_PAGE, 0]);
    const next = cache.open(1, 2);
    expect(cache.get(next, 0)).toBe(NO_PAGE);
    read(cache, next, 0);
    expect([...names.names.values()]).toEqual(['1.2/0']);
    expect(() => cache.begin(file, 0)).toThrow(/^file: expected an open file/);
    check(cache);
  });
});

describe('mistakes with an embedded page cache', () => {
  it.each([
    ['capacity', { capacity: 0 }],
    ['capacity', { capacity: NaN }],
    ['maxCapacity', { capacity: 5, maxCapacity: 4 }],
    ['maxCapacity', { capacity: 5, maxCapacity: 2 ** 29 }],
    ['batch', { capacity: 5, batch: 33 }],
    ['names', { capacity: 5, names: {} as NameTable }],
    ['pageOut', { capacity: 5, pageOut: 3 as unknown as () => void }],
    ['mappings', { capacity: 5, mappings: {} as PageMappings }],
  ] as const)('a wrong option %s is named: %o', (name, options) => {
    expect(() => new EmbeddedPageCache(options)).toThrow(ArgumentError);
    expect(() => new EmbeddedPageCache(options)).toThrow(new RegExp(`^${name}:`));
  });

  it('every call out of turn is refused by the name of its argument, and changes nothing', () => {
    const { cache, file } = make({ capacity: 4 });
    const page = read(cache, file, 0);
    const reading = cache.begin(file, 1);
    const absent = 3 as Pfn;
    const other = new EmbeddedPageCache({ capacity: 4 }).open(1);
    const mistakes: [RegExp, () => unknown][] = [
      [/^index: the page is in the cache/, () => cache.begin(file, 0)],
      [/^index:/, () => cache.get(file, -1)],
      [/^index:/, () => cache.find(file, 0.5)],
      [/^file, space:/, () => cache.get(undefined as unknown as AddressSpace, 0)],
      [/^file:/, () => cache.begin(other, 2)],
      [/^file:/, () => cache.truncate(other, 2)],
      [/^start:/, () => cache.truncate(file, -2)],
      [/^end:/, () => cache.invalidate(file, 0, NaN)],
      [/^page: it is not in the cache/, () => cache.end(absent)],
      [/^page: it is not in the cache/, () => cache.isDirty(4 as Pfn)],
      [/^generation:/, () => cache.open(2, -1)],
      [/^page: it is not being read/, () => cache.end(page)],
      [/^page: it is not up to date/, () => cache.setDirty(reading)],
      [/^page: it is not dirty/, () => cache.beginWrite(page)],
      [/^page: it is not being written/, () => cache.endWrite(page)],
      [/^mappings:/, () => cache.map(page)],
      [/^capacity:/, () => cache.resize(5)],
      [/^isOk:/, () => cache.end(reading, 1 as unknown as boolean)],
    ];
    const before = JSON.stringify([cache.counts(), cache.nrPages, cache.nrDirty]);
    for (const [message, mistake] of mistakes) {
      expect(mistake).toThrow(ArgumentError);
      expect(mistake).toThrow(message);
    }
    expect(JSON.stringify([cache.counts(), cache.nrPages, cache.nrDirty])).toBe(before);
    cache.end(reading);
    check(cache);
  });

  it('a callback that would add or drop pages is refused, and after it every further change', () => {
    const { cache, file } = make({ capacity: 2, pageOut: () => cache.truncate(file, 0) });
    cache.setDirty(fill(cache, file, 2)[0]!);
    for (const _ of [1, 2]) expect(() => cache.begin(file, 2)).toThrow(/^cache: a callback of it is running, or has/);
    expect(() => cache.resize(1)).toThrow(/^cache:/);
    expect(cache.find(file, 5)).toBe(NO_PAGE);
  });

  it('a callback that comes after names were told in the same call cannot drop pages either', () => {
    const refused: unknown[] = [];
    const { cache, file } = make({
      capacity: 3,
      names: new Mirror(),
      pageOut: () => {
        try {
          cache.truncate(file, 0);
        } catch (error) {
          refused.push(error);
        }
      },
    });
    const pages = fill(cache, file, 3);
    cache.setDirty(pages[1]!);
    expect([cache.resize(1), cache.nrPages]).toEqual([0, 1]);
    expect(String(refused[0])).toMatch(/cache: a callback of it is running/);
    check(cache);
  });

  it('a page that is leaving cannot be changed while its name is erased', () => {
    const names = { insert: () => {}, erase: (page: Pfn) => void cache.setDirty(page), flush: () => {} };
    const { cache, file } = make({ capacity: 1, names });
    read(cache, file, 0);
    expect(() => cache.begin(file, 1)).toThrow(/^cache: it is telling names/);
  });
});
