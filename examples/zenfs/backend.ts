/**
 * A backend of ZenFS whose files lie in a guest. What a program writes through `fs` of ZenFS is in
 * the guest's page cache and on its disk. It survives reboots and crashes as that does. 106 lines
 * of code.
 *
 * ZenFS calls a backend with paths, and nothing stays open between two calls. So a program does not
 * notice a reboot in between. A failure of a system call is thrown as it comes: it has the `code`
 * and the `errno` of Linux, as ZenFS expects.
 */

import {
  type Backend,
  type CreationOptions,
  FileSystem,
  Inode,
  type InodeLike,
  Sync,
  type UsageInfo,
} from '@zenfs/core';
// In a project of your own: from 'stillwarm'.
import { type BlockingSyscalls, type Machine, ModelError, O, type Timespec } from '../../src/index.ts';

const [REGULAR, SYMLINK, PERMISSIONS] = [0o100000, 0o120000, 0o7777];

export class GuestFS extends Sync(FileSystem) {
  readonly machine: Machine;

  constructor(machine: Machine) {
    super(0xef53, 'stillwarm');
    this.machine = machine;
  }

  /** Of the guest that runs now. */
  get #sys(): BlockingSyscalls {
    return this.machine.sys;
  }

  override usage(): UsageInfo {
    const { blockSize, blocks, blocksFree, files, filesFree } = this.#sys.statfs('/');
    const [totalSpace, freeSpace] = [blocks * blockSize, blocksFree * blockSize];
    return { totalSpace, freeSpace, blockSize, totalNodes: files, freeNodes: filesFree };
  }

  override statSync(path: string): Inode {
    const sys = this.#sys;
    // ZenFS follows symbolic links itself: for a backend, no path leads through one.
    for (let end = path.indexOf('/', 1); end > 0; end = path.indexOf('/', end + 1))
      if (typeOf(sys.lstat(path.slice(0, end)).mode) === SYMLINK) throw new ModelError('ENOENT', path);
    const { ino, mode, size, uid, gid, links: nlink, ...times } = sys.lstat(path);
    const [atimeMs, mtimeMs] = [toMs(times.atime, times.atimeNs), toMs(times.mtime, times.mtimeNs)];
    const ctimeMs = toMs(times.ctime, times.ctimeNs);
    const inode = new Inode({ ino, mode, size, uid, gid, nlink, atimeMs, mtimeMs, ctimeMs, birthtimeMs: ctimeMs });
    for (const name of sys.llistxattr(path)) inode.attributes.set(name, sys.lgetxattr(path, name));
    return inode;
  }

  override touchSync(path: string, changes: Partial<InodeLike>): void {
    const sys = this.#sys;
    const is = this.statSync(path);
    const { mode = is.mode, size = is.size, uid = is.uid, gid = is.gid, attributes = is.attributes } = changes;
    if (typeOf(is.mode) === REGULAR && size !== is.size) sys.truncate(path, size);
    if (typeOf(is.mode) === REGULAR && typeOf(mode) === SYMLINK) this.#becomeSymlink(path);
    if (uid !== is.uid || gid !== is.gid) sys.lchown(path, uid, gid);
    if (typeOf(mode) !== SYMLINK && mode !== is.mode) sys.chmod(path, mode & PERMISSIONS);
    for (const name of attributes.keys()) sys.lsetxattr(path, name, attributes.get(name)!);
    for (const name of is.attributes.keys()) if (!attributes.has(name)) sys.lremovexattr(path, name);
    sys.lutimes(path, toTime(changes.atimeMs ?? is.atimeMs), toTime(changes.mtimeMs ?? is.mtimeMs));
  }

  override createFileSync(path: string, { mode, uid, gid }: CreationOptions): Inode {
    this.#open(path, O.wronly | O.creat | O.excl, (fd) => {
      this.#sys.fchown(fd, uid, gid);
      this.#sys.fchmod(fd, mode & PERMISSIONS);
    });
    return this.statSync(path);
  }

  override mkdirSync(path: string, { mode, uid, gid }: CreationOptions): Inode {
    this.#sys.mkdir(path, mode & PERMISSIONS);
    this.#sys.chown(path, uid, gid);
    return this.statSync(path);
  }

  override readSync(path: string, buffer: Uint8Array, start: number, end: number): void {
    const sys = this.#sys;
    if (typeOf(sys.lstat(path).mode) === SYMLINK)
      buffer.set(new TextEncoder().encode(sys.readlink(path)).subarray(start, end));
    else this.#open(path, O.rdonly, (fd) => sys.pread(fd, buffer, 0, Math.min(end - start, buffer.length), start));
  }

  override writeSync(path: string, buffer: Uint8Array, offset: number): void {
    this.#open(path, O.wronly, (fd) => {
      for (let at = 0; at < buffer.length; ) at += this.#sys.pwrite(fd, buffer, at, buffer.length - at, offset + at);
    });
  }

  override readdirSync(path: string): string[] {
    const names = this.#sys.readdir(path).map(({ name }) => name);
    return names.filter((name) => name !== '.' && name !== '..');
  }

  override renameSync(from: string, to: string): void {
    this.#sys.rename(from, to);
  }

  override linkSync(existing: string, path: string): void {
    this.#sys.link(existing, path);
  }

  override unlinkSync(path: string): void {
    this.#sys.unlink(path);
  }

  override rmdirSync(path: string): void {
    this.#sys.rmdir(path);
  }

  override syncSync(): void {
    this.#sys.sync();
  }

  #open(path: string, flags: number, use: (fd: number) => void): void {
    const fd = this.#sys.open(path, flags);
    try {
      use(fd);
    } finally {
      this.#sys.close(fd);
    }
  }

  /** ZenFS makes a symbolic link of a file that holds its text. */
  #becomeSymlink(path: string): void {
    const text = new Uint8Array(this.statSync(path).size);
    this.readSync(path, text, 0, text.length);
    this.#sys.unlink(path);
    this.#sys.symlink(new TextDecoder().decode(text), path);
  }
}

const typeOf = (mode: number): number => mode & 0o170000;
const toMs = (seconds: number, ns: number): number => seconds * 1000 + ns / 1e6;
const toTime = (ms: number): Timespec => {
  const seconds = Math.floor(ms / 1000);
  return { seconds, ns: Math.min(Math.round((ms - seconds * 1000) * 1e6), 999_999_999) };
};

/** For `configure` of ZenFS: `{ mounts: { '/': { backend: Guest, machine } } }`. */
export const Guest = {
  name: 'Guest',
  options: { machine: { type: 'object', required: true } },
  create: ({ machine }: { readonly machine: Machine }) => new GuestFS(machine),
} as const satisfies Backend<GuestFS, { readonly machine: Machine }>;
