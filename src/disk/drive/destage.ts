/**
 * The order in which a drive's write cache goes to the medium, and how long each run takes.
 *
 * A sweep goes upwards over the cached granules: from where the arm stands, or from the lowest.
 * Neighbours go together. While the bus fills the cache, the drive goes on writing what follows on
 * the medium. How far it came is computed when the cache is needed again. So a stream of writes
 * goes at the rate of the medium.
 */

import { Ns, SECTORS_PER_PAGE } from '../../base/units.ts';
import type { ServiceTimeModel } from './service-time.ts';
import type { WriteCache } from './write-cache.ts';

/** Granules written out in one go: 128 KiB. */
const DESTAGE_GRANULES = 32;

/** Granules that go to the medium together, and how long that takes from the request on. */
export interface DestagingRun {
  readonly first: number;
  readonly length: number;
  readonly delayNs: number;
}

export class Destaging {
  readonly #cache: WriteCache;
  readonly #model: ServiceTimeModel;
  readonly #sectorCount: number;
  /** The granules of the present sweep over the cache, and how far it has come. */
  #sweep: number[] = [];
  #swept = 0;
  /**
   * The granule before which the arm has stood since it last destaged, and since when; -1 when it
   * has moved.
   */
  #armGranule = -1;
  #armFreeNs = 0;

  constructor(cache: WriteCache, model: ServiceTimeModel, sectorCount: number) {
    this.#cache = cache;
    this.#model = model;
    this.#sectorCount = sectorCount;
  }

  /**
   * The next run of the sweep; undefined when everything cached is on its way.
   * @param isNeeded whether the cache is needed, so that the drive has not paused since the
   * previous run
   * @param mayBegin whether a sweep may begin: no run is in service
   */
  next(isNeeded: boolean, mayBegin: boolean, now: Ns): DestagingRun | undefined {
    while (this.#swept < this.#sweep.length && !this.#cache.has(this.#sweep[this.#swept]!)) this.#swept++;
    if (this.#swept === this.#sweep.length) {
      if (!mayBegin || this.#cache.isEmpty) return undefined;
      const granules = this.#cache.granules();
      const start = Math.max(granules.indexOf(this.#armGranule), 0);
      this.#sweep = [...granules.slice(start), ...granules.slice(0, start)];
      this.#swept = 0;
    }
    const first = this.#sweep[this.#swept++]!;
    let length = 1;
    while (
      length < DESTAGE_GRANULES &&
      this.#sweep[this.#swept] === first + length &&
      this.#cache.has(first + length)
    ) {
      this.#swept++;
      length++;
    }
    const sector = first * SECTORS_PER_PAGE;
    const sectors = Math.min(length * SECTORS_PER_PAGE, this.#sectorCount - sector);
    const isStream = isNeeded && this.#model.channels === 1 && first === this.#armGranule;
    const begin = isStream ? Math.max(this.#armFreeNs, this.#cache.storedAt(first)) : now;
    const end = begin + this.#model.write(sector, sectors, Ns(begin));
    this.#armGranule = first + length;
    this.#armFreeNs = end;
    return { first, length, delayNs: Math.max(0, end - now) };
  }

  /** The arm moves for another service. */
  armMoved(): void {
    this.#armGranule = -1;
  }

  /** Power was lost. */
  reset(): void {
    this.#sweep = [];
    this.#swept = 0;
    this.#armGranule = -1;
  }
}
