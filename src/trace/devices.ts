/**
 * Requests to block devices as operations on files: each device is one. Pages are counted from the
 * start of the device's partition, so that a page of the file system is a page here.
 *
 * Where the partition begins is found from the requests that are whole pages long: most of them
 * begin at one sector modulo 8. The first batch is held back for that.
 */

import { InputError } from '../base/input-error.ts';
import { decodeText } from '../base/text.ts';
import { type Context, whyNoRange } from './format.ts';
import { Names } from './names.ts';
import { OPERATION } from './operations.ts';

export const SECTOR = 512;
const PAGE = 4096;
const SECTORS_OF_PAGE = PAGE / SECTOR;
/** A file's number that stands for a device that was not chosen. */
const OTHER = -1;
/** Devices that an error names. */
const MOST_NAMED = 8;

export class Devices {
  readonly #context: Context;
  readonly #files = new Map<number, number>();
  readonly #names = new Names();
  readonly #all: string[] = [];
  /** The device that was asked for last, and its file. */
  #number = Number.NaN;
  #file = OTHER;
  /** Bytes by which all places move up; NaN: not known yet. */
  #shift: number;
  #offset = 0;

  constructor(context: Context) {
    this.#context = context;
    const { partitionOffset } = context.options;
    this.#shift = Number.NaN;
    if (partitionOffset !== undefined) this.#settle(partitionOffset % SECTORS_OF_PAGE);
  }

  get partitionOffset(): number {
    return this.#offset;
  }

  /** Names of all devices of the trace. */
  get devices(): readonly string[] {
    return this.#all;
  }

  /** The file of a device with a number; `name` makes its name. */
  numbered(number: number, name: (number: number) => string = String): number {
    if (number === this.#number) return this.#file;
    let file = this.#files.get(number);
    if (file === undefined) {
      file = this.#make(name(number));
      this.#files.set(number, file);
    }
    this.#number = number;
    return (this.#file = file);
  }

  /** The file of a device with a name. */
  named(bytes: Uint8Array, from: number, to: number): number {
    const number = this.#names.find(bytes, from, to);
    if (number >= 0) return this.numbered(number);
    const name = decodeText(bytes.subarray(from, to));
    return this.numbered(this.#names.add(bytes, from, to), () => name);
  }

  /** Adds a request of `length` bytes at a byte. @returns why it cannot be one */
  request(
    time: number,
    thread: number,
    kind: number,
    file: number,
    offset: number,
    length: number,
  ): string | undefined {
    const why = whyNoRange(offset, length);
    if (why !== undefined) return why;
    const { emitter, tally } = this.#context;
    if (file === OTHER) {
      tally.leaveOut('requests of other devices');
      return undefined;
    }
    if (length === 0) {
      tally.leaveOut('requests of 0 bytes');
      return undefined;
    }
    if (Number.isNaN(this.#shift)) {
      if (emitter.batch.isFull) this.#find();
      else {
        emitter.add(time, thread, kind, file, offset, length);
        return undefined;
      }
    }
    emitter.add(time, thread, kind, file, offset + this.#shift, length);
    return undefined;
  }

  /** Adds a flush of a device's own cache. */
  flush(time: number, thread: number, file: number): void {
    const { emitter, tally } = this.#context;
    if (file === OTHER) {
      tally.leaveOut('requests of other devices');
      return;
    }
    if (Number.isNaN(this.#shift) && emitter.batch.isFull) this.#find();
    emitter.add(time, thread, OPERATION.sync, file, 0, 0);
  }

  /** @throws InputError when the trace has no such device as was chosen */
  end(): void {
    if (Number.isNaN(this.#shift)) this.#find();
    const { device } = this.#context.options;
    if (device === undefined || this.#all.includes(device)) return;
    const names = this.#all.slice(0, MOST_NAMED).join(', ');
    throw new InputError(`no device ${device}; there are ${names}${this.#all.length > MOST_NAMED ? ', …' : ''}`);
  }

  #make(name: string): number {
    const { emitter, options } = this.#context;
    this.#all.push(name);
    return options.device === undefined || options.device === name ? emitter.file(name, true) : OTHER;
  }

  /** Finds the offset from the batch that is held back, and moves what it holds. */
  #find(): void {
    const { batch } = this.#context.emitter;
    const votes = new Uint32Array(SECTORS_OF_PAGE);
    let voters = 0;
    for (let i = 0; i < batch.count; i++) {
      const sector = batch.offset[i]! / SECTOR;
      if (batch.length[i] === 0 || batch.length[i]! % PAGE !== 0 || !Number.isInteger(sector)) continue;
      votes[sector % SECTORS_OF_PAGE]!++;
      voters++;
    }
    const most = votes.indexOf(Math.max(...votes));
    this.#settle(2 * votes[most]! > voters ? most : 0);
    for (let i = 0; i < batch.count; i++) if (batch.length[i]! > 0) batch.offset[i]! += this.#shift;
  }

  #settle(offset: number): void {
    this.#offset = offset;
    // Up, and not down: what lies before the partition has a place, too.
    this.#shift = ((SECTORS_OF_PAGE - offset) % SECTORS_OF_PAGE) * SECTOR;
  }
}
