/**
 * The system calls: what a workload may use of the kernel. Calls that may wait are processes; failures are ModelErrors
 * with errno names. `readNow` is the exception: the cached-read path, which neither waits nor allocates.
 */

import { ModelError } from '../base/errno.ts';
import { PAGE_SIZE, pagesOf, Pfn, type Ns } from '../base/units.ts';
import type { CpuClock, Process } from '../sim/index.ts';
import type { GuestEnvironment } from '../xen/public/index.ts';
import type { KernelCosts } from './costs.ts';
import type { Ext2 } from './ext2.ts';
import type { DirectoryEntry, Ext2Directories } from './ext2-dir.ts';
import { OpenFile, type FileMap } from './filemap.ts';
import type { Inode } from './inode.ts';
import type { PathWalker } from './namei.ts';

/** Open files of all processes together at most. */
const MAX_FILES = 8192;

/** struct stat, as far as it is kept. */
export interface Stat {
  readonly ino: number;
  readonly generation: number;
  readonly mode: number;
  readonly links: number;
  /** Bytes. */
  readonly size: number;
  /** Seconds since 1970. */
  readonly mtime: number;
}

/** Where the boot module lies in the guest's memory. */
export interface ModulePlace {
  readonly pfn: Pfn;
  readonly bytes: number;
}

export class Syscalls {
  readonly #env: GuestEnvironment;
  readonly #cpu: CpuClock;
  readonly #costs: KernelCosts;
  readonly #files: FileMap;
  readonly #ext2: Ext2;
  readonly #directories: Ext2Directories;
  readonly #walker: PathWalker;
  readonly #module: ModulePlace;
  readonly #open: (OpenFile | undefined)[] = [];

  constructor(
    env: GuestEnvironment,
    costs: KernelCosts,
    files: FileMap,
    ext2: Ext2,
    directories: Ext2Directories,
    walker: PathWalker,
    module: ModulePlace,
  ) {
    this.#env = env;
    this.#cpu = env.cpu;
    this.#costs = costs;
    this.#files = files;
    this.#ext2 = ext2;
    this.#directories = directories;
    this.#walker = walker;
    this.#module = module;
  }

  /** clock_gettime: virtual time of the guest, what its processor still owes included. */
  now(): Ns {
    return this.#cpu.localNow;
  }

  /** Whether the process has used the processor long enough that it should `settle` between two calls. */
  get isDue(): boolean {
    return this.#cpu.isDue;
  }

  /** Lets the time pass that was used so far. */
  *settle(): Process {
    yield* this.#cpu.settle();
  }

