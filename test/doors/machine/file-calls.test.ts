// What machine.sys has besides the system calls: src/doors/machine/file-calls.ts.
import { describe, expect, it } from 'vitest';
import { ArgumentError, type BlockingSyscalls, files, Machine, O } from '../../../src/doors/machine/index.ts';

const boot = (): Machine =>
  Machine.boot({
    disk: files({ hello: 'hello', d: { a: '', b: '' } }, { size: 6 << 20, inodeBytes: 256 }),
    memory: 16 << 20,
    drive: 'instant',
  });
const textOf = (sys: BlockingSyscalls, path: string): string => new TextDecoder().decode(sys.readFile(path));
/** The lowest descriptor that is free. */
const freeFd = (sys: BlockingSyscalls): number => sys.withOpen('/hello', O.rdonly, (fd) => fd);

describe('the calls of machine.sys on files', () => {
  it('withOpen returns what its function returns, and closes the file also when that throws', () => {
    const { sys } = boot();
    const free = freeFd(sys);
    expect(sys.withOpen('/new', O.wronly | O.creat, (fd) => sys.fstat(fd).mode, 0o600)).toBe(0o100600);
    const failure = new Error('of the caller');
    const fail = (): never => {
      throw failure;
    };
    expect(() => sys.withOpen('/hello', O.rdonly, fail)).toThrow(failure);
    expect(freeFd(sys)).toBe(free);
  });

  it('withOpen throws what ended the guest in its function, and not that there is nothing to close', () => {
    const machine = boot();
    const { sys } = machine;
    machine.crashAt({ event: 3 });
    const write = (fd: number): void => {
      for (let i = 0; ; i++) sys.pwriteAll(fd, new Uint8Array(4096), 0, 4096, i * 4096);
    };
    expect(() => sys.withOpen('/new', O.wronly | O.creat, write)).toThrow(/^the guest has crashed after event 3$/);
    machine.reboot();
    expect(machine.sys.names('/')).toContain('hello');
  });

  it('writeFile replaces a file, readFile gives its bytes, and both survive a warm reboot', () => {
    const machine = boot();
    machine.sys.writeFile('/hello', 'ä longer text');
    machine.sys.writeFile('/bytes', Uint8Array.of(1, 2, 3));
    machine.sys.writeFile('/hello', 'ä text');
    machine.reboot();
    expect(textOf(machine.sys, '/hello')).toBe('ä text');
    expect([...machine.sys.readFile('/bytes')]).toEqual([1, 2, 3]);
    expect(machine.sys.readFile('/d/a')).toHaveLength(0);
  });

  it('pwriteAll writes at a position, and says by an errno that the disk is full where pwrite says how much', () => {
    const { sys } = boot();
    const bytes = new Uint8Array(8 << 20).fill(7);
    sys.withOpen('/hello', O.wronly, (fd) => {
      sys.pwriteAll(fd, bytes, 5, 3, 4);
      sys.pwriteAll(fd, bytes, 0, 0, 100);
    });
    expect(textOf(sys, '/hello')).toBe('hell\u0007\u0007\u0007');
    sys.withOpen('/big', O.wronly | O.creat, (fd) => {
      expect(sys.pwrite(fd, bytes, 0, bytes.length, 0)).toBeLessThan(bytes.length);
      expect(() => sys.pwriteAll(fd, bytes, 0, bytes.length, 0)).toThrow(expect.objectContaining({ code: 'ENOSPC' }));
    });
  });

  it('exists says no where there is no such name, and throws what else keeps the guest from looking', () => {
    const { sys } = boot();
    sys.symlink('/loop', '/loop');
    expect(['/', '/d/a', '/none', '/none/a', '/hello/a'].map((path) => sys.exists(path))).toEqual([
      ...[true, true],
      ...[false, false, false],
    ]);
    expect(() => sys.exists('/loop')).toThrow(expect.objectContaining({ code: 'ELOOP' }));
  });

  it('names has the names in a directory without its own and its parent’s', () => {
    const { sys } = boot();
    expect(sys.names('/d').sort()).toEqual(['a', 'b']);
    expect(sys.readdir('/d')).toHaveLength(4);
    expect(() => sys.names('/hello')).toThrow(expect.objectContaining({ code: 'ENOTDIR' }));
  });

  it('a wrong argument of a call on files is an ArgumentError or an errno, and leaves no file open', () => {
    const { sys } = boot();
    const free = freeFd(sys);
    const wrong = 5 as never;
    for (const call of [
      () => sys.withOpen(wrong, O.rdonly, () => 1),
      () => sys.withOpen('/hello', O.rdonly, wrong),
      () => sys.readFile(wrong),
      () => sys.writeFile('/new', wrong),
      () => sys.writeFile(wrong, ''),
      () => sys.exists(wrong),
      () => sys.names(wrong),
    ])
      expect(call).toThrow(ArgumentError);
    expect(sys.exists('/new')).toBe(false);
    expect(() => sys.withOpen('/hello', O.rdwr, (fd) => sys.pwriteAll(fd, wrong, 0, 1, 0))).toThrow(ArgumentError);
    expect(() => sys.readFile('/d')).toThrow(expect.objectContaining({ code: 'EISDIR' }));
    expect(freeFd(sys)).toBe(free);
  });

  it('stat has each time in ms too, and a number of seconds is taken to the nearest microsecond', () => {
    const { sys } = boot();
    sys.utimes('/hello', 1_000_000_000.123456, 1_100_000_000.9999996);
    const { atimeNs, mtime, mtimeNs, atimeMs, mtimeMs, ctime, ctimeNs, ctimeMs } = sys.stat('/hello');
    expect([atimeNs, mtime, mtimeNs]).toEqual([123_456_000, 1_100_000_001, 0]);
    expect([atimeMs, mtimeMs]).toEqual([1_000_000_000_123.456, 1_100_000_001_000]);
    expect(ctimeMs).toBe(ctime * 1000 + ctimeNs / 1e6);
  });
});
