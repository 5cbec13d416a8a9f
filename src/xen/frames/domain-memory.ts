/**
 * A domain's memory as its guest sees it: bounds check, P2M, protection check, machine memory. On
 * the path of every cached read, so there is one lookup and no allocation.
 *
 * A store to a protected frame traps first: the frame loses its provenance and its protection, the
 * guest's processor is charged, then the store happens. A store to a frame that is registered as
 * dirty is refused instead. A kernel that does not expect that dies of it, unless it has opened the
 * page. Here `open` and `close` stand for two hypercalls that change the page-table entry of the
 * kernel's own mapping.
 *
 * A guest holds one such object for life. Its seat says where its pages are; in no domain it has
 * none.
 */

import { InvariantViolation } from '../../base/assert.ts';
import { GuestPanic } from '../../base/errno.ts';
import type { Mfn, Pfn } from '../../base/units.ts';
import type { MachineMemory } from '../../machine/memory.ts';
import type { CpuClock } from '../../sim/cpu-clock.ts';
import type { FrameTable } from './frame-table.ts';
import type { LogDirty } from './log-dirty.ts';
import { NO_FRAME } from './p2m.ts';
import type { GuestMemory } from '../public/guest-memory.ts';

// A constant of this file: see hot-paths 3.
const END_OF_FRAMES = NO_FRAME;

/** What is charged to the guest's processor, in ns. */
export interface MemoryCosts {
  /** A trapped store. */
  readonly trapNs: number;
  /** Opening or closing a page. */
  readonly windowNs: number;
  /** Closing it, besides. */
  readonly sealNs: number;
}

/** What stores go through. */
type Stores = Pick<
  FrameTable,
  'isProtected' | 'refusesStores' | 'stored' | 'isSealed' | 'opened' | 'closed' | 'exposed'
>;

/** Where a guest's pages are while it is in a domain. */
export interface MemoryPlace {
  readonly memory: MachineMemory;
  readonly frames: Stores;
  /** The words of the domain's P2M list, and how many an entry has. */
  readonly words: Uint32Array;
  readonly stride: number;
  readonly memoryCosts: MemoryCosts;
}

/** Where a guest is at the moment. */
export interface MemorySeat {
  /** Undefined while the guest is in no domain. */
  readonly place: MemoryPlace | undefined;
  /** In log-dirty mode. */
  readonly log: LogDirty | undefined;
}

export class DomainMemory implements GuestMemory {
  readonly nrPages: number;
  readonly #cpu: CpuClock;
  readonly #seat: MemorySeat;
  #traps = 0;
  #windows = 0;
  #windowsNs = 0;
  /** The page that is open, or -1. */
  #open = -1;

  constructor(seat: MemorySeat, nrPages: number, cpu: CpuClock) {
    this.#seat = seat;
    this.nrPages = nrPages;
    this.#cpu = cpu;
  }

