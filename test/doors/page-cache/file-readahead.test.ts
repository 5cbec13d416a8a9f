// Readahead as a question of an embedder: which pages to read now. The windows are those of 2.6.12,
// worked out by hand.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AddressSpace, EmbeddedPageCache, FileReadahead, NO_PAGE } from '../../../src/doors/page-cache/index.ts';
import { property } from '../../support/property.ts';

const range = (from: number, end: number): number[] => Array.from({ length: end - from }, (_, i) => from + i);

class Reader {
  readonly cache: EmbeddedPageCache;
  readonly file: AddressSpace;
  readonly readahead: FileReadahead;
  readonly filePages: number;

  constructor(filePages: number, capacity = 1000, options = {}) {
    this.cache = new EmbeddedPageCache({ capacity });
    this.file = this.cache.open(1);
    this.readahead = new FileReadahead(this.cache, this.file, options);
    this.filePages = filePages;
  }

  /** Reads pages at once; returns those that came from the disk. */
  read(index: number, count = 1): readonly number[] {
    const pages = this.readahead.next(index, count, this.filePages);
    for (const at of pages) this.cache.end(this.cache.begin(this.file, at));
    return pages;
  }
}

describe('the readahead of an embedded page cache', () => {
  it('a sequential reader gets windows that grow, each before it has come to its end', () => {
    const reader = new Reader(200);
    // The first window is a quarter of the largest; the next ones are twice as large as the last.
    const windows = range(0, 100).flatMap((at) => {
      const pages = reader.read(at);
      return pages.length > 0 ? [[at, pages[0], pages.length]] : [];
    });
    expect(windows).toEqual([
      [0, 0, 8],
      [1, 8, 16],
      [8, 24, 32],
      [24, 56, 32],
      [56, 88, 32],
      [88, 120, 32],
    ]);
  });

  it('a window of a sixteenth of the largest one is doubled, and a smaller one grows to four times its size', () => {
    const windows = [8, 4].map((count) => {
      const reader = new Reader(4000, 4000, { maxPages: 1024 });
      return [reader.read(0, count).length, reader.read(count, count).length];
    });
    expect(windows).toEqual([
      [64, 128],
      [16, 64],
    ]);
  });

  it('a window is smaller by two pages, not larger, after a page that was dropped before it was read', () => {
    const reader = new Reader(200);
    for (const at of range(0, 5)) reader.read(at);
    expect(reader.cache.invalidate(reader.file, 5, 6)).toBe(1);
    expect([reader.read(5), reader.read(6), reader.read(7)]).toEqual([[5], [], []]);
    expect(reader.read(8)).toEqual(range(24, 38));
  });

  it('a reader that has found 256 pages in the cache reads one page at its next miss, also of a small file', () => {
    const reader = new Reader(10);
    for (let pass = 0; pass < 40; pass++) for (const at of range(0, 10)) reader.read(at);
    reader.read(0);
    expect(reader.cache.invalidate(reader.file)).toBe(10);
    expect(reader.read(1)).toEqual([1]);
  });

  it('a random reader gets what it asks for, and nothing when that is cached', () => {
    const reader = new Reader(1000);
    expect([reader.read(500), reader.read(100, 3), reader.read(700)]).toEqual([[500], [100, 101, 102], [700]]);
    expect([reader.read(100, 3), reader.read(500)]).toEqual([[], []]);
  });

  it('nothing is read beyond the end of the file', () => {
    const reader = new Reader(5);
    expect(reader.read(0)).toEqual([0, 1, 2, 3, 4]);
    expect([reader.read(4, 10), reader.read(7)]).toEqual([[], []]);
  });

  it('a reader whose windows are of no pages gets exactly what it asks for', () => {
    const reader = new Reader(100, 1000, { maxPages: 0 });
    expect(range(0, 4).map((at) => reader.read(2 * at, 2))).toEqual(range(0, 4).map((at) => [2 * at, 2 * at + 1]));
  });

  it('a window ahead waits while the disk is congested', () => {
    const reader = new Reader(100, 1000, { isCongested: () => true });
    expect(reader.read(0)).toEqual(range(0, 8));
    expect(range(1, 8).map((at) => reader.read(at).length)).toEqual(range(1, 8).map(() => 0));
    expect(reader.read(8).length).toBeGreaterThan(0);
  });

  it('a mistake names its argument, and so does a file that was closed', () => {
    const { cache, file, readahead } = new Reader(10);
    const wrong = undefined as never;
    expect(() => new FileReadahead(wrong, file)).toThrow(/^cache:/);
    expect(() => new FileReadahead(cache, wrong)).toThrow(/^file:/);
    expect(() => new FileReadahead(cache, file, { maxPages: -1 })).toThrow(/^maxPages:/);
    expect(() => readahead.next(-1, 1, 10)).toThrow(/^index:/);
    expect(() => readahead.next(0, 0, 10)).toThrow(/^count:/);
    expect(() => readahead.next(0, 1, NaN)).toThrow(/^filePages:/);
    cache.close(file);
    expect(() => readahead.next(0, 1, 10)).toThrow(/^file: was closed/);
  });

  property(
    'what a reader asks for is cached or in the answer, which names absent pages of the file, once and in order',
    fc.integer({ min: 1, max: 300 }),
    fc.integer({ min: 64, max: 200 }),
    fc.nat(70),
    fc.array(fc.tuple(fc.nat(310), fc.integer({ min: 1, max: 60 }), fc.boolean()), { maxLength: 60 }),
    (filePages, capacity, maxPages, reads) => {
      const { cache, file, readahead } = new Reader(filePages, capacity, { maxPages });
      let at = 0;
      for (const [place, count, isSequential] of reads) {
        if (!isSequential) at = place;
        const isThere = (index: number): boolean => cache.find(file, index) !== NO_PAGE;
        const wanted = range(at, Math.max(at, Math.min(at + count, filePages))).filter((index) => !isThere(index));
        const pages = readahead.next(at, count, filePages);
        expect(pages).toEqual([...new Set(pages)].sort((a, b) => a - b));
        expect(pages.filter((index) => isThere(index) || index >= filePages)).toEqual([]);
        expect(wanted.filter((index) => !pages.includes(index))).toEqual([]);
        for (const index of pages) cache.end(cache.begin(file, index));
        at += count;
      }
    },
  );
});

