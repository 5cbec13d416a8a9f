/**
 * What the files of a trace hold: bytes made from (file, page, version). A write gives its pages a
 * new version. So what a read must return is known, and no byte of a file is stored.
 *
 * Contract: pages of different files, indices or versions begin at different places of a pattern,
 * except one pair in a million. `wrote`, `cut` and the others are called in the order in which the
 * guest carries the operations out; those on one file never overlap.
 */

import { equalBytes, isZero } from '../../base/bytes.ts';
import { PAGE_SIZE } from '../../base/units.ts';
import { PATTERN_BYTES, patternBytes } from '../guest/generated-disk.ts';
import type { RecordedFile } from './recording.ts';

/** Version of what was there when the trace began. */
const FIRST_VERSION = 0;
/** What was never written. */
const ZEROS = -1;

/** Where the bytes of a page begin in the pattern. */
function placeOf(file: number, page: number, version: number): number {
  let hash =
    Math.imul(file + 1, 0x9e37_79b1) ^ Math.imul((page + 1) | 0, 0x85eb_ca6b) ^ Math.imul(version, 0xc2b2_ae35);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b_3c6d);
  return (hash ^ (hash >>> 12)) & (PATTERN_BYTES - 1);
}

/** The bytes of a file from `offset` on, all of one version, into dst[dstOffset …]. */
export function fillBytes(
  file: number,
  version: number,
  offset: number,
  dst: Uint8Array,
  dstOffset: number,
  length: number,
): void {
  const pattern = patternBytes();
  for (let done = 0; done < length; ) {
    const page = Math.floor((offset + done) / PAGE_SIZE);
    const within = offset + done - page * PAGE_SIZE;
    const bytes = Math.min(PAGE_SIZE - within, length - done);
    const start = placeOf(file, page, version) + within;
    dst.set(pattern.subarray(start, start + bytes), dstOffset + done);
    done += bytes;
  }
}

/**
 * Versions of a page's bytes: one number, or pairs (end, version) of parts in order; the last ends
 * with the page.
 */
type Versions = number | readonly number[];

interface Written {
  /** Of its pages, those that were written. */
  readonly pages: Map<number, Versions>;
  version: number;
}

/** What all files hold now, as the trace has changed them. */
export class TraceContents {
  /** Bytes of each file; 0 where there is none. */
  readonly sizes: Float64Array;
  /** Up to where the bytes are those of the start. */
  readonly #original: Float64Array;
  readonly #written: (Written | undefined)[];
  /** An operation on it has failed: what it holds is not known. */
  readonly #isUnsure: Uint8Array;
  readonly #pattern = patternBytes();

  constructor(files: readonly RecordedFile[]) {
    this.sizes = Float64Array.from(files, ({ size }) => size);
    this.#original = Float64Array.from(this.sizes);
    this.#written = new Array<Written | undefined>(files.length);
    this.#isUnsure = new Uint8Array(files.length);
  }

