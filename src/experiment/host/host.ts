/**
 * The composition root: a machine with a drive, and a hypervisor on it. The testbed and the machine
 * room are made from it.
 *
 * It stands for a person in a machine room, who may look at the machine's memory and at the medium.
 * Guests see none of that.
 */

import { MOST_FRAMES, type Arch } from '../../base/arch.ts';
import { checkInteger, checkObject } from '../../base/argument-error.ts';
import { assert } from '../../base/assert.ts';
import { PAGE_SIZE } from '../../base/units.ts';
import type { BlockDevice } from '../../disk/drive/block-device.ts';
import { Drive } from '../../disk/drive/drive.ts';
import { type DiskLimit, LimitedDisk } from '../../disk/drive/limited-disk.ts';
import { driveOptions, type DriveKind } from '../../disk/drive/make-service-time.ts';
import { Partition } from '../../disk/drive/partition.ts';
import type { WriteCache } from '../../disk/drive/write-cache.ts';
import type { ImageStore, ReadableImage } from '../../disk/image/image-store.ts';
import { Domain0Files } from '../../domain0/files.ts';
import { Bridge } from '../../machine/bridge.ts';
import type { MachineMemory } from '../../machine/memory.ts';
import { Nic } from '../../machine/nic.ts';
import { values, type GuestCosts, type HypervisorCosts, type Profile } from '../../machine/profile.ts';
import { Simulation, type StepObserver } from '../../sim/index.ts';
import {
  Hypervisor,
  type FrameObserver,
  type HypervisorOptions,
  type Protections,
  type Reload,
  Toolstack,
} from '../../xen/index.ts';

const MIB = 1 << 20;
/**
 * Memory of the largest guest, or of all guests of a machine together, whatever the architecture,
 * bytes.
 */
export const MEMORY_MAX = 64 * 2 ** 30;
/** Memory of a machine for each byte of its guests. Tables that grow with it take less than 2 %. */
const TABLES = 1.02;
/** Memory of the hypervisor's other tables, bytes. */
const HYPERVISOR_MEMORY = 16 * MIB;

/**
 * Machine memory that a guest of `guestMemory` bytes needs, with the hypervisor's tables, in bytes.
 */
export function machineMemoryFor(guestMemory: number): number {
  return Math.ceil((guestMemory * TABLES) / MIB) * MIB + HYPERVISOR_MEMORY;
}

/** Memory of the largest guest, or of all guests of a machine together, in whole MiB, bytes. */
export function guestMemoryMax(arch: Arch): number {
  const machine = MOST_FRAMES[arch] * PAGE_SIZE - HYPERVISOR_MEMORY;
  return Math.min(MEMORY_MAX, Math.floor(machine / TABLES / MIB) * MIB);
}

/** The parts of a machine, whatever its use. */
export interface HostOptions {
  readonly seed: number;
  readonly profile: Profile;
  /** The profile's by default. */
  readonly arch?: Arch | undefined;
  readonly disk: DriveKind;
  /** What the drive may do a second at most; no limit by default. */
  readonly diskLimit?: DiskLimit | undefined;
  /** The drive's medium. */
  readonly image: ImageStore;
  /** Identity of the medium (disk/image/backing-store.ts); `testbed` by default. */
  readonly identity?: string;
  /** The machine's memory; its contents are lost, except with `left`. */
  readonly memory: MachineMemory;
  /**
   * @internal What another machine was when it stopped: nothing runs on this one until a hypervisor
   * is made from the memory as it is.
   */
  readonly left?: {
    /** What the drive's write cache is, with what it holds; an empty one by default. */
    readonly cache?: WriteCache;
    /** Virtual time at which that machine stopped, ns. */
    readonly now: number;
  };
  /** @internal Is told of each step of the machine. Its memory tells of stores. */
  readonly steps?: StepObserver | undefined;
  /** Memory of each guest, bytes. */
  readonly guestMemory: number;
  readonly protections?: Partial<Protections>;
  /** Kernel image pages of a guest; the hypervisor's by default. */
  readonly kernelPages?: number;
  /**
   * Guests' disks are files in domain 0, whose page cache holds at most this many bytes. By default
   * they are partitions, which reach the drive without a cache.
   */
  readonly domain0Cache?: number | undefined;
}

