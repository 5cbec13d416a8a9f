/**
 * Seeded random streams. Each consumer takes a stream by name, so that a new consumer does not
 * shift the numbers of the others. The generator is pure-rand's xoroshiro128+.
 */

import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { checkArgument, checkInteger, checkText } from '../base/argument-error.ts';
import { hashText } from '../base/text.ts';

/** One stream of random numbers. */
export class RandomStream {
  readonly #generator: ReturnType<typeof xoroshiro128plus>;

  constructor(seed: number) {
    this.#generator = xoroshiro128plus(seed);
  }

  /** A uniform unsigned 32-bit number. */
  u32(): number {
    return this.#generator.next() >>> 0;
  }

  /**
   * A uniform integer of 0 … n - 1; n is 1 … 2^32. The bias is below n / 2^53.
   * @throws ArgumentError for an n out of range
   */
  below(n: number): number {
    checkArgument(n >= 1 && n <= 0x1_0000_0000, 'n', 'random range is 1 to 2^32');
    return Math.floor(this.fraction() * n);
  }

  /** A uniform number of [0, 1) with 53 bits. */
  fraction(): number {
    const high = this.u32() >>> 5;
    const low = this.u32() >>> 6;
    return (high * 0x400_0000 + low) / 0x20_0000_0000_0000;
  }

  /**
   * Shuffles in place (Fisher and Yates).
   * @throws ArgumentError for what is no list
   */
  shuffle(items: unknown[] | Uint32Array): void {
    checkArgument(Array.isArray(items) || items instanceof Uint32Array, 'items', 'expected a list');
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const item = items[i];
      items[i] = items[j];
      items[j] = item;
    }
  }
}

/** The streams of one run. */
export class RandomStreams {
  /** The integer that decides every stream. */
  readonly seed: number;

  /** @throws ArgumentError unless `seed` is an integer */
  constructor(seed: number) {
    checkInteger('seed', seed, Number.MIN_SAFE_INTEGER);
    this.seed = seed;
  }

  /**
   * A fresh stream that depends on the run's seed and on `name` only.
   * @throws ArgumentError for a name that is no text
   */
  stream(name: string): RandomStream {
    checkText('name', name);
    const start = Math.imul(this.seed | 0, 0x9e3779b1) ^ Math.imul((this.seed / 0x1_0000_0000) | 0, 0x85ebca77);
    const hash = hashText(name, start);
    return new RandomStream(hash ^ (hash >>> 15));
  }
}
