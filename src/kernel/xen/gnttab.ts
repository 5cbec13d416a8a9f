/**
 * The guest's grant table (drivers/xen/core/gnttab.c of 2.6.12-xen): hands out entries and takes
 * them back.
 *
 * Publishing an entry stores who and what first and the flags last (xen/public/grant-table.ts). An
 * entry that is still mapped is not taken back.
 */

import { GrantRef, PAGE_SIZE, Pfn, type DomId } from '../../base/units.ts';
import {
  GRANT_ENTRY,
  Gtf,
  NR_GRANT_ENTRIES,
  NR_GRANT_FRAMES,
  NR_RESERVED_ENTRIES,
  type GuestEnvironment,
} from '../../xen/public/index.ts';

const ENTRIES_PER_PAGE = PAGE_SIZE / GRANT_ENTRY.size;
const AT = GRANT_ENTRY.offset;

export class GrantTable {
  readonly #env: GuestEnvironment;
  readonly #first: Pfn;
  /** References that are free, the next one last. */
  readonly #free = new Uint16Array(NR_GRANT_ENTRIES);
  #freeCount = 0;

  /** @param first page of the guest in which the table begins */
  constructor(env: GuestEnvironment, first: Pfn) {
    this.#env = env;
    this.#first = first;
    this.#freeAll();
  }

  /** Takes all grants back: the domain that had them mapped is gone. */
  reset(): void {
    for (let page = this.#first as number; page < this.#first + NR_GRANT_FRAMES; page++)
      this.#env.memory.zero(Pfn(page), 0, PAGE_SIZE);
    this.#freeAll();
  }

  get freeCount(): number {
    return this.#freeCount;
  }

  /** gnttab_grant_foreign_access: lets `domid` map a page; undefined when no entry is free. */
  grant(domid: DomId, page: Pfn, readonly: boolean): GrantRef | undefined {
    if (this.#freeCount === 0) return undefined;
    const ref = this.#free[--this.#freeCount]!;
    const { memory } = this.#env;
    const [pfn, at] = this.#place(ref);
    memory.writeU32(pfn, at + AT.frame, page);
    memory.writeU16(pfn, at + AT.domid, domid);
    memory.writeU16(pfn, at + AT.flags, Gtf.permitAccess | (readonly ? Gtf.readonly : 0));
    return GrantRef(ref);
  }

  /** gnttab_end_foreign_access: takes a grant back; false when it is mapped, and then it stays. */
  end(ref: GrantRef): boolean {
    const { memory } = this.#env;
    const [pfn, at] = this.#place(ref);
    if ((memory.readU16(pfn, at + AT.flags) & (Gtf.reading | Gtf.writing)) !== 0) return false;
    memory.writeU16(pfn, at + AT.flags, 0);
    this.#free[this.#freeCount++] = ref;
    return true;
  }

  #freeAll(): void {
    this.#freeCount = 0;
    for (let ref = NR_GRANT_ENTRIES - 1; ref >= NR_RESERVED_ENTRIES; ref--) this.#free[this.#freeCount++] = ref;
  }

  #place(ref: number): [Pfn, number] {
    return [Pfn(this.#first + Math.floor(ref / ENTRIES_PER_PAGE)), (ref % ENTRIES_PER_PAGE) * GRANT_ENTRY.size];
  }
}
