/**
 * MSR Cambridge, 2007: time, host, disk, Read or Write, byte, bytes, response time. Times are those
 * of Windows: 100 ns since 1601, in more digits than a float has. A device is HOST.DISK.
 */

import { Clock } from './clock.ts';
import { COMMA, type Cursor } from './cursor.ts';
import { Devices } from './devices.ts';
import type { LineParser } from './format.ts';
import { OPERATION } from './operations.ts';

const FILETIME_NS = 100;

export class MsrParser extends Devices implements LineParser {
  readonly #clock = new Clock(FILETIME_NS);
  /** HOST,DISK as the trace has it, with a point in place of the comma. */
  readonly #name = new Uint8Array(512);

  line(cursor: Cursor): string | undefined {
    if (!cursor.parts() || !cursor.comma()) return 'no time';
    const { bytes, at: from } = cursor;
    if (!cursor.goTo(COMMA) || cursor.at === from) return 'no host';
    const point = cursor.at - from;
    cursor.at++;
    if (cursor.integer() < 0) return 'no disk';
    const length = cursor.at - from;
    if (length > this.#name.length) return 'no host';
    if (!cursor.comma()) return 'no type';
    const kind = cursor.text('Read') ? OPERATION.read : cursor.text('Write') ? OPERATION.write : -1;
    if (kind < 0 || !cursor.comma()) return 'neither Read nor Write';
    const offset = cursor.integer();
    if (offset < 0 || !cursor.comma()) return 'no place';
    const size = cursor.integer();
    if (size < 0) return 'no size';
    if (!cursor.comma() || cursor.integer() < 0 || !cursor.isAtEnd) return 'no response time';
    for (let i = 0; i < length; i++) this.#name[i] = i === point ? 0x2e : bytes[from + i]!;
    const file = this.named(this.#name, 0, length);
    return this.request(this.#clock.since(cursor.high, cursor.low), 0, kind, file, offset, size);
  }
}
