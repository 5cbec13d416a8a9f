// The lists of a guest before and after its reboot.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Mfn, PAGE_SIZE, type Pfn } from '../../../src/base/index.ts';
import { FADV, type MemMap, O, PG } from '../../../src/kernel/index.ts';
import type { Process } from '../../../src/sim/index.ts';
import { property } from '../../support/property.ts';
import { activePages, inactivePages } from '../../kernel/mm/memory-state.ts';
import { emptyImage, GuestDisk } from '../../support/guest-disk.ts';

const MIB = 1 << 20;
const PAGES = 120;

interface Lists {
  readonly active: number[];
  readonly inactive: number[];
  readonly referenced: number[];
}

/** The lists, as far as they are made of `pages`. */
function listsOf(map: MemMap, pages: ReadonlySet<number>): Lists {
  const among = (list: number[]): number[] => list.filter((pfn) => pages.has(pfn));
  return {
    active: among(activePages(map)),
    inactive: among(inactivePages(map)),
    referenced: [...pages].filter((pfn) => map.has(pfn as Pfn, PG.referenced)).sort((a, b) => a - b),
  };
}

const preservedPages = (map: MemMap): Set<number> =>
  new Set(Array.from({ length: map.nrPages }, (_, pfn) => pfn).filter((pfn) => map.has(pfn as Pfn, PG.preserved)));

/** One file of 120 pages; each page is filled with its number. */
function diskWithFile(): GuestDisk {
  const disk = new GuestDisk(emptyImage(4 * MIB), 1);
  const sys = disk.guest.kernel.syscalls;
  const fd = disk.run(sys.open('/f', O.rdwr | O.creat));
  for (let i = 0; i < PAGES; i++)
    disk.run(sys.pwrite(fd, new Uint8Array(PAGE_SIZE).fill(i), 0, PAGE_SIZE, i * PAGE_SIZE));
  disk.run(sys.sync());
  disk.run(sys.close(fd));
  return disk;
}

function* readSome(disk: GuestDisk, pages: readonly number[]): Process {
  const sys = disk.guest.kernel.syscalls;
  const buffer = new Uint8Array(PAGE_SIZE);
  for (const page of pages) {
    // A new file each time: the second read of one page in a row is no access.
    const fd = yield* sys.open('/f');
    yield* sys.posixFadvise(fd, 0, 0, FADV.random);
    yield* sys.pread(fd, buffer, 0, PAGE_SIZE, page * PAGE_SIZE);
    if (buffer.some((byte) => byte !== page)) throw new Error(`page ${page} was read wrong`);
    yield* sys.close(fd);
  }
}

const someReads = fc.array(fc.nat(PAGES - 1), { maxLength: 200 });

describe('after an orderly reboot', () => {
  property(
    'the lists are what they were after an orderly reboot, before and after a claim, and every byte is right; a crash loses the order only',
    someReads,
    someReads,
    fc.boolean(),
    fc.boolean(),
    (reads, readsAfter, crash, damage) => {
      const disk = diskWithFile();
      disk.run(readSome(disk, reads));
      const old = disk.guest.kernel.mm;
      if (crash) disk.crash();
      else disk.run(disk.guest.kernel.shutdown());
      old.lru.drain();
      if (damage) {
        const { hypervisor } = disk.testbed;
        const { recencyMfn } = hypervisor.map;
        const at = 2 * disk.guest.domain.frameOf((disk.guest.domain.nrPages - 1) as Pfn);
        const mfn = Mfn(recencyMfn + Math.floor(at / PAGE_SIZE));
        hypervisor.memory.writeU8(mfn, at % PAGE_SIZE, 0x5a);
      }
      disk.restart();
      const { kernel, domain } = disk.guest;
      const { map } = kernel.mm;
      expect(domain.stats.recency).toBe(crash ? 'untold' : damage ? 'damaged' : 'told');
      const pages = preservedPages(map);
      expect(pages.size).toBeGreaterThan(PAGES - 20);
      const keeps = !crash && !damage;
      if (keeps) expect(listsOf(map, pages)).toEqual(listsOf(old.map, pages));
      else {
        const numbers = [...pages].sort((a, b) => a - b);
        expect(listsOf(map, pages)).toEqual({ active: [], inactive: numbers, referenced: [] });
      }
      // Claimed, and not read: in their places.
      const sys = kernel.syscalls;
      const fd = disk.run(sys.open('/f'));
      const before = listsOf(map, pages);
      disk.run(sys.readahead(fd, 0, PAGES * PAGE_SIZE));
      kernel.mm.lru.drain();
      if (keeps) expect(listsOf(map, pages)).toEqual(before);
      expect(kernel.stats.pagesReused).toBeGreaterThan(PAGES - 20);
      disk.run(sys.close(fd));
      disk.run(readSome(disk, readsAfter));
      disk.check();
    },
    { numRuns: 12 },
  );

  it('pages are where they were even after another reboot, by a guest that claimed nothing', () => {
    const disk = diskWithFile();
    disk.run(readSome(disk, [5, 5, 5, 9, 9, 40, 3, 3]));
    disk.reboot(false);
    const { map } = disk.guest.kernel.mm;
    const pages = preservedPages(map);
    const first = listsOf(map, pages);
    expect(first.active.length).toBeGreaterThan(0);
    disk.reboot(false);
    const next = disk.guest.kernel.mm.map;
    const still = preservedPages(next);
    expect(still.size).toBeGreaterThan(PAGES);
    const kept = (list: number[]): number[] => list.filter((pfn) => still.has(pfn));
    expect(listsOf(next, still)).toEqual({
      active: kept(first.active),
      inactive: kept(first.inactive),
      referenced: kept(first.referenced),
    });
  });
});
