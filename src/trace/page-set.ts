/**
 * Pages of files, each with a number: from 0, in the order in which they are met. It takes 15 to 23
 * bytes a page.
 */

const FIRST_PAGES = 1024;
const HALF = 2 ** 32;
/** Of the slots, this share is in use at most. */
const MOST_LOAD = 0.75;

export class PageSet {
  /** Numbers plus 1, by hash; 0: free. */
  #slots = new Uint32Array(2 * FIRST_PAGES);
  #files = new Uint32Array(FIRST_PAGES);
  #low = new Uint32Array(FIRST_PAGES);
  /** Pages of a device may be more than 2^32. */
  #high = new Uint16Array(FIRST_PAGES);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** The number of a page, which gets one if it has none. */
  number(file: number, page: number): number {
    const low = page % HALF;
    const high = (page - low) / HALF;
    const mask = this.#slots.length - 1;
    let slot = hashOf(file, low >>> 0, high) & mask;
    for (let number = this.#slots[slot]!; number !== 0; number = this.#slots[slot]!) {
      const n = number - 1;
      if (this.#low[n] === low && this.#files[n] === file && this.#high[n] === high) return n;
      slot = (slot + 1) & mask;
    }
    if (this.#count === this.#files.length) this.#grow();
    this.#files[this.#count] = file;
    this.#low[this.#count] = low;
    this.#high[this.#count] = high;
    this.#slots[slot] = ++this.#count;
    if (this.#count > MOST_LOAD * this.#slots.length) this.#doubleSlots();
    return this.#count - 1;
  }

  /** The file of the page that has a number. */
  fileOf(number: number): number {
    return this.#files[number]!;
  }

  /** The index in its file of the page that has a number. */
  indexOf(number: number): number {
    return this.#high[number]! * HALF + this.#low[number]!;
  }

  #grow(): void {
    // Not doubled, so that a set is never much larger than what it holds.
    const size = Math.ceil(1.2 * this.#files.length);
    const [files, low, high] = [new Uint32Array(size), new Uint32Array(size), new Uint16Array(size)];
    files.set(this.#files);
    low.set(this.#low);
    high.set(this.#high);
    this.#files = files;
    this.#low = low;
    this.#high = high;
  }

  #doubleSlots(): void {
    const [files, low, high] = [this.#files, this.#low, this.#high];
    this.#slots = new Uint32Array(2 * this.#slots.length);
    const mask = this.#slots.length - 1;
    for (let number = 0; number < this.#count; number++) {
      let slot = hashOf(files[number]!, low[number]!, high[number]!) & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = number + 1;
    }
  }
}

function hashOf(file: number, low: number, high: number): number {
  let hash = Math.imul(low, 0x9e37_79b1) ^ Math.imul(file, 0x85eb_ca6b) ^ Math.imul(high, 0xc2b2_ae35);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b_3c6d);
  return hash ^ (hash >>> 13);
}
