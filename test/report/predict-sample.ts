// A made-up result of `stillwarm predict`, in which few figures equal another.
import type {
  PredictPart,
  PredictResult,
  PredictService,
  PredictStrategy,
  PredictWindow,
} from '../../src/experiment/predict/result.ts';
import { noReasons } from '../../src/xen/public/reason.ts';

const part = (name: PredictPart['name'], ns: number, missed: number): PredictPart => ({
  name,
  ns,
  operations: 5000,
  bytes: 81_920_000,
  late: 7,
  pages: 20_000,
  missed,
  p50Ns: 1200,
  p99Ns: 8_500_000,
});

const window = (second: number, missed: number): PredictWindow => ({
  startNs: second * 1e9,
  operations: 100,
  bytes: 1_638_400,
  late: 1,
  pages: 400,
  missed,
  p50Ns: missed === 400 ? null : 1300,
  p99Ns: missed === 400 ? null : 100_000 * missed,
});

const service = (change: Partial<PredictService>): PredictService => ({
  windowNs: 1e9,
  rateBefore: 250.5,
  hitRatioBefore: 0.91,
  rebootNs: 22.9e9,
  downNs: 23.5e9,
  returnNs: 23.25e9,
  until90HitsNs: 24.25e9,
  until90RateNs: 24.5e9,
  late: 12,
  lost: 0,
  ...change,
});

export const samplePredictStrategies = (): PredictStrategy[] => [
  {
    name: 'cold',
    service: service({ until90HitsNs: 64.25e9, until90RateNs: 31e9, late: 3203 }),
    parts: [part('before', 40e9, 1800), part('after, first half', 30e9, 9100), part('after, second half', 21e9, 2100)],
    pages: { named: 0, reused: 0, unclaimed: 0, refused: noReasons(), readAgain: 12_345 },
    failed: 3,
    intervalNs: 1e9,
    windows: [window(-2, 36), window(-1, 37), window(0, 400), window(24, 250), window(25, 200), window(64, 40)],
    verified: { pages: 0, bytes: 163_840_000, mismatches: 0 },
  },
  {
    name: 'warm-cache',
    service: service({}),
    parts: [
      part('before', 41e9, 1801),
      part('after, first half', 20e9, 1900),
      part('after, second half', 20.5e9, 1700),
    ],
    pages: {
      named: 9000,
      reused: 7000,
      unclaimed: 1500,
      refused: { ...noReasons(), dirty: 400, staleBlock: 100 },
      readAgain: 1234,
    },
    failed: 3,
    intervalNs: 1e9,
    windows: [window(-2, 36), window(-1, 37), window(0, 400), window(24, 39), window(25, 38)],
    verified: { pages: 7000, bytes: 163_840_001, mismatches: 0 },
  },
];

export const samplePredictResult = (): PredictResult => ({
  schema: 'stillwarm/predict@1',
  seed: 1,
  digest: '0123456789abcdef',
  profile: 'pentium4-2006',
  arch: 'x86_32',
  disk: 'profile',
  set: [{ constant: 'guest.copyNsPerByte', value: 0.5 }],
  memory: 1 << 30,
  backend: 'partition',
  domain0Cache: null,
  format: 'calls of strace',
  operations: 15_003,
  byKind: { open: 100, read: 14_000, write: 800, sync: 3, truncate: 10, unlink: 40, create: 50, fault: 0 },
  leftOut: 0,
  threads: 4,
  depth: 1,
  files: 321,
  distinctPages: 54_321,
  bytesRead: 240_000_000,
  bytesWritten: 5_760_000,
  hasTimes: true,
  spanNs: 90e9,
  pace: 'recorded',
  speed: 1,
  rebootAt: 7502,
  prefetchRate: null,
  strategies: samplePredictStrategies(),
  topFiles: [
    {
      file: 17,
      name: '/var/lib/data.db',
      pagesRead: 9999,
      misses: [
        { strategy: 'cold', missed: 4100 },
        { strategy: 'warm-cache', missed: 20 },
      ],
    },
  ],
  pageAccesses: 60_000,
  curve: [
    { pages: 13_581, bytes: 55_627_776, misses: 57_000, missRatio: 0.95, missRatioError: null },
    { pages: 27_161, bytes: 111_251_456, misses: 55_200, missRatio: 0.92, missRatioError: null },
    { pages: 54_321, bytes: 222_498_816, misses: 54_321, missRatio: 0.90535, missRatioError: null },
  ],
  restore: {
    cachePages: 262_144,
    rebootAt: 31_000,
    hitRatioBefore: 0.08,
    keptPages: 28_500,
    accessesAfter: 29_000,
    pagesPerAccess: 0.5,
    bytesPerSecond: null,
    coldHits: 2300,
    warmHits: 3210,
    sweep: (['recency', 'frequency', 'file', 'first-touch'] as const).flatMap((order, n) =>
      [1, 50, 100].map((percent) => ({
        ...{ order, percent, restoredPages: 285 * percent, hits: 2300 + (9 - n) * percent },
        ...{ hitRatio: (2300 + (9 - n) * percent) / 29_000, gain: ((9 - n) * percent) / 910 },
      })),
    ),
  },
  fitted: ['guest.webRequestNs'],
});
