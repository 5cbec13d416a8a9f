/**
 * The functions of a protocol, each asked once for whatever it looks at. What a function says of
 * the same parts is the same, and so is what a step makes of them. One of SAMPLE answers is asked
 * for again, of a state as it is, and compared.
 */

import { Refusal } from './calls.ts';
import { Decisions, Tree, UNKNOWN } from './decisions.ts';
import type { Asked, CheckedModel, Move, State } from './model.ts';
import type { Stepper } from './stepper.ts';
import { View } from './view.ts';
import { hashOf, rehashed } from './visited.ts';

const UNLIKE = 'it does not say the same twice of the same state';
/** One of so many answers is asked for again. A prime: no law or step meets it each time. */
const SAMPLE = 257;
/** So many misses are allowed before a function must have had more hits. */
const TRIAL = 4096;

export class Answers {
  readonly #model: CheckedModel;
  readonly #stepper: Stepper;
  readonly #decisions = new Decisions();
  /** For what may only look at a state, and for what changes it. */
  readonly #fixed: View;
  readonly #view: View;
  /** The first state, and how the words of such a state begin behind their header. */
  readonly #initial: Int32Array;
  readonly #form: number;
  /** Behind the header and the form lie the parts. */
  readonly #parts: number;
  /** By function: laws. By group: guards. By move: steps, and what events do. */
  readonly #laws: readonly Tree[];
  readonly #guards: readonly Tree[];
  readonly #acts: readonly Tree[];
  /** By group. */
  readonly #moves: Move[][] = [];
  /** By event: words of parts that survive it. */
  readonly #survivors: readonly (readonly number[])[];
  /** Lists of moves that can be taken, and their numbers by what is in them. */
  readonly #lists: (readonly Move[])[] = [];
  readonly #listNumbers = new Map<string, number>();
  /** What steps change: of each how much, then parts and their new numbers. */
  #changes = new Int32Array(1 << 10);
  #changed = 0;
  #countdown = SAMPLE;
  /** Of the state that `take` has made. */
  hash = 0;
  /** The state that is looked at, decoded where a function was asked of all of it. */
  #full: State | undefined;
  #isChanged = false;
  /** Whether the last answer was about a view. */
  #isPartial = true;

