/**
 * A line of strace, cut into its parts: process, time, call, arguments, result. Arguments may hold
 * strings, structures and the paths of `-y`, so commas and brackets in these separate nothing.
 */

import { decodeText } from '../base/text.ts';
import { BLANK, type Cursor, hasAt } from './cursor.ts';

const MOST_ARGUMENTS = 12;
const DAY_S = 86_400;
const code = (char: string): number => char.charCodeAt(0);
const [QUOTE, BACKSLASH, COMMA, LESS, GREATER, EQUALS, COLON] = Array.from('"\\,<>=:', code) as [
  number,
  number,
  number,
  number,
  number,
  number,
  number,
];
const OPENING = new Set(Array.from('([{', code));
const CLOSING = new Set(Array.from(')]}', code));
const UNFINISHED = '<unfinished ...>';
const DETACHED = '<detached ...>';

/** What a line is, besides a call that has returned. */
export type LineKind = 'call' | 'unfinished' | 'resumed' | 'exit' | 'other' | 'detached';

export class StraceLine {
  bytes: Uint8Array = new Uint8Array(0);
  pid = 0;
  /** Seconds and nanoseconds; NaN: no time is told. */
  seconds = Number.NaN;
  nanoseconds = 0;
  /** Where the name of the call begins and ends. */
  name = 0;
  nameEnd = 0;
  /** Where the arguments begin and end. */
  readonly starts = new Int32Array(MOST_ARGUMENTS);
  readonly ends = new Int32Array(MOST_ARGUMENTS);
  count = 0;
  /** The result, as it is written, without the path behind it. */
  result = Number.NaN;
  /** Where the path behind the result begins and ends; equal: there is none. */
  resultPath = 0;
  resultPathEnd = 0;
  /** Where the text of a call that is not over ends; where the rest of one begins. */
  cut = 0;
  #midnights = 0;
  #ofDay = 0;

  /** Takes a line up to its call. Returns what it is; undefined: not one of strace. */
  begin(cursor: Cursor): LineKind | undefined {
    const { bytes, end } = cursor;
    this.bytes = bytes;
    this.pid = 0;
    this.seconds = Number.NaN;
    if (cursor.text('[pid')) {
      cursor.blanks();
      this.pid = cursor.integer();
      if (this.pid < 0 || !cursor.text('] ')) return undefined;
    } else {
      const from = cursor.at;
      const pid = cursor.integer();
      if (pid >= 0 && cursor.blanks()) this.pid = pid;
      else cursor.at = from;
    }
    cursor.blanks();
    if (!this.#time(cursor)) return undefined;
    const at = cursor.at;
    if (hasAt(bytes, at, end, '+++ ')) return 'exit';
    if (hasAt(bytes, at, end, '--- ') || hasAt(bytes, at, end, 'strace: ')) return 'other';
    if (cursor.text('<... ')) {
      this.name = cursor.at;
      if (!cursor.past(' resumed>')) return undefined;
      this.nameEnd = cursor.at - ' resumed>'.length;
      this.cut = cursor.at;
      return 'resumed';
    }
    this.name = at;
    for (this.nameEnd = at; this.nameEnd < end && isOfName(bytes[this.nameEnd]!); ) this.nameEnd++;
    if (this.nameEnd === at || bytes[this.nameEnd] !== code('(')) return undefined;
    if (hasAt(bytes, end - DETACHED.length, end, DETACHED)) return 'detached';
    if (!hasAt(bytes, end - UNFINISHED.length, end, UNFINISHED)) return 'call';
    this.cut = end - UNFINISHED.length;
    return 'unfinished';
  }

  /** Cuts a call that has returned, from its name to its end. Whether it is one. */
  call(bytes: Uint8Array, name: number, end: number): boolean {
    this.bytes = bytes;
    this.name = name;
    let at = name;
    while (at < end && isOfName(bytes[at]!)) at++;
    this.nameEnd = at;
    if (bytes[at] !== code('(')) return false;
    at = this.#arguments(bytes, at + 1, end);
    return at >= 0 && this.#result(bytes, at + 1, end);
  }

  /** An argument that is an integer, or the first one in brackets; -1: it is none. */
  integer(cursor: Cursor, argument: number): number {
    if (argument >= this.count) return -1;
    cursor.set(this.bytes, this.starts[argument]!, this.ends[argument]!);
    cursor.skip(code('['));
    return cursor.integer();
  }

  /** Whether an argument contains a word. */
  contains(argument: number, word: string): boolean {
    if (argument >= this.count) return false;
    const first = word.charCodeAt(0);
    for (let at = this.starts[argument]!; at < this.ends[argument]!; at++)
      if (this.bytes[at] === first && hasAt(this.bytes, at, this.ends[argument]!, word)) return true;
    return false;
  }

  is(argument: number, word: string): boolean {
    return argument < this.count && hasAt(this.bytes, this.starts[argument]!, this.ends[argument]!, word);
  }

  /** The text of an argument that is a string; undefined: it is none, or cut off. */
  string(argument: number): string | undefined {
    if (argument >= this.count) return undefined;
    const [from, end] = [this.starts[argument]!, this.ends[argument]!];
    if (this.bytes[from] !== QUOTE || this.bytes[end - 1] !== QUOTE || end - from < 2) return undefined;
    return unescaped(this.bytes.subarray(from + 1, end - 1));
  }

  /** The time before the call: seconds, hours and minutes as `-t` and `-tt` have them, or none. */
  #time(cursor: Cursor): boolean {
    const from = cursor.at;
    const first = cursor.integer();
    if (first < 0) return true;
    if (cursor.byte !== COLON) {
      cursor.at = from;
      if (!cursor.seconds(COMMA) || (!cursor.isAtEnd && !cursor.blanks())) return false;
      this.seconds = cursor.high;
      this.nanoseconds = cursor.low;
      return true;
    }
    cursor.at++;
    const minutes = cursor.integer();
    if (minutes < 0 || !cursor.skip(COLON) || !cursor.seconds(COMMA) || !cursor.blanks()) return false;
    const ofDay = first * 3600 + minutes * 60 + cursor.high;
    // A time of day that is far before the last one is of the next day.
    if (ofDay < this.#ofDay - DAY_S / 2) this.#midnights++;
    this.#ofDay = ofDay;
    this.seconds = this.#midnights * DAY_S + ofDay;
    this.nanoseconds = cursor.low;
    return true;
  }

  /** Cuts arguments up to the bracket that closes them. Returns its place, or -1. */
  #arguments(bytes: Uint8Array, from: number, end: number): number {
    this.count = 0;
    let depth = 0;
    let start = from;
    for (let at = from; at < end; at++) {
      const byte = bytes[at]!;
      if (byte === QUOTE) {
        at = stringEnd(bytes, at + 1, end);
        if (at < 0) return -1;
      } else if (byte === LESS && bytes[at + 1] !== LESS && at > from && isOfName(bytes[at - 1]!)) {
        at = bytes.indexOf(GREATER, at);
        if (at < 0 || at >= end) return -1;
      } else if (OPENING.has(byte)) depth++;
      else if (CLOSING.has(byte)) {
        if (depth === 0) {
          if (at > from) this.#argument(bytes, start, at);
          return at;
        }
        depth--;
      } else if (byte === COMMA && depth === 0) {
        this.#argument(bytes, start, at);
        start = at + 1;
      }
    }
    return -1;
  }

