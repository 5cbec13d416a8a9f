/**
 * Plays calls on files in a guest, and in a model at once. Each program works in a directory of its
 * own, its home, so that what it must see does not depend on the others. Memory, blocks and inode
 * numbers are shared by all.
 */

import { compareBytes } from '../../base/bytes.ts';
import { crc32c } from '../../base/crc32c.ts';
import { ModelError } from '../../base/errno.ts';
import { Ns, PAGE_SIZE, pagesOf } from '../../base/units.ts';
import { FADV, MAP, MS, O, PROT, type Process, type Syscalls } from '../machine/index.ts';
import { contents } from './contents.ts';
import type { FileCall } from './file-calls.ts';
import type { ModelFs } from './model-fs.ts';

/** Longer than requests wait for others to be merged with. */
const UNPLUG_NS = Ns(15_000_000);

/** How a model takes fsync: whether the file system has a journal. */
export interface JournalKind {
  readonly hasJournal: boolean;
}

/** Plays calls in the directory `home`; throws where guest and model differ. */
export function* playCalls(
  sys: Syscalls,
  model: ModelFs,
  home: string,
  calls: readonly FileCall[],
  kind: JournalKind = { hasJournal: false },
): Process {
  for (const one of calls) {
    const expected = answerOf(() => inModel(model, one, kind));
    let seen: unknown;
    try {
      seen = yield* inGuest(sys, home, one);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      seen = error.code;
    }
    if (!same(seen, expected))
      throw new Error(`${home}: ${JSON.stringify(one)} is ${show(seen)} and should be ${show(expected)}`);
  }
}

/** Plays calls of which any may fail. */
export function* tolerant(sys: Syscalls, calls: readonly FileCall[], home = ''): Process {
  for (const one of calls) {
    try {
      yield* inGuest(sys, home, one);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
    }
  }
}

/** Compares every file of the model with the guest's. */
export function* compareAll(sys: Syscalls, model: ModelFs, home: string): Process {
  for (const { path: file, bytes } of model.files()) {
    const seen = yield* inGuest(sys, home, { do: 'read', path: file });
    if (!same(seen, bytes)) throw new Error(`${home}${file} is ${show(seen)} and should be ${show(bytes)}`);
  }
}

/**
 * What a guest answers to reading all there is, in the order of names: a line for each file,
 * directory and failure. What a crash has left makes no sense here and there: that is an answer,
 * not a defect.
 */
export function* readEverything(sys: Syscalls, path = '', lines: string[] = []): Process<string[]> {
  const answer = function* (at: string, ask: () => Process<string | undefined>): Process {
    try {
      const line = yield* ask();
      if (line !== undefined) lines.push(`${at} ${line}`);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      lines.push(`${at} ${error.code}`);
    }
  };
  yield* answer(path, function* () {
    for (const name of yield* namesIn(sys, path === '' ? '/' : path)) {
      const at = `${path}/${name}`;
      yield* answer(at, function* () {
        const { mode, size, links, ino } = yield* sys.lstat(at);
        const stat = `${mode.toString(8)} ${size} ${links} ${ino}`;
        if (kindOf(mode) === 'symlink') return `${stat} ${yield* sys.readlink(at)}`;
        if (kindOf(mode) === 'file') return `${stat} ${crc32c(yield* readWhole(sys, at)).toString(16)}`;
        if (kindOf(mode) === 'directory') yield* readEverything(sys, at, lines);
        return stat;
      });
    }
    return undefined;
  });
  return lines;
}

/** All bytes of a file. */
export function* readWhole(sys: Syscalls, at: string): Process<Uint8Array> {
  return yield* withFile(sys, at, O.rdonly, function* (fd) {
    const bytes = new Uint8Array(sys.fstat(fd).size + 1);
    let length = 0;
    for (let read = -1; read !== 0; length += read) read = yield* sys.read(fd, bytes, length, bytes.length - length);
    return bytes.subarray(0, length);
  });
}

/** Entries of a directory without those for itself and its parent, in the directory's order. */
export function* namesIn(sys: Syscalls, path: string): Process<string[]> {
  const names = (yield* sys.readdir(path)).map(({ name }) => name);
  return names.filter((name) => name !== '.' && name !== '..');
}

/** What st_mode says. */
export function kindOf(mode: number): 'directory' | 'file' | 'symlink' | undefined {
  return ({ 4: 'directory', 8: 'file', 10: 'symlink' } as const)[mode >>> 12];
}

export function same(a: unknown, b: unknown): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return compareBytes(a, b) === 0;
  return JSON.stringify(a) === JSON.stringify(b);
}

/** A value on one short line. */
export function show(value: unknown): string {
  if (!(value instanceof Uint8Array)) return JSON.stringify(value) ?? 'undefined';
  const hex = Array.from(value.subarray(0, 16), (byte) => byte.toString(16).padStart(2, '0'));
  return `${value.length} bytes ${hex.join('')}`;
}

/** What a call of the model returns, or the code that it throws. */
export function answerOf(ask: () => unknown): unknown {
  try {
    return ask();
  } catch (error) {
    if (error instanceof ModelError) return error.code;
    throw error;
  }
}

