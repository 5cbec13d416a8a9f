/**
 * Assertions of the simulator about itself. They are always on. A failed one is a defect of
 * stillwarm, and the model never catches it. What a guest or a disk can do wrong is a typed value
 * instead (errno.ts).
 */

/** A defect of the simulator. */
export class InvariantViolation extends Error {
  /** `InvariantViolation`. */
  override readonly name = 'InvariantViolation';
}

/**
 * @throws InvariantViolation when `condition` is false. Keep `message` a constant (see hot-paths
 * 9).
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantViolation(message);
}

/** Marks a branch that the types say cannot be taken. */
export function unreachable(value: never): never {
  throw new InvariantViolation(`unreachable: ${String(value)}`);
}
