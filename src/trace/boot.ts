/**
 * The format `boot`: CSV of pages that a kernel brought into its cache and removed, by device and
 * inode, as a boot was recorded. Pages that it had are not in it.
 */

import { COMMA, type Cursor } from './cursor.ts';
import { type Context, type LineParser, whyNoRange } from './format.ts';
import { Files } from './ftrace.ts';
import { OPERATION } from './operations.ts';

const PAGE = 4096;
const US_NS = 1000;
const [INSERTED, EVICTED, COLON] = Array.from('IE:', (letter) => letter.charCodeAt(0)) as [number, number, number];
const MOST_ORDER = 20;

export class BootParser implements LineParser {
  readonly #context: Context;
  readonly #files = new Files();
  #firstUs = Number.NaN;

  constructor(context: Context) {
    this.#context = context;
  }

  line(cursor: Cursor): string | undefined {
    const { emitter, tally } = this.#context;
    const us = cursor.integer();
    if (us < 0 || !cursor.skip(COMMA)) return 'no time';
    const tid = cursor.integer();
    if (tid < 0 || !cursor.skip(COMMA)) return 'no thread';
    const event = cursor.byte;
    cursor.at++;
    if ((event !== INSERTED && event !== EVICTED) || !cursor.skip(COMMA)) return 'neither I nor E';
    const major = cursor.integer();
    if (major < 0 || !cursor.skip(COLON)) return 'no device';
    const minor = cursor.integer();
    if (minor < 0 || !cursor.skip(COMMA)) return 'no device';
    const ino = cursor.integer();
    if (ino < 0 || !cursor.skip(COMMA)) return 'no inode';
    const page = cursor.integer();
    if (page < 0 || !cursor.skip(COMMA)) return 'no page';
    const order = cursor.integer();
    if (order < 0 || order > MOST_ORDER || !cursor.skip(COMMA)) return 'no order';
    if (event === EVICTED) {
      tally.leaveOut('pages that were removed');
      return undefined;
    }
    const why = whyNoRange(page * PAGE, PAGE * 2 ** order);
    if (why !== undefined) return why;
    if (Number.isNaN(this.#firstUs)) this.#firstUs = us;
    const file = this.#files.number(major, minor, ino, (name) => emitter.file(name, major === 0));
    const time = (us - this.#firstUs) * US_NS;
    emitter.add(time, emitter.thread(tid), OPERATION.read, file, page * PAGE, PAGE * 2 ** order);
    return undefined;
  }
}
