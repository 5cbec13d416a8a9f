/**
 * The rules of the two lists, one at a time (mm/swap.c, mm/vmscan.c, mm/rmap.c, 2.6.12), in a
 * kernel that runs. Outside of the read path, what makes a page older or younger? Each test says
 * which list a page is on afterwards, and in which order. Mappings are those of mmap, with their
 * entries, and none is made by hand.
 */

import { beforeEach, describe, expect, it } from 'vitest';
import { type Ino, PAGE_SIZE, type Pfn } from '../../../src/base/index.ts';
import { makeExt2 } from '../../../src/disk/mkfs/mkfs.ts';
import { directory, file, tree } from '../../../src/disk/mkfs/tree.ts';
import {
  type AddressSpace,
  type Kernel,
  MAP,
  MemoryManagement,
  MS,
  O,
  PG,
  PROT,
  type Syscalls,
} from '../../../src/kernel/index.ts';
import type { Process } from '../../../src/sim/index.ts';
import { FakeMachine } from '../../support/fake-machine.ts';
import { activePages, checkMemory, inactivePages } from './memory-state.ts';

const PAGES = 100;
const RW = PROT.read | PROT.write;
const image = makeExt2(
  tree(
    directory([
      ['f', file(Uint8Array.from({ length: PAGES * PAGE_SIZE }, (_, i) => (i * 7 + (i >>> 12)) & 255))],
      ['other', file(new Uint8Array(16 * PAGE_SIZE).fill(9))],
    ]),
  ),
  { size: 8 << 20 },
);

let machine: FakeMachine;
let kernel: Kernel;
let sys: Syscalls;
let fd: number;
let space: AddressSpace;

beforeEach(() => {
  machine = new FakeMachine({ image: image.clone() });
  kernel = machine.run(machine.boot());
  sys = kernel.syscalls;
  fd = run(sys.open('/f', O.rdwr));
  // Read by another open file, which does not count as two accesses.
  const reader = run(sys.open('/f'));
  const buffer = new Uint8Array(PAGES * PAGE_SIZE);
  run(sys.read(reader, buffer, 0, buffer.length));
  kernel.mm.lru.drain();
  space = kernel.mm.cache.spaceOf(firstPage());
  for (let index = 0; index < PAGES; index++) clear(index);
});

const run = <T>(process: Process<T>): T => machine.run(process);
/** A cached page whose bytes are those of the first page of /f. */
function firstPage(): Pfn {
  for (let pfn = 0; pfn < machine.memory.nrPages; pfn++) {
    const at = pfn * PAGE_SIZE;
    if (machine.memory.bytes[at + 1] === 7 && machine.memory.bytes[at + 2] === 14 && machine.memory.bytes[at] === 0)
      if (kernel.mm.map.has(pfn as Pfn, PG.uptodate)) return pfn as Pfn;
  }
  throw new Error('the first page is not cached');
}
const pfnOf = (index: number): Pfn => kernel.mm.cache.find(space, index);

/** Makes a page as young as one that was read ahead and never used: inactive, unreferenced. */
function clear(index: number): void {
  const { map, lru } = kernel.mm;
  const pfn = pfnOf(index);
  lru.remove(pfn);
  map.clear(pfn, PG.active | PG.referenced);
  lru.putBack(pfn);
}

/** What the lists count is what they hold. */
function checkLists(): void {
  const { map, lru } = kernel.mm;
  expect([activePages(map).length, inactivePages(map).length]).toEqual([lru.nrActive, lru.nrInactive]);
}

type Age = 'inactive' | 'inactive, referenced' | 'active' | 'active, referenced' | 'gone';
function ageOf(index: number): Age {
  const { map } = kernel.mm;
  const pfn = pfnOf(index);
  if (pfn < 0) return 'gone';
  const isActive = map.has(pfn, PG.active);
  expect((isActive ? activePages : inactivePages)(map)).toContain(pfn);
  return `${isActive ? 'active' : 'inactive'}${map.has(pfn, PG.referenced) ? ', referenced' : ''}`;
}
const agesOf = (indices: readonly number[]): Age[] => indices.map(ageOf);

/** The steps of mark_page_accessed. */
const LADDER: readonly Age[] = [
  'inactive',
  'inactive, referenced',
  'active',
  'active, referenced',
  'active, referenced',
];

