/**
 * System calls on files as such, and the table of open files (fs/open.c, fs/file_table.c,
 * fs/buffer.c of 2.6.12): open, close, truncate, fsync, sync. The base of the
 * surface that syscalls.ts completes.
 */

import { checkArgument, checkText } from '../../base/argument-error.ts';
import { ModelError } from '../../base/errno.ts';
import { PAGE_SIZE, type Ns, type Pfn } from '../../base/units.ts';
import type { CpuClock } from '../../sim/cpu-clock.ts';
import { NOTHING, type Process } from '../../sim/index.ts';
import type { GuestEnvironment } from '../../xen/public/index.ts';
import type { KernelCosts } from '../costs.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { ACCESS_MODE, fput, O, OPEN_FLAGS, type FileMap, type OpenFile } from '../file/filemap.ts';
import type { FileWrite } from '../file/filemap-write.ts';
import { PERMISSIONS, type Inode, type InodesInMemory } from '../fs/inode.ts';
import type { MemoryManagement } from '../mm/mm.ts';
import type { MemoryMaps } from '../file/mmap.ts';
import type { PathWalker } from '../file/namei.ts';
import type { Namespace } from '../file/namespace.ts';
import type { Writeback } from '../cache/fs-writeback.ts';
import type { Sockets } from '../net/socket.ts';

/** Open files of all processes together at most. */
const MAX_FILES = 8192;

/** The parts of the kernel that carry the calls out. */
export interface SyscallParts {
  readonly mm: MemoryManagement;
  readonly files: FileMap;
  readonly writer: FileWrite;
  readonly fs: FileSystem;
  readonly inodes: InodesInMemory;
  readonly writeback: Writeback;
  readonly walker: PathWalker;
  readonly namespace: Namespace;
  readonly maps: MemoryMaps;
  readonly module: ModulePlace;
  readonly sockets: Sockets;
}

/** Where the boot module lies in the guest's memory. */
export interface ModulePlace {
  readonly pfn: Pfn;
  readonly bytes: number;
}

/** The system calls that open and close files. */
export class FileCalls {
  protected readonly cpu: CpuClock;
  protected readonly files: FileMap;
  protected readonly fs: FileSystem;
  protected readonly walker: PathWalker;
  protected readonly namespace: Namespace;
  protected readonly maps: MemoryMaps;
  readonly #syscallNs: number;
  readonly #open: (OpenFile | undefined)[] = [];

  constructor(env: GuestEnvironment, costs: KernelCosts, parts: SyscallParts) {
    this.cpu = env.cpu;
    this.files = parts.files;
    this.#syscallNs = costs.syscallNs;
    this.fs = parts.fs;
    this.walker = parts.walker;
    this.namespace = parts.namespace;
    this.maps = parts.maps;
  }

  /** clock_gettime: virtual time of the guest, what its processor still owes included. */
  now(): Ns {
    return this.cpu.localNow;
  }

  /**
   * Whether the process has used the processor long enough that it should `settle` between two
   * calls.
   */
  get isDue(): boolean {
    return this.cpu.isDue;
  }

  /**
   * No call: the program's own instructions use the processor for so many ns. They pass with the
   * next wait, or with `settle`.
   * @throws ArgumentError for less than 0
   */
  compute(ns: number): void {
    checkArgument(Number.isFinite(ns) && ns >= 0, 'ns', 'expected 0 or more');
    this.cpu.charge(ns);
  }

  /**
   * @internal No call, and no time: how many pages of a range of an open file are not in the cache,
   * and the file's inode. For those who look at a guest from outside. Throws EBADF.
   */
  absentPages(fd: number, position: number, length: number): { readonly ino: number; readonly absent: number } {
    const file = this.file(fd);
    const first = Math.floor(position / PAGE_SIZE);
    const count = length === 0 ? 0 : Math.floor((position + length - 1) / PAGE_SIZE) - first + 1;
    return { ino: file.inode.ino, absent: file.absent(first, count) };
  }

  /** Lets the time pass that was used so far. */
  settle(): Process {
    return this.cpu.settle();
  }

