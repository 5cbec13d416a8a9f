/** The way to a state, as plain JSON: found by parents, and taken once more, step by step. */

import { shellWord } from '../../base/shell-word.ts';
import type { History, Plain, Taken } from './api.ts';
import { Refusal } from './calls.ts';
import type { Expander } from './expander.ts';
import type { Move, State } from './model.ts';

/** What is searched, for a history. */
export interface Named {
  readonly protocol: string;
  readonly faults: readonly string[];
}

/**
 * @param law what its end shows
 * @throws Refusal when a step does not lead where it led before
 */
export function historyOf(expander: Expander, { protocol, faults }: Named, end: number, law: string): History {
  const path: number[] = [];
  for (let at = end; at > 0; at = expander.visited.parentOf(at)) path.unshift(at);
  const initial = plainCopy(expander.isSymmetric ? expander.model.initial : expander.stateOf(0));
  const steps = expander.isSymmetric ? reordered(expander, path) : replayed(expander, path);
  return { protocol, faults, law, initial, steps, replay: replayOf(faults) };
}

/** The command line for a protocol of a file, which is not known here. */
const replayOf = (faults: readonly string[]): string =>
  ['stillwarm check protocol FILE', ...faults.flatMap((fault) => ['--fault', shellWord(fault)])].join(' ');

const takenOf = (move: Move, state: Plain): Taken => ({
  actor: move.actor,
  step: move.label,
  isEvent: move.event !== undefined,
  state,
});

function replayed(expander: Expander, path: readonly number[]): Taken[] {
  const { model, stepper, visited } = expander;
  return path.map((number) => {
    const parent = visited.parentOf(number);
    const move = model.moves[visited.moveOf(number)]!;
    const at = visited.startOf(parent);
    if (!stepper.isEnabled(move, expander.stateOf(parent), visited.words, at))
      throw new Refusal('differs', move.when.name, 'it does not say the same twice of the same state');
    stepper.take(move, expander.stateOf(parent), visited.words, at);
    if (!visited.isAt(number, stepper.words, stepper.length))
      throw new Refusal(
        'differs',
        move.act.name,
        'taken again, it leads to another state: it knows more than the state',
      );
    return takenOf(move, expander.stateOf(number));
  });
}

/**
 * What was searched is one order of what is alike for all. The history is told from the first state
 * as it was given, so that each thing keeps its place.
 */
function reordered(expander: Expander, path: readonly number[]): Taken[] {
  const { model, stepper, visited } = expander;
  stepper.beginInOrder();
  let words = stepper.words.slice(0, stepper.length);
  return path.map((number) => {
    for (const move of model.moves) {
      const state: State = stepper.stateOf(words, 0);
      if (!stepper.isEnabled(move, state, words, 0)) continue;
      const after = stepper.takeInOrder(move, stepper.stateOf(words, 0), words, 0);
      const made = stepper.words.slice(0, stepper.length);
      stepper.orderLast(after);
      if (!visited.isAt(number, stepper.words, stepper.length)) continue;
      words = made;
      return takenOf(move, stepper.stateOf(words, 0));
    }
    const move = model.moves[visited.moveOf(number)]!;
    throw new Refusal('not alike', move.act.name, 'it can be taken in one order of what is alike, and not in another');
  });
}

const plainCopy = (state: State): Plain => JSON.parse(JSON.stringify(state)) as Plain;
