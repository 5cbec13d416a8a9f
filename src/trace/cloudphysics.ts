/**
 * CloudPhysics as text: version, time in seconds, SCSI command in hexadecimal, bytes, sector. The
 * size is in bytes, and the place in sectors of 512.
 */

import { Clock } from './clock.ts';
import type { Cursor } from './cursor.ts';
import { Devices, SECTOR } from './devices.ts';
import type { Context, LineParser } from './format.ts';
import { OPERATION } from './operations.ts';
import { scsiKind } from './scsi.ts';

const NAME = new TextEncoder().encode('disk');
/** Versions are small: a larger number is a time, in another format. */
const MOST_VERSION = 9;

export class CloudPhysicsParser extends Devices implements LineParser {
  readonly #clock = new Clock(1);
  readonly #context: Context;

  constructor(context: Context) {
    super(context);
    this.#context = context;
  }

  line(cursor: Cursor): string | undefined {
    const version = cursor.integer();
    if (version < 0 || version > MOST_VERSION || !cursor.comma()) return 'no version';
    if (!cursor.seconds() || !cursor.comma()) return 'no time';
    const command = cursor.hex();
    if (command < 0 || command > 0xff || !cursor.comma()) return 'no command';
    const size = cursor.integer();
    if (size < 0 || !cursor.comma()) return 'no size';
    const sector = cursor.integer();
    if (sector < 0 || !cursor.isAtEnd) return 'no sector';
    const time = this.#clock.since(cursor.high, cursor.low);
    const kind = scsiKind(command);
    if (kind < 0) {
      this.#context.tally.leaveOut('commands that neither read nor write');
      return undefined;
    }
    const file = this.named(NAME, 0, NAME.length);
    if (kind !== OPERATION.sync) return this.request(time, 0, kind, file, sector * SECTOR, size);
    this.flush(time, 0, file);
    return undefined;
  }
}
