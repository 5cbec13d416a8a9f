/**
 * System calls that move bytes between a program and an open file (fs/read_write.c of 2.6.12): read, write, their relatives, lseek,
 * sendfile. `readNow` and `writeNow`, with those at a position, are the paths of cached reads and overwrites, which neither wait
 * nor allocate; what they leave goes to `readRest` and `writeRest`.
 */

import { ModelError } from '../base/errno.ts';
import { PAGE_SIZE } from '../base/units.ts';
import type { Process } from '../sim/index.ts';
import type { GuestEnvironment } from '../xen/public/index.ts';
import type { KernelCosts } from './costs.ts';
import type { FileMap, OpenFile } from './filemap.ts';
import type { FileWrite } from './filemap-write.ts';
import { checkPosition, FileCalls, type SyscallParts } from './open.ts';

/** Where lseek counts from. */
export const SEEK = { set: 0, cur: 1, end: 2 } as const;

export class ReadWriteCalls extends FileCalls {
  readonly #files: FileMap;
  readonly #writer: FileWrite;

  constructor(env: GuestEnvironment, costs: KernelCosts, parts: SyscallParts) {
    super(env, costs, parts);
    this.#files = parts.files;
    this.#writer = parts.writer;
  }

  /**
   * read, as far as the cache has it: up to `length` bytes from the file's position into dst[offset …].
   * @returns the bytes read, fewer than asked only at the end of the file; or a negative number when the rest must
   * wait: pass it to `readRest` with the same arguments. Throws EBADF, EISDIR, EINVAL.
   */
  readNow(fd: number, dst: Uint8Array, offset: number, length: number): number {
    this.enter();
    const file = this.#readable(fd, dst, offset, length);
    if (file.isDirect) return ~0;
    const done = this.#files.readNow(file, dst, offset, file.position, length);
    if (done >= 0) file.position += done;
    return done;
  }

  /** The rest of a read that returned `pending`. Returns the bytes read in all. Throws EIO, ENOMEM. */
  *readRest(fd: number, dst: Uint8Array, offset: number, length: number, pending: number): Process<number> {
    const file = this.file(fd);
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
    this.enter();
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
    return this.#readRest(this.file(fd), dst, offset, length, position, pending);
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
    this.enter();
    const file = this.#writable(fd, src, offset, length);
    const done = this.#writer.writeNow(file, src, offset, file.position, length);
    if (done >= 0) file.position += done;
    return done;
  }

  /** The rest of a write that returned `pending`. Returns the bytes written in all. Throws ENOSPC, EFBIG, EIO, EROFS. */
  *writeRest(fd: number, src: Uint8Array, offset: number, length: number, pending: number): Process<number> {
    const file = this.file(fd);
    let start = file.position;
    const done = yield* this.using(
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
    this.enter();
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
    const file = this.file(fd);
    return this.using(file, this.#writer.writeRest(file, src, offset, position, length, ~pending));
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
    this.enter();
    const file = this.file(fd);
    const base = whence === SEEK.set ? 0 : whence === SEEK.cur ? file.position : file.inode.size;
    checkPosition(base + offset);
    file.position = base + offset;
    return file.position;
  }

  #readRest(
    file: OpenFile,
    dst: Uint8Array,
    offset: number,
    length: number,
    position: number,
    pending: number,
  ): Process<number> {
    return this.using(
      file,
      file.isDirect
        ? this.#writer.directRead(file, dst, offset, position, length)
        : this.#files.readRest(file, dst, offset, position, length, ~pending),
    );
  }

  #readable(fd: number, dst: Uint8Array, offset: number, length: number): OpenFile {
    const file = this.#regular(fd, dst, offset, length);
    if (!file.isReadable) throw new ModelError('EBADF', `descriptor ${fd} is not for reading`);
    return file;
  }

  #writable(fd: number, src: Uint8Array, offset: number, length: number): OpenFile {
    const file = this.file(fd);
    if (!file.isWritable) throw new ModelError('EBADF', `descriptor ${fd} is not for writing`);
    return this.#regular(fd, src, offset, length);
  }

  #regular(fd: number, dst: Uint8Array, offset: number, length: number): OpenFile {
    const file = this.file(fd);
    if (file.inode.isDirectory) throw new ModelError('EISDIR', `descriptor ${fd} is a directory`);
    if (!file.inode.isRegular) throw new ModelError('EINVAL', `descriptor ${fd} is no regular file`);
    if (!(offset >= 0 && length >= 0 && offset + length <= dst.length))
      throw new ModelError('EINVAL', 'the range lies outside the buffer');
    return file;
  }
}
