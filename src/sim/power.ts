/**
 * The power of a processor: timers and processes that run while it is on, and end with it.
 *
 * A guest's virtual processor has one, and so has the hypervisor. While it is paused, actions wait,
 * and run afterwards in their order. When it goes off, everything that was begun ends where it
 * stands, and later actions never run.
 */

import { assert } from '../base/assert.ts';
import type { Ns } from '../base/units.ts';
import type { EventAction } from './event-queue.ts';
import { Gate, type Process, type Simulation, type Task } from './simulation.ts';

export class Power {
  readonly #simulation: Simulation;
  readonly #gate: Gate;
  #tasks: Task[] = [];
  #pruneAt = 64;
  #isOn = true;

  /**
   * @param takesFailure takes the error of a task that was not joined; returns whether the error is
   * handled
   */
  constructor(simulation: Simulation, takesFailure: (error: unknown) => boolean = () => false) {
    this.#simulation = simulation;
    this.#gate = new Gate(simulation, takesFailure);
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  get isPaused(): boolean {
    return this.#gate.isClosed;
  }

  pause(): void {
    this.#gate.close();
  }

  resume(): void {
    this.#gate.open();
  }

  /** Runs `action` now, or after the pause; never once the power is off. */
  run(action: EventAction): void {
    if (this.#gate.isClosed) this.#gate.pass(() => this.#perform(action));
    else this.#perform(action);
  }

  #perform(action: EventAction): void {
    if (!this.#isOn) return;
    try {
      action();
    } catch (error) {
      if (!this.#gate.takesFailure(error)) throw error;
    }
  }

  /** Runs `action` after a delay (integer ns, >= 0). */
  after(delay: Ns, action: EventAction): void {
    this.#simulation.after(delay, () => {
      this.run(action);
    });
  }

  /** Starts a process. */
  spawn<T>(name: string, process: Process<T>): Task<T> {
    assert(this.#isOn, 'nothing is begun without power');
    const task = this.#simulation.spawn(name, process, this.#gate);
    // Ended tasks are forgotten now and then, at a constant cost a task.
    if (this.#tasks.length >= this.#pruneAt) {
      this.#tasks = this.#tasks.filter((old) => !old.isOver);
      this.#pruneAt = Math.max(64, 2 * this.#tasks.length);
    }
    this.#tasks.push(task);
    return task;
  }

  /** Ends everything that was begun, where it stands. */
  off(): void {
    this.#isOn = false;
    for (const task of this.#tasks) task.kill();
    this.#tasks = [];
  }
}
