import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { casesOf, containsSample, isWhole, linesOfPlayed } from './product.ts';

const ALL = Array.from({ length: 103 }, (_, n) => n);

const inShard = (shard: string): readonly number[] => {
  vi.stubEnv('STILLWARM_SHARD', shard);
  return casesOf('numbers', '', ALL, { sample: 5 });
};

beforeEach(() => {
  vi.stubEnv('STILLWARM_RUNS', '1');
  vi.stubEnv('STILLWARM_LAWS', undefined);
  vi.stubEnv('STILLWARM_SHARD', undefined);
  linesOfPlayed();
});
afterEach(() => {
  linesOfPlayed();
});

describe('the sample of a product', () => {
  it('the sample of a product is the same cases in every run, in the order of the whole', () => {
    const played = casesOf('numbers', '', ALL, { sample: 5, whole: 103 });
    expect(played).toHaveLength(5);
    expect(played).toEqual([...played].sort((a, b) => a - b));
    expect(casesOf('numbers', '', ALL, { sample: 5 })).toEqual(played);
    expect(casesOf('numbers', 'others', ALL, { sample: 5 })).not.toEqual(played);
    expect(containsSample()).toBe(true);
  });

  it('the sample of a product is part of the larger sample that STILLWARM_RUNS asks for, up to the whole', () => {
    const played = casesOf('numbers', '', ALL, { sample: 5 });
    vi.stubEnv('STILLWARM_RUNS', '4');
    const more = casesOf('numbers', '', ALL, { sample: 5 });
    expect(more).toHaveLength(20);
    expect(more).toEqual(expect.arrayContaining([...played]));
    vi.stubEnv('STILLWARM_RUNS', '100');
    expect(casesOf('numbers', '', ALL, { sample: 5 })).toEqual(ALL);
    expect(isWhole({ sample: 5, whole: 103 })).toBe(true);
  });

  it('the sample of a product is refused when the whole has another number of cases than the law says', () => {
    expect(() => casesOf('numbers', '', ALL, { sample: 5, whole: 104 })).toThrow('numbers: 103 cases, and not 104');
  });
});

describe('a run of the laws', () => {
  beforeEach(() => {
    vi.stubEnv('STILLWARM_LAWS', 'whole');
  });

  it('a run of the laws plays every case, and says how many there are', () => {
    expect(casesOf('numbers', '', ALL, { sample: 5 })).toEqual(ALL);
    casesOf('numbers', 'few', [1, 2], { sample: 5 });
    expect(linesOfPlayed()).toEqual(['law: numbers: 105 of 105 cases played, 7 in the sample']);
    expect(linesOfPlayed()).toEqual([]);
    expect(isWhole({ sample: 5, whole: 103 })).toBe(true);
  });

  it('a run of the laws is the disjoint sum of its shards, which are equally large', () => {
    const parts = ['1/4', '2/4', '3/4', '4/4'].map(inShard);
    expect(parts.flat().sort((a, b) => a - b)).toEqual(ALL);
    expect(parts.map(({ length }) => length).sort()).toEqual([25, 26, 26, 26]);
    expect(containsSample()).toBe(false);
  });

  it.each(['0/4', '5/4', '1', 'a/b', '1/0', ''])('a run of the laws has no shard "%s"', (shard) => {
    expect(() => inShard(shard)).toThrow(`STILLWARM_SHARD: expected i/n, with i from 1 to n, got "${shard}"`);
  });
});