  /** Pages opened and closed: hypercalls, and what they cost in ns. */
  get windows(): { readonly count: number; readonly ns: number } {
    return { count: this.#windows, ns: this.#windowsNs };
  }

  /** Stores that trapped. */
  get traps(): number {
    return this.#traps;
  }

  readU8(pfn: Pfn, offset: number): number {
    const place = this.#seat.place ?? gone(pfn);
    return place.memory.readU8(readable(place, pfn), offset);
  }

  readU16(pfn: Pfn, offset: number): number {
    const place = this.#seat.place ?? gone(pfn);
    return place.memory.readU16(readable(place, pfn), offset);
  }

  readU32(pfn: Pfn, offset: number): number {
    const place = this.#seat.place ?? gone(pfn);
    return place.memory.readU32(readable(place, pfn), offset);
  }

  skipWords(pfn: Pfn, offset: number, end: number, word: number): number {
    const place = this.#seat.place ?? gone(pfn);
    return place.memory.skipWords(readable(place, pfn), offset, end, word);
  }

  copyOut(pfn: Pfn, offset: number, dst: Uint8Array, dstOffset: number, length: number): void {
    const place = this.#seat.place ?? gone(pfn);
    place.memory.copyOut(readable(place, pfn), offset, dst, dstOffset, length);
  }

  copyIn(pfn: Pfn, offset: number, src: Uint8Array, srcOffset: number, length: number): void {
    const place = this.#seat.place ?? gone(pfn);
    place.memory.copyIn(this.#writable(place, pfn), offset, src, srcOffset, length);
  }

  zero(pfn: Pfn, offset: number, length: number): void {
    const place = this.#seat.place ?? gone(pfn);
    place.memory.zero(this.#writable(place, pfn), offset, length);
  }

  writeU8(pfn: Pfn, offset: number, value: number): void {
    const place = this.#seat.place ?? gone(pfn);
    place.memory.writeU8(this.#writable(place, pfn), offset, value);
  }

  writeU16(pfn: Pfn, offset: number, value: number): void {
    const place = this.#seat.place ?? gone(pfn);
    place.memory.writeU16(this.#writable(place, pfn), offset, value);
  }

  writeU32(pfn: Pfn, offset: number, value: number): void {
    const place = this.#seat.place ?? gone(pfn);
    place.memory.writeU32(this.#writable(place, pfn), offset, value);
  }

  open(pfn: Pfn): void {
    const place = this.#seat.place ?? gone(pfn);
    const mfn = readable(place, pfn);
    if (!place.frames.isSealed(mfn)) return;
    this.#charge(place.memoryCosts.windowNs);
    place.frames.opened(mfn);
    this.#open = pfn;
  }

  close(pfn: Pfn): void {
    if (this.#open !== pfn) return;
    this.#open = -1;
    const place = this.#seat.place ?? gone(pfn);
    this.#charge(place.memoryCosts.windowNs + place.memoryCosts.sealNs);
    place.frames.closed(readable(place, pfn));
  }

  expose(pfn: Pfn): void {
    const place = this.#seat.place ?? gone(pfn);
    const mfn = readable(place, pfn);
    if (!place.frames.isSealed(mfn)) return;
    this.#traps++;
    this.#cpu.charge(place.memoryCosts.trapNs);
    place.frames.exposed(mfn);
  }

  /** Whether a store needs `open` or `expose` first. */
  protected isSealed(pfn: Pfn): boolean {
    const place = this.#seat.place ?? gone(pfn);
    return place.frames.isSealed(readable(place, pfn));
  }

  /** Whether it was opened, and not closed. */
  protected isOpen(pfn: Pfn): boolean {
    return this.#open === pfn;
  }

  #charge(ns: number): void {
    this.#windows++;
    this.#windowsNs += ns;
    this.#cpu.charge(ns);
  }

  #writable(place: MemoryPlace, pfn: Pfn): Mfn {
    const mfn = readable(place, pfn);
    // Rare work is in functions of its own (see hot-paths 7).
    if (place.frames.isProtected(mfn)) this.#trap(place, mfn, pfn);
    if (this.#seat.log !== undefined) this.#logStore(place, pfn);
    return mfn;
  }

  #logStore({ memoryCosts }: MemoryPlace, pfn: Pfn): void {
    if (this.#seat.log?.mark(pfn) !== true) return;
    this.#traps++;
    this.#cpu.charge(memoryCosts.trapNs);
  }

  #trap({ frames, memoryCosts }: MemoryPlace, mfn: Mfn, pfn: Pfn): void {
    if (this.#open === pfn) return;
    this.#traps++;
    this.#cpu.charge(memoryCosts.trapNs);
    if (frames.refusesStores(mfn)) throw new GuestPanic(`store to page ${pfn} of the file cache`);
    frames.stored(mfn);
  }
}

function readable({ words, stride }: MemoryPlace, pfn: Pfn): Mfn {
  const mfn = words[pfn * stride];
  // Neither an entry beyond the list nor one without a frame passes.
  if (!(mfn! < END_OF_FRAMES)) fault(pfn);
  return mfn as Mfn;
}

/** The guest is in no domain. */
function gone(pfn: Pfn): never {
  throw new InvariantViolation(`access to page ${pfn} of a guest that is gone`);
}

/** The guest has no such page, or gave it back: a page fault of its kernel. */
function fault(pfn: Pfn): never {
  throw new GuestPanic(`access to page ${pfn}, which the domain does not have`);
}
