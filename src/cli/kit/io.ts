/** What a command may touch besides files: its streams, its directory and the event loop. */

import type { HostStream } from '../../experiment/guest/output-file.ts';

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
  /** The module that is the program, where there is one. */
  readonly entry?: URL;
  /**
   * Does work that waits for events, when the command has returned. What it resolves to is the exit
   * status. None: this host has no event loop for it.
   * @returns a status for the time being
   */
  readonly onEventLoop?: (work: () => Promise<number>) => number;
}

/** Tells what a person should know besides the result. */
export function writeNotices(io: Io, notices: readonly string[]): void {
  for (const line of notices) io.stderr.write(`${line.startsWith(' ') ? '' : 'stillwarm: '}${line}\n`);
}
