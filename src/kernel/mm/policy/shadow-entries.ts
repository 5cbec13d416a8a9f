/**
 * Shadow entries: when each of the last pages left, by its place in a file (mm/workingset.c of
 * Linux 3.15 and later).
 *
 * As many are kept as memory has pages. An older one says nothing: its page has been away for
 * longer than any list is long. Linux keeps them in the mapping's tree instead, and drops them with
 * the inode. Here a space that was closed is closed for its entries, too (`forget`).
 *
 * Typed arrays: a ring of entries, and chains of a hash over them. About 24 bytes a page of memory,
 * and 8 a space.
 */

const NONE = -1;
/** Of a place that is not known, or was taken before. */
export const NO_AGE = -1;

export class ShadowEntries {
  readonly #spaces: Int32Array;
  readonly #indices: Int32Array;
  readonly #ages: Float64Array;
  readonly #chain: Int32Array;
  readonly #buckets: Int32Array;
  readonly #mask: number;
  /** Of a space that was closed, the age until which its entries are those of another one. */
  readonly #closedAt: number[] = [];
  #at = 0;

  /** @param count entries that are kept, 1 or more */
  constructor(count: number) {
    let buckets = 1;
    while (buckets < count) buckets *= 2;
    this.#spaces = new Int32Array(count).fill(NONE);
    this.#indices = new Int32Array(count);
    this.#ages = new Float64Array(count);
    this.#chain = new Int32Array(count);
    this.#buckets = new Int32Array(buckets).fill(NONE);
    this.#mask = buckets - 1;
  }

  /** A page leaves at this age, which never falls. */
  put(space: number, index: number, age: number): void {
    const at = this.#at;
    this.#at = at + 1 === this.#spaces.length ? 0 : at + 1;
    this.#drop(at);
    this.#spaces[at] = space;
    this.#indices[at] = index;
    this.#ages[at] = age;
    const bucket = this.#bucketOf(space, index);
    this.#chain[at] = this.#buckets[bucket]!;
    this.#buckets[bucket] = at;
  }

  /** When the page of this place left; NO_AGE when that is not known. The entry is used up. */
  take(space: number, index: number): number {
    let at = this.#buckets[this.#bucketOf(space, index)]!;
    while (at >= 0 && (this.#indices[at] !== index || this.#spaces[at] !== space)) at = this.#chain[at]!;
    if (at < 0) return NO_AGE;
    this.#drop(at);
    const age = this.#ages[at]!;
    return age < (this.#closedAt[space] ?? 0) ? NO_AGE : age;
  }

  /** The space ends: its number is that of another one from this age on. */
  forget(space: number, age: number): void {
    this.#closedAt[space] = age;
  }

  #bucketOf(space: number, index: number): number {
    return (Math.imul(space, 0x9e37_79b1) + index) & this.#mask;
  }

  /** Takes an entry out of its chain, if it is in one. */
  #drop(at: number): void {
    const space = this.#spaces[at]!;
    if (space === NONE) return;
    const bucket = this.#bucketOf(space, this.#indices[at]!);
    this.#spaces[at] = NONE;
    let link = this.#buckets[bucket]!;
    if (link === at) {
      this.#buckets[bucket] = this.#chain[at]!;
      return;
    }
    while (this.#chain[link] !== at) link = this.#chain[link]!;
    this.#chain[link] = this.#chain[at]!;
  }
}
