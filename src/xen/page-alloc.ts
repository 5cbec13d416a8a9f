/**
 * The allocator of domain memory: which frames are free, one bit each.
 *
 * A domain's frames come scattered, as on a machine that has run for a while: runs of 1 to 8 neighbours at random places
 * of a seeded stream. Nothing above may rely on pages being neighbours in the machine, which is what a P2M list is for.
 * Differs from Xen's buddy allocator, which hands out ascending frames while memory is unfragmented.
 */

import { assert } from '../base/assert.ts';
import { ModelError } from '../base/errno.ts';
import type { Mfn } from '../base/units.ts';
import type { RandomStream } from '../sim/random.ts';

const LONGEST_RUN = 8;

export class FrameAllocator {
  readonly #first: number;
  readonly #end: number;
  readonly #free: Uint32Array;
  readonly #random: RandomStream;
  #freeCount = 0;

  /** All frames from `first` to `frameCount` - 1 are free, but for those that are taken already. */
  constructor(first: Mfn, frameCount: number, random: RandomStream, isTaken: (mfn: Mfn) => boolean = () => false) {
    this.#first = first;
    this.#end = frameCount;
    this.#free = new Uint32Array(Math.ceil(frameCount / 32));
    this.#random = random;
    for (let mfn = first as number; mfn < frameCount; mfn++) if (!isTaken(mfn as Mfn)) this.free(mfn as Mfn);
  }

  get freeCount(): number {
    return this.#freeCount;
  }

  isFree(mfn: Mfn): boolean {
    return (this.#free[mfn >>> 5]! & (1 << (mfn & 31))) !== 0;
  }

  free(mfn: Mfn): void {
    assert(mfn >= this.#first && mfn < this.#end, 'frame is not one of a domain');
    assert(!this.isFree(mfn), 'frame is freed once');
    this.#free[mfn >>> 5]! |= 1 << (mfn & 31);
    this.#freeCount++;
  }

  /**
   * Fills `into` with frames.
   * @throws ModelError ENOMEM when there are too few; nothing is allocated then
   */
  allocate(into: Uint32Array): void {
    if (into.length > this.#freeCount)
      throw new ModelError('ENOMEM', `${into.length} machine frames wanted, ${this.#freeCount} are free`);
    let filled = 0;
    while (filled < into.length) {
      let mfn = this.#nextFree(this.#first + this.#random.below(this.#end - this.#first));
      const run = Math.min(1 + this.#random.below(LONGEST_RUN), into.length - filled);
      for (let i = 0; i < run && mfn < this.#end && this.isFree(mfn as Mfn); i++, mfn++) {
        this.#free[mfn >>> 5]! &= ~(1 << (mfn & 31));
        this.#freeCount--;
        into[filled++] = mfn;
      }
    }
  }

  /** First free frame at or after `from`, from the beginning again when there is none. There is one. */
  #nextFree(from: number): number {
    let word = from >>> 5;
    let bits = this.#free[word]! & (-1 << (from & 31));
    while (bits === 0) {
      word = word + 1 === this.#free.length ? 0 : word + 1;
      bits = this.#free[word]!;
    }
    return word * 32 + 31 - Math.clz32(bits & -bits);
  }
}
