/**
 * The domains that the tool stack knows: those that are there or being built, and those that another hypervisor left
 * (quick-reload.ts) and that were not taken up yet. What is remembered of each is its configuration, as a configuration file
 * would, and where its frames are.
 *
 * A name is one domain's, from the moment somebody begins to make it until the last of its frames is given up. By its name a
 * domain has its life (lifecycle.ts), which whoever makes it, or takes up what was left of it, asks here.
 *
 * Invariants: `checkInvariants`. A domain that has an entry is not among those that were left.
 */

import { assert } from '../../base/assert.ts';
import { ModelError } from '../../base/errno.ts';
import type { MacAddress } from '../../base/ethernet.ts';
import { DomId, Mfn } from '../../base/units.ts';
import type { BlockDevice } from '../../disk/drive/block-device.ts';
import type { Process } from '../../sim/simulation.ts';
import { type BoundDevice, DEVICE_NUMBERS } from '../records/devices.ts';
import type { Domain } from '../domain/domain.ts';
import { eraseDomainState } from '../records/domain-state.ts';
import { OWNER_HYPERVISOR, ownerOfDomain } from '../frames/frame-record.ts';
import type { Hypervisor } from '../core/hypervisor.ts';
import { failed, Lifecycle, type NotDone, refused } from '../domain/lifecycle.ts';
import { DOMAIN_SLOTS } from '../records/layouts.ts';
import { NO_FRAME, P2mList } from '../frames/p2m.ts';
import { noReasons, Reason, type ReasonCode, type ReasonCounts } from '../public/reason.ts';
import type { LeftDomain } from '../core/quick-reload.ts';
import { eraseDomainRecord, sealStore } from '../records/records.ts';
import { eraseRecoveryBox } from '../records/recovery-box.ts';

export interface DomainConfig {
  /** At most 31 bytes of UTF-8. */
  readonly name: string;
  /** A multiple of 4096. */
  readonly memoryBytes: number;
  readonly device: BlockDevice;
  /** Address of its network interface; it has none unless told. */
  readonly mac?: MacAddress | undefined;
  /** Bytes that the guest finds at start_info.modulePfn. */
  readonly module?: Uint8Array;
  /** At most 1023 bytes of UTF-8. */
  readonly cmdLine?: string;
  /** What the domain's random streams are named after; its name unless told. Each boot has streams of its own. */
  readonly seedName?: string;
}

/** What a machine has for a domain: its disk, and its place on the network. */
export type DomainDevices = Pick<DomainConfig, 'device' | 'mac'>;

/** What is remembered of a domain. */
export interface DomainEntry {
  readonly life: Lifecycle;
  readonly domid: DomId;
  readonly name: string;
  readonly seedName: string;
  /** Its disk, until the entry is removed. */
  disk: BoundDevice;
  readonly mac: MacAddress | undefined;
  memoryBytes: number;
  boots: number;
  p2mMfn: Mfn;
  /** Undefined while the domain is being built or rebuilt, and when nothing but its preserved pages is there. */
  domain: Domain | undefined;
  /** Its frames: the living P2M list, or a copy while the domain is being built. */
  p2m: P2mList;
  /** Frames taken from the allocator for a domain that will grow. */
  held: Uint32Array;
  /** Pages that were lost between two hypervisors, by reason. */
  readonly refused: Readonly<ReasonCounts>;
}

/** A domain that was left, with a number for its disk. */
export interface TakenUp extends LeftDomain {
  readonly disk: BoundDevice;
  /** Why nothing that is known of its disk's blocks is believed: `otherDisk`, `diskChanged`; else `ok`. */
  readonly distrust: ReasonCode;
}

const NO_NUMBER = failed(`ENOMEM: all ${DEVICE_NUMBERS} numbers of block devices are in use`);

export const NO_FRAMES = new Uint32Array(0);
/** Of a domain that has no frames, or none yet. */
export const NO_PAGES = new P2mList(NO_FRAMES);

/** What its random streams are named after: each boot has streams of its own. */
export const seedNameOf = ({ seedName, boots }: DomainEntry): string => `${seedName}#${boots - 1}`;

export class DomainList {
  /** @internal */
  readonly hypervisor: Hypervisor;
  readonly #entries = new Map<DomId, DomainEntry>();
  /** By name; a domain that is absent is not in here. */
  readonly #lives = new Map<string, Lifecycle>();
  /** Domains that were left and not taken up yet, by name. */
  readonly #left: Map<string, LeftDomain>;

