/**
 * The tool stack of domain 0: creates, restarts and destroys domains.
 *
 * A restart with `preserve` is the warm-cache reboot: the old guest is taken down, its in-flight I/O drains, what it had
 * registered as dirty is written home if that is asked for (dirty-pages.ts), frames that are named and clean are preserved
 * and all others scrubbed; then there is nothing but machine memory (`betweenGuests` is called there); then a new domain is
 * built from those bytes (rebuild.ts), on the same frames under the same P2M. The two halves can also be under two
 * hypervisors: `leaveDomain` and `bootLeftDomain`. What is remembered of a domain is in domain-list.ts; guests that go on
 * instead of booting are in resume.ts.
 *
 * Each operation asks the domain's life whether it may begin (lifecycle.ts), holds the domain, and ends with an outcome: it was
 * refused, it failed, or it is done. Options that cannot be are the caller's mistake, and are thrown before anything has begun.
 *
 * Work is paid on domain 0's processor in slices, so that the back-ends of other domains run in between. Modelled after
 * xend and Xen's domain_kill and domain builder; differs in that scrubbing is done before the domain is built again,
 * not in the background.
 */

import { counted } from '../../base/counted.ts';
import { checkBlockDevice } from '../../disk/drive/block-device.ts';
import {
  ArgumentError,
  checkArgument,
  checkInteger,
  checkObject,
  checkOneOf,
  checkText,
} from '../../base/argument-error.ts';
import { assert } from '../../base/assert.ts';
import { Mfn, PAGE_SIZE, Pfn } from '../../base/units.ts';
import { UserError } from '../../base/user-error.ts';
import type { Process } from '../../sim/simulation.ts';
import { storeRecordOf } from '../records/devices.ts';
import { writeDirtyPages } from './dirty-pages.ts';
import { type DirtyPages, Domain, type RecencyState } from '../domain/domain.ts';
import { makeDomain } from '../domain/make-domain.ts';
import { type BootRegion, planBootRegion, PreservedBitmap, writeBootRegion } from '../domain/build.ts';
import { type DomainConfig, type DomainEntry, DomainList, NO_FRAMES, NO_PAGES, seedNameOf } from './domain-list.ts';
import { ownerOfDomain } from '../frames/frame-record.ts';
import type { Hypervisor } from '../core/hypervisor.ts';
import { done, type NotDone, type Outcome } from '../domain/lifecycle.ts';
import { NO_FRAME, P2mList } from '../frames/p2m.ts';
import { noReasons, Reason, type ReasonCode, type ReasonCounts } from '../public/reason.ts';
import { recoverFrames, retireFrames } from './rebuild.ts';
import { encodeName, eraseDomainRecord, setP2mCrc, writeDomainRecord } from '../records/records.ts';
import { memoryTargetNodeOf, shutdownNodeOf } from '../channels/xenstore.ts';

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

/** What a guest can be asked for. */
export type ShutdownRequest = 'poweroff' | 'reboot';

/** What a rebuild needs. */
interface RebuildPlan {
  readonly region: BootRegion;
  /** Where the new P2M list goes; `roomy`: where the old one is. */
  readonly p2mMfn: Mfn;
  readonly roomy: boolean;
  /** Frames for pages beyond those it had, and for those that it has given back. */
  readonly extra: Uint32Array;
  readonly holes: Uint32Array;
}

/** @throws ArgumentError unless it is a domain */
export function checkDomain(domain: Domain): void {
  checkArgument(domain instanceof Domain, 'domain', 'expected a Domain');
}

/** @throws ArgumentError for a configuration without name, memory or device */
export function checkConfig(config: DomainConfig): void {
  checkObject('config', config, 'name', 'memoryBytes', 'device');
  checkText('config.name', config.name);
  checkBlockDevice('config.device', config.device);
}

export class Toolstack {
  readonly list: DomainList;
  readonly #hypervisor: Hypervisor;

  /** @throws ArgumentError */
  constructor(hypervisor: Hypervisor) {
    checkObject('hypervisor', hypervisor, 'map', 'frames');
    this.#hypervisor = hypervisor;
    this.list = new DomainList(hypervisor);
  }

