/**
 * A machine with one guest, for programs, tests and other simulators: bytes in, bytes out, without
 * I/O of the host, timers or promises.
 *
 * The guest runs programs: generators over its system calls, or plain calls of `machine.sys`. It is
 * rebooted by a strategy, crashes at a chosen event, or loses power. Each page that it takes over
 * from before a reboot is compared with the disk as it takes it over; `verify` tells the outcome.
 *
 * States: `running`; `crashed` (the guest is dead, memory and hypervisor are there); `off` (only
 * the disk is left). `reboot` leads from each of them to `running`.
 */

import {
  ArgumentError,
  checkArgument,
  checkFunction,
  checkInteger,
  checkObject,
  checkOneOf,
} from '../../base/argument-error.ts';
import { GuestPanic, ModelError } from '../../base/errno.ts';
import { InputError } from '../../base/input-error.ts';
import { UserError } from '../../base/user-error.ts';
import type { Ns } from '../../base/units.ts';
import type { ImageStore } from '../../disk/image/image-store.ts';
import { JoinedImage, partOf } from '../../disk/image/joined-image.ts';
import { MemoryImage } from '../../disk/image/memory-image.ts';
import { OverlayImage } from '../../disk/image/overlay-image.ts';
import { machineMemoryFor } from '../../experiment/host/host.ts';
import { VmmMachine, type VmmGuest } from '../../experiment/host/machine-room.ts';
import { archOf, PROFILE } from '../../experiment/host/profiles.ts';
import { STRATEGIES, STRATEGY, VMM_STRATEGIES, type StrategyName } from '../../experiment/host/strategies.ts';
import type { KernelMessage, Syscalls } from '../../kernel/index.ts';
import { MachineMemory } from '../../machine/memory.ts';
import type { Process } from '../../sim/index.ts';
import { prefetchFiles } from '../../workload/prefetch.ts';
import { saveFileBytes } from '../../xen/index.ts';
import { blockingCalls, type BlockingSyscalls } from './blocking-calls.ts';
import { CacheJudge } from './cache-judge.ts';
import { Disk } from './disk.ts';
import { checkOptions, type MachineOptions, type MachineReboot } from './options.ts';
import { ProgramRun } from './program-run.ts';
import { NAME, rebootGuest, rebootMachine, switchOn } from './reboots.ts';
import type { MachineReport, MachineState, MachineStats, RebootReport, Verification } from './results.ts';

const MIB = 1 << 20;

/** A program in the guest. */
export type Program<T = unknown> = (sys: Syscalls) => Process<T>;
/** What several programs return. */
export type ResultsOf<P extends readonly Program[]> = {
  -readonly [K in keyof P]: P[K] extends Program<infer T> ? T : never;
};

/** The guest has crashed where `crashAt` said, while programs ran. */
export class GuestCrash extends Error {
  /** `GuestCrash`. */
  override readonly name = 'GuestCrash';
  /** Events that were dispatched before it, counted as `crashAt` counts. */
  readonly event: number;

  constructor(event: number) {
    super(`the guest has crashed after event ${event}`);
    this.event = event;
  }
}

/** A machine with one guest. Made by `Machine.boot`. */
export class Machine {
  readonly #room: VmmMachine;
  readonly #partition: { readonly start: number; readonly bytes: number };
  readonly #judge: CacheJudge;
  readonly #reboots: RebootReport[] = [];
  readonly #eventLimit: number;
  #strategy: StrategyName;
  #state: MachineState = 'off';
  #guest: VmmGuest | undefined;
  #sys: BlockingSyscalls | undefined;
  #isBusy = false;
  /** After which event the guest crashes, and how many are left until then. */
  #crashPoint: { readonly event: number; left: number } | undefined;

