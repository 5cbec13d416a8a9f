// Bytes compared as bytes. What vitest's `toEqual` does element by element takes seconds for a
// megabyte, and minutes to print.
import { expect } from 'vitest';

const viewOf = (array: ArrayBufferView): Buffer => Buffer.from(array.buffer, array.byteOffset, array.byteLength);

/**
 * Offset of the first byte that differs, or that one of the two lacks; -1 when they are the same.
 */
export function firstDifference(a: Uint8Array, b: Uint8Array): number {
  if (Buffer.compare(a, b) === 0) return -1;
  let at = 0;
  while (at < a.length && at < b.length && a[at] === b[at]) at++;
  return at;
}

/**
 * Throws, with the first offset at which they differ, unless both hold the same bytes. For more
 * than a page of them.
 */
export function mustBeSameBytes(actual: Uint8Array, expected: Uint8Array, what = 'bytes'): void {
  const at = firstDifference(actual, expected);
  if (at < 0) return;
  const [seen, wanted] = [actual, expected].map((bytes) => bytes[at]?.toString(16).padStart(2, '0') ?? 'nothing');
  const lengths = actual.length === expected.length ? '' : `, of ${actual.length} bytes and not ${expected.length},`;
  throw new Error(`${what}${lengths}: at offset ${at} is ${seen} and should be ${wanted}`);
}

let comparesAsBytes = false;

/**
 * Makes `toEqual` and its relatives compare typed arrays of one kind as bytes, wherever they lie in
 * what is compared.
 */
export function compareTypedArraysAsBytes(): void {
  // A process of short test files comes here once for each, and keeps what it was told.
  if (comparesAsBytes) return;
  comparesAsBytes = true;
  expect.addEqualityTesters([
    (a: unknown, b: unknown): boolean | undefined => {
      if (!ArrayBuffer.isView(a) || !ArrayBuffer.isView(b) || a.constructor !== b.constructor) return undefined;
      // 0 and -0, and NaN, are not what their bytes are.
      if (a instanceof Float32Array || a instanceof Float64Array) return undefined;
      return Buffer.compare(viewOf(a), viewOf(b)) === 0;
    },
  ]);
}
