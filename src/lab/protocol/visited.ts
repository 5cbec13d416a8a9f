/**
 * The states that a search has found: their words, one behind the other, and by which step each was
 * found first. States are compared by their words: the hash only says where to look.
 */

const LEAST_WORDS = 1 << 14;
const LEAST_SLOTS = 1 << 12;

export class Visited {
  /** States, in the order in which they were found. */
  count = 0;
  /** The words of all states. It is replaced when it grows. */
  words = new Int32Array(LEAST_WORDS);
  #used = 0;
  /** A state's number + 1; 0 where there is none. */
  #slots = new Int32Array(LEAST_SLOTS);
  #hashes = new Int32Array(LEAST_SLOTS);
  #ends = new Float64Array(LEAST_SLOTS);
  #parents = new Int32Array(LEAST_SLOTS);
  #moves = new Int32Array(LEAST_SLOTS);

  /** Adds a state unless it is there. @returns its number, or -1 - number when it was there */
  add(words: Int32Array, length: number, parent: number, move: number): number {
    const hash = hashOf(words, length);
    const slot = this.#slotOf(words, length, hash);
    const known = this.#slots[slot]!;
    if (known !== 0) return -known;
    const state = this.count++;
    if (state === this.#parents.length) this.#growStates();
    while (this.#used + length > this.words.length) this.words = grown(this.words);
    this.words.set(words.subarray(0, length), this.#used);
    this.#used += length;
    this.#ends[state] = this.#used;
    this.#hashes[state] = hash;
    this.#parents[state] = parent;
    this.#moves[state] = move;
    this.#slots[slot] = state + 1;
    if (2 * this.count > this.#slots.length) this.#growSlots();
    return state;
  }

  /** The number of a state; -1 when it is not there. */
  find(words: Int32Array, length: number): number {
    return this.#slots[this.#slotOf(words, length, hashOf(words, length))]! - 1;
  }

  /** Where the words of a state begin. */
  startOf(state: number): number {
    return state === 0 ? 0 : this.#ends[state - 1]!;
  }

  lengthOf(state: number): number {
    return this.#ends[state]! - this.startOf(state);
  }

  /** Whether a state has these words. */
  isAt(state: number, words: Int32Array, length: number): boolean {
    const start = this.startOf(state);
    if (this.#ends[state]! - start !== length) return false;
    const own = this.words;
    for (let i = 0; i < length; i++) if (own[start + i] !== words[i]) return false;
    return true;
  }

  /** The state from which it was found; -1 for the first. */
  parentOf(state: number): number {
    return this.#parents[state]!;
  }

  /** The move by which it was found. */
  moveOf(state: number): number {
    return this.#moves[state]!;
  }

  #slotOf(words: Int32Array, length: number, hash: number): number {
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    for (;;) {
      const known = this.#slots[slot]!;
      if (known === 0) return slot;
      if (this.#hashes[known - 1] === hash && this.isAt(known - 1, words, length)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #growSlots(): void {
    const slots = new Int32Array(2 * this.#slots.length);
    const mask = slots.length - 1;
    for (let state = 0; state < this.count; state++) {
      let slot = this.#hashes[state]! & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = state + 1;
    }
    this.#slots = slots;
  }

  #growStates(): void {
    this.#hashes = grown(this.#hashes);
    this.#parents = grown(this.#parents);
    this.#moves = grown(this.#moves);
    const ends = new Float64Array(2 * this.#ends.length);
    ends.set(this.#ends);
    this.#ends = ends;
  }
}

function grown(old: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const more = new Int32Array(2 * old.length);
  more.set(old);
  return more;
}

function hashOf(words: Int32Array, length: number): number {
  let hash = length;
  for (let i = 0; i < length; i++) {
    hash = Math.imul(hash ^ words[i]!, 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  hash = Math.imul(hash ^ (hash >>> 13), 0x85ebca6b);
  return hash ^ (hash >>> 16);
}
