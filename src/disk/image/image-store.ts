/**
 * What a drive keeps its sectors in. An image store is the medium: what was written to it has survived.
 * Reads and writes are whole and immediate; time, caching and loss are the drive's.
 */

import { checkBytes, checkRange } from '../../base/argument-error.ts';
import type { Extent, Writer } from './backing-store.ts';

export interface ImageStore {
  /** Size in bytes. */
  readonly size: number;
  /** Where its blocks lie: whoever shows the same bytes under another name shows the same extents. */
  readonly extents: readonly Extent[];
  /** Reads `length` bytes from `offset`; the range lies inside the image. */
  read(offset: number, dst: Uint8Array, dstOffset: number, length: number): void;
  /**
   * Writes `length` bytes at `offset`; the range lies inside the image. Its medium counts the change.
   * @param by who keeps account of the change
   */
  write(offset: number, src: Uint8Array, srcOffset: number, length: number, by?: Writer): void;
}

/**
 * What a transfer between an image of `size` bytes and a buffer must be.
 * @throws ArgumentError
 */
export function checkTransfer(
  size: number,
  offset: number,
  length: number,
  place: 'dst' | 'src',
  buffer: Uint8Array,
  at: number,
): void {
  checkBytes(place, buffer);
  checkRange('offset', offset, length, size);
  checkRange(place === 'dst' ? 'dstOffset' : 'srcOffset', at, length, buffer.length);
}
