/** Looks at one state after the other: its laws, its steps, and the states behind them. */

import { Answers } from './answers.ts';
import type { Outcome } from './api.ts';
import { Refusal } from './calls.ts';
import type { CheckedModel, Move, State } from './model.ts';
import { Reduction } from './reduction.ts';
import { Stepper } from './stepper.ts';
import { checkAlike, dropAlike } from './symmetry.ts';
import type { Traps } from './traps.ts';
import { Visited } from './visited.ts';

const UNLIKE = 'it does not say the same twice of the same state';

/** In so many first states each law is asked twice, and so often each step is taken twice. */
const TWICE = 16;
/** So often it is taken twice with each of its values. */
const TWICE_EACH = 2;

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
  readonly #answers: Answers;
  readonly #reduction: Reduction | undefined;
  readonly #most: number;
  /** So many states have had all of their steps taken. */
  #expanded = 0;
  /** By group: how often it was taken. */
  readonly #taken: number[];
  /** By group: whether it has changed a state. */
  readonly #hasChanged: boolean[];
  /** Whether a state without a step may be the end. */
  #isDone = false;
  /** By move: how often it was taken twice. */
  readonly #twice: number[];
  /** By `sometimes` law: in how many states it held. */
  readonly #held: number[];
  /** By group: its first move. That of an event is its only one. */
  readonly #firsts: readonly Move[];
  /** Moves that can be taken from the state that was looked at last. */
  readonly #enabled: Move[] = [];

  constructor(model: CheckedModel, traps: Traps, cells: Int32Array, { states, symmetry, reduction }: ExpanderOptions) {
    this.model = model;
    this.isSymmetric = symmetry && model.alike.length > 0;
    this.stepper = new Stepper(model, traps, cells, symmetry);
    this.#answers = new Answers(model, this.stepper);
    const isDeclared = model.moves.some(({ touches }) => touches !== undefined);
    if (reduction && isDeclared && !this.isSymmetric) this.#reduction = new Reduction(this.stepper);
    this.#most = states;
    this.#taken = model.groups.map(() => 0);
    this.#hasChanged = model.groups.map(() => false);
    this.#twice = model.moves.map(() => 0);
    this.#firsts = model.groups.map((_, group) => model.moves.find((move) => move.group === group)!);
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

  /** How often what was reached, by name; and what was not. */
  reached(): Pick<Outcome, 'reached' | 'unreached' | 'idle' | 'unmet'> {
    const { groups, sometimes, done } = this.model;
    const steps = groups.map((name, i) => [name, this.#taken[i]!] as const);
    const held = sometimes.map(({ name }, i) => [name, this.#held[i]!] as const);
    const missing = new Set([...groups.keys()].filter((group) => this.#taken[group] === 0));
    if (this.isSymmetric) dropAlike(this, this.#expanded, missing);
    return {
      reached: Object.fromEntries([...steps, ...held]),
      unreached: [...missing].map((group) => groups[group]!),
      idle: groups.filter((_, group) => this.#taken[group]! > 0 && !this.#hasChanged[group]!),
      unmet: [
        ...held.filter(([, times]) => times === 0).map(([name]) => name),
        ...(done === undefined || this.#isDone ? [] : ['done']),
      ],
    };
  }

  /**
   * Asks all laws and guards in a state.
   * @returns the laws that it breaks
   * @throws Refusal
   */
  look(number: number): readonly string[] {
    const { model, visited } = this;
    const answers = this.#answers;
    const at = visited.startOf(number);
    const { words } = visited;
    answers.begin();
    const broken = this.#ask(words, at);
    if (number < TWICE) this.#askAgain(number, broken, []);
    this.#enabled.length = 0;
    let isStuck = true;
    for (let group = 0; group < model.groups.length; group++) {
      const { counter, most } = this.#firsts[group]!;
      if (counter !== 0 && words[at + counter]! >= most) continue;
      const moves = answers.enabled(group, words, at);
      for (let i = 0; i < moves.length; i++) {
        const move = moves[i]!;
        this.#enabled.push(move);
        if (move.event === undefined) isStuck = false;
      }
    }
    if (isStuck) {
      if (model.done !== undefined && answers.holds(model.done, words, at)) this.#isDone = true;
      else broken.push('deadlock');
    }
    if (answers.hasChanged || (answers.whole !== undefined && !this.#isSame(answers.whole, number)))
      this.#findCulprit(number);
    if (this.isSymmetric) checkAlike(this, number);
    if (this.#reduction !== undefined) this.#watchLaws(this.#reduction, number);
    return broken;
  }

  #watchLaws(reduction: Reduction, number: number): void {
    reduction.watchLaws(number, () => this.stateOf(number));
  }

  #isSame(state: State, number: number): boolean {
    const { stepper, visited } = this;
    stepper.encodeAs(state, visited.words, visited.startOf(number), 'a law or a guard');
    return visited.isAt(number, stepper.words, stepper.length);
  }

  /**
   * Takes all steps from the state that was looked at last.
   * @returns false when there were more states than allowed
   */
  expand(number: number): boolean {
    const enabled = this.#enabled;
    const some = this.#reduction && this.#enoughOf(this.#reduction, number);
    if (some !== undefined) {
      let leadsOn = false;
      for (const move of some) {
        const there = this.#take(move, number);
        if (there < 0) return false;
        if (there > number) leadsOn = true;
      }
      this.#expanded = number + 1;
      if (leadsOn) {
        this.isReduced = true;
        return true;
      }
    }
    for (let i = 0; i < enabled.length; i++) {
      const move = enabled[i]!;
      if (some?.includes(move) !== true && this.#take(move, number) < 0) return false;
    }
    this.#expanded = number + 1;
    return true;
  }

  #enoughOf(reduction: Reduction, number: number): readonly Move[] | undefined {
    return reduction.enough(this.#enabled, () => this.stateOf(number));
  }

  /** @returns the number of the state behind the step; -1 when there are more than allowed */
  #take(move: Move, number: number): number {
    const { stepper, visited } = this;
    if (this.#reduction?.isWatched(move) === true) this.#watch(this.#reduction, move, number);
    const { words } = visited;
    const at = visited.startOf(number);
    const isTwice = this.#taken[move.group]! < TWICE || this.#twice[move.number]! < TWICE_EACH;
    const isKnown = !isTwice && this.#answers.take(move, words, at, visited.hashOf(number));
    const after = isKnown ? undefined : stepper.takeInOrder(move, stepper.stateOf(words, at), words, at);
    this.transitions++;
    this.#taken[move.group]!++;
    if (!this.#hasChanged[move.group]!)
      this.#hasChanged[move.group] = !visited.isAt(number, stepper.words, stepper.length);
    if (isTwice) stepper.checkPlain(after!, move.act.name);
    // To go through all orders costs more than all else. What was met in this order is there.
    if (this.isSymmetric && this.#met.add(stepper.words, stepper.length, -1, -1) < 0 && !isTwice) return number;
    if (this.isSymmetric) stepper.orderLast(after ?? stepper.stateOf(stepper.words, 0));
    if (isTwice) this.takeAgain(move, number);
    if (visited.count >= this.#most) return visited.find(stepper.words, stepper.length);
    const hash = isKnown && !this.isSymmetric ? this.#answers.hash : undefined;
    const there = visited.add(stepper.words, stepper.length, number, move.number, hash);
    return there < 0 ? -1 - there : there;
  }

  #watch(reduction: Reduction, move: Move, number: number): void {
    reduction.watch(move, () => this.stateOf(number));
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
    const { model, stepper, visited } = this;
    const { words } = visited;
    const at = visited.startOf(number);
    const state = this.stateOf(number);
    const steps = model.moves.filter(({ event }) => event === undefined);
    const isStuck = !steps.some((move) => stepper.isEnabled(move, state, words, at));
    const isOver = model.done !== undefined && stepper.calls.holds(model.done, state);
    this.#askAgain(number, broken, isStuck && !isOver ? ['deadlock'] : []);
  }

  #ask(words: Int32Array, at: number): string[] {
    const { always, sometimes, neverAfter } = this.model;
    const answers = this.#answers;
    const broken: string[] = [];
    for (let i = 0; i < always.length; i++) {
      const law = always[i]!;
      if (!answers.holds(law, words, at)) broken.push(law.name);
    }
    for (let i = 0; i < sometimes.length; i++) if (answers.holds(sometimes[i]!, words, at)) this.#held[i]!++;
    for (let i = 0; i < neverAfter.length; i++) {
      const { name, after, never } = neverAfter[i]!;
      // Asked for its side effects, which it must not have: what it says is among the bits.
      answers.holds(after, words, at);
      if ((words[at]! & (1 << i)) !== 0 && answers.holds(never, words, at)) broken.push(name);
    }
    return broken;
  }

  /** @throws Refusal when a law does not say the same of the state as a whole */
  #askAgain(number: number, broken: readonly string[], besides: readonly string[]): void {
    const { always, sometimes, neverAfter } = this.model;
    const { calls } = this.stepper;
    const bits = this.visited.words[this.visited.startOf(number)]!;
    const state = this.stateOf(number);
    const again = [
      ...always.filter((law) => !calls.holds(law, state)),
      ...neverAfter.filter(({ never }, i) => (bits & (1 << i)) !== 0 && calls.holds(never, state)),
    ]
      .map(({ name }) => name)
      .concat(besides);
    const name = [...again, ...broken].find((each) => again.includes(each) !== broken.includes(each));
    if (name !== undefined) throw new Refusal('differs', name, UNLIKE);
    for (const law of sometimes)
      if (calls.holds(law, state) !== this.#answers.holds(law, this.visited.words, this.visited.startOf(number)))
        throw new Refusal('differs', law.name, UNLIKE);
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
