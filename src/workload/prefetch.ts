/**
 * Prefetch at boot (先読み): reads the files that were used before the reboot into the cache, in the
 * background. It competes with the service for the disk. The list of files comes with the boot
 * module: newline-separated paths.
 */

import { ModelError } from '../base/errno.ts';
import { decodeText, encodeText } from '../base/text.ts';
import type { Process } from '../sim/index.ts';
import type { Syscalls } from '../kernel/syscall/syscalls.ts';

/** The boot module for a list of paths. Paths with a newline in them are left out. */
export function prefetchList(paths: Iterable<string>): Uint8Array {
  return encodeText([...paths].filter((path) => !path.includes('\n')).join('\n'));
}

/**
 * Reads ahead every file of the boot module's list, in its order. A file that is gone is passed
 * over.
 */
export function* prefetchFiles(sys: Syscalls): Process {
  const list = decodeText(sys.bootModule());
  for (const path of list.split('\n')) {
    if (path === '') continue;
    try {
      const fd = yield* sys.open(path);
      try {
        yield* sys.readahead(fd, 0, sys.fstat(fd).size);
      } finally {
        yield* sys.close(fd);
      }
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
    }
    yield* sys.settle();
  }
}
