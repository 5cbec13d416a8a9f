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
 *
 * Longer than other files: each call of a user is a method here, and all of them ask the one state.
 */

import { ArgumentError, checkArgument, checkKeys } from '../../base/argument-error.ts';
import { GuestPanic } from '../../base/errno.ts';
import type { Ns } from '../../base/units.ts';
import type { ImageStore } from '../../disk/image/image-store.ts';
import { partOf } from '../../disk/image/joined-image.ts';
import type { VmmGuest, VmmMachine } from '../../experiment/host/machine-room.ts';
import { STRATEGY, type StrategyName } from '../../experiment/host/strategies.ts';
import type { KernelMessage } from '../../kernel/index.ts';
import type { Process } from '../../sim/index.ts';
import { prefetchFiles } from '../../workload/prefetch.ts';
import { blockingCalls, type BlockingSyscalls } from './blocking-calls.ts';
import { CacheJudge } from './cache-judge.ts';
import { Disk } from './disk.ts';
import { chanceOf, Remains, type RemainsOptions } from './machine-bytes.ts';
import { DEFAULTS, guestCmdLine, makeRoom, type RoomParts } from './make-room.ts';
import {
  checkCrashPoint,
  checkOptions,
  checkReboot,
  checkShare,
  type GuestCrashPoint,
  type MachineOptions,
  type MachineReboot,
} from './options.ts';
import { GuestEnd } from './guest-end.ts';
import { processesOf, type Program, ProgramRun, type ResultsOf } from './program-run.ts';
import { changeDisk, domainNow, errorOfBoot, NAME, namingDisk, rebooting, reportOf } from './reboots.ts';
import type { MachineReport, MachineState, MachineStats, RebootReport, Verification } from './results.ts';
import type { StepCounter, StepWatch } from './steps.ts';

/** What a machine is busy with: what says so of its state. */
const RUNS = 'a program runs';
const REBOOTS = 'the machine is being rebooted';
const IS_PAST = 'the next crash point was asked for: this machine is gone';

/** @internal What a machine is made with besides its options. */
export interface MachineParts extends Pick<RoomParts, 'left' | 'memory' | 'guestWithout'> {
  /** Looks at the machine before each step of a run. */
  readonly watch?: ((machine: Machine) => StepWatch) | undefined;
  /** Whether the steps and events of reboots count, too: the guest may crash in a reboot. */
  readonly countsReboots?: boolean | undefined;
  /** Whether the guest's own steps alone count, for runs that end at one of them. */
  readonly guestStepsOnly?: boolean | undefined;
}

/** A machine with one guest. Made by `Machine.boot`. */
export class Machine {
  readonly #options: MachineOptions;
  readonly #guestWithout: RoomParts['guestWithout'];
  readonly #room: VmmMachine;
  readonly #partition: { readonly start: number; readonly bytes: number };
  readonly #judge: CacheJudge;
  readonly #remains: Remains;
  readonly #reboots: RebootReport[] = [];
  readonly #eventLimit: number;
  #strategy: StrategyName;
  #state: MachineState = 'off';
  #guest: VmmGuest | undefined;
  #sys: BlockingSyscalls | undefined;
  #busy: typeof RUNS | typeof REBOOTS | typeof IS_PAST | undefined;
  readonly #end: GuestEnd;
  readonly #countsReboots: boolean;

