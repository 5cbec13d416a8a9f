/**
 * The distinct pages of a trace, and what was done to each first. A table with open addressing: at
 * most 24 bytes a page.
 *
 * Contract: a page is known by its file and its index, both below 2^32.
 */

import { InputError } from '../../base/input-error.ts';

/** What was done to a page. */
export const SEEN = { read: 1, written: 2 } as const;

/** Places of a new table. */
const FIRST = 1 << 10;
/** Of the places, this share is in use at most. */
const MOST_LOAD = 0.75;
/** Pages of a trace at most: 1 TiB. */
const MOST_PAGES = 2 ** 28;

export class PagesSeen {
  #files = new Uint32Array(FIRST);
  #pages = new Uint32Array(FIRST);
  /** 0: the place is free. */
  #marks = new Uint8Array(FIRST);
  #count = 0;

  /** Distinct pages. */
  get count(): number {
    return this.#count;
  }

  /**
   * Adds marks of `SEEN` to a page; returns those that it had before.
   * @throws InputError for more pages than a guest's disk can have here
   */
  add(file: number, page: number, mark: number): number {
    const at = this.#placeOf(file, page);
    const had = this.#marks[at]!;
    this.#marks[at] = had | mark;
    if (had !== 0) return had;
    this.#files[at] = file;
    this.#pages[at] = page;
    if (++this.#count > this.#marks.length * MOST_LOAD) this.#grow();
    return 0;
  }

  /** Pages of those files, ascending. */
  pagesOf(files: ReadonlySet<number>): Map<number, Float64Array> {
    const counts = new Map<number, number>();
    for (let at = 0; at < this.#marks.length; at++) {
      const file = this.#files[at]!;
      if (this.#marks[at] !== 0 && files.has(file)) counts.set(file, (counts.get(file) ?? 0) + 1);
    }
    const found = new Map([...counts].map(([file, count]) => [file, { pages: new Float64Array(count), used: 0 }]));
    for (let at = 0; at < this.#marks.length; at++) {
      const of = this.#marks[at] === 0 ? undefined : found.get(this.#files[at]!);
      if (of !== undefined) of.pages[of.used++] = this.#pages[at]!;
    }
    return new Map([...found].map(([file, { pages }]) => [file, pages.sort()]));
  }

  #placeOf(file: number, page: number): number {
    const mask = this.#marks.length - 1;
    let hash = Math.imul(file + 1, 0x9e37_79b1) ^ Math.imul(page, 0x85eb_ca6b);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b_3c6d);
    let at = (hash ^ (hash >>> 13)) & mask;
    while (this.#marks[at] !== 0 && (this.#files[at] !== file || this.#pages[at] !== page)) at = (at + 1) & mask;
    return at;
  }

  #grow(): void {
    if (this.#count > MOST_PAGES) throw new InputError(`the trace has more than ${MOST_PAGES} distinct pages`);
    const [files, pages, marks] = [this.#files, this.#pages, this.#marks];
    const length = marks.length * 2;
    this.#files = new Uint32Array(length);
    this.#pages = new Uint32Array(length);
    this.#marks = new Uint8Array(length);
    for (let old = 0; old < marks.length; old++) {
      if (marks[old] === 0) continue;
      const at = this.#placeOf(files[old]!, pages[old]!);
      this.#files[at] = files[old]!;
      this.#pages[at] = pages[old]!;
      this.#marks[at] = marks[old]!;
    }
  }
}
