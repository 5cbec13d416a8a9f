/** What `stillwarm check protocol` finds: the definition of the object that `--json` prints. */

import { Type } from 'typebox';
import {
  boolean,
  count,
  kind,
  list,
  many,
  oneOf,
  oneOrNull,
  result,
  text,
  type Described,
} from '../../experiment/guest/schema.ts';

const Reached = kind('reached', 'A step, an event or a law of `sometimes`.', {
  name: text('Its name; a step as `actor.step`.'),
  times: count('How often it was taken, or in how many states it held.'),
});

const Taken = kind('step', 'One step of a history.', {
  number: count('Counted from 1.', 1),
  actor: text('Whose step it is. Empty for an event.'),
  step: text('Its name, with its value in brackets where it has one.'),
  isEvent: boolean('Whether it is an event.'),
  state: text('The state after it, as JSON.'),
});

const Told = kind('history', 'A shortest history that breaks a law.', {
  law: text('The law that its last state breaks.'),
  initial: text('The first state, as JSON.'),
  steps: many('In their order.', Taken),
  replay: text('A command line that finds it again.'),
});

const Searched = kind('search', 'A search of all states, without faults or with one.', {
  fault: text('The fault. Empty for none.'),
  breaks: text('The law that it is to break. Empty for none.'),
  within: count('Greatest length that its shortest history may have.'),
  verdict: oneOf('Whether the laws are broken that are to be broken, and no other.', [
    'as it should be',
    'wrong',
    'partial',
    'refused',
  ]),
  why: text('What is wrong. Empty when nothing is.'),
  states: count('Distinct states.'),
  transitions: count('Steps that were taken.'),
  depth: count('Greatest length of a shortest history to a state.'),
  broken: list('Laws that are broken.', Type.String()),
  isShortest: boolean('False when a bound prevented the proof that no history is shorter.'),
  searchedDepth: count('All states that so many steps reach were searched.'),
  frontier: count('States that were found, but whose steps were not all taken.'),
  grew: list('Parts of the state that still grew at the bound.', Type.String()),
  unreached: list('Steps and events that were never taken.', Type.String()),
  idle: list('Steps and events that were taken, and have changed nothing in any state.', Type.String()),
  unmet: list('Laws of `sometimes` that no state has met, and `done` where no state may be the end.', Type.String()),
  reached: many('In the order of the protocol.', Reached),
  history: oneOrNull('The counterexample.', Told),
});

const Checked = kind('protocol', 'One protocol.', {
  file: text('Its file, as it was given.'),
  protocol: text('Its name.'),
  what: text('What it is, in one sentence.'),
  laws: list('Its laws.', Type.String()),
  searches: many('Without faults first, then with each.', Searched),
});

export const ProtocolResult = result(
  'stillwarm/check-protocol@1',
  'Result of stillwarm check protocol --json',
  'The same protocol and options print the same object.',
  { version: text('Version of stillwarm.'), protocols: many('In the order of their files.', Checked) },
  [Checked, Searched, Reached, Told, Taken],
);
export type ProtocolResult = Described<typeof ProtocolResult>;
