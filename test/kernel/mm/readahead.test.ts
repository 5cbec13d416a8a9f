// The windows below were worked out by hand from the rules of mm/readahead.c, 2.6.12
// (get_init_ra_size, get_next_ra_size, page_cache_readahead), not from the code under test.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RA_CACHE_HIT_LIMIT, RA_MAX, ReadaheadState, type ReadaheadIo } from '../../../src/kernel/index.ts';
import { property } from '../../support/property.ts';

type Window = [start: number, count: number];

/** A file of `pages` pages and its reader: what is submitted is cached from then on. */
class Reader implements ReadaheadIo {
  readonly state = new ReadaheadState();
  readonly cached = new Set<number>();
  readonly submitted: Window[] = [];
  readonly questions: Window[] = [];
  congested = false;
  readonly #pages: number;

  constructor(pages = 1_000_000) {
    this.#pages = pages;
  }

  absent(start: number, count: number): number {
    this.questions.push([start, count]);
    let absent = 0;
    for (let page = start; page < Math.min(start + count, this.#pages); page++) if (!this.cached.has(page)) absent++;
    return absent;
  }

  isCongested(): boolean {
    return this.congested;
  }

  /** One call of the machine; returns the windows that it asks for. */
  access(offset: number, request: number): { windows: Window[]; next: number } {
    const next = this.state.access(offset, request, this);
    const windows: Window[] = [];
    while (this.state.hasBatch) {
      const { batchStart: start, batchCount: count } = this.state;
      this.state.takeBatch();
      windows.push([start, count]);
      for (let page = start; page < Math.min(start + count, this.#pages); page++) this.cached.add(page);
    }
    this.submitted.push(...windows);
    return { windows, next };
  }

  /**
   * A read of `request` pages, as do_generic_mapping_read makes it; returns the windows asked for.
   */
  read(offset: number, request: number): Window[] {
    const windows: Window[] = [];
    for (let page = offset, next = offset; page < offset + request; page++) {
      if (page !== next) continue;
      const answer = this.access(page, offset + request - page);
      windows.push(...answer.windows);
      next = answer.next;
    }
    return windows;
  }
}

/**
 * Reads `request` pages at a time from page 0; the reads that asked for windows, by their first
 * page.
 */
function sequential(request: number, pages: number): Record<number, Window[]> {
  const reader = new Reader();
  const asked: Record<number, Window[]> = {};
  for (let at = 0; at < pages; at += request) {
    const windows = reader.read(at, request);
    if (windows.length > 0) asked[at] = windows;
  }
  return asked;
}

describe('windows of a sequential reader', () => {
  const EARLY: Record<number, Window[]> = {
    0: [[0, 8]],
    8: [[24, 32]],
    24: [[56, 32]],
    56: [[88, 32]],
    88: [[120, 32]],
  };

  it.each([1, 2, 4])('a sequential reader of %i pages at a time has windows of 8, then 16 and 32 ahead', (request) => {
    expect(sequential(request, 96)).toEqual({ ...EARLY, [request]: [[8, 16]] });
  });

  it('a sequential reader of 8 pages at a time has the second request fill the current window and the one ahead', () => {
    expect(sequential(8, 96)).toEqual({
      0: [[0, 8]],
      8: [
        [8, 16],
        [24, 32],
      ],
      24: [[56, 32]],
      56: [[88, 32]],
      88: [[120, 32]],
    });
  });

  it('a sequential reader of 16 pages at a time has the full window at once', () => {
    expect(sequential(16, 97)).toEqual({
      0: [[0, 32]],
      16: [[32, 32]],
      32: [[64, 32]],
      64: [[96, 32]],
      96: [[128, 32]],
    });
  });

  it('a sequential reader of 32 pages at a time has two windows at once', () => {
    const first: Window[] = [
      [0, 32],
      [32, 32],
    ];
    expect(sequential(32, 97)).toEqual({ 0: first, 32: [[64, 32]], 64: [[96, 32]], 96: [[128, 32]] });
  });

  it('a sequential reader of 64 pages at a time has asked twice in one read', () => {
    expect(sequential(64, 129)).toEqual({
      0: [
        [0, 32],
        [32, 32],
        [64, 32],
      ],
      64: [
        [96, 32],
        [128, 32],
      ],
      128: [
        [160, 32],
        [192, 32],
      ],
    });
  });

  it('windows of a sequential reader goes on where a random read ended', () => {
    const reader = new Reader();
    expect([100, 101, 102, 103].map((page) => reader.read(page, 1))).toEqual([[[100, 1]], [[101, 8]], [[109, 16]], []]);
  });
});

describe('readers that are not sequential', () => {
  const each = (pages: number[], request = 1): Window[][] => {
    const reader = new Reader();
    return pages.map((page) => reader.read(page, request));
  };

  it('a strided reader gets what it asks for, but for the first read, which starts at page 0', () => {
    expect(each([0, 10, 20, 30], 2)).toEqual([[[0, 8]], [[10, 2]], [[20, 2]], [[30, 2]]]);
  });

  it('a random reader gets what it asks for', () => {
    expect(each([500, 3, 77, 12_000])).toEqual([[[500, 1]], [[3, 1]], [[77, 1]], [[12_000, 1]]]);
    expect(each([500, 3, 77, 12_000], 5)).toEqual([[[500, 5]], [[3, 5]], [[77, 5]], [[12_000, 5]]]);
  });

  it('a random reader is served on a congested device too: somebody waits for it', () => {
    const reader = new Reader();
    reader.congested = true;
    expect([70, 3, 50].map((page) => reader.read(page, 2))).toEqual([[[70, 2]], [[3, 2]], [[50, 2]]]);
  });

  it('random reads found in the cache count as hits, too: 64 of 4 pages turn readahead off', () => {
    const reader = new Reader();
    for (let page = 0; page < 1000; page++) reader.cached.add(page);
    for (let i = 0; i < 63; i++) reader.read(1 + ((i * 370) % 990), 4);
    expect(reader.state).toMatchObject({ inCache: false, cacheHit: 252 });
    reader.read(500, 4);
    expect(reader.state.inCache).toBe(true);
    expect(reader.read(2000, 4)).toEqual([]);
    reader.state.noteMiss();
    // Off meanwhile, the machine kept the place: 2004 goes on from there.
    expect(reader.read(2004, 4)).toEqual([[2004, 8]]);
  });

  it('a reader with gaps of one page gets what it asks for; without a gap the second read makes a window', () => {
    expect(each([10, 13, 16, 18, 20], 2)).toEqual([[[10, 2]], [[13, 2]], [[16, 2]], [[18, 8]], [[26, 16]]]);
  });

  it('a backward reader gets what it asks for', () => {
    expect(each([23, 22, 21, 20])).toEqual([[[23, 1]], [[22, 1]], [[21, 1]], [[20, 1]]]);
  });

  it('a random read of more than 32 pages is sequential from page 32 of it on', () => {
    // 500: not sequential, 32 pages; 532: sequential without a window, the 8 pages left make one
    // of 8.
    expect(each([500], 40)).toEqual([
      [
        [500, 32],
        [532, 8],
      ],
    ]);
  });

  it('two streams through one open file spoil each other', () => {
    // Page 1 was read with the first window: nothing is absent, so nothing is asked for.
    expect(each([0, 1000, 1, 1001, 2, 1002])).toEqual([[[0, 8]], [[1000, 1]], [], [[1001, 1]], [], [[1002, 1]]]);
  });

  it('two streams through two open files do not', () => {
    const [a, b] = [new Reader(), new Reader()];
    const windows = [0, 1, 2, 3, 4, 5, 6, 7, 8].map((page) => [a.read(page, 1), b.read(1000 + page, 1)]);
    expect(windows[0]).toEqual([[[0, 8]], [[1000, 1]]]);
    expect(windows[1]).toEqual([[[8, 16]], [[1001, 8]]]);
    expect(windows[2]).toEqual([[], [[1009, 16]]]);
    expect(windows[8]).toEqual([[[24, 32]], []]);
  });

  it('reading on in the page that was read last asks for nothing', () => {
    const reader = new Reader();
    expect(reader.access(0, 1)).toEqual({ windows: [[0, 8]], next: 1 });
    expect(reader.access(0, 1)).toEqual({ windows: [], next: 1 });
    // From the middle of page 0 into page 1: sequential.
    expect(reader.access(0, 2)).toEqual({ windows: [[8, 16]], next: 2 });
  });

  it('windows that nobody reads are two at most: a reader that goes on without them is refused', () => {
    const state = new ReadaheadState();
    const reader = new Reader();
    expect(state.access(0, 1, reader)).toBe(1);
    expect(state.access(1, 1, reader)).toBe(2);
    expect(() => state.access(500, 1, reader)).toThrow('takeBatch: the windows before are to be read first');
    const queued: Window[] = [];
    while (state.hasBatch) {
      queued.push([state.batchStart, state.batchCount]);
      state.takeBatch();
    }
    expect(queued).toEqual([
      [0, 8],
      [8, 16],
    ]);
  });
});

describe('misses, hits, congestion', () => {
  it('a miss takes two pages off the next growth, once', () => {
    const reader = new Reader();
    reader.read(0, 8);
    reader.state.noteMiss();
    // 8 - 2 = 6 pages ahead; the request leaves page 8, so the next window doubles: 12.
    expect(reader.read(8, 1)).toEqual([
      [8, 6],
      [14, 12],
    ]);
    expect(reader.read(9, 5)).toEqual([]);
    expect(reader.read(14, 1)).toEqual([[26, 24]]);
  });

  it('a random read forgets the miss', () => {
    const reader = new Reader();
    reader.read(0, 1);
    reader.state.noteMiss();
    expect([100, 101, 102].map((page) => reader.read(page, 1))).toEqual([[[100, 1]], [[101, 8]], [[109, 16]]]);
  });

  it('256 pages found in the cache turn readahead off, a miss turns it on', () => {
    const reader = new Reader();
    for (let page = 0; page < 600; page++) reader.cached.add(page);
    // Found in the cache after the accesses of 0, 1, 8, 24, 56, …: 8, 24, 56, 88, 120, 152, 184,
    // 216, 248, 280.
    for (let page = 0; page < 216; page++) reader.read(page, 1);
    expect(reader.state).toMatchObject({ inCache: false, cacheHit: 248 });
    reader.read(216, 1);
    expect(reader.state).toMatchObject({ inCache: true, size: 0, aheadSize: 0 });
    expect(reader.state.cacheHit).toBeGreaterThanOrEqual(RA_CACHE_HIT_LIMIT);
    const questions = reader.questions.length;
    for (let page = 217; page < 700; page++) reader.read(page, 1);
    expect(reader.questions).toHaveLength(questions);
    expect(reader.submitted).toEqual([]);
    reader.state.noteMiss();
    expect(reader.read(700, 1)).toEqual([[700, 8]]);
    expect(reader.state.cacheHit).toBe(0);
  });

  it('the 256th page found in a row is the one that turns it off, and one that is not found begins anew', () => {
    const reader = new Reader();
    for (let page = 0; page < 2000; page++) reader.cached.add(page);
    // Every second page, so that no access goes on where the last one was.
    const readSingle = (count: number): void => {
      for (let i = 1; i <= count; i++) reader.read(2 * i, 1);
    };
    readSingle(255);
    expect(reader.state).toMatchObject({ cacheHit: 255, inCache: false });
    expect(reader.read(5000, 1)).toEqual([[5000, 1]]);
    readSingle(255);
    expect(reader.state).toMatchObject({ cacheHit: 255, inCache: false });
    reader.read(1000, 1);
    expect(reader.state).toMatchObject({ cacheHit: 256, inCache: true });
  });

  it('on a congested device only windows that the reader waits for are read', () => {
    const reader = new Reader();
    reader.congested = true;
    for (let page = 0; page < 8; page++) reader.read(page, 1);
    expect(reader.submitted).toEqual([[0, 8]]);
    // Page 8 lies in the window ahead: the reader needs it now.
    expect(reader.read(8, 1)).toEqual([[8, 16]]);
    reader.congested = false;
    expect(reader.read(9, 1)).toEqual([[24, 32]]);
  });
});

describe('properties', () => {
  const requests = fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 60 });

  property(
    'a sequential reader has no page read twice, none left out, and every one before it needs it',
    requests,
    fc.infiniteStream(fc.boolean()),
    (sizes, congestion) => {
      const reader = new Reader();
      let at = 0;
      for (const size of sizes) {
        reader.congested = congestion.next().value === true;
        reader.read(at, size);
        at += size;
        for (let page = at - size; page < at; page++) expect(reader.cached.has(page)).toBe(true);
      }
      let end = 0;
      for (const [start, count] of reader.submitted) {
        expect(start).toBe(end);
        end = start + count;
      }
      // Readahead never runs further ahead than two windows.
      expect(end - at).toBeLessThanOrEqual(2 * RA_MAX);
    },
  );

  const step = fc.record({
    offset: fc.oneof(fc.constant('next' as const), fc.nat(300)),
    request: fc.integer({ min: 1, max: 80 }),
    congested: fc.boolean(),
    miss: fc.boolean(),
    evict: fc.nat(400),
  });

  property('windows are in bounds and the machine makes progress, whatever happens', fc.array(step), (steps) => {
    const reader = new Reader(350);
    let next = 0;
    for (const { offset, request, congested, miss, evict } of steps) {
      reader.congested = congested;
      reader.cached.delete(evict);
      if (miss) reader.state.noteMiss();
      const at = offset === 'next' ? next : offset;
      const answer = reader.access(at, request);
      expect(answer.next).toBeGreaterThan(at);
      expect(answer.next).toBeLessThanOrEqual(at + Math.min(request, RA_MAX) + 1);
      expect(answer.windows.length).toBeLessThanOrEqual(2);
      for (const [start, count] of answer.windows) {
        expect(count).toBeGreaterThanOrEqual(1);
        expect(count).toBeLessThanOrEqual(RA_MAX);
        // A window of which everything is cached, or that lies beyond the end of the file, is never
        // asked for.
        expect(start).toBeLessThan(350);
      }
      const { start, size, aheadStart, aheadSize } = reader.state;
      expect(size).toBeLessThanOrEqual(RA_MAX);
      expect(aheadSize).toBeLessThanOrEqual(RA_MAX);
      if (aheadStart !== 0) expect(aheadStart).toBe(start + size);
      next = answer.next;
    }
  });
});