  private constructor(options: MachineOptions) {
    const { disk, strategy = 'warm-cache+metadata', seed = 1, memory = 64 * MIB } = options;
    const { profile = 'server-2026', drive = 'profile', arch, protections } = options;
    this.#strategy = strategy;
    this.#eventLimit = options.eventLimit ?? 100_000_000;
    const saveArea = new MemoryImage(saveFileBytes(memory, archOf({ arch, profile })));
    const image = new JoinedImage([new OverlayImage(disk.contents), saveArea]);
    this.#partition = image.places[0]!;
    this.#room = new VmmMachine({
      seed,
      profile: PROFILE[profile],
      arch,
      disk: drive,
      image,
      partitions: [this.#partition],
      saveAreas: [image.places[1]!],
      memory: new MachineMemory(machineMemoryFor(memory)),
      guestMemory: memory,
      cmdLine: STRATEGY[strategy].cmdLine,
      ...(protections && { protections }),
      onReuse: (...reuse) => {
        this.#judge.reused(...reuse);
      },
    });
    this.#judge = new CacheJudge(this.#room.drive, this.#contents());
  }

  /**
   * Switches a machine on and boots its guest.
   * @throws ArgumentError for options that are missing or of another kind; InputError for a disk
   * that cannot be mounted; GuestPanic when memory is too small
   */
  static boot(options: MachineOptions): Machine {
    checkOptions(options);
    try {
      const machine = new Machine(options);
      machine.#boot();
      return machine;
    } catch (error) {
      throw isOfDisk(error) ? new InputError(`disk: ${error.message}`) : error;
    }
  }

  /** Whether a guest runs, has crashed, or the machine is off. */
  get state(): MachineState {
    return this.#state;
  }

  /** The strategy of the guest that runs, or ran last. */
  get strategy(): StrategyName {
    return this.#strategy;
  }

  /** Virtual time, ns. */
  get now(): Ns {
    return this.#room.simulation.now;
  }

  /** Digest of the run so far: one seed and one program have one digest. */
  get digest(): string {
    return this.#room.simulation.digest.hex;
  }

  /** What the kernel has said, the oldest first; empty when there has been no guest. */
  get messages(): readonly KernelMessage[] {
    return this.#guest?.kernel.messages ?? [];
  }

  /** Figures of the machine now: a copy. */
  get stats(): MachineStats {
    const { simulation, drive } = this.#room;
    const guest = this.#state === 'running' ? this.#guest : undefined;
    const hypercalls = guest?.domain.stats.hypercalls;
    return {
      now: simulation.now,
      events: simulation.eventCount,
      guest: guest?.kernel.stats,
      hypercalls: hypercalls && { count: hypercalls.count, ns: hypercalls.ns },
      drive: drive.counters,
    };
  }

  /** The disk as a read would find it now: the medium, and what is newer in the drive's cache. */
  get disk(): Disk {
    return new Disk(this.#contents());
  }

  /** The guest's system calls as plain functions. Throws ArgumentError when no guest runs. */
  get sys(): BlockingSyscalls {
    this.#mustRun();
    const kernel = this.#running().kernel;
    this.#sys ??= blockingCalls(
      kernel.syscalls,
      () => {
        if (this.#guest?.kernel !== kernel || this.#state !== 'running' || this.#isBusy)
          throw new ArgumentError('sys: the guest that it belongs to does not run');
      },
      (name, process) => this.#runAll([process], name)[0] as never,
    );
    return this.#sys;
  }

  /**
   * Runs programs in the guest, all at once, until all have ended. Returns what the program
   * returns, or a list of what they return.
   * @throws what a program throws, and the others end where they stand; GuestCrash where `crashAt`
   * said; ArgumentError for a program that waits for what never happens or yields what is no wait
   */
  run<T>(program: Program<T>): T;
  /** Several programs at once: a list of what they return. Throws as for one. */
  run<P extends readonly Program[]>(...programs: P): ResultsOf<P>;
  run(...programs: readonly Program[]): unknown {
    this.#mustRun();
    if (programs.length === 0) throw new ArgumentError('programs: expected one or more');
    for (const program of programs) checkFunction('programs', program);
    const { syscalls } = this.#running().kernel;
    const processes = programs.map((program) => {
      const process = program(syscalls);
      checkObject('programs', process, 'next', 'throw');
      return process;
    });
    const results = this.#runAll(processes, 'program');
    return programs.length === 1 ? results[0] : results;
  }

  /**
   * The guest crashes after so many more events of runs: of `run`, and of calls of `sys`. 0 is
   * before the first. Asked again, it is counted anew.
   */
  crashAt(options: { readonly event: number }): void {
    checkObject('options', options);
    const { event } = options;
    checkInteger('event', event);
    this.#mustRun();
    this.#crashPoint = { event, left: event };
  }

  /** The guest crashes now: nothing is flushed. */
  crash(): void {
    this.#mustRun();
    this.#running().kernel.crash();
    this.#ended('crashed');
  }

  /**
   * The machine and its drive lose power: memory is gone, and so are writes that the drive has not
   * put on its medium.
   * @param options `keep`: share of the sectors in the drive's volatile cache, and of writes under
   * way, that have reached the medium, 0 to 1; a random one by default
   */
  losePower(options: { readonly keep?: number } = {}): void {
    checkObject('options', options);
    const { keep } = options;
    this.#mustBeIdle();
    checkArgument(this.#state !== 'off', 'state', 'the machine is off');
    checkArgument(keep === undefined || (keep >= 0 && keep <= 1), 'keep', 'expected 0 to 1');
    this.#room.drive.powerLoss(keep);
    this.#room.reset('lost');
    this.#ended('off');
  }

  /**
   * @internal Runs a program, and yields before each event the number of those before it. The
   * machine stands still meanwhile, and is busy until the end.
   */
  *eventsOf(program: Program): Generator<number, void, void> {
    this.#mustRun();
    const run = this.#begin([program(this.#running().kernel.syscalls)], 'program');
    try {
      for (let event = 0; !run.isOver; event++) {
        yield event;
        this.#step(run);
      }
    } finally {
      this.#isBusy = false;
      run.end();
    }
    run.results();
  }

  /** @internal The disk as a loss of power would leave it now; holds until the machine goes on. */
  diskAfterPowerLoss(keep: number, stream: string): Disk {
    const { drive, simulation } = this.#room;
    return new Disk(partOf(drive.afterPowerLoss(keep, simulation.random.stream(stream)), this.#partition));
  }

  /**
   * Reboots. What runs is shut down in order, or crashes; a guest that has crashed is booted again;
   * a machine that is off is switched on.
   * @throws ArgumentError for options that cannot be; InputError when the disk cannot be mounted
   * any more
   */
  reboot(options: MachineReboot = {}): RebootReport {
    checkObject('options', options);
    const { crash = false, strategy = this.#strategy, hypervisor } = options;
    checkOneOf('crash', crash, [false, true]);
    checkOneOf('strategy', strategy, STRATEGIES);
    if (hypervisor !== undefined) checkOneOf('hypervisor', hypervisor, VMM_STRATEGIES);
    this.#mustBeIdle();
    const before = this.now;
    const old = this.#guest?.kernel;
    const reads =
      STRATEGY[strategy].prefetch && this.#state === 'running' ? this.#judge.cachedFiles(this.#running()) : [];
    const { simulation } = this.#room;
    this.#crashPoint = undefined;
    this.#sys = undefined;
    if (this.#state === 'running' && crash) this.crash();
    const problems: string[] = [];
    this.#room.configure(NAME, STRATEGY[strategy].cmdLine);
    const process =
      this.#state === 'off'
        ? switchOn(this.#room)
        : hypervisor === undefined
          ? rebootGuest(this.#room, strategy, this.#state === 'crashed', reads)
          : rebootMachine(this.#room, hypervisor, this.#state === 'crashed', problems);
    this.#guest = undefined;
    this.#isBusy = true;
    try {
      simulation.runProcess('reboot', process);
    } catch (error) {
      this.#state = 'crashed';
      throw isOfDisk(error) ? new InputError(`disk: ${error.message}`) : error;
    } finally {
      this.#isBusy = false;
    }
    this.#strategy = strategy;
    this.#started();
    const { domain, kernel } = this.#running();
    if (STRATEGY[strategy].prefetch) domain.environment.spawn('prefetch', prefetchFiles(kernel.syscalls));
    const { preserved, refused, dirty } = domain.stats;
    const report: RebootReport = {
      strategy,
      hypervisor,
      continued: kernel === old,
      ns: this.now - before,
      preserved,
      refused: { ...refused },
      written: dirty.written,
      problems,
    };
    this.#reboots.push(report);
    return report;
  }

  /**
   * What was compared with the disk: each page that a guest took over, and now each page in the
   * running guest's cache that the disk must have. Call `sys.sync()` first to skip as few as
   * possible.
   */
  verify(): Verification {
    this.#mustBeIdle();
    return this.#judge.verify(this.#state === 'running' ? this.#guest : undefined);
  }

  /** What has happened since the machine was made. */
  report(): MachineReport {
    return {
      strategy: this.#strategy,
      state: this.#state,
      digest: this.digest,
      stats: this.stats,
      reboots: [...this.#reboots],
      verification: this.verify(),
    };
  }

  #contents(): Pick<ImageStore, 'size' | 'read'> {
    return partOf(this.#room.drive.contents, this.#partition);
  }

  #boot(): void {
    this.#room.simulation.runProcess('boot', this.#room.start());
    this.#started();
  }

  #started(): void {
    this.#guest = this.#room.guests.get(NAME);
    this.#sys = undefined;
    this.#state = this.#guest === undefined ? 'crashed' : 'running';
    if (this.#guest === undefined) throw new GuestPanic('there is no guest after the reboot');
  }

  #ended(state: MachineState): void {
    this.#state = state;
    this.#sys = undefined;
    this.#crashPoint = undefined;
  }

  #running(): VmmGuest {
    return this.#guest!;
  }

  #mustBeIdle(): void {
    if (this.#isBusy) throw new ArgumentError('state: a program runs');
  }

  #mustRun(): void {
    if (this.#isBusy) throw new ArgumentError('state: a program runs; use the sys that it was given');
    if (this.#state === 'crashed') throw new ArgumentError('state: the guest has crashed; call reboot() first');
    if (this.#state === 'off') throw new ArgumentError('state: the machine has lost power; call reboot() first');
  }

  #runAll(processes: readonly Process<unknown>[], name: string): readonly unknown[] {
    const run = this.#begin(processes, name);
    try {
      while (!run.isOver) this.#step(run);
    } finally {
      this.#isBusy = false;
      run.end();
    }
    return run.results();
  }

  #begin(processes: readonly Process<unknown>[], name: string): ProgramRun {
    const run = new ProgramRun(this.#room.simulation, this.#running(), name, processes, this.#eventLimit);
    this.#isBusy = true;
    return run;
  }

  #step(run: ProgramRun): void {
    const point = this.#crashPoint;
    if (point !== undefined && point.left-- === 0) {
      this.#running().kernel.crash();
      this.#ended('crashed');
      throw new GuestCrash(point.event);
    }
    try {
      run.step();
    } catch (error) {
      if (error instanceof GuestPanic) this.#ended('crashed');
      throw error;
    }
  }
}

/** Whether an error of a boot says that the disk cannot be used. */
function isOfDisk(error: unknown): error is Error {
  return [InputError, ModelError, UserError].some((kind) => error instanceof kind);
}
