/**
 * Tencent CBS, 2018: time in whole seconds, place, size, 0 for a read or 1 for a write, volume.
 * Place and size are in sectors of 512 bytes; a copy of the traces has them in bytes.
 */

import { Clock } from './clock.ts';
import { Cursor } from './cursor.ts';
import { Devices, SECTOR } from './devices.ts';
import type { Context, LineParser } from './format.ts';
import { OPERATION } from './operations.ts';

const SECOND_NS = 1e9;
const NEWLINE = 0x0a;

export class TencentParser extends Devices implements LineParser {
  readonly #clock = new Clock(SECOND_NS);
  readonly #unit: number;

  /** @param unit bytes of the unit of places and sizes */
  constructor(context: Context, unit: number) {
    super(context);
    this.#unit = unit;
  }

  line(cursor: Cursor): string | undefined {
    if (!cursor.parts() || !cursor.comma()) return 'no time';
    const offset = cursor.integer();
    if (offset < 0 || !cursor.comma()) return 'no place';
    const size = cursor.integer();
    if (size < 0 || !cursor.comma()) return 'no size';
    const type = cursor.integer();
    if (type < 0 || type > 1 || !cursor.comma()) return 'neither 0 nor 1 for read or write';
    const volume = cursor.integer();
    if (volume < 0 || !cursor.isAtEnd) return 'no volume';
    const time = this.#clock.since(cursor.high, cursor.low);
    const kind = type === 0 ? OPERATION.read : OPERATION.write;
    return this.request(time, 0, kind, this.numbered(volume), offset * this.#unit, size * this.#unit);
  }
}

/** Whether all places and sizes in the head may be bytes: multiples of sectors. */
export function mayBeBytes(head: Uint8Array): boolean {
  const cursor = new Cursor();
  for (let at = 0, end = head.indexOf(NEWLINE); end >= 0; at = end + 1, end = head.indexOf(NEWLINE, at)) {
    cursor.set(head, at, end);
    if (!cursor.parts() || !cursor.comma()) continue;
    const offset = cursor.integer();
    if (!cursor.comma()) continue;
    if (offset % SECTOR !== 0 || cursor.integer() % SECTOR !== 0) return false;
  }
  return true;
}
