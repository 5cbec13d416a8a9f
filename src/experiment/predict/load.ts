/**
 * The clients of a replay: they hand each thread of the trace its operations, over the reboot, and
 * note when each was asked and answered. They are outside the guest, and cost the machine no time.
 *
 * When an operation begins:
 * 1. after the one before it in its thread has ended;
 * 2. with recorded times, not before its time, which is counted from the start of the replay;
 * 3. one that changes a file after all before it on that file have ended; any other after the last
 *    change before it;
 * 4. the first of a thread after all before it in the trace have begun.
 *
 * So no operation waits for a later one, and there is always one that can begin.
 */

import { Ns } from '../../base/units.ts';
import { ALL_FILES, OPERATION } from '../../trace/operations.ts';
import { WaitQueue, type Process, type Simulation, type Task, type Wait } from '../../sim/index.ts';
import { END, READY, type ReplaySource } from '../../workload/replay.ts';
import { NO_OPERATION, type TraceRecording } from './recording.ts';

/** A thread that runs in the guest. */
export interface RunningThread {
  readonly source: ThreadSource;
  readonly task: Task;
}

/** Starts a thread, by its number, in the guest that runs. */
export type StartThread = (thread: number) => RunningThread;

export class TraceLoad {
  readonly recording: TraceRecording;
  /** When each operation was asked and answered, virtual ns; NaN: never. */
  readonly sentNs: Float64Array;
  readonly endNs: Float64Array;
  /** Of each operation: 1 when it was carried out, 0 when it failed or has not ended. */
  readonly isAnswered: Uint8Array;
  /** Pages of each read that were neither cached nor kept. */
  readonly missed: Uint32Array;
  readonly #simulation: Simulation;
  /** How much faster than recorded; undefined: as fast as it can. */
  readonly #speed: number | undefined;
  readonly #beginNs: number;
  readonly #endedOfFile: Uint32Array;
  readonly #waitsForFile = new Map<number, WaitQueue>();
  /** Operations up to here have begun; `#hasBegun` tells of those behind. */
  #begunUpTo = 0;
  readonly #hasBegun: Uint8Array;
  readonly #begun = new WaitQueue('operations of the trace to begin');
  readonly #progress = new WaitQueue('operations of the trace to end');
  /** Of each thread, its next operation. */
  readonly #next: Uint32Array;
  /** Threads in the order of their first operations; those before `#started` have been started. */
  #started = 0;
  readonly #running = new Map<number, RunningThread>();
  #wanted = Infinity;
  #isStopped = true;
  /** How often it was started. */
  #epoch = 0;
  /** The start of a thread waits until operations up to this one have begun. */
  #firstAwaited = Infinity;
  /** Operations that have ended. */
  ended = 0;

  constructor(simulation: Simulation, recording: TraceRecording, speed: number | undefined) {
    const { count } = recording.columns;
    this.recording = recording;
    this.#simulation = simulation;
    this.#speed = speed;
    this.#beginNs = simulation.now;
    this.sentNs = new Float64Array(count).fill(NaN);
    this.endNs = new Float64Array(count).fill(NaN);
    this.isAnswered = new Uint8Array(count);
    this.missed = new Uint32Array(count);
    this.#hasBegun = new Uint8Array(count);
    this.#endedOfFile = new Uint32Array(recording.files.length);
    this.#next = recording.firsts.slice();
  }

  /** When an operation is to be asked, virtual ns; undefined: as soon as it can. */
  dueNs(operation: number): number | undefined {
    return this.#speed === undefined
      ? undefined
      : this.#beginNs + Math.round(this.recording.columns.time[operation]! / this.#speed);
  }

  /** Waits until so many operations have ended. */
  *until(ended: number): Process {
    while (this.ended < ended) {
      this.#wanted = ended;
      yield this.#progress;
    }
  }

