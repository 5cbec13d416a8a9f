/**
 * What a page costs as the guest grows from 256 MiB to 16 GiB. No structure here gets slower with
 * its size, but the processor's caches get smaller beside it. The same run measures how much that
 * explains: just the reads of a random access, at the same places of plain arrays of that size. The
 * figure is the cost at the largest size over that at the smallest. It should grow no more than
 * that of the bare reads.
 */

import { elapsedNs, type Row, takeTurns } from './harness.ts';
import { Machine } from './machine.ts';
import { accessPages } from './page-access.ts';
import { restartAndClaim } from './rebuild.ts';
import { RandomStreams } from '../src/sim/index.ts';

const MEBIBYTES = [256, 512, 1024, 2048, 4096, 8192, 16384];
const PAGES_PER_MEBIBYTE = 256;
const ACCESSES = 500_000;

const MEASURES = ['random access', 'sequential access', 'insert and evict', 'rebuild and claim'] as const;
const BARE = 'bare reads';
type Measure = (typeof MEASURES)[number] | typeof BARE;

export function scale(): Row[] {
  const costs = MEBIBYTES.map((mebibytes) => measure(mebibytes * PAGES_PER_MEBIBYTE));
  const growthOf = (what: Measure): number => costs.at(-1)![what] / costs[0]![what];
  const bare = growthOf(BARE);
  const curve = (what: Measure): string => costs.map((cost) => cost[what].toFixed(0)).join(' ');
  return [
    ...MEASURES.map((what): Row => {
      const figure = growthOf(what);
      return {
        what: `${what}, ns a page at 256 MiB, 512 MiB … 16 GiB: ${curve(what)}`,
        figure,
        unit: '× from 256 MiB to 16 GiB',
        rival: { name: BARE, figure: bare },
        ratio: figure / bare,
        target: 'at most the bare reads',
        met: figure <= bare,
      };
    }),
    { what: `the bare reads of a random access, ns: ${curve(BARE)}`, figure: bare, unit: '× from 256 MiB to 16 GiB' },
  ];
}

/** Nanoseconds a page with `pages` pages cached, a power of two. */
function measure(pages: number): Record<Measure, number> {
  const machine = new Machine(pages);
  machine.fill();
  const random = new RandomStreams(1).stream('scale');
  const scattered = Uint32Array.from({ length: ACCESSES }, () => random.below(pages));
  const inOrder = Uint32Array.from({ length: ACCESSES }, (_, i) => i % pages);
  const bareReads = makeBareReads(pages, scattered);
  const access = (stream: Uint32Array): number => {
    const { mm, file } = machine.guest;
    return elapsedNs(() => accessPages(mm, file, stream)) / stream.length;
  };
  const [bare, randomAccess, sequentialAccess] = takeTurns(
    () => elapsedNs(bareReads) / ACCESSES,
    () => access(scattered),
    () => access(inOrder),
  );
  const [rebuildAndClaim] = takeTurns(() => 1e3 / restartAndClaim(machine));
  let next = pages;
  const [insertAndEvict] = takeTurns(() => {
    const fresh = inOrder.map((_, i) => next + i);
    next += fresh.length;
    return access(fresh);
  });
  return {
    [BARE]: bare!,
    'random access': randomAccess!,
    'sequential access': sequentialAccess!,
    'insert and evict': insertAndEvict!,
    'rebuild and claim': rebuildAndClaim!,
  };
}

/**
 * What a look-up reads of bucket, page index, space and flags, through a bucket array as large as
 * the page cache's.
 */
function makeBareReads(pages: number, stream: Uint32Array): () => number {
  const buckets = new Uint32Array(2 * pages);
  for (let i = 0; i < pages; i++) buckets[i] = i;
  new RandomStreams(1).stream('bare').shuffle(buckets.subarray(0, pages));
  const index = new Uint32Array(pages).fill(1);
  const space = new Uint32Array(pages).fill(1);
  const flags = new Uint16Array(pages).fill(1);
  return () => {
    let sum = 0;
    for (let i = 0; i < stream.length; i++) {
      const page = buckets[stream[i]!]!;
      sum += index[page]! + space[page]! + flags[page]!;
    }
    return sum;
  };
}
