/**
 * Page accesses without bytes, with the table kept: a stream of page numbers on the guest's page
 * cache. Every insert and evict reaches the frame records of the hypervisor. The rival is the
 * lru-cache package with as many entries: a get, and a set when that missed, and nothing else.
 */

import { LRUCache } from 'lru-cache';
import { type AddressSpace, type MemoryManagement, NO_PAGE } from '../src/kernel/index.ts';
import { processorNs, type Options, type Row, takeTurns } from './harness.ts';
import { Machine } from './machine.ts';
import { loadStreams } from './streams.ts';

/** Looks each page up, and brings it in when it is not there. Returns the misses. */
export function accessPages(mm: MemoryManagement, file: AddressSpace, pages: Uint32Array): number {
  const { cache, lru } = mm;
  let misses = 0;
  for (let i = 0; i < pages.length; i++) {
    const index = pages[i]!;
    const cached = cache.find(file, index);
    if (cached !== NO_PAGE) {
      lru.markAccessed(cached);
      continue;
    }
    misses++;
    const pfn = mm.allocate();
    cache.add(file, index, pfn);
    cache.setUptodate(pfn);
  }
  return misses;
}

/** The same with the package. */
export function accessEntries(entries: LRUCache<number, number>, pages: Uint32Array): number {
  let misses = 0;
  for (let i = 0; i < pages.length; i++) {
    const page = pages[i]!;
    if (entries.get(page) !== undefined) continue;
    misses++;
    entries.set(page, page);
  }
  return misses;
}

export function pageAccess({ traces }: Options): Row[] {
  const rows: Row[] = [];
  for (const { name, pages, sizes, least } of loadStreams(traces))
    for (const size of sizes) {
      const perMicrosecond = (ns: number): number => (pages.length / ns) * 1e3;
      let ourMisses = 0;
      let theirMisses = 0;
      const [figure, rival] = takeTurns(
        () => {
          const { mm, file } = new Machine(size).guest;
          return perMicrosecond(processorNs(() => (ourMisses = accessPages(mm, file, pages))));
        },
        () => {
          const entries = new LRUCache<number, number>({ max: size });
          return perMicrosecond(processorNs(() => (theirMisses = accessEntries(entries, pages))));
        },
      );
      const missRatio = (misses: number): string => (misses / pages.length).toFixed(4);
      rows.push({
        what: `page accesses, ${name}, ${size} pages (misses ${missRatio(ourMisses)}, rival ${missRatio(theirMisses)})`,
        figure: figure!,
        unit: 'M/s',
        rival: { name: 'lru-cache', figure: rival! },
        ratio: figure! / rival!,
        target: `at least ${least} ×`,
        met: figure! / rival! >= least,
      });
    }
  return rows;
}
