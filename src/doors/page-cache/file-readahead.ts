/**
 * Which pages of a file to read now, for a program that reads it: the readahead of Linux 2.6.12
 * (kernel/mm/readahead.ts) as one question.
 *
 * A sequential reader gets windows that grow to `maxPages`, and learns of the next one before it
 * has come to the end of this one. A random reader gets what it asks for. The caller puts the pages
 * that the answer names into the cache (EmbeddedPageCache.begin) before the next question. A page
 * that is neither cached nor asked for a second time counts as one that was dropped too early.
 */

import { checkArgument, checkFunction, checkInteger, checkKeys } from '../../base/argument-error.ts';
import type { AddressSpace } from '../../kernel/mm/page-cache.ts';
import { type MarkedPages, RA_MAX, type Readahead } from '../../kernel/mm/readahead.ts';
import { EmbeddedPageCache } from './embedded-page-cache.ts';

const NONE: readonly number[] = Object.freeze([]);

/** How far a reader may go ahead. */
export interface FileReadaheadOptions {
  /** Largest window, pages, 0 to 65536; by default 32. 0: nothing is read ahead. */
  readonly maxPages?: number;
  /** Whether the disk has so much to read that a window can wait; by default it has not. */
  readonly isCongested?: () => boolean;
}

/** One a reader: two programs that read one file have one each. */
export class FileReadahead {
  readonly #cache: EmbeddedPageCache;
  readonly #file: AddressSpace;
  readonly #state: Readahead;
  readonly #io: MarkedPages;
  /** Pages that carry the mark of a window; one that comes back to the cache has none. */
  readonly #marks = new Set<number>();
  /** The answer to the question that was asked last. */
  readonly #pages = new Set<number>();
  /** Pages of the file, as the question says. */
  #filePages = 0;

  /** @throws ArgumentError */
  constructor(cache: EmbeddedPageCache, file: AddressSpace, options: FileReadaheadOptions = {}) {
    checkArgument(cache instanceof EmbeddedPageCache, 'cache', 'expected an EmbeddedPageCache');
    checkArgument(cache.isOpen(file), 'file', 'expected an open file of the cache');
    checkKeys('options', options, ['maxPages', 'isCongested']);
    const { maxPages = RA_MAX, isCongested = () => false } = options;
    checkInteger('maxPages', maxPages, 0, 65536);
    checkFunction('isCongested', isCongested);
    this.#cache = cache;
    this.#file = file;
    this.#state = cache.memory.newReadahead();
    this.#state.max = maxPages;
    this.#io = {
      absent: (start, count) => this.#absentPages(start, count),
      isCongested,
      takeMark: (at) => this.#marks.delete(at),
    };
  }

  /**
   * The program reads `count` pages from page `index` on. The pages that are to be read from the
   * disk now, in ascending order: those asked for that are absent, and those ahead. They lie before
   * `filePages`, the pages that the file has. Allocates nothing when there are none.
   * @throws ArgumentError
   */
  next(index: number, count: number, filePages: number): readonly number[] {
    checkInteger('index', index, 0, 0xffff_ffff);
    checkInteger('count', count, 1, 0xffff_ffff);
    checkInteger('filePages', filePages, 0, 2 ** 32);
    checkArgument(this.#cache.isOpen(this.#file), 'file', 'was closed');
    this.#filePages = filePages;
    const end = Math.min(index + count, filePages);
    const state = this.#state;
    const pages = this.#pages;
    if (pages.size > 0) pages.clear();
    let asksAt = index;
    for (let at = index; at < end; at++) {
      if (at === asksAt) {
        asksAt = state.access(at, end - at, this.#io);
        while (state.hasBatch) {
          this.#addWindow(state.batchStart, state.batchCount, state.batchMark);
          state.takeBatch();
        }
      }
      if (this.#isThere(at) || pages.has(at)) continue;
      state.noteMiss();
      this.#marks.delete(at);
      pages.add(at);
    }
    return pages.size === 0 ? NONE : [...pages].sort((a, b) => a - b);
  }

  /**
   * The program faults on page `index` of a mapping of the file. The pages that are to be read now,
   * as `next` has them: those around an absent page, or those ahead of one that is there.
   * @throws ArgumentError
   */
  fault(index: number, filePages: number): readonly number[] {
    checkInteger('index', index, 0, 0xffff_ffff);
    checkInteger('filePages', filePages, 0, 2 ** 32);
    checkArgument(this.#cache.isOpen(this.#file), 'file', 'was closed');
    this.#filePages = filePages;
    const state = this.#state;
    const pages = this.#pages;
    if (pages.size > 0) pages.clear();
    if (index >= filePages) return NONE;
    const isThere = this.#isThere(index);
    if (isThere) state.foundByFault(index, this.#io);
    else if (state.max > 0) state.around(index);
    while (state.hasBatch) {
      this.#addWindow(state.batchStart, state.batchCount, state.batchMark);
      state.takeBatch();
    }
    if (!isThere) pages.add(index);
    return pages.size === 0 ? NONE : [...pages].sort((a, b) => a - b);
  }

  #addWindow(start: number, count: number, mark: number): void {
    const end = Math.min(start + count, this.#filePages);
    for (let at = start; at < end; at++) {
      if (this.#isThere(at)) continue;
      this.#pages.add(at);
      if (at === mark) this.#marks.add(at);
      else this.#marks.delete(at);
    }
  }

  #absentPages(start: number, count: number): number {
    const end = Math.min(start + count, this.#filePages);
    let absent = 0;
    for (let at = start; at < end; at++) if (!this.#isThere(at) && !this.#pages.has(at)) absent++;
    return absent;
  }

  #isThere(index: number): boolean {
    return this.#cache.find(this.#file, index) >= 0;
  }
}
