/**
 * The format `calls`: CSV of what programs did to files, by the numbers of their inodes. It was
 * recorded from a kernel, and `stillwarm trace convert` writes it. A list of the files beside it
 * has their names (trace-formats.md).
 *
 * A number may be used again for another file. Only its first file is named by the list.
 */

import { COMMA, type Cursor } from './cursor.ts';
import { type Context, type LineParser, whyNoRange } from './format.ts';
import { ALL_FILES, OPERATION } from './operations.ts';

const PAGE = 4096;
const US_NS = 1000;
/** Nanoseconds of the lower part of a fraction of a µs. */
const FRACTION = 1e6;
/** The kind of a file, in its mode. */
const IS_DIRECTORY = 0o040000;
const KIND_OF_MODE = 0o170000;

export const CALLS_HEADER = 't_us,tid,ev,ino,a,b,c';

/** What letters of the column `ev` are left out, by their name. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  I: 'pages brought in',
  E: 'pages removed',
  U: 'names removed',
  D: 'requests to the disk',
};

const code = (letter: string): number => letter.charCodeAt(0);
const [R, P, S, C, K] = Array.from('rpsck', code) as [number, number, number, number, number];
const [M, F, WRITE, MADE, CUT, GONE, OPENED, SYNCED, SIZED] = Array.from('MFwNTXOSt', code);

export class CallsParser implements LineParser {
  readonly #context: Context;
  readonly #files = new Map<number, number>();
  /** Files that a number has stood for. */
  readonly #generations = new Map<number, number>();
  #firstUs = Number.NaN;
  /** The number of the inode that was asked about last, and its file. */
  #ino = Number.NaN;
  #file = 0;

  constructor(context: Context) {
    this.#context = context;
  }

  line(cursor: Cursor): string | undefined {
    const { emitter, tally } = this.#context;
    let time = Number.NaN;
    if (cursor.byte !== COMMA) {
      if (!cursor.seconds()) return 'no time';
      if (Number.isNaN(this.#firstUs)) this.#firstUs = cursor.high;
      time = (cursor.high - this.#firstUs) * US_NS + Math.round(cursor.low / FRACTION);
    }
    if (!cursor.skip(COMMA)) return 'no time';
    const tid = cursor.byte === COMMA ? 0 : cursor.integer();
    if (tid < 0 || !cursor.skip(COMMA)) return 'no thread';
    const event = cursor.byte;
    cursor.at++;
    if (event < 0 || !cursor.skip(COMMA)) return 'no event';
    const isOfAll = cursor.byte === COMMA;
    const ino = isOfAll ? 0 : cursor.integer();
    if (ino < 0 || !cursor.skip(COMMA)) return 'no inode';
    const leftOut = LEFT_OUT[String.fromCharCode(event)];
    if (leftOut !== undefined) {
      tally.leaveOut(leftOut);
      return undefined;
    }
    if (isOfAll) {
      if (event !== SYNCED) return 'no inode';
      emitter.add(time, emitter.thread(tid), OPERATION.sync, ALL_FILES, 0, 0);
      return undefined;
    }
    const a = cursor.byte === COMMA ? 0 : cursor.integer();
    if (a < 0 || !cursor.skip(COMMA)) return 'no column a';
    const mode = cursor.at;
    const b = cursor.byte === COMMA ? 0 : cursor.integer();
    if (b < 0) return 'no column b';
    return this.#event(event, time, tid, ino, a, event === MADE ? octal(cursor, mode) : b);
  }

  #event(event: number, time: number, tid: number, ino: number, a: number, b: number): string | undefined {
    const { emitter, tally } = this.#context;
    const thread = emitter.thread(tid);
    switch (event) {
      case R:
      case P:
      case S:
      case C:
        return this.#range(time, thread, OPERATION.read, ino, a, b);
      case WRITE:
        return this.#range(time, thread, OPERATION.write, ino, a, b);
      case K:
      case M: {
        const kind = event === M ? OPERATION.fault : OPERATION.read;
        return b < a ? 'no pages' : this.#range(time, thread, kind, ino, a * PAGE, (b - a + 1) * PAGE);
      }
      case F:
        return this.#range(time, thread, OPERATION.fault, ino, a * PAGE, PAGE);
      case MADE:
        this.#forget(ino);
        if ((b & KIND_OF_MODE) === IS_DIRECTORY) tally.leaveOut('directories made');
        else emitter.add(time, thread, OPERATION.create, this.#fileOf(ino, true), 0, 0);
        return undefined;
      case CUT:
        // The new size is not told. That of a deleted file comes after its end.
        if (this.#files.has(ino)) emitter.add(time, thread, OPERATION.truncate, this.#fileOf(ino, true), 0, 0);
        else tally.leaveOut('truncations of files that are gone');
        return undefined;
      case SIZED:
        emitter.add(time, thread, OPERATION.truncate, this.#fileOf(ino, true), a, 0);
        return undefined;
      case GONE:
        if (a > 0 || !this.#files.has(ino)) tally.leaveOut('inodes evicted from memory');
        else emitter.add(time, thread, OPERATION.unlink, this.#fileOf(ino, true), 0, 0);
        if (a === 0) this.#forget(ino);
        return undefined;
      case OPENED:
        emitter.add(time, thread, OPERATION.open, this.#fileOf(ino, false), 0, 0);
        return undefined;
      case SYNCED:
        emitter.add(time, thread, OPERATION.sync, this.#fileOf(ino, false), 0, 0);
        return undefined;
      default:
        return 'an unknown event';
    }
  }

  #range(time: number, thread: number, kind: number, ino: number, offset: number, length: number): string | undefined {
    const { emitter, tally } = this.#context;
    const why = whyNoRange(offset, length);
    if (why !== undefined) return why;
    if (length === 0) tally.leaveOut('reads and writes of 0 bytes');
    else emitter.add(time, thread, kind, this.#fileOf(ino, kind === OPERATION.write), offset, length);
    return undefined;
  }

  /** The file of an inode. @param isChanged whether it is changed: its size is not told */
  #fileOf(ino: number, isChanged: boolean): number {
    if (ino === this.#ino) return this.#file;
    let file = this.#files.get(ino);
    if (file === undefined) {
      const generation = (this.#generations.get(ino) ?? 0) + 1;
      this.#generations.set(ino, generation);
      const listed = this.#context.options.files?.get(ino);
      const name = generation > 1 ? `inode ${ino} (${generation})` : (listed?.path ?? `inode ${ino}`);
      const size = generation > 1 || isChanged ? undefined : listed?.bytes;
      file = this.#context.emitter.file(name, false, size);
      this.#files.set(ino, file);
    }
    this.#ino = ino;
    return (this.#file = file);
  }

  #forget(ino: number): void {
    this.#files.delete(ino);
    this.#ino = Number.NaN;
  }
}

/** The octal number that begins at a place. */
function octal({ bytes, end }: Cursor, from: number): number {
  let value = 0;
  for (let at = from; at < end; at++) {
    const digit = bytes[at]! - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  return value;
}
