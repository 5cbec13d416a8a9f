/**
 * The domains that the tool stack knows. They are there or being built, or another hypervisor left
 * them (quick-reload.ts) and they were not taken up yet. It remembers the configuration of each, as
 * a configuration file would, and where its frames are.
 *
 * A name belongs to one domain, from the moment its making begins until the last of its frames is
 * given up. By its name a domain has its life (lifecycle.ts). Code that makes a domain, or takes up
 * what was left of it, asks for it here.
 *
 * Invariants: those of frame-books.ts (`checkInvariants`).
 */

import { assert } from '../../base/assert.ts';
import { ok } from '../../base/result.ts';
import { DomId, Mfn } from '../../base/units.ts';
import type { BlockDevice } from '../../disk/drive/block-device.ts';
import type { Process } from '../../sim/simulation.ts';
import { type BoundDevice, DEVICE_NUMBERS } from '../records/devices.ts';
import type { Domain } from '../domain/domain.ts';
import { eraseDomainState } from '../records/domain-state.ts';
import type { Hypervisor } from '../core/hypervisor.ts';
import { failed, Lifecycle, type Outcome, refused } from '../domain/lifecycle.ts';
import { DOMAIN_SLOTS } from '../records/layouts.ts';
import { NO_FRAME, type P2mList } from '../frames/p2m.ts';
import { noReasons, Reason, type ReasonCode, type ReasonCounts } from '../public/reason.ts';
import type { LeftDomain } from '../core/quick-reload.ts';
import { type DomainConfig, type DomainEntry, NO_FRAMES, NO_PAGES, type TakenUp } from './domain-entry.ts';
import { type BooksHost, checkBooks, framesOfOthers, type Owners } from './frame-books.ts';
import { eraseDomainRecord, sealStore } from '../records/records.ts';
import { eraseRecoveryBox } from '../records/recovery-box.ts';
import { forgetDomain } from './store-entries.ts';

const NO_NUMBER = failed(`ENOMEM: all ${DEVICE_NUMBERS} numbers of block devices are in use`);

/** What a domain's frames, disk and records are taken from and given back to. */
export type ListHost = BooksHost &
  Pick<
    Hypervisor,
    | 'memory'
    | 'protections'
    | 'left'
    | 'refusedOf'
    | 'p2mLists'
    | 'devices'
    | 'bindDevice'
    | 'releaseDevice'
    | 'xenstore'
  >;

/** The domains of a tool stack. */
export class DomainList {
  readonly #hypervisor: ListHost;
  readonly #entries = new Map<DomId, DomainEntry>();
  /** By name; a domain that is absent is not in here. */
  readonly #lives = new Map<string, Lifecycle>();
  /** Domains that were left and not taken up yet, by name. */
  readonly #left: Map<string, LeftDomain>;

