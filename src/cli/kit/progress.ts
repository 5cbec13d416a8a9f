/**
 * How far a long job has come. On a terminal it is a line that is drawn over again. Where stderr is
 * a pipe or a file, it is a line now and then. It shows only when the work lasts for more than a
 * second, or ten.
 *
 * The experiment never returns to the event loop, so no timer could fire and no signal handler
 * could run: Ctrl-C ends the process at once. Therefore nothing of the terminal is changed that
 * would have to be restored. The cursor stays visible, lines wrap, and the line is cut to the
 * terminal's width instead.
 */

import { printable } from '../../base/index.ts';
import type { Progress, ProgressListener } from '../../experiment/guest/progress.ts';
import type { Output } from './io.ts';

/** Silence before the first line, and between two of them, ms. */
const TERMINAL = { patienceMs: 1000, everyMs: 100 } as const;
const PIPE = { patienceMs: 10_000, everyMs: 10_000 } as const;
const BAR_WIDTH = 30;
/** Of a terminal that does not tell. */
const COLUMNS = 80;
const CLEAR_TO_END = '\u001b[K';

export class ProgressLine {
  readonly #stream: Output;
  readonly #nowMs: () => number;
  readonly #pace: typeof TERMINAL | typeof PIPE;
  /** When the next line is due. */
  #dueMs: number;
  /** Where the job under way began; another one begins when the total changes. */
  #job = { total: Number.NaN, firstDone: 0, begunMs: 0 };
  #isDrawn = false;

  /** @param nowMs a clock, in milliseconds of the host */
  constructor(stream: Output, nowMs: () => number) {
    this.#stream = stream;
    this.#nowMs = nowMs;
    this.#pace = stream.isTTY === true ? TERMINAL : PIPE;
    this.#dueMs = nowMs() + this.#pace.patienceMs;
  }

  update({ phase, done, total }: Progress): void {
    const now = this.#nowMs();
    if (total !== this.#job.total) this.#job = { total, firstDone: done, begunMs: now };
    if (now < this.#dueMs) return;
    this.#dueMs = now + this.#pace.everyMs;
    const share = total > 0 ? Math.min(1, Math.max(0, done / total)) : 1;
    const percent = `${Math.floor(share * 100)} %`;
    const text = `${percent.padStart(5)}  ${printable(phase)}${this.#estimate(done, now)}`;
    if (this.#pace === PIPE) {
      this.#stream.write(`stillwarm: ${text.trimStart()}\n`);
      return;
    }
    const full = Math.round(share * BAR_WIDTH);
    const line = `${'█'.repeat(full)}${'░'.repeat(BAR_WIDTH - full)} ${text}`;
    this.#stream.write(`\r${line.slice(0, (this.#stream.columns ?? COLUMNS) - 1)}${CLEAR_TO_END}`);
    this.#isDrawn = true;
  }

  /** Clears the line of a terminal. */
  stop(): void {
    if (this.#isDrawn) this.#stream.write(`\r${CLEAR_TO_END}`);
    this.#isDrawn = false;
  }

  /** How long the rest takes when it goes on as since the job's beginning. */
  #estimate(done: number, now: number): string {
    const { total, firstDone, begunMs } = this.#job;
    if (done <= firstDone) return '';
    const seconds = Math.ceil(((now - begunMs) * Math.max(0, total - done)) / (done - firstDone) / 1000);
    return `, about ${seconds < 120 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`} left`;
  }
}

/** Calls `work` with what reports its progress to `stream`. */
export function withProgress<T>(
  stream: Output,
  work: (onProgress: ProgressListener) => T,
  nowMs: () => number = () => performance.now(),
): T {
  const line = new ProgressLine(stream, nowMs);
  try {
    return work((progress) => line.update(progress));
  } finally {
    line.stop();
  }
}
