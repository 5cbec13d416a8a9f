/**
 * Refinement: whether what a real system does is what a protocol allows. States of the system are
 * observed and told as states of the protocol. Each change must be a step that the protocol can
 * take there, or nothing that the protocol knows of.
 *
 * Where an observation shows less than a state, all states that look like it are followed. A run is
 * explained while one of them is left.
 */

import { ArgumentError, checkFunction, checkInteger, checkKeys } from '../../base/index.ts';
import type { AnyProtocol, Model, Plain, Protocol } from './api.ts';
import { Refusal } from './calls.ts';
import {
  type CheckedModel,
  checkFaults,
  checkModel,
  checkProtocolObject,
  hasOf,
  type Move,
  type State,
} from './model.ts';
import { Stepper } from './stepper.ts';
import { Traps } from './traps.ts';
import { Visited } from './visited.ts';
import { Codec, flawOf } from './words.ts';

/** What a run is compared with. */
export interface RefineOptions<S = never> {
  /** Faults that the protocol has. By default none. */
  readonly faults?: readonly string[];
  /** Most steps of the protocol from one observation to the next, 1 to 8. By default 1. */
  readonly within?: number;
  /**
   * What is observed of a state of the protocol. By default all of it. A run then begins in the
   * protocol's first state.
   */
  readonly sees?: (state: S) => Plain;
}

/** A change that the protocol does not explain. */
export interface Unexplained {
  /** Number of its run, from 0. */
  readonly run: number;
  /** Number of the observation in the run, from 0. */
  readonly at: number;
  /** The observation before; null for the first of a run. */
  readonly from: Plain;
  /** The observation. */
  readonly to: Plain;
  /** Steps and events that the protocol could have taken, with their values. */
  readonly possible: readonly string[];
}

/** What was found of the runs so far. */
export interface Refined {
  /** Observations that followed another. */
  readonly changes: number;
  /** How many of these were no step, because what is observed stayed the same. */
  readonly stutters: number;
  /** By step (`actor.step`) and event: how many changes it explains. */
  readonly covered: Readonly<Record<string, number>>;
  /** Steps and events that explain none. */
  readonly uncovered: readonly string[];
  /** The first change that is not explained. */
  readonly broken?: Unexplained;
}

/** How a state was reached from the last observation. */
interface Way {
  readonly groups: readonly number[];
}

const WITHIN_MAX = 8;
const NOWHERE: Way = { groups: [] };

/** Follows runs of a real system, one observation at a time. A run ends where the next begins. */
export class Refinement {
  readonly #model: CheckedModel;
  readonly #stepper: Stepper;
  readonly #within: number;
  readonly #sees: ((state: State) => Plain) | undefined;
  /** States of the protocol that were met, and what is seen of them. */
  readonly #states = new Visited();
  readonly #views = new Visited();
  readonly #codec = new Codec();
  /** By state: the view, and the moves that can be taken with the states behind them. */
  readonly #viewOf: number[] = [];
  readonly #behind: (readonly (readonly [Move, number])[] | undefined)[] = [];
  readonly #covered: number[];
  #changes = 0;
  #stutters = 0;
  #broken: Unexplained | undefined;
  /** States in which the protocol may be now. */
  #now: readonly number[] = [];
  #last: Plain = null;
  #at = 0;
  #run = -1;

  /** @throws ArgumentError that names the place in the protocol, or the option */
  constructor(protocol: AnyProtocol, options: RefineOptions = {}) {
    checkProtocolObject(protocol);
    checkKeys('options', options, ['faults', 'within', 'sees']);
    const { faults = [], within = 1 } = options;
    checkInteger('options.within', within, 1, WITHIN_MAX);
    checkFunction('options.sees', options.sees, true);
    checkFaults(protocol, faults);
    this.#model = checkModel(protocol.build(hasOf(protocol, faults)) as Model<State>);
    this.#stepper = unfit(() => new Stepper(this.#model, new Traps(), new Int32Array(2), false));
    this.#within = within;
    this.#sees = options.sees as ((state: State) => Plain) | undefined;
    this.#covered = this.#model.groups.map(() => 0);
  }

  /**
   * Begins a run.
   * @returns whether the protocol has such a state; with `sees`, whether its first state looks so
   * @throws ArgumentError when the observation is no plain data, or has other parts than a state
   */
  begin(observed: Plain): boolean {
    this.#run++;
    this.#at = 0;
    this.#last = null;
    const view = this.#view(observed);
    const first = this.#sees === undefined ? this.#stateOf(observed) : this.#stateOf(this.#model.initial);
    const isSo = this.#viewOf[first] === view;
    this.#now = isSo ? [first] : [];
    if (!isSo) this.#break(observed, [first]);
    this.#last = observed;
    return isSo;
  }

