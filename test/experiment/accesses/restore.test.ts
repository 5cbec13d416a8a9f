import { describe, expect, it } from 'vitest';
import { PageReplay } from '../../../src/experiment/accesses/page-replay.ts';
import {
  RESTORE_ORDERS,
  RESTORE_RUNS,
  restoreJob,
  type RestoreOptions,
  type RestoreOutcome,
} from '../../../src/experiment/accesses/restore.ts';
import { runInOrder } from '../../../src/experiment/guest/runs.ts';
import { madeStream, recorded } from './streams.ts';

const STREAM = madeStream(3, 8000, 1200);
const REBOOT_AT = 5000;
const TRACE = recorded(STREAM);

function outcome(options: Partial<RestoreOptions>): RestoreOutcome {
  const job = restoreJob({
    ...{ ...TRACE, size: 300, rebootAt: REBOOT_AT, orders: RESTORE_ORDERS, percents: [100], rate: undefined },
    ...options,
  });
  return runInOrder(RESTORE_RUNS, job, () => undefined);
}

const found = (options: Partial<RestoreOptions>): RestoreOutcome['found'] => outcome(options).found;

/** Hits of the rest in an empty cache, and in one that was never rebooted. */
function bounds(size: number): { cold: number; warm: number } {
  const cold = new PageReplay(size);
  cold.play(TRACE.accesses.pages, REBOOT_AT, STREAM.length);
  const warm = new PageReplay(size);
  warm.play(TRACE.accesses.pages, 0, REBOOT_AT);
  const before = warm.hits;
  warm.play(TRACE.accesses.pages, REBOOT_AT, STREAM.length);
  return { cold: cold.hits, warm: warm.hits - before };
}

describe('restoring a warm cache in part', () => {
  it('all pages without limit are the cache as it was, in any order', () => {
    const { cold, warm } = bounds(300);
    expect(found({}).map(({ hits }) => hits)).toEqual(RESTORE_ORDERS.map(() => warm));
    expect(found({}).every(({ restored }) => restored === 300)).toBe(true);
    expect(outcome({ rate: { pagesPerAccess: 0.5 } })).toMatchObject({ coldHits: cold, warmHits: warm });
    expect(warm).toBeGreaterThan(cold);
  });

  it('none of the pages are a cold cache, and so is a rate at which none has come', () => {
    const { cold } = bounds(300);
    const none = RESTORE_ORDERS.map((order) => ({ order, hits: cold, restored: 0 }));
    expect(found({ percents: [0] })).toMatchObject(none);
    expect(found({ rate: { pagesPerAccess: 0.000001 } })).toMatchObject(none);
    expect(found({ rate: { bytesPerSecond: 1 } })).toMatchObject(none);
  });

  it('where no page ever has to leave, more pages and a higher rate never hit less, in any order', () => {
    const size = 2000;
    const { cold, warm } = bounds(size);
    for (const order of RESTORE_ORDERS) {
      const byShare = found({ size, orders: [order], percents: [0, 5, 20, 50, 90, 100] }).map(({ hits }) => hits);
      expect(byShare).toEqual(byShare.toSorted((a, b) => a - b));
      expect([byShare[0], byShare.at(-1)]).toEqual([cold, warm]);
      const byRate = [0.001, 0.01, 0.1, 1, 10, 1e6].map(
        (pagesPerAccess) => found({ size, orders: [order], rate: { pagesPerAccess } })[0]!.hits,
      );
      expect(byRate).toEqual(byRate.toSorted((a, b) => a - b));
      expect(byRate[0]).toBeLessThan(byRate.at(-1)!);
      // Nothing has come before the first access.
      expect(warm - byRate.at(-1)!).toBeLessThanOrEqual(1);
    }
  });

  it('a page hits from the access on before which it has come', () => {
    // Pages 0 to 3, and after the reboot each once. One comes before each access but the first.
    const trace = recorded([0, 1, 2, 3, 3, 2, 1, 0]);
    const hits = (order: (typeof RESTORE_ORDERS)[number], rate: RestoreOptions['rate']): number =>
      found({ ...trace, size: 4, rebootAt: 4, orders: [order], rate })[0]!.hits;
    expect(hits('first-touch', { pagesPerAccess: 1 })).toBe(2);
    // Page 3 was just read: page 2 comes in time.
    expect(hits('recency', { pagesPerAccess: 1 })).toBe(3);
    expect(hits('recency', { bytesPerSecond: 4096e6 })).toBe(3);
    expect(hits('recency', { bytesPerSecond: 2048e6 })).toBe(1);
    expect(hits('recency', undefined)).toBe(4);
  });

  it('the orders are of the pages that the cache has at the reboot', () => {
    // In files: pages 4, 0 of file 0, page 1 of file 1. Page 4 is used most, page 0 last.
    const stream = [1, 4, 4, 4, 0];
    const trace = recorded([...stream, 0]);
    const pageOf = (number: number): number => [1, 4, 0][number]!;
    const { runs, kept } = restoreJob({
      ...{ ...trace, size: 3, rebootAt: 5, orders: RESTORE_ORDERS, percents: [100, 50], rate: undefined },
    });
    expect(runs.slice(2).map(({ coming }) => Array.from(coming, (place) => pageOf(kept.pages[place]!)))).toEqual([
      [0, 4, 1],
      [0, 4],
      [4, 0, 1],
      [4, 0],
      [0, 4, 1],
      [0, 4],
      [1, 4, 0],
      [1, 4],
    ]);
  });

  it('no page comes into a full cache, and none takes the place of one that was read since', () => {
    const trace = recorded([0, 1, 2, 3, 10, 11, 12, 13, 0, 1, 2, 3, 10, 11, 12, 13]);
    const slow = { ...trace, size: 4, rebootAt: 4, orders: ['recency'] as const, rate: { pagesPerAccess: 0.5 } };
    // One page has come when three others were read, and the cache is full.
    expect(found(slow)[0]!.restored).toBe(1);
  });
});
