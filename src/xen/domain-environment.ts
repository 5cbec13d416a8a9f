/**
 * What a domain gives its guest: time, processor, memory, hypercalls and the store. Every call checks that the domain
 * still runs, and throws InvariantViolation when it does not; every hypercall charges the guest's processor.
 */

import { ModelError } from '../base/errno.ts';
import { DOM0, type DomId, type EvtchnPort, Ns } from '../base/units.ts';
import type { CpuClock } from '../sim/cpu-clock.ts';
import type { RandomStream } from '../sim/random.ts';
import type { Gate, Process, Task } from '../sim/simulation.ts';
import type { CacheMap } from './cache-map.ts';
import type { DomainMemory } from './domain-memory.ts';
import type { EventPorts } from './event-channel.ts';
import type { Hypervisor } from './hypervisor.ts';
import type { CacheMapBatch } from './public/cache-map-op.ts';
import type { GuestEnvironment, Hypercalls, ShutdownReason } from './public/environment.ts';
import type { EventChannelOp, EvtchnStatus, Virq } from './public/event-channel.ts';
import type { XenstoreClient } from './public/xenbus.ts';
import { homeOf } from './xenstore.ts';

/** The domain behind an environment. */
export interface EnvironmentOwner {
  readonly domid: DomId;
  readonly name: string;
  readonly cacheMap: CacheMap;
  readonly events: EventPorts;
  /** @throws InvariantViolation unless the domain runs */
  assertRunning(): void;
  readonly isRunning: boolean;
  /** What the guest does passes through here. */
  readonly gate: Gate;
  /** Runs something on the guest's processor, when it is not paused; never when the domain is gone by then. */
  interrupt(action: () => void): void;
  /** A task of the guest, which ends with the domain. */
  adopt(task: Task): void;
  setCallback(callback: () => void): void;
  decreaseReservation(pfns: ArrayLike<number>): number;
  increaseReservation(pfns: ArrayLike<number>): number;
  shutdown(reason: ShutdownReason): void;
}

export class DomainEnvironment implements GuestEnvironment {
  readonly #hypervisor: Hypervisor;
  readonly #domain: EnvironmentOwner;
  readonly #cpu: CpuClock;
  readonly #memory: DomainMemory;
  readonly #hypercalls: DomainHypercalls;
  readonly #xenstore: DomainXenstore;
  readonly #seedName: string;

  constructor(hypervisor: Hypervisor, domain: EnvironmentOwner, cpu: CpuClock, memory: DomainMemory, seedName: string) {
    this.#hypervisor = hypervisor;
    this.#domain = domain;
    this.#cpu = cpu;
    this.#memory = memory;
    this.#hypercalls = new DomainHypercalls(hypervisor, domain, cpu);
    this.#xenstore = new DomainXenstore(hypervisor, domain, cpu);
    this.#seedName = seedName;
  }

  /** Hypercalls so far, and what they cost the guest's processor in ns. */
  get hypercallStats(): { readonly count: number; readonly ns: number } {
    return { count: this.#hypercalls.count, ns: this.#hypercalls.ns };
  }

  get now(): Ns {
    this.#domain.assertRunning();
    return this.#hypervisor.simulation.now;
  }

  get cpu(): CpuClock {
    this.#domain.assertRunning();
    return this.#cpu;
  }

  get memory(): DomainMemory {
    this.#domain.assertRunning();
    return this.#memory;
  }

  get hypercalls(): Hypercalls {
    this.#domain.assertRunning();
    return this.#hypercalls;
  }

  get xenstore(): XenstoreClient {
    this.#domain.assertRunning();
    return this.#xenstore;
  }

  spawn<T>(name: string, process: Process<T>): Task<T> {
    this.#domain.assertRunning();
    const task = this.#hypervisor.simulation.spawn(`${this.#domain.name}/${name}`, process, this.#domain.gate);
    this.#domain.adopt(task);
    return task;
  }

  after(delay: Ns, action: () => void): void {
    this.#domain.assertRunning();
    this.#hypervisor.simulation.after(delay, () => {
      this.#domain.interrupt(action);
    });
  }

  random(name: string): RandomStream {
    this.#domain.assertRunning();
    return this.#hypervisor.simulation.random.stream(`${this.#seedName}/${name}`);
  }
}

class DomainHypercalls implements Hypercalls {
  readonly eventChannels: EventChannelOp;
  readonly #hypervisor: Hypervisor;
  readonly #domain: EnvironmentOwner;
  readonly #cpu: CpuClock;
  #count = 0;
  #ns = 0;

  constructor(hypervisor: Hypervisor, domain: EnvironmentOwner, cpu: CpuClock) {
    this.#hypervisor = hypervisor;
    this.#domain = domain;
    this.#cpu = cpu;
    this.eventChannels = this.#eventChannelOp();
  }

