/** What `stillwarm web` answers: the definition of the object that `--json` prints. */

import { Type } from 'typebox';
import { COMMON, FITTED, LIMIT_OF_DRIVE, POLICY_OF_GUESTS, Setting, VERIFIED } from '../guest/result.ts';
import { BACKENDS } from '../host/backend.ts';
import {
  boolean,
  count,
  integer,
  kind,
  many,
  object,
  one,
  oneOf,
  orNull,
  result,
  type Described,
} from '../guest/schema.ts';
import { STRATEGIES } from '../host/strategies.ts';
import { SENDING } from '../../workload/apache.ts';
import { ARRIVALS, LOOPS, ORDERS, type ErrorName } from './options.ts';

const positive = (description: string) => Type.Number({ description, exclusiveMinimum: 0 });
const ns = orNull<ReturnType<typeof count>>;

/** Requests that were not answered, by why. */
export const Errors = object('Requests that ended without an answer, by why, as httperf names it.', {
  clientTimo: count('The client did not wait longer (--timeout).'),
  socketTimo: count('The connection gave up sending again.'),
  connRefused: count('The server refused the connection.'),
  connReset: count('The connection broke after it was open.'),
  other: count('The answer was not the file.'),
} satisfies Record<ErrorName, unknown>);

const LATENCY = {
  p50Ns: ns(
    'Median of the times from sending a request to its whole answer, virtual ns; null: none was answered.',
    count(''),
  ),
  p99Ns: ns('The time that 99 of 100 did not exceed, virtual ns; null: none was answered.', count('')),
};

export const WebRun = kind('run', 'Each file asked for once, in a closed loop.', {
  phase: oneOf('Before or after the reboot.', ['before', 'after']),
  number: oneOf('Which run of the phase.', [1, 2]),
  requests: count('Requests that were answered.'),
  bytes: count('Bytes of the files that were sent.'),
  ns: count('Virtual ns.'),
  ...LATENCY,
  errors: Errors,
});
export type WebRun = Described<typeof WebRun>;

export const WebWindow = kind('window', 'A second of virtual time.', {
  startNs: integer('When it begins, virtual ns from the start of the reboot; negative before it.'),
  sent: count('Requests that were sent.'),
  answered: count('Requests that were answered.'),
  late: count('Of these, answered more than 1 s after they were sent.'),
  bytes: count('Bytes of the files that they got.'),
  ...LATENCY,
  errors: Errors,
});
export type WebWindow = Described<typeof WebWindow>;

export const WebService = kind('service', 'The service over the reboot, while clients kept asking.', {
  rateBefore: Type.Number({
    description: 'Requests answered a second, the mean of the last 30 s before the reboot.',
    minimum: 0,
  }),
  rebootNs: count("From the start of the reboot to the end of the new guest's boot, virtual ns."),
  downNs: count('Longest time without an answer that ends after the reboot has begun, virtual ns.'),
  returnNs: ns(
    'From the start of the reboot to the answer that ends it, virtual ns; null: there was none.',
    integer(''),
  ),
  until90Ns: ns(
    'From the start of the reboot to the end of the first window of 1 s after the return with 0.9 of the rate before, if the next two have it, too, virtual ns; null: not reached.',
    integer(''),
  ),
  sent: count('Requests that were sent from the start of the reboot on, and those under way then.'),
  late: count('Of these, answered more than 1 s after they were sent.'),
  lost: count('Of these, never answered.'),
  areaLost: Type.Number({
    description:
      'The rate before less the rate, integrated from the start of the reboot until 90 %, or to the end of the measurement, requests.',
  }),
  loss: object(
    'Share of the rate before that is missing after the return; below 0: more than before; null: not measured so long.',
    {
      first20s: orNull('Over 20 s.', Type.Number()),
      first33s: orNull('Over 33 s.', Type.Number()),
    },
  ),
  latency: object('Times from sending a request to its whole answer.', {
    before: object('Of the requests answered before the reboot.', LATENCY),
    after: object('Of those answered later, while it was measured.', LATENCY),
  }),
  errors: Errors,
  windows: many('Each second that was measured, ascending in time.', WebWindow),
});
export type WebService = Described<typeof WebService>;

export const WebStrategyResult = kind('strategy', 'What one strategy of reboot gave.', {
  name: oneOf('The strategy.', STRATEGIES),
  service: one('The service over the reboot.', WebService),
  runs: many('On another machine: before 1, before 2, after 1, after 2.', WebRun, { minItems: 4, maxItems: 4 }),
  pages: object('Pages of 4096 bytes, of the machine with the runs.', {
    preserved: count('Pages the hypervisor kept.'),
    reused: count('Kept pages that the new guest took over.'),
    readAgain: count('File and metadata pages read from the disk after the reboot.'),
  }),
  verified: VERIFIED,
});
export type WebStrategyResult = Described<typeof WebStrategyResult>;

export const WebResult = result(
  'stillwarm/web@1',
  'Result of stillwarm web --json',
  `Times are virtual: integer nanoseconds of the model, never of the host. A page is 4096 bytes. The same input, options and
seed give the same object, byte for byte. The slides' figures are not in it: they are in \`src/slides/figures.ts\`, and
printed beside ours.`,
  {
    ...COMMON,
    ...POLICY_OF_GUESTS,
    ...LIMIT_OF_DRIVE,
    memory: count('Guest memory, bytes.', 1),
    backend: oneOf("Whether the guest's disk is a partition of the drive, or a file in domain 0.", BACKENDS),
    domain0Cache: orNull(
      "Bytes that domain 0's page cache holds at most; null where the disk is a partition.",
      Type.Integer({ minimum: 0 }),
    ),
    crash: boolean('Whether the guest crashed instead of an orderly reboot.'),
    files: count('Regular files on the disk, a file once for each of its names.'),
    bytes: count('Bytes of the regular files on the disk.'),
    served: count('Files that clients ask for.', 1),
    workers: count('Processes of the server.', 1),
    send: oneOf('How files go to clients: from the page cache, or through a buffer of the server.', SENDING),
    connections: count('Clients of the runs, and of the closed loop.', 1),
    loop: oneOf('How clients asked over the reboot.', LOOPS),
    rate: orNull('Requests a second of the open loop; null for the closed one.', positive('')),
    arrivals: orNull('When requests of the open loop arrived; null for the closed one.', oneOf('', ARRIVALS)),
    thinkNs: ns(
      'Between an answer and the next request of a client of the closed loop, ns; null for the open one.',
      count(''),
    ),
    timeoutNs: count('How long a client waits, ns.', 1),
    order: oneOf('Which files were asked for over the reboot.', ORDERS),
    alpha: orNull("Exponent of Zipf's law; null when each file is asked for once.", Type.Number({ minimum: 0 })),
    prefetchRate: orNull('Bytes a second that prefetch reads at most; null: no limit.', Type.Integer({ minimum: 1 })),
    before: count('Seconds measured before the reboot.', 1),
    after: count("Seconds measured after the new guest's boot.", 1),
    strategies: many('One result a strategy, in the order asked for.', WebStrategyResult, { minItems: 1 }),
    fitted: FITTED,
  },
  [WebStrategyResult, WebService, WebWindow, WebRun, Setting],
);
export type WebResult = Described<typeof WebResult>;
