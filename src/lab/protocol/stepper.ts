/** Takes single steps: from the words of a state to those of the next. */

import { Calls, Refusal } from './calls.ts';
import { Columns } from './columns.ts';
import { extentOf } from './extent.ts';
import type { CheckedModel, Move, State } from './model.ts';
import type { Traps } from './traps.ts';
import { flawOf, saidOf, TEXT_MAX, TooLong, WORDS_MAX } from './words.ts';

export class Stepper {
  readonly model: CheckedModel;
  readonly calls: Calls;
  readonly columns = new Columns();
  /** The first state, encoded behind a header. */
  readonly #initial: Int32Array;
  /** Least words among all orders of what is alike. */
  #least = new Int32Array(0);
  #leastLength = 0;
  readonly #isSymmetric: boolean;

  constructor(model: CheckedModel, traps: Traps, cells: Int32Array, isSymmetric: boolean) {
    this.model = model;
    this.calls = new Calls(traps, cells);
    this.#isSymmetric = isSymmetric && model.alike.length > 0;
    this.#encode(model.initial, 'initial');
    this.checkPlain(model.initial, 'initial');
    this.#initial = this.columns.words.slice(0, this.columns.length);
  }

  /** The words of the state that was made last. */
  get words(): Int32Array {
    return this.columns.words;
  }

  get length(): number {
    return this.columns.length;
  }

  /** Makes the first state. */
  begin(): void {
    this.orderLast(this.beginInOrder());
  }

  /** The same without reordering what is alike. @returns the state */
  beginInOrder(): State {
    const state = this.stateOf(this.#initial, 0);
    this.#encode(state, 'initial');
    this.columns.words.fill(0, 0, this.model.header);
    this.#remember(state, 0);
    return state;
  }

  /** A fresh state from words with a header. */
  stateOf(words: Int32Array, at: number): State {
    return this.columns.decode(words, at + this.model.header);
  }

  /** Whether a move can be taken. */
  isEnabled(move: Move, state: State, words: Int32Array, at: number): boolean {
    if (move.counter !== 0 && words[at + move.counter]! >= move.most) return false;
    return this.calls.isEnabled(move, state);
  }

  /**
   * Makes the state behind a move.
   * @param state is changed; it is as `words` has it
   */
  take(move: Move, state: State, words: Int32Array, at: number): void {
    const after = this.takeInOrder(move, state, words, at);
    if (this.#isSymmetric) this.#order(after);
  }

  /** The same without reordering what is alike. @returns the state */
  takeInOrder(move: Move, state: State, words: Int32Array, at: number): State {
    let after = state;
    if (move.event === undefined) this.calls.take(move, state);
    else this.calls.happen(move, move.event, state, (after = this.stateOf(this.#initial, 0)));
    this.#encode(after, move.act.name);
    const { words: made } = this.columns;
    const { header } = this.model;
    for (let i = 0; i < header; i++) made[i] = words[at + i]!;
    if (move.counter !== 0) made[move.counter]!++;
    if (this.model.neverAfter.length > 0) this.#remember(after, made[0]!);
    return after;
  }

  /** Encodes a state as it is, behind a header of another. */
  encodeAs(state: State, words: Int32Array, at: number, where: string): void {
    this.#encode(state, where);
    for (let i = 0; i < this.model.header; i++) this.columns.words[i] = words[at + i]!;
  }

  /** @throws Refusal when a state holds what its words do not tell, which is slow to find */
  checkPlain(state: State, where: string): void {
    const flaw = flawIn(state) ?? (isProxied(state) ? 'the state holds a Proxy' : undefined);
    if (flaw !== undefined) throw new Refusal('not plain data', where, flaw);
  }

  /** Brings the state that was encoded last into the least of its orders. */
  orderLast(state: State): void {
    if (this.#isSymmetric) this.#order(state);
  }

  /** Sets the bits of what has held. */
  #remember(state: State, bits: number): void {
    const { neverAfter } = this.model;
    let all = bits;
    for (let i = 0; i < neverAfter.length; i++) {
      const law = neverAfter[i]!;
      if ((all & (1 << i)) === 0 && this.calls.holds(law.after, state)) all |= 1 << i;
    }
    this.columns.words[0] = all;
  }

  #encode(state: State, where: string): void {
    try {
      this.columns.encode(state, this.model.header);
    } catch (error) {
      this.#refuse(error, state, where);
    }
  }

  #refuse(error: unknown, state: State, where: string): never {
    if (isTooLong(error)) {
      const parts = Object.keys(state).map((part) => ({ part, ...extentOf(state[part]) }));
      const { part, size } = parts.reduce((x, y) => (y.size > x.size ? y : x));
      const { part: wordy, longest } = parts.reduce((x, y) => (y.longest > x.longest ? y : x));
      if (longest > TEXT_MAX)
        throw new Refusal('unbounded', where, `a text grows beyond ${TEXT_MAX} characters, in ${wordy}`);
      throw new Refusal(
        'unbounded',
        where,
        `the state grows beyond ${WORDS_MAX} numbers and texts, most of them in ${part}, which holds ${size}`,
      );
    }
    throw new Refusal('not plain data', where, flawIn(state) ?? 'the state is no plain data');
  }

  #order(state: State): void {
    const header = this.columns.words.slice(0, this.model.header);
    this.#keep();
    this.#orders(state, 0);
    this.columns.words.set(this.#least.subarray(0, this.#leastLength));
    this.columns.words.set(header);
    this.columns.length = this.#leastLength;
  }

  /** Goes through the orders of the n-th kind of what is alike, and of those behind it. */
  #orders(state: State, n: number): void {
    const alike = this.model.alike[n];
    if (alike === undefined) {
      this.#encode(state, 'alike: swap');
      if (this.columns.isBefore(this.words, this.#least, this.model.header)) this.#keep();
      return;
    }
    // Heap's algorithm: one exchange leads from each order to the next.
    const generate = (k: number): void => {
      if (k === 1) this.#orders(state, n + 1);
      else for (let i = 0; i < k; i++) exchange(k, i);
    };
    const exchange = (k: number, i: number): void => {
      generate(k - 1);
      if (i < k - 1) this.calls.swap(alike, state, k % 2 === 0 ? i : 0, k - 1);
    };
    generate(alike.count);
  }

  #keep(): void {
    const { words, length } = this.columns;
    if (this.#least.length < length) this.#least = new Int32Array(words.length);
    this.#least.set(words.subarray(0, length));
    this.#leastLength = length;
  }
}

/** What a state throws may throw itself when it is asked for its class. */
function isTooLong(error: unknown): boolean {
  try {
    return error instanceof TooLong;
  } catch {
    return false;
  }
}

/** Why a state is no plain data: it may throw when it is read. */
function flawIn(state: State): string | undefined {
  try {
    return flawOf(state, 'state');
  } catch (error) {
    return `the state throws ${saidOf(error)} when it is read`;
  }
}

const clone = structuredClone;

/** Whether there is a Proxy in what is plain data otherwise: nothing else of it resists a copy. */
function isProxied(state: State): boolean {
  try {
    clone(state);
    return false;
  } catch {
    return true;
  }
}