  /** Threads run from now on, each from its next operation. */
  start(startThread: StartThread): void {
    this.#isStopped = false;
    this.#epoch++;
    for (let thread = 0; thread < this.#started; thread++)
      if (this.#next[thread] !== NO_OPERATION) this.#startThread(thread, startThread);
    this.#simulation.spawn('threads of the trace', this.#startOthers(startThread));
  }

  /** Lets the operations that are under way end, and no other begin. */
  *stop(): Process {
    this.#isStopped = true;
    this.#begun.wakeAll();
    for (const { source, task } of [...this.#running.values()])
      if (source.isInCall) yield* task.join();
      else task.kill();
    this.#running.clear();
  }

  *#startOthers(startThread: StartThread): Process {
    const { firsts } = this.recording;
    const epoch = this.#epoch;
    const isOver = (): boolean => this.#isStopped || this.#epoch !== epoch;
    for (; this.#started < firsts.length; this.#started++) {
      const first = firsts[this.#started]!;
      this.#firstAwaited = first;
      while (this.#begunUpTo < first && !isOver()) yield this.#begun;
      if (isOver()) return;
      this.#firstAwaited = Infinity;
      const due = this.dueNs(first) ?? 0;
      // In steps, so that a stop in between is seen.
      while (this.#simulation.now < due && !isOver()) yield Ns(Math.min(due - this.#simulation.now, LOOK_NS));
      if (isOver()) return;
      this.#startThread(this.#started, startThread);
    }
  }

  #startThread(thread: number, startThread: StartThread): void {
    this.#running.set(thread, startThread(thread));
  }

  /** The program of a thread has ended. */
  released(thread: number): void {
    this.#running.delete(thread);
  }

  /** READY when the thread's next operation can begin; else END, or what it waits for. */
  waitOf(thread: number, now: number): Wait {
    const operation = this.#next[thread]!;
    if (operation === NO_OPERATION || this.#isStopped) return END;
    const due = this.dueNs(operation);
    if (due !== undefined && now < due) return Ns(Math.ceil(due - now));
    const { file, after } = this.recording.columns;
    const of = file[operation]!;
    const isInOrder = of === ALL_FILES || this.#endedOfFile[of]! >= after[operation]!;
    return isInOrder ? READY : this.#queueOf(of);
  }

  /** The thread's next operation. */
  nextOf(thread: number): number {
    return this.#next[thread]!;
  }

  /** @internal */
  begin(operation: number, now: number): void {
    this.sentNs[operation] = this.dueNs(operation) ?? now;
    this.#hasBegun[operation] = 1;
    while (this.#hasBegun[this.#begunUpTo] === 1) this.#begunUpTo++;
    if (this.#begunUpTo >= this.#firstAwaited) this.#begun.wakeAll();
  }

  /** @internal */
  end(thread: number, operation: number, now: number, isFailed: boolean): void {
    const { next, file } = this.recording.columns;
    this.endNs[operation] = now;
    this.isAnswered[operation] = isFailed ? 0 : 1;
    this.#next[thread] = next[operation]!;
    const of = file[operation]!;
    if (of !== ALL_FILES) {
      this.#endedOfFile[of]!++;
      const queue = this.#waitsForFile.get(of);
      if (queue !== undefined) {
        this.#waitsForFile.delete(of);
        queue.wakeAll();
      }
    }
    if (++this.ended >= this.#wanted) {
      this.#wanted = Infinity;
      this.#progress.wakeAll();
    }
  }

  #queueOf(file: number): WaitQueue {
    let queue = this.#waitsForFile.get(file);
    if (queue === undefined) {
      queue = new WaitQueue('an operation on the same file');
      this.#waitsForFile.set(file, queue);
    }
    return queue;
  }
}

/** How long the start of a thread sleeps at once, ns. */
const LOOK_NS = 1e9;

/** The operations of one thread. */
export class ThreadSource implements ReplaySource {
  kind: number = OPERATION.open;
  file = 0;
  offset = 0;
  length = 0;
  /** Number of the operation taken last. */
  operation = 0;
  /** Whether the thread carries out an operation. */
  isInCall = false;
  readonly #load: TraceLoad;
  readonly #thread: number;
  readonly #onEnd: (source: ThreadSource, isFailed: boolean) => void;

  /** @param onEnd an operation has ended */
  constructor(load: TraceLoad, thread: number, onEnd: (source: ThreadSource, isFailed: boolean) => void) {
    this.#load = load;
    this.#thread = thread;
    this.#onEnd = onEnd;
  }

  take(now: number): Wait {
    const wait = this.#load.waitOf(this.#thread, now);
    if (wait !== READY) return wait;
    const operation = this.#load.nextOf(this.#thread);
    const { kind, file, offset, length } = this.#load.recording.columns;
    this.operation = operation;
    this.kind = kind[operation]!;
    this.file = file[operation]!;
    this.offset = offset[operation]!;
    this.length = length[operation]!;
    this.isInCall = true;
    this.#load.begin(operation, now);
    return READY;
  }

  ended(now: number, isFailed: boolean): void {
    this.isInCall = false;
    this.#onEnd(this, isFailed);
    this.#load.end(this.#thread, this.operation, now, isFailed);
  }
}
