/**
 * A trace that arrives in chunks: the format is recognised by its first bytes, or given, and its
 * operations go to a sink.
 */

import { InputError } from '../base/input-error.ts';
import { BinaryParser } from './binary-parser.ts';
import { Emitter } from './emitter.ts';
import { type Context, isBinary, type LineParser, type RecordParser, type Shown, type TraceOptions } from './format.ts';
import { FORMATS, formatOf, type FormatName } from './formats.ts';
import type { OperationSink } from './operations.ts';
import { recognise } from './recognise.ts';
import { type Problem, Tally } from './tally.ts';
import { TextParser } from './text-parser.ts';

/** Bytes by which a format is recognised. */
export const HEAD_BYTES = 64 << 10;

export interface ReadOptions extends TraceOptions {
  /** The format; by default it is recognised. */
  readonly format?: FormatName | undefined;
}

/** What was read, of which nothing is in the operations. */
export interface TraceSummary {
  readonly format: FormatName;
  readonly title: string;
  readonly shows: Shown;
  /** Whether the format was given, and not recognised. */
  readonly isGiven: boolean;
  /** What a trace has: lines or records. */
  readonly unit: 'line' | 'record';
  /** Lines, without empty ones and a header; or records. */
  readonly lines: number;
  readonly problemCount: number;
  /** The first ten. */
  readonly problems: readonly Problem[];
  /** What is no operation on a file, with how often it was met. */
  readonly leftOut: ReadonlyMap<string, number>;
  readonly operations: number;
  readonly files: number;
  readonly threads: number;
  /** Nanoseconds from the first operation to the latest; undefined: no time is told. */
  readonly spanNs: number | undefined;
  /** Operations with a time before that of the one before. */
  readonly backwards: number;
  /** Sector modulo 8 at which the pages of the devices begin; undefined: they are files. */
  readonly partitionOffset: number | undefined;
}

/** Bytes in, operations out. */
export class TraceReader {
  readonly #options: ReadOptions;
  readonly #emitter: Emitter;
  #head = new Uint8Array(HEAD_BYTES);
  #headLength = 0;
  #parts:
    | { tally: Tally; parser: TextParser | BinaryParser; of: LineParser | RecordParser; name: FormatName }
    | undefined;

  constructor(options: ReadOptions, sink: OperationSink) {
    this.#options = options;
    this.#emitter = new Emitter(sink);
  }

  /** Operations that the sink has been given, or soon will be. */
  get operations(): number {
    return this.#emitter.operations;
  }

  /** @throws InputError when the format is not known, or too many lines are not understood */
  push(chunk: Uint8Array): void {
    let from = 0;
    if (this.#parts === undefined) {
      from = Math.min(chunk.length, HEAD_BYTES - this.#headLength);
      this.#head.set(chunk.subarray(0, from), this.#headLength);
      this.#headLength += from;
      if (this.#headLength < HEAD_BYTES) return;
      this.#begin(false);
    }
    this.#parts!.parser.push(from === 0 ? chunk : chunk.subarray(from));
  }

  /** @throws InputError as `push` does */
  end(): TraceSummary {
    if (this.#parts === undefined) this.#begin(true);
    const { tally, parser, of, name } = this.#parts!;
    parser.end();
    tally.end();
    const emitter = this.#emitter;
    emitter.flush();
    const { title, shows } = FORMATS[name];
    return {
      format: name,
      title,
      shows,
      isGiven: this.#options.format !== undefined,
      unit: isBinary(formatOf(name)) ? 'record' : 'line',
      lines: tally.lines - tally.empty,
      problemCount: tally.problemCount,
      problems: tally.problems,
      leftOut: tally.leftOut,
      operations: emitter.operations,
      files: emitter.fileCount,
      threads: emitter.threadCount,
      spanNs: Number.isNaN(emitter.span) ? undefined : emitter.span,
      backwards: emitter.backwards,
      partitionOffset: of.partitionOffset,
    };
  }

  #begin(isWhole: boolean): void {
    const head = this.#head.subarray(0, this.#headLength);
    if (head.length === 0) throw new InputError('it is empty');
    const { device, partitionOffset } = this.#options;
    const name = this.#options.format ?? recognise(head, isWhole);
    const format = formatOf(name);
    const tally = new Tally(isBinary(format) ? 'record' : 'line');
    const context: Context = { emitter: this.#emitter, tally, options: this.#options, head };
    const of = format.make(context);
    if (of.devices === undefined && (device !== undefined || partitionOffset !== undefined))
      throw new InputError(`a trace of the format ${name} has no devices to choose, and no partitions`);
    const parser = isBinary(format)
      ? new BinaryParser(context, of as RecordParser, format.recordBytes)
      : new TextParser(context, of as LineParser);
    this.#parts = { tally, parser, of, name };
    parser.push(head);
    this.#head = new Uint8Array(0);
  }
}
