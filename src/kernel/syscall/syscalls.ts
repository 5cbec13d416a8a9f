/**
 * The system calls: what a workload may use of the kernel. Calls that may wait are processes;
 * failures are ModelErrors with errno names. Calls on open files are in open.ts and read-write.ts,
 * those on attributes in attributes.ts. Here are those on names (fs/namei.c, fs/readdir.c of
 * 2.6.12), on memory (mm/mmap.c, mm/fadvise.c) and on the network.
 */

import { checkBytes, checkText } from '../../base/argument-error.ts';
import { ModelError } from '../../base/errno.ts';
import { PAGE_SIZE, pagesOf, Pfn } from '../../base/units.ts';
import type { Process } from '../../sim/index.ts';
import type { GuestEnvironment, GuestMemory, RecoveryBoxOp } from '../../xen/public/index.ts';
import type { KernelCosts } from '../costs.ts';
import type { DirectoryEntry } from '../fs/file-system.ts';
import type { Inode, InodesInMemory } from '../fs/inode.ts';
import type { Writeback } from '../cache/fs-writeback.ts';
import type { MemoryManagement } from '../mm/mm.ts';
import { isPageAligned } from '../file/mmap.ts';
import { AttributeCalls } from './attributes.ts';
import { checkPosition, type ModulePlace, type SyscallParts } from './open.ts';
import { RA_MAX } from '../mm/readahead.ts';
import { badBuffer, isWithin } from './read-write.ts';
import type { ListeningSocket, Sockets } from '../net/socket.ts';

export { O } from '../file/filemap.ts';
export { MAP, PROT } from '../file/mmap.ts';
export { type FileSystemStatistics, XATTR } from '../fs/file-system.ts';
export { type ListeningSocket, MAX_PAYLOAD, type NetworkRequest } from '../net/socket.ts';
export type { Stat, Time, Timespec } from './attributes.ts';

/** Advice of posix_fadvise, with Linux's values. */
export const FADV = {
  /** Readahead as for any file. */
  normal: 0,
  /** No readahead. */
  random: 1,
  /** Twice the readahead. */
  sequential: 2,
  /** Reads the pages now. */
  willneed: 3,
  /** Drops the clean pages. */
  dontneed: 4,
  /** Does nothing, as in 2.6.12. */
  noreuse: 5,
} as const;

/** The system calls of a guest. What can wait is a process. */
export class Syscalls extends AttributeCalls {
  readonly #memory: GuestMemory;
  readonly #mm: MemoryManagement;
  readonly #inodes: InodesInMemory;
  readonly #writeback: Writeback;
  readonly #module: ModulePlace;
  readonly #box: () => RecoveryBoxOp;
  readonly #sockets: Sockets;

  constructor(env: GuestEnvironment, costs: KernelCosts, parts: SyscallParts) {
    super(env, costs, parts);
    this.#memory = env.memory;
    this.#mm = parts.mm;
    this.#inodes = parts.inodes;
    this.#writeback = parts.writeback;
    this.#module = parts.module;
    this.#sockets = parts.sockets;
    this.#box = () => env.hypercalls.recoveryBox;
  }

  /** Throws EEXIST, EMLINK, ENOSPC, EROFS and as open does. */
  *mkdir(path: string, mode = 0o755): Process {
    checkText('path', path);
    this.enter();
    yield* this.namespace.mkdir(path, mode);
  }

  /** Throws ENOTDIR, ENOTEMPTY, EBUSY, EINVAL, EROFS and as open does. */
  *rmdir(path: string): Process {
    checkText('path', path);
    this.enter();
    yield* this.namespace.rmdir(path);
  }

  /** Throws EISDIR, EROFS and as open does. A file that is open lives on without the name. */
  *unlink(path: string): Process {
    checkText('path', path);
    this.enter();
    yield* this.namespace.unlink(path);
  }

  /** Throws EINVAL, ENOTDIR, EISDIR, ENOTEMPTY, EBUSY, EMLINK, ENOSPC, EROFS and as open does. */
  *rename(from: string, to: string): Process {
    checkText('from', from);
    checkText('to', to);
    this.enter();
    yield* this.namespace.rename(from, to);
  }

