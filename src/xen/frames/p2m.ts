/**
 * The P2M lists: for each domain one contiguous run of entries in the hypervisor's memory. Entry
 * pfn is the page's mfn, or all ones where the domain has given the page back. A list is the truth
 * about which frames a domain has, and outlives the domain's object. While the domain exists only
 * its own reservation changes it (reservation.ts).
 *
 * An entry is as wide as the number of a frame (base/arch.ts). On x86_64 it has two words, of which
 * the upper one is zero, or all ones like the lower. The upper words of a list left in memory are
 * looked at when it is verified (`stray`). From then on only the lower words are read, so an entry
 * costs no more to read than a word.
 *
 * Lists begin on a frame and are placed first-fit. Modelled after the P2M table of Xen's domain
 * builder, kept in the hypervisor rather than in the guest.
 */

import { type Arch, FRAME_NUMBER_BYTES } from '../../base/arch.ts';
import { assert } from '../../base/assert.ts';
import { crc32c } from '../../base/crc32c.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { Mfn, PAGE_SIZE } from '../../base/units.ts';
import type { MachineMemory } from '../../machine/memory.ts';
import type { MemoryMap } from '../records/layouts.ts';

/** Entry of a page that has no frame, each word of it. */
export const NO_FRAME = 0xffff_ffff;

/** Frames of a list of so many entries. */
export function p2mFrames(arch: Arch, nrPages: number): number {
  return Math.ceil((nrPages * FRAME_NUMBER_BYTES[arch]) / PAGE_SIZE);
}

/** A list: the bytes in machine memory, or a copy of what they say. */
export class P2mList {
  /** Entries: pages of the domain. */
  readonly length: number;
  /**
   * The list as words: the frame of a page is words[pfn * stride], for whoever has no time to ask.
   */
  readonly words: Uint32Array;
  /** Words of an entry. */
  readonly stride: number;

  constructor(words: Uint32Array, stride = 1) {
    this.words = words;
    this.stride = stride;
    this.length = words.length / stride;
  }

  /** The frame of a page, or NO_FRAME; also where the domain has no such page. */
  at(pfn: number): number {
    return pfn >= 0 && pfn < this.length ? this.words[pfn * this.stride]! : NO_FRAME;
  }

  /** @param mfn a frame, or NO_FRAME */
  set(pfn: number, mfn: number): void {
    assert(pfn >= 0 && pfn < this.length, 'a list has an entry for each page');
    this.words[pfn * this.stride] = mfn;
    if (this.stride > 1) this.words[pfn * this.stride + 1] = mfn === NO_FRAME ? NO_FRAME : 0;
  }

  /** The frames of all pages, NO_FRAME where there is none: a copy. */
  frames(): Uint32Array {
    const { words, stride, length } = this;
    const frames = new Uint32Array(length);
    for (let pfn = 0; pfn < length; pfn++) frames[pfn] = words[pfn * stride]!;
    return frames;
  }

  /** No page has a frame. */
  clear(): void {
    this.words.fill(NO_FRAME);
  }

  /** The same for the pages from 0 on, all at once. */
  setAll(frames: Uint32Array): void {
    assert(frames.length <= this.length, 'a list has an entry for each page');
    const { words, stride } = this;
    for (let pfn = 0; pfn < frames.length; pfn++) {
      const mfn = frames[pfn]!;
      words[pfn * stride] = mfn;
      if (stride > 1) words[pfn * stride + 1] = mfn === NO_FRAME ? NO_FRAME : 0;
    }
  }

  /** Pages that have no frame. */
  get holes(): number {
    const { words, stride, length } = this;
    let holes = 0;
    for (let pfn = 0; pfn < length; pfn++) if (words[pfn * stride] === NO_FRAME) holes++;
    return holes;
  }

