/**
 * The strategies of a hypervisor reboot: what happens to the guests while the hypervisor under them
 * is replaced.
 *
 * | strategy | guests | then | the machine | then |
 * |---|---|---|---|---|
 * | warm-vm | serve while domain 0 goes down; are suspended on memory | handed over | keeps its memory | go on |
 * | save-restore | are saved to the disk, one after the other | domain 0 goes down | loses its memory | are restored, one after the other |
 * | live-migration | go to a second machine while they run, one after the other | domain 0 goes down | loses its memory | come back the same way |
 * | shutdown-boot | are shut down, all at once | domain 0 goes down | loses its memory | are created, and boot at once |
 * | warm-cache, warm-cache+metadata | the same; what they had cached, of files or of everything, is kept | domain 0 goes down, hands over | keeps its memory | the same, on their caches |
 *
 * A guest that cannot go on is booted again in the end, with the reason. Costs are those of the
 * machine's profile. Where a cost was fitted to a figure, the result is no evidence for that
 * figure.
 */

import { checkObject, checkOneOf } from '../../base/argument-error.ts';
import { Ns } from '../../base/units.ts';
import type { Process } from '../../sim/index.ts';
import {
  handOver,
  restoreDomain,
  saveDomain,
  ShutdownReason,
  suspendDomains,
  type Domain,
  type DomainConfig,
  type Outcome,
} from '../../xen/index.ts';
import type { VmmGuest, VmmMachine } from './machine-room.ts';
import { VMM_STRATEGIES, type VmmPhaseName, type VmmStrategyName } from './strategies.ts';

/** SHUTDOWN_TIMEOUT of xend. */
const SHUTDOWN_TIMEOUT_NS = 30e9;
/** How often it is checked whether a guest has stopped. */
const LOOK = Ns(10_000_000);

const TOO_LATE: Outcome = { ok: false, reason: { kind: 'failed', why: 'it does not shut down' } };

/** A part of a hypervisor reboot, virtual ns from its start on. */
interface Phase {
  readonly name: VmmPhaseName;
  readonly startNs: number;
  readonly endNs: number;
}

/** A reboot of the hypervisor under all guests of a machine, and what it met. */
export class HypervisorReboot {
  readonly phases: Phase[] = [];
  /** Why guests do not go on, by name. */
  readonly reasons = new Map<string, string>();
  bytesWritten = 0;
  bytesRead = 0;
  bytesSent = 0;
  readonly #machine: VmmMachine;
  /** The guests before the reboot: names by domid. */
  readonly #before: ReadonlyMap<number, string>;
  #beginNs = 0;

  constructor(machine: VmmMachine) {
    checkObject('machine', machine, 'simulation', 'guests');
    this.#machine = machine;
    this.#before = new Map([...machine.guests].map(([name, { domain }]) => [domain.domid, name]));
  }

  /** When it began, virtual ns. */
  get beginNs(): number {
    return this.#beginNs;
  }

  /** Guests that could not go on are booted again. */
  *run(strategy: VmmStrategyName): Process {
    checkOneOf('strategy', strategy, VMM_STRATEGIES);
    this.#beginNs = this.#machine.simulation.now;
    yield* this.#stopAndStart(strategy);
    if (this.#missing().length > 0) yield* this.#phase('boot guests', this.#machine.start(this.#missing()));
  }

  #stopAndStart(strategy: VmmStrategyName): Process {
    switch (strategy) {
      case 'warm-vm':
        return this.#warmVm();
      case 'save-restore':
        return this.#saveRestore();
      case 'live-migration':
        return this.#liveMigration();
      case 'shutdown-boot':
        return this.#shutdownBoot();
      case 'warm-cache':
      case 'warm-cache+metadata':
        return this.#warmCache();
    }
  }

  *#warmVm(): Process {
    const { hypervisor, toolstack } = this.#machine;
    yield* this.#shutdownDomain0();
    for (const { domid, reason } of yield* this.#phase('suspend guests', suspendDomains(hypervisor, toolstack)))
      if (this.#before.has(domid)) this.reasons.set(this.#before.get(domid)!, reason);
    yield* this.#phase('hand over', handOver(hypervisor, toolstack));
    yield* this.#resetAndBoot('kept');
    const { lost } = yield* this.#phase('resume guests', this.#machine.resumeGuests());
    for (const { name, reason } of lost) if (name !== undefined) this.reasons.set(name, reason);
  }

  *#saveRestore(): Process {
    const { guests } = this.#machine;
    const saved = new Map<string, VmmGuest>();
    yield* this.#phase('save guests', this.#save(saved));
    yield* this.#shutdownDomain0();
    yield* this.#resetAndBoot('lost');
    guests.clear();
    yield* this.#phase('restore guests', this.#restore(saved));
  }

