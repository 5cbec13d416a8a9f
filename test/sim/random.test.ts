// Random streams: reproducible, independent of each other, uniform enough to shuffle with.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ArgumentError } from '../../src/base/index.ts';
import { RandomStreams, type RandomStream } from '../../src/sim/index.ts';
import { property } from '../support/property.ts';

const seed = fc.maxSafeInteger();

function take(stream: RandomStream, count: number): number[] {
  return Array.from({ length: count }, () => stream.u32());
}

property('one seed and one name give one stream', seed, fc.string(), (seedValue, name) => {
  const first = take(new RandomStreams(seedValue).stream(name), 8);
  expect(take(new RandomStreams(seedValue).stream(name), 8)).toEqual(first);
  expect(first.every((word) => Number.isInteger(word) && word >= 0 && word < 2 ** 32)).toBe(true);
});

property(
  'a stream does not depend on what is taken from the others',
  seed,
  fc.array(fc.nat({ max: 2 }), { maxLength: 30 }),
  (seedValue, turns) => {
    const alone = ['a', 'b', 'c'].map((name) => take(new RandomStreams(seedValue).stream(name), turns.length));
    const streams = new RandomStreams(seedValue);
    const together = ['a', 'b', 'c'].map((name) => streams.stream(name));
    const taken: number[][] = [[], [], []];
    for (const which of turns) taken[which]!.push(together[which]!.u32());
    for (const [which, numbers] of taken.entries()) expect(numbers).toEqual(alone[which]!.slice(0, numbers.length));
  },
);

property('two names, or two seeds that are close, give two streams', fc.integer(), fc.string(), (seedValue, name) => {
  const first = take(new RandomStreams(seedValue).stream(name), 4);
  expect(take(new RandomStreams(seedValue).stream(`${name}x`), 4)).not.toEqual(first);
  expect(take(new RandomStreams(seedValue + 1).stream(name), 4)).not.toEqual(first);
});

property(
  'seeds that differ above 32 bits give two streams',
  fc.nat(),
  fc.integer({ min: 1, max: 1000 }),
  (low, high) => {
    const first = take(new RandomStreams(low).stream('x'), 4);
    expect(take(new RandomStreams(low + high * 2 ** 32).stream('x'), 4)).not.toEqual(first);
  },
);

property(
  'the call below(n) gives an integer of 0 … n - 1, and fraction is of [0, 1)',
  seed,
  fc.oneof(fc.integer({ min: 1, max: 10 }), fc.constant(2 ** 32)),
  (seedValue, n) => {
    const stream = new RandomStreams(seedValue).stream('x');
    for (let i = 0; i < 20; i++) {
      const number = stream.below(n);
      expect(Number.isInteger(number) && number >= 0 && number < n).toBe(true);
      const fraction = stream.fraction();
      expect(fraction >= 0 && fraction < 1).toBe(true);
    }
  },
);

it('the call below(n) takes every value about as often', () => {
  const stream = new RandomStreams(1).stream('uniform');
  const counts = new Uint32Array(10);
  for (let i = 0; i < 10_000; i++) counts[stream.below(10)]!++;
  // Nine degrees of freedom: beyond 27.9 with a probability of 0.001.
  const chiSquare = counts.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
  expect(chiSquare).toBeLessThan(27.9);
});

it('the call below(n) refuses ranges that it cannot give', () => {
  const stream = new RandomStreams(1).stream('x');
  for (const n of [0, -1, 2 ** 32 + 1]) expect(() => stream.below(n)).toThrow(ArgumentError);
  expect(() => new RandomStreams(0.5)).toThrow(ArgumentError);
});

property(
  'the call shuffle permutes its values',
  seed,
  fc.array(fc.nat({ max: 5 }), { maxLength: 50 }),
  (seedValue, items) => {
    const shuffled = [...items];
    new RandomStreams(seedValue).stream('x').shuffle(shuffled);
    const words = Uint32Array.from(items);
    new RandomStreams(seedValue).stream('x').shuffle(words);
    expect([...shuffled].sort()).toEqual([...items].sort());
    expect([...words]).toEqual(shuffled);
  },
);

it('the call shuffle makes every order of three about as often', () => {
  const stream = new RandomStreams(1).stream('orders');
  const counts = new Map<string, number>();
  for (let i = 0; i < 6000; i++) {
    const items = [1, 2, 3];
    stream.shuffle(items);
    const key = items.join('');
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  expect(counts.size).toBe(6);
  // Five degrees of freedom: beyond 20.5 with a probability of 0.001.
  expect([...counts.values()].reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0)).toBeLessThan(20.5);
});
