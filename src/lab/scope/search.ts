/**
 * All states of a scope, in the order of their distance from the first. So the first history that
 * breaks a law is a shortest one.
 *
 * Each action of each state is performed on the small machine. The state after it is put in its
 * form, and is searched when it is new. The search ends when no state is left, when a law is
 * broken, at the bound of states, or when the caller's budget ends.
 */

import type { ReasonCounts } from '../../xen/public/index.ts';
import type { ScopeOptions } from './options.ts';
import { frontOf, renumbered } from './actions.ts';
import { Allowed } from './allowed.ts';
import { perform } from './perform.ts';
import { FRAME_BYTES, G_TOLD, G_UP_TO_DATE, T_NAME } from './state.ts';
import { StateQueue, Visited } from './visited.ts';
import { describe } from './words.ts';
import type { Without } from './stored-world.ts';
import { World } from './world.ts';

/** What a search has found. */
export interface Found {
  readonly states: number;
  readonly transitions: number;
  /** Actions from the first state to the last that was searched. */
  readonly depth: number;
  /** Every state of the scope was searched, or a law was broken. */
  readonly isComplete: boolean;
  readonly violation: BrokenLaw | undefined;
  /** Pages that were taken over, and pages that were refused by reason, in all transitions. */
  readonly reused: number;
  readonly refused: Readonly<ReasonCounts>;
}

export interface BrokenLaw {
  readonly law: string;
  readonly what: string;
  /** The actions of a shortest history, in plain words. */
  readonly history: readonly string[];
}

/** States after which the caller is asked whether the budget has ended. */
const PROGRESS_STATES = 1024;

export interface SearchHooks {
  /** The one law that counts; by default all do, and what holds in every state of the house. */
  readonly law?: string;
  /** Actions after which the search ends; by default there is no such bound. */
  readonly steps?: number;
  /** Told how many states there are. Returns false when the budget has ended. */
  readonly progress?: (states: number) => boolean;
  /** Told each new state, in its form; the bytes are used again. */
  readonly onState?: (state: Uint8Array) => void;
  /**
   * Told each transition, before laws are asked: the state before it, with the frames as the action
   * numbers them, and the state after it. The small machine is in the latter. The bytes are used
   * again.
   */
  readonly onStep?: (before: Uint8Array, action: number, after: Uint8Array, world: World) => void;
}

/** Searches a scope with these protections and rules off. */
export function search(options: ScopeOptions, without: Without = {}, hooks: SearchHooks = {}): Found {
  return new Search(options, without).run(hooks);
}

class Search {
  readonly #options: ScopeOptions;
  readonly #without: Without;
  readonly #world: World;
  readonly #allowed: Allowed;
  readonly #visited = new Visited();
  /** What holds in every state of the house need not without a protection. */
  readonly #isWhole: boolean;

  constructor(options: ScopeOptions, without: Without) {
    this.#options = options;
    this.#without = without;
    this.#world = new World(options, without);
    this.#allowed = new Allowed(this.#world, options.symmetry);
    this.#isWhole = without.protections === undefined && without.rules === undefined;
  }