/** Does a call in the model, and returns what the guest must answer. */
export function inModel(model: ModelFs, one: FileCall, { hasJournal }: JournalKind): unknown {
  switch (one.do) {
    case 'create':
      model.create(one.path, one.exclusive);
      return undefined;
    case 'write':
      model.write(one.path, one.at, contents(one.length, one.salt));
      return undefined;
    case 'truncate':
      model.truncate(one.path, one.size);
      return undefined;
    case 'direct':
      model.write(one.path, one.page * PAGE_SIZE, contents(one.pages * PAGE_SIZE, one.salt));
      return undefined;
    case 'store': {
      const bytes = Math.max(0, Math.min(one.length, model.read(one.path).length - one.at));
      model.write(one.path, one.at, contents(bytes, one.salt));
      return undefined;
    }
    case 'read':
      return model.read(one.path);
    case 'mkdir':
      model.mkdir(one.path);
      return undefined;
    case 'rmdir':
      model.rmdir(one.path);
      return undefined;
    case 'unlink':
      model.unlink(one.path);
      return undefined;
    case 'list':
      return model.list(one.path);
    case 'stat': {
      const { kind, size, links } = model.stat(one.path);
      return kind === 'directory' ? { kind, links } : { kind, size, links };
    }
    case 'readlink':
      return model.readlink(one.path);
    case 'writeOut':
      model.read(one.path);
      return undefined;
    case 'fsync':
      model.fsync(one.path, hasJournal);
      return undefined;
    case 'fsyncDirectory':
      model.fsyncDirectory(one.path, hasJournal);
      return undefined;
    case 'link':
      model.link(one.path, one.to);
      return undefined;
    case 'rename':
      model.rename(one.path, one.to);
      return undefined;
    case 'symlink':
      model.symlink(one.to, one.path);
      return undefined;
    case 'sync':
      model.sync();
      return undefined;
    case 'dropCaches':
      return undefined;
  }
}

/** Does a call in the guest, and returns what it answers. Throws ModelError. */
export function* inGuest(sys: Syscalls, home: string, one: FileCall): Process<unknown> {
  const at = 'path' in one ? home + one.path : home;
  switch (one.do) {
    case 'create':
      return yield* withFile(sys, at, O.rdwr | O.creat | (one.exclusive ? O.excl : 0), nothing);
    case 'write':
      return yield* withFile(sys, at, O.rdwr, function* (fd) {
        const bytes = yield* sys.pwrite(fd, contents(one.length, one.salt), 0, one.length, one.at);
        if (bytes !== one.length) throw new ModelError('EIO', `${at}: ${bytes} bytes written, not ${one.length}`);
      });
    case 'truncate':
      return yield* sys.truncate(at, one.size);
    case 'direct':
      return yield* withFile(sys, at, O.rdwr | O.direct, function* (fd) {
        const bytes = one.pages * PAGE_SIZE;
        yield* sys.pwrite(fd, contents(bytes, one.salt), 0, bytes, one.page * PAGE_SIZE);
      });
    case 'store':
      return yield* withFile(sys, at, O.rdwr, (fd) => store(sys, fd, one));
    case 'read':
      return yield* readWhole(sys, at);
    case 'mkdir':
      return yield* sys.mkdir(at);
    case 'rmdir':
      return yield* sys.rmdir(at);
    case 'unlink':
      return yield* sys.unlink(at);
    case 'list':
      return (yield* namesIn(sys, at)).sort();
    case 'stat': {
      const { mode, size, links } = yield* sys.lstat(at);
      const kind = kindOf(mode);
      return kind === 'directory' ? { kind, links } : { kind, size, links };
    }
    case 'readlink':
      return yield* sys.readlink(at);
    case 'writeOut':
      return yield* withFile(sys, at, O.rdwr, function* (fd) {
        yield* sys.posixFadvise(fd, 0, 0, FADV.dontneed);
        yield UNPLUG_NS;
      });
    case 'fsync':
      return yield* withFile(sys, at, O.rdwr, (fd) => sys.fsync(fd));
    case 'fsyncDirectory':
      return yield* withFile(sys, at, O.rdonly | O.directory, (fd) => sys.fsync(fd));
    case 'link':
      return yield* sys.link(at, home + one.to);
    case 'rename':
      return yield* sys.rename(at, home + one.to);
    case 'symlink':
      return yield* sys.symlink(one.to, at);
    case 'sync':
      return yield* sys.sync();
    case 'dropCaches':
      sys.dropCaches();
      return undefined;
  }
}

function* store(sys: Syscalls, fd: number, one: FileCall & { do: 'store' }): Process {
  const bytes = Math.min(one.length, pagesOf(sys.fstat(fd).size) * PAGE_SIZE - one.at);
  if (bytes <= 0) return;
  const start = one.at - (one.at % PAGE_SIZE);
  const address = sys.mmap(one.at + bytes - start, PROT.read | PROT.write, MAP.shared, fd, start);
  try {
    yield* sys.store(address + one.at - start, contents(bytes, one.salt), 0, bytes);
    if (one.msync) yield* sys.msync(address, one.at + bytes - start, MS.sync);
  } finally {
    yield* sys.munmap(address, one.at + bytes - start);
  }
}

function* nothing(): Process {
  // Opened is enough.
}

function* withFile<T>(sys: Syscalls, at: string, flags: number, use: (fd: number) => Process<T>): Process<T> {
  const fd = yield* sys.open(at, flags);
  try {
    return yield* use(fd);
  } finally {
    yield* sys.close(fd);
  }
}