export class Host {
  readonly simulation: Simulation;
  readonly memory: MachineMemory;
  readonly drive: Drive;
  /** Files of domain 0 in front of the drive; undefined where guests have partitions. */
  readonly files: Domain0Files | undefined;
  readonly guestCosts: GuestCosts;
  /** @internal The switch of the room. */
  readonly lan: Bridge;
  /** @internal */
  readonly costs: HypervisorCosts;
  readonly #options: HostOptions;
  readonly #observer: FrameObserver | undefined;
  /** Undefined until the first one is made. */
  #hypervisor: Hypervisor | undefined;
  #toolstack: Toolstack | undefined;

  /**
   * @param beside the machine whose simulation and drive this one shares, if there is one
   * @throws ArgumentError for options that are missing or of another kind; UserError when the
   * memory is too small
   */
  protected constructor(options: HostOptions, observer?: FrameObserver, beside?: Host) {
    checkObject('options', options);
    const { seed, profile, disk, diskLimit, image, memory, guestMemory } = options;
    checkObject('profile', profile, 'guest', 'hypervisor', 'disk');
    checkObject('image', image, 'size', 'extents', 'read', 'write');
    checkObject('memory', memory, 'frameCount');
    checkInteger('guestMemory', guestMemory, PAGE_SIZE);
    this.#options = options;
    this.#observer = observer;
    this.memory = memory;
    const left = beside === undefined ? options.left : undefined;
    if (left === undefined) memory.clearAll();
    this.simulation = beside?.simulation ?? new Simulation(seed, left?.now);
    const drive = driveOptions(profile.disk, disk);
    this.drive =
      beside?.drive ??
      new Drive(this.simulation, memory, image, {
        ...drive,
        ...(diskLimit && { model: new LimitedDisk(drive.model, diskLimit) }),
        identity: options.identity ?? 'testbed',
        ...(left?.cache && { cache: left.cache }),
        steps: options.steps,
      });
    this.lan = beside?.lan ?? new Bridge();
    this.guestCosts = values(profile.guest);
    this.costs = values(profile.hypervisor);
    const { domain0Cache } = options;
    this.files = domain0Cache === undefined ? undefined : this.filesOfDomain0(domain0Cache, beside);
    if (left === undefined)
      this.#begin(Hypervisor.boot(this.simulation, memory, this.costs, this.#hypervisorOptions()));
  }

  get hypervisor(): Hypervisor {
    assert(this.#hypervisor !== undefined, 'a hypervisor was made');
    return this.#hypervisor;
  }

  get toolstack(): Toolstack {
    assert(this.#toolstack !== undefined, 'a hypervisor was made');
    return this.#toolstack;
  }

  /** The drive as guests would read it now. */
  get contents(): ReadableImage {
    return (this.files ?? this.drive).contents;
  }

  /** Files of domain 0 with a page cache of so many bytes. */
  protected filesOfDomain0(cacheBytes: number, beside?: Host): Domain0Files {
    const { drive, memory, guestCosts: costs } = this;
    return new Domain0Files({
      ...{ drive, memory, cacheBytes, costs },
      processor: () => this.hypervisor,
      beside: beside?.files,
    });
  }

  /** A run of sectors of the drive as a guest's disk. */
  protected diskAt(first: number, sectorCount: number, port: BlockDevice): BlockDevice {
    return this.files?.open(first, sectorCount) ?? new Partition(port, first, sectorCount);
  }

  /** @internal The adapter of a host that is connected to the switch of the room. */
  connectHost(): Nic {
    const [adapter, end] = Nic.connect(this.simulation, values(this.#options.profile.nic.constants));
    this.lan.plug(end);
    return adapter;
  }

  #begin(hypervisor: Hypervisor): void {
    this.#hypervisor = hypervisor;
    this.#toolstack = new Toolstack(hypervisor);
  }

  /** @internal Makes the next hypervisor from the machine's memory. The old one has ended. */
  protected reload(): Reload {
    const reload = Hypervisor.reload(this.simulation, this.memory, this.costs, this.#hypervisorOptions());
    this.#begin(reload.hypervisor);
    return reload;
  }

  #hypervisorOptions(): HypervisorOptions {
    const { arch, profile, protections, kernelPages, steps } = this.#options;
    return {
      arch: arch ?? profile.arch.value,
      steps,
      ...(protections && { protections }),
      ...(kernelPages !== undefined && { kernelPages }),
      ...(this.#observer && { observer: this.#observer }),
    };
  }
}
