/** The sub-commands of `stillwarm check` and their options: a part of the table of options.ts. */

import { STRATEGIES } from '../../doors/machine/index.ts';
import { CRASH_KINDS, FILE_SYSTEMS, GUARDS } from '../../lab/crash/options.ts';
import { WORKLOADS } from '../../lab/crash/workloads.ts';
import { FAULTS } from '../../lab/faults/faults.ts';
import { PROTECTIONS } from '../../lab/faults/options.ts';
import { KINDS } from '../../lab/fuzz/index.ts';
import { ABLATIONS } from '../../lab/scope/ablations.ts';
import { DEFAULT_STATES } from '../../lab/scope/options.ts';
import { DEFAULT_STATES as DEFAULT_PROTOCOL_STATES } from '../../lab/protocol/search.ts';
import { SCOPES } from '../../lab/scope/scopes.ts';
import type { Shard } from '../../lab/check.ts';
import {
  choice,
  integer,
  oneOf,
  path,
  several,
  type CommandFamily,
  type CommandSpec,
  type Option,
  type Options,
} from '../kit/option-kinds.ts';
import { QUEUE } from './queue-options.ts';
import { ARCH, HELP, JOBS_MAX, JSON_OUT, SEED } from '../kit/shared-options.ts';
import { type CrashAt, parseChoice, parseCrash, parseMoments, parseShard, parseTime } from '../kit/values.ts';
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
  queue: QUEUE,
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

/** The one with a bit of everything first. */
const CRASH_WORKLOADS = ['mixed', ...Object.keys(WORKLOADS).filter((name) => name !== 'mixed')] as const;

export const CHECK_CRASH = {
  name: 'check crash',
  positionals: [],
  summary:
    'stop a program of a guest before each of its steps: kill the guest, crash the hypervisor, cut the power; then reboot and ask every law',
  options: {
    ...workloadOptions(CRASH_WORKLOADS),
    fs: { ...choice('file system of the disk', FILE_SYSTEMS), otherwise: { value: 'ext3', text: 'ext3' } } as const,
    strategy: {
      ...choice('strategy of the reboot', STRATEGIES),
      otherwise: { value: 'warm-cache+metadata', text: 'warm-cache+metadata' },
    } as const,
    kind: several(
      'what stops, comma-separated',
      CRASH_KINDS,
      {
        guest: 'the guest dies',
        hypervisor: 'the hypervisor crashes, with everything on it',
        power: "the power of machine and drive goes, and with it a part of the drive's cache",
      },
      { value: CRASH_KINDS, words: 'all' },
    ),
    crash: {
      value: 'HOW',
      help: 'crash at every moment: every; or at N of them, chosen by the seed: sample:N',
      more: 'With these, a copy is cut at one line of 64 bytes, which the seed chooses; with every-line, every moment is played and every such cut. Both play every subset of the blocks that a loss of power may lose',
      parse: parseCrash,
      otherwise: { value: { sample: 600 }, text: 'sample:600' },
    } satisfies Option<CrashAt>,
    depth: {
      ...integer('N', 'crashes of a case at most: the second and third come in the recovery', [1, 3], {
        value: 3,
        text: '3',
      }),
      more: 'Each moment has so many cases: with one crash, with two, with three',
    },
    seed: SEED,
    at: {
      value: 'STEPS',
      help: 'play only the case that stops at these steps, STEP, STEP:LINES or STEP=SUBSET, comma-separated, as a line that replays it says',
      more: 'The first is a step of the program, the others are steps of the recovery from the one before. LINES of 64 bytes of a copy are stored before it stops. The SUBSET of this number survives a loss of power. It needs one `--kind`',
      parse: parseMoments,
      otherwise: { value: undefined, words: 'all cases' },
    } satisfies Option<string | undefined>,
    without: several(
      'protections, and rules of the guest, to switch off in all cases, comma-separated',
      GUARDS,
      {},
      { value: [], words: 'none' },
    ),
    ...RUNNING,
  },
} as const satisfies CommandSpec;

