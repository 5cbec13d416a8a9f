/**
 * What a domain gives its guest: time, processor, memory, hypercalls and the store. Every call checks that the domain
 * still runs, and throws InvariantViolation when it does not; every hypercall charges the guest's processor.
 *
 * It is the guest's end of the virtual machine: what of a guest that is frozen stands for the contents of its frames, its
 * tasks and timers with it. A guest that is resumed has the same environment, attached to another domain object, perhaps
 * of another hypervisor.
 */

import { GuestPanic, ModelError } from '../../base/errno.ts';
import { type DomId, type EvtchnPort, Ns, PAGE_SIZE } from '../../base/units.ts';
import { CpuClock } from '../../sim/cpu-clock.ts';
import { Power } from '../../sim/power.ts';
import type { RandomStream } from '../../sim/random.ts';
import { type Process, type Simulation, type Task, WaitQueue } from '../../sim/simulation.ts';
import type { CacheMap } from '../frames/cache-map.ts';
import { DomainMemory, type MemoryCosts } from '../frames/domain-memory.ts';
import type { EventPorts } from '../channels/event-channel.ts';
import type { Hypervisor } from '../core/hypervisor.ts';
import type { LogDirty } from '../frames/log-dirty.ts';
import type { P2mList } from '../frames/p2m.ts';
import { type CacheMapBatch, ENTRY_WORDS } from '../public/cache-map-op.ts';
import type { GuestEnvironment, Hypercalls, RecoveryBoxOp, ShutdownReason } from '../public/environment.ts';
import type { EventChannelOp, EvtchnStatus, Virq } from '../public/event-channel.ts';
import type { XenstoreClient } from '../public/xenbus.ts';
import { backendsOf } from '../devices/xenbus-backend.ts';
import { homeOf } from '../channels/xenstore.ts';

/** The domain behind an environment. */
export interface EnvironmentOwner {
  readonly domid: DomId;
  readonly name: string;
  readonly cacheMap: CacheMap;
  readonly recoveryBox: RecoveryBoxOp;
  readonly events: EventPorts;
  /** @throws InvariantViolation unless the domain runs */
  assertRunning(): void;
  readonly isRunning: boolean;
  decreaseReservation(pfns: ArrayLike<number>): number;
  increaseReservation(pfns: ArrayLike<number>): number;
  shutdown(reason: ShutdownReason): void;
  /** The guest has given up, or did what its machine cannot. */
  panicked(message: string): void;
  /** Freezes the guest. */
  suspend(registers: Uint32Array): void;
  /** What the registers hold that were saved when it was frozen. */
  readonly registers: Uint32Array;
}

/** XENSTORE_PAYLOAD_MAX: bytes of a message. */
const STORE_PAYLOAD_MAX = 4096;
/** quota_nb_entry_per_domain and quota_nb_watch_per_domain of xenstored. */
const STORE_ENTRIES_MAX = 1000;
const STORE_WATCHES_MAX = 128;

/** How long a guest has a processor before the next one has: 10 ms, the scheduler's tick. */
const TURN_NS = 10_000_000;

export class DomainEnvironment implements GuestEnvironment {
  /** The guest's processor: what it has begun. */
  readonly power: Power;
  readonly #simulation: Simulation;
  readonly #cpu: CpuClock;
  readonly #memory: DomainMemory;
  readonly #hypercalls: DomainHypercalls;
  readonly #xenstore: DomainXenstore;
  readonly #seedName: string;
  #hypervisor: Hypervisor;
  #domain: EnvironmentOwner;