  /**
   * Opens a file or directory; returns a descriptor. Throws EINVAL for a flag that `O` does not
   * name or a zero in the path. Also throws ENOENT, ENOTDIR, ELOOP, EMFILE, EIO, ENOMEM, EEXIST,
   * EISDIR, ENOSPC, EROFS.
   * @param flags of `O`; access 3 needs the rights of `rdwr` and gives a file that is open for
   * neither
   * @param mode permissions of a file that is made
   */
  *open(path: string, flags: number = O.rdonly, mode = 0o644): Process<number> {
    checkText('path', path);
    this.enter();
    if ((flags & OPEN_FLAGS) !== flags) throw new ModelError('EINVAL', `flags ${flags} of open`);
    if (this.#open.length >= MAX_FILES && !this.#open.includes(undefined))
      throw new ModelError('EMFILE', 'too many open files');
    const follow = (flags & O.nofollow) === 0;
    const inode =
      (flags & O.creat) === 0
        ? (this.walker.walkCached(path, follow) ?? (yield* this.walker.walk(path, follow)))
        : yield* this.namespace.create(path, (flags & O.excl) !== 0, follow, mode & PERMISSIONS);
    const file = this.files.open(inode, flags);
    const needsWrite = (flags & ACCESS_MODE) !== O.rdonly;
    try {
      if ((flags & O.directory) !== 0 && !inode.isDirectory) throw new ModelError('ENOTDIR', path);
      if (inode.isSymlink) throw new ModelError('ELOOP', path);
      if (inode.isDirectory && (needsWrite || (flags & (O.creat | O.trunc)) !== 0))
        throw new ModelError('EISDIR', path);
      if (needsWrite && this.fs.changes.isReadOnly) throw new ModelError('EROFS', path);
      if ((flags & O.trunc) !== 0 && inode.isRegular) yield* this.#truncate(inode, 0);
    } catch (error) {
      yield* inode.release();
      throw error;
    }
    // After the last wait: the lowest descriptor that is free now.
    const free = this.#open.indexOf(undefined);
    const fd = free < 0 ? this.#open.length : free;
    this.#open[fd] = file;
    return fd;
  }

  /**
   * Closes a descriptor; calls that still run on it finish. A file without a name is deleted with
   * its last use. Throws EBADF.
   */
  *close(fd: number): Process {
    this.enter();
    const file = this.file(fd);
    this.#open[fd] = undefined;
    file.isClosed = true;
    file.users++;
    const put = fput(file);
    if (put !== NOTHING) yield* put;
  }

  /** All programs end: what they mapped is unmapped, what they had open is closed. */
  *exit(): Process {
    yield* this.maps.exit();
    for (let fd = 0; fd < this.#open.length; fd++) if (this.#open[fd] !== undefined) yield* this.close(fd);
  }

  /** Throws EISDIR, EINVAL, EFBIG, EROFS, EIO and as open does. */
  *truncate(path: string, length: number): Process {
    checkText('path', path);
    this.enter();
    checkPosition(length);
    const inode = yield* this.walker.walk(path, true);
    try {
      if (inode.isDirectory) throw new ModelError('EISDIR', path);
      if (!inode.isRegular) throw new ModelError('EINVAL', `${path} is not a regular file`);
      yield* this.#truncate(inode, length);
    } finally {
      yield* inode.release();
    }
  }

  /** Throws EBADF, EINVAL when the descriptor is not for writing, EFBIG, EROFS, EIO. */
  *ftruncate(fd: number, length: number): Process {
    this.enter();
    checkPosition(length);
    const file = this.file(fd);
    if (!file.isWritable || !file.inode.isRegular)
      throw new ModelError('EINVAL', `descriptor ${fd} is not for writing`);
    yield* this.using(file, this.#truncate(file.inode, length));
  }

  /**
   * fsync: the file is on the disk's medium. Throws what a write of it met since the last time:
   * EIO, ENOSPC.
   */
  *fsync(fd: number): Process {
    this.enter();
    const file = this.file(fd);
    yield* this.using(file, this.fs.fsync(file.inode, false));
  }

  /** fdatasync: as fsync, but times need not be. */
  *fdatasync(fd: number): Process {
    this.enter();
    const file = this.file(fd);
    yield* this.using(file, this.fs.fsync(file.inode, true));
  }

  /** sync: everything is on the disk's medium. */
  *sync(): Process {
    this.enter();
    yield* this.fs.sync();
  }

  *#truncate(inode: Inode, length: number): Process {
    yield* inode.sem.run(this.#truncateLocked(inode, length));
  }

  *#truncateLocked(inode: Inode, length: number): Process {
    yield* this.fs.pages.setSize(inode, length);
    this.maps.truncated(inode);
  }

  /** Keeps an open file while a call on it waits (fget, fput). */
  protected *using<T>(file: OpenFile, process: Process<T>): Process<T> {
    file.users++;
    try {
      return yield* process;
    } finally {
      yield* fput(file);
    }
  }

  protected enter(): void {
    this.cpu.charge(this.#syscallNs);
  }

  protected file(fd: number): OpenFile {
    const file = this.#open[fd];
    if (file === undefined) throw badDescriptor(fd, 'open');
    return file;
  }
}

export function badDescriptor(fd: number, what: 'open' | 'for reading' | 'for writing'): ModelError {
  return new ModelError('EBADF', `descriptor ${fd} is not ${what}`);
}

/** Throws EINVAL. */
export function checkPosition(position: number): void {
  if (!Number.isSafeInteger(position) || position < 0) throw badPosition(position);
}

function badPosition(position: number): ModelError {
  return new ModelError('EINVAL', `position ${position}`);
}
