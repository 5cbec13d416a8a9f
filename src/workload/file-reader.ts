/**
 * Programs that read files: all of them in order, 4 KiB at random places, whole files by Zipf's
 * law. Each is a process of the guest and uses nothing but its system calls.
 *
 * A reader hands every byte that a read returned to `onRead`, so that an oracle can compare it. It
 * reads into its caller's buffer: 64 KiB at a time for whole files, as a file server would.
 */

import type { Process, RandomStream } from '../sim/index.ts';
import type { Syscalls } from '../kernel/syscall/syscalls.ts';
import { lastAtMost, Zipf } from './zipf.ts';

/** Size of the buffer that whole files are read with, bytes. */
export const READ_SIZE = 65536;
/** Size of a random read, bytes. */
const RANDOM_READ_SIZE = 4096;
/** Exponent of the popularity of files. */
const ZIPF_EXPONENT = 1;

/** A file to be read. */
export interface WorkloadFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
}

/** What a reader runs with. */
export interface ReaderContext {
  readonly sys: Syscalls;
  readonly files: readonly WorkloadFile[];
  /** At least READ_SIZE bytes. */
  readonly buffer: Uint8Array;
  /** Stops after this many bytes; Infinity for no limit. */
  readonly limit: number;
  /** The buffer begins with `bytes` bytes of file number `file` from `position` on. */
  readonly onRead: (file: number, position: number, bytes: number) => void;
  /** A read of file number `file` returned less than was asked for: the file ends at `position`. */
  readonly onEnd?: ((file: number, position: number) => void) | undefined;
}

/** Reads all files in order. Returns the bytes read. */
export function* readAllFiles(context: ReaderContext): Process<number> {
  let total = 0;
  for (let file = 0; file < context.files.length && total < context.limit; file++)
    total += yield* readFile(context, file, context.limit - total);
  return total;
}

/**
 * Reads 4 KiB at random page-aligned places, as many times as all files have pages. Returns the
 * bytes read.
 */
export function* readRandomPages(context: ReaderContext, random: RandomStream): Process<number> {
  const { sys, files, buffer, limit } = context;
  const firstPage = new Float64Array(files.length + 1);
  for (let i = 0; i < files.length; i++)
    firstPage[i + 1] = firstPage[i]! + Math.ceil(files[i]!.size / RANDOM_READ_SIZE);
  const pages = firstPage[files.length]!;
  let total = 0;
  for (let reads = 0; reads < pages && total < limit; reads++) {
    const page = Math.floor(random.fraction() * pages);
    const file = lastAtMost(firstPage, page);
    const position = (page - firstPage[file]!) * RANDOM_READ_SIZE;
    const fd = yield* sys.open(files[file]!.path);
    const wanted = Math.min(RANDOM_READ_SIZE, limit - total);
    const bytes = yield* sys.pread(fd, buffer, 0, wanted, position);
    context.onRead(file, position, bytes);
    if (bytes < wanted) context.onEnd?.(file, position + bytes);
    yield* sys.close(fd);
    total += bytes;
    if (sys.isDue) yield* sys.settle();
  }
  yield* sys.settle();
  return total;
}

/**
 * Reads whole files, as many times as there are files, chosen by Zipf's law (exponent 1) over a
 * shuffled ranking. Returns the bytes read.
 */
export function* readZipfFiles(context: ReaderContext, random: RandomStream): Process<number> {
  const { files, limit } = context;
  const popularity = new Zipf(files.length, ZIPF_EXPONENT, random);
  let total = 0;
  for (let reads = 0; reads < files.length && total < limit; reads++) {
    total += yield* readFile(context, popularity.draw(), limit - total);
  }
  return total;
}

/** Opens, reads to the end or to `limit`, closes. Returns the bytes read. */
export function* readFile(context: ReaderContext, file: number, limit: number): Process<number> {
  const { sys, buffer } = context;
  const fd = yield* sys.open(context.files[file]!.path);
  let position = 0;
  while (position < limit) {
    const wanted = Math.min(READ_SIZE, limit - position);
    let bytes = sys.readNow(fd, buffer, 0, wanted);
    if (bytes < 0) bytes = yield* sys.readRest(fd, buffer, 0, wanted, bytes);
    if (bytes > 0) {
      context.onRead(file, position, bytes);
      position += bytes;
      if (sys.isDue) yield* sys.settle();
    }
    if (bytes < wanted) {
      context.onEnd?.(file, position);
      break;
    }
  }
  yield* sys.close(fd);
  yield* sys.settle();
  return position;
}
