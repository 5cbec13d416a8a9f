// CRC-32C: the check value, the published vectors, and the sliced loop against the definition, a
// bit at a time.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { crc32c } from '../../src/base/index.ts';
import { property } from '../support/property.ts';

function bitwise(bytes: Uint8Array, seed = 0): number {
  let crc = ~seed;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

it('crc32c gives the check value of the polynomial', () => {
  expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283);
});

it('crc32c gives the values of RFC 3720, B.4, for 32 bytes', () => {
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => 31 - i))).toBe(0x113fdb5c);
});

it('crc32c of no bytes is 0, or the seed', () => {
  expect(crc32c(new Uint8Array(0))).toBe(0);
  expect(crc32c(new Uint8Array(0), 0, 0, 0xe3069283)).toBe(0xe3069283);
});

property(
  'crc32c of eight bytes at a time equals that of a bit at a time',
  fc.uint8Array({ maxLength: 100 }),
  (bytes) => crc32c(bytes) === bitwise(bytes),
);

property(
  'crc32c of a range equals that of the bytes cut out, and goes on from any place',
  fc.uint8Array({ minLength: 1, maxLength: 100 }),
  fc.nat(),
  fc.nat(),
  fc.nat(),
  (bytes, a, b, c) => {
    const [start, middle, end] = [a, b, c].map((n) => n % (bytes.length + 1)).sort((x, y) => x - y);
    const whole = crc32c(bytes, start, end! - start!);
    expect(whole).toBe(bitwise(bytes.subarray(start, end)));
    expect(crc32c(bytes, middle, end! - middle!, crc32c(bytes, start, middle! - start!))).toBe(whole);
  },
);

property(
  'crc32c of runs of zeros equals that of a bit at a time, wherever they begin and end',
  fc.array(fc.tuple(fc.uint8Array({ maxLength: 20 }), fc.integer({ min: 0, max: 9000 })), {
    minLength: 1,
    maxLength: 3,
  }),
  fc.nat(20),
  (parts, from) => {
    const bytes = Uint8Array.from(parts.flatMap(([some, zeros]) => [...some, ...new Array<number>(zeros).fill(0)]));
    const start = Math.min(from, bytes.length);
    return crc32c(bytes, start) === bitwise(bytes.subarray(start));
  },
  { numRuns: 30 },
);

property(
  'crc32c of long blocks in two lanes equals that of a bit at a time, wherever they begin and end',
  fc.uint8Array({ minLength: 64, maxLength: 64 }),
  fc.nat(20),
  fc.integer({ min: 1000, max: 9000 }),
  fc.nat(0xffffffff),
  (some, from, length, seed) => {
    const bytes = Uint8Array.from({ length: from + length }, (_, i) => some[i % 61]! ^ (i >> 6));
    const part = bytes.subarray(from);
    expect(crc32c(bytes, from, length, seed)).toBe(bitwise(part, seed));
    expect(crc32c(part, 0, length, seed)).toBe(bitwise(part, seed));
  },
  { numRuns: 30 },
);

property(
  'crc32c changes with any flip of one bit',
  fc.uint8Array({ minLength: 1, maxLength: 64 }),
  fc.nat(),
  (bytes, place) => {
    const flipped = bytes.slice();
    const bit = place % (bytes.length * 8);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    return crc32c(flipped) !== crc32c(bytes);
  },
);
