/** Bytes of a trace of records of one size, for the parser of its format. */

import type { Context, RecordParser } from './format.ts';

export class BinaryParser {
  readonly #context: Context;
  readonly #parser: RecordParser;
  readonly #size: number;
  /** What the chunks before have of a record. */
  readonly #rest: Uint8Array;
  #restLength = 0;

  constructor(context: Context, parser: RecordParser, size: number) {
    this.#context = context;
    this.#parser = parser;
    this.#size = size;
    this.#rest = new Uint8Array(size);
  }

  push(chunk: Uint8Array): void {
    const size = this.#size;
    let from = 0;
    if (this.#restLength > 0) {
      from = Math.min(chunk.length, size - this.#restLength);
      this.#rest.set(chunk.subarray(0, from), this.#restLength);
      this.#restLength += from;
      if (this.#restLength < size) return;
      this.#take(this.#rest, 0, size);
    }
    const whole = from + Math.floor((chunk.length - from) / size) * size;
    this.#take(chunk, from, whole);
    this.#restLength = chunk.length - whole;
    this.#rest.set(chunk.subarray(whole));
  }

  end(): void {
    if (this.#restLength > 0) {
      this.#context.tally.lines++;
      this.#context.tally.problem(`cut off after ${this.#restLength} bytes`, this.#rest, 0, 0);
    }
    this.#parser.end?.();
  }

  #take(bytes: Uint8Array, from: number, to: number): void {
    const { tally } = this.#context;
    const parser = this.#parser;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = from; at < to; at += this.#size) {
      tally.lines++;
      const why = parser.record(view, at);
      if (why !== undefined) tally.problem(why, bytes, at, at);
    }
  }
}
