/**
 * The processors' write-back cache, as far as a reset shows it: the lines that have not reached
 * memory yet, and what memory holds instead.
 *
 * Bytes are stored in memory at once, because every reader goes through the cache. Kept here are
 * the old contents of each line. Beyond the capacity, the oldest line is written back. At a reset
 * some lines have been written back by chance, and the others return to their old contents. Devices
 * are coherent and bypass the cache: a line that DMA stores to leaves it.
 *
 * Stores through views (MachineMemory.words) are not seen line by line. For those frames the cache
 * keeps a copy as of the last write-back, and compares. That costs memory, so only a machine that
 * is to lose its cache has one.
 *
 * Modelled after a Pentium 4: lines of 64 bytes, write-back, `wbinvd` to empty it. Differs in being
 * first in, first out, without sets.
 */

import { Mfn, PAGE_SIZE } from '../base/units.ts';
import type { RandomStream } from '../sim/random.ts';

export const CACHE_LINE_BYTES = 64;
const LINES_PER_FRAME = PAGE_SIZE / CACHE_LINE_BYTES;

/** The memory behind the cache. */
export interface CachedMemory {
  frame(mfn: Mfn): Uint8Array;
  restore(mfn: Mfn, offset: number, bytes: Uint8Array): void;
}

export class CpuCache {
  readonly #memory: CachedMemory;
  readonly #capacity: number;
  /** Old contents by line number, in the order in which they came. */
  readonly #lines = new Map<number, Uint8Array>();
  readonly #viewed: readonly Mfn[];
  #copies: readonly Uint8Array[] = [];

  /**
   * @param capacity lines that it holds
   * @param viewed frames that are stored to through views
   */
  constructor(memory: CachedMemory, capacity: number, viewed: readonly Mfn[]) {
    this.#memory = memory;
    this.#capacity = capacity;
    this.#viewed = viewed;
    this.writeBack();
  }

  /** Bytes of a frame are about to be stored to by a processor. */
  store(mfn: Mfn, offset: number, length: number): void {
    const last = mfn * LINES_PER_FRAME + Math.floor((offset + length - 1) / CACHE_LINE_BYTES);
    for (let line = mfn * LINES_PER_FRAME + Math.floor(offset / CACHE_LINE_BYTES); line <= last; line++) {
      if (this.#lines.has(line)) continue;
      this.#lines.set(line, this.#read(line));
      if (this.#lines.size > this.#capacity) this.#lines.delete(this.#lines.keys().next().value!);
    }
  }

  /** A device is about to store to a frame. */
  dma(mfn: Mfn): void {
    for (let i = 0; i < LINES_PER_FRAME; i++) this.#lines.delete(mfn * LINES_PER_FRAME + i);
  }

  /** wbinvd: everything reaches memory. Returns how many lines there were. */
  writeBack(): number {
    const lines = this.#lines.size;
    this.#lines.clear();
    this.#copies = this.#viewed.map((mfn) => this.#memory.frame(mfn).slice());
    return lines;
  }

  /** A reset: lines that have not reached memory are lost, except those written back by chance. */
  lose(random: RandomStream): void {
    this.#viewed.forEach((mfn, i) => {
      this.#noticeViewed(mfn, this.#copies[i]!);
    });
    const survival = random.fraction();
    for (const [line, old] of this.#lines) {
      if (random.fraction() < survival) continue;
      const mfn = Mfn(Math.floor(line / LINES_PER_FRAME));
      this.#memory.restore(mfn, (line % LINES_PER_FRAME) * CACHE_LINE_BYTES, old);
    }
    this.#lines.clear();
    this.writeBack();
  }

  #noticeViewed(mfn: Mfn, copy: Uint8Array): void {
    const frame = this.#memory.frame(mfn);
    for (let i = 0; i < LINES_PER_FRAME; i++) {
      const at = i * CACHE_LINE_BYTES;
      const old = copy.subarray(at, at + CACHE_LINE_BYTES);
      const line = mfn * LINES_PER_FRAME + i;
      if (this.#lines.size < this.#capacity && !this.#lines.has(line) && old.some((byte, j) => byte !== frame[at + j]))
        this.#lines.set(line, old);
    }
  }

  #read(line: number): Uint8Array {
    const at = (line % LINES_PER_FRAME) * CACHE_LINE_BYTES;
    return this.#memory.frame(Mfn(Math.floor(line / LINES_PER_FRAME))).slice(at, at + CACHE_LINE_BYTES);
  }
}
