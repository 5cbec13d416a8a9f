/**
 * A domain: one guest's environment (time, processor, memory, hypercalls) and what the tool stack sees of it.
 *
 * Which state it is in, and what may be done to it, is in lifecycle.ts. This object is one stay of a guest in its domain: from the
 * moment it is no longer running its tasks are killed, its timers and upcalls do not come any more, and its environment is
 * revoked: every call on it, its memory or its hypercalls throws InvariantViolation. A domain object is never revived;
 * what outlives it is in machine memory.
 *
 * A guest that suspends itself stands still: its tasks and timers wait, its memory is out of its reach. A
 * suspended domain is not resumed itself: another object, made from the bytes of its records (domain-state.ts), goes on
 * with its guest, perhaps under another hypervisor.
 *
 * Modelled after Xen's struct domain with one vcpu. Differs in that the guest is code that runs on the simulation's
 * processes, so "taking the processor away" is killing the tasks it has spawned.
 */

import { checkArgument } from '../../base/argument-error.ts';
import { assert } from '../../base/assert.ts';
import { DONE } from '../../base/result.ts';
import type { MacAddress } from '../../base/ethernet.ts';
import { ModelError } from '../../base/errno.ts';
import { type DomId, Mfn, Ns, type Pfn } from '../../base/units.ts';
import type { Token } from '../../sim/frozen.ts';
import { type Process, WaitQueue } from '../../sim/simulation.ts';
import { vbd } from '../devices/blkback.ts';
import { vif } from '../devices/netback.ts';
import type { BoundDevice } from '../records/devices.ts';
import { CacheMap, type CacheMapStats } from '../frames/cache-map.ts';
import { DomainEnvironment } from './environment.ts';
import type { DomainStateRecord } from '../records/domain-state.ts';
import { EventPorts } from '../channels/event-channel.ts';
import { ownerOfDomain } from '../frames/frame-record.ts';
import { GrantTable } from '../channels/grant-table.ts';
import type { Hypervisor } from '../core/hypervisor.ts';
import { isHeld, type Lifecycle, type LifeState, type Operation, type Outcome, refused } from './lifecycle.ts';
import { LogDirty } from '../frames/log-dirty.ts';
import { NO_FRAME, type P2mList } from '../frames/p2m.ts';
import { type GuestEnvironment, NR_REGISTERS, ShutdownReason } from '../public/environment.ts';
import { type EvtchnStatus, Virq } from '../public/event-channel.ts';
import { noReasons, type ReasonCounts } from '../public/reason.ts';
import { sealRecency } from '../records/records.ts';
import { RecoveryBox } from '../records/recovery-box.ts';
import { decreaseReservation, increaseReservation, type Reservation } from './reservation.ts';
import { SharedInfo } from '../channels/shared-info.ts';
import { XenbusBackend } from '../devices/xenbus-backend.ts';
import { homeOf } from '../channels/xenstore.ts';

/** What a domain object is to whoever looks at it from outside. */
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

/** Whether the recency of a domain's preserved pages survived: told by the guest before; not told (a crash); told, and damaged since. */
export type RecencyState = 'told' | 'untold' | 'damaged';

/** What came of the pages that a guest had registered as dirty. */
export interface DirtyPages {
  readonly written: number;
  /** Pages that were not written, by reason. */
  readonly lost: Readonly<ReasonCounts>;
}

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
  /** What came of the dirty pages of the guest before. */
  readonly dirty: DirtyPages;
}

/** What the builder hands a new domain. */
export interface DomainParts {
  /** Of a domain that is being built. */
  readonly life: Lifecycle;
  readonly domid: DomId;
  readonly name: string;
  /** Prefix of the names of its random streams. */
  readonly seedName: string;
  readonly disk: BoundDevice;
  /** Address of its network interface; undefined: it has none. */
  readonly mac: MacAddress | undefined;
  /** The domain's P2M list itself, not a copy. */
  readonly p2m: P2mList;
  readonly bootPages: number;
  readonly sharedInfoPfn: Pfn;
  readonly grantTablePfn: Pfn;
  readonly preserved: number;
  readonly recency: RecencyState;
  readonly dirty?: DirtyPages | undefined;
  /** Counted on by the domain. */
  readonly refused: ReasonCounts;
  /** A guest that goes on; a new one unless told. */
  readonly frozen?: FrozenGuest;
}

/** A guest that was frozen, and what of it was saved. */
export interface FrozenGuest {
  readonly environment: DomainEnvironment;
  readonly registers: Uint32Array;
  readonly ports: readonly EvtchnStatus[];
}

