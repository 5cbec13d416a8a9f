// Slab caches, and what shrink_slab does to dentries and inodes when memory is short.
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { ModelError, Ns, type Pfn } from '../../../src/base/index.ts';
import { makeExt2 } from '../../../src/disk/mkfs/mkfs.ts';
import { directory, file, tree } from '../../../src/disk/mkfs/tree.ts';
import { type Kernel, MemoryManagement, NO_PAGE, PG, type Syscalls } from '../../../src/kernel/index.ts';
import { DentryCache, UNKNOWN } from '../../../src/kernel/fs/dcache.ts';
import type { MemorySupply } from '../../../src/kernel/cache/memory-supply.ts';
import { DENTRIES_PER_PAGE, INODES_PER_PAGE, SlabCache } from '../../../src/kernel/cache/slab.ts';
import type { Process } from '../../../src/sim/index.ts';
import { property } from '../../support/property.ts';
import { FakeMachine } from '../../support/fake-machine.ts';
import { checkMemory } from '../mm/memory-state.ts';

function sourceOf(mm: MemoryManagement): Pick<MemorySupply, 'allocate' | 'allocateWaiting'> {
  return {
    allocate: () => mm.allocate(),
    *allocateWaiting() {
      throw new Error('no memory');
    },
  };
}

describe('a slab cache', () => {
  property(
    'a slab cache holds exactly the pages that its objects need, and gives every one back',
    fc.integer({ min: 1, max: 5 }),
    fc.array(fc.oneof(fc.constant('now' as const), fc.constant('wait' as const), fc.nat(40)), { maxLength: 120 }),
    (perPage, steps) => {
      const mm = new MemoryManagement(60);
      mm.freeAll();
      const slab = new SlabCache(mm, sourceOf(mm), perPage);
      const objects: Pfn[] = [];
      for (const step of steps) {
        if (typeof step === 'number') {
          const [object] = objects.splice(step, 1);
          if (object !== undefined) slab.free(object);
        } else if (step === 'now') {
          const before = mm.allocator.freeCount;
          const object = slab.allocateNow();
          // Without waiting it leaves the last 32 pages alone.
          if (object === NO_PAGE) expect(before).toBeLessThanOrEqual(mm.allocator.marks.min);
          else objects.push(object);
        } else if (mm.allocator.freeCount > 0) objects.push(slab.allocate().next().value as Pfn);
        const used = new Map<Pfn, number>();
        for (const object of objects) used.set(object, (used.get(object) ?? 0) + 1);
        expect(Math.max(0, ...used.values())).toBeLessThanOrEqual(perPage);
        expect([slab.nrObjects, slab.nrPages]).toEqual([objects.length, used.size]);
        for (const page of used.keys()) expect(mm.map.flagsOf(page)).toBe(PG.reserved);
        checkMemory(mm, used.size);
      }
      for (const object of objects) slab.free(object);
      expect([slab.nrObjects, slab.nrPages, mm.allocator.freeCount]).toEqual([0, 0, 60]);
    },
  );
});

describe('prune_dcache', () => {
  it('prune_dcache passes over once what was used, and takes the oldest first', () => {
    const mm = new MemoryManagement(60);
    mm.freeAll();
    const dentries = new DentryCache(new SlabCache(mm, sourceOf(mm), DENTRIES_PER_PAGE));
    const known = (): string[] => ['a', 'b', 'c', 'd'].filter((name) => dentries.lookup(2, name) !== UNKNOWN);
    for (const name of ['a', 'b', 'c', 'd']) dentries.set(2, name, 12);
    dentries.scan(4);
    expect(dentries.nrObjects).toBe(4);
    dentries.lookup(2, 'a');
    dentries.lookup(2, 'c');
    // b and d, in that order, then a is passed over.
    dentries.scan(1);
    expect(dentries.nrObjects).toBe(3);
    dentries.scan(2);
    expect(dentries.nrObjects).toBe(2);
    expect(known()).toEqual(['a', 'c']);
    // Both were used again just now.
    dentries.scan(2);
    expect(dentries.nrObjects).toBe(2);
    dentries.scan(9);
    expect([dentries.nrObjects, mm.allocator.freeCount]).toEqual([0, 60]);
  });
});

const DIRECTORIES = 12;
const FILES = 120;

let machine: FakeMachine;
let kernel: Kernel;
let sys: Syscalls;

/** 1440 files of a page each: more than 768 pages of memory hold with their inodes. */
beforeEach(() => {
  const some = (d: number): [string, ReturnType<typeof directory>] => [
    `d${d}`,
    directory(Array.from({ length: FILES }, (_, f) => [`f${f}`, file(`${d}/${f}`)])),
  ];
  const image = makeExt2(tree(directory(Array.from({ length: DIRECTORIES }, (_, d) => some(d)))), { size: 16 << 20 });
  machine = new FakeMachine({ image });
  kernel = machine.run(machine.boot());
  sys = kernel.syscalls;
});

