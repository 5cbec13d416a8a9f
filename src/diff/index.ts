/** Two results of one command, compared. */
export * from './compare.ts';
export * from './results.ts';
export * from './text.ts';
