/**
 * Readahead: the state machine of mm/readahead.c, 2.6.12, one state an open file.
 *
 * A sequential reader gets a current window. Once it is well under way, it also gets an ahead
 * window that is read while the current one is consumed. A random reader gets exactly what it asked
 * for. MISS (a page of the window was reclaimed before it was used) only takes two pages off the
 * next growth. INCACHE (256 pages in a row were there already) turns readahead off until the next
 * miss.
 *
 * The machine decides windows and does no I/O. What is to be read is queued in the state as batches
 * for the caller, which reads them in order. Differs from the original: congestion is asked about
 * before the first batch of a call is submitted. One call queues two windows at most.
 */

import { ArgumentError, checkArgument } from '../../base/argument-error.ts';

/** Largest window, pages (128 KiB), unless posix_fadvise says otherwise. */
export const RA_MAX = 32;
/** Smallest window, pages (16 KiB). */
export const RA_MIN = 4;
/** Pages found in the cache in a row that turn readahead off. */
export const RA_CACHE_HIT_LIMIT = 256;

/** What the machine asks about the file and its device. */
export interface ReadaheadIo {
  /**
   * How many pages of start … start + count - 1 are not in the page cache and not beyond the end of
   * the file.
   */
  absent(start: number, count: number): number;
  /** Whether the device's read queue is congested. */
  isCongested(): boolean;
}

/** The same, with the marks that on-demand readahead sets. */
export interface MarkedPages extends ReadaheadIo {
  /** Whether the page, which is in the cache, carries the mark of a window; then no more. */
  takeMark(index: number): boolean;
}

/** Of a window without a marked page. */
export const NO_MARK = -1;

/** A readahead machine: one state an open file. */
export interface Readahead {
  /** ra_pages: pages of the largest window; 0: nothing is read ahead. */
  max: number;
  /** Whether there are windows to be read. */
  readonly hasBatch: boolean;
  /** Index of the first page of the next window to be read. */
  readonly batchStart: number;
  /** Pages of the next window to be read. */
  readonly batchCount: number;
  /** The page of it that gets the mark if it was absent; NO_MARK for none. */
  readonly batchMark: number;
  /**
   * Forgets the next window: it is being read.
   * @throws ArgumentError when there is none
   */
  takeBatch(): void;
  /**
   * The reader is at page `offset` and wants `request` pages (>= 1) from there. Queues windows.
   * Returns the page at which to call again.
   */
  access(offset: number, request: number, io: MarkedPages): number;
  /** A page that the reader is at was not there. */
  noteMiss(): void;
  /** A program faults on an absent page of a mapping: queues the pages around it. */
  around(index: number): void;
  /** A program faults on a page of a mapping that is there. Queues the next window if it is due. */
  foundByFault(index: number, io: MarkedPages): void;
}

/** file_ra_state. Page numbers; -1 in prevPage stands for "nothing read yet". */
export class ReadaheadState implements Readahead {
  /** First page of the current window. */
  start = 0;
  /** Pages of the current window; 0: none. */
  size = 0;
  /** First page of the window ahead. */
  aheadStart = 0;
  /** Pages of the window ahead; 0: none. */
  aheadSize = 0;
  /** The page that was read last; -1: none yet. */
  prevPage = -1;
  /** Pages in a row that were in the cache. */
  cacheHit = 0;
  /** Whether a page of a window was reclaimed before it was used. */
  miss = false;
  /** Whether readahead is off because all was in the cache. */
  inCache = false;
  /** ra_pages: pages of the largest window; 0: nothing is read ahead. */
  max = RA_MAX;
  /** Windows to be read: up to two a call. */
  #batches = 0;
  #firstStart = 0;
  #firstCount = 0;
  #secondStart = 0;
  #secondCount = 0;

  get hasBatch(): boolean {
    return this.#batches > 0;
  }

  get batchStart(): number {
    return this.#firstStart;
  }

  get batchCount(): number {
    return this.#firstCount;
  }

  get batchMark(): number {
    return NO_MARK;
  }

