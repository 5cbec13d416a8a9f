/**
 * Virtual time: event queue, processes, wait queues, processors, seeded random streams, the digest
 * of a run.
 */
export { type RandomStream, RandomStreams } from './random.ts';
export { NOTHING, type Process, Simulation, type Task, type Wait, WaitQueue } from './simulation.ts';

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
