/**
 * A hit through the door `stillwarm/page-cache`, which counts it and checks its arguments. Beside
 * it stands a hit through the parts of the kernel's memory management behind that door.
 */

import type { Ino } from '../src/base/index.ts';
import { type AddressSpace, EmbeddedPageCache } from '../src/doors/page-cache/index.ts';
import { MemoryManagement } from '../src/kernel/index.ts';
import { elapsedNs, type Row, takeTurns } from './harness.ts';

const PAGES = 16384;
const ACCESSES = 400_000;
/** Short ones, of which the fastest counts: other work of the host has not come between. */
const TIMINGS = 20;

export function embedded(): Row[] {
  const cache = new EmbeddedPageCache({ capacity: PAGES });
  const file = cache.open(1);
  for (let index = 0; index < PAGES; index++) cache.end(cache.begin(file, index));
  const mm = new MemoryManagement(PAGES);
  mm.freeAll();
  const space = mm.cache.open(1 as Ino);
  for (let index = 0; index < PAGES; index++) {
    const page = mm.allocator.take();
    mm.cache.add(space, index, page);
    mm.cache.setUptodate(page);
  }

  const [figure, rival] = takeTurns(
    () => fastest(() => accessDoor(cache, file)),
    () => fastest(() => accessParts(mm, space)),
  );
  const { hits, misses } = cache.counts();
  if (misses > 0 || hits % ACCESSES !== 0) throw new Error(`${misses} misses of ${hits + misses}`);
  return [
    {
      what: `a hit through the door page-cache, ${PAGES} pages in a stride`,
      figure: figure!,
      unit: 'ns',
      rival: { name: 'find and markAccessed', figure: rival! },
      ratio: figure! / rival!,
      target: 'at most 1.1 ×',
      met: figure! / rival! <= 1.1,
    },
    heapRow(cache, file),
  ];
}

function heapRow(cache: EmbeddedPageCache, file: AddressSpace): Row {
  globalThis.gc?.();
  let grown = 0;
  for (let i = 0; i < TIMINGS; i++) {
    const before = process.memoryUsage().heapUsed;
    accessDoor(cache, file);
    grown += Math.max(0, process.memoryUsage().heapUsed - before);
  }
  const figure = grown / (TIMINGS * ACCESSES);
  return { what: 'heap allocated by such a hit', figure, unit: 'B', target: 'below 0.01 B', met: figure < 0.01 };
}

/** Nanoseconds of an access. */
function fastest(work: () => unknown): number {
  let least = Infinity;
  for (let i = 0; i < TIMINGS; i++) least = Math.min(least, elapsedNs(work));
  return least / ACCESSES;
}

/** A page far from the one before, each once before the first comes again. */
const next = (index: number): number => (index + 6151) & (PAGES - 1);

function accessDoor(cache: EmbeddedPageCache, file: AddressSpace): number {
  let sum = 0;
  for (let i = 0, index = 0; i < ACCESSES; i++, index = next(index)) sum += cache.get(file, index);
  return sum;
}

function accessParts({ cache, lru }: MemoryManagement, space: AddressSpace): number {
  let sum = 0;
  for (let i = 0, index = 0; i < ACCESSES; i++, index = next(index)) {
    const page = cache.find(space, index);
    lru.markAccessed(page);
    sum += page;
  }
  return sum;
}