  takeBatch(): void {
    checkArgument(this.#batches > 0, 'takeBatch', 'no window is to be read');
    this.#batches--;
    this.#firstStart = this.#secondStart;
    this.#firstCount = this.#secondCount;
  }

  /**
   * page_cache_readahead: the reader is at page `offset` and wants `request` pages (>= 1) from
   * there. Queues windows. Returns the page at which to call again.
   * @throws ArgumentError when windows of calls before were not taken, and there are more than two
   */
  access(offset: number, request: number, io: ReadaheadIo): number {
    if (offset >>> 0 !== offset) throw new ArgumentError('offset: expected the number of a page');
    if (request >>> 0 !== request) throw new ArgumentError('request: expected a number of pages');
    if (!isIo(io)) throw new ArgumentError('io: expected absent and isCongested');
    let off = offset;
    let req = request;
    if (off === this.prevPage && --req > 0) off++;
    const sequential = off === this.prevPage + 1;
    this.prevPage = off;
    const pages = Math.min(req, this.max);
    if (pages === 0 || this.inCache) return this.prevPage + 1;
    this.prevPage += pages - 1;
    if (sequential && this.size === 0) {
      this.size = initialWindow(pages, this.max);
      this.start = off;
      const ok = this.#submit(this.start, this.size, true, io);
      if (ok && req >= this.max) this.#makeAhead(true, io);
    } else if (!sequential) {
      this.#off();
      this.#submit(off, pages, true, io);
    } else {
      if (this.aheadStart === 0 && !this.#makeAhead(false, io)) return this.prevPage + 1;
      if (this.prevPage >= this.aheadStart) {
        this.start = this.aheadStart;
        this.size = this.aheadSize;
        this.#makeAhead(false, io);
      }
    }
    return this.prevPage + 1;
  }

  /** handle_ra_miss: a page that should have been read ahead was not there. */
  noteMiss(): void {
    this.miss = true;
    this.inCache = false;
  }

  around(index: number): void {
    this.#queue(Math.max(0, index - (this.max >>> 1)), this.max);
  }

  /** Nothing is read ahead for it. */
  foundByFault(): void {}

  #off(): void {
    this.miss = false;
    this.start = 0;
    this.size = 0;
    this.aheadStart = 0;
    this.aheadSize = 0;
  }

  #nextWindow(): number {
    const current = this.size;
    let next: number;
    if (this.miss) {
      this.miss = false;
      next = Math.max(current - 2, RA_MIN);
    } else next = current < this.max >>> 4 ? 4 * current : 2 * current;
    return Math.min(next, this.max);
  }

  #makeAhead(force: boolean, io: ReadaheadIo): boolean {
    this.aheadSize = this.#nextWindow();
    this.aheadStart = this.start + this.size;
    const blocking = force || this.prevPage >= this.aheadStart;
    const ok = this.#submit(this.aheadStart, this.aheadSize, blocking, io);
    if (!ok && !force) {
      this.aheadStart = 0;
      this.aheadSize = 0;
    }
    return ok;
  }

  #submit(start: number, count: number, blocking: boolean, io: ReadaheadIo): boolean {
    if (!blocking && io.isCongested()) return false;
    if (io.absent(start, count) > 0) {
      this.cacheHit = 0;
      this.#queue(start, count);
      return true;
    }
    this.cacheHit += count;
    if (this.cacheHit < RA_CACHE_HIT_LIMIT) return true;
    this.#off();
    this.inCache = true;
    return false;
  }

  #queue(start: number, count: number): void {
    checkArgument(this.#batches < 2, 'takeBatch', 'the windows before are to be read first');
    if (this.#batches++ === 0) {
      this.#firstStart = start;
      this.#firstCount = count;
    } else {
      this.#secondStart = start;
      this.#secondCount = count;
    }
  }
}

function isIo(io: unknown): boolean {
  return typeof io === 'object' && io !== null && 'absent' in io && 'isCongested' in io;
}

/** get_init_ra_size: the first window of a sequential reader that asks for `request` pages. */
function initialWindow(request: number, max: number): number {
  let size = 1;
  while (size < request) size *= 2;
  if (size <= max >>> 6) return size * size;
  if (size <= max >>> 2) return max >>> 2;
  return max;
}
