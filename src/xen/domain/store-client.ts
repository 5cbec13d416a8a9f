/**
 * A guest's way to the store: an event to domain 0 and one back for each request. The answer comes
 * when the store has served it. What it allows is in store-connection.ts.
 */

import { ModelError } from '../../base/errno.ts';
import { Ns } from '../../base/units.ts';
import type { CpuClock } from '../../sim/cpu-clock.ts';
import type { Power } from '../../sim/power.ts';
import type { Process } from '../../sim/simulation.ts';
import type { XenstoreClient } from '../public/xenbus.ts';
import type { Seat } from './seat.ts';

export class StoreClient implements XenstoreClient {
  readonly #seat: Seat;
  readonly #cpu: CpuClock;
  readonly #power: Power;

  constructor(seat: Seat, cpu: CpuClock, power: Power) {
    this.#seat = seat;
    this.#cpu = cpu;
    this.#power = power;
  }

  *read(path: string): Process<string | undefined> {
    const whole = this.#seat.lent.store.readable(path);
    yield* this.#message();
    const value = this.#seat.lent.store.read(whole);
    yield this.#answer;
    return value;
  }

  *write(path: string, value: string): Process {
    const whole = this.#seat.lent.store.writable(path, value);
    yield* this.#message();
    // The domain may have got another number meanwhile, and with it another home.
    this.#seat.lent.store.write(whole, value);
    yield this.#answer;
  }

  *watch(path: string, fire: () => void): Process {
    const whole = this.#seat.lent.store.readable(path);
    if (typeof fire !== 'function') throw new ModelError('EINVAL', 'a watch that is not a function');
    yield* this.#message();
    const place = this.#seat.lent;
    const unwatch = place.store.watch(whole, () => {
      if (this.#seat.place === place) this.#power.run(fire);
      else unwatch();
    });
    yield this.#answer;
  }

  /**
   * Sends a message; domain 0 has it when this returns. If domain 0 has gone meanwhile, the next
   * one has it.
   */
  *#message(): Process {
    const { hypercallNs, eventSendNs } = this.#seat.lent.hypervisor.costs;
    this.#cpu.charge(hypercallNs + eventSendNs);
    yield* this.#cpu.settle();
    yield this.#latency;
    while (!this.#seat.lent.store.isServing) yield this.#seat.entered;
  }

  /** How long it takes until a request that was just sent is answered. */
  get #answer(): Ns {
    return Ns(this.#seat.lent.store.backlog + this.#latency);
  }

  get #latency(): Ns {
    return Ns(Math.round(this.#seat.lent.hypervisor.costs.domainSwitchNs));
  }
}
