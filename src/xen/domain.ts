/**
 * A domain: one guest's environment (time, processor, memory, hypercalls) and what the tool stack sees of it.
 *
 * Life: running → (the guest stops itself) shutdown → dying (taken down, I/O draining) → dead. From the moment a domain is no
 * longer running its tasks are killed, its timers and upcalls do not come any more, and its environment is revoked: every
 * call on it, its memory or its hypercalls throws InvariantViolation. A domain object is never revived; what outlives it
 * is in machine memory.
 *
 * Modelled after Xen's struct domain with one vcpu. Differs in that the guest is code that runs on the simulation's
 * processes, so "taking the processor away" is killing the tasks it has spawned.
 */

import { assert } from '../base/assert.ts';
import { ModelError } from '../base/errno.ts';
import type { DomId, Mfn, Ns, Pfn } from '../base/units.ts';
import type { BlockDevice } from '../disk/block-device.ts';
import { CpuClock } from '../sim/cpu-clock.ts';
import type { RandomStream } from '../sim/random.ts';
import { type Process, type Task, WaitQueue } from '../sim/simulation.ts';
import { BlockBackend } from './blkback.ts';
import { CacheMap, type CacheMapStats } from './cache-map.ts';
import { DomainMemory } from './domain-memory.ts';
import type { Hypervisor } from './hypervisor.ts';
import type { CacheMapBatch } from './public/cache-map-op.ts';
import type { BlkifConnection, GuestEnvironment, Hypercalls, ShutdownReason } from './public/environment.ts';
import type { ReasonCounts } from './public/reason.ts';

export type DomainState = 'running' | 'shutdown' | 'dying' | 'dead';

export interface DomainStats {
  /** Hypercalls of the guest, and what they cost its processor in ns. */
  readonly hypercalls: { readonly count: number; readonly ns: number };
  /** Stores that trapped on a write-protected page. */
  readonly traps: number;
  readonly cacheMap: Readonly<CacheMapStats>;
  /** Pages that were preserved for this domain when it was built. */
  readonly preserved: number;
  /** Named pages not preserved for this domain, and claims refused or released since, by reason. */
  readonly refused: Readonly<ReasonCounts>;
}

/** What the builder hands a new domain. */
export interface DomainParts {
  readonly domid: DomId;
  readonly name: string;
  /** Prefix of the names of its random streams. */
  readonly seedName: string;
  readonly device: BlockDevice;
  /** The domain's P2M list itself, not a copy. */
  readonly p2m: Uint32Array;
  readonly preserved: number;
  /** Counted on by the domain. */
  readonly refused: ReasonCounts;
}

/** Port of the block device's event channel, the only one. */
const BLKIF_PORT = 1;

/** Owner field of a domain's frame records. */
export function ownerOfDomain(domid: DomId): number {
  return domid + 1;
}

export class Domain {
  readonly domid: DomId;
  readonly name: string;
  readonly nrPages: number;
  readonly environment: GuestEnvironment;
  /** Woken at every change of `state`. */
  readonly stateChanged = new WaitQueue();
  readonly cacheMap: CacheMap;
  readonly #memory: DomainMemory;
  readonly #hypercalls: DomainHypercalls;
  readonly #p2m: Uint32Array;
  readonly #preserved: number;
  readonly #refused: ReasonCounts;
  #tasks: Task[] = [];
  #pruneAt = 64;
  #backend: BlockBackend | undefined;
  #state: DomainState = 'running';
  #shutdownReason: ShutdownReason | undefined;

