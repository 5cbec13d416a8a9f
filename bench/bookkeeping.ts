/**
 * What is kept about each page beyond its data, guest and hypervisor together, counted from the arrays of a machine of
 * 1 GiB: just above a power of two of pages, where the hash tables are at their emptiest.
 */

import { PAGE_SIZE } from '../src/base/index.ts';
import type { Row } from './harness.ts';
import { Machine } from './machine.ts';

const PAGES = 1 << 18;
const TARGET = 96;
/** One bit each: free in the hypervisor's allocator, and ever written. */
const BITMAPS = 2;
/** Machine memory's slot of a frame's view, bytes. */
const VIEW_SLOT = 2;

export function bookkeeping(): Row[] {
  const { hypervisor, guest, nrPages } = new Machine(PAGES);
  const { map, frames } = hypervisor;
  const { cache, map: memMap } = guest.mm;
  const arrays = Object.values(memMap).filter((field) => ArrayBuffer.isView(field));
  const parts = {
    'mem_map of the guest': arrays.reduce((bytes, array) => bytes + array.byteLength, 0) / nrPages,
    'page-cache index of the guest': cache.indexBytes / nrPages,
    'frame records': (map.tableFrames * PAGE_SIZE) / map.frameCount,
    'indices over the frame records': frames.derivedBytes / map.frameCount,
    'P2M lists': (map.p2mFrames * PAGE_SIZE) / map.frameCount,
    bitmaps: BITMAPS / 8,
    'slots of views for copying': VIEW_SLOT,
  };
  const figure = Object.values(parts).reduce((sum, bytes) => sum + bytes, 0);
  const rows = Object.entries(parts).map(
    ([what, bytes]): Row => ({ what: `a page: ${what}`, figure: bytes, unit: 'B' }),
  );
  return [
    ...rows,
    { what: 'a page: all that is kept of it', figure, unit: 'B', target: `${TARGET} B`, met: figure <= TARGET },
  ];
}
