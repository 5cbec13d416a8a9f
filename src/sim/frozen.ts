/**
 * Programs that were stopped and may go on later, each behind a token.
 *
 * A guest is code that runs on the simulation. Its stack and its kernel's structures are objects of
 * the host. When the guest is frozen, they stand for the contents of its memory, which can be
 * reached through bytes only. So freezing a program gives a token and nothing else. The token is
 * written where the registers are saved, and a reader of those bytes may thaw the program. If the
 * bytes are lost, so is the program. A token works once.
 */

import { assert } from '../base/assert.ts';
import type { RandomStream } from './random.ts';

/** A token, as saved registers hold it: two words, never both zero. */
export type Token = readonly [low: number, high: number];

export class FrozenPrograms {
  readonly #random: RandomStream;
  readonly #programs = new Map<string, object>();

  /** @param random where tokens come from; other bytes do not look like a token */
  constructor(random: RandomStream) {
    this.#random = random;
  }

  freeze(program: object): Token {
    const token: Token = [this.#random.u32(), this.#random.u32()];
    assert(!this.#programs.has(token.join()), 'tokens differ');
    this.#programs.set(token.join(), program);
    return token;
  }

  /** The program behind a token; undefined for an unknown or used token. */
  thaw(token: Token): object | undefined {
    const program = this.#programs.get(token.join());
    this.#programs.delete(token.join());
    return program;
  }
}