  constructor(hypervisor: Hypervisor) {
    this.hypervisor = hypervisor;
    this.#left = new Map(hypervisor.left.map((left) => [left.record.name, left]));
    for (const [name, { state }] of this.#left)
      this.#lives.set(name, new Lifecycle(state === undefined ? 'kept' : 'frozen'));
  }

  /** @internal All that there is, by domid: a domain, or none where only preserved pages were left or one is being built. */
  get entries(): readonly Pick<DomainEntry, 'domid' | 'domain' | 'life'>[] {
    return [...this.#entries.values()].sort((a, b) => a.domid - b.domid);
  }

  /** @internal The life of the domain of this name. */
  lifeOf(name: string): Lifecycle {
    return this.#lives.get(name) ?? new Lifecycle();
  }

  /** @internal Waits until no operation is under way on any domain. */
  *idle(): Process {
    for (const life of [...this.#lives.values()]) yield* life.idle();
  }

  /** @internal Names of the domains that another hypervisor left and that were not taken up yet: whether each can be resumed. */
  get left(): ReadonlyMap<string, 'suspended' | 'kept'> {
    return new Map([...this.#left].map(([name, { state }]) => [name, state === undefined ? 'kept' : 'suspended']));
  }

  /** @internal The domains that exist, by domid. */
  get domains(): Domain[] {
    const built = [...this.#entries.values()].flatMap(({ domain }) => (domain === undefined ? [] : [domain]));
    return built.sort((a, b) => a.domid - b.domid);
  }

  /**
   * Begins to make a domain: a slot, room for a P2M list, and frames, for which it waits while some are to be scrubbed. Fails when
   * there are too few of one of them.
   * @internal
   */
  *makeRoom(
    operation: 'create' | 'restore',
    config: DomainConfig,
    nrPages: number,
    nrFrames: number,
  ): Process<{ readonly entry: DomainEntry; readonly frames: Uint32Array } | NotDone> {
    const life = this.lifeOf(config.name);
    const refusal = life.begin(operation);
    if (refusal !== undefined) return refusal;
    this.#lives.set(config.name, life);
    yield* this.hypervisor.scrubber.waitFor(nrFrames);
    const frames = new Uint32Array(nrFrames);
    const place = this.#place(frames, nrPages, config.device);
    if ('domid' in place)
      return { entry: this.#add(life, place.domid, config, place.disk, 0, place.p2mMfn, NO_PAGES), frames };
    this.#forget(config.name, life);
    return place;
  }

  #place(
    frames: Uint32Array,
    nrPages: number,
    device: BlockDevice,
  ): { readonly domid: DomId; readonly p2mMfn: Mfn; readonly disk: BoundDevice } | NotDone {
    const domid = this.#freeDomid();
    if (domid === undefined) return failed(`ENOMEM: all ${DOMAIN_SLOTS - 1} domain records are in use`);
    const disk = this.hypervisor.bindDevice(device);
    if (disk === undefined) return NO_NUMBER;
    const p2mMfn = this.allocate(frames, nrPages);
    if (typeof p2mMfn === 'number') return { domid, p2mMfn, disk };
    this.hypervisor.releaseDevice(disk);
    return p2mMfn;
  }

  /**
   * Takes frames from the allocator, and room for a P2M list of so many pages unless it has some `at` a place; fails, having taken
   * nothing, when there is too little of either. Returns where the list goes.
   * @internal
   */
  allocate(frames: Uint32Array, nrPages: number, at?: Mfn): Mfn | NotDone {
    const { allocator, p2mLists } = this.hypervisor;
    let p2mMfn = at;
    try {
      p2mMfn ??= p2mLists.allocate(nrPages);
      allocator.allocate(frames);
      return p2mMfn;
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      if (at === undefined && p2mMfn !== undefined) p2mLists.release(p2mMfn);
      return failed(error.message);
    }
  }

  /**
   * Takes a domain that was left off the list. When its disk is not the one that it was left with, or was written to
   * since, no frame of it is vouched for from here on.
   * @internal
   */
  takeUp(name: string, device: BlockDevice): TakenUp | NotDone {
    const left = this.#left.get(name);
    if (left === undefined) return refused('it was not left');
    const { devices, frames } = this.hypervisor;
    const { record, p2m } = left;
    const distrust = devices.verifyLeft(record.store, device);
    const known = distrust === Reason.ok ? devices.bind(device, record.device) : undefined;
    const disk = known ?? devices.bind(device);
    if (disk === undefined) return NO_NUMBER;
    if (known === undefined) frames.distrust(p2m);
    else frames.indexBlocks(p2m, devices.ownWrites(disk.number));
    this.#left.delete(name);
    devices.unreserve(record.device);
    return { ...left, disk, distrust };
  }

  /** @internal Enters a domain that was taken up. */
  enter({ record, p2m, disk }: TakenUp, config: DomainConfig): DomainEntry {
    const lost = this.hypervisor.refusedOf(record.domid);
    return this.#add(this.lifeOf(config.name), record.domid, config, disk, record.boots, record.p2mMfn, p2m, lost);
  }

  /**
   * Begins to boot a domain of which there are preserved pages and nothing else. `distrust` is why none of them is believed: `otherDisk`,
   * `diskChanged`; else `ok`.
   * @internal
   */
  enterKept(config: DomainConfig): { readonly entry: DomainEntry; readonly distrust: ReasonCode } | NotDone {
    const life = this.lifeOf(config.name);
    const refusal = life.refusal('boot');
    if (refusal !== undefined) return refusal;
    const known = [...this.#entries.values()].find((entry) => entry.life === life);
    if (known !== undefined) {
      const distrust = this.#exchangeDisk(known, config.device);
      if (typeof distrust !== 'number') return distrust;
      life.begin('boot');
      return { entry: known, distrust };
    }
    const left = this.takeUp(config.name, config.device);
    if ('problem' in left) return left;
    const entry = this.enter(left, config);
    life.begin('boot');
    return { entry, distrust: left.distrust };
  }

  /** A domain that this hypervisor keeps gets a disk; returns why nothing is believed that equals a block of the one before. */
  #exchangeDisk(entry: DomainEntry, device: BlockDevice): ReasonCode | NotDone {
    const { disk: before } = entry;
    const disk = this.hypervisor.bindDevice(device);
    if (disk === undefined) return NO_NUMBER;
    const isSame = disk.number === before.number;
    const change = before.isChanged ? Reason.diskChanged : Reason.ok;
    const distrust = isSame || !this.hypervisor.protections.deviceIdentity ? change : Reason.otherDisk;
    if (distrust !== Reason.ok) this.hypervisor.frames.distrust(entry.p2m);
    this.hypervisor.releaseDevice(before);
    entry.disk = disk;
    return distrust;
  }

  #add(
    life: Lifecycle,
    domid: DomId,
    { name, mac, memoryBytes, seedName = name }: DomainConfig,
    disk: BoundDevice,
    boots: number,
    p2mMfn: Mfn,
    p2m: P2mList,
    lost: Readonly<ReasonCounts> = noReasons(),
  ): DomainEntry {
    const entry = {
      life,
      domid,
      name,
      seedName,
      disk,
      mac,
      memoryBytes,
      boots,
      p2mMfn,
      domain: undefined,
      p2m,
      held: NO_FRAMES,
      refused: lost,
    };
    this.#entries.set(domid, entry);
    return entry;
  }

  /**
   * The machine is about to be left to another hypervisor: writes down what the disks of all domains are now, or were when their guests
   * stood still. Of a disk that
   * somebody else has written to, no frame is vouched for.
   * @internal
   */
  sealStores(): void {
    const { memory, map, frames } = this.hypervisor;
    for (const { domid, disk, p2m } of this.#entries.values()) {
      sealStore(memory, map, domid, disk.record);
      if (disk.isChanged) frames.distrust(p2m);
      disk.accept();
    }
  }

  /** @internal Gives up a domain that was taken up, and on which an operation is under way. */
  abandon({ record, p2m, disk }: TakenUp): void {
    this.#abandon(record, p2m);
    this.hypervisor.releaseDevice(disk);
  }

  #abandon(record: LeftDomain['record'], p2m: P2mList): void {
    const { memory, map, p2mLists, scrubber } = this.hypervisor;
    eraseDomainRecord(memory, map, record.domid);
    eraseDomainState(memory, map, record.domid);
    eraseRecoveryBox(memory, map, record.domid);
    for (const mfn of p2m.frames()) if (mfn !== NO_FRAME) scrubber.add(Mfn(mfn));
    p2mLists.release(record.p2mMfn);
    this.#forget(record.name, this.lifeOf(record.name));
  }

  /** @internal Gives up everything that was left and not taken up. Returns the names. */
  abandonLeft(): string[] {
    const names = [...this.#left.keys()];
    for (const left of [...this.#left.values()]) {
      this.#left.delete(left.record.name);
      this.lifeOf(left.record.name).begin('destroy');
      this.#abandon(left.record, left.p2m);
      this.hypervisor.devices.unreserve(left.record.device);
    }
    return names;
  }

  /** @internal */
  entryOf(domain: Domain): DomainEntry {
    const entry = this.#entries.get(domain.domid);
    assert(entry?.domain === domain, 'a domain that an operation holds is there');
    return entry;
  }

  /** @internal The entry of a domain that is being brought. */
  entryAt(domid: DomId): DomainEntry {
    const entry = this.#entries.get(domid);
    assert(entry !== undefined, 'there is such a domain');
    return entry;
  }

  /** @internal Forgets a domain whose frames are gone. */
  remove(entry: DomainEntry): void {
    eraseRecoveryBox(this.hypervisor.memory, this.hypervisor.map, entry.domid);
    this.hypervisor.p2mLists.release(entry.p2mMfn);
    this.hypervisor.releaseDevice(entry.disk);
    this.#entries.delete(entry.domid);
    this.#forget(entry.name, entry.life);
  }

  /** There is no such domain any more. */
  #forget(name: string, life: Lifecycle): void {
    life.step('gone');
    this.#lives.delete(name);
  }

  /** @internal Whether a frame is another domain's, is held or waits to be scrubbed; the set is made at the first question. */
  takenByOthers(entry: DomainEntry): (mfn: Mfn) => boolean {
    let taken: Set<number> | undefined;
    return (mfn) => {
      if (taken === undefined) {
        taken = new Set(entry.held);
        for (const n of this.hypervisor.scrubber.frames) taken.add(n);
        for (const { p2m } of this.#left.values()) for (const n of p2m.frames()) taken.add(n);
        for (const other of this.#entries.values())
          if (other !== entry) for (const list of [other.p2m.frames(), other.held]) for (const n of list) taken.add(n);
      }
      return taken.has(mfn);
    };
  }

  /**
   * Everything that must hold of all frames, when no domain is being built or taken down: each has one owner; P2M list,
   * owner and pfn agree; free frames are free in every book. Goes through all of memory: for tests.
   * @throws InvariantViolation
   * @internal
   */
  checkInvariants(): void {
    const { frames, allocator, map, scrubber } = this.hypervisor;
    allocator.checkInvariants();
    const seen = new Uint8Array(map.frameCount);
    for (const mfn of scrubber.frames) {
      assert(seen[mfn] === 0, 'a frame is on the scrub list once');
      seen[mfn] = 1;
      assert(frames.ownerOf(Mfn(mfn)) === OWNER_HYPERVISOR, 'a frame on the scrub list is the hypervisor’s');
    }
    const isWaiting = new Uint8Array(map.frameCount);
    const left = [...this.#left.values()].map(({ record: { domid }, p2m }) => ({ domid, p2m }));
    for (const { p2m } of left) for (const mfn of p2m.frames()) if (mfn !== NO_FRAME) isWaiting[mfn] = 1;
    for (const { domid, p2m } of [...this.#entries.values(), ...left]) {
      for (let pfn = 0; pfn < p2m.length; pfn++) {
        const mfn = Mfn(p2m.at(pfn));
        if (mfn === NO_FRAME) continue;
        assert(mfn >= map.firstDomainMfn && mfn < map.frameCount, 'a domain has frames for domains only');
        assert(seen[mfn] === 0, 'a frame is one page of one domain');
        seen[mfn] = 1;
        assert(frames.ownerOf(mfn) === ownerOfDomain(domid), 'P2M list and owner agree');
        assert(frames.pfnOf(mfn) === pfn, 'P2M list and M2P agree');
      }
    }
    for (let mfn = 0; mfn < map.frameCount; mfn++) {
      frames.checkRecord(Mfn(mfn), isWaiting[mfn] === 1);
      if (mfn < map.firstDomainMfn) continue;
      assert(allocator.isFree(Mfn(mfn)) === (seen[mfn] === 0), 'a frame is free, of a domain, or waits');
      assert(seen[mfn] === 1 || frames.ownerOf(Mfn(mfn)) === 0, 'a free frame has no owner');
    }
  }

  /** Undefined when all domain records are in use. */
  #freeDomid(): DomId | undefined {
    const left = new Set([...this.#left.values()].map(({ record }) => record.domid));
    for (let n = 1; n < DOMAIN_SLOTS; n++) if (!this.#entries.has(DomId(n)) && !left.has(DomId(n))) return DomId(n);
    return undefined;
  }
}
