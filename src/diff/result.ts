/** What `stillwarm diff` answers: the definition of the object that `--json` prints. */

import { Type } from 'typebox';
import {
  boolean,
  count,
  kind,
  many,
  object,
  one,
  oneOf,
  orNull,
  result,
  text,
  type Described,
} from '../experiment/guest/schema.ts';
import { KNOWN, UNITS } from './results.ts';

const PATH = text('Fields, and in brackets what tells a thing apart, from the root of the result on.');
const scalar = (description: string) =>
  Type.Union([Type.Number(), Type.String(), Type.Boolean(), Type.Null()], { description });

export const DiffChange = kind('change', 'A value that both results have, and that differs.', {
  path: PATH,
  unit: orNull(
    'Unit of both; null when they are not both numbers.',
    Type.Unsafe<(typeof UNITS)[number]>({ enum: UNITS }),
  ),
  a: scalar('In A.'),
  b: scalar('In B.'),
  difference: orNull('B - A; null when they are not both numbers.', Type.Number()),
  percent: orNull('The difference in percent of A; null when there is none, or A is 0.', Type.Number()),
});

export const DiffLone = kind('lone', 'Something that only one result has.', {
  path: PATH,
  figures: count('Values in it; 1 when it is a value itself.'),
});

export const DiffPart = kind('part', 'The inputs, or the figures.', {
  compared: count('Values that both results have: `same`, `within` and those of `changed`.'),
  same: count('Values that are equal.'),
  within: count('Values that differ by no more than the tolerance. Inputs have none.'),
  changed: many('Values that differ by more.', DiffChange),
  onlyInA: many('What only A has. What it lies in is there in both.', DiffLone),
  onlyInB: many('What only B has.', DiffLone),
});

export const DiffResult = result(
  'stillwarm/diff@1',
  'Result of stillwarm diff --json',
  `[Which things are matched](cli.md#stillwarm-diff) and what the tolerance means is said there. The order is that of A, and what
only B has comes after it, list by list. The same two results give the same object, byte for byte.`,
  {
    of: oneOf('Name and version of the format of both results.', Object.keys(KNOWN)),
    differs: boolean('Whether something differs by more than the tolerance; the exit status is then 1.'),
    tolerance: Type.Number({ description: 'Tolerance, percent of the smaller of two figures.', minimum: 0 }),
    only: text('Text that the path of each compared figure contains; empty: all figures.'),
    digests: object('Digests of the runs; null where a result has none.', {
      a: orNull('Of A.', Type.String()),
      b: orNull('Of B.', Type.String()),
    }),
    inputs: one('Fields that say what was run. The digests are in neither part.', DiffPart),
    figures: one('Everything else.', DiffPart),
  },
  [DiffPart, DiffChange, DiffLone],
);
export type DiffResult = Described<typeof DiffResult>;