  private constructor(options: MachineOptions, { left, memory, guestWithout, ...watching }: MachineParts = {}) {
    const { strategy = DEFAULTS.strategy, eventLimit = DEFAULTS.eventLimit } = options;
    this.#options = options;
    this.#guestWithout = guestWithout;
    this.#strategy = strategy;
    this.#eventLimit = eventLimit;
    const { watch, countsReboots = false, guestStepsOnly = false } = watching;
    this.#countsReboots = countsReboots;
    const counts = watch !== undefined || guestStepsOnly || options.steps === true;
    this.#end = new GuestEnd(
      () => domainNow(this.#room),
      counts ? { watch: watch?.(this), guestStepsOnly } : undefined,
    );
    const parts = { left, memory, guestWithout, steps: this.#end.steps };
    const { room, partition } = makeRoom(options, (...reuse) => this.#judge.reused(...reuse), parts);
    this.#room = room;
    this.#partition = partition;
    this.#remains = new Remains(room);
    this.#judge = new CacheJudge(room.drive, this.#contents());
  }

  /**
   * Switches a machine on and boots its guest.
   * @throws ArgumentError for options that are missing or of another kind, and for too little
   * memory; InputError for a disk that cannot be mounted
   */
  static boot(options: MachineOptions): Machine {
    checkOptions(options);
    return Machine.bootWith(options, {});
  }

  /** @internal The same, of these parts. */
  static bootWith(options: MachineOptions, parts: Omit<MachineParts, 'left'>): Machine {
    return namingDisk(() => {
      const machine = new Machine(options, parts);
      machine.#boot();
      return machine;
    });
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
      steps: this.steps?.counts,
    };
  }

  /**
   * The disk as a read would find it now: the medium, and what is newer in the drive's cache. It
   * changes as the machine goes on. `image(machine.disk.read())` is a copy, for another machine.
   */
  get disk(): Disk {
    if (this.#busy === IS_PAST) this.#mustBeIdle();
    return new Disk(this.#contents());
  }

  /** The guest's system calls as plain functions. Throws ArgumentError when no guest runs. */
  get sys(): BlockingSyscalls {
    this.#mustRun();
    const kernel = this.#running().kernel;
    this.#sys ??= blockingCalls(
      kernel.syscalls,
      () => {
        if (this.#guest?.kernel !== kernel || this.#state !== 'running' || this.#busy !== undefined) this.#refuseSys();
      },
      (name, process) => this.#runAll([process], name)[0] as never,
    );
    return this.#sys;
  }

  /**
   * Runs programs in the guest, all at once, until all have ended. Returns what the program
   * returns, or a list of what they return.
   * @throws what the first program that fails has thrown, when the others have ended or cannot end.
   * GuestCrash where `crashAt` said. ArgumentError for a program that waits for what never
   * happens or yields what is no wait
   */
  run<T>(program: Program<T>): T;
  /**
   * Several programs at once: a list of what they return.
   * @throws as for one program
   */
  run<P extends readonly Program[]>(...programs: P): ResultsOf<P>;
  run(...programs: readonly Program[]): unknown {
    this.#mustRun();
    const results = this.#runAll(processesOf(programs, this.#running().kernel.syscalls), 'program');
    return programs.length === 1 ? results[0] : results;
  }

  /**
   * The guest crashes after so many more events of runs: of `run`, and of calls of `sys`. 0 is
   * before the first. Or it crashes before one of their steps, also counted from 0. A step is a
   * store to machine memory, a hypercall, an event, or a change of the store. The beginning and the
   * end of a request to the drive are steps, too. At a step that is not the guest's own, it crashes
   * before its own next one, or when the event is over. Of a step that is a copy, `lines` of 64
   * bytes are stored first. Asked again, it is counted anew.
   * @throws ArgumentError for what is no integer, 0 or more. The same for a step of a machine that
   * was not booted with `steps: true`, and when no guest runs
   */
  crashAt(options: GuestCrashPoint): void {
    checkCrashPoint(options, this.steps !== undefined);
    this.#mustRun();
    this.#end.aim(options);
  }

  /**
   * The guest crashes now: nothing is flushed.
   * @throws ArgumentError when no guest runs
   */
  crash(): void {
    this.#mustRun();
    this.#running().kernel.crash();
    this.#end.aim(undefined);
    this.#state = 'crashed';
  }

  /**
   * The machine and its drive lose power: memory is gone, and so are writes that the drive has not
   * put on its medium.
   * @param options `keep`: share of the sectors in the drive's volatile cache, or being written,
   * that reach the medium, 0 to 1; by default random
   * @throws ArgumentError for a share out of range, or a machine that is off or busy
   */
  losePower(options: { readonly keep?: number } = {}): void {
    checkKeys('options', options, ['keep']);
    const { keep } = options;
    this.#mustBeIdle();
    checkArgument(this.#state !== 'off', 'state', 'the machine is off');
    if (keep !== undefined) checkShare('keep', keep);
    this.#room.drive.powerLoss(keep, chanceOf(this.#room, 'power loss'));
    this.#room.reset('lost');
    this.#state = 'off';
  }

  /**
   * @internal Runs a program, and yields before each event the number of those before it. The
   * machine stands still meanwhile, and is busy until the end.
   */
  *eventsOf(program: Program): Generator<number, void, void> {
    this.#mustRun();
    const run = this.#begin(processesOf([program], this.#running().kernel.syscalls), 'program');
    try {
      for (let event = 0; !run.isOver; event++) {
        yield event;
        this.#step(run);
      }
    } finally {
      this.#becomeIdle();
      run.end();
    }
    run.results();
  }

  /**
   * @internal The machine as it would come up again if it lost power now: as `losePower({ keep })`
   * and `reboot()` would make it. It holds until this one goes on, or another one is made.
   */
  afterPowerLoss(keep: number, options: RemainsOptions = {}, parts: MachineParts = {}): Machine {
    return this.#successor({ ...parts, left: this.#remains.ofPowerLoss(keep, options) }, {});
  }

  /**
   * @internal The same if its hypervisor crashed now, and the next one was made from the memory.
   */
  afterHypervisorCrash(options: RemainsOptions = {}, parts: MachineParts = {}): Machine {
    return this.#successor({ ...parts, left: this.#remains.ofHypervisorCrash(options) }, { hypervisor: 'warm-vm' });
  }

  /** @internal The domain of the guest that runs. */
  get domain(): VmmGuest['domain'] {
    return this.#running().domain;
  }

  /** @internal Everything that the machine is made of, for a harness that looks at all of it. */
  get room(): VmmMachine {
    return this.#room;
  }

  /** @internal The steps of its runs; undefined when it counts none. */
  get steps(): StepCounter | undefined {
    return this.#end.steps;
  }

  /** @internal Whether the guest has crashed where `crashAt` said, in the last run or reboot. */
  get isCut(): boolean {
    return this.#end.cut !== undefined;
  }

  /** @internal The machine that it was made from goes on: it cannot be used any more. */
  retire(): void {
    this.#busy = IS_PAST;
  }

  #successor(parts: MachineParts, reboot: MachineReboot): Machine {
    const options = { ...this.#options, strategy: this.#strategy };
    const machine = namingDisk(() => new Machine(options, { ...parts, guestWithout: this.#guestWithout }));
    machine.reboot(reboot);
    return machine;
  }

  /**
   * Reboots. What runs is shut down in order, or crashes; a guest that has crashed is booted again;
   * a machine that is off is switched on. When it fails, the machine is off, with its disk.
   * @throws ArgumentError for options that cannot be; InputError when the disk cannot be mounted
   * any more; what `betweenGuests` throws
   */
  reboot(options: MachineReboot = {}): RebootReport {
    checkReboot(options);
    this.#mustBeIdle();
    const { crash = false, strategy = this.#strategy, hypervisor, betweenGuests } = options;
    const before = this.now;
    const old = this.#guest?.kernel;
    const reads =
      STRATEGY[strategy].prefetch && this.#state === 'running' ? this.#judge.cachedFiles(this.#running()) : [];
    if (this.#state === 'running' && crash) this.crash();
    const problems: string[] = [];
    let changed = 0;
    const change = (): void => {
      if (betweenGuests === undefined) return;
      changed = changeDisk(this.#room, () => betweenGuests(this.disk));
      if (changed > 0) this.#judge.diskChanged();
    };
    this.#sys = undefined;
    this.#guest = undefined;
    const cmdLine = guestCmdLine(strategy, this.#options, this.#guestWithout);
    this.#room.configure(NAME, cmdLine);
    this.#busy = REBOOTS;
    if (this.#countsReboots) this.#end.begin();
    else this.#end.aim(undefined);
    try {
      const plan = { state: this.#state, strategy, cmdLine, hypervisor, reads, problems, change };
      const process = rebooting(this.#room, plan);
      // Its boot is the last act of a reboot. Nothing goes on without a guest that ends in it.
      const goesOn = (): boolean => hypervisor !== undefined && this.#room.guests.has(NAME);
      if (this.#countsReboots) this.#end.runReboot(this.#room.simulation, process, goesOn);
      else this.#room.simulation.runProcess('reboot', process);
      this.#started();
    } catch (error) {
      if (error !== this.#end.cut) {
        this.#fail();
        throw errorOfBoot(error);
      }
      // The guest has crashed in its shutdown, or in its boot. That is what the next reboot finds.
      this.#state = 'crashed';
      throw error;
    } finally {
      this.#becomeIdle();
    }
    const guest = this.#running();
    const continued = guest.kernel === old;
    // A guest that goes on has the strategy with which it was booted.
    if (!continued) this.#strategy = strategy;
    if (!continued && STRATEGY[strategy].prefetch)
      guest.domain.environment.spawn('prefetch', prefetchFiles(guest.kernel.syscalls));
    const report = reportOf(guest, {
      ...{ strategy: this.#strategy, hypervisor, continued, ns: this.now - before, changed, problems },
    });
    this.#reboots.push(report);
    if (!this.#countsReboots || this.#end.cut === undefined) return report;
    // The reboot went on without the guest and booted another one, or was over in that event.
    if (!guest.domain.isRunning) this.#state = 'crashed';
    throw this.#end.cut;
  }

  /**
   * What was compared with the disk: each page that a guest took over. Now also each page in the
   * running guest's cache that the disk must have. Call `sys.sync()` first to skip as few as
   * possible.
   * @throws ArgumentError while a program runs or the machine is being rebooted
   */
  verify(): Verification {
    this.#mustBeIdle();
    return this.#judge.verify(this.#state === 'running' ? this.#guest : undefined);
  }

  /**
   * What has happened since the machine was made.
   * @throws ArgumentError while a program runs or the machine is being rebooted
   */
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
    if (this.#guest === undefined) throw new GuestPanic('there is no guest after the reboot');
    this.#state = 'running';
  }

  /** The machine cannot go on. Its disk is left. */
  #fail(): void {
    if (this.#room.hypervisor.power.isOn) this.#room.reset('lost');
    this.#state = 'off';
  }

  #running(): VmmGuest {
    return this.#guest!;
  }

  /** A machine of a past crash point stays that. */
  #becomeIdle(): void {
    this.#end.stop();
    if (this.#busy !== IS_PAST) this.#busy = undefined;
  }

  #mustBeIdle(): void {
    if (this.#busy !== undefined) throw new ArgumentError(`state: ${this.#busy}`);
  }

  #mustRun(): void {
    if (this.#busy === RUNS) throw new ArgumentError(`state: ${RUNS}; use the sys that it was given`);
    this.#mustBeIdle();
    if (this.#state === 'crashed') throw new ArgumentError('state: the guest has crashed; call reboot() first');
    if (this.#state === 'off') throw new ArgumentError('state: the machine is off; call reboot() first');
  }

  /** A call of a `sys` that cannot be called now. */
  #refuseSys(): never {
    this.#mustRun();
    throw new ArgumentError('sys: the guest that it belongs to does not run');
  }

  #runAll(processes: readonly Process<unknown>[], name: string): readonly unknown[] {
    const run = this.#begin(processes, name);
    try {
      while (!run.isOver) this.#step(run);
    } finally {
      this.#becomeIdle();
      run.end();
    }
    return run.results();
  }

  #begin(processes: readonly Process<unknown>[], name: string): ProgramRun {
    const run = new ProgramRun(this.#room.simulation, this.#running(), name, processes, this.#eventLimit);
    this.#busy = RUNS;
    this.#end.begin();
    return run;
  }

  #step(run: ProgramRun): void {
    if (this.#busy === IS_PAST) this.#mustBeIdle();
    try {
      this.#end.dispatch(() => {
        run.step();
      });
    } catch (error) {
      if (error instanceof GuestPanic || error === this.#end.cut) this.#state = 'crashed';
      // What the disk throws ends the machine: the drive never answers that request.
      else if (!(error instanceof ArgumentError)) this.#fail();
      throw error;
    }
  }
}
