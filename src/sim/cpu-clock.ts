/**
 * A processor, used by one process at a time. Code of the model takes no virtual time by itself:
 * its cost is charged here, and paid before the process waits for anything else.
 *
 * `charge` adds to the debt of the process that runs now (between two yields only one runs, so the
 * debt is its own). `settle` books the debt on the processor, behind earlier bookings, and sleeps
 * until the work is done. So processes share a processor in turns: first come, first served,
 * without preemption.
 */

import { Ns } from '../base/units.ts';
import type { Process, Simulation } from './simulation.ts';

/** The most that a process should owe before it settles, so that others see time pass: 100 µs. */
export const DEBT_LIMIT: Ns = Ns(100_000);

/** Longest slice of long work: 1 ms. */
const SLICE: Ns = Ns(1_000_000);

export class CpuClock {
  readonly #simulation: Simulation;
  #debt = 0;
  #freeAt = 0;
  #busy = 0;

  constructor(simulation: Simulation) {
    this.#simulation = simulation;
  }

  /** The present instant, without what the running process owes. */
  get now(): Ns {
    return this.#simulation.now;
  }

  /** Nanoseconds charged since the start. */
  get busy(): Ns {
    return Ns(this.#busy);
  }

  /** Nanoseconds charged and not yet paid. */
  get debt(): Ns {
    return Ns(this.#debt);
  }

  /**
   * The instant at which the present debt would be paid, for time stamps between two settlements.
   */
  get localNow(): Ns {
    return Ns(Math.max(this.#simulation.now, this.#freeAt) + this.#debt);
  }

  /** @internal Adds a cost in ns (>= 0, rounded when settled). */
  charge(cost: number): void {
    this.#debt += cost;
  }

  /** Whether the process owes so much that it should settle. */
  get isDue(): boolean {
    return this.#debt >= DEBT_LIMIT;
  }

  /**
   * Pays the debt: sleeps until the processor has done the work. Without debt it does not yield.
   */
  *settle(): Process {
    const wait = this.book();
    if (wait > 0) yield wait;
  }

  /** @internal Works for `ns` in slices, so that others of this processor run in between. */
  *work(ns: number): Process {
    for (let rest = ns; rest > 0; rest -= SLICE) {
      this.charge(Math.min(rest, SLICE));
      // Not `settle`: see hot-paths 6.
      const wait = this.book();
      if (wait > 0) yield wait;
    }
  }

  /**
   * @internal Books the debt without sleeping (for work in interrupt context) and returns how long
   * from now it lasts.
   */
  book(): Ns {
    if (this.#debt === 0) return Ns(0);
    const cost = Math.round(this.#debt);
    this.#debt = 0;
    this.#busy += cost;
    const now = this.#simulation.now;
    this.#freeAt = Math.max(now, this.#freeAt) + cost;
    return Ns(this.#freeAt - now);
  }
}
