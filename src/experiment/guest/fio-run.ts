/**
 * A fio workload in the guests of one strategy. Its files are laid out in the first guest, and its
 * jobs are done in each run. Every byte that a read returns is compared with what was written.
 *
 * Laying out ends with a sync, and drops the pages that it has cached, as fio does. It is no part
 * of a run. After the reboot, what was written is compared with the disk.
 */

import { ModelError } from '../../base/errno.ts';
import { UserError } from '../../base/user-error.ts';
import { FADV, O, type Syscalls } from '../../kernel/syscall/syscalls.ts';
import type { Process, RandomStream } from '../../sim/index.ts';
import { runFio, type FioClone, type FioDone } from '../../workload/fio.ts';
import type { Guest } from '../host/testbed.ts';
import type { OracleExt2 } from '../judge/oracle-ext2.ts';
import type { VerifierRecord } from '../judge/verifier.ts';
import { FioContents } from './fio-contents.ts';
import { FioTallies } from './fio-figures.ts';
import type { FioWork, PlannedClone, PlannedFile } from './fio-plan.ts';
import type { FioRun as RunFigures } from './result.ts';

/** Bytes of a write while files are laid out. */
const LAYOUT_BYTES = 65_536;

/** What a workload needs of its strategy. */
export interface FioHost {
  readonly oracle: () => OracleExt2;
  readonly record: VerifierRecord;
  /** A fresh stream of the run's seed. */
  readonly random: (name: string) => RandomStream;
  /** Most bytes of one run. */
  readonly limit: number;
  /** Bytes were read or written now. */
  readonly onBytes: (now: number, bytes: number) => void;
}

export class FioWorkload {
  readonly #work: FioWork;
  readonly #host: FioHost;
  readonly #contents = new Map<string, FioContents>();
  #written = 0;
  #runs = 0;

  constructor(work: FioWork, host: FioHost) {
    this.#work = work;
    this.#host = host;
    const byInode = new Map<number, FioContents>();
    for (const [id, { path, found }] of work.files.entries()) {
      const known = found && byInode.get(found.ino);
      const contents = known ?? new FioContents(path, id, found?.ino, found?.size ?? 0, host.oracle, host.record);
      if (found !== undefined) byInode.set(found.ino, contents);
      this.#contents.set(path, contents);
    }
  }

  /** The files that the jobs use. */
  get paths(): string[] {
    return this.#work.files.map(({ path }) => path);
  }

  /** Bytes that calls have written in all runs so far. */
  get written(): number {
    return this.#written;
  }

  /** Makes the files that are not there, and gives each its bytes. */
  *layOut(sys: Syscalls): Process {
    const buffer = new Uint8Array(LAYOUT_BYTES);
    const made: PlannedFile[] = [];
    for (const file of this.#work.files) if (yield* this.#layOutFile(sys, file, buffer)) made.push(file);
    if (made.length === 0) return;
    yield* sys.sync();
    for (const { path } of made) {
      const fd = yield* sys.open(path);
      yield* sys.posixFadvise(fd, 0, 0, FADV.dontneed);
      yield* sys.close(fd);
    }
    yield* sys.settle();
  }

  /** Returns whether anything was written or made. */
  *#layOutFile(sys: Syscalls, { path, found, bytes }: PlannedFile, buffer: Uint8Array): Process<boolean> {
    const contents = this.#contents.get(path)!;
    if (found === undefined) yield* makeRoom(sys, path);
    else if (contents.size >= bytes) return false;
    const fd = yield* sys.open(path, O.wronly | O.creat);
    const { ino } = sys.fstat(fd);
    if (found === undefined) contents.made(ino);
    while (contents.size < bytes) {
      const at = contents.size;
      const length = Math.min(LAYOUT_BYTES - (at % LAYOUT_BYTES), bytes - at);
      const write = contents.write(at, length, buffer);
      const done = yield* sys.pwrite(fd, buffer, 0, length, at);
      contents.written(write, done);
      if (done === 0) throw new ModelError('ENOSPC', path);
      if (sys.isDue) yield* sys.settle();
    }
    yield* sys.close(fd);
    return true;
  }

