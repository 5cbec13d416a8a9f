/**
 * A small machine with real parts and no disk that takes time: memory, hypervisor, tool stack,
 * back-ends, and guests with real kernels. Each page that a guest takes over is compared with the
 * disk as it takes it over. Runs are bounded by their events.
 *
 * Between two lives of a guest there are bytes alone, and there a case may damage them.
 */

import type { ImageStore } from '../../disk/image/image-store.ts';
import { Host, machineMemoryFor } from '../../experiment/host/host.ts';
import { equalBytes, Ns, PAGE_SIZE, type Pfn } from '../../base/index.ts';
import { Kernel } from '../../kernel/index.ts';
import { MachineMemory } from '../../machine/memory.ts';
import { SERVER_2026 } from '../../machine/profiles/server-2026.ts';
import type { Process } from '../../sim/index.ts';
import { type Domain, domainOf, type DomainConfig, type Reload } from '../../xen/index.ts';
import { must, runBounded } from './kind.ts';

/** Memory of a guest, bytes: enough for its kernel and the files of a specimen. */
const GUEST_BYTES = 6 << 20;
const NAME = 'guest';
/** How often it is looked whether a guest has stopped. */
const LOOK = Ns(1_000_000);
const CMD_LINE = 'cachemap=all';

/** Memory for one machine after the other. */
export const fuzzMemory = (): MachineMemory => new MachineMemory(machineMemoryFor(GUEST_BYTES));

/** A guest that runs. */
export interface FuzzGuest {
  readonly domain: Domain;
  readonly kernel: Kernel;
}

export class FuzzMachine extends Host {
  /** Pages that guests have taken over. */
  reused = 0;
  readonly #mostEvents: number;
  readonly #page = new Uint8Array(PAGE_SIZE);

  readonly #judges: boolean;

  /**
   * @param mostEvents of each run
   * @param judges whether a page that is not its block breaks a law: not where records were forged
   */
  constructor(image: ImageStore, memory: MachineMemory, mostEvents: number, judges = true) {
    super({ seed: 1, profile: SERVER_2026, disk: 'instant', image, memory, guestMemory: GUEST_BYTES, kernelPages: 2 });
    this.#mostEvents = mostEvents;
    this.#judges = judges;
  }

  get config(): DomainConfig {
    return { name: NAME, memoryBytes: GUEST_BYTES, device: this.drive, cmdLine: CMD_LINE };
  }

  /** @throws LawBroken when it does not end; what the process throws */
  run<T>(process: Process<T>): T {
    return runBounded(this.simulation, process, this.#mostEvents);
  }

  /** A new domain with a guest. */
  start(): FuzzGuest {
    return this.boot(this.run(domainOf(this.toolstack.createDomain(this.config))));
  }

  /** Boots a guest in a domain that was built. */
  boot(domain: Domain): FuzzGuest {
    const observe = (pfn: Pfn, _ino: number, _index: number, block: number): void => {
      this.reused++;
      if (this.#judges) this.#mustEqual(domain, pfn, block);
    };
    return { domain, kernel: this.run(Kernel.boot(domain.environment, this.guestCosts, observe)) };
  }

  /**
   * Runs a process in a guest. Returns whether it came to its end: the guest may stop first.
   * @throws LawBroken when neither comes; what the process throws, except what stops a guest
   */
  runIn({ domain }: FuzzGuest, process: Process<unknown>): boolean {
    if (!domain.isRunning) return false;
    const task = domain.environment.spawn('fuzz', process);
    this.run(
      (function* () {
        while (!task.isOver && domain.isRunning) yield LOOK;
      })(),
    );
    return task.state === 'done';
  }

  /** The guest's domain is rebuilt, and nothing but bytes is there when `damage` is called. */
  restart({ domain }: FuzzGuest, damage: () => void): Domain {
    const options = { preserve: true, cmdLine: CMD_LINE, betweenGuests: damage };
    return this.run(domainOf(this.toolstack.restartDomain(domain, options)));
  }

  /** The machine is reset, and the next hypervisor is made from what `damage` leaves. */
  nextHypervisor(damage: () => void): Reload {
    this.hypervisor.halt();
    this.memory.reset(this.simulation.random.stream('reset'));
    damage();
    return this.reload();
  }

  #mustEqual(domain: Domain, pfn: Pfn, block: number): void {
    const isThere = (block + 1) * PAGE_SIZE <= this.contents.size;
    if (isThere) this.contents.read(block * PAGE_SIZE, this.#page, 0, PAGE_SIZE);
    const holds = isThere && equalBytes(this.memory.frame(domain.frameOf(pfn)), 0, this.#page, 0, PAGE_SIZE);
    must('a page taken over equals its block', holds, () => `page ${pfn} is not block ${block}`);
  }
}
