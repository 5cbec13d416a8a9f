/**
 * Failures of the modelled world. They carry an errno name, as a system call of the guest would return it, and are
 * part of the model: a caller may catch them. Distinct from InvariantViolation (our defect) and UserError (a mistake
 * of the person at the command line).
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

/** The guest kernel gave up. The domain has crashed; its object must not be used again. */
export class GuestPanic extends Error {
  override readonly name = 'GuestPanic';
}
