/** What an EmbeddedPageCache is made of, what it asks of its surroundings, and what it counts. */

import type { Pfn } from '../../base/units.ts';
import type { PolicyName, PolicyRules } from '../../kernel/mm/policy/policies.ts';
import type { NameTable } from '../../kernel/mm/page-users.ts';

/** What keeps page tables that lead to cached pages. */
export interface PageMappings {
  /** Whether a program has touched the page through an entry since this was asked last. */
  testAndClearYoung(page: Pfn): boolean;
  /**
   * Drops all entries that lead to the page, because memory is short or the file was cut. Calls
   * `setDirty` when a store came through one.
   */
  unmap(page: Pfn): void;
}

/** What an EmbeddedPageCache is made of. */
export interface EmbeddedPageCacheOptions {
  /** Pages that can be cached, 1 to `maxCapacity`. */
  readonly capacity: number;
  /** Up to what `resize` may go, 2^28 at most; by default `capacity`. About 40 bytes a page. */
  readonly maxCapacity?: number;
  /** What chooses the pages that leave; by default the two lists of Linux 2.6.12. */
  readonly policy?: PolicyName;
  /** @internal In place of what the policy's name stands for. */
  readonly rules?: PolicyRules;
  /**
   * Pages that reclaim takes at a time, 1 to 32. By default 1: a full cache stays full. 32 is what
   * Linux does; after each reclaim up to 31 places are empty then.
   */
  readonly batch?: number;
  /** Called for each page that becomes up to date, and for each that leaves. */
  readonly names?: NameTable;
  /**
   * Memory is short, and the page is dirty: calls `beginWrite`, writes it, and calls `endWrite`,
   * now or later; or does nothing. Without it dirty pages stay until they were written.
   */
  readonly pageOut?: (page: Pfn) => void;
  /** Without it no page can be mapped. */
  readonly mappings?: PageMappings;
}

/**
 * Why pages left. `reclaimed`: for another page. `shrunk`: `resize` has made the cache smaller.
 * `truncated`: by `truncate` and `close`. `invalidated`: by `invalidate`. `failed`: could not be
 * read.
 */
export type DropCause = 'reclaimed' | 'shrunk' | 'truncated' | 'invalidated' | 'failed';

/** Counts since the cache was made. */
export interface PageCacheCounts {
  /** Calls of `get` that found their page, one that is still being read included. */
  readonly hits: number;
  /** Accesses that found no page. */
  readonly misses: number;
  /** Pages that `begin` has put in. */
  readonly inserted: number;
  /** Pages that have left, by cause. */
  readonly dropped: Readonly<Record<DropCause, number>>;
}
