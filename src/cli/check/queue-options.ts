/** `--queue` and `stillwarm worker`: a part of the table of ../options.ts. */

import { type CommandSpec, integer, type Option } from '../kit/option-kinds.ts';
import { HELP, JOBS_MAX } from '../kit/shared-options.ts';
import { parseQueue, parseTime } from '../kit/values.ts';

/** Shortest lease, ms: it is renewed at half its time. */
const LEASE_MIN_MS = 1000;

const QUEUE_VALUE = 'redis://HOST:PORT';

/** Of every check. */
export const QUEUE: Option<string | undefined> = {
  value: QUEUE_VALUE,
  help: 'put the parts on a queue of this Redis, for stillwarm worker to play on any machine',
  more: 'The result does not depend on it: see [on several machines](../how-to/check.md#on-several-machines)',
  parse: parseQueue,
  otherwise: { value: undefined, words: 'no queue: threads of this process' },
};

export const WORKER = {
  name: 'worker',
  positionals: [],
  summary: 'take parts of checks from a queue and play them, until it is ended',
  options: {
    queue: {
      value: QUEUE_VALUE,
      help: 'Redis that has the queue',
      parse: parseQueue,
      otherwise: { value: undefined, words: 'none: it must be given' },
    } satisfies Option<string | undefined>,
    jobs: integer('N', 'parts at the same time, each in a thread of its own', [1, JOBS_MAX], {
      value: undefined,
      words: 'as many as there are cores, and as free memory allows',
    }),
    lease: {
      value: 'TIME',
      help: 'parts of a worker that is not heard of for so long go to another one, 1s or more',
      more: 'A worker renews the leases of its parts while it plays them',
      parse: (option, text) => parseTime(option, text, LEASE_MIN_MS),
      otherwise: { value: 30_000, text: '30s' },
    } satisfies Option<number>,
    help: HELP,
  },
} as const satisfies CommandSpec;
