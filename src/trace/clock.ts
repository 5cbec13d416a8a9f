/**
 * Times of a trace, as nanoseconds since the first. A time since 1601 or
 * 1970 has more digits than a float. So it is told in two parts, which are subtracted one by one.
 */

import { LOW } from './cursor.ts';

export class Clock {
  readonly #unitNs: number;
  #high = Number.NaN;
  #low = 0;

  /** @param unitNs nanoseconds of the unit of the times */
  constructor(unitNs: number) {
    this.#unitNs = unitNs;
  }

  /** Nanoseconds since the first time that it was asked about: of `high` × 10^9 + `low` units. */
  since(high: number, low: number): number {
    if (Number.isNaN(this.#high)) {
      this.#high = high;
      this.#low = low;
    }
    return ((high - this.#high) * LOW + (low - this.#low)) * this.#unitNs;
  }

  /** The same for a time of `high` × 2^32 + `low` units. */
  sinceHalves(high: number, low: number): number {
    if (Number.isNaN(this.#high)) {
      this.#high = high;
      this.#low = low;
    }
    return ((high - this.#high) * 2 ** 32 + (low - this.#low)) * this.#unitNs;
  }
}