  /**
   * The first entry that is neither a frame from `low` to `end` - 1 nor none, as a number;
   * undefined when there is none such.
   */
  stray(low: number, end: number): number | undefined {
    const { words, stride, length } = this;
    for (let pfn = 0; pfn < length; pfn++) {
      const lower = words[pfn * stride]!;
      const upper = stride > 1 ? words[pfn * stride + 1]! : 0;
      if (upper === 0 && lower >= low && lower < end) continue;
      const isNone = lower === NO_FRAME && (stride === 1 || upper === NO_FRAME);
      if (!isNone) return upper * 2 ** 32 + lower;
    }
    return undefined;
  }

  /** CRC-32C of the list's bytes, as the domain record keeps it. */
  get crc(): number {
    return crc32c(new Uint8Array(this.words.buffer, this.words.byteOffset, this.words.byteLength));
  }

  /** Whether two lists in memory have bytes in common. */
  overlaps({ words: b }: P2mList): boolean {
    const a = this.words;
    return a.byteOffset < b.byteOffset + b.byteLength && b.byteOffset < a.byteOffset + a.byteLength;
  }
}

export class P2mLists {
  readonly #memory: MachineMemory;
  readonly #map: MemoryMap;
  readonly #end: number;
  /** Frames of the areas in use, by first frame. */
  readonly #areas = new Map<Mfn, number>();

  constructor(memory: MachineMemory, map: MemoryMap) {
    this.#memory = memory;
    this.#map = map;
    this.#end = map.p2mMfn + map.p2mFrames;
  }

  /** Makes room for a list and returns its first frame. Fails when no gap is long enough. */
  allocate(nrPages: number): Result<Mfn> {
    const frames = p2mFrames(this.#map.arch, nrPages);
    let at = this.#map.p2mMfn as number;
    for (const [first, length] of [...this.#areas].sort((a, b) => a[0] - b[0])) {
      if (first - at >= frames) break;
      at = first + length;
    }
    if (at + frames > this.#end) return err(`ENOMEM: no room for a P2M list of ${nrPages} pages`);
    this.#areas.set(Mfn(at), frames);
    this.#memory.touch(Mfn(at), frames);
    return ok(Mfn(at));
  }

  /** Takes the room of a list that another hypervisor left. It overlaps no other. */
  adopt(first: Mfn, nrPages: number): void {
    this.#areas.set(first, p2mFrames(this.#map.arch, nrPages));
  }

  /** Zeroes all room that no list has. */
  clearRest(): void {
    let at = this.#map.p2mMfn as number;
    for (const [first, length] of [...this.#areas, [this.#end, 0] as const].sort((a, b) => a[0] - b[0])) {
      for (; at < first; at++) this.#memory.zero(Mfn(at));
      at = first + length;
    }
  }

  /** How many entries the area at `first` has room for. */
  capacity(first: Mfn): number {
    return ((this.#areas.get(first) ?? 0) * PAGE_SIZE) / FRAME_NUMBER_BYTES[this.#map.arch];
  }

  /** Gives the room of a list back, zeroed. */
  release(first: Mfn): void {
    const frames = this.#areas.get(first);
    assert(frames !== undefined, 'a P2M list is released once');
    this.#areas.delete(first);
    for (let i = 0; i < frames; i++) this.#memory.zero(Mfn(first + i));
  }

  /**
   * The list itself, not a copy. Undefined when a list of `nrPages` at `first` would leave the
   * lists' memory.
   */
  view(first: Mfn, nrPages: number): P2mList | undefined {
    return viewP2m(this.#memory, this.#map, first, nrPages);
  }
}

/**
 * A list of `nrPages` entries at `first`; undefined unless it lies in the memory of the lists and
 * has entries.
 */
export function viewP2m(memory: MachineMemory, map: MemoryMap, first: Mfn, nrPages: number): P2mList | undefined {
  const frames = p2mFrames(map.arch, nrPages);
  if (nrPages < 1 || first < map.p2mMfn || first + frames > map.p2mMfn + map.p2mFrames) return undefined;
  const words = FRAME_NUMBER_BYTES[map.arch] / 4;
  return new P2mList(memory.words(first, frames).subarray(0, nrPages * words), words);
}
