/**
 * Twemcache of Twitter, 2020: time in seconds, key, its size, the value's, client, operation, time
 * to live. A value of 0 bytes is a miss, of which the size is not known.
 */

import { Clock } from './clock.ts';
import { COMMA, type Cursor } from './cursor.ts';
import { type Context, type LineParser, whyNoRange } from './format.ts';
import { Names } from './names.ts';
import { Objects } from './objects.ts';
import { OPERATION } from './operations.ts';

const SECOND_NS = 1e9;
const READS = ['gets', 'get'] as const;
const WRITES = ['set', 'add', 'replace', 'append', 'prepend', 'cas'] as const;
const OTHERS = ['delete', 'incr', 'decr'] as const;

export class TwitterParser implements LineParser {
  readonly #context: Context;
  readonly #clock = new Clock(SECOND_NS);
  readonly #keys = new Names();
  readonly #objects: Objects;

  constructor(context: Context) {
    this.#context = context;
    this.#objects = new Objects(context);
  }

  line(cursor: Cursor): string | undefined {
    const { emitter, tally } = this.#context;
    if (!cursor.parts() || !cursor.skip(COMMA)) return 'no time';
    const { bytes, at: key } = cursor;
    if (!cursor.goTo(COMMA) || cursor.at === key) return 'no key';
    const keyEnd = cursor.at++;
    if (cursor.integer() < 0 || !cursor.skip(COMMA)) return 'no size of the key';
    const size = cursor.integer();
    if (size < 0 || whyNoRange(0, size) !== undefined || !cursor.skip(COMMA)) return 'no size of the value';
    const client = cursor.integer();
    if (client < 0 || !cursor.skip(COMMA)) return 'no client';
    const kind = READS.some((name) => cursor.text(name))
      ? OPERATION.read
      : WRITES.some((name) => cursor.text(name))
        ? OPERATION.write
        : OTHERS.some((name) => cursor.text(name))
          ? -1
          : -2;
    if (kind === -2 || !cursor.skip(COMMA)) return 'an unknown operation';
    if (cursor.integer() < 0 || !cursor.isAtEnd) return 'no time to live';
    if (kind === -1) {
      tally.leaveOut('operations that neither get nor set');
      return undefined;
    }
    const time = this.#clock.since(cursor.high, cursor.low);
    const found = this.#keys.find(bytes, key, keyEnd);
    const object = found < 0 ? this.#keys.add(bytes, key, keyEnd) : found;
    this.#objects.operation(time, emitter.thread(client), kind, object, size);
    return undefined;
  }
}
