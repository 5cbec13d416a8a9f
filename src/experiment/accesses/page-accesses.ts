/**
 * A trace as accesses by page: of each access the number of its page, in memory that threads share.
 * Pages are numbered from 0 in the order in which they are first accessed. An access takes 4 bytes,
 * or 12 with its time.
 *
 * Contract: a sink of operations, in batches of any size. How they are cut changes nothing.
 */

import { InputError } from '../../base/input-error.ts';
import { PAGE_SIZE } from '../../base/units.ts';
import { isAccess, type OperationBatch, type OperationSink } from '../../trace/operations.ts';
import { PageSet } from '../../trace/page-set.ts';

/** Accesses that are kept at most: 2 GiB of them. */
const MOST = 2 ** 29;
const FIRST = 4096;

/** Accesses by page. Plain data. */
export interface RecordedAccesses {
  /** Numbers of pages. */
  readonly pages: Uint32Array;
  /** Nanoseconds since the trace began, NaN where it tells none; empty unless asked for. */
  readonly times: Float64Array;
  /** Different pages: their numbers are below it. */
  readonly distinct: number;
}

/** Pages of a range: none for no byte. */
export function pagesIn(offset: number, length: number): number {
  if (length === 0) return 0;
  return Math.floor((offset + length - 1) / PAGE_SIZE) - Math.floor(offset / PAGE_SIZE) + 1;
}

/** Calls `visit` for each page that an operation reads or writes. */
export function eachPage(
  { count, time, kind, file, offset, length }: OperationBatch,
  visit: (file: number, page: number, time: number) => void,
): void {
  for (let i = 0; i < count; i++) {
    if (!isAccess(kind[i]!)) continue;
    const first = Math.floor(offset[i]! / PAGE_SIZE);
    const end = first + pagesIn(offset[i]!, length[i]!);
    for (let page = first; page < end; page++) visit(file[i]!, page, time[i]!);
  }
}

/** Records the accesses of a trace. */
export class PageAccesses implements OperationSink {
  readonly #set: PageSet;
  readonly #withTimes: boolean;
  #pages = new Uint32Array(new SharedArrayBuffer(4 * FIRST));
  #times: Float64Array<SharedArrayBuffer>;
  #count = 0;

  /** @param set which numbers the pages, and may be another's too */
  constructor(withTimes: boolean, set = new PageSet()) {
    this.#set = set;
    this.#withTimes = withTimes;
    this.#times = new Float64Array(new SharedArrayBuffer(withTimes ? 8 * FIRST : 0));
  }

  file(): void {
    // Files are told apart by their numbers.
  }

  /** @throws InputError when there are more accesses than can be kept */
  operations(batch: OperationBatch): void {
    eachPage(batch, (file, page, time) => this.add(this.#set.number(file, page), time));
  }

  /** An access to the page that the set has given a number. @throws InputError as above */
  add(number: number, time: number): void {
    if (this.#count === this.#pages.length) this.#grow();
    this.#pages[this.#count] = number;
    if (this.#withTimes) this.#times[this.#count] = time;
    this.#count++;
  }

  get recorded(): RecordedAccesses {
    return {
      pages: this.#pages.subarray(0, this.#count),
      times: this.#times.subarray(0, this.#count),
      distinct: this.#set.count,
    };
  }

  /** Of each page its place when all are sorted by file, and by index in it. */
  filePlaces(): Uint32Array {
    const set = this.#set;
    const sorted = Uint32Array.from({ length: set.count }, (_, number) => number).sort(
      (a, b) => set.fileOf(a) - set.fileOf(b) || set.indexOf(a) - set.indexOf(b),
    );
    const places = new Uint32Array(new SharedArrayBuffer(4 * set.count));
    sorted.forEach((number, place) => (places[number] = place));
    return places;
  }

  #grow(): void {
    if (this.#count === MOST) throw new InputError(`it has more than ${MOST} accesses of pages: they cannot be kept`);
    const pages = new Uint32Array(new SharedArrayBuffer(8 * this.#count));
    pages.set(this.#pages);
    this.#pages = pages;
    if (!this.#withTimes) return;
    const times = new Float64Array(new SharedArrayBuffer(16 * this.#count));
    times.set(this.#times);
    this.#times = times;
  }
}
