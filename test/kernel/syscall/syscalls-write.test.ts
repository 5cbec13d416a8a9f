// The calls that change files, one by one: what the properties of test/experiment do not reach.
import { beforeEach, describe, expect, it } from 'vitest';
import { ModelError, PAGE_SIZE } from '../../../src/base/index.ts';
import { makeExt2 } from '../../../src/disk/mkfs/mkfs.ts';
import { directory, file, tree } from '../../../src/disk/mkfs/tree.ts';
import { FADV, type Kernel, O, SEEK, type Syscalls } from '../../../src/kernel/index.ts';
import type { Process } from '../../../src/sim/index.ts';
import { BlkifOp } from '../../../src/xen/public/index.ts';
import { FakeMachine } from '../../support/fake-machine.ts';

let machine: FakeMachine;
let kernel: Kernel;
let sys: Syscalls;

beforeEach(() => {
  const contents = directory([
    ['old', file('0123456789')],
    ['dir', directory([])],
  ]);
  machine = new FakeMachine({ image: makeExt2(tree(contents), { size: 4 << 20 }) });
  kernel = machine.run(machine.boot());
  sys = kernel.syscalls;
});

const run = <T>(process: Process<T>): T => machine.run(process);
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function errno(process: Process<unknown>): string {
  try {
    run(process);
  } catch (error) {
    if (error instanceof ModelError) return error.code;
    throw error;
  }
  return 'no error';
}

function text(path: string): string {
  const fd = run(sys.open(path));
  const buffer = new Uint8Array(20_000);
  const length = run(sys.read(fd, buffer, 0, buffer.length));
  run(sys.close(fd));
  return new TextDecoder().decode(buffer.subarray(0, length));
}

describe('open', () => {
  it('open makes, cuts short, refuses and appends as its flags say', () => {
    expect(errno(sys.open('/new'))).toBe('ENOENT');
    expect(errno(sys.open('/old', O.wronly | O.creat | O.excl))).toBe('EEXIST');
    expect(errno(sys.open('/dir', O.rdwr))).toBe('EISDIR');
    expect(errno(sys.open('/dir', O.rdonly | O.creat))).toBe('EISDIR');
    expect(errno(sys.open('/old', O.rdonly | O.directory))).toBe('ENOTDIR');
    const append = run(sys.open('/old', O.wronly | O.append));
    expect(run(sys.write(append, bytes('ab'), 0, 2))).toBe(2);
    expect(sys.lseek(append, 0)).toBe(0);
    run(sys.write(append, bytes('cd'), 0, 2));
    expect(sys.lseek(append, 0, SEEK.cur)).toBe(14);
    expect(text('/old')).toBe('0123456789abcd');
    run(sys.close(run(sys.open('/old', O.wronly | O.trunc))));
    expect(text('/old')).toBe('');
    run(sys.open('/new', O.rdwr | O.creat, 0o600));
    expect(run(sys.stat('/new')).mode).toBe(0o100600);
  });

  it('open gives descriptors for what was asked only', () => {
    const [reader, writer] = [run(sys.open('/old')), run(sys.open('/old', O.wronly))];
    expect(errno(sys.write(reader, bytes('x'), 0, 1))).toBe('EBADF');
    expect(errno(sys.read(writer, new Uint8Array(1), 0, 1))).toBe('EBADF');
    expect(errno(sys.ftruncate(reader, 1))).toBe('EINVAL');
  });
});

describe('a directory that was walked through', () => {
  it('a directory that was walked through is gone when it is removed: its number is free', () => {
    run(sys.mkdir('/dir/sub'));
    const { ino } = run(sys.stat('/dir/sub'));
    for (const name of ['a', 'b']) {
      run(sys.close(run(sys.open(`/dir/sub/${name}`, O.wronly | O.creat))));
      run(sys.close(run(sys.open(`/dir/sub/${name}`))));
      expect(errno(sys.open(`/dir/sub/${name}/more`))).toBe('ENOTDIR');
      run(sys.unlink(`/dir/sub/${name}`));
      expect(errno(sys.open(`/dir/sub/${name}`))).toBe('ENOENT');
    }
    run(sys.rmdir('/dir/sub'));
    run(sys.mkdir('/dir/next'));
    expect(run(sys.stat('/dir/next')).ino).toBe(ino);
  });
});