  run({ law, steps = Infinity, progress = () => true, onState = () => undefined, onStep }: SearchHooks): Found {
    const { symmetry, states: bound } = this.#options;
    const world = this.#world;
    const { layout } = world;
    const visited = this.#visited;
    const queue = new StateQueue(layout.size);
    const state = new Uint8Array(layout.size);
    const turned = new Uint8Array(layout.size);
    const next = new Uint8Array(layout.size);
    const nextWords = new Uint32Array(next.buffer);
    next.set(firstState(world));
    layout.normalize(next, symmetry);
    visited.add(nextWords, 0, 0);
    queue.push(next);
    onState(next);
    let transitions = 0;
    let depth = 0;
    let levelEnd = 1;
    let searched = 0;
    let asked = 0;
    const found = (isComplete: boolean, violation?: BrokenLaw): Found => ({
      states: visited.count,
      transitions,
      depth,
      isComplete,
      violation,
      reused: world.reused,
      refused: world.refused,
    });
    for (; queue.length > 0; searched++) {
      if (searched === levelEnd) {
        depth++;
        levelEnd = visited.count;
      }
      if (visited.count >= bound || depth >= steps) return found(false);
      if (visited.count - asked >= PROGRESS_STATES) {
        asked = visited.count;
        if (!progress(asked)) return found(false);
      }
      queue.shift(state);
      this.#allowed.list(state);
      const { codes, count } = this.#allowed;
      for (let i = 0; i < count; i++) {
        const action = codes[i]!;
        const front = frontOf(action);
        const before = front > 0 ? turn(world, state, turned, front) : state;
        const own = turnedAction(action, front);
        world.load(before);
        perform(world, own);
        transitions++;
        if (onStep !== undefined) {
          world.save(next);
          onStep(before, own, next, world);
        }
        if (world.broken !== undefined && world.broken.law === (law ?? world.broken.law))
          return found(true, { ...world.broken, history: this.#history(searched, action) });
        world.save(next);
        layout.normalize(next, symmetry);
        if (!visited.add(nextWords, searched, action)) continue;
        const flaw = this.#isWhole && law === undefined ? world.flaw() : undefined;
        if (flaw !== undefined) return found(true, { ...flaw, history: this.#history(searched, action) });
        queue.push(next);
        onState(next);
      }
    }
    return found(true);
  }

  /**
   * The actions that lead to a state, and one more, in plain words. Frames keep their numbers from
   * action to action, except where the order of two frames of one name matters.
   */
  #history(last: number, action: number): string[] {
    const actions = [action];
    for (let at = last; at !== 0; at = this.#visited.parentOf(at)) actions.unshift(this.#visited.actionOf(at));
    const world = new World(this.#options, this.#without);
    const { layout } = world;
    const { symmetry } = this.#options;
    const order = new Uint8Array(layout.frames);
    let state = firstState(world);
    const form = new Uint8Array(layout.size);
    return actions.map((each) => {
      form.set(state);
      layout.normalize(form, symmetry, order);
      const front = frontOf(each);
      const isTurned = front > 0 || (front === 0 && hasDuplicates(world, form));
      if (isTurned) state = front > 0 ? turn(world, form, new Uint8Array(layout.size), front) : form.slice();
      const own = isTurned ? turnedAction(each, front) : renumbered(each, order);
      world.load(state);
      const words = describe(world, own);
      perform(world, own);
      const after = new Uint8Array(layout.size);
      world.save(after);
      state = after;
      return words;
    });
  }
}

/** Pages that a guest has in its cache where a search starts warm. */
const WARM_PAGES = 2;

/** The state in which a search begins. */
function firstState(world: World): Uint8Array {
  const { layout, scope } = world;
  const state = world.initial();
  if (scope.start === 'blank') return state;
  world.load(state);
  for (let n = 0; n < Math.min(WARM_PAGES, layout.ownFrames, layout.places); n++) {
    if (world.map[n] === 0) continue;
    world.begin(n, world.map[n]! - 1, false);
    world.move(n, 0);
    world.end(n, 0, true);
    world.name(n, n);
    if (scope.guest === 'kernel') world.uses[n] = (n + 1) | G_UP_TO_DATE | G_TOLD;
  }
  world.save(state);
  return state;
}

/** A state with one of the guest's frames before the others. */
function turn({ layout }: World, state: Uint8Array, into: Uint8Array, front: number): Uint8Array {
  into.set(state);
  for (let n = front; n > 0; n--) layout.swapFrames(into, n - 1, n);
  return into;
}

/** An action that was said of a state, in the turned one. */
function turnedAction(action: number, front: number): number {
  if (front <= 0) return action;
  const order = new Uint8Array(16);
  for (let n = 0; n < 16; n++) order[n] = n < front ? n + 1 : n === front ? 0 : n;
  return renumbered(action, order);
}

function hasDuplicates({ layout }: World, state: Uint8Array): boolean {
  const seen = new Set<number>();
  for (let n = 0; n < layout.ownFrames; n++) {
    const name = state[n * FRAME_BYTES + T_NAME]!;
    const place = (name - 1) % layout.places;
    if (name !== 0 && seen.has(place)) return true;
    seen.add(name === 0 ? -1 : place);
  }
  return false;
}
