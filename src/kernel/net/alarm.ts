/**
 * A timer that may be put off or turned off. Setting it to a later time costs no event: when the
 * event comes it looks how late it is, and waits on.
 */

import { Ns } from '../../base/units.ts';

/**
 * Time, and actions that happen later: the simulation, or a guest's timers, which do not run while
 * it is suspended.
 */
export interface Timers {
  /** Virtual time, ns. */
  readonly now: Ns;
  after(delay: Ns, action: () => void): void;
}

export class Alarm {
  readonly #timers: Timers;
  /** Undefined once it is dropped. */
  #action: (() => void) | undefined;
  /** When it goes off; undefined while it is off. */
  #due: number | undefined;
  /** When its next event comes. Those of other times are ignored. */
  #event: number | undefined;

  constructor(timers: Timers, action: () => void) {
    this.#timers = timers;
    this.#action = action;
  }

  get isSet(): boolean {
    return this.#due !== undefined;
  }

  /** From now on it goes off once, after so many ns. */
  set(delayNs: number): void {
    this.#due = this.#timers.now + delayNs;
    if (this.#event === undefined || this.#event > this.#due) this.#await(this.#due);
  }

  clear(): void {
    this.#due = undefined;
  }

  /**
   * Turned off for good. Its event may come much later, and does not keep until then what the
   * action refers to.
   */
  drop(): void {
    this.#due = undefined;
    this.#action = undefined;
  }

  #await(at: number): void {
    this.#event = at;
    this.#timers.after(Ns(Math.max(0, at - this.#timers.now)), () => {
      if (this.#event !== at) return;
      this.#event = undefined;
      const due = this.#due;
      if (due === undefined) return;
      if (due > this.#timers.now) this.#await(due);
      else {
        this.#due = undefined;
        this.#action?.();
      }
    });
  }
}
