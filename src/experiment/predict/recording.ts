/**
 * A trace as a replay needs it: all operations in columns, and a survey of them. The survey tells
 * what the guest's disk has when the trace begins, and how much it grows.
 *
 * Contract: a sink of operations, in batches of any size. How they are cut changes nothing. What it
 * gives is plain data, in memory that threads share. An operation takes 37 bytes, and 4 more for
 * each page that it reads or writes.
 *
 * At the start, a file ends with the last byte that the trace reads without having written it. The
 * format or the user may tell a larger size. A file whose first operation creates it is not there.
 */

import { InputError } from '../../base/input-error.ts';
import { printable } from '../../base/printable.ts';
import { PAGE_SIZE } from '../../base/units.ts';
import {
  ALL_FILES,
  OPERATION,
  OPERATIONS,
  type OperationBatch,
  type OperationName,
  type OperationSink,
  type TraceFile,
} from '../../trace/operations.ts';
import { PageAccesses, type RecordedAccesses } from '../accesses/page-accesses.ts';
import { PagesSeen, SEEN } from './pages-seen.ts';

/** Letters of a file's name that are kept. */
const NAME_MAX = 200;
/** Places of new columns. */
const FIRST = 4096;
/** Operations at most: what columns of eight bytes hold. */
const MOST_OPERATIONS = 2 ** 28;
/** Bytes of one operation at most. */
const LENGTH_MAX = 2 ** 31;
/** Bytes of a file at most: ext2 counts what a file has in sectors, in 32 bits. */
export const FILE_MAX = 2 ** 41 - 2 ** 32;
/** Above this, only the pages of large files that the trace touches are on the disk. */
const MAPPED_MAX = 32 * 2 ** 30;
/** Files below this are on the disk as a whole. */
const LARGE = 2 ** 20;
/** Pages that are mapped together: what readahead may ask for. */
const WINDOW_PAGES = 32;

/** No further operation of its thread. */
export const NO_OPERATION = 0xffff_ffff;

/** A file of the trace. */
export interface RecordedFile {
  /** Printable. */
  readonly name: string;
  /** Whether it is there when the trace begins. */
  readonly exists: boolean;
  /** Its size then, bytes. */
  readonly size: number;
  /** Pages that the trace writes before it reads them: it may need room for so many more. */
  readonly newPages: number;
  /** Blocks that it has on the disk, as pairs (first, count); undefined: all. */
  readonly runs: readonly number[] | undefined;
}

/** Requests of a thread to devices that are under way at once, at most. */
export const MOST_DEPTH = 256;
/** The same by default, of requests with times: what a drive of SATA queues. */
const DEPTH_OF_TIMES = 32;

/** What a recorder is told besides the trace. */
export interface RecorderOptions {
  /** What the user knows of sizes; nothing by default. */
  readonly sizeOf?: SizeOf | undefined;
  /** Whether accesses by page have times; by default not. */
  readonly withTimes?: boolean;
  /**
   * Requests of a thread to devices that may be under way at once, 1 to MOST_DEPTH; by default 32
   * where they have times, else 1.
   */
  readonly depth?: number | undefined;
}

/** Bytes of a file at the start, by its name; undefined: not known. */
export type SizeOf = (name: string) => number | undefined;

/** Operations, a column each, in memory that threads share. */
export interface OperationColumns {
  readonly count: number;
  /** Nanoseconds from the first operation on, ascending; NaN: the format tells no time. */
  readonly time: Float64Array;
  readonly thread: Uint32Array;
  readonly kind: Uint8Array;
  readonly file: Uint32Array;
  readonly offset: Float64Array;
  readonly length: Uint32Array;
  /** The next operation of the same thread, or NO_OPERATION. */
  readonly next: Uint32Array;
  /**
   * How many operations of its file must have ended. One that changes the file waits for all before
   * it. One that reads waits for the last change.
   */
  readonly after: Uint32Array;
}

