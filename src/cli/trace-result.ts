/** What `stillwarm trace stat` finds: the definition of the object that `--json` prints. */

import { Type } from 'typebox';
import {
  boolean,
  count,
  kind,
  many,
  object,
  oneOf,
  orNull,
  result,
  text,
  type Described,
} from '../experiment/guest/schema.ts';
import { PACKERS } from '../experiment/host/unpacked.ts';
import { FORMAT_NAMES, SHOWN, type OperationName, type Shown } from '../trace/index.ts';

const Problem = kind('problem', 'A line or record that was not understood.', {
  line: count('Its number.', 1),
  why: text('Why, in a few words.'),
  text: text('How it begins.'),
});

const LeftOut = kind('omission', 'Something that is no operation on a file.', {
  what: text('What it is.'),
  count: count('How often it was met.', 1),
});

const FileFound = kind('file', 'A file or device of the trace.', {
  number: count('Its number, in the order in which files appear.'),
  name: text('Its name, as the trace has it.'),
  isDevice: boolean('Whether it is a device, or stands for the objects of a cache.'),
  size: orNull('Its size in bytes when the trace begins; null: not told.', Type.Integer({ minimum: 0 })),
  operations: count('Operations on it.'),
  pages: count('Different pages of 4096 bytes that are read or written.'),
  bytesRead: count('Bytes read.'),
  bytesWritten: count('Bytes written.'),
});

const KINDS = {
  open: count('Files opened.'),
  read: count('Reads.'),
  write: count('Writes.'),
  sync: count('Files, or all files, written back.'),
  truncate: count('Files cut or made longer.'),
  unlink: count('Files deleted.'),
  create: count('Files made.'),
  fault: count('Reads of whole pages through mappings.'),
} satisfies Record<OperationName, unknown>;

export const TraceResult = result(
  'stillwarm/trace@1',
  'Findings of stillwarm trace stat --json',
  'What a trace has in it. [Formats of traces](trace-formats.md) says how each is read.',
  {
    format: oneOf('Its format.', FORMAT_NAMES),
    title: text('What the format is.'),
    isGiven: boolean('Whether the format was given, and not recognised.'),
    shows: oneOf(
      `What the operations are: ${Object.entries(SHOWN)
        .map(([name, meaning]) => `\`${name}\` (${meaning})`)
        .join(', ')}.`,
      Object.keys(SHOWN) as Shown[],
    ),
    packer: orNull(
      'What the trace is packed by; null: it is not.',
      Type.Unsafe<(typeof PACKERS)[number]>({ enum: PACKERS }),
    ),
    bytes: count('Bytes of the trace, unpacked.'),
    unit: oneOf('What the trace consists of.', ['line', 'record'] as const),
    lines: count('Lines, without empty ones and a header; or records.'),
    problemCount: count('Of these, not understood.'),
    problems: many('The first of them, ten at most.', Problem, { maxItems: 10 }),
    leftOut: many('What is no operation on a file.', LeftOut),
    operations: count('Operations on files.'),
    kinds: object('Operations by kind.', KINDS),
    files: count('Files and devices.'),
    threads: count('Threads; 1 where the format tells none.', 1),
    spanNs: orNull(
      'Nanoseconds from the first operation to the latest; null: no time is told.',
      Type.Number({ minimum: 0 }),
    ),
    backwards: count('Operations with a time before that of the one before.'),
    partitionOffset: orNull(
      'Sector modulo 8 at which pages of devices begin; null: the format has no devices.',
      Type.Integer({ minimum: 0, maximum: 7 }),
    ),
    pageAccesses: count('How often a page is read or written.'),
    distinctPages: count('Pages that are read or written, each once.'),
    bytesRead: count('Bytes read.'),
    bytesWritten: count('Bytes written.'),
    largest: many('The files with most different pages.', FileFound),
  },
  [Problem, LeftOut, FileFound],
);
export type TraceResult = Described<typeof TraceResult>;
