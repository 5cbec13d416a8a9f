/**
 * What the files of a fio workload hold: the oracle of a workload that writes.
 *
 * Contract: what is written to a page depends on the file, the page and the number of the write,
 * and on nothing else. So no written byte is stored, except of pages that a write covered in part.
 * What was never written is what the disk says.
 *
 * Writes to one file end in the order in which they take effect, because the kernel does them under
 * one lock (i_sem). A read that meets writes may return, byte by byte, what was there before or
 * what any of them writes.
 */

import { equalBytes } from '../../base/bytes.ts';
import { PAGE_SIZE } from '../../base/units.ts';
import { hashOf } from '../../workload/fio-random.ts';
import type { OracleExt2 } from '../judge/oracle-ext2.ts';
import type { VerifierRecord } from '../judge/verifier.ts';

/** What a page was last given: the number of a write, or bytes; undefined: as on the disk. */
type Entry = number | Uint8Array | undefined;

/** A write that is under way. */
interface Write {
  readonly position: number;
  readonly length: number;
  readonly number: number;
}

/** A read that is under way. */
export interface ReadUnderWay {
  readonly position: number;
  readonly length: number;
  readonly before: Entry[];
  readonly meets: Write[];
}

export class FioContents {
  readonly path: string;
  readonly #id: number;
  readonly #oracle: () => OracleExt2;
  readonly #record: VerifierRecord;
  readonly #entries = new Map<number, Exclude<Entry, undefined>>();
  readonly #writes = new Set<Write>();
  readonly #reads = new Set<ReadUnderWay>();
  readonly #page = new Uint8Array(PAGE_SIZE);
  readonly #other = new Uint8Array(PAGE_SIZE);
  /** On the disk; undefined: the file is not there yet, or nothing of it is asked for. */
  #ino: number | undefined;
  /** The inode, for messages. */
  #named = 0;
  #size: number;
  #numbers = 0;

  /** @param id differs between files */
  constructor(
    path: string,
    id: number,
    ino: number | undefined,
    size: number,
    oracle: () => OracleExt2,
    record: VerifierRecord,
  ) {
    this.path = path;
    this.#id = id;
    this.#ino = ino;
    this.#size = size;
    this.#oracle = oracle;
    this.#record = record;
  }

  /** The file is made: its inode. */
  made(ino: number): void {
    this.#named = ino;
  }

  /** Bytes that the file has. */
  get size(): number {
    return this.#size;
  }

