/**
 * The replacement policies on a stream of page accesses: the page cache of the kernel with each
 * policy, one page leaving for one that comes. Beside each stands lru-cache of the same run.
 *
 * The target of a policy is what libCacheSim's implementation of it reached against lru-cache.
 * Both were measured on one machine, on the trace w106.
 */

import { LRUCache } from 'lru-cache';
import type { Ino } from '../src/base/index.ts';
import { MemoryManagement } from '../src/kernel/index.ts';
import { POLICIES, POLICY, type PolicyName } from '../src/kernel/mm/policy/policies.ts';
import { processorNs, type Options, type Row, takeTurns } from './harness.ts';
import { accessEntries } from './page-access.ts';
import { loadStreams } from './streams.ts';

/** Of lru-cache in the runs of the rivals, by size. */
const REFERENCE = [22.3, 25.6, 22.5];
/** libCacheSim by policy and size. It has neither lists of Linux. */
const RIVALS: Readonly<Partial<Record<PolicyName, readonly number[]>>> = {
  lru: [15.5, 14.6, 15.8],
  clock: [15, 15, 15],
  sieve: [16.7, 17.0, 16.2],
  '2q': [6.2, 5.8, 8.1],
  's3-fifo': [5.6, 6.2, 7.7],
  arc: [8.4, 11.0, 13.6],
};

/** Looks each page up, and brings it in when it is not there. Returns the misses. */
function accessPages(policy: PolicyName, size: number, pages: Uint32Array): number {
  const mm = new MemoryManagement(size, undefined, undefined, POLICY[policy], 1);
  mm.freeAll();
  const { cache, lru, allocator, reclaim } = mm;
  const file = cache.open(0 as Ino);
  let misses = 0;
  for (let i = 0; i < pages.length; i++) {
    const index = pages[i]!;
    const cached = cache.find(file, index);
    if (cached >= 0) {
      lru.markAccessed(cached);
      continue;
    }
    misses++;
    lru.willAdd(file.slot, index);
    if (allocator.freeCount === 0) reclaim.tryToFreePages(1);
    const pfn = allocator.take();
    cache.add(file, index, pfn);
    cache.setUptodate(pfn);
    lru.markAccessed(pfn);
  }
  return misses;
}

export function policies({ traces }: Options): Row[] {
  const { name, pages, sizes } = loadStreams(traces)[0]!;
  return sizes.flatMap((size, n) => {
    const misses: number[] = [];
    const perMicrosecond = (ns: number): number => (pages.length / ns) * 1e3;
    const figures = takeTurns(
      ...POLICIES.map(
        (policy, at) => (): number =>
          perMicrosecond(processorNs(() => (misses[at] = accessPages(policy, size, pages)))),
      ),
      () => {
        const entries = new LRUCache<number, number>({ max: size });
        return perMicrosecond(processorNs(() => accessEntries(entries, pages)));
      },
    );
    const rival = figures.at(-1)!;
    return POLICIES.map((policy, at): Row => {
      const ratio = figures[at]! / rival;
      const least = (RIVALS[policy]?.[n] ?? 0) / REFERENCE[n]!;
      return {
        what: `policy ${policy}, ${name}, ${size} pages (misses ${(misses[at]! / pages.length).toFixed(4)})`,
        ...{ figure: figures[at]!, unit: 'M/s', rival: { name: 'lru-cache', figure: rival }, ratio },
        ...(least > 0 && { target: `at least ${least.toFixed(2)} ×`, met: ratio >= least }),
      };
    });
  });
}
