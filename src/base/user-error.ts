import { decodeText } from './text.ts';

/**
 * A user's mistake, or a refusal of the host: an option, an image, a trace, a full disk. It is one
 * line that names the option, field, file and line at fault. The command line prints it and exits
 * with status 2, and nothing is written.
 */
export class UserError extends Error {
  override readonly name = 'UserError';
  readonly #code: string | undefined;

  /** @param code the errno with which the host refused; undefined for a user's mistake */
  constructor(message: string, code?: string) {
    super(message);
    this.#code = code;
  }

  get code(): string | undefined {
    return this.#code;
  }
}

/** The most frequent refusals of the host, in words. */
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
 * Characters that move a terminal's cursor, change the direction of the text, or have no bytes in
 * UTF-8.
 */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Bidi_Control}]/gu;

/**
 * Text from the user or the host as part of one line. Control characters are escaped as in C, and
 * so are the bytes of a name that are not UTF-8 (text.ts).
 */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (char) => {
    if (char === '\n') return '\\n';
    const point = char.codePointAt(0)!;
    const code = point >= 0xdc80 && point <= 0xdcff ? point - 0xdc00 : point;
    return code <= 0xff ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });
}

/** A value as JSON on one line. Its strings are escaped as by `printable`. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value).replace(UNPRINTABLE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** The bytes of a name or a path as `printable` text. */
export function printableBytes(bytes: Uint8Array): string {
  return printable(decodeText(bytes));
}

/**
 * The errno with which the host refused a call to its file system, or memory. Undefined for any
 * other error.
 */
function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if ('syscall' in error && 'code' in error) return String(error.code);
  return error instanceof RangeError && /allocation failed/i.test(error.message) ? 'ENOMEM' : undefined;
}

/**
 * A refusal of the host as one line for the user that begins with `what`; any other error
 * unchanged.
 */
export function asUserError(error: unknown, what: string): unknown {
  const code = errnoOf(error);
  return code === undefined ? error : new UserError(`${what}: ${WHY[code] ?? code}`, code);
}

/** Runs a call to the host; its refusal becomes one line that begins with `what`. */
export function askHost<T>(what: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw asUserError(error, what);
  }
}
