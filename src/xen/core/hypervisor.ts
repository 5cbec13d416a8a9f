/**
 * The hypervisor: what all domains share. It owns the machine's memory (frame table, allocator, P2M
 * lists, root record), domain 0's processor and the block devices. Domains are built on it by the
 * tool stack (toolstack.ts).
 *
 * Domain 0 is not a domain here. It has a processor, on which back-ends and tool stack work, ends
 * of event channels and the store, and no memory of its own.
 *
 * A hypervisor ends with `halt`: from then on nothing that it or domain 0 began goes on, and every
 * use of it throws. What it leaves is in machine memory, where `reload` makes the next one from it.
 */

import { type Arch, ARCHS, FRAME_NUMBER_BYTES, MOST_FRAMES } from '../../base/arch.ts';
import { ArgumentError, checkObject, checkOneOf } from '../../base/argument-error.ts';
import { assert } from '../../base/assert.ts';
import { DomId, Mfn, PAGE_SIZE, Pfn } from '../../base/units.ts';
import type { BlockDevice } from '../../disk/drive/block-device.ts';
import type { Writer } from '../../disk/image/backing-store.ts';
import type { MachineMemory } from '../../machine/memory.ts';
import { CpuClock } from '../../sim/cpu-clock.ts';
import { Power } from '../../sim/power.ts';
import type { Simulation } from '../../sim/simulation.ts';
import type { StepObserver } from '../../sim/steps.ts';
import type { XenCosts } from '../costs.ts';
import { type BoundDevice, DeviceTable } from '../records/devices.ts';
import { Domain0Events } from '../channels/domain0-events.ts';
import type { DomainPorts } from '../channels/event-channel.ts';
import { FrameTable } from '../frames/frame-table.ts';
import type { FrameObserver } from '../frames/record-table.ts';
import { DOMAIN_SLOTS, type MemoryMap, planMemory } from '../records/layouts.ts';
import { Domain0Network } from '../channels/network.ts';
import { NO_FRAME, P2mLists } from '../frames/p2m.ts';
import { FrameAllocator } from '../frames/page-alloc.ts';
import { PageScrubber } from '../frames/page-scrub.ts';
import { DEFAULT_PROTECTIONS, type Protections } from '../protections.ts';
import { ownerOfDomain } from '../frames/frame-record.ts';
import { noReasons, Reason, REASON_NAMES, type ReasonCounts } from '../public/reason.ts';
import { findLegacy, type LeftDomain, type Legacy, type LostDomain, NOTHING_LEFT } from './quick-reload.ts';
import { RecencyTable } from '../frames/recency.ts';
import { eraseDomainRecord, writeRoot } from '../records/records.ts';
import { eraseRecoveryBox } from '../records/recovery-box.ts';
import { eraseDomainState } from '../records/domain-state.ts';
import { eraseHandover } from '../records/handover.ts';
import { Xenstore } from '../channels/xenstore.ts';

/** How a hypervisor is booted. All of it can be left out. */
export interface HypervisorOptions {
  /** x86_64 by default. */
  readonly arch?: Arch;
  /** Protections to switch from their defaults. */
  readonly protections?: Partial<Protections>;
  /** Hears of every change of a frame. */
  readonly observer?: FrameObserver;
  /** Pages of the kernel image in every domain's boot region; 1024 (4 MiB) by default. */
  readonly kernelPages?: number;
  /** @internal Is told of hypercalls, events and changes of the store. */
  readonly steps?: StepObserver | undefined;
}

/** What a hypervisor was made from. */
export interface Reload {
  /** The next hypervisor. */
  readonly hypervisor: Hypervisor;
  /**
   * Why nothing was there to be resumed, in words; undefined when there was. No Result: there is a
   * hypervisor in either case.
   */
  readonly problem: string | undefined;
  /** Domains that cannot be resumed. */
  readonly lost: readonly LostDomain[];
  /** Virtual time of verifying what was left and clearing the rest, ns. */
  readonly costNs: number;
}

