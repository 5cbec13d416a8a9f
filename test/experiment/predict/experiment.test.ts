// The laws of a trace over a reboot, on a small machine.
import { describe, expect, it } from 'vitest';
import { Mfn, UserError } from '../../../src/base/index.ts';
import { patternBytes } from '../../../src/experiment/guest/generated-disk.ts';
import { machineMemoryFor } from '../../../src/experiment/host/host.ts';
import { fillBytes } from '../../../src/experiment/predict/contents.ts';
import { CURVE_RUNS, halvings } from '../../../src/experiment/accesses/curve.ts';
import {
  RESTORE_ORDERS,
  RESTORE_PERCENTS,
  RESTORE_RUNS,
  restoreJob,
} from '../../../src/experiment/accesses/restore.ts';
import { runInOrder } from '../../../src/experiment/guest/runs.ts';
import { PREDICT_RUNS, runPredict } from '../../../src/experiment/predict/experiment.ts';
import type { PredictOptions } from '../../../src/experiment/predict/options.ts';
import type { PredictResult, PredictStrategy } from '../../../src/experiment/predict/result.ts';
import { PredictRun } from '../../../src/experiment/predict/run.ts';
import { traceDisk } from '../../../src/experiment/predict/trace-disk.ts';
import { MachineMemory } from '../../../src/machine/memory.ts';
import { PatternMemory } from '../../../src/machine/pattern-memory.ts';
import { type Line, mixedLines, options, readsOf, record } from './made-traces.ts';

const of = ({ strategies }: PredictResult, name: string): PredictStrategy =>
  strategies.find((strategy) => strategy.name === name)!;

const sum = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((a, b) => a + b);

/** Runs it; what must hold of every result is asserted. */
function predicted(asked: PredictOptions): PredictResult {
  const { result, mismatches } = runPredict(asked);
  expect(mismatches).toEqual([]);
  for (const { name, pages, parts, windows, verified, failed, service } of result.strategies) {
    expect([name, verified.mismatches]).toEqual([name, 0]);
    expect([name, pages.reused + pages.unclaimed + sum(pages.refused)]).toEqual([name, pages.named]);
    expect(parts.reduce((all, { operations }) => all + operations, failed)).toBe(result.operations);
    for (const figure of ['operations', 'bytes', 'late', 'pages', 'missed'] as const)
      expect([figure, windows.reduce((all, window) => all + window[figure], 0)]).toEqual([
        figure,
        parts.reduce((all, part) => all + part[figure], 0),
      ]);
    expect(service.lost).toBeLessThanOrEqual(failed);
  }
  return result;
}

