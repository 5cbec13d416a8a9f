/**
 * Objects of a cache, as a file of whole pages: each object has its pages there, in the order in
 * which the objects appear. An object that grows beyond its pages gets new ones.
 */

import type { Context } from './format.ts';

const PAGE = 4096;
const FIRST_OBJECTS = 1024;

export class Objects {
  readonly #context: Context;
  #file = -1;
  /** First page and pages of each object, by its number. */
  #starts = new Float64Array(FIRST_OBJECTS);
  #pages = new Uint32Array(FIRST_OBJECTS);
  #end = 0;

  constructor(context: Context) {
    this.#context = context;
  }

  /** Adds an operation on a whole object. */
  operation(time: number, thread: number, kind: number, object: number, bytes: number): void {
    const { emitter, tally } = this.#context;
    if (bytes === 0) {
      tally.leaveOut('objects of 0 bytes');
      return;
    }
    if (this.#file < 0) this.#file = emitter.file('objects', true);
    const pages = Math.ceil(bytes / PAGE);
    if (object >= this.#starts.length) this.#grow(object);
    if (pages > this.#pages[object]!) {
      this.#starts[object] = this.#end;
      this.#pages[object] = pages;
      this.#end += pages;
    }
    emitter.add(time, thread, kind, this.#file, this.#starts[object]! * PAGE, bytes);
  }

  #grow(object: number): void {
    const size = Math.max(object + 1, 2 * this.#starts.length);
    const starts = new Float64Array(size);
    starts.set(this.#starts);
    this.#starts = starts;
    const pages = new Uint32Array(size);
    pages.set(this.#pages);
    this.#pages = pages;
  }
}

/** Numbers of 64 bits, each with a number of its own: from 0, in the order in which they appear. */
export class Ids {
  /** Numbers plus 1, by hash; 0: free. */
  #slots = new Uint32Array(2 * FIRST_OBJECTS);
  #high = new Uint32Array(FIRST_OBJECTS);
  #low = new Uint32Array(FIRST_OBJECTS);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** The number of an id, which gets one if it has none. */
  number(high: number, low: number): number {
    const mask = this.#slots.length - 1;
    let slot = hashOf(high, low) & mask;
    for (let number = this.#slots[slot]!; number !== 0; number = this.#slots[slot]!) {
      if (this.#low[number - 1] === low && this.#high[number - 1] === high) return number - 1;
      slot = (slot + 1) & mask;
    }
    if (this.#count === this.#high.length) {
      this.#grow();
      return this.number(high, low);
    }
    this.#high[this.#count] = high;
    this.#low[this.#count] = low;
    this.#slots[slot] = ++this.#count;
    return this.#count - 1;
  }

  #grow(): void {
    const size = 2 * this.#high.length;
    const high = new Uint32Array(size);
    high.set(this.#high);
    this.#high = high;
    const low = new Uint32Array(size);
    low.set(this.#low);
    this.#low = low;
    this.#slots = new Uint32Array(2 * size);
    const mask = 2 * size - 1;
    for (let number = 0; number < this.#count; number++) {
      let slot = hashOf(high[number]!, low[number]!) & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = number + 1;
    }
  }
}

function hashOf(high: number, low: number): number {
  let hash = Math.imul(low, 0x9e37_79b1) ^ Math.imul(high, 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b_3c6d);
  return hash ^ (hash >>> 13);
}
