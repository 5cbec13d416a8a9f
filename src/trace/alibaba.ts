/** Alibaba EBS, 2020: device, R or W, byte, bytes, time in µs, which is the last column. */

import { Clock } from './clock.ts';
import type { Cursor } from './cursor.ts';
import { Devices } from './devices.ts';
import type { LineParser } from './format.ts';
import { OPERATION } from './operations.ts';

const US = 1000;

export class AlibabaParser extends Devices implements LineParser {
  readonly #clock = new Clock(US);

  line(cursor: Cursor): string | undefined {
    const device = cursor.integer();
    if (device < 0 || !cursor.comma()) return 'no device';
    const kind = cursor.text('R') ? OPERATION.read : cursor.text('W') ? OPERATION.write : -1;
    if (kind < 0 || !cursor.comma()) return 'neither R nor W';
    const offset = cursor.integer();
    if (offset < 0 || !cursor.comma()) return 'no place';
    const length = cursor.integer();
    if (length < 0 || !cursor.comma()) return 'no length';
    if (!cursor.parts() || !cursor.isAtEnd) return 'no time';
    return this.request(this.#clock.since(cursor.high, cursor.low), 0, kind, this.numbered(device), offset, length);
  }
}