  /** Opens a file or directory for reading; returns a descriptor. Throws ENOENT, ENOTDIR, ELOOP, EMFILE, EIO, ENOMEM. */
  *open(path: string): Process<number> {
    this.#enter();
    let fd = this.#open.indexOf(undefined);
    if (fd < 0) fd = this.#open.length;
    if (fd >= MAX_FILES) throw new ModelError('EMFILE', 'too many open files');
    const inode = yield* this.#walker.walk(path, true);
    // The slot may have been taken while the walk waited.
    while (this.#open[fd] !== undefined) fd++;
    this.#open[fd] = new OpenFile(inode);
    return fd;
  }

  /** Throws EBADF. */
  close(fd: number): void {
    this.#enter();
    this.#ext2.inodes.put(this.#file(fd).inode);
    this.#open[fd] = undefined;
  }

  /**
   * read, as far as the cache has it: up to `length` bytes from the file's position into dst[offset …].
   * @returns the bytes read, fewer than asked only at the end of the file; or a negative number when the rest must
   * wait: pass it to `readRest` with the same arguments. Throws EBADF, EISDIR, EINVAL.
   */
  readNow(fd: number, dst: Uint8Array, offset: number, length: number): number {
    this.#enter();
    const file = this.#regular(fd, dst, offset, length);
    const done = this.#files.readNow(file, dst, offset, file.position, length);
    if (done >= 0) file.position += done;
    return done;
  }

  /** The rest of a read that returned `pending`. Returns the bytes read in all. Throws EIO, ENOMEM. */
  *readRest(fd: number, dst: Uint8Array, offset: number, length: number, pending: number): Process<number> {
    const file = this.#file(fd);
    const done = yield* this.#files.readRest(file, dst, offset, file.position, length, ~pending);
    file.position += done;
    return done;
  }

  /** read: `readNow` and, where needed, `readRest`. */
  *read(fd: number, dst: Uint8Array, offset: number, length: number): Process<number> {
    const done = this.readNow(fd, dst, offset, length);
    return done >= 0 ? done : yield* this.readRest(fd, dst, offset, length, done);
  }

  /**
   * pread, as far as the cache has it: as `readNow`, but at `position`, and the file's own position stays. A negative
   * result goes to `preadRest`.
   */
  preadNow(fd: number, dst: Uint8Array, offset: number, length: number, position: number): number {
    this.#enter();
    const file = this.#regular(fd, dst, offset, length);
    checkPosition(position);
    return this.#files.readNow(file, dst, offset, position, length);
  }

  /** The rest of a pread that returned `pending`. Returns the bytes read in all. Throws EIO, ENOMEM. */
  preadRest(
    fd: number,
    dst: Uint8Array,
    offset: number,
    length: number,
    position: number,
    pending: number,
  ): Process<number> {
    return this.#files.readRest(this.#file(fd), dst, offset, position, length, ~pending);
  }

  /** pread: `preadNow` and, where needed, `preadRest`. */
  *pread(fd: number, dst: Uint8Array, offset: number, length: number, position: number): Process<number> {
    const done = this.preadNow(fd, dst, offset, length, position);
    return done >= 0 ? done : yield* this.preadRest(fd, dst, offset, length, position, done);
  }

  /** lseek with SEEK_SET. Throws EBADF, EINVAL. */
  lseek(fd: number, position: number): void {
    this.#enter();
    checkPosition(position);
    this.#file(fd).position = position;
  }

  /** readahead(2): starts reading `length` bytes from `position` into the cache. Throws EBADF, EISDIR. */
  *readahead(fd: number, position: number, length: number): Process {
    this.#enter();
    checkPosition(position);
    const { inode } = this.#file(fd);
    if (!inode.isRegular) throw new ModelError('EINVAL', 'readahead is for regular files');
    yield* this.#files.readahead(inode, Math.floor(position / PAGE_SIZE), pagesOf(length));
  }

  /** stat. Throws as open does. */
  *stat(path: string): Process<Stat> {
    return yield* this.#stat(path, true);
  }

  /** lstat: as stat, but does not follow a symbolic link at the end. */
  *lstat(path: string): Process<Stat> {
    return yield* this.#stat(path, false);
  }

  /** fstat. Throws EBADF. */
  fstat(fd: number): Stat {
    this.#enter();
    return statOf(this.#file(fd).inode);
  }

  /** All entries of a directory, "." and ".." included. Throws ENOTDIR and as open does. */
  *readdir(path: string): Process<DirectoryEntry[]> {
    this.#enter();
    const inode = yield* this.#walker.walk(path, true);
    try {
      if (!inode.isDirectory) throw new ModelError('ENOTDIR', path);
      return yield* this.#directories.list(inode);
    } finally {
      this.#ext2.inodes.put(inode);
    }
  }

  /** The text of a symbolic link. Throws EINVAL when it is none, and as open does. */
  *readlink(path: string): Process<string> {
    this.#enter();
    const inode = yield* this.#walker.walk(path, false);
    try {
      if (!inode.isSymlink) throw new ModelError('EINVAL', `${path} is no symbolic link`);
      return yield* this.#walker.readlink(inode);
    } finally {
      this.#ext2.inodes.put(inode);
    }
  }

  /** The module that the tool stack loaded with the kernel (an initrd); empty when there is none. */
  bootModule(): Uint8Array {
    const { pfn, bytes } = this.#module;
    const module = new Uint8Array(bytes);
    for (let at = 0; at < bytes; at += PAGE_SIZE)
      this.#env.memory.copyOut(Pfn(pfn + at / PAGE_SIZE), 0, module, at, Math.min(PAGE_SIZE, bytes - at));
    return module;
  }

  *#stat(path: string, follow: boolean): Process<Stat> {
    this.#enter();
    const inode = yield* this.#walker.walk(path, follow);
    this.#ext2.inodes.put(inode);
    return statOf(inode);
  }

  #enter(): void {
    this.#cpu.charge(this.#costs.syscallNs);
  }

  #file(fd: number): OpenFile {
    const file = this.#open[fd];
    if (file === undefined) throw new ModelError('EBADF', `descriptor ${fd} is not open`);
    return file;
  }

  #regular(fd: number, dst: Uint8Array, offset: number, length: number): OpenFile {
    const file = this.#file(fd);
    if (file.inode.isDirectory) throw new ModelError('EISDIR', `descriptor ${fd} is a directory`);
    if (!file.inode.isRegular) throw new ModelError('EINVAL', `descriptor ${fd} is no regular file`);
    if (!(offset >= 0 && length >= 0 && offset + length <= dst.length))
      throw new ModelError('EINVAL', 'the range lies outside the buffer');
    return file;
  }
}

function statOf(inode: Inode): Stat {
  const { ino, generation, mode, links, size, mtime } = inode.fields;
  return { ino, generation, mode, links, size, mtime };
}

function checkPosition(position: number): void {
  if (!Number.isSafeInteger(position) || position < 0) throw new ModelError('EINVAL', `position ${position}`);
}
