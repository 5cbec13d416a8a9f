/**
 * The tool stack of domain 0: creates, restarts and destroys domains.
 *
 * A restart with `preserve` is the warm-cache reboot: the old guest is taken down, its in-flight I/O drains, what it had
 * registered as dirty is written home if that is asked for (dirty-pages.ts), frames
 * that are named and clean are preserved and all others scrubbed; then there is nothing but machine memory
 * (`betweenGuests` is called there); then a new domain is built from those bytes (rebuild.ts), on the same frames under
 * the same P2M. What the tool stack itself remembers over a restart is the domain's configuration, as a configuration
 * file would.
 *
 * Domains that another hypervisor left (quick-reload.ts) are either resumed, on their own frames, or, if they had stopped
 * before and only their caches were left, booted again; what the tool stack needs besides their records is their
 * configuration, by name.
 *
 * Work is paid on domain 0's processor in slices, so that the back-ends of other domains run in between. Modelled after
 * xend and Xen's domain_kill and domain builder; differs in that scrubbing is done before the domain is built again,
 * not in the background.
 */

import { assert } from '../base/assert.ts';
import { ModelError } from '../base/errno.ts';
import { DomId, Mfn, Pfn } from '../base/units.ts';
import { UserError } from '../base/user-error.ts';
import type { BlockDevice } from '../disk/block-device.ts';
import type { Process } from '../sim/simulation.ts';
import { type DirtyPages, Domain, type RecencyState } from './domain.ts';
import { writeDirtyPages } from './dirty-pages.ts';
import { DomainEnvironment } from './domain-environment.ts';
import { type DomainStateRecord, eraseDomainState } from './domain-state.ts';
import { type BootRegion, planBootRegion, PreservedBitmap, writeBootRegion } from './domain-build.ts';
import { OWNER_HYPERVISOR, ownerOfDomain } from './frame-record.ts';
import type { Hypervisor } from './hypervisor.ts';
import { DOMAIN_SLOTS } from './layouts.ts';
import { NO_FRAME, p2mCrc } from './p2m.ts';
import { noReasons, type ReasonCounts } from './public/reason.ts';
import type { LeftDomain } from './quick-reload.ts';
import { recoverFrames, retireFrames } from './rebuild.ts';
import { type DomainRecord, encodeName, eraseDomainRecord, setP2mCrc, writeDomainRecord } from './records.ts';
import { homeOf } from './xenstore.ts';

export interface DomainConfig {
  /** At most 31 bytes of UTF-8. */
  readonly name: string;
  /** A multiple of 4096. */
  readonly memoryBytes: number;
  readonly device: BlockDevice;
  /** Bytes that the guest finds at start_info.modulePfn. */
  readonly module?: Uint8Array;
  /** At most 1023 bytes of UTF-8. */
  readonly cmdLine?: string;
  /** What the domain's random streams are named after; its name unless told. Each boot has streams of its own. */
  readonly seedName?: string;
}

export interface RestartOptions {
  /** Keep the cache; else everything is scrubbed. */
  readonly preserve: boolean;
  /** Write the pages home that the old guest had registered as dirty; else they are lost. */
  readonly writeDirty?: boolean;
  readonly module?: Uint8Array;
  readonly cmdLine?: string;
  /** New size; the old one unless told. */
  readonly memoryBytes?: number;
  /** Called when the old guest is gone and nothing of the new one is there: machine memory is all there is. */
  readonly betweenGuests?: () => void;
}

/** What became of a domain that was to be resumed. */
export type Resumption = { readonly domain: Domain } | { readonly lost: string };

/** A domain whose guest comes from elsewhere, before it is there. */
export interface IncomingDomain {
  readonly domid: DomId;
  /** As frame records say it. */
  readonly owner: number;
  readonly device: number;
  /** The P2M list itself: no page has a frame yet. */
  readonly p2m: Uint32Array;
  /** All zero, and to be placed. */
  readonly frames: Uint32Array;
}

