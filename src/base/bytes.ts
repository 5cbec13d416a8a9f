/**
 * Comparing and copying ranges of bytes as fast as the host can, by its own memcmp and memmove.
 *
 * This is the one module of the model that imports `node:buffer`. Its twin for hosts without that
 * module is bytes-browser.ts, which package.json names under `browser`. Both give the same results.
 * Ranges are counted in bytes and must lie inside their arrays.
 */

import { Buffer } from 'node:buffer';

type Compare = (this: Uint8Array, b: Uint8Array, bFrom: number, bTo: number, aFrom: number, aTo: number) => number;
type Copy = (this: Uint8Array, dst: Uint8Array, at: number, from: number, to: number) => void;
/** They work on any Uint8Array. */
const EMPTY = Buffer.alloc(0);
const compare: Compare = Reflect.get(EMPTY, 'compare');
const copy: Copy = Reflect.get(EMPTY, 'copy');

/** Bytes compared with zeros in one step. */
const STEP = 1 << 18;
const ZEROS = new Uint8Array(STEP);

/** Order of two strings of bytes: below 0, 0 or above 0, as memcmp; a prefix comes first. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b);
}

/** Whether `length` bytes from `a[aAt]` on equal those from `b[bAt]` on. */
export function equalBytes(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number, length: number): boolean {
  return compare.call(a, b, bAt, bAt + length, aAt, aAt + length) === 0;
}

/** Whether bytes[from, to) are all zeros. */
export function isZero(bytes: Uint8Array, from: number, to: number): boolean {
  // Most ranges that are not zeros show it at once.
  if (from < to && bytes[from] !== 0) return false;
  for (let at = from; at < to; at += STEP) {
    const end = Math.min(at + STEP, to);
    if (compare.call(bytes, ZEROS, 0, end - at, at, end) !== 0) return false;
  }
  return true;
}

/** Copies `length` bytes from `src[srcAt]` on to `dst[dstAt]` on, and makes no view for it. */
export function copyBytes(src: Uint8Array, srcAt: number, dst: Uint8Array, dstAt: number, length: number): void {
  copy.call(src, dst, dstAt, srcAt, srcAt + length);
}
