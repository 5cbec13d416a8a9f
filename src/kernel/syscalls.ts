/**
 * The system calls: what a workload may use of the kernel. Calls that may wait are processes; failures are ModelErrors
 * with errno names. `readNow` and `writeNow` are the exceptions: the paths of cached reads and overwrites, which neither
 * wait nor allocate.
 */

import { ModelError } from '../base/errno.ts';
import { PAGE_SIZE, pagesOf, Pfn, type Ns } from '../base/units.ts';
import type { CpuClock, Process } from '../sim/index.ts';
import type { GuestEnvironment } from '../xen/public/index.ts';
import type { KernelCosts } from './costs.ts';
import type { Ext2 } from './ext2.ts';
import type { DirectoryEntry, Ext2Directories } from './ext2-dir.ts';
import type { Namespace } from './ext2-namei.ts';
import { fput, O, OpenFile, type FileMap } from './filemap.ts';
import type { FileWrite } from './filemap-write.ts';
import type { Inode } from './inode.ts';
import type { MemoryManagement } from './mm.ts';
import type { MemoryMaps } from './mmap.ts';
import type { PathWalker } from './namei.ts';
import { RA_MAX } from './readahead.ts';

/** Open files of all processes together at most. */
const MAX_FILES = 8192;
const PERMISSIONS = 0o7777;

/** Where lseek counts from. */
export const SEEK = { set: 0, cur: 1, end: 2 } as const;
/** Advice of posix_fadvise, with Linux's values. */
export const FADV = { normal: 0, random: 1, sequential: 2, willneed: 3, dontneed: 4, noreuse: 5 } as const;

/** The parts of the kernel that carry the calls out. */
export interface SyscallParts {
  readonly mm: MemoryManagement;
  readonly files: FileMap;
  readonly writer: FileWrite;
  readonly ext2: Ext2;
  readonly directories: Ext2Directories;
  readonly walker: PathWalker;
  readonly namespace: Namespace;
  readonly maps: MemoryMaps;
  readonly module: ModulePlace;
}

/** struct stat, as far as it is kept. */
export interface Stat {
  readonly ino: number;
  readonly generation: number;
  readonly mode: number;
  readonly links: number;
  /** Bytes. */
  readonly size: number;
  /** Seconds since 1970, as those below. */
  readonly mtime: number;
  readonly atime: number;
  readonly ctime: number;
  /** 512-byte sectors of data and indirect blocks. */
  readonly sectors: number;
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
  readonly #mm: MemoryManagement;
  readonly #files: FileMap;
  readonly #writer: FileWrite;
  readonly #ext2: Ext2;
  readonly #directories: Ext2Directories;
  readonly #walker: PathWalker;
  readonly #namespace: Namespace;
  readonly #maps: MemoryMaps;
  readonly #module: ModulePlace;
  readonly #open: (OpenFile | undefined)[] = [];

