/**
 * The bytes of a table: a header, then a record of 32 bytes a frame (xen/records/layouts.ts).
 *
 * A table is read once. Its header is marked consumed before a record is believed, and the mark is
 * taken away by one aligned store when the next table stands. So a caller that crashes while it
 * recovers finds nothing the next time, instead of crashing again. All of it is stored in words.
 */

import { checkArgument, checkBytes, checkInteger } from '../../base/argument-error.ts';
import { defineLayout, getField, putField } from '../../base/layout.ts';
import { DONE, err, type Result } from '../../base/result.ts';
import { Mfn } from '../../base/units.ts';
import { FrameTable } from '../../xen/frames/frame-table.ts';
import { DEFAULT_PROTECTIONS } from '../../xen/protections.ts';
import { FRAME_RECORD } from '../../xen/records/layouts.ts';
import { flaw, seal } from '../../xen/records/records.ts';
import { checkedFrame, type TableOptions, type TableProtections } from './options.ts';

/** "swtabl1\0" */
const MAGIC = [0x73, 0x77, 0x74, 0x61, 0x62, 0x6c, 0x31, 0x00] as const;
export const TABLE_VERSION = 1;
/** Frames of 4 KiB: 256 GiB of memory, 2 GiB of records. */
export const MOST_TABLE_FRAMES = 1 << 26;

/** At the start of the bytes. */
export const TABLE_HEADER = defineLayout('table header', 64, [
  { name: 'magic', width: 1, count: 8, writer: 'hypervisor', meaning: '"swtabl1", zero' },
  { name: 'version', width: 4, writer: 'hypervisor', meaning: 'layout version, 1' },
  { name: 'size', width: 4, writer: 'hypervisor', meaning: 'bytes of this header' },
  {
    name: 'consumed',
    width: 4,
    writer: 'hypervisor',
    meaning: '1 from before the table is read until the next one stands; 0 when the checksum is made. Stored last',
  },
  { name: 'epoch', width: 4, writer: 'hypervisor', meaning: 'how many tables there were over these bytes' },
  { name: 'frames', width: 4, writer: 'hypervisor', meaning: 'frames, and so records' },
  { name: 'recordBytes', width: 4, writer: 'hypervisor', meaning: 'bytes of a frame record' },
  { name: 'reserved', width: 4, count: 7, meaning: 'for later versions', reserved: true },
  { name: 'checksum', width: 4, writer: 'hypervisor', meaning: 'CRC-32C of the header up to here' },
]);

const HEADER_WORDS = TABLE_HEADER.size / 4;
const W_CONSUMED = TABLE_HEADER.offset.consumed / 4;
const W_EPOCH = TABLE_HEADER.offset.epoch / 4;

/** Bytes of a table of so many frames. */
export function tableBytes(frames: number): number {
  return TABLE_HEADER.size + FRAME_RECORD.size * frames;
}

/** A table's bytes as words, and its header. */
export class TableBytes {
  /** The records alone. */
  readonly records: Uint32Array;
  readonly #header: Uint32Array;
  readonly #frames: number;

  /** @throws ArgumentError unless `bytes` has room for so many frames and begins on a word */
  constructor(bytes: Uint8Array, frames: number) {
    checkInteger('frames', frames, 1, MOST_TABLE_FRAMES);
    checkBytes('bytes', bytes);
    checkArgument(bytes.length >= tableBytes(frames), 'bytes', 'shorter than a table of so many frames');
    checkArgument(bytes.byteOffset % 4 === 0, 'bytes', 'does not begin on a word of its buffer');
    this.#header = new Uint32Array(bytes.buffer, bytes.byteOffset, HEADER_WORDS);
    this.records = new Uint32Array(
      bytes.buffer,
      bytes.byteOffset + TABLE_HEADER.size,
      (frames * FRAME_RECORD.size) / 4,
    );
    this.#frames = frames;
  }

  /** Changes whenever a table is made over the bytes. */
  get epoch(): number {
    return this.#header[W_EPOCH]!;
  }

  /** The bytes are no longer a table. */
  consume(): void {
    this.#header[W_CONSUMED] = 1;
  }

  /** Marks the table that is there as consumed, then says why it is not valid, if it is not. */
  take(): Result {
    const words = Uint32Array.from(this.#header);
    this.consume();
    const isConsumed = words[W_CONSUMED] !== 0;
    words[W_CONSUMED] = 0;
    const bytes = new Uint8Array(words.buffer);
    if (bytes.every((byte) => byte === 0)) return err('none');
    const problem = flaw(TABLE_HEADER, bytes, MAGIC, TABLE_VERSION);
    if (problem !== undefined) return err(problem);
    if (isConsumed) return err('consumed already');
    if (getField(TABLE_HEADER, bytes, 0, 'recordBytes') !== FRAME_RECORD.size) return err('another size of records');
    const frames = getField(TABLE_HEADER, bytes, 0, 'frames');
    return frames === this.#frames ? DONE : err(`of ${frames} frames`);
  }

  /** The records stand: from the last store on there is a table. */
  publish(): void {
    const bytes = new Uint8Array(TABLE_HEADER.size);
    putField(TABLE_HEADER, bytes, 0, 'epoch', (this.epoch + 1) % 2 ** 32);
    putField(TABLE_HEADER, bytes, 0, 'frames', this.#frames);
    putField(TABLE_HEADER, bytes, 0, 'recordBytes', FRAME_RECORD.size);
    seal(TABLE_HEADER, bytes, MAGIC, TABLE_VERSION);
    new Uint32Array(bytes.buffer).forEach((word, i) => {
      if (i !== W_CONSUMED) this.#header[i] = word;
    });
    this.#header[W_CONSUMED] = 0;
  }
}

/**
 * The hypervisor's frame table over such bytes, of one owner's frames.
 * @param isLeft whether it keeps the records that are there; else it clears them
 */
export function frameTableOver(
  { records }: TableBytes,
  { frames, bytesOf }: TableOptions,
  protections: TableProtections,
  isLeft: boolean,
): FrameTable {
  const memory = {
    words: () => records,
    touch: () => undefined,
    // Asked for with checksums on alone, which need them.
    frame: (mfn: Mfn) => checkedFrame(bytesOf!(mfn)),
  };
  const nowhere = Mfn(0);
  const place = {
    tableMfn: nowhere,
    tableFrames: 0,
    frameCount: frames,
    plannedFrames: frames,
    firstDomainMfn: nowhere,
  };
  const devices = { placeOf: (device: number, block: number) => device * 2 ** 32 + block };
  const all = { ...DEFAULT_PROTECTIONS, ...protections };
  return new FrameTable(memory, place, all, devices, undefined, () => isLeft);
}
