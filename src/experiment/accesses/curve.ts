/**
 * Miss-ratio curves: the misses of one stream of accesses, by policy and size of the cache, a run
 * each (../guest/runs.ts).
 */

import { POLICIES, type PolicyName } from '../../doors/page-cache/index.ts';
import type { OpenRuns, RunListener, Runs } from '../guest/runs.ts';
import type { RecordedAccesses } from './page-accesses.ts';
import { GHOST_PAGE_BYTES, PageReplay, REPLAY_PAGE_BYTES } from './page-replay.ts';

/** Accesses between two reports of progress. */
const CHUNK = 2 ** 20;
/** Default sizes: this many halvings of all pages. */
const HALVINGS = 10;

export interface CurveOptions {
  readonly accesses: RecordedAccesses;
  /** Pages of each cache, at least 1. */
  readonly sizes: readonly number[];
  /** Which pages leave: one curve each. */
  readonly policies: readonly PolicyName[];
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

/** The misses at each size, by policy. */
export const CURVE_RUNS: Runs<CurveOptions, number, readonly (readonly number[])[]> = {
  bytesOf: (options) =>
    runsOf(options).map(
      ({ policy, size }) =>
        usedSize(size, options.accesses) * (policy === POLICIES[0] ? REPLAY_PAGE_BYTES : GHOST_PAGE_BYTES),
    ),
  open: (options) =>
    withoutDisk((index, onRun) => {
      const { accesses } = options;
      const { policy, size } = runsOf(options)[index]!;
      const replay = new PageReplay(usedSize(size, accesses), policy);
      playAll(replay, accesses, 0, `${policy}, ${size} pages`, onRun);
      return replay.misses;
    }),
  merge: ({ policies, sizes }, _disk, misses) =>
    policies.map((_, n) => misses.slice(n * sizes.length, (n + 1) * sizes.length)),
};

const runsOf = ({ policies, sizes }: CurveOptions): { readonly policy: PolicyName; readonly size: number }[] =>
  policies.flatMap((policy) => sizes.map((size) => ({ policy, size })));
