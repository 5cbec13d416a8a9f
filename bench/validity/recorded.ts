/**
 * The recorded traces of ../data on the page cache: what a real kernel inserted, and what ours does
 * with the same calls. The memory that the kernel had for the cache changed over time. So the
 * capacity follows the pages that were resident, by the insertions and removals of the recording.
 */

import { gunzipSync } from 'node:zlib';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FileReadahead } from '../../src/doors/page-cache/index.ts';
import { cacheOf, gatherStatistics, type KernelName, rulesOf } from './kernels.ts';

/** Insertions and removals on each side that decide the capacity. */
const WINDOW = 2000;
const PAGE = 4096;
/** How often 6.18 gathers statistics: FLUSH_TIME of mm/memcontrol.c, 2 s, from the start on. */
const STATISTICS_US = 2e6;

/** What a trace was, and what became of it. */
export interface Counts {
  readonly inserted: number;
  /** Pages of reads that were cached when the call began, as a share. */
  readonly hitRatio: number;
}

interface Rows {
  /** µs. */
  readonly time: Float64Array;
  readonly event: string[];
  readonly thread: string[];
  readonly ino: string[];
  readonly a: Float64Array;
  readonly b: Float64Array;
  readonly c: Float64Array;
}

function rowsOf(path: string): Rows {
  const lines = gunzipSync(readFileSync(path)).toString('latin1').split('\n');
  const fields = lines.slice(1).flatMap((line) => (line === '' ? [] : [line.split(',')]));
  const numbers = (at: number): Float64Array => Float64Array.from(fields, (row) => Number(row[at] ?? ''));
  return {
    event: fields.map((row) => row[2]!),
    thread: fields.map((row) => row[1]!),
    ino: fields.map((row) => row[3]!),
    ...{ time: numbers(0), a: numbers(4), b: numbers(5), c: numbers(6) },
  };
}

/** Bytes of files at their end, by number. */
function sizesOf(path: string): Map<string, number> {
  const lines = gunzipSync(readFileSync(path)).toString('latin1').split('\n').slice(1);
  return new Map(lines.filter((line) => line !== '').map((line) => [line.split(',')[0]!, Number(line.split(',')[1])]));
}

/**
 * Most pages that were resident around each row.
 * @param window insertions and removals on each side
 */
function envelopeOf({ event }: Rows, window: number): Int32Array {
  const at: number[] = [];
  const resident: number[] = [];
  let count = 0;
  event.forEach((kind, row) => {
    if (kind !== 'I' && kind !== 'E') return;
    count += kind === 'I' ? 1 : -1;
    at.push(row);
    resident.push(count);
  });
  const most = new Int32Array(event.length);
  // A deque of rows, the largest first.
  const queue: number[] = [];
  let next = 0;
  let first = 0;
  for (let row = 0, k = 0; row < event.length; row++) {
    while (k < at.length && at[k]! <= row) k++;
    for (; next < Math.min(resident.length, k + window); next++) {
      while (queue.length > first && resident[queue.at(-1)!]! <= resident[next]!) queue.pop();
      queue.push(next);
    }
    while (queue[first]! < k - window) first++;
    most[row] = resident[queue[first]!] ?? 0;
  }
  return most;
}

const pagesOf = (bytes: number): number => Math.ceil(bytes / PAGE);

/** What the recording says. */
export function realCounts(folder: string, name: string): Counts {
  const rows = rowsOf(join(folder, `${name}.csv.gz`));
  let [inserted, pages, absent] = [0, 0, 0];
  rows.event.forEach((kind, row) => {
    if (kind === 'I') inserted++;
    if (!'rpsc'.includes(kind) || rows.b[row] === 0) return;
    pages += pagesOf(rows.a[row]! + rows.b[row]!) - Math.floor(rows.a[row]! / PAGE);
    absent += rows.c[row]!;
  });
  return { inserted, hitRatio: 1 - absent / pages };
}

