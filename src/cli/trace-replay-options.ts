/** The commands that replay the pages of a trace: a part of the table of options.ts. */

import { PAGE_SIZE } from '../base/units.ts';
import { UserError } from '../base/user-error.ts';
import { RESTORE_ORDERS, RESTORE_PERCENTS, type RestoreRate } from '../experiment/accesses/restore.ts';
import type { Sample } from '../experiment/accesses/stack-distances.ts';
import { DEFAULT_POLICY, POLICIES, type PolicyName } from '../kernel/mm/policy/policies.ts';
import type { RebootAt } from '../experiment/predict/options.ts';
import { integer, several, type CommandSpec, type Option } from './kit/option-kinds.ts';
import { HELP, JOBS_MAX, JSON_OUT } from './kit/shared-options.ts';
import { oneLine, parseList, parsePercent, parseRebootAt, parseSize } from './kit/values.ts';
import { READING } from './trace-options.ts';

/** Sizes and shares of one command at most. */
const MOST = 64;
/** Pages of a cache at most: those of 1 TiB. */
const PAGES_MAX = 2 ** 28;
/** Pages of a sample. Fewer tell nothing. */
export const SAMPLE_MIN = 64;
const SAMPLE_MAX = 2 ** 24;
const RATE_MAX = 1e6;

/** Every policy. */
const ALL = 'all';

const JOBS = {
  ...integer('N', 'replays at the same time, each in a thread of its own', [1, JOBS_MAX], {
    value: undefined,
    words: 'as many as there are cores, and as free memory allows',
  }),
  more: 'The result does not depend on it. With 1 there is no thread besides that of the program',
};

/** Memory in whole pages. @throws UserError */
function parsePages(option: string, text: string): number {
  const pages = parseSize(option, text) / PAGE_SIZE;
  if (Number.isInteger(pages) && pages <= PAGES_MAX) return pages;
  throw new UserError(`${option}: ${oneLine(text)} is not a multiple of ${PAGE_SIZE} bytes up to 1TiB`);
}

/** Different values in ascending order. @throws UserError */
function ascending(option: string, text: string, parse: (option: string, text: string) => number): readonly number[] {
  const values = text.split(',').map((part) => parse(option, part.trim()));
  const sorted = [...new Set(values)].sort((a, b) => a - b);
  if (sorted.length < values.length) throw new UserError(`${option}: ${oneLine(text)} has one of them twice`);
  if (sorted.length > MOST) throw new UserError(`${option}: ${sorted.length} values are more than ${MOST}`);
  return sorted;
}

/** A share of the pages, such as 0.01, or a number of them, such as 8192. @throws UserError */
function parseSample(option: string, text: string): Sample {
  const value = /^\d{1,8}(?:\.\d{1,6})?$/.test(text) ? Number(text) : Number.NaN;
  if (value > 0 && value <= 1) return { rate: value };
  if (Number.isInteger(value) && value >= SAMPLE_MIN && value <= SAMPLE_MAX) return { pages: value };
  throw new UserError(
    `${option}: ${oneLine(text)} is neither a share of more than 0 to 1, nor ${SAMPLE_MIN} to ${SAMPLE_MAX} pages`,
  );
}

/** Pages an access, such as 0.5, or bytes a second, such as 64MiB/s. @throws UserError */
function parseRestoreRate(option: string, text: string): RestoreRate {
  if (text.endsWith('/s')) return { bytesPerSecond: parseSize(option, text.slice(0, -2)) };
  const value = /^\d{1,7}(?:\.\d{1,6})?$/.test(text) ? Number(text) : Number.NaN;
  if (value > 0 && value <= RATE_MAX) return { pagesPerAccess: value };
  throw new UserError(
    `${option}: ${oneLine(text)} is neither pages an access, such as 0.5, nor a size a second, such as 64MiB/s`,
  );
}

export const RESTORE_RATE = {
  value: 'RATE',
  help: 'pages come at this rate: pages an access, such as 0.5, or a size a second, such as 64MiB/s',
  more: 'Seconds are those of the trace',
  parse: parseRestoreRate,
  otherwise: { value: undefined, words: 'all come before the first access' },
} satisfies Option<RestoreRate | undefined>;

export const TRACE_CURVE = {
  name: 'trace curve',
  positionals: [{ name: 'TRACE' }],
  summary: 'print the miss-ratio curve of a trace: how many page accesses miss, by the size of the page cache',
  options: {
    ...READING,
    sizes: {
      value: 'LIST',
      help: 'sizes of the page cache, such as 64MiB,1GiB',
      parse: (option, text) => ascending(option, text, parsePages),
      otherwise: { value: undefined, words: 'all pages of the trace, a half of them, a quarter, and so on ten times' },
    } satisfies Option<readonly number[] | undefined>,
    policy: {
      ...several(
        'which pages leave, each with a curve of its own',
        POLICIES,
        {},
        {
          value: [DEFAULT_POLICY] as const,
          words: DEFAULT_POLICY,
        },
      ),
      parse: (option, text) => (text === ALL ? POLICIES : parseList(option, text, POLICIES)),
      more: '`all` names them all. [policies.md](policies.md) describes them. A sample is always that of an LRU',
    } satisfies Option<readonly PolicyName[]>,
    sample: {
      value: 'RATE|N',
      help: 'a quick look: follow only a share of the pages, such as 0.01, or so many of them, such as 8192',
      more: 'One pass over the trace estimates the curve of an LRU, and how far it may be off. Without it each size is replayed exactly',
      parse: parseSample,
      otherwise: { value: undefined, words: 'all pages, exactly' },
    } satisfies Option<Sample | undefined>,
    jobs: JOBS,
    json: JSON_OUT('curve-schema.md'),
    help: HELP,
  },
} as const satisfies CommandSpec;

export const TRACE_RESTORE = {
  name: 'trace restore',
  positionals: [{ name: 'TRACE' }],
  summary: 'print what part of a warm page cache is worth restoring first after a reboot in the middle of a trace',
  options: {
    ...READING,
    memory: {
      value: 'SIZE',
      help: 'size of the page cache',
      parse: parsePages,
      otherwise: { value: undefined, words: 'half of the pages of the trace' },
    } satisfies Option<number | undefined>,
    'reboot-at': {
      value: 'TIME|FRACTION',
      help: 'when the reboot is: a time of the trace, such as 30s or 5m, or a share of its page accesses',
      parse: parseRebootAt,
      otherwise: { value: { fraction: 0.5 }, text: '0.5' },
    } satisfies Option<RebootAt>,
    order: several(
      'which pages come first',
      RESTORE_ORDERS,
      {
        recency: 'those used last',
        frequency: 'those used most often',
        file: 'by file, and by place in it',
        'first-touch': 'those that were used first since the trace began',
      },
      { value: RESTORE_ORDERS, words: RESTORE_ORDERS.join(', ') },
    ),
    first: {
      value: 'LIST',
      help: 'restore only so many per cent of the pages, such as 10,50',
      parse: (option, text) => ascending(option, text, (name, part) => parsePercent(name, part, 100)),
      otherwise: { value: RESTORE_PERCENTS, text: RESTORE_PERCENTS.join(',') },
    } satisfies Option<readonly number[]>,
    'rate-limit': RESTORE_RATE,
    jobs: JOBS,
    json: JSON_OUT('restore-schema.md'),
    help: HELP,
  },
} as const satisfies CommandSpec;
