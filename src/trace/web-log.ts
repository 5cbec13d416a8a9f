/**
 * Logs of web servers, in the formats common and combined. A request that was answered with a file
 * is an open and a read of as many bytes as were sent, from the first on. The query is left out of
 * the path.
 */

import { decodeText } from '../base/text.ts';
import { BLANK, type Cursor } from './cursor.ts';
import { type Context, type LineParser, whyNoRange } from './format.ts';
import { Names } from './names.ts';
import { OPERATION } from './operations.ts';

const SECOND_NS = 1e9;
const [QUOTE, BACKSLASH, OPEN, CLOSE, SLASH, COLON, MINUS, PLUS, QUESTION, NUMBER, PERCENT] = Array.from(
  '"\\[]/:-+?#%',
  (char) => char.charCodeAt(0),
);
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const;
const OK = 200;
const PARTIAL = 206;
const NOT_MODIFIED = 304;

export class WebLogParser implements LineParser {
  readonly #context: Context;
  readonly #names = new Names();
  /** By number of the name. */
  readonly #files: number[] = [];
  #firstSecond = Number.NaN;
  #path = new Uint8Array(256);

  constructor(context: Context) {
    this.#context = context;
  }

  line(cursor: Cursor): string | undefined {
    const { emitter, tally } = this.#context;
    if (!cursor.word() || !cursor.blanks() || !cursor.word() || !cursor.blanks()) return 'no client';
    if (!cursor.goTo(OPEN!)) return 'no time';
    cursor.at++;
    const second = secondOf(cursor);
    if (Number.isNaN(second)) return 'no time';
    cursor.blanks();
    if (!cursor.skip(QUOTE!)) return 'no request';
    const request = cursor.at;
    if (!goToQuote(cursor)) return 'no request';
    const requestEnd = cursor.at;
    cursor.at++;
    cursor.blanks();
    const status = cursor.integer();
    if (status < 100 || status > 999 || !cursor.blanks()) return 'no status';
    const sent = cursor.skip(MINUS!) ? 0 : cursor.integer();
    if (sent < 0 || (!cursor.isAtEnd && !cursor.blanks())) return 'no size';
    const why = whyNoRange(0, sent);
    if (why !== undefined) return why;

    cursor.at = request;
    const end = cursor.end;
    cursor.end = requestEnd;
    const isGet = cursor.text('GET ');
    const length = isGet || cursor.text('HEAD ') ? this.#pathOf(cursor) : 0;
    cursor.end = end;
    if (length === 0) tally.leaveOut('requests that neither get a file nor ask about one');
    else if (status !== OK && status !== PARTIAL && status !== NOT_MODIFIED)
      tally.leaveOut('requests that were not answered with a file');
    else {
      if (Number.isNaN(this.#firstSecond)) this.#firstSecond = second;
      const time = (second - this.#firstSecond) * SECOND_NS;
      const hasBytes = isGet && status !== NOT_MODIFIED && sent > 0;
      const file = this.#fileOf(length, hasBytes && status === OK ? sent : undefined);
      emitter.add(time, 0, OPERATION.open, file, 0, 0);
      if (hasBytes) emitter.add(time, 0, OPERATION.read, file, 0, sent);
    }
    return undefined;
  }

  /** Decodes the path of a request into `#path`. Returns its length; 0: there is none. */
  #pathOf(cursor: Cursor): number {
    cursor.blanks();
    if (cursor.text('http://') || cursor.text('https://')) cursor.goTo(SLASH!);
    if (cursor.byte !== SLASH) return 0;
    const { bytes, end } = cursor;
    if (this.#path.length < end - cursor.at) this.#path = new Uint8Array(2 * (end - cursor.at));
    let length = 0;
    for (let at = cursor.at; at < end; at++) {
      const byte = bytes[at]!;
      if (byte === BLANK || byte === QUESTION || byte === NUMBER) break;
      cursor.set(bytes, at + 1, Math.min(end, at + 3));
      const escaped = byte === PERCENT ? cursor.hex() : -1;
      const isEscape = escaped > 0 && cursor.at === at + 3;
      this.#path[length++] = isEscape ? escaped : byte;
      if (isEscape) at += 2;
    }
    return length;
  }

  #fileOf(length: number, size: number | undefined): number {
    let number = this.#names.find(this.#path, 0, length);
    if (number < 0) {
      number = this.#names.add(this.#path, 0, length);
      this.#files.push(this.#context.emitter.file(decodeText(this.#path.subarray(0, length)), false, size));
    }
    return this.#files[number]!;
  }
}

/** Goes to the next quote that no backslash precedes. */
function goToQuote(cursor: Cursor): boolean {
  for (; cursor.at < cursor.end; cursor.at++) {
    const byte = cursor.bytes[cursor.at];
    if (byte === QUOTE) return true;
    if (byte === BACKSLASH) cursor.at++;
  }
  return false;
}

/** Seconds since 1970 of 10/Oct/2000:13:55:36 -0700]; NaN: it is no time. */
function secondOf(cursor: Cursor): number {
  const day = cursor.integer();
  if (day < 1 || day > 31 || !cursor.skip(SLASH!)) return Number.NaN;
  const month = MONTHS.findIndex((name) => cursor.has(name));
  if (month < 0) return Number.NaN;
  cursor.at += 3;
  if (!cursor.skip(SLASH!)) return Number.NaN;
  const year = cursor.integer();
  if (year < 1970 || year > 9999 || !cursor.skip(COLON!)) return Number.NaN;
  const hour = cursor.integer();
  if (hour < 0 || hour > 23 || !cursor.skip(COLON!)) return Number.NaN;
  const minute = cursor.integer();
  if (minute < 0 || minute > 59 || !cursor.skip(COLON!)) return Number.NaN;
  const second = cursor.integer();
  if (second < 0 || second > 60 || !cursor.blanks()) return Number.NaN;
  const sign = cursor.skip(MINUS!) ? -1 : cursor.skip(PLUS!) ? 1 : 0;
  const zone = cursor.integer();
  if (sign === 0 || zone < 0 || zone > 2400 || !cursor.skip(CLOSE!)) return Number.NaN;
  const offset = sign * (Math.floor(zone / 100) * 60 + (zone % 100)) * 60;
  return daysBefore(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
}

/** Days from 1970-01-01 to a day. Years are counted from March, so that a leap day is the last. */
function daysBefore(year: number, month: number, day: number): number {
  const fromMarch = (month + 10) % 12;
  const years = month < 2 ? year - 1 : year;
  const leaps = Math.floor(years / 4) - Math.floor(years / 100) + Math.floor(years / 400);
  // 719,468 days lie between 0000-03-01 and 1970-01-01.
  return years * 365 + leaps + Math.floor((153 * fromMarch + 2) / 5) + day - 1 - 719_468;
}
