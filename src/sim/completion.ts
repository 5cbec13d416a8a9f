/** Waiting for a number of things to end (struct completion of Linux). */

import { checkArgument, checkInteger } from '../base/argument-error.ts';
import { WaitQueue, type Process } from './simulation.ts';

export class Completion {
  readonly #ended: WaitQueue;
  #left: number;
  #isOk = true;

  /**
   * @param what what a process waits for here, as for WaitQueue
   * @param count things that are to end; with 0 nothing waits
   */
  constructor(what: string | (() => string), count = 1) {
    checkInteger('count', count);
    this.#ended = new WaitQueue(what);
    this.#left = count;
  }

  /** One of them has ended, well or not. */
  complete(ok = true): void {
    checkArgument(this.#left > 0, 'complete', 'all that is waited for has ended');
    this.#isOk &&= ok;
    if (--this.#left === 0) this.#ended.wakeAll();
  }

  /** Waits until all have ended. Returns whether all ended well. */
  *wait(): Process<boolean> {
    while (this.#left > 0) yield this.#ended;
    return this.#isOk;
  }
}