/** What is remembered of a domain. */
interface Entry {
  readonly domid: DomId;
  readonly name: string;
  readonly seedName: string;
  readonly device: BlockDevice;
  memoryBytes: number;
  boots: number;
  p2mMfn: Mfn;
  /** Undefined while the domain is being built or rebuilt, and when nothing but its preserved pages is there. */
  domain: Domain | undefined;
  /** Its frames: the living P2M list, or a copy while the domain is being built. */
  p2m: Uint32Array;
  /** Frames taken from the allocator for a domain that will grow. */
  held: Uint32Array;
}

/** What a rebuild needs. */
interface RebuildPlan {
  readonly region: BootRegion;
  readonly memoryBytes: number;
  /** Where the new P2M list goes; `roomy`: where the old one is. */
  readonly p2mMfn: Mfn;
  readonly roomy: boolean;
  /** Frames for pages beyond those it had, and for those that it has given back. */
  readonly extra: Uint32Array;
  readonly holes: Uint32Array;
}

/** Longest piece of work on domain 0's processor at a time: 1 ms. */
const SLICE_NS = 1e6;
const NO_DIRTY_PAGES: DirtyPages = { written: 0, lost: noReasons() };
const NO_FRAMES = new Uint32Array(0);
const countHoles = (p2m: Uint32Array): number => p2m.reduce((holes, mfn) => holes + (mfn === NO_FRAME ? 1 : 0), 0);

export class Toolstack {
  readonly #hypervisor: Hypervisor;
  readonly #entries = new Map<DomId, Entry>();
  /** Domains that were left and not taken up yet, by name. */
  readonly #left: Map<string, LeftDomain>;

  constructor(hypervisor: Hypervisor) {
    this.#hypervisor = hypervisor;
    this.#left = new Map(hypervisor.left.map((left) => [left.record.name, left]));
  }

