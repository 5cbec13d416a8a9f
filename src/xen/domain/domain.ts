/**
 * A domain: one stay of a guest. It is what the tool stack sees of the guest; what the guest sees
 * is its environment.
 *
 * Which state it is in, and what may be done to it, is in lifecycle.ts. A guest that no longer runs
 * has left the domain. Its tasks are killed and its timers and upcalls do not come any more. Every
 * use of its environment, memory and hypercalls throws. A domain object is never revived; what
 * outlives it is in machine memory.
 *
 * A guest that suspends itself stands still: its tasks and timers wait, its memory is out of its
 * reach. A suspended domain is not resumed itself. Another object, made from the bytes of its
 * records (domain-state.ts), goes on with its guest, perhaps under another hypervisor.
 *
 * Modelled after Xen's struct domain with one vcpu. Differs in that the guest is code that runs on
 * the simulation's processes, so "taking the processor away" is killing the tasks it has spawned.
 *
 * Longer than other files: each call that the tool stack, a back-end or a guest makes to a domain
 * is a method here.
 */

import { assert } from '../../base/assert.ts';
import { DONE } from '../../base/result.ts';
import { ModelError } from '../../base/errno.ts';
import { type DomId, Mfn, type Pfn } from '../../base/units.ts';
import type { Token } from '../../sim/frozen.ts';
import { type Process, WaitQueue } from '../../sim/simulation.ts';
import type { EventPorts } from '../channels/event-channel.ts';
import type { GrantTable } from '../channels/grant-table.ts';
import type { SharedInfo } from '../channels/shared-info.ts';
import { homeOf } from '../channels/xenstore.ts';
import type { Hypervisor } from '../core/hypervisor.ts';
import type { XenbusBackend } from '../devices/xenbus-backend.ts';
import type { CacheMap, CacheMapStats } from '../frames/cache-map.ts';
import { ownerOfDomain } from '../frames/frame-record.ts';
import { LogDirty } from '../frames/log-dirty.ts';
import { NO_FRAME, type P2mList } from '../frames/p2m.ts';
import { type GuestEnvironment, NR_REGISTERS, ShutdownReason } from '../public/environment.ts';
import { Virq } from '../public/event-channel.ts';
import type { ReasonCounts } from '../public/reason.ts';
import type { BoundDevice } from '../records/devices.ts';
import type { DomainStateRecord } from '../records/domain-state.ts';
import { sealRecency } from '../records/records.ts';
import type { RecoveryBox } from '../records/recovery-box.ts';
import type { DomainEnvironment } from './environment.ts';
import { isHeld, type Lifecycle, type LifeState, type Operation, type Outcome, refused } from './lifecycle.ts';
import type { GuestDomain } from './seat.ts';

/** What a domain object is to code that looks at it from outside. */
export type DomainState = 'running' | 'suspended' | 'shutdown' | 'dying' | 'dead';

/** What the state of the domain's life means for the object in which a guest is, or was. */
const STATE_OF: Readonly<Record<LifeState, DomainState>> = {
  absent: 'dead',
  frozen: 'dead',
  kept: 'dead',
  building: 'dead',
  running: 'running',
  'running-held': 'running',
  suspended: 'suspended',
  'suspended-held': 'suspended',
  shutdown: 'shutdown',
  'shutdown-held': 'shutdown',
  dying: 'dying',
};

/**
 * Whether the recency of a domain's preserved pages survived: told by the guest before; not told (a
 * crash); told, and damaged since.
 */
export type RecencyState = 'told' | 'untold' | 'damaged';

/** What came of the pages that a guest had registered as dirty. */
export interface DirtyPages {
  /** Pages that were written home. */
  readonly written: number;
  /** Pages that were not written, by reason. */
  readonly lost: Readonly<ReasonCounts>;
}

/** Hypercalls of a guest. */
export interface HypercallStats {
  /** How many there were. */
  readonly count: number;
  /** What they have cost its processor, ns. */
  readonly ns: number;
}

/** Figures of a domain. */
export interface DomainStats {
  /** Hypercalls of the guest, and what they cost its processor in ns. */
  readonly hypercalls: HypercallStats;
  /** Stores that trapped on a write-protected page. */
  readonly traps: number;
  /** Operations on the cache-mapping table. */
  readonly cacheMap: Readonly<CacheMapStats>;
  /** Pages that were preserved for this domain when it was built. */
  readonly preserved: number;
  /** Named pages not preserved for this domain, and claims refused or released since, by reason. */
  readonly refused: Readonly<ReasonCounts>;
  /** Whether it is known how recently preserved pages were used. */
  readonly recency: RecencyState;
  /** What came of the dirty pages of the guest before. */
  readonly dirty: DirtyPages;
}

