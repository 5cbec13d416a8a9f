/**
 * A backend of ZenFS whose files lie in a guest. What a program writes through `fs` of ZenFS is in
 * the guest's page cache and on its disk. It survives reboots and crashes as that does. 68 lines
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
import { type Machine, ModelError, O } from '../../src/index.ts';

const isLink = (mode: number): boolean => (mode & 0o170000) === 0o120000;

export class GuestFS extends Sync(FileSystem) {
  /** Its `sys` is of the guest that runs now. */
  readonly machine: Pick<Machine, 'sys'>;

  constructor(machine: Pick<Machine, 'sys'>) {
    super(0xef53, 'stillwarm');
    this.machine = machine;
  }

  get sys(): Machine['sys'] {
    return this.machine.sys;
  }

  override usage(): UsageInfo {
    const { blockSize, blocks, blocksFree, files: totalNodes, filesFree: freeNodes } = this.sys.statfs('/');
    return { totalSpace: blocks * blockSize, freeSpace: blocksFree * blockSize, blockSize, totalNodes, freeNodes };
  }

  override statSync(path: string): Inode {
    // ZenFS follows symbolic links itself: for a backend, no path leads through one.
    for (let end = path.indexOf('/', 1); end > 0; end = path.indexOf('/', end + 1))
      if (isLink(this.sys.lstat(path.slice(0, end)).mode)) throw new ModelError('ENOENT', path);
    const { ino, mode, size, uid, gid, links: nlink, atimeMs, mtimeMs, ctimeMs } = this.sys.lstat(path);
    const inode = new Inode({ ino, mode, size, uid, gid, nlink, atimeMs, mtimeMs, ctimeMs, birthtimeMs: ctimeMs });
    for (const name of this.sys.llistxattr(path)) inode.attributes.set(name, this.sys.lgetxattr(path, name));
    return inode;
  }

  override touchSync(path: string, changes: Partial<InodeLike>): void {
    const is = this.statSync(path);
    const { mode = is.mode, size = is.size, uid = is.uid, gid = is.gid, attributes = is.attributes } = changes;
    if (size !== is.size) this.sys.truncate(path, size);
    // ZenFS makes a symbolic link of a file that holds its text.
    if (isLink(mode) && !isLink(is.mode)) {
      const text = new TextDecoder().decode(this.sys.readFile(path));
      this.sys.unlink(path);
      this.sys.symlink(text, path);
    }
    this.sys.lchown(path, uid, gid);
    if (!isLink(mode)) this.sys.chmod(path, mode);
    for (const name of attributes.keys()) this.sys.lsetxattr(path, name, attributes.get(name)!);
    for (const name of is.attributes.keys()) if (!attributes.has(name)) this.sys.lremovexattr(path, name);
    this.sys.lutimes(path, (changes.atimeMs ?? is.atimeMs) / 1000, (changes.mtimeMs ?? is.mtimeMs) / 1000);
  }

  override createFileSync(path: string, { mode, uid, gid }: CreationOptions): Inode {
    this.sys.withOpen(path, O.wronly | O.creat | O.excl, (fd) => this.sys.fchown(fd, uid, gid));
    this.sys.chmod(path, mode);
    return this.statSync(path);
  }

  override mkdirSync(path: string, { mode, uid, gid }: CreationOptions): Inode {
    this.sys.mkdir(path, mode);
    this.sys.chown(path, uid, gid);
    return this.statSync(path);
  }

  override readSync(path: string, buffer: Uint8Array, start: number, end: number): void {
    const length = Math.min(end - start, buffer.length);
    if (isLink(this.sys.lstat(path).mode))
      buffer.set(new TextEncoder().encode(this.sys.readlink(path)).subarray(start, end));
    else this.sys.withOpen(path, O.rdonly, (fd) => this.sys.pread(fd, buffer, 0, length, start));
  }

  override writeSync(path: string, buffer: Uint8Array, offset: number): void {
    this.sys.withOpen(path, O.wronly, (fd) => this.sys.pwriteAll(fd, buffer, 0, buffer.length, offset));
  }

  // What is one call.
  override readdirSync = (path: string): string[] => this.sys.names(path);
  override renameSync = (from: string, to: string): void => this.sys.rename(from, to);
  override linkSync = (existing: string, path: string): void => this.sys.link(existing, path);
  override unlinkSync = (path: string): void => this.sys.unlink(path);
  override rmdirSync = (path: string): void => this.sys.rmdir(path);
  override syncSync = (): void => this.sys.sync();
}

/** For `configure` of ZenFS: `{ mounts: { '/': { backend: Guest, machine } } }`. */
export const Guest = {
  name: 'Guest',
  options: { machine: { type: 'object', required: true } },
  create: ({ machine }: { readonly machine: Machine }) => new GuestFS(machine),
} as const satisfies Backend<GuestFS, { readonly machine: Machine }>;
