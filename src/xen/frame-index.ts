/**
 * A hash index over frames: chains of mfns by a 32-bit hash. Derived from the frame records and never the truth: whoever
 * walks a chain compares the record.
 *
 * Chains are doubly linked through typed arrays, so that a frame can be taken out without its key: a record whose bytes
 * were damaged never breaks a chain or makes it loop. 9 bytes a frame at most. In the arrays 0 means nothing and mfn + 1
 * a frame; -(bucket + 1) in `prev` is the head of a bucket.
 */

import { assert } from '../base/assert.ts';
import { type Mfn } from '../base/units.ts';

export class FrameIndex {
  readonly #heads: Int32Array;
  readonly #next: Int32Array;
  readonly #prev: Int32Array;
  readonly #shift: number;

  constructor(frameCount: number) {
    // Between 1/8 and 1/4 of a bucket a frame: at most 1 byte a frame.
    const bits = Math.max(4, 29 - Math.clz32(frameCount));
    this.#shift = 32 - bits;
    this.#heads = new Int32Array(1 << bits);
    this.#next = new Int32Array(frameCount);
    this.#prev = new Int32Array(frameCount);
  }

  /** Bytes of the arrays. */
  get byteLength(): number {
    return this.#heads.byteLength + this.#next.byteLength + this.#prev.byteLength;
  }

  has(mfn: Mfn): boolean {
    return this.#prev[mfn] !== 0;
  }

  /** First frame of the chain of `hash`, or -1; then `after` until -1. */
  first(hash: number): number {
    return this.#heads[hash >>> this.#shift]! - 1;
  }

  after(mfn: number): number {
    return this.#next[mfn]! - 1;
  }

  /** Adds a frame that is not in the index. */
  link(mfn: Mfn, hash: number): void {
    assert(this.#prev[mfn] === 0, 'frame is in the index already');
    const bucket = hash >>> this.#shift;
    const head = this.#heads[bucket]!;
    this.#next[mfn] = head;
    this.#prev[mfn] = -(bucket + 1);
    if (head !== 0) this.#prev[head - 1] = mfn + 1;
    this.#heads[bucket] = mfn + 1;
  }

  /** Takes a frame out, if it is in. */
  unlink(mfn: Mfn): void {
    const prev = this.#prev[mfn]!;
    if (prev === 0) return;
    const next = this.#next[mfn]!;
    if (prev > 0) this.#next[prev - 1] = next;
    else this.#heads[-prev - 1] = next;
    if (next !== 0) this.#prev[next - 1] = prev;
    this.#prev[mfn] = 0;
    this.#next[mfn] = 0;
  }
}

/** Hash of a block of a device. */
export function hashBlock(device: number, block: number): number {
  return Math.imul(block ^ Math.imul(device, 0x27d4eb2f), 0x9e3779b1) >>> 0;
}

/** Hash of a name without its generation: a claim must find a page of another generation too, to say so. */
export function hashName(device: number, ino: number, index: number): number {
  const h = Math.imul(ino ^ Math.imul(device, 0x27d4eb2f), 0x85ebca77);
  return Math.imul((h ^ (h >>> 13)) + index, 0x9e3779b1) >>> 0;
}
