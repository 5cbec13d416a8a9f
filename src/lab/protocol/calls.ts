/** Calls of a protocol's functions. Whatever is wrong with one is a Refusal that names it. */

import type { Event, ProblemKind } from './api.ts';
import type { Move, State } from './model.ts';
import { Trapped, type Traps } from './traps.ts';

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

/** How a move is called in a problem. */
export const nameOf = ({ actor, label }: Move): string => (actor === '' ? label : `${actor}.${label}`);

export class Calls {
  readonly #traps: Traps;

  constructor(traps: Traps) {
    this.#traps = traps;
  }

  /** What a law or guard says. */
  holds(test: (state: State) => unknown, state: State, where: string): boolean {
    let answer: unknown;
    try {
      answer = test(state);
    } catch (error) {
      this.#thrown(error, where);
    }
    if (this.#traps.hit !== undefined) this.#trapped(where);
    if (answer === true) return true;
    if (answer === false) return false;
    return notBoolean(answer, where);
  }

  /** Whether a move can be taken, as far as its own function knows. */
  isEnabled(move: Move, state: State): boolean {
    const subject = move.step ?? move.event!;
    if (subject.when === undefined) return true;
    let answer: unknown;
    try {
      answer = subject.when(state, move.each);
    } catch (error) {
      this.#thrown(error, `${nameOf(move)}: when`);
    }
    if (this.#traps.hit !== undefined) this.#trapped(`${nameOf(move)}: when`);
    if (answer === true) return true;
    if (answer === false) return false;
    return notBoolean(answer, `${nameOf(move)}: when`);
  }

  /** Takes a step of an actor in a state. */
  take(move: Move, state: State): void {
    let answer: unknown;
    try {
      answer = move.step!.do(state, move.each) as unknown;
    } catch (error) {
      this.#thrown(error, nameOf(move));
    }
    if (this.#traps.hit !== undefined) this.#trapped(nameOf(move));
    if (answer !== undefined) returned(answer, nameOf(move));
  }

  /** Has an event happen: `fresh` is the first state, into which goes what survives of `state`. */
  happen(move: Move, event: Event<State>, state: State, fresh: State): void {
    for (const part of event.survives) {
      const value = state[part];
      // A part that a step has deleted.
      if (value === undefined) Reflect.deleteProperty(fresh, part);
      else fresh[part] = value;
    }
    if (event.then === undefined) return;
    let answer: unknown;
    try {
      answer = event.then(fresh) as unknown;
    } catch (error) {
      this.#thrown(error, nameOf(move));
    }
    if (this.#traps.hit !== undefined) this.#trapped(nameOf(move));
    if (answer !== undefined) returned(answer, nameOf(move));
  }

  /** Exchanges two things that are alike. */
  swap(alike: { swap(state: State, i: number, j: number): void }, state: State, i: number, j: number): void {
    try {
      alike.swap(state, i, j);
    } catch (error) {
      this.#thrown(error, 'alike: swap');
    }
    if (this.#traps.hit !== undefined) this.#trapped('alike: swap');
  }

  #thrown(error: unknown, where: string): never {
    if (error instanceof Trapped) this.#trapped(where);
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    throw new Refusal('throws', where, `it throws ${text.split('\n')[0]!.slice(0, 200)}`);
  }

  #trapped(where: string): never {
    throw new Refusal('asks the host', where, `it calls ${this.#traps.hit}: a protocol has no clock and no chance`);
  }
}

function notBoolean(answer: unknown, where: string): never {
  quiet(answer);
  throw new Refusal('not a boolean', where, `it returns ${kindOf(answer)}, and neither true nor false`);
}

function returned(answer: unknown, where: string): never {
  quiet(answer);
  throw new Refusal(
    'returns',
    where,
    `it returns ${kindOf(answer)}: a step changes the state that it is given, at once`,
  );
}

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && typeof (value as { readonly then?: unknown }).then === 'function';

const kindOf = (value: unknown): string =>
  isThenable(value) ? 'a promise' : value === null ? 'null' : Array.isArray(value) ? 'a list' : articled(typeof value);

const articled = (kind: string): string => (kind === 'undefined' ? kind : `${kind === 'object' ? 'an' : 'a'} ${kind}`);

/** A promise that is refused by nobody must not end the process. */
function quiet(value: unknown): void {
  if (isThenable(value)) value.then(undefined, () => undefined);
}
