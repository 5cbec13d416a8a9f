import { describe, expect, it } from 'vitest';
import { firstDifference, mustBeSameBytes } from './bytes.ts';

describe('bytes', () => {
  it.each([
    [[], [], -1],
    [[1, 2, 3], [1, 2, 3], -1],
    [[0, 2, 3], [1, 2, 3], 0],
    [[1, 2, 3], [1, 2, 4], 2],
    [[1, 2], [1, 2, 4], 2],
    [[1, 2, 4], [1, 2], 2],
  ])('the bytes %j and %j differ first at %i', (a, b, at) => {
    expect(firstDifference(Uint8Array.from(a), Buffer.from(b))).toBe(at);
  });

  it('bytes that differ are shown by offset and value', () => {
    const long = new Uint8Array(1 << 20);
    const other = long.slice();
    other[0xbeef] = 10;
    mustBeSameBytes(long, long.slice());
    expect(() => mustBeSameBytes(other, long, 'the file')).toThrow('the file: at offset 48879 is 0a and should be 00');
    expect(() => mustBeSameBytes(long.subarray(1), long)).toThrow(
      'bytes, of 1048575 bytes and not 1048576,: at offset 1048575 is nothing and should be 00',
    );
  });
});

describe('toEqual', () => {
  const kinds = [Uint8Array, Int8Array, Uint16Array, Uint32Array, Int32Array];

  it('toEqual compares typed arrays as bytes, wherever they lie in what is compared', () => {
    // Element by element, this takes longer than a test may.
    const [a, b] = [new Uint8Array(64 << 20), new Uint8Array(64 << 20)];
    const start = performance.now();
    expect({ deep: [a] }).toEqual({ deep: [b] });
    expect(performance.now() - start).toBeLessThan(30_000);
    b[b.length - 1] = 1;
    expect({ deep: [a] }).not.toEqual({ deep: [b] });
  });

  it.each(kinds)('toEqual tells %o from others of its kind and from other kinds', (kind) => {
    expect(kind.from([1, 2])).toEqual(kind.from([0, 1, 2]).subarray(1));
    for (const other of [[1, 3], [1], [1, 2, 0], []]) expect(kind.from([1, 2])).not.toEqual(kind.from(other));
    for (const other of kinds) if (other !== kind) expect(kind.from([1, 2])).not.toStrictEqual(other.from([1, 2]));
    expect(kind.from([1, 2])).not.toEqual([1, 2]);
  });

  it('toEqual compares floating-point numbers as numbers', () => {
    expect(Float64Array.of(NaN)).toEqual(Float64Array.of(NaN));
    expect(Float32Array.of(1, 2)).not.toEqual(Float32Array.of(1, 3));
  });
});
