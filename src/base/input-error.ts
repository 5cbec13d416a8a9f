/**
 * What was given from outside cannot be used: an image, a directory, a trace, or the host's own
 * room and files. One line that names the file, and the line where there is one. The caller that
 * asked for the file reports it, as the command line does, with exit status 2.
 */
export class InputError extends Error {
  /** `InputError`. */
  override readonly name = 'InputError';
  readonly #code: string | undefined;

  /** @param code the errno with which the host refused; by default, the input itself is at fault */
  constructor(message: string, code?: string) {
    super(message);
    this.#code = code;
  }

  /** The errno with which the host refused, as `ENOENT`; undefined: the input is at fault. */
  get code(): string | undefined {
    return this.#code;
  }
}

/** What the host refuses most often, in words. */
const WHY: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  EEXIST: 'exists already',
  EISDIR: 'is a directory',
  ENOTDIR: 'not a directory',
  ELOOP: 'too many symbolic links',
  ENAMETOOLONG: 'the name is too long',
  ENOSPC: 'no space left on the device',
  EDQUOT: 'the quota is used up',
  EFBIG: 'too long for a file there',
  EROFS: 'the file system is read-only',
  EMFILE: 'too many open files: raise ulimit -n',
  ENFILE: 'too many open files on this host',
  ENOMEM: 'this host has too little memory',
  EIO: 'input/output error',
};

/**
 * The errno with which the host refused a call to its file system, or memory. Undefined for any
 * other error.
 */
function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if ('syscall' in error && 'code' in error) return String(error.code);
  return error instanceof RangeError && /allocation failed/i.test(error.message) ? 'ENOMEM' : undefined;
}

/** A refusal of the host as one line that begins with `what`; any other error unchanged. */
export function asInputError(error: unknown, what: string): unknown {
  const code = errnoOf(error);
  return code === undefined ? error : new InputError(`${what}: ${WHY[code] ?? code}`, code);
}

/** Runs a call to the host; its refusal becomes one line that begins with `what`. */
export function askHost<T>(what: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw asInputError(error, what);
  }
}
