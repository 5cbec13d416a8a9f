/**
 * Suspension (drivers/xen/core/reboot.c and machine_reboot.c of 2.6.12-xen). The guest stands still
 * in the middle of its work. It goes on with the return from one hypercall.
 *
 * The hypervisor (the suspend virq) or the tool stack (`suspend` in the store) asks for it. The
 * guest leaves its devices as they are, turns upcalls off and makes the hypercall. On its return
 * the grant table is emptied, and handlers of ports that are gone are forgotten. Nothing else of
 * the guest can use them before that. Then each driver connects anew and puts on its ring again
 * what was in flight, while the rest of the guest runs. Another suspension may come before all
 * have.
 *
 * A frozen guest is an object that stands for the contents of its frames. To make sure that it
 * does, it plants canaries in its own kernel frames and random words in its registers before the
 * hypercall. It panics afterwards when they are not there. Canaries are words at the end of
 * reserved pages of which nothing else is known here.
 */

import { GuestPanic, ModelError } from '../../base/errno.ts';
import { PAGE_SIZE, type Pfn } from '../../base/units.ts';
import type { Process, RandomStream, Task } from '../../sim/index.ts';
import { NR_REGISTERS, ShutdownReason, type GuestEnvironment, type Hypercalls } from '../../xen/public/index.ts';
import type { KernelCosts } from '../costs.ts';
import type { KernelLog } from '../log.ts';
import type { EventChannels } from './evtchn.ts';
import type { GrantTable } from './gnttab.ts';

/** What has to connect anew. */
export interface SuspendableDriver {
  /**
   * The other half is gone, and so are all grants. Called before anything else of the guest runs.
   */
  disconnected(): void;
  /** Connects to the other half; what was in flight is begun again. */
  connect(): Process;
}

const CANARY_AT = PAGE_SIZE - 4;

/** The end of a kernel that has nothing to go on with. */
export class Panic {
  readonly #hypercalls: Pick<Hypercalls, 'shutdown'>;
  readonly #log: KernelLog;
  #message: string | undefined;

  constructor(hypercalls: Pick<Hypercalls, 'shutdown'>, log: KernelLog) {
    this.#hypercalls = hypercalls;
    this.#log = log;
  }

  /** What the kernel said last; undefined while it has not given up. */
  get message(): string | undefined {
    return this.#message;
  }

  /** The domain has crashed when this returns. */
  giveUp(message: string): void {
    this.#message = message;
    this.#log.say('emerg', `Kernel panic: ${message}`);
    this.#hypercalls.shutdown(ShutdownReason.crash);
  }
}

export class Suspension {
  readonly #env: GuestEnvironment;
  readonly #costs: KernelCosts;
  readonly #events: EventChannels;
  readonly #grants: GrantTable;
  readonly #kernelPages: readonly Pfn[];
  readonly #panic: Panic;
  readonly #random: RandomStream;
  readonly #drivers: SuspendableDriver[] = [];
  #isUnderWay = false;
  /** What connects the drivers. */
  #connecting: Task | undefined;
  #count = 0;

  /**
   * @param kernelPages pages that are the kernel's and of whose last word nobody makes use
   * @param panic where it ends when it is not itself afterwards, or a device is refused
   */
  constructor(
    env: GuestEnvironment,
    costs: KernelCosts,
    events: EventChannels,
    grants: GrantTable,
    kernelPages: readonly Pfn[],
    panic: Panic,
  ) {
    this.#env = env;
    this.#costs = costs;
    this.#events = events;
    this.#grants = grants;
    this.#kernelPages = kernelPages;
    this.#panic = panic;
    this.#random = env.random('suspend');
  }

  /** Suspensions that the guest has come back from. */
  get count(): number {
    return this.#count;
  }

  /**
   * The kernel registers a driver while it runs, as Linux does: the driver has a device from then
   * on. Drivers are resumed in the order of their registration.
   */
  add(driver: SuspendableDriver): void {
    this.#drivers.push(driver);
  }

  /**
   * Suspends the guest, unless it is about to be. Returns when it goes on, while its drivers
   * connect.
   */
  *run(): Process {
    yield* this.#orPanic(this.#run());
  }

  *#run(): Process {
    if (this.#isUnderWay) return;
    this.#isUnderWay = true;
    const { hypercalls } = this.#env;
    yield this.#costs.suspendNs;
    const registers = Uint32Array.from({ length: NR_REGISTERS }, () => this.#random.u32());
    const canary = this.#random.u32();
    yield* this.#env.cpu.settle();
    // What it has under way with the store would reach the next store, which knows nothing of it.
    this.#connecting?.kill();
    this.#events.disable();
    this.#plant(canary);
    const restored = yield* hypercalls.suspend(registers);
    if (registers.some((word, i) => restored[i] !== word)) throw new GuestPanic('resumed with other registers');
    this.#check(canary);
    this.#grants.reset();
    for (const driver of this.#drivers) driver.disconnected();
    this.#count++;
    this.#isUnderWay = false;
    this.#env.cpu.charge(this.#costs.resumeNs);
    this.#connecting = this.#env.spawn('xenbus', this.#orPanic(this.#connect()));
    this.#events.enable();
  }

  *#orPanic(process: Process): Process {
    try {
      yield* process;
    } catch (error) {
      // A device that cannot be connected again, or a machine that does not suspend, leaves nothing
      // to go on with.
      if (!(error instanceof GuestPanic) && !(error instanceof ModelError)) throw error;
      this.#panic.giveUp(error.message);
      // The processor stands still from now on.
      yield 0;
    }
  }

  *#connect(): Process {
    for (const driver of this.#drivers) yield* driver.connect();
  }

  #plant(canary: number): void {
    for (const pfn of this.#kernelPages) this.#env.memory.writeU32(pfn, CANARY_AT, (canary ^ pfn) >>> 0);
  }

  #check(canary: number): void {
    for (const pfn of this.#kernelPages)
      if (this.#env.memory.readU32(pfn, CANARY_AT) !== (canary ^ pfn) >>> 0)
        throw new GuestPanic(`page ${pfn} of the kernel is not what it was before the suspension`);
  }
}
