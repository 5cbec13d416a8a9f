/** Bytes of a trace of lines, for the parser of its format. */

import { Cursor } from './cursor.ts';
import type { Context, LineParser } from './format.ts';
import { LINE_BYTES, Lines, type LineTaker } from './lines.ts';

const LETTER = /[A-Za-z#"]/;

export class TextParser implements LineTaker {
  readonly cursor = new Cursor();
  readonly #lines = new Lines(this);
  readonly #parser: LineParser;
  readonly #context: Context;
  #isFirst = true;

  constructor(context: Context, parser: LineParser) {
    this.#context = context;
    this.#parser = parser;
  }

  push(chunk: Uint8Array): void {
    this.#lines.push(chunk);
  }

  end(): void {
    this.#lines.end();
    this.#parser.end?.();
  }

  line(): void {
    const { cursor } = this;
    const { tally } = this.#context;
    tally.lines++;
    const { bytes, at, end } = cursor;
    if (at === end) {
      tally.empty++;
      return;
    }
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    const why = this.#parser.line(cursor);
    if (why === undefined) return;
    // Names of columns before the first record.
    if (isFirst && LETTER.test(String.fromCharCode(bytes[at]!))) tally.empty++;
    else tally.problem(why, bytes, at, end);
  }

  longLine(): void {
    const { tally } = this.#context;
    tally.lines++;
    tally.problem(`more than ${LINE_BYTES} bytes`, this.cursor.bytes, 0, 0);
  }
}
