/** Names as bytes, each with a number: from 0, in the order in which they appear. */

const FIRST_SLOTS = 64;

export class Names {
  /** Numbers plus 1, by hash; 0: free. */
  #slots = new Uint32Array(FIRST_SLOTS);
  #hashes = new Int32Array(FIRST_SLOTS);
  /** Where each name begins in `#bytes`, and where the last ends. */
  #starts = new Float64Array(FIRST_SLOTS);
  #bytes = new Uint8Array(FIRST_SLOTS * 16);
  #count = 0;
  #last = -1;

  get count(): number {
    return this.#count;
  }

  /** The number of a name, or -1: it has none. */
  find(bytes: Uint8Array, from: number, to: number): number {
    // Most often it is the one before.
    if (this.#last >= 0 && this.#is(this.#last, bytes, from, to)) return this.#last;
    const hash = hashOf(bytes, from, to);
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const number = this.#slots[slot]! - 1;
      if (this.#hashes[number] === hash && this.#is(number, bytes, from, to)) return (this.#last = number);
    }
    return -1;
  }

  /** Gives a name that has none its number. */
  add(bytes: Uint8Array, from: number, to: number): number {
    const number = this.#count++;
    if (2 * this.#count > this.#slots.length) this.#grow();
    const start = this.#starts[number]!;
    const end = start + to - from;
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(end, 2 * this.#bytes.length));
      larger.set(this.#bytes.subarray(0, start));
      this.#bytes = larger;
    }
    this.#bytes.set(bytes.subarray(from, to), start);
    this.#starts[number + 1] = end;
    this.#hashes[number] = hashOf(bytes, from, to);
    this.#place(number);
    return (this.#last = number);
  }

  #is(number: number, bytes: Uint8Array, from: number, to: number): boolean {
    const start = this.#starts[number]!;
    if (this.#starts[number + 1]! - start !== to - from) return false;
    for (let i = 0; i < to - from; i++) if (this.#bytes[start + i] !== bytes[from + i]) return false;
    return true;
  }

  #place(number: number): void {
    const mask = this.#slots.length - 1;
    let slot = this.#hashes[number]! & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = number + 1;
  }

  #grow(): void {
    const size = 2 * this.#slots.length;
    const hashes = new Int32Array(size);
    hashes.set(this.#hashes);
    this.#hashes = hashes;
    const starts = new Float64Array(size);
    starts.set(this.#starts);
    this.#starts = starts;
    this.#slots = new Uint32Array(size);
    for (let number = 0; number < this.#count - 1; number++) this.#place(number);
  }
}

/** FNV-1a. */
function hashOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c_9dc5 | 0;
  for (let at = from; at < to; at++) hash = Math.imul(hash ^ bytes[at]!, 0x0100_0193);
  return hash ^ (hash >>> 15);
}
