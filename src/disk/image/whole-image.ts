/**
 * The bytes of an image in one piece of the host's memory, which several threads may have.
 *
 * It lies below a copy-on-write overlay (overlay-image.ts), which checks ranges. Contract: nothing
 * writes to the bytes.
 */

import { copyBytes } from '../../base/bytes.ts';
import { askHost } from '../../base/input-error.ts';
import type { ImageStore, ReadableImage } from './image-store.ts';

export class WholeImage implements ReadableImage {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** The bytes of another image as they are now. @throws InputError when the host has no room */
  static of(image: Pick<ImageStore, 'size' | 'read'>): WholeImage {
    const { size } = image;
    const bytes = new Uint8Array(askHost(`an image of ${size} bytes`, () => new SharedArrayBuffer(size)));
    image.read(0, bytes, 0, size);
    return new WholeImage(bytes);
  }

  get size(): number {
    return this.bytes.length;
  }

  read(offset: number, dst: Uint8Array, dstOffset: number, length: number): void {
    copyBytes(this.bytes, offset, dst, dstOffset, length);
  }

  /** The bytes where they lie, for reading only. */
  view(offset: number, length: number): Uint8Array {
    return this.bytes.subarray(offset, offset + length);
  }
}
