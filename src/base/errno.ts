/**
 * Failures of the modelled world. Each carries an errno name, as a system call of the guest returns
 * it. They are part of the model, so a caller may catch them. InvariantViolation (our defect) and
 * UserError (a user's mistake) are something else.
 */

/** The errors that the guest returns, with the numbers of Linux on i386. */
export const ERRNO = {
  /** Operation not permitted. */
  EPERM: 1,
  /** No such file or directory. */
  ENOENT: 2,
  /** Input/output error. */
  EIO: 5,
  /** A list is too long. */
  E2BIG: 7,
  /** Not an open descriptor. */
  EBADF: 9,
  /** Out of memory. */
  ENOMEM: 12,
  /** Permission denied. */
  EACCES: 13,
  /** Bad address. */
  EFAULT: 14,
  /** In use. */
  EBUSY: 16,
  /** Exists already. */
  EEXIST: 17,
  /** No such device. */
  ENODEV: 19,
  /** Not a directory. */
  ENOTDIR: 20,
  /** Is a directory. */
  EISDIR: 21,
  /** Invalid argument. */
  EINVAL: 22,
  /** Too many open files. */
  EMFILE: 24,
  /** The file is too large. */
  EFBIG: 27,
  /** No space left on the device. */
  ENOSPC: 28,
  /** The file system is read-only. */
  EROFS: 30,
  /** Too many links. */
  EMLINK: 31,
  /** No process reads what is written. */
  EPIPE: 32,
  /** The result does not fit. */
  ERANGE: 34,
  /** The name is too long. */
  ENAMETOOLONG: 36,
  /** The directory is not empty. */
  ENOTEMPTY: 39,
  /** Too many symbolic links. */
  ELOOP: 40,
  /** No such attribute. */
  ENODATA: 61,
  /** The message is too long. */
  EMSGSIZE: 90,
  /** Not supported. */
  EOPNOTSUPP: 95,
  /** The address has a listener already. */
  EADDRINUSE: 98,
  /** There is no network. */
  ENETDOWN: 100,
} as const;

/** errno names that the guest returns. */
export type ErrnoName = keyof typeof ERRNO;

/** A failed operation of the modelled world; `message` says what failed, on one line. */
export class ModelError extends Error {
  /** `ModelError`. */
  override readonly name: string = 'ModelError';
  /** What failed, as an errno name. */
  readonly code: ErrnoName;
  /** The number of `code`, from `ERRNO`: positive, as in errno.h. */
  readonly errno: number;

  constructor(code: ErrnoName, message: string) {
    super(`${code}: ${message}`);
    this.code = code;
    this.errno = ERRNO[code];
  }
}

/** The guest kernel panicked: its domain has crashed, and its object must not be used again. */
export class GuestPanic extends Error {
  /** `GuestPanic`. */
  override readonly name = 'GuestPanic';
}