/** A thing that ends with the hypervisor. */
interface Hosted {
  reset(): void;
}

/** What all domains of a machine share. Made by `boot` or `reload`; ended by `halt`. */
export class Hypervisor {
  /** Where it runs. */
  readonly simulation: Simulation;
  /** What its work costs. */
  readonly costs: XenCosts;
  /** Which protections are on. */
  readonly protections: Protections;
  /** Pages of the kernel image in each domain. */
  readonly kernelPages: number;
  /** @internal */
  readonly map: MemoryMap;
  /** @internal What runs on the machine's processors for the hypervisor and for domain 0. */
  readonly power: Power;
  /** @internal Domain 0's processor. */
  readonly domain0Cpu: CpuClock;
  /** @internal */
  readonly network: Domain0Network;
  /** @internal */
  readonly domainPorts: DomainPorts = new Map();
  /** @internal Is told of each step. */
  readonly steps: StepObserver | undefined;
  /** @internal Domains that another hypervisor left, which wait to be resumed. */
  readonly left: readonly LeftDomain[];
  /** Pages of those that are lost since their records cannot be believed, by domain and reason. */
  readonly #refused = new Map<DomId, Readonly<ReasonCounts>>();
  readonly #memory: MachineMemory;
  readonly #frames: FrameTable;
  readonly #allocator: FrameAllocator;
  readonly #p2mLists: P2mLists;
  readonly #recency: RecencyTable;
  readonly #scrubber: PageScrubber;
  readonly #domain0Events: Domain0Events;
  readonly #xenstore: Xenstore;
  readonly #devices: DeviceTable;
  readonly #processors: readonly CpuClock[];
  readonly #hosted = new Set<Hosted>();

