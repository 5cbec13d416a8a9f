/**
 * init: the first process of a guest or of domain 0, which starts its services and stops them.
 * Starting a service is reading its program, libraries and configuration, and the processor's work
 * between the reads.
 *
 * What is read, and in which order, is said by two lists on the guest's own disk. A line is the
 * first page, the number of pages and the path: `4 28 /lib/libc.so`. A file that is gone is passed
 * over. Processor time is spent evenly over the pages, so that guests share processor and disk. A
 * disk without a list has the processor time alone.
 *
 * Contract: a list is the work of anyone who can write the disk. One that is damaged, too long or
 * too greedy is not read at all, and a message says so. So what a list can cost has a bound.
 *
 * Each read asks for exactly its pages. What the recorded kernel read ahead is in the lists as
 * reads of their own. Reads of different services follow each other, whereas services may start at
 * the same time. It uses nothing but system calls.
 */

import { ModelError } from '../base/errno.ts';
import { decodeText } from '../base/text.ts';
import { PAGE_SIZE } from '../base/units.ts';
import type { Process } from '../sim/index.ts';
import { FADV, type Syscalls } from '../kernel/syscall/syscalls.ts';

/** Bytes of a list, at most. */
const LIST_MAX = 1 << 20;
/** Pages that a list may ask for: 256 MiB, more than any boot of the time had. */
const PAGES_MAX = 65_536;
/** Pages read at a time: those that the kernel reads ahead in one go. */
const PIECE_PAGES = 32;

/** Paths of the lists. */
export interface InitLists {
  /** What is read when services start. */
  readonly start: string;
  /** What is read when they stop. */
  readonly stop: string;
}

/** The system calls that it uses. */
export type InitCalls = Pick<
  Syscalls,
  'open' | 'posixFadvise' | 'readahead' | 'read' | 'pread' | 'close' | 'settle'
> & {
  fstat(fd: number): Pick<ReturnType<Syscalls['fstat']>, 'ino' | 'size'>;
};

/** What init is given by the kernel that runs it. */
interface InitContext {
  readonly sys: InitCalls;
  /** Spends processor time that the guests of a machine compete for, ns. */
  readonly compute: (ns: number) => Process;
  /** Writes a line to the kernel's log. */
  readonly say: (text: string) => void;
}

/** The buffer begins with `bytes` bytes of the inode `ino` from `position` on. */
export type InitReadListener = (path: string, ino: number, position: number, bytes: number, buffer: Uint8Array) => void;

interface Read {
  readonly first: number;
  readonly pages: number;
  readonly path: string;
}

/** Starts the services of a guest, and stops them. One may serve one guest after the other. */
export class Init {
  readonly #lists: InitLists;
  readonly #onRead: InitReadListener;
  readonly #buffer = new Uint8Array(PIECE_PAGES * PAGE_SIZE);

  /** @param onRead called with every byte that a read of the listed files returned */
  constructor(lists: InitLists, onRead: InitReadListener) {
    this.#lists = lists;
    this.#onRead = onRead;
  }

  /**
   * Starts the services. Returns the bytes that it read of the listed files.
   * @param processorNs what all services together spend of the processor
   */
  start(context: InitContext, processorNs: number): Process<number> {
    return this.#run(context, this.#lists.start, processorNs);
  }

  /** Stops the services. Returns the bytes that it read of the listed files. */
  stop(context: InitContext, processorNs: number): Process<number> {
    return this.#run(context, this.#lists.stop, processorNs);
  }

  *#run(context: InitContext, list: string, processorNs: number): Process<number> {
    const { sys, compute, say } = context;
    const reads = yield* this.#readList(context, list);
    const pages = reads.reduce((sum, read) => sum + read.pages, 0);
    let bytes = 0;
    let failed = 0;
    let donePages = 0;
    let doneNs = 0;
    for (const read of reads) {
      const done = yield* this.#read(sys, read);
      if (done === undefined) failed++;
      else bytes += done;
      donePages += read.pages;
      const until = Math.round((processorNs * donePages) / pages);
      yield* compute(until - doneNs);
      doneNs = until;
    }
    if (failed > 0) say(`init: ${list}: ${failed} of ${reads.length} reads failed`);
    yield* compute(processorNs - doneNs);
    return bytes;
  }

  /** What a list asks for; nothing when there is no list, or it makes no sense. */
  *#readList({ sys, say }: InitContext, path: string): Process<readonly Read[]> {
    try {
      const fd = yield* sys.open(path);
      try {
        const { size } = sys.fstat(fd);
        if (size > LIST_MAX) {
          say(`init: ${path}: longer than ${LIST_MAX} bytes: nothing is read`);
          return [];
        }
        const bytes = new Uint8Array(size);
        const done = yield* sys.read(fd, bytes, 0, size);
        const reads = parseList(decodeText(bytes.subarray(0, done)));
        if (typeof reads !== 'string') return reads;
        say(`init: ${path}: ${reads}: nothing is read`);
      } finally {
        yield* sys.close(fd);
      }
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      if (error.code !== 'ENOENT') say(`init: ${path}: ${error.code}: nothing is read`);
    }
    yield* sys.settle();
    return [];
  }

  /** Reads the pages that a file has. Returns their bytes; undefined when a call failed. */
  *#read(sys: InitCalls, { first, pages, path }: Read): Process<number | undefined> {
    const buffer = this.#buffer;
    let bytes = 0;
    try {
      const fd = yield* sys.open(path);
      try {
        const { ino } = sys.fstat(fd);
        yield* sys.posixFadvise(fd, 0, 0, FADV.random);
        const end = (first + pages) * PAGE_SIZE;
        for (let at = first * PAGE_SIZE; at < end; at += buffer.length) {
          const wanted = Math.min(buffer.length, end - at);
          yield* sys.readahead(fd, at, wanted);
          const done = yield* sys.pread(fd, buffer, 0, wanted, at);
          this.#onRead(path, ino, at, done, buffer);
          bytes += done;
          yield* sys.settle();
          if (done < wanted) break;
        }
      } finally {
        yield* sys.close(fd);
      }
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      return undefined;
    }
    return bytes;
  }
}

/** The reads of a list, or what is wrong with it. */
function parseList(text: string): readonly Read[] | string {
  const reads: Read[] = [];
  let all = 0;
  const lines = text.split('\n');
  if (lines.pop() !== '') return 'its last line has no end';
  for (const [number, line] of lines.entries()) {
    const [, first, pages, path] = /^(\d{1,8}) ([1-9]\d{0,4}) (\/.*)$/.exec(line) ?? [];
    if (path === undefined) return `line ${number + 1} is damaged`;
    reads.push({ first: Number(first), pages: Number(pages), path });
    all += Number(pages);
  }
  return all > PAGES_MAX ? `it asks for more than ${PAGES_MAX} pages` : reads;
}