  constructor(env: GuestEnvironment, costs: KernelCosts, parts: SyscallParts) {
    this.#env = env;
    this.#cpu = env.cpu;
    this.#costs = costs;
    this.#mm = parts.mm;
    this.#files = parts.files;
    this.#writer = parts.writer;
    this.#ext2 = parts.ext2;
    this.#directories = parts.directories;
    this.#walker = parts.walker;
    this.#namespace = parts.namespace;
    this.#maps = parts.maps;
    this.#module = parts.module;
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

  /**
   * Opens a file or directory; returns a descriptor.
   * Throws ENOENT, ENOTDIR, ELOOP, EMFILE, EIO, ENOMEM, EEXIST, EISDIR, ENOSPC, EROFS.
   * @param flags of `O`
   * @param mode permissions of a file that is made
   */
  *open(path: string, flags: number = O.rdonly, mode = 0o644): Process<number> {
    this.#enter();
    if (this.#open.length >= MAX_FILES && !this.#open.includes(undefined))
      throw new ModelError('EMFILE', 'too many open files');
    const inode =
      (flags & O.creat) === 0
        ? yield* this.#walker.walk(path, true)
        : yield* this.#namespace.create(path, (flags & O.excl) !== 0, mode & PERMISSIONS);
    const file = new OpenFile(inode, flags);
    try {
      if ((flags & O.directory) !== 0 && !inode.isDirectory) throw new ModelError('ENOTDIR', path);
      if (inode.isDirectory && (file.isWritable || (flags & (O.creat | O.trunc)) !== 0))
        throw new ModelError('EISDIR', path);
      if (file.isWritable && this.#ext2.isReadOnly) throw new ModelError('EROFS', path);
      if ((flags & O.trunc) !== 0 && inode.isRegular) yield* this.#truncate(inode, 0);
    } catch (error) {
      yield* this.#ext2.iput(inode);
      throw error;
    }
    // After the last wait: the lowest descriptor that is free now.
    const free = this.#open.indexOf(undefined);
    const fd = free < 0 ? this.#open.length : free;
    this.#open[fd] = file;
    return fd;
  }

  /** Closes a descriptor; calls that still run on it finish. A file without a name is deleted with its last use. Throws EBADF. */
  *close(fd: number): Process {
    this.#enter();
    const file = this.#file(fd);
    this.#open[fd] = undefined;
    file.isClosed = true;
    file.users++;
    yield* fput(this.#ext2, file);
  }

  /**
   * read, as far as the cache has it: up to `length` bytes from the file's position into dst[offset …].
   * @returns the bytes read, fewer than asked only at the end of the file; or a negative number when the rest must
   * wait: pass it to `readRest` with the same arguments. Throws EBADF, EISDIR, EINVAL.
   */
  readNow(fd: number, dst: Uint8Array, offset: number, length: number): number {
    this.#enter();
    const file = this.#readable(fd, dst, offset, length);
    if (file.isDirect) return ~0;
    const done = this.#files.readNow(file, dst, offset, file.position, length);
    if (done >= 0) file.position += done;
    return done;
  }

  /** The rest of a read that returned `pending`. Returns the bytes read in all. Throws EIO, ENOMEM. */
  *readRest(fd: number, dst: Uint8Array, offset: number, length: number, pending: number): Process<number> {
    const file = this.#file(fd);
    const done = yield* this.#readRest(file, dst, offset, length, file.position, pending);
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
    const file = this.#readable(fd, dst, offset, length);
    checkPosition(position);
    if (file.isDirect) return ~0;
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
    return this.#readRest(this.#file(fd), dst, offset, length, position, pending);
  }

  /** pread: `preadNow` and, where needed, `preadRest`. */
  *pread(fd: number, dst: Uint8Array, offset: number, length: number, position: number): Process<number> {
    const done = this.preadNow(fd, dst, offset, length, position);
    return done >= 0 ? done : yield* this.preadRest(fd, dst, offset, length, position, done);
  }

  /** readv: fills the buffers one after the other. Returns the bytes read. */
  *readv(fd: number, buffers: readonly Uint8Array[]): Process<number> {
    let total = 0;
    for (const buffer of buffers) {
      const bytes = yield* this.read(fd, buffer, 0, buffer.length);
      total += bytes;
      if (bytes < buffer.length) break;
    }
    return total;
  }

  /**
   * write, as far as it only overwrites what is cached: `length` bytes from src[offset …] to the file's position.
   * @returns the bytes written, or a negative number when the rest must wait: pass it to `writeRest` with the same
   * arguments. Throws EBADF, EINVAL.
   */
  writeNow(fd: number, src: Uint8Array, offset: number, length: number): number {
    this.#enter();
    const file = this.#writable(fd, src, offset, length);
    const done = this.#writer.writeNow(file, src, offset, file.position, length);
    if (done >= 0) file.position += done;
    return done;
  }

  /** The rest of a write that returned `pending`. Returns the bytes written in all. Throws ENOSPC, EFBIG, EIO, EROFS. */
  *writeRest(fd: number, src: Uint8Array, offset: number, length: number, pending: number): Process<number> {
    const file = this.#file(fd);
    let start = file.position;
    const done = yield* this.#using(
      file,
      this.#writer.writeRest(file, src, offset, file.position, length, ~pending, (position) => (start = position)),
    );
    file.position = start + done;
    return done;
  }

  /** write: `writeNow` and, where needed, `writeRest`. Fewer bytes than asked only when an error stopped it after some. */
  *write(fd: number, src: Uint8Array, offset: number, length: number): Process<number> {
    const done = this.writeNow(fd, src, offset, length);
    return done >= 0 ? done : yield* this.writeRest(fd, src, offset, length, done);
  }

  /** pwrite, as far as it only overwrites what is cached: as `writeNow`, but at `position`. A negative result goes to `pwriteRest`. */
  pwriteNow(fd: number, src: Uint8Array, offset: number, length: number, position: number): number {
    this.#enter();
    const file = this.#writable(fd, src, offset, length);
    checkPosition(position);
    return this.#writer.writeNow(file, src, offset, position, length);
  }

  /** The rest of a pwrite that returned `pending`. Returns the bytes written in all. Throws as `writeRest` does. */
  pwriteRest(
    fd: number,
    src: Uint8Array,
    offset: number,
    length: number,
    position: number,
    pending: number,
  ): Process<number> {
    const file = this.#file(fd);
    return this.#using(file, this.#writer.writeRest(file, src, offset, position, length, ~pending));
  }

  /** pwrite: as `write`, but at `position`, and the file's own position stays. */
  *pwrite(fd: number, src: Uint8Array, offset: number, length: number, position: number): Process<number> {
    const done = this.pwriteNow(fd, src, offset, length, position);
    return done >= 0 ? done : yield* this.pwriteRest(fd, src, offset, length, position, done);
  }

  /** writev: writes the buffers one after the other. Returns the bytes written. */
  *writev(fd: number, buffers: readonly Uint8Array[]): Process<number> {
    let total = 0;
    for (const buffer of buffers) {
      const bytes = yield* this.write(fd, buffer, 0, buffer.length);
      total += bytes;
      if (bytes < buffer.length) break;
    }
    return total;
  }

  /** sendfile: copies up to `length` bytes from one file's position to the other's. Returns the bytes copied. */
  *sendfile(outFd: number, inFd: number, length: number): Process<number> {
    const page = new Uint8Array(PAGE_SIZE);
    let total = 0;
    while (total < length) {
      const bytes = yield* this.read(inFd, page, 0, Math.min(PAGE_SIZE, length - total));
      if (bytes === 0) break;
      const written = yield* this.write(outFd, page, 0, bytes);
      total += written;
      if (written < bytes) break;
    }
    return total;
  }

  /** lseek: the new position, in bytes. Throws EBADF, EINVAL. */
  lseek(fd: number, offset: number, whence: number = SEEK.set): number {
    this.#enter();
    const file = this.#file(fd);
    const base = whence === SEEK.set ? 0 : whence === SEEK.cur ? file.position : file.inode.size;
    checkPosition(base + offset);
    file.position = base + offset;
    return file.position;
  }

  /** Throws EISDIR, EINVAL, EFBIG, EROFS, EIO and as open does. */
  *truncate(path: string, length: number): Process {
    this.#enter();
    checkPosition(length);
    const inode = yield* this.#walker.walk(path, true);
    try {
      if (inode.isDirectory) throw new ModelError('EISDIR', path);
      if (!inode.isRegular) throw new ModelError('EINVAL', `${path} is no regular file`);
      yield* this.#truncate(inode, length);
    } finally {
      yield* this.#ext2.iput(inode);
    }
  }

  /** Throws EBADF, EINVAL when the descriptor is not for writing, EFBIG, EROFS, EIO. */
  *ftruncate(fd: number, length: number): Process {
    this.#enter();
    checkPosition(length);
    const file = this.#file(fd);
    if (!file.isWritable || !file.inode.isRegular)
      throw new ModelError('EINVAL', `descriptor ${fd} is not for writing`);
    yield* this.#using(file, this.#truncate(file.inode, length));
  }

  /** fsync: the file is on the disk's medium. Throws what a write of it met since the last time: EIO, ENOSPC. */
  *fsync(fd: number): Process {
    this.#enter();
    const file = this.#file(fd);
    yield* this.#using(file, this.#ext2.fsync(file.inode, false));
  }

  /** fdatasync: as fsync, but times need not be. */
  *fdatasync(fd: number): Process {
    this.#enter();
    const file = this.#file(fd);
    yield* this.#using(file, this.#ext2.fsync(file.inode, true));
  }

  /** sync: everything is on the disk's medium. */
  *sync(): Process {
    this.#enter();
    yield* this.#ext2.sync();
  }

  /** Throws EEXIST, EMLINK, ENOSPC, EROFS and as open does. */
  *mkdir(path: string, mode = 0o755): Process {
    this.#enter();
    yield* this.#namespace.mkdir(path, mode);
  }

  /** Throws ENOTDIR, ENOTEMPTY, EBUSY, EINVAL, EROFS and as open does. */
  *rmdir(path: string): Process {
    this.#enter();
    yield* this.#namespace.rmdir(path);
  }

  /** Throws EISDIR, EROFS and as open does. A file that is open lives on without the name. */
  *unlink(path: string): Process {
    this.#enter();
    yield* this.#namespace.unlink(path);
  }

  /** Throws EINVAL, ENOTDIR, EISDIR, ENOTEMPTY, EBUSY, EMLINK, ENOSPC, EROFS and as open does. */
  *rename(from: string, to: string): Process {
    this.#enter();
    yield* this.#namespace.rename(from, to);
  }

  /** A second name for a file. Throws EPERM for a directory, EEXIST, EMLINK, ENOSPC, EROFS and as open does. */
  *link(existing: string, path: string): Process {
    this.#enter();
    yield* this.#namespace.link(existing, path);
  }

  /** Throws EEXIST, ENAMETOOLONG, ENOSPC, EROFS and as open does. */
  *symlink(text: string, path: string): Process {
    this.#enter();
    yield* this.#namespace.symlink(text, path);
  }

  /** Throws EROFS and as open does. */
  *chmod(path: string, mode: number): Process {
    this.#enter();
    yield* this.#change(path, (fields) => (fields.mode = (fields.mode & ~PERMISSIONS) | (mode & PERMISSIONS)));
  }

  /** Times in seconds since 1970. Throws EROFS and as open does. */
  *utimes(path: string, atime: number, mtime: number): Process {
    this.#enter();
    yield* this.#change(path, (fields) => {
      fields.atime = atime;
      fields.mtime = mtime;
    });
  }

  /**
   * posix_fadvise. normal, sequential, random: windows of readahead of 32, 64 and 0 pages; willneed: starts reading the range;
   * dontneed: starts writing what is dirty of the file and drops other pages that lie wholly in the range; noreuse: nothing, as
   * in 2.6.12. A length of 0 reaches to the end of the file. Throws EBADF, EINVAL.
   */
  *posixFadvise(fd: number, position: number, length: number, advice: number): Process {
    this.#enter();
    checkPosition(position);
    checkPosition(length);
    const file = this.#file(fd);
    const end = length === 0 ? Infinity : position + length;
    switch (advice) {
      case FADV.normal:
      case FADV.sequential:
      case FADV.random:
        file.readahead.max = advice === FADV.normal ? RA_MAX : advice === FADV.sequential ? 2 * RA_MAX : 0;
        file.isSequential = advice === FADV.sequential;
        return;
      case FADV.willneed: {
        const first = Math.floor(position / PAGE_SIZE);
        const last = Math.min(Math.ceil(end / PAGE_SIZE), file.inode.pageCount);
        yield* this.#using(file, this.#files.readahead(file.inode, first, last - first));
        return;
      }
      case FADV.dontneed: {
        const [first, last] = [Math.ceil(position / PAGE_SIZE), Math.floor(end / PAGE_SIZE)];
        yield* this.#using(file, this.#ext2.dropClean(file.inode, first, last));
        return;
      }
      case FADV.noreuse:
        return;
      default:
        throw new ModelError('EINVAL', `advice ${advice}`);
    }
  }

  /**
   * mmap: maps `length` bytes of an open file from `position` on, which must be a multiple of 4096; returns the address.
   * The mapping outlives the descriptor. Throws EBADF, EINVAL, EACCES, ENODEV, ENOMEM, EROFS.
   * @param prot of `PROT`
   * @param flags `MAP.shared` or `MAP.private`
   */
  mmap(length: number, prot: number, flags: number, fd: number, position: number): number {
    this.#enter();
    return this.#maps.mmap(this.#file(fd), length, prot, flags, position);
  }

  /** munmap: nothing is mapped from `address` on for `length` bytes any more. Throws EINVAL. */
  *munmap(address: number, length: number): Process {
    this.#enter();
    yield* this.#maps.munmap(address, length);
  }

  /**
   * msync: what was stored into shared mappings of the range counts as written from now on; with `MS.sync` it is on the
   * disk's medium. Throws EINVAL, ENOMEM when not all of the range is mapped, EIO, ENOSPC.
   */
  *msync(address: number, length: number, flags: number): Process {
    this.#enter();
    yield* this.#maps.msync(address, length, flags);
  }

  /** mincore: for each page of the range, 1 when it is in memory. Throws EINVAL, ENOMEM when not all of it is mapped. */
  mincore(address: number, length: number): Uint8Array {
    this.#enter();
    return this.#maps.mincore(address, length);
  }

  /**
   * No system call: loads by the program's own instructions, as far as no access traps; into dst[offset …].
   * @returns `length`, or a negative number when the rest must wait: call `load`. Throws EFAULT where nothing is mapped.
   */
  loadNow(address: number, dst: Uint8Array, offset: number, length: number): number {
    return this.#maps.loadNow(address, dst, offset, length);
  }

  /** Loads with the page faults that they take. Throws EFAULT (SIGSEGV, SIGBUS), ENOMEM. */
  load(address: number, dst: Uint8Array, offset: number, length: number): Process {
    return this.#maps.load(address, dst, offset, length);
  }

  /** No system call: stores by the program's own instructions, as `loadNow`. */
  storeNow(address: number, src: Uint8Array, offset: number, length: number): number {
    return this.#maps.storeNow(address, src, offset, length);
  }

  /** Stores with the page faults that they take. Throws EFAULT (SIGSEGV, SIGBUS), ENOMEM. */
  store(address: number, src: Uint8Array, offset: number, length: number): Process {
    return this.#maps.store(address, src, offset, length);
  }

  /** All programs end: what they mapped is unmapped, what they had open is closed. */
  *exit(): Process {
    yield* this.#maps.exit();
    for (let fd = 0; fd < this.#open.length; fd++) if (this.#open[fd] !== undefined) yield* this.close(fd);
  }

  /** What /proc/sys/vm/drop_caches = 3 does in later kernels: drops every page, dentry and inode that is clean and unused. */
  dropCaches(): void {
    this.#enter();
    this.#walker.shrink();
    for (const inode of this.#ext2.inodes.all()) this.#mm.invalidate(inode.space);
    this.#mm.invalidate(this.#ext2.buffers.device.space);
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
      yield* this.#ext2.iput(inode);
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
      yield* this.#ext2.iput(inode);
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
    const stat = statOf(inode);
    yield* this.#ext2.iput(inode);
    return stat;
  }

  *#truncate(inode: Inode, length: number): Process {
    yield* inode.sem.acquire();
    try {
      yield* this.#ext2.setSize(inode, length);
      this.#maps.truncated(inode);
    } finally {
      inode.sem.release();
    }
  }

  *#change(path: string, change: (fields: Inode['fields']) => void): Process {
    const inode = yield* this.#walker.walk(path, true);
    try {
      yield* this.#ext2.change(() => this.#changeFields(inode, change));
    } finally {
      yield* this.#ext2.iput(inode);
    }
  }

  *#changeFields(inode: Inode, change: (fields: Inode['fields']) => void): Process {
    this.#ext2.superblock.beginChange();
    change(inode.fields);
    inode.fields.ctime = this.#ext2.now();
    this.#ext2.markInodeDirty(inode);
  }

