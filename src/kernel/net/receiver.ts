/**
 * The receiving half of a message: puts its bytes in order.
 *
 * Bytes that come before their turn are kept, within the window. What has been received counts the
 * bytes without a gap, and 1 for the end, so that an end without bytes can be acknowledged. The
 * parts of a message are joined when it is asked for, and before they get too many.
 */

import { WINDOW_BYTES } from './congestion.ts';

/** Packets that are kept before their turn: more than a window of full ones. */
const MAX_EARLY = 64;

interface Early {
  readonly offset: number;
  readonly payload: Uint8Array;
  readonly isLast: boolean;
}

/** Parts that are kept apart in any case, and bytes of a message that allow one more. */
const PARTS = 1024;
const BYTES_A_PART = 1024;

export class MessageReceiver {
  #parts: Uint8Array[] = [];
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

  /** The message, as far as it has come without a gap. */
  get bytes(): Uint8Array {
    if (this.#parts.length !== 1) this.#join();
    return this.#parts[0]!;
  }

  /**
   * Bytes of the message from `offset` on, and whether it ends behind them. They are kept as they
   * are, and must not be changed.
   */
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
    if (offset + payload.length <= this.#length + WINDOW_BYTES) this.#early.push({ offset, payload, isLast });
  }

  /** Appends its new bytes. */
  #append(offset: number, payload: Uint8Array, isLast: boolean): void {
    const end = offset + payload.length;
    if (this.#isComplete || end < this.#length) return;
    if (end > this.#length) this.#parts.push(payload.subarray(this.#length - offset));
    this.#length = end;
    if (this.#parts.length > PARTS + end / BYTES_A_PART) this.#join();
    if (!isLast) return;
    this.#isComplete = true;
    this.#early = [];
  }

  #join(): void {
    const whole = new Uint8Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      whole.set(part, at);
      at += part.length;
    }
    this.#parts = [whole];
  }
}
