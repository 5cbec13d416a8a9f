/** What `stillwarm check` finds: the definition of the object that `--json` prints. */

import { Type } from 'typebox';
import { count, kind, list, many, oneOf, result, text, type Described } from '../../experiment/guest/schema.ts';
import { VERDICTS } from '../../lab/check.ts';

const Asked = kind('option', 'An option that decides what the cases are.', {
  name: text('Its name.'),
  value: text('Its value, as JSON.'),
});

const Sum = kind('sum', 'A number by its name.', {
  name: text('What is counted.'),
  value: Type.Integer({ description: 'How many, over all cases that were played.' }),
});

const Reached = kind('reached', 'A state that a run must meet.', {
  name: text('The state.'),
  value: count('How often it was met. 0 is named in the text as never reached.'),
});

const Violated = kind('violation', 'A law that did not hold.', {
  at: count('Number of the case.'),
  law: text('The law.'),
  what: text('What was found, in one line.'),
  replay: text('A command line that plays this case alone.'),
  history: list('Steps that lead to it, one line a step.', Type.String()),
});

export const CheckResult = result(
  'stillwarm/check@1',
  'Result of stillwarm check --json',
  'The same options print the same object, whatever the number of threads, and whether shards were merged. It is of one check.',
  {
    version: text('Version of stillwarm.'),
    check: text('Name of the check.'),
    options: many('Options of the check, in the order of the names.', Asked),
    cases: count('Cases that were to be played.'),
    done: count('Cases that were played: fewer when the budget ended first, or when workers died of a part.'),
    verdict: oneOf('`violated` as soon as one law did not hold; otherwise `partial` while cases are left.', VERDICTS),
    counts: many('Sums over all cases, in the order of the names.', Sum),
    reached: many('States that a run must meet, in the order of the names.', Reached),
    violations: many('By case.', Violated),
  },
  [Asked, Sum, Reached, Violated],
);
export type CheckResult = Described<typeof CheckResult>;
