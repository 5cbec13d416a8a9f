/**
 * The hypervisor: what all domains share. It owns the machine's memory (frame table, allocator, P2M lists, root
 * record), domain 0's processor and the block devices. Domains are built on it by the tool stack (toolstack.ts).
 *
 * Domain 0 is not a domain here: it has a processor, on which back-ends and tool stack work, ends of event channels and
 * the store, and no memory of its own.
 */

import { assert } from '../base/assert.ts';
import { Mfn, PAGE_SIZE, SECTORS_PER_PAGE } from '../base/units.ts';
import { UserError } from '../base/user-error.ts';
import type { BlockDevice } from '../disk/block-device.ts';
import type { MachineMemory } from '../machine/memory.ts';
import { CpuClock } from '../sim/cpu-clock.ts';
import type { Simulation } from '../sim/simulation.ts';
import type { XenCosts } from './costs.ts';
import { Domain0Events } from './domain0-events.ts';
import type { DomainPorts } from './event-channel.ts';
import { type FrameObserver, FrameTable } from './frame-table.ts';
import { type MemoryMap, planMemory } from './layouts.ts';
import { P2mLists } from './p2m.ts';
import { FrameAllocator } from './page-alloc.ts';
import { PageScrubber } from './page-scrub.ts';
import { DEFAULT_PROTECTIONS, type Protections } from './protections.ts';
import { RecencyTable } from './recency.ts';
import { writeRoot } from './records.ts';
import { Xenstore } from './xenstore.ts';

export interface HypervisorOptions {
  /** Protections to switch from their defaults. */
  readonly protections?: Partial<Protections>;
  readonly observer?: FrameObserver;
  /** Pages of the kernel image in every domain's boot region; 1024 (4 MiB) unless told. */
  readonly kernelPages?: number;
}

const DEVICES = 256;

export class Hypervisor {
  readonly simulation: Simulation;
  readonly memory: MachineMemory;
  readonly costs: XenCosts;
  readonly protections: Protections;
  readonly kernelPages: number;
  readonly map: MemoryMap;
  readonly frames: FrameTable;
  readonly allocator: FrameAllocator;
  readonly p2mLists: P2mLists;
  readonly recency: RecencyTable;
  readonly scrubber: PageScrubber;
  /** Domain 0's processor. */
  readonly domain0Cpu: CpuClock;
  /** Domain 0's end of event channels. */
  readonly domain0Events: Domain0Events;
  readonly domainPorts: DomainPorts = new Map();
  /** The store, which domain 0 keeps. */
  readonly xenstore: Xenstore;
  readonly #devices: BlockDevice[] = [];

  private constructor(simulation: Simulation, memory: MachineMemory, costs: XenCosts, options: HypervisorOptions) {
    this.simulation = simulation;
    this.memory = memory;
    this.costs = costs;
    this.protections = { ...DEFAULT_PROTECTIONS, ...options.protections };
    this.kernelPages = options.kernelPages ?? 1024;
    const map = planMemory(memory.frameCount);
    if (map === undefined)
      throw new UserError(`memory: a machine of ${memory.frameCount * PAGE_SIZE} bytes cannot hold the tables of Xen`);
    this.map = map;
    for (let mfn = 0; mfn < memory.frameCount; mfn++) memory.zero(Mfn(mfn));
    writeRoot(memory, this.map);
    this.frames = new FrameTable(memory, this.map, this.protections, options.observer);
    const random = simulation.random.stream('xen/page-alloc');
    this.allocator = new FrameAllocator(this.map.firstDomainMfn, memory.frameCount, random);
    this.p2mLists = new P2mLists(memory, this.map);
    this.recency = new RecencyTable(memory, this.map);
    this.domain0Cpu = new CpuClock(simulation);
    this.scrubber = new PageScrubber(this);
    this.domain0Events = new Domain0Events(simulation, this.domainPorts, costs.domainSwitchNs);
    this.xenstore = new Xenstore(simulation, costs.domainSwitchNs);
  }

  /**
   * Boots on a machine: clears its memory, as Xen does with all memory that is free, and lays out its tables. Takes
   * no virtual time: how long a boot lasts is the experiment's to say.
   * @throws UserError when the memory cannot hold the tables
   */
  static boot(
    simulation: Simulation,
    memory: MachineMemory,
    costs: XenCosts,
    options: HypervisorOptions = {},
  ): Hypervisor {
    return new Hypervisor(simulation, memory, costs, options);
  }

  /** Number of a block device, 0 … 255, in the order in which they were first seen. */
  deviceNumber(device: BlockDevice): number {
    const known = this.#devices.indexOf(device);
    if (known >= 0) return known;
    assert(this.#devices.length < DEVICES, 'at most 256 block devices');
    assert(device.sectorCount / SECTORS_PER_PAGE <= 0x1_0000_0000, 'block numbers have 32 bits');
    return this.#devices.push(device) - 1;
  }
}
