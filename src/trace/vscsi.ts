/**
 * vscsiStats, versions 1 and 2: packed records, little-endian, with times in µs, lengths in bytes
 * and places in sectors of 512 bytes.
 */

import { Clock } from './clock.ts';
import { Devices, SECTOR } from './devices.ts';
import type { BinaryFormat, Context, RecordParser } from './format.ts';
import { OPERATION } from './operations.ts';
import { scsiKind } from './scsi.ts';

/** Where the fields of a version are, in bytes. */
const LAYOUTS = {
  1: { size: 32, command: 12, version: 14, length: 4, sector: 16, time: 24 },
  2: { size: 40, command: 0, version: 2, length: 8, sector: 16, time: 24 },
} as const;
type Version = keyof typeof LAYOUTS;

const US = 1000;
const HALF = 2 ** 32;
const NAME = new TextEncoder().encode('disk');

class VscsiParser extends Devices implements RecordParser {
  readonly #clock = new Clock(US);
  readonly #layout: (typeof LAYOUTS)[Version];
  readonly #version: Version;
  readonly #context: Context;

  constructor(context: Context, version: Version) {
    super(context);
    this.#context = context;
    this.#version = version;
    this.#layout = LAYOUTS[version];
  }

  record(view: DataView, at: number): string | undefined {
    const { command, version, length, sector, time } = this.#layout;
    if (view.getUint16(at + version, true) >>> 8 !== this.#version) return 'another version';
    const upper = view.getUint32(at + sector + 4, true);
    if (upper >= 2 ** 12) return 'a place beyond 2^53';
    const place = (upper * HALF + view.getUint32(at + sector, true)) * SECTOR;
    const bytes = view.getUint32(at + length, true);
    if (bytes % SECTOR !== 0) return 'a length that is no multiple of 512';
    const high = view.getUint32(at + time + 4, true);
    const low = view.getUint32(at + time, true);
    const kind = scsiKind(view.getUint16(at + command, true));
    if (kind < 0) {
      this.#context.tally.leaveOut('commands that neither read nor write');
      return undefined;
    }
    const now = this.#clock.sinceHalves(high, low);
    const file = this.named(NAME, 0, NAME.length);
    if (kind !== OPERATION.sync) return this.request(now, 0, kind, file, place, bytes);
    this.flush(now, 0, file);
    return undefined;
  }
}

/** The format of a version. It is known by the version in each of the first records. */
export function vscsi(version: Version): BinaryFormat {
  const { size, version: at, length, command } = LAYOUTS[version];
  return {
    title: `vscsiStats, version ${version}`,
    shows: 'requests',
    recordBytes: size,
    make: (context) => new VscsiParser(context, version),
    fits: (view, records) => {
      for (let n = 0; n < records; n++) {
        if (view.getUint16(n * size + at, true) >>> 8 !== version) return false;
        if (view.getUint32(n * size + length, true) % SECTOR !== 0) return false;
        if (view.getUint16(n * size + command, true) > 0xff) return false;
      }
      return true;
    },
  };
}
