/** Reads the trace that a command names: what `trace` and its kin share. */

import { resolve } from 'node:path';
import { printable, UserError } from '../base/index.ts';
import { checkOutputs, kindOf } from '../experiment/guest/output-file.ts';
import { readTrace, type TraceFileOptions, type TraceFileSummary } from '../experiment/host/trace-file.ts';
import type { OperationSink } from '../trace/index.ts';
import type { Io } from './kit/io.ts';
import type { ValuesOf } from './kit/option-kinds.ts';
import { ProgressLine } from './kit/progress.ts';
import type { READING } from './trace-options.ts';

/** Does work that waits. @throws UserError where the host has no event loop for it */
export function later(io: Io, work: () => Promise<number>): number {
  if (io.onEventLoop === undefined) throw new UserError('trace: this host has no event loop for it');
  return io.onEventLoop(work);
}

type ReadingOptions = Pick<ValuesOf<typeof READING>, keyof typeof READING> &
  Pick<TraceFileOptions, 'hasEnough'> & {
    /** Files by inode, instead of those of the list beside the trace. */
    readonly listed?: TraceFileOptions['files'];
  };

/** Reads the trace that an argument names, and tells how far it has come. */
export async function readFrom(
  name: string,
  options: ReadingOptions,
  io: Io,
  sink: OperationSink,
): Promise<TraceFileSummary> {
  const path = name === '-' ? name : resolve(io.cwd, name);
  if (name !== '-' && kindOf(path) === 'directory') throw new UserError(`TRACE: ${path} is a directory`);
  if (name !== '-') checkOutputs([{ name: 'TRACE', path }], [], io.hostStreams);
  const line = new ProgressLine(io.stderr, () => performance.now());
  const { format, device, hasEnough, listed } = options;
  // The length of a pipe is not known.
  const onProgress = (done: number, total: number): void => {
    if (total > 0) line.update({ phase: 'reading the trace', done, total });
  };
  try {
    return await readTrace(
      path,
      {
        ...{ format, device, partitionOffset: options['partition-offset'], stdin: io.stdin, onProgress },
        ...(hasEnough === undefined ? {} : { hasEnough }),
        ...(listed === undefined ? {} : { files: listed }),
      },
      sink,
    );
  } finally {
    line.stop();
  }
}

/** The line that says what a trace is. */
export function headline(
  name: string,
  {
    title,
    format,
    packer,
    isGiven,
  }: Pick<TraceFileSummary, 'title' | 'format' | 'isGiven'> & { readonly packer?: string | null | undefined },
): string {
  const packed = packer === null || packer === undefined ? '' : `, packed by ${packer}`;
  return `${name === '-' ? 'standard input' : printable(name)}: ${title} (${format}${isGiven ? ', as given' : ''})${packed}`;
}