  constructor(model: CheckedModel, stepper: Stepper) {
    const { header } = model;
    this.#model = model;
    this.#stepper = stepper;
    stepper.beginInOrder();
    this.#initial = stepper.words.slice(0, stepper.length);
    this.#form = this.#initial[header]!;
    this.#parts = header + 1;
    const parts = stepper.columns.partsOf(this.#form);
    this.#fixed = new View(stepper.columns, parts, true);
    this.#view = new View(stepper.columns, parts, false);
    this.#laws = [undefined, ...model.functions].map(() => new Tree());
    this.#guards = model.groups.map(() => new Tree());
    this.#acts = model.moves.map(() => new Tree());
    for (const move of model.moves) (this.#moves[move.group] ??= []).push(move);
    this.#survivors = model.moves.map(({ event }) =>
      parts
        .filter(({ name }) => event?.survives.includes(name) === true)
        .flatMap(({ at, places }) => Array.from({ length: 1 + places }, (_, i) => this.#parts + at + i)),
    );
  }

  /** Begins with a state. */
  begin(): void {
    this.#full = undefined;
    this.#isChanged = false;
  }

  /** Whether a law or guard of a view has changed the state since `begin`. */
  get hasChanged(): boolean {
    return this.#isChanged;
  }

  /** The state, where a law or guard was asked of all of it since `begin`. */
  get whole(): State | undefined {
    return this.#full;
  }

  /** Whether a law holds. @throws Refusal */
  holds(law: Asked, words: Int32Array, at: number): boolean {
    const known = this.#find(this.#laws[law.id]!, words, at);
    if (known < 0) return this.#ask(law, known === UNKNOWN, words, at);
    if (this.#isDue()) this.#askAgain(law, known === 1, words, at);
    return known === 1;
  }

  /** Moves of a group that can be taken, as far as their functions know. @throws Refusal */
  enabled(group: number, words: Int32Array, at: number): readonly Move[] {
    const known = this.#find(this.#guards[group]!, words, at);
    if (known < 0) return this.#askAll(group, known === UNKNOWN, words, at);
    const list = this.#lists[known]!;
    if (this.#isDue()) this.#askAllAgain(group, list, words, at);
    return list;
  }

  // What makes a function is apart, so that nothing is made where an answer is known.

  #ask(law: Asked, isKept: boolean, words: Int32Array, at: number): boolean {
    const ask = (state: State): boolean => this.#stepper.calls.holds(law, state);
    if (!isKept) return ask(this.#whole(words, at));
    const answer = this.#looked(words, at, ask);
    if (this.#isLearnt()) this.#learn(this.#laws[law.id]!, this.#fixed, words, at, Number(answer));
    return answer;
  }

  #askAgain(law: Asked, answer: boolean, words: Int32Array, at: number): void {
    if (this.#stepper.calls.holds(law, this.#stepper.stateOf(words, at)) !== answer)
      throw new Refusal('differs', law.name, UNLIKE);
  }

  #askAll(group: number, isKept: boolean, words: Int32Array, at: number): readonly Move[] {
    const moves = this.#moves[group]!;
    const ask = (state: State): Move[] => moves.filter((move) => this.#stepper.calls.isEnabled(move, state));
    if (!isKept) return ask(this.#whole(words, at));
    const list = this.#looked(words, at, ask);
    if (this.#isLearnt()) this.#learn(this.#guards[group]!, this.#fixed, words, at, this.#numberOf(list));
    return list;
  }

  #askAllAgain(group: number, list: readonly Move[], words: Int32Array, at: number): void {
    const state = this.#stepper.stateOf(words, at);
    const { calls } = this.#stepper;
    const odd = this.#moves[group]!.find((move) => calls.isEnabled(move, state) !== list.includes(move));
    if (odd !== undefined) throw new Refusal('differs', odd.when.name, UNLIKE);
  }

  /**
   * Makes the state behind a move, as `Stepper.takeInOrder` does, and its hash.
   * @param hash of the state before it
   * @returns false when it is not made: then that is to do it
   */
  take(move: Move, words: Int32Array, at: number, hash: number): boolean {
    const tree = this.#acts[move.number]!;
    const { columns } = this.#stepper;
    const { header } = this.#model;
    if (words[at + header] !== this.#form || tree.isOff) return false;
    const length = this.#initial.length;
    const made = columns.words;
    columns.length = length;
    if (move.event === undefined) {
      for (let i = 0; i < length; i++) made[i] = words[at + i]!;
      this.hash = hash;
    } else {
      made.set(this.#initial);
      for (let i = 0; i < header; i++) made[i] = words[at + i]!;
      for (const i of this.#survivors[move.number]!) made[i] = words[at + i]!;
      if (move.counter !== 0) made[move.counter]!++;
      this.hash = hashOf(made, length);
    }
    if (move.event === undefined || move.event.then !== undefined) {
      let change = this.#decisions.find(tree, made, this.#parts);
      if (change === UNKNOWN) {
        change = this.#act(move, tree, made);
        if (change < 0) return false;
      } else tree.hits++;
      this.#change(made, change);
    }
    const { neverAfter } = this.#model;
    for (let i = 0; i < neverAfter.length; i++)
      if ((made[0]! & (1 << i)) === 0 && this.holds(neverAfter[i]!.after, made, 0))
        this.#put(made, 0, made[0]! | (1 << i));
    if (columns.isLong(made, header)) return false;
    if (this.#isDue()) this.#takeAgain(move, words, at);
    return true;
  }

  /** Changes a state, and its hash. */
  #change(made: Int32Array, change: number): void {
    const changes = this.#changes;
    const end = change + changes[change]!;
    for (let i = change + 1; i < end; i += 2) this.#put(made, this.#parts + changes[i]!, changes[i + 1]!);
  }

  #put(made: Int32Array, place: number, word: number): void {
    this.hash = rehashed(this.hash, place, made[place]!, word);
    made[place] = word;
  }

  /** @returns where it is kept what the move changes in a state; -1 when it is not */
  #act(move: Move, tree: Tree, made: Int32Array): number {
    const { calls } = this.#stepper;
    const state = this.#view.show(made, this.#parts);
    if (move.event === undefined) calls.take(move, state);
    else calls.then(move, move.event, state);
    const changes = tried(() => this.#view.changes());
    if (changes === undefined) return -1;
    const start = this.#changed;
    const end = start + 1 + changes.length;
    while (end > this.#changes.length) {
      const more = new Int32Array(2 * this.#changes.length);
      more.set(this.#changes);
      this.#changes = more;
    }
    this.#changes[start] = 1 + changes.length;
    this.#changes.set(changes, start + 1);
    this.#changed = end;
    this.#learn(tree, this.#view, made, 0, start);
    return start;
  }

  /** An answer from 0; UNKNOWN; or less, where a function is to be asked of the whole state. */
  #find(tree: Tree, words: Int32Array, at: number): number {
    if (tree.isOff || words[at + this.#parts - 1] !== this.#form) return UNKNOWN - 1;
    const known = this.#decisions.find(tree, words, at + this.#parts);
    if (known >= 0) tree.hits++;
    return known;
  }

  /** What a function says that may only look at a state. */
  #looked<T>(words: Int32Array, at: number, ask: (state: State) => T): T {
    try {
      return ask(this.#fixed.show(words, at + this.#parts));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      // It may have thrown because it may only look: then it says something of a state as it is.
      const answer = ask(this.#whole(words, at));
      this.#isPartial = false;
      return answer;
    }
  }

  /** Whether what may only look has said something of what it has looked at, and done no more. */
  #isLearnt(): boolean {
    const isPartial = this.#isPartial;
    this.#isPartial = true;
    if (!isPartial || !this.#fixed.isTouched) return isPartial;
    const changes = tried(() => this.#fixed.changes());
    if (changes === undefined || !this.#fixed.isUnchangedBy(changes)) this.#isChanged = true;
    return !this.#isChanged;
  }

  #learn(tree: Tree, view: View, words: Int32Array, at: number, answer: number): void {
    if (++tree.misses > TRIAL && tree.misses > tree.hits) tree.isOff = true;
    else if (!this.#decisions.learn(tree, view.looked, words, at + this.#parts, answer)) tree.isOff = true;
  }

  #whole(words: Int32Array, at: number): State {
    return (this.#full ??= this.#stepper.stateOf(words, at));
  }

  #numberOf(list: readonly Move[]): number {
    const name = list.map(({ number }) => number).join(' ');
    let number = this.#listNumbers.get(name);
    if (number === undefined) {
      number = this.#lists.push(list) - 1;
      this.#listNumbers.set(name, number);
    }
    return number;
  }

  #isDue(): boolean {
    if (--this.#countdown > 0) return false;
    this.#countdown = SAMPLE;
    return true;
  }

  #takeAgain(move: Move, words: Int32Array, at: number): void {
    const stepper = this.#stepper;
    const made = stepper.words.slice(0, stepper.length);
    stepper.takeInOrder(move, stepper.stateOf(words, at), words, at);
    if (stepper.length !== made.length || made.some((word, i) => word !== stepper.words[i]))
      throw new Refusal(
        'differs',
        move.act.name,
        'twice from the same state, it does not do the same: it knows more than the state',
      );
  }
}

/** What does not let itself be encoded is found again, and named, where it is taken as a whole. */
function tried<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