/** What a domain consists of. All of it works before the domain is there. */
export interface DomainParts {
  /** Of a domain that is being built, until the domain is there. */
  readonly life: Lifecycle;
  readonly domid: DomId;
  readonly name: string;
  readonly disk: BoundDevice;
  /** The domain's P2M list itself, not a copy. */
  readonly p2m: P2mList;
  readonly bootPages: number;
  readonly sharedInfoPfn: Pfn;
  readonly grantTablePfn: Pfn;
  readonly preserved: number;
  readonly recency: RecencyState;
  readonly dirty: DirtyPages;
  /** Counted on by the cache-mapping table. */
  readonly refused: Readonly<ReasonCounts>;
  readonly environment: DomainEnvironment;
  /** What a guest that goes on had in its registers. */
  readonly registers: Uint32Array;
  readonly cacheMap: CacheMap;
  readonly recoveryBox: RecoveryBox;
  readonly grants: GrantTable;
  readonly sharedInfo: SharedInfo;
  readonly events: EventPorts;
  /** The back-ends of its devices; the block device is the first. */
  readonly devices: readonly XenbusBackend[];
}

/** What a domain needs of its hypervisor. */
export type DomainHost = Pick<Hypervisor, 'memory' | 'map' | 'frames' | 'domain0Events' | 'xenstore' | 'release'>;

/** One stay of a guest, as the tool stack sees it. */
export class Domain implements GuestDomain {
  /** Its number. */
  readonly domid: DomId;
  /** Its name: at most 31 bytes of UTF-8. */
  readonly name: string;
  /** Pages that it was built with. */
  readonly nrPages: number;
  /** Pages of its boot region, the first ones. */
  readonly bootPages: number;
  /** What `Kernel.boot` boots in. */
  readonly environment: GuestEnvironment;
  /** Woken at every change of `state`. */
  readonly stateChanged = new WaitQueue(() => `another state of domain ${this.name} than ${this.state}`);
  /** @internal */
  readonly cacheMap: CacheMap;
  /** @internal */
  readonly disk: BoundDevice;
  /** @internal */
  readonly recoveryBox: RecoveryBox;
  /** @internal */
  readonly grants: GrantTable;
  /** @internal */
  readonly events: EventPorts;
  /** @internal */
  readonly devices: readonly XenbusBackend[];
  readonly #hypervisor: DomainHost;
  readonly #parts: DomainParts;
  readonly #life: Lifecycle;
  readonly #guest: DomainEnvironment;
  #registers: Uint32Array;
  /** Token of the frozen guest. */
  #program: Token | undefined;
  /** Until the guest is frozen. From then on it belongs to the code that resumes it. */
  #hasGuest = true;
  #state: DomainState = 'running';
  #shutdownReason: ShutdownReason | undefined;
  #panic: string | undefined;

  /** @internal Domains are made by `makeDomain`. */
  constructor(hypervisor: DomainHost, parts: DomainParts) {
    this.#hypervisor = hypervisor;
    this.#parts = parts;
    this.#life = parts.life;
    this.domid = parts.domid;
    this.name = parts.name;
    this.nrPages = parts.p2m.length;
    this.bootPages = parts.bootPages;
    this.environment = parts.environment;
    this.#guest = parts.environment;
    this.cacheMap = parts.cacheMap;
    this.disk = parts.disk;
    this.recoveryBox = parts.recoveryBox;
    this.grants = parts.grants;
    this.events = parts.events;
    this.devices = parts.devices;
    this.#registers = parts.registers;
  }

  /** Where it is in its life. */
  get state(): DomainState {
    return this.#state;
  }

  /** Whether its guest runs. */
  get isRunning(): boolean {
    return this.#state === 'running';
  }

  /** The panic that the guest died of, if none of its own code has taken it. */
  get panic(): string | undefined {
    return this.#panic;
  }

  /** Why the guest stopped itself; undefined when it did not. */
  get shutdownReason(): ShutdownReason | undefined {
    return this.#shutdownReason;
  }

