/** What a format hands its operations to: it numbers files and threads, and fills batches. */

import { OperationBatch, type OperationSink } from './operations.ts';

export class Emitter {
  /** The batch that is being filled. */
  readonly batch: OperationBatch;
  /** Operations that were added so far. */
  operations = 0;
  /** Operations whose time is before that of the one before. */
  backwards = 0;
  /** Nanoseconds from the first operation to the latest one; NaN: no time is told. */
  span = Number.NaN;
  /** The first time that is told, from which others are counted, and the last one. */
  #base = Number.NaN;
  #last = Number.NaN;
  #fileCount = 0;
  readonly #sink: OperationSink;
  readonly #threads = new Map<number, number>();
  /** The thread that was asked about last, and its number. */
  #thread = Number.NaN;
  #threadNumber = 0;

  /** @param batch an empty one */
  constructor(sink: OperationSink, batch = new OperationBatch()) {
    this.#sink = sink;
    this.batch = batch;
  }

  get fileCount(): number {
    return this.#fileCount;
  }

  get threadCount(): number {
    return Math.max(1, this.#threads.size);
  }

  /** Makes a file known. Returns its number. */
  file(name: string, isDevice: boolean, size?: number): number {
    this.#sink.file({ name, isDevice, size });
    return this.#fileCount++;
  }

  /** The number of a thread that the trace calls `id`. */
  thread(id: number): number {
    if (id === this.#thread) return this.#threadNumber;
    let number = this.#threads.get(id);
    if (number === undefined) {
      number = this.#threads.size;
      this.#threads.set(id, number);
    }
    this.#thread = id;
    return (this.#threadNumber = number);
  }

  /** Adds an operation. Times are nanoseconds since any moment; NaN: not told. */
  add(time: number, thread: number, kind: number, file: number, offset: number, length: number): void {
    if (this.batch.isFull) this.flush();
    if (time < this.#last) this.backwards++;
    if (Number.isNaN(this.#base)) this.#base = time;
    this.#last = time;
    const since = time - this.#base;
    if (!(since <= this.span)) this.span = since;
    this.batch.add(since, thread, kind, file, offset, length);
    this.operations++;
  }

  /** Hands over what the batch has. */
  flush(): void {
    if (this.batch.count === 0) return;
    this.#sink.operations(this.batch);
    this.batch.count = 0;
  }
}