describe('a file without a name', () => {
  it('a file without a name lives while it is open, and its blocks are free after that', () => {
    const fd = run(sys.open('/victim', O.rdwr | O.creat));
    const data = new Uint8Array(100_000).fill(1);
    run(sys.write(fd, data, 0, data.length));
    run(sys.unlink('/victim'));
    expect(errno(sys.stat('/victim'))).toBe('ENOENT');
    const seen = new Uint8Array(data.length);
    expect(run(sys.pread(fd, seen, 0, seen.length, 0))).toBe(data.length);
    expect(seen).toEqual(data);
    const { ino, generation } = sys.fstat(fd);
    run(sys.close(fd));
    // The number is used again, in another generation.
    const next = run(sys.open('/next', O.rdwr | O.creat));
    expect(sys.fstat(next)).toMatchObject({ ino, generation: generation + 1, size: 0 });
  });

  it('a file without a name is not deleted under a read that is on its way', () => {
    run(sys.sync());
    sys.dropCaches();
    const fd = run(sys.open('/old'));
    const buffer = new Uint8Array(10);
    const read = machine.simulation.spawn('reader', sys.read(fd, buffer, 0, 10));
    run(
      (function* () {
        yield 0;
        yield* sys.close(fd);
        yield* sys.unlink('/old');
        yield* read.join();
      })(),
    );
    expect(new TextDecoder().decode(buffer)).toBe('0123456789');
    expect(errno(sys.stat('/old'))).toBe('ENOENT');
  });
});

describe('a full disk', () => {
  it('a full disk takes what fits, then says ENOSPC, and is whole again when something goes', () => {
    const fd = run(sys.open('/big', O.wronly | O.creat));
    const data = new Uint8Array(1 << 20).fill(2);
    let written = 0;
    let code = 'no error';
    for (let i = 0; i < 8 && code === 'no error'; i++) code = errno(count(sys.write(fd, data, 0, data.length)));
    function* count(process: Process<number>): Process {
      written += yield* process;
    }
    expect(code).toBe('ENOSPC');
    expect(sys.fstat(fd).size).toBe(written);
    expect(written % PAGE_SIZE).toBe(0);
    expect(errno(sys.mkdir('/no-room'))).toBe('ENOSPC');
    expect(errno(sys.stat('/no-room'))).toBe('ENOENT');
    run(sys.close(fd));
    run(sys.unlink('/big'));
    run(sys.mkdir('/room'));
    expect(run(sys.readdir('/room'))).toHaveLength(2);
  });

  it('a file as long as the pointers reach is the longest', () => {
    const fd = run(sys.open('/long', O.rdwr | O.creat));
    const longest = (12 + 1024 + 1024 ** 2 + 1024 ** 3) * PAGE_SIZE;
    expect(errno(sys.pwrite(fd, bytes('x'), 0, 1, longest))).toBe('EFBIG');
    expect(errno(sys.ftruncate(fd, longest + 1))).toBe('EFBIG');
    expect(run(sys.pwrite(fd, bytes('xy'), 0, 2, longest - 1))).toBe(1);
    expect(sys.fstat(fd).size).toBe(longest);
    const seen = new Uint8Array(2);
    expect(run(sys.pread(fd, seen, 0, 2, longest - 1))).toBe(1);
    expect(seen[0]).toBe('x'.charCodeAt(0));
    run(sys.ftruncate(fd, 0));
    expect(sys.fstat(fd).sectors).toBe(0);
  });
});