  *#liveMigration(): Process {
    const { neighbour, guests, toolstack } = this.#machine;
    yield* this.#phase('migrate guests', this.#migrate(this.#machine, neighbour));
    // A guest that does not migrate is shut down.
    if (guests.size > 0) yield* this.#shutDown((domain) => toolstack.destroyDomain(domain));
    yield* this.#shutdownDomain0();
    yield* this.#resetAndBoot('lost');
    guests.clear();
    yield* this.#phase('migrate guests back', this.#migrate(neighbour, this.#machine));
  }

  /** One after the other, as xend does. */
  *#migrate(from: VmmMachine, to: VmmMachine): Process {
    for (const name of [...from.guests.keys()]) {
      const outcome = yield* from.migrateGuest(name, to);
      if (outcome.ok) this.bytesSent += outcome.value.bytes;
      else this.reasons.set(name, outcome.reason.why);
    }
  }

  *#shutdownBoot(): Process {
    const { toolstack, guests } = this.#machine;
    yield* this.#shutDown((domain) => toolstack.destroyDomain(domain));
    yield* this.#shutdownDomain0();
    yield* this.#resetAndBoot('lost');
    guests.clear();
  }

  *#warmCache(): Process {
    const { hypervisor, toolstack, guests } = this.#machine;
    yield* this.#shutDown((domain) => toolstack.leaveDomain(domain));
    yield* this.#shutdownDomain0();
    yield* this.#phase('hand over', handOver(hypervisor, toolstack));
    yield* this.#resetAndBoot('kept');
    guests.clear();
  }

  *#shutdownDomain0(): Process {
    yield* this.#phase('domain 0 shutdown', this.#machine.shutdownDomain0());
  }

  *#resetAndBoot(memory: 'kept' | 'lost'): Process {
    this.#machine.reset(memory);
    const { lost } = yield* this.#phase('reset and boot', this.#machine.bootHypervisor());
    for (const { name, reason } of lost) if (name !== undefined) this.reasons.set(name, reason);
  }

  /** One after the other, as xend does. */
  *#save(saved: Map<string, VmmGuest>): Process {
    const { hypervisor, toolstack, configs, guests, saveFiles } = this.#machine;
    for (const [n, config] of configs.entries()) {
      const { name } = config;
      const guest = guests.get(name);
      const file = saveFiles[n];
      if (guest === undefined) continue;
      if (file === undefined) {
        this.reasons.set(name, 'there is no file for it');
        continue;
      }
      const outcome = yield* saveDomain({ hypervisor, toolstack }, guest.domain, config, file);
      if (!outcome.ok) {
        this.reasons.set(name, outcome.reason.why);
        continue;
      }
      this.bytesWritten += outcome.value.bytes;
      saved.set(name, guest);
    }
  }

  *#restore(saved: ReadonlyMap<string, VmmGuest>): Process {
    const { hypervisor, toolstack, configs, guests, saveFiles, costs } = this.#machine;
    if (saved.size > 0) yield Ns(costs.resumeSetupNs);
    for (const [n, { name, device, mac }] of configs.entries()) {
      const guest = saved.get(name);
      if (guest === undefined) continue;
      const outcome = yield* restoreDomain({ hypervisor, toolstack }, saveFiles[n]!, { device, mac, vouch: false });
      if (!outcome.ok) {
        this.reasons.set(name, outcome.reason.why);
        continue;
      }
      this.bytesRead += outcome.value.bytes;
      guest.domain = outcome.value.domain;
      guests.set(name, guest);
    }
  }

  /**
   * Asks all guests at once to power off. One that does so is taken down, one that does not in time
   * is destroyed.
   */
  #shutDown(takeDown: (domain: Domain) => Process<Outcome>): Process {
    return this.#phase('shut guests down', this.#powerOff(takeDown));
  }

  *#powerOff(takeDown: (domain: Domain) => Process<Outcome>): Process {
    const { toolstack, guests, simulation, services } = this.#machine;
    const deadline = simulation.now + SHUTDOWN_TIMEOUT_NS;
    for (const [name, { domain }] of guests) {
      services?.stop(name);
      toolstack.askToStop(domain, 'poweroff');
    }
    for (const [name, { domain }] of guests) {
      while (domain.isRunning && simulation.now < deadline) yield LOOK;
      const hasStopped = domain.shutdownReason === ShutdownReason.poweroff;
      const outcome = hasStopped ? yield* takeDown(domain) : TOO_LATE;
      if (outcome.ok) continue;
      this.reasons.set(name, outcome.reason.why);
      yield* toolstack.destroyDomain(domain);
    }
  }

  #missing(): DomainConfig[] {
    const { configs, guests } = this.#machine;
    const before = [...this.#before.values()];
    return configs.filter(({ name }) => before.includes(name) && !guests.has(name));
  }

  *#phase<T>(name: VmmPhaseName, process: Process<T>): Process<T> {
    const { simulation } = this.#machine;
    const startNs = simulation.now - this.#beginNs;
    const value = yield* process;
    this.phases.push({ name, startNs, endNs: simulation.now - this.#beginNs });
    return value;
  }
}
