/**
 * What a processor has begun, and what ends when its power does: timers and processes that run while it is on.
 *
 * A guest's virtual processor has one, and so has the hypervisor. While it is paused, what would run waits and runs in its
 * order afterwards; when it goes off, all that was begun ends where it stands, and what comes later never runs.
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

  /** @param takesFailure takes what is thrown by what was begun, and nobody joined; returns whether that is the end of it */
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

  /** Runs `action` now, or when the pause is over; never once the power is off. */
  run(action: EventAction): void {
    this.#gate.pass(() => {
      if (!this.#isOn) return;
      try {
        action();
      } catch (error) {
        if (!this.#gate.takesFailure(error)) throw error;
      }
    });
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
    // Tasks that are over are forgotten now and then, at a cost that stays constant a task.
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
