/** What the commands of checks may touch, besides what each command may. */

import type { PartResult } from '../../lab/part.ts';
import type { Io } from '../kit/io.ts';
import type { OnThreadsOf } from '../kit/threads.ts';
import type { CheckEntry } from './entry.ts';
import type { CheckJob } from './runs.ts';

export interface CheckIo extends Io {
  /** What `stillwarm check` knows. */
  readonly checks: readonly CheckEntry[];
  /** Plays the parts of a job on several threads, or counts its cases; none when not given. */
  readonly onThreads?: OnThreadsOf<'check', CheckJob, readonly PartResult[]> &
    OnThreadsOf<'check-count', CheckJob, number>;
}
