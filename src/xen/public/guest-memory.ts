/**
 * A guest's memory, by pseudo-physical frame. Reading is plain; every store goes through here,
 * because a store to a write-protected frame traps into the hypervisor before it happens.
 *
 * A page that is registered as dirty (cache-map-op.ts) is sealed: a store to it is refused with a
 * GuestPanic. Two kinds of stores may pass. The kernel's file-cache routines store between `open`
 * and `close`, and programs through their own page tables.
 *
 * Every call on the memory of a domain that is gone throws InvariantViolation.
 */

import type { Pfn } from '../../base/units.ts';

/** The memory of a guest, by page. Offsets are bytes, 0 to 4095. */
export interface GuestMemory {
  /** Number of pages; pfns are 0 … nrPages - 1. */
  readonly nrPages: number;
  /** The byte at `offset`. */
  readU8(pfn: Pfn, offset: number): number;
  /** The little-endian word of 16 bits at `offset`. */
  readU16(pfn: Pfn, offset: number): number;
  /** The little-endian word of 32 bits at `offset`. */
  readU32(pfn: Pfn, offset: number): number;
  /**
   * Where the first word of 32 bits lies that is not `word`: as `repe scasl`, from `offset` on. The
   * offset is `end` when there is none; both are multiples of 4.
   */
  skipWords(pfn: Pfn, offset: number, end: number, word: number): number;
  /** Copies out of one page; the range lies inside it. */
  copyOut(pfn: Pfn, offset: number, dst: Uint8Array, dstOffset: number, length: number): void;
  /** Copies into one page; traps when it is write-protected. */
  copyIn(pfn: Pfn, offset: number, src: Uint8Array, srcOffset: number, length: number): void;
  /** Zeroes a range of one page; traps when it is write-protected. */
  zero(pfn: Pfn, offset: number, length: number): void;
  /** Stores one byte or one little-endian word; traps when the page is write-protected. */
  writeU8(pfn: Pfn, offset: number, value: number): void;
  /** Stores a little-endian word of 16 bits; traps as `writeU8`. */
  writeU16(pfn: Pfn, offset: number, value: number): void;
  /** Stores a little-endian word of 32 bits; traps as `writeU8`. */
  writeU32(pfn: Pfn, offset: number, value: number): void;
  /**
   * The kernel is about to store to a page, if it is sealed; one page at a time, closed before the
   * next wait.
   */
  open(pfn: Pfn): void;
  /** The store is over. */
  close(pfn: Pfn): void;
  /**
   * A program is about to store to a page that it maps: if it is sealed, that ends until it is
   * registered again.
   */
  expose(pfn: Pfn): void;
}
