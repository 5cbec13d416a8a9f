/**
 * A backend of ZenFS whose files lie in a guest. What a program writes through `fs` of ZenFS is in
 * the guest's page cache and on its disk. It survives reboots and crashes as that does. 82 lines
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

const PERMISSIONS = 0o7777;
const isLink = (mode: number): boolean => (mode & 0o170000) === 0o120000;

export class GuestFS extends Sync(FileSystem) {
  /** Its `sys` is of the guest that runs now. */
  readonly machine: Pick<Machine, 'sys'>;

  constructor(machine: Pick<Machine, 'sys'>) {
    super(0xef53, 'stillwarm');
    this.machine = machine;
  }

  override usage(): UsageInfo {
    const { blockSize, blocks, blocksFree, files: totalNodes, filesFree: freeNodes } = this.machine.sys.statfs('/');
    return { totalSpace: blocks * blockSize, freeSpace: blocksFree * blockSize, blockSize, totalNodes, freeNodes };
  }

  override statSync(path: string): Inode {
    const { sys } = this.machine;
    // ZenFS follows symbolic links itself: for a backend, no path leads through one.
    for (let end = path.indexOf('/', 1); end > 0; end = path.indexOf('/', end + 1))
      if (isLink(sys.lstat(path.slice(0, end)).mode)) throw new ModelError('ENOENT', path);
    const { ino, mode, size, uid, gid, links: nlink, atimeMs, mtimeMs, ctimeMs } = sys.lstat(path);
    const inode = new Inode({ ino, mode, size, uid, gid, nlink, atimeMs, mtimeMs, ctimeMs, birthtimeMs: ctimeMs });
    for (const name of sys.llistxattr(path)) inode.attributes.set(name, sys.lgetxattr(path, name));
    return inode;
  }

  override touchSync(path: string, changes: Partial<InodeLike>): void {
    const { sys } = this.machine;
    const is = this.statSync(path);
    const { mode = is.mode, size = is.size, uid = is.uid, gid = is.gid, attributes = is.attributes } = changes;
    if (size !== is.size) sys.truncate(path, size);
    // ZenFS makes a symbolic link of a file that holds its text.
    if (isLink(mode) && !isLink(is.mode)) {
      const text = new TextDecoder().decode(sys.readFile(path));
      sys.unlink(path);
      sys.symlink(text, path);
    }
    sys.lchown(path, uid, gid);
    if (!isLink(mode)) sys.chmod(path, mode & PERMISSIONS);
    for (const name of attributes.keys()) sys.lsetxattr(path, name, attributes.get(name)!);
    for (const name of is.attributes.keys()) if (!attributes.has(name)) sys.lremovexattr(path, name);
    sys.lutimes(path, (changes.atimeMs ?? is.atimeMs) / 1000, (changes.mtimeMs ?? is.mtimeMs) / 1000);
  }

  override createFileSync(path: string, { mode, uid, gid }: CreationOptions): Inode {
    const { sys } = this.machine;
    sys.withOpen(path, O.wronly | O.creat | O.excl, (fd) => sys.fchown(fd, uid, gid));
    sys.chmod(path, mode & PERMISSIONS);
    return this.statSync(path);
  }

  override mkdirSync(path: string, { mode, uid, gid }: CreationOptions): Inode {
    this.machine.sys.mkdir(path, mode & PERMISSIONS);
    this.machine.sys.chown(path, uid, gid);
    return this.statSync(path);
  }

  override readSync(path: string, buffer: Uint8Array, start: number, end: number): void {
    const { sys } = this.machine;
    const length = Math.min(end - start, buffer.length);
    if (!isLink(sys.lstat(path).mode)) sys.withOpen(path, O.rdonly, (fd) => sys.pread(fd, buffer, 0, length, start));
    else buffer.set(new TextEncoder().encode(sys.readlink(path)).subarray(start, end));
  }

  override writeSync(path: string, buffer: Uint8Array, offset: number): void {
    const { sys } = this.machine;
    sys.withOpen(path, O.wronly, (fd) => sys.pwriteAll(fd, buffer, 0, buffer.length, offset));
  }

  override readdirSync(path: string): string[] {
    return this.machine.sys.names(path);
  }

  override renameSync(from: string, to: string): void {
    this.machine.sys.rename(from, to);
  }

  override linkSync(existing: string, path: string): void {
    this.machine.sys.link(existing, path);
  }

  override unlinkSync(path: string): void {
    this.machine.sys.unlink(path);
  }

  override rmdirSync(path: string): void {
    this.machine.sys.rmdir(path);
  }

  override syncSync(): void {
    this.machine.sys.sync();
  }
}

/** For `configure` of ZenFS: `{ mounts: { '/': { backend: Guest, machine } } }`. */
export const Guest = {
  name: 'Guest',
  options: { machine: { type: 'object', required: true } },
  create: ({ machine }: { readonly machine: Machine }) => new GuestFS(machine),
} as const satisfies Backend<GuestFS, { readonly machine: Machine }>;
