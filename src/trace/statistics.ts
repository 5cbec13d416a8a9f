/** What a trace has in it: operations, pages and bytes, in all and of each file. */

import {
  isAccess,
  isReading,
  OPERATIONS,
  type OperationBatch,
  type OperationName,
  type OperationSink,
  type TraceFile,
} from './operations.ts';
import { PageSet } from './page-set.ts';

const PAGE = 4096;

/** A file, and what the trace does to it. */
export interface FileUse extends TraceFile {
  /** Its number in the trace. */
  readonly number: number;
  readonly operations: number;
  /** Different pages that are read or written. */
  readonly pages: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

/** Counts the operations that it is given. */
export class TraceStatistics implements OperationSink {
  readonly #files: TraceFile[] = [];
  readonly #pages = new PageSet();
  /** By number of the file. */
  #uses = {
    operations: new Float64Array(64),
    pages: new Float64Array(64),
    read: new Float64Array(64),
    written: new Float64Array(64),
  };
  readonly #kinds = new Float64Array(OPERATIONS.length);
  #bytesRead = 0;
  #bytesWritten = 0;
  #accesses = 0;

  file(file: TraceFile): void {
    this.#files.push(file);
    if (this.#files.length <= this.#uses.operations.length) return;
    const grown = (column: Float64Array): Float64Array<ArrayBuffer> => {
      const larger = new Float64Array(2 * column.length);
      larger.set(column);
      return larger;
    };
    const { operations, pages, read, written } = this.#uses;
    this.#uses = { operations: grown(operations), pages: grown(pages), read: grown(read), written: grown(written) };
  }

  operations({ count, kind, file, offset, length }: OperationBatch): void {
    const { operations, pages, read, written } = this.#uses;
    for (let i = 0; i < count; i++) {
      const of = kind[i]!;
      this.#kinds[of]!++;
      const number = file[i]!;
      if (number < this.#files.length) operations[number]!++;
      if (!isAccess(of)) continue;
      const isRead = isReading(of);
      const bytes = length[i]!;
      if (isRead) {
        this.#bytesRead += bytes;
        read[number]! += bytes;
      } else {
        this.#bytesWritten += bytes;
        written[number]! += bytes;
      }
      const last = Math.floor((offset[i]! + bytes - 1) / PAGE);
      for (let page = Math.floor(offset[i]! / PAGE); page <= last; page++) {
        const known = this.#pages.count;
        this.#accesses++;
        if (this.#pages.number(number, page) === known) pages[number]!++;
      }
    }
  }

  get bytesRead(): number {
    return this.#bytesRead;
  }

  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  /** Pages of all reads and writes. */
  get pageAccesses(): number {
    return this.#accesses;
  }

  /** Different pages of all reads and writes. */
  get distinctPages(): number {
    return this.#pages.count;
  }

  /** Operations of each kind. */
  get kinds(): Readonly<Record<OperationName, number>> {
    return Object.fromEntries(OPERATIONS.map((name, kind) => [name, this.#kinds[kind]!])) as Record<
      OperationName,
      number
    >;
  }

  /** The files of which most different pages are read or written; equal ones in their order. */
  largest(count: number): FileUse[] {
    const { operations, pages, read, written } = this.#uses;
    return Array.from(this.#files.keys())
      .sort((a, b) => pages[b]! - pages[a]! || a - b)
      .slice(0, count)
      .map((number) => ({
        number,
        ...this.#files[number]!,
        operations: operations[number]!,
        pages: pages[number]!,
        bytesRead: read[number]!,
        bytesWritten: written[number]!,
      }));
  }
}
