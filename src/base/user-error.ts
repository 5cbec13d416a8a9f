/**
 * A mistake in what the user gave: an option, an image, a trace. One line that names the option, field, file and
 * line at fault; the command line prints it and exits with status 2, nothing written.
 */
export class UserError extends Error {
  override readonly name = 'UserError';
}

/** What the host's file system refuses most often, in words. */
const WHY: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EACCES: 'permission denied',
  EEXIST: 'exists already',
  EISDIR: 'is a directory',
};

/** An error of the host's file system as one line for the user that begins with `what`; any other error unchanged. */
export function asUserError(error: unknown, what: string): unknown {
  if (!(error instanceof Error && 'syscall' in error && 'code' in error)) return error;
  const code = String(error.code);
  return new UserError(`${what}: ${WHY[code] ?? code}`);
}

/** Runs a call to the host's file system; its failure becomes one line that begins with `what`. */
export function askHost<T>(what: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw asUserError(error, what);
  }
}