describe('a trace over a reboot', () => {
  it('a trace of reads misses fewer pages with a warm cache than with a cold one', () => {
    const asked = options(record(readsOf(2000, 4000)), { strategies: ['cold', 'prefetch', 'warm-cache'] });
    const result = predicted(asked);
    const [cold, warm] = [of(result, 'cold'), of(result, 'warm-cache')];
    expect(cold.pages.named).toBe(0);
    expect(cold.parts.map(({ operations }) => operations)).toEqual([2000, 1000, 1000]);
    expect(warm.pages.reused).toBeGreaterThan(500);
    expect(warm.parts[1]!.missed).toBeLessThan(cold.parts[1]!.missed / 2);
    expect(warm.service.until90HitsNs).toBeLessThan(cold.service.until90HitsNs!);
    // What was due while the guest was down is late.
    expect(cold.service.late).toBeGreaterThan(0.5 * cold.service.rateBefore * (cold.service.rebootNs / 1e9));
    expect(result.topFiles).toEqual([
      {
        file: 0,
        name: '/file 0',
        pagesRead: 2000,
        misses: result.strategies.map(({ name, parts: [, first, second] }) => ({
          strategy: name,
          missed: first!.missed + second!.missed,
        })),
      },
    ]);
  });

  it('a replay stores no byte of a whole page of a file unless a part of it was written, and is the run that it is on plain memory', () => {
    // A file of 2000 pages and a part of one is read twice, and two pages of it are written.
    const reads = Array.from(
      { length: 82 },
      (_, n): Line => [n / 2, 0, 'read', 0, (n % 41) * 50 * 4096, n % 41 < 40 ? 50 * 4096 : 100],
    );
    const writes: Line[] = [
      [42, 0, 'write', 0, 7 * 4096 + 5, 3],
      [43, 0, 'write', 0, 9 * 4096, 4096],
    ];
    const trace = record([...reads, ...writes], { files: [{ name: '/file', size: 2000 * 4096 + 100 }] });
    const asked = options(trace, { withoutBootFiles: true });
    const bytes = machineMemoryFor(asked.memory);
    const memory = new PatternMemory(bytes, patternBytes());
    const plain = new MachineMemory(bytes);
    const text = (bytesOfPage: Uint8Array): string => Buffer.from(bytesOfPage).toString('latin1');
    const textOf = (page: number, version: number): string => {
      const bytesOfPage = new Uint8Array(4096);
      fillBytes(0, version, page * 4096, bytesOfPage, 0, 4096);
      return text(bytesOfPage);
    };
    const digests = [memory, plain].map((each) => {
      const disk = traceDisk(trace, false);
      const run = new PredictRun({ options: asked, disk, memory: each }, 'warm-cache', () => true);
      expect(run.result().result.pages.reused).toBeGreaterThan(1900);
      return run.digest;
    });
    expect(digests[0]).toBe(digests[1]);
    // Frames that hold a page of the file as it was, or as the second write left it.
    const cut = new Set<string>();
    for (let page = 0; page < 2000; page++) cut.add(textOf(page, 0));
    cut.add(textOf(9, 2));
    let frames = 0;
    for (let mfn = 0; mfn < plain.frameCount; mfn++) if (cut.has(text(plain.peek(Mfn(mfn))))) frames++;
    expect(memory.keptAsPlaces).toBe(frames);
    expect(frames).toBeGreaterThan(1900);
  });

  it('a trace in any batches, replayed twice, is one result', () => {
    const lines = mixedLines(11, 600);
    const [first, again, cut] = [4096, 4096, 7].map((perBatch) =>
      predicted(options(record(lines, { perBatch }), { pace: 'asfast', strategies: ['warm-cache+metadata'] })),
    );
    expect(again).toEqual(first);
    expect(cut).toEqual(first);
  });

  it('the strategies of a trace in any order give what each gives alone', () => {
    const asked = options(record(mixedLines(3, 300)), { strategies: ['cold', 'warm-cache'] });
    const whole = runPredict(asked);
    const runs = PREDICT_RUNS.open(asked, () => undefined);
    const bytes = PREDICT_RUNS.bytesOf(asked);
    // Two strategies, the curve, a cold cache, a warm one, and six shares in four orders.
    expect(bytes).toHaveLength(2 + whole.result.curve.length + 2 + 4 * 6);
    const parts = [...bytes.keys()].reverse().map((index) => runs.run(index, () => undefined));
    expect(PREDICT_RUNS.merge(asked, runs.disk, parts.reverse())).toEqual(whole);
    // A guest is not filled by a trace of few pages.
    const small = Math.max(...PREDICT_RUNS.bytesOf({ ...asked, memory: 2 ** 36 }));
    expect(small).toBeLessThan(3 * 2 ** 30);
  });

  it('requests to a device overlap as far as is asked, and what they read is what was written', () => {
    const random = mixedLines(5, 400, 1, 1).map(
      ([seconds, , , , offset = 0, length = 1], n): Line =>
        n % 20 === 0
          ? [seconds, 0, 'write', 0, offset, length]
          : [seconds, 0, 'read', 0, ((n * 7919) % 20_000) * 4096, 4096],
    );
    const [one, eight] = [1, 8].map((depth) => {
      const trace = record(random, { depth, files: [{ name: 'sda', isDevice: true }] });
      return predicted(options(trace, { pace: 'asfast', strategies: ['warm-cache'] }));
    });
    expect([one!.depth, one!.threads, eight!.depth, eight!.threads]).toEqual([1, 1, 8, 8]);
    expect(eight!.strategies[0]!.parts[0]!.ns).toBeLessThan(0.85 * one!.strategies[0]!.parts[0]!.ns);
  });

  it('a prediction says of the pages what separate replays of them find', () => {
    const trace = record(readsOf(5000, 4000));
    const { accesses, filePlaces } = trace;
    const asked = options(trace, { strategies: ['cold'], memory: 9 << 20, restoreRate: { pagesPerAccess: 0.5 } });
    const { curve, restore, pageAccesses } = runPredict(asked).result;
    expect(pageAccesses).toBe(4000);
    const sizes = [...halvings(accesses.distinct), 2304].sort((a, b) => a - b);
    expect(accesses.distinct).toBeGreaterThan(2304);
    const job = { accesses, sizes, policies: ['linux-2.6.12' as const] };
    const [misses] = runInOrder(CURVE_RUNS, job, () => undefined);
    expect(curve.map(({ pages, misses: found }) => [pages, found])).toEqual(sizes.map((size, n) => [size, misses![n]]));
    const restoring = restoreJob({
      ...{ accesses, filePlaces, size: 2304, rebootAt: 2000, orders: RESTORE_ORDERS },
      ...{ percents: RESTORE_PERCENTS, rate: { pagesPerAccess: 0.5 } },
    });
    const { coldHits, warmHits, found } = runInOrder(RESTORE_RUNS, restoring, () => undefined);
    expect(restore).toMatchObject({ cachePages: 2304, rebootAt: 2000, accessesAfter: 2000, coldHits, warmHits });
    expect(restore!.sweep.map(({ hits }) => hits)).toEqual(found.map(({ hits }) => hits));
    expect(warmHits).toBeGreaterThan(coldHits);
    expect(new Set(restore!.sweep.map(({ hits }) => hits)).size).toBeGreaterThan(6);
  });

  it('a trace whose pages are all read before the reboot has a curve, and nothing to restore', () => {
    const lines: Line[] = [
      [0, 0, 'read', 0, 0, 9000],
      [1, 0, 'open', 0],
      [2, 0, 'read', 0, 5000, 0],
    ];
    const { curve, restore, pageAccesses } = runPredict(options(record(lines), { strategies: ['cold'] })).result;
    expect([pageAccesses, restore]).toEqual([3, null]);
    expect(curve.map(({ pages, misses }) => [pages, misses])).toEqual([
      [1, 3],
      [2, 3],
      [3, 3],
    ]);
    const nothing = runPredict(options(record([lines[1]!, lines[1]!]), { strategies: ['cold'] })).result;
    expect([nothing.pageAccesses, nothing.curve, nothing.restore]).toEqual([0, [], null]);
  });

  it.each([1, 2, 3, 4])('files that threads write, cut, make and delete hold what the trace wrote, seed %i', (seed) => {
    const paced = seed % 2 === 0 ? ({ pace: 'asfast' } as const) : ({ pace: 'recorded', speed: 3 } as const);
    const result = predicted(
      options(record(mixedLines(seed, 700)), { ...paced, strategies: ['warm-cache'], memory: 20 << 20 }),
    );
    expect(result.strategies[0]!.failed).toBeLessThan(result.operations / 4);
    expect(result.strategies[0]!.verified.bytes).toBeGreaterThan(100_000);
  });
});

