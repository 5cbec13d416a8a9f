/** Virtual time: event queue, processes, wait queues, processors, seeded random streams, the digest of a run. */
export * from './cpu-clock.ts';
export * from './digest.ts';
export * from './frozen.ts';
export * from './power.ts';
export * from './random.ts';
export * from './simulation.ts';
