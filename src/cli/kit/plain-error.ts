/** An error as plain data, which a thread can send to another, and the error again. */

import { ArgumentError, asInputError, InputError, InvariantViolation, UserError } from '../../base/index.ts';

export interface PlainError {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  /** Of an InputError. */
  readonly code: string | undefined;
}

/** What the program tells apart. The name is that of the class. */
const MAKE: Readonly<Record<string, (message: string, code: string | undefined) => Error>> = {
  UserError: (message) => new UserError(message),
  InputError: (message, code) => new InputError(message, code),
  ArgumentError: (message) => new ArgumentError(message),
  InvariantViolation: (message) => new InvariantViolation(message),
};

/**
 * A refusal of the host is one line, as the program tells it. What a user's program throws may be
 * anything, and may throw again when it is looked at.
 */
export function plain(thrown: unknown): PlainError {
  try {
    const error = asInputError(thrown, 'the host refuses');
    if (!(error instanceof Error)) return { name: 'Error', message: String(error), stack: undefined, code: undefined };
    const { name, message, stack } = error as Readonly<Record<'name' | 'message' | 'stack', unknown>>;
    const texts = {
      name: String(name),
      message: String(message),
      stack: typeof stack === 'string' ? stack : undefined,
    };
    return { ...texts, code: error instanceof InputError ? error.code : undefined };
  } catch {
    return { name: 'Error', message: 'an error that cannot be read', stack: undefined, code: undefined };
  }
}

/** An error of the same class, name, message and stack. */
export function revive({ name, message, stack, code }: PlainError): Error {
  const error = Object.hasOwn(MAKE, name) ? MAKE[name]!(message, code) : Object.assign(new Error(message), { name });
  return stack === undefined ? error : Object.assign(error, { stack });
}
