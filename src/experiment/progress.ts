/** How far a long job has come. */
export interface Progress {
  readonly phase: string;
  readonly done: number;
  readonly total: number;
}

export type ProgressListener = (progress: Progress) => void;
