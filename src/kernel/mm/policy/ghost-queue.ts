/**
 * Names of pages that have left, in the order in which they left: a queue with a hash over it, in
 * typed arrays. The oldest name is forgotten when there is no room for another.
 *
 * A name is a number for the page's space, and its index. The number is the slot of the space. When
 * the space has ended, its slot gets another number, which no name has. So another file does not
 * take over the names of the file before; they are forgotten as the oldest.
 *
 * ```
 * words  8 ghost   + 0 space     + 1 index     + 2 hash next   the next ghost of the chain, or of the free ones
 *                  + 3 older     + 4 younger   the queue; its head lies behind the ghosts
 *                  + 5 note      what the policy keeps with the name
 * ```
 *
 * Invariant: `count` ghosts are in the queue, each in the chain of its hash; no two have one name.
 */

import { assert } from '../../../base/assert.ts';

const NONE = -1;
/** Numbers of spaces whose slot another one had before. There are fewer slots than that. */
const NUMBERS = 2 ** 30;

/** Names of pages that have left, oldest first. */
export class GhostQueue {
  /** Names in it. */
  count = 0;
  /** Note of the name that was removed last. */
  note = 0;
  readonly #capacity: number;
  readonly #words: Int32Array;
  readonly #buckets: Int32Array;
  readonly #mask: number;
  /** Head of the queue, as a place in `#words`; so are all links. */
  readonly #head: number;
  #free = NONE;
  /** Ghosts that were in use before. */
  #used = 0;
  /** By slot, where another space had it before. */
  readonly #numbers: number[] = [];
  #nextNumber = NUMBERS;

  /** @param capacity names at most; 0 keeps none */
  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#words = new Int32Array(8 * (capacity + 1));
    this.#head = 8 * capacity;
    this.#words[this.#head + 3] = this.#head;
    this.#words[this.#head + 4] = this.#head;
    let buckets = 1;
    while (2 * buckets < 3 * capacity) buckets *= 2;
    this.#buckets = new Int32Array(buckets).fill(NONE);
    this.#mask = buckets - 1;
  }

  /** Adds a name that is not in it, as the youngest, and forgets the oldest beyond `most`. */
  push(space: number, index: number, most = this.#capacity, note = 0): void {
    const room = Math.min(most, this.#capacity);
    while (this.count > 0 && this.count >= room) this.dropOldest();
    if (room < 1) return;
    const words = this.#words;
    const head = this.#head;
    let ghost = this.#free;
    if (ghost >= 0) this.#free = words[ghost | 2]!;
    else ghost = 8 * this.#used++;
    assert(ghost < head, 'ghost queue: there is room for a name');
    const number = this.#numbers[space] ?? space;
    const bucket = this.#bucketOf(number, index);
    const youngest = words[head + 3]!;
    words[ghost] = number;
    words[ghost | 1] = index;
    words[ghost | 2] = this.#buckets[bucket]!;
    words[ghost | 3] = youngest;
    words[ghost | 4] = head;
    words[ghost | 5] = note;
    words[youngest + 4] = ghost;
    words[head + 3] = ghost;
    this.#buckets[bucket] = ghost;
    this.count++;
  }

  /** Whether the name was in it: it is not any more. */
  remove(space: number, index: number): boolean {
    const words = this.#words;
    const wanted = index | 0;
    const number = this.#numbers[space] ?? space;
    let ghost = this.#buckets[this.#bucketOf(number, index)]!;
    while (ghost >= 0 && (words[ghost | 1] !== wanted || words[ghost] !== number)) ghost = words[ghost | 2]!;
    if (ghost < 0) return false;
    this.note = words[ghost | 5]!;
    this.#drop(ghost);
    return true;
  }

  /** The space in this slot has ended. */
  endSpace(slot: number): void {
    if (this.count > 0) this.#numbers[slot] = this.#nextNumber++;
  }

  /** Forgets the name that has been in it for longest. */
  dropOldest(): void {
    assert(this.count > 0, 'ghost queue: there is an oldest name');
    this.#drop(this.#words[this.#head + 4]!);
  }

  /** Names as pairs of number and index, oldest first. */
  names(): [number, number][] {
    const words = this.#words;
    const names: [number, number][] = [];
    for (let ghost = words[this.#head + 4]!; ghost !== this.#head; ghost = words[ghost | 4]!)
      names.push([words[ghost]!, words[ghost | 1]! >>> 0]);
    return names;
  }

  #drop(ghost: number): void {
    const words = this.#words;
    const bucket = this.#bucketOf(words[ghost]!, words[ghost | 1]!);
    const next = words[ghost | 2]!;
    let at = this.#buckets[bucket]!;
    if (at === ghost) this.#buckets[bucket] = next;
    else {
      while (words[at | 2] !== ghost) at = words[at | 2]!;
      words[at | 2] = next;
    }
    const older = words[ghost | 3]!;
    const younger = words[ghost | 4]!;
    words[older + 4] = younger;
    words[younger + 3] = older;
    words[ghost | 2] = this.#free;
    this.#free = ghost;
    this.count--;
  }

  #bucketOf(number: number, index: number): number {
    return ((Math.imul(number, 0x9e37_79b1) >>> 1) + index) & this.#mask;
  }
}
