/**
 * A pool of threads that do the runs of an experiment (../worker.ts), in a thread of its own. The
 * program waits for it without an event loop (threads.ts).
 *
 * A run begins when a thread is free and there is memory for it. Those that need most begin first:
 * they take longest, and the last ones are short. The order does not matter to the outcome. After
 * a failure, only runs before the failed one in the list are done, so that the failure which is
 * told is always the same.
 *
 * The first thread opens the disk, and the others are given it. Where they have to open it
 * themselves, one that is not the same in all threads has changed meanwhile.
 */

import { getHeapStatistics } from 'node:v8';
import { Worker, type MessagePort } from 'node:worker_threads';
import { InputError, UserError } from '../../base/index.ts';
import type { Progress } from '../../experiment/guest/progress.ts';
import { Shares, type DiskSummary, type Runs } from '../../experiment/guest/runs.ts';
import type { SharedDisk } from '../../experiment/guest/shared-disk.ts';
import { plain, type PlainError } from './plain-error.ts';

/** Experiments by their names. */
export type RunsByName = Readonly<Record<string, Runs<never, unknown, unknown>>>;

/** What a thread begins with that does runs. */
export interface WorkerInput {
  readonly role: 'worker';
  /** Of the experiment. */
  readonly name: string;
  readonly options: unknown;
}

/** What the pool asks such a thread for. */
export type Order =
  | { readonly kind: 'open'; readonly shared: SharedDisk | undefined }
  | { readonly kind: 'run'; readonly index: number }
  | { readonly kind: 'check' };

/** What the pool is told. */
export type WorkerMessage =
  | { readonly kind: 'importing' }
  | { readonly kind: 'opening'; readonly progress: Progress }
  | { readonly kind: 'open'; readonly disk: DiskSummary; readonly shared: SharedDisk | undefined }
  | { readonly kind: 'progress'; readonly phase: string; readonly share: number }
  | { readonly kind: 'done'; readonly part: unknown }
  | { readonly kind: 'checked' }
  | { readonly kind: 'failed'; readonly error: PlainError };

/** How long a thread may be silent before it is ended, and whose mistake that is. */
export interface Patience {
  readonly ms: number;
  /** What has no end when a thread is silent: a file of the user's. */
  readonly blamed: string;
  /** What each run does, in the order of the list. */
  readonly runs: readonly string[];
}

export interface PoolInput {
  readonly role: 'pool';
  /** The module that a thread begins with. */
  readonly entry: string;
  /** Of the experiment. */
  readonly name: string;
  readonly options: unknown;
  /** Threads, at most. */
  readonly jobs: number;
  /** Whether the program wants the result of each run when it ends. */
  readonly tellsParts: boolean;
  /** None when a thread may be silent for ever. */
  readonly patience: Patience | undefined;
  /** Bytes of memory that runs at the same time may touch; one run may exceed it. */
  readonly budget: number;
  readonly port: MessagePort;
  /** Rung when the port has got a message. */
  readonly bell: Int32Array;
}

/** What the pool tells the program. */
export type PoolMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'progress'; readonly progress: Progress }
  | { readonly kind: 'part'; readonly index: number; readonly part: unknown }
  | { readonly kind: 'outcome'; readonly outcome: unknown }
  | { readonly kind: 'failed'; readonly error: PlainError };

const MIB = 1 << 20;
/** Room for what a run drops soon, MiB: less work for the host's collector. */
const YOUNG_MIB = 64;

/**
 * What a thread may take that touches so much memory. Where arrays outside the heap take half of
 * its limit, the engine collects all that it can, compiled code included.
 */
export const resourceLimitsOf = (bytes: number) => ({
  maxOldGenerationSizeMb: Math.ceil((2 * bytes + getHeapStatistics().heap_size_limit) / MIB),
  maxYoungGenerationSizeMb: YOUNG_MIB,
});

export function runPool(input: PoolInput, experiments: RunsByName): void {
  const { port, bell } = input;
  const tell = (message: PoolMessage): void => {
    port.postMessage(message);
    Atomics.add(bell, 0, 1);
    Atomics.notify(bell, 0);
  };
  tell({ kind: 'ready' });
  new Pool(input, experiments, tell).begin();
}

const ended = (status: number, patience: Patience | undefined): Error =>
  patience === undefined
    ? new Error(`a thread has ended, status ${status}`)
    : new InputError(`${patience.blamed}: it has ended its thread, status ${status}`);

interface Thread {
  readonly worker: Worker;
  /** The run that it does. */
  run: number | undefined;
  isOpen: boolean;
  /** When it was last heard, or told to do something, ms. It takes its time to begin. */
  heardMs: number;
}

/** How often silent threads are looked for in the time that they have. */
const LOOKS = 8;

class Pool {
  readonly #input: PoolInput;
  readonly #experiment: Runs<never, unknown, unknown>;
  readonly #tell: (message: PoolMessage) => void;
  readonly #bytes: readonly number[];
  readonly #shares: Shares;
  /** Runs that have not begun, the next one last. */
  readonly #waiting: number[];
  readonly #parts = new Map<number, unknown>();
  readonly #threads: Thread[] = [];
  #disk: DiskSummary | undefined;
  #checked = 0;
  #failure: { readonly run: number; readonly error: PlainError } | undefined;
  #isOver = false;

  constructor(input: PoolInput, experiments: RunsByName, tell: (message: PoolMessage) => void) {
    this.#input = input;
    this.#experiment = experiments[input.name]!;
    this.#tell = tell;
    this.#bytes = this.#experiment.bytesOf(input.options as never);
    this.#shares = new Shares(this.#bytes.length, (progress) => tell({ kind: 'progress', progress }));
    this.#waiting = [...this.#bytes.keys()].sort((a, b) => this.#bytes[a]! - this.#bytes[b]! || b - a);
  }

