/**
 * System calls that move bytes between a program and an open file (fs/read_write.c of 2.6.12):
 * read, write, their relatives, lseek, sendfile. `readNow` and `writeNow`, with those at a
 * position, are the paths of cached reads and overwrites. They neither wait nor allocate, and leave
 * the rest to `readRest` and `writeRest`.
 */

import { ArgumentError, checkBytes, checkInteger, checkList, checkObject } from '../../base/argument-error.ts';
import { ModelError } from '../../base/errno.ts';
import { PAGE_SIZE } from '../../base/units.ts';
import { NOTHING, type Process } from '../../sim/index.ts';
import type { GuestEnvironment } from '../../xen/public/index.ts';
import type { KernelCosts } from '../costs.ts';
import { fput, type OpenFile } from '../file/filemap.ts';
import type { FileWrite } from '../file/filemap-write.ts';
import type { ListeningSocket, NetworkRequest } from '../net/socket.ts';
import { badDescriptor, checkPosition, FileCalls, type SyscallParts } from './open.ts';

/** Where lseek counts from. */
export const SEEK = {
  /** From the start of the file. */
  set: 0,
  /** From the position. */
  cur: 1,
  /** From the end of the file. */
  end: 2,
} as const;

/** Buffers of one readv or writev at most. */
const UIO_MAXIOV = 1024;

/** Bytes that sendfile hands to a socket at once, at most: its send buffer. */
const SEND_BYTES = 65536;

/** The system calls that read and write. */
export class ReadWriteCalls extends FileCalls {
  readonly #writer: FileWrite;

  constructor(env: GuestEnvironment, costs: KernelCosts, parts: SyscallParts) {
    super(env, costs, parts);
    this.#writer = parts.writer;
  }

  /**
   * read, as far as the cache has it (see hot-paths 6): up to `length` bytes from the file's
   * position into dst[offset …].
   * @returns the bytes read, fewer than asked only at the end of the file or when an error stopped
   * it after some. A negative number when the rest must wait: pass it to `readRest` with the same
   * arguments. Throws EBADF, EISDIR, EINVAL.
   */
  readNow(fd: number, dst: Uint8Array, offset: number, length: number): number {
    this.enter();
    const file = this.#readable(fd, dst, offset, length);
    if (file.isDirect) return ~0;
    const done = this.files.readNow(file, dst, offset, file.position, length);
    if (done >= 0) file.position += done;
    return done;
  }

  /**
   * The rest of a read that returned `pending`. Returns the bytes read in all. Throws EIO, ENOMEM.
   */
  *readRest(fd: number, dst: Uint8Array, offset: number, length: number, pending: number): Process<number> {
    checkPending(pending);
    const file = this.#readable(fd, dst, offset, length);
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
   * pread, as far as the cache has it: bytes as `readNow`, but at `position`, and the file's own
   * position stays. A negative result goes to `preadRest`.
   */
  preadNow(fd: number, dst: Uint8Array, offset: number, length: number, position: number): number {
    this.enter();
    checkPosition(position);
    const file = this.#readable(fd, dst, offset, length);
    if (file.isDirect) return ~0;
    return this.files.readNow(file, dst, offset, position, length);
  }

  /**
   * The rest of a pread that returned `pending`. Returns the bytes read in all. Throws EIO, ENOMEM.
   */
  preadRest(
    fd: number,
    dst: Uint8Array,
    offset: number,
    length: number,
    position: number,
    pending: number,
  ): Process<number> {
    checkPending(pending);
    checkPosition(position);
    return this.#readRest(this.#readable(fd, dst, offset, length), dst, offset, length, position, pending);
  }

  /** pread: `preadNow` and, where needed, `preadRest`. */
  *pread(fd: number, dst: Uint8Array, offset: number, length: number, position: number): Process<number> {
    const done = this.preadNow(fd, dst, offset, length, position);
    return done >= 0 ? done : yield* this.preadRest(fd, dst, offset, length, position, done);
  }

  /**
   * readv: one read, into the buffers one after the other. Returns the bytes read. Throws EINVAL
   * for more than 1024 buffers.
   */
  *readv(fd: number, buffers: readonly Uint8Array[]): Process<number> {
    const whole = new Uint8Array(totalOf(buffers));
    const bytes = yield* this.read(fd, whole, 0, whole.length);
    let at = 0;
    for (const buffer of buffers) {
      buffer.set(whole.subarray(at, Math.min(bytes, at + buffer.length)));
      at = Math.min(bytes, at + buffer.length);
    }
    return bytes;
  }

  /**
   * write, as far as it only overwrites what is cached: `length` bytes from src[offset …] to the
   * file's position.
   * @returns the bytes written, or a negative number when the rest must wait: pass it to
   * `writeRest` with the same arguments. Throws EBADF, EINVAL.
   */
  writeNow(fd: number, src: Uint8Array, offset: number, length: number): number {
    this.enter();
    const file = this.#writable(fd, src, offset, length);
    const done = this.#writer.writeNow(file, src, offset, file.position, length);
    if (done >= 0) file.position += done;
    return done;
  }

  /**
   * The rest of a write that returned `pending`. Returns the bytes written in all. Throws ENOSPC,
   * EFBIG, EIO, EROFS.
   */
  writeRest(fd: number, src: Uint8Array, offset: number, length: number, pending: number): Process<number> {
    checkPending(pending);
    return this.#writeRest(this.#writable(fd, src, offset, length), src, offset, length, pending);
  }

  *#writeRest(file: OpenFile, src: Uint8Array, offset: number, length: number, pending: number): Process<number> {
    let start = file.position;
    const begin = (position: number): void => {
      start = position;
    };
    file.users++;
    try {
      const done = yield* this.#writer.writeRest(file, src, offset, start, length, ~pending, begin);
      file.position = start + done;
      return done;
    } finally {
      const put = fput(file);
      if (put !== NOTHING) yield* put;
    }
  }