const strange: readonly [string, readonly Line[], Partial<PredictOptions>?][] = [
  [
    'two operations',
    [
      [0, 0, 'read', 0, 0, 1],
      [1, 0, 'read', 0, 0, 1],
    ],
  ],
  ['only writes', Array.from({ length: 50 }, (_, n): Line => [n / 10, n % 3, 'write', n % 5, n * 777, 5000])],
  ['only opens', Array.from({ length: 50 }, (_, n): Line => [n / 10, n % 3, 'open', n % 5])],
  ['only syncs', Array.from({ length: 6 }, (_, n): Line => [n, 0, 'sync', 0xffff_ffff])],
  [
    'reads of nothing',
    [
      [0, 0, 'read', 0, 0, 0],
      [1, 0, 'read', 0, 5, 0],
    ],
  ],
  [
    'reads of what is deleted',
    [
      [0, 0, 'read', 0, 0, 9],
      [1, 0, 'unlink', 0],
      [2, 0, 'open', 0],
      [3, 0, 'read', 0, 0, 9],
    ],
  ],
  [
    'two reads of a file of 1 TB',
    [
      [0, 0, 'read', 0, 10 ** 12, 4096],
      [1, 0, 'read', 0, 5, 9],
    ],
  ],
  [
    'a write far behind the end',
    [
      [0, 0, 'write', 0, 10 ** 9, 4096],
      [1, 0, 'read', 0, 10 ** 9, 4096],
    ],
  ],
];

