/**
 * Miss-ratio curves: the misses of one stream of accesses by replacement policy, at several sizes
 * of the cache. Each policy at each size is a run (../guest/runs.ts).
 */

import type { OpenRuns, RunListener, Runs } from '../guest/runs.ts';
import type { RecordedAccesses } from './page-accesses.ts';
import { POLICIES, type PolicyName } from '../../kernel/mm/policy/policies.ts';
import { GHOST_PAGE_BYTES, PageReplay, REPLAY_PAGE_BYTES } from './page-replay.ts';

/** Accesses between two reports of progress. */
const CHUNK = 2 ** 20;
/** Default sizes: this many halvings of all pages. */
const HALVINGS = 10;

/** The names of POLICIES in a result: two-list is that of Linux 2.6.12. */
export const CURVE_POLICIES = ['two-list', ...POLICIES.slice(1)] as const;

export interface CurveOptions {
  readonly accesses: RecordedAccesses;
  /** Pages of each cache, at least 1. */
  readonly sizes: readonly number[];
  /** By default that of Linux 2.6.12. */
  readonly policies?: readonly PolicyName[];
}

/** Each policy at each size, in that order. */
const runsOf = ({ accesses, sizes, policies = [POLICIES[0]] }: CurveOptions) =>
  policies.flatMap((policy) => sizes.map((size) => ({ policy, size, used: usedSize(size, accesses) })));

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

/** The misses of each policy at each size. */
export const CURVE_RUNS: Runs<CurveOptions, number, readonly number[]> = {
  bytesOf: (options) =>
    runsOf(options).map(({ policy, used }) => used * (policy === POLICIES[0] ? REPLAY_PAGE_BYTES : GHOST_PAGE_BYTES)),
  open: (options) =>
    withoutDisk((index, onRun) => {
      const { policy, size, used } = runsOf(options)[index]!;
      const replay = new PageReplay(used, policy);
      const isOne = (options.policies?.length ?? 1) === 1;
      playAll(replay, options.accesses, 0, `${size} pages${isOne ? '' : ` by ${policy}`}`, onRun);
      return replay.misses;
    }),
  merge: (_options, _disk, misses) => misses,
};