  /**
   * write: `writeNow` and, where needed, `writeRest`. Fewer bytes than asked only when an error
   * stopped it after some.
   */
  *write(fd: number, src: Uint8Array, offset: number, length: number): Process<number> {
    const done = this.writeNow(fd, src, offset, length);
    return done >= 0 ? done : yield* this.writeRest(fd, src, offset, length, done);
  }

  /**
   * pwrite, as far as it only overwrites what is cached: bytes as `writeNow`, but at `position`.
   * A negative result goes to `pwriteRest`.
   */
  pwriteNow(fd: number, src: Uint8Array, offset: number, length: number, position: number): number {
    this.enter();
    checkPosition(position);
    const file = this.#writable(fd, src, offset, length);
    return this.#writer.writeNow(file, src, offset, position, length);
  }

  /**
   * The rest of a pwrite that returned `pending`. Returns the bytes written in all. Throws as
   * `writeRest` does.
   */
  pwriteRest(
    fd: number,
    src: Uint8Array,
    offset: number,
    length: number,
    position: number,
    pending: number,
  ): Process<number> {
    checkPending(pending);
    checkPosition(position);
    const file = this.#writable(fd, src, offset, length);
    return this.using(file, this.#writer.writeRest(file, src, offset, position, length, ~pending));
  }

  /** pwrite: as `write`, but at `position`, and the file's own position stays. */
  *pwrite(fd: number, src: Uint8Array, offset: number, length: number, position: number): Process<number> {
    const done = this.pwriteNow(fd, src, offset, length, position);
    return done >= 0 ? done : yield* this.pwriteRest(fd, src, offset, length, position, done);
  }

  /**
   * writev: one write, of the buffers one after the other. Returns the bytes written. Throws EINVAL
   * for more than 1024 buffers.
   */
  *writev(fd: number, buffers: readonly Uint8Array[]): Process<number> {
    const whole = new Uint8Array(totalOf(buffers));
    let at = 0;
    for (const buffer of buffers) {
      whole.set(buffer, at);
      at += buffer.length;
    }
    return yield* this.write(fd, whole, 0, whole.length);
  }

  /**
   * sendfile: copies up to `length` bytes from one file's position to the other's. Returns the
   * bytes copied, fewer only at the end of the file or when an error stopped it after some. To
   * files, as before 2.6 and since 2.6.33.
   */
  *sendfile(outFd: number, inFd: number, length: number): Process<number> {
    checkPosition(length);
    const page = new Uint8Array(PAGE_SIZE);
    const from = this.#readable(inFd, page, 0, 0);
    const to = this.#writable(outFd, page, 0, 0);
    return yield* this.using(from, this.using(to, this.#copy(from, to, page, length)));
  }

  /**
   * sendfile to a client: up to `length` bytes from the file's position on become the next part of
   * the answer. They come through the page cache with its readahead, and are not copied to the
   * program. Returns the bytes sent, fewer only at the end of the file or when an error stopped it
   * after some. Throws EBADF, EINVAL for what is no regular file (do_sendfile of 2.6.12), EPIPE
   * when the client is gone, EIO.
   */
  *sendfileToClient(socket: ListeningSocket, request: NetworkRequest, inFd: number, length: number): Process<number> {
    checkObject('socket', socket, 'send');
    checkObject('request', request, 'bytes');
    this.enter();
    const file = this.file(inFd);
    if (!file.isReadable) throw badDescriptor(inFd, 'for reading');
    if (!file.isRegular) throw new ModelError('EINVAL', `inode ${file.inode.ino} is not a regular file`);
    checkPosition(length);
    const chunk = new Uint8Array(Math.min(SEND_BYTES, length, Math.max(0, file.inode.size - file.position)));
    const send = (bytes: number): Process => socket.send(request, chunk.subarray(0, bytes));
    return yield* this.using(file, this.files.send(file, length, chunk, send));
  }

  *#copy(from: OpenFile, to: OpenFile, page: Uint8Array, length: number): Process<number> {
    let total = 0;
    try {
      while (total < length) {
        const bytes = yield* this.#readAt(from, page, Math.min(PAGE_SIZE, length - total), from.position);
        if (bytes === 0) break;
        const written = yield* this.#append(to, page, bytes);
        from.position += written;
        total += written;
        if (written < bytes) break;
      }
    } catch (error) {
      if (!(error instanceof ModelError) || total === 0) throw error;
    }
    return total;
  }

  *#readAt(file: OpenFile, dst: Uint8Array, length: number, position: number): Process<number> {
    this.enter();
    const done = file.isDirect ? ~0 : this.files.readNow(file, dst, 0, position, length);
    return done >= 0 ? done : yield* this.#readRest(file, dst, 0, length, position, done);
  }

  /** Writes at the file's position, which advances. */
  *#append(file: OpenFile, src: Uint8Array, length: number): Process<number> {
    this.enter();
    const done = this.#writer.writeNow(file, src, 0, file.position, length);
    if (done < 0) return yield* this.#writeRest(file, src, 0, length, done);
    file.position += done;
    return done;
  }

