/**
 * One guest after the other in one domain: between two of them nothing passes but what lies in
 * memory and on the disk.
 */

import { checkArgument, checkObject, checkText } from '../../base/argument-error.ts';
import type { MacAddress } from '../../base/ethernet.ts';
import { Ns } from '../../base/units.ts';
import type { BlockDevice } from '../../disk/drive/block-device.ts';
import { type InitProcess, Kernel, type ReuseObserver } from '../../kernel/index.ts';
import type { Process } from '../../sim/index.ts';
import { domainOf, type Domain, type FrameObserver } from '../../xen/index.ts';
import { ShutdownReason } from '../../xen/public/index.ts';
import { Host, type HostOptions } from './host.ts';

export interface TestbedOptions extends HostOptions {
  readonly observer?: FrameObserver;
  /** Address of the guest on the network; by default the machine is on no network. */
  readonly mac?: MacAddress;
  /** Called for every page that a guest takes over. */
  readonly onReuse?: (domain: Domain, ...reuse: Parameters<ReuseObserver>) => void;
  /** Starts and stops the services of each guest; constants of time by default. */
  readonly init?: InitProcess;
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

export class Testbed extends Host {
  readonly #options: TestbedOptions;
  /** The guest's disk: all of the drive. */
  readonly #disk: BlockDevice;

  /**
   * @throws ArgumentError for options that are missing or of another kind; UserError when the
   * memory is too small
   */
  constructor(options: TestbedOptions) {
    super(options, options?.observer);
    this.#options = options;
    this.#disk = this.files?.open(0, this.drive.sectorCount) ?? this.drive;
    if (options.mac !== undefined) this.hypervisor.network.plug(this.connectHost());
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
        device: this.#disk,
        cmdLine,
        ...(this.#options.mac !== undefined && { mac: this.#options.mac }),
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
    const { onReuse, init } = this.#options;
    const observe: ReuseObserver = (...reuse) => onReuse?.(domain, ...reuse);
    const kernel = yield* Kernel.boot(domain.environment, this.guestCosts, observe, init);
    return { domain, kernel };
  }
}
