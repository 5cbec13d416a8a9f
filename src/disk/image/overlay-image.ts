/**
 * Another image with a copy-on-write overlay. What is written stays in memory, and the image below
 * is only read, so that several overlays can share it. A write to the image below changes what the
 * overlay shows.
 *
 * Contract: ImageStore. A range outside the image throws ArgumentError. The overlay keeps granules
 * of 4096 bytes. Invariant: a granule of the overlay is whole, so a read needs the image below only
 * where there is none.
 */

import { checkObject, checkRange } from '../../base/argument-error.ts';
import { copyBytes } from '../../base/bytes.ts';
import { type Extent, Medium, type WriteAccount, type Writer } from './backing-store.ts';
import { checkTransfer, type ImageStore, type ViewableImage } from './image-store.ts';

const GRANULE_BYTES = 4096;

/** A copy-on-write layer over another image, which is only read. */
export class OverlayImage implements ImageStore {
  /** Bytes: those of the image below. */
  readonly size: number;
  readonly #medium: Medium;
  readonly #below: Pick<ImageStore, 'size' | 'read'>;
  readonly #viewBelow: Partial<ViewableImage>;
  readonly #granules = new Map<number, Uint8Array>();

  /**
   * @param below must not change while this is used
   * @param destaged writes to it that are no change to readers of this one; none by default
   * @throws ArgumentError for what is no image
   */
  constructor(
    below: Pick<ImageStore, 'size' | 'read'> & Partial<Pick<ImageStore, 'extents'>>,
    destaged?: WriteAccount,
  ) {
    checkObject('below', below, 'size', 'read');
    this.size = below.size;
    this.#medium = new Medium(below.size, below.extents, destaged);
    this.#below = below;
    this.#viewBelow = below;
  }

  get extents(): readonly Extent[] {
    return this.#medium.extents;
  }

  read(offset: number, dst: Uint8Array, dstOffset: number, length: number): void {
    checkTransfer(this.size, offset, length, 'dst', dst, dstOffset);
    if (this.#granules.size === 0) {
      this.#below.read(offset, dst, dstOffset, length);
      return;
    }
    // Runs of granules without an overlay are one read of the image below.
    let from = offset;
    for (let at = offset; at < offset + length; ) {
      const within = at % GRANULE_BYTES;
      const end = Math.min(at - within + GRANULE_BYTES, offset + length);
      const granule = this.#granules.get((at - within) / GRANULE_BYTES);
      if (granule !== undefined) {
        this.#below.read(from, dst, dstOffset + from - offset, at - from);
        copyBytes(granule, within, dst, dstOffset + at - offset, end - at);
        from = end;
      }
      at = end;
    }
    this.#below.read(from, dst, dstOffset + from - offset, offset + length - from);
  }

  /**
   * The bytes where they lie, for reading only; undefined where they are not in one piece.
   * @throws ArgumentError for a range outside the image
   */
  view(offset: number, length: number): Uint8Array | undefined {
    checkRange('offset', offset, length, this.size);
    const last = Math.floor((offset + length - 1) / GRANULE_BYTES);
    for (let index = Math.floor(offset / GRANULE_BYTES); this.#granules.size > 0 && index <= last; index++)
      if (this.#granules.has(index)) return undefined;
    return this.#viewBelow.view?.(offset, length);
  }

  write(offset: number, src: Uint8Array, srcOffset: number, length: number, by?: Writer): void {
    checkTransfer(this.size, offset, length, 'src', src, srcOffset);
    this.#medium.stored(offset, length, by);
    for (let done = 0; done < length; ) {
      const within = (offset + done) % GRANULE_BYTES;
      const bytes = Math.min(GRANULE_BYTES - within, length - done);
      const granule = this.#granule((offset + done - within) / GRANULE_BYTES, bytes);
      granule.set(src.subarray(srcOffset + done, srcOffset + done + bytes), within);
      done += bytes;
    }
  }

  /**
   * The overlay's granule, made from the image below unless `overwritten` bytes replace it whole.
   */
  #granule(index: number, overwritten: number): Uint8Array {
    const present = this.#granules.get(index);
    if (present !== undefined) return present;
    const granule = new Uint8Array(GRANULE_BYTES);
    const start = index * GRANULE_BYTES;
    if (overwritten < GRANULE_BYTES) this.#below.read(start, granule, 0, Math.min(GRANULE_BYTES, this.size - start));
    this.#granules.set(index, granule);
    return granule;
  }
}
