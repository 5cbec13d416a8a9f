/**
 * `stillwarm trace convert`: a trace in another format. The new file appears when it is complete,
 * or not at all. What its format cannot hold is told.
 */

import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { askHost, counted, grouped, printable, UserError } from '../base/index.ts';
import {
  checkOutputs,
  kindOf,
  replaceFile,
  replaceFileLater,
  type NamedPath,
} from '../experiment/guest/output-file.ts';
import type { TraceFileSummary } from '../experiment/host/trace-file.ts';
import {
  CallsWriter,
  FioWriter,
  NumbersWriter,
  OracleGeneralWriter,
  type Target,
  type TraceWriter,
  type Write,
} from '../trace/index.ts';
import { parseCommand } from './kit/args.ts';
import { commandHelp } from './kit/help.ts';
import { writeNotices, type Io } from './kit/io.ts';
import { headline, later, readFrom } from './trace-reading.ts';
import { TRACE_CONVERT } from './trace-options.ts';

/** Bytes that are written at a time. */
const BUFFER_BYTES = 1 << 20;
/** Bytes of whole records that are gone over at a time. */
const RECORDS_BYTES = OracleGeneralWriter.RECORD_BYTES << 16;

const WRITERS: Readonly<Record<Target, new (write: Write) => TraceWriter>> = {
  calls: CallsWriter,
  'fio-v3': FioWriter,
  oracleGeneral: OracleGeneralWriter,
  'numbers-pages': NumbersWriter,
};

/**
 * @returns the exit status
 * @throws UserError
 */
export function convert(argv: readonly string[], io: Io): number {
  const { options, positionals } = parseCommand(TRACE_CONVERT, argv);
  if (options.help) {
    io.stdout.write(commandHelp(TRACE_CONVERT));
    return 0;
  }
  const [name, outName] = positionals as [string, string];
  const out = resolve(io.cwd, outName);
  const list = options.to === 'calls' ? listOf(out) : undefined;
  const outputs: NamedPath[] = [{ name: 'OUT', path: out }];
  if (list !== undefined) outputs.push({ name: 'the list of files', path: list });
  const inputs = name === '-' ? [] : [{ name: 'TRACE', path: resolve(io.cwd, name) }];
  checkOutputs(inputs, outputs, io.hostStreams);
  for (const output of outputs)
    if (kindOf(output.path) === 'file' && !options.force)
      throw new UserError(`${output.name}: ${output.path} exists already; --force replaces it`);

  return later(io, async () => {
    let summary: TraceFileSummary | undefined;
    let lost: TraceWriter['lost'] = new Map<string, number>();
    await replaceFileLater(out, async (partPath) => {
      const file = new BufferedFile(partPath);
      try {
        const writer = new WRITERS[options.to]((bytes) => file.write(bytes));
        summary = await readFrom(name, options, io, writer);
        writer.end();
        file.flush();
        if (writer instanceof OracleGeneralWriter) file.eachBackwards((bytes, first) => writer.next(bytes, first));
        if (writer instanceof CallsWriter && list !== undefined) writeList(list, writer);
        ({ lost } = writer);
      } finally {
        file.close();
      }
    });
    const { operations, problemCount, unit } = summary!;
    const notices = [...lost].map(([what, count]) => `${options.to} does not hold ${what}: ${grouped(count)}`);
    if (problemCount > 0) notices.push(`not understood: ${counted(problemCount, unit)}`);
    writeNotices(io, notices);
    io.stdout.write(
      `${headline(name, summary!)}\n${printable(outName)}: ${options.to}, ${counted(operations, 'operation')}\n`,
    );
    return 0;
  });
}

function listOf(out: string): string {
  if (!out.endsWith('.csv'))
    throw new UserError(`OUT: ${printable(out)} does not end in .csv, and a list of its files is written beside it`);
  return out.replace(/\.csv$/, '.files.csv');
}

function writeList(path: string, writer: CallsWriter): void {
  replaceFile(path, (partPath) => {
    const file = new BufferedFile(partPath);
    try {
      writer.list((bytes) => file.write(bytes));
      file.flush();
    } finally {
      file.close();
    }
  });
}

/** A new file that is written in large pieces. */
class BufferedFile {
  readonly #fd: number;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #length = 0;

  constructor(path: string) {
    this.#fd = askHost(path, () => openSync(path, 'wx+'));
  }

  write(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const part = bytes.subarray(done, done + BUFFER_BYTES - this.#length);
      this.#buffer.set(part, this.#length);
      this.#length += part.length;
      done += part.length;
      if (this.#length === BUFFER_BYTES) this.flush();
    }
  }

  flush(): void {
    this.#put(this.#buffer.subarray(0, this.#length), null);
    this.#length = 0;
  }

  /** Hands over pieces of whole records from the end to the start, and writes them again. */
  eachBackwards(change: (bytes: Uint8Array, first: number) => void): void {
    const piece = new Uint8Array(RECORDS_BYTES);
    for (let end = fstatSync(this.#fd).size; end > 0; ) {
      const at = Math.max(0, end - RECORDS_BYTES);
      const bytes = piece.subarray(0, end - at);
      for (let done = 0; done < bytes.length; ) done += readSync(this.#fd, bytes, done, bytes.length - done, at + done);
      change(bytes, at / OracleGeneralWriter.RECORD_BYTES);
      this.#put(bytes, at);
      end = at;
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  #put(bytes: Uint8Array, at: number | null): void {
    for (let done = 0; done < bytes.length; )
      done += writeSync(this.#fd, bytes, done, bytes.length - done, at === null ? null : at + done);
  }
}
