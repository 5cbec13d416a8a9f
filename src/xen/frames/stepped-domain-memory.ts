/**
 * A domain's memory whose guest is watched. An observer of steps is told which stores are the
 * guest's own. It is also told of the calls that open and close a page.
 */

import type { Pfn } from '../../base/units.ts';
import type { CpuClock } from '../../sim/cpu-clock.ts';
import type { StepObserver } from '../../sim/steps.ts';
import { DomainMemory, type MemorySeat } from './domain-memory.ts';

export class SteppedDomainMemory extends DomainMemory {
  readonly #steps: StepObserver;

  constructor(seat: MemorySeat, nrPages: number, cpu: CpuClock, steps: StepObserver) {
    super(seat, nrPages, cpu);
    this.#steps = steps;
  }

  override copyIn(pfn: Pfn, offset: number, src: Uint8Array, srcOffset: number, length: number): void {
    this.#byGuest(() => {
      super.copyIn(pfn, offset, src, srcOffset, length);
    });
  }

  override zero(pfn: Pfn, offset: number, length: number): void {
    this.#byGuest(() => {
      super.zero(pfn, offset, length);
    });
  }

  override writeU8(pfn: Pfn, offset: number, value: number): void {
    this.#byGuest(() => {
      super.writeU8(pfn, offset, value);
    });
  }

  override writeU16(pfn: Pfn, offset: number, value: number): void {
    this.#byGuest(() => {
      super.writeU16(pfn, offset, value);
    });
  }

  override writeU32(pfn: Pfn, offset: number, value: number): void {
    this.#byGuest(() => {
      super.writeU32(pfn, offset, value);
    });
  }

  override open(pfn: Pfn): void {
    this.#call('open', pfn);
    super.open(pfn);
  }

  override close(pfn: Pfn): void {
    this.#call('close', pfn);
    super.close(pfn);
  }

  override expose(pfn: Pfn): void {
    this.#call('expose', pfn);
    super.expose(pfn);
  }

  /** A call that changes a page of the guest's own mapping: none where the page is not sealed. */
  #call(what: string, pfn: Pfn): void {
    if (what === 'close' ? this.isOpen(pfn) : this.isSealed(pfn)) this.#steps.before('hypercall', what, pfn, 0);
  }

  #byGuest(store: () => void): void {
    this.#steps.byGuest = true;
    try {
      store();
    } finally {
      this.#steps.byGuest = false;
    }
  }
}