  constructor(hypervisor: Hypervisor, parts: DomainParts) {
    const { memory, frames, costs, protections } = hypervisor;
    this.domid = parts.domid;
    this.name = parts.name;
    this.nrPages = parts.p2m.length;
    this.#p2m = parts.p2m;
    this.#preserved = parts.preserved;
    this.#refused = parts.refused;
    const cpu = new CpuClock(hypervisor.simulation);
    const device = hypervisor.deviceNumber(parts.device);
    const owner = ownerOfDomain(parts.domid);
    this.#memory = new DomainMemory(memory, frames, parts.p2m, cpu, costs.faultNs + costs.protectNs);
    this.cacheMap = new CacheMap(frames, protections, costs, parts.p2m, owner, device, parts.refused);
    this.#hypercalls = new DomainHypercalls(hypervisor, this, parts.device, cpu);
    this.environment = new DomainEnvironment(hypervisor, this, cpu, this.#memory, this.#hypercalls, parts.seedName);
  }

  get state(): DomainState {
    return this.#state;
  }

  /** Why the guest stopped itself; undefined when it did not. */
  get shutdownReason(): ShutdownReason | undefined {
    return this.#shutdownReason;
  }

  get stats(): DomainStats {
    return {
      hypercalls: { count: this.#hypercalls.count, ns: this.#hypercalls.ns },
      traps: this.#memory.traps,
      cacheMap: { ...this.cacheMap.stats },
      preserved: this.#preserved,
      refused: { ...this.#refused },
    };
  }

  /** Machine frame of a page, for whoever looks at a domain from outside. */
  frameOf(pfn: Pfn): Mfn {
    const mfn = this.#p2m[pfn];
    assert(mfn !== undefined, 'the domain has the page');
    return mfn as Mfn;
  }

  /** Waits until the domain does not run any more. */
  *stopped(): Process {
    while (this.#state === 'running') yield this.stateChanged;
  }

  /** @internal: the guest stops itself. */
  shutdown(reason: ShutdownReason): void {
    this.assertRunning();
    this.#shutdownReason = reason;
    this.#become('shutdown');
  }

  /** @internal: the tool stack takes the domain down; returns when nothing of it is in flight. */
  *kill(): Process {
    assert(this.#state === 'running' || this.#state === 'shutdown', 'a domain is taken down once');
    this.#become('dying');
    if (this.#backend !== undefined) yield* this.#backend.drain();
  }

  /** @internal: the frames are not this object's any more. */
  bury(): void {
    assert(this.#state === 'dying', 'a domain dies before it is dead');
    this.#become('dead');
  }

  /** @internal */
  adopt(task: Task): void {
    // Tasks that are over are forgotten now and then, at a cost that stays constant a task.
    if (this.#tasks.length >= this.#pruneAt) {
      this.#tasks = this.#tasks.filter((old) => !old.isOver);
      this.#pruneAt = Math.max(64, 2 * this.#tasks.length);
    }
    this.#tasks.push(task);
  }

  /** @internal */
  connect(hypervisor: Hypervisor, device: BlockDevice, ringPfn: Pfn, upcall: () => void): void {
    if (this.#backend !== undefined) throw new ModelError('EEXIST', `${this.name}: block device is connected already`);
    if (!(ringPfn < this.nrPages)) throw new ModelError('EINVAL', `${this.name}: no page ${ringPfn} for a block ring`);
    const deviceNumber = hypervisor.deviceNumber(device);
    this.#backend = new BlockBackend(hypervisor, device, { p2m: this.#p2m, deviceNumber, upcall }, ringPfn);
  }

  /** @internal: an event on a port that is not bound goes nowhere. */
  event(port: number): void {
    if (port === BLKIF_PORT) this.#backend?.notify();
  }

  /** @internal */
  assertRunning(): void {
    assert(this.#state === 'running', 'a guest that is gone used its environment');
  }

  #become(state: DomainState): void {
    this.#state = state;
    this.#memory.revoke();
    this.#backend?.stop();
    for (const task of this.#tasks) task.kill();
    this.#tasks = [];
    this.stateChanged.wakeAll();
  }
}

class DomainEnvironment implements GuestEnvironment {
  readonly #hypervisor: Hypervisor;
  readonly #domain: Domain;
  readonly #cpu: CpuClock;
  readonly #memory: DomainMemory;
  readonly #hypercalls: DomainHypercalls;
  readonly #seedName: string;

  constructor(
    hypervisor: Hypervisor,
    domain: Domain,
    cpu: CpuClock,
    memory: DomainMemory,
    hypercalls: DomainHypercalls,
    seedName: string,
  ) {
    this.#hypervisor = hypervisor;
    this.#domain = domain;
    this.#cpu = cpu;
    this.#memory = memory;
    this.#hypercalls = hypercalls;
    this.#seedName = seedName;
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

  spawn<T>(name: string, process: Process<T>): Task<T> {
    this.#domain.assertRunning();
    const task = this.#hypervisor.simulation.spawn(`${this.#domain.name}/${name}`, process);
    this.#domain.adopt(task);
    return task;
  }

  after(delay: Ns, action: () => void): void {
    this.#domain.assertRunning();
    this.#hypervisor.simulation.after(delay, () => {
      if (this.#domain.state === 'running') action();
    });
  }

  random(name: string): RandomStream {
    this.#domain.assertRunning();
    return this.#hypervisor.simulation.random.stream(`${this.#seedName}/${name}`);
  }
}

class DomainHypercalls implements Hypercalls {
  readonly #hypervisor: Hypervisor;
  readonly #domain: Domain;
  readonly #device: BlockDevice;
  readonly #cpu: CpuClock;
  #count = 0;
  #ns = 0;

  constructor(hypervisor: Hypervisor, domain: Domain, device: BlockDevice, cpu: CpuClock) {
    this.#hypervisor = hypervisor;
    this.#domain = domain;
    this.#device = device;
    this.#cpu = cpu;
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

  blkifConnect(ringPfn: Pfn, upcall: () => void): BlkifConnection {
    this.#enter(0);
    this.#domain.connect(this.#hypervisor, this.#device, ringPfn, upcall);
    return { sectorCount: this.#device.sectorCount, port: BLKIF_PORT };
  }

  eventSend(port: number): void {
    this.#enter(this.#hypervisor.costs.eventSendNs);
    this.#domain.event(port);
  }

  shutdown(reason: ShutdownReason): void {
    this.#enter(0);
    this.#domain.shutdown(reason);
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
