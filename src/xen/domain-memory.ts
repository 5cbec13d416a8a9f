/**
 * A domain's memory as its guest sees it: bounds check, P2M, protection check, machine memory. On the path of every cached
 * read, so there is one lookup and no allocation.
 *
 * A store to a protected frame traps first: the frame loses its provenance and its protection, the guest's processor is
 * charged, then the store happens. Revocation replaces the P2M list by an empty one: no page passes the bounds check. A
 * guest that was frozen keeps this object, which is attached to the memory that it is resumed on.
 */

import { assert, InvariantViolation } from '../base/assert.ts';
import { Mfn, type Pfn } from '../base/units.ts';
import type { MachineMemory } from '../machine/memory.ts';
import type { CpuClock } from '../sim/cpu-clock.ts';
import type { FrameTable } from './frame-table.ts';
import type { GuestMemory } from './public/guest-memory.ts';

export class DomainMemory implements GuestMemory {
  readonly nrPages: number;
  readonly #cpu: CpuClock;
  #memory: MachineMemory;
  #frames: FrameTable;
  #trapNs: number;
  #p2m: Uint32Array;
  #traps = 0;

  /** @param trapNs what a trapped store costs */
  constructor(memory: MachineMemory, frames: FrameTable, p2m: Uint32Array, cpu: CpuClock, trapNs: number) {
    this.nrPages = p2m.length;
    this.#memory = memory;
    this.#frames = frames;
    this.#p2m = p2m;
    this.#cpu = cpu;
    this.#trapNs = trapNs;
  }

  /** The guest goes on, on frames of a hypervisor that may be another one, in as many pages as it had. */
  attach(memory: MachineMemory, frames: FrameTable, p2m: Uint32Array, trapNs: number): void {
    assert(p2m.length === this.nrPages, 'a guest is resumed with the pages it had');
    this.#memory = memory;
    this.#frames = frames;
    this.#p2m = p2m;
    this.#trapNs = trapNs;
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

  #readable(pfn: Pfn): Mfn {
    const mfn = this.#p2m[pfn];
    if (mfn === undefined) throw new InvariantViolation(`access to page ${pfn}, which the domain does not have`);
    return Mfn(mfn);
  }

  #writable(pfn: Pfn): Mfn {
    const mfn = this.#readable(pfn);
    if (this.#frames.isProtected(mfn)) this.#trap(mfn);
    return mfn;
  }

  #trap(mfn: Mfn): void {
    this.#traps++;
    this.#cpu.charge(this.#trapNs);
    this.#frames.stored(mfn);
  }
}
