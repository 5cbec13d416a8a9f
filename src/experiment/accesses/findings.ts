/** What runs have found, as results say it (result.ts). */

import { PAGE_SIZE } from '../../base/units.ts';
import type { RestoreJob, RestoreOutcome, RestoreRate } from './restore.ts';
import type { CurvePoint, RestoreSweep } from './result.ts';

/** A size of the page cache. @param missRatioError null: exact */
export const curvePoint = (
  pages: number,
  misses: number,
  accesses: number,
  missRatioError: number | null,
): CurvePoint => ({
  ...{ pages, bytes: pages * PAGE_SIZE, misses, missRatio: misses / accesses, missRatioError },
});

export function restoreSweep(
  {
    accesses,
    size,
    rebootAt,
    hitsBefore,
    keptPages,
  }: Pick<RestoreJob, 'accesses' | 'size' | 'rebootAt' | 'hitsBefore'> & { readonly keptPages: number },
  rate: RestoreRate | undefined,
  { coldHits, warmHits, found }: RestoreOutcome,
): RestoreSweep {
  const accessesAfter = accesses.pages.length - rebootAt;
  return {
    cachePages: size,
    rebootAt,
    hitRatioBefore: hitsBefore / rebootAt,
    keptPages,
    accessesAfter,
    pagesPerAccess: rate !== undefined && 'pagesPerAccess' in rate ? rate.pagesPerAccess : null,
    bytesPerSecond: rate !== undefined && 'bytesPerSecond' in rate ? rate.bytesPerSecond : null,
    coldHits,
    warmHits,
    sweep: found.map(({ restored, ...run }) => ({
      ...run,
      restoredPages: restored,
      hitRatio: run.hits / accessesAfter,
      gain: warmHits > coldHits ? (run.hits - coldHits) / (warmHits - coldHits) : null,
    })),
  };
}