  /**
   * Builds a domain on free frames, waiting for the scrub list when there are too few. Refused while there is one of this name;
   * fails when there is no memory or no slot for it.
   * @throws ArgumentError for a configuration without name, memory or device; UserError for one that cannot be
   */
  *createDomain(config: DomainConfig): Process<Outcome<{ readonly domain: Domain }>> {
    const { costs, kernelPages } = this.#hypervisor;
    checkConfig(config);
    if (encodeName(config.name) === undefined)
      throw new UserError(`name: "${config.name}" is not text of 31 bytes at most without a zero`);
    const region = planBootRegion(config.name, config.memoryBytes, kernelPages, config.module, config.cmdLine);
    const room = yield* this.list.makeRoom('create', config, region.nrPages, region.nrPages);
    if ('problem' in room) return room;
    const { entry, frames } = room;
    this.#assign(entry, frames, 0);
    yield* this.#hypervisor.domain0Cpu.work(costs.frameAllocNs * frames.length + costs.domainBuildNs);
    const preserved = new PreservedBitmap(region.nrPages);
    return done({ domain: this.#build(entry, frames, region, preserved, 0, noReasons(), 'untold') });
  }

  /**
   * Takes a domain down, running, suspended or stopped, and builds it again; the old object is dead from then on. When there is no
   * memory to grow it fails, and the domain is as it was; when the old guest's frames cannot be found again and there are no others,
   * it fails and there is no domain any more.
   * @throws UserError for options that cannot be
   */
  *restartDomain(domain: Domain, options: RestartOptions): Process<Outcome<{ readonly domain: Domain }>> {
    checkDomain(domain);
    checkObject('options', options);
    const region = this.#regionFor(domain.name, options.memoryBytes ?? domain.nrPages * PAGE_SIZE, options);
    const refusal = domain.begin('reboot');
    if (refusal !== undefined) return refusal;
    const entry = this.list.entryOf(domain);
    const plan = yield* this.#plan(entry, region);
    if ('problem' in plan) {
      domain.end();
      return plan;
    }
    const refused = noReasons();
    const dirty = yield* this.#retire(entry, domain, plan, options, refused);
    options.betweenGuests?.();
    entry.life.step('rebuild');
    return yield* this.#rebuild(entry, plan, options.preserve, refused, Reason.ok, dirty);
  }

  /**
   * Takes a domain that has stopped down for good, as far as this hypervisor goes: what is named and clean stays where it is,
   * with the domain's record, for a guest that another hypervisor boots in it. Fails when it has given pages back and there are no
   * frames for them.
   */
  *leaveDomain(domain: Domain): Process<Outcome> {
    checkDomain(domain);
    const region = this.#regionFor(domain.name, domain.nrPages * PAGE_SIZE, {});
    const refusal = domain.begin('leave');
    if (refusal !== undefined) return refusal;
    const entry = this.list.entryOf(domain);
    const plan = yield* this.#plan(entry, region);
    if ('problem' in plan) {
      domain.end();
      return plan;
    }
    yield* this.#retire(entry, domain, plan, { preserve: true }, undefined);
    entry.life.step('keep');
    return done({});
  }

  /**
   * Boots a domain of which nothing but its preserved pages was left, mostly by another hypervisor. When there is no memory to grow it
   * fails, and they are still there.
   * @throws UserError for a configuration that cannot be
   */
  *bootLeftDomain(config: DomainConfig): Process<Outcome<{ readonly domain: Domain }>> {
    checkConfig(config);
    const region = this.#regionFor(config.name, config.memoryBytes, config);
    const kept = this.list.enterKept(config);
    if ('problem' in kept) return kept;
    const { entry, distrust } = kept;
    const plan = yield* this.#plan(entry, region);
    if ('problem' in plan) {
      entry.life.step('keep');
      return plan;
    }
    return yield* this.#rebuild(entry, plan, true, { ...entry.refused }, distrust);
  }

  #regionFor(name: string, memoryBytes: number, options: Pick<RestartOptions, 'module' | 'cmdLine'>): BootRegion {
    return planBootRegion(name, memoryBytes, this.#hypervisor.kernelPages, options.module, options.cmdLine);
  }

  /** What a rebuild needs, set aside before anything is touched. */
  *#plan(entry: DomainEntry, region: BootRegion): Process<RebuildPlan | NotDone> {
    const { p2mLists, scrubber } = this.#hypervisor;
    const growth = Math.max(0, region.nrPages - entry.p2m.length);
    yield* scrubber.waitFor(growth + entry.p2m.holes);
    // The domain is as it was while this waited, but for its own reservation.
    const wanted = new Uint32Array(growth + entry.p2m.holes);
    const roomy = p2mLists.capacity(entry.p2mMfn) >= region.nrPages;
    const p2mMfn = this.list.allocate(wanted, region.nrPages, roomy ? entry.p2mMfn : undefined);
    if (typeof p2mMfn !== 'number') return p2mMfn;
    entry.held = wanted;
    return { region, p2mMfn, roomy, extra: wanted.subarray(0, growth), holes: wanted.subarray(growth) };
  }

  /** Takes the old guest down; of its frames nothing but what is preserved is known afterwards. */
  *#retire(
    entry: DomainEntry,
    domain: Domain,
    { extra, holes }: RebuildPlan,
    { preserve, writeDirty = false }: Pick<RestartOptions, 'preserve' | 'writeDirty'>,
    refused: ReasonCounts | undefined,
  ): Process<DirtyPages | undefined> {
    const { domid, disk } = entry;
    const identity = { domid, device: disk.number };
    const old = entry.p2m;
    yield* this.#takeDown(entry, domain);
    this.#fillHoles(entry, old, holes);
    entry.held = extra;
    const dirty = writeDirty ? yield* writeDirtyPages(this.#hypervisor, domid, disk, old) : undefined;
    // What is left for later is asked then.
    const distrust = refused !== undefined && disk.isChanged ? Reason.diskChanged : Reason.ok;
    if (refused !== undefined) disk.accept();
    const costNs = retireFrames(this.#hypervisor, identity, old, preserve, refused, distrust);
    yield* this.#hypervisor.domain0Cpu.work(costNs);
    return dirty;
  }

  /** Builds the next guest's domain from what lies in memory. */
  *#rebuild(
    entry: DomainEntry,
    { region, p2mMfn, roomy, extra }: RebuildPlan,
    preserve: boolean,
    refused: ReasonCounts,
    distrust: ReasonCode,
    dirty?: DirtyPages,
  ): Process<Outcome<{ readonly domain: Domain }>> {
    const { allocator, memory, map, p2mLists, costs } = this.#hypervisor;
    const { domid, disk } = entry;
    const identity = { domid, device: disk.number };
    const reason = distrust === Reason.ok && disk.isChanged ? Reason.diskChanged : distrust;
    disk.accept();
    const isTaken = this.list.takenByOthers(entry);
    const found = recoverFrames(this.#hypervisor, identity, region, preserve, refused, reason, isTaken);
    const frames = new Uint32Array(region.nrPages);
    const kept = found.p2m?.length ?? 0;
    entry.held = NO_FRAMES;
    if (!roomy) p2mLists.release(entry.p2mMfn);
    entry.p2mMfn = p2mMfn;
    if (found.p2m === undefined) {
      for (const mfn of extra) allocator.free(Mfn(mfn));
      const place = this.list.allocate(frames, region.nrPages, p2mMfn);
      if (typeof place !== 'number') {
        entry.p2m = NO_PAGES;
        eraseDomainRecord(memory, map, entry.domid);
        this.list.remove(entry);
        return place;
      }
    } else {
      frames.set(found.p2m);
      frames.set(extra, kept);
    }
    this.#assign(entry, frames, kept);
    entry.memoryBytes = region.nrPages * PAGE_SIZE;
    yield* this.#hypervisor.domain0Cpu.work(
      found.costNs + costs.frameAllocNs * (frames.length - kept) + costs.domainBuildNs,
    );
    return done({
      domain: this.#build(entry, frames, region, found.preserved, found.coldReason, refused, found.recency, dirty),
    });
  }

  /**
   * Says how much memory a domain is to have from now on, until its next restart; its guest's balloon driver sees to it, as far as it can.
   * Refused unless the domain runs and nothing else is under way on it.
   * @throws UserError unless it is whole pages, and no more than the domain was built with
   */
  setMemoryTarget(domain: Domain, memoryBytes: number): Outcome {
    checkDomain(domain);
    checkInteger('memoryBytes', memoryBytes);
    const built = domain.nrPages * PAGE_SIZE;
    if (!(Number.isSafeInteger(memoryBytes) && memoryBytes > 0 && memoryBytes % PAGE_SIZE === 0))
      throw new UserError(`memory: ${counted(memoryBytes, 'byte is', 'bytes are')} not whole pages`);
    if (memoryBytes > built)
      throw new UserError(
        `memory: ${memoryBytes} bytes are more than the ${built} that "${domain.name}" was built with`,
      );
    const refusal = domain.begin('balloon');
    if (refusal !== undefined) return refusal;
    this.#hypervisor.xenstore.write(memoryTargetNodeOf(domain.domid), String(memoryBytes / 1024));
    return done({});
  }

  /** Asks a guest to stop. Refused unless it runs and nothing else is under way on its domain. */
  askToStop(domain: Domain, request: ShutdownRequest): Outcome {
    checkDomain(domain);
    checkOneOf('request', request, ['poweroff', 'reboot']);
    const refusal = domain.begin('shutdown');
    if (refusal !== undefined) return refusal;
    this.#hypervisor.xenstore.write(shutdownNodeOf(domain.domid), request);
    return done({});
  }

  /**
   * Takes a domain down, running, suspended or stopped, and gives its frames to the scrub list; all of them, when the process
   * returns.
   */
  *destroyDomain(domain: Domain): Process<Outcome> {
    checkDomain(domain);
    const refusal = domain.begin('destroy');
    if (refusal !== undefined) return refusal;
    yield* this.removeDomain(domain);
    return done({});
  }

  /** @internal: the end of a domain that an operation holds, as destroyDomain has it. */
  *removeDomain(domain: Domain): Process {
    const { scrubber, memory, map, costs } = this.#hypervisor;
    const entry = this.list.entryOf(domain);
    const frames = entry.p2m.frames().filter((mfn) => mfn !== NO_FRAME);
    entry.domain = undefined;
    domain.kill();
    eraseDomainRecord(memory, map, entry.domid);
    const pinned = domain.grants.pinnedFrames();
    entry.p2m = NO_PAGES;
    entry.held = Uint32Array.from(pinned);
    for (const mfn of frames) if (!pinned.has(mfn)) scrubber.add(Mfn(mfn));
    yield* domain.released();
    for (const mfn of pinned) scrubber.add(Mfn(mfn));
    entry.held = NO_FRAMES;
    yield* this.#hypervisor.domain0Cpu.work(costs.domainDestroyNs);
    domain.bury();
    this.list.remove(entry);
  }

  /** Gives every page of a domain that was taken down a frame again, so that its list can be carried over whole. */
  #fillHoles(entry: DomainEntry, p2m: P2mList, frames: Uint32Array): void {
    if (frames.length === 0) return;
    const { memory, map } = this.#hypervisor;
    const device = entry.disk.number;
    let used = 0;
    for (let pfn = 0; pfn < p2m.length; pfn++) {
      if (p2m.at(pfn) !== NO_FRAME) continue;
      const mfn = Mfn(frames[used++]!);
      p2m.set(pfn, mfn);
      // What was told of the frame was told of another page.
      this.#hypervisor.recency.set(mfn, 0);
      this.#hypervisor.frames.assign(mfn, ownerOfDomain(entry.domid), Pfn(pfn), device);
    }
    setP2mCrc(memory, map, entry.domid, p2m.crc);
  }

