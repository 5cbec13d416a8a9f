/**
 * FIU: time in ns, process, its name, sector, sectors, R or W, major, minor, MD5. The sectors are
 * of 512 bytes, and a device is MAJOR,MINOR.
 */

import { Clock } from './clock.ts';
import type { Cursor } from './cursor.ts';
import { Devices, SECTOR } from './devices.ts';
import type { Context, LineParser } from './format.ts';
import { OPERATION } from './operations.ts';

const MINORS = 2 ** 20;
const nameOf = (number: number): string => `${Math.floor(number / MINORS)},${number % MINORS}`;

export class FiuParser extends Devices implements LineParser {
  readonly #clock = new Clock(1);
  readonly #context: Context;

  constructor(context: Context) {
    super(context);
    this.#context = context;
  }

  line(cursor: Cursor): string | undefined {
    if (!cursor.parts() || !cursor.blanks()) return 'no time';
    const pid = cursor.integer();
    if (pid < 0 || !cursor.blanks()) return 'no process';
    if (!cursor.word() || !cursor.blanks()) return 'no name of a process';
    const sector = cursor.integer();
    if (sector < 0 || !cursor.blanks()) return 'no sector';
    const sectors = cursor.integer();
    if (sectors < 0 || !cursor.blanks()) return 'no size';
    const kind = cursor.text('R ') ? OPERATION.read : cursor.text('W ') ? OPERATION.write : -1;
    if (kind < 0) return 'neither R nor W';
    cursor.blanks();
    const major = cursor.integer();
    if (major < 0 || !cursor.blanks()) return 'no device';
    const minor = cursor.integer();
    if (minor < 0 || minor >= MINORS || major >= MINORS) return 'no device';
    if (!cursor.isAtEnd && !cursor.blanks()) return 'no device';
    const time = this.#clock.since(cursor.high, cursor.low);
    const thread = this.#context.emitter.thread(pid);
    const file = this.numbered(major * MINORS + minor, nameOf);
    return this.request(time, thread, kind, file, sector * SECTOR, sectors * SECTOR);
  }
}
