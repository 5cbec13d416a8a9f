/**
 * A sleeping lock: `struct semaphore` of 2.6.12 used as a mutex (i_sem, lock_super).
 *
 * Processes of a killed domain never run again, so none waits for a holder that is gone with its
 * domain.
 */

import { assert } from '../../base/assert.ts';
import { WaitQueue, type Process } from '../../sim/index.ts';

export class Mutex {
  readonly #what: string;
  readonly #owner: { readonly ino: number } | undefined;
  /** Made by the first process that has to wait: most locks are never fought over. */
  #waiters: WaitQueue | undefined;
  #held = false;

  /**
   * @param what its name, for a run that gets stuck
   * @param owner the inode that it belongs to, if any
   */
  constructor(what: string, owner?: { readonly ino: number }) {
    this.#what = what;
    this.#owner = owner;
  }

  get isHeld(): boolean {
    return this.#held;
  }

  /**
   * down_trylock, but true when it was taken. To be asked before `acquire`, which costs a process.
   */
  tryAcquire(): boolean {
    if (this.#held) return false;
    this.#held = true;
    return true;
  }

  /** down: sleeps until no other process holds it. Not recursive. */
  *acquire(): Process {
    while (this.#held) yield (this.#waiters ??= new WaitQueue(() => this.#describe()));
    this.#held = true;
  }

  /** up. */
  release(): void {
    assert(this.#held, 'a mutex is released by its holder');
    this.#held = false;
    this.#waiters?.wakeOne();
  }

  /** Runs a process while holding it. */
  *run<T>(process: Process<T>): Process<T> {
    if (!this.tryAcquire()) yield* this.acquire();
    try {
      return yield* process;
    } finally {
      this.release();
    }
  }

  #describe(): string {
    return this.#owner === undefined ? this.#what : `${this.#what} of inode ${this.#owner.ino}`;
  }
}