  constructor(hypervisor: ListHost) {
    this.#hypervisor = hypervisor;
    this.#left = new Map(hypervisor.left.map((left) => [left.record.name, left]));
    for (const [name, { state }] of this.#left)
      this.#lives.set(name, new Lifecycle(state === undefined ? 'kept' : 'frozen'));
  }

  /**
   * @internal All that there is, by domid: a domain, or none where only preserved pages were left
   * or one is being built.
   */
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

  /**
   * @internal Names of the domains that another hypervisor left and that were not taken up yet:
   * whether each can be resumed.
   */
  get left(): ReadonlyMap<string, 'suspended' | 'kept'> {
    return new Map([...this.#left].map(([name, { state }]) => [name, state === undefined ? 'kept' : 'suspended']));
  }

  /** @internal The domains that exist, by domid. */
  get domains(): Domain[] {
    const built = [...this.#entries.values()].flatMap(({ domain }) => (domain === undefined ? [] : [domain]));
    return built.sort((a, b) => a.domid - b.domid);
  }

  /**
   * Begins to make a domain: a slot, room for a P2M list, and frames, for which it waits while some
   * are to be scrubbed. Fails when there are too few of one of them.
   * @internal
   */
  *makeRoom(
    operation: 'create' | 'restore',
    config: DomainConfig,
    nrPages: number,
    nrFrames: number,
  ): Process<Outcome<{ readonly entry: DomainEntry; readonly frames: Uint32Array }>> {
    const life = this.lifeOf(config.name);
    const begun = life.begin(operation);
    if (!begun.ok) return begun;
    this.#lives.set(config.name, life);
    yield* this.#hypervisor.scrubber.waitFor(nrFrames);
    const frames = new Uint32Array(nrFrames);
    const place = this.#place(frames, nrPages, config.device);
    if (!place.ok) {
      this.#forget(config.name, life);
      return place;
    }
    const { domid, disk, p2mMfn } = place.value;
    return ok({ entry: this.#add(life, domid, config, disk, 0, p2mMfn, NO_PAGES), frames });
  }

  #place(
    frames: Uint32Array,
    nrPages: number,
    device: BlockDevice,
  ): Outcome<{ readonly domid: DomId; readonly p2mMfn: Mfn; readonly disk: BoundDevice }> {
    const domid = this.#freeDomid();
    if (domid === undefined) return failed(`ENOMEM: all ${DOMAIN_SLOTS - 1} domain records are in use`);
    const disk = this.#hypervisor.bindDevice(device);
    if (disk === undefined) return NO_NUMBER;
    const p2mMfn = this.allocate(frames, nrPages);
    if (p2mMfn.ok) return ok({ domid, p2mMfn: p2mMfn.value, disk });
    this.#hypervisor.releaseDevice(disk);
    return p2mMfn;
  }

  /**
   * Takes frames from the allocator, and room for a P2M list of so many pages, unless the list has
   * its place `at`. Fails, having taken nothing, when there is too little of either. Returns where
   * the list goes.
   * @internal
   */
  allocate(frames: Uint32Array, nrPages: number, at?: Mfn): Outcome<Mfn> {
    const { allocator, p2mLists } = this.#hypervisor;
    const p2mMfn = at === undefined ? p2mLists.allocate(nrPages) : ok(at);
    if (!p2mMfn.ok) return failed(p2mMfn.reason);
    const allocated = allocator.allocate(frames);
    if (allocated.ok) return p2mMfn;
    if (at === undefined) p2mLists.release(p2mMfn.value);
    return failed(allocated.reason);
  }

  /**
   * Takes a domain that was left off the list. Its disk may not be the one that it was left with,
   * or may have been written to since. Then no frame of the domain is vouched for from here on.
   * @internal
   */
  takeUp(name: string, device: BlockDevice): Outcome<TakenUp> {
    const left = this.#left.get(name);
    if (left === undefined) return refused('it was not left');
    const { devices, frames } = this.#hypervisor;
    const { record, p2m } = left;
    const distrust = devices.verifyLeft(record.store, device);
    const known = distrust === Reason.ok ? devices.bind(device, record.device) : undefined;
    const disk = known ?? devices.bind(device);
    if (disk === undefined) return NO_NUMBER;
    if (known === undefined) frames.distrust(p2m);
    else frames.indexBlocks(p2m, devices.ownWrites(disk.number));
    this.#left.delete(name);
    devices.unreserve(record.device);
    return ok({ ...left, disk, distrust });
  }

  /** @internal Enters a domain that was taken up. */
  enter({ record, p2m, disk }: TakenUp, config: DomainConfig): DomainEntry {
    const lost = this.#hypervisor.refusedOf(record.domid);
    return this.#add(this.lifeOf(config.name), record.domid, config, disk, record.boots, record.p2mMfn, p2m, lost);
  }

  /**
   * Begins to boot a domain of which there are preserved pages and nothing else. `distrust` is why
   * none of them is believed: `otherDisk`, `diskChanged`; else `ok`.
   * @internal
   */
  enterKept(config: DomainConfig): Outcome<{ readonly entry: DomainEntry; readonly distrust: ReasonCode }> {
    const life = this.lifeOf(config.name);
    const allowed = life.allows('boot');
    if (!allowed.ok) return allowed;
    const known = [...this.#entries.values()].find((entry) => entry.life === life);
    if (known !== undefined) {
      const distrust = this.#exchangeDisk(known, config.device);
      if (!distrust.ok) return distrust;
      life.begin('boot');
      return ok({ entry: known, distrust: distrust.value });
    }
    const left = this.takeUp(config.name, config.device);
    if (!left.ok) return left;
    const entry = this.enter(left.value, config);
    life.begin('boot');
    return ok({ entry, distrust: left.value.distrust });
  }

  /**
   * A domain that this hypervisor keeps gets a disk; returns why nothing is believed that equals a
   * block of the one before.
   */
  #exchangeDisk(entry: DomainEntry, device: BlockDevice): Outcome<ReasonCode> {
    const { disk: before } = entry;
    const disk = this.#hypervisor.bindDevice(device);
    if (disk === undefined) return NO_NUMBER;
    const isSame = disk.number === before.number;
    const change = before.isChanged ? Reason.diskChanged : Reason.ok;
    const distrust = isSame || !this.#hypervisor.protections.deviceIdentity ? change : Reason.otherDisk;
    if (distrust !== Reason.ok) this.#hypervisor.frames.distrust(entry.p2m);
    this.#hypervisor.releaseDevice(before);
    entry.disk = disk;
    return ok(distrust);
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
   * The machine is about to be left to another hypervisor. Writes down what the disks of all
   * domains are now, or were when their guests stood still. If a disk was written to from
   * elsewhere, none of its frames is vouched for.
   * @internal
   */
  sealStores(): void {
    const { memory, map, frames } = this.#hypervisor;
    for (const { domid, disk, p2m } of this.#entries.values()) {
      sealStore(memory, map, domid, disk.record);
      if (disk.isChanged) frames.distrust(p2m);
      disk.accept();
    }
  }

  /** @internal Gives up a domain that was taken up, and on which an operation is under way. */
  abandon({ record, p2m, disk }: TakenUp): void {
    this.#abandon(record, p2m);
    this.#hypervisor.releaseDevice(disk);
  }

  #abandon(record: LeftDomain['record'], p2m: P2mList): void {
    const { memory, map, p2mLists, scrubber } = this.#hypervisor;
    eraseDomainRecord(memory, map, record.domid);
    eraseDomainState(memory, map, record.domid);
    eraseRecoveryBox(memory, map, record.domid);
    forgetDomain(this.#hypervisor, record.domid);
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
      this.#hypervisor.devices.unreserve(left.record.device);
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
    eraseRecoveryBox(this.#hypervisor.memory, this.#hypervisor.map, entry.domid);
    forgetDomain(this.#hypervisor, entry.domid);
    this.#hypervisor.p2mLists.release(entry.p2mMfn);
    this.#hypervisor.releaseDevice(entry.disk);
    this.#entries.delete(entry.domid);
    this.#forget(entry.name, entry.life);
  }

  /** There is no such domain any more. */
  #forget(name: string, life: Lifecycle): void {
    life.step('gone');
    this.#lives.delete(name);
  }

  /**
   * @internal Whether a frame is another domain's, is held or waits; looked up at the first
   * question.
   */
  takenByOthers(entry: DomainEntry): (mfn: Mfn) => boolean {
    let taken: Set<number> | undefined;
    return (mfn) => (taken ??= framesOfOthers(this.#owners(), entry)).has(mfn);
  }

  /**
   * @internal What must hold of all frames (frame-books.ts). For tests.
   * @throws InvariantViolation
   */
  checkInvariants(): void {
    checkBooks(this.#owners());
  }

  #owners(): Owners {
    return { hypervisor: this.#hypervisor, entries: [...this.#entries.values()], left: [...this.#left.values()] };
  }

  /** Undefined when all domain records are in use. */
  #freeDomid(): DomId | undefined {
    const left = new Set([...this.#left.values()].map(({ record }) => record.domid));
    for (let n = 1; n < DOMAIN_SLOTS; n++) if (!this.#entries.has(DomId(n)) && !left.has(DomId(n))) return DomId(n);
    return undefined;
  }
}
