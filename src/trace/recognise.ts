/**
 * Tells the format of a trace from its first bytes. A format of lines fits when its parser
 * understands nearly all of them. Where several formats fit, nothing is guessed.
 */

import { InputError } from '../base/input-error.ts';
import { Emitter } from './emitter.ts';
import { type BinaryFormat, isBinary, type TextFormat, type TraceFormat } from './format.ts';
import { FORMAT_NAMES, formatOf, type FormatName } from './formats.ts';
import { OperationBatch, type OperationSink } from './operations.ts';
import { Tally } from './tally.ts';
import { TextParser } from './text-parser.ts';

/** Lines that are tried. */
const MOST_LINES = 200;
/** Share of the tried lines that may be problems. */
const MOST_PROBLEMS = 0.1;
const NEWLINE = 0x0a;
const NOWHERE: OperationSink = { file: () => undefined, operations: () => undefined };

/** How files begin that are no traces, or not unpacked: Latin-1 of the bytes. */
const OTHERS: readonly (readonly [begin: string, is: string])[] = [
  ['BZh', 'packed by bzip2: unpack it first'],
  ['\x04\x22\x4d\x18', 'packed by lz4: unpack it first'],
  ['PK\x03\x04', 'packed by zip: unpack it first'],
  ['\x7fELF', 'a program'],
  ['\x89PNG', 'a picture'],
  ['%PDF', 'a document'],
  ['\xff\xfe', 'text of UTF-16: convert it first: iconv -f UTF-16 -t UTF-8'],
];

/**
 * The format of the trace that begins with these bytes.
 * @param isWhole whether they are all of it
 * @throws InputError when none fits, or several do
 */
export function recognise(head: Uint8Array, isWhole: boolean): FormatName {
  const known = OTHERS.find(([begin]) => Array.from(begin).every((char, i) => head[i] === char.charCodeAt(0)));
  if (known !== undefined) throw new InputError(`it is ${known[1]}`);
  const batch = new OperationBatch();
  const fitting = FORMAT_NAMES.filter((name) => fits(formatOf(name), head, isWhole, batch));
  const strong = fitting.filter((name) => formatOf(name).isWeak !== true);
  const found = strong.length > 0 ? strong : fitting;
  if (found.length === 1) return found[0]!;
  if (found.length > 1)
    throw new InputError(`its bytes fit several formats: say which it is by --format: ${found.join(', ')}`);
  throw new InputError(`it has no format that is known: ${FORMAT_NAMES.join(', ')}`);
}

const fits = (format: TraceFormat, head: Uint8Array, isWhole: boolean, batch: OperationBatch): boolean =>
  isBinary(format) ? fitsRecords(format, head, isWhole) : fitsLines(format, head, isWhole, batch);

function fitsRecords({ recordBytes, fits }: BinaryFormat, head: Uint8Array, isWhole: boolean): boolean {
  const records = Math.floor(head.length / recordBytes);
  if (records === 0 || (isWhole && head.length % recordBytes !== 0)) return false;
  return fits(new DataView(head.buffer, head.byteOffset, head.byteLength), records);
}

function fitsLines(format: TextFormat, head: Uint8Array, isWhole: boolean, batch: OperationBatch): boolean {
  if (format.fits?.(head) === false) return false;
  batch.count = 0;
  const emitter = new Emitter(NOWHERE, batch);
  const tally = new Tally('line');
  const context = { emitter, tally, options: {}, head };
  const parser = new TextParser(context, format.make(context));
  // A last line that goes on behind the head is not tried.
  const last = head.lastIndexOf(NEWLINE) + 1;
  let end = isWhole ? head.length : last;
  for (let at = 0, lines = 0; at >= 0 && at < end; lines++) {
    if (lines === MOST_LINES) end = at;
    const next = head.indexOf(NEWLINE, at);
    at = next < 0 ? end : next + 1;
  }
  try {
    parser.push(head.subarray(0, end));
    parser.end();
  } catch (error) {
    if (error instanceof InputError) return false;
    throw error;
  }
  const leftOut = [...tally.leftOut.values()].reduce((sum, count) => sum + count, 0);
  return emitter.operations + leftOut > 0 && tally.problemCount <= MOST_PROBLEMS * (tally.lines - tally.empty);
}
