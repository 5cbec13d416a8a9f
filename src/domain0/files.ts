/**
 * Domain 0's side of file-backed disks: image files on the drive, and the page cache that they
 * share with its own root. One object serves all hypervisors of a machine, one after the other.
 *
 * The objects outlive a reset, as a drive does. What they hold of domain 0's memory does not:
 * `lose` drops it.
 */

import { ArgumentError, checkArgument, checkInteger, checkObject } from '../base/argument-error.ts';
import { PAGE_SIZE, SECTOR_SIZE, SECTORS_PER_PAGE } from '../base/units.ts';
import type { Drive } from '../disk/drive/drive.ts';
import { behindCache, partOfStore, type StoreBehindCache } from '../disk/image/backing-store.ts';
import type { ImageStore } from '../disk/image/image-store.ts';
import type { MachineMemory } from '../machine/memory.ts';
import type { Process } from '../sim/simulation.ts';
import {
  DOMAIN0_CACHE_MIN,
  type Domain0CacheCounters,
  type Domain0Costs,
  type Domain0Processor,
  type Place,
} from './cached-file.ts';
import { ImageFile } from './image-file.ts';
import { Domain0Root, type RootContents } from './root.ts';
import { Domain0PageCache } from './page-cache.ts';
import { Domain0Writeback } from './writeback.ts';

export interface Domain0FilesOptions {
  readonly drive: Drive;
  /** The machine's memory, where guests have their pages. */
  readonly memory: MachineMemory;
  /** Most that the page cache may hold, bytes; at least 1 MiB. */
  readonly cacheBytes: number;
  readonly costs: Domain0Costs;
  /** Domain 0's processor under the present hypervisor. */
  readonly processor: () => Domain0Processor;
  /** Another machine whose domain 0 has files on the same drive. */
  readonly beside?: Domain0Files | undefined;
}

export class Domain0Files {
  readonly #options: Domain0FilesOptions;
  readonly #store: StoreBehindCache;
  readonly #cache: Domain0PageCache;
  readonly #writeback: Domain0Writeback;
  readonly #files: ImageFile[] = [];
  /** Sectors that are taken. */
  readonly #places: { readonly first: number; readonly sectorCount: number }[] = [];

  /** @throws ArgumentError for options that are missing, of another kind or out of range */
  constructor(options: Domain0FilesOptions) {
    checkObject('options', options);
    const { drive, cacheBytes: bytes, costs, processor, beside } = options;
    checkInteger('cacheBytes', bytes, DOMAIN0_CACHE_MIN);
    this.#options = options;
    // Guests move between machines with what is known of their disks, so both count alike.
    this.#store = beside === undefined ? behindCache(drive.store) : beside.#store;
    this.#cache = new Domain0PageCache({ drive, bytes, costs, store: this.#store, processor });
    this.#writeback = new Domain0Writeback(this.#cache, () => processor().domain0Cpu.now);
  }

  /** What the cache has done so far. */
  get counters(): Readonly<Domain0CacheCounters> {
    return { ...this.#cache.counters };
  }

  /** Pages in the cache. */
  get nrPages(): number {
    return this.#cache.mm.cache.nrPages;
  }

  /** Pages that are newer than the drive, or being written to it. */
  get nrDirty(): number {
    const { cache } = this.#cache.mm;
    return cache.nrDirty + cache.nrWriteback;
  }

  /**
   * A file that lies in sectors `first` … `first` + `sectorCount` - 1 of the drive, as a disk.
   * @throws ArgumentError for sectors that are not whole 4 KiB blocks of the drive, or another
   * file's
   */
  open(first: number, sectorCount: number): ImageFile {
    const place = this.#take(first, sectorCount);
    const file = new ImageFile(this.#options.memory, this.#cache, this.#writeback, place);
    this.#files.push(file);
    this.#cache.files.push(file);
    return file;
  }

  /**
   * Sectors `first` … `first` + `sectorCount` - 1 of the drive as domain 0's own disk.
   * @throws ArgumentError as `open` does
   */
  openRoot(first: number, sectorCount: number, contents: RootContents): Domain0Root {
    checkObject('contents', contents, 'files', 'blockOf');
    const root = new Domain0Root(this.#cache, this.#take(first, sectorCount), contents);
    this.#cache.files.push(root);
    return root;
  }

  #take(first: number, sectorCount: number): Place {
    const { drive } = this.#options;
    checkInteger('first', first, 0, drive.sectorCount - 1);
    checkArgument(first % SECTORS_PER_PAGE === 0, 'first', `${first} is not the first sector of a 4 KiB block`);
    checkInteger('sectorCount', sectorCount, 1, drive.sectorCount - first);
    const last = Math.ceil((first + sectorCount) / SECTORS_PER_PAGE) * SECTORS_PER_PAGE;
    if (this.#places.some((file) => first < file.first + file.sectorCount && file.first < last))
      throw new ArgumentError('first: another file has one of these sectors');
    const store = partOfStore(this.#store.store, first / SECTORS_PER_PAGE, sectorCount);
    const place = { first, sectorCount, store };
    this.#places.push(place);
    return place;
  }

  /**
   * Domain 0 shuts down: all dirty pages are written, and the drive's write cache is emptied.
   * @returns whether everything could be written
   */
  *sync(): Process<boolean> {
    let isOk = true;
    for (const file of this.#files) if (!(yield* this.#cache.sync(file))) isOk = false;
    return isOk;
  }

  /** The machine was reset: domain 0's memory is lost. Call it when the hypervisor is halted. */
  lose(): void {
    this.#cache.lose();
    this.#writeback.lose();
  }

  /**
   * A guest has moved to another machine with its disk, which has been flushed: the pages of its
   * file are forgotten.
   * @throws ArgumentError for a device that is not one of these files
   */
  forget(device: unknown): void {
    const file = this.#files.find((each) => each === device);
    if (file === undefined) throw new ArgumentError('device: no file of this domain 0');
    this.#cache.forget(file);
  }

  /** The drive as guests would read it now: with what is newer in the cache. */
  get contents(): Pick<ImageStore, 'size' | 'read'> {
    const { contents } = this.#options.drive;
    return {
      size: contents.size,
      read: (offset, dst, dstOffset, length) => {
        contents.read(offset, dst, dstOffset, length);
        for (const file of this.#files) this.#overlay(file, offset, dst, dstOffset, length);
      },
    };
  }

  #overlay(file: ImageFile, offset: number, dst: Uint8Array, dstOffset: number, length: number): void {
    const start = file.first * SECTOR_SIZE;
    const from = Math.max(offset, start);
    const to = Math.min(offset + length, start + file.sectorCount * SECTOR_SIZE);
    for (let at = from; at < to; ) {
      const inPage = (at - start) % PAGE_SIZE;
      const bytes = Math.min(PAGE_SIZE - inPage, to - at);
      const pfn = this.#cache.mm.cache.find(file.space, Math.floor((at - start) / PAGE_SIZE));
      if (this.#cache.isReady(pfn))
        dst.set(this.#cache.bytesOf(pfn).subarray(inPage, inPage + bytes), dstOffset + at - offset);
      at += bytes;
    }
  }
}