describe('other calls', () => {
  it('writev, readv and sendfile move one piece after the other', () => {
    const fd = run(sys.open('/v', O.rdwr | O.creat));
    expect(run(sys.writev(fd, [bytes('one '), bytes('two '), bytes('three')]))).toBe(13);
    sys.lseek(fd, 4);
    const [a, b] = [new Uint8Array(3), new Uint8Array(20)];
    expect(run(sys.readv(fd, [a, b]))).toBe(9);
    expect(new TextDecoder().decode(b.subarray(0, 6))).toBe(' three');
    const out = run(sys.open('/copy', O.wronly | O.creat));
    sys.lseek(fd, 0);
    expect(run(sys.sendfile(out, fd, 7))).toBe(7);
    expect(text('/copy')).toBe('one two');
  });

  it.each([1023, 1024])('the calls writev and readv take %i buffers', (count) => {
    const fd = run(sys.open('/v', O.rdwr | O.creat));
    const pieces = Array.from({ length: count }, (_, i) => Uint8Array.of(i & 255, i >> 8, 7));
    expect(run(sys.writev(fd, pieces))).toBe(3 * count);
    sys.lseek(fd, 0);
    const seen = pieces.map(() => new Uint8Array(3));
    expect(run(sys.readv(fd, seen))).toBe(3 * count);
    expect(seen).toEqual(pieces);
  });

  it('the calls writev and readv take not one buffer more than 1024: nothing is written or read then', () => {
    const fd = run(sys.open('/v', O.rdwr | O.creat));
    const pieces = Array.from({ length: 1025 }, () => Uint8Array.of(1));
    expect(errno(sys.writev(fd, pieces))).toBe('EINVAL');
    expect(sys.fstat(fd).size).toBe(0);
    expect(run(sys.writev(fd, pieces.slice(1)))).toBe(1024);
    sys.lseek(fd, 0);
    const seen = pieces.map(() => new Uint8Array(1));
    expect(errno(sys.readv(fd, seen))).toBe('EINVAL');
    expect([seen[0]![0], sys.lseek(fd, 0, SEEK.cur)]).toEqual([0, 0]);
  });

  it('the changes of chmod and utimes stay, also over a remount', () => {
    run(sys.chmod('/old', 0o4711));
    run(sys.utimes('/old', 1000, 2000));
    run(kernel.shutdown());
    machine = new FakeMachine({ image: machine.image });
    sys = run(machine.boot()).syscalls;
    expect(run(sys.stat('/old'))).toMatchObject({ mode: 0o104711, atime: 1000, mtime: 2000 });
  });

  it('a write with O_SYNC is on the disk when it returns; nothing else is written before', () => {
    const written = (): number => machine.requests.filter(({ operation }) => operation === BlkifOp.write).length;
    const lazy = run(sys.open('/old', O.rdwr));
    run(sys.write(lazy, bytes('x'), 0, 1));
    expect(written()).toBe(0);
    const fd = run(sys.open('/old', O.rdwr | O.sync));
    run(sys.write(fd, bytes('y'), 0, 1));
    expect(written()).toBeGreaterThan(0);
    expect(machine.requests.at(-1)!.operation).toBe(BlkifOp.flush);
  });

  it('O_DIRECT wants whole blocks', () => {
    const fd = run(sys.open('/old', O.rdwr | O.direct));
    expect(errno(sys.pwrite(fd, new Uint8Array(PAGE_SIZE), 0, PAGE_SIZE, 1))).toBe('EINVAL');
    expect(errno(sys.pread(fd, new Uint8Array(10), 0, 10, 0))).toBe('EINVAL');
  });

  it('fadvise drops pages that are clean', () => {
    text('/old');
    const fd = run(sys.open('/old'));
    run(sys.posixFadvise(fd, 0, 0, FADV.dontneed));
    expect(sys.preadNow(fd, new Uint8Array(10), 0, 10, 0)).toBeLessThan(0);
    run(sys.posixFadvise(fd, 0, 10, FADV.willneed));
    run(sys.pread(fd, new Uint8Array(10), 0, 10, 0));
    expect(sys.preadNow(fd, new Uint8Array(10), 0, 10, 0)).toBe(10);
  });
});

describe('a guest that only reads', () => {
  it('a guest that only reads writes nothing, not even at its shutdown', () => {
    text('/old');
    run(kernel.shutdown());
    expect(machine.requests.every(({ operation }) => operation === BlkifOp.read)).toBe(true);
  });
});

