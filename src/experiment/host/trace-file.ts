/**
 * Reads a trace from a file, a pipe or standard input, packed or not, in chunks: a trace of any
 * length needs little memory. The next chunk is read when the sink has taken the one before.
 */

import { createReadStream, existsSync, fstatSync, openSync, closeSync } from 'node:fs';
import { asInputError, InputError, printable } from '../../base/index.ts';
import {
  FileList,
  type ListedFile,
  type OperationSink,
  type ReadOptions,
  TraceReader,
  type TraceSummary,
} from '../../trace/index.ts';
import { type Chunks, MAGIC_BYTES, type Packer, packerOf, unpack } from './unpacked.ts';

/** Bytes that are read at a time. */
const CHUNK_BYTES = 256 << 10;

/** What a trace is read from, and how. */
export interface TraceFileOptions extends ReadOptions {
  /** File descriptor that the path `-` stands for; 0 by default. */
  readonly stdin?: number;
  /** Whether no more operations are wanted: asked between chunks. */
  readonly hasEnough?: () => boolean;
  /** Told how many bytes of the file were read, of how many; 0: it is not known. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** What was read. */
export interface TraceFileSummary extends TraceSummary {
  /** What it was packed by. */
  readonly packer: Packer | undefined;
  /** Bytes of the trace, unpacked, as far as it was read. */
  readonly bytes: number;
}

/**
 * Reads a trace.
 * @param path `-` for standard input
 * @throws InputError of one line that begins with the path
 */
export async function readTrace(
  path: string,
  options: TraceFileOptions,
  sink: OperationSink,
): Promise<TraceFileSummary> {
  const files = options.files ?? (await listBeside(path));
  try {
    return await read(path, { ...options, files }, sink);
  } catch (error) {
    throw named(error, path);
  }
}

/** A refusal that begins with the path. */
function named(error: unknown, path: string): unknown {
  const name = path === '-' ? 'standard input' : printable(path);
  const refusal = asInputError(error, name);
  if (!(refusal instanceof InputError) || refusal !== error) return refusal;
  return new InputError(`${name}: ${refusal.message}`, refusal.code);
}

async function read(path: string, options: TraceFileOptions, sink: OperationSink): Promise<TraceFileSummary> {
  const reader = new TraceReader(options, sink);
  const hasEnough = options.hasEnough ?? ((): boolean => false);
  let bytes = 0;
  const packer = await chunksOf(path, options, (chunk) => {
    bytes += chunk.length;
    reader.push(chunk);
    return !hasEnough();
  });
  return { ...reader.end(), packer, bytes };
}

/** Hands over the unpacked bytes of a file. Returns what packed them. */
async function chunksOf(
  path: string,
  { stdin = 0, onProgress }: TraceFileOptions,
  take: (chunk: Uint8Array) => boolean,
): Promise<Packer | undefined> {
  const isStdin = path === '-';
  const fd = isStdin ? stdin : openSync(path, 'r');
  try {
    const stat = fstatSync(fd);
    if (stat.isDirectory()) throw new InputError('is a directory');
    const total = stat.isFile() ? stat.size : 0;
    const stream = createReadStream('', { fd, autoClose: false, highWaterMark: CHUNK_BYTES });
    const { head, rest } = await headOf(
      progressing(stream, (done) => onProgress?.(done, total)),
      MAGIC_BYTES,
    );
    const packer = packerOf(head);
    if (packer !== undefined) await unpack(packer, rest, take);
    else for await (const chunk of rest) if (!take(chunk)) break;
    return packer;
  } finally {
    if (!isStdin) closeSync(fd);
  }
}

async function* progressing(chunks: Chunks, onBytes: (done: number) => void): AsyncGenerator<Uint8Array> {
  let done = 0;
  for await (const chunk of chunks) {
    onBytes(done);
    done += chunk.length;
    yield chunk;
  }
}

/** The first chunk with so many bytes, if there are as many, and all chunks from it on. */
async function headOf(chunks: AsyncGenerator<Uint8Array>, bytes: number): Promise<{ head: Uint8Array; rest: Chunks }> {
  const parts: Uint8Array[] = [];
  let length = 0;
  while (length < bytes) {
    const next = await chunks.next();
    if (next.done === true) break;
    parts.push(next.value);
    length += next.value.length;
  }
  const head = parts.length === 1 ? parts[0]! : Uint8Array.from(parts.flatMap((part) => [...part]));
  const rest = async function* (): AsyncGenerator<Uint8Array> {
    if (head.length > 0) yield head;
    yield* chunks;
  };
  return { head, rest: rest() };
}

/** The list of files beside a trace: that of NAME.csv.gz is NAME.files.csv.gz, packed or not. */
async function listBeside(path: string): Promise<ReadonlyMap<number, ListedFile> | undefined> {
  const beside = /^(.*)\.csv(?:\.gz|\.xz|\.zst)?$/.exec(path);
  if (beside === null) return undefined;
  const names = ['', '.gz', '.xz', '.zst'].map((packed) => `${beside[1]!}.files.csv${packed}`);
  const name = names.find((each) => existsSync(each));
  if (name === undefined || name === path) return undefined;
  const list = new FileList();
  try {
    await chunksOf(name, {}, (chunk) => {
      list.push(chunk);
      return true;
    });
    list.end();
  } catch (error) {
    throw named(error, name);
  }
  return list.files;
}
