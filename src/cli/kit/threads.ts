/**
 * The runs of an experiment on all cores: a pool of threads (pool.ts), seen from the thread of the
 * program.
 *
 * The program waits without its event loop, as it does where it runs everything itself. So Ctrl-C
 * ends the process with all its threads at once, and a command stays one call. The pool has a
 * thread of its own, which has an event loop: it learns that a thread has died.
 *
 * Contract: the outcome is that of one thread, byte for byte. What a run throws comes through with
 * its class, message and stack. Of several, it is that of the first run in the order of the list.
 */

import { readFileSync } from 'node:fs';
import { availableParallelism, freemem } from 'node:os';
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { ProgressListener } from '../../experiment/guest/progress.ts';
import { revive } from './plain-error.ts';
import type { Patience, PoolInput, PoolMessage, RunsByName } from './pool.ts';

type OptionsOf<Of extends RunsByName[string]> = Parameters<Of['bytesOf']>[0];
type OutcomeOf<Of extends RunsByName[string]> = ReturnType<Of['merge']>;

/** Runs one experiment on threads; undefined when one thread is all that there would be. */
export type OnThreadsOf<Name, Options, Outcome> = (
  name: Name,
  options: Options,
  onProgress: ProgressListener,
  jobs: number | undefined,
  more?: ThreadOptions,
) => Outcome | undefined;

/** Runs whichever of the experiments on threads. */
export type OnThreads<All extends RunsByName> = <Name extends keyof All & string>(
  ...args: Parameters<OnThreadsOf<Name, OptionsOf<All[Name]>, unknown>>
) => OutcomeOf<All[Name]> | undefined;

export interface ThreadOptions {
  /** Told the result of each run when it ends, by the index of the run. */
  readonly onPart?: (index: number, part: unknown) => void;
  /** How long a thread may be silent. None, and it may be silent for ever, when not given. */
  readonly patience?: Patience;
  /** Whether one thread is used where it would be the only one. */
  readonly isNeeded?: boolean;
}

/** Share of the free memory that runs at the same time may touch. */
const MEMORY_SHARE = 0.8;
/** Open files of a process without threads, and those of each thread more. */
const FILES = { process: 24, thread: 8 } as const;
/** How long the pool may take to begin, ms. A host that refuses it a thread tells nothing. */
const PATIENCE_MS = 20_000;

/** @param entry the module that is the program, and that a thread begins with, too */
export function threadsOf<All extends RunsByName>(entry: URL, experiments: All): OnThreads<All> {
  return function onThreads<Name extends keyof All & string>(
    name: Name,
    options: OptionsOf<All[Name]>,
    onProgress: ProgressListener,
    asked: number | undefined,
    { onPart, patience, isNeeded = false }: ThreadOptions = {},
  ) {
    const bytes = experiments[name]!.bytesOf(options);
    const jobs = Math.min(asked ?? availableParallelism(), bytes.length, threadsThatFilesAllow());
    // What is asked for is done; by default, no more than there is memory for.
    const budget = asked === undefined ? freeMemory() * MEMORY_SHARE : Infinity;
    if (!isNeeded && (jobs < 2 || Math.min(...bytes) * 2 > budget)) return undefined;
    const pool = new Pool<OutcomeOf<All[Name]>>(entry, {
      ...{ role: 'pool', entry: entry.href, name, options, jobs: Math.max(1, jobs), budget, patience },
      tellsParts: onPart !== undefined,
    });
    return pool.outcome(onProgress, onPart);
  };
}

/**
 * One thread of the program, for work that has a role of its own. What a user's program prints
 * there goes to standard error: standard output has the result alone.
 */
export function threadFor(entry: URL, input: { readonly role: string }): Worker {
  const worker = new Worker(entry, { workerData: input, stdout: true });
  worker.stdout.on('data', (text: Uint8Array) => process.stderr.write(text));
  return worker;
}

/** As many threads as there are cores, memory and files for, if each touches so many bytes. */
export const threadsFor = (bytes: number): number =>
  Math.max(
    1,
    Math.min(availableParallelism(), threadsThatFilesAllow(), Math.floor((freeMemory() * MEMORY_SHARE) / bytes)),
  );

/** Free bytes of the host, or of the container that it keeps this process in. */
export const freeMemory = (): number => Math.min(freemem(), process.constrainedMemory() || Infinity);

/** Threads, less that of the pool. Linux tells how many files may be open; others allow enough. */
function threadsThatFilesAllow(): number {
  try {
    const limit = /^Max open files +(\d+) /m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1];
    return limit === undefined ? Infinity : Math.floor((Number(limit) - FILES.process) / FILES.thread) - 1;
  } catch {
    return Infinity;
  }
}

class Pool<Outcome> {
  readonly #bell = new Int32Array(new SharedArrayBuffer(4));
  readonly #channel = new MessageChannel();
  readonly #worker: Worker;

  constructor(entry: URL, input: Omit<PoolInput, 'port' | 'bell'>) {
    const { port2: port } = this.#channel;
    const workerData: PoolInput = { ...input, port, bell: this.#bell };
    this.#worker = new Worker(entry, { workerData, transferList: [port] });
  }

  /** Waits for it. Undefined when the host has no thread for the pool. */
  outcome(onProgress: ProgressListener, onPart: ThreadOptions['onPart']): Outcome | undefined {
    const { port1: port } = this.#channel;
    try {
      for (let isReady = false; ; ) {
        const rung = Atomics.load(this.#bell, 0);
        for (let got = receiveMessageOnPort(port); got !== undefined; got = receiveMessageOnPort(port)) {
          const message = got.message as PoolMessage;
          if (message.kind === 'outcome') return message.outcome as Outcome;
          if (message.kind === 'failed') throw revive(message.error);
          if (message.kind === 'progress') onProgress(message.progress);
          if (message.kind === 'part') onPart?.(message.index, message.part);
          isReady = true;
        }
        const ended = Atomics.wait(this.#bell, 0, rung, isReady ? Infinity : PATIENCE_MS);
        if (ended === 'timed-out') return undefined;
      }
    } finally {
      port.close();
      void this.#worker.terminate();
    }
  }
}
