// Programs that change a file system, played by the guest and by the model at once. Each process
// works in a directory of its own, so that what it must see does not depend on the others. Memory,
// blocks and inode numbers are shared by all.
import fc from 'fast-check';
import { createHash } from 'node:crypto';
import { ModelError, Ns, PAGE_SIZE, pagesOf } from '../../src/base/index.ts';
import { FADV, MAP, MS, O, PROT, type Syscalls } from '../../src/kernel/index.ts';
import type { Process } from '../../src/sim/index.ts';
import { type ModelFs, ModelFsError } from './model-fs.ts';

/** Longer than requests wait for others to be merged with, ns. */
const UNPLUG_NS = 15_000_000;

/** One call. Paths are within the process's directory. */
export type Call =
  | { do: 'create'; path: string; exclusive: boolean }
  | { do: 'write'; path: string; at: number; length: number; salt: number }
  | { do: 'truncate'; path: string; size: number }
  /** A write past the cache, of whole pages. */
  | { do: 'direct'; path: string; page: number; pages: number; salt: number }
  /**
   * A store through a shared mapping, up to the end of the file's last page; then msync or munmap
   * alone.
   */
  | { do: 'store'; path: string; at: number; length: number; salt: number; msync: boolean }
  /** writeOut: data is written, metadata is not. */
  | { do: 'read' | 'writeOut' | 'mkdir' | 'rmdir' | 'unlink' | 'list' | 'stat' | 'readlink' | 'fsync'; path: string }
  | { do: 'link' | 'rename' | 'symlink'; path: string; to: string }
  | { do: 'sync' | 'dropCaches' };

const name = fc.constantFrom('a', 'b', 'c', 'long-'.repeat(30));
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => `/${parts.join('/')}`);
const offset = fc.oneof(fc.nat(10_000), fc.nat(90_000), fc.nat(5_000_000));
const length = fc.oneof(fc.nat(5_000), fc.nat(40_000));

/** Few paths, so that calls meet what earlier ones made. */
export const call: fc.Arbitrary<Call> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('create' as const), path, exclusive: fc.boolean() }) },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('write' as const), path, at: offset, length, salt: fc.nat(255) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('truncate' as const), path, size: offset }) },
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constantFrom(
        ...(['read', 'read', 'mkdir', 'mkdir', 'rmdir', 'unlink', 'list', 'stat', 'readlink', 'fsync'] as const),
      ),
      path,
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('link' as const, 'rename' as const), path, to: path }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('symlink' as const),
      path,
      to: fc.constantFrom('a', 'b/a', 'b/../a', './c', 'x'.repeat(80)),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('sync' as const, 'dropCaches' as const) }) },
);

export function contents(size: number, salt: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = (i * 7 + (i >>> 8) * 13 + salt * 31 + 1) & 255;
  return bytes;
}

/** Plays a program in the directory `home`; throws where guest and model differ. */
export function* playCalls(sys: Syscalls, model: ModelFs, home: string, calls: readonly Call[]): Process {
  for (const one of calls) {
    const expected = answerOf(() => inModel(model, one));
    let seen: unknown;
    try {
      seen = yield* guest(sys, home, one);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      seen = error.code;
    }
    if (!same(seen, expected))
      throw new Error(`${home}: ${JSON.stringify(one)} is ${show(seen)} and should be ${show(expected)}`);
  }
}

/** Plays a program where any call may fail. */
export function* tolerant(sys: Syscalls, calls: readonly Call[]): Process {
  for (const one of calls) {
    try {
      yield* guest(sys, '', one);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
    }
  }
}

/** Compares every file of the model with the guest's. */
export function* compareAll(sys: Syscalls, model: ModelFs, home: string): Process {
  for (const { path: file, bytes } of model.files()) {
    const seen = yield* guest(sys, home, { do: 'read', path: file });
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
    const names = (yield* sys.readdir(path === '' ? '/' : path)).map(({ name }) => name);
    for (const name of names.filter((each) => each !== '.' && each !== '..')) {
      const at = `${path}/${name}`;
      yield* answer(at, function* () {
        const { mode, size, links, ino } = yield* sys.lstat(at);
        const stat = `${mode.toString(8)} ${size} ${links} ${ino}`;
        if (mode >>> 12 === 10) return `${stat} ${yield* sys.readlink(at)}`;
        if (mode >>> 12 === 8)
          return `${stat} ${createHash('sha1')
            .update(yield* readWhole(sys, at))
            .digest('hex')}`;
        if (mode >>> 12 === 4) yield* readEverything(sys, at, lines);
        return stat;
      });
    }
    return undefined;
  });
  return lines;
}

function answerOf(ask: () => unknown): unknown {
  try {
    return ask();
  } catch (error) {
    if (error instanceof ModelFsError) return error.code;
    throw error;
  }
}

function inModel(model: ModelFs, one: Call): unknown {
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
    case 'fsync':
    case 'writeOut':
      model.read(one.path);
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
    case 'dropCaches':
      return undefined;
  }
}

function* guest(sys: Syscalls, home: string, one: Call): Process<unknown> {
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
        yield* sys.pwrite(
          fd,
          contents(one.pages * PAGE_SIZE, one.salt),
          0,
          one.pages * PAGE_SIZE,
          one.page * PAGE_SIZE,
        );
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
      return (yield* sys.readdir(at))
        .map((entry) => entry.name)
        .filter((entry) => entry !== '.' && entry !== '..')
        .sort();
    case 'stat': {
      const { mode, size, links } = yield* sys.lstat(at);
      const kind = { 4: 'directory', 8: 'file', 10: 'symlink' }[mode >>> 12];
      return kind === 'directory' ? { kind, links } : { kind, size, links };
    }
    case 'readlink':
      return yield* sys.readlink(at);
    case 'writeOut':
      return yield* withFile(sys, at, O.rdwr, function* (fd) {
        yield* sys.posixFadvise(fd, 0, 0, FADV.dontneed);
        yield Ns(UNPLUG_NS);
      });
    case 'fsync':
      return yield* withFile(sys, at, O.rdwr, (fd) => sys.fsync(fd));
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

function* store(sys: Syscalls, fd: number, one: Call & { do: 'store' }): Process {
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

export function* readWhole(sys: Syscalls, at: string): Process<Uint8Array> {
  return yield* withFile(sys, at, O.rdonly, function* (fd) {
    const bytes = new Uint8Array(sys.fstat(fd).size + 1);
    let length = 0;
    for (let read = -1; read !== 0; length += read) read = yield* sys.read(fd, bytes, length, bytes.length - length);
    return bytes.subarray(0, length);
  });
}

function* withFile<T>(sys: Syscalls, at: string, flags: number, use: (fd: number) => Process<T>): Process<T> {
  const fd = yield* sys.open(at, flags);
  try {
    return yield* use(fd);
  } finally {
    yield* sys.close(fd);
  }
}

function same(a: unknown, b: unknown): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0;
  return JSON.stringify(a) === JSON.stringify(b);
}

function show(value: unknown): string {
  return value instanceof Uint8Array
    ? `${value.length} bytes ${Buffer.from(value.subarray(0, 16)).toString('hex')}`
    : JSON.stringify(value);
}
