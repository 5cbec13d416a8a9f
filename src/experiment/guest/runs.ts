/**
 * An experiment as runs that do not depend on each other: one strategy on one machine each. They
 * may be done one after the other, or each in a thread of its own.
 *
 * Contract: options, parts and outcomes are plain data, which a thread can send to another. A part
 * depends on the options, the disk and its index only. `merge` takes the parts in the order of the
 * list, whatever the order in which they were done.
 */

import type { DiskSource } from './disk-source.ts';
import type { ProgressListener } from './progress.ts';
import type { SharedDisk } from './shared-disk.ts';

/** What is known of the disk of an experiment, in any thread. */
export type DiskSummary = Pick<DiskSource, 'all' | 'notices' | 'version'>;

/** How far a run has come: what it does now, and a share from 0 to 1. */
export type RunListener = (phase: string, share: number) => void;

/** The runs, and the disk that they read. */
export interface OpenRuns<Part> {
  readonly disk: DiskSummary;
  /** The disk for other threads; undefined when each of them opens it itself. */
  readonly shared?: SharedDisk | undefined;
  /** Does one run. @throws UserError */
  run(index: number, onProgress: RunListener): Part;
  /** @throws UserError when the disk has changed meanwhile */
  check(): void;
  /** Gives the disk back to the host. */
  close(): void;
}

export interface Runs<Options, Part, Outcome> {
  /** Bytes of memory that each run may touch, in the order of the list. */
  bytesOf(options: Options): readonly number[];
  /**
   * Opens the disk.
   * @param shared the disk that another thread has opened with the same options
   * @throws UserError
   */
  open(options: Options, onProgress: ProgressListener, shared?: SharedDisk): OpenRuns<Part>;
  /** @param parts of all runs, in the order of the list */
  merge(options: Options, disk: DiskSummary, parts: readonly Part[]): Outcome;
}

/** Does all runs, one after the other. @throws UserError */
export function runInOrder<Options, Part, Outcome>(
  experiment: Runs<Options, Part, Outcome>,
  options: Options,
  onProgress: ProgressListener,
): Outcome {
  const { length } = experiment.bytesOf(options);
  const runs = experiment.open(options, onProgress);
  try {
    const shares = new Shares(length, onProgress);
    const parts = Array.from({ length }, (_, index) => {
      const part = runs.run(index, (phase, share) => shares.update(index, phase, share));
      shares.done(index);
      return part;
    });
    runs.check();
    return experiment.merge(options, runs.disk, parts);
  } finally {
    runs.close();
  }
}

/** The progress of several runs as that of one job. */
export class Shares {
  readonly #shares: number[];
  readonly #onProgress: ProgressListener;

  constructor(runs: number, onProgress: ProgressListener) {
    this.#shares = new Array<number>(runs).fill(0);
    this.#onProgress = onProgress;
  }

  /** One run has come this far. */
  update(index: number, phase: string, share: number): void {
    this.#shares[index] = share;
    const done = this.#shares.reduce((sum, each) => sum + each, 0);
    this.#onProgress({ phase, done, total: this.#shares.length });
  }

  /** One run has ended. The next report tells so. */
  done(index: number): void {
    this.#shares[index] = 1;
  }
}
