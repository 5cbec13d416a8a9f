/**
 * oracleGeneral of libCacheSim: packed records, little-endian. A record has a time in seconds, an
 * object, its bytes, and the number of the next request for it. It tells no operation: all are
 * reads. Its ids are no places.
 */

import { Clock } from './clock.ts';
import type { BinaryFormat, Context, RecordParser } from './format.ts';
import { Ids, Objects } from './objects.ts';
import { OPERATION } from './operations.ts';

/** Bytes of a record, and where its fields are. */
export const ORACLE_GENERAL = { size: 24, time: 0, id: 4, bytes: 12, next: 16 } as const;
const { size, time, id, bytes, next } = ORACLE_GENERAL;
const SECOND_NS = 1e9;
const NONE = 0xffff_ffff;
/** Upper half of the largest number of 63 bits, which stands for none as well. */
const NONE_UPPER = 0x7fff_ffff;
const MOST_BYTES = 2 ** 31;
/** Seconds between two records: half a year. */
const MOST_STEP_S = 2 ** 24;
/** Upper half of a number that a trace of less than 2^40 requests has. */
const MOST_UPPER = 256;
const HALF = 2 ** 32;

class OracleGeneralParser implements RecordParser {
  readonly #clock = new Clock(SECOND_NS);
  readonly #ids = new Ids();
  readonly #objects: Objects;

  constructor(context: Context) {
    this.#objects = new Objects(context);
  }

  record(view: DataView, at: number): string | undefined {
    const length = view.getUint32(at + bytes, true);
    if (length > MOST_BYTES) return 'an object of more than 2^31 bytes';
    const now = this.#clock.since(0, view.getUint32(at + time, true));
    const object = this.#ids.number(view.getUint32(at + id + 4, true), view.getUint32(at + id, true));
    this.#objects.operation(now, 0, OPERATION.read, object, length);
    return undefined;
  }
}

export const oracleGeneral: BinaryFormat = {
  title: 'oracleGeneral of libCacheSim',
  shows: 'keys',
  recordBytes: size,
  make: (context) => new OracleGeneralParser(context),
  fits: (view, records) => {
    // One record is no sign of anything.
    if (records === 1) return false;
    let before = 0;
    for (let n = 0; n < records; n++) {
      const at = n * size;
      const length = view.getUint32(at + bytes, true);
      const now = view.getUint32(at + time, true);
      if (length > MOST_BYTES || (n > 0 && Math.abs(now - before) > MOST_STEP_S)) return false;
      before = now;
      const low = view.getUint32(at + next, true);
      const high = view.getUint32(at + next + 4, true);
      const isNone = low === NONE && (high === NONE || high === NONE_UPPER);
      if (!isNone && (high >= MOST_UPPER || high * HALF + low <= n)) return false;
    }
    return true;
  },
};