  /** Figures of now. */
  get stats(): DomainStats {
    return {
      hypercalls: { ...this.#guest.hypercallStats },
      traps: this.#guest.traps,
      cacheMap: { ...this.cacheMap.stats },
      preserved: this.#parts.preserved,
      refused: { ...this.#parts.refused },
      recency: this.#parts.recency,
      dirty: this.#parts.dirty,
    };
  }

  /** Pages that have a frame. */
  get pageCount(): number {
    return this.nrPages - this.#parts.p2m.holes;
  }

  /** @internal */
  hasFrame(pfn: Pfn): boolean {
    return this.#parts.p2m.at(pfn) !== NO_FRAME;
  }

  /** @internal Machine frame of a page, for code that looks at a domain from outside. */
  frameOf(pfn: Pfn): Mfn {
    assert(this.hasFrame(pfn), 'the domain has the page');
    return Mfn(this.#parts.p2m.at(pfn));
  }

  /** Waits until the domain does not run any more. */
  *stopped(): Process {
    while (this.#state === 'running') yield this.stateChanged;
  }

  /** Whether its processor was taken away by `pause`. */
  get isPaused(): boolean {
    return this.#state === 'running' && this.#guest.power.isPaused;
  }

  /**
   * Takes the guest's processor away for a while. I/O goes on; events and timers wait. Refused
   * unless the guest runs.
   */
  pause(): Outcome {
    const begun = this.begin('pause');
    if (begun.ok) this.#guest.power.pause();
    return begun;
  }

  /** Gives it back, also to a guest that was not paused. Refused unless the guest runs. */
  unpause(): Outcome {
    const begun = this.begin('unpause');
    if (begun.ok) this.#guest.power.resume();
    return begun;
  }

  /** @internal An operation begins, or is refused. */
  begin(operation: Operation): Outcome {
    if (this.#state !== 'dead') return this.#life.begin(operation);
    const allowed = isHeld(this.#life.state) ? this.#life.allows(operation) : DONE;
    return allowed.ok ? refused('there is no such domain') : allowed;
  }

  /** @internal The operation that began is over, and the domain is still there. */
  end(): void {
    this.#life.step('end');
  }

  /**
   * @internal Log-dirty mode, for the operation that holds the domain. From now on every store to
   * its memory is logged, whatever makes it, until `endLogDirty`.
   */
  beginLogDirty(): LogDirty {
    this.#life.step('log');
    const log = new LogDirty(this.nrPages);
    this.#guest.logDirty(log);
    this.#hypervisor.frames.logDirty(ownerOfDomain(this.domid), log);
    return log;
  }

  /** @internal */
  endLogDirty(): void {
    this.#life.step('unlog');
    this.#hypervisor.frames.logDirty(ownerOfDomain(this.domid), undefined);
    // A frozen guest has left this domain: where it goes on, it is not logged.
    if (this.#hasGuest) this.#guest.logDirty(undefined);
  }

  /** @internal The guest stops itself. */
  shutdown(reason: ShutdownReason): void {
    if (!Object.values(ShutdownReason).includes(reason)) throw new ModelError('EINVAL', `shutdown for ${reason}`);
    this.#shutdownReason = reason;
    const { memory, map } = this.#hypervisor;
    const { recencyCrc } = this.cacheMap;
    // A guest that crashed may have died while it told.
    if (reason !== ShutdownReason.crash && recencyCrc !== undefined) sealRecency(memory, map, this.domid, recencyCrc);
    this.#life.step('stop');
    this.#follow();
    this.#hypervisor.domain0Events.ports.raiseVirq(Virq.domExc);
  }

  /** @internal The guest dies where it stands. */
  panicked(message: string): void {
    this.#panic = message;
    this.shutdown(ShutdownReason.crash);
  }

  /** @internal The guest stops where it stands, until it is resumed from what is saved. */
  suspend(registers: Uint32Array): void {
    if (!(registers instanceof Uint32Array) || registers.length !== NR_REGISTERS)
      throw new ModelError('EINVAL', 'these are not the registers of a processor');
    this.disk.stand();
    this.#registers = registers.slice();
    this.#guest.power.pause();
    this.#life.step('stand');
    this.#follow();
    this.#hypervisor.domain0Events.ports.raiseVirq(Virq.domExc);
  }

  /** @internal Of a guest that is suspended, or was. */
  get registers(): Uint32Array {
    return this.#registers;
  }

  /** @internal The record of a suspended guest. Code that reads it may go on with the guest. */
  freeze(): DomainStateRecord {
    assert(this.#state === 'suspended', 'only a suspended guest is frozen');
    this.#program ??= this.#guest.freeze();
    const { sharedInfoPfn, grantTablePfn } = this.#parts;
    return {
      domid: this.domid,
      sharedInfoPfn,
      grantTablePfn,
      hasRecency: this.cacheMap.hasRecency,
      program: this.#program,
      registers: this.#registers,
      ports: this.events.channels.slice(),
    };
  }

  /**
   * @internal The holder of the domain takes it down: nothing new begins. What is in flight holds
   * its frames under its grants until `released` returns.
   */
  kill(): void {
    this.#life.step('kill');
    this.#follow();
    this.events.destroy();
  }

  /** @internal Nothing more is taken from its rings or put into them. */
  stopDevices(): void {
    for (const device of this.devices) device.stop();
  }

  /** @internal Waits until no page of the domain is reached from outside. */
  *released(): Process {
    for (const device of this.devices) yield* device.release();
    yield* this.grants.released();
  }

  /** @internal The frames are not this object's any more. */
  bury(): void {
    assert(this.#state === 'dying', 'a domain dies before it is dead');
    // What the store still says of the domain was for the guest that is gone.
    this.#hypervisor.xenstore.remove(homeOf(this.domid));
    this.#follow('dead');
    this.#hypervisor.release(this);
  }

  /** @internal The machine is reset. A guest that is frozen stays so. */
  reset(): void {
    if (this.#state !== 'dead') this.#follow('dead');
  }

  /** The domain's life has gone on, or has left this object behind. */
  #follow(state = STATE_OF[this.#life.state]): void {
    this.#state = state;
    if (this.#hasGuest) {
      this.#guest.leave();
      if (state === 'suspended') this.#hasGuest = false;
      else this.#guest.power.off();
    }
    this.#parts.sharedInfo.revoke();
    this.grants.revoke();
    this.stopDevices();
    this.stateChanged.wakeAll();
  }
}
