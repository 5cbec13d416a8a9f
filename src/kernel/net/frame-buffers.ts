/**
 * Pages of the network front-end for frames, and their grants while they are on a ring.
 *
 * Invariants:
 *   1. the driver has NETFRONT_PAGES pages;
 *   2. there are grants for all that are on the rings.
 */

import { assert } from '../../base/assert.ts';
import { GuestPanic } from '../../base/errno.ts';
import { DOM0, type GrantRef, type Pfn } from '../../base/units.ts';
import type { GrantTable } from '../xen/gnttab.ts';

/** Pages for frames of either direction: RX_MIN_TARGET of netfront. */
const BUFFERS = 64;
/** Pages that the driver takes: buffers and two rings. */
export const NETFRONT_PAGES = 2 * BUFFERS + 2;

/** The page of a ring, and the pages of the frames that may be on it. */
export interface RingPages {
  readonly ring: Pfn;
  readonly buffers: readonly Pfn[];
}

/** Which of the driver's NETFRONT_PAGES pages are for which direction. */
export function dividePages(pages: readonly Pfn[]): { readonly tx: RingPages; readonly rx: RingPages } {
  assert(pages.length === NETFRONT_PAGES, 'frame buffers 1: netfront has its pages');
  return {
    tx: { ring: pages[0]!, buffers: pages.slice(2, 2 + BUFFERS) },
    rx: { ring: pages[1]!, buffers: pages.slice(2 + BUFFERS) },
  };
}

/** The place of a page among them is the id of its request. */
export class FrameBuffers {
  readonly #grants: GrantTable;
  readonly #pages: readonly Pfn[];
  /** By id; undefined while the page is on no ring. */
  readonly #granted: (GrantRef | undefined)[];

  constructor(grants: GrantTable, pages: readonly Pfn[]) {
    this.#grants = grants;
    this.#pages = pages;
    this.#granted = pages.map(() => undefined);
  }

  /** All grants are gone. */
  reset(): void {
    this.#granted.fill(undefined);
  }

  ids(): number[] {
    return [...this.#pages.keys()];
  }

  page(id: number): Pfn {
    return this.#pages[id]!;
  }

  /** Grants the page to the back-end for a request. */
  grant(id: number, readonly: boolean): GrantRef {
    const grant = this.#grants.grant(DOM0, this.page(id), readonly);
    assert(grant !== undefined, 'frame buffers 2: there are more grants than pages on rings');
    this.#granted[id] = grant;
    return grant;
  }

  /**
   * The request has its response, and its grant ends. The back-end answers each request once and
   * unmaps before it does. Throws GuestPanic when it did not: a store gone wild has hit a ring or
   * the grant table.
   */
  answered(id: number): void {
    const grant = this.#granted[id];
    if (grant === undefined) throw new GuestPanic(`a response for network buffer ${id}, which is on no ring`);
    if (!this.#grants.end(grant)) throw new GuestPanic(`grant ${grant} is in use after its response`);
    this.#granted[id] = undefined;
  }
}