const run = <T>(process: Process<T>): T => machine.run(process);

function* readAll(directories = DIRECTORIES): Process {
  const buffer = new Uint8Array(64);
  for (let d = 0; d < directories; d++) {
    for (let f = 0; f < FILES; f++) {
      const fd = yield* sys.open(`/d${d}/f${f}`);
      const bytes = yield* sys.read(fd, buffer, 0, 64);
      if (new TextDecoder().decode(buffer.subarray(0, bytes)) !== `${d}/${f}`) throw new Error(`d${d}/f${f}`);
      yield* sys.close(fd);
    }
  }
}

/** Every page is free, in the cache, a slab's, or the kernel's own. */
function accounted(): number {
  const { pagesFree, pagesCached, pagesSlab } = kernel.stats;
  return pagesFree + pagesCached + pagesSlab;
}

describe('dentries and inodes', () => {
  it('dentries and inodes take pages while memory is ample', () => {
    const before = accounted();
    const { inodes, dentries } = kernel.stats;
    run(readAll(1));
    const { stats } = kernel;
    // The directory and its files.
    expect([stats.inodes - inodes, stats.dentries - dentries]).toEqual([FILES + 1, FILES + 1]);
    expect(stats.pagesSlab).toBe(
      Math.ceil(stats.inodes / INODES_PER_PAGE) + Math.ceil(stats.dentries / DENTRIES_PER_PAGE),
    );
    expect(accounted()).toBe(before);
  });

  it('dentries and inodes go when memory is short, and no page leaks', () => {
    const before = accounted();
    run(readAll());
    const { stats } = kernel;
    expect(stats.inodes).toBeLessThan(DIRECTORIES * FILES);
    expect(stats.dentries).toBeLessThan(DIRECTORIES * FILES);
    expect(accounted()).toBe(before);
    // What is read again is what it was.
    run(readAll());
    expect(accounted()).toBe(before);
  });

  it('dentries and inodes are dropped by drop_caches, those in use excepted, and with them every page that nobody uses', () => {
    const before = accounted();
    const fd = run(sys.open('/d3/f7'));
    run(readAll(2));
    sys.dropCaches();
    // The open file; its page, and all others, are gone, except the superblock's and the group
    // descriptors'.
    expect(kernel.stats).toMatchObject({ inodes: 1, dentries: 0, pagesSlab: 1 });
    expect(kernel.stats.pagesCached).toBeLessThan(6);
    expect(accounted()).toBe(before);
    const buffer = new Uint8Array(8);
    expect(run(sys.read(fd, buffer, 0, 8))).toBe(3);
    run(sys.close(fd));
    sys.dropCaches();
    expect(kernel.stats).toMatchObject({ inodes: 0, pagesSlab: 0 });
  });

  it('dentries and inodes fail with ENOMEM when nothing can be freed, take nothing along, and work again when there is memory', () => {
    run(readAll(1));
    sys.dropCaches();
    const { allocator, map } = kernel.mm;
    const before = accounted();
    const taken: Pfn[] = [];
    const hog = (leave: number): void => {
      while (allocator.freeCount > leave) {
        const pfn = allocator.take();
        map.set(pfn, PG.reserved);
        taken.push(pfn);
      }
    };
    hog(0);
    const errnos = new Set<string>();
    const attempt = (process: Process<unknown>): void => {
      try {
        run(process);
      } catch (error) {
        if (!(error instanceof ModelError)) throw error;
        errnos.add(error.code);
      }
    };
    for (const path of ['/d0/f0', '/d1/f1', '/new']) attempt(sys.open(path, 0o102));
    attempt(sys.stat('/d0/f1'));
    expect([...errnos]).toEqual(['ENOMEM']);
    // Naps were taken before: a round of passes has ten of 100 ms.
    expect(machine.simulation.now).toBeGreaterThan(Ns(300_000_000));
    for (const pfn of taken) {
      map.clear(pfn, PG.reserved);
      allocator.free(pfn);
    }
    expect(accounted()).toBe(before);
    run(readAll(2));
    sys.dropCaches();
    expect(kernel.stats).toMatchObject({ inodes: 0, dentries: 0, pagesSlab: 0 });
  });

  it('dentries and inodes are given back when what they are for cannot be read', () => {
    sys.dropCaches();
    for (let block = 0; block < 4096; block++) machine.badBlocks.add(block);
    expect(() => run(sys.stat('/d0/f0'))).toThrow(/EIO/);
    machine.badBlocks.clear();
    run(sys.stat('/d0'));
    for (let block = 0; block < 4096; block++) machine.badBlocks.add(block);
    expect(() => run(sys.stat('/d0/f0'))).toThrow(/EIO/);
    sys.dropCaches();
    expect(kernel.stats).toMatchObject({ inodes: 0, dentries: 0, pagesSlab: 0 });
  });
});
