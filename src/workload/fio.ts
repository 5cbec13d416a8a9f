/**
 * The program that does what a job file of fio says. Each clone of a job is a process of the guest,
 * or as many as it may have operations under way. It uses nothing but system calls.
 *
 * Contract: every byte that a read returned goes to `onRead`, every byte that is written comes from
 * `onWrite`. A job with `stonewall` begins when all before it have ended.
 *
 * Modelled after fio 3. Differs from it: operations under way at once are processes that share the
 * places of their clone. So buffered ones are asynchronous, too, which on Linux they are not.
 */

import { ModelError } from '../base/errno.ts';
import { Ns } from '../base/units.ts';
import type { Process, RandomStream, Task } from '../sim/index.ts';
import { FADV, O, type Syscalls } from '../kernel/syscall/syscalls.ts';
import { bufferOf, depthOf, directionsOf, isRandom, type FioJob } from './fio-job.ts';
import { FioPlan, type FioOperation } from './fio-plan.ts';

/** A file of a clone. */
export interface FioFile {
  readonly path: string;
  /** Bytes that a pass touches. */
  readonly bytes: number;
}

/** A read or a write that is done. Times are virtual ns. */
export interface FioDone {
  readonly path: string;
  readonly position: number;
  /** Bytes that were read or written. */
  readonly bytes: number;
  readonly startNs: number;
  readonly endNs: number;
  /** Of a read: it has waited for nothing but the processor. */
  readonly isHit: boolean;
}

/** What follows an operation to its end. */
export interface FioWatch {
  /** Of a read: the buffer begins with what was read. */
  readonly done: (done: FioDone, buffer: Uint8Array) => void;
}

/** One clone of a job, and what watches it. */
export interface FioClone {
  readonly job: FioJob;
  readonly files: readonly FioFile[];
  readonly random: (what: string) => RandomStream;
  /** The clone begins, after its delay. */
  readonly onStart: (nowNs: number) => void;
  /** The clone has ended. */
  readonly onEnd: (nowNs: number) => void;
  readonly onRead: (path: string, position: number, length: number) => FioWatch;
  /** Fills the buffer's first `length` bytes with what is to be written. */
  readonly onWrite: (path: string, position: number, length: number, buffer: Uint8Array) => FioWatch;
}

/** What the program runs with. */
export interface FioContext {
  readonly sys: Syscalls;
  /** Starts a process of the guest. */
  readonly spawn: (name: string, process: Process) => Task;
  /** Whether no further operation may begin. */
  readonly isOver: () => boolean;
}

/** Does all jobs, in the order of their file. */
export function* runFio(context: FioContext, clones: readonly FioClone[]): Process {
  let running: Task[] = [];
  let previous: FioJob | undefined;
  let failure: ModelError | undefined;
  for (const [n, clone] of clones.entries()) {
    const { job } = clone;
    if (job !== previous && job.values.stonewall) {
      for (const task of running) yield* task.join();
      running = [];
    }
    previous = job;
    const guarded = guard(new Clone(context, clone).run(), (error) => (failure ??= error));
    running.push(context.spawn(`fio ${job.name} ${n}`, guarded));
  }
  for (const task of running) yield* task.join();
  // A clone that failed does not take the kernel with it.
  if (failure !== undefined) throw failure;
}

function* guard(process: Process, onFailure: (error: ModelError) => void): Process {
  try {
    yield* process;
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    onFailure(error);
  }
}

/** Waits until an instant, unless it is past. */
function* sleepUntil(sys: Syscalls, instant: number): Process {
  yield* sys.settle();
  const ns = Math.ceil(instant - sys.now());
  if (ns > 0) yield Ns(ns);
}

class Clone {
  readonly #context: FioContext;
  readonly #clone: FioClone;
  readonly #plan: FioPlan;
  readonly #fds: number[] = [];
  #startNs = 0;
  #wakeNs = 0;
  #sinceThought = 0;
  #writes = 0;
  readonly #begun = { read: 0, write: 0 };

