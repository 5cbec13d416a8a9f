/** The distinct pages of a trace, and what was done to each: 16 to 24 bytes a page. */

import { InputError } from '../../base/input-error.ts';
import { PageSet } from '../../trace/page-set.ts';

/** What was done to a page. */
export const SEEN = { read: 1, written: 2 } as const;

/** Pages of a trace at most: 1 TiB. */
const MOST_PAGES = 2 ** 28;

export class PagesSeen {
  /** The pages, by number. */
  readonly set = new PageSet();
  /** By the number of a page. */
  #marks = new Uint8Array(1024);

  /**
   * Adds marks of `SEEN` to a page; returns those that it had before.
   * @param number of the set; new ones come in order
   * @throws InputError for more pages than a guest's disk can have here
   */
  add(number: number, mark: number): number {
    if (number === this.#marks.length) {
      if (number >= MOST_PAGES) throw new InputError(`the trace has more than ${MOST_PAGES} distinct pages`);
      const marks = new Uint8Array(Math.min(MOST_PAGES, Math.ceil(1.2 * number)));
      marks.set(this.#marks);
      this.#marks = marks;
    }
    const had = this.#marks[number]!;
    this.#marks[number] = had | mark;
    return had;
  }

  /** Pages of those files, ascending. */
  pagesOf(files: ReadonlySet<number>): Map<number, Float64Array> {
    const found = new Map<number, number[]>();
    for (let number = 0; number < this.set.count; number++) {
      const file = this.set.fileOf(number);
      if (!files.has(file)) continue;
      const pages = found.get(file);
      if (pages === undefined) found.set(file, [this.set.indexOf(number)]);
      else pages.push(this.set.indexOf(number));
    }
    return new Map([...found].map(([file, pages]) => [file, Float64Array.from(pages).sort()]));
  }
}
