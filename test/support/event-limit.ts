// A model that goes round for ever, or long after the waiting process should have been served,
// would hang its test. Nothing of the host can stop code that does not wait. So a run of a
// simulation ends after so many events, with the names of the processes and what each waits for.
import type { Simulation } from '../../src/sim/index.ts';

/** Several times what the longest run of the suite takes; half a minute of a slow processor. */
export const MAX_EVENTS = 20_000_000;

const limited = new WeakSet<object>();

/**
 * Bounds every `run`, and what is made of it, of the simulations that share this prototype; once,
 * however often it is called.
 */
export function limitEvents(simulations: Pick<Simulation, 'run'>, most = MAX_EVENTS): void {
  if (limited.has(simulations)) return;
  limited.add(simulations);
  const unlimited = simulations.run;
  simulations.run = function (this: Simulation, until?: () => boolean): number {
    // What is no question is the simulation's to refuse.
    if (until !== undefined && typeof until !== 'function') return unlimited.call(this, until);
    const last = this.eventCount + most;
    return unlimited.call(this, () => {
      if (this.eventCount >= last)
        throw new Error([`the simulation does not end: ${most} events in one run`, ...this.whoWaits()].join('\n  '));
      return until?.() === true;
    });
  };
}
