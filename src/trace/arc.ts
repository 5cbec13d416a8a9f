/**
 * The traces of ARC: first block, number of blocks, a number that is ignored, number of the
 * request. The unit of blocks is not told: 512 bytes in some sets, 4096 in others.
 */

import type { Cursor } from './cursor.ts';
import { Devices } from './devices.ts';
import type { Context, LineParser } from './format.ts';
import { OPERATION } from './operations.ts';

const NAME = new TextEncoder().encode('disk');

export class ArcParser extends Devices implements LineParser {
  readonly #unit: number;

  /** @param unit bytes of a block */
  constructor(context: Context, unit: number) {
    super(context);
    this.#unit = unit;
  }

  line(cursor: Cursor): string | undefined {
    cursor.blanks();
    const block = cursor.integer();
    if (block < 0 || !cursor.blanks()) return 'no block';
    const count = cursor.integer();
    if (count < 0 || !cursor.blanks()) return 'no number of blocks';
    if (cursor.integer() < 0 || !cursor.blanks() || cursor.integer() < 0) return 'no number of a request';
    cursor.blanks();
    if (!cursor.isAtEnd) return 'more than four numbers';
    const file = this.named(NAME, 0, NAME.length);
    return this.request(Number.NaN, 0, OPERATION.read, file, block * this.#unit, count * this.#unit);
  }
}
