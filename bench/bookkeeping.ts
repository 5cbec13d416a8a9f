/**
 * Bytes kept about each page besides its data, by guest and hypervisor together, counted from the
 * arrays of a machine of 1.3 GiB. That is just above a step of the page cache's buckets, where they
 * are emptiest and the sum is largest.
 */

import { type Arch, PAGE_SIZE } from '../src/base/index.ts';
import type { Row } from './harness.ts';
import { Machine } from './machine.ts';

/** Three quarters of a page a bucket: one page more, and the buckets double. */
const PAGES = Math.ceil(2 ** 18 / 0.75);
const TARGET = 96;
/** One bit each: free in the hypervisor's allocator, and ever written. */
const BITMAPS = 2;

export function bookkeeping(): Row[] {
  const wide = partsOf('x86_64');
  const narrow = partsOf('x86_32');
  const rows = Object.entries(wide).map(
    ([what, bytes]): Row => ({ what: `a page: ${what}`, figure: bytes, unit: 'B' }),
  );
  return [...rows, sumOf('x86_64', wide), sumOf('x86_32', narrow)];
}

function sumOf(arch: Arch, parts: Readonly<Record<string, number>>): Row {
  const figure = Object.values(parts).reduce((sum, bytes) => sum + bytes, 0);
  return {
    what: `a page: all that is kept of it, ${arch}`,
    figure,
    unit: 'B',
    target: `${TARGET} B`,
    met: figure <= TARGET,
  };
}

function partsOf(arch: Arch): Record<string, number> {
  const { hypervisor, guest, nrPages } = new Machine(PAGES, arch);
  const { map, frames } = hypervisor;
  const { cache, map: memMap } = guest.mm;
  const arrays = Object.values(memMap).filter((field) => ArrayBuffer.isView(field));
  return {
    'mem_map of the guest': arrays.reduce((bytes, array) => bytes + array.byteLength, 0) / nrPages,
    'page-cache index of the guest': cache.indexBytes / nrPages,
    'frame records': (map.tableFrames * PAGE_SIZE) / map.frameCount,
    'indices over the frame records': frames.derivedBytes / map.frameCount,
    'recency table': (map.recencyFrames * PAGE_SIZE) / map.frameCount,
    'P2M lists': (map.p2mFrames * PAGE_SIZE) / map.frameCount,
    bitmaps: BITMAPS / 8,
  };
}
