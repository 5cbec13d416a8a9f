// Traces made by hand for the tests of the replay.
import { OPERATION, OperationBatch, type OperationName } from '../../../src/trace/operations.ts';
import { Recorder, type RecorderOptions, type TraceRecording } from '../../../src/experiment/predict/recording.ts';
import type { PredictOptions } from '../../../src/experiment/predict/options.ts';
import { RandomStream } from '../../../src/sim/random.ts';

/** Time in seconds, thread, what, file, first byte, bytes. */
export type Line = readonly [
  seconds: number,
  thread: number,
  kind: OperationName,
  file: number,
  offset?: number,
  length?: number,
];

export interface MadeFile {
  readonly name: string;
  readonly size?: number;
  readonly isDevice?: boolean;
}

/** @param perBatch operations of a batch at most */
export function record(
  lines: readonly Line[],
  {
    files,
    perBatch = 4096,
    ...more
  }: { readonly files?: readonly MadeFile[]; readonly perBatch?: number } & RecorderOptions = {},
): TraceRecording {
  const recorder = new Recorder(more);
  const count = lines.reduce((most, [, , , file]) => (file === 0xffff_ffff ? most : Math.max(most, file + 1)), 0);
  const made: readonly MadeFile[] = files ?? Array.from({ length: count }, (_, n) => ({ name: `/file ${n}` }));
  for (const { name, size, isDevice } of made) recorder.file({ name, size, isDevice: isDevice === true });
  for (let at = 0; at < lines.length; at += perBatch) {
    const batch = new OperationBatch();
    for (const [seconds, thread, kind, file, offset = 0, length = 0] of lines.slice(at, at + perBatch))
      batch.add(seconds * 1e9, thread, OPERATION[kind], file, offset, length);
    recorder.operations(batch);
  }
  return recorder.end();
}

/** Threads that read and write files in a random order, with times. */
export function mixedLines(seed: number, count: number, threads = 3, files = 12): Line[] {
  const random = new RandomStream(seed);
  const some = (most: number): number => random.u32() % most;
  return Array.from({ length: count }, (_, n): Line => {
    const file = some(files);
    const thread = some(threads);
    const seconds = n / 100;
    const what = some(100);
    if (what < 12) return [seconds, thread, 'fault', file, some(12) * 4096, (1 + some(3)) * 4096];
    if (what < 70) return [seconds, thread, 'read', file, some(40) * 1000, 1 + some(9000)];
    if (what < 88) return [seconds, thread, 'write', file, some(40) * 1000, 1 + some(9000)];
    if (what < 91) return [seconds, thread, 'truncate', file, some(30_000)];
    if (what < 94) return [seconds, thread, 'open', file];
    if (what < 96) return [seconds, thread, 'sync', some(2) === 0 ? file : 0xffff_ffff];
    if (what < 98) return [seconds, thread, 'create', file];
    return [seconds, thread, 'unlink', file];
  });
}

/** Reads of pages of one file by a law that favours some. */
export function readsOf(pages: number, count: number, seconds = 40): Line[] {
  const random = new RandomStream(7);
  return Array.from({ length: count }, (_, n): Line => {
    const page = Math.floor(pages * random.fraction() ** 2);
    return [(n * seconds) / count, n % 2, 'read', 0, page * 4096, 4096];
  });
}

export const options = (trace: TraceRecording, change: Partial<PredictOptions> = {}): PredictOptions => ({
  path: 'a made trace',
  format: 'made by hand',
  trace,
  withoutBootFiles: true,
  memory: 24 << 20,
  disk: 'disk',
  profile: 'server-2026',
  seed: 1,
  strategies: ['cold', 'warm-cache'],
  pace: 'recorded',
  speed: 1,
  rebootAt: { fraction: 0.5 },
  prefetchRate: undefined,
  ...change,
});
