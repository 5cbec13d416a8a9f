// The frame of every check: parts, shards, and results that are joined.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../src/base/index.ts';
import { isWhole, merged, neverReached, partsOf, partsOfShard } from '../../src/lab/check.ts';
import type { Part, PartResult, Violation } from '../../src/lab/part.ts';
import { property } from '../support/property.ts';

const OPTIONS = { seed: 1 };

/** What a check would say of the part: every case counts itself. */
function resultOf(part: Part, done = part.to - part.from): PartResult {
  const played = Array.from({ length: done }, (_, n) => part.from + n);
  const violation = (at: number): Violation => ({ at, law: `law ${at % 2}`, what: `${at}`, replay: 'r', history: [] });
  return {
    part,
    done,
    counts: {
      states: done,
      sum: played.reduce((sum, at) => sum + at, 0),
      [`tens ${Math.floor(part.from / 10)}`]: done,
    },
    reached: { odd: played.filter((at) => at % 2 === 1).length, never: 0 },
    // Not in their order.
    violations: played
      .filter((at) => at % 7 === 3)
      .flatMap((at) => [{ ...violation(at), law: 'z' }, violation(at)])
      .reverse(),
  };
}

const sizes = [fc.nat(2000), fc.integer({ min: 1, max: 40 })] as const;

describe('parts', () => {
  property('parts are all cases, each once, in their order, and none is empty', ...sizes, (cases, least) => {
    const parts = partsOf('c', OPTIONS, cases, least);
    let next = 0;
    for (const part of parts) {
      expect(part).toMatchObject({ check: 'c', options: OPTIONS, from: next });
      expect(part.to).toBeGreaterThan(part.from);
      next = part.to;
    }
    expect(next).toBe(cases);
    expect(parts.length).toBeLessThanOrEqual(256);
    for (const part of parts.slice(0, -1)) expect(part.to - part.from).toBeGreaterThanOrEqual(least);
  });

  property(
    'shards are disjoint, and together they are all parts',
    fc.nat(300),
    fc.integer({ min: 1, max: 9 }),
    (cases, of) => {
      const parts = partsOf('c', OPTIONS, cases);
      const shards = Array.from({ length: of }, (_, n) => partsOfShard(parts, { number: n + 1, of }));
      expect(shards.flat().sort((a, b) => a.from - b.from)).toEqual(parts);
      const lengths = shards.map(({ length }) => length);
      expect(Math.max(...lengths) - Math.min(...lengths)).toBeLessThanOrEqual(1);
    },
  );

  it('a shard takes every so many parts, beginning with that of its number', () => {
    const parts = partsOf('c', OPTIONS, 8);
    expect(partsOfShard(parts, { number: 2, of: 3 }).map(({ from }) => from)).toEqual([1, 4, 7]);
    expect(partsOfShard(parts, { number: 3, of: 3 }).map(({ from }) => from)).toEqual([2, 5]);
  });

  it('a shard that is none of its number is refused', () => {
    for (const shard of [
      { number: 0, of: 2 },
      { number: 3, of: 2 },
      { number: 1, of: 0 },
      { number: 1.5, of: 2 },
    ])
      expect(() => partsOfShard([], shard)).toThrow(ArgumentError);
  });
});

describe('a report', () => {
  property(
    'a report is the same whatever the order of the results, and whatever the parts are',
    ...sizes,
    fc.integer(),
    (cases, least, seed) => {
      const parts = partsOf('c', OPTIONS, cases, least);
      const results = parts.map((part) => resultOf(part));
      const one = JSON.stringify(merged(parts, results));
      const shuffled = [...results].sort(
        (a, b) => Math.imul(a.part.from + 1, seed | 1) - Math.imul(b.part.from + 1, seed | 1),
      );
      expect(JSON.stringify(merged(parts, shuffled))).toBe(one);
      const { violations, counts } = merged(parts, results);
      const expected = Array.from({ length: cases }, (_, at) => at).filter((at) => at % 7 === 3);
      expect(violations.map(({ at, law }) => `${at} ${law}`)).toEqual(
        expected.flatMap((at) => [`${at} law ${at % 2}`, `${at} z`]),
      );
      if (cases > 0) expect(counts).toContainEqual({ name: 'sum', value: (cases * (cases - 1)) / 2 });
    },
  );

  it('a report has a verdict: violated before partial, and partial before passed', () => {
    const parts = partsOf('c', OPTIONS, 3, 3);
    expect(merged(parts, [resultOf(parts[0]!)])).toMatchObject({ verdict: 'passed', cases: 3, done: 3 });
    expect(merged(parts, [resultOf(parts[0]!, 2)])).toMatchObject({ verdict: 'partial', done: 2 });
    expect(merged(parts, [])).toMatchObject({ verdict: 'partial', done: 0, counts: [] });
    const more = partsOf('c', OPTIONS, 9, 9);
    expect(merged(more, [resultOf(more[0]!, 4)])).toMatchObject({ verdict: 'violated', cases: 9, done: 4 });
    expect([isWhole(resultOf(more[0]!)), isWhole(resultOf(more[0]!, 8))]).toEqual([true, false]);
  });

  it('a report names the states that were never reached in any part', () => {
    const parts = partsOf('c', OPTIONS, 2, 1);
    expect(neverReached(merged(parts, [resultOf(parts[0]!)]))).toEqual(['never', 'odd']);
    expect(
      neverReached(
        merged(
          parts,
          parts.map((part) => resultOf(part)),
        ),
      ),
    ).toEqual(['never']);
  });

  it('a report refuses a result of another part, two of one, and more cases than there are', () => {
    const parts = partsOf('c', OPTIONS, 4, 2);
    const [a, b] = parts.map((part) => resultOf(part));
    const refused = (...results: PartResult[]) => expect(() => merged(parts, results));
    refused(a!, b!, a!).toThrow(/^results: cases 0 to 2 are there twice$/);
    refused({ ...a!, part: { ...a!.part, to: 3 } }).toThrow(/^results: cases 0 to 3 are no part of this run$/);
    refused({ ...a!, done: 3 }).toThrow(/^results: 3 of cases 0 to 2 were played$/);
  });
});
