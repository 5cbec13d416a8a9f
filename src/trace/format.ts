/** What a format of traces is: its name, how it is recognised, and what reads it. */

import type { Cursor } from './cursor.ts';
import type { Emitter } from './emitter.ts';
import type { Tally } from './tally.ts';

/** What the operations of a format are. */
export const SHOWN = {
  calls: 'calls of programs on files',
  requests: 'requests to devices, which are below the page cache',
  keys: 'objects that programs asked a cache for',
  misses: 'pages that a page cache brought in, without those that it had',
} as const;
export type Shown = keyof typeof SHOWN;

/** Most bytes of one operation: more would be a mistake. */
export const MOST_LENGTH = 2 ** 36;

/** Why an operation cannot have a range; undefined: it can. */
export function whyNoRange(offset: number, length: number): string | undefined {
  if (length > MOST_LENGTH) return 'more than 64 GiB at once';
  return offset > Number.MAX_SAFE_INTEGER - 2 * MOST_LENGTH ? 'a place beyond 2^53' : undefined;
}

/** A file that the list beside a trace names. */
export interface ListedFile {
  readonly path: string;
  /** Bytes when the trace ends; undefined: not told. */
  readonly bytes: number | undefined;
}

/** What the user may say about a trace. */
export interface TraceOptions {
  /** The one device to read, as the trace calls it; by default all. */
  readonly device?: string | undefined;
  /**
   * Sectors of 512 bytes at which the partition begins: pages are counted from there. By default it
   * is found.
   */
  readonly partitionOffset?: number | undefined;
  /** Files by the number of their inode, for the format `calls`. */
  readonly files?: ReadonlyMap<number, ListedFile> | undefined;
}

/** What a parser works with. */
export interface Context {
  readonly emitter: Emitter;
  readonly tally: Tally;
  readonly options: TraceOptions;
  /** The first bytes of the trace, at most HEAD_BYTES. */
  readonly head: Uint8Array;
}

/** A parser's last words. */
interface Ending {
  /** What it holds back is handed over. @throws InputError */
  end?(): void;
  /** Where a partition begins, in sectors modulo 8; undefined: the format has none. */
  readonly partitionOffset?: number;
  /** Devices by name, of formats that have some. */
  readonly devices?: readonly string[];
}

export interface LineParser extends Ending {
  /** Takes a line. @returns why it was not understood, in a few words; undefined: it was */
  line(cursor: Cursor): string | undefined;
}

export interface RecordParser extends Ending {
  /** Takes the record at a place. @returns why it was not understood; undefined: it was */
  record(view: DataView, at: number): string | undefined;
}

interface Described {
  readonly title: string;
  readonly shows: Shown;
  /**
   * Whether nothing in the bytes is a sign of this format, so that it is considered only when no
   * other fits.
   */
  readonly isWeak?: true;
}

/** A format of lines. It fits when nearly all lines of the head are understood. */
export interface TextFormat extends Described {
  readonly make: (context: Context) => LineParser;
  /** What else must hold for the head. */
  readonly fits?: (head: Uint8Array) => boolean;
}

/** A format of records of one size. */
export interface BinaryFormat extends Described {
  readonly recordBytes: number;
  readonly make: (context: Context) => RecordParser;
  /** Whether the first records are of the format. There is one record at least. */
  readonly fits: (view: DataView, records: number) => boolean;
}

export type TraceFormat = TextFormat | BinaryFormat;

export const isBinary = (format: TraceFormat): format is BinaryFormat => 'recordBytes' in format;
