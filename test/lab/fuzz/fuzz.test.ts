// The fuzz of whatever is read: exact counts of a small run of each kind, the same whatever its
// parts, within bounds of memory.
import { describe, expect, it } from 'vitest';
import { caseOf, fuzzCheck, fuzzCheckWith, playCase, KINDS } from '../../../src/lab/fuzz/index.ts';
import type { PartResult } from '../../../src/lab/part.ts';
import { runsFactor } from '../../support/property.ts';
import { COMMAND_LINES } from '../../../src/cli/command-lines.ts';

const check = fuzzCheckWith(COMMAND_LINES);
/** Bytes by which a run may grow: the machines of all kinds together are 300 MiB. */
const MOST_BYTES = 1 << 30;

function play(kind: string, cases: number, from = 0, to = cases, progress: () => boolean = () => true): PartResult {
  return check.play({ check: 'fuzz', options: { kind, cases, seed: 1 }, from, to }, progress);
}

/** Cases, how many of them are taken, and how many refused, by seed 1. */
const COUNTS: readonly (readonly [kind: string, cases: number, accepted: number, refused: number])[] = [
  ['table', 400, 178, 222],
  ['dump', 20, 7, 13],
  ['records', 5, 4, 1],
  ['image', 4, 2, 2],
  ['journal', 24, 21, 3],
  ['save', 10, 1, 9],
  ['rings', 20, 15, 5],
  ['store', 20, 4, 16],
  ['frames', 60, 20, 40],
  ['results', 200, 31, 169],
  ['profiles', 200, 10, 190],
  ['boot', 16, 2, 14],
  ['traces', 300, 97, 203],
  ['options', 300, 16, 284],
];

describe('a small run of a kind', () => {
  it.each(COUNTS)('a run of %s, %i cases, takes and refuses as many as before', (kind, cases, accepted, refused) => {
    const before = process.memoryUsage();
    let most = 0;
    const result = play(kind, cases, 0, cases, () => {
      const now = process.memoryUsage();
      most = Math.max(most, now.heapUsed - before.heapUsed + now.arrayBuffers - before.arrayBuffers);
      return true;
    });
    expect(result.violations).toEqual([]);
    expect([kind, result.counts['accepted'], result.counts['refused']]).toEqual([kind, accepted, refused]);
    expect([accepted > 0, refused > 0]).toEqual([true, true]);
    expect(most).toBeLessThan(MOST_BYTES);
  });

  it('the list of small runs has all kinds', () => {
    expect(COUNTS.map(([kind]) => kind)).toEqual(check.kinds);
    expect(fuzzCheck.kinds).toEqual(Object.keys(KINDS));
  });
});

describe('a part of the fuzz', () => {
  it('parts of the fuzz add up to the whole, in any order', () => {
    const whole = play('table', 300);
    const parts = [
      [200, 300],
      [0, 50],
      [50, 200],
    ].map(([from, to]) => play('table', 300, from, to));
    const sums: Record<string, number> = {};
    for (const { counts } of parts)
      for (const [name, count] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + count;
    expect(sums).toEqual(whole.counts);
  });

  it('a case of the fuzz is the same whatever was played before it', () => {
    // Two that boot guests, and two that do not.
    for (const name of ['table', 'rings', 'store', 'frames'] as const) {
      const kind = KINDS[name]();
      const played = [3, 0, 3].map((n) => JSON.stringify([caseOf(kind, 1, n), playCase(kind, caseOf(kind, 1, n))]));
      expect(played[2]).toBe(played[0]);
      expect(played[1]).not.toBe(played[0]);
    }
  });

  it('a part of the fuzz ends when its budget does, and says how many cases it has played', () => {
    let done = 0;
    const result = check.play(
      { check: 'fuzz', options: { kind: 'options' }, from: 10, to: 1000 },
      (n) => (done = n) < 25,
    );
    expect([result.done, done, result.counts['cases']]).toEqual([25, 25, 25]);
  });

  it('a run of all kinds has the cases of each, and counts them without a specimen', () => {
    expect(check.count({})).toBe(check.kinds.reduce((sum, kind) => sum + check.count({ kind }), 0));
    expect(check.count({ cases: 7 })).toBe(7 * check.kinds.length);
    const table = check.count({ kind: 'table' });
    const result = check.play({ check: 'fuzz', options: {}, from: table - 3, to: table }, () => true);
    expect(result.counts).toMatchObject({ cases: 3, violations: 0 });
  });

  it.each([
    [{ kind: 'nothing' }, /kind/],
    [{ cases: 0 }, /cases/],
    [{ cases: 1.5 }, /cases/],
    [{ seed: 'x' }, /seed/],
    [{ other: 1 }, /other/],
  ])('the options %j of a fuzz are an ArgumentError that names the option', (options, message) => {
    expect(() => check.count(options)).toThrow(message);
    expect(() => check.count(options)).toThrow(expect.objectContaining({ name: 'ArgumentError' }));
  });

  it('a part that is none of the fuzz is an ArgumentError', () => {
    const part = { check: 'fuzz', options: { kind: 'table', cases: 5 }, from: 0, to: 5 };
    for (const wrong of [
      { ...part, check: 'crash' },
      { ...part, from: 3, to: 2 },
      { ...part, to: 6 },
    ])
      expect(() => check.play(wrong, () => true)).toThrow(expect.objectContaining({ name: 'ArgumentError' }));
  });
});

it('a long enough run of the fuzz meets each refusal that it must meet', () => {
  // All cases of CI by STILLWARM_RUNS; the kinds that boot no guest in any case.
  const quick = ['table', 'frames', 'results', 'profiles', 'traces', 'options'];
  for (const kind of runsFactor() > 1 ? check.kinds : quick) {
    const cases = runsFactor() > 1 ? check.count({ kind }) : 700;
    const { reached, violations } = play(kind, cases);
    expect([kind, violations]).toEqual([kind, []]);
    expect([kind, Object.entries(reached).filter(([, count]) => count === 0)]).toEqual([kind, []]);
  }
});