const one = new Uint8Array([1]);

describe('an access makes a page one step younger, and the fourth nothing', () => {
  const climbs = (index: number, access: (n: number) => void): void => {
    const seen = [ageOf(index)];
    for (let n = 0; n < 4; n++) {
      access(n);
      seen.push(ageOf(index));
    }
    expect(seen).toEqual(LADDER);
  };

  it('a page is one step younger when it is overwritten in the cache', () => {
    // The first change of all has to wait.
    run(sys.pwrite(fd, one, 0, 1, 0));
    climbs(5, (n) => expect(sys.pwriteNow(fd, one, 0, 1, 5 * PAGE_SIZE + n)).toBe(1));
  });

  it('a page is one step younger when it is overwritten by a process that waits', () => {
    const synchronous = run(sys.open('/f', O.rdwr | O.sync));
    climbs(6, (n) => run(sys.pwrite(synchronous, one, 0, 1, 6 * PAGE_SIZE + n)));
  });

  it('a page is one step younger when it is read at another place each time', () => {
    // The page that a file was read at last does not count once more.
    const reader = run(sys.open('/f'));
    climbs(7, () => {
      const buffer = new Uint8Array(1);
      run(sys.pread(reader, buffer, 0, 1, 7 * PAGE_SIZE));
      run(sys.pread(reader, buffer, 0, 1, 90 * PAGE_SIZE));
    });
  });

  it('a page is one step younger when it is faulted in, each time', () => {
    climbs(8, () => {
      const address = sys.mmap(PAGE_SIZE, PROT.read, MAP.shared, fd, 8 * PAGE_SIZE);
      run(sys.load(address, new Uint8Array(1), 0, 1));
      run(sys.munmap(address, PAGE_SIZE));
    });
  });

  it('a page is no younger when it is read at the same place again', () => {
    const reader = run(sys.open('/f'));
    for (let n = 0; n < 4; n++) run(sys.pread(reader, new Uint8Array(1), 0, 1, 9 * PAGE_SIZE + n));
    expect(ageOf(9)).toBe('inactive, referenced');
  });

  it('each page of a write that covers several is one step younger, once, and no other', () => {
    run(sys.pwrite(fd, new Uint8Array(2 * PAGE_SIZE), 0, 2 * PAGE_SIZE, 20 * PAGE_SIZE + 10));
    expect(agesOf([19, 20, 21, 22, 23])).toEqual([
      'inactive',
      'inactive, referenced',
      'inactive, referenced',
      'inactive, referenced',
      'inactive',
    ]);
  });

  it('a page is no younger by what maps it, once its entry is there', () => {
    const address = sys.mmap(PAGES * PAGE_SIZE, RW, MAP.shared, fd, 0);
    run(sys.load(address + 30 * PAGE_SIZE, new Uint8Array(1), 0, 1));
    for (let n = 0; n < 4; n++) {
      expect(sys.loadNow(address + 30 * PAGE_SIZE, new Uint8Array(1), 0, 1)).toBe(1);
      expect(sys.storeNow(address + 30 * PAGE_SIZE, one, 0, 1)).toBe(1);
    }
    expect(ageOf(30)).toBe('inactive, referenced');
  });

  it('a page is no younger by msync, munmap, fsync or sync', () => {
    const address = sys.mmap(PAGES * PAGE_SIZE, RW, MAP.shared, fd, 0);
    run(sys.store(address + 31 * PAGE_SIZE, one, 0, 1));
    run(sys.msync(address, PAGES * PAGE_SIZE, MS.sync));
    run(sys.fsync(fd));
    run(sys.sync());
    run(sys.munmap(address, PAGES * PAGE_SIZE));
    expect(ageOf(31)).toBe('inactive, referenced');
  });
});

