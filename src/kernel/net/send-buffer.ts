/**
 * Bytes of a message that are not acknowledged yet: a ring that grows up to its capacity.
 *
 * Invariant:
 *   1. `start` ≤ `end` ≤ `start` + capacity: all offsets are those of the message.
 */

import { assert } from '../../base/assert.ts';

const EMPTY = new Uint8Array(0);

export class SendBuffer {
  readonly #capacity: number;
  #ring = EMPTY;
  #start = 0;
  #end = 0;

  /** @param capacity bytes, at least 1 */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** The first byte that is kept. */
  get start(): number {
    return this.#start;
  }

  /** Bytes of the message so far. */
  get end(): number {
    return this.#end;
  }

  get room(): number {
    return this.#capacity - (this.#end - this.#start);
  }

  /** Copies as many bytes from `from` on as there is room for, and returns how many. */
  append(bytes: Uint8Array, from: number): number {
    const length = Math.min(bytes.length - from, this.room);
    this.#grow(this.#end - this.#start + length);
    for (let done = 0; done < length; ) {
      const at = (this.#end + done) % this.#ring.length;
      const part = Math.min(length - done, this.#ring.length - at);
      this.#ring.set(bytes.subarray(from + done, from + done + part), at);
      done += part;
    }
    this.#end += length;
    return length;
  }

  /** Copies bytes that are kept. */
  copyOut(offset: number, length: number, into: Uint8Array, to: number): void {
    assert(offset >= this.#start && offset + length <= this.#end, 'send buffer 1: the bytes are kept');
    for (let done = 0; done < length; ) {
      const at = (offset + done) % this.#ring.length;
      const part = Math.min(length - done, this.#ring.length - at);
      into.set(this.#ring.subarray(at, at + part), to + done);
      done += part;
    }
  }

  /** The bytes before `offset` are not needed any more. */
  release(offset: number): void {
    assert(offset >= this.#start && offset <= this.#end, 'send buffer 1: what is released is kept');
    this.#start = offset;
  }

  #grow(bytes: number): void {
    if (bytes <= this.#ring.length) return;
    const kept = this.#end - this.#start;
    const larger = new Uint8Array(Math.min(this.#capacity, Math.max(bytes, 2 * this.#ring.length)));
    const old = new Uint8Array(kept);
    this.copyOut(this.#start, kept, old, 0);
    this.#ring = larger;
    this.#end = this.#start;
    this.append(old, 0);
  }
}
