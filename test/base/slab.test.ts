import { expect, it } from 'vitest';
import { Slab } from '../../src/base/slab.ts';

it('what is taken from a slab is zeroed, as long as asked for, and shares no byte with anything else that was taken', () => {
  const slab = new Slab();
  const taken: Uint8Array[] = [];
  for (const length of [1, 0, 42, 2962, 65_536, 7, 100_000, 60_000, 9000]) {
    const bytes = slab.take(length);
    expect(bytes).toEqual(new Uint8Array(length));
    bytes.fill(taken.push(bytes));
  }
  for (const [n, bytes] of taken.entries()) expect(bytes.every((byte) => byte === n + 1)).toBe(true);
});

it('small arrays lie in one larger array', () => {
  const slab = new Slab();
  expect(slab.take(42).buffer).toBe(slab.take(2962).buffer);
});
