/** The sub-commands of `stillwarm check` and their options: a part of the table of options.ts. */

import { FAULTS } from '../lab/faults/faults.ts';
import { PROTECTIONS } from '../lab/faults/options.ts';
import type { Shard } from '../lab/check.ts';
import {
  integer,
  path,
  several,
  type CommandFamily,
  type CommandSpec,
  type Option,
  type Options,
} from './option-kinds.ts';
import { ARCH, HELP, JOBS_MAX, JSON_OUT, SEED } from './shared-options.ts';
import { parseChoice, parseShard, parseTime } from './values.ts';
import { WORKLOAD_NAME } from './workload.ts';

const RUNS_MAX = 100_000;

export const CHECK: CommandFamily = {
  name: 'check',
  summary: 'look for what breaks a law: pages that are reused and differ from the disk, and more',
};

const TIME = 'such as 500ms, 30s, 10m or 2h';

const JUNIT = path('FILE', 'also write the result to FILE as XML of JUnit, for other programs of CI');

/** How a check is run: options of every check, which decide nothing about its cases. */
export const RUNNING = {
  case: integer('N', 'play only the case with this number, as a line that replays it says', [0, 2 ** 32], {
    value: undefined,
    words: 'all cases',
  }),
  budget: {
    value: 'TIME',
    help: `begin no case after this time of the host, ${TIME}`,
    more: 'The result is then partial, and the exit status is 3. 0s plays nothing',
    parse: parseTime,
    otherwise: { value: undefined, words: 'no end' },
  } satisfies Option<number | undefined>,
  shard: {
    value: 'K/N',
    help: 'play only the Kth of N parts of the check, 1/1 to 1000/1000',
    more: 'It needs `--out`. `stillwarm check merge` joins the results of all N',
    parse: parseShard,
    otherwise: { value: undefined, words: 'the whole' },
  } satisfies Option<Shard | undefined>,
  out: path('FILE', 'write what was found to FILE, also while the check runs, for --resume and for check merge'),
  resume: {
    ...path('FILE', 'go on with the run whose --out was FILE: what it has played is not played again'),
    more: 'The other options must be those of that run. FILE is written again, or `--out`',
  },
  jobs: {
    ...integer('N', 'parts at the same time, each in a thread of its own', [1, JOBS_MAX], {
      value: undefined,
      words: 'as many as there are cores, and as free memory allows',
    }),
    more: 'The result does not depend on it',
  },
  junit: JUNIT,
  json: JSON_OUT('check-schema.md'),
  help: HELP,
} as const satisfies Options;

/**
 * Options of a check that takes a user's program.
 * @param names programs of its own, the default first
 */
export const workloadOptions = <T extends string>(names: readonly [T, ...T[]]) =>
  ({
    workload: {
      value: 'NAME|FILE',
      help: `program of the guest: ${names.join(', ')}, or a file .mjs, .mts or .ts that exports one by default`,
      more: 'It is `export default function* (sys) { … }`, with the calls that `stillwarm` has: see [run a check](../how-to/check.md#a-program-of-your-own)',
      parse: (option: string, text: string): string =>
        WORKLOAD_NAME.test(text) ? text : parseChoice(option, text, names),
      otherwise: { value: names[0], text: names[0] },
    } satisfies Option<string>,
    patience: {
      value: 'TIME',
      help: `with a FILE, how long one case may take, ${TIME}`,
      more: 'Then its thread is ended, and the file is said to have no end',
      parse: parseTime,
      otherwise: { value: 60_000, text: '60s' },
    } satisfies Option<number>,
  }) as const;

export const CHECK_FAULTS = {
  name: 'check faults',
  positionals: [],
  summary:
    'strike dying guests and what they leave in memory with faults; print which pages the next guest reuses, and which of them wrongly',
  options: {
    fault: several('faults, comma-separated, run in this order', FAULTS, {}, { value: FAULTS, words: 'all' }),
    runs: integer('N', 'runs of each fault', [1, RUNS_MAX], { value: 10, text: '10' }),
    seed: SEED,
    without: several(
      'protections to switch off in all runs, comma-separated',
      PROTECTIONS,
      {},
      { value: [], words: 'none' },
    ),
    arch: ARCH,
    ...RUNNING,
  },
} as const satisfies CommandSpec;

export const CHECK_MERGE = {
  name: 'check merge',
  positionals: [{ name: 'FILE', isRepeated: true }],
  summary: 'join the results that all shards of one check have written to the result of the whole',
  options: { junit: JUNIT, json: JSON_OUT('check-schema.md'), help: HELP },
} as const satisfies CommandSpec;

export const CHECKS: readonly CommandSpec[] = [CHECK_FAULTS, CHECK_MERGE];