  /**
   * The next observation of the run.
   * @returns whether the protocol explains it. Nothing is explained behind one that is not.
   * @throws ArgumentError when it is no plain data, or has other parts than a state
   */
  next(observed: Plain): boolean {
    const view = this.#view(observed);
    this.#at++;
    this.#changes++;
    const met = new Map(this.#now.map((state) => [state, NOWHERE]));
    let layer = this.#now;
    for (let step = 0; step < this.#within; step++) {
      const behind: number[] = [];
      for (const state of layer)
        for (const [{ group }, next] of this.#movesFrom(state)) {
          if (met.has(next)) continue;
          met.set(next, { groups: [...met.get(state)!.groups, group] });
          behind.push(next);
        }
      layer = behind;
    }
    const now = [...met].filter(([state]) => this.#viewOf[state] === view);
    if (now.length === 0) this.#break(observed, this.#now);
    else this.#count(now.map(([, way]) => way));
    this.#now = now.map(([state]) => state);
    this.#last = observed;
    return now.length > 0;
  }

  /** What was found so far. */
  get result(): Refined {
    const covered = Object.fromEntries(this.#model.groups.map((name, group) => [name, this.#covered[group]!]));
    return {
      changes: this.#changes,
      stutters: this.#stutters,
      covered,
      uncovered: this.#model.groups.filter((_, group) => this.#covered[group] === 0),
      ...(this.#broken && { broken: this.#broken }),
    };
  }

  /** Counts the steps of the shortest ways. */
  #count(ways: readonly Way[]): void {
    const least = Math.min(...ways.map(({ groups }) => groups.length));
    if (least === 0) this.#stutters++;
    const shortest = ways.filter(({ groups }) => groups.length === least);
    for (const group of new Set(shortest.flatMap(({ groups }) => groups))) this.#covered[group]!++;
  }

  #break(to: Plain, states: readonly number[]): void {
    const possible = this.#last === null ? [] : states.flatMap((state) => this.#movesFrom(state).map(([move]) => move));
    const names = new Set(possible.map(({ actor, label }) => (actor === '' ? label : `${actor}.${label}`)));
    this.#broken ??= { run: this.#run, at: this.#at, from: this.#last, to, possible: [...names] };
  }

  /** The number of what an observation shows. */
  #view(observed: Plain): number {
    const flaw = flawOf(observed, 'observed');
    if (flaw !== undefined) throw new ArgumentError(flaw);
    if (this.#sees !== undefined) return this.#numberOf(observed);
    const parts = Object.keys(this.#model.initial).sort().join(', ');
    if (typeof observed !== 'object' || observed === null || Object.keys(observed).sort().join(', ') !== parts)
      throw new ArgumentError(`observed: expected a state of the protocol, with the parts ${parts}`);
    return this.#stateOf(observed);
  }

  #numberOf(view: Plain): number {
    this.#codec.encode(view);
    const number = this.#views.add(this.#codec.words, this.#codec.length, -1, -1);
    return number < 0 ? -1 - number : number;
  }

  /** The number of a state. */
  #stateOf(state: Plain): number {
    this.#stepper.encodeAs(state as State, new Int32Array(this.#model.header), 0, 'observed');
    return this.#add();
  }

  /** The number of the state that was encoded last. */
  #add(): number {
    const { words, length } = this.#stepper;
    // How often an event happened, and what has held before, is not asked.
    words.fill(0, 0, this.#model.header);
    const number = this.#states.add(words, length, -1, -1);
    if (number < 0) return -1 - number;
    const { words: all } = this.#states;
    const sees = this.#sees;
    this.#viewOf[number] =
      sees === undefined
        ? number
        : this.#numberOf(seen(sees, this.#stepper.stateOf(all, this.#states.startOf(number))));
    return number;
  }

  #movesFrom(number: number): readonly (readonly [Move, number])[] {
    return (this.#behind[number] ??= unfit(() => {
      // They stay as they are when the words of all states are moved to a larger array.
      const { words } = this.#states;
      const at = this.#states.startOf(number);
      const found: [Move, number][] = [];
      let state = this.#stepper.stateOf(words, at);
      for (const move of this.#model.moves) {
        if (!this.#stepper.isEnabled(move, state, words, at)) continue;
        this.#stepper.takeInOrder(move, state, words, at);
        found.push([move, this.#add()]);
        state = this.#stepper.stateOf(words, at);
      }
      return found;
    }));
  }
}

/** A protocol that is unfit to be checked is a mistake of the caller here. */
function unfit<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof Refusal) throw new ArgumentError(`protocol: ${error.where}: ${error.message}`);
    throw error;
  }
}

/** What is seen of a state. @throws ArgumentError when it is no plain data, or cannot be told */
function seen(sees: (state: State) => Plain, state: State): Plain {
  let view: Plain;
  try {
    view = sees(state);
  } catch (error) {
    throw new ArgumentError(`options.sees: it throws${error instanceof Error ? ` ${error.message}` : ''}`);
  }
  const flaw = flawOf(view, 'what it returns');
  if (flaw !== undefined) throw new ArgumentError(`options.sees: ${flaw}`);
  return view;
}

function checkIterable(runs: Partial<Iterable<unknown>>): void {
  if (typeof runs === 'string' || typeof (Object(runs) as Partial<Iterable<unknown>>)[Symbol.iterator] !== 'function')
    throw new ArgumentError('runs: expected a list of runs, each a list of what was observed');
}

/**
 * Compares runs of a real system with a protocol. A run is a list of what was observed, as states
 * of the protocol. Each must be what the protocol can be in after at most `within` steps from the
 * one before. How often an event may happen is not asked. Laws are not, either: `search` does that.
 * @returns what was found; `broken` says where a run first leaves the protocol, and ends the check
 * @throws ArgumentError that names the place in the protocol, the option, or the flaw of a state
 */
export function refines<S>(
  protocol: Protocol<S>,
  runs: Iterable<Iterable<Plain>>,
  options: RefineOptions<S> = {},
): Refined {
  const refinement = new Refinement(protocol, options);
  checkIterable(runs);
  for (const run of runs) {
    checkIterable(run);
    let isBegun = false;
    for (const observed of run) {
      if (!(isBegun ? refinement.next(observed) : refinement.begin(observed))) return refinement.result;
      isBegun = true;
    }
  }
  return refinement.result;
}
