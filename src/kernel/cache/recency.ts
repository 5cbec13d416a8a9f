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
/** Pages that the next kernel may get. */
const TOLD = PG.named | PG.preserved;

/**
 * Puts pages on the lists: where they were when the kernel before shut down, if it told that; else
 * with the first to go first. Returns whether it told.
 */
export function restoreRecency(
  { lru }: MemoryManagement,
  hypercalls: Pick<Hypercalls, 'cacheMapOp'>,
  pages: Uint32Array,
): boolean {
  const recency = askRecency(hypercalls, pages);
  if (recency === undefined) {
    for (const pfn of pages) lru.putBack(pfn as Pfn);
    return false;
  }
  for (const i of byRank(recency))
    lru.restore(pages[i]! as Pfn, (recency[i]! & RECENCY_ACTIVE) !== 0, (recency[i]! & RECENCY_REFERENCED) !== 0);
  return true;
}

/** Places in `recency` by ascending rank, those of one rank in their order: there are few ranks. */
function byRank(recency: Uint16Array): Uint32Array {
  const ends = new Uint32Array(RECENCY_RANK + 1);
  let highest = 0;
  for (const word of recency) {
    const rank = word & RECENCY_RANK;
    ends[rank]!++;
    if (rank > highest) highest = rank;
  }
  for (let rank = 1; rank <= highest; rank++) ends[rank]! += ends[rank - 1]!;
  const order = new Uint32Array(recency.length);
  for (let i = recency.length - 1; i >= 0; i--) order[--ends[recency[i]! & RECENCY_RANK]!] = i;
  return order;
}

/** What is known of the pages' recency; undefined when nothing is. */
function askRecency(hypercalls: Pick<Hypercalls, 'cacheMapOp'>, pages: Uint32Array): Uint16Array | undefined {
  const recency = new Uint16Array(pages.length);
  const batch = new CacheMapBatch(BATCH);
  for (let at = 0; at < pages.length; at += batch.count) {
    batch.reset();
    for (const pfn of pages.subarray(at, at + BATCH)) batch.askRecency(pfn as Pfn);
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
    let count = 0;
    for (const pfn of order) if (map.has(pfn, TOLD)) count++;
    let position = 0;
    for (const pfn of order) {
      const flags = map.flagsOf(pfn);
      if ((flags & TOLD) === 0) continue;
      let recency = rankOf(position++, count);
      if ((flags & PG.active) !== 0) recency |= RECENCY_ACTIVE;
      if ((flags & PG.referenced) !== 0) recency |= RECENCY_REFERENCED;
      batch.tellRecency(pfn, recency);
      if (batch.isFull) send();
    }
  }
  if (batch.count > 0) send();
}
