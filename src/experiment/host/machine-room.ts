/**
 * The composition root of experiments that replace the hypervisor. It has one machine with a drive,
 * a partition of it for each guest, and one hypervisor after the other. There may be a second
 * machine, connected by a cable, that reaches the same drive. Both are on one network. Like the
 * testbed, this stands for the person in the machine room.
 *
 * Over a reset no object of the hypervisor is handed on: the next one is made from the machine's
 * memory. The person keeps domain 0's disk, the guests' configurations, and a view of the guests
 * that were frozen and go on.
 */

import {
  ArgumentError,
  checkArgument,
  checkFunction,
  checkList,
  checkObject,
  checkOneOf,
} from '../../base/argument-error.ts';
import { assert } from '../../base/assert.ts';
import { xenMac } from '../../base/ethernet.ts';
import { Ns, PAGE_SIZE, SECTOR_SIZE } from '../../base/units.ts';
import type { Drive } from '../../disk/drive/drive.ts';
import type { DrivePort } from '../../disk/drive/drive-port.ts';
import type { Domain0Files } from '../../domain0/files.ts';
import { Partition } from '../../disk/drive/partition.ts';
import { type InitProcess, Kernel, type ReuseObserver } from '../../kernel/index.ts';
import { type Domain0Disk, Domain0Services } from './domain0-services.ts';
import { Host, type HostOptions } from './host.ts';
import { MachineMemory } from '../../machine/memory.ts';
import { Nic } from '../../machine/nic.ts';
import { values } from '../../machine/profile.ts';
import { NOTHING, type Process, type RandomStream } from '../../sim/index.ts';
import {
  handOver,
  migrateDomain,
  receiveMigration,
  shutdownDomain0,
  suspendDomains,
  domainOf,
  resumeDomain,
  type Domain,
  type DomainConfig,
  type LostDomain,
  type NotSuspended,
} from '../../xen/index.ts';
import type { MigrationOutcome } from '../../xen/save/migrate.ts';

export interface VmmMachineOptions extends HostOptions {
  /** Where each guest's partition lies on it, bytes: multiples of 4096. */
  readonly partitions: readonly { readonly start: number; readonly bytes: number }[];
  /** Where on it domain 0 keeps the save file of each guest; by default there are none. */
  readonly saveAreas?: readonly { readonly start: number; readonly bytes: number }[];
  readonly cmdLine: string;
  /** What each guest starts when it has booted; nothing by default. */
  readonly services?: GuestServices;
  /**
   * Starts and stops the services of each guest, in the order of `partitions`; constants of time by
   * default.
   */
  readonly inits?: readonly InitProcess[];
  /** Domain 0's own disk; without one its services are constants of time. */
  readonly domain0Disk?: Domain0Disk | undefined;
  /** Called for every page that a guest takes over from the one before it. */
  readonly onReuse?: (guest: GuestPlace, ...reuse: Parameters<ReuseObserver>) => void;
}

/** Where a guest is. */
export interface GuestPlace {
  readonly config: DomainConfig;
  machine: VmmMachine;
  domain: Domain;
}

/** A guest, as its owner sees it. */
export interface VmmGuest extends GuestPlace {
  kernel: Kernel;
}

/** Programs that run in every guest. */
export interface GuestServices {
  /** A guest has booted. */
  start(guest: VmmGuest): void;
  /** The guest of this name is about to be shut down. */
  stop(name: string): void;
}

/** The outcome of a warm-VM reboot, by what the next hypervisor found. */
export interface Succession {
  /** Guests that go on, by name. */
  readonly resumed: readonly string[];
  /** Domains that the old hypervisor did not suspend. */
  readonly notSuspended: readonly NotSuspended[];
  /** Domains that the next hypervisor did not resume. */
  readonly lost: readonly LostDomain[];
  /** Why nothing could be resumed; undefined when something could. */
  readonly problem: string | undefined;
}

/** Instants of a warm-VM reboot, virtual ns. */
export interface WarmVmTimes {
  readonly begin: number;
  /** Domain 0 is down; the guests are asked to suspend. */
  readonly suspendBegin: number;
  readonly suspendEnd: number;
  /** Domain 0 is up again; the tool stack begins to resume. */
  readonly resumeBegin: number;
  readonly resumeEnd: number;
}

