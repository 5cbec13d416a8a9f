/**
 * The receiving half of a message: puts its bytes in order.
 *
 * Bytes that come before their turn are kept, within the window. What has been received counts the
 * bytes without a gap, and 1 for the end, so that an end without bytes can be acknowledged.
 */

import { WINDOW_BYTES } from './congestion.ts';

/** Packets that are kept before their turn: more than a window of full ones. */
const MAX_EARLY = 64;

const EMPTY = new Uint8Array(0);

interface Early {
  readonly offset: number;
  readonly payload: Uint8Array;
  readonly isLast: boolean;
}

export class MessageReceiver {
  #buffer = EMPTY;
  #length = 0;
  #isComplete = false;
  #early: Early[] = [];

  /** Bytes without a gap, and 1 for the end. */
  get received(): number {
    return this.#isComplete ? this.#length + 1 : this.#length;
  }

  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** The whole message. */
  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Bytes of the message from `offset` on, and whether it ends behind them. They are copied. */
  take(offset: number, payload: Uint8Array, isLast: boolean): void {
    if (this.#isComplete) return;
    if (offset > this.#length) {
      this.#keep(offset, payload, isLast);
      return;
    }
    this.#append(offset, payload, isLast);
    while (this.#early.length > 0) {
      const at = this.#early.findIndex((early) => early.offset <= this.#length);
      if (at < 0) return;
      const [early] = this.#early.splice(at, 1);
      this.#append(early!.offset, early!.payload, early!.isLast);
    }
  }

  #keep(offset: number, payload: Uint8Array, isLast: boolean): void {
    const isKnown = this.#early.some((early) => early.offset === offset && early.payload.length >= payload.length);
    if (isKnown || this.#early.length === MAX_EARLY) return;
    if (offset + payload.length <= this.#length + WINDOW_BYTES)
      this.#early.push({ offset, payload: payload.slice(), isLast });
  }

  /** Appends its new bytes. */
  #append(offset: number, payload: Uint8Array, isLast: boolean): void {
    const end = offset + payload.length;
    if (this.#isComplete || end < this.#length) return;
    this.#grow(end);
    this.#buffer.set(payload.subarray(this.#length - offset), this.#length);
    this.#length = end;
    if (!isLast) return;
    this.#isComplete = true;
    this.#early = [];
  }

  #grow(bytes: number): void {
    if (bytes <= this.#buffer.length) return;
    const larger = new Uint8Array(Math.max(bytes, 2 * this.#buffer.length));
    larger.set(this.bytes);
    this.#buffer = larger;
  }
}
