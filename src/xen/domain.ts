/**
 * A domain: one guest's environment (time, processor, memory, hypercalls) and what the tool stack sees of it.
 *
 * Life: running → (the guest stops itself) shutdown → dying (taken down, I/O draining) → dead. From the moment a domain
 * is no longer running its tasks are killed, its timers and upcalls do not come any more, and its environment is
 * revoked: every call on it, its memory or its hypercalls throws InvariantViolation. A domain object is never revived;
 * what outlives it is in machine memory.
 *
 * Modelled after Xen's struct domain with one vcpu. Differs in that the guest is code that runs on the simulation's
 * processes, so "taking the processor away" is killing the tasks it has spawned.
 */

import { assert } from '../base/assert.ts';
import { type DomId, type Mfn, Ns, type Pfn } from '../base/units.ts';
import type { BlockDevice } from '../disk/block-device.ts';
import { CpuClock } from '../sim/cpu-clock.ts';
import { Gate, type Process, type Task, WaitQueue } from '../sim/simulation.ts';
import { VbdBackend } from './blkback-xenbus.ts';
import { CacheMap, type CacheMapStats } from './cache-map.ts';
import { DomainEnvironment } from './domain-environment.ts';
import { DomainMemory } from './domain-memory.ts';
import { EventPorts } from './event-channel.ts';
import { GrantTable } from './grant-table.ts';
import type { Hypervisor } from './hypervisor.ts';
import { NO_FRAME } from './p2m.ts';
import { ShutdownReason, type GuestEnvironment } from './public/environment.ts';
import { Virq } from './public/event-channel.ts';
import type { ReasonCounts } from './public/reason.ts';
import { sealRecency } from './records.ts';
import { decreaseReservation, increaseReservation, type Reservation } from './reservation.ts';
import { SharedInfo } from './shared-info.ts';

export type DomainState = 'running' | 'shutdown' | 'dying' | 'dead';

