// The two modules of bytes, for node and for browsers, against a plain loop over numbers.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as browser from '../../src/base/bytes-browser.ts';
import * as node from '../../src/base/bytes.ts';
import { property } from '../support/property.ts';

/** Few values, so that ranges are often equal, and often zeros. */
const bytes = fc.array(fc.constantFrom(0, 0, 0, 1, 255), { maxLength: 40 });
const at = fc.nat(11);

/** An array that begins `offset` bytes inside its memory, with `before` bytes in front of `of`. */
function placed(of: readonly number[], offset: number, before: number): Uint8Array {
  const all = new Uint8Array(offset + before + of.length + 3).fill(9);
  all.set(of, offset + before);
  return all.subarray(offset);
}

describe('the modules of bytes', () => {
  it('the module of bytes for browsers has the functions of that for node, and package.json names it', () => {
    expect(Object.keys(browser)).toEqual(Object.keys(node));
    const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      browser: unknown;
    };
    expect(manifest.browser).toEqual({ './dist/base/bytes.js': './dist/base/bytes-browser.js' });
  });
});

describe.each([
  ['node', node],
  ['browsers', browser],
])('the module of bytes for %s', (where, { compareBytes, copyBytes, equalBytes, isZero }) => {
  property(
    `bytes for ${where}: the order is that of the first byte that differs, then of the lengths`,
    bytes,
    bytes,
    (a, b) => {
      const i = a.findIndex((byte, k) => byte !== b[k]);
      const expected = i >= 0 && i < b.length ? a[i]! - b[i]! : a.length - b.length;
      expect(Math.sign(compareBytes(Uint8Array.from(a), Uint8Array.from(b)))).toBe(Math.sign(expected));
    },
  );

  property(
    `bytes for ${where}: ranges are equal when each byte is, however they are aligned`,
    bytes,
    fc.option(fc.nat(39)),
    at,
    at,
    at,
    at,
    (a, change, offsetA, beforeA, offsetB, beforeB) => {
      const b = a.map((byte, i) => (i === change ? byte ^ 1 : byte));
      const isEqual = equalBytes(placed(a, offsetA, beforeA), beforeA, placed(b, offsetB, beforeB), beforeB, a.length);
      expect(isEqual).toBe(change === null || change >= a.length);
    },
  );

  property(
    `bytes for ${where}: a range is zero when each byte is, however it is aligned`,
    bytes,
    at,
    at,
    (a, offset, before) => {
      expect(isZero(placed(a, offset, before), before, before + a.length)).toBe(a.every((byte) => byte === 0));
    },
  );

  property(
    `bytes for ${where}: a copy changes its range and nothing else`,
    bytes,
    at,
    at,
    at,
    (a, offset, before, to) => {
      const target = new Uint8Array(to + a.length + 5).fill(3);
      copyBytes(placed(a, offset, before), before, target, to, a.length);
      expect([...target]).toEqual([...new Array<number>(to).fill(3), ...a, 3, 3, 3, 3, 3]);
    },
  );

  it(`a long range for ${where} is zero to its last byte, and equal to its last byte`, () => {
    const long = new Uint8Array(600_000);
    expect(isZero(long, 0, long.length)).toBe(true);
    long[599_999] = 1;
    expect([isZero(long, 0, 599_999), isZero(long, 0, 600_000)]).toEqual([true, false]);
    expect(equalBytes(long, 0, new Uint8Array(600_000), 0, 599_999)).toBe(true);
    expect(equalBytes(long, 0, new Uint8Array(600_000), 0, 600_000)).toBe(false);
  });
});