describe('a strange trace', () => {
  it.each(strange)('a trace of %s is replayed', (_, lines, change = {}) => {
    predicted(options(record(lines), { strategies: ['warm-cache'], ...change }));
  });

  it('a trace whose names no guest can have is replayed', () => {
    const names = ['a\0b', '..', '/', '', 'x'.repeat(300), '/a', '/a/b', '/a', '../../etc/passwd', 'é\u202e'];
    const lines = names.flatMap((_, n): Line[] => [
      [n, 0, 'read', n, 0, 5000],
      [n, 0, 'write', n, 0, 10],
    ]);
    const trace = record(lines, { files: names.map((name) => ({ name })) });
    expect(trace.files[9]!.name).toBe('é\\u{202e}');
    expect(trace.files[4]!.name).toHaveLength(200);
    predicted(options(trace, { strategies: ['warm-cache'] }));
  });

  it.each([
    ['a rate of 0', { restoreRate: { pagesPerAccess: 0 } }, 'restoreRate: expected more than 0'],
    [
      'bytes a second without times of accesses',
      { restoreRate: { bytesPerSecond: 4096 } },
      'restoreRate: the trace tells no times of accesses',
    ],
    ['a share of 0', { rebootAt: { fraction: 0 } }, 'rebootAt: expected a share of more than 0 and less than 1'],
    [
      'a time behind its end',
      { rebootAt: { seconds: 100 } },
      'rebootAt: 100 s: there must be an operation before it and one after; the trace ends after 1 s',
    ],
    [
      'a time before its start',
      { rebootAt: { seconds: 0 } },
      'rebootAt: 0 s: there must be an operation before it and one after; the trace ends after 1 s',
    ],
    ['Rio', { strategies: ['rio' as const] }, 'strategies: rio is for a guest that crashes'],
    ['a speed of 0', { speed: 0 }, 'speed: expected more than 0, at most 1000000'],
  ])('a reboot of a trace at %s is refused', (_, change, message) => {
    const trace = record([
      [0, 0, 'read', 0, 0, 1],
      [1, 0, 'read', 0, 0, 1],
    ]);
    expect(() => runPredict(options(trace, change))).toThrow(message);
  });

  it('a trace with one operation, without times, or for too small a guest is refused in one line', () => {
    const one = record([[0, 0, 'read', 0, 0, 1]]);
    expect(() => runPredict(options(one))).toThrow(
      'trace: it has one operation: a reboot needs one before it and one after',
    );
    const timeless = record([
      [NaN, 0, 'read', 0, 0, 1],
      [NaN, 0, 'read', 0, 0, 1],
    ]);
    expect(() => runPredict(options(timeless))).toThrow(
      'pace: recorded: the trace tells no times: only asfast is possible',
    );
    expect(() => runPredict(options(timeless, { pace: 'asfast', rebootAt: { seconds: 1 } }))).toThrow(
      'rebootAt: the trace tells no times: give a share of its operations, such as 0.5',
    );
    predicted(options(timeless, { pace: 'asfast', strategies: ['cold'] }));
    const two = record([
      [0, 0, 'read', 0, 0, 1],
      [1, 0, 'read', 0, 0, 1],
    ]);
    expect(() => runPredict(options(two, { memory: 1 << 20 }))).toThrow(UserError);
  });
});
