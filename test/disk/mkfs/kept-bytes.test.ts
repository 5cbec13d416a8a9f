import { describe, expect, it } from 'vitest';
import { KeptBytes } from '../../../src/disk/mkfs/kept-bytes.ts';

const MIB = 1 << 20;

describe('KeptBytes', () => {
  it('KeptBytes gives no more than it has, and each byte once', () => {
    const room = new KeptBytes(20 * MIB);
    const sizes = [3 * MIB, 1, 5 * MIB, 4095, 9 * MIB];
    const taken = sizes.map((bytes) => room.take(bytes)!);
    expect(taken.map(({ length }) => length)).toEqual(sizes);
    taken.forEach((bytes, n) => bytes.fill(n + 1));
    taken.forEach((bytes, n) => expect(bytes.every((byte) => byte === n + 1)).toBe(true));
    const left = 20 * MIB - sizes.reduce((a, b) => a + b);
    expect(room.take(left + 1)).toBeUndefined();
    expect(room.take(left)?.every((byte) => byte === 0)).toBe(true);
    expect(room.take(1)).toBeUndefined();
  });
});
