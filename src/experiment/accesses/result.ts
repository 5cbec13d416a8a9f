/**
 * What replays of the pages of a trace give, as `trace curve`, `trace restore` and `predict` print
 * it with `--json`: the definitions of the objects.
 */

import { Type } from 'typebox';
import { POLICIES } from '../../doors/page-cache/index.ts';
import { FORMAT_NAMES } from '../../trace/index.ts';
import { count, kind, many, object, oneOf, orNull, result, type Described } from '../guest/schema.ts';
import { RESTORE_ORDERS } from './restore.ts';

const share = (description: string) => Type.Number({ description, minimum: 0, maximum: 1 });

const TRACE_FIELDS = {
  format: oneOf('Format of the trace.', FORMAT_NAMES),
  pageAccesses: count('Accesses of pages: one for each page of each read and write.'),
};

export const CurvePoint = kind('point', 'One size of the page cache.', {
  pages: count('Its size in pages.', 1),
  bytes: count('The same in bytes.', 1),
  misses: count('Accesses that found no page.'),
  missRatio: share('The same as a share of all accesses.'),
  missRatioError: orNull(
    'Two standard errors of it, as far as the sample tells; null: the replay is exact.',
    Type.Number({ minimum: 0, maximum: 1 }),
  ),
});

export type CurvePoint = Described<typeof CurvePoint>;

const Curve = kind('curve', 'One policy.', {
  policy: oneOf('Which pages leave. A sample estimates lru.', POLICIES),
  points: many('By size.', CurvePoint, { minItems: 1 }),
});

const Sampled = object('The sample.', {
  rate: share('Share of the pages that it has in the end.'),
  pages: count('Pages in it in the end.'),
  accesses: count('Accesses of its pages.'),
});

export const CurveResult = result(
  'stillwarm/curve@1',
  'Findings of stillwarm trace curve --json',
  'How many accesses of pages miss, by the size of the page cache. Reads and writes are accesses alike, nothing is read ahead, and no page leaves because its file is cut or deleted.',
  {
    ...TRACE_FIELDS,
    distinctPages: count('Different pages; an estimate where they are sampled.'),
    sample: orNull('The sample of the pages; null: all were replayed.', Sampled),
    curves: many('By policy.', Curve, { minItems: 1 }),
  },
  [Curve, CurvePoint],
);
export type CurveResult = Described<typeof CurveResult>;

export const RestoreRun = kind('run', 'One order, and one share of the pages.', {
  order: oneOf('Which pages come first.', RESTORE_ORDERS),
  percent: Type.Number({ description: 'Per cent of the pages that may come.', minimum: 0, maximum: 100 }),
  restoredPages: count('Pages that came. The others were read before, or found the cache full.'),
  hits: count('Accesses after the reboot that found their page.'),
  hitRatio: share('The same as a share of these accesses.'),
  gain: orNull(
    'What this saves of the misses that the whole warm cache saves, as a share; null: that saves none. It is below 0 where it costs more than a cold cache.',
    Type.Number(),
  ),
});

/** A sweep of orders and shares, and what it is compared with. */
export const RESTORE_FIELDS = {
  cachePages: count('Pages that the cache holds.', 1),
  rebootAt: count('Accesses before the reboot.'),
  hitRatioBefore: share('Hits, as a share of these.'),
  keptPages: count('Pages that the cache has at the reboot.'),
  accessesAfter: count('Accesses after the reboot.'),
  pagesPerAccess: orNull('Pages that come for each access, at most; null: not limited so.', Type.Number()),
  bytesPerSecond: orNull('How many bytes come in a second, at most; null: not limited so.', Type.Number()),
  coldHits: count('Hits after the reboot when nothing is restored.'),
  warmHits: count('Hits after the reboot when all is restored at once.'),
  sweep: many('Orders and shares.', RestoreRun),
};

export const RestoreResult = result(
  'stillwarm/restore@1',
  'Findings of stillwarm trace restore --json',
  'What part of a warm page cache is worth restoring first. Accesses are of pages: reads and writes alike, with nothing read ahead.',
  { ...TRACE_FIELDS, distinctPages: count('Different pages.'), ...RESTORE_FIELDS },
  [RestoreRun],
);
export type RestoreResult = Described<typeof RestoreResult>;
/** The part of it that is found, whatever the trace. */
export type RestoreSweep = Pick<RestoreResult, keyof typeof RESTORE_FIELDS>;