describe('errors, the first that Linux finds', () => {
  const buffer = new Uint8Array(10);

  it('errors of paths are the first that Linux finds', () => {
    expect(errno(sys.open(''))).toBe('ENOENT');
    expect(errno(sys.mkdir(''))).toBe('ENOENT');
    expect(errno(sys.open(`/${'a/'.repeat(2047)}`))).toBe('ENOENT');
    expect(errno(sys.open(`/${'a/'.repeat(2047)}b`))).toBe('ENAMETOOLONG');
    expect(errno(sys.open(`/${'\u20ac'.repeat(1365)}`))).toBe('ENAMETOOLONG');
    for (const path of ['/old/', '/old/.', '/old/..', '/old/x'])
      expect([path, errno(sys.stat(path))]).toEqual([path, 'ENOTDIR']);
    run(sys.symlink('dir', '/link'));
    expect(run(sys.lstat('/link')).mode >>> 12).toBe(10);
    expect(run(sys.lstat('/link/')).mode >>> 12).toBe(4);
    expect(errno(sys.truncate('/old/', 0))).toBe('ENOTDIR');
  });

  it('errors of names that are made, removed or moved are the first that Linux finds', () => {
    expect(errno(sys.open('/new/', O.wronly | O.creat | O.excl))).toBe('EISDIR');
    expect(errno(sys.open('/dir', O.rdonly | O.creat))).toBe('EISDIR');
    expect(errno(sys.open('/dir', O.rdonly | O.trunc))).toBe('EISDIR');
    expect(errno(sys.open('/old', O.rdonly | O.directory))).toBe('ENOTDIR');
    expect(errno(sys.link('/dir', '/old'))).toBe('EEXIST');
    expect(errno(sys.link('/dir', '/new'))).toBe('EPERM');
    expect(errno(sys.unlink('/old/'))).toBe('ENOTDIR');
    expect(errno(sys.unlink('/dir/'))).toBe('EISDIR');
    expect(errno(sys.rmdir('/old'))).toBe('ENOTDIR');
    expect(errno(sys.rmdir('/dir/.'))).toBe('EINVAL');
    expect(errno(sys.rmdir('/dir/..'))).toBe('ENOTEMPTY');
    expect(errno(sys.rmdir('/'))).toBe('EBUSY');
    expect(errno(sys.mkdir('/old/'))).toBe('EEXIST');
    expect(errno(sys.rename('/old/', '/new'))).toBe('ENOTDIR');
    expect(errno(sys.rename('/old', '/new/'))).toBe('ENOTDIR');
    expect(errno(sys.rename('/dir', '/dir/below'))).toBe('EINVAL');
    expect(errno(sys.rename('/dir', '/old'))).toBe('ENOTDIR');
    expect(errno(sys.rename('/old', '/dir'))).toBe('EISDIR');
    expect(errno(sys.rename('/dir/.', '/new'))).toBe('EBUSY');
    expect(errno(sys.rename('/dir/', '/moved/'))).toBe('no error');
    run(sys.mkdir('/sticky', 0o6777));
    expect(run(sys.stat('/sticky')).mode & 0o7777).toBe(0o777);
  });

  it('errors of descriptors and positions are the first that Linux finds', () => {
    const writer = run(sys.open('/old', O.wronly));
    const reader = run(sys.open('/old'));
    const dir = run(sys.open('/dir'));
    const thrown = (call: () => unknown): string =>
      errno(
        (function* () {
          call();
        })(),
      );
    expect(thrown(() => sys.preadNow(99, buffer, 0, 1, -1))).toBe('EINVAL');
    expect(thrown(() => sys.preadNow(99, buffer, 0, 1, 0))).toBe('EBADF');
    expect(thrown(() => sys.preadNow(writer, buffer, 0, 11, 0))).toBe('EBADF');
    expect(thrown(() => sys.pwriteNow(reader, buffer, 0, 11, -1))).toBe('EINVAL');
    expect(thrown(() => sys.pwriteNow(reader, buffer, 0, 11, 0))).toBe('EBADF');
    expect(thrown(() => sys.readNow(dir, buffer, 0, 1))).toBe('EISDIR');
    expect(errno(sys.readv(99, []))).toBe('EBADF');
    expect(
      errno(
        sys.writev(
          writer,
          Array.from({ length: 1025 }, () => buffer),
        ),
      ),
    ).toBe('EINVAL');
    expect(errno(sys.sendfile(reader, reader, 1))).toBe('EBADF');
    expect(errno(sys.sendfile(writer, writer, 1))).toBe('EBADF');
    expect(errno(sys.sendfile(writer, dir, 1))).toBe('EISDIR');
    expect(thrown(() => sys.lseek(reader, 0, 3))).toBe('EINVAL');
    expect(thrown(() => sys.lseek(reader, -1, SEEK.cur))).toBe('EINVAL');
    expect(thrown(() => sys.lseek(reader, 2 ** 52))).toBe('EINVAL');
    expect(errno(sys.ftruncate(99, -1))).toBe('EINVAL');
    expect(errno(sys.ftruncate(reader, 0))).toBe('EINVAL');
    expect(errno(sys.truncate('/dir', 0))).toBe('EISDIR');
    expect(errno(sys.truncate('/nowhere', -1))).toBe('EINVAL');
    expect(errno(sys.truncate('/old', 2 ** 52))).toBe('EFBIG');
    expect(errno(sys.posixFadvise(99, -1, 0, 9))).toBe('EBADF');
    expect(errno(sys.posixFadvise(reader, 0, 0, 9))).toBe('EINVAL');
    expect(errno(sys.readahead(writer, 0, 1))).toBe('EBADF');
  });
});

