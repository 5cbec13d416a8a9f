/**
 * What a domain gives its guest: time, processor, memory, hypercalls and the store. Every call
 * checks that the guest is in a domain (seat.ts), and throws ArgumentError when it is not; every
 * hypercall charges the guest's processor.
 *
 * It is the guest's end of the virtual machine. When a guest is frozen, this object and the guest's
 * tasks and timers stand for the contents of its frames. A guest that is resumed has the same
 * environment, in another domain object, perhaps of another hypervisor.
 */

import { assert } from '../../base/assert.ts';
import { GuestPanic } from '../../base/errno.ts';
import { type Ns } from '../../base/units.ts';
import { CpuClock } from '../../sim/cpu-clock.ts';
import type { Token } from '../../sim/frozen.ts';
import { Power } from '../../sim/power.ts';
import type { RandomStream } from '../../sim/random.ts';
import type { Process, Simulation, Task } from '../../sim/simulation.ts';
import type { StepObserver } from '../../sim/steps.ts';
import { DomainMemory } from '../frames/domain-memory.ts';
import type { LogDirty } from '../frames/log-dirty.ts';
import { SteppedDomainMemory } from '../frames/stepped-domain-memory.ts';
import type { GuestEnvironment, Hypercalls } from '../public/environment.ts';
import type { XenstoreClient } from '../public/xenbus.ts';
import { DomainHypercalls } from './hypercalls.ts';
import { type GuestPlace, Seat } from './seat.ts';
import { StoreClient } from './store-client.ts';

/** How long a guest has a processor before the next one has: 10 ms, the scheduler's tick. */
const TURN_NS = 10_000_000;

export class DomainEnvironment implements GuestEnvironment {
  /** The guest's processor: what it has begun. */
  readonly power: Power;
  readonly #simulation: Simulation;
  readonly #seat = new Seat();
  readonly #cpu: CpuClock;
  readonly #memory: DomainMemory;
  readonly #hypercalls: DomainHypercalls;
  readonly #store: StoreClient;
  readonly #seedName: string;

  /**
   * Of a new guest, which is in no domain yet.
   * @param nrPages pages that the guest counts on
   * @param seedName prefix of the names of its random streams
   * @param steps is told which stores are the guest's, if there is one
   */
  constructor(simulation: Simulation, nrPages: number, seedName: string, steps?: StepObserver) {
    this.power = new Power(simulation, (error) => {
      const domain = this.#seat.place?.domain;
      if (!(error instanceof GuestPanic) || domain === undefined) return false;
      domain.panicked(error.message);
      return true;
    });
    this.#simulation = simulation;
    this.#cpu = new CpuClock(simulation);
    this.#memory =
      steps === undefined
        ? new DomainMemory(this.#seat, nrPages, this.#cpu)
        : new SteppedDomainMemory(this.#seat, nrPages, this.#cpu, steps);
    this.#hypercalls = new DomainHypercalls(this.#seat, this.#cpu);
    this.#store = new StoreClient(this.#seat, this.#cpu, this.power);
    this.#seedName = seedName;
  }

  /** A domain takes the guest in. */
  enter(place: GuestPlace): void {
    assert(place.words.length === this.nrPages * place.stride, 'a guest is resumed with the pages it had');
    this.#seat.enter(place);
    this.power.resume();
  }

  /** The guest is in no domain any more: every use of this object throws. */
  leave(): void {
    this.#seat.leave();
  }

  /** Freezes the guest. The holder of the token thaws it. */
  freeze(): Token {
    return this.#simulation.frozen.freeze(this);
  }

  /**
   * From now on the guest's stores are told to `log`; no longer when it is undefined. Ends when the
   * guest leaves.
   */
  logDirty(log: LogDirty | undefined): void {
    this.#seat.log = log;
  }

  /** Runs the guest's callback after a delay if an upcall is due then. */
  upcallAfter(delay: Ns, isDue: () => boolean): void {
    this.power.after(delay, () => {
      if (isDue()) this.#hypercalls.callback?.();
    });
  }

  /** Pages that the guest counts on. */
  get nrPages(): number {
    return this.#memory.nrPages;
  }

  /** Stores that trapped. */
  get traps(): number {
    return this.#memory.traps;
  }

  /** Hypercalls so far, and what they cost the guest's processor in ns. */
  get hypercallStats(): { readonly count: number; readonly ns: number } {
    const { windows } = this.#memory;
    return { count: this.#hypercalls.count + windows.count, ns: this.#hypercalls.ns + windows.ns };
  }

  get now(): Ns {
    this.#place();
    return this.#simulation.now;
  }

  get cpu(): CpuClock {
    this.#place();
    return this.#cpu;
  }

  get memory(): DomainMemory {
    this.#place();
    return this.#memory;
  }

  get hypercalls(): Hypercalls {
    this.#place();
    return this.#hypercalls;
  }

  get xenstore(): XenstoreClient {
    this.#place();
    return this.#store;
  }

  *compute(duration: Ns): Process {
    for (let rest = duration as number; rest > 0; rest -= TURN_NS) {
      const processor = this.#place().hypervisor.nextProcessor();
      processor.charge(Math.min(rest, TURN_NS));
      // Not `settle`: see hot-paths 6.
      const wait = processor.book();
      if (wait > 0) yield wait;
    }
  }

  spawn<T>(name: string, process: Process<T>): Task<T> {
    return this.power.spawn(`${this.#place().domain.name}/${name}`, process);
  }

  after(delay: Ns, action: () => void): void {
    this.#place();
    this.power.after(delay, action);
  }

  random(name: string): RandomStream {
    this.#place();
    return this.#simulation.random.stream(`${this.#seedName}/${name}`);
  }

  /** @throws ArgumentError when the guest is in no domain */
  #place(): GuestPlace {
    return this.#seat.lent;
  }
}