/** A trace that can be replayed. Plain data. */
export interface TraceRecording {
  readonly columns: OperationColumns;
  readonly files: readonly RecordedFile[];
  /** Of each thread, its first operation; by the number of the thread. */
  readonly firsts: Uint32Array;
  /** Its reads and writes, by page. Times of accesses are there where they were asked for. */
  readonly accesses: RecordedAccesses;
  /** Of each page its place when all are sorted by file, and by index in it. */
  readonly filePlaces: Uint32Array;
  readonly byKind: Readonly<Record<OperationName, number>>;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Whether each operation has a time. */
  readonly hasTimes: boolean;
  /** From the first operation to the last, ns; 0 without times. */
  readonly spanNs: number;
  /** Operations that no guest could carry out: out of range. */
  readonly leftOut: number;
  /** Requests of a thread to devices that may be under way at once; 1 where there is no device. */
  readonly depth: number;
}

interface FileState {
  readonly name: string;
  readonly isDevice: boolean;
  exists: boolean;
  size: number;
  /** Where the trace has cut it. Bytes behind it were not there at the start. */
  cutAt: number;
  /** Up to where it was written, bytes. */
  grownTo: number;
  newPages: number;
  /** Operations so far, and of these the last that changes it, counted from 1. */
  operations: number;
  lastChange: number;
  isTouched: boolean;
}

const shared = (bytes: number): SharedArrayBuffer => new SharedArrayBuffer(bytes);

/** Columns that grow. */
const columnsOf = (places: number) => ({
  time: new Float64Array(shared(places * 8)),
  thread: new Uint32Array(shared(places * 4)),
  kind: new Uint8Array(shared(places)),
  file: new Uint32Array(shared(places * 4)),
  offset: new Float64Array(shared(places * 8)),
  length: new Uint32Array(shared(places * 4)),
  next: new Uint32Array(shared(places * 4)),
  after: new Uint32Array(shared(places * 4)),
});

const CHANGES: ReadonlySet<number> = new Set([OPERATION.write, OPERATION.truncate, OPERATION.unlink, OPERATION.create]);

export class Recorder implements OperationSink {
  #columns = columnsOf(FIRST);
  #count = 0;
  readonly #files: FileState[] = [];
  readonly #pages = new PagesSeen();
  readonly #accesses: PageAccesses;
  readonly #threads = new Map<number, { readonly number: number; last: number }>();
  readonly #firsts: number[] = [];
  readonly #byKind = Object.fromEntries(OPERATIONS.map((name) => [name, 0])) as Record<OperationName, number>;
  readonly #sizeOf: SizeOf;
  readonly #askedDepth: number | undefined;
  #depth = 1;
  /** Of each thread of the trace, its requests to devices so far. */
  readonly #requests = new Map<number, number>();
  #bytesRead = 0;
  #bytesWritten = 0;
  #hasTimes = true;
  #lastTime = 0;
  #leftOut = 0;

  constructor({ sizeOf = () => undefined, withTimes = false, depth }: RecorderOptions = {}) {
    this.#sizeOf = sizeOf;
    this.#askedDepth = depth;
    this.#accesses = new PageAccesses(withTimes, this.#pages.set);
  }

