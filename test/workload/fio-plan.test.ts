/** Where the jobs of fio go: each block once, and distributions with the shape that they have. */

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { RandomStream } from '../../src/sim/random.ts';
import { parseFioJobs } from '../../src/workload/fio-job.ts';
import { FioPlan, type FioOperation } from '../../src/workload/fio-plan.ts';
import { BlockMap, placesOf } from '../../src/workload/fio-random.ts';
import { property } from '../support/property.ts';

function operations(keys: string, sizes: readonly number[], most = 10_000): FioOperation[] {
  const job = parseFioJobs(new TextEncoder().encode(`[j]\n${keys}\n`), 'f')[0]!;
  let seed = 1;
  const plan = new FioPlan(job, sizes, () => new RandomStream(seed++));
  const all: FioOperation[] = [];
  for (let next = plan.next(); next !== undefined && all.length < most; next = plan.next()) all.push(next);
  return all;
}

property(
  'a pass at random places touches each whole block once, whatever the sizes of blocks',
  fc.integer({ min: 1, max: 50 }),
  fc.integer({ min: 1, max: 4 }),
  fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 3 }),
  (least, multiple, sizes) => {
    const touched = sizes.map((size) => new Uint8Array(size));
    for (const { file, position, length } of operations(`rw=randread\nbs=${least}-${least * multiple}`, sizes)) {
      expect(position % least).toBe(0);
      expect(length).toBeGreaterThan(0);
      for (let at = position; at < position + length; at++) expect(++touched[file]![at]!).toBe(1);
    }
    for (const [file, size] of sizes.entries()) {
      const whole = size - (size % least);
      expect(touched[file]!.indexOf(0)).toBe(whole === size ? -1 : whole);
    }
  },
);

it('a job in order goes from block to block, and its files take turns', () => {
  expect(operations('rw=write\nbs=3', [7, 3]).map(({ file, position, length }) => [file, position, length])).toEqual([
    [0, 0, 3],
    [1, 0, 3],
    [0, 3, 3],
  ]);
});

it('reads and writes in order each have a place of their own', () => {
  const next = { read: 0, write: 0 };
  const all = operations('rw=rw\nbs=1', [200]);
  for (const { isRead, position } of all) expect(position).toBe(next[isRead ? 'read' : 'write']++);
  expect(next.read + next.write).toBe(200);
  expect(next.read).toBeGreaterThan(70);
  expect(next.write).toBeGreaterThan(70);
});

it('blocks of reads and of writes whose sizes do not divide each other end the pass with the map', () => {
  const all = operations('rw=randrw\nbs=4,6', [400]);
  expect(all.length).toBeLessThanOrEqual(100);
  expect(all.length).toBeGreaterThan(50);
});

it('passes are repeated as often as loops say, and without end when they are timed', () => {
  expect(operations('rw=randread\nbs=1\nloops=3', [10])).toHaveLength(30);
  expect(operations('rw=read\nbs=1\ntime_based\nruntime=1s', [10], 1000)).toHaveLength(1000);
  expect(operations('rw=read\nbs=1\ntime_based\nruntime=1s', [0])).toHaveLength(0);
});

property(
  'a map of blocks gives each block once, the first free one from the place on',
  fc.integer({ min: 1, max: 40 }),
  fc.array(fc.nat(), { minLength: 40, maxLength: 40 }),
  (blocks, draws) => {
    const map = new BlockMap(blocks);
    const used = new Set<number>();
    for (let n = 0; n < blocks; n++) {
      let expected = draws[n]! % blocks;
      const block = map.freeFrom(expected);
      while (used.has(expected)) expected = (expected + 1) % blocks;
      expect(block).toBe(expected);
      expect(map.use(block, 1)).toBe(1);
      used.add(block);
      expect(map.free).toBe(blocks - n - 1);
    }
  },
);

it.each([
  // The share of the most popular place is 1 / zeta, and of the second half of it to the theta.
  ['zipf', 1.2],
  ['zipf', 0.5],
] as const)('%s:%d draws the first two ranks as often as the law says', (kind, parameter) => {
  const blocks = 1000;
  const counts = countsOf(kind, parameter, blocks);
  let zeta = 0;
  for (let n = 1; n <= blocks; n++) zeta += n ** -parameter;
  expect(counts[0]! / DRAWS).toBeCloseTo(1 / zeta, 2);
  expect(counts[1]! / DRAWS).toBeGreaterThan((0.5 ** parameter / zeta) * 0.9);
});

it('pareto:0.2 sends four fifths of the draws to about a fifth of the places', () => {
  const counts = countsOf('pareto', 0.2, 1000);
  const most = counts.slice(0, 200).reduce((sum, count) => sum + count, 0) / DRAWS;
  expect(most).toBeGreaterThan(0.75);
  expect(most).toBeLessThan(0.95);
});

it('normal:5 sends two thirds of the draws within one deviation of the middle', () => {
  const counts = countsOf('normal', 5, 1000);
  // A tenth of the places, some of which share one by the hash.
  const within = counts.slice(0, 100).reduce((sum, count) => sum + count, 0) / DRAWS;
  expect(within).toBeGreaterThan(0.62);
  expect(within).toBeLessThan(0.78);
});

it('every distribution stays within one, two and many blocks', () => {
  for (const kind of ['zipf', 'pareto', 'normal'] as const)
    for (const blocks of [1, 2, 3, 1000, 5_000_000]) {
      const draw = placesOf({ kind, parameter: 0.5 }, blocks, new RandomStream(3));
      for (let n = 0; n < 200; n++) {
        const place = draw();
        expect(Number.isInteger(place) && place >= 0 && place < blocks).toBe(true);
      }
    }
});

const DRAWS = 50_000;

/** How often places are drawn, most often first. */
function countsOf(kind: 'zipf' | 'pareto' | 'normal', parameter: number, blocks: number): number[] {
  const draw = placesOf({ kind, parameter }, blocks, new RandomStream(1));
  const counts = new Array<number>(blocks).fill(0);
  for (let n = 0; n < DRAWS; n++) counts[draw()]!++;
  return counts.sort((a, b) => b - a);
}