  /** Bytes that a read of so many must return; undefined when it is not known. */
  lengthOf(file: number, offset: number, length: number): number | undefined {
    if (this.#isUnsure[file] !== 0) return undefined;
    return Math.max(0, Math.min(length, this.sizes[file]! - offset));
  }

  /** What is not known is not compared from now on. */
  forget(file: number): void {
    this.#isUnsure[file] = 1;
  }

  /**
   * Compares the first `length` bytes with what a file has from `offset` on. Returns -1, or the
   * position of the page that differs, counted from `offset`.
   */
  differenceOf(file: number, offset: number, length: number, bytes: Uint8Array): number {
    if (this.#isUnsure[file] !== 0) return -1;
    const written = this.#written[file];
    const original = this.#original[file]!;
    for (let done = 0; done < length; ) {
      const page = Math.floor((offset + done) / PAGE_SIZE);
      const within = offset + done - page * PAGE_SIZE;
      const some = Math.min(PAGE_SIZE - within, length - done);
      const versions = written?.pages.get(page);
      const isEqual =
        versions === undefined && offset + done + some <= original
          ? equalBytes(bytes, done, this.#pattern, placeOf(file, page, FIRST_VERSION) + within, some)
          : this.#equals(file, page, versions ?? this.#versionsAtStart(file, page), within, some, bytes, done);
      if (!isEqual) return done;
      done += some;
    }
    return -1;
  }

  /** The bytes that a write stores from `offset` on. They are the file's from now on. */
  wrote(file: number, offset: number, length: number, dst: Uint8Array): void {
    if (length === 0) return;
    const written = (this.#written[file] ??= { pages: new Map(), version: FIRST_VERSION });
    const version = ++written.version;
    fillBytes(file, version, offset, dst, 0, length);
    for (let page = Math.floor(offset / PAGE_SIZE); page * PAGE_SIZE < offset + length; page++) {
      const from = Math.max(0, offset - page * PAGE_SIZE);
      const to = Math.min(PAGE_SIZE, offset + length - page * PAGE_SIZE);
      this.#set(written, file, page, from, to, version);
    }
    this.sizes[file] = Math.max(this.sizes[file]!, offset + length);
  }

  /** The file has so many bytes now: what was behind them is gone. */
  cut(file: number, size: number): void {
    this.sizes[file] = size;
    this.#original[file] = Math.min(this.#original[file]!, size);
    const written = this.#written[file];
    if (written === undefined) return;
    const whole = Math.floor(size / PAGE_SIZE);
    for (const page of [...written.pages.keys()]) if (page * PAGE_SIZE >= size) written.pages.delete(page);
    if (written.pages.has(whole)) this.#set(written, file, whole, size - whole * PAGE_SIZE, PAGE_SIZE, ZEROS);
  }

  /** The file is made anew, or has no name any more: it is empty. */
  empty(file: number): void {
    this.#isUnsure[file] = 0;
    this.cut(file, 0);
  }

  #versionsAtStart(file: number, page: number): Versions {
    const valid = this.#original[file]! - page * PAGE_SIZE;
    if (valid <= 0) return ZEROS;
    return valid >= PAGE_SIZE ? FIRST_VERSION : [valid, FIRST_VERSION, PAGE_SIZE, ZEROS];
  }

  #set({ pages }: Written, file: number, page: number, from: number, to: number, version: number): void {
    if (from === 0 && to === PAGE_SIZE) {
      pages.set(page, version);
      return;
    }
    const before = pages.get(page) ?? this.#versionsAtStart(file, page);
    const parts = typeof before === 'number' ? [PAGE_SIZE, before] : before;
    const after: number[] = [];
    const add = (end: number, of: number): void => {
      if (end <= (after.at(-2) ?? 0)) return;
      if (after.at(-1) === of) after[after.length - 2] = end;
      else after.push(end, of);
    };
    for (let i = 0; i < parts.length; i += 2) add(Math.min(parts[i]!, from), parts[i + 1]!);
    add(to, version);
    for (let i = 0; i < parts.length; i += 2) if (parts[i]! > to) add(parts[i]!, parts[i + 1]!);
    pages.set(page, after.length === 2 ? after[1]! : after);
  }

  #equals(
    file: number,
    page: number,
    versions: Versions,
    within: number,
    length: number,
    bytes: Uint8Array,
    at: number,
  ): boolean {
    const parts = typeof versions === 'number' ? [PAGE_SIZE, versions] : versions;
    let from = within;
    for (let i = 0; i < parts.length && from < within + length; i += 2) {
      const end = Math.min(parts[i]!, within + length);
      if (end <= from) continue;
      const version = parts[i + 1]!;
      const start = at + from - within;
      const isEqual =
        version === ZEROS
          ? isZero(bytes, start, start + end - from)
          : equalBytes(bytes, start, this.#pattern, placeOf(file, page, version) + from, end - from);
      if (!isEqual) return false;
      from = end;
    }
    return true;
  }
}
