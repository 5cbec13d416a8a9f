/**
 * Plain numbers, one a line, as the traces of LIRS have them; and raw ones, little-endian. Each is
 * a read. What a number counts is not told. A line `*` separates runs of LIRS, whose blocks are
 * pages.
 */

import type { Cursor } from './cursor.ts';
import { Devices } from './devices.ts';
import type { BinaryFormat, Context, LineParser, RecordParser, TextFormat } from './format.ts';
import { OPERATION } from './operations.ts';

const STAR = 0x2a;
const NEWLINE = 0x0a;
const HALF = 2 ** 32;
/** Of a 64-bit number, the upper half of the largest that a float holds. */
const MOST_UPPER = 2 ** 21;
/** Of a place in bytes that is below 4 TiB. */
const SMALL_UPPER = 1024;
const NAME = new TextEncoder().encode('disk');

/** Bytes that a number counts, and bytes that are read there. */
const UNITS = { page: [4096, 4096], sector: [512, 512], byte: [1, 1] } as const;
export type Unit = keyof typeof UNITS;

class Numbers extends Devices {
  readonly #unit: number;
  readonly #length: number;

  constructor(context: Context, unit: Unit) {
    super(context);
    [this.#unit, this.#length] = UNITS[unit];
  }

  protected read(number: number): string | undefined {
    const file = this.named(NAME, 0, NAME.length);
    return this.request(Number.NaN, 0, OPERATION.read, file, number * this.#unit, this.#length);
  }
}

class PlainParser extends Numbers implements LineParser {
  readonly #context: Context;

  constructor(context: Context, unit: Unit) {
    super(context, unit);
    this.#context = context;
  }

  line(cursor: Cursor): string | undefined {
    cursor.blanks();
    if (cursor.skip(STAR)) {
      cursor.blanks();
      if (!cursor.isAtEnd) return 'no number';
      this.#context.tally.leaveOut('separators of runs');
      return undefined;
    }
    const number = cursor.integer();
    cursor.blanks();
    return number < 0 || !cursor.isAtEnd ? 'no number' : this.read(number);
  }
}

class RawParser extends Numbers implements RecordParser {
  readonly #isWide: boolean;

  constructor(context: Context, unit: Unit, isWide: boolean) {
    super(context, unit);
    this.#isWide = isWide;
  }

  record(view: DataView, at: number): string | undefined {
    const low = view.getUint32(at, true);
    if (!this.#isWide) return this.read(low);
    const high = view.getUint32(at + 4, true);
    return high >= MOST_UPPER ? 'a place beyond 2^53' : this.read(high * HALF + low);
  }
}

const hasSeparator = (head: Uint8Array): boolean => {
  for (let at = head.indexOf(STAR); at >= 0; at = head.indexOf(STAR, at + 1))
    if (at === 0 || head[at - 1] === NEWLINE) return true;
  return false;
};

export const plainNumbers = (unit: Unit): TextFormat => ({
  title: `plain numbers, one a line, of ${unit}s${unit === 'page' ? ', as those of LIRS' : ''}`,
  shows: 'requests',
  make: (context) => new PlainParser(context, unit),
  fits: (head) => unit === 'page' || !hasSeparator(head),
});

export const rawNumbers = (unit: Unit, width: 4 | 8): BinaryFormat => ({
  title: `raw numbers of ${width * 8} bits, little-endian, of ${unit}s`,
  shows: 'requests',
  isWeak: true,
  recordBytes: width,
  make: (context) => new RawParser(context, unit, width === 8),
  fits: (view, records) => {
    let hasSmallByte = false;
    for (let at = 0; at < records * width; at++) if (view.getUint8(at) < 9) hasSmallByte = true;
    if (width === 4) return hasSmallByte;
    // Two numbers of 32 bits are no number of 64: most upper halves of these are small.
    let large = 0;
    for (let n = 0; n < records; n++) {
      const upper = view.getUint32(n * 8 + 4, true);
      if (upper * HALF * UNITS[unit][0] > Number.MAX_SAFE_INTEGER) return false;
      if (upper >= SMALL_UPPER) large++;
    }
    return hasSmallByte && 2 * large < records;
  },
});
