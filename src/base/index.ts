/**
 * Branded numbers and units, architectures, results, and the kinds of failure. The rest of the room
 * is for the other rooms.
 *
 * @module stillwarm/base
 */
export { ARCHS, type Arch } from './arch.ts';
export { ArgumentError } from './argument-error.ts';
export { InvariantViolation } from './assert.ts';
export { ERRNO, type ErrnoName, GuestPanic, ModelError } from './errno.ts';
export type { MacAddress } from './ethernet.ts';
export type { ArchLayouts, Field, FieldWriter, Layout } from './layout.ts';
export { DONE, type Err, err, type Ok, ok, type Result } from './result.ts';
export * from './units.ts';
export { InputError } from './input-error.ts';
export { UserError } from './user-error.ts';

/** @internal */
export * from './arch.ts';
/** @internal */
export * from './argument-error.ts';
/** @internal */
export * from './assert.ts';
/** @internal */
export * from './bytes.ts';
/** @internal */
export * from './counted.ts';
/** @internal */
export * from './crc32c.ts';
/** @internal */
export * from './errno.ts';
/** @internal */
export * from './ethernet.ts';
/** @internal */
export * from './layout.ts';
/** @internal */
export * from './shell-word.ts';
/** @internal */
export * from './text.ts';
/** @internal */
export * from './input-error.ts';
/** @internal */
export * from './printable.ts';