export const CHECK_SCOPE = {
  name: 'check scope',
  positionals: [],
  summary:
    'search all states of small machines; then find the shortest history that goes wrong without each protection and each rule',
  options: {
    scope: oneOf('search only this scope', Object.keys(SCOPES)),
    without: oneOf(
      'search only without this protection, rule or design, and print the shortest history that goes wrong',
      ABLATIONS.map(({ name }) => name),
    ),
    states: integer('N', 'states after which a search ends', [1, 2 ** 26], {
      value: DEFAULT_STATES,
      text: String(DEFAULT_STATES),
    }),
    ...RUNNING,
  },
} as const satisfies CommandSpec;

export const CHECK_FUZZ = {
  name: 'check fuzz',
  positionals: [],
  summary: 'damage what is read in ways that know its structure; each reader must take it, or say in one line why not',
  options: {
    kind: choice('what is damaged', ['all', ...Object.keys(KINDS), 'options'], {
      table: 'a table of `stillwarm/table`',
      dump: 'a dump of machine memory',
      records: 'all that a hypervisor keeps, between two guests or two hypervisors',
      image: 'an image of ext2 or ext3',
      journal: 'the log of an ext3',
      save: 'a save file',
      rings: 'rings of devices, and grants',
      store: 'messages to the store',
      frames: 'frames on the cable',
      results: 'results of `--json`',
      boot: 'what a boot reads',
      options: 'command lines',
    }),
    cases: integer('N', 'cases of each kind', [1, 2 ** 32 - 1], {
      value: undefined,
      words: '120 to 10000, by what a case of the kind takes',
    }),
    seed: SEED,
    keep: {
      ...path('DIR', 'write each case that breaks a law to DIR, shrunk, as a file of JSON'),
      more: 'DIR is created if needed, and the text names the files',
    },
    ...RUNNING,
  },
} as const satisfies CommandSpec;

/** What a file of a protocol may be called. */
export const PROTOCOL_NAME = /\.m?[jt]s$/;

export const CHECK_PROTOCOL = {
  name: 'check protocol',
  positionals: [{ name: 'FILE', optional: true }],
  summary:
    'search all states of a protocol of a user, a file .js, .mjs, .mts or .ts that exports it by default; then with each of its faults. Without FILE, those that come with stillwarm',
  options: {
    fault: {
      value: 'NAME',
      help: 'search only with this fault, and print the shortest history that it breaks a law with',
      parse: (_: string, text: string) => text,
      otherwise: { value: undefined, words: 'none, and then each' },
    } satisfies Option<string | undefined>,
    states: {
      ...integer('N', 'states after which a search takes up no new one', [1, 2 ** 30], {
        value: DEFAULT_PROTOCOL_STATES,
        text: String(DEFAULT_PROTOCOL_STATES),
      }),
      more: 'The result is then partial, and the exit status is 3',
    },
    depth: {
      ...integer('N', 'steps of a history at most', [0, 2 ** 30], { value: undefined, words: 'no limit' }),
      more: 'The result is then partial, and the exit status is 3',
    },
    patience: {
      value: 'TIME',
      help: `how long one state may take, ${TIME}`,
      more: 'Then its thread is ended, and the function that does not return is named. The import of FILE may take as long',
      parse: parseTime,
      otherwise: { value: 60_000, text: '60s' },
    } satisfies Option<number>,
    report: path('FILE', 'also write the histories to FILE, one page of HTML to be stepped through'),
    json: JSON_OUT('check-protocol-schema.md'),
    help: HELP,
  },
} as const satisfies CommandSpec;

export const CHECK_MERGE = {
  name: 'check merge',
  positionals: [{ name: 'FILE', isRepeated: true }],
  summary: 'join the results that all shards of one check have written to the result of the whole',
  options: { junit: JUNIT, json: JSON_OUT('check-schema.md'), help: HELP },
} as const satisfies CommandSpec;

export const CHECKS: readonly CommandSpec[] = [
  CHECK_FAULTS,
  CHECK_CRASH,
  CHECK_SCOPE,
  CHECK_FUZZ,
  CHECK_PROTOCOL,
  CHECK_MERGE,
];
