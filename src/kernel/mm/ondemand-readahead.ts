/**
 * On-demand readahead: mm/readahead.c of Linux 2.6.23 to 6.1, one state an open file.
 *
 * It is asked at each page. A page that is absent begins a window; a page that carries a mark is in
 * one, and begins the next. The mark lies so far before the end of the window that the next one can
 * come in time. So a reader whose pages are all there asks nothing.
 *
 * A small random read is read as it is. When the pages before it are cached, more of them than it
 * asks for, a sequential reader has left them: a window begins (context readahead).
 *
 * Since 6.11 a page that is absent never goes on with the window before, whatever lies in front of
 * it. A window that is begun by a mark ends, since 6.16, at a multiple of 4 pages where pages are
 * single ones. Its first one is not joined with the next.
 *
 * The machine decides windows and does no I/O. Differs from the original: reads count as if they
 * ended where a page ends. The largest request of the device makes no window longer.
 */

import { ArgumentError, checkArgument } from '../../base/argument-error.ts';
import { NO_MARK, RA_MAX, type MarkedPages, type Readahead } from './readahead.ts';

/** How a page is found: with a mark it begins the next window. */
const PRESENT = 0;
const ABSENT = 1;
const MARKED = 2;

/** Pages of the natural boundary at which a window of single pages ends, since 6.16. */
const BOUNDARY = 4;

/** file_ra_state since 2.6.23. Page numbers; -2 in `#previous` stands for "nothing read yet". */
export class OnDemandReadahead implements Readahead {
  max = RA_MAX;
  /** First page of the window that was read last. */
  #start = 0;
  /** Its pages. */
  #size = 0;
  /** Its pages from the marked one on. */
  #asyncSize = 0;
  /** The page that was read last. */
  #previous = -2;
  #batchStart = 0;
  #batchCount = 0;
  #batchMark = NO_MARK;

  readonly #isSince616: boolean;

  /** @param isSince616 decides as Linux 6.16 to 6.18 do, else as 6.1 */
  constructor(isSince616 = false) {
    this.#isSince616 = isSince616;
  }

  get hasBatch(): boolean {
    return this.#batchCount > 0;
  }

  get batchStart(): number {
    return this.#batchStart;
  }

  get batchCount(): number {
    return this.#batchCount;
  }

  get batchMark(): number {
    return this.#batchMark;
  }

  takeBatch(): void {
    checkArgument(this.#batchCount > 0, 'takeBatch', 'no window is to be read');
    this.#batchCount = 0;
  }

  access(offset: number, request: number, io: MarkedPages): number {
    if (offset >>> 0 !== offset) throw new ArgumentError('offset: expected the number of a page');
    if (request >>> 0 !== request) throw new ArgumentError('request: expected a number of pages');
    if (this.max > 0 && this.#batchCount === 0) {
      const found = io.absent(offset, 1) > 0 ? ABSENT : io.takeMark(offset) ? MARKED : PRESENT;
      if (found !== PRESENT) this.#decide(offset, request, found === MARKED, io);
    }
    this.#previous = offset;
    return offset + 1;
  }

  /** A miss is what it is asked about. */
  noteMiss(): void {}

  /** do_sync_mmap_readahead. The last quarter is read when the reader comes there. */
  around(index: number): void {
    const { max } = this;
    this.#window(Math.max(0, index - (max >>> 1)), max, max >>> 2);
    this.#queue(this.#start, max, this.#start + max - this.#asyncSize);
  }

  /** do_async_mmap_readahead. */
  foundByFault(index: number, io: MarkedPages): void {
    if (this.max > 0 && this.#batchCount === 0 && io.takeMark(index)) this.#decide(index, this.max, true, io);
  }

  /** ondemand_readahead. */
  #decide(index: number, request: number, isMarked: boolean, io: MarkedPages): void {
    const { max } = this;
    const end = this.#start + this.#size;
    const isNew = this.#isSince616;
    const isAtMark = index === end - this.#asyncSize;
    const isExpected = this.#size > 0 && (isNew ? isMarked && isAtMark : isAtMark || index === end);
    if (index > 0 && isExpected) this.#window(end, this.#next(this.#size));
    else if (index > 0 && isMarked) {
      const start = this.#nextAbsent(index, io);
      if (start === undefined || (isNew && start - index > max)) return;
      this.#window(start, this.#next(start - index + request));
    } else if (index > 0 && request <= max && !this.#isSequential(index)) {
      const history = this.#history(index, io);
      if (history <= request) {
        this.#queue(index, request, NO_MARK);
        return;
      }
      // From the start of the file on: most likely all of it is read.
      const size = Math.min((history >= index ? 2 * history : history) + request, max);
      this.#window(index, size, 1);
    } else {
      const size = initialWindow(request, max);
      this.#window(index, size, size > request ? size - request : isNew ? size >>> 1 : size);
    }
    if (isNew && isMarked) {
      const aligned = this.#start + this.#size - ((this.#start + this.#size) % BOUNDARY);
      if (aligned > this.#start) this.#window(this.#start, aligned - this.#start);
    }
    // A window that begins here, with its mark on the first page, is joined with the next.
    if (!isNew && index === this.#start && this.#size === this.#asyncSize) {
      const more = this.#next(this.#size);
      if (this.#size + more <= max) this.#window(this.#start, this.#size + more, more);
      else this.#window(this.#start, max, max >>> 1);
    }
    this.#queue(this.#start, this.#size, this.#start + this.#size - this.#asyncSize);
  }

  #isSequential(index: number): boolean {
    // The read before ended where the page after its last one begins.
    const distance = index - (this.#previous + 1);
    return this.#previous >= 0 && distance >= 0 && distance <= 1;
  }

  #window(start: number, size: number, asyncSize = size): void {
    this.#start = start;
    this.#size = size;
    this.#asyncSize = asyncSize;
  }

  #queue(start: number, count: number, mark: number): void {
    this.#batchStart = start;
    this.#batchCount = count;
    this.#batchMark = mark;
  }

  /** get_next_ra_size. */
  #next(size: number): number {
    const { max } = this;
    if (size < max / 16) return 4 * size;
    return size <= max / 2 ? 2 * size : max;
  }

  /** page_cache_next_miss: the first absent page behind `index`, at most `max` pages away. */
  #nextAbsent(index: number, io: MarkedPages): number | undefined {
    for (let at = index + 1; at <= index + this.max; at++) if (io.absent(at, 1) > 0) return at;
    return undefined;
  }

  /** count_history_pages: how many pages right before `index` are cached, at most `max`. */
  #history(index: number, io: MarkedPages): number {
    let count = 0;
    while (count < this.max && index - 1 - count >= 0 && io.absent(index - 1 - count, 1) === 0) count++;
    return count;
  }
}

/** get_init_ra_size: the first window of a reader that asks for `request` pages. */
function initialWindow(request: number, max: number): number {
  let size = 1;
  while (size < request) size *= 2;
  if (size <= max / 32) return 4 * size;
  return size <= max / 4 ? 2 * size : max;
}
