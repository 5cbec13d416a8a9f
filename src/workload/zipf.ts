/** Zipf's law over things whose popularity is in no order: a shuffled ranking. */

import type { RandomStream } from '../sim/index.ts';

export class Zipf {
  readonly #random: RandomStream;
  readonly #ranking: Uint32Array;
  readonly #cumulative: Float64Array;

  /**
   * @param count things, 1 or more
   * @param exponent the thing of rank r (from 1) is drawn as often as 1 / r ** exponent
   */
  constructor(count: number, exponent: number, random: RandomStream) {
    this.#random = random;
    this.#ranking = Uint32Array.from({ length: count }, (_, thing) => thing);
    random.shuffle(this.#ranking);
    this.#cumulative = new Float64Array(count + 1);
    for (let rank = 0; rank < count; rank++)
      this.#cumulative[rank + 1] = this.#cumulative[rank]! + 1 / (rank + 1) ** exponent;
  }

  /** The next thing, 0 to count - 1. */
  draw(): number {
    const rank = lastAtMost(this.#cumulative, this.#random.fraction() * this.#cumulative.at(-1)!);
    return this.#ranking[rank]!;
  }
}

/** The largest i < sums.length - 1 with sums[i] <= value; sums ascends from 0. */
export function lastAtMost(sums: Float64Array, value: number): number {
  let low = 0;
  let high = sums.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (sums[middle]! <= value) low = middle;
    else high = middle;
  }
  return low;
}