describe('".."', () => {
  it('the ".." of a directory that was moved is where it is, also when it was looked up before', () => {
    for (const path of ['/a', '/b', '/a/c']) run(sys.mkdir(path));
    const inoOf = (path: string): number => run(sys.stat(path)).ino;
    expect(inoOf('/a/c/..')).toBe(inoOf('/a'));
    run(sys.rename('/a/c', '/b/c'));
    expect(inoOf('/b/c/..')).toBe(inoOf('/b'));
    run(sys.rename('/b/c', '/c'));
    expect(inoOf('/c/..')).toBe(inoOf('/'));
  });

  it('the ".." of a directory that has the number of one that was removed is its own parent', () => {
    for (const path of ['/a', '/b', '/a/c']) run(sys.mkdir(path));
    const { ino } = run(sys.stat('/a/c'));
    expect(run(sys.stat('/a/c/..')).ino).toBe(run(sys.stat('/a')).ino);
    run(sys.rmdir('/a/c'));
    run(sys.mkdir('/b/c'));
    expect(run(sys.stat('/b/c')).ino).toBe(ino);
    expect(run(sys.stat('/b/c/..')).ino).toBe(run(sys.stat('/b')).ino);
  });
});

describe('several buffers, or another file', () => {
  it('what a failing block cuts short is told by the bytes that came before', () => {
    const whole = new Uint8Array(4 * PAGE_SIZE).fill(7);
    const from = run(sys.open('/from', O.rdwr | O.creat));
    run(sys.write(from, whole, 0, whole.length));
    run(sys.fsync(from));
    sys.dropCaches();
    run(sys.posixFadvise(from, 0, 0, FADV.random));
    const before = machine.requests.length;
    run(sys.pread(from, whole, 0, 1, 2 * PAGE_SIZE));
    const bad = machine.requests.slice(before).at(-1)!.sector / 8;
    sys.dropCaches();
    machine.badBlocks.add(bad);
    run(sys.open('/to', O.rdwr | O.creat));
    const to = run(sys.open('/to', O.rdwr));
    sys.lseek(from, 0);
    expect(run(sys.sendfile(to, from, whole.length))).toBe(2 * PAGE_SIZE);
    expect(sys.lseek(from, 0, SEEK.cur)).toBe(2 * PAGE_SIZE);
    expect(errno(sys.sendfile(to, from, whole.length))).toBe('EIO');
    expect(sys.lseek(from, 0, SEEK.cur)).toBe(2 * PAGE_SIZE);
    const [one, two] = [new Uint8Array(PAGE_SIZE + 10), new Uint8Array(3 * PAGE_SIZE)];
    sys.lseek(from, 0);
    expect(run(sys.readv(from, [one, two]))).toBe(2 * PAGE_SIZE);
    expect(errno(sys.readv(from, [one, two]))).toBe('EIO');
  });

  it('writev appends all or lets nothing of others in between', () => {
    const fd = run(sys.open('/log', O.wronly | O.append | O.creat));
    const writer = function* (letter: string): Process {
      for (let i = 0; i < 5; i++) yield* sys.writev(fd, [bytes(letter.repeat(3000)), bytes(letter.repeat(3000))]);
    };
    const tasks = ['a', 'b', 'c'].map((letter) => machine.simulation.spawn(letter, writer(letter)));
    run(
      (function* () {
        for (const task of tasks) yield* task.join();
      })(),
    );
    expect(text('/log').length).toBe(20_000);
    expect(run(sys.stat('/log')).size).toBe(90_000);
    for (const piece of text('/log')
      .match(/(.)\1*/g)!
      .slice(0, -1))
      expect(piece.length % 6000).toBe(0);
  });
});
