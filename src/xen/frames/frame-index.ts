/**
 * A hash index over frames: chains of mfns by the middle bits of a hash. Derived from the frame
 * records and never the truth: code that walks a chain compares the record.
 *
 * A chain is a ring: the last frame leads back to its bucket. So a frame can be taken out without
 * its key, by going round once. A record whose bytes were damaged never breaks a chain or makes it
 * loop. The index costs 4 bytes a frame, and its share of the buckets. `links` holds for each frame
 * those of both indices of a frame table side by side (see hot-paths 1). A link has three kinds of
 * values:
 * - 0: the frame is not in the index;
 * - mfn + 1: that frame is next;
 * - -(bucket + 1): the frame is the last of a bucket.
 *
 * Taking a frame out costs as much as its chain is long, which is short unless a guest reads one
 * block into many pages.
 *
 * A bucket is for as many neighbours of a file or a device as share one on average. They come
 * together, so the others of a chain have just been looked at.
 */

import { assert } from '../../base/assert.ts';
import type { Mfn } from '../../base/units.ts';

export class FrameIndex {
  readonly #heads: Int32Array;
  readonly #links: Int32Array;
  readonly #place: number;
  readonly #loadBits: number;
  readonly #mask: number;

  /**
   * @param links two words a frame, shared by two indices
   * @param place which of the two this one is
   * @param loadBits log2 of the frames to a bucket, at least: half of 2^loadBits of them up to all
   * of it
   */
  constructor(links: Int32Array, place: 0 | 1, loadBits: number) {
    const bits = Math.max(4, 32 - loadBits - Math.clz32(links.length / 2));
    this.#loadBits = loadBits;
    this.#mask = (1 << bits) - 1;
    this.#heads = new Int32Array(1 << bits);
    this.#links = links;
    this.#place = place;
  }

  /** Bytes of the buckets. */
  get byteLength(): number {
    return this.#heads.byteLength;
  }

  has(mfn: Mfn): boolean {
    return this.#links[2 * mfn + this.#place] !== 0;
  }

  /** First frame of the chain of `hash`, or -1; then `after` until -1. */
  first(hash: number): number {
    return this.#heads[(hash >>> this.#loadBits) & this.#mask]! - 1;
  }

  after(mfn: number): number {
    const next = this.#links[2 * mfn + this.#place]!;
    return next > 0 ? next - 1 : -1;
  }

  /** Adds a frame that is not in the index. */
  link(mfn: Mfn, hash: number): void {
    const at = 2 * mfn + this.#place;
    assert(this.#links[at] === 0, 'frame is in the index already');
    const bucket = (hash >>> this.#loadBits) & this.#mask;
    const head = this.#heads[bucket]!;
    this.#links[at] = head === 0 ? -(bucket + 1) : head;
    this.#heads[bucket] = mfn + 1;
  }

  /** Takes a frame out, if it is in. */
  unlink(mfn: Mfn): void {
    const links = this.#links;
    const heads = this.#heads;
    const place = this.#place;
    const next = links[2 * mfn + place]!;
    if (next === 0) return;
    let last = next;
    while (last > 0) last = links[2 * (last - 1) + place]!;
    const bucket = -last - 1;
    let before = heads[bucket]!;
    if (before === mfn + 1) heads[bucket] = Math.max(next, 0);
    else {
      while (links[2 * (before - 1) + place] !== mfn + 1) before = links[2 * (before - 1) + place]!;
      links[2 * (before - 1) + place] = next;
    }
    links[2 * mfn + place] = 0;
  }
}

// Neighbours of a file or a device have neighbouring hashes.

/** Hash of the place of a block (devices.ts). */
export function hashPlace(place: number): number {
  const medium = Math.floor(place / 0x1_0000_0000);
  return (Math.imul(medium, 0x27d4eb2f) + (place >>> 0)) | 0;
}

/**
 * Hash of a name without its generation: a claim must find a page of another generation too, to say
 * so.
 */
export function hashName(device: number, ino: number, index: number): number {
  const h = Math.imul(ino ^ Math.imul(device, 0x27d4eb2f), 0x9e3779b1);
  return ((h ^ (h >>> 15)) + index) | 0;
}
