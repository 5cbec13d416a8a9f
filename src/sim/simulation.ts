/**
 * The simulation: virtual time, processes and wait queues. The one source of time of the model.
 *
 * A process is a generator that yields what it waits for: a number of nanoseconds, or a WaitQueue.
 * Call processes with `yield*` so that results are typed. Everything between two yields is atomic.
 * A process that throws ends the run (the error leaves `run`), unless another process joined it.
 * That process receives the error.
 *
 * Modelled after SimPy's environment, with Linux wait queues instead of events. It is
 * deterministic: no clock, no timer, no promise. One seed gives one run and one digest.
 *
 * Longer than other files: tasks, wait queues and the event queue use each other's private state.
 */

import { ArgumentError, checkArgument, checkFunction, checkInteger, checkText, shown } from '../base/argument-error.ts';
import { InvariantViolation } from '../base/assert.ts';
import { Ns } from '../base/units.ts';
import { Digest } from './digest.ts';
import { EventQueue, type EventAction } from './event-queue.ts';
import { FrozenPrograms } from './frozen.ts';
import { RandomStreams } from './random.ts';

/** What a process may wait for: a duration (integer ns, >= 0) or a wake-up of a queue. */
export type Wait = number | WaitQueue;

/** @internal Whether a process may yield it. */
export function isWait(yielded: unknown): yielded is Wait {
  return Number.isSafeInteger(yielded) ? Number(yielded) >= 0 : yielded instanceof WaitQueue;
}

/** A process of the model. */
export type Process<T = void> = Generator<Wait, T, void>;

/**
 * A process that has ended, for functions that need not wait. Returning it is cheaper than starting
 * a process (see hot-paths 6).
 */
export const NOTHING: Process = (function* () {
  // Nothing to do.
})();
NOTHING.next();

/** Where a process is in its life. */
export type TaskState = 'runnable' | 'sleeping' | 'waiting' | 'done' | 'failed' | 'killed';

/** Processes that sleep until they are woken, in the order in which they came. */
export class WaitQueue {
  readonly #what: string | (() => string);
  #waiters: Task[] = [];

  /**
   * @param what what a process waits for here, or a function that says it, called only when a run
   * gets stuck
   * @throws ArgumentError for what is neither text nor a function
   */
  constructor(what: string | (() => string)) {
    checkArgument(typeof what === 'string' || typeof what === 'function', 'what', 'expected text or a function');
    this.#what = what;
  }

  /** What a process waits for here. */
  get what(): string {
    return typeof this.#what === 'string' ? this.#what : this.#what();
  }

  /** How many processes wait. */
  get length(): number {
    return this.#waiters.length;
  }

  /** Wakes every waiter; they run at the present instant, in the order in which they came. */
  wakeAll(): void {
    if (this.#waiters.length === 0) return;
    const woken = this.#waiters;
    this.#waiters = [];
    for (const task of woken) task.wake(undefined);
  }

  /**
   * Wakes the first waiter, if any. When that one is killed before it runs, the next is woken in
   * its place.
   */
  wakeOne(): void {
    this.#waiters.shift()?.wake(this);
  }

  /** @internal */
  add(task: Task): void {
    this.#waiters.push(task);
  }

  /** @internal */
  remove(task: Task): void {
    const at = this.#waiters.indexOf(task);
    if (at >= 0) this.#waiters.splice(at, 1);
  }
}

/**
 * A gate: code behind it runs only while it is open, as on the processor of a paused virtual
 * machine. Actions that arrive while it is closed run when it opens, in the order in which they
 * came.
 */
export class Gate {
  readonly #simulation: Simulation;
  /**
   * Takes the error of a task behind the gate that was not joined. Returns whether the error is
   * handled.
   */
  readonly takesFailure: (error: unknown) => boolean;
  #held: EventAction[] | undefined;

  constructor(simulation: Simulation, takesFailure: (error: unknown) => boolean = () => false) {
    this.#simulation = simulation;
    this.takesFailure = takesFailure;
  }

  /** Whether actions wait for it to open. */
  get isClosed(): boolean {
    return this.#held !== undefined;
  }

  /** @internal */
  close(): void {
    this.#held ??= [];
  }

  /** @internal */
  open(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    // Each passes the gate by itself, because one of them may close it.
    for (const action of held)
      this.#simulation.after(Ns(0), () => {
        this.pass(action);
      });
  }

  /** @internal Runs an action now, or holds it. */
  pass(action: EventAction): void {
    if (this.#held === undefined) action();
    else this.#held.push(action);
  }
}

