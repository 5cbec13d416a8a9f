import { describe, expect, it } from 'vitest';
import { EmbeddedPageCache } from '../../../src/doors/page-cache/index.ts';
import { CURVE_RUNS, halvings } from '../../../src/experiment/accesses/curve.ts';
import { PageAccesses } from '../../../src/experiment/accesses/page-accesses.ts';
import { StackDistances } from '../../../src/experiment/accesses/stack-distances.ts';
import { runInOrder } from '../../../src/experiment/guest/runs.ts';
import { OPERATION, OperationBatch } from '../../../src/trace/index.ts';
import { madeStream, recorded, tell } from './streams.ts';

/** Misses of a plain LRU. */
function lruMisses(stream: readonly number[], size: number): number {
  const cached = new Map<number, true>();
  let misses = 0;
  for (const page of stream) {
    if (!cached.delete(page)) misses++;
    cached.set(page, true);
    if (cached.size > size) cached.delete(cached.keys().next().value!);
  }
  return misses;
}

describe('accesses by page', () => {
  it('an operation is an access of each page that it reads or writes, and of no other', () => {
    const sink = new PageAccesses(true);
    const batch = new OperationBatch();
    batch.add(5, 0, OPERATION.read, 0, 4095, 2);
    batch.add(6, 0, OPERATION.open, 0, 0, 0);
    batch.add(7, 0, OPERATION.write, 1, 4096, 4096);
    batch.add(8, 0, OPERATION.read, 0, 8192, 0);
    batch.add(9, 0, OPERATION.read, 0, 4096, 1);
    sink.operations(batch);
    const { pages, times, distinct } = sink.recorded;
    expect([...pages]).toEqual([0, 1, 2, 1]);
    expect([...times]).toEqual([5, 5, 7, 9]);
    expect(distinct).toBe(3);
  });

  it('pages have places by file, and by index in it, whatever the order of their accesses', () => {
    const { filePlaces } = recorded([5, 0, 8, 1]);
    expect([...filePlaces]).toEqual([3, 0, 1, 2]);
  });
});

describe('a miss-ratio curve', () => {
  const stream = madeStream(1, 20_000, 900);
  const { accesses } = recorded(stream);

  it('a curve is what separate replays through the door page-cache miss', () => {
    const sizes = [1, 2, 33, 300, 899, 900, 5000];
    const separate = sizes.map((capacity) => {
      const cache = new EmbeddedPageCache({ capacity });
      const files = [0, 1, 2, 3].map((number) => cache.open(number));
      for (const access of stream) {
        const [file, index] = [files[access % 4]!, Math.floor(access / 4)];
        if (cache.get(file, index) >= 0) continue;
        const page = cache.begin(file, index);
        cache.end(page);
        cache.access(page);
      }
      return cache.counts().misses;
    });
    expect(runInOrder(CURVE_RUNS, { accesses, sizes, policies: ['linux-2.6.12'] }, () => undefined)).toEqual([
      separate,
    ]);
    expect(separate.at(-1)).toBe(accesses.distinct);
    expect(separate[0]).toBeGreaterThan(0.9 * stream.length);
  });

  it('the default sizes are halvings of all pages, each once', () => {
    expect(halvings(900)).toEqual([1, 2, 4, 8, 15, 29, 57, 113, 225, 450, 900]);
    expect(halvings(3)).toEqual([1, 2, 3]);
    expect(halvings(0)).toEqual([1]);
  });
});

describe('a curve from a sample', () => {
  const stream = madeStream(2, 60_000, 20_000);
  const sizes = [1, 10, 100, 500, 1000];

  it('a sample of all pages gives the misses of an LRU, and no error', () => {
    const short = stream.slice(0, 12_000);
    const sample = new StackDistances({ rate: 1 });
    tell(sample, short);
    expect(sample.accesses).toBe(short.length);
    expect(sample.sampledAccesses).toBe(short.length);
    expect(sample.distinct).toBe(new Set(short).size);
    for (const size of sizes) {
      const { misses, error } = sample.estimate(size);
      expect(misses).toBe(lruMisses(short, size));
      expect(error).toBe(0);
    }
  });

  it.each([
    ['a tenth of the pages', { rate: 0.1 }],
    ['1024 pages', { pages: 1024 }],
  ])('the misses of an LRU are within twice the error that a sample of %s tells', (_, how) => {
    const sample = new StackDistances(how);
    tell(sample, stream);
    expect(sample.sampledAccesses).toBeLessThan(stream.length / 2);
    if ('pages' in how) expect(sample.sampledPages).toBeLessThanOrEqual(how.pages);
    const distinct = new Set(stream).size;
    expect(Math.abs(sample.distinct - distinct)).toBeLessThan(0.1 * distinct);
    for (const size of [1000, 3000, 9000, 20_000]) {
      const { misses, error } = sample.estimate(size);
      expect(Math.abs(misses - lruMisses(stream, size))).toBeLessThan(2 * error);
      expect(error).toBeGreaterThan(0);
      expect(error / stream.length).toBeLessThan(0.05);
    }
  });

  it('more memory never misses more, and a trace that is sampled twice gives one curve', () => {
    const [one, two] = [new StackDistances({ pages: 300 }), new StackDistances({ pages: 300 })];
    tell(one, stream);
    tell(two, stream);
    const curve = Array.from({ length: 30 }, (_, n) => one.estimate(1 + n * 777).misses);
    expect(curve).toEqual(curve.toSorted((a, b) => b - a));
    expect(Array.from({ length: 30 }, (_, n) => two.estimate(1 + n * 777).misses)).toEqual(curve);
  });
});
