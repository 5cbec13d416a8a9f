/**
 * Room for many small arrays of bytes, cut from larger ones one after the other (see hot-paths 16).
 *
 * What is taken is zeroed, and belongs to its taker: it is never given out again. It keeps the
 * whole larger array, so it is for bytes that are soon dropped.
 */

/** Bytes of a larger array. What does not fit into one has an array of its own. */
const SLAB_BYTES = 65_536;

export class Slab {
  #bytes = new Uint8Array(0);
  #used = 0;

  take(length: number): Uint8Array {
    if (this.#used + length > this.#bytes.length) {
      this.#bytes = new Uint8Array(Math.max(SLAB_BYTES, length));
      this.#used = 0;
    }
    const from = this.#used;
    this.#used += length;
    return this.#bytes.subarray(from, this.#used);
  }
}
