/**
 * The composition root: one machine with a drive, a hypervisor on it, and one guest after the other
 * in one domain.
 *
 * The testbed stands for a person in a machine room, who may look at the machine's memory and at
 * the medium. The guests see none of it. Between two guests nothing passes except what lies in
 * memory and on the disk.
 */

import { MOST_FRAMES, type Arch } from '../../base/arch.ts';
import { checkArgument, checkInteger, checkObject, checkText } from '../../base/argument-error.ts';
import { Ns, PAGE_SIZE } from '../../base/units.ts';
import { Drive } from '../../disk/drive/drive.ts';
import type { ImageStore } from '../../disk/image/image-store.ts';
import { driveOptions, type DriveKind } from '../../disk/drive/make-service-time.ts';
import { Kernel, type ReuseObserver } from '../../kernel/index.ts';
import type { MachineMemory } from '../../machine/memory.ts';
import { values, type GuestCosts, type Profile } from '../../machine/profile.ts';
import { Simulation, type Process } from '../../sim/index.ts';
import { domainOf, Hypervisor, Toolstack, type Domain, type FrameObserver, type Protections } from '../../xen/index.ts';
import { ShutdownReason } from '../../xen/public/index.ts';

export interface TestbedOptions {
  readonly seed: number;
  readonly profile: Profile;
  /** The profile's by default. */
  readonly arch?: Arch | undefined;
  readonly disk: DriveKind;
  readonly image: ImageStore;
  /** Identity of the disk (disk/image/backing-store.ts); `testbed` by default. */
  readonly identity?: string;
  /** The machine's memory; its contents are lost. */
  readonly memory: MachineMemory;
  /** Memory of the guest, bytes. */
  readonly guestMemory: number;
  readonly protections?: Partial<Protections>;
  readonly observer?: FrameObserver;
  /** Called for every page that a guest takes over. */
  readonly onReuse?: (domain: Domain, ...reuse: Parameters<ReuseObserver>) => void;
}

/** A running guest: its domain and its kernel. */
export interface Guest {
  readonly domain: Domain;
  readonly kernel: Kernel;
}

export interface RestartOptions {
  /** Keep pages that are named and clean. */
  readonly preserve: boolean;
  /** Write home pages that are registered as dirty. */
  readonly writeDirty?: boolean;
  readonly cmdLine: string;
  readonly module?: Uint8Array | undefined;
  /** Memory of the new guest, bytes; by default that of the old one. */
  readonly memoryBytes?: number;
  /** Called at the moment between the old guest and the new. */
  readonly betweenGuests?: (() => void) | undefined;
}

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

export class Testbed {
  readonly simulation: Simulation;
  readonly drive: Drive;
  readonly hypervisor: Hypervisor;
  readonly toolstack: Toolstack;
  readonly guestCosts: GuestCosts;
  readonly #options: TestbedOptions;

  /**
   * @throws ArgumentError for options that are missing or of another kind; UserError when the
   * memory is too small
   */
  constructor(options: TestbedOptions) {
    checkObject('options', options);
    const { seed, profile, disk, image, memory, guestMemory } = options;
    checkObject('profile', profile, 'guest', 'hypervisor', 'disk');
    checkObject('image', image, 'size', 'extents', 'read', 'write');
    checkObject('memory', memory, 'frameCount');
    checkInteger('guestMemory', guestMemory, PAGE_SIZE);
    this.#options = options;
    this.simulation = new Simulation(seed);
    this.drive = new Drive(this.simulation, memory, image, {
      ...driveOptions(profile.disk, disk),
      identity: options.identity ?? 'testbed',
    });
    this.hypervisor = Hypervisor.boot(this.simulation, memory, values(profile.hypervisor), {
      arch: options.arch ?? profile.arch.value,
      ...(options.protections && { protections: options.protections }),
      ...(options.observer && { observer: options.observer }),
    });
    this.toolstack = new Toolstack(this.hypervisor);
    this.guestCosts = values(profile.guest);
  }

  /**
   * Creates the domain and boots a guest in it. Throws what Kernel.boot throws; UserError when
   * memory is too small.
   */
  *start(cmdLine: string): Process<Guest> {
    checkText('cmdLine', cmdLine);
    const domain = yield* domainOf(
      this.toolstack.createDomain({
        name: 'guest',
        memoryBytes: this.#options.guestMemory,
        device: this.drive,
        cmdLine,
      }),
    );
    return yield* this.#boot(domain);
  }

  /** Shuts the guest down in order, or crashes it, and boots the next one. */
  *reboot(guest: Guest, crash: boolean, options: RestartOptions): Process<Guest> {
    checkObject('guest', guest, 'domain', 'kernel');
    checkObject('options', options);
    if (crash) guest.kernel.crash();
    else yield* guest.kernel.shutdown();
    return yield* this.restart(guest.domain, options);
  }

  /** Boots the next guest in place of a domain that has stopped. */
  *restart(domain: Domain, options: RestartOptions): Process<Guest> {
    checkObject('domain', domain, 'state', 'shutdownReason');
    checkArgument(domain.state === 'shutdown', 'domain', 'it has not stopped');
    checkObject('options', options);
    if (domain.shutdownReason === ShutdownReason.crash) yield Ns(this.guestCosts.crashDetectNs);
    const { module, memoryBytes, betweenGuests, ...rest } = options;
    const next = yield* domainOf(
      this.toolstack.restartDomain(domain, {
        ...rest,
        ...(module && { module }),
        ...(memoryBytes !== undefined && { memoryBytes }),
        ...(betweenGuests && { betweenGuests }),
      }),
    );
    return yield* this.#boot(next);
  }

  *#boot(domain: Domain): Process<Guest> {
    const { onReuse } = this.#options;
    const kernel = yield* Kernel.boot(domain.environment, this.guestCosts, (...reuse) => onReuse?.(domain, ...reuse));
    return { domain, kernel };
  }
}
