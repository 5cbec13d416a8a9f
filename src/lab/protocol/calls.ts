/** Calls of a protocol's functions. Whatever is wrong with one is a Refusal that names it. */

import type { Alike, ProblemKind } from './api.ts';
import type { Asked, Called, CalledEvent, Move, State } from './model.ts';
import type { Traps } from './traps.ts';
import { saidOf } from './words.ts';

/** Thrown where a protocol turns out to be unfit: it ends a search. */
export class Refusal extends Error {
  readonly kind: ProblemKind;
  readonly where: string;

  constructor(kind: ProblemKind, where: string, what: string) {
    super(what);
    this.kind = kind;
    this.where = where;
  }
}

/** What others may watch while a search runs. */
export interface Watch {
  /** How many states were looked at, and the id of the function that was called last. */
  readonly cells: Int32Array;
  /** Told the names of all functions, by id less 1, before the first is called. */
  readonly onFunctions: (names: readonly string[]) => void;
}

/** What swaps things that are alike. */
const SWAP: Called = { id: 0, name: 'alike: swap' };

export class Calls {
  readonly #traps: Traps;
  readonly #cells: Int32Array;

  constructor(traps: Traps, cells: Int32Array) {
    this.#traps = traps;
    this.#cells = cells;
  }

  /** What a law says. */
  holds(law: Asked, state: State): boolean {
    let answer: unknown;
    this.#cells[1] = law.id;
    try {
      answer = law.holds(state);
    } catch (error) {
      this.#thrown(error, law);
    }
    if (this.#traps.hit !== undefined) this.#trapped(law);
    if (answer === true) return true;
    if (answer === false) return false;
    return notBoolean(answer, law);
  }

  /** Whether a move can be taken, as far as its own function knows. */
  isEnabled(move: Move, state: State): boolean {
    const subject = move.step ?? move.event!;
    if (subject.when === undefined) return true;
    let answer: unknown;
    this.#cells[1] = move.when.id;
    try {
      answer = subject.when(state, move.each);
    } catch (error) {
      this.#thrown(error, move.when);
    }
    if (this.#traps.hit !== undefined) this.#trapped(move.when);
    if (answer === true) return true;
    if (answer === false) return false;
    return notBoolean(answer, move.when);
  }

  /** Takes a step of an actor in a state. */
  take(move: Move, state: State): void {
    let answer: unknown;
    this.#cells[1] = move.act.id;
    try {
      answer = move.step!.do(state, move.each);
    } catch (error) {
      this.#thrown(error, move.act);
    }
    if (this.#traps.hit !== undefined) this.#trapped(move.act);
    if (answer !== undefined) throw returned(answer, move.act);
  }

  /** Has an event happen: `fresh` is the first state, into which goes what survives of `state`. */
  happen(move: Move, event: CalledEvent, state: State, fresh: State): void {
    for (const part of event.survives) {
      const value = state[part];
      // A part that a step has deleted.
      if (value === undefined) Reflect.deleteProperty(fresh, part);
      else fresh[part] = value;
    }
    this.then(move, event, fresh);
  }

  /** What an event does besides to the state that it leaves. */
  then(move: Move, event: CalledEvent, fresh: State): void {
    if (event.then === undefined) return;
    let answer: unknown;
    this.#cells[1] = move.act.id;
    try {
      answer = event.then(fresh);
    } catch (error) {
      this.#thrown(error, move.act);
    }
    if (this.#traps.hit !== undefined) this.#trapped(move.act);
    if (answer !== undefined) throw returned(answer, move.act);
  }

  /** Exchanges two things that are alike. */
  swap(alike: Alike<State>, state: State, i: number, j: number): void {
    this.#cells[1] = SWAP.id;
    try {
      alike.swap(state, i, j);
    } catch (error) {
      this.#thrown(error, SWAP);
    }
    if (this.#traps.hit !== undefined) this.#trapped(SWAP);
  }

  #thrown(error: unknown, where: Called): never {
    if (this.#traps.hit !== undefined) this.#trapped(where);
    throw new Refusal('throws', where.name, `it throws ${saidOf(error)}`);
  }

  #trapped(where: Called): never {
    throw new Refusal('asks the host', where.name, `it ${this.#traps.hit}: a protocol has no clock and no chance`);
  }
}

function notBoolean(answer: unknown, { name }: Called): never {
  quiet(answer);
  throw new Refusal('not a boolean', name, `it returns ${kindOf(answer)}, and neither true nor false`);
}

function returned(answer: unknown, { name }: Called): Refusal {
  quiet(answer);
  return new Refusal(
    'returns',
    name,
    `it returns ${kindOf(answer)}: a step changes the state that it is given, at once`,
  );
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  try {
    return (
      typeof value === 'object' && value !== null && typeof (value as { readonly then?: unknown }).then === 'function'
    );
  } catch {
    return false;
  }
}

const kindOf = (value: unknown): string =>
  isThenable(value) ? 'a promise' : value === null ? 'null' : Array.isArray(value) ? 'a list' : articled(typeof value);

const articled = (kind: string): string => (kind === 'undefined' ? kind : `${kind === 'object' ? 'an' : 'a'} ${kind}`);

/** A promise that nothing waits for must not end the process when it is refused. */
function quiet(value: unknown): void {
  try {
    if (isThenable(value)) value.then(undefined, () => undefined);
  } catch {
    // It is refused in any case.
  }
}