  begin(): void {
    const { entry, name, options, jobs } = this.#input;
    const workerData: WorkerInput = { role: 'worker', name, options };
    const resourceLimits = resourceLimitsOf(Math.max(...this.#bytes));
    for (let n = 0; n < jobs; n++) {
      const thread: Thread = {
        // What a user's program prints goes to standard error, as in `threadFor`.
        worker: new Worker(new URL(entry), { workerData, resourceLimits, stdout: true }),
        run: undefined,
        isOpen: false,
        heardMs: Infinity,
      };
      this.#threads.push(thread);
      thread.worker.stdout.on('data', (text: Uint8Array) => process.stderr.write(text));
      thread.worker.on('message', (message: WorkerMessage) => this.#heard(thread, message));
      // It is out of memory, or the host has refused it something: a failure of no run.
      thread.worker.on('error', (error) => this.#fail(-1, plain(error)));
      thread.worker.on('exit', (status) => this.#fail(-1, plain(ended(status, this.#input.patience))));
    }
    this.#order(this.#threads[0]!, { kind: 'open', shared: undefined });
    const { patience } = this.#input;
    if (patience !== undefined) setInterval(() => this.#endSilent(patience), patience.ms / LOOKS).unref();
  }

  /** A thread that does not end is ended, and the pool goes on without it. */
  #endSilent({ ms, blamed, runs }: Patience): void {
    const sinceMs = performance.now() - ms;
    for (const thread of this.#threads.filter(
      ({ run, isOpen, heardMs }) => (run !== undefined || !isOpen) && heardMs < sinceMs,
    )) {
      thread.worker.removeAllListeners();
      void thread.worker.terminate();
      this.#threads.splice(this.#threads.indexOf(thread), 1);
      const what = thread.run === undefined ? 'its import' : runs[thread.run]!;
      this.#fail(thread.run ?? -1, plain(new InputError(`${blamed}: no end: ${what} did nothing for ${ms / 1000} s`)));
    }
    this.#next();
  }

  #heard(thread: Thread, message: WorkerMessage): void {
    if (this.#isOver) return;
    thread.heardMs = performance.now();
    switch (message.kind) {
      case 'importing':
        break;
      case 'opening':
        if (thread === this.#threads[0]) this.#tell({ kind: 'progress', progress: message.progress });
        break;
      case 'open':
        this.#opened(thread, message);
        break;
      case 'progress':
        if (thread.run !== undefined) this.#shares.update(thread.run, message.phase, message.share);
        break;
      case 'done':
        this.#parts.set(thread.run!, message.part);
        if (this.#input.tellsParts) this.#tell({ kind: 'part', index: thread.run!, part: message.part });
        this.#shares.done(thread.run!);
        thread.run = undefined;
        this.#next();
        break;
      case 'checked':
        if (++this.#checked === this.#threads.length) this.#merge();
        break;
      case 'failed':
        this.#fail(thread.run ?? -1, message.error);
        thread.run = undefined;
        this.#next();
        break;
    }
  }

  #opened(thread: Thread, { disk, shared }: WorkerMessage & { kind: 'open' }): void {
    if (thread === this.#threads[0])
      for (const other of this.#threads.slice(1)) this.#order(other, { kind: 'open', shared });
    this.#disk ??= disk;
    if (JSON.stringify(this.#disk) !== JSON.stringify(disk)) {
      const { path } = this.#input.options as { readonly path: string };
      this.#fail(
        -1,
        plain(new UserError(`${path}: changed while it was in use: stop what writes to it, or name a copy`)),
      );
      return;
    }
    thread.isOpen = true;
    this.#next();
  }

  /** Gives work to the threads that have none. */
  #next(): void {
    if (this.#isOver) return;
    const failed = this.#failure?.run ?? Infinity;
    for (const thread of this.#threads) {
      if (!thread.isOpen || thread.run !== undefined) continue;
      const busy = this.#threads.filter(({ run }) => run !== undefined);
      const used = busy.reduce((bytes, { run }) => bytes + this.#bytes[run!]!, 0);
      const at = this.#waiting.findLastIndex(
        (run) => run < failed && (busy.length === 0 || used + this.#bytes[run]! <= this.#input.budget),
      );
      if (at < 0) continue;
      thread.run = this.#waiting.splice(at, 1)[0]!;
      this.#order(thread, { kind: 'run', index: thread.run });
    }
    if (this.#threads.some(({ run }) => run !== undefined)) return;
    if (this.#failure !== undefined) this.#end({ kind: 'failed', error: this.#failure.error });
    else if (this.#waiting.length === 0 && this.#threads.every(({ isOpen }) => isOpen))
      for (const thread of this.#threads) this.#order(thread, { kind: 'check' });
  }

  #order(thread: Thread, order: Order): void {
    thread.heardMs = performance.now();
    thread.worker.postMessage(order);
  }

  /** @param run the run that has failed; -1: something that is needed for all */
  #fail(run: number, error: PlainError): void {
    if (this.#isOver) return;
    if (this.#failure === undefined || run < this.#failure.run) this.#failure = { run, error };
    if (run < 0) this.#end({ kind: 'failed', error });
  }

  #merge(): void {
    const { options } = this.#input;
    try {
      const parts = Array.from(this.#bytes, (_, run) => this.#parts.get(run));
      const outcome = this.#experiment.merge(options as never, this.#disk!, parts);
      this.#end({ kind: 'outcome', outcome });
    } catch (error) {
      this.#fail(-1, plain(error));
    }
  }

  #end(message: PoolMessage): void {
    this.#isOver = true;
    this.#tell(message);
  }
}
