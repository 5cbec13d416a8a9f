/**
 * What a trace is to all who read it: operations on files, in the order of the trace, in batches of
 * typed arrays. A block trace is one on a device, which is a file without a name of its own.
 */

/**
 * What an operation does. The numbers are those of `OperationBatch.kind`. A `fault` reads whole
 * pages through a mapping of the file.
 */
export const OPERATIONS = ['open', 'read', 'write', 'sync', 'truncate', 'unlink', 'create', 'fault'] as const;

/** Kinds of operation, by name. */
export type OperationName = (typeof OPERATIONS)[number];

/** The number of each kind. */
export const OPERATION: Readonly<Record<OperationName, number>> = Object.fromEntries(
  OPERATIONS.map((name, number) => [name, number]),
) as Record<OperationName, number>;

/** Whether a kind of operation reads pages: by a call, or by a fault. */
export const isReading = (kind: number): boolean => kind === OPERATION.read || kind === OPERATION.fault;

/** Whether it reads or writes the pages of its range. */
export const isAccess = (kind: number): boolean => isReading(kind) || kind === OPERATION.write;

/** The file of an operation that is on all files, as the system call `sync` is. */
export const ALL_FILES = 0xffff_ffff;

/** Operations that a batch holds. */
const BATCH = 4096;

/** Operations in a row, a column each. The first `count` of each column are used. */
export class OperationBatch {
  count = 0;
  /**
   * Nanoseconds since the first operation of the trace; NaN where the format tells no time. They
   * are as told: where calls overlap, a time may be before the one that precedes it.
   */
  readonly time = new Float64Array(BATCH);
  /** Threads, numbered from 0 in the order in which they appear; 0 where the format has none. */
  readonly thread = new Uint32Array(BATCH);
  /** `OPERATION`. */
  readonly kind = new Uint8Array(BATCH);
  /** Numbers of files, from 0 in the order in which they appear, or ALL_FILES. */
  readonly file = new Uint32Array(BATCH);
  /** The first byte, from 0; of `truncate`, the new size in bytes. */
  readonly offset = new Float64Array(BATCH);
  /** Bytes; 0 for what has no range. */
  readonly length = new Float64Array(BATCH);

  /** Whether no further operation has room. */
  get isFull(): boolean {
    return this.count === BATCH;
  }

  /** Adds an operation. The batch must not be full. */
  add(time: number, thread: number, kind: number, file: number, offset: number, length: number): void {
    const at = this.count++;
    this.time[at] = time;
    this.thread[at] = thread;
    this.kind[at] = kind;
    this.file[at] = file;
    this.offset[at] = offset;
    this.length[at] = length;
  }
}

/**
 * A file of a trace. A name may come again: what is created under the name of an unlinked file is
 * another file.
 */
export interface TraceFile {
  /** Its path, a device, or a number, as the trace says. */
  readonly name: string;
  /** Whether it is a block device or a volume of one, rather than a file. */
  readonly isDevice: boolean;
  /** Its size in bytes when the trace begins, where the format tells it. */
  readonly size: number | undefined;
}

/** Who takes what a reader finds. The batch is valid during the call only. */
export interface OperationSink {
  /** Files come in the order of their numbers, each before its first operation. */
  file(file: TraceFile): void;
  operations(batch: OperationBatch): void;
}
