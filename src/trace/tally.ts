/** What a reader could not use: lines that it does not understand, and what it leaves out. */

import { counted, grouped } from '../base/counted.ts';
import { InputError } from '../base/input-error.ts';
import { printableBytes } from '../base/printable.ts';

/** A line, or a record, that was not understood. */
export interface Problem {
  /** Its number, from 1. */
  readonly line: number;
  /** Why, in a few words. */
  readonly why: string;
  /** How it begins. */
  readonly text: string;
}

/** Problems that are kept with their numbers. */
const MOST_KEPT = 10;
/** So many problems are borne in any trace. */
const A_HANDFUL = 5;
/** Share of the lines that may be problems. */
const MOST_SHARE = 0.01;
/** A trace that is longer than this is refused before its end. */
const EARLIEST = 100_000;
const TEXT_BYTES = 60;

export class Tally {
  /** Lines or records so far, empty lines included. */
  lines = 0;
  /** Empty lines and headers, which are neither understood nor problems. */
  empty = 0;
  problemCount = 0;
  readonly problems: Problem[] = [];
  readonly #leftOut = new Map<string, number>();
  readonly #unit: 'line' | 'record';

  constructor(unit: 'line' | 'record') {
    this.#unit = unit;
  }

  /** What was understood and is no operation on a file, with how often it was met. */
  get leftOut(): ReadonlyMap<string, number> {
    return this.#leftOut;
  }

  leaveOut(what: string, count = 1): void {
    this.#leftOut.set(what, (this.#leftOut.get(what) ?? 0) + count);
  }

  /** The line under way is not understood. @throws InputError when there are too many of them */
  problem(why: string, bytes: Uint8Array, from: number, to: number): void {
    this.problemCount++;
    if (this.problems.length < MOST_KEPT) {
      const text = `${printableBytes(bytes.subarray(from, Math.min(to, from + TEXT_BYTES)))}${to - from > TEXT_BYTES ? '…' : ''}`;
      this.problems.push({ line: this.lines, why, text });
    }
    if (this.lines >= EARLIEST) this.#refuseTooMany();
  }

  /** @throws InputError when too many lines were not understood, or none was understood */
  end(): void {
    const lines = this.lines - this.empty;
    if (lines === 0) throw new InputError(`it has no ${this.#unit} to read`);
    if (this.problemCount > 0 && this.problemCount === lines) this.#refuse();
    this.#refuseTooMany();
  }

  #refuseTooMany(): void {
    if (this.problemCount > A_HANDFUL && this.problemCount > MOST_SHARE * (this.lines - this.empty)) this.#refuse();
  }

  #refuse(): never {
    const first = this.problems
      .slice(0, 3)
      .map(({ line, why, text }) => `${this.#unit} ${grouped(line)} (${why}): ${text}`)
      .join('; ');
    const count = counted(this.problemCount, this.#unit);
    throw new InputError(`${count} of ${grouped(this.lines - this.empty)} not understood: ${first}`);
  }
}
