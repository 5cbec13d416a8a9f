/**
 * Programs over a file system that may be garbage: one changes everything, one reads everything.
 * Each call may fail as a call of a guest fails. Nothing else may come out of one.
 */

import { ModelError } from '../../base/errno.ts';
import { O, type Syscalls } from '../../kernel/index.ts';
import type { Process } from '../../sim/index.ts';

/** What is read of a file at its beginning, and at its end. */
const READ_BYTES = 40_000;
/** Names that are looked at: a directory may hold itself. */
const MOST_PATHS = 250;

/** Runs calls of which each may fail with an errno. Returns those errnos, by how often. */
function* attempt(calls: readonly (() => Process<unknown>)[]): Process<Map<string, number>> {
  const errors = new Map<string, number>();
  for (const call of calls) {
    try {
      yield* call();
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      errors.set(error.code, (errors.get(error.code) ?? 0) + 1);
    }
  }
  return errors;
}

/** Everything that changes a file system, on the tree of `smallTree`. */
export function* changeEverything(sys: Syscalls): Process<Map<string, number>> {
  const bytes = new Uint8Array(70_000).fill(3);
  return yield* attempt([
    () => sys.mkdir('/new'),
    () => rewrite(sys, '/new/file', bytes, 0),
    () => rewrite(sys, '/big', bytes, 900_000),
    () => rewrite(sys, '/holes', bytes, 6_000_000),
    () => sys.truncate('/big', 100_000),
    () => sys.truncate('/shared', 1),
    () => sys.rename('/many', '/deep/many'),
    () => sys.rename('/deep/er', '/er'),
    () => sys.link('/one', '/two'),
    () => sys.symlink('t'.repeat(100), '/long'),
    () => sys.unlink('/big'),
    () => sys.unlink('/shared'),
    () => sys.unlink('/holes'),
    () => sys.unlink('/er/thirteen'),
    () => sys.rmdir('/er'),
    ...Array.from({ length: 40 }, (_, i) => () => sys.unlink(`/deep/many/name-${i}`)),
    () => rewrite(sys, '/last', bytes, 0),
    () => sys.sync(),
  ]);
}

function* rewrite(sys: Syscalls, path: string, bytes: Uint8Array, at: number): Process {
  const fd = yield* sys.open(path, O.rdwr | O.creat);
  try {
    yield* sys.pwrite(fd, bytes, 0, bytes.length, at);
    yield* sys.fsync(fd);
  } finally {
    yield* sys.close(fd);
  }
}

/**
 * Everything that can be read, from the root on. What is large is read at its beginning and at its
 * end.
 */
export function* readEverything(sys: Syscalls): Process<Map<string, number>> {
  const pending = ['/'];
  const all = new Map<string, number>();
  for (let paths = 0; pending.length > 0 && paths < MOST_PATHS; paths++) {
    const path = pending.shift()!;
    for (const [code, count] of yield* attempt([() => look(sys, path, pending)]))
      all.set(code, (all.get(code) ?? 0) + count);
  }
  return all;
}

function* look(sys: Syscalls, path: string, pending: string[]): Process {
  const bytes = new Uint8Array(READ_BYTES);
  const { mode, size } = yield* sys.lstat(path);
  if (mode >>> 12 === 4) {
    for (const { name } of yield* sys.readdir(path))
      if (name !== '.' && name !== '..' && path.length < 40) pending.push(`${path === '/' ? '' : path}/${name}`);
  } else if (mode >>> 12 === 8) {
    const fd = yield* sys.open(path);
    for (const at of [0, Math.max(0, size - bytes.length)]) yield* sys.pread(fd, bytes, 0, bytes.length, at);
    yield* sys.close(fd);
  } else if (mode >>> 12 === 10) yield* sys.readlink(path);
}