  file({ name, size = 0, isDevice }: TraceFile): void {
    const known = this.#sizeOf(name);
    this.#files.push({
      name: printable(name.slice(0, NAME_MAX)),
      isDevice,
      exists: known !== undefined,
      size: checkSize(name, Math.max(size, known ?? 0)),
      cutAt: Infinity,
      grownTo: 0,
      newPages: 0,
      operations: 0,
      lastChange: 0,
      isTouched: known !== undefined,
    });
  }

  operations(batch: OperationBatch): void {
    for (let i = 0; i < batch.count; i++) {
      const [kind, file, offset, length] = [batch.kind[i]!, batch.file[i]!, batch.offset[i]!, batch.length[i]!];
      if (this.#isPossible(kind, file, offset, length)) {
        this.#add(batch.time[i]!, batch.thread[i]!, kind, file, offset, length);
        this.#survey(kind, file, offset, length, batch.time[i]!);
      } else this.#leftOut++;
    }
  }

  /** @throws InputError for a trace without an operation, or for files that no disk can have */
  end(): TraceRecording {
    const count = this.#count;
    if (count === 0) throw new InputError('the trace has no operation that can be replayed');
    const all = this.#columns;
    const columns = {
      count,
      ...{ time: all.time.subarray(0, count), thread: all.thread.subarray(0, count) },
      ...{ kind: all.kind.subarray(0, count), file: all.file.subarray(0, count) },
      ...{ offset: all.offset.subarray(0, count), length: all.length.subarray(0, count) },
      ...{ next: all.next.subarray(0, count), after: all.after.subarray(0, count) },
    };
    return {
      columns,
      files: this.#recordedFiles(),
      firsts: Uint32Array.from(this.#firsts),
      accesses: this.#accesses.recorded,
      filePlaces: this.#accesses.filePlaces(),
      byKind: this.#byKind,
      bytesRead: this.#bytesRead,
      bytesWritten: this.#bytesWritten,
      hasTimes: this.#hasTimes,
      spanNs: this.#hasTimes ? this.#lastTime : 0,
      leftOut: this.#leftOut,
      depth: this.#depth,
    };
  }

  #isPossible(kind: number, file: number, offset: number, length: number): boolean {
    if (kind >= OPERATIONS.length) return false;
    if (file === ALL_FILES) return kind === OPERATION.sync;
    return (
      file < this.#files.length &&
      Number.isSafeInteger(offset) &&
      Number.isSafeInteger(length) &&
      offset >= 0 &&
      length >= 0 &&
      length <= LENGTH_MAX &&
      offset + length <= FILE_MAX
    );
  }

  #add(time: number, thread: number, kind: number, file: number, offset: number, length: number): void {
    if (this.#count === this.#columns.time.length) this.#grow();
    const at = this.#count++;
    const columns = this.#columns;
    if (Number.isNaN(time)) this.#hasTimes = false;
    else this.#lastTime = Math.max(this.#lastTime, time);
    columns.time[at] = Number.isNaN(time) ? NaN : this.#lastTime;
    columns.kind[at] = kind;
    columns.file[at] = file;
    columns.offset[at] = offset;
    columns.length[at] = length;
    columns.next[at] = NO_OPERATION;
    const asker = thread * MOST_DEPTH + this.#placeOf(time, thread, file);
    const known = this.#threads.get(asker);
    if (known === undefined) {
      columns.thread[at] = this.#firsts.length;
      this.#threads.set(asker, { number: this.#firsts.length, last: at });
      this.#firsts.push(at);
    } else {
      columns.thread[at] = known.number;
      columns.next[known.last] = at;
      known.last = at;
    }
    if (file === ALL_FILES) return;
    const state = this.#files[file]!;
    columns.after[at] = CHANGES.has(kind) ? state.operations : state.lastChange;
    state.operations++;
    if (CHANGES.has(kind)) state.lastChange = state.operations;
  }

  /** Requests to devices take turns at as many places as may be under way at once. */
  #placeOf(time: number, thread: number, file: number): number {
    if (file === ALL_FILES || !this.#files[file]!.isDevice) return 0;
    const depth = this.#askedDepth ?? (Number.isNaN(time) ? 1 : DEPTH_OF_TIMES);
    this.#depth = Math.max(this.#depth, depth);
    const request = this.#requests.get(thread) ?? 0;
    this.#requests.set(thread, request + 1);
    return request % depth;
  }

  #survey(kind: number, file: number, offset: number, length: number, time: number): void {
    this.#byKind[OPERATIONS[kind]!]++;
    if (file === ALL_FILES) return;
    const state = this.#files[file]!;
    if (!state.isTouched) state.exists = kind !== OPERATION.create;
    state.isTouched = true;
    switch (kind) {
      case OPERATION.read:
        this.#bytesRead += length;
        if (length > 0) this.#read(state, file, offset, offset + length, time);
        return;
      case OPERATION.fault:
        this.#bytesRead += length;
        this.#faulted(state, file, offset, offset + length, time);
        return;
      case OPERATION.write:
        this.#bytesWritten += length;
        if (length > 0) this.#wrote(state, file, offset, offset + length, time);
        return;
      case OPERATION.truncate:
        state.cutAt = Math.min(state.cutAt, offset);
        state.grownTo = Math.max(state.grownTo, offset);
        return;
      case OPERATION.create:
      case OPERATION.unlink:
        state.cutAt = 0;
        return;
      default:
    }
  }

  #read(state: FileState, file: number, start: number, end: number, time: number): void {
    for (let page = Math.floor(start / PAGE_SIZE); page * PAGE_SIZE < end; page++) {
      const had = this.#access(file, page, SEEN.read, time);
      if ((had & SEEN.written) !== 0) continue;
      const last = Math.min(end, (page + 1) * PAGE_SIZE, state.cutAt);
      if (last > Math.max(state.size, start)) state.size = last;
    }
  }

  /** Whole pages: a file that is known to end in the last of them is not longer for it. */
  #faulted(state: FileState, file: number, start: number, end: number, time: number): void {
    const endsInLast = state.size > end - PAGE_SIZE && state.size < end;
    if (end > start) this.#read(state, file, start, endsInLast ? state.size : end, time);
  }

  #wrote(state: FileState, file: number, start: number, end: number, time: number): void {
    const appends = start >= Math.max(state.cutAt === Infinity ? state.size : 0, state.grownTo);
    for (let page = Math.floor(start / PAGE_SIZE); page * PAGE_SIZE < end; page++) {
      const isWhole = start <= page * PAGE_SIZE && end >= (page + 1) * PAGE_SIZE;
      const mark = appends || isWhole ? SEEN.written : SEEN.read;
      if (this.#access(file, page, mark, time) === 0) state.newPages++;
    }
    state.grownTo = Math.max(state.grownTo, end);
  }

  /** Returns what had been done to the page. */
  #access(file: number, page: number, mark: number, time: number): number {
    const number = this.#pages.set.number(file, page);
    this.#accesses.add(number, time);
    return this.#pages.add(number, mark);
  }

  #recordedFiles(): RecordedFile[] {
    const isPartly = this.#files.reduce((sum, { size, exists }) => sum + (exists ? size : 0), 0) > MAPPED_MAX;
    const large = new Set<number>();
    for (const [n, { size, exists }] of this.#files.entries()) if (isPartly && exists && size >= LARGE) large.add(n);
    const touched = large.size === 0 ? undefined : this.#pages.pagesOf(large);
    return this.#files.map(({ name, exists, size, newPages }, n) => ({
      ...{ name, exists, size: exists ? size : 0, newPages },
      runs: large.has(n) ? runsOf(touched?.get(n) ?? new Float64Array(0), size) : undefined,
    }));
  }

  #grow(): void {
    if (this.#count >= MOST_OPERATIONS) throw new InputError(`the trace has more than ${MOST_OPERATIONS} operations`);
    const old = this.#columns;
    this.#columns = columnsOf(this.#count * 2);
    for (const name of Object.keys(old) as (keyof typeof old)[]) this.#columns[name].set(old[name]);
  }
}

function checkSize(name: string, size: number): number {
  if (size <= FILE_MAX) return size;
  throw new InputError(
    `${printable(name.slice(0, NAME_MAX))}: ${size} bytes are more than a file here can have, ${FILE_MAX}`,
  );
}

/** Windows of pages that hold those of the list, as pairs (first, count). */
function runsOf(pages: Float64Array, size: number): number[] {
  const runs: number[] = [];
  const end = Math.ceil(size / PAGE_SIZE);
  for (const page of pages) {
    const first = page - (page % WINDOW_PAGES);
    const last = runs.length - 2;
    if (first >= end) break;
    const count = Math.min(WINDOW_PAGES, end - first);
    if (last >= 0 && runs[last]! + runs[last + 1]! > first) continue;
    if (last >= 0 && runs[last]! + runs[last + 1]! === first) runs[last + 1]! += count;
    else runs.push(first, count);
  }
  return runs;
}
