/**
 * A miss-ratio curve: the misses of one stream of accesses at several sizes of the cache, a run
 * each (../guest/runs.ts).
 */

import type { OpenRuns, RunListener, Runs } from '../guest/runs.ts';
import type { RecordedAccesses } from './page-accesses.ts';
import { PageReplay, REPLAY_PAGE_BYTES } from './page-replay.ts';

/** Accesses between two reports of progress. */
const CHUNK = 2 ** 20;
/** Default sizes: this many halvings of all pages. */
const HALVINGS = 10;

export interface CurveOptions {
  readonly accesses: RecordedAccesses;
  /** Pages of each cache, at least 1. */
  readonly sizes: readonly number[];
}

/** All of `distinct` pages, a half of them, a quarter, and so on; ascending, without equal ones. */
export function halvings(distinct: number): number[] {
  const sizes = Array.from({ length: HALVINGS + 1 }, (_, n) => Math.max(1, Math.ceil(distinct / 2 ** n)));
  return [...new Set(sizes)].reverse();
}

/** No replay has a disk. */
const NO_DISK = { all: { files: 0, bytes: 0 }, notices: [], version: '' };

export const withoutDisk = <Part>(run: OpenRuns<Part>['run']): OpenRuns<Part> => ({
  disk: NO_DISK,
  run,
  check: () => undefined,
  close: () => undefined,
});

/** A larger cache than all pages have use for drops none either. */
export const usedSize = (size: number, { distinct }: RecordedAccesses): number => Math.min(size, Math.max(1, distinct));

/** Plays accesses in chunks, and tells how far it has come. */
export function playAll(
  replay: PageReplay,
  { pages }: RecordedAccesses,
  from: number,
  phase: string,
  onRun: RunListener,
): void {
  for (let at = from; at < pages.length; at += CHUNK) {
    onRun(phase, (at - from) / (pages.length - from));
    replay.play(pages, at, Math.min(at + CHUNK, pages.length));
  }
}

/** The misses at each size. */
export const CURVE_RUNS: Runs<CurveOptions, number, readonly number[]> = {
  bytesOf: ({ accesses, sizes }) => sizes.map((size) => usedSize(size, accesses) * REPLAY_PAGE_BYTES),
  open: ({ accesses, sizes }) =>
    withoutDisk((index, onRun) => {
      const replay = new PageReplay(usedSize(sizes[index]!, accesses));
      playAll(replay, accesses, 0, `${sizes[index]!} pages`, onRun);
      return replay.misses;
    }),
  merge: (_options, _disk, misses) => misses,
};
