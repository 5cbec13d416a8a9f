/**
 * What a command may touch, and the experiments that it runs. Tests pass their own; main.ts passes
 * those of the process.
 */

import type { ProgressListener } from '../experiment/guest/progress.ts';
import type { PaperBatch, PaperPart } from '../experiment/paper/runs.ts';
import type { runVmmReboot } from '../experiment/vmm/experiment.ts';
import type { runPredict } from '../experiment/predict/experiment.ts';
import type { runWeb } from '../experiment/web/experiment.ts';
import type { RebootOutcome } from '../experiment/guest/reboot.ts';
import type { RebootOptions } from '../experiment/guest/options.ts';
import type { CheckIo } from './check/io.ts';
import type { Experiments } from './experiments.ts';
import type { OnThreads } from './kit/threads.ts';

export interface ProgramIo extends CheckIo {
  readonly runReboot: (options: RebootOptions, onProgress?: ProgressListener) => RebootOutcome;
  readonly runVmmReboot: typeof runVmmReboot;
  readonly runWeb: typeof runWeb;
  readonly runPredict: typeof runPredict;
  /** Does the runs of a batch, one after the other. */
  readonly runPaperBatch: (batch: PaperBatch, onProgress: ProgressListener) => readonly PaperPart[];
  /** Does the runs of an experiment on several threads; none when not given. */
  readonly onThreads?: OnThreads<Experiments>;
}