  get count(): number {
    return this.#count;
  }

  get ns(): number {
    return this.#ns;
  }

  cacheMapOp(batch: CacheMapBatch): void {
    this.#enter(0);
    this.#charge(this.#domain.cacheMap.perform(batch));
  }

  setCallback(callback: () => void): void {
    this.#enter(0);
    this.#domain.setCallback(callback);
  }

  decreaseReservation(pfns: ArrayLike<number>): number {
    this.#enter(this.#hypervisor.costs.frameAllocNs * pfns.length);
    return this.#domain.decreaseReservation(pfns);
  }

  increaseReservation(pfns: ArrayLike<number>): number {
    this.#enter(this.#hypervisor.costs.frameAllocNs * pfns.length);
    return this.#domain.increaseReservation(pfns);
  }

  shutdown(reason: ShutdownReason): void {
    this.#enter(0);
    this.#domain.shutdown(reason);
  }

  #eventChannelOp(): EventChannelOp {
    const ports = (workNs = 0): EventPorts => {
      this.#enter(workNs);
      return this.#domain.events;
    };
    return {
      allocUnbound: (remote: DomId): EvtchnPort => ports().allocUnbound(remote),
      bindInterdomain: (remote: DomId, port: EvtchnPort): EvtchnPort => ports().bindInterdomain(remote, port),
      bindVirq: (virq: Virq): EvtchnPort => ports().bindVirq(virq),
      bindIpi: (): EvtchnPort => ports().bindIpi(),
      close: (port: EvtchnPort): void => {
        ports().close(port);
      },
      send: (port: EvtchnPort): void => {
        ports(this.#hypervisor.costs.eventSendNs).send(port);
      },
      status: (port: EvtchnPort): EvtchnStatus => ports().status(port),
    };
  }

  #enter(workNs: number): void {
    this.#domain.assertRunning();
    this.#count++;
    this.#charge(this.#hypervisor.costs.hypercallNs + workNs);
  }

  #charge(ns: number): void {
    this.#ns += ns;
    this.#cpu.charge(ns);
  }
}

/**
 * The guest's way to the store: an event to domain 0 and one back for each request. A guest may read what is its own
 * and its back-end's, and write below its own `device` and `control`. What the store itself does is in domainBuildNs.
 */
class DomainXenstore implements XenstoreClient {
  readonly #hypervisor: Hypervisor;
  readonly #domain: EnvironmentOwner;
  readonly #cpu: CpuClock;

  constructor(hypervisor: Hypervisor, domain: EnvironmentOwner, cpu: CpuClock) {
    this.#hypervisor = hypervisor;
    this.#domain = domain;
    this.#cpu = cpu;
  }

  *read(path: string): Process<string | undefined> {
    const whole = this.#readable(path);
    yield* this.#message();
    const value = this.#hypervisor.xenstore.read(whole);
    yield this.#latency;
    return value;
  }

  *write(path: string, value: string): Process {
    const whole = this.#resolve(path);
    const home = homeOf(this.#domain.domid);
    if (!['device', 'control'].some((own) => whole.startsWith(`${home}/${own}/`)))
      throw new ModelError('EACCES', `${this.#domain.name} may not write ${whole}`);
    yield* this.#message();
    this.#hypervisor.xenstore.write(whole, value);
    yield this.#latency;
  }

  *watch(path: string, fire: () => void): Process {
    const whole = this.#readable(path);
    yield* this.#message();
    const unwatch = this.#hypervisor.xenstore.watch(whole, () => {
      if (this.#domain.isRunning) this.#domain.interrupt(fire);
      else unwatch();
    });
    yield this.#latency;
  }

  /** Sends a message; domain 0 has it when this returns. */
  *#message(): Process {
    this.#domain.assertRunning();
    const { hypercallNs, eventSendNs } = this.#hypervisor.costs;
    this.#cpu.charge(hypercallNs + eventSendNs);
    yield* this.#cpu.settle();
    yield this.#latency;
  }

  get #latency(): Ns {
    return Ns(Math.round(this.#hypervisor.costs.domainSwitchNs));
  }

  #resolve(path: string): string {
    return path.startsWith('/') ? path : `${homeOf(this.#domain.domid)}/${path}`;
  }

  #readable(path: string): string {
    const whole = this.#resolve(path);
    const { domid } = this.#domain;
    if (whole.startsWith(`${homeOf(domid)}/`) || whole.startsWith(`${homeOf(DOM0)}/backend/vbd/${domid}/`))
      return whole;
    throw new ModelError('EACCES', `${this.#domain.name} may not read ${whole}`);
  }
}
