/**
 * The places in a file to which a job of fio goes, in blocks of the least size.
 *
 * - `BlockMap`: uniform, and each block once (fio's random map): a place that is used gives way to
 *   the next free one.
 * - `placesOf`: uniform, by Zipf's law, by Pareto's, or normal, with repeats. The ranks of the
 *   three are strewn over the file by a hash, as fio does.
 *
 * Zipf and Pareto are those of lib/zipf.c of fio. Zipf is the approximation of Gray et al.,
 * "Quickly generating billion-record synthetic databases" (1994). Differs from the original: the
 * numbers come from a stream of the model, and the hash is another. A normal draw is a sum of 12.
 */

import type { RandomStream } from '../sim/index.ts';
import type { FioDistribution } from './fio-values.ts';

/** Draws the next place, 0 to blocks - 1. */
export type DrawPlace = () => number;

/** Terms of zeta that are added up; the rest is an integral. */
const ZETA_TERMS = 1_000_000;
/** Draws whose mean is a normal one. */
const DRAWS = 12;

/** @param blocks 1 to 2^32 */
export function placesOf(distribution: FioDistribution, blocks: number, random: RandomStream): DrawPlace {
  if (distribution.kind === 'random') return () => random.below(blocks);
  const { kind, parameter } = distribution;
  const shift = random.below(blocks);
  const strewn = (rank: number): number => (hashOf(rank) + shift) % blocks;
  if (blocks === 1) return () => 0;
  switch (kind) {
    case 'zipf': {
      const draw = zipfRanks(parameter, blocks, random);
      return () => strewn(draw());
    }
    case 'pareto': {
      const power = Math.log(parameter) / Math.log(1 - parameter);
      return () => strewn(Math.floor((blocks - 1) * random.fraction() ** power));
    }
    case 'normal': {
      const deviation = Math.min(blocks / 2, (blocks * parameter) / 100);
      return () => strewn(normalRank(deviation, blocks, random));
    }
  }
}

function zipfRanks(theta: number, blocks: number, random: RandomStream): DrawPlace {
  const all = zeta(theta, blocks);
  const two = 1 + 0.5 ** theta;
  const alpha = 1 / (1 - theta);
  const eta = (1 - (2 / blocks) ** (1 - theta)) / (1 - two / all);
  return () => {
    const u = random.fraction();
    const z = u * all;
    if (z < 1) return 0;
    if (z < two || blocks === 2) return 1;
    return Math.min(blocks - 1, Math.floor(blocks * (eta * u - eta + 1) ** alpha));
  };
}

/** The sum of 1 / n ** theta for n from 1 to `count`. */
function zeta(theta: number, count: number): number {
  const terms = Math.min(count, ZETA_TERMS);
  let sum = 0;
  for (let n = 1; n <= terms; n++) sum += n ** -theta;
  const rest = (count + 0.5) ** (1 - theta) - (terms + 0.5) ** (1 - theta);
  return count === terms ? sum : sum + rest / (1 - theta);
}

function normalRank(deviation: number, blocks: number, random: RandomStream): number {
  let sum = 0;
  for (let i = 0; i < DRAWS; i++) sum += random.fraction() - 0.5;
  // The sum of twelve has the deviation 1.
  const rank = Math.floor(blocks / 2 + sum * deviation);
  return Math.min(blocks - 1, Math.max(0, rank));
}

/** An unsigned 32-bit number that depends on all bits of a rank (the finalizer of MurmurHash3). */
export function hashOf(rank: number): number {
  let hash = (rank ^ (rank / 0x1_0000_0000)) | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Which blocks of a file a pass has used. A drawn one is the next free one, around the end. */
export class BlockMap {
  readonly #blocks: number;
  /** By block: itself when it is free, else a later one that may be. The last is the end. */
  readonly #next: Uint32Array;
  #free: number;

  /** @param blocks 1 to 2^32 - 2 */
  constructor(blocks: number) {
    this.#blocks = blocks;
    this.#next = Uint32Array.from({ length: blocks + 1 }, (_, block) => block);
    this.#free = blocks;
  }

  get free(): number {
    return this.#free;
  }

  /** The first free block from `block` on, around the end. Some block must be free. */
  freeFrom(block: number): number {
    const found = this.#find(block);
    return found < this.#blocks ? found : this.#find(0);
  }

  /**
   * Uses up to `count` blocks from a free one on, up to the first that is used.
   * @returns how many
   */
  use(block: number, count: number): number {
    let used = 0;
    for (; used < count && block + used < this.#blocks && this.#next[block + used] === block + used; used++)
      this.#next[block + used] = block + used + 1;
    this.#free -= used;
    return used;
  }

  #find(block: number): number {
    let end = block;
    while (this.#next[end] !== end) end = this.#next[end]!;
    // Paths are short next time.
    for (let at = block; at !== end; ) {
      const next = this.#next[at]!;
      this.#next[at] = end;
      at = next;
    }
    return end;
  }
}