  *#takeDown(entry: DomainEntry, domain: Domain): Process {
    entry.domain = undefined;
    domain.kill();
    yield* domain.released();
    yield* this.#hypervisor.domain0Cpu.work(this.#hypervisor.costs.domainDestroyNs);
    domain.bury();
  }

  /** Gives the domain its frames, those from page `from` on being new to it. */
  #assign(entry: DomainEntry, frames: Uint32Array, from: number): void {
    entry.p2m = new P2mList(frames);
    const owner = ownerOfDomain(entry.domid);
    const device = entry.disk.number;
    for (let pfn = from; pfn < frames.length; pfn++)
      this.#hypervisor.frames.assign(Mfn(frames[pfn]!), owner, Pfn(pfn), device);
  }

  #build(
    entry: DomainEntry,
    frames: Uint32Array,
    region: BootRegion,
    preserved: PreservedBitmap,
    coldReason: number,
    refused: ReasonCounts,
    recency: RecencyState,
    dirty?: DirtyPages,
  ): Domain {
    const { memory, map, p2mLists } = this.#hypervisor;
    const p2m = p2mLists.view(entry.p2mMfn, frames.length);
    assert(p2m !== undefined, 'there is room for the P2M list');
    p2m.setAll(frames);
    writeBootRegion(memory, map.arch, p2m, region, preserved, coldReason);
    writeDomainRecord(memory, map, {
      domid: entry.domid,
      device: entry.disk.number,
      store: storeRecordOf(entry.disk.device),
      nrPages: region.nrPages,
      bootPages: region.bootPages,
      p2mMfn: entry.p2mMfn,
      p2mCrc: p2m.crc,
      consumed: false,
      name: entry.name,
      recencyCrc: undefined,
      boots: ++entry.boots,
    });
    entry.p2m = p2m;
    entry.domain = makeDomain(this.#hypervisor, {
      life: entry.life,
      domid: entry.domid,
      name: entry.name,
      seedName: seedNameOf(entry),
      disk: entry.disk,
      mac: entry.mac,
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
}

/**
 * The domain that an operation makes, for a caller that has seen to it that nothing can be in the way.
 * @throws ArgumentError when something was
 */
export function* domainOf(operation: Process<Outcome<{ readonly domain: Domain }>>): Process<Domain> {
  checkObject('operation', operation, 'next', 'throw');
  const outcome = yield* operation;
  if ('problem' in outcome) throw new ArgumentError(`operation: ${outcome.problem}`);
  return outcome.domain;
}
