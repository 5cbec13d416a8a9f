/**
 * The states that a search has found: their words, one behind the other, and by which step each was
 * found first. States are compared by their words: the hash only says where to look.
 *
 * The hash is a sum of each word times a number of its place. So a step that changes a few words
 * changes the hash by as many terms. The sum is mixed before it says where to look.
 */

import { WORDS_MAX } from './words.ts';

/** Slots at first, by default. */
const SLOTS = 1 << 12;

/** Before the words of a state: its number, how many words it has, and their hash. */
const HEAD = 3;

/** By place of a word: an odd number. They are those of splitmix32. */
const FACTORS = Int32Array.from({ length: WORDS_MAX }, (_, place) => mixed(Math.imul(place + 1, 0x9e3779b9)) | 1);

export class Visited {
  /** States, in the order in which they were found. */
  count = 0;
  /** The words of all states. It is replaced when it grows. */
  words: Int32Array<ArrayBuffer>;
  #used = 0;
  /** Two words a slot: the hash, and where the state begins; 0 where there is none. */
  #slots: Int32Array<ArrayBuffer>;
  #starts: Int32Array<ArrayBuffer>;
  #parents: Int32Array<ArrayBuffer>;
  #moves: Int32Array<ArrayBuffer>;

  /** @param slots room at first: a power of two */
  constructor(slots = SLOTS) {
    this.words = new Int32Array(4 * slots);
    this.#slots = new Int32Array(2 * slots);
    this.#starts = new Int32Array(slots);
    this.#parents = new Int32Array(slots);
    this.#moves = new Int32Array(slots);
  }

  /**
   * Adds a state unless it is there.
   * @param hash of the words, where it is known
   * @returns its number, or -1 - number when it was there
   */
  add(words: Int32Array, length: number, parent: number, move: number, hash = hashOf(words, length)): number {
    const slot = this.#slotOf(words, length, hash);
    const known = this.#slots[slot + 1]!;
    if (known !== 0) return -1 - this.words[known - HEAD]!;
    const state = this.count++;
    if (state === this.#parents.length) this.#growStates();
    while (this.#used + HEAD + length > this.words.length) this.words = grown(this.words);
    const start = this.#used + HEAD;
    const own = this.words;
    own[start - HEAD] = state;
    own[start - HEAD + 1] = length;
    own[start - 1] = hash;
    for (let i = 0; i < length; i++) own[start + i] = words[i]!;
    this.#used = start + length;
    this.#starts[state] = start;
    this.#parents[state] = parent;
    this.#moves[state] = move;
    this.#slots[slot] = hash;
    this.#slots[slot + 1] = start;
    if (4 * this.count > this.#slots.length) this.#growSlots();
    return state;
  }

  /** The number of a state; -1 when it is not there. */
  find(words: Int32Array, length: number): number {
    const start = this.#slots[this.#slotOf(words, length, hashOf(words, length)) + 1]!;
    return start === 0 ? -1 : this.words[start - HEAD]!;
  }

  /** Where the words of a state begin. */
  startOf(state: number): number {
    return this.#starts[state]!;
  }

  /** How many words a state has. */
  lengthOf(state: number): number {
    return this.words[this.#starts[state]! - HEAD + 1]!;
  }

  /** The hash of its words. */
  hashOf(state: number): number {
    return this.words[this.#starts[state]! - 1]!;
  }

  /** Whether the words of a state come before those of another. */
  isBefore(one: number, other: number): boolean {
    const [x, y] = [this.#starts[one]!, this.#starts[other]!];
    const length = Math.min(this.lengthOf(one), this.lengthOf(other));
    for (let i = 0; i < length; i++)
      if (this.words[x + i] !== this.words[y + i]) return this.words[x + i]! < this.words[y + i]!;
    return this.lengthOf(one) < this.lengthOf(other);
  }

  /** Whether a state has these words. */
  isAt(state: number, words: Int32Array, length: number): boolean {
    return this.#isSame(this.#starts[state]!, words, length);
  }

  /** The state from which it was found; -1 for the first. */
  parentOf(state: number): number {
    return this.#parents[state]!;
  }

  /** The move by which it was found. */
  moveOf(state: number): number {
    return this.#moves[state]!;
  }

  #isSame(start: number, words: Int32Array, length: number): boolean {
    const own = this.words;
    if (own[start - HEAD + 1] !== length) return false;
    for (let i = 0; i < length; i++) if (own[start + i] !== words[i]) return false;
    return true;
  }

  /** Its slot, or the empty one where it would be. */
  #slotOf(words: Int32Array, length: number, hash: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = (mixed(hash) << 1) & mask;
    for (;;) {
      const known = slots[slot + 1]!;
      if (known === 0) return slot;
      if (slots[slot] === hash && this.#isSame(known, words, length)) return slot;
      slot = (slot + 2) & mask;
    }
  }

  #growSlots(): void {
    const old = this.#slots;
    const slots = new Int32Array(2 * old.length);
    const mask = slots.length - 1;
    for (let i = 0; i < old.length; i += 2) {
      if (old[i + 1] === 0) continue;
      let slot = (mixed(old[i]!) << 1) & mask;
      while (slots[slot + 1] !== 0) slot = (slot + 2) & mask;
      slots[slot] = old[i]!;
      slots[slot + 1] = old[i + 1]!;
    }
    this.#slots = slots;
  }

  #growStates(): void {
    this.#starts = grown(this.#starts);
    this.#parents = grown(this.#parents);
    this.#moves = grown(this.#moves);
  }
}

function grown(old: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const more = new Int32Array(2 * old.length);
  more.set(old);
  return more;
}

/** The hash of words. */
export function hashOf(words: Int32Array, length: number): number {
  let hash = 0;
  for (let i = 0; i < length; i++) hash = (hash + Math.imul(words[i]!, FACTORS[i]!)) | 0;
  return hash;
}

/** The hash of words of which one has changed. */
export const rehashed = (hash: number, place: number, from: number, to: number): number =>
  (hash + Math.imul(to - from, FACTORS[place]!)) | 0;

function mixed(hash: number): number {
  let bits = hash;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return bits ^ (bits >>> 16);
}
