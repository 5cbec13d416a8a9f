/**
 * Keeps callbacks from changing what is being changed. Those of a NameTable may only look. The
 * others run in the middle of a pass over the lists, and may change the state of pages, but neither
 * add nor drop any.
 *
 * When a callback throws, the state stays, and every later change is refused: the pages that were
 * on their way may be lost.
 */

import { checkArgument } from '../../base/argument-error.ts';
import type { NameTable } from '../../kernel/mm/page-users.ts';

export class CallGuard {
  #during: 'nothing' | 'pass' | 'names' = 'nothing';

  /** Whether a pass over the lists is going on. */
  get isInPass(): boolean {
    return this.#during === 'pass';
  }

  /** @throws ArgumentError while a callback is running: for calls that add or drop pages */
  checkIdle(): void {
    checkArgument(this.#during === 'nothing', 'cache', 'a callback of it is running, or has thrown');
  }

  /** @throws ArgumentError while names are told: for calls that change the state of a page */
  checkChangeable(): void {
    checkArgument(this.#during !== 'names', 'cache', 'it is telling names, or a callback has thrown');
  }

  /** Runs work that may call back. */
  pass<T>(work: () => T): T {
    this.#during = 'pass';
    const result = work();
    this.#during = 'nothing';
    return result;
  }

  /** The same names, told under guard. */
  namesOf(names: NameTable): NameTable {
    const telling = (tell: () => void): void => {
      const before = this.#during;
      this.#during = 'names';
      tell();
      this.#during = before;
    };
    return {
      insert: (pfn, ino, generation, index) => telling(() => names.insert(pfn, ino, generation, index)),
      erase: (pfn) => telling(() => names.erase(pfn)),
      flush: () => telling(() => names.flush()),
    };
  }
}
