/**
 * Programs that were stopped, to go on later as they stand: what the numbers in saved registers stand for.
 *
 * A guest is code that runs on the simulation; its stack and its kernel's structures are objects of the host. When it is
 * frozen they stand for the contents of its memory, which nobody may reach but through bytes: whoever freezes a program
 * gets a token, writes it where the registers are saved, and has nothing else; whoever reads it there later may thaw the
 * program. Where those bytes are lost, the program is. A token opens once.
 */

import { assert } from '../base/assert.ts';
import type { RandomStream } from './random.ts';

/** What to look for in saved registers: two words, never both zero. */
export type Token = readonly [low: number, high: number];

export class FrozenPrograms {
  readonly #random: RandomStream;
  readonly #programs = new Map<string, object>();

  /** @param random where tokens come from: bytes that are none do not look like one */
  constructor(random: RandomStream) {
    this.#random = random;
  }

  freeze(program: object): Token {
    const token: Token = [this.#random.u32(), this.#random.u32()];
    assert(!this.#programs.has(token.join()), 'tokens differ');
    this.#programs.set(token.join(), program);
    return token;
  }

  /** The program behind a token; undefined when there is none, or none any more. */
  thaw(token: Token): object | undefined {
    const program = this.#programs.get(token.join());
    this.#programs.delete(token.join());
    return program;
  }
}
