/** Programs that run in a guest at the same time, dispatched event by event. */

import { ArgumentError, checkArgument, checkFunction } from '../../base/argument-error.ts';
import { GuestPanic } from '../../base/errno.ts';
import type { VmmGuest } from '../../experiment/host/machine-room.ts';
import type { Syscalls } from '../../kernel/index.ts';
import { isProcess, isWait, noWait, type Process, type Simulation, type Task } from '../../sim/index.ts';

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
  /** Number of the step before which it was to crash; undefined: it was to crash at an event. */
  readonly step: number | undefined;

  /** @param step number of the step, if it was to crash at one */
  constructor(event: number, step?: number) {
    super(step === undefined ? `the guest has crashed after event ${event}` : `the guest has crashed at step ${step}`);
    this.event = event;
    this.step = step;
  }
}

/**
 * The processes of programs, which begin when they are first resumed.
 * @throws ArgumentError for what is no program, or returns no process
 */
export function processesOf(programs: readonly Program[], sys: Syscalls): Process<unknown>[] {
  if (programs.length === 0) throw new ArgumentError('programs: expected one or more');
  for (const program of programs) checkFunction('programs', program);
  const processes = programs.map((program) => {
    const process: unknown = program(sys);
    if (!isProcess(process)) throw new ArgumentError('programs: expected a generator function, function* (sys) { … }');
    return process;
  });
  checkArgument(new Set(processes).size === processes.length, 'programs', 'two return the same generator');
  return processes;
}

export class ProgramRun {
  readonly #simulation: Simulation;
  readonly #guest: VmmGuest;
  readonly #tasks: readonly Task[];
  readonly #values: unknown[];
  readonly #limit: number;
  readonly #name: string;
  #events = 0;
  #left: number;
  #failure: { readonly error: unknown } | undefined;

  /**
   * @param name `program`, or the call of `sys`, as `sys.read`
   * @param limit events after which programs are said to have no end
   */
  constructor(
    simulation: Simulation,
    guest: VmmGuest,
    name: string,
    processes: readonly Process<unknown>[],
    limit: number,
  ) {
    this.#limit = limit;
    this.#name = name;
    this.#simulation = simulation;
    this.#guest = guest;
    this.#values = processes.map(() => undefined);
    this.#left = processes.length;
    this.#tasks = processes.map((process, i) => guest.domain.environment.spawn(name, this.#follow(process, i)));
  }

  /**
   * Whether every program has ended. When one has failed, the others go on: a process that stops in
   * a system call would keep the kernel's locks. What cannot end then is over, too.
   */
  get isOver(): boolean {
    return this.#left === 0;
  }

  /**
   * Dispatches one event.
   * @throws ArgumentError when none is left, or there were too many; GuestPanic when the guest has
   * stopped in it
   */
  step(): void {
    const isLate = this.#events++ === this.#limit;
    if (isLate || !this.#simulation.step()) {
      if (this.#failure === undefined)
        throw this.#refusal(
          isLate ? `no end after ${this.#limit} events (eventLimit)` : 'a wait for what never happens',
        );
      this.#left = 0;
      return;
    }
    const { domain, kernel } = this.#guest;
    if (domain.shutdownReason !== undefined) throw new GuestPanic(kernel.panic ?? 'the guest has stopped');
  }

  /** The mistake of a caller whose programs do not end. It says which process waits for what. */
  #refusal(why: string): ArgumentError {
    const argument = this.#name === 'program' ? 'programs' : this.#name;
    return new ArgumentError([`${argument}: ${why}`, ...this.#simulation.whoWaits()].join('\n  '));
  }

  /** Ends what has not ended, where it stands. */
  end(): void {
    for (const task of this.#tasks) task.kill();
  }

  /** What the programs have returned. Throws what the first one that failed threw. */
  results(): readonly unknown[] {
    if (this.#failure !== undefined) throw this.#failure.error;
    return this.#values;
  }

  *#follow(process: Process<unknown>, i: number): Process {
    try {
      // Not by `yield*`: what is yielded is the caller's, too.
      let step = process.next();
      for (; step.done !== true; step = process.next()) {
        if (!isWait(step.value)) throw new ArgumentError(`programs: one yields ${noWait(step.value)}`);
        yield step.value;
      }
      this.#values[i] = step.value;
    } catch (error) {
      this.#failure ??= { error };
    }
    this.#left--;
  }
}
