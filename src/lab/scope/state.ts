/**
 * A state as bytes: ten a frame, then disk, maps and what is left of the bounds. It is put in a
 * form in which states that are the same have the same bytes.
 *
 * Two things are renamed in it:
 *   1. Contents. A content is a label, and only whether two are equal matters. 0 is a page of
 *      zeros. The others are numbered in the order in which they are met: disk, then frames.
 *   2. Frames, with symmetry on. The guest's frames are sorted by their bytes. Everything that
 *      refers to a frame is in its own ten bytes, so any order of them is the same state. The
 *      second writer's frame stays the last.
 *
 * While frames are compared, all contents that the disk does not have count as one. So some states
 * that are the same keep two forms. That costs states, and loses none.
 */

import type { Scope } from './options.ts';

/** Bytes of a frame, by what they hold. */
export const T_FLAGS = 0;
export const T_OWNER = 1;
/** 1 + number of the name, 0: none. */
export const T_NAME = 2;
/** Block of the provenance. */
export const T_BLOCK = 3;
export const T_CONTENT = 4;
/** Content of which the record has the checksum, or NO_CONTENT. */
export const T_CRC = 5;
/** Content that memory has behind the CPU cache, or NO_CONTENT where it is the same. */
export const T_BEHIND = 6;
/** What the model kernel uses the page for. */
export const T_GUEST = 7;
/** Two transfers: 0, or IO_USED and the rest. The greater first. */
export const T_IO = 8;
export const FRAME_BYTES = 10;

/** In T_FLAGS, beside the flags of a record: its check word does not match. */
export const FLAG_DAMAGED = 0x80;

/** In T_OWNER. */
export const NOBODY = 0;
export const FIRST = 1;
export const SECOND = 2;

/** Bits of a transfer; the lowest two are the block. */
export const IO_BLOCK = 3;
export const IO_WRITE = 4;
/** The bytes have moved. */
export const IO_MOVED = 8;
/** The frame has changed hands since it was submitted. */
export const IO_STRAY = 16;
export const IO_USED = 32;

export const NO_CONTENT = 15;
const UNKNOWN_CONTENT = 14;
const CONTENTS = 16;

/** In T_GUEST: 0 is a free page, else 1 + number of the page of a file, and these. */
export const G_PAGE = 0x0f;
export const G_UP_TO_DATE = 0x10;
export const G_TOLD = 0x20;
export const G_DIRTY = 0x40;
/** A free page, whose name is erased in a batch that was not told yet. */
export const G_ERASING = 0x80;

export const Phase = {
  /** The guest runs. */
  running: 0,
  /** It is dead, and its transfers end. */
  dead: 1,
  /** Its frames were judged. */
  gap: 2,
  /** The same, and the machine is about to be reset. */
  left: 3,
} as const;
export type Phase = (typeof Phase)[keyof typeof Phase];

/** Where in a state everything is. */
export class StateLayout {
  readonly frames: number;
  /** Frames of the guest that reboots: they come first. */
  readonly ownFrames: number;
  readonly blocks: number;
  /** Pages of all files. */
  readonly places: number;
  readonly disk: number;
  /** The map on the disk: 1 + block of each page, 0 where it has none. */
  readonly map: number;
  /** The same in the kernel's memory. */
  readonly kernelMap: number;
  /** Generation of each file on the disk. */
  readonly generations: number;
  /** The same in the kernel's memory. */
  readonly kernelGenerations: number;
  readonly phase: number;
  readonly rebootsLeft: number;
  readonly faultsLeft: number;
  /** The disk was written to from elsewhere. */
  readonly changed: number;
  /** Bytes of a state, a multiple of 4. */
  readonly size: number;
  readonly #from = new Uint8Array(CONTENTS);
  readonly #tuple = new Uint8Array(FRAME_BYTES);

  constructor({ files, pages, frames, blocks, writers }: Scope) {
    this.frames = frames;
    this.ownFrames = frames - (writers - 1);
    this.blocks = blocks;
    this.places = files * pages;
    this.disk = frames * FRAME_BYTES;
    this.map = this.disk + blocks;
    this.kernelMap = this.map + this.places;
    this.generations = this.kernelMap + this.places;
    this.kernelGenerations = this.generations + files;
    this.phase = this.kernelGenerations + files;
    this.rebootsLeft = this.phase + 1;
    this.faultsLeft = this.phase + 2;
    this.changed = this.phase + 3;
    this.size = (this.phase + 4 + 3) & ~3;
  }

  /**
   * Puts a state in its form.
   * @param order receives which frame became the n-th, where it is asked for
   */
  normalize(state: Uint8Array, symmetry: boolean, order?: Uint8Array): void {
    const { frames, ownFrames } = this;
    for (let n = 0; n < frames; n++) {
      const at = n * FRAME_BYTES + T_IO;
      if (state[at]! < state[at + 1]!) swap(state, at, at + 1);
    }
    if (order !== undefined) for (let n = 0; n < frames; n++) order[n] = n;
    const from = this.#from;
    from.fill(0);
    from[NO_CONTENT] = NO_CONTENT;
    let labels = 0;
    for (let at = this.disk; at < this.disk + this.blocks; at++) {
      const old = state[at]!;
      if (old !== 0 && from[old] === 0) from[old] = ++labels;
      state[at] = from[old]!;
    }
    if (symmetry) this.#sort(state, ownFrames, order);
    for (let n = 0; n < frames; n++)
      for (let at = n * FRAME_BYTES + T_CONTENT; at <= n * FRAME_BYTES + T_BEHIND; at++) {
        const old = state[at]!;
        if (old !== 0 && from[old] === 0) from[old] = ++labels;
        state[at] = from[old]!;
      }
  }

  /** Sorts the first `count` frames by insertion. */
  #sort(state: Uint8Array, count: number, order: Uint8Array | undefined): void {
    for (let n = 1; n < count; n++)
      for (let m = n; m > 0 && this.#compare(state, m - 1, m) > 0; m--) {
        this.swapFrames(state, m - 1, m);
        if (order !== undefined) swap(order, m - 1, m);
      }
  }

  #compare(state: Uint8Array, a: number, b: number): number {
    const from = this.#from;
    const first = a * FRAME_BYTES;
    const second = b * FRAME_BYTES;
    for (let i = 0; i < FRAME_BYTES; i++) {
      let x = state[first + i]!;
      let y = state[second + i]!;
      if (i >= T_CONTENT && i <= T_BEHIND) {
        if (x !== 0) x = from[x]! || UNKNOWN_CONTENT;
        if (y !== 0) y = from[y]! || UNKNOWN_CONTENT;
      }
      if (x !== y) return x - y;
    }
    return 0;
  }

  swapFrames(state: Uint8Array, a: number, b: number): void {
    const tuple = this.#tuple;
    tuple.set(state.subarray(a * FRAME_BYTES, (a + 1) * FRAME_BYTES));
    state.copyWithin(a * FRAME_BYTES, b * FRAME_BYTES, (b + 1) * FRAME_BYTES);
    state.set(tuple, b * FRAME_BYTES);
  }

  /** Whether the frames n - 1 and n are the same in every byte. */
  isTwin(state: Uint8Array, n: number): boolean {
    if (n === 0 || n >= this.ownFrames) return false;
    const at = n * FRAME_BYTES;
    for (let i = 0; i < FRAME_BYTES; i++) if (state[at + i] !== state[at + i - FRAME_BYTES]) return false;
    return true;
  }
}

function swap(bytes: Uint8Array, a: number, b: number): void {
  const kept = bytes[a]!;
  bytes[a] = bytes[b]!;
  bytes[b] = kept;
}
