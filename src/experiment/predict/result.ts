/** What `stillwarm predict` answers: the definition of the object that `--json` prints. */

import { Type } from 'typebox';
import { COMMON, FITTED, LIMIT_OF_DRIVE, POLICY_OF_GUESTS, REFUSED, Setting, VERIFIED } from '../guest/result.ts';
import { BACKENDS } from '../host/backend.ts';
import {
  boolean,
  count,
  integer,
  kind,
  many,
  object,
  one,
  oneOrNull,
  oneOf,
  orNull,
  result,
  text,
  type Described,
} from '../guest/schema.ts';
import { STRATEGIES } from '../host/strategies.ts';
import { OPERATIONS, type OperationName } from '../../trace/operations.ts';
import { CurvePoint, RESTORE_FIELDS, RestoreRun } from '../accesses/result.ts';
import { PACES } from './options.ts';

const ns = orNull<ReturnType<typeof count>>;
const share = (description: string) => orNull(description, Type.Number({ maximum: 1 }));

const DONE = {
  operations: count('Operations that ended in it and were carried out.'),
  bytes: count('Bytes that these read and wrote.'),
  late: count('Of these, ended more than 1 s after they were asked.'),
  pages: count('Pages that they read, a page once for each read.'),
  missed: count('Of these pages, those that were neither cached nor kept from before the reboot.'),
  p50Ns: ns('Median of the times from asking to the answer, virtual ns; null: there was none.', count('')),
  p99Ns: ns('The time that 99 of 100 did not exceed, virtual ns; null: there was none.', count('')),
};

export const PredictWindow = kind('window', 'An interval of virtual time.', {
  startNs: integer('When it begins, virtual ns from the start of the reboot; negative before it.'),
  ...DONE,
});
export type PredictWindow = Described<typeof PredictWindow>;

const PARTS = ['before', 'after, first half', 'after, second half'] as const;

export const PredictPart = kind('part', 'A part of the trace.', {
  name: oneOf(
    'All that ended before the reboot; of all other operations in the order of the trace, the first half and the second.',
    PARTS,
  ),
  ns: count('How long it took, virtual ns. The first half begins with the return of the service.'),
  ...DONE,
});
export type PredictPart = Described<typeof PredictPart>;

export const PredictService = kind('service', 'The service over the reboot, as those who ask see it.', {
  windowNs: count(
    'The window by which recovery is judged, ns: 1 s, or less where 30 of them are longer than the time before the reboot.',
    1,
  ),
  rateBefore: Type.Number({
    description: 'Operations a second, the mean of the last 30 windows before the reboot.',
    minimum: 0,
  }),
  hitRatioBefore: share('Share of the pages read that were cached, over the same time; null: none was read.'),
  rebootNs: count("From the start of the reboot to the end of the new guest's boot, virtual ns."),
  downNs: count('Longest time without an answer that ends after the reboot has begun, virtual ns.'),
  returnNs: ns('From the start of the reboot to the answer that ends it, virtual ns; null: there was none.', count('')),
  until90HitsNs: ns(
    'From the start of the reboot to the end of the first window with 0.9 of the hit ratio before, if the next two have it, too, virtual ns; null: not reached.',
    count(''),
  ),
  until90RateNs: ns('The same for the operations a second; null: not reached.', count('')),
  late: count('Operations ended more than 1 s after they were asked, of those under way at the reboot and all later.'),
  lost: count('Of the same operations, those that were not carried out.'),
});
export type PredictService = Described<typeof PredictService>;

export const PredictPages = kind('pages', 'What became of the cached pages of the old guest, in pages.', {
  named: count('Pages that the hypervisor knew by name when the old guest ended.'),
  reused: count('Taken over by the new guest.'),
  unclaimed: count('Kept, and not asked for until the trace ended.'),
  refused: object('Not kept or not handed over, by reason.', REFUSED),
  readAgain: count('File and metadata pages read from the disk after the reboot: no part of the sum.'),
});
export type PredictPages = Described<typeof PredictPages>;

