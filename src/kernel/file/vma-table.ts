/**
 * Which range of mapped memory lies at an address, and where there is room for another. In 2.6.12
 * these are the tree of vm_area_structs of an mm_struct, and get_unmapped_area.
 *
 * A table has an entry for each page of addresses, as far as they have been used. The gaps between
 * the ranges are known by the page at which they start. Finding a range takes one step. Taking and
 * giving back addresses takes as many as there are pages, however many ranges there are.
 *
 * Invariant (the tests of mmap check it by the addresses that are found):
 *   1. a page has a range or lies in one gap, and two gaps do not touch.
 */

import { counted } from '../../base/counted.ts';
import { ModelError } from '../../base/errno.ts';
import { PAGE_SIZE } from '../../base/units.ts';
import { FirstFit } from '../mm/place-trees.ts';
import type { Vma } from './vma.ts';

/** TASK_UNMAPPED_BASE and TASK_SIZE of i386. */
export const FIRST_ADDRESS = 0x4000_0000;
export const END_ADDRESS = 0xc000_0000;
const PAGES = (END_ADDRESS - FIRST_ADDRESS) / PAGE_SIZE;

export class VmaTable {
  readonly #ranges: (Vma | undefined)[] = [];
  /** Pages of the gap that starts at a page; 0 where none does. */
  readonly #gaps = new FirstFit();
  /** The start of the gap that ends before a page. */
  readonly #gapBefore = new Map<number, number>();

  constructor() {
    this.#setGap(0, PAGES);
  }

  /** The range at an address. */
  find(address: number): Vma | undefined {
    return address < FIRST_ADDRESS ? undefined : this.#ranges[Math.floor((address - FIRST_ADDRESS) / PAGE_SIZE)];
  }

  /** The ranges that have a page from `address` up to and without `end`, ascending. */
  within(address: number, end: number): Vma[] {
    const found: Vma[] = [];
    const last = Math.min(this.#ranges.length, pageOf(end));
    for (let page = Math.max(0, pageOf(address)); page < last; ) {
      const range = this.#ranges[page];
      if (range === undefined) page += Math.max(1, this.#gaps.get(page));
      else {
        found.push(range);
        page = pageOf(range.start) + range.pages;
      }
    }
    return found;
  }

  /** The lowest address with so many pages that nothing has. Throws ENOMEM. */
  lowestGap(pages: number): number {
    const page = this.#gaps.first(0, pages);
    if (page < 0) throw new ModelError('ENOMEM', `no room for ${counted(pages, 'page')} of addresses`);
    return FIRST_ADDRESS + page * PAGE_SIZE;
  }

  /** A range lies at the start of a gap from now on. */
  add(range: Vma): void {
    const page = pageOf(range.start);
    const length = this.#gaps.get(page);
    this.#gaps.set(page, 0);
    this.#gapBefore.delete(page + length);
    if (length > range.pages) this.#setGap(page + range.pages, length - range.pages);
    this.#set(page, range.pages, range);
  }

  /** A range lies in a part of the place of one that it was cut from. */
  replace(range: Vma): void {
    this.#set(pageOf(range.start), range.pages, range);
  }

  /** Nothing lies at so many pages from `address` on, all of which a range had. */
  release(address: number, pages: number): void {
    let start = pageOf(address);
    let end = start + pages;
    this.#set(start, pages, undefined);
    const behind = this.#gaps.get(end);
    if (behind > 0) {
      this.#gaps.set(end, 0);
      end += behind;
    }
    const before = this.#gapBefore.get(start);
    if (before !== undefined) {
      this.#gapBefore.delete(start);
      start = before;
    }
    this.#setGap(start, end - start);
  }

  #setGap(page: number, pages: number): void {
    this.#gaps.set(page, pages);
    this.#gapBefore.set(page + pages, page);
  }

  #set(page: number, pages: number, range: Vma | undefined): void {
    // Without holes: addresses are taken from the lowest on, so there are few to fill.
    while (this.#ranges.length < page + pages) this.#ranges.push(undefined);
    this.#ranges.fill(range, page, page + pages);
  }
}

function pageOf(address: number): number {
  return (address - FIRST_ADDRESS) / PAGE_SIZE;
}