describe('the order of the inactive list', () => {
  it('the order of the inactive list is that in which pages came, and an access that does not activate changes nothing', () => {
    const mine = (): number[] =>
      inactivePages(kernel.mm.map)
        .filter((pfn) => kernel.mm.cache.spaceOf(pfn as Pfn) === space)
        .map((pfn) => kernel.mm.cache.indexOf(pfn as Pfn));
    const all = Array.from({ length: PAGES }, (_, index) => index);
    expect(mine()).toEqual(all);
    for (const index of [50, 3]) run(sys.pwrite(fd, one, 0, 1, index * PAGE_SIZE));
    expect(mine()).toEqual(all);
    // The second access moves them to the young end of the other list.
    for (const index of [50, 3]) run(sys.pwrite(fd, one, 0, 1, index * PAGE_SIZE));
    expect(mine()).toEqual(all.filter((index) => index !== 50 && index !== 3));
    expect(activePages(kernel.mm.map).slice(-2)).toEqual([pfnOf(50), pfnOf(3)]);
  });

  it('the order of the inactive list is not changed by a page vector that is not full: such a page is on no list', () => {
    const mm = new MemoryManagement(100);
    mm.freeAll();
    const own = mm.cache.open(1 as Ino);
    const add = (index: number): Pfn => {
      const pfn = mm.allocator.take();
      mm.cache.add(own, index, pfn);
      return pfn;
    };
    const first = add(0);
    // On no list it is not activated, however often it is used.
    for (let n = 0; n < 3; n++) mm.lru.markAccessed(first);
    expect(mm.map.flagsOf(first)).toBe(PG.referenced);
    for (let index = 1; index < 13; index++) add(index);
    expect(inactivePages(mm.map)).toEqual([]);
    add(13);
    expect(inactivePages(mm.map)).toHaveLength(14);
    expect(inactivePages(mm.map)[0]).toBe(first);
    mm.lru.markAccessed(first);
    expect([mm.map.has(first, PG.active), mm.map.has(first, PG.referenced)]).toEqual([true, false]);
    checkMemory(mm);
  });
});

/** Only pages of /f are old: they come first on the inactive list, in the order of `indices`. */
function makeOldest(indices: readonly number[]): void {
  const { lru, map } = kernel.mm;
  for (const index of indices.toReversed()) {
    const pfn = pfnOf(index);
    lru.remove(pfn);
    map.clear(pfn, PG.active);
    lru.putBack(pfn);
    lru.rotate(pfn);
  }
  expect(inactivePages(map).slice(0, indices.length)).toEqual(indices.map(pfnOf));
}

/** Looks at the oldest 32 pages, and no more; returns the pages freed. */
function look(): number {
  const { reclaim, lru } = kernel.mm;
  const { scanned } = reclaim;
  // As many calls as carry over until 32 are due.
  for (let n = 0; n < 200 && reclaim.scanned === scanned; n++) {
    const freed = reclaim.shrinkZone(12, 1);
    if (reclaim.scanned !== scanned) {
      expect(reclaim.scanned - scanned).toBe(32);
      lru.drain();
      return freed;
    }
  }
  throw new Error('nothing was looked at');
}

const indices = Array.from({ length: 32 }, (_, n) => n + 10);

