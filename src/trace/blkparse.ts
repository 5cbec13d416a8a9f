/**
 * The default output of blkparse. A request is there several times: asked for (Q), issued to the
 * device (D), completed. Lines Q are used where the head has one, else lines D, and never both.
 */

import { Clock } from './clock.ts';
import { COMMA, Cursor } from './cursor.ts';
import { Devices, SECTOR } from './devices.ts';
import type { Context, LineParser } from './format.ts';
import { OPERATION } from './operations.ts';

const MINORS = 2 ** 20;
const nameOf = (number: number): string => `${Math.floor(number / MINORS)},${number % MINORS}`;
const NEWLINE = 0x0a;
const [Q, D, R, W, F, PLUS] = Array.from('QDRWF+', (char) => char.charCodeAt(0)) as [
  number,
  number,
  number,
  number,
  number,
  number,
];
const A = 0x41;
const Z = 0x5a;
const [SMALL_M, BRACKET] = [0x6d, 0x5b];

export class BlkparseParser extends Devices implements LineParser {
  readonly #context: Context;
  readonly #clock = new Clock(1);
  readonly #action: number;
  /** Whether the records have ended, and the summary begins. */
  #isOver = false;
  readonly #fields = { device: 0, pid: 0, action: 0, high: 0, low: 0 };

  constructor(context: Context) {
    super(context);
    this.#context = context;
    this.#action = this.#hasQueued(context.head) ? Q : D;
  }

  line(cursor: Cursor): string | undefined {
    const { emitter, tally } = this.#context;
    // After an empty line, for each processor and in all.
    if (this.#isOver || cursor.has('CPU') || cursor.has('Total (') || cursor.has('Input file ')) {
      this.#isOver = true;
      tally.empty++;
      return undefined;
    }
    const why = this.#begin(cursor);
    if (why !== undefined) return why;
    const { device, pid, action, high, low } = this.#fields;
    if (action !== this.#action) {
      tally.leaveOut('other events of requests');
      return undefined;
    }
    const flags = cursor.at;
    if (!cursor.word()) return 'no kind of request';
    const { bytes, at: flagsEnd } = cursor;
    let kind = -1;
    let isDiscard = false;
    let isFlush = false;
    for (let at = flags; at < flagsEnd; at++) {
      const letter = bytes[at]!;
      if (letter < A || letter > Z) return 'no kind of request';
      if (letter === R) kind = OPERATION.read;
      else if (letter === W) kind = OPERATION.write;
      else if (letter === D) isDiscard = true;
      else if (letter === F) isFlush = true;
    }
    cursor.blanks();
    const time = this.#clock.since(high, low);
    const file = this.numbered(device, nameOf);
    const hasPlace = cursor.byte !== BRACKET && !cursor.isAtEnd;
    if (!hasPlace || isDiscard || kind < 0) {
      if (isFlush && !hasPlace) this.flush(time, emitter.thread(pid), file);
      else tally.leaveOut(isDiscard ? 'discards' : 'requests without a place');
      return undefined;
    }
    const sector = cursor.integer();
    if (sector < 0 || !cursor.blanks() || !cursor.skip(PLUS) || !cursor.blanks()) return 'no sector';
    const sectors = cursor.integer();
    if (sectors < 0) return 'no sectors';
    return this.request(time, emitter.thread(pid), kind, file, sector * SECTOR, sectors * SECTOR);
  }

  /** The columns that all lines have. */
  #begin(cursor: Cursor): string | undefined {
    const fields = this.#fields;
    cursor.blanks();
    const major = cursor.integer();
    if (major < 0 || !cursor.skip(COMMA)) return 'no device';
    const minor = cursor.integer();
    if (minor < 0 || minor >= MINORS || major >= MINORS || !cursor.blanks()) return 'no device';
    if (cursor.integer() < 0 || !cursor.blanks()) return 'no processor';
    if (cursor.integer() < 0 || !cursor.blanks()) return 'no number';
    if (!cursor.seconds(COMMA) || !cursor.blanks()) return 'no time';
    fields.pid = cursor.integer();
    if (fields.pid < 0 || !cursor.blanks()) return 'no process';
    fields.action = cursor.byte;
    const isAction = (fields.action >= A && fields.action <= Z) || fields.action === SMALL_M;
    cursor.word();
    if (!isAction) return 'no event';
    if (!cursor.blanks()) return 'no kind of request';
    fields.device = major * MINORS + minor;
    fields.high = cursor.high;
    fields.low = cursor.low;
    return undefined;
  }

  #hasQueued(head: Uint8Array): boolean {
    const cursor = new Cursor();
    for (let at = 0, end = head.indexOf(NEWLINE); end >= 0; at = end + 1, end = head.indexOf(NEWLINE, at)) {
      cursor.set(head, at, end);
      if (this.#begin(cursor) === undefined && this.#fields.action === Q) return true;
    }
    return false;
  }
}
