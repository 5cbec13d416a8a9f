/** What domain 0's page cache, its write-back and its image files know of each other. */

import { SECTORS_PER_PAGE } from '../base/units.ts';
import type { BackingStore } from '../disk/image/backing-store.ts';
import type { AddressSpace } from '../kernel/mm/page-cache.ts';
import type { GuestCosts } from '../machine/profile.ts';
import type { CpuClock } from '../sim/cpu-clock.ts';
import type { Power } from '../sim/power.ts';

/** The smallest cache: room for the windows of some readers, bytes. */
export const DOMAIN0_CACHE_MIN = 1 << 20;

/** The processor that domain 0 runs on, and its power. */
export interface Domain0Processor {
  readonly power: Power;
  readonly domain0Cpu: CpuClock;
}

/** What domain 0's kernel pays: the same as a guest's for the same work. */
export type Domain0Costs = Pick<
  GuestCosts,
  'pageLookupNs' | 'copyNsPerByte' | 'pageAllocNs' | 'bioSubmitNs' | 'interruptNs' | 'contextSwitchNs'
>;

/** What was done since the cache was made: it goes on counting over a reset. */
export interface Domain0CacheCounters {
  /** Pages that guests read and that were cached, or on their way from the drive. */
  pagesHit: number;
  /** Pages that guests read and that were not. */
  pagesMissed: number;
  /** Pages read from the drive, ahead or not, and those of domain 0's own files. */
  pagesRead: number;
  /** Pages that guests wrote, each time that they did. */
  pagesStored: number;
  /** Pages written to the drive. */
  pagesWritten: number;
  /** Pages that a reset lost before they were written. */
  pagesLost: number;
}

/** A file of the cache. */
export interface CachedFile {
  readonly sectorCount: number;
  readonly store: BackingStore;
  /** First sector on the drive. */
  readonly first: number;
  /** Its pages. */
  space: AddressSpace;
  /** Writes of its pages that have failed. */
  failures: number;
  /** Everything that was under way has ended with a reset. */
  lose(): void;
}

/** A run of sectors of the drive, where a file lies. */
export type Place = Pick<CachedFile, 'first' | 'sectorCount' | 'store'>;

/** Pages of a file; the last may be partial. */
export function pagesOf({ sectorCount }: Pick<CachedFile, 'sectorCount'>): number {
  return Math.ceil(sectorCount / SECTORS_PER_PAGE);
}
