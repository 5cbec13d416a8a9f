/**
 * Virtual time: processes, wait queues, seeded random streams, and the digest of a run.
 *
 * @module stillwarm/sim
 */
export type { Digest } from './digest.ts';
export type { EventAction } from './event-queue.ts';
export { type RandomStream, RandomStreams } from './random.ts';
export {
  type Gate,
  NOTHING,
  type Process,
  Simulation,
  type Task,
  type TaskState,
  type Wait,
  WaitQueue,
} from './simulation.ts';

export { STEP_KINDS, type StepKind, type StepObserver } from './steps.ts';
/** @internal */
export * from './completion.ts';
/** @internal */
export * from './cpu-clock.ts';
/** @internal */
export * from './digest.ts';
/** @internal */
export * from './frozen.ts';
/** @internal */
export * from './power.ts';
/** @internal */
export * from './random.ts';
/** @internal */
export * from './simulation.ts';
/** @internal */
export * from './steps.ts';
