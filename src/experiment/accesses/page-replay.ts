/**
 * Accesses by page on the page cache of a kernel (doors/page-cache), without bytes and time. A
 * page that is missing is there at once. Nothing is read ahead.
 */

import type { Pfn } from '../../base/units.ts';
import { EmbeddedPageCache } from '../../doors/page-cache/embedded-page-cache.ts';
import type { PolicyName } from '../../doors/page-cache/index.ts';
import { PG } from '../../kernel/mm/mem-map.ts';
import type { AddressSpace } from '../../kernel/mm/page-cache.ts';

/** Bytes of a page of a replay's cache. */
export const REPLAY_PAGE_BYTES = 48;
/** The same where a policy remembers pages that have left, at most. */
export const GHOST_PAGE_BYTES = 192;

/** The pages of a cache. Plain data. */
export interface KeptPages {
  /** Their numbers: inactive ones before active ones, each older ones first. */
  readonly pages: Uint32Array;
  readonly isActive: Uint8Array;
  readonly isReferenced: Uint8Array;
}

/** A page cache whose pages are known by number, all of one file. */
export class PageReplay {
  readonly #cache: EmbeddedPageCache;
  readonly #file: AddressSpace;

  /**
   * @param capacity pages, at least 1
   * @param policy which pages leave; by default as in Linux 2.6.12
   */
  constructor(capacity: number, policy?: PolicyName) {
    this.#cache = new EmbeddedPageCache({ capacity, ...(policy && { policy }) });
    this.#file = this.#cache.open(0);
  }

  get hits(): number {
    return this.#cache.counts().hits;
  }

  get misses(): number {
    return this.#cache.counts().misses;
  }

  get isFull(): boolean {
    return this.#cache.nrPages === this.#cache.capacity;
  }

  /** Plays the accesses from `from` up to and without `to`. */
  play(pages: Uint32Array, from: number, to: number): void {
    const cache = this.#cache;
    const file = this.#file;
    for (let i = from; i < to; i++) {
      if (cache.get(file, pages[i]!) >= 0) continue;
      const page = cache.begin(file, pages[i]!);
      cache.end(page);
      cache.access(page);
    }
  }

  has(page: number): boolean {
    return this.#cache.find(this.#file, page) >= 0;
  }

  /** What the cache has, and what it knows of its use. */
  kept(): KeptPages {
    const { lru, map } = this.#cache.memory;
    const held = lru.orders().flat();
    return {
      pages: Uint32Array.from(held, (page) => map.indexOf(page)),
      isActive: Uint8Array.from(held, (page) => Number(map.has(page, PG.active))),
      isReferenced: Uint8Array.from(held, (page) => Number(map.has(page, PG.referenced))),
    };
  }

  /** A page from before a reboot, for which there is room, becomes the youngest on its list. */
  restore(kept: KeptPages, at: number): void {
    const { allocator, lru, cache } = this.#cache.memory;
    const page: Pfn = allocator.take();
    lru.restore(page, kept.isActive[at] === 1, kept.isReferenced[at] === 1);
    cache.add(this.#file, kept.pages[at]!, page);
    cache.setUptodate(page);
  }
}
