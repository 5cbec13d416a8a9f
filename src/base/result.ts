/**
 * The one shape of a modelled failure that a caller is to handle: a value, or the reason why there
 * is none. `ok` tells which, and the compiler then knows the rest:
 *
 * ```ts
 * const made = yield* toolstack.createDomain(config);
 * if (!made.ok) return made; // made.reason says why
 * boot(made.value);
 * ```
 *
 * It stands at edges: records that are read back, operations of the tool stack, saved files,
 * mounts. A system call of the guest throws a ModelError instead, and what fails on every read has
 * a number.
 */

/** A value, and no reason against it. */
export interface Ok<T> {
  /** Says that there is a value. */
  readonly ok: true;
  /** The value. */
  readonly value: T;
}

/** A reason why there is no value. */
export interface Err<R> {
  /** Says that there is none. */
  readonly ok: false;
  /** Why. */
  readonly reason: R;
}

/** By default, a value with nothing to tell, or a reason for people to read: text of one line. */
export type Result<T = undefined, R = string> = Ok<T> | Err<R>;

/** A result that has a value. */
export const ok = <T>(value: T): Ok<T> => ({ ok: true, value });
/** A result that has none, for this reason. */
export const err = <R>(reason: R): Err<R> => ({ ok: false, reason });
/** Done, with nothing to tell. */
export const DONE: Ok<undefined> = ok(undefined);