it.each([
  ['linux-2.6.12', [range(84, 116), [], []]],
  ['linux-6', [range(84, 116), [], range(116, 148)]],
] as const)('a fault in a mapping with %s reads the pages around it, and perhaps the next ones', (policy, expected) => {
  const cache = new EmbeddedPageCache({ capacity: 1000, policy });
  const file = cache.open(1);
  const readahead = new FileReadahead(cache, file);
  const fault = (index: number): readonly number[] => {
    const pages = readahead.fault(index, 200);
    for (const at of pages) cache.end(cache.begin(file, at));
    return pages;
  };
  expect([fault(100), fault(107), fault(108)]).toEqual(expected);
  expect([fault(199), fault(250)]).toEqual([range(183, 200), []]);
});

it('a random read next to cached pages begins a window with linux-6, and not with 2.6.12', () => {
  const windows = (['linux-2.6.12', 'linux-6'] as const).map((policy) => {
    const cache = new EmbeddedPageCache({ capacity: 1000, policy });
    const file = cache.open(1);
    for (const at of [500, 501, 502]) cache.end(cache.begin(file, at));
    const readahead = new FileReadahead(cache, file);
    for (const at of readahead.next(40, 1, 1000)) cache.end(cache.begin(file, at));
    return readahead.next(503, 1, 1000);
  });
  expect(windows).toEqual([[503], range(503, 507)]);
});

it('a page that left the cache has lost its mark when it comes back', () => {
  const cache = new EmbeddedPageCache({ capacity: 1000, policy: 'linux-6' });
  const file = cache.open(1);
  const readahead = new FileReadahead(cache, file);
  const read = (index: number): readonly number[] => {
    const pages = readahead.next(index, 1, 1000);
    for (const at of pages) cache.end(cache.begin(file, at));
    return pages;
  };
  expect([read(0), read(1)]).toEqual([range(0, 4), range(4, 12)]);
  cache.truncate(file, 0);
  // Another window comes between. Page 4 had the mark of the one before.
  expect([read(200), read(201)]).toEqual([[200], range(201, 205)]);
  expect([read(4), read(4)]).toEqual([[4], []]);
});
