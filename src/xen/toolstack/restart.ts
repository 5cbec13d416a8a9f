/**
 * The steps of a restart. What it needs is set aside, the old guest is taken down, and the next
 * one's domain is built from what lies in memory. The fate of each frame is decided in rebuild.ts.
 *
 * Between `retire` and `rebuild` nothing of the domain exists but machine memory; they can be under
 * two hypervisors.
 */

import { ok } from '../../base/result.ts';
import { Mfn, PAGE_SIZE, Pfn } from '../../base/units.ts';
import type { Process } from '../../sim/simulation.ts';
import type { BootRegion } from '../domain/build.ts';
import type { DirtyPages, Domain } from '../domain/domain.ts';
import type { Outcome } from '../domain/lifecycle.ts';
import { ownerOfDomain } from '../frames/frame-record.ts';
import { NO_FRAME, type P2mList } from '../frames/p2m.ts';
import { Reason, type ReasonCode, type ReasonCounts } from '../public/reason.ts';
import { eraseDomainRecord, setP2mCrc } from '../records/records.ts';
import { assignFrames, type BuildHost, buildDomain } from './builder.ts';
import { type WriterHost, writeDirtyPages } from './dirty-pages.ts';
import { type DomainEntry, NO_FRAMES, NO_PAGES } from './domain-entry.ts';
import type { DomainList } from './domain-list.ts';
import { type RecoverHost, recoverFrames, retireFrames } from './rebuild.ts';
import { describeDomain } from './store-entries.ts';

/** How a domain is restarted. */
export interface RestartOptions {
  /** Keep the cache; else everything is scrubbed. */
  readonly preserve: boolean;
  /** Write the pages home that the old guest had registered as dirty; else they are lost. */
  readonly writeDirty?: boolean;
  /** Bytes that the next guest finds at start_info.modulePfn; none by default. */
  readonly module?: Uint8Array;
  /** Command line of the next guest; empty by default. */
  readonly cmdLine?: string;
  /** New size; the old one by default. */
  readonly memoryBytes?: number;
  /**
   * Called when the old guest is gone and nothing of the new one is there: machine memory is all
   * there is.
   */
  readonly betweenGuests?: () => void;
}

/** What a rebuild needs. */
export interface RebuildPlan {
  readonly region: BootRegion;
  /** Where the new P2M list goes; `roomy`: where the old one is. */
  readonly p2mMfn: Mfn;
  readonly roomy: boolean;
  /** Frames for pages beyond those it had, and for those that it has given back. */
  readonly extra: Uint32Array;
  readonly holes: Uint32Array;
}

/** The shares of the steps: building, recovering, writing home. */
export type RestartHost = BuildHost & RecoverHost & WriterHost;

/**
 * The devices of a domain that is taken down are gone from the store; a hotplug script runs for
 * each.
 */
export function* unplug(
  { domain0Cpu, costs, xenstore }: Pick<RestartHost, 'domain0Cpu' | 'costs' | 'xenstore'>,
  { devices }: Domain,
): Process {
  yield* domain0Cpu.work(costs.hotplugNs * devices.length);
  yield* xenstore.served();
}

export class Restart {
  readonly #hypervisor: RestartHost;
  readonly #list: DomainList;

  constructor(hypervisor: RestartHost, list: DomainList) {
    this.#hypervisor = hypervisor;
    this.#list = list;
  }

  /** What a rebuild needs, set aside before anything is touched. */
  *plan(entry: DomainEntry, region: BootRegion): Process<Outcome<RebuildPlan>> {
    const { p2mLists, scrubber } = this.#hypervisor;
    const growth = Math.max(0, region.nrPages - entry.p2m.length);
    yield* scrubber.waitFor(growth + entry.p2m.holes);
    // The domain is as it was while this waited, except for its own reservation.
    const wanted = new Uint32Array(growth + entry.p2m.holes);
    const roomy = p2mLists.capacity(entry.p2mMfn) >= region.nrPages;
    const place = this.#list.allocate(wanted, region.nrPages, roomy ? entry.p2mMfn : undefined);
    if (!place.ok) return place;
    entry.held = wanted;
    return ok({
      region,
      p2mMfn: place.value,
      roomy,
      extra: wanted.subarray(0, growth),
      holes: wanted.subarray(growth),
    });
  }

  /** Takes the old guest down; of its frames nothing but what is preserved is known afterwards. */
  *retire(
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
  *rebuild(
    entry: DomainEntry,
    { region, p2mMfn, roomy, extra }: RebuildPlan,
    preserve: boolean,
    refused: ReasonCounts,
    distrust: ReasonCode,
    dirty?: DirtyPages,
  ): Process<Outcome<Domain>> {
    const { allocator, memory, map, p2mLists, costs } = this.#hypervisor;
    const { domid, disk } = entry;
    const identity = { domid, device: disk.number };
    const reason = distrust === Reason.ok && disk.isChanged ? Reason.diskChanged : distrust;
    disk.accept();
    const isTaken = this.#list.takenByOthers(entry);
    const found = recoverFrames(this.#hypervisor, identity, region, preserve, refused, reason, isTaken);
    const frames = new Uint32Array(region.nrPages);
    const kept = found.p2m?.length ?? 0;
    entry.held = NO_FRAMES;
    if (!roomy) p2mLists.release(entry.p2mMfn);
    entry.p2mMfn = p2mMfn;
    if (found.p2m === undefined) {
      for (const mfn of extra) allocator.free(Mfn(mfn));
      const place = this.#list.allocate(frames, region.nrPages, p2mMfn);
      if (!place.ok) {
        entry.p2m = NO_PAGES;
        eraseDomainRecord(memory, map, entry.domid);
        this.#list.remove(entry);
        return place;
      }
    } else {
      frames.set(found.p2m);
      frames.set(extra, kept);
    }
    assignFrames(this.#hypervisor, entry, frames, kept);
    entry.memoryBytes = region.nrPages * PAGE_SIZE;
    describeDomain(this.#hypervisor, entry);
    yield* this.#hypervisor.domain0Cpu.work(
      found.costNs + costs.frameAllocNs * (frames.length - kept) + costs.domainBuildNs,
    );
    yield* this.#hypervisor.xenstore.served();
    const { preserved, coldReason, recency } = found;
    const inheritance = { preserved, coldReason, refused, recency, dirty };
    return ok(buildDomain(this.#hypervisor, entry, frames, region, inheritance));
  }

  /**
   * Gives every page of a domain that was taken down a frame again, so that its list can be carried
   * over whole.
   */
  #fillHoles(entry: DomainEntry, p2m: P2mList, frames: Uint32Array): void {
    if (frames.length === 0) return;
    const { memory, map } = this.#hypervisor;
    const device = entry.disk.number;
    let used = 0;
    for (let pfn = 0; pfn < p2m.length; pfn++) {
      if (p2m.at(pfn) !== NO_FRAME) continue;
      const mfn = Mfn(frames[used++]!);
      p2m.set(pfn, mfn);
      // What was told of the frame was meant for another page.
      this.#hypervisor.recency.set(mfn, 0);
      this.#hypervisor.frames.assign(mfn, ownerOfDomain(entry.domid), Pfn(pfn), device);
    }
    setP2mCrc(memory, map, entry.domid, p2m.crc);
  }

  *#takeDown(entry: DomainEntry, domain: Domain): Process {
    entry.domain = undefined;
    domain.kill();
    yield* domain.released();
    yield* unplug(this.#hypervisor, domain);
    domain.bury();
  }
}
