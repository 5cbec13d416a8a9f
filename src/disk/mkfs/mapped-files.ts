/**
 * The data of files at their places in an image, taken from the files at each read. Everything else
 * is zeros.
 *
 * It lies below a copy-on-write overlay (overlay-image.ts). Contract: `place` comes before the
 * first `read`, and no block is placed twice.
 */

import { EXT2_BLOCK_SIZE } from '../../format/ext2.ts';
import type { FileContent } from './tree.ts';

/** Blocks `first` to `end` - 1 of a file lie from `block` on. */
export interface Extent {
  readonly first: number;
  readonly end: number;
  readonly block: number;
}

interface Placed extends Extent {
  readonly content: FileContent;
}

export class MappedFiles {
  readonly size: number;
  /** By block; sorted when first read after something was placed out of order. */
  readonly #placed: Placed[] = [];
  #isSorted = true;

  /** @param size of the image, bytes */
  constructor(size: number) {
    this.size = size;
  }

  /** A file's blocks lie there. */
  place(extents: readonly Extent[], content: FileContent): void {
    for (const { first, end, block } of extents) {
      // Most come in order.
      if (block < (this.#placed.at(-1)?.block ?? 0)) this.#isSorted = false;
      this.#placed.push({ first, end, block, content });
    }
  }

  read(offset: number, dst: Uint8Array, dstOffset: number, length: number): void {
    const end = offset + length;
    let done = offset;
    for (let i = this.#firstAfter(offset); i < this.#placed.length; i++) {
      const { first, end: last, block, content } = this.#placed[i]!;
      const start = block * EXT2_BLOCK_SIZE;
      if (start >= end) break;
      const inFile = first * EXT2_BLOCK_SIZE - start;
      const from = Math.max(offset, start);
      const to = Math.min(end, start + (last - first) * EXT2_BLOCK_SIZE, content.sizeBytes - inFile);
      if (from >= to) continue;
      if (done < from) dst.fill(0, dstOffset + done - offset, dstOffset + from - offset);
      content.read(from + inFile, dst, dstOffset + from - offset, to - from);
      done = to;
    }
    if (done < end) dst.fill(0, dstOffset + done - offset, dstOffset + length);
  }

  /** The bytes where they lie, for reading only; undefined unless one file in memory has them. */
  view(offset: number, length: number): Uint8Array | undefined {
    const placed = this.#placed[this.#firstAfter(offset)];
    if (placed === undefined) return undefined;
    const { first, end, block, content } = placed;
    const start = block * EXT2_BLOCK_SIZE;
    const inFile = first * EXT2_BLOCK_SIZE - start;
    const last = Math.min(start + (end - first) * EXT2_BLOCK_SIZE, content.sizeBytes - inFile);
    return offset < start || offset + length > last ? undefined : content.view?.(offset + inFile, length);
  }

  /** Index of the first extent that ends after the byte `offset`. */
  #firstAfter(offset: number): number {
    if (!this.#isSorted) this.#placed.sort((a, b) => a.block - b.block);
    this.#isSorted = true;
    let low = 0;
    let high = this.#placed.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const { block, first, end } = this.#placed[middle]!;
      if ((block + end - first) * EXT2_BLOCK_SIZE <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
