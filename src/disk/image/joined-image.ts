/**
 * Several images one after the other as one medium, like the partitions of a disk. Each begins at a
 * multiple of 4096 bytes. Gaps between them read as zeros, and writes there are lost.
 *
 * Contract: ImageStore. A range outside the whole throws ArgumentError.
 */

import { checkList, checkRange } from '../../base/argument-error.ts';
import { PAGE_SIZE } from '../../base/units.ts';
import { checkWriter, type Extent, type Writer } from './backing-store.ts';
import { checkTransfer, type ImageStore, type ReadableImage, type ViewableImage } from './image-store.ts';

/** A part of a medium. */
export interface Place {
  /** Offset, bytes. */
  readonly start: number;
  /** Length, bytes. */
  readonly bytes: number;
}

/** Several images one after the other, each from a multiple of 4096 bytes on. */
export class JoinedImage implements ViewableImage {
  /** Bytes, with the gaps between the parts. */
  readonly size: number;
  /** Where the blocks of all parts lie. */
  readonly extents: readonly Extent[];
  /** Where each part lies. */
  readonly places: readonly Place[];
  readonly #parts: readonly ImageStore[];

  /** @throws ArgumentError unless all are images */
  constructor(parts: readonly ImageStore[]) {
    checkList('parts', parts, 'size', 'extents', 'read', 'write');
    let end = 0;
    this.#parts = parts;
    // Each part begins with a block, and its last block is its own.
    this.extents = parts.flatMap(({ extents }) => extents);
    this.places = parts.map(({ size }) => {
      const start = end;
      end += Math.ceil(size / PAGE_SIZE) * PAGE_SIZE;
      return { start, bytes: size };
    });
    this.size = end;
  }

  read(offset: number, dst: Uint8Array, dstOffset: number, length: number): void {
    checkTransfer(this.size, offset, length, 'dst', dst, dstOffset);
    let end = 0;
    this.#inParts(offset, length, (part, at, done, bytes) => {
      if (end < done) dst.fill(0, dstOffset + end, dstOffset + done);
      part.read(at, dst, dstOffset + done, bytes);
      end = done + bytes;
    });
    if (end < length) dst.fill(0, dstOffset + end, dstOffset + length);
  }

  /**
   * The bytes where they lie, for reading only; undefined where they are not in one piece.
   * @throws ArgumentError for a range outside the whole
   */
  view(offset: number, length: number): Uint8Array | undefined {
    checkRange('offset', offset, length, this.size);
    const n = this.places.findIndex(({ start, bytes }) => start <= offset && offset + length <= start + bytes);
    const part: (ImageStore & Partial<ViewableImage>) | undefined = this.#parts[n];
    return part?.view?.(offset - this.places[n]!.start, length);
  }

  write(offset: number, src: Uint8Array, srcOffset: number, length: number, by?: Writer): void {
    checkTransfer(this.size, offset, length, 'src', src, srcOffset);
    checkWriter(by);
    this.#inParts(offset, length, (part, at, done, bytes) => {
      part.write(at, src, srcOffset + done, bytes, by);
    });
  }

  #inParts(
    offset: number,
    length: number,
    transfer: (part: ImageStore, at: number, done: number, bytes: number) => void,
  ): void {
    this.places.forEach(({ start, bytes }, n) => {
      const from = Math.max(offset, start);
      const to = Math.min(offset + length, start + bytes);
      if (from < to) transfer(this.#parts[n]!, from - start, from - offset, to - from);
    });
  }
}

/** @internal A part of a medium, for reading. */
export function partOf(whole: ReadableImage, { start, bytes }: Place): ReadableImage {
  return {
    size: bytes,
    read: (offset, dst, dstOffset, length) => {
      whole.read(start + offset, dst, dstOffset, length);
    },
    view: (offset, length) => whole.view?.(start + offset, length),
  };
}