  /** A write begins: fills the buffer with its bytes. */
  write(position: number, length: number, buffer: Uint8Array): Write {
    const write = { position, length, number: ++this.#numbers };
    this.#writes.add(write);
    for (const read of this.#reads) if (overlaps(read, write)) read.meets.push(write);
    eachPage(position, length, (index, from, to) => {
      this.#keepBase(index);
      this.#fill(write.number, index, this.#page);
      buffer.set(this.#page.subarray(from, to), index * PAGE_SIZE + from - position);
    });
    return write;
  }

  /** A write has ended, after so many of its bytes. */
  written(write: Write, bytes: number): void {
    this.#writes.delete(write);
    eachPage(write.position, bytes, (index, from, to) => {
      if (to - from === PAGE_SIZE) this.#entries.set(index, write.number);
      else {
        const page = new Uint8Array(PAGE_SIZE);
        this.#expect(this.#entries.get(index), index, page);
        this.#fill(write.number, index, this.#page);
        page.set(this.#page.subarray(from, to), from);
        this.#entries.set(index, page);
      }
    });
    this.#size = Math.max(this.#size, write.position + bytes);
  }

  /** A read begins. */
  read(position: number, length: number): ReadUnderWay {
    const before: Entry[] = [];
    eachPage(position, length, (index) => before.push(this.#entries.get(index)));
    const read = { position, length, before, meets: [] as Write[] };
    for (const write of this.#writes) if (overlaps(read, write)) read.meets.push(write);
    this.#reads.add(read);
    return read;
  }

  /** A read has ended: it returned the buffer's first bytes. Each is compared. */
  wasRead(read: ReadUnderWay, bytes: number, buffer: Uint8Array): void {
    this.#reads.delete(read);
    const { position, length, before, meets } = read;
    this.#record.bytes += bytes;
    if (position + bytes > this.#size || (bytes < length && position + bytes < this.#size))
      this.#note(`read ${bytes} of ${length} bytes at ${position}, of ${this.#size}`, position);
    const first = Math.floor(position / PAGE_SIZE);
    eachPage(position, bytes, (index, from, to) => {
      const at = index * PAGE_SIZE + from - position;
      this.#expect(before[index - first], index, this.#page);
      if (equalBytes(buffer, at, this.#page, from, to - from)) return;
      const wrong = this.#firstWrong(buffer.subarray(at, at + to - from), index, from, meets);
      if (wrong >= 0) this.#note(`byte ${index * PAGE_SIZE + wrong} was read wrong`, index * PAGE_SIZE);
    });
  }

  /**
   * Compares with the disk what was written, once a guest is gone. What differs counts as what the
   * disk has from now on.
   * @param ino of the file on the disk now; undefined: it is not there
   * @param isLossy pages may be lost: they are no mismatches
   * @returns bytes of pages that differ
   */
  settle(ino: number | undefined, size: number, isLossy: boolean): number {
    let lost = 0;
    this.#ino = ino;
    for (const [index, entry] of this.#entries) {
      const bytes = Math.min(PAGE_SIZE, this.#size - index * PAGE_SIZE);
      this.#expect(entry, index, this.#page);
      if (ino === undefined) this.#other.fill(0);
      else this.#oracle().readPage(ino, index, this.#other, 0);
      const isThere = ino !== undefined && index * PAGE_SIZE + bytes <= size;
      if (isThere && equalBytes(this.#page, 0, this.#other, 0, bytes)) continue;
      lost += bytes;
      this.#entries.delete(index);
      if (!isLossy) this.#note(`page ${index} is not on the disk as it was written`, index * PAGE_SIZE);
    }
    this.#size = ino === undefined ? 0 : size;
    return lost;
  }

  /** The first byte of a page, from `from` on, that no candidate has; -1 when there is none. */
  #firstWrong(actual: Uint8Array, index: number, from: number, meets: readonly Write[]): number {
    const isRight = actual.map((byte, at) => (byte === this.#page[from + at] ? 1 : 0));
    for (const { position, length, number } of meets) {
      this.#fill(number, index, this.#other);
      for (let at = 0; at < actual.length; at++) {
        const place = index * PAGE_SIZE + from + at;
        const isWritten = place >= position && place < position + length;
        if (isWritten && actual[at] === this.#other[from + at]) isRight[at] = 1;
      }
    }
    const wrong = isRight.indexOf(0);
    return wrong < 0 ? -1 : from + wrong;
  }

  /** Copies a page of the disk that is about to change, and what reads under way expect of it. */
  #keepBase(index: number): void {
    if (this.#ino === undefined || this.#entries.has(index)) return;
    const page = new Uint8Array(PAGE_SIZE);
    this.#expect(undefined, index, page);
    this.#entries.set(index, page);
    for (const { position, before } of this.#reads) {
      const at = index - Math.floor(position / PAGE_SIZE);
      if (at >= 0 && at < before.length) before[at] ??= page;
    }
  }

  #expect(entry: Entry, index: number, dst: Uint8Array): void {
    if (typeof entry === 'number') this.#fill(entry, index, dst);
    else if (entry !== undefined) dst.set(entry);
    else if (this.#ino === undefined) dst.fill(0);
    else this.#oracle().readPage(this.#ino, index, dst, 0);
  }

  /** What a write gives a page. */
  #fill(number: number, index: number, dst: Uint8Array): void {
    let word = hashOf(hashOf(hashOf(this.#id) ^ index) ^ number);
    for (let at = 0; at < PAGE_SIZE; at += 4) {
      word = (Math.imul(word, 1_664_525) + 1_013_904_223) | 0;
      dst[at] = word >>> 24;
      dst[at + 1] = word >>> 16;
      dst[at + 2] = word >>> 8;
      dst[at + 3] = at;
    }
  }

  #note(what: string, position: number): void {
    const index = Math.floor(position / PAGE_SIZE);
    this.#record.note({ what: `${this.path}: ${what}`, ino: this.#ino ?? this.#named, index, block: 0 });
  }
}

const overlaps = (a: { readonly position: number; readonly length: number }, b: Write): boolean =>
  a.position < b.position + b.length && b.position < a.position + a.length;

/** Calls `visit` with each page of a range, and the bytes of it that are in the range. */
function eachPage(position: number, length: number, visit: (index: number, from: number, to: number) => void): void {
  for (let at = position; at < position + length; ) {
    const index = Math.floor(at / PAGE_SIZE);
    const end = Math.min(position + length, (index + 1) * PAGE_SIZE);
    visit(index, at - index * PAGE_SIZE, end - index * PAGE_SIZE);
    at = end;
  }
}
