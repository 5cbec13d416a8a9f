/**
 * Trees over a row of places, each of which has a number: which is the first with so much, and how
 * much is before one. Asking and setting take time with the logarithm of the row's length. The row
 * becomes longer as places are set; what was never set has 0. A row of which nothing was set has no
 * memory of its own.
 */

const NO_NUMBERS = new Int32Array(2);
const NO_SUMS = new Float64Array(2);

/** Whole numbers below 2^31 each, and which of them is the first that is large enough. */
export class FirstFit {
  /**
   * Leaves: a power of two, or 0. Node n has the children 2n and 2n + 1; the leaves begin at
   * `#leaves`.
   */
  #leaves = 0;
  #largest = NO_NUMBERS;

  get(place: number): number {
    return place < this.#leaves ? this.#largest[this.#leaves + place]! : 0;
  }

  set(place: number, value: number): void {
    if (place >= this.#leaves) this.#grow(place);
    const largest = this.#largest;
    let node = this.#leaves + place;
    largest[node] = value;
    for (node >>>= 1; node > 0; node >>>= 1) {
      const larger = Math.max(largest[2 * node]!, largest[2 * node + 1]!);
      if (largest[node] === larger) return;
      largest[node] = larger;
    }
  }

  /** The first place from `from` on that has `least`, 1 or more; -1 when there is none. */
  first(from: number, least: number): number {
    if (from >= this.#leaves) return -1;
    const largest = this.#largest;
    let node = this.#leaves + from;
    while (largest[node]! < least) {
      // On to the subtree at its right.
      while ((node & 1) !== 0) node >>>= 1;
      if (node === 0) return -1;
      node++;
    }
    while (node < this.#leaves) {
      node *= 2;
      if (largest[node]! < least) node++;
    }
    return node - this.#leaves;
  }

  #grow(place: number): void {
    const old = this.#largest.subarray(this.#leaves, 2 * this.#leaves);
    while (place >= this.#leaves) this.#leaves = Math.max(1, 2 * this.#leaves);
    const largest = new Int32Array(2 * this.#leaves);
    largest.set(old, this.#leaves);
    for (let node = this.#leaves - 1; node > 0; node--)
      largest[node] = Math.max(largest[2 * node]!, largest[2 * node + 1]!);
    this.#largest = largest;
  }
}

/** Numbers, and the sum of those before a place. */
export class PrefixSums {
  /** As in FirstFit. */
  #leaves = 0;
  #sums = NO_SUMS;

  set(place: number, value: number): void {
    if (place >= this.#leaves) this.#grow(place);
    const change = value - this.#sums[this.#leaves + place]!;
    for (let node = this.#leaves + place; node > 0; node >>>= 1) this.#sums[node]! += change;
  }

  /** The sum over the places before this one. */
  before(place: number): number {
    if (place >= this.#leaves) return this.#sums[1]!;
    let sum = 0;
    for (let node = this.#leaves + place; node > 1; node >>>= 1) if ((node & 1) !== 0) sum += this.#sums[node - 1]!;
    return sum;
  }

  #grow(place: number): void {
    const old = this.#sums.subarray(this.#leaves, 2 * this.#leaves);
    while (place >= this.#leaves) this.#leaves = Math.max(1, 2 * this.#leaves);
    const sums = new Float64Array(2 * this.#leaves);
    sums.set(old, this.#leaves);
    for (let node = this.#leaves - 1; node > 0; node--) sums[node] = sums[2 * node]! + sums[2 * node + 1]!;
    this.#sums = sums;
  }
}
