/**
 * The block device as its users see it: requests that move bytes between the device and machine
 * frames, and complete later. Modelled after a 2.6 bio with its scatter list.
 */

import { ArgumentError, checkObject } from '../../base/argument-error.ts';
import { type Mfn, PAGE_SIZE, SECTOR_SIZE } from '../../base/units.ts';
import type { BackingStore, Writer } from '../image/backing-store.ts';

/** What a request asks for. A flush empties the write cache. */
export type BlockOp = 'read' | 'write' | 'flush';

/** A piece of one machine frame. `offset` and `length` are bytes, multiples of 512. */
export interface Segment {
  /** Frame of machine memory. */
  readonly mfn: Mfn;
  /** Where in the frame it begins. */
  readonly offset: number;
  /** Its bytes. */
  readonly length: number;
}

/**
 * A request. The segments' bytes lie one after the other on the device, from `sector` on. A flush
 * has none.
 */
export interface BlockRequest {
  /** What is asked for. */
  readonly op: BlockOp;
  /** First 512-byte sector. */
  readonly sector: number;
  /** Where in memory the bytes come from, or go to. */
  readonly segments: readonly Segment[];
  /** The writer, if it keeps account of its own writes. */
  readonly by?: Writer | undefined;
  /** Called once, later than `submit`, when the request has ended. */
  readonly done: (error: 'EIO' | undefined) => void;
}

/** A block device as its users see it. */
export interface BlockDevice {
  /** Size in 512-byte sectors. */
  readonly sectorCount: number;
  /** The store of its sectors; the same for the life of the device. */
  readonly store: BackingStore;
  /**
   * Queues a request. Requests outside the device complete with EIO.
   * @throws ArgumentError for what is no request
   */
  submit(request: BlockRequest): void;
}

/**
 * Checks the kind of a request only. The device itself checks sectors and segments, and answers
 * with EIO.
 * @throws ArgumentError unless it is a request
 */
export function checkRequest(request: BlockRequest): void {
  checkObject('request', request);
  const { op, segments, done } = request;
  if (op !== 'read' && op !== 'write' && op !== 'flush')
    throw new ArgumentError('request: neither read, write nor flush');
  if (!Array.isArray(segments)) throw new ArgumentError('request: has no list of segments');
  if (typeof done !== 'function') throw new ArgumentError('request: has nothing to be done at its end');
}

/** @throws ArgumentError unless it is a block device */
export function checkBlockDevice(argument: string, device: BlockDevice): void {
  checkObject(argument, device, 'sectorCount', 'store', 'submit');
}

/**
 * Length of a request in sectors; 0 of a flush, -1 when it is malformed or leaves the device or
 * memory.
 */
export function sectorsOf({ op, sector, segments }: BlockRequest, frameCount: number, sectorCount: number): number {
  if (op === 'flush') return segments.length === 0 ? 0 : -1;
  let bytes = 0;
  for (const { mfn, offset, length } of segments) {
    const isWhole = offset % SECTOR_SIZE === 0 && length % SECTOR_SIZE === 0;
    const isInside = offset >= 0 && length > 0 && offset + length <= PAGE_SIZE;
    const isMemory = Number.isInteger(mfn) && mfn >= 0 && mfn < frameCount;
    if (!isWhole || !isInside || !isMemory) return -1;
    bytes += length;
  }
  const sectors = bytes / SECTOR_SIZE;
  const fits = Number.isInteger(sector) && sector >= 0 && sector + sectors <= sectorCount;
  return sectors > 0 && fits ? sectors : -1;
}
