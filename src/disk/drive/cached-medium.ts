/**
 * The bytes of a drive: its medium, the volatile write cache in front of it, and the counts of
 * changes of its blocks.
 *
 * Bytes move by DMA between here and machine frames, a whole request at once.
 *
 * Generation. A write counts as a change of its blocks twice: when it is taken up, and when its
 * bytes move. So a copy made in between is not believed. Blocks that a reset or a loss of power
 * tears or loses count once more.
 */

import { type Ns, SECTOR_SIZE, SECTORS_PER_PAGE } from '../../base/units.ts';
import type { MachineMemory } from '../../machine/memory.ts';
import {
  type BackingStore,
  checkIdentity,
  GENERATIONS_PER_DRIVE,
  noteChange,
  WriteAccount,
  type Writer,
} from '../image/backing-store.ts';
import { checkTransfer, type ImageStore, type ReadableImage } from '../image/image-store.ts';
import { OverlayImage } from '../image/overlay-image.ts';
import type { BlockRequest } from './block-device.ts';
import type { Survival, WriteCache } from './write-cache.ts';

export class CachedMedium {
  readonly store: BackingStore;
  readonly cache: WriteCache;
  readonly #image: ImageStore;
  /** Writes from the cache to the medium: no change to readers that go through the cache. */
  readonly #destaged = new WriteAccount();

  /**
   * @param cache the write cache, with what it holds
   * @param identity of the store (backing-store.ts)
   */
  constructor(image: ImageStore, cache: WriteCache, identity: string) {
    this.#image = image;
    this.cache = cache;
    this.store = {
      identity: checkIdentity(identity),
      firstBlock: 0,
      extents: image.extents,
      destaged: this.#destaged,
      firstGeneration: GENERATIONS_PER_DRIVE * Math.max(0, ...image.extents.map(({ medium }) => medium.addDrive())),
    };
  }

  /** The device as a read would find it now: the medium, with the newer sectors of the cache. */
  get contents(): ReadableImage {
    const image: ImageStore & ReadableImage = this.#image;
    return {
      size: image.size,
      read: (offset, dst, dstOffset, length) => {
        checkTransfer(image.size, offset, length, 'dst', dst, dstOffset);
        if (this.cache.isEmpty) {
          image.read(offset, dst, dstOffset, length);
          return;
        }
        const first = Math.floor(offset / SECTOR_SIZE);
        const bytes = new Uint8Array((Math.ceil((offset + length) / SECTOR_SIZE) - first) * SECTOR_SIZE);
        image.read(first * SECTOR_SIZE, bytes, 0, Math.min(bytes.length, image.size - first * SECTOR_SIZE));
        this.cache.overlay(first, bytes, 0, bytes.length);
        dst.set(bytes.subarray(offset - first * SECTOR_SIZE).subarray(0, length), dstOffset);
      },
      view: (offset, length) => (this.cache.isEmpty ? image.view?.(offset, length) : undefined),
    };
  }

  /** Counts a write, for the store's generation. */
  note(sector: number, sectors: number, by: Writer | undefined): void {
    const first = Math.floor(sector / SECTORS_PER_PAGE);
    noteChange(this.store, first, Math.ceil((sector + sectors) / SECTORS_PER_PAGE) - first, by);
  }

  /** Moves the bytes of a read to memory. */
  read({ sector, segments }: BlockRequest, memory: MachineMemory): void {
    let at = sector;
    for (const { mfn, offset, length } of segments) {
      const first = at;
      memory.dma(mfn, offset, length, (frame) => {
        this.#image.read(first * SECTOR_SIZE, frame, offset, length);
        if (!this.cache.isEmpty) this.cache.overlay(first, frame, offset, length);
      });
      at += length / SECTOR_SIZE;
    }
  }

  /** Moves the bytes of a write to the cache, or to the medium when the cache cannot hold them. */
  write({ sector, segments, by }: BlockRequest, memory: MachineMemory, sectors: number, now: Ns): void {
    const isCached = this.cache.canHold(sector, sectors);
    if (isCached) this.note(sector, sectors, by);
    else if (!this.cache.isEmpty) this.cache.forget(sector, sectors);
    let at = sector;
    for (const { mfn, offset, length } of segments) {
      if (isCached) this.cache.store(at, memory, mfn, offset, length, now);
      else this.#image.write(at * SECTOR_SIZE, memory.frame(mfn), offset, length, by);
      at += length / SECTOR_SIZE;
    }
  }

  /**
   * A write that a loss of power interrupted: each sector reached the medium, or `image`, or did
   * not.
   */
  tear({ sector, segments }: BlockRequest, memory: MachineMemory, survives: Survival, image = this.#image): void {
    let at = sector;
    for (const { mfn, offset, length } of segments)
      for (let done = 0; done < length; done += SECTOR_SIZE, at++)
        if (survives(Math.floor(at / SECTORS_PER_PAGE), true))
          image.write(at * SECTOR_SIZE, memory.frame(mfn), offset + done, SECTOR_SIZE);
  }

  /** Writes out granules of the cache. */
  destage(first: number, length: number): void {
    for (let i = 0; i < length; i++) this.cache.destage(first + i, this.#image, this.#destaged);
  }

  /** Loses power: what survives of the cached sectors has reached the medium. */
  powerLoss(survives: Survival): void {
    // Bytes that a read would have found until now may be gone.
    for (const granule of this.cache.granules()) noteChange(this.store, granule);
    this.cache.lose(survives, this.#image);
  }

  /** Replaces whole sectors in this instant, as a person at the drive would. */
  overwrite(sector: number, bytes: Uint8Array, by: Writer | undefined): void {
    this.cache.forget(sector, bytes.length / SECTOR_SIZE);
    this.#image.write(sector * SECTOR_SIZE, bytes, 0, bytes.length, by);
  }

  /**
   * A layer over the medium: writes to it leave the medium as it is. It holds until the next write.
   */
  layer(): ImageStore {
    return new OverlayImage(this.#image, this.#destaged);
  }

  /**
   * The medium as a loss of power would leave it, without interrupted writes. It is a layer over
   * this medium, and holds until the next write.
   */
  afterPowerLoss(survives: Survival): ImageStore {
    const image = this.layer();
    this.cache.survive(survives, image);
    return image;
  }
}
