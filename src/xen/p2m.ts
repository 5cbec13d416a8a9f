/**
 * The P2M lists: for each domain one contiguous run of words in the hypervisor's memory, entry pfn = mfn, or NO_FRAME
 * where the domain has given its page back. A list is the truth about which frames a domain has and outlives the
 * domain's object; while the domain exists only its own reservation changes it (reservation.ts).
 *
 * Lists begin on a frame and are placed first-fit. Modelled after the P2M table of Xen's domain builder, kept in the
 * hypervisor rather than in the guest.
 */

import { assert } from '../base/assert.ts';
import { crc32c } from '../base/crc32c.ts';
import { ModelError } from '../base/errno.ts';
import { Mfn, PAGE_SIZE } from '../base/units.ts';
import type { MachineMemory } from '../machine/memory.ts';
import type { MemoryMap } from './layouts.ts';

/** Entry of a page that has no frame. */
export const NO_FRAME = 0xffff_ffff;

const framesFor = (nrPages: number): number => Math.ceil((nrPages * 4) / PAGE_SIZE);

export class P2mLists {
  readonly #memory: MachineMemory;
  readonly #first: number;
  readonly #end: number;
  /** Frames of the areas in use, by first frame. */
  readonly #areas = new Map<Mfn, number>();

  constructor(memory: MachineMemory, map: MemoryMap) {
    this.#memory = memory;
    this.#first = map.p2mMfn;
    this.#end = map.p2mMfn + map.p2mFrames;
  }

  /**
   * Makes room for a list and returns its first frame.
   * @throws ModelError ENOMEM when no gap is long enough
   */
  allocate(nrPages: number): Mfn {
    const frames = framesFor(nrPages);
    let at = this.#first;
    for (const [first, length] of [...this.#areas].sort((a, b) => a[0] - b[0])) {
      if (first - at >= frames) break;
      at = first + length;
    }
    if (at + frames > this.#end) throw new ModelError('ENOMEM', `no room for a P2M list of ${nrPages} pages`);
    this.#areas.set(Mfn(at), frames);
    this.#memory.touch(Mfn(at), frames);
    return Mfn(at);
  }

  /** Takes the room of a list that another hypervisor left. It overlaps no other. */
  adopt(first: Mfn, nrPages: number): void {
    this.#areas.set(first, framesFor(nrPages));
  }

  /** Zeroes all room that no list has. */
  clearRest(): void {
    let at = this.#first;
    for (const [first, length] of [...this.#areas, [this.#end, 0] as const].sort((a, b) => a[0] - b[0])) {
      for (; at < first; at++) this.#memory.zero(Mfn(at));
      at = first + length;
    }
  }

  /** How many entries the area at `first` has room for. */
  capacity(first: Mfn): number {
    return ((this.#areas.get(first) ?? 0) * PAGE_SIZE) / 4;
  }

  /** Gives the room of a list back, zeroed. */
  release(first: Mfn): void {
    const frames = this.#areas.get(first);
    assert(frames !== undefined, 'a P2M list is released once');
    this.#areas.delete(first);
    for (let i = 0; i < frames; i++) this.#memory.zero(Mfn(first + i));
  }

  /** The list itself, not a copy. Undefined when a list of `nrPages` at `first` would leave the lists' memory. */
  view(first: Mfn, nrPages: number): Uint32Array | undefined {
    return viewP2m(this.#memory, this.#first, this.#end, first, nrPages);
  }
}

/** A list of `nrPages` entries at `first`; undefined unless it lies in frames `low` … `end` - 1 and has entries. */
export function viewP2m(
  memory: MachineMemory,
  low: number,
  end: number,
  first: Mfn,
  nrPages: number,
): Uint32Array | undefined {
  const frames = framesFor(nrPages);
  if (nrPages < 1 || first < low || first + frames > end) return undefined;
  return memory.words(first, frames).subarray(0, nrPages);
}

/** CRC-32C of a list, as the domain record keeps it. */
export function p2mCrc(list: Uint32Array): number {
  return crc32c(new Uint8Array(list.buffer, list.byteOffset, list.byteLength));
}
