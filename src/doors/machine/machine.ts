/**
 * A machine with one guest, for programs, tests and other simulators: bytes in, bytes out, without
 * I/O of the host, timers or promises.
 *
 * The guest runs programs: generators over its system calls, or plain calls of `machine.sys`. It is
 * rebooted by a strategy, crashes at a chosen event, or loses power. Each page that it takes over
 * from before a reboot is compared with the disk as it takes it over; `verify` tells the outcome.
 *
 * States: `running`; `crashed` (the guest is dead, memory and hypervisor are there); `off` (only the
 * disk is left). `reboot` leads from each of them to `running`.
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
import { Ns, Pfn } from '../../base/units.ts';
import type { ImageStore } from '../../disk/image/image-store.ts';
import { JoinedImage } from '../../disk/image/joined-image.ts';
import { MemoryImage } from '../../disk/image/memory-image.ts';
import { OverlayImage } from '../../disk/image/overlay-image.ts';
import { machineMemoryFor } from '../../experiment/host/host.ts';
import { HypervisorReboot } from '../../experiment/host/hypervisor-reboot.ts';
import { VmmMachine, type VmmGuest } from '../../experiment/host/machine-room.ts';
import { PROFILE } from '../../experiment/host/profiles.ts';
import {
  STRATEGIES,
  STRATEGY,
  VMM_STRATEGIES,
  type StrategyName,
  type VmmStrategyName,
} from '../../experiment/host/strategies.ts';
import { OracleExt2 } from '../../experiment/judge/oracle-ext2.ts';
import { Verifier, VerifierRecord } from '../../experiment/judge/verifier.ts';
import { type KernelMessage, PG, type Syscalls } from '../../kernel/index.ts';
import { MachineMemory } from '../../machine/memory.ts';
import type { Process, Task } from '../../sim/index.ts';
import { prefetchFiles, prefetchList } from '../../workload/prefetch.ts';
import { domainOf, saveFileBytes } from '../../xen/index.ts';
import { blockingCalls, type BlockingSyscalls } from './blocking-calls.ts';
import { Disk } from './disk.ts';
import { checkOptions, type MachineOptions, type MachineReboot } from './options.ts';
import type { MachineReport, MachineState, MachineStats, RebootReport, Verification } from './results.ts';

const MIB = 1 << 20;
const NAME = 'guest0';

/** A program in the guest. */
export type Program<T = unknown> = (sys: Syscalls) => Process<T>;
/** What several programs return. */
export type ResultsOf<P extends readonly Program[]> = {
  -readonly [K in keyof P]: P[K] extends Program<infer T> ? T : never;
};

/** The guest has crashed where `crashAt` said, while programs ran. */
export class GuestCrash extends Error {
  override readonly name = 'GuestCrash';
  /** Events that were dispatched before it, counted as `crashAt` counts. */
  readonly event: number;

  constructor(event: number) {
    super(`the guest has crashed after event ${event}`);
    this.event = event;
  }
}

export class Machine {
  readonly #room: VmmMachine;
  readonly #partition: { readonly start: number; readonly bytes: number };
  readonly #record = new VerifierRecord();
  readonly #verifier: Verifier;
  readonly #reboots: RebootReport[] = [];
  readonly #eventLimit: number;
  #strategy: StrategyName;
  #state: MachineState = 'off';
  #guest: VmmGuest | undefined;
  #sys: BlockingSyscalls | undefined;
  #isBusy = false;
  /** Events left until the guest crashes; undefined: it does not. */
  #crashIn: number | undefined;
  #crashEvent = 0;
  /** Writes of the drive when the oracle last read maps. */
  #writesSeen = -1;

