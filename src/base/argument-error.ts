/**
 * A caller's mistake. An argument is missing, of another kind, or out of range, or the state of the
 * object does not allow the call. Any public function may throw it. The command line prints it as
 * one line.
 *
 * The others are InvariantViolation (our defect), ModelError (a failure of the modelled world),
 * InputError (an unusable file) and UserError (a mistake at the command line).
 */

/** Names the argument, or the state, at fault. */
export class ArgumentError extends Error {
  /** `ArgumentError`. */
  override readonly name = 'ArgumentError';
}

/**
 * @throws ArgumentError unless `condition` holds. Keep `message` a constant (see hot-paths 9).
 */
export function checkArgument(condition: boolean, argument: string, message: string): asserts condition {
  if (!condition) refuse(argument, message);
}

function refuse(argument: string, message: string): never {
  throw new ArgumentError(`${argument}: ${message}`);
}

/** @throws ArgumentError unless `value` is an integer of `least` to `most` */
export function checkInteger(argument: string, value: unknown, least = 0, most = Number.MAX_SAFE_INTEGER): void {
  if (Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most) return;
  const range = most === Number.MAX_SAFE_INTEGER ? `${least} or more` : `${least} to ${most}`;
  throw new ArgumentError(`${argument}: expected an integer, ${range}, got ${shown(value)}`);
}

/** @throws ArgumentError unless `value` is one of `allowed` */
export function checkOneOf<T>(argument: string, value: unknown, allowed: readonly T[]): asserts value is T {
  if (!allowed.includes(value as T))
    throw new ArgumentError(`${argument}: ${shown(value)} is none of ${allowed.map(String).join(', ')}`);
}

/** @throws ArgumentError unless `value` is a list of values that are each one of `allowed` */
export function checkListOf<T>(argument: string, value: unknown, allowed: readonly T[]): asserts value is readonly T[] {
  if (!Array.isArray(value)) throw new ArgumentError(`${argument}: expected a list, got ${shown(value)}`);
  for (const one of value) checkOneOf(argument, one, allowed);
}

/** @throws ArgumentError unless `value` is an object that has all of `members` */
export function checkObject(argument: string, value: unknown, ...members: readonly string[]): void {
  if (typeof value !== 'object' || value === null)
    throw new ArgumentError(`${argument}: expected an object, got ${shown(value)}`);
  for (const member of members) if (!(member in value)) throw new ArgumentError(`${argument}: has no ${member}`);
}

/**
 * @throws ArgumentError unless `value` is an object, each key of which is one of `known`: a typo is
 * not left out
 */
export function checkKeys(argument: string, value: object, known: readonly string[]): void {
  checkObject(argument, value);
  for (const key of Object.keys(value))
    if (!known.includes(key)) throw new ArgumentError(`${argument}: has no ${key}; there are ${known.join(', ')}`);
}

/** @throws ArgumentError unless `value` is text */
export function checkText(argument: string, value: unknown): asserts value is string {
  if (typeof value !== 'string') throw new ArgumentError(`${argument}: expected text, got ${shown(value)}`);
}

/** @throws ArgumentError unless `value` is a function, or undefined where it may be left out */
export function checkFunction(argument: string, value: unknown, isOptional = false): void {
  if (typeof value !== 'function' && !(isOptional && value === undefined))
    throw new ArgumentError(`${argument}: expected a function, got ${shown(value)}`);
}

/**
 * @throws ArgumentError unless `value` is a list, each member of which is an object that has all of
 * `members`
 */
export function checkList(argument: string, value: unknown, ...members: readonly string[]): void {
  if (!Array.isArray(value)) throw new ArgumentError(`${argument}: expected a list, got ${shown(value)}`);
  if (members.length > 0) for (const one of value) checkObject(argument, one, ...members);
}

/** @throws ArgumentError unless `value` is a buffer of bytes. Allocates nothing. */
export function checkBytes(argument: string, value: unknown): asserts value is Uint8Array {
  if (!(value instanceof Uint8Array))
    throw new ArgumentError(`${argument}: expected a Uint8Array, got ${shown(value)}`);
}

/**
 * @throws ArgumentError unless `at` and `length` are whole numbers of a range within `size`.
 * Allocates nothing.
 */
export function checkRange(argument: string, at: number, length: number, size: number): void {
  if (!(Number.isSafeInteger(at) && at >= 0 && at <= size))
    throw new ArgumentError(`${argument}: ${shown(at)} is no place of 0 to ${size}`);
  if (!(Number.isSafeInteger(length) && length >= 0 && length <= size - at))
    throw new ArgumentError(`length, ${argument}: a range of ${shown(length)} bytes does not lie within ${size}`);
}

/** A value on one short line. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value).slice(0, 40);
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object';
  if (typeof value === 'bigint') return `${value}n`;
  return typeof value === 'function' ? 'a function' : String(value);
}