/** The same calls on our page cache. */
export function modelCounts(folder: string, name: string, kernel: KernelName): Counts {
  const rows = rowsOf(join(folder, `${name}.csv.gz`));
  const ends = sizesOf(join(folder, `${name}.files.csv.gz`));
  const envelope = envelopeOf(rows, WINDOW);
  const { countsWritesAndFaults } = rulesOf(kernel);
  const cache = cacheOf(kernel, 1, Math.max(64, ...chunks(envelope)));
  const generations = new Map<string, number>();
  const sizes = new Map<string, number>();
  const readers = new Map<string, FileReadahead>();
  const mapped = new Map<string, Set<number>>();
  const fileOf = (ino: string) => cache.open(Number(ino), generations.get(ino) ?? 0);
  // Files that were there before the recording: as long as any row of them says.
  const born = new Set<string>();
  rows.event.forEach((kind, row) => {
    const ino = rows.ino[row]!;
    if (kind === 'N') born.add(ino);
    if (born.has(ino) || kind === 'D') return;
    const bytes = kind === 'I' ? (rows.a[row]! + 1) * PAGE : 'rpsc'.includes(kind) ? rows.a[row]! : 0;
    sizes.set(ino, Math.max(sizes.get(ino) ?? ends.get(ino) ?? 0, bytes));
  });
  for (const ino of born) if (!sizes.has(ino)) sizes.set(ino, 0);
  let [pages, absent] = [0, 0];
  const bring = (ino: string, index: number): void => {
    const page = cache.begin(fileOf(ino), index);
    if (page < 0) return;
    cache.end(page);
  };
  const readerOf = (row: number): FileReadahead => {
    const key = `${rows.thread[row]} ${rows.ino[row]}`;
    const reader = readers.get(key) ?? new FileReadahead(cache, fileOf(rows.ino[row]!));
    readers.set(key, reader);
    return reader;
  };
  const use = (ino: string, index: number): void => {
    const file = fileOf(ino);
    if (cache.get(file, index) >= 0) return;
    bring(ino, index);
    const page = cache.find(file, index);
    if (page >= 0) cache.access(page);
  };
  // An entry of a page table is looked at when the mapping ends: one use a thread.
  const useMapped = (row: number, index: number): void => {
    const ino = rows.ino[row]!;
    const key = `${rows.thread[row]} ${ino} ${generations.get(ino) ?? 0}`;
    const seen = mapped.get(key) ?? new Set<number>();
    mapped.set(key, seen);
    if (!seen.has(index)) use(ino, index);
    seen.add(index);
  };
  let capacity = 0;
  let gathered = -1;
  for (let row = 0; row < rows.event.length; row++) {
    const period = Math.floor(rows.time[row]! / STATISTICS_US);
    if (period > gathered) gatherStatistics(cache);
    gathered = period;
    if (envelope[row] !== capacity) {
      capacity = envelope[row]!;
      cache.resize(Math.max(64, capacity));
    }
    const kind = rows.event[row]!;
    const ino = rows.ino[row]!;
    const [a, b] = [rows.a[row]!, rows.b[row]!];
    if ('rpsc'.includes(kind) && b > 0) {
      const first = Math.floor(a / PAGE);
      const end = pagesOf(a + b);
      const filePages = Math.max(pagesOf(sizes.get(ino) ?? 0), end);
      const file = fileOf(ino);
      for (let index = first; index < end; index++) if (cache.find(file, index) < 0) absent++;
      pages += end - first;
      for (const index of readerOf(row).next(first, end - first, filePages)) bring(ino, index);
      for (let index = first; index < end; index++) use(ino, index);
    } else if (kind === 'w') {
      for (let index = Math.floor(a / PAGE); index < pagesOf(a + b); index++)
        if (countsWritesAndFaults) use(ino, index);
        else if (cache.find(fileOf(ino), index) < 0) bring(ino, index);
      sizes.set(ino, Math.max(sizes.get(ino) ?? 0, a + b));
    } else if (kind === 'k') {
      for (let index = a; index <= b; index++) use(ino, index);
    } else if (kind === 'M') {
      for (let index = a; index <= b; index++) if (cache.find(fileOf(ino), index) >= 0) useMapped(row, index);
    } else if (kind === 'F') {
      const filePages = Math.max(pagesOf(sizes.get(ino) ?? 0), a + 1);
      for (const index of readerOf(row).fault(a, filePages)) bring(ino, index);
      if (countsWritesAndFaults) use(ino, a);
      else useMapped(row, a);
    } else if (kind === 'T') {
      cache.truncate(fileOf(ino), pagesOf(a));
      sizes.set(ino, a);
    } else if (kind === 'X' && a === 0) {
      cache.close(fileOf(ino));
      generations.set(ino, (generations.get(ino) ?? 0) + 1);
      sizes.set(ino, 0);
      for (const key of readers.keys()) if (key.endsWith(` ${ino}`)) readers.delete(key);
    }
  }
  return { inserted: cache.counts().inserted, hitRatio: 1 - absent / pages };
}

/** The largest of each thousand: as many arguments as a call takes. */
function chunks(values: Int32Array): number[] {
  const most: number[] = [];
  for (let at = 0; at < values.length; at += 1000)
    most.push(values.subarray(at, at + 1000).reduce((x, y) => Math.max(x, y), 0));
  return most;
}
