/**
 * A place in the bytes of a line, and what reads numbers and words there. It makes no string: a
 * trace has millions of lines. A word that is not there moves nothing.
 */

/** Largest number that has all its digits in a float. */
const SAFE = Number.MAX_SAFE_INTEGER;
const ZERO = 0x30;
export const BLANK = 0x20;
export const TAB = 0x09;
export const COMMA = 0x2c;
export const POINT = 0x2e;
const MINUS = 0x2d;
/** Digits of the lower part of a number that is read in two parts. */
const LOW_DIGITS = 9;
export const LOW = 1e9;

const isDigit = (byte: number): boolean => byte >= ZERO && byte <= ZERO + 9;

export class Cursor {
  bytes: Uint8Array = new Uint8Array(0);
  at = 0;
  end = 0;
  /** Upper part of what `parts` or `seconds` has read last: whole 10^9, or seconds. */
  high = 0;
  /** Its lower part, below 10^9: for `seconds`, nanoseconds. */
  low = 0;

  set(bytes: Uint8Array, at: number, end: number): void {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  get isAtEnd(): boolean {
    return this.at >= this.end;
  }

  /** The byte here, or -1 at the end. */
  get byte(): number {
    return this.at < this.end ? this.bytes[this.at]! : -1;
  }

  /** An integer from 0 to 2^53 - 1; -1: there is none. */
  integer(): number {
    const { bytes, end } = this;
    let at = this.at;
    let value = 0;
    while (at < end) {
      const digit = bytes[at]! - ZERO;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
      at++;
    }
    if (at === this.at || value > SAFE) return -1;
    this.at = at;
    return value;
  }

  /** An integer that may be below 0; NaN: there is none. */
  signed(): number {
    const isNegative = this.skip(MINUS);
    const value = this.integer();
    if (value >= 0) return isNegative ? -value : value;
    if (isNegative) this.at--;
    return Number.NaN;
  }

  /** A hexadecimal integer, with or without 0x before it; -1: there is none. */
  hex(): number {
    const { bytes, end } = this;
    let at = this.at;
    if (at + 1 < end && bytes[at] === ZERO && (bytes[at + 1]! | 0x20) === 0x78) at += 2;
    const first = at;
    let value = 0;
    for (; at < end; at++) {
      const digit = hexDigit(bytes[at]!);
      if (digit < 0) break;
      value = value * 16 + digit;
    }
    if (at === first || value > SAFE) return -1;
    this.at = at;
    return value;
  }

  /** Digits of any number as `high` and `low`. Whether there are any, and not too many. */
  parts(): boolean {
    const first = this.at;
    let at = first;
    while (at < this.end && isDigit(this.bytes[at]!)) at++;
    const digits = at - first;
    if (digits === 0 || digits > LOW_DIGITS + 15) return false;
    const split = Math.max(first, at - LOW_DIGITS);
    this.high = this.#digits(first, split);
    this.low = this.#digits(split, at);
    this.at = at;
    return true;
  }

  /**
   * Seconds, with a fraction perhaps, as `high` s and `low` ns. Whether there are any.
   * @param point what may be before the fraction besides a point
   */
  seconds(point = POINT): boolean {
    const whole = this.integer();
    if (whole < 0) return false;
    this.high = whole;
    this.low = 0;
    const isFraction = (this.byte === POINT || this.byte === point) && isDigit(this.bytes[this.at + 1] ?? 0);
    if (!isFraction || this.at + 1 >= this.end) return true;
    this.at++;
    let scale = LOW / 10;
    for (; this.at < this.end && isDigit(this.bytes[this.at]!); this.at++) {
      this.low += (this.bytes[this.at]! - ZERO) * scale;
      scale = Math.floor(scale / 10);
    }
    return true;
  }

  /** Goes over one byte. Whether it is here. */
  skip(byte: number): boolean {
    if (this.at >= this.end || this.bytes[this.at] !== byte) return false;
    this.at++;
    return true;
  }

  /** Goes over blanks and tabs. Whether there are any. */
  blanks(): boolean {
    const first = this.at;
    while (this.at < this.end && (this.bytes[this.at] === BLANK || this.bytes[this.at] === TAB)) this.at++;
    return this.at > first;
  }

  /** Goes over a comma, and blanks on both of its sides. Whether it is here. */
  comma(): boolean {
    this.blanks();
    if (!this.skip(COMMA)) return false;
    this.blanks();
    return true;
  }

  /** Goes to the next such byte, or to the end. Whether there is one. */
  goTo(byte: number): boolean {
    while (this.at < this.end && this.bytes[this.at] !== byte) this.at++;
    return this.at < this.end;
  }

  /** Goes over what is neither a blank nor a tab. Whether there is anything. */
  word(): boolean {
    const first = this.at;
    while (this.at < this.end && this.bytes[this.at] !== BLANK && this.bytes[this.at] !== TAB) this.at++;
    return this.at > first;
  }

  /** Goes over a text of ASCII. Whether it is here. */
  text(text: string): boolean {
    if (!this.has(text)) return false;
    this.at += text.length;
    return true;
  }

  /** Whether a text of ASCII is here. */
  has(text: string): boolean {
    return hasAt(this.bytes, this.at, this.end, text);
  }

  /** Goes to behind the next such text. Whether there is one. */
  past(text: string): boolean {
    const first = text.charCodeAt(0);
    for (let at = this.at; at + text.length <= this.end; at++) {
      if (this.bytes[at] !== first || !hasAt(this.bytes, at, this.end, text)) continue;
      this.at = at + text.length;
      return true;
    }
    return false;
  }

  #digits(from: number, to: number): number {
    let value = 0;
    for (let at = from; at < to; at++) value = value * 10 + this.bytes[at]! - ZERO;
    return value;
  }
}

/** Whether a text of ASCII lies at a place. */
export function hasAt(bytes: Uint8Array, at: number, end: number, text: string): boolean {
  if (at + text.length > end) return false;
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return false;
  return true;
}

/** The value of a hexadecimal digit, or -1. */
function hexDigit(byte: number): number {
  if (isDigit(byte)) return byte - ZERO;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : -1;
}
