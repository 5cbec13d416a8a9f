/** Looks at one state after the other: its laws, its steps, and the states behind them. */

import { Refusal } from './calls.ts';
import type { CheckedModel, Move, State } from './model.ts';
import { Reduction } from './reduction.ts';
import { Stepper } from './stepper.ts';
import { checkAlike, dropAlike } from './symmetry.ts';
import type { Traps } from './traps.ts';
import { Visited } from './visited.ts';

const UNLIKE = 'it does not say the same twice of the same state';

/** So many first times each step is taken twice, and each guard and law asked twice. */
const TWICE = 16;

export interface ExpanderOptions {
  readonly states: number;
  readonly symmetry: boolean;
  readonly reduction: boolean;
}

export class Expander {
  readonly model: CheckedModel;
  readonly stepper: Stepper;
  readonly visited = new Visited();
  readonly isSymmetric: boolean;
  /** States in the orders in which steps have led to them, where some things are alike. */
  readonly #met = new Visited();
  transitions = 0;
  /** Whether steps were left out that do not matter. */
  isReduced = false;
  readonly #reduction: Reduction | undefined;
  readonly #most: number;
  /** So many states have had all of their steps taken. */
  #expanded = 0;
  /** By group: how often it was taken. */
  readonly #taken: number[];
  /** By move: how often it was taken, up to TWICE. */
  readonly #twice: number[];
  /** By `sometimes` law: in how many states it held. */
  readonly #held: number[];
  /** Moves that can be taken from the state that was looked at last. */
  readonly #enabled: Move[] = [];
  /** The state that was looked at last. The functions of the protocol have left it as it was. */
  #state: State = {};

  constructor(model: CheckedModel, traps: Traps, cells: Int32Array, { states, symmetry, reduction }: ExpanderOptions) {
    this.model = model;
    this.isSymmetric = symmetry && model.alike.length > 0;
    this.stepper = new Stepper(model, traps, cells, symmetry);
    const isDeclared = model.moves.some(({ touches }) => touches !== undefined);
    if (reduction && isDeclared && !this.isSymmetric) this.#reduction = new Reduction(this.stepper);
    this.#most = states;
    this.#taken = model.groups.map(() => 0);
    this.#twice = model.moves.map(() => 0);
    this.#held = model.sometimes.map(() => 0);
  }

  /** Takes up the first state. */
  begin(): void {
    const { stepper } = this;
    stepper.begin();
    this.visited.add(stepper.words, stepper.length, -1, -1);
  }

  /** A fresh copy of a state. */
  stateOf(number: number): State {
    return this.stepper.stateOf(this.visited.words, this.visited.startOf(number));
  }

  /** Steps to a state. */
  depthOf(number: number): number {
    let depth = 0;
    for (let at = this.visited.parentOf(number); at >= 0; at = this.visited.parentOf(at)) depth++;
    return depth;
  }