describe('reclaim looks at mapped pages', () => {
  let address: number;
  beforeEach(() => {
    address = sys.mmap(PAGES * PAGE_SIZE, RW, MAP.shared, fd, 0);
  });
  const at = (index: number): number => address + index * PAGE_SIZE;
  const touch = (index: number): void => run(sys.load(at(index), new Uint8Array(1), 0, 1));
  const isMapped = (index: number): boolean => sys.loadNow(at(index), new Uint8Array(1), 0, 1) === 1;
  /** All 32 have an entry; none of them was used since. */
  const mapAll = (): void => {
    for (const index of indices) touch(index);
    makeOldest(indices);
    for (const index of indices) {
      kernel.mm.map.clear(pfnOf(index), PG.referenced);
      for (const range of space.ranges) range.testAndClearYoung(index);
    }
  };

  it('reclaim looks at mapped pages activates those that were used through their entry, and takes the bit, so that they go the next time', () => {
    mapAll();
    for (const index of [10, 41]) touch(index);
    expect(look()).toBe(30);
    expect(agesOf([10, 11, 40, 41])).toEqual(['active', 'gone', 'gone', 'active']);
    expect(kernel.mm.cache.nrMapped).toBe(2);
    // Nobody has used them since.
    makeOldest([10, 41, ...indices.map((index) => index + 40).slice(0, 30)]);
    look();
    expect(agesOf([10, 41])).toEqual(['gone', 'gone']);
    expect(isMapped(10)).toBe(false);
    checkLists();
  });

  it('reclaim looks at mapped pages activates those that have the referenced bit, and takes it', () => {
    mapAll();
    kernel.mm.map.set(pfnOf(12), PG.referenced);
    expect(look()).toBe(31);
    expect(ageOf(12)).toBe('active');
    // Neither bit is left, but it is mapped still.
    expect(kernel.mm.cache.nrMapped).toBe(1);
    expect(isMapped(12)).toBe(true);
  });

  it('reclaim looks at mapped pages takes both bits of one that has both', () => {
    mapAll();
    touch(13);
    kernel.mm.map.set(pfnOf(13), PG.referenced);
    expect(look()).toBe(31);
    expect(ageOf(13)).toBe('active');
    for (const range of space.ranges) expect(range.testAndClearYoung(13)).toBe(false);
  });

  it('reclaim looks at mapped pages finds what was stored and used before the range was cut', () => {
    for (const index of [14, 40]) run(sys.store(at(index), one, 0, 1));
    run(sys.munmap(at(30), PAGE_SIZE));
    expect(kernel.stats.pagesDirty).toBe(0);
    expect(space.ranges.size).toBe(2);
    for (const index of [14, 40]) expect([...space.ranges].some((range) => range.testAndClearYoung(index))).toBe(true);
    // Both pieces lead on, without a fault, and what was stored becomes known.
    expect([14, 40].map((index) => sys.storeNow(at(index), one, 0, 1))).toEqual([1, 1]);
    run(sys.msync(address, 30 * PAGE_SIZE, MS.async));
    expect(kernel.stats.pagesDirty).toBe(1);
    run(sys.msync(at(31), 60 * PAGE_SIZE, MS.async));
    expect(kernel.stats.pagesDirty).toBe(2);
  });

  it('reclaim looks at mapped pages finds what was stored before the range was cut, though it is not touched again', () => {
    for (const index of [14, 40]) run(sys.store(at(index), one, 0, 1));
    run(sys.munmap(at(30), PAGE_SIZE));
    run(sys.msync(address, 30 * PAGE_SIZE, MS.async));
    run(sys.msync(at(31), 60 * PAGE_SIZE, MS.async));
    expect(kernel.stats.pagesDirty).toBe(2);
  });

  it('reclaim looks at mapped pages asks all ranges, and takes the bit of each', () => {
    const second = sys.mmap(PAGES * PAGE_SIZE, PROT.read, MAP.shared, fd, 0);
    mapAll();
    for (const index of [15, 16]) run(sys.load(second + index * PAGE_SIZE, new Uint8Array(1), 0, 1));
    for (const index of [15, 16]) kernel.mm.map.clear(pfnOf(index), PG.referenced);
    makeOldest(indices);
    for (const index of [15, 16]) touch(index);
    expect(look()).toBe(30);
    expect(agesOf([15, 16])).toEqual(['active', 'active']);
    for (const range of space.ranges) for (const index of [15, 16]) expect(range.testAndClearYoung(index)).toBe(false);
  });

  it('reclaim looks at mapped pages drops the entries of those that were not used, of all ranges, before it frees them', () => {
    const second = sys.mmap(PAGES * PAGE_SIZE, PROT.read, MAP.shared, fd, 0);
    mapAll();
    for (const index of indices) run(sys.load(second + index * PAGE_SIZE, new Uint8Array(1), 0, 1));
    mapAll();
    expect(look()).toBe(32);
    expect(kernel.mm.cache.nrMapped).toBe(0);
    for (const index of indices) {
      expect(sys.loadNow(second + index * PAGE_SIZE, new Uint8Array(1), 0, 1)).toBe(~0);
      expect(isMapped(index)).toBe(false);
    }
  });

  it('reclaim looks at mapped pages finds a store at the entry that it drops: the page is dirty, and is not freed', () => {
    mapAll();
    run(sys.store(at(20), one, 0, 1));
    for (const range of space.ranges) range.testAndClearYoung(20);
    expect(kernel.stats.pagesDirty).toBe(0);
    expect(look()).toBe(31);
    expect(isMapped(20)).toBe(false);
    const pfn = pfnOf(20);
    expect(pfn).toBeGreaterThanOrEqual(0);
    expect(kernel.mm.map.has(pfn, PG.dirty | PG.writeback)).toBe(true);
  });

  it('reclaim looks at mapped pages leaves pages that are mapped, active and used where they are, at the young end', () => {
    // Mapped: 80 of 768, 10 %: 5 + 60 + distress. At priority 1 that is 50: they are asked.
    for (let index = 0; index < 80; index++) touch(index);
    for (let index = 0; index < 80; index++) {
      clear(index);
      kernel.mm.lru.markAccessed(pfnOf(index));
      kernel.mm.lru.markAccessed(pfnOf(index));
      for (const range of space.ranges) range.testAndClearYoung(index);
    }
    const active = activePages(kernel.mm.map).length;
    const oldest = activePages(kernel.mm.map)[0]!;
    expect(oldest).toBeLessThan(machine.memory.nrPages);
    for (const index of [0, 2]) touch(index);
    const before = agesOf([0, 1, 2]);
    expect(before.every((age) => age.startsWith('active'))).toBe(true);
    kernel.mm.reclaim.shrinkZone(1, 1);
    const moved = active - activePages(kernel.mm.map).length;
    expect(moved).toBeGreaterThan(0);
    expect([ageOf(0), ageOf(2)].every((age) => age.startsWith('active'))).toBe(true);
    // Those that were used are the youngest now, in the order in which they were met.
    expect(activePages(kernel.mm.map).slice(-2)).toEqual([pfnOf(0), pfnOf(2)]);
    // Their bit was taken.
    for (const range of space.ranges) expect(range.testAndClearYoung(0)).toBe(false);
  });
});

