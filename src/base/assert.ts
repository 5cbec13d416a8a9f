/**
 * Assertions of the simulator about itself. A failed one is a defect of stillwarm, is always on and is never caught
 * by the model; what a guest or a disk can do wrong is a typed value instead (see errno.ts).
 */

/** A defect of the simulator. */
export class InvariantViolation extends Error {
  override readonly name = 'InvariantViolation';
}

/** @throws InvariantViolation when `condition` is false. Keep `message` a constant on hot paths. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantViolation(message);
}

/** Marks a branch that the types say cannot be taken. */
export function unreachable(value: never): never {
  throw new InvariantViolation(`unreachable: ${String(value)}`);
}
