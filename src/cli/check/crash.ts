/** `stillwarm check crash`: what the command line says of the crashes of the lab. */

import { counted, grouped, UserError } from '../../base/index.ts';
import { shellWord } from '../../base/shell-word.ts';
import type { Program } from '../../doors/machine/index.ts';
import type { Check, CheckOptions, Findings } from '../../lab/check.ts';
import { crashCheck } from '../../lab/crash/index.ts';
import type { CheckEntry } from './entry.ts';
import { CHECK_CRASH } from './options.ts';
import type { ValuesOf } from '../kit/option-kinds.ts';

const AND = new Intl.ListFormat('en-GB', { type: 'conjunction' });

export const CRASH_ENTRY: CheckEntry = {
  spec: CHECK_CRASH,
  unit: { one: 'case' },
  // A part begins with three runs of the workload, or more.
  least: 48,
  partBytes: 192 << 20,
  optionsOf: (given) => {
    const values = given as ValuesOf<typeof CHECK_CRASH.options>;
    const { workload, fs, strategy, kind: kinds, crash, depth, seed, at, without } = values;
    if (at !== undefined && kinds.length !== 1) throw new UserError('--at: add --kind with the one that stops there');
    return { workload, fs, strategy, kinds, crash, depth, seed, at, without };
  },
  checkOf,
  coverage,
};

/** With a program of the user, `workload` is what the cases hang on (check.ts). */
function checkOf(program: Program | undefined): Check {
  const named = (options: CheckOptions): readonly [CheckOptions, ReadonlyMap<string, Program>?] => {
    if (program === undefined) return [options];
    // As a replay line has it.
    const name = shellWord((options['workload'] as { readonly file: string }).file);
    return [{ ...options, workload: name }, new Map([[name, program]])];
  };
  return {
    name: crashCheck.name,
    count: (options) => crashCheck.count(...named(options)),
    play: (part, progress) => {
      const [options, workloads] = named(part.options);
      return { ...crashCheck.play({ ...part, options }, progress, workloads), part };
    },
  };
}

/** The steps are counted by the part that has the first case. */
function coverage({ counts }: Findings): string | undefined {
  const valueOf = (wanted: string): number => counts.find(({ name }) => name === wanted)?.value ?? 0;
  const steps = valueOf('steps counted');
  const cuts = valueOf('cuts counted');
  const subsets = valueOf('subsets counted');
  if (steps === 0) return undefined;
  const shares = [
    `${grouped(valueOf('steps covered'))} of ${counted(steps, 'step')}`,
    ...(cuts === 0 ? [] : [`${grouped(valueOf('cuts covered'))} of ${counted(cuts, 'cut')}`]),
    ...(subsets === 0
      ? []
      : [`${grouped(valueOf('subsets covered'))} of ${counted(subsets, 'subset')} of unsaved blocks`]),
  ];
  return AND.format(shares);
}