  constructor(hypervisor: Hypervisor, domain: EnvironmentOwner, p2m: P2mList, seedName: string) {
    const { simulation, memory, frames } = hypervisor;
    this.power = new Power(simulation, (error) => {
      if (!(error instanceof GuestPanic) || !this.#domain.isRunning) return false;
      this.#domain.panicked(error.message);
      return true;
    });
    this.#simulation = simulation;
    this.#hypervisor = hypervisor;
    this.#domain = domain;
    this.#cpu = new CpuClock(simulation);
    this.#memory = new DomainMemory(memory, frames, p2m, this.#cpu, memoryCosts(hypervisor));
    this.#hypercalls = new DomainHypercalls(hypervisor, domain, this.#cpu);
    this.#xenstore = new DomainXenstore(hypervisor, domain, this.#cpu, this.power);
    this.#seedName = seedName;
  }

  /** The guest goes on in another domain. */
  attach(hypervisor: Hypervisor, domain: EnvironmentOwner, p2m: P2mList): void {
    this.#hypervisor = hypervisor;
    this.#domain = domain;
    this.#memory.attach(hypervisor.memory, hypervisor.frames, p2m, memoryCosts(hypervisor));
    this.#hypercalls.attach(hypervisor, domain);
    this.#xenstore.attach(hypervisor, domain);
  }

  /** Pages that the guest counts on. */
  get nrPages(): number {
    return this.#memory.nrPages;
  }

  /** From now on every access to the memory throws. */
  revokeMemory(): void {
    this.#memory.revoke();
  }

  /** See DomainMemory. */
  logDirty(log: LogDirty | undefined): void {
    this.#memory.logDirty(log);
  }

  /** Stores that trapped. */
  get traps(): number {
    return this.#memory.traps;
  }

  /** What runs when an upcall is due, if the guest has said. */
  get callback(): (() => void) | undefined {
    return this.#hypercalls.callback;
  }

  /** Hypercalls so far, and what they cost the guest's processor in ns. */
  get hypercallStats(): { readonly count: number; readonly ns: number } {
    const { windows } = this.#memory;
    return { count: this.#hypercalls.count + windows.count, ns: this.#hypercalls.ns + windows.ns };
  }

  get now(): Ns {
    this.#domain.assertRunning();
    return this.#simulation.now;
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

  *compute(duration: Ns): Process {
    for (let rest = duration as number; rest > 0; rest -= TURN_NS) {
      this.#domain.assertRunning();
      const processor = this.#hypervisor.nextProcessor();
      processor.charge(Math.min(rest, TURN_NS));
      yield* processor.settle();
    }
  }

  spawn<T>(name: string, process: Process<T>): Task<T> {
    this.#domain.assertRunning();
    return this.power.spawn(`${this.#domain.name}/${name}`, process);
  }

  after(delay: Ns, action: () => void): void {
    this.#domain.assertRunning();
    this.power.after(delay, action);
  }

  random(name: string): RandomStream {
    this.#domain.assertRunning();
    return this.#simulation.random.stream(`${this.#seedName}/${name}`);
  }
}

function memoryCosts({ costs, protections }: Hypervisor): MemoryCosts {
  return {
    trapNs: costs.faultNs + costs.protectNs,
    windowNs: protections.dirtyProtection ? costs.hypercallNs + costs.protectNs : 0,
    sealNs: protections.checksum ? costs.crcNsPerByte * PAGE_SIZE : 0,
  };
}

class DomainHypercalls implements Hypercalls {
  readonly eventChannels: EventChannelOp;
  readonly recoveryBox: RecoveryBoxOp;
  readonly #cpu: CpuClock;
  #hypervisor: Hypervisor;
  #domain: EnvironmentOwner;
  #callback: (() => void) | undefined;
  #count = 0;
  #ns = 0;

  constructor(hypervisor: Hypervisor, domain: EnvironmentOwner, cpu: CpuClock) {
    this.#hypervisor = hypervisor;
    this.#domain = domain;
    this.#cpu = cpu;
    this.eventChannels = this.#eventChannelOp();
    this.recoveryBox = this.#recoveryBoxOp();
  }

  attach(hypervisor: Hypervisor, domain: EnvironmentOwner): void {
    this.#hypervisor = hypervisor;
    this.#domain = domain;
  }

  get callback(): (() => void) | undefined {
    return this.#callback;
  }

  get count(): number {
    return this.#count;
  }

  get ns(): number {
    return this.#ns;
  }

  cacheMapOp(batch: CacheMapBatch): void {
    this.#enter(0);
    const { count, words } = batch;
    if (!(Number.isInteger(count) && count >= 0 && count * ENTRY_WORDS <= words.length))
      throw new ModelError('EFAULT', `a batch of ${count} entries`);
    this.#charge(this.#domain.cacheMap.perform(batch));
  }

  setCallback(callback: () => void): void {
    this.#enter(0);
    if (typeof callback !== 'function') throw new ModelError('EFAULT', 'a callback that cannot be called');
    this.#callback = callback;
  }

  decreaseReservation(pfns: ArrayLike<number>): number {
    this.#enterForPages(pfns);
    return this.#domain.decreaseReservation(pfns);
  }

  increaseReservation(pfns: ArrayLike<number>): number {
    this.#enterForPages(pfns);
    return this.#domain.increaseReservation(pfns);
  }

  shutdown(reason: ShutdownReason): void {
    this.#enter(0);
    this.#domain.shutdown(reason);
  }

  *suspend(registers: Uint32Array): Process<Uint32Array> {
    this.#enter(0);
    yield* this.#cpu.settle();
    this.#domain.suspend(registers);
    // The processor stands still until somebody resumes the domain.
    yield 0;
    return this.#domain.registers;
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

  /** Bytes that go in or out are checked, which costs more than to copy them. */
  #recoveryBoxOp(): RecoveryBoxOp {
    const box = (bytes: number): RecoveryBoxOp => {
      this.#enter(this.#hypervisor.costs.crcNsPerByte * bytes);
      return this.#domain.recoveryBox;
    };
    const { crcNsPerByte } = this.#hypervisor.costs;
    return {
      put: (key, bytes) => {
        if (!(bytes instanceof Uint8Array)) throw new ModelError('EFAULT', 'an item that has no bytes');
        return box(bytes.length).put(key, bytes);
      },
      get: (key) => {
        const bytes = box(0).get(key);
        this.#charge(crcNsPerByte * (bytes?.length ?? 0));
        return bytes;
      },
      remove: (key) => box(0).remove(key),
      keys: () => box(PAGE_SIZE).keys(),
      get damaged() {
        return box(PAGE_SIZE).damaged;
      },
    };
  }

  #enterForPages(pfns: ArrayLike<number>): void {
    const count = pfns?.length;
    if (!(Number.isInteger(count) && count >= 0 && count <= 0xffff_ffff))
      throw new ModelError('EFAULT', `a list of ${count} pages`);
    this.#enter(this.#hypervisor.costs.frameAllocNs * count);
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
 *
 * A guest's requests are bounded as xenstored bounds them: the length of a message, the entries and the watches of a domain.
 */
class DomainXenstore implements XenstoreClient {
  readonly #cpu: CpuClock;
  readonly #power: Power;
  readonly #attached = new WaitQueue('a store to be attached to');
  #hypervisor: Hypervisor;
  #domain: EnvironmentOwner;
  #watches = 0;

  constructor(hypervisor: Hypervisor, domain: EnvironmentOwner, cpu: CpuClock, power: Power) {
    this.#hypervisor = hypervisor;
    this.#domain = domain;
    this.#cpu = cpu;
    this.#power = power;
  }

  attach(hypervisor: Hypervisor, domain: EnvironmentOwner): void {
    this.#hypervisor = hypervisor;
    this.#domain = domain;
    this.#watches = 0;
    this.#attached.wakeAll();
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
    if (typeof value !== 'string' || whole.length + value.length > STORE_PAYLOAD_MAX)
      throw new ModelError('EINVAL', 'a message that the store does not take');
    yield* this.#message();
    const { xenstore } = this.#hypervisor;
    // The domain may have got another number meanwhile, and with it another home.
    if (xenstore.read(whole) === undefined && xenstore.entriesOf(this.#domain.domid) >= STORE_ENTRIES_MAX)
      throw new ModelError('ENOSPC', `${this.#domain.name} has its share of the store`);
    xenstore.write(whole, value);
    yield this.#latency;
  }

  *watch(path: string, fire: () => void): Process {
    const whole = this.#readable(path);
    if (typeof fire !== 'function') throw new ModelError('EINVAL', 'a watch that calls nobody');
    yield* this.#message();
    if (this.#watches === STORE_WATCHES_MAX) throw new ModelError('ENOSPC', `${this.#domain.name} has its watches`);
    this.#watches++;
    const domain = this.#domain;
    const unwatch = this.#hypervisor.xenstore.watch(whole, () => {
      if (domain.isRunning) this.#power.run(fire);
      else unwatch();
    });
    yield this.#latency;
  }

  /** Sends a message; domain 0 has it when this returns. Where that has gone, the next one has. */
  *#message(): Process {
    this.#domain.assertRunning();
    const { hypercallNs, eventSendNs } = this.#hypervisor.costs;
    this.#cpu.charge(hypercallNs + eventSendNs);
    yield* this.#cpu.settle();
    yield this.#latency;
    while (!this.#hypervisor.xenstore.isServing) yield this.#attached;
  }

  get #latency(): Ns {
    return Ns(Math.round(this.#hypervisor.costs.domainSwitchNs));
  }

  #resolve(path: string): string {
    if (typeof path !== 'string' || path.length > STORE_PAYLOAD_MAX)
      throw new ModelError('EINVAL', 'a path that the store does not take');
    return path.startsWith('/') ? path : `${homeOf(this.#domain.domid)}/${path}`;
  }

  #readable(path: string): string {
    const whole = this.#resolve(path);
    const { domid } = this.#domain;
    const readable = [homeOf(domid), backendsOf(domid, 'vbd'), backendsOf(domid, 'vif')];
    if (readable.some((directory) => whole.startsWith(`${directory}/`))) return whole;
    throw new ModelError('EACCES', `${this.#domain.name} may not read ${whole}`);
  }
}
