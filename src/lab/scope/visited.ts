/**
 * What a search has seen: a fingerprint of 63 bits of each state, and the step by which each was
 * reached first. The fingerprints are in two typed arrays, in open addressing. A Set ends at 2^24
 * entries.
 *
 * Two states of one fingerprint count as one. With 10^7 states the chance that this happened at all
 * is below 6 in a million.
 */

const LEAST_SLOTS = 1 << 12;

export class Visited {
  /** States, in the order in which they were found. */
  count = 0;
  #low = new Uint32Array(LEAST_SLOTS);
  #high = new Uint32Array(LEAST_SLOTS);
  #mask = LEAST_SLOTS - 1;
  /** By state: the one before it, and the action between. */
  #parents = new Uint32Array(LEAST_SLOTS);
  #actions = new Uint32Array(LEAST_SLOTS);

  /** Bytes that it holds. */
  get bytes(): number {
    return 2 * (this.#low.byteLength + this.#parents.byteLength);
  }

  /** Adds a state unless it was seen; returns whether it is new. */
  add(words: Uint32Array, parent: number, action: number): boolean {
    let low = 0x9e3779b9;
    let high = 0x85ebca6b;
    for (let i = 0; i < words.length; i++) {
      const word = words[i]!;
      low = Math.imul(low ^ word, 0xcc9e2d51);
      low ^= low >>> 15;
      high = Math.imul(high ^ word ^ (low << 1), 0x1b873593);
      high ^= high >>> 13;
    }
    low = Math.imul(low ^ (low >>> 16) ^ high, 0x85ebca6b) >>> 0;
    // A slot is empty where both words are 0.
    high = ((Math.imul(high ^ (high >>> 16) ^ low, 0xc2b2ae35) >>> 0) | 1) >>> 0;
    if (!this.#insert(low, high)) return false;
    if (this.count === this.#parents.length) this.#growSteps();
    this.#parents[this.count] = parent;
    this.#actions[this.count] = action;
    this.count++;
    if (this.count * 3 > this.#mask * 2) this.#growSlots();
    return true;
  }

  parentOf(state: number): number {
    return this.#parents[state]!;
  }

  actionOf(state: number): number {
    return this.#actions[state]!;
  }

  #insert(low: number, high: number): boolean {
    let slot = low & this.#mask;
    while (this.#high[slot] !== 0) {
      if (this.#low[slot] === low && this.#high[slot] === high) return false;
      slot = (slot + 1) & this.#mask;
    }
    this.#low[slot] = low;
    this.#high[slot] = high;
    return true;
  }

  #growSlots(): void {
    const low = this.#low;
    const high = this.#high;
    const slots = 2 * low.length;
    this.#mask = slots - 1;
    this.#low = new Uint32Array(slots);
    this.#high = new Uint32Array(slots);
    for (let i = 0; i < low.length; i++) if (high[i] !== 0) this.#insert(low[i]!, high[i]!);
  }

  #growSteps(): void {
    const parents = new Uint32Array(2 * this.#parents.length);
    const actions = new Uint32Array(parents.length);
    parents.set(this.#parents);
    actions.set(this.#actions);
    this.#parents = parents;
    this.#actions = actions;
  }
}

/** States that wait, first in, first out, in chunks that are given back when they are used up. */
export class StateQueue {
  readonly #size: number;
  readonly #chunks: (Uint8Array | undefined)[] = [];
  #head = 0;
  #tail = 0;

  constructor(size: number) {
    this.#size = size;
  }

  get length(): number {
    return this.#tail - this.#head;
  }

  push(state: Uint8Array): void {
    const chunk = Math.floor(this.#tail / CHUNK_STATES);
    if (this.#chunks.length === chunk) this.#chunks.push(new Uint8Array(CHUNK_STATES * this.#size));
    this.#chunks[chunk]!.set(state, (this.#tail % CHUNK_STATES) * this.#size);
    this.#tail++;
  }

  /** Takes the first out. */
  shift(into: Uint8Array): void {
    const chunk = Math.floor(this.#head / CHUNK_STATES);
    const at = (this.#head % CHUNK_STATES) * this.#size;
    into.set(this.#chunks[chunk]!.subarray(at, at + this.#size));
    this.#head++;
    if (this.#head % CHUNK_STATES === 0) this.#chunks[chunk] = undefined;
  }
}

const CHUNK_STATES = 4096;
