/**
 * SPC-1, as UMass has it: ASU, sector, bytes, R or W of either case, time in seconds. An ASU is a
 * device. Further columns are ignored.
 */

import { Clock } from './clock.ts';
import type { Cursor } from './cursor.ts';
import { Devices, SECTOR } from './devices.ts';
import type { LineParser } from './format.ts';
import { OPERATION } from './operations.ts';

const LOWER = 0x20;
const R = 0x72;
const W = 0x77;

export class SpcParser extends Devices implements LineParser {
  readonly #clock = new Clock(1);

  line(cursor: Cursor): string | undefined {
    cursor.blanks();
    const unit = cursor.integer();
    if (unit < 0 || !cursor.comma()) return 'no ASU';
    const sector = cursor.integer();
    if (sector < 0 || !cursor.comma()) return 'no sector';
    const size = cursor.integer();
    if (size < 0 || !cursor.comma()) return 'no size';
    const letter = cursor.byte | LOWER;
    if (letter !== R && letter !== W) return 'neither R nor W';
    cursor.at++;
    if (!cursor.comma() || !cursor.seconds()) return 'no time';
    cursor.blanks();
    if (!cursor.isAtEnd && !cursor.comma()) return 'no time';
    const time = this.#clock.since(cursor.high, cursor.low);
    const kind = letter === R ? OPERATION.read : OPERATION.write;
    return this.request(time, 0, kind, this.numbered(unit), sector * SECTOR, size);
  }
}
