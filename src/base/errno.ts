/**
 * Failures of the modelled world. Each carries an errno name, as a system call of the guest returns
 * it. They are part of the model, so a caller may catch them. InvariantViolation (our defect) and
 * UserError (a user's mistake) are something else.
 */

/** errno names that the guest returns. */
export type ErrnoName =
  | 'EACCES'
  | 'EBADF'
  | 'EBUSY'
  | 'EEXIST'
  | 'EFAULT'
  | 'EFBIG'
  | 'EINVAL'
  | 'EADDRINUSE'
  | 'EIO'
  | 'EMSGSIZE'
  | 'ENETDOWN'
  | 'EISDIR'
  | 'ELOOP'
  | 'EMFILE'
  | 'EMLINK'
  | 'ENAMETOOLONG'
  | 'ENODEV'
  | 'ENOENT'
  | 'ENOMEM'
  | 'ENOSPC'
  | 'ENOTDIR'
  | 'ENOTEMPTY'
  | 'EPERM'
  | 'EROFS';

/** A failed operation of the modelled world; `message` says what failed, on one line. */
export class ModelError extends Error {
  override readonly name: string = 'ModelError';
  readonly code: ErrnoName;

  constructor(code: ErrnoName, message: string) {
    super(`${code}: ${message}`);
    this.code = code;
  }
}

/** The guest kernel panicked: its domain has crashed, and its object must not be used again. */
export class GuestPanic extends Error {
  override readonly name = 'GuestPanic';
}
