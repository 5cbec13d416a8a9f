/**
 * Failures of the modelled world. Each carries an errno name, as a system call of the guest returns
 * it. They are part of the model, so a caller may catch them. InvariantViolation (our defect) and
 * UserError (a user's mistake) are something else.
 */

/** The errors that the guest returns, with the numbers of Linux on i386. */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EIO: 5,
  E2BIG: 7,
  EBADF: 9,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  EMFILE: 24,
  EFBIG: 27,
  ENOSPC: 28,
  EROFS: 30,
  EMLINK: 31,
  ERANGE: 34,
  ENAMETOOLONG: 36,
  ENOTEMPTY: 39,
  ELOOP: 40,
  ENODATA: 61,
  EMSGSIZE: 90,
  EOPNOTSUPP: 95,
  EADDRINUSE: 98,
  ENETDOWN: 100,
} as const;

/** errno names that the guest returns. */
export type ErrnoName = keyof typeof ERRNO;

/** A failed operation of the modelled world; `message` says what failed, on one line. */
export class ModelError extends Error {
  override readonly name: string = 'ModelError';
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
  override readonly name = 'GuestPanic';
}
