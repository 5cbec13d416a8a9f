import { describe, expect, it } from 'vitest';
import type { Constants } from '../../../src/experiment/host/profiles.ts';
import {
  latinHypercube,
  study,
  type Factor,
  type Point,
  type Question,
  type Study,
} from '../../../src/experiment/paper/sensitivity.ts';
import { RandomStreams } from '../../../src/sim/random.ts';

/** Constants c00 to c63, each 10 of 8 to 14; rates are those that make things slow when low. */
const FACTORS = Array.from(
  { length: 64 },
  (_, n): Factor => ({
    name: `c${`${n}`.padStart(2, '0')}`,
    value: 10,
    low: 8,
    high: 14,
    slowEnd: n % 3 === 0 ? 'low' : 'high',
    isWhole: n % 2 === 0,
  }),
);
const random = (seed = 1) => new RandomStreams(seed).stream('constants');
const valueOf = (constants: Constants, name: string): number => constants[name] ?? 10;

/** Run 0 takes 1000 + 7 × c05 + 3 × c41 + 2000 / c30; run 1 takes 500 + c05. */
function planted({ run, constants }: Point): { timeNs: number; otherNs: number } {
  const of = (name: string): number => valueOf(constants, name);
  return run === 0
    ? { timeNs: 1000 + 7 * of('c05') + 3 * of('c41') + 2000 / of('c30'), otherNs: 1 }
    : { timeNs: 500 + of('c05'), otherNs: 0 };
}

const QUESTIONS: readonly Question[] = [
  { name: 'one', runs: [0], measure: ([run]) => run!['timeNs']! },
  { name: 'ratio', runs: [0, 1], measure: ([a, b]) => a!['timeNs']! / b!['timeNs']! },
];

function run(
  options: { threshold?: number; samples?: number; seed?: number } = {},
  answer = planted,
): { study: Study; batches: (readonly Point[])[] } {
  const { threshold = 0.005, samples = 4, seed = 1 } = options;
  const work = study(FACTORS, QUESTIONS, { threshold, samples, random: random(seed) });
  const batches: (readonly Point[])[] = [];
  for (let step = work.next(); ; step = work.next(step.value.map(answer))) {
    if (step.done) return { study: step.value, batches };
    batches.push(step.value);
  }
}

const swingsOf = (outcome: Study, name: string) => outcome.spreads.find((spread) => spread.name === name)!.swings;

describe('a study of sensitivity', () => {
  it('a study finds exactly the constants that matter, and what each does at both ends of its range', () => {
    const { study: found } = run();
    // 1000 + 70 + 30 + 200, with one of them moved.
    expect(swingsOf(found, 'one')).toEqual([
      { constant: 'c30', low: 8, high: 14, atLow: 1350, atHigh: 1100 + 2000 / 14 },
      { constant: 'c05', low: 8, high: 14, atLow: 1286, atHigh: 1328 },
      { constant: 'c41', low: 8, high: 14, atLow: 1294, atHigh: 1312 },
    ]);
    expect(found.spreads[0]).toMatchObject({ value: 1300, alone: { low: 1100 + 2000 / 14, high: 1350 } });
  });

  it('a study of a figure of two runs moves a constant in both', () => {
    const ratio = swingsOf(run().study, 'ratio');
    expect(ratio.map(({ constant }) => constant)).toEqual(['c30', 'c05', 'c41']);
    expect(ratio[1]).toMatchObject({ atLow: 1286 / 508, atHigh: 1328 / 514 });
  });

  it('a constant that moves no time by more than the threshold is left as it is', () => {
    // c41 moves 18 of 1300: 1.38 %, 12 of it upwards.
    expect(swingsOf(run({ threshold: 0.0091 }).study, 'one')).toHaveLength(3);
    expect(swingsOf(run({ threshold: 0.0093 }).study, 'one').map(({ constant }) => constant)).toEqual(['c30', 'c05']);
  });

  it('a constant that is at its slow end is found by its other end', () => {
    const faster = ({ constants }: Point) => ({
      timeNs: Math.min(1000, 900 + 10 * valueOf(constants, 'c07')),
      otherNs: 1,
    });
    expect(swingsOf(run({}, faster).study, 'one')).toMatchObject([{ constant: 'c07', atLow: 980, atHigh: 1000 }]);
  });

  it('constants that work against each other do not hide each other', () => {
    const opposed = ({ constants }: Point) => ({
      timeNs: 1000 + 10 * valueOf(constants, 'c01') - 10 * valueOf(constants, 'c03'),
      otherNs: 1,
    });
    // c01 is slow when high, c03 when low.
    expect(swingsOf(run({}, opposed).study, 'one').map(({ constant }) => constant)).toEqual(['c01', 'c03']);
  });

  it('a study asks for no point twice, for fewer than one at a time would, and counts them', () => {
    const { study: found, batches } = run();
    const points = batches.flat().map(({ run: n, constants }) => JSON.stringify([n, constants]));
    expect(new Set(points).size).toBe(points.length);
    expect(found.points).toBe(points.length);
    // Two runs, 64 constants, two ends. All are moved to their slow ends once, and in the sample.
    expect(points.length).toBeLessThan((2 * 64 * 2) / 2);
    expect(batches.flat().filter(({ constants }) => Object.keys(constants).length === 64)).toHaveLength(1 + 2 * 4);
  });

  it('the range of all constants together is that of the sample, which the seed decides', () => {
    const [one, again, other] = [run({ samples: 9 }), run({ samples: 9 }), run({ samples: 9, seed: 2 })];
    expect(again).toEqual(one);
    expect(other.study.spreads[0]!.together).not.toEqual(one.study.spreads[0]!.together);
    expect(other.study.spreads[0]!.swings).toEqual(one.study.spreads[0]!.swings);
    const sample = one.batches
      .at(-1)!
      .filter(({ run: n, constants }) => n === 0 && Object.keys(constants).length === 64)
      .map((point) => planted(point).timeNs);
    expect(sample).toHaveLength(9);
    expect(one.study.spreads[0]!.together).toEqual({ low: Math.min(1300, ...sample), high: Math.max(1300, ...sample) });
  });
});

describe('latinHypercube', () => {
  it('latinHypercube has a point in each part of each range, and whole numbers where they have to be', () => {
    const points = latinHypercube(FACTORS, 6, random());
    expect(points).toHaveLength(6);
    for (const { name, isWhole } of FACTORS) {
      const values = points.map((point) => point[name]!).sort((a, b) => a - b);
      values.forEach((value, n) => {
        expect(value).toBeGreaterThanOrEqual(8 + n - (isWhole ? 0.5 : 0));
        expect(value).toBeLessThanOrEqual(8 + n + 1 + (isWhole ? 0.5 : 0));
        if (isWhole) expect(value).toBe(Math.round(value));
      });
    }
    expect(new Set(points.map((point) => JSON.stringify(point))).size).toBe(6);
  });
});
