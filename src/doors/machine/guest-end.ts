/**
 * Where the guest of a machine ends: at a chosen event, or at a chosen step (steps.ts).
 *
 * Nothing of the guest runs any more from then on. What it was about to do is left undone.
 */

import { InvariantViolation } from '../../base/assert.ts';
import type { Process, Simulation } from '../../sim/index.ts';
import { type Domain, ShutdownReason } from '../../xen/index.ts';
import type { GuestCrashPoint } from './options.ts';
import { GuestCrash } from './program-run.ts';
import { StepCounter, type StepWatch } from './steps.ts';

/** How steps are counted. */
interface Counting {
  readonly watch: StepWatch | undefined;
  readonly guestStepsOnly: boolean;
}

export class GuestEnd {
  /** Undefined: the machine counts no steps. */
  readonly steps: StepCounter | undefined;
  readonly #domain: () => Domain | undefined;
  /** Before which event the guest crashes. */
  #event: number | undefined;
  /** Events since a crash point was named. */
  #events = 0;
  #cut: GuestCrash | undefined;

  /** @param domain that of the guest, if there is one now */
  constructor(domain: () => Domain | undefined, counting: Counting | undefined) {
    this.#domain = domain;
    this.steps = counting && new StepCounter(counting.watch, () => this.#die(), counting.guestStepsOnly);
  }

  /** The crash that has happened since `begin`; what runs on is the end of its event. */
  get cut(): GuestCrash | undefined {
    return this.#cut;
  }

  /** The guest is to crash there, counted from now on; undefined: nowhere. */
  aim(point: GuestCrashPoint | undefined): void {
    const step = point !== undefined && 'step' in point ? point : undefined;
    this.#events = 0;
    this.#event = point !== undefined && 'event' in point ? point.event : undefined;
    this.steps?.aim(step && { step: step.step, lines: step.lines ?? 0 });
  }

  /** From now on events and steps count. */
  begin(): void {
    this.#cut = undefined;
    this.steps?.start();
  }

  stop(): void {
    this.steps?.stop();
  }

  /**
   * Dispatches one event.
   * @throws GuestCrash when the guest ends before it, in it or behind it; what the event throws
   */
  dispatch(event: () => void): void {
    if (this.#events++ === this.#event) this.#die();
    try {
      event();
    } catch (error) {
      // What the guest's own code makes of its end is of no account.
      throw this.#cut ?? error;
    }
    if (this.#cut === undefined && this.steps?.isDue === true) this.#die();
    if (this.#cut !== undefined) throw this.#cut;
  }

  /**
   * Runs a reboot to its end, as `Simulation.runProcess` does. The guest may end meanwhile. A guest
   * that is not there yet ends at its own first step.
   * @param goesOn asked when the guest has ended: whether the process goes on without it
   * @throws what the process throws; GuestCrash when the process has ended with the guest
   */
  runReboot(simulation: Simulation, process: Process, goesOn: () => boolean): void {
    let outcome: { readonly error?: unknown } | undefined;
    const task = simulation.spawn(
      'reboot',
      (function* (): Process {
        try {
          yield* process;
          outcome = {};
        } catch (error) {
          outcome = { error };
        }
      })(),
    );
    for (let hasEvents = true; hasEvents && outcome === undefined; ) {
      const before = this.#cut;
      try {
        if (this.#events++ === this.#event) this.#die();
        hasEvents = simulation.step();
        if (this.steps?.isDue === true && this.#domain()?.isRunning === true) this.#die();
      } catch (error) {
        // What the guest's own code makes of its end is of no account.
        if (this.#cut === before) throw error;
      }
      const cut = this.#cut;
      if (cut === undefined || cut === before) continue;
      if (!goesOn()) {
        task.kill();
        throw cut;
      }
      this.steps?.start();
    }
    if (outcome === undefined)
      throw new InvariantViolation(
        ['process reboot waits for something that never happens', ...simulation.whoWaits()].join('\n  '),
      );
    if ('error' in outcome) throw outcome.error;
  }

  /** The guest ends here: at its event, before its step, or behind the event of that. */
  #die(): never {
    const step = this.steps?.target;
    const domain = this.#domain();
    if (domain?.isRunning !== true) throw new InvariantViolation('a guest that is not there cannot crash');
    this.steps?.stop();
    this.#cut = new GuestCrash(this.#events - 1, step);
    this.steps?.aim(undefined);
    this.#event = undefined;
    domain.environment.hypercalls.shutdown(ShutdownReason.crash);
    throw this.#cut;
  }
}
