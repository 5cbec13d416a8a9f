/**
 * An image in the host's memory. Ranges that hold zeros only cost nothing.
 *
 * Contract: ImageStore. A range outside the image throws ArgumentError.
 *
 * The image is a row of chunks of 1 MiB, each allocated at its first write. They are small enough
 * that a sparse image stays small, and large enough that a request rarely crosses two.
 */

import { checkInteger } from '../../base/argument-error.ts';
import { copyBytes, isZero } from '../../base/bytes.ts';
import { type Extent, Medium, type Writer } from './backing-store.ts';
import { checkTransfer, type ImageStore } from './image-store.ts';

const CHUNK_BYTES = 1 << 20;

/** An image in memory. Ranges of zeros cost nothing. */
export class MemoryImage implements ImageStore {
  /** Bytes. */
  readonly size: number;
  readonly #medium: Medium;
  readonly #chunks: (Uint8Array | undefined)[];

  /**
   * @param size in bytes, 0 and up
   * @throws ArgumentError for a size that is no integer, 0 or more
   */
  constructor(size: number) {
    checkInteger('size', size);
    this.size = size;
    this.#medium = new Medium(size);
    this.#chunks = new Array<Uint8Array | undefined>(Math.ceil(size / CHUNK_BYTES)).fill(undefined);
  }

  get extents(): readonly Extent[] {
    return this.#medium.extents;
  }

  /** Another image with the same bytes: another medium. */
  clone(): MemoryImage {
    const copy = new MemoryImage(this.size);
    for (const [i, chunk] of this.#chunks.entries()) if (chunk !== undefined) copy.#chunks[i] = chunk.slice();
    return copy;
  }

  /** Bytes of host memory that the image holds. */
  get allocatedBytes(): number {
    return this.#chunks.reduce((bytes, chunk) => bytes + (chunk === undefined ? 0 : CHUNK_BYTES), 0);
  }

  read(offset: number, dst: Uint8Array, dstOffset: number, length: number): void {
    checkTransfer(this.size, offset, length, 'dst', dst, dstOffset);
    for (let done = 0; done < length; ) {
      const at = offset + done;
      const within = at % CHUNK_BYTES;
      const bytes = Math.min(length - done, CHUNK_BYTES - within);
      const chunk = this.#chunks[Math.floor(at / CHUNK_BYTES)];
      if (chunk === undefined) dst.fill(0, dstOffset + done, dstOffset + done + bytes);
      else copyBytes(chunk, within, dst, dstOffset + done, bytes);
      done += bytes;
    }
  }

  write(offset: number, src: Uint8Array, srcOffset: number, length: number, by?: Writer): void {
    checkTransfer(this.size, offset, length, 'src', src, srcOffset);
    this.#medium.stored(offset, length, by);
    for (let done = 0; done < length; ) {
      const at = offset + done;
      const within = at % CHUNK_BYTES;
      const bytes = Math.min(length - done, CHUNK_BYTES - within);
      const index = Math.floor(at / CHUNK_BYTES);
      if (this.#chunks[index] !== undefined || !isZero(src, srcOffset + done, srcOffset + done + bytes)) {
        const chunk = (this.#chunks[index] ??= new Uint8Array(CHUNK_BYTES));
        copyBytes(src, srcOffset + done, chunk, within, bytes);
      }
      done += bytes;
    }
  }

  /**
   * The bytes themselves, for reading only; undefined where they do not lie in one piece.
   * @throws ArgumentError for a range outside the image
   */
  view(offset: number, length: number): Uint8Array | undefined {
    const within = offset % CHUNK_BYTES;
    if (within + length > CHUNK_BYTES) return undefined;
    return this.#chunks[Math.floor(offset / CHUNK_BYTES)]?.subarray(within, within + length);
  }
}
