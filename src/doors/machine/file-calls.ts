/**
 * What programs write around the system calls, as plain functions of `machine.sys`. Each is made of
 * system calls, costs what they cost, and throws what they throw.
 */

import { checkBytes, checkFunction } from '../../base/argument-error.ts';
import { ModelError } from '../../base/errno.ts';
import { O, type Syscalls } from '../../kernel/index.ts';
import type { Process } from '../../sim/index.ts';

/** What would be a process is its result. */
export type Blocking<T> = {
  readonly [K in keyof T]: T[K] extends (...args: infer A) => Process<infer R> ? (...args: A) => R : T[K];
};

/** What `machine.sys` has besides the system calls. */
export interface FileCalls {
  /**
   * Opens a file or directory, hands its descriptor to `use`, and closes it, also when `use`
   * throws. Returns what `use` returns. Throws as open does, and what `use` throws.
   * @param flags of `O`
   * @param mode permissions of a file that is made, 0644 by default
   */
  withOpen<T>(path: string, flags: number, use: (fd: number) => T, mode?: number): T;
  /**
   * As pwrite, but writes all `length` bytes. Throws as pwrite does; a part may have been written
   * then.
   */
  pwriteAll(fd: number, src: Uint8Array, offset: number, length: number, position: number): void;
  /** The bytes of a file. Throws EISDIR, EIO and as open does. */
  readFile(path: string): Uint8Array<ArrayBuffer>;
  /**
   * Makes a file, or replaces what it holds. It is in the page cache then: `sync` or `fsync` put it
   * on the disk. Throws as open and pwrite do.
   * @param content bytes, or a text, which is written as UTF-8
   */
  writeFile(path: string, content: Uint8Array | string): void;
  /**
   * Whether a path leads to something. false for ENOENT and ENOTDIR; throws what else stat throws.
   */
  exists(path: string): boolean;
  /** Names in a directory, without "." and "..", as they lie in it. Throws as readdir does. */
  names(path: string): string[];
}

/** @param sys the calls that it is made of */
export function fileCalls(sys: Blocking<Syscalls>): FileCalls {
  const calls: FileCalls = {
    withOpen(path, flags, use, mode) {
      checkFunction('use', use);
      const fd = sys.open(path, flags, mode);
      let result;
      try {
        result = use(fd);
      } catch (error) {
        closeAfter(sys, fd);
        throw error;
      }
      sys.close(fd);
      return result;
    },
    pwriteAll(fd, src, offset, length, position) {
      let done = 0;
      do done += sys.pwrite(fd, src, offset + done, length - done, position + done);
      while (done < length);
    },
    readFile: (path) =>
      calls.withOpen(path, O.rdonly, (fd) => {
        const bytes = new Uint8Array(sys.fstat(fd).size);
        const length = sys.pread(fd, bytes, 0, bytes.length, 0);
        return bytes.subarray(0, length);
      }),
    writeFile(path, content) {
      const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
      checkBytes('content', bytes);
      calls.withOpen(path, O.wronly | O.creat | O.trunc, (fd) => {
        calls.pwriteAll(fd, bytes, 0, bytes.length, 0);
      });
    },
    exists(path) {
      try {
        sys.stat(path);
        return true;
      } catch (error) {
        if (error instanceof ModelError && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return false;
        throw error;
      }
    },
    names: (path) =>
      sys
        .readdir(path)
        .map(({ name }) => name)
        .filter((name) => name !== '.' && name !== '..'),
  };
  return calls;
}

/**
 * Behind a failure, which alone is told: the guest may have crashed, and has no descriptors then.
 */
function closeAfter(sys: Blocking<Syscalls>, fd: number): void {
  try {
    sys.close(fd);
  } catch {
    // The first failure says why.
  }
}
