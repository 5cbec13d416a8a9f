/** Whether what a protocol calls alike is alike: asked of states and of the same in another order. */

import { Refusal } from './calls.ts';
import type { Expander } from './expander.ts';
import type { State } from './model.ts';

/** So many first states are asked, and of the others one of STRIDE. */
const FIRST = 500;
const STRIDE = 64;

/** @throws Refusal that names the law or step that tells the two orders apart */
export function checkAlike(expander: Expander, number: number): void {
  if (number >= FIRST && number % STRIDE !== 0) return;
  const { model } = expander;
  const answers = answersOf(expander, expander.stateOf(number));
  const steps = stepsOf(expander, expander.stateOf(number), number);
  for (const [n, alike] of model.alike.entries())
    for (let i = 0; i + 1 < alike.count; i++) {
      const other = expander.stateOf(number);
      expander.stepper.calls.swap(alike, other, i, i + 1);
      const swapped = `alike[${n}].swap(${i}, ${i + 1})`;
      const law = answersOf(expander, other).find(([, holds], at) => answers[at]![1] !== holds);
      if (law !== undefined)
        throw new Refusal('not alike', law[0], `it does not say the same of a state after ${swapped}`);
      const there = stepsOf(expander, other, number);
      const odd = [...there].find(([key]) => !steps.has(key)) ?? [...steps].find(([key]) => !there.has(key));
      if (odd !== undefined) throw new Refusal('not alike', odd[1], `it leads elsewhere from a state after ${swapped}`);
    }
}

/** What each law says of a state. */
function answersOf({ model, stepper: { calls } }: Expander, state: State): (readonly [string, boolean])[] {
  const asked = [
    ...model.always,
    ...model.sometimes,
    ...model.neverAfter.flatMap(({ after, never }) => [after, never]),
    ...(model.done === undefined ? [] : [model.done]),
  ];
  return asked.map((law) => [law.name, calls.holds(law, state)] as const);
}

/**
 * The states behind a state, whatever their order, each with a step that leads there. Which step it
 * is does not matter: of two actors that are alike, one does in one order what the other does in
 * the other.
 */
function stepsOf({ model, stepper, visited }: Expander, state: State, number: number): Map<string, string> {
  const found = new Map<string, string>();
  stepper.encodeAs(state, visited.words, visited.startOf(number), 'alike: swap');
  const words = stepper.words.slice(0, stepper.length);
  for (const move of model.moves) {
    if (!stepper.isEnabled(move, stepper.stateOf(words, 0), words, 0)) continue;
    stepper.take(move, stepper.stateOf(words, 0), words, 0);
    const name = model.groups[move.group]!;
    found.set(stepper.words.subarray(0, stepper.length).join(' '), name);
  }
  return found;
}

/**
 * Takes away the steps and events that can be taken from one of the first `count` states in an
 * order that was not searched: those of an actor that is like another.
 * @param missing numbers of their groups
 */
export function dropAlike(expander: Expander, count: number, missing: Set<number>): void {
  const { model, stepper, visited } = expander;
  const drop = (state: State, at: number): void => {
    for (const move of model.moves)
      if (missing.has(move.group) && stepper.isEnabled(move, state, visited.words, at)) missing.delete(move.group);
  };
  try {
    for (let number = 0; number < count && missing.size > 0; number++)
      forEachOrder(expander, expander.stateOf(number), 0, (state) => drop(state, visited.startOf(number)));
  } catch (error) {
    // A guard that throws in another order alone: what is left counts as missing.
    if (!(error instanceof Refusal)) throw error;
  }
}

/** Brings a state into all orders of the n-th kind of what is alike, and of those behind it. */
function forEachOrder(expander: Expander, state: State, n: number, visit: (state: State) => void): void {
  const alike = expander.model.alike[n];
  if (alike === undefined) {
    visit(state);
    return;
  }
  // Heap's algorithm: one exchange leads from each order to the next.
  const generate = (k: number): void => {
    if (k === 1) forEachOrder(expander, state, n + 1, visit);
    else for (let i = 0; i < k; i++) exchange(k, i);
  };
  const exchange = (k: number, i: number): void => {
    generate(k - 1);
    if (i < k - 1) expander.stepper.calls.swap(alike, state, k % 2 === 0 ? i : 0, k - 1);
  };
  generate(alike.count);
}