  /** All that there is, by domid: a domain, or none where only preserved pages were left or one is being built. */
  get entries(): readonly { readonly domid: DomId; readonly domain: Domain | undefined }[] {
    return [...this.#entries.values()].sort((a, b) => a.domid - b.domid);
  }

  /** Names of the domains that another hypervisor left and that were not taken up yet: whether each can be resumed. */
  get left(): ReadonlyMap<string, 'suspended' | 'kept'> {
    return new Map([...this.#left].map(([name, { state }]) => [name, state === undefined ? 'kept' : 'suspended']));
  }

  /** The domains that exist, by domid. */
  get domains(): Domain[] {
    const built = [...this.#entries.values()].flatMap(({ domain }) => (domain === undefined ? [] : [domain]));
    return built.sort((a, b) => a.domid - b.domid);
  }

  /**
   * Builds a domain on free frames, waiting for the scrub list when there are too few. It is running when the process returns.
   * @throws UserError for a configuration that cannot be; ModelError ENOMEM when there is no memory or no slot for it
   */
  *createDomain(config: DomainConfig): Process<Domain> {
    const { costs, kernelPages } = this.#hypervisor;
    if (encodeName(config.name) === undefined) throw new UserError(`name: "${config.name}" is longer than 31 bytes`);
    const region = planBootRegion(config.name, config.memoryBytes, kernelPages, config.module, config.cmdLine);
    const { entry, frames } = yield* this.#makeRoom(config, region.nrPages, region.nrPages);
    this.#assign(entry, frames, 0);
    yield* this.#work(costs.frameAllocNs * frames.length + costs.domainBuildNs);
    return this.#build(entry, frames, region, new PreservedBitmap(region.nrPages), 0, noReasons(), 'untold');
  }

  /**
   * Takes a domain down, running or stopped, and builds it again; the old object is dead from then on.
   * @throws UserError for options that cannot be, ModelError ENOMEM when there is no memory to grow; both before anything
   *   happened
   */
  *restartDomain(domain: Domain, options: RestartOptions): Process<Domain> {
    const entry = this.#entryOf(domain);
    const plan = yield* this.#plan(entry, domain, options);
    const refused = noReasons();
    const dirty = yield* this.#retire(entry, domain, plan, options, refused);
    options.betweenGuests?.();
    return yield* this.#rebuild(entry, plan, options.preserve, refused, dirty);
  }

  /**
   * Takes a domain that has stopped down for good, as far as this hypervisor goes: what is named and clean stays where it is,
   * with the domain's record, for a guest that another hypervisor boots in it.
   * @throws ModelError ENOMEM when it has given pages back and there are no frames for them
   */
  *leaveDomain(domain: Domain): Process {
    const entry = this.#entryOf(domain);
    const plan = yield* this.#plan(entry, domain, { preserve: true });
    yield* this.#retire(entry, domain, plan, { preserve: true }, noReasons());
  }

  /**
   * Boots a domain of which another hypervisor left the preserved pages.
   * @throws UserError for a configuration that cannot be, or when no such domain was left; ModelError ENOMEM
   */
  *bootLeftDomain(config: DomainConfig): Process<Domain> {
    const left = this.#takeUp(config.name, config.device);
    if (left === undefined || left.state !== undefined)
      throw new UserError(`name: no pages of a domain "${config.name}" were left`);
    const entry = this.#enter(left, config);
    const plan = yield* this.#plan(entry, undefined, { ...config, preserve: true });
    return yield* this.#rebuild(entry, plan, true, noReasons());
  }

  /**
   * Goes on with a domain that another hypervisor left suspended, on its own frames: its guest returns from the hypercall.
   * When it cannot be, its frames are given to the scrub list, and `lost` says why.
   */
  *resumeDomain(config: DomainConfig): Process<Resumption> {
    const { memory, map, simulation, costs } = this.#hypervisor;
    const left = this.#takeUp(config.name, config.device);
    if (left === undefined) return { lost: 'not left, or its device has another number' };
    yield* this.#work(costs.domainResumeNs);
    const { record, state } = left;
    const guest = state && simulation.frozen.thaw(state.program);
    if (state === undefined || !(guest instanceof DomainEnvironment)) {
      this.#abandon(left);
      return { lost: state === undefined ? 'not suspended' : 'its program is not where its registers say' };
    }
    const entry = this.#enter(left, config);
    eraseDomainState(memory, map, record.domid);
    writeDomainRecord(memory, map, record);
    return { domain: this.#goOn(entry, record.bootPages, state, guest) };
  }

  /** Goes on with a domain that is suspended, where it is. */
  *continueDomain(domain: Domain, bootPages: number): Process<Domain> {
    const entry = this.#entryOf(domain);
    const state = domain.freeze();
    const guest = this.#hypervisor.simulation.frozen.thaw(state.program);
    assert(guest instanceof DomainEnvironment, 'nobody else goes on with it');
    entry.domain = undefined;
    domain.kill();
    yield* domain.released();
    this.#bury(domain);
    return this.#goOn(entry, bootPages, state, guest);
  }

  /**
   * Makes room for a domain whose guest comes from elsewhere; whoever brings it places the frames. Then it is completed, or
   * abandoned.
   * @throws UserError for a name that cannot be; ModelError ENOMEM when there is no memory or no slot for it
   */
  *receiveDomain(config: DomainConfig, nrPages: number, nrFrames: number): Process<IncomingDomain> {
    if (encodeName(config.name) === undefined) throw new UserError(`name: "${config.name}" is longer than 31 bytes`);
    const { entry, frames } = yield* this.#makeRoom(config, nrPages, nrFrames);
    const p2m = this.#hypervisor.p2mLists.view(entry.p2mMfn, nrPages);
    assert(p2m !== undefined, 'there is room for the P2M list');
    p2m.fill(NO_FRAME);
    entry.p2m = p2m;
    entry.held = frames;
    const device = this.#hypervisor.deviceNumber(entry.device);
    return { domid: entry.domid, owner: ownerOfDomain(entry.domid), device, p2m, frames };
  }

  /** The guest of a domain that was made room for goes on, on the frames that were placed. */
  *completeIncoming(
    { domid, device, p2m }: IncomingDomain,
    { bootPages, boots }: Pick<DomainRecord, 'bootPages' | 'boots'>,
    state: DomainStateRecord,
    guest: DomainEnvironment,
  ): Process<Domain> {
    const { memory, map, costs } = this.#hypervisor;
    const entry = this.#entries.get(domid)!;
    yield* this.#work(costs.domainResumeNs);
    entry.held = NO_FRAMES;
    entry.boots = boots;
    writeDomainRecord(memory, map, {
      domid,
      device,
      nrPages: p2m.length,
      bootPages,
      p2mMfn: entry.p2mMfn,
      p2mCrc: p2mCrc(p2m),
      consumed: false,
      name: entry.name,
      recencyCrc: undefined,
      boots,
    });
    return this.#goOn(entry, bootPages, state, guest);
  }

  /** Gives the frames of a domain that was made room for to the scrub list. */
  abandonIncoming({ domid, frames }: IncomingDomain): void {
    const { scrubber, p2mLists } = this.#hypervisor;
    for (const mfn of frames) scrubber.add(Mfn(mfn));
    p2mLists.release(this.#entries.get(domid)!.p2mMfn);
    this.#entries.delete(domid);
  }

  /** Gives up everything that was left and not taken up. Returns the names. */
  abandonLeft(): string[] {
    const names = [...this.#left.keys()];
    for (const left of [...this.#left.values()]) {
      this.#left.delete(left.record.name);
      this.#abandon(left);
    }
    return names;
  }

  /** What a rebuild needs, set aside before anything is touched. */
  *#plan(entry: Entry, domain: Domain | undefined, options: RestartOptions): Process<RebuildPlan> {
    const { allocator, p2mLists, kernelPages } = this.#hypervisor;
    const memoryBytes = options.memoryBytes ?? entry.memoryBytes;
    const region = planBootRegion(entry.name, memoryBytes, kernelPages, options.module, options.cmdLine);
    const growth = Math.max(0, region.nrPages - entry.p2m.length);
    yield* this.#hypervisor.scrubber.waitFor(growth + countHoles(entry.p2m));
    assert(entry.domain === domain, 'nobody else has taken the domain down');
    // The domain is as it was while this waited, but for its own reservation.
    const wanted = new Uint32Array(growth + countHoles(entry.p2m));
    const roomy = p2mLists.capacity(entry.p2mMfn) >= region.nrPages;
    const p2mMfn = roomy ? entry.p2mMfn : p2mLists.allocate(region.nrPages);
    try {
      allocator.allocate(wanted);
    } catch (error) {
      if (!roomy) p2mLists.release(p2mMfn);
      throw error;
    }
    entry.held = wanted;
    return { region, memoryBytes, p2mMfn, roomy, extra: wanted.subarray(0, growth), holes: wanted.subarray(growth) };
  }

  /** Takes the old guest down; of its frames nothing but what is preserved is known afterwards. */
  *#retire(
    entry: Entry,
    domain: Domain,
    { extra, holes }: RebuildPlan,
    { preserve, writeDirty = false }: Pick<RestartOptions, 'preserve' | 'writeDirty'>,
    refused: ReasonCounts,
  ): Process<DirtyPages> {
    const identity = { domid: entry.domid, device: this.#hypervisor.deviceNumber(entry.device) };
    const old = entry.p2m;
    yield* this.#takeDown(entry, domain);
    this.#fillHoles(entry, old, holes);
    entry.held = extra;
    const dirty = writeDirty ? yield* writeDirtyPages(this.#hypervisor, identity, entry.device, old) : NO_DIRTY_PAGES;
    yield* this.#work(retireFrames(this.#hypervisor, identity, old, preserve, refused));
    return dirty;
  }

  /** Builds the next guest's domain from what lies in memory. */
  *#rebuild(
    entry: Entry,
    { region, memoryBytes, p2mMfn, roomy, extra }: RebuildPlan,
    preserve: boolean,
    refused: ReasonCounts,
    dirty = NO_DIRTY_PAGES,
  ): Process<Domain> {
    const { allocator, p2mLists, costs } = this.#hypervisor;
    const identity = { domid: entry.domid, device: this.#hypervisor.deviceNumber(entry.device) };
    const isTaken = this.#takenByOthers(entry);
    const found = recoverFrames(this.#hypervisor, identity, region, preserve, refused, isTaken);
    const frames = new Uint32Array(region.nrPages);
    const kept = found.p2m?.length ?? 0;
    if (found.p2m === undefined) {
      for (const mfn of extra) allocator.free(Mfn(mfn));
      allocator.allocate(frames);
    } else {
      frames.set(found.p2m);
      frames.set(extra, kept);
    }
    this.#assign(entry, frames, kept);
    entry.held = NO_FRAMES;
    if (!roomy) p2mLists.release(entry.p2mMfn);
    entry.p2mMfn = p2mMfn;
    entry.memoryBytes = memoryBytes;
    yield* this.#work(found.costNs + costs.frameAllocNs * (frames.length - kept) + costs.domainBuildNs);
    return this.#build(entry, frames, region, found.preserved, found.coldReason, refused, found.recency, dirty);
  }

  /** Takes a domain down and gives its frames to the scrub list; all of them, when the process returns. */
  *destroyDomain(domain: Domain): Process {
    const { p2mLists, scrubber, memory, map, costs } = this.#hypervisor;
    const entry = this.#entryOf(domain);
    const frames = entry.p2m.filter((mfn) => mfn !== NO_FRAME);
    entry.domain = undefined;
    domain.kill();
    eraseDomainRecord(memory, map, entry.domid);
    const pinned = domain.grants.pinnedFrames();
    entry.p2m = NO_FRAMES;
    entry.held = Uint32Array.from(pinned);
    for (const mfn of frames) if (!pinned.has(mfn)) scrubber.add(Mfn(mfn));
    yield* domain.released();
    for (const mfn of pinned) scrubber.add(Mfn(mfn));
    entry.held = NO_FRAMES;
    yield* this.#work(costs.domainDestroyNs);
    this.#bury(domain);
    p2mLists.release(entry.p2mMfn);
    this.#entries.delete(entry.domid);
  }

  /**
   * Everything that must hold of all frames, when no domain is being built or taken down: each has one owner; P2M list,
   * owner and pfn agree; free frames are free in every book. Goes through all of memory: for tests.
   * @throws InvariantViolation
   */
  checkInvariants(): void {
    const { frames, allocator, map, scrubber } = this.#hypervisor;
    const seen = new Uint8Array(map.frameCount);
    for (const mfn of scrubber.frames) {
      assert(seen[mfn] === 0, 'a frame is on the scrub list once');
      seen[mfn] = 1;
      assert(frames.ownerOf(Mfn(mfn)) === OWNER_HYPERVISOR, 'a frame on the scrub list is the hypervisor’s');
    }
    const left = [...this.#left.values()].map(({ record: { domid }, p2m }) => ({ domid, p2m }));
    for (const { domid, p2m } of [...this.#entries.values(), ...left]) {
      for (let pfn = 0; pfn < p2m.length; pfn++) {
        const mfn = Mfn(p2m[pfn]!);
        if (mfn === NO_FRAME) continue;
        assert(mfn >= map.firstDomainMfn && mfn < map.frameCount, 'a domain has frames for domains only');
        assert(seen[mfn] === 0, 'a frame is one page of one domain');
        seen[mfn] = 1;
        assert(frames.ownerOf(mfn) === ownerOfDomain(domid), 'P2M list and owner agree');
        assert(frames.pfnOf(mfn) === pfn, 'P2M list and M2P agree');
      }
    }
    for (let mfn = 0; mfn < map.frameCount; mfn++) {
      frames.checkRecord(Mfn(mfn));
      if (mfn < map.firstDomainMfn) continue;
      assert(allocator.isFree(Mfn(mfn)) === (seen[mfn] === 0), 'a frame is free, of a domain, or waits');
      assert(seen[mfn] === 1 || frames.ownerOf(Mfn(mfn)) === 0, 'a free frame has no owner');
    }
  }

  #freeDomid(): DomId {
    const left = new Set([...this.#left.values()].map(({ record }) => record.domid));
    for (let n = 1; n < DOMAIN_SLOTS; n++) if (!this.#entries.has(DomId(n)) && !left.has(DomId(n))) return DomId(n);
    throw new ModelError('ENOMEM', `all ${DOMAIN_SLOTS - 1} domain records are in use`);
  }

  /** Each boot has random streams of its own. */
  #seedName({ seedName, boots }: Entry): string {
    return `${seedName}#${boots - 1}`;
  }

  /** A slot, room for a P2M list, and frames, for which it waits while some are to be scrubbed. Throws ModelError ENOMEM. */
  *#makeRoom(
    { name, device, memoryBytes, seedName = name }: DomainConfig,
    nrPages: number,
    nrFrames: number,
  ): Process<{ readonly entry: Entry; readonly frames: Uint32Array }> {
    const { allocator, p2mLists, scrubber } = this.#hypervisor;
    yield* scrubber.waitFor(nrFrames);
    const domid = this.#freeDomid();
    const frames = new Uint32Array(nrFrames);
    const p2mMfn = p2mLists.allocate(nrPages);
    try {
      allocator.allocate(frames);
    } catch (error) {
      p2mLists.release(p2mMfn);
      throw error;
    }
    const entry: Entry = {
      domid,
      name,
      seedName,
      device,
      memoryBytes,
      boots: 0,
      p2mMfn,
      domain: undefined,
      p2m: NO_FRAMES,
      held: NO_FRAMES,
    };
    this.#entries.set(domid, entry);
    return { entry, frames };
  }

  /** A guest goes on in its entry's frames. */
  #goOn(entry: Entry, bootPages: number, state: DomainStateRecord, guest: DomainEnvironment): Domain {
    entry.domain = new Domain(this.#hypervisor, {
      domid: entry.domid,
      name: entry.name,
      seedName: this.#seedName(entry),
      device: entry.device,
      p2m: entry.p2m,
      bootPages,
      sharedInfoPfn: state.sharedInfoPfn,
      grantTablePfn: state.grantTablePfn,
      preserved: 0,
      refused: noReasons(),
      recency: state.hasRecency ? 'told' : 'untold',
      dirty: NO_DIRTY_PAGES,
      frozen: { environment: guest, registers: state.registers, ports: state.ports },
    });
    return entry.domain;
  }

  /** Takes a domain that was left off the list, if its device can be what its records call it. */
  #takeUp(name: string, device: BlockDevice): LeftDomain | undefined {
    const left = this.#left.get(name);
    if (left === undefined || !this.#hypervisor.bindDevice(left.record.device, device)) return undefined;
    this.#left.delete(name);
    return left;
  }

  #enter({ record, p2m }: LeftDomain, { name, device, memoryBytes, seedName = name }: DomainConfig): Entry {
    const { domid, boots, p2mMfn } = record;
    const entry = {
      domid,
      name,
      seedName,
      device,
      memoryBytes,
      boots,
      p2mMfn,
      domain: undefined,
      p2m,
      held: NO_FRAMES,
    };
    this.#entries.set(domid, entry);
    return entry;
  }

  #abandon({ record, p2m }: LeftDomain): void {
    const { memory, map, p2mLists, scrubber } = this.#hypervisor;
    eraseDomainRecord(memory, map, record.domid);
    eraseDomainState(memory, map, record.domid);
    for (const mfn of p2m) if (mfn !== NO_FRAME) scrubber.add(Mfn(mfn));
    p2mLists.release(record.p2mMfn);
  }

  #entryOf(domain: Domain): Entry {
    const entry = this.#entries.get(domain.domid);
    assert(entry?.domain === domain, 'the domain exists, and is not being taken down');
    return entry;
  }

  /** Gives every page of a domain that was taken down a frame again, so that its list can be carried over whole. */
  #fillHoles(entry: Entry, p2m: Uint32Array, frames: Uint32Array): void {
    if (frames.length === 0) return;
    const { memory, map } = this.#hypervisor;
    const device = this.#hypervisor.deviceNumber(entry.device);
    let used = 0;
    for (let pfn = 0; pfn < p2m.length; pfn++) {
      if (p2m[pfn] !== NO_FRAME) continue;
      const mfn = Mfn(frames[used++]!);
      p2m[pfn] = mfn;
      // What was told of the frame was told of another page.
      this.#hypervisor.recency.set(mfn, 0);
      this.#hypervisor.frames.assign(mfn, ownerOfDomain(entry.domid), Pfn(pfn), device);
    }
    setP2mCrc(memory, map, entry.domid, p2mCrc(p2m));
  }

  *#takeDown(entry: Entry, domain: Domain): Process {
    entry.domain = undefined;
    domain.kill();
    yield* domain.released();
    yield* this.#work(this.#hypervisor.costs.domainDestroyNs);
    this.#bury(domain);
  }

  /** Whether a frame is another domain's, is held or waits to be scrubbed; the set is made at the first question. */
  #takenByOthers(entry: Entry): (mfn: Mfn) => boolean {
    let taken: Set<number> | undefined;
    return (mfn) => {
      if (taken === undefined) {
        taken = new Set(entry.held);
        for (const n of this.#hypervisor.scrubber.frames) taken.add(n);
        for (const { p2m } of this.#left.values()) for (const n of p2m) taken.add(n);
        for (const other of this.#entries.values())
          if (other !== entry) for (const list of [other.p2m, other.held]) for (const n of list) taken.add(n);
      }
      return taken.has(mfn);
    };
  }

  /** Gives the domain its frames, those from page `from` on being new to it. */
  #assign(entry: Entry, frames: Uint32Array, from: number): void {
    entry.p2m = frames;
    const owner = ownerOfDomain(entry.domid);
    const device = this.#hypervisor.deviceNumber(entry.device);
    for (let pfn = from; pfn < frames.length; pfn++)
      this.#hypervisor.frames.assign(Mfn(frames[pfn]!), owner, Pfn(pfn), device);
  }

  #build(
    entry: Entry,
    frames: Uint32Array,
    region: BootRegion,
    preserved: PreservedBitmap,
    coldReason: number,
    refused: ReasonCounts,
    recency: RecencyState,
    dirty = NO_DIRTY_PAGES,
  ): Domain {
    const { memory, map, p2mLists } = this.#hypervisor;
    const p2m = p2mLists.view(entry.p2mMfn, frames.length);
    assert(p2m !== undefined, 'there is room for the P2M list');
    p2m.set(frames);
    writeBootRegion(memory, p2m, region, preserved, coldReason);
    writeDomainRecord(memory, map, {
      domid: entry.domid,
      device: this.#hypervisor.deviceNumber(entry.device),
      nrPages: region.nrPages,
      bootPages: region.bootPages,
      p2mMfn: entry.p2mMfn,
      p2mCrc: p2mCrc(p2m),
      consumed: false,
      name: entry.name,
      recencyCrc: undefined,
      boots: ++entry.boots,
    });
    entry.p2m = p2m;
    entry.domain = new Domain(this.#hypervisor, {
      domid: entry.domid,
      name: entry.name,
      seedName: this.#seedName(entry),
      device: entry.device,
      p2m,
      bootPages: region.bootPages,
      sharedInfoPfn: region.sharedInfoPfn,
      grantTablePfn: region.grantTablePfn,
      preserved: preserved.count,
      refused,
      recency,
      dirty,
    });
    return entry.domain;
  }

  /** What the store still says of the domain was for the guest that is gone. */
  #bury(domain: Domain): void {
    this.#hypervisor.xenstore.remove(homeOf(domain.domid));
    domain.bury();
  }

  /** Works for `ns` on domain 0's processor. */
  *#work(ns: number): Process {
    const cpu = this.#hypervisor.domain0Cpu;
    for (let rest = ns; rest > 0; rest -= SLICE_NS) {
      cpu.charge(Math.min(rest, SLICE_NS));
      yield* cpu.settle();
    }
  }
}
