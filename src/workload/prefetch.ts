/**
 * Prefetch at boot (先読み): reads the files that were used before the reboot into the cache, in the
 * background. It competes with the service for the disk. The list of files comes with the boot
 * module: newline-separated paths.
 */

import { ModelError } from '../base/errno.ts';
import { Ns } from '../base/units.ts';
import { decodeText, encodeText } from '../base/text.ts';
import type { Process } from '../sim/index.ts';
import type { Syscalls } from '../kernel/syscall/syscalls.ts';

/** The boot module for a list of paths. Paths with a newline in them are left out. */
export function prefetchList(paths: Iterable<string>): Uint8Array {
  return encodeText([...paths].filter((path) => !path.includes('\n')).join('\n'));
}

/** Bytes that are read ahead at once under a limit of the rate: the largest window of readahead. */
const PIECE_BYTES = 131_072;

/**
 * Reads ahead every file of the boot module's list, in its order. A file that is gone is passed
 * over.
 * @param rate bytes a second, at most, counted from the start; by default as fast as the disk
 */
export function* prefetchFiles(sys: Syscalls, rate = Infinity): Process {
  const start = sys.now();
  let total = 0;
  const list = decodeText(sys.bootModule());
  for (const path of list.split('\n')) {
    if (path === '') continue;
    try {
      const fd = yield* sys.open(path);
      try {
        const { size } = sys.fstat(fd);
        const piece = rate === Infinity ? size : PIECE_BYTES;
        let at = 0;
        do {
          const bytes = Math.min(piece, size - at);
          yield* sys.readahead(fd, at, bytes);
          at += bytes;
          total += bytes;
          const early = start + (total / rate) * 1e9 - sys.now();
          if (early > 0) yield Ns(Math.ceil(early));
        } while (at < size);
      } finally {
        yield* sys.close(fd);
      }
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
    }
    yield* sys.settle();
  }
}