  private constructor(
    simulation: Simulation,
    memory: MachineMemory,
    costs: XenCosts,
    options: HypervisorOptions,
    map: MemoryMap,
    { left, isLeft }: Pick<Legacy, 'left' | 'isLeft'>,
  ) {
    this.simulation = simulation;
    this.power = new Power(simulation);
    this.costs = costs;
    this.protections = { ...DEFAULT_PROTECTIONS, ...options.protections };
    this.kernelPages = options.kernelPages ?? 1024;
    this.steps = options.steps;
    this.map = map;
    this.left = left;
    this.#memory = memory;
    // First of all: what is marked here is neither handed out nor cleared.
    this.#allocator = new FrameAllocator(map.firstDomainMfn, map.frameCount, isLeft);
    this.#p2mLists = new P2mLists(memory, map);
    for (const { record } of left) this.#p2mLists.adopt(record.p2mMfn, record.nrPages);
    this.#clear(isLeft);
    writeRoot(memory, map);
    this.#devices = new DeviceTable(
      this.protections,
      left.map(({ record }) => record.device),
    );
    this.#frames = new FrameTable(memory, map, this.protections, this.#devices, options.observer, isLeft);
    for (const domain of left) this.#refused.set(domain.record.domid, this.#adopt(domain));
    this.#recency = new RecencyTable(memory, map);
    this.domain0Cpu = new CpuClock(simulation);
    this.network = new Domain0Network({ power: this.power, domain0Cpu: this.domain0Cpu, costs });
    this.#processors = Array.from({ length: costs.processors }, () => new CpuClock(simulation));
    this.#scrubber = new PageScrubber({
      simulation,
      power: this.power,
      memory,
      frames: this.#frames,
      allocator: this.#allocator,
      domain0Cpu: this.domain0Cpu,
      costs,
      protections: this.protections,
    });
    this.#domain0Events = new Domain0Events(this.power, this.domainPorts, costs.domainSwitchNs, options.steps);
    const { domainSwitchNs, storeMessageNs } = costs;
    this.#xenstore = new Xenstore(simulation, this.power, domainSwitchNs, storeMessageNs, options.steps);
  }

  /**
   * Boots on a machine: clears its memory, as Xen does with all memory that is free, and lays out
   * its tables. Takes no virtual time: how long a boot lasts is the experiment's to say.
   * @throws ArgumentError when the memory cannot hold the tables, or is more than the architecture
   * can have
   */
  static boot(
    simulation: Simulation,
    memory: MachineMemory,
    costs: XenCosts,
    options: HypervisorOptions = {},
  ): Hypervisor {
    checkMachine(simulation, memory, costs, options);
    const { arch = ARCHS[0] } = options;
    const map = planMemory(memory.frameCount, arch);
    if (memory.frameCount > MOST_FRAMES[arch])
      throw new ArgumentError(
        `memory: a machine of ${memory.frameCount * PAGE_SIZE} bytes is more than ${arch} can have, ${MOST_FRAMES[arch] * PAGE_SIZE}`,
      );
    if (map === undefined)
      throw new ArgumentError(
        `memory: a machine of ${memory.frameCount * PAGE_SIZE} bytes cannot hold the tables of Xen`,
      );
    for (let mfn = 0; mfn < map.firstDomainMfn; mfn++) memory.zero(Mfn(mfn));
    return new Hypervisor(simulation, memory, costs, options, map, NOTHING_LEFT);
  }

  /**
   * Boots on a machine that was reset and kept its memory. It makes a hypervisor from the bytes
   * that another one left, as `boot` does where nothing is found. Takes no virtual time either.
   * @throws ArgumentError when the memory cannot hold the tables
   */
  static reload(
    simulation: Simulation,
    memory: MachineMemory,
    costs: XenCosts,
    options: HypervisorOptions = {},
  ): Reload {
    checkMachine(simulation, memory, costs, options);
    const legacy = findLegacy(memory, options.arch ?? ARCHS[0], options.protections?.consumedRecords);
    const { map, problem, left, lost } = legacy;
    const hypervisor =
      map === undefined
        ? Hypervisor.boot(simulation, memory, costs, options)
        : new Hypervisor(simulation, memory, costs, options, map, legacy);
    const entryBytes = FRAME_NUMBER_BYTES[hypervisor.map.arch];
    const pages = left.reduce((sum, { p2m }) => sum + p2m.length, 0);
    const scrubNs = costs.scrubNsPerByte * PAGE_SIZE * hypervisor.allocator.freeCount;
    const costNs = Math.round(pages * (costs.indexRebuildNs + entryBytes * costs.crcNsPerByte) + scrubNs);
    return { hypervisor, problem, lost, costNs };
  }

  /** The memory of the machine. Throws InvariantViolation after `halt`. */
  get memory(): MachineMemory {
    this.#assertOn();
    return this.#memory;
  }

  /** @internal */
  get frames(): FrameTable {
    this.#assertOn();
    return this.#frames;
  }

  /** @internal */
  get allocator(): FrameAllocator {
    this.#assertOn();
    return this.#allocator;
  }

  /** @internal */
  get p2mLists(): P2mLists {
    this.#assertOn();
    return this.#p2mLists;
  }

  /** @internal */
  get recency(): RecencyTable {
    this.#assertOn();
    return this.#recency;
  }

  /** @internal */
  get scrubber(): PageScrubber {
    this.#assertOn();
    return this.#scrubber;
  }

  /** @internal Domain 0's end of event channels. */
  get domain0Events(): Domain0Events {
    this.#assertOn();
    return this.#domain0Events;
  }

  /** @internal The store, which domain 0 keeps. */
  get xenstore(): Xenstore {
    this.#assertOn();
    return this.#xenstore;
  }

  /** @internal The block devices that are in use. */
  get devices(): DeviceTable {
    this.#assertOn();
    return this.#devices;
  }

  /**
   * @internal Begins to use a block device; undefined when there is no number for it.
   * `releaseDevice` ends it.
   */
  bindDevice(device: BlockDevice): BoundDevice | undefined {
    return this.devices.bind(device);
  }

  /** @internal */
  releaseDevice(device: BoundDevice): void {
    if (this.devices.release(device)) this.frames.forgetDevice(device.number);
  }

  /**
   * @internal Changes a block of a device while nothing is in flight on it. No frame is vouched for
   * as that block any more, and all others stay as they are.
   * @param change changes it; the writer's account is to count that
   */
  changeBlock(device: BlockDevice, block: number, change: (by: Writer) => void): void {
    const bound = this.bindDevice(device);
    assert(bound !== undefined, 'a device that is in use has a number');
    this.frames.beginElsewhere(bound.number, block);
    change(this.devices.own);
    this.frames.endElsewhere(bound.number, block);
    this.releaseDevice(bound);
  }

  /**
   * @internal Pages of a domain that was left that were lost while this hypervisor took over the
   * records of its frames, by reason.
   */
  refusedOf(domid: DomId): Readonly<ReasonCounts> {
    return this.#refused.get(domid) ?? noReasons();
  }

  /** @internal The processor that is free first. */
  nextProcessor(): CpuClock {
    return this.#processors.reduce((first, other) => (other.localNow < first.localNow ? other : first));
  }

  /** @internal Ends with the hypervisor, unless it has left before. */
  host(domain: Hosted): void {
    this.#hosted.add(domain);
  }

  /** @internal */
  release(domain: Hosted): void {
    this.#hosted.delete(domain);
  }

  /**
   * The machine is reset: everything that runs on it ends where it stands, and every use of this
   * object throws.
   */
  halt(): void {
    for (const domain of this.#hosted) domain.reset();
    this.power.off();
  }

  #assertOn(): void {
    assert(this.power.isOn, 'law 1: a hypervisor that is gone is not used');
  }

  /** Clears all memory but what was left, and the tables that are made anew. */
  #clear(isLeft: (mfn: Mfn) => boolean): void {
    const { map } = this;
    for (let n = map.firstDomainMfn as number; n < map.frameCount; n++)
      if (!isLeft(Mfn(n)) || !this.protections.reserveBeforeAllocate) this.#memory.zero(Mfn(n));
    this.#p2mLists.clearRest();
    if (this.protections.consumedRecords) eraseHandover(this.#memory, map);
    for (let n = 0; n < DOMAIN_SLOTS; n++) {
      const found = this.left.find(({ record }) => record.domid === n);
      if (found === undefined) {
        eraseDomainRecord(this.#memory, map, DomId(n));
        eraseRecoveryBox(this.#memory, map, DomId(n));
      }
      if (found?.state === undefined) eraseDomainState(this.#memory, map, DomId(n));
    }
  }

  /** Takes over the records of a domain's frames; returns the pages that are lost with theirs. */
  #adopt({ record, p2m }: LeftDomain): ReasonCounts {
    const owner = ownerOfDomain(record.domid);
    const refused = noReasons();
    for (let pfn = 0; pfn < p2m.length; pfn++) {
      const mfn = p2m.at(pfn);
      if (mfn === NO_FRAME) continue;
      const reason = this.#frames.adopt(Mfn(mfn), owner, Pfn(pfn), record.device);
      if (reason !== Reason.ok) refused[REASON_NAMES[reason]!]++;
    }
    return refused;
  }
}

/** @throws ArgumentError */
function checkMachine(
  simulation: Simulation,
  memory: MachineMemory,
  costs: XenCosts,
  options: HypervisorOptions,
): void {
  checkObject('simulation', simulation, 'after', 'random');
  checkObject('memory', memory, 'frameCount', 'frame');
  checkObject('costs', costs, 'processors', 'frameAllocNs');
  checkObject('options', options);
  checkOneOf('arch', options.arch ?? ARCHS[0], ARCHS);
}