  #readRest(
    file: OpenFile,
    dst: Uint8Array,
    offset: number,
    length: number,
    position: number,
    pending: number,
  ): Process<number> {
    return this.#using(
      file,
      file.isDirect
        ? this.#writer.directRead(file, dst, offset, position, length)
        : this.#files.readRest(file, dst, offset, position, length, ~pending),
    );
  }

  /** Keeps an open file while a call on it waits (fget, fput). */
  *#using<T>(file: OpenFile, process: Process<T>): Process<T> {
    file.users++;
    try {
      return yield* process;
    } finally {
      yield* fput(this.#ext2, file);
    }
  }

  #enter(): void {
    this.#cpu.charge(this.#costs.syscallNs);
  }

  #file(fd: number): OpenFile {
    const file = this.#open[fd];
    if (file === undefined) throw new ModelError('EBADF', `descriptor ${fd} is not open`);
    return file;
  }

  #readable(fd: number, dst: Uint8Array, offset: number, length: number): OpenFile {
    const file = this.#regular(fd, dst, offset, length);
    if (!file.isReadable) throw new ModelError('EBADF', `descriptor ${fd} is not for reading`);
    return file;
  }

  #writable(fd: number, src: Uint8Array, offset: number, length: number): OpenFile {
    const file = this.#file(fd);
    if (!file.isWritable) throw new ModelError('EBADF', `descriptor ${fd} is not for writing`);
    return this.#regular(fd, src, offset, length);
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
  const { ino, generation, mode, links, size, mtime, atime, ctime, sectors } = inode.fields;
  return { ino, generation, mode, links, size, mtime, atime, ctime, sectors };
}

function checkPosition(position: number): void {
  if (!Number.isSafeInteger(position) || position < 0) throw new ModelError('EINVAL', `position ${position}`);
}
