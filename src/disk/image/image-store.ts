/**
 * The medium of a drive: what was written to it has survived. Reads and writes are whole and
 * immediate. Time, caching and loss belong to the drive.
 */

import { checkBytes, checkRange } from '../../base/argument-error.ts';
import type { Extent, Writer } from './backing-store.ts';

/** Bytes of a medium: reads and writes are whole and immediate. */
export interface ImageStore {
  /** Size in bytes. */
  readonly size: number;
  /** Where its blocks lie. A view of the same bytes under another name has the same extents. */
  readonly extents: readonly Extent[];
  /**
   * Reads `length` bytes from `offset`; the range lies inside the image.
   * @throws ArgumentError for a range outside the image or the buffer
   */
  read(offset: number, dst: Uint8Array, dstOffset: number, length: number): void;
  /**
   * Writes `length` bytes at `offset`; the range lies inside the image. Its medium counts the
   * change.
   * @param by the writer whose account counts the change
   * @throws ArgumentError for a range outside the image or the buffer
   */
  write(offset: number, src: Uint8Array, srcOffset: number, length: number, by?: Writer): void;
}

/** An image that can show its bytes without copying them. */
export interface ViewableImage extends ImageStore {
  /** `length` bytes from `offset` where they lie, for reading only; undefined where it cannot. */
  view(offset: number, length: number): Uint8Array | undefined;
}

/** An image that is only read. Some can show their bytes. */
export type ReadableImage = Pick<ImageStore, 'size' | 'read'> & Partial<Pick<ViewableImage, 'view'>>;

/**
 * Checks a transfer between an image of `size` bytes and a buffer.
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
