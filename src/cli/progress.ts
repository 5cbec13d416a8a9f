/**
 * The progress bar: on a terminal only, and only when the work lasts for more than a second.
 *
 * The experiment runs without ever returning to the event loop, so the bar is drawn by the calls of `update` and by no
 * timer, and it installs no signal handler: Ctrl-C must end the process at once.
 */

import { SingleBar } from 'cli-progress';
import type { Progress, ProgressListener } from '../experiment/progress.ts';

const PATIENCE_MS = 1000;

export class ProgressBar {
  readonly #bar: SingleBar;
  readonly #nowMs: () => number;
  readonly #begunMs: number;
  #isShown = false;

  /** @param nowMs a clock, in milliseconds of the host */
  constructor(stream: NodeJS.WritableStream, nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#begunMs = nowMs();
    this.#bar = new SingleBar({
      stream,
      format: '{bar} {percentage} %  {phase}',
      barsize: 30,
      clearOnComplete: true,
      hideCursor: true,
      gracefulExit: false,
    });
  }

  update({ phase, done, total }: Progress): void {
    if (this.#isShown) {
      this.#bar.setTotal(total);
      this.#bar.update(done, { phase });
    } else if (this.#nowMs() - this.#begunMs > PATIENCE_MS) {
      this.#isShown = true;
      this.#bar.start(total, done, { phase });
    }
  }

  /** Clears the bar and gives the cursor back. */
  stop(): void {
    this.#bar.stop();
  }
}

/** Calls `work` with what reports its progress: to a bar on `stream` when that is a terminal, else to nobody. */
export function withProgress<T>(
  stream: NodeJS.WritableStream & { readonly isTTY?: boolean },
  work: (onProgress: ProgressListener) => T,
): T {
  if (stream.isTTY !== true) return work(() => undefined);
  const bar = new ProgressBar(stream, () => performance.now());
  try {
    return work((progress) => bar.update(progress));
  } finally {
    bar.stop();
  }
}
