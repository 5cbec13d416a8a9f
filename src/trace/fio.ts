/**
 * Logs of fio (`write_iolog`), versions 2 and 3. A line is FILE ACTION [BYTE BYTES], in version 3
 * with a time before it: µs since the log began. Version 2 tells a time in lines `wait` alone. A
 * name may hold blanks, so a line is read from its right end.
 */

import { decodeText } from '../base/text.ts';
import { Clock } from './clock.ts';
import { BLANK, type Cursor, hasAt } from './cursor.ts';
import { type Context, type LineParser, whyNoRange } from './format.ts';
import { Names } from './names.ts';
import { OPERATION } from './operations.ts';

const US = 1000;

/** What actions with a range are; a name stands for what is left out. */
const RANGED: Readonly<Record<string, number | string>> = {
  read: OPERATION.read,
  write: OPERATION.write,
  sync: OPERATION.sync,
  datasync: OPERATION.sync,
  trim: 'trims',
};
const WHOLE: Readonly<Record<string, number | string>> = {
  open: OPERATION.open,
  add: 'lines that only name a file',
  close: 'files closed',
  sync: OPERATION.sync,
  datasync: OPERATION.sync,
};
const RANGED_NAMES = Object.keys(RANGED);
const WHOLE_NAMES = Object.keys(WHOLE);

/** The first line of a version, without its number. */
export const isFio = (head: Uint8Array, version: 2 | 3): boolean => {
  const at = head[0] === 0xef ? 3 : 0;
  return hasAt(head, at, head.length, `fio version ${version} iolog`);
};

export class FioParser implements LineParser {
  readonly #context: Context;
  readonly #version: 2 | 3;
  readonly #clock = new Clock(US);
  readonly #names = new Names();
  /** By number of the name. */
  readonly #files: number[] = [];
  /** Of version 2: the time of the last wait; NaN: it waits nowhere in the head. */
  #now: number;
  #isBegun = false;

  constructor(context: Context, version: 2 | 3) {
    this.#context = context;
    this.#version = version;
    this.#now = decodeText(context.head).includes(' wait ') ? 0 : Number.NaN;
  }

  line(cursor: Cursor): string | undefined {
    const { tally } = this.#context;
    if (!this.#isBegun) {
      this.#isBegun = true;
      if (!cursor.has(`fio version ${this.#version} iolog`)) return `no line "fio version ${this.#version} iolog"`;
      tally.empty++;
      return undefined;
    }
    let time = this.#now;
    if (this.#version === 3) {
      if (!cursor.parts() || !cursor.blanks()) return 'no time';
      time = this.#clock.since(cursor.high, cursor.low);
    }
    const { bytes, at: from } = cursor;
    let end = trimmed(bytes, from, cursor.end);
    const last = wordBefore(bytes, from, end);
    if (numberIn(bytes, last, end) < 0) return this.#whole(bytes, from, last, end, time);

    const length = numberIn(bytes, last, end);
    end = trimmed(bytes, from, last);
    const before = wordBefore(bytes, from, end);
    const offset = numberIn(bytes, before, end);
    // A wait has one number.
    if (offset < 0) {
      if (!isWord(bytes, before, end, 'wait')) return 'no action';
      if (this.#version === 2) this.#now += length * US;
      tally.leaveOut('waits');
      return undefined;
    }
    end = trimmed(bytes, from, before);
    const verb = wordBefore(bytes, from, end);
    const name = RANGED_NAMES.find((each) => isWord(bytes, verb, end, each));
    if (name === undefined) return 'no action';
    return this.#add(bytes, from, trimmed(bytes, from, verb), RANGED[name]!, time, offset, length);
  }

  #whole(bytes: Uint8Array, from: number, verb: number, end: number, time: number): string | undefined {
    const name = WHOLE_NAMES.find((each) => isWord(bytes, verb, end, each));
    return name === undefined
      ? 'no action'
      : this.#add(bytes, from, trimmed(bytes, from, verb), WHOLE[name]!, time, 0, 0);
  }

  #add(
    bytes: Uint8Array,
    from: number,
    to: number,
    action: number | string,
    time: number,
    offset: number,
    length: number,
  ): string | undefined {
    const { emitter, tally } = this.#context;
    if (to <= from) return 'no file';
    const why = whyNoRange(offset, length);
    if (why !== undefined) return why;
    if (typeof action === 'string') {
      tally.leaveOut(action);
      return undefined;
    }
    let number = this.#names.find(bytes, from, to);
    if (number < 0) {
      number = this.#names.add(bytes, from, to);
      const name = decodeText(bytes.subarray(from, to));
      this.#files.push(emitter.file(name, name.startsWith('/dev/')));
    }
    const hasRange = action === OPERATION.read || action === OPERATION.write;
    if (hasRange && length === 0) tally.leaveOut('requests of 0 bytes');
    else emitter.add(time, 0, action, this.#files[number]!, hasRange ? offset : 0, hasRange ? length : 0);
    return undefined;
  }
}

/** Where a text ends without the blanks at its end. */
function trimmed(bytes: Uint8Array, from: number, to: number): number {
  let end = to;
  while (end > from && bytes[end - 1] === BLANK) end--;
  return end;
}

/** Where the word begins that ends here. */
function wordBefore(bytes: Uint8Array, from: number, end: number): number {
  let at = end;
  while (at > from && bytes[at - 1] !== BLANK) at--;
  return at;
}

/** The integer that a word is; -1: it is none. */
function numberIn(bytes: Uint8Array, from: number, to: number): number {
  let value = 0;
  for (let at = from; at < to; at++) {
    const digit = bytes[at]! - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return to > from && value <= Number.MAX_SAFE_INTEGER ? value : -1;
}

const isWord = (bytes: Uint8Array, from: number, to: number, word: string): boolean =>
  to - from === word.length && hasAt(bytes, from, to, word);
