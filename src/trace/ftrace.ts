/**
 * Events `filemap:mm_filemap_*` of the kernel's tracefs. A page that is added was missed: without
 * other events, the trace shows misses alone. From Linux 6.12 on, events tell what is looked up.
 * Where the head has one, these are the reads, by calls or by faults. Pages that are removed are
 * counted.
 */

import { Clock } from './clock.ts';
import { BLANK, COMMA, type Cursor, hasAt } from './cursor.ts';
import { type Context, type LineParser, whyNoRange } from './format.ts';
import { OPERATION } from './operations.ts';

const PAGE = 4096;
const COLON = 0x3a;
const HASH = 0x23;
const MINUS = 0x2d;
const PREFIX = 'mm_filemap_';
const ADD = `${PREFIX}add_to_page_cache`;
const DELETE = `${PREFIX}delete_from_page_cache`;
/** What looks pages up: for a call, and for a program that touches a mapping. */
const GET_PAGES = `${PREFIX}get_pages`;
const LOOKUPS = [GET_PAGES, `${PREFIX}map_pages`, `${PREFIX}fault`];
const MOST_ORDER = 20;

const has = (head: Uint8Array, text: string): boolean => {
  const first = text.charCodeAt(0);
  for (let at = head.indexOf(first); at >= 0; at = head.indexOf(first, at + 1))
    if (hasAt(head, at, head.length, text)) return true;
  return false;
};

export class FtraceParser implements LineParser {
  readonly #context: Context;
  readonly #clock = new Clock(1);
  readonly #files = new Files();
  readonly #hasLookups: boolean;

  constructor(context: Context) {
    this.#context = context;
    this.#hasLookups = LOOKUPS.some((name) => has(context.head, name));
  }

  line(cursor: Cursor): string | undefined {
    const { emitter, tally } = this.#context;
    if (cursor.byte === HASH) {
      tally.empty++;
      return undefined;
    }
    const { bytes, at: begin } = cursor;
    if (!cursor.past(PREFIX)) return `no event ${PREFIX}*`;
    const name = cursor.at - PREFIX.length;
    const ofThread = cursor.end;
    cursor.goTo(COLON);
    const nameEnd = cursor.at;
    if (!cursor.skip(COLON)) return 'no event';
    const fields = cursor.at;

    // Before the name: a time and a colon.
    let at = name;
    while (at > begin && (bytes[at - 1] === BLANK || bytes[at - 1] === COLON)) at--;
    const timeEnd = at;
    while (at > begin && bytes[at - 1] !== BLANK) at--;
    cursor.set(bytes, at, timeEnd);
    if (!cursor.seconds(COMMA) || !cursor.isAtEnd) return 'no time';
    const { high, low } = cursor;
    const thread = threadOf(cursor, bytes, begin, at);
    if (thread < 0) return 'no process';

    cursor.set(bytes, fields, ofThread);
    cursor.blanks();
    if (!cursor.text('dev ') && !cursor.text('dev=')) return 'no device';
    const major = cursor.integer();
    if (major < 0 || !cursor.skip(COLON)) return 'no device';
    const minor = cursor.integer();
    if (minor < 0 || !cursor.blanks()) return 'no device';
    if (!cursor.text('ino ') && !cursor.text('ino=')) return 'no inode';
    const ino = cursor.hex();
    if (ino < 0) return 'no inode';
    if (!cursor.past(' ofs=')) return 'no place';
    const offset = cursor.integer();
    if (offset < 0) return 'no place';

    const is = (event: string): boolean => nameEnd - name === event.length && hasAt(bytes, name, nameEnd, event);
    if (is(DELETE)) {
      tally.leaveOut('pages that were removed');
      return undefined;
    }
    let kind = OPERATION.read;
    let length = PAGE;
    if (is(ADD)) {
      if (this.#hasLookups) {
        tally.leaveOut('pages that were added, since lookups are told, too');
        return undefined;
      }
      if (cursor.past(' order=')) {
        const order = cursor.integer();
        if (order < 0 || order > MOST_ORDER) return 'no order';
        length = PAGE * 2 ** order;
      }
    } else if (LOOKUPS.some(is)) {
      if (!is(GET_PAGES)) kind = OPERATION.fault;
      if (cursor.past(' max_ofs=')) {
        const last = cursor.integer();
        if (last < offset) return 'no range';
        length = last - offset + PAGE;
      }
    } else return 'an unknown event';
    const why = whyNoRange(offset, length);
    if (why !== undefined) return why;
    const file = this.#files.number(major, minor, ino, (text) => emitter.file(text, false));
    emitter.add(this.#clock.since(high, low), emitter.thread(thread), kind, file, offset, length);
    return undefined;
  }
}

/** The process of a line: behind the last minus that a digit follows, before the time. */
function threadOf(cursor: Cursor, bytes: Uint8Array, begin: number, end: number): number {
  // NAME-PID, then ( tgid ), [cpu] and flags: names may hold a minus, the rest may not.
  for (let at = end - 1; at >= begin; at--) {
    if (bytes[at] !== MINUS) continue;
    cursor.set(bytes, at + 1, end);
    const pid = cursor.integer();
    if (pid >= 0 && cursor.blanks()) return pid;
  }
  return -1;
}

/** Files by device and inode. */
export class Files {
  readonly #devices = new Map<number, Map<number, number>>();

  /** The number of a file, which `make` makes known by its name. */
  number(major: number, minor: number, ino: number, make: (name: string) => number): number {
    const device = major * 2 ** 20 + minor;
    let files = this.#devices.get(device);
    if (files === undefined) this.#devices.set(device, (files = new Map<number, number>()));
    let file = files.get(ino);
    if (file === undefined) {
      file = make(`${major}:${minor} inode ${ino}`);
      files.set(ino, file);
    }
    return file;
  }
}