  /** lseek: the new position, in bytes. Throws EBADF, EINVAL. */
  lseek(fd: number, offset: number, whence: number = SEEK.set): number {
    this.enter();
    const file = this.file(fd);
    if (whence !== SEEK.set && whence !== SEEK.cur && whence !== SEEK.end)
      throw new ModelError('EINVAL', `whence ${whence}`);
    const base = whence === SEEK.set ? 0 : whence === SEEK.cur ? file.position : file.inode.size;
    const position = base + offset;
    checkPosition(position);
    if (position > this.fs.maxFileBytes) throw new ModelError('EINVAL', `position ${position}`);
    file.position = position;
    return position;
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
        : this.files.readRest(file, dst, offset, position, length, ~pending),
    );
  }

  #readable(fd: number, dst: Uint8Array, offset: number, length: number): OpenFile {
    const file = this.file(fd);
    if (!file.isReadable) throw badDescriptor(fd, 'for reading');
    checkRange(file, 'dst', dst, offset, length);
    return file;
  }

  #writable(fd: number, src: Uint8Array, offset: number, length: number): OpenFile {
    const file = this.file(fd);
    if (!file.isWritable) throw badDescriptor(fd, 'for writing');
    if (!(src instanceof Uint8Array)) throw badBuffer('src', src); // text has a length, too
    checkRange(file, 'src', src, offset, length);
    return file;
  }
}

/** Bytes go between a regular file and a range of a buffer. */
function checkRange(file: OpenFile, place: 'dst' | 'src', buffer: Uint8Array, offset: number, length: number): void {
  if (!file.isRegular) refuseIrregular(file);
  if (!isWithin(buffer, offset, length)) throw badBuffer(place, buffer);
}

/**
 * Whether a range lies in a buffer; false, too, when there is no buffer. Asked at every read of a
 * cached page.
 */
export function isWithin(buffer: Uint8Array | undefined, offset: number, length: number): boolean {
  return offset >>> 0 === offset && length >>> 0 === length && offset + length <= (buffer?.length ?? -1);
}

/**
 * What is wrong with a buffer in which a range does not lie: EINVAL, or ArgumentError for what is
 * no buffer.
 */
export function badBuffer(place: 'dst' | 'src', buffer: Uint8Array): Error {
  if (!(buffer instanceof Uint8Array)) return new ArgumentError(`${place}: expected a Uint8Array`);
  return new ModelError('EINVAL', 'the range lies outside the buffer');
}

function checkPending(pending: number): void {
  if (pending >= 0 || (pending | 0) !== pending) checkInteger('pending', pending, Number.MIN_SAFE_INTEGER, -1);
}

/** Throws EISDIR, EINVAL. */
function refuseIrregular({ inode: { ino, isDirectory } }: OpenFile): never {
  if (isDirectory) throw new ModelError('EISDIR', `inode ${ino} is a directory`);
  throw new ModelError('EINVAL', `inode ${ino} is not a regular file`);
}

/** Throws EINVAL. */
function totalOf(buffers: readonly Uint8Array[]): number {
  checkList('buffers', buffers);
  for (const buffer of buffers) checkBytes('buffers', buffer);
  if (buffers.length > UIO_MAXIOV) throw new ModelError('EINVAL', `${buffers.length} buffers`);
  return buffers.reduce((bytes, { length }) => bytes + length, 0);
}