export class VmmMachine extends Host {
  /** @internal */
  readonly configs: DomainConfig[];
  /** @internal Domain 0's disk: the save file of each guest, in the order of `configs`. */
  readonly saveFiles: readonly Partition[];
  /** Guests that run, by name. */
  readonly guests = new Map<string, VmmGuest>();
  /** The second machine; undefined when there is none. */
  #neighbour: VmmMachine | undefined;
  /** The adapter on the network. */
  readonly #adapter: Nic;
  /** The adapter at this end of the cable to the other machine, over which guests migrate. */
  #cable: Nic | undefined;
  /** @internal What each guest starts when it has booted; undefined: nothing. */
  readonly services: GuestServices | undefined;
  readonly #options: VmmMachineOptions;
  /** What domain 0 has cached of its own files, and of guests' disks; undefined: nothing. */
  readonly #domain0Files: Domain0Files | undefined;
  /** @internal Undefined where they are constants of time. */
  readonly domain0Services: Domain0Services | undefined;
  /** This machine's port of the drive. */
  readonly #port: Drive | DrivePort;

  /**
   * @param beside the first machine, if this is the second
   * @throws ArgumentError for options that are missing or of another kind; UserError when the
   * memory is too small
   */
  constructor(options: VmmMachineOptions, beside?: VmmMachine) {
    checkObject('options', options);
    if (beside !== undefined) checkArgument(beside instanceof VmmMachine, 'beside', 'expected a VmmMachine');
    super({ identity: 'machine room', ...options }, undefined, beside);
    const { memory, partitions, guestMemory, cmdLine } = options;
    checkArgument(Array.isArray(partitions), 'partitions', 'expected a list');
    checkArgument(typeof cmdLine === 'string', 'cmdLine', 'expected text');
    this.#options = options;
    this.services = options.services;
    this.#port = beside === undefined ? this.drive : this.drive.port(memory);
    const sectorsOf = ({ start, bytes }: (typeof partitions)[number]): readonly [first: number, count: number] => [
      start / SECTOR_SIZE,
      Math.floor(bytes / SECTOR_SIZE),
    ];
    this.configs = partitions.map((place, n) => ({
      name: `guest${n}`,
      memoryBytes: guestMemory,
      device: this.diskAt(...sectorsOf(place), this.#port),
      mac: xenMac(n + 1),
      cmdLine,
    }));
    this.saveFiles = (options.saveAreas ?? []).map((place) => new Partition(this.#port, ...sectorsOf(place)));
    const { domain0Disk } = options;
    this.#domain0Files = this.files ?? (domain0Disk && this.filesOfDomain0(domain0Disk.cacheBytes));
    this.domain0Services =
      domain0Disk &&
      new Domain0Services(
        this.#domain0Files!.openRoot(...sectorsOf(domain0Disk.place), domain0Disk.contents),
        domain0Disk.init,
      );
    this.#adapter = this.connectHost();
    if (options.left === undefined || beside !== undefined) this.hypervisor.network.plug(this.#adapter);
  }

  /** @internal From its next boot on, a guest has this command line. */
  configure(name: string, cmdLine: string): void {
    const at = this.configs.findIndex((config) => config.name === name);
    if (at < 0) throw new ArgumentError('name: no guest has this name');
    this.configs[at] = { ...this.configs[at]!, cmdLine };
  }

  /**
   * The second machine, switched on when it is first asked for: as large as this one, without a
   * guest.
   */
  get neighbour(): VmmMachine {
    if (this.#neighbour === undefined) {
      const memory = new MachineMemory(this.memory.frameCount * PAGE_SIZE);
      // Its domain 0 has a disk of its own, and is not rebooted.
      const { domain0Disk: _, ...options } = this.#options;
      this.#neighbour = new VmmMachine({ ...options, memory }, this);
      [this.#cable, this.#neighbour.#cable] = Nic.connect(this.simulation, values(this.#options.profile.nic.constants));
    }
    return this.#neighbour;
  }

  /**
   * Creates the domains, one after the other, and boots their guests, all at once. Where the old
   * hypervisor left a domain's cache, the domain is built on it.
   */
  *start(configs: readonly DomainConfig[] = this.configs): Process {
    checkList('configs', configs, 'name', 'memoryBytes', 'device');
    for (const { name } of configs)
      checkArgument(!this.toolstack.list.domains.some((domain) => domain.name === name), 'configs', `${name} is there`);
    const boots = [];
    for (const config of configs) {
      const isKept = this.toolstack.list.left.get(config.name) === 'kept';
      const domain = yield* domainOf(
        isKept ? this.toolstack.bootLeftDomain(config) : this.toolstack.createDomain(config),
      );
      boots.push(this.simulation.spawn(`boot ${config.name}`, this.boot(config, domain)));
    }
    for (const boot of boots) yield* boot.join();
  }

  /** @internal Boots a guest in its domain. */
  *boot(config: DomainConfig, domain: Domain): Process<VmmGuest> {
    const { onReuse, inits } = this.#options;
    const place: GuestPlace = { config, domain, machine: this };
    const observe: ReuseObserver = (...reuse) => onReuse?.(place, ...reuse);
    const init = inits?.[this.configs.findIndex(({ name }) => name === config.name)];
    const kernel = yield* Kernel.boot(domain.environment, this.guestCosts, observe, init);
    const guest: VmmGuest = Object.assign(place, { kernel });
    this.guests.set(config.name, guest);
    this.services?.start(guest);
    return guest;
  }

  /**
   * Sends a running guest to the machine at the other end of the cable. Returns the bytes sent, or
   * why it was not sent; then it goes on here, unless it has stopped.
   */
  *migrateGuest(name: string, target: VmmMachine): Process<MigrationOutcome> {
    const guest = this.guests.get(name);
    if (guest === undefined) throw new ArgumentError('name: no guest of this name runs here');
    checkArgument(target instanceof VmmMachine && target !== this, 'target', 'expected the other machine');
    const [nic, end] = [this.#cable, target.#cable];
    if (nic === undefined || end === undefined) throw new ArgumentError('target: no cable goes there');
    const { hypervisor, toolstack } = target;
    const devicesOf = (wanted: string): DomainConfig | undefined =>
      target.configs.find((config) => config.name === wanted);
    const arrival = hypervisor.power.isOn
      ? hypervisor.power.spawn(
          'migration',
          receiveMigration({ hypervisor, toolstack }, end, { devicesOf, vouch: false }),
        )
      : undefined;
    const here = { hypervisor: this.hypervisor, toolstack: this.toolstack };
    const left = yield* migrateDomain(here, guest.domain, guest.config, nic);
    // The other end finishes too, before the next guest needs the cable.
    const arrived = arrival && (yield* arrival.join());
    if (!left.ok) {
      if (left.reason.domain === undefined) this.guests.delete(name);
      else guest.domain = left.reason.domain;
      return left;
    }
    assert(arrived?.ok === true, 'who says that it runs there has it');
    // Its disk was flushed while it stood still. From now on the other machine writes to it.
    this.files?.forget(this.configs.find((config) => config.name === name)?.device);
    this.guests.delete(name);
    guest.domain = arrived.value.domain;
    guest.machine = target;
    target.guests.set(name, guest);
    return left;
  }

  /**
   * A warm-VM reboot of the hypervisor. Guests that could not go on are booted again.
   * @param betweenHypervisors called when only memory is left
   */
  *warmVmReboot(betweenHypervisors?: () => void): Process<Succession & WarmVmTimes> {
    checkFunction('betweenHypervisors', betweenHypervisors, true);
    const { simulation } = this;
    const begin = simulation.now;
    yield* this.shutdownDomain0();
    const suspendBegin = simulation.now;
    const notSuspended = yield* suspendDomains(this.hypervisor, this.toolstack);
    yield* handOver(this.hypervisor, this.toolstack);
    const suspendEnd = simulation.now;
    this.reset();
    betweenHypervisors?.();
    const found = yield* this.bootHypervisor();
    const resumeBegin = simulation.now;
    const resumed = yield* this.resumeGuests();
    const resumeEnd = simulation.now;
    yield* this.start(this.configs.filter(({ name }) => !this.guests.has(name)));
    const lost = [...found.lost, ...resumed.lost];
    const times = { begin, suspendBegin, suspendEnd, resumeBegin, resumeEnd };
    return { resumed: resumed.names, notSuspended, lost, problem: found.problem, ...times };
  }

  /**
   * Domain 0 goes down in order. It stops its services as a guest does, and then what only domain 0
   * has. Guests go on until the tool stack and the back-ends end. Last it writes what is dirty in
   * its page cache.
   */
  *shutdownDomain0(): Process {
    const { shutdownServicesNs, killWaitNs } = this.guestCosts;
    if (this.domain0Services === undefined) yield Ns(shutdownServicesNs + killWaitNs);
    else {
      yield* this.domain0Services.stop(shutdownServicesNs);
      yield Ns(killWaitNs);
    }
    yield* shutdownDomain0(this.hypervisor, this.toolstack);
    // What cannot be written is lost with the reset, which counts it as a change of the disk.
    yield* this.files?.sync() ?? NOTHING;
  }

  /**
   * The machine is reset. Everything that runs on it ends where it stands. Lines that only the CPU
   * caches had are lost, and the drive forgets its queue. Running guests are gone; frozen ones are
   * in memory, or on the disk.
   * @param memory whether it is kept, or lost as by a memory test
   * @param random decides what has reached the medium of writes in service; the drive's own stream
   * by default
   */
  reset(memory: 'kept' | 'lost' = 'kept', random?: RandomStream): void {
    checkOneOf('memory', memory, ['kept', 'lost']);
    if (random !== undefined) checkObject('random', random, 'fraction');
    this.hypervisor.halt();
    this.#port.reset(random);
    this.#domain0Files?.lose();
    this.#adapter.powerLoss();
    this.#cable?.powerLoss();
    if (memory === 'lost') this.memory.clearAll();
    else this.memory.reset(this.simulation.random.stream(`reset ${this.simulation.now}`));
  }

  /**
   * The firmware, the next hypervisor and its domain 0 boot. Domain 0's kernel and services take
   * what a guest's take, and read what those read. What only domain 0 has comes on top: real
   * devices, and the tool stack.
   */
  *bootHypervisor(): Process<{ readonly problem: string | undefined; readonly lost: readonly LostDomain[] }> {
    yield Ns(this.costs.resetNs);
    const reload = this.reload();
    yield Ns(this.costs.vmmBootNs + reload.costNs);
    const { bootKernelNs, bootServicesNs } = this.guestCosts;
    if (this.domain0Services === undefined) yield Ns(bootKernelNs + bootServicesNs + this.costs.domain0BootNs);
    else {
      yield Ns(bootKernelNs);
      yield* this.domain0Services.start(bootServicesNs);
      yield Ns(this.costs.domain0BootNs);
    }
    this.hypervisor.network.plug(this.#adapter);
    return reload;
  }

  /** Resumes the suspended guests; afterwards `guests` are those that run. */
  *resumeGuests(): Process<{ readonly names: string[]; readonly lost: LostDomain[] }> {
    const before = new Map(this.guests);
    this.guests.clear();
    const names: string[] = [];
    const lost: LostDomain[] = [];
    const { left } = this.toolstack.list;
    if ([...left.values()].includes('suspended')) yield Ns(this.costs.resumeSetupNs);
    for (const config of this.configs) {
      if (left.get(config.name) !== 'suspended') continue;
      const outcome = yield* resumeDomain(this.hypervisor, this.toolstack.list, config);
      if (!outcome.ok) {
        const { record } = this.hypervisor.left.find((domain) => domain.record.name === config.name)!;
        lost.push({ domid: record.domid, name: config.name, reason: outcome.reason.why });
        continue;
      }
      const guest = before.get(config.name);
      assert(guest !== undefined, 'a guest that goes on was there');
      guest.domain = outcome.value;
      this.guests.set(config.name, guest);
      names.push(config.name);
    }
    return { names, lost };
  }
}
