/**
 * A range of a program's memory that maps a file, with its page-table entries (vm_area_struct of
 * 2.6.12 and the entries that the processor walks).
 *
 * An entry leads to a page of the page cache. In a private range after a store it leads to a copy
 * of its own (an anonymous page). The processor sets `young` on any access and `dirty` on a store;
 * the kernel reads and clears them.
 *
 * Invariant (the tests of mmap check it by the count of mapped pages):
 *   1. as long as an entry leads to a page of the page cache, that page carries PG.mapped.
 */

import type { Pfn } from '../../base/units.ts';
import type { OpenFile } from './filemap.ts';
import { NO_PAGE } from '../mm/mem-map.ts';
import type { MappedRange } from '../mm/page-users.ts';

/** Bits of a page-table entry. */
export const PTE = { writable: 1, young: 2, dirty: 4, anonymous: 8 } as const;

export class Vma implements MappedRange {
  /** Address of its first byte. */
  readonly start: number;
  /** Page of the file that its first page maps. */
  readonly firstIndex: number;
  readonly file: OpenFile;
  readonly isShared: boolean;
  readonly isWritable: boolean;
  readonly #pages: Int32Array;
  readonly #bits: Uint8Array;
  readonly #markDirty: (file: OpenFile, pfn: Pfn) => void;

  /** @param markDirty called when an entry through which a store came is dropped or cleaned */
  constructor(
    place: { start: number; firstIndex: number; pages: number },
    file: OpenFile,
    access: { shared: boolean; writable: boolean },
    markDirty: (file: OpenFile, pfn: Pfn) => void,
    entries?: { pages: Int32Array; bits: Uint8Array },
  ) {
    this.start = place.start;
    this.firstIndex = place.firstIndex;
    this.file = file;
    this.isShared = access.shared;
    this.isWritable = access.writable;
    this.#markDirty = markDirty;
    this.#pages = entries?.pages ?? new Int32Array(place.pages).fill(NO_PAGE);
    this.#bits = entries?.bits ?? new Uint8Array(place.pages);
  }

  /** Pages of the range. */
  get pages(): number {
    return this.#pages.length;
  }

  /**
   * What is left of the range when it is cut: pages `from` up to and without `to`, with their
   * entries.
   */
  part(from: number, to: number, pageSize: number): Vma {
    const place = { start: this.start + from * pageSize, firstIndex: this.firstIndex + from, pages: to - from };
    const entries = { pages: this.#pages.slice(from, to), bits: this.#bits.slice(from, to) };
    return new Vma(place, this.file, { shared: this.isShared, writable: this.isWritable }, this.#markDirty, entries);
  }

  /** The processor's walk: the page behind entry `at`, or NO_PAGE when the access traps. */
  access(at: number, isStore: boolean): Pfn {
    const bits = this.#bits[at]!;
    if (isStore) {
      if ((bits & PTE.writable) === 0) return NO_PAGE;
      this.#bits[at] = bits | PTE.young | PTE.dirty;
    } else this.#bits[at] = bits | PTE.young;
    return this.#pages[at]! as Pfn;
  }

  /** The page behind entry `at`, without touching it. */
  page(at: number): Pfn {
    return this.#pages[at]! as Pfn;
  }

  isAnonymous(at: number): boolean {
    return (this.#bits[at]! & PTE.anonymous) !== 0;
  }

  /** Sets entry `at`. */
  set(at: number, pfn: Pfn, bits: number): void {
    this.#pages[at] = pfn;
    this.#bits[at] = bits;
  }

  /** Clears entry `at`, which may lead nowhere. */
  clear(at: number): void {
    if (this.#pages[at] === NO_PAGE) return;
    this.clean(at);
    this.#pages[at] = NO_PAGE;
    this.#bits[at] = 0;
  }

  /**
   * A store that came through entry `at` of a shared range makes the page dirty; the entry is clean
   * again.
   */
  clean(at: number): void {
    const bits = this.#bits[at]!;
    if ((bits & PTE.dirty) === 0 || (bits & PTE.anonymous) !== 0) return;
    this.#bits[at] = bits & ~PTE.dirty;
    this.#markDirty(this.file, this.#pages[at]! as Pfn);
  }

  maps(index: number): boolean {
    const at = index - this.firstIndex;
    return at >= 0 && at < this.pages && this.#pages[at] !== NO_PAGE && !this.isAnonymous(at);
  }

  testAndClearYoung(index: number): boolean {
    if (!this.maps(index)) return false;
    const at = index - this.firstIndex;
    const bits = this.#bits[at]!;
    this.#bits[at] = bits & ~PTE.young;
    return (bits & PTE.young) !== 0;
  }

  unmap(index: number): void {
    if (this.maps(index)) this.clear(index - this.firstIndex);
  }
}
