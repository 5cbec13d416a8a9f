// A state as words: equal data have equal words, and nothing else has.
import fc from 'fast-check';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { Codec, flawOf, NESTING_MAX, NotPlain, TooLong, WORDS_MAX } from '../../../src/lab/protocol/words.ts';
import { hashOf, rehashed, Visited } from '../../../src/lab/protocol/visited.ts';
import { property } from '../../support/property.ts';

const numbers = fc.oneof(
  fc.integer({ min: -3, max: 3 }),
  fc.integer(),
  fc.constantFrom(2 ** 30, 2 ** 30 - 1, -(2 ** 30), -(2 ** 30) - 1, Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER),
);
const keys = fc.constantFrom('a', 'b', 'c', '', '10', '9', 'constructor', 'x"y');
const { plain } = fc.letrec((tie) => ({
  plain: fc.oneof(
    { maxDepth: 4 },
    numbers,
    fc.constantFrom('', 'a', 'b', '0'),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('plain'), { maxLength: 4 }),
    fc.dictionary(keys, tie('plain'), { maxKeys: 4, noNullPrototype: true }),
  ),
}));

const wordsOf = (codec: Codec, value: unknown): Int32Array => {
  codec.encode(value);
  return codec.words.slice(0, codec.length);
};
/** The same with the keys of each record the other way round. */
const reversed = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, each]) => [key, reversed(each)]),
  );
};

describe('a state as words', () => {
  property('a state that was encoded is decoded to equal data, twice and fresh', plain, plain, (a, b) => {
    const codec = new Codec();
    for (const value of [a, b, a]) {
      const words = wordsOf(codec, value);
      const [one, other] = [codec.decode(words, 0), codec.decode(words, 0)];
      expect(one).toEqual(value);
      expect(other).toEqual(value);
      if (typeof one === 'object' && one !== null) expect(one).not.toBe(other);
    }
  });

  property('two states have the same words if and only if they are equal', plain, plain, (a, b) => {
    const codec = new Codec();
    expect(isDeepStrictEqual(wordsOf(codec, a), wordsOf(codec, b))).toBe(isDeepStrictEqual(a, b));
    expect(wordsOf(codec, reversed(a))).toEqual(wordsOf(codec, a));
  });

  property('no state is the beginning of the words of another', plain, plain, (a, b) => {
    const codec = new Codec();
    const [short, long] = [wordsOf(codec, a), wordsOf(codec, b)].sort((x, y) => x.length - y.length);
    if (!isDeepStrictEqual(a, b)) expect([...long!.subarray(0, short!.length)]).not.toEqual([...short!]);
  });

  const cycle: unknown[] = [];
  cycle.push(cycle);
  let deep: unknown = 0;
  for (let i = 0; i <= NESTING_MAX; i++) deep = [deep];
  it.each([
    ['undefined', { a: undefined }, 'state.a is undefined'],
    ['a hole', [1, , 2], 'state[1] is undefined'],
    ['NaN', [Number.NaN], 'state[0] is NaN, which is no integer below 2^53'],
    ['a fraction', { b: { c: 0.5 } }, 'state.b.c is 0.5, which is no integer below 2^53'],
    ['a number that is too great', 2 ** 53, 'state is 9007199254740992, which is no integer below 2^53'],
    ['a Map', { m: new Map() }, 'state.m is a Map, and no plain record'],
    ['a typed array', { m: new Uint8Array(1) }, 'state.m is a Uint8Array, and no plain record'],
    ['a function', [() => 1], 'state[0] is a function'],
    ['a bigint', 1n, 'state is a bigint'],
    ['a cycle', { cycle }, 'state.cycle[0] is a cycle: it holds itself'],
    ['too deep a nesting', deep, `is nested deeper than ${NESTING_MAX}`],
    ['a key that sets the prototype', JSON.parse('{"__proto__":1}'), 'a part of the name __proto__'],
  ])('%s is no plain data, and is named', (_name, value: unknown, flaw) => {
    expect(() => new Codec().encode(value)).toThrow(NotPlain);
    expect(flawOf(value, 'state')).toContain(flaw);
  });

  it('a state that is too long is refused, however it is built', () => {
    const leaf = Array.from({ length: 1000 }, () => 1);
    for (const value of [Array.from({ length: WORDS_MAX }, () => 0), Array.from({ length: 17 }, () => leaf)])
      expect(() => new Codec().encode(value)).toThrow(TooLong);
    expect(() => new Codec().encode(Array.from({ length: 16 }, () => leaf))).not.toThrow();
  });
});

describe('the states that were found', () => {
  property(
    'a state is found again by its words, and another is not',
    fc.array(fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 4 }), { maxLength: 300 }),
    (states) => {
      const visited = new Visited();
      const known = new Map<string, number>();
      for (const [n, state] of states.entries()) {
        const words = Int32Array.from(state);
        const there = known.get(state.join());
        expect(visited.find(words, words.length)).toBe(there ?? -1);
        expect(visited.add(words, words.length, n, n + 1)).toBe(there === undefined ? known.size : -1 - there);
        if (there === undefined) known.set(state.join(), known.size);
      }
      expect(visited.count).toBe(known.size);
      for (const [key, n] of known) {
        const start = visited.startOf(n);
        const words = key === '' ? [] : key.split(',').map(Number);
        expect([...visited.words.subarray(start, start + words.length)]).toEqual(words);
      }
    },
  );

  it('10,000 states grow all that is held', () => {
    const visited = new Visited();
    for (let round = 0; round < 2; round++)
      for (let n = 0; n < 10_000; n++) {
        const words = Int32Array.of(n, n * 7, -n);
        expect(visited.add(words, 3, n - 1, n % 5)).toBe(round === 0 ? n : -1 - n);
      }
    expect([visited.parentOf(9999), visited.moveOf(9999)]).toEqual([9998, 4]);
  });
});

property(
  'the hash of words of which one has changed is that of the new words',
  fc.array(fc.integer(), { minLength: 1, maxLength: 20 }),
  fc.nat(),
  fc.integer(),
  (list, at, to) => {
    const words = Int32Array.from(list);
    const place = at % words.length;
    const changed = words.with(place, to);
    expect(rehashed(hashOf(words, words.length), place, words[place]!, to)).toBe(hashOf(changed, words.length));
    expect(new Set([hashOf(words, words.length), hashOf(changed, words.length)]).size).toBe(
      words[place] === to ? 1 : 2,
    );
  },
);
