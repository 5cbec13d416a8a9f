/**
 * Cuts bytes into lines. A line is handed over in the chunk that it lies in, without a copy. One
 * that lies in several chunks is put together. It may end in CR LF, and the last one without an
 * end. A byte order mark before the first line is left out.
 */

import type { Cursor } from './cursor.ts';

/** Longest line, in bytes. Longer ones are told, and not kept. */
export const LINE_BYTES = 1 << 20;
const NEWLINE = 0x0a;
const RETURN = 0x0d;

/** Who takes the lines. */
export interface LineTaker {
  /** Where the line is handed over: from `at` to `end`, without its end. */
  readonly cursor: Cursor;
  /** An empty line is one, too. */
  line(): void;
  /** A line of more than LINE_BYTES. */
  longLine(): void;
}

export class Lines {
  readonly #taker: LineTaker;
  /** What the chunks before have of a line. */
  #rest = new Uint8Array(4096);
  #restLength = 0;
  /** Whether the line under way is too long to be kept. */
  #isLong = false;
  #isFirst = true;

  constructor(taker: LineTaker) {
    this.#taker = taker;
  }

  push(chunk: Uint8Array): void {
    let from = 0;
    if (this.#restLength > 0 || this.#isLong) {
      const end = chunk.indexOf(NEWLINE);
      this.#keep(chunk, 0, end < 0 ? chunk.length : end);
      if (end < 0) return;
      this.#take(this.#rest, 0, this.#restLength);
      from = end + 1;
    }
    for (;;) {
      const end = chunk.indexOf(NEWLINE, from);
      if (end < 0) break;
      this.#take(chunk, from, end);
      from = end + 1;
    }
    this.#keep(chunk, from, chunk.length);
  }

  end(): void {
    if (this.#restLength > 0 || this.#isLong) this.#take(this.#rest, 0, this.#restLength);
  }

  #keep(chunk: Uint8Array, from: number, to: number): void {
    const length = this.#restLength + to - from;
    if (this.#isLong || length > LINE_BYTES) {
      this.#isLong = true;
      return;
    }
    if (length > this.#rest.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#rest.length));
      larger.set(this.#rest.subarray(0, this.#restLength));
      this.#rest = larger;
    }
    this.#rest.set(chunk.subarray(from, to), this.#restLength);
    this.#restLength = length;
  }

  #take(bytes: Uint8Array, from: number, to: number): void {
    const isLong = this.#isLong || to - from > LINE_BYTES;
    this.#isLong = false;
    this.#restLength = 0;
    let first = from;
    if (this.#isFirst && bytes[from] === 0xef && bytes[from + 1] === 0xbb && bytes[from + 2] === 0xbf) first += 3;
    this.#isFirst = false;
    const taker = this.#taker;
    if (isLong) {
      taker.longLine();
      return;
    }
    taker.cursor.set(bytes, Math.min(first, to), to > first && bytes[to - 1] === RETURN ? to - 1 : to);
    taker.line();
  }
}