  /**
   * A second name for a file. Throws EPERM for a directory, EEXIST, EMLINK, ENOSPC, EROFS and as
   * open does.
   */
  *link(existing: string, path: string): Process {
    checkText('existing', existing);
    checkText('path', path);
    this.enter();
    yield* this.namespace.link(existing, path);
  }

  /** Throws EEXIST, ENAMETOOLONG, ENOSPC, EROFS and as open does. */
  *symlink(text: string, path: string): Process {
    checkText('text', text);
    checkText('path', path);
    this.enter();
    yield* this.namespace.symlink(text, path);
  }

  /**
   * posix_fadvise. normal, sequential and random set readahead windows of 32, 64 and 0 pages. With
   * willneed it starts reading the range. With dontneed it starts writing what is dirty of the
   * file, and drops other pages that lie wholly in the range. With noreuse it does nothing, as in
   * 2.6.12. A length of 0 reaches to the end of the file. Throws EBADF, EINVAL.
   */
  *posixFadvise(fd: number, position: number, length: number, advice: number): Process {
    this.enter();
    const file = this.file(fd);
    checkPosition(position);
    checkPosition(length);
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
        yield* this.using(file, this.files.readahead(file.inode, first, last - first));
        return;
      }
      case FADV.dontneed: {
        const [first, last] = [Math.ceil(position / PAGE_SIZE), Math.floor(end / PAGE_SIZE)];
        yield* this.using(file, this.#dropClean(file.inode, first, last));
        return;
      }
      case FADV.noreuse:
        return;
      default:
        throw new ModelError('EINVAL', `advice ${advice}`);
    }
  }

  /**
   * Starts writing what is dirty of a file, and drops other pages from `start` up to and without
   * `end`.
   */
  *#dropClean(inode: Inode, start: number, end: number): Process {
    yield* this.#writeback.writePages(inode, false);
    this.#mm.invalidate(inode.space, start, end);
  }

  /**
   * mmap: maps `length` bytes of an open file from `position` on, which must be a multiple of 4096;
   * returns the address. The mapping outlives the descriptor. Throws EBADF, EINVAL, EACCES, ENODEV,
   * ENOMEM, EROFS.
   * @param prot of `PROT`
   * @param flags `MAP.shared` or `MAP.private`
   */
  mmap(length: number, prot: number, flags: number, fd: number, position: number): number {
    this.enter();
    if (!isPageAligned(position)) throw new ModelError('EINVAL', `position ${position}`);
    return this.maps.mmap(this.file(fd), length, prot, flags, position);
  }

  /**
   * Listens for requests of clients on the network (transport.ts), which are refused before. Throws
   * ENETDOWN, EADDRINUSE.
   */
  listen(): ListeningSocket {
    this.enter();
    return this.#sockets.listen({
      enter: () => {
        this.enter();
      },
      settle: () => this.settle(),
    });
  }

  /** munmap: nothing is mapped from `address` on for `length` bytes any more. Throws EINVAL. */
  *munmap(address: number, length: number): Process {
    this.enter();
    yield* this.maps.munmap(address, length);
  }

  /**
   * msync: what was stored into shared mappings of the range counts as written from now on; with
   * `MS.sync` it is on the disk's medium. Throws EINVAL, ENOMEM when not all of the range is
   * mapped, EIO, ENOSPC.
   */
  *msync(address: number, length: number, flags: number): Process {
    this.enter();
    yield* this.maps.msync(address, length, flags);
  }

  /**
   * mincore: for each page of the range, 1 when it is in memory. Throws EINVAL, ENOMEM when not all
   * of it is mapped.
   */
  mincore(address: number, length: number): Uint8Array {
    this.enter();
    return this.maps.mincore(address, length);
  }

  /**
   * No system call: loads by the program's own instructions, as far as no access traps; into
   * dst[offset …].
   * @returns `length`, or a negative number when the rest must wait: call `load`. Throws EFAULT
   * where nothing is mapped.
   */
  loadNow(address: number, dst: Uint8Array, offset: number, length: number): number {
    if (!isWithin(dst, offset, length)) throw badBuffer('dst', dst);
    return this.maps.loadNow(address, dst, offset, length);
  }

  /** Loads with the page faults that they take. Throws EFAULT (SIGSEGV, SIGBUS), ENOMEM. */
  load(address: number, dst: Uint8Array, offset: number, length: number): Process {
    if (!isWithin(dst, offset, length)) throw badBuffer('dst', dst);
    return this.maps.load(address, dst, offset, length);
  }

  /** No system call: stores by the program's own instructions. Bytes as those of `loadNow`. */
  storeNow(address: number, src: Uint8Array, offset: number, length: number): number {
    if (!isWithin(src, offset, length)) throw badBuffer('src', src);
    return this.maps.storeNow(address, src, offset, length);
  }

  /** Stores with the page faults that they take. Throws EFAULT (SIGSEGV, SIGBUS), ENOMEM. */
  store(address: number, src: Uint8Array, offset: number, length: number): Process {
    if (!isWithin(src, offset, length)) throw badBuffer('src', src);
    return this.maps.store(address, src, offset, length);
  }

  /**
   * The recovery box keeps an item of a program's state under a key, an unsigned 32-bit number. It
   * is for the program that runs after a reboot or crash of this kernel. A replaced item is there
   * as it was or as it becomes. Throws ENOSPC when there is no room (some 4000 bytes in all),
   * EINVAL for no such key.
   */
  boxPut(key: number, bytes: Uint8Array): void {
    this.enter();
    if (!(Number.isInteger(key) && key >= 0 && key <= 0xffff_ffff)) throw new ModelError('EINVAL', `key ${key}`);
    checkBytes('bytes', bytes);
    if (!this.#box().put(key, bytes)) throw new ModelError('ENOSPC', 'the recovery box is full');
  }

  /** An item of the recovery box; undefined when there is none, or its bytes cannot be believed. */
  boxGet(key: number): Uint8Array | undefined {
    this.enter();
    return this.#box().get(key);
  }

  /** Returns whether there was such an item. */
  boxRemove(key: number): boolean {
    this.enter();
    return this.#box().remove(key);
  }

  /** Keys of the items in the recovery box. */
  boxKeys(): number[] {
    this.enter();
    return this.#box().keys();
  }

  /**
   * What /proc/sys/vm/drop_caches = 3 does in later kernels: drops every page, dentry and inode
   * that is clean and unused.
   */
  dropCaches(): void {
    this.enter();
    for (const inode of this.#inodes.all()) this.#mm.invalidate(inode.space);
    this.#mm.invalidate(this.fs.device.space);
    this.#mm.reclaim.dropSlab();
  }

  /**
   * readahead(2): starts reading `length` bytes from `position` into the cache. Throws EBADF,
   * EINVAL.
   */
  *readahead(fd: number, position: number, length: number): Process {
    this.enter();
    const file = this.file(fd);
    if (!file.isReadable) throw new ModelError('EBADF', `descriptor ${fd} is not for reading`);
    if (!file.inode.isRegular) throw new ModelError('EINVAL', 'readahead is for regular files');
    checkPosition(position);
    const first = Math.floor(position / PAGE_SIZE);
    yield* this.using(file, this.files.readahead(file.inode, first, pagesOf(position + length) - first));
  }

  /** All entries of a directory, "." and ".." included. Throws ENOTDIR and as open does. */
  *readdir(path: string): Process<DirectoryEntry[]> {
    checkText('path', path);
    this.enter();
    const inode = yield* this.walker.walk(path, true);
    try {
      if (!inode.isDirectory) throw new ModelError('ENOTDIR', path);
      return yield* this.fs.directories.list(inode);
    } finally {
      yield* inode.release();
    }
  }

  /** The text of a symbolic link. Throws EINVAL when it is no link, and as open does. */
  *readlink(path: string): Process<string> {
    checkText('path', path);
    this.enter();
    const inode = yield* this.walker.walk(path, false);
    try {
      if (!inode.isSymlink) throw new ModelError('EINVAL', `${path} is not a symbolic link`);
      return yield* this.fs.names.readlink(inode);
    } finally {
      yield* inode.release();
    }
  }

  /**
   * The module that the tool stack loaded with the kernel (an initrd); empty when there is none.
   */
  bootModule(): Uint8Array {
    const { pfn, bytes } = this.#module;
    const module = new Uint8Array(bytes);
    for (let at = 0; at < bytes; at += PAGE_SIZE)
      this.#memory.copyOut(Pfn(pfn + at / PAGE_SIZE), 0, module, at, Math.min(PAGE_SIZE, bytes - at));
    return module;
  }
}
