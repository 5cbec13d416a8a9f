/**
 * What a command may touch besides files: its two streams, its directory, and the experiment it
 * runs. Tests pass their own; main.ts passes those of the process.
 */

import type { HostStream } from '../experiment/guest/output-file.ts';
import type { ProgressListener } from '../experiment/guest/progress.ts';
import type { PaperBatch, PaperPart } from '../experiment/paper/runs.ts';
import type { runVmmReboot } from '../experiment/vmm/experiment.ts';
import type { runWeb } from '../experiment/web/experiment.ts';
import type { RebootOutcome } from '../experiment/guest/reboot.ts';
import type { RebootOptions } from '../experiment/guest/options.ts';
import type { CheckEntry } from './check-entry.ts';
import type { OnThreads } from './threads.ts';

export interface Output {
  /** Throws what the host refuses, or tells it later, as streams do. */
  write(text: string): unknown;
  readonly isTTY?: boolean;
  /** Of a terminal. */
  readonly columns?: number;
}

export interface Io {
  readonly stdout: Output;
  readonly stderr: Output;
  /** The streams of the process that these two are; none when not given. */
  readonly hostStreams?: readonly HostStream[];
  /** File descriptor of what `-` stands for. */
  readonly stdin: number;
  /** Whether stdout understands colours. */
  readonly colour: boolean;
  /** Relative paths are relative to this one. Reading it throws what the host refuses. */
  readonly cwd: string;
  readonly runReboot: (options: RebootOptions, onProgress?: ProgressListener) => RebootOutcome;
  readonly runVmmReboot: typeof runVmmReboot;
  readonly runWeb: typeof runWeb;
  /** Does the runs of a batch, one after the other. */
  readonly runPaperBatch: (batch: PaperBatch, onProgress: ProgressListener) => readonly PaperPart[];
  /** What `stillwarm check` knows. */
  readonly checks: readonly CheckEntry[];
  /** Does the runs of an experiment on several threads; none when not given. */
  readonly onThreads?: OnThreads;
}

/** Tells what a person should know besides the result. */
export function writeNotices(io: Io, notices: readonly string[]): void {
  for (const line of notices) io.stderr.write(`${line.startsWith(' ') ? '' : 'stillwarm: '}${line}\n`);
}