  /** Does all jobs once. */
  *run(guest: Guest): Process<RunFigures> {
    const tallies = new FioTallies(this.#work.clones);
    const run = this.#runs++;
    let bytes = 0;
    const count = (done: FioDone): void => {
      bytes += done.bytes;
      this.#host.onBytes(done.endNs, done.bytes);
    };
    const { environment } = guest.domain;
    const context = {
      sys: guest.kernel.syscalls,
      spawn: (name: string, process: Process) => environment.spawn(name, process),
      isOver: () => bytes >= this.#host.limit,
    };
    yield* runFio(
      context,
      this.#work.clones.map((clone) => this.#cloneOf(clone, run, tallies, count)),
    );
    return tallies.run;
  }

  #cloneOf(clone: PlannedClone, run: number, tallies: FioTallies, count: (done: FioDone) => void): FioClone {
    const { job, number, files } = clone;
    const ours = tallies.of(clone);
    const { randrepeat, randseed } = job.values;
    const seed = `fio ${job.name} ${number} ${randseed}${randrepeat ? '' : ` ${run}`}`;
    return {
      job,
      files,
      random: (what) => this.#host.random(`${seed} ${what}`),
      onStart: (now) => {
        for (const tally of ours) tally.begins(now);
      },
      onEnd: (now) => {
        for (const tally of ours) tally.ends(now);
      },
      onRead: (path, position, length) => {
        const contents = this.#contents.get(path)!;
        const read = contents.read(position, length);
        return {
          done: (done, buffer) => {
            contents.wasRead(read, done.bytes, buffer);
            for (const tally of ours) tally.read(done);
            count(done);
          },
        };
      },
      onWrite: (path, position, length, buffer) => {
        const contents = this.#contents.get(path)!;
        const write = contents.write(position, length, buffer);
        return {
          done: (done) => {
            contents.written(write, done.bytes);
            this.#written += done.bytes;
            for (const tally of ours) tally.wrote(done);
            count(done);
          },
        };
      },
    };
  }

  /**
   * Compares what was written with the disk, once the next guest has booted.
   * @param isLossy what the guest had not yet written may be lost
   * @returns bytes of pages that were lost
   */
  settle(isLossy: boolean): number {
    if (this.#written === 0 && this.#work.files.every(({ found }) => found !== undefined)) return 0;
    const oracle = this.#host.oracle();
    // The boot may have replayed a journal.
    oracle.invalidate();
    const onDisk = new Map(oracle.listFiles().map((file) => [file.path, file]));
    let lost = 0;
    for (const contents of new Set(this.#contents.values())) {
      const file = onDisk.get(contents.path);
      lost += contents.settle(file?.ino, file?.size ?? 0, isLossy);
    }
    return lost;
  }
}

/** Makes the directories of a path. Its file is not there, and none of them is a symbolic link. */
function* makeRoom(sys: Syscalls, path: string): Process {
  const parts = path.split('/').slice(1);
  for (let length = 1; length <= parts.length; length++) {
    const at = `/${parts.slice(0, length).join('/')}`;
    const isFile = length === parts.length;
    const kind = yield* kindOf(sys, at);
    if (kind === 'other' && isFile) throw new UserError(`fio: ${at} is on the disk, and no regular file`);
    if (kind === 'link') throw new UserError(`fio: ${at} is a symbolic link`);
    if (kind === undefined && !isFile) yield* sys.mkdir(at);
  }
}

function* kindOf(sys: Syscalls, path: string): Process<'link' | 'other' | undefined> {
  try {
    yield* sys.readlink(path);
    return 'link';
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    if (error.code === 'ENOENT') return undefined;
    if (error.code === 'EINVAL') return 'other';
    throw error;
  }
}
