/**
 * Log-dirty mode of a domain: which of its pages were stored to since the last look.
 *
 * A page whose bit is clear is write-protected in the shadow page tables. The guest's first store
 * to it traps, sets the bit and makes the page writable (domain-memory.ts pays for the trap). Some
 * stores pass no page table: those by DMA and by the hypervisor itself. The frame table reports
 * them. A page that gets another frame counts as stored to.
 *
 * Modelled after shadow_mode_log_dirty of Xen 3.0 (SHADOW_CONTROL_OP_CLEAN and _PEEK). Differs in
 * that domain 0's mappings of granted pages are logged, which Xen 3.0 did not do for a back-end's
 * writes.
 */

import type { Pfn } from '../../base/units.ts';

export class LogDirty {
  readonly nrPages: number;
  #bits: Uint32Array;

  /** Nothing is dirty. */
  constructor(nrPages: number) {
    this.nrPages = nrPages;
    this.#bits = new Uint32Array(Math.ceil(nrPages / 32));
  }

  /** A store to the page; returns whether it is the first since the last look. */
  mark(pfn: Pfn): boolean {
    const word = this.#bits[pfn >>> 5]!;
    const bit = 1 << (pfn & 31);
    if ((word & bit) !== 0) return false;
    this.#bits[pfn >>> 5] = word | bit;
    return true;
  }

  /** Whether the page was stored to since the last `clean`. */
  has(pfn: Pfn): boolean {
    return (this.#bits[pfn >>> 5]! & (1 << (pfn & 31))) !== 0;
  }

  /** The pages stored to since the last time, ascending; from now on none is. */
  clean(): number[] {
    const pages: number[] = [];
    this.#bits.forEach((word, i) => {
      for (let rest = word; rest !== 0; rest &= rest - 1) pages.push(32 * i + 31 - Math.clz32(rest & -rest));
    });
    this.#bits = new Uint32Array(this.#bits.length);
    return pages;
  }
}