  constructor(context: FioContext, clone: FioClone) {
    this.#context = context;
    this.#clone = clone;
    this.#plan = new FioPlan(
      clone.job,
      clone.files.map(({ bytes }) => bytes),
      clone.random,
    );
  }

  *run(): Process {
    const { job, onStart, onEnd } = this.#clone;
    const { sys, spawn } = this.#context;
    const { startDelay, endFsync } = job.values;
    if (startDelay > 0) yield* sleepUntil(sys, sys.now() + startDelay);
    yield* this.#open();
    this.#startNs = sys.now();
    onStart(this.#startNs);
    let failure: ModelError | undefined;
    const others = Array.from({ length: depthOf(job) - 1 }, (_, n) =>
      spawn(
        `fio ${job.name}/${n + 1}`,
        guard(this.#operate(), (error) => (failure ??= error)),
      ),
    );
    yield* this.#operate();
    for (const task of others) yield* task.join();
    if (failure !== undefined) throw failure;
    if (endFsync && directionsOf(job).writes) for (const fd of this.#fds) yield* sys.fsync(fd);
    yield* sys.settle();
    onEnd(sys.now());
    for (const fd of this.#fds) yield* sys.close(fd);
    yield* sys.settle();
  }

  *#open(): Process {
    const { job, files } = this.#clone;
    const { sys } = this.#context;
    const { direct, invalidate, fadviseHint } = job.values;
    const { reads, writes } = directionsOf(job);
    const access = writes ? (reads ? O.rdwr : O.wronly) | O.creat : O.rdonly;
    for (const { path } of files) {
      const fd = yield* sys.open(path, access | (direct ? O.direct : 0));
      this.#fds.push(fd);
      if (invalidate) yield* sys.posixFadvise(fd, 0, 0, FADV.dontneed);
      if (fadviseHint) yield* sys.posixFadvise(fd, 0, 0, isRandom(job) ? FADV.random : FADV.sequential);
    }
  }

  /** One operation after the other, until there is none. */
  *#operate(): Process {
    const { sys } = this.#context;
    const buffer = new Uint8Array(bufferOf(this.#clone.job));
    for (;;) {
      while (this.#wakeNs > sys.now()) yield* sleepUntil(sys, this.#wakeNs);
      if (this.#isOver()) return;
      const operation = this.#plan.next();
      if (operation === undefined) return;
      yield* this.#pace(operation);
      if (this.#isOver()) return;
      if (operation.isRead) yield* this.#read(operation, buffer);
      else yield* this.#write(operation, buffer);
      this.#think();
      if (sys.isDue) yield* sys.settle();
    }
  }

  #isOver(): boolean {
    const { runtime } = this.#clone.job.values;
    const isLate = runtime > 0 && this.#context.sys.now() - this.#startNs >= runtime;
    return isLate || this.#context.isOver();
  }

  /** Waits for the turn of an operation where there is a rate. */
  *#pace({ isRead }: FioOperation): Process {
    const way = isRead ? 'read' : 'write';
    const rate = this.#clone.job.values.rateIops[way];
    const begun = this.#begun[way]++;
    if (rate > 0) yield* sleepUntil(this.#context.sys, this.#startNs + (begun * 1e9) / rate);
  }

  #think(): void {
    const { thinkTime, thinkBlocks } = this.#clone.job.values;
    if (thinkTime === 0 || ++this.#sinceThought < thinkBlocks) return;
    this.#sinceThought = 0;
    this.#wakeNs = this.#context.sys.now() + thinkTime;
  }

  *#read({ file, position, length }: FioOperation, buffer: Uint8Array): Process {
    const { sys } = this.#context;
    const { path } = this.#clone.files[file]!;
    const fd = this.#fds[file]!;
    const watch = this.#clone.onRead(path, position, length);
    const startNs = sys.now();
    let bytes = sys.preadNow(fd, buffer, 0, length, position);
    let isHit = true;
    if (bytes < 0) {
      // A page that the guest takes over costs a hypercall, and no wait for the disk.
      const rest = sys.preadRest(fd, buffer, 0, length, position, bytes);
      let step = rest.next();
      for (; step.done !== true; step = rest.next()) {
        if (typeof step.value !== 'number') isHit = false;
        yield step.value;
      }
      bytes = step.value;
    }
    watch.done({ path, position, bytes, startNs, endNs: sys.now(), isHit }, buffer);
  }

  *#write({ file, position, length }: FioOperation, buffer: Uint8Array): Process {
    const { sys } = this.#context;
    const { path } = this.#clone.files[file]!;
    const fd = this.#fds[file]!;
    const { fsync, fdatasync } = this.#clone.job.values;
    const watch = this.#clone.onWrite(path, position, length, buffer);
    const startNs = sys.now();
    const bytes = yield* sys.pwrite(fd, buffer, 0, length, position);
    watch.done({ path, position, bytes, startNs, endNs: sys.now(), isHit: false }, buffer);
    this.#writes++;
    if (fsync > 0 && this.#writes % fsync === 0) yield* sys.fsync(fd);
    if (fdatasync > 0 && this.#writes % fdatasync === 0) yield* sys.fdatasync(fd);
  }
}