  /** How often what was reached, by name. */
  reached(): { readonly reached: Record<string, number>; readonly unreached: readonly string[] } {
    const { groups, sometimes } = this.model;
    const steps = groups.map((name, i) => [name, this.#taken[i]!] as const);
    const held = sometimes.map(({ name }, i) => [name, this.#held[i]!] as const);
    const missing = new Set([...groups.keys()].filter((group) => this.#taken[group] === 0));
    if (this.isSymmetric) dropAlike(this, this.#expanded, missing);
    return { reached: Object.fromEntries([...steps, ...held]), unreached: [...missing].map((group) => groups[group]!) };
  }

  /**
   * Asks all laws and guards in a state.
   * @returns the laws that it breaks
   * @throws Refusal
   */
  look(number: number): readonly string[] {
    const { model, stepper, visited } = this;
    const at = visited.startOf(number);
    const { words } = visited;
    const state = stepper.stateOf(words, at);
    this.#state = state;
    const broken = this.#ask(state, words[at]!);
    if (number < TWICE) this.#askAgain(state, number, broken);
    this.#enabled.length = 0;
    let isStuck = true;
    for (const move of model.moves) {
      if (!stepper.isEnabled(move, state, words, at)) continue;
      this.#enabled.push(move);
      if (move.event === undefined) isStuck = false;
    }
    if (isStuck && !(model.done !== undefined && stepper.calls.holds(model.done, state))) broken.push('deadlock');
    stepper.encodeAs(state, words, at, 'a law or a guard');
    if (!visited.isAt(number, stepper.words, stepper.length)) this.#findCulprit(number);
    if (this.isSymmetric) checkAlike(this, number);
    this.#reduction?.watchLaws(number, () => this.stateOf(number));
    return broken;
  }

  /**
   * Takes all steps from the state that was looked at last.
   * @returns false when there were more states than allowed
   */
  expand(number: number): boolean {
    const enabled = this.#enabled;
    const some = this.#reduction?.enough(enabled, () => this.stateOf(number));
    if (some !== undefined) {
      let leadsOn = false;
      for (const move of some) {
        const there = this.#take(move, number, this.stateOf(number));
        if (there < 0) return false;
        if (there > number) leadsOn = true;
      }
      this.#expanded = number + 1;
      if (leadsOn) {
        this.isReduced = true;
        return true;
      }
    }
    const last = enabled.length - 1;
    for (let i = 0; i <= last; i++) {
      const move = enabled[i]!;
      if (some?.includes(move) === true) continue;
      if (this.#take(move, number, i === last ? this.#state : this.stateOf(number)) < 0) return false;
    }
    this.#expanded = number + 1;
    return true;
  }

  /** @returns the number of the state behind the step; -1 when there are more than allowed */
  #take(move: Move, number: number, state: State): number {
    const { stepper, visited } = this;
    if (this.#reduction?.isWatched(move) === true) this.#reduction.watch(move, () => this.stateOf(number));
    const after = stepper.takeInOrder(move, state, visited.words, visited.startOf(number));
    this.transitions++;
    this.#taken[move.group]!++;
    const isTwice = this.#twice[move.number]! < TWICE;
    if (isTwice) stepper.checkPlain(after, move.act.name);
    // To go through all orders costs more than all else. What was met in this order is there.
    if (this.isSymmetric && this.#met.add(stepper.words, stepper.length, -1, -1) < 0 && !isTwice) return number;
    stepper.orderLast(after);
    if (isTwice) this.takeAgain(move, number);
    if (visited.count >= this.#most) return visited.find(stepper.words, stepper.length);
    const there = visited.add(stepper.words, stepper.length, number, move.number);
    return there < 0 ? -1 - there : there;
  }

  /**
   * Takes a step once more, and compares.
   * @throws Refusal when it has led elsewhere
   */
  takeAgain(move: Move, number: number): void {
    const { stepper, visited } = this;
    this.#twice[move.number]!++;
    const first = stepper.words.slice(0, stepper.length);
    const state = this.stateOf(number);
    const at = visited.startOf(number);
    const isEnabled = stepper.isEnabled(move, state, visited.words, at);
    stepper.take(move, this.stateOf(number), visited.words, at);
    if (!isEnabled || stepper.length !== first.length || first.some((word, i) => word !== stepper.words[i]))
      throw new Refusal(
        'differs',
        move.act.name,
        'twice from the same state, it does not do the same: it knows more than the state',
      );
  }

  /**
   * Asks all laws and guards of a state once more, when much else was asked.
   * @param broken what they said before
   * @throws Refusal when they do not say the same
   */
  confirm(number: number, broken: readonly string[]): void {
    const again = this.look(number);
    const name = [...again, ...broken].find((each) => again.includes(each) !== broken.includes(each));
    if (name !== undefined) throw new Refusal('differs', name, UNLIKE);
  }

  #ask(state: State, bits: number): string[] {
    const { always, sometimes, neverAfter } = this.model;
    const { calls } = this.stepper;
    const broken: string[] = [];
    for (let i = 0; i < always.length; i++) {
      const law = always[i]!;
      if (!calls.holds(law, state)) broken.push(law.name);
    }
    for (let i = 0; i < sometimes.length; i++) if (calls.holds(sometimes[i]!, state)) this.#held[i]!++;
    for (let i = 0; i < neverAfter.length; i++) {
      const { name, after, never } = neverAfter[i]!;
      // Asked for its side effects, which it must not have: what it says is among the bits.
      calls.holds(after, state);
      if ((bits & (1 << i)) !== 0 && calls.holds(never, state)) broken.push(name);
    }
    return broken;
  }

  /** @throws Refusal when a law or guard does not say the same again */
  #askAgain(state: State, number: number, broken: readonly string[]): void {
    const held = [...this.#held];
    const again = this.#ask(state, this.visited.words[this.visited.startOf(number)]!);
    const before = held.map((times, i) => this.#held[i]! - times);
    this.#held.splice(0, held.length, ...held);
    const name = [...again, ...broken].find((each) => again.includes(each) !== broken.includes(each));
    if (name !== undefined) throw new Refusal('differs', name, UNLIKE);
    // What held the first time was counted, and what holds now must be the same.
    const odd = before.findIndex((times, i) => times > 0 && held[i] === 0);
    if (odd >= 0) throw new Refusal('differs', this.model.sometimes[odd]!.name, UNLIKE);
  }

  /** Finds the law or guard that has changed the state. */
  #findCulprit(number: number): never {
    const { model, stepper, visited } = this;
    const at = visited.startOf(number);
    const { words } = visited;
    const { calls } = stepper;
    const laws = [
      ...[...model.always, ...model.sometimes, ...model.neverAfter.flatMap(({ after, never }) => [after, never])],
      ...(model.done === undefined ? [] : [model.done]),
    ];
    const suspects: [string, (state: State) => boolean][] = [
      ...laws.map((law): [string, (state: State) => boolean] => [law.name, (state) => calls.holds(law, state)]),
      ...model.moves.map((move): [string, (state: State) => boolean] => [
        move.when.name,
        (state) => calls.isEnabled(move, state),
      ]),
    ];
    for (const [name, ask] of suspects) {
      const state = this.stateOf(number);
      ask(state);
      stepper.encodeAs(state, words, at, name);
      if (!visited.isAt(number, stepper.words, stepper.length))
        throw new Refusal('changes the state', name, 'it may only look at the state, and changes it');
    }
    throw new Refusal('changes the state', 'a law or a guard', 'it may only look at the state, and changes it');
  }
}
