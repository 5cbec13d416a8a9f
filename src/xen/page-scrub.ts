/**
 * The scrub list: frames that belonged to somebody and must be zeroed before anybody gets them.
 *
 * Frames are zeroed on the timer tick, 1 ms of work in every 10 ms, on domain 0's processor; each is free from then on. Until then
 * its record says that the hypervisor has it, so no list and no allocator can hand it out.
 *
 * Modelled after Xen 3.0 (page_scrub_softirq). Differs in that an idle processor does not scrub more than that.
 */

import { Mfn, Ns, PAGE_SIZE, Pfn } from '../base/units.ts';
import type { MachineMemory } from '../machine/memory.ts';
import type { CpuClock } from '../sim/cpu-clock.ts';
import type { Power } from '../sim/power.ts';
import { type Process, WaitQueue } from '../sim/simulation.ts';
import type { XenCosts } from './costs.ts';
import { OWNER_HYPERVISOR } from './frame-record.ts';
import type { FrameTable } from './frame-table.ts';
import type { FrameAllocator } from './page-alloc.ts';
import type { Protections } from './protections.ts';

/** Xen's timer ticks 100 times a second. */
const TICK = Ns(10_000_000);
/** "Aim to do 1ms of work": xen/common/page_alloc.c. */
const BUDGET_NS = 1e6;

/** What is needed of the hypervisor. */
export interface ScrubParts {
  readonly power: Power;
  readonly memory: MachineMemory;
  readonly frames: FrameTable;
  readonly allocator: FrameAllocator;
  readonly domain0Cpu: CpuClock;
  readonly costs: XenCosts;
  readonly protections: Protections;
}

export class PageScrubber {
  readonly #parts: ScrubParts;
  readonly #list: number[] = [];
  readonly #progress = new WaitQueue();
  #ticking = false;

  constructor(parts: ScrubParts) {
    this.#parts = parts;
  }

  /** Frames that wait. */
  get frames(): readonly number[] {
    return this.#list;
  }

  /** Takes a frame from its owner; nothing may reach it any more. */
  add(mfn: Mfn): void {
    const { frames } = this.#parts;
    frames.free(mfn);
    frames.assign(mfn, OWNER_HYPERVISOR, Pfn(0), 0);
    this.#list.push(mfn);
    this.#schedule();
  }

  /** Waits until `count` frames are free, or no more become so. */
  *waitFor(count: number): Process {
    while (this.#parts.allocator.freeCount < count && this.#list.length > 0) yield this.#progress;
  }

  #schedule(): void {
    if (this.#ticking) return;
    this.#ticking = true;
    this.#parts.power.after(TICK, () => {
      this.#ticking = false;
      this.#tick();
    });
  }

  #tick(): void {
    const { memory, frames, allocator, domain0Cpu, costs, protections } = this.#parts;
    const frameNs = costs.scrubNsPerByte * PAGE_SIZE;
    const most = Math.max(1, Math.floor(BUDGET_NS / frameNs));
    let spent = 0;
    for (const mfn of this.#list.splice(0, most)) {
      if (protections.scrub) {
        memory.zero(Mfn(mfn));
        spent += frameNs;
      }
      frames.free(Mfn(mfn));
      allocator.free(Mfn(mfn));
    }
    domain0Cpu.charge(spent);
    domain0Cpu.book();
    this.#progress.wakeAll();
    if (this.#list.length > 0) this.#schedule();
  }
}
