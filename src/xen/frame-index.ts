/**
 * A hash index over frames: chains of mfns by the low bits of a hash. Derived from the frame records and never the truth:
 * whoever walks a chain compares the record.
 *
 * Chains are doubly linked through a typed array, so that a frame can be taken out without its key: a record whose bytes
 * were damaged never breaks a chain or makes it loop. 8 bytes a frame, and its share of the buckets. `links` holds next and
 * previous of a frame side by side, which saves a cache miss; 0 means nothing, mfn + 1 a frame, and -(bucket + 1) as
 * previous that the frame is the first of a bucket.
 */

import { assert } from '../base/assert.ts';
import type { Mfn } from '../base/units.ts';

export class FrameIndex {
  readonly #heads: Int32Array;
  readonly #links: Int32Array;
  readonly #mask: number;

  /** @param loadBits log2 of the frames to a bucket, at least: half of 2^loadBits of them up to all of it */
  constructor(frameCount: number, loadBits: number) {
    const bits = Math.max(4, 32 - loadBits - Math.clz32(frameCount));
    this.#mask = (1 << bits) - 1;
    this.#heads = new Int32Array(1 << bits);
    this.#links = new Int32Array(2 * frameCount);
  }

  /** Bytes of the arrays. */
  get byteLength(): number {
    return this.#heads.byteLength + this.#links.byteLength;
  }

  has(mfn: Mfn): boolean {
    return this.#links[2 * mfn + 1] !== 0;
  }

  /** First frame of the chain of `hash`, or -1; then `after` until -1. */
  first(hash: number): number {
    return this.#heads[hash & this.#mask]! - 1;
  }

  after(mfn: number): number {
    return this.#links[2 * mfn]! - 1;
  }

  /** Adds a frame that is not in the index. */
  link(mfn: Mfn, hash: number): void {
    assert(this.#links[2 * mfn + 1] === 0, 'frame is in the index already');
    const bucket = hash & this.#mask;
    const head = this.#heads[bucket]!;
    this.#links[2 * mfn] = head;
    this.#links[2 * mfn + 1] = -(bucket + 1);
    if (head !== 0) this.#links[2 * (head - 1) + 1] = mfn + 1;
    this.#heads[bucket] = mfn + 1;
  }

  /** Takes a frame out, if it is in. */
  unlink(mfn: Mfn): void {
    const prev = this.#links[2 * mfn + 1]!;
    if (prev === 0) return;
    const next = this.#links[2 * mfn]!;
    if (prev > 0) this.#links[2 * (prev - 1)] = next;
    else this.#heads[-prev - 1] = next;
    if (next !== 0) this.#links[2 * (next - 1) + 1] = prev;
    this.#links[2 * mfn + 1] = 0;
    this.#links[2 * mfn] = 0;
  }
}

// Neighbours of a file or a device go into neighbouring buckets: they come together, and a cache line holds 16 buckets.

/** Hash of a block of a device. */
export function hashBlock(device: number, block: number): number {
  return (Math.imul(device, 0x27d4eb2f) + block) | 0;
}

/** Hash of a name without its generation: a claim must find a page of another generation too, to say so. */
export function hashName(device: number, ino: number, index: number): number {
  const h = Math.imul(ino ^ Math.imul(device, 0x27d4eb2f), 0x9e3779b1);
  return ((h ^ (h >>> 15)) + index) | 0;
}
