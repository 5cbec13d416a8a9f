/**
 * Three workloads that a real kernel's page cache has run, access by access. Each reads single
 * pages of one file of 256 MiB, with 64 or 128 MiB of memory. The generators are integer
 * arithmetic, so that every language makes the same accesses.
 */

import { gunzipSync } from 'node:zlib';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FileReadahead } from '../../src/doors/page-cache/index.ts';
import { cacheOf, gatherStatistics, type KernelName } from './kernels.ts';

/** Pages of the file. */
const PAGES = 65_536;
/**
 * Accesses between two times at which 6.18 gathers statistics. Their times were not recorded. A
 * scan of 57,000 pages drains the active list without a break, so 2 s are 50,000 or more.
 */
const STATISTICS = 60_000;
/** Pages that the hot part of `hotscan` has. */
const HOT = 8192;

export const WORKLOADS = ['zipf4k', 'hotscan', 'seq2'] as const;
export type Workload = (typeof WORKLOADS)[number];

/** xorshift32, and numbers of 53 bits from it. */
function below(seed: number): (limit: number) => number {
  let x = seed >>> 0;
  const next = (): number => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
  return (limit) => {
    const high = next() >>> 5;
    return (high * 2 ** 26 + (next() >>> 6)) % limit;
  };
}

/** The pages of a workload, in order. */
export function accessesOf(workload: Workload): number[] {
  const inOrder = (from: number): number[] => Array.from({ length: PAGES - from }, (_, n) => from + n);
  if (workload === 'seq2') return [...inOrder(0), ...inOrder(0)];
  if (workload === 'hotscan') {
    const uniform = below(3);
    const hot = (): number[] => Array.from({ length: 60_000 }, () => uniform(HOT));
    return [0, 1, 2].flatMap(() => [...hot(), ...inOrder(HOT)]).concat(hot());
  }
  const sums = [0];
  for (let rank = 1; rank <= PAGES; rank++) sums.push(sums[rank - 1]! + Math.floor(2 ** 32 / rank));
  const uniform = below(1);
  return Array.from({ length: 400_000 }, () => {
    const wanted = uniform(sums[PAGES]!);
    // How many ranks from 1 on have sums that are not more.
    let [low, high] = [0, PAGES];
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (sums[middle]! <= wanted) low = middle;
      else high = middle - 1;
    }
    return (low * 40_503 + 12_345) % PAGES;
  });
}

/** What a replay did. */
export interface Replay {
  /** Of each access, 1 if its page was cached. */
  readonly hits: Uint8Array;
  readonly inserted: number;
}

/**
 * The accesses on our page cache.
 * @param capacity pages
 * @param maxPages largest window of readahead; 0: none
 */
export function replay(accesses: readonly number[], capacity: number, kernel: KernelName, maxPages: number): Replay {
  const cache = cacheOf(kernel, capacity);
  const file = cache.open(1);
  const reader = new FileReadahead(cache, file, { maxPages });
  const bring = (index: number): void => {
    const page = cache.begin(file, index);
    if (page >= 0) cache.end(page);
  };
  const hits = Uint8Array.from(accesses, (index, at) => {
    if (at % STATISTICS === 0) gatherStatistics(cache);
    const isHit = cache.find(file, index) >= 0;
    for (const ahead of maxPages > 0 ? reader.next(index, 1, PAGES) : isHit ? [] : [index]) bring(ahead);
    if (isHit) cache.get(file, index);
    else cache.access(cache.find(file, index));
    return Number(isHit);
  });
  return { hits, inserted: cache.counts().inserted };
}

/** Hits of a real kernel, access by access. */
export const bitsOf = (folder: string, workload: Workload): Uint8Array =>
  Uint8Array.from(
    gunzipSync(readFileSync(join(folder, 'vm6.1', `${workload}.ra0.bits.gz`))).filter((byte) => byte >= 48),
    (byte) => byte - 48,
  );

/** A table of comma-separated fields, by their names. */
export function rowsOfCsv(path: string): Record<string, string>[] {
  const [head = '', ...lines] = readFileSync(path, 'utf8').trimEnd().split('\n');
  const names = head.split(',');
  return lines.map((line) => Object.fromEntries(line.split(',').map((field, at) => [names[at]!, field])));
}