export class Domain {
  readonly domid: DomId;
  readonly name: string;
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
  /** @internal The back-ends of its devices; the block device is the first. */
  readonly devices: readonly XenbusBackend[];
  readonly #hypervisor: Hypervisor;
  readonly #life: Lifecycle;
  readonly #environment: DomainEnvironment;
  readonly #sharedInfo: SharedInfo;
  readonly #p2m: P2mList;
  readonly #reservation: Reservation;
  readonly #preserved: number;
  readonly #refused: ReasonCounts;
  readonly #recency: RecencyState;
  readonly #dirty: DirtyPages;
  readonly #sharedInfoPfn: Pfn;
  readonly #grantTablePfn: Pfn;
  #registers: Uint32Array;
  /** Token of the frozen guest. */
  #program: Token | undefined;
  #upcallDue = false;
  /** Until the guest is frozen: then it is whoever's resumes it. */
  #hasGuest = true;
  #state: DomainState = 'running';
  #shutdownReason: ShutdownReason | undefined;
  #panic: string | undefined;

  constructor(hypervisor: Hypervisor, parts: DomainParts) {
    const { memory, frames, costs, protections } = hypervisor;
    this.#hypervisor = hypervisor;
    this.#life = parts.life;
    this.bootPages = parts.bootPages;
    this.#sharedInfoPfn = parts.sharedInfoPfn;
    this.#grantTablePfn = parts.grantTablePfn;
    this.domid = parts.domid;
    this.name = parts.name;
    this.nrPages = parts.p2m.length;
    this.#p2m = parts.p2m;
    this.#preserved = parts.preserved;
    this.#refused = parts.refused;
    this.disk = parts.disk;
    const device = parts.disk.number;
    const owner = ownerOfDomain(parts.domid);
    this.#recency = parts.recency;
    this.#dirty = parts.dirty ?? { written: 0, lost: noReasons() };
    this.cacheMap = new CacheMap(
      frames,
      protections,
      costs,
      parts.p2m,
      owner,
      parts.disk,
      parts.refused,
      hypervisor.recency,
      parts.recency === 'told',
    );
    this.recoveryBox = new RecoveryBox(memory, hypervisor.map, parts.domid);
    this.grants = new GrantTable(memory, frames, parts.p2m, parts.grantTablePfn);
    this.#sharedInfo = new SharedInfo(memory, frames, parts.p2m.at(parts.sharedInfoPfn), (delayNs) => {
      this.#notify(delayNs);
    });
    const { frozen } = parts;
    this.events = new EventPorts(parts.domid, hypervisor.domainPorts, this.#sharedInfo, frozen?.ports);
    this.#reservation = { ...parts, owner, device, grants: this.grants };
    const kinds = [vbd(hypervisor, parts.disk)];
    if (parts.mac !== undefined) kinds.push(vif(hypervisor, parts.mac));
    this.devices = kinds.map((kind) => new XenbusBackend(hypervisor, parts.domid, this.grants, kind));
    this.#environment = frozen?.environment ?? new DomainEnvironment(hypervisor, this, parts.p2m, parts.seedName);
    this.#registers = frozen?.registers ?? new Uint32Array(NR_REGISTERS);
    if (frozen !== undefined) {
      frozen.environment.attach(hypervisor, this, parts.p2m);
      frozen.environment.power.resume();
    }
    this.environment = this.#environment;
    this.#life.step('built');
    hypervisor.host(this);
  }

  get state(): DomainState {
    return this.#state;
  }

  get isRunning(): boolean {
    return this.#state === 'running';
  }

  /** What the guest died of, when that was a panic that none of its own code has taken; else undefined. */
  get panic(): string | undefined {
    return this.#panic;
  }

  /** Why the guest stopped itself; undefined when it did not. */
  get shutdownReason(): ShutdownReason | undefined {
    return this.#shutdownReason;
  }

  get stats(): DomainStats {
    return {
      hypercalls: { ...this.#environment.hypercallStats },
      traps: this.#environment.traps,
      cacheMap: { ...this.cacheMap.stats },
      preserved: this.#preserved,
      refused: { ...this.#refused },
      recency: this.#recency,
      dirty: this.#dirty,
    };
  }

  /** Pages that have a frame. */
  get pageCount(): number {
    return this.nrPages - this.#p2m.holes;
  }

  /** @internal */
  hasFrame(pfn: Pfn): boolean {
    return this.#p2m.at(pfn) !== NO_FRAME;
  }

  /** @internal Machine frame of a page, for whoever looks at a domain from outside. */
  frameOf(pfn: Pfn): Mfn {
    assert(this.hasFrame(pfn), 'the domain has the page');
    return Mfn(this.#p2m.at(pfn));
  }

  /** Waits until the domain does not run any more. */
  *stopped(): Process {
    while (this.#state === 'running') yield this.stateChanged;
  }

  get isPaused(): boolean {
    return this.#state === 'running' && this.#environment.power.isPaused;
  }

  /** Takes the guest's processor away for a while. I/O goes on; events and timers wait. Refused unless the guest runs. */
  pause(): Outcome {
    const begun = this.begin('pause');
    if (begun.ok) this.#environment.power.pause();
    return begun;
  }

  /** Gives it back, also to a guest that was not paused. Refused unless the guest runs. */
  unpause(): Outcome {
    const begun = this.begin('unpause');
    if (begun.ok) this.#environment.power.resume();
    return begun;
  }

  /** @internal An operation begins, or is refused. */
  begin(operation: Operation): Outcome {
    if (this.#state !== 'dead') return this.#life.begin(operation);
    const allowed = isHeld(this.#life.state) ? this.#life.allows(operation) : DONE;
    return allowed.ok ? refused('there is no such domain') : allowed;
  }

  /** @internal: the operation that began is over, and the domain is still there. */
  end(): void {
    this.#life.step('end');
  }

  /**
   * @internal: log-dirty mode, for the operation that holds the domain: from now on every store to its memory is logged, whoever
   * makes it, until `endLogDirty`.
   */
  beginLogDirty(): LogDirty {
    this.#life.step('log');
    const log = new LogDirty(this.nrPages);
    this.#environment.logDirty(log);
    this.#hypervisor.frames.logDirty(ownerOfDomain(this.domid), log);
    return log;
  }

  /** @internal */
  endLogDirty(): void {
    this.#life.step('unlog');
    this.#hypervisor.frames.logDirty(ownerOfDomain(this.domid), undefined);
    // A guest that was frozen is whoever's goes on with it, and is not logged there.
    if (this.#hasGuest) this.#environment.logDirty(undefined);
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

  /** @internal: the guest dies where it stands. */
  panicked(message: string): void {
    this.#panic = message;
    this.shutdown(ShutdownReason.crash);
  }

  /** @internal: the guest stops where it stands, to go on when somebody resumes it from what is saved. */
  suspend(registers: Uint32Array): void {
    this.assertRunning();
    if (!(registers instanceof Uint32Array) || registers.length !== NR_REGISTERS)
      throw new ModelError('EINVAL', 'these are not the registers of a processor');
    this.disk.stand();
    this.#registers = registers.slice();
    this.#environment.power.pause();
    this.#life.step('stand');
    this.#follow();
    this.#hypervisor.domain0Events.ports.raiseVirq(Virq.domExc);
  }

  /** @internal: of a guest that is suspended, or was. */
  get registers(): Uint32Array {
    return this.#registers;
  }

  /**
   * @internal: what is to be written down of a suspended guest. What of it stands for the contents of its frames is frozen, and
   * goes to whoever reads the record.
   * @internal
   */
  freeze(): DomainStateRecord {
    assert(this.#state === 'suspended', 'only a suspended guest is frozen');
    this.#program ??= this.#hypervisor.simulation.frozen.freeze(this.#environment);
    return {
      domid: this.domid,
      sharedInfoPfn: this.#sharedInfoPfn,
      grantTablePfn: this.#grantTablePfn,
      hasRecency: this.cacheMap.hasRecency,
      program: this.#program,
      registers: this.#registers,
      ports: this.events.channels.slice(),
    };
  }

  /**
   * @internal: whoever holds the domain takes it down: nothing new begins. What is in flight holds its frames under its grants
   * until `released` returns.
   * @internal
   */
  kill(): void {
    this.#life.step('kill');
    this.#follow();
    this.events.destroy();
  }

  /** @internal: nothing more is taken from its rings or put into them. */
  stopDevices(): void {
    for (const device of this.devices) device.stop();
  }

  /** @internal: waits until no page of the domain is reached by anybody. */
  *released(): Process {
    for (const device of this.devices) yield* device.release();
    yield* this.grants.released();
  }

  /** @internal: the frames are not this object's any more. */
  bury(): void {
    assert(this.#state === 'dying', 'a domain dies before it is dead');
    // What the store still says of the domain was for the guest that is gone.
    this.#hypervisor.xenstore.remove(homeOf(this.domid));
    this.#follow('dead');
    this.#hypervisor.release(this);
  }

  /** @internal: the machine is reset. A guest that is frozen stays so. */
  reset(): void {
    if (this.#state !== 'dead') this.#follow('dead');
  }

  /** @internal */
  assertRunning(): void {
    checkArgument(this.#state === 'running', 'kernel', 'a guest that is gone used its environment');
  }

  /** The domain's life has gone on, or has left this object behind. */
  #follow(state = STATE_OF[this.#life.state]): void {
    this.#state = state;
    if (this.#hasGuest) {
      this.#environment.revokeMemory();
      if (state === 'suspended') this.#hasGuest = false;
      else this.#environment.power.off();
    }
    this.grants.revoke();
    this.stopDevices();
    this.stateChanged.wakeAll();
  }

  /**
   * `upcallPending` was set: the guest's callback runs when its processor is switched to, unless it masks upcalls then.
   */
  #notify(delayNs: number): void {
    if (this.#upcallDue) return;
    this.#upcallDue = true;
    const { costs } = this.#hypervisor;
    this.#environment.power.after(Ns(delayNs + Math.round(costs.domainSwitchNs)), () => {
      this.#upcallDue = false;
      if (this.isRunning && this.#sharedInfo.isUpcallDue) this.#environment.callback?.();
    });
  }
}
