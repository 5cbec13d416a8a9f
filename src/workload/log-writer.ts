/**
 * A program that reads all files in order and appends a line to a log after each, as a web server
 * does. Nothing is synced. It uses nothing but system calls.
 */

import type { Process } from '../sim/index.ts';
import { O } from '../kernel/syscall/syscalls.ts';
import { readFile, type ReaderContext } from './file-reader.ts';

const encoder = new TextEncoder();

/**
 * Reads all files in order, each with its line in the log, which it makes if needed. Returns the
 * bytes read.
 * @param onLogged called with the bytes that a write has appended, after the write
 */
export function* readAndLog(
  context: ReaderContext,
  log: string,
  onLogged: (bytes: Uint8Array) => void,
): Process<number> {
  const { sys, files, limit } = context;
  const fd = yield* sys.open(log, O.wronly | O.creat | O.append);
  let total = 0;
  for (let file = 0; file < files.length && total < limit; file++) {
    const bytes = yield* readFile(context, file, limit - total);
    total += bytes;
    const line = encoder.encode(`GET ${files[file]!.path} 200 ${bytes}\n`);
    const written = yield* sys.write(fd, line, 0, line.length);
    onLogged(line.subarray(0, written));
  }
  yield* sys.close(fd);
  yield* sys.settle();
  return total;
}