  #argument(bytes: Uint8Array, from: number, to: number): void {
    if (this.count === MOST_ARGUMENTS) return;
    let [start, end] = [from, to];
    while (start < end && bytes[start] === BLANK) start++;
    while (end > start && bytes[end - 1] === BLANK) end--;
    // Without the dots of a string that is cut.
    this.starts[this.count] = start;
    this.ends[this.count++] = end;
  }

  #result(bytes: Uint8Array, from: number, end: number): boolean {
    let at = from;
    while (at < end && bytes[at] === BLANK) at++;
    if (bytes[at] !== EQUALS || at >= end) return false;
    at++;
    while (at < end && bytes[at] === BLANK) at++;
    if (at >= end) return false;
    const isNegative = bytes[at] === code('-');
    if (isNegative) at++;
    this.result = Number.NaN;
    let value = 0;
    if (bytes[at] === code('0') && bytes[at + 1] === code('x')) {
      // An address: its value does not matter.
      value = 1;
      at += 2;
      while (at < end && isOfName(bytes[at]!)) at++;
      this.result = value;
    } else if (bytes[at] !== code('?')) {
      const first = at;
      for (; at < end && bytes[at]! >= 0x30 && bytes[at]! <= 0x39; at++) value = value * 10 + bytes[at]! - 0x30;
      if (at === first) return false;
      this.result = isNegative ? -value : value;
    }
    this.resultPath = this.resultPathEnd = at;
    if (bytes[at] === LESS && at < end) {
      const close = bytes.indexOf(GREATER, at);
      if (close >= 0 && close < end) [this.resultPath, this.resultPathEnd] = [at + 1, close];
    }
    return true;
  }
}

const isOfName = (byte: number): boolean =>
  (byte >= 0x61 && byte <= 0x7a) || (byte >= 0x30 && byte <= 0x39) || byte === 0x5f || (byte >= 0x41 && byte <= 0x5a);

/** The quote that ends a string, or -1. */
function stringEnd(bytes: Uint8Array, from: number, end: number): number {
  for (let at = from; at < end; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) return at;
    if (byte === BACKSLASH) at++;
  }
  return -1;
}

const LETTERS: Readonly<Record<string, number>> = { n: 10, t: 9, r: 13, v: 11, f: 12 };

/** The text that bytes with the escapes of C stand for. */
export function unescaped(bytes: Uint8Array): string {
  if (!bytes.includes(BACKSLASH)) return decodeText(bytes);
  const plain = new Uint8Array(bytes.length);
  let length = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte !== BACKSLASH) {
      plain[length++] = byte;
      continue;
    }
    const next = bytes[++at] ?? BACKSLASH;
    if (next === code('x')) {
      const hex = Number.parseInt(String.fromCharCode(bytes[at + 1] ?? 0, bytes[at + 2] ?? 0), 16);
      plain[length++] = Number.isNaN(hex) ? next : hex;
      if (!Number.isNaN(hex)) at += 2;
      continue;
    }
    let value = 0;
    let digits = 0;
    for (; digits < 3; digits++) {
      const digit = (bytes[at + digits] ?? 0) - 0x30;
      if (digit < 0 || digit > 7) break;
      value = value * 8 + digit;
    }
    plain[length++] = digits > 0 ? value : (LETTERS[String.fromCharCode(next)] ?? next);
    if (digits > 0) at += digits - 1;
  }
  return decodeText(plain.subarray(0, length));
}
