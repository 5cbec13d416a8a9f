/**
 * Recency over a reboot. A kernel that shuts down saves where its pages are on the lists. The next
 * kernel puts those that were kept in the same places.
 */

import type { Pfn } from '../../base/units.ts';
import {
  CacheMapBatch,
  rankOf,
  Reason,
  RECENCY_ACTIVE,
  RECENCY_RANK,
  RECENCY_REFERENCED,
  type Hypercalls,
} from '../../xen/public/index.ts';
import { PG } from '../mm/mem-map.ts';
import type { MemoryManagement } from '../mm/mm.ts';
import type { NameBatch } from './name-batch.ts';

/** Pages whose recency is told or asked in one hypercall: entries of 16 KiB. */
const BATCH = 512;

/**
 * Puts pages on the lists: where they were when the kernel before shut down, if it told that; else
 * with the first to go first. Returns whether it told.
 */
export function restoreRecency(
  { lru }: MemoryManagement,
  hypercalls: Pick<Hypercalls, 'cacheMapOp'>,
  pages: readonly Pfn[],
): boolean {
  const recency = askRecency(hypercalls, pages);
  if (recency === undefined) {
    for (const pfn of pages) lru.putBack(pfn);
    return false;
  }
  const order = Uint32Array.from(pages.keys());
  order.sort((a, b) => (recency[a]! & RECENCY_RANK) - (recency[b]! & RECENCY_RANK) || a - b);
  for (const i of order)
    lru.restore(pages[i]!, (recency[i]! & RECENCY_ACTIVE) !== 0, (recency[i]! & RECENCY_REFERENCED) !== 0);
  return true;
}

/** What is known of the pages' recency; undefined when nothing is. */
function askRecency(hypercalls: Pick<Hypercalls, 'cacheMapOp'>, pages: readonly Pfn[]): Uint16Array | undefined {
  const recency = new Uint16Array(pages.length);
  const batch = new CacheMapBatch(BATCH);
  for (let at = 0; at < pages.length; at += batch.count) {
    batch.reset();
    for (const pfn of pages.slice(at, at + BATCH)) batch.askRecency(pfn);
    hypercalls.cacheMapOp(batch);
    for (let i = 0; i < batch.count; i++) {
      if (batch.result(i) !== Reason.ok) return undefined;
      recency[at + i] = batch.recency(i);
    }
  }
  return recency;
}

/**
 * Before an orderly shutdown: tells the places of all pages that may be kept. Nothing is cached or
 * evicted afterwards.
 */
export function tellRecency(
  { map, lru }: MemoryManagement,
  hypercalls: Pick<Hypercalls, 'cacheMapOp'>,
  names: NameBatch,
): void {
  names.flush();
  const batch = new CacheMapBatch(BATCH);
  const send = (): void => {
    hypercalls.cacheMapOp(batch);
    batch.reset();
  };
  for (const order of lru.orders()) {
    const pages = order.filter((pfn) => map.has(pfn, PG.named | PG.preserved));
    pages.forEach((pfn, position) => {
      let recency = rankOf(position, pages.length);
      if (map.has(pfn, PG.active)) recency |= RECENCY_ACTIVE;
      if (map.has(pfn, PG.referenced)) recency |= RECENCY_REFERENCED;
      batch.tellRecency(pfn, recency);
      if (batch.isFull) send();
    });
  }
  if (batch.count > 0) send();
}