export const PredictStrategy = kind('strategy', 'What one strategy of reboot gave.', {
  name: oneOf('The strategy.', STRATEGIES),
  service: one('The service over the reboot.', PredictService),
  parts: many('Before the reboot, and two halves after it.', PredictPart, { minItems: 3, maxItems: 3 }),
  pages: one('The pages of the old guest.', PredictPages),
  failed: count('Operations that the kernel refused, such as a read of a file that is not there.'),
  intervalNs: count('The interval of `windows`, ns.', 1),
  windows: many('All that was measured, ascending in time.', PredictWindow),
  verified: VERIFIED,
});
export type PredictStrategy = Described<typeof PredictStrategy>;

export const FileMisses = kind('misses', 'Pages of a file that were missing after the reboot.', {
  strategy: oneOf('The strategy.', STRATEGIES),
  missed: count('Missing pages, once for each read.'),
});

export const PredictFile = kind('file', 'A file that matters: many of its pages are missing after the reboot.', {
  file: count('Its number in the trace.'),
  name: text('What the trace calls it.'),
  pagesRead: count('Pages read of it after the reboot, a page once for each read.'),
  misses: many('By strategy, in their order.', FileMisses, { minItems: 1 }),
});
export type PredictFile = Described<typeof PredictFile>;

export const PredictRestore = kind(
  'restore',
  "What part of a warm page cache is worth restoring first: page accesses alone, on a page cache as large as the guest's memory.",
  RESTORE_FIELDS,
);

export const PredictResult = result(
  'stillwarm/predict@1',
  'Result of stillwarm predict --json',
  `Times are virtual: integer nanoseconds of the model, never of the host. A page is 4096 bytes. The same trace, options and
seed give the same object, byte for byte. For each strategy, \`pages.named\` is the sum of \`reused\`, \`unclaimed\` and all of
\`refused\`.`,
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
    format: text('Format of the trace.'),
    operations: count('Operations of the trace.', 2),
    byKind: object(
      'Operations by what they do.',
      Object.fromEntries(OPERATIONS.map((name) => [name, count(`Operations \`${name}\`.`)])) as Record<
        OperationName,
        ReturnType<typeof count>
      >,
    ),
    leftOut: count('Operations that no guest could carry out: a place or a length out of range.'),
    threads: count(
      'Processes in the guest that carry it out: one for each thread, or `depth` where it asks devices.',
      1,
    ),
    depth: count('Requests of a thread to devices that may be under way at once; 1 where there is no device.', 1),
    files: count('Files of the trace.'),
    distinctPages: count('Distinct pages that the trace reads or writes.'),
    bytesRead: count('Bytes that the trace reads.'),
    bytesWritten: count('Bytes that the trace writes.'),
    hasTimes: boolean('Whether each operation has a time.'),
    spanNs: count('From the first operation to the last, ns; 0 without times.'),
    pace: oneOf('When operations are asked: each after the one before it, or not before its time.', PACES),
    speed: orNull('How much faster than recorded; null for asfast.', Type.Number({ exclusiveMinimum: 0 })),
    rebootAt: count('Operations that come before the reboot.', 1),
    prefetchRate: orNull('Bytes a second that prefetch reads at most; null: no limit.', Type.Integer({ minimum: 1 })),
    strategies: many('One result a strategy, in the order asked for.', PredictStrategy, { minItems: 1 }),
    topFiles: many('The files with the most missing pages after the reboot, the first strategy deciding.', PredictFile),
    pageAccesses: count('Accesses of pages: one for each page of each read and write.'),
    curve: many(
      'How many page accesses of the whole trace miss, by the size of the page cache, ascending: a replay each, without a guest, with nothing read ahead; empty: it has no access.',
      CurvePoint,
    ),
    restore: oneOrNull(
      'What is worth restoring first; null: no page is accessed before the reboot, or none after it.',
      PredictRestore,
    ),
    fitted: FITTED,
  },
  [
    ...[PredictStrategy, PredictService, PredictPart, PredictPages, PredictWindow, PredictFile, FileMisses],
    ...[CurvePoint, PredictRestore, RestoreRun, Setting],
  ],
);
export type PredictResult = Described<typeof PredictResult>;
