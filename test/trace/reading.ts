// Reads a trace in memory, and shows its operations as lines.
import { OPERATIONS, TraceReader, type ReadOptions, type TraceSummary } from '../../src/trace/index.ts';

export interface Read {
  /** `TIME THREAD KIND FILE OFFSET LENGTH`, the time in ns, - for untold ones. */
  readonly operations: readonly string[];
  readonly files: readonly { readonly name: string; readonly isDevice: boolean; readonly size: number | undefined }[];
  readonly summary: TraceSummary;
}

/** @param cuts lengths of chunks, in turn; by default it is one */
export function readBytes(bytes: Uint8Array, options: ReadOptions = {}, cuts: readonly number[] = []): Read {
  const operations: string[] = [];
  const files: Read['files'][number][] = [];
  const reader = new TraceReader(options, {
    file: (file) => files.push(file),
    operations: ({ count, time, thread, kind, file, offset, length }) => {
      for (let i = 0; i < count; i++) {
        const name = files[file[i]!]?.name ?? 'all';
        const shown = Number.isNaN(time[i]) ? '-' : time[i];
        operations.push(`${shown} ${thread[i]} ${OPERATIONS[kind[i]!]} ${name} ${offset[i]} ${length[i]}`);
      }
    },
  });
  let at = 0;
  for (let n = 0; cuts.length > 0 && at < bytes.length; n++) {
    const end = Math.min(bytes.length, at + Math.max(1, cuts[n % cuts.length]!));
    reader.push(bytes.slice(at, end));
    at = end;
  }
  reader.push(bytes.subarray(at));
  return { summary: reader.end(), operations, files };
}

export const readText = (text: string, options: ReadOptions = {}, cuts: readonly number[] = []): Read =>
  readBytes(new TextEncoder().encode(text), options, cuts);