/** Whether the recency of a domain's preserved pages survived: told by the guest before; not told (a crash); told, and damaged since. */
export type RecencyState = 'told' | 'untold' | 'damaged';

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
  readonly recency: RecencyState;
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
  readonly bootPages: number;
  readonly sharedInfoPfn: Pfn;
  readonly grantTablePfn: Pfn;
  readonly preserved: number;
  readonly recency: RecencyState;
  /** Counted on by the domain. */
  readonly refused: ReasonCounts;
}

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
  readonly gate: Gate;
  readonly cacheMap: CacheMap;
  readonly grants: GrantTable;
  readonly events: EventPorts;
  readonly vbd: VbdBackend;
  readonly #hypervisor: Hypervisor;
  readonly #memory: DomainMemory;
  readonly #environment: DomainEnvironment;
  readonly #sharedInfo: SharedInfo;
  readonly #p2m: Uint32Array;
  readonly #reservation: Reservation;
  readonly #preserved: number;
  readonly #refused: ReasonCounts;
  readonly #recency: RecencyState;
  #tasks: Task[] = [];
  #pruneAt = 64;
  #callback: (() => void) | undefined;
  #upcallDue = false;
  #state: DomainState = 'running';
  #shutdownReason: ShutdownReason | undefined;

  constructor(hypervisor: Hypervisor, parts: DomainParts) {
    const { memory, frames, costs, protections } = hypervisor;
    this.#hypervisor = hypervisor;
    this.gate = new Gate(hypervisor.simulation);
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
    this.#recency = parts.recency;
    this.cacheMap = new CacheMap(
      frames,
      protections,
      costs,
      parts.p2m,
      owner,
      device,
      parts.refused,
      hypervisor.recency,
      parts.recency === 'told',
    );
    this.grants = new GrantTable(memory, frames, parts.p2m, parts.grantTablePfn);
    this.#sharedInfo = new SharedInfo(memory, frames, parts.p2m[parts.sharedInfoPfn]!, (delayNs) => {
      this.#notify(delayNs);
    });
    this.events = new EventPorts(parts.domid, hypervisor.domainPorts, this.#sharedInfo);
    this.#reservation = { ...parts, owner, device, grants: this.grants };
    this.vbd = new VbdBackend(hypervisor, parts.domid, this.grants, parts.device);
    this.#environment = new DomainEnvironment(hypervisor, this, cpu, this.#memory, parts.seedName);
    this.environment = this.#environment;
  }

  get state(): DomainState {
    return this.#state;
  }

  get isRunning(): boolean {
    return this.#state === 'running';
  }

  /** Why the guest stopped itself; undefined when it did not. */
  get shutdownReason(): ShutdownReason | undefined {
    return this.#shutdownReason;
  }

  get stats(): DomainStats {
    return {
      hypercalls: { ...this.#environment.hypercallStats },
      traps: this.#memory.traps,
      cacheMap: { ...this.cacheMap.stats },
      preserved: this.#preserved,
      refused: { ...this.#refused },
      recency: this.#recency,
    };
  }

  /** Pages that have a frame. */
  get pageCount(): number {
    return this.#p2m.reduce((count, mfn) => count + (mfn === NO_FRAME ? 0 : 1), 0);
  }

  hasFrame(pfn: Pfn): boolean {
    return (this.#p2m[pfn] ?? NO_FRAME) !== NO_FRAME;
  }

  /** Machine frame of a page, for whoever looks at a domain from outside. */
  frameOf(pfn: Pfn): Mfn {
    assert(this.hasFrame(pfn), 'the domain has the page');
    return this.#p2m[pfn] as Mfn;
  }

  /** Waits until the domain does not run any more. */
  *stopped(): Process {
    while (this.#state === 'running') yield this.stateChanged;
  }

  get isPaused(): boolean {
    return this.gate.isClosed;
  }

  /** Takes the guest's processor away for a while. I/O goes on; events and timers wait. */
  pause(): void {
    this.assertRunning();
    this.gate.close();
  }

  unpause(): void {
    this.gate.open();
  }

  /** @internal */
  interrupt(action: () => void): void {
    this.gate.pass(() => {
      if (this.isRunning) action();
    });
  }

  /** @internal */
  decreaseReservation(pfns: ArrayLike<number>): number {
    return decreaseReservation(this.#hypervisor, this.#reservation, pfns);
  }

  /** @internal */
  increaseReservation(pfns: ArrayLike<number>): number {
    return increaseReservation(this.#hypervisor, this.#reservation, pfns);
  }

  /** @internal: the guest stops itself. */
  shutdown(reason: ShutdownReason): void {
    this.assertRunning();
    this.#shutdownReason = reason;
    const { memory, map } = this.#hypervisor;
    const { recencyCrc } = this.cacheMap;
    // A guest that crashed may have died while it told.
    if (reason !== ShutdownReason.crash && recencyCrc !== undefined) sealRecency(memory, map, this.domid, recencyCrc);
    this.#become('shutdown');
    this.#hypervisor.domain0Events.ports.raiseVirq(Virq.domExc);
  }

  /**
   * @internal: the tool stack takes the domain down: nothing new begins. What is in flight holds its frames under its grants
   * until `released` returns.
   */
  kill(): void {
    assert(this.#state === 'running' || this.#state === 'shutdown', 'a domain is taken down once');
    this.#become('dying');
    this.events.destroy();
  }

  /** @internal: waits until no page of the domain is reached by anybody. */
  *released(): Process {
    yield* this.vbd.release();
    yield* this.grants.released();
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

  /** @internal: HYPERVISOR_set_callbacks. */
  setCallback(callback: () => void): void {
    this.#callback = callback;
  }

  /** @internal */
  assertRunning(): void {
    assert(this.#state === 'running', 'a guest that is gone used its environment');
  }

  #become(state: DomainState): void {
    this.#state = state;
    this.#memory.revoke();
    this.grants.revoke();
    this.vbd.stop();
    for (const task of this.#tasks) task.kill();
    this.#tasks = [];
    this.stateChanged.wakeAll();
  }

  /**
   * `upcallPending` was set: the guest's callback runs when its processor is switched to, unless it masks upcalls then.
   */
  #notify(delayNs: number): void {
    if (this.#upcallDue) return;
    this.#upcallDue = true;
    const { simulation, costs } = this.#hypervisor;
    simulation.after(Ns(delayNs + Math.round(costs.domainSwitchNs)), () => {
      this.interrupt(() => {
        this.#upcallDue = false;
        if (this.#sharedInfo.isUpcallDue) this.#callback?.();
      });
    });
  }
}
