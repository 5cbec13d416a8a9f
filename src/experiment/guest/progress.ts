/** The progress of a long job, over all of its runs. */
export interface Progress {
  /** What is being done now. */
  readonly phase: string;
  /** Work done of `total`, in any unit; it does not decrease while `total` stays. */
  readonly done: number;
  /** The whole job; a new one begins when it changes. */
  readonly total: number;
}

export type ProgressListener = (progress: Progress) => void;