describe('reclaim has a second look', () => {
  it('reclaim has a second look at a dirty page that was referenced: it stays, unreferenced, and is written the next time', () => {
    makeOldest(indices);
    run(sys.pwrite(fd, one, 0, 1, 20 * PAGE_SIZE));
    expect(ageOf(20)).toBe('inactive, referenced');
    expect(look()).toBe(31);
    expect(ageOf(20)).toBe('inactive');
    const { map } = kernel.mm;
    expect([map.has(pfnOf(20), PG.dirty), map.has(pfnOf(20), PG.writeback)]).toEqual([true, false]);
    // It went to the young end.
    expect(inactivePages(map).at(-1)).toBe(pfnOf(20));
    const writes = (): number => machine.requests.filter(({ operation }) => operation === 1).length;
    const before = writes();
    makeOldest([20, ...indices.map((index) => index + 40).slice(0, 31)]);
    expect(look()).toBe(31);
    expect(map.has(pfnOf(20), PG.dirty)).toBe(false);
    expect(map.has(pfnOf(20), PG.writeback)).toBe(true);
    run(sys.sync());
    expect(writes()).toBeGreaterThan(before);
    // And now it is like any other; its end of writing had it at the old end.
    expect(map.has(pfnOf(20), PG.writeback)).toBe(false);
    expect(inactivePages(map)[0]).toBe(pfnOf(20));
    look();
    expect(ageOf(20)).toBe('gone');
  });

  it('reclaim has no second look at anything else: a clean page that nobody maps goes though it was referenced', () => {
    makeOldest(indices);
    for (const index of indices) kernel.mm.map.set(pfnOf(index), PG.referenced);
    expect(look()).toBe(32);
  });

  it('reclaim activates a referenced page of a file that is mapped elsewhere, but has no entry itself', () => {
    const address = sys.mmap(PAGES * PAGE_SIZE, PROT.read, MAP.shared, fd, 0);
    makeOldest(indices);
    kernel.mm.map.set(pfnOf(33), PG.referenced);
    expect(look()).toBe(31);
    expect(ageOf(33)).toBe('active');
    run(sys.munmap(address, PAGES * PAGE_SIZE));
  });
});

describe('pages that go at once', () => {
  it('truncation, invalidation and the last unlink take pages from either list at once', () => {
    for (let n = 0; n < 2; n++) run(sys.pwrite(fd, one, 0, 1, 60 * PAGE_SIZE));
    expect(ageOf(60)).toBe('active');
    const [active, inactive] = [kernel.mm.lru.nrActive, kernel.mm.lru.nrInactive];
    run(sys.ftruncate(fd, 60 * PAGE_SIZE));
    expect(agesOf([59, 60, 61, 99])).toEqual(['inactive', 'gone', 'gone', 'gone']);
    expect([kernel.mm.lru.nrActive, kernel.mm.lru.nrInactive]).toEqual([active - 1, inactive - 39]);
    checkLists();
  });
});
