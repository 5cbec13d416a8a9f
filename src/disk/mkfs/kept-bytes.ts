/**
 * Room for the bytes of files that were read once and are kept in memory.
 *
 * Contract: it has a bound, and what it has given is never taken back. It gives room in pieces of a
 * few large arrays, because the host's collector looks after each array.
 */

import { checkInteger } from '../../base/argument-error.ts';

/** Bytes of an array that several files share. */
const SHARED_BYTES = 8 << 20;

export class KeptBytes {
  #left: number;
  #shared = new Uint8Array(0);
  #used = 0;

  /** @param most bytes that it gives in all */
  constructor(most: number) {
    checkInteger('most', most);
    this.#left = most;
  }

  /** Room for `bytes` bytes, all zeros; undefined when there is none. */
  take(bytes: number): Uint8Array | undefined {
    if (bytes > this.#left) return undefined;
    this.#left -= bytes;
    if (bytes >= SHARED_BYTES) return new Uint8Array(bytes);
    if (bytes > this.#shared.length - this.#used) {
      this.#shared = new Uint8Array(SHARED_BYTES);
      this.#used = 0;
    }
    this.#used += bytes;
    return this.#shared.subarray(this.#used - bytes, this.#used);
  }
}
