/** What `stillwarm paper` is asked. */

export interface PaperOptions {
  readonly seed: number;
  /** Find the ranges of the predicted figures, too: many runs. */
  readonly study: boolean;
  /** Runs in which all constants are moved at once, when ranges are found. */
  readonly samples: number;
  /** Memory and files are this many times smaller than the paper's; 1 for its figures. */
  readonly shrink: number;
}

/** By default. */
export const SAMPLES = 24;
