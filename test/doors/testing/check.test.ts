// Properties with one line to replay them, as a user of the package writes them.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../../src/doors/machine/index.ts';
import { type CheckOptions, checkProperty, replayOf, seedOf, textOfReplay } from '../../../src/doors/testing/check.ts';

/** Fails from 1000 on. */
const small = (seen: number[] = []): fc.IProperty<[number]> =>
  fc.property(fc.nat(), (n) => {
    seen.push(n);
    if (n >= 1000) throw new Error(`${n} is large\nreplay: a line of its own`);
  });

function failureOf(options: CheckOptions<[number]> = {}, seen: number[] = []): string {
  try {
    checkProperty('numbers are small', small(seen), options);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('expected a failure');
}

describe('checkProperty of the door', () => {
  it('a property that fails prints its counterexample and one line, whose text runs that case alone', () => {
    const message = failureOf();
    expect(message).toContain('numbers are small: failed at case ');
    expect(message).toContain('counterexample: [1000]\nbecause: 1000 is large');
    const lines = message.split('\n').filter((line) => line.startsWith('replay:'));
    expect(lines).toHaveLength(1);
    const text = /^replay: REPLAY="(.*)"$/.exec(lines[0]!)![1]!;
    const seen: number[] = [];
    expect(failureOf({ replay: text }, seen)).toContain(lines[0]);
    expect(seen).toEqual([1000]);
  });

  it('a failure has one line that begins with replay:, however many its cause has', () => {
    const property = fc.property(fc.nat(), () => {
      throw new Error('because\nreplay: one\nreplay: two');
    });
    const act = (): void => checkProperty('nothing holds', property);
    expect(act).toThrow(/because\n {2}replay: one\n {2}replay: two\nreplay: REPLAY="/);
  });

  it('a property has one set of cases by its name, and others by a seed', () => {
    const cases = (options: CheckOptions<[number]>): number[] => {
      const seen: number[] = [];
      checkProperty(
        'a',
        fc.property(fc.nat(), (n) => void seen.push(n)),
        { numRuns: 10, ...options },
      );
      return seen;
    };
    expect(cases({})).toEqual(cases({}));
    expect(cases({ seed: 5 })).not.toEqual(cases({}));
    expect(cases({ seed: seedOf('a') })).toEqual(cases({}));
  });

  it('a replay line is what the caller says', () => {
    expect(failureOf({ replayLine: ({ seed, path }, name) => `run ${name} ${seed} ${path}` })).toMatch(
      /\nreplay: run numbers are small -?\d+ \d+:[\d:]+$/,
    );
  });

  it('the text of a replay is read back, with the path of commands and without', () => {
    for (const replay of [
      { seed: -5, path: '0:1:2', commands: undefined },
      { seed: 7, path: '3', commands: 'AB:F' },
    ])
      expect(replayOf(textOfReplay(replay))).toEqual(replay);
  });

  it.each<[string, () => unknown]>([
    ['text', () => checkProperty('a', small(), { replay: 'yesterday' })],
    ['text: seed', () => replayOf('4294967296 0')],
    ['text: seed', () => replayOf('-2147483649 0')],
    ['name', () => checkProperty(5 as never, small())],
    ['property', () => checkProperty('a', fc.asyncProperty(fc.nat(), () => Promise.resolve()) as never)],
    ['property', () => checkProperty('a', (() => true) as never)],
    ['options.replayLine', () => checkProperty('a', small(), { replayLine: 'x' as never })],
    ['options.numRuns', () => checkProperty('a', small(), { numRuns: 0 })],
    ['options.numRuns', () => checkProperty('a', small(), { numRuns: NaN })],
    ['options.limitMs', () => checkProperty('a', small(), { limitMs: NaN })],
  ])('a mistake of a caller of checkProperty is an ArgumentError that names %s', (name, act) => {
    expect(act).toThrow(ArgumentError);
    expect(act).toThrow(new RegExp(`^${name}: `));
  });
});
