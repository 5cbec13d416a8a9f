/**
 * A domain's memory as its guest sees it: bounds check, P2M, protection check, machine memory. On the path of every cached
 * read, so there is one lookup and no allocation.
 *
 * A store to a protected frame traps first: the frame loses its provenance and its protection, the guest's processor is
 * charged, then the store happens. A store to a frame that is registered as dirty is refused instead, which is the end of a
 * kernel that does not expect it, unless the kernel has opened the page: `open` and `close` stand for two hypercalls that
 * change the page-table entry of the kernel's own mapping. Revocation replaces the P2M list by an empty one: no page passes
 * the bounds check. A guest that was frozen keeps this object, which is attached to the memory that it is resumed on.
 */

import { assert, InvariantViolation } from '../../base/assert.ts';
import { GuestPanic } from '../../base/errno.ts';
import type { Mfn, Pfn } from '../../base/units.ts';
import type { MachineMemory } from '../../machine/memory.ts';
import type { CpuClock } from '../../sim/cpu-clock.ts';
import type { FrameTable } from './frame-table.ts';
import type { LogDirty } from './log-dirty.ts';
import { NO_FRAME, type P2mList } from './p2m.ts';
import type { GuestMemory } from '../public/guest-memory.ts';

/** As a constant of this file: one of another module is loaded, and checked, each time it is named. */
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

export class DomainMemory implements GuestMemory {
  readonly nrPages: number;
  readonly #cpu: CpuClock;
  #memory: MachineMemory;
  #frames: FrameTable;
  #costs: MemoryCosts;
  /** The P2M list, and the words of an entry. */
  #p2m: Uint32Array;
  #stride: number;
  #traps = 0;
  #windows = 0;
  #windowsNs = 0;
  /** The page that is open, or -1. */
  #open = -1;
  /** In log-dirty mode. */
  #log: LogDirty | undefined;

  constructor(memory: MachineMemory, frames: FrameTable, p2m: P2mList, cpu: CpuClock, costs: MemoryCosts) {
    this.nrPages = p2m.length;
    this.#memory = memory;
    this.#frames = frames;
    this.#p2m = p2m.words;
    this.#stride = p2m.stride;
    this.#cpu = cpu;
    this.#costs = costs;
  }

  /** The guest goes on, on frames of a hypervisor that may be another one, in as many pages as it had. */
  attach(memory: MachineMemory, frames: FrameTable, p2m: P2mList, costs: MemoryCosts): void {
    assert(p2m.length === this.nrPages, 'a guest is resumed with the pages it had');
    this.#memory = memory;
    this.#frames = frames;
    this.#p2m = p2m.words;
    this.#stride = p2m.stride;
    this.#costs = costs;
    this.#log = undefined;
  }

  /** From now on stores are told to `log`; to nobody when it is undefined. */
  logDirty(log: LogDirty | undefined): void {
    this.#log = log;
  }

  /** Pages opened and closed: hypercalls, and what they cost in ns. */
  get windows(): { readonly count: number; readonly ns: number } {
    return { count: this.#windows, ns: this.#windowsNs };
  }

  /** Stores that trapped. */
  get traps(): number {
    return this.#traps;
  }

  /** From now on every access throws InvariantViolation. */
  revoke(): void {
    this.#p2m = new Uint32Array(0);
  }

  readU8(pfn: Pfn, offset: number): number {
    return this.#memory.readU8(this.#readable(pfn), offset);
  }

  readU16(pfn: Pfn, offset: number): number {
    return this.#memory.readU16(this.#readable(pfn), offset);
  }

  readU32(pfn: Pfn, offset: number): number {
    return this.#memory.readU32(this.#readable(pfn), offset);
  }

  copyOut(pfn: Pfn, offset: number, dst: Uint8Array, dstOffset: number, length: number): void {
    this.#memory.copyOut(this.#readable(pfn), offset, dst, dstOffset, length);
  }

  copyIn(pfn: Pfn, offset: number, src: Uint8Array, srcOffset: number, length: number): void {
    this.#memory.copyIn(this.#writable(pfn), offset, src, srcOffset, length);
  }

  zero(pfn: Pfn, offset: number, length: number): void {
    this.#memory.zero(this.#writable(pfn), offset, length);
  }

  writeU8(pfn: Pfn, offset: number, value: number): void {
    this.#memory.writeU8(this.#writable(pfn), offset, value);
  }

  writeU16(pfn: Pfn, offset: number, value: number): void {
    this.#memory.writeU16(this.#writable(pfn), offset, value);
  }

  writeU32(pfn: Pfn, offset: number, value: number): void {
    this.#memory.writeU32(this.#writable(pfn), offset, value);
  }

  open(pfn: Pfn): void {
    const mfn = this.#readable(pfn);
    if (!this.#frames.isSealed(mfn)) return;
    this.#charge(this.#costs.windowNs);
    this.#frames.opened(mfn);
    this.#open = pfn;
  }

  close(pfn: Pfn): void {
    if (this.#open !== pfn) return;
    this.#open = -1;
    this.#charge(this.#costs.windowNs + this.#costs.sealNs);
    this.#frames.closed(this.#readable(pfn));
  }

  expose(pfn: Pfn): void {
    const mfn = this.#readable(pfn);
    if (!this.#frames.isSealed(mfn)) return;
    this.#traps++;
    this.#cpu.charge(this.#costs.trapNs);
    this.#frames.exposed(mfn);
  }

  #charge(ns: number): void {
    this.#windows++;
    this.#windowsNs += ns;
    this.#cpu.charge(ns);
  }

  #readable(pfn: Pfn): Mfn {
    const mfn = this.#p2m[pfn * this.#stride];
    // Neither an entry beyond the list nor one without a frame passes.
    if (!(mfn! < END_OF_FRAMES)) this.#fault(pfn);
    return mfn as Mfn;
  }

  #writable(pfn: Pfn): Mfn {
    const mfn = this.#readable(pfn);
    if (this.#frames.isProtected(mfn) && this.#open !== pfn) this.#trap(mfn, pfn);
    if (this.#log !== undefined) this.#logStore(this.#log, pfn);
    return mfn;
  }

  /** The guest has no such page, or gave it back: a page fault of its kernel. */
  #fault(pfn: Pfn): never {
    if (this.#p2m.length === 0) throw new InvariantViolation(`access to page ${pfn} of a guest that is gone`);
    throw new GuestPanic(`access to page ${pfn}, which the domain does not have`);
  }

  #logStore(log: LogDirty, pfn: Pfn): void {
    if (!log.mark(pfn)) return;
    this.#traps++;
    this.#cpu.charge(this.#costs.trapNs);
  }

  #trap(mfn: Mfn, pfn: Pfn): void {
    this.#traps++;
    this.#cpu.charge(this.#costs.trapNs);
    if (this.#frames.refusesStores(mfn)) throw new GuestPanic(`store to page ${pfn} of the file cache`);
    this.#frames.stored(mfn);
  }
}
