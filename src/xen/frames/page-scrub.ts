/**
 * The scrub list: frames that had an owner and must be zeroed before they get another.
 *
 * Domain 0's processor zeroes them, in pieces of 1 ms. It does one on each timer tick, every 10 ms,
 * even when it has other work. When it has no other work, it does one after the other. What it is
 * asked for meanwhile waits for the end of the piece. A frame is free once it is zeroed. Until then
 * its record says that the hypervisor has it, so no list and no allocator can hand it out.
 *
 * Modelled after Xen 3.0 (page_scrub_softirq, which the timer and the idle loop raise; the frames
 * that came last go first, 16 at a time). Differs in that the processors of the guests do not
 * scrub, and that the tick counts from the first frame that waits.
 */

import { Mfn, Ns, PAGE_SIZE, Pfn } from '../../base/units.ts';
import type { MachineMemory } from '../../machine/memory.ts';
import type { CpuClock } from '../../sim/cpu-clock.ts';
import type { Power } from '../../sim/power.ts';
import { type Process, type Simulation, WaitQueue } from '../../sim/simulation.ts';
import type { XenCosts } from '../costs.ts';
import { OWNER_HYPERVISOR } from './frame-record.ts';
import type { FrameTable } from './frame-table.ts';
import type { FrameAllocator } from './page-alloc.ts';
import type { Protections } from '../protections.ts';

/** Xen's timer ticks 100 times a second. */
const TICK = Ns(10_000_000);
/** "Aim to do 1ms of work": xen/common/page_alloc.c. */
const BUDGET_NS = 1e6;
/** Frames that are taken off the list together; the time is looked at in between. */
const BATCH = 16;

/** What is needed of the hypervisor. */
interface ScrubParts {
  readonly simulation: Simulation;
  readonly power: Power;
  readonly memory: MachineMemory;
  readonly frames: Pick<FrameTable, 'assign' | 'free'>;
  readonly allocator: Pick<FrameAllocator, 'free' | 'freeCount'>;
  readonly domain0Cpu: CpuClock;
  readonly costs: XenCosts;
  readonly protections: Protections;
}

export class PageScrubber {
  readonly #parts: ScrubParts;
  readonly #list: number[] = [];
  readonly #progress = new WaitQueue('frames to be scrubbed');
  #ticking = false;
  #idling = false;

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
    this.#tick();
    this.#idle();
  }

  /** Waits until `count` frames are free, or no more become so. */
  *waitFor(count: number): Process {
    while (this.#parts.allocator.freeCount < count && this.#list.length > 0) yield this.#progress;
  }

  /** Scrubs at the next tick. */
  #tick(): void {
    if (this.#ticking || this.#list.length === 0) return;
    this.#ticking = true;
    this.#parts.power.after(TICK, () => {
      this.#ticking = false;
      this.#scrub();
      this.#tick();
    });
  }

  /** Scrubs when the processor has done what it has to do. */
  #idle(): void {
    if (this.#idling || this.#list.length === 0) return;
    this.#idling = true;
    const { simulation, power, domain0Cpu } = this.#parts;
    power.after(Ns(Math.ceil(domain0Cpu.localNow) - simulation.now), () => {
      // Behind whatever goes on at this instant, since it may have more to do.
      power.after(Ns(0), () => {
        this.#idling = false;
        // What was charged and not settled is work that is to be done as well.
        domain0Cpu.book();
        if (domain0Cpu.localNow === simulation.now) this.#scrub();
        this.#idle();
      });
    });
  }

  #scrub(): void {
    const { memory, frames, allocator, domain0Cpu, costs, protections } = this.#parts;
    let spent = 0;
    do {
      for (const mfn of this.#list.splice(-BATCH)) {
        if (protections.scrub) {
          memory.zero(Mfn(mfn));
          spent += costs.scrubNsPerByte * PAGE_SIZE;
        }
        frames.free(Mfn(mfn));
        allocator.free(Mfn(mfn));
      }
    } while (spent < BUDGET_NS && this.#list.length > 0);
    domain0Cpu.charge(spent);
    domain0Cpu.book();
    this.#progress.wakeAll();
  }
}