  private constructor(options: MachineOptions) {
    const { disk, strategy = 'warm-cache+metadata', seed = 1, memory = 64 * MIB } = options;
    const { profile = 'server-2026', drive = 'profile', arch, protections } = options;
    this.#strategy = strategy;
    this.#eventLimit = options.eventLimit ?? 100_000_000;
    const { arch: ownArch } = PROFILE[profile];
    const saveArea = new MemoryImage(saveFileBytes(memory, arch ?? ownArch.value));
    const image = new JoinedImage([new OverlayImage(disk.image), saveArea]);
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
      onReuse: ({ domain, machine }, pfn, ino, index, block) => {
        this.#freshen();
        this.#verifier.reused(ino, index, pfn, block, machine.memory.frame(domain.frameOf(pfn)));
      },
    });
    this.#verifier = new Verifier(new OracleExt2(this.#contents()), this.#record);
  }

  /**
   * Switches a machine on and boots its guest.
   * @throws ArgumentError for options that are missing or of another kind; InputError for a disk
   * that cannot be mounted; GuestPanic when memory is too small
   */
  static boot(options: MachineOptions): Machine {
    checkOptions(options);
    let machine: Machine;
    try {
      machine = new Machine(options);
      machine.#boot();
    } catch (error) {
      if (error instanceof InputError || error instanceof ModelError) throw new InputError(`disk: ${error.message}`);
      throw error;
    }
    return machine;
  }

  get state(): MachineState {
    return this.#state;
  }

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
    return Disk.of(this.#contents());
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
  crashAt({ event }: { readonly event: number }): void {
    checkInteger('event', event);
    this.#mustRun();
    this.#crashIn = event;
    this.#crashEvent = event;
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
   * @param keep share of the sectors in the drive's volatile cache, and of writes under way, that
   * have reached the medium, 0 to 1; a random one by default
   */
  losePower({ keep }: { readonly keep?: number } = {}): void {
    if (this.#isBusy) throw new ArgumentError('state: a program runs');
    checkArgument(this.#state !== 'off', 'state', 'the machine is off');
    checkArgument(keep === undefined || (keep >= 0 && keep <= 1), 'keep', 'expected 0 to 1');
    this.#room.drive.powerLoss(keep);
    this.#room.reset('lost');
    this.#ended('off');
  }

  /** @internal The disk as a loss of power would leave it now; holds until the machine goes on. */
  diskAfterPowerLoss(keep: number, stream: string): Disk {
    const { drive, simulation } = this.#room;
    return Disk.of(part(drive.afterPowerLoss(keep, simulation.random.stream(stream)), this.#partition));
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
    if (this.#isBusy) throw new ArgumentError('state: a program runs');
    const before = this.now;
    const old = this.#guest?.kernel;
    const reads = this.#cachedFiles(strategy);
    const { simulation } = this.#room;
    this.#crashIn = undefined;
    this.#sys = undefined;
    if (this.#state === 'running' && crash) this.crash();
    const problems: string[] = [];
    const process =
      this.#state === 'off'
        ? this.#switchOn(strategy)
        : hypervisor === undefined
          ? this.#rebootGuest(strategy, reads)
          : this.#rebootHypervisor(strategy, hypervisor, problems);
    this.#guest = undefined;
    this.#isBusy = true;
    try {
      simulation.runProcess('reboot', process);
    } catch (error) {
      this.#state = 'crashed';
      throw error instanceof ModelError ? new InputError(`disk: ${error.message}`) : error;
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
    if (this.#isBusy) throw new ArgumentError('state: a program runs');
    const { pages, mismatches } = this.#record.verified;
    const now = this.#state === 'running' ? this.#compareCache(this.#running()) : { cached: 0, skipped: 0 };
    const wrong = this.#record.count - mismatches;
    return {
      reused: pages,
      ...now,
      mismatches: mismatches + wrong,
      differences: [...this.#record.described],
    };
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
    return part(this.#room.drive.contents, this.#partition);
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
    this.#crashIn = undefined;
  }

  #running(): VmmGuest {
    return this.#guest!;
  }

  #mustRun(): void {
    if (this.#isBusy) throw new ArgumentError('state: a program runs; use the sys that it was given');
    if (this.#state === 'crashed') throw new ArgumentError('state: the guest has crashed; call reboot() first');
    if (this.#state === 'off') throw new ArgumentError('state: the machine has lost power; call reboot() first');
  }

  *#switchOn(strategy: StrategyName): Process {
    const room = this.#room;
    room.guests.clear();
    this.#configure(strategy);
    yield* room.bootHypervisor();
    yield* room.start();
  }

  *#rebootGuest(strategy: StrategyName, reads: readonly string[]): Process {
    const room = this.#room;
    const guest = this.#room.guests.get(NAME)!;
    const { cmdLine, preserve, writeDirty, prefetch } = STRATEGY[strategy];
    if (this.#state === 'running') yield* guest.kernel.shutdown();
    else yield Ns(room.guestCosts.crashDetectNs);
    this.#configure(strategy);
    const module = prefetch ? prefetchList(reads) : undefined;
    const domain = yield* domainOf(
      room.toolstack.restartDomain(guest.domain, { preserve, writeDirty, cmdLine, ...(module && { module }) }),
    );
    yield* room.boot(room.configs[0]!, domain);
  }

  *#rebootHypervisor(strategy: StrategyName, how: VmmStrategyName, problems: string[]): Process {
    const room = this.#room;
    this.#configure(strategy);
    if (this.#state === 'crashed') {
      // The hypervisor goes down with the guest: nothing is handed over.
      room.reset('kept');
      room.guests.clear();
      const { problem } = yield* room.bootHypervisor();
      if (problem !== undefined) problems.push(problem);
      yield* room.start();
      return;
    }
    const reboot = new HypervisorReboot(room);
    yield* reboot.run(how);
    problems.push(...reboot.reasons.values());
  }

  #configure(strategy: StrategyName): void {
    this.#room.configure(NAME, STRATEGY[strategy].cmdLine);
  }

  #runAll(processes: readonly Process<unknown>[], name: string): unknown[] {
    const { simulation } = this.#room;
    const { domain } = this.#running();
    const outcomes: ({ readonly value: unknown } | { readonly error: unknown } | undefined)[] = processes.map(
      () => undefined,
    );
    let left = processes.length;
    let failure: { readonly error: unknown } | undefined;
    const tasks: Task[] = processes.map((process, i) =>
      domain.environment.spawn(
        name,
        (function* (): Process {
          try {
            outcomes[i] = { value: yield* process };
          } catch (error) {
            failure ??= { error };
          }
          left--;
        })(),
      ),
    );
    this.#isBusy = true;
    try {
      for (let events = 0; left > 0 && failure === undefined; events++) {
        if (this.#crashIn === 0) {
          this.#running().kernel.crash();
          this.#ended('crashed');
          throw new GuestCrash(this.#crashEvent);
        }
        if (this.#crashIn !== undefined) this.#crashIn--;
        if (!simulation.step())
          throw new ArgumentError(
            `programs: they wait for what never happens:\n  ${simulation.whoWaits().join('\n  ')}`,
          );
        if (domain.shutdownReason !== undefined) {
          this.#ended('crashed');
          throw new GuestPanic(this.#running().kernel.panic ?? 'the guest has stopped');
        }
        if (events >= this.#eventLimit)
          throw new ArgumentError(
            `programs: no end after ${events} events (eventLimit):\n  ${simulation.whoWaits().join('\n  ')}`,
          );
      }
    } finally {
      this.#isBusy = false;
      for (const task of tasks) task.kill();
    }
    if (failure !== undefined) throw failure.error;
    return outcomes.map((outcome) => (outcome as { readonly value: unknown }).value);
  }

  /** The oracle's maps are as old as the last write. */
  #freshen(): void {
    const { writes } = this.#room.drive.counters;
    if (writes === this.#writesSeen) return;
    this.#writesSeen = writes;
    this.#verifier.oracle.invalidate();
  }

  /** Compares what the guest has cached with the disk. */
  #compareCache({ kernel, domain }: VmmGuest): { cached: number; skipped: number } {
    this.#verifier.oracle.invalidate();
    const { cache, map } = kernel.mm;
    const { pagesDirty } = kernel.stats;
    let cached = 0;
    let skipped = 0;
    for (let pfn = Pfn(0); pfn < map.nrPages; pfn = Pfn(pfn + 1)) {
      if (!cache.has(pfn) || !map.has(pfn, PG.uptodate)) continue;
      const { ino } = cache.spaceOf(pfn);
      const isBusy = map.has(pfn, PG.dirty | PG.writeback | PG.locked | PG.pinned | PG.mapped);
      if (isBusy || (ino !== 0 && pagesDirty > 0)) {
        skipped++;
        continue;
      }
      cached++;
      this.#verifier.cached(ino, cache.indexOf(pfn), this.#room.memory.frame(domain.frameOf(pfn)));
    }
    return { cached, skipped };
  }

  /** Paths of the files of which the guest has pages, for the strategy that reads them ahead. */
  #cachedFiles(strategy: StrategyName): string[] {
    if (!STRATEGY[strategy].prefetch || this.#state !== 'running') return [];
    const { cache, map } = this.#running().kernel.mm;
    const inos = new Set<number>();
    for (let pfn = Pfn(0); pfn < map.nrPages; pfn = Pfn(pfn + 1)) if (cache.has(pfn)) inos.add(cache.spaceOf(pfn).ino);
    this.#verifier.oracle.invalidate();
    return this.#verifier.oracle.listFiles().flatMap(({ ino, path }) => (inos.has(ino) ? [path] : []));
  }
}

/** A partition of a medium, for reading. */
function part(
  whole: Pick<ImageStore, 'read'>,
  { start, bytes }: { readonly start: number; readonly bytes: number },
): Pick<ImageStore, 'size' | 'read'> {
  return {
    size: bytes,
    read: (offset, dst, dstOffset, length) => {
      whole.read(start + offset, dst, dstOffset, length);
    },
  };
}
