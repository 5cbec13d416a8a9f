/**
 * The twin of bytes.ts for hosts without `node:buffer`: the same functions over plain arrays.
 * Nothing here imports it. A bundler for browsers takes it in place of bytes.ts, because
 * package.json names it under `browser`.
 */

const WORD = 4;

/** As words, where both ranges are aligned; undefined elsewhere. */
function words(bytes: Uint8Array, at: number, length: number): Uint32Array | undefined {
  const from = bytes.byteOffset + at;
  return from % WORD === 0 ? new Uint32Array(bytes.buffer, from, Math.floor(length / WORD)) : undefined;
}

/** Order of two strings of bytes: below 0, 0 or above 0, as memcmp; a prefix comes first. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i]! < b[i]! ? -1 : 1;
  return Math.sign(a.length - b.length);
}

/** Whether `length` bytes from `a[aAt]` on equal those from `b[bAt]` on. */
export function equalBytes(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number, length: number): boolean {
  const left = words(a, aAt, length);
  const right = words(b, bAt, length);
  let done = 0;
  if (left !== undefined && right !== undefined) {
    for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return false;
    done = left.length * WORD;
  }
  for (; done < length; done++) if (a[aAt + done] !== b[bAt + done]) return false;
  return true;
}

/** Whether bytes[from, to) are all zeros. */
export function isZero(bytes: Uint8Array, from: number, to: number): boolean {
  const whole = words(bytes, from, to - from);
  if (whole?.some((word) => word !== 0)) return false;
  for (let at = from + (whole?.length ?? 0) * WORD; at < to; at++) if (bytes[at] !== 0) return false;
  return true;
}

/** Copies `length` bytes from `src[srcAt]` on to `dst[dstAt]` on. */
export function copyBytes(src: Uint8Array, srcAt: number, dst: Uint8Array, dstAt: number, length: number): void {
  dst.set(src.subarray(srcAt, srcAt + length), dstAt);
}
