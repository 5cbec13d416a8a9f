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
      const law = answersOf(expander, other).find(([name, holds], at) => answers[at]![1] !== holds && name !== '');
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
    ...model.neverAfter.flatMap(({ name, after, never }) => [
      { name, holds: after },
      { name, holds: never },
    ]),
    ...(model.done === undefined ? [] : [{ name: 'done', holds: model.done }]),
  ];
  return asked.map(({ name, holds }) => [name, calls.holds(holds, state, name)] as const);
}

/** The states behind a state, whatever their order, each with the step that leads there. */
function stepsOf({ model, stepper, visited }: Expander, state: State, number: number): Map<string, string> {
  const found = new Map<string, string>();
  stepper.encodeAs(state, visited.words, visited.startOf(number), 'alike: swap');
  const words = stepper.words.slice(0, stepper.length);
  for (const move of model.moves) {
    if (!stepper.isEnabled(move, stepper.stateOf(words, 0), words, 0)) continue;
    stepper.take(move, stepper.stateOf(words, 0), words, 0);
    const name = model.groups[move.group]!;
    found.set(`${move.group} ${stepper.words.subarray(0, stepper.length).join(' ')}`, name);
  }
  return found;
}