/** A running process. */
export class Task<T = unknown> {
  /** What messages call it. */
  readonly name: string;
  readonly #simulation: Simulation;
  readonly #process: Process<T>;
  readonly #gate: Gate | undefined;
  readonly #resume: EventAction;
  readonly #finished = new WaitQueue(() => `the end of ${this.name}`);
  #state: TaskState = 'runnable';
  #waitingOn: WaitQueue | undefined;
  /** Queue that has woken this task alone, before the task has acted on it. */
  #wokenBy: WaitQueue | undefined;
  #result: T | undefined;
  #error: unknown;
  #joined = false;

  constructor(simulation: Simulation, name: string, process: Process<T>, gate?: Gate) {
    this.#simulation = simulation;
    this.name = name;
    this.#process = process;
    this.#gate = gate;
    const step = (): void => {
      this.#step();
    };
    this.#resume =
      gate === undefined
        ? step
        : () => {
            gate.pass(step);
          };
    simulation.after(Ns(0), this.#resume);
  }

  /** What it waits for, or that it is about to run. */
  get waitsFor(): string {
    if (this.#waitingOn !== undefined) return this.#waitingOn.what;
    return this.#state === 'sleeping' ? 'the end of a sleep' : 'its turn to run';
  }

  /** Where it is in its life. */
  get state(): TaskState {
    return this.#state;
  }

  /** Whether it has ended, in whatever way. */
  get isOver(): boolean {
    return this.#state === 'done' || this.#state === 'failed' || this.#state === 'killed';
  }

  /** @internal Made runnable by a wait queue; `alone` when no other waiter was woken with it. */
  wake(alone: WaitQueue | undefined): void {
    if (this.#state !== 'waiting') return;
    this.#waitingOn = undefined;
    this.#wokenBy = alone;
    this.#state = 'runnable';
    this.#simulation.after(Ns(0), this.#resume);
  }

  /**
   * Ends the process where it stands. Nothing of it runs again, not even `finally` blocks, as when
   * its processor is taken away.
   */
  kill(): void {
    if (this.isOver) return;
    this.#waitingOn?.remove(this);
    this.#waitingOn = undefined;
    this.#state = 'killed';
    this.#simulation.ended(this);
    this.#wokenBy?.wakeOne();
    this.#wokenBy = undefined;
    this.#finished.wakeAll();
  }

  /**
   * Waits for the end and returns the result; rethrows what the process threw. Undefined when it
   * was killed.
   */
  *join(): Process<T | undefined> {
    this.#joined = true;
    while (!this.isOver) yield this.#finished;
    if (this.#state === 'failed') throw this.#error;
    return this.#result;
  }

  #step(): void {
    if (this.isOver) return;
    this.#state = 'runnable';
    this.#wokenBy = undefined;
    let step: IteratorResult<Wait, T>;
    try {
      step = this.#process.next();
    } catch (error) {
      this.#state = 'failed';
      this.#simulation.ended(this);
      this.#error = error;
      if (!this.#joined && this.#gate?.takesFailure(error) !== true) throw error;
      this.#finished.wakeAll();
      return;
    }
    // What the process called may have killed it.
    if (this.isOver) return;
    if (step.done === true) {
      this.#state = 'done';
      this.#simulation.ended(this);
      this.#result = step.value;
      this.#finished.wakeAll();
      return;
    }
    const wait = step.value;
    if (!isWait(wait)) {
      this.#state = 'failed';
      this.#simulation.ended(this);
      throw new ArgumentError(`process: ${this.name} yields ${noWait(wait)}`);
    }
    if (typeof wait === 'number') {
      this.#state = 'sleeping';
      this.#simulation.after(Ns(wait), this.#resume);
    } else {
      this.#state = 'waiting';
      this.#waitingOn = wait;
      wait.add(this);
    }
  }
}

/** @internal What is wrong with what a process has yielded. */
export function noWait(yielded: unknown): string {
  return `${shown(yielded)}, which is neither a wait queue nor a whole number of nanoseconds, 0 or more; call others by yield*`;
}

/** @internal Whether a value is what a generator function returns. */
export function isProcess(value: unknown): value is Process<unknown> {
  return typeof value === 'object' && value !== null && 'next' in value && 'throw' in value && Symbol.iterator in value;
}

/** Virtual time and everything that runs in it. */
export class Simulation {
  /** The seeded streams: one seed, one run. */
  readonly random: RandomStreams;
  /** Digest of the run so far: two runs of one seed have one digest. */
  readonly digest = new Digest();
  /** @internal */
  readonly frozen: FrozenPrograms;
  readonly #queue = new EventQueue();
  /** Processes that have not ended, in the order in which they were started. */
  readonly #live = new Set<Task>();
  #now = 0;
  #eventCount = 0;
  #serial = 0;

  /**
   * @param seed an integer; it decides every random stream
   * @param now virtual time at which it begins, ns; 0 by default
   * @throws ArgumentError
   */
  constructor(seed: number, now = 0) {
    checkInteger('now', now);
    this.random = new RandomStreams(seed);
    this.#now = now;
    this.frozen = new FrozenPrograms(this.random.stream('frozen'));
  }

  /** Virtual time, ns from 0 on. */
  get now(): Ns {
    return Ns(this.#now);
  }

  /** Events dispatched so far. */
  get eventCount(): number {
    return this.#eventCount;
  }

  /** @internal 1, 2, 3 …: a number that this simulation gives once, to an object without a name. */
  nextSerial(): number {
    return ++this.#serial;
  }

  /**
   * Schedules `action` after `delay` (integer ns, >= 0).
   * @throws ArgumentError for any other delay
   */
  after(delay: Ns, action: EventAction): void {
    if (!(Number.isSafeInteger(delay) && delay >= 0))
      throw new ArgumentError('delay: expected a whole number of nanoseconds, 0 or more');
    if (typeof action !== 'function') throw new ArgumentError('action: expected a function');
    this.#queue.push(this.#now + delay, action);
  }

  /**
   * Starts a process at the present instant. It runs while `gate` is open.
   * @throws ArgumentError for a name that is no text, a process that is no generator, or another
   * gate
   */
  spawn<T>(name: string, process: Process<T>, gate?: Gate): Task<T> {
    checkText('name', name);
    if (!isProcess(process)) throw new ArgumentError('process: expected a generator');
    if (gate !== undefined && !(gate instanceof Gate)) throw new ArgumentError('gate: expected a Gate');
    const task = new Task(this, name, process, gate);
    this.#live.add(task);
    return task;
  }

  /** @internal A process has ended. */
  ended(task: Task): void {
    this.#live.delete(task);
  }

  /**
   * Every process that has not ended and what it waits for, one line each, in the order of their
   * start.
   */
  whoWaits(): string[] {
    return Array.from(this.#live, (task) => `${task.name} waits for ${task.waitsFor}`);
  }

  /** Dispatches one event. Returns false when there is none. */
  step(): boolean {
    if (this.#queue.length === 0) return false;
    const time = this.#queue.nextTime;
    this.#now = time;
    this.#eventCount++;
    this.digest.addTime(time);
    this.#queue.pop()();
    return true;
  }

  /**
   * Dispatches events until none is left or `until` returns true before the next one. Returns the
   * number dispatched.
   * @throws ArgumentError when `until` is no function; what an action or a process throws
   */
  run(until?: () => boolean): number {
    checkFunction('until', until, true);
    const before = this.#eventCount;
    while (until?.() !== true && this.step());
    return this.#eventCount - before;
  }

  /**
   * Runs one process to its end, with everything else that happens meanwhile.
   * @param onEvents called every 65,536 events, to show progress
   * @throws what the process throws; InvariantViolation, which lists the waiting processes, when no
   * event is left and it still waits
   */
  runProcess<T>(name: string, process: Process<T>, onEvents?: () => void): T {
    if (!isProcess(process)) throw new ArgumentError('process: expected a generator');
    checkText('name', name);
    checkFunction('onEvents', onEvents, true);
    let events = 0;
    let outcome: { value: T } | { error: unknown } | undefined;
    this.spawn(
      name,
      (function* (): Process {
        try {
          outcome = { value: yield* process };
        } catch (error) {
          outcome = { error };
        }
      })(),
    );
    this.run(() => {
      if ((++events & 0xffff) === 0) onEvents?.();
      return outcome !== undefined;
    });
    if (outcome === undefined)
      throw new InvariantViolation(
        [`process ${name} waits for something that never happens`, ...this.whoWaits()].join('\n  '),
      );
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  }
}
