/**
 * A hash index over frames: chains of mfns by the middle bits of a hash. Derived from the frame records and never the truth:
 * whoever walks a chain compares the record.
 *
 * Chains are doubly linked through a typed array, so that a frame can be taken out without its key: a record whose bytes
 * were damaged never breaks a chain or makes it loop. 8 bytes a frame, and its share of the buckets. `links` holds next and
 * previous of a frame side by side, and those of both indices of a frame table, which saves cache misses; 0 means nothing,
 * mfn + 1 a frame, and -(bucket + 1) as previous that the frame is the first of a bucket.
 *
 * A bucket is for as many neighbours of a file or a device as share one on average: they come together, so the others of
 * a chain have just been looked at.
 */

import { assert } from '../base/assert.ts';
import type { Mfn } from '../base/units.ts';

export class FrameIndex {
  readonly #heads: Int32Array;
  readonly #links: Int32Array;
  /** 0 or 2. */
  readonly #place: number;
  readonly #loadBits: number;
  readonly #mask: number;

  /**
   * @param links four words a frame, shared by two indices
   * @param place which of the two this one is
   * @param loadBits log2 of the frames to a bucket, at least: half of 2^loadBits of them up to all of it
   */
  constructor(links: Int32Array, place: 0 | 1, loadBits: number) {
    const bits = Math.max(4, 32 - loadBits - Math.clz32(links.length / 4));
    this.#loadBits = loadBits;
    this.#mask = (1 << bits) - 1;
    this.#heads = new Int32Array(1 << bits);
    this.#links = links;
    this.#place = 2 * place;
  }

  /** Bytes of the buckets. */
  get byteLength(): number {
    return this.#heads.byteLength;
  }

  has(mfn: Mfn): boolean {
    return this.#links[(4 * mfn + this.#place) | 1] !== 0;
  }

  /** First frame of the chain of `hash`, or -1; then `after` until -1. */
  first(hash: number): number {
    return this.#heads[(hash >>> this.#loadBits) & this.#mask]! - 1;
  }

  after(mfn: number): number {
    return this.#links[4 * mfn + this.#place]! - 1;
  }

  /** Adds a frame that is not in the index. */
  link(mfn: Mfn, hash: number): void {
    const links = this.#links;
    const place = this.#place;
    const at = 4 * mfn + place;
    assert(links[at | 1] === 0, 'frame is in the index already');
    const bucket = (hash >>> this.#loadBits) & this.#mask;
    const head = this.#heads[bucket]!;
    links[at] = head;
    links[at | 1] = -(bucket + 1);
    if (head !== 0) links[(4 * (head - 1) + place) | 1] = mfn + 1;
    this.#heads[bucket] = mfn + 1;
  }

  /** Takes a frame out, if it is in. */
  unlink(mfn: Mfn): void {
    const links = this.#links;
    const place = this.#place;
    const at = 4 * mfn + place;
    const prev = links[at | 1]!;
    if (prev === 0) return;
    const next = links[at]!;
    if (prev > 0) links[4 * (prev - 1) + place] = next;
    else this.#heads[-prev - 1] = next;
    if (next !== 0) links[(4 * (next - 1) + place) | 1] = prev;
    links[at | 1] = 0;
    links[at] = 0;
  }
}

// Neighbours of a file or a device have neighbouring hashes.

/** Hash of a block of a device. */
export function hashBlock(device: number, block: number): number {
  return (Math.imul(device, 0x27d4eb2f) + block) | 0;
}

/** Hash of a name without its generation: a claim must find a page of another generation too, to say so. */
export function hashName(device: number, ino: number, index: number): number {
  const h = Math.imul(ino ^ Math.imul(device, 0x27d4eb2f), 0x9e3779b1);
  return ((h ^ (h >>> 15)) + index) | 0;
}
