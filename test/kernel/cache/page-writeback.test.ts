// When dirty pages are written: thresholds, expiry, fsync, reclaim, errors.
import { beforeEach, describe, expect, it } from 'vitest';
import { type Ino, ModelError, Ns, PAGE_SIZE, type Pfn } from '../../../src/base/index.ts';
import { makeExt2 } from '../../../src/disk/mkfs/mkfs.ts';
import { directory, tree } from '../../../src/disk/mkfs/tree.ts';
import { type Kernel, O, PG, type Syscalls } from '../../../src/kernel/index.ts';
import type { Mapping } from '../../../src/kernel/cache/mapping.ts';
import type { Process } from '../../../src/sim/index.ts';
import { BlkifOp, BlkifStatus } from '../../../src/xen/public/index.ts';
import { FakeMachine, type RingRequest } from '../../support/fake-machine.ts';
import { type Rig, rig } from './page-io-rig.ts';

const SECOND = 1_000_000_000;
let machine: FakeMachine;
let kernel: Kernel;
let sys: Syscalls;
let fd: number;
const page = new Uint8Array(PAGE_SIZE).fill(9);

function start(nrPages = 2000): void {
  machine = new FakeMachine({ image: makeExt2(tree(directory([])), { size: 32 << 20 }), nrPages });
  kernel = machine.run(machine.boot());
  sys = kernel.syscalls;
  fd = machine.run(sys.open('/f', O.rdwr | O.creat));
}

const writes = (): number =>
  machine.requests
    .filter(({ operation }) => operation === BlkifOp.write)
    .reduce((sum, { pages }) => sum + pages.length, 0);

function* sleep(seconds: number): Process {
  yield Ns(seconds * SECOND);
}

function writePages(first: number, count: number): void {
  for (let i = first; i < first + count; i++) machine.run(sys.pwrite(fd, page, 0, PAGE_SIZE, i * PAGE_SIZE));
}

beforeEach(() => start());

it('a file of which pages are lost has blocks taken from them once, by the first that waits for it', () => {
  const { writeback, mapping, start } = rig();
  const answers: boolean[] = [];
  mapping.space.hasLost = true;
  start(
    (function* (): Process {
      for (let i = 0; i < 3; i++) answers.push(yield* writeback.waitPages(mapping));
    })(),
  );
  expect(answers).toEqual([true, false, false]);
});

describe('kupdate', () => {
  it('kupdate writes nothing before it has been dirty for 30 s, and all of it within 35', () => {
    writePages(0, 3);
    machine.run(sleep(29));
    expect(writes()).toBe(0);
    machine.run(sleep(7));
    expect(writes()).toBeGreaterThanOrEqual(3);
    // Writing the inode made its block dirty: that has 30 s of its own.
    machine.run(sleep(35));
    expect(kernel.stats.pagesDirty).toBe(0);
  });

  it('kupdate looks every 5 s, and not in between', () => {
    writePages(0, 1);
    machine.run(sleep(4));
    writePages(1, 1);
    const seen: number[] = [];
    for (let at = 5; at <= 40; at++) {
      machine.run(sleep(1));
      seen.push(writes());
    }
    const changes = seen.flatMap((count, i) => (count === (seen[i - 1] ?? 0) ? [] : [i]));
    expect(changes).toHaveLength(2);
    expect(changes[1]! - changes[0]!).toBe(5);
  });

  it('kupdate has no timer while nothing is dirty', () => {
    machine.run(sys.sync());
    machine.run(sleep(60));
    const before = machine.simulation.eventCount;
    machine.run(sleep(1000));
    expect(machine.simulation.eventCount - before).toBeLessThan(10);
  });
});

describe('thresholds', () => {
  it('background writeout begins above 10 % of memory and leaves the rest dirty', () => {
    writePages(0, 150);
    machine.run(sleep(1));
    expect(writes()).toBe(0);
    writePages(150, 150);
    machine.run(sleep(1));
    expect(writes()).toBeGreaterThan(0);
    expect(kernel.mm.cache.nrDirty).toBeLessThanOrEqual(200);
  });

  it('a writer never gets further ahead than 40 % of memory and what he may dirty unasked', () => {
    let most = 0;
    for (let i = 0; i < 1500; i++) {
      machine.run(sys.pwrite(fd, page, 0, PAGE_SIZE, i * PAGE_SIZE));
      most = Math.max(most, kernel.mm.cache.nrDirty + kernel.mm.cache.nrWriteback);
    }
    expect(most).toBeLessThanOrEqual(800 + 64);
  });
});

describe('memory that is mapped', () => {
  // Half of what is not mapped, at least 5 and at most 40 %. The background threshold is half of
  // that when it would not be below.
  it.each([
    [0, 40, 10],
    [700, 32, 10],
    [1300, 17, 10],
    [1700, 7, 10],
    [1750, 6, 3],
  ])(
    'a memory with %i mapped pages of 2000 stops a writer at %i percent, and begins background writeout at %i',
    (mapped, dirtyRatio, backgroundRatio) => {
      start();
      const { cache } = kernel.mm;
      Object.defineProperty(cache, 'nrMapped', { get: () => mapped });
      let most = 0;
      for (let i = 0; i < 1200; i++) {
        machine.run(sys.pwrite(fd, page, 0, PAGE_SIZE, i * PAGE_SIZE));
        most = Math.max(most, cache.nrDirty + cache.nrWriteback);
      }
      // What a writer may dirty between two looks: a 32nd of memory.
      expect(most).toBeLessThanOrEqual((dirtyRatio * 2000) / 100 + 62);
      machine.run(sleep(2));
      expect(cache.nrDirty).toBeLessThanOrEqual((backgroundRatio * 2000) / 100 + 62);
    },
  );
});

describe('an inode that kupdate could not write wholly', () => {
  it('an inode that kupdate could not write wholly keeps its age: what was in use is written in the next round', () => {
    writePages(0, 3);
    machine.run(sleep(29));
    const { mm } = kernel;
    const space = mm.cache.spaceOf([...Array(2000).keys()].find((pfn) => mm.map.has(pfn as Pfn, PG.dirty)) as Pfn);
    const busy = mm.cache.find(space, 1);
    mm.map.set(busy, PG.locked);
    machine.run(sleep(7));
    expect(mm.map.has(busy, PG.dirty)).toBe(true);
    mm.map.clear(busy, PG.locked);
    machine.run(sleep(6));
    expect(mm.map.has(busy, PG.dirty)).toBe(false);
  });
});

describe('fsync', () => {
  it('fsync writes the file’s pages in order, in requests as long as the ring allows, its inode, and flushes the drive', () => {
    writePages(0, 12);
    machine.requests.length = 0;
    machine.run(sys.fsync(fd));
    const written = machine.requests.filter(({ operation }) => operation === BlkifOp.write);
    expect(written.map(({ pages }) => pages.length).sort()).toEqual([1, 1, 11]);
    expect(machine.requests.at(-1)!.operation).toBe(BlkifOp.flush);
    machine.requests.length = 0;
    machine.run(sys.fsync(fd));
    expect(writes()).toBe(0);
  });

  it('fsync tells of a write that failed, once; a page that had its block stays up to date and is not dirty', () => {
    writePages(0, 1);
    machine.run(sys.fsync(fd));
    writePages(0, 1);
    const block = 4096;
    for (let i = 0; i < block; i++) machine.badBlocks.add(i);
    expect(() => machine.run(sys.fsync(fd))).toThrow(expect.objectContaining({ code: 'EIO' }));
    const { map, cache } = kernel.mm;
    const pfn = [...Array(2000).keys()].find(
      (each) => map.has(each as Pfn, PG.error) && cache.spaceOf(each as Pfn).ino === sys.fstat(fd).ino,
    ) as Pfn;
    expect(map.has(pfn, PG.uptodate)).toBe(true);
    expect(map.has(pfn, PG.dirty | PG.writeback | PG.locked)).toBe(false);
    expect(cache.indexOf(pfn)).toBe(0);
    machine.badBlocks.clear();
    machine.run(sys.fsync(fd));
    const seen = new Uint8Array(PAGE_SIZE);
    expect(sys.preadNow(fd, seen, 0, PAGE_SIZE, 0)).toBe(PAGE_SIZE);
    expect(seen).toEqual(page);
  });
});

describe('a page that is written to while it is under writeback', () => {
  it('a page that is written to while it is under writeback is dirty when that write has ended, and is written again', () => {
    writePages(0, 1);
    machine.requests.length = 0;
    const newer = new Uint8Array(PAGE_SIZE).fill(5);
    let dirtied = false;
    machine.simulation.spawn(
      'meanwhile',
      (function* () {
        while (kernel.mm.cache.nrWriteback === 0) yield Ns(100);
        dirtied = sys.pwriteNow(fd, newer, 0, PAGE_SIZE, 0) === PAGE_SIZE;
      })(),
    );
    machine.run(sys.fdatasync(fd));
    expect(dirtied).toBe(true);
    expect(kernel.mm.cache.nrDirty).toBeGreaterThan(0);
    machine.run(sys.fsync(fd));
    sys.dropCaches();
    const seen = new Uint8Array(PAGE_SIZE);
    expect(sys.preadNow(fd, seen, 0, PAGE_SIZE, 0)).toBeLessThan(0);
    machine.run(sys.pread(fd, seen, 0, PAGE_SIZE, 0));
    expect(seen).toEqual(newer);
  });
});

describe('reclaim', () => {
  it('reclaim begins to write dirty pages at the old end, and frees them when it meets them again', () => {
    start(700);
    writePages(0, 60);
    const { mm } = kernel;
    mm.lru.drain();
    for (let i = 0; i < 3; i++) mm.reclaim.tryToFreePages(1000);
    expect(mm.cache.nrWriteback).toBeGreaterThan(0);
    machine.run(sleep(1));
    const before = mm.reclaim.reclaimed;
    mm.reclaim.tryToFreePages(1000);
    expect(mm.reclaim.reclaimed).toBeGreaterThan(before);
  });
});

/** The first `count` pages of a file are dirty, and have blocks. */
function makeDirty({ mm, writeback }: Rig, mapping: Mapping, count: number): void {
  for (let index = 0; index < count; index++) {
    const pfn = mm.allocator.take();
    mm.cache.add(mapping.space, index, pfn);
    mm.cache.setUptodate(pfn);
    mm.map.set(pfn, PG.hasBlock);
    writeback.markPageDirty(mapping, pfn);
  }
}

it('a page that goes while no place is found for it leaves its file the error, and nothing else', () => {
  const given = rig();
  const { mm, mapping, writeback, start } = given;
  makeDirty(given, mapping, 1);
  const pfn = mm.cache.find(mapping.space, 0);
  mm.map.clear(pfn, PG.hasBlock);
  const full: Mapping = {
    ...mapping,
    allocate: function* () {
      mm.cache.clearDirty(pfn);
      mm.discard([pfn]);
      throw new ModelError('ENOSPC', 'of a test');
    },
  };
  let isOver = false;
  start(
    (function* (): Process {
      yield* writeback.writePages(full, true);
      isOver = true;
    })(),
  );
  expect([isOver, mapping.space.error, writeback.pagesLost, mm.cache.nrPages]).toEqual([true, 'ENOSPC', 1, 0]);
});

describe('a page that became dirty while it is under writeback', () => {
  it.each([
    ['written again by a caller who waits', true, 2],
    ['left to the next by one who does not', false, 1],
  ])('a page that became dirty while it is under writeback is %s', (_, waits, count) => {
    const given = rig();
    const { mm, mapping, writeback, start, serve, blocks } = given;
    makeDirty(given, mapping, 1);
    start(writeback.writePages(mapping, false));
    writeback.markPageDirty(mapping, mm.cache.find(mapping.space, 0));
    let isOver = false;
    start(
      (function* (): Process {
        yield* writeback.writePages(mapping, waits);
        isOver = true;
      })(),
    );
    expect(isOver).toBe(!waits);
    serve();
    expect([isOver, blocks, mm.cache.nrDirty]).toEqual([true, Array(count).fill(1000), 2 - count]);
  });
});

it('sync empties the cache of the drive after the pages have arrived there, and not before', () => {
  const given = rig();
  const { writeback, mapping, start, machine, runFor } = given;
  makeDirty(given, mapping, 3);
  let isOver = false;
  start(
    (function* (): Process {
      yield* writeback.sync(mapping);
      isOver = true;
    })(),
  );
  const taken: number[][] = [];
  for (let requests = machine.backend!.take(); requests.length > 0; requests = machine.backend!.take()) {
    taken.push([...new Set(requests.map(({ operation }) => operation))]);
    for (const { id, operation } of requests) machine.backend!.answer(id, operation, BlkifStatus.ok);
    expect(isOver).toBe(false);
    machine.backend!.notify();
    runFor(0.05);
  }
  expect(taken).toEqual([[BlkifOp.write], [BlkifOp.flush]]);
  expect(isOver).toBe(true);
});

describe('rounds of 1024 pages', () => {
  /**
   * Two files, each in a row on the device, of which the first became dirty first; and memory is
   * large.
   */
  function twoFiles(first: number, second: number): Rig {
    const given = rig(10_000, 0);
    [first, second].forEach((count, n) => {
      const space = given.mm.cache.open((6 + n) as Ino, 0, true, given.writeback);
      makeDirty(given, { ...given.mapping, space, pageCount: count, blockNow: (index) => 10_000 * n + index }, count);
    });
    return given;
  }

  it.each([
    // What is left of the first file waits behind the second; what is left of a round goes to the
    // second.
    [1023, ['first 1023', 'second 20']],
    [1024, ['first 1024', 'second 20']],
    [1025, ['first 1024', 'second 20', 'first 1']],
    [2048, ['first 1024', 'second 20', 'first 1024']],
    [2049, ['first 1024', 'second 20', 'first 1025']],
  ])('background writeout takes %i pages of a file and 20 of another in turns', (count, expected) => {
    const given = twoFiles(count, 20);
    const { mm, limits, machine, runFor } = given;
    limits.start();
    const runs: { name: string; pages: number }[] = [];
    // Reclaim wants more written than there is.
    machine.simulation.spawn('nap', limits.nap(10_000));
    for (let i = 0; i < 400 && mm.cache.nrDirty + mm.cache.nrWriteback > 0; i++) {
      runFor(0.001);
      for (const { id, operation, sector, pages } of machine.backend!.take()) {
        const name = sector / 8 < 10_000 ? 'first' : 'second';
        if (runs.at(-1)?.name === name) runs.at(-1)!.pages += pages.length;
        else runs.push({ name, pages: pages.length });
        machine.backend!.answer(id, operation, BlkifStatus.ok);
      }
      machine.backend!.notify();
    }
    expect(runs.map(({ name, pages }) => `${name} ${pages}`)).toEqual(expected);
  });

  it.each([1023, 1024, 1025, 2048, 2049])('kupdate writes %i old pages at once', (count) => {
    const given = twoFiles(count, 20);
    const { mm, limits, runFor, serve } = given;
    // So few that background writeout does not begin.
    Object.defineProperty(mm.map, 'nrPages', { value: 100_000 });
    limits.start();
    runFor(29.9);
    expect(mm.cache.nrDirty).toBe(count + 20);
    runFor(0.2);
    serve();
    expect([mm.cache.nrDirty, mm.cache.nrWriteback]).toEqual([0, 0]);
    expect(given.machine.simulation.now).toBeLessThan(34e9);
  });
});

describe('a writer looks at the thresholds', () => {
  it.each([
    [511, 16],
    [543, 16],
    [544, 17],
    [2000, 62],
    [32_767, 1023],
    [32_768, 1024],
    [32_800, 1024],
    [40_000, 1024],
  ])('a writer in a memory of %i pages looks at the thresholds after %i that became dirty', (nrPages, count) => {
    const { writeback, limits, start } = rig(nrPages, 0);
    const isDueAt = (pages: number): boolean => {
      writeback.pagesDirtied = pages;
      return limits.isDue;
    };
    expect([count - 1, count].map(isDueAt)).toEqual([false, true]);
    start(limits.balance());
    expect([2 * count - 1, 2 * count].map(isDueAt)).toEqual([false, true]);
  });
});

describe('a device that does not keep up', () => {
  /** `count` pages of the file are dirty, each with a block of its own. */
  function dirty(count: number): Rig {
    const given = rig(768, count);
    makeDirty(given, given.mapping, count);
    return given;
  }

  it.each([
    ['asleep at', 76, 0],
    ['woken above', 77, 77],
  ])('background writeout is %s a tenth of memory', (_, pages, written) => {
    const { mm, limits, start } = dirty(pages);
    limits.start();
    start(limits.balance(), 1);
    expect([mm.cache.nrWriteback, mm.cache.nrDirty]).toEqual([written, pages - written]);
  });

  it('a writer above the threshold leaves after 1.5 times what he may dirty between two looks', () => {
    const { mm, limits, start, writeback } = dirty(330);
    let hasLeft = false;
    start(
      (function* () {
        yield* limits.balance();
        hasLeft = true;
      })(),
    );
    // 307 pages are 40 % of memory; 24 are a 32nd.
    expect([hasLeft, mm.cache.nrWriteback, mm.cache.nrDirty]).toEqual([true, 36, 330 - 36]);
    // Memory is as dirty as before: the next look is due after 8 pages.
    const isDueAfter = (pages: number): boolean => {
      writeback.pagesDirtied += pages;
      return limits.isDue;
    };
    expect([7, 1].map(isDueAfter)).toEqual([false, true]);
  });

  it('a writer above the threshold waits where nothing is left to be written but writes in flight, until they are few enough', () => {
    const { mm, mapping, writeback, limits, start, serve } = dirty(330);
    let hasLeft = false;
    start(writeback.writePages(mapping, false), 1);
    expect(mm.cache.nrDirty + mm.cache.nrWriteback).toBe(330);
    start(
      (function* () {
        while (mm.cache.nrDirty > 0) yield Ns(1_000_000);
        yield* limits.balance();
        hasLeft = true;
      })(),
      1,
    );
    expect(hasLeft).toBe(false);
    serve();
    expect(hasLeft).toBe(true);
  });

  it('a nap while nothing is written lasts 100 ms, whatever write begins and ends meanwhile', () => {
    const { machine, mm, limits, mapping, queue, writeback, start, serve, runFor } = dirty(1);
    const { simulation } = machine;
    const began = simulation.now;
    let sleptNs = 0;
    start(
      (function* (): Process {
        yield* limits.nap(0);
        sleptNs = simulation.now - began;
      })(),
      0.01,
    );
    start(writeback.writePages(mapping, false), 0.01);
    queue.unplug();
    serve();
    expect([sleptNs, mm.cache.nrDirty, mm.cache.nrWriteback]).toEqual([0, 0, 0]);
    runFor(1);
    expect(sleptNs).toBe(100_000_000);
  });

  it('background writeout leaves off at a congested queue, within a file, and goes on when it is no longer', () => {
    const { machine, mm, mapping, queue, writeback, limits, start, runFor } = dirty(300);
    limits.start();
    start(limits.balance(), 3);
    // 113 of 128 requests, and the one that was being made.
    expect([queue.isCongested(BlkifOp.write), queue.isFull(BlkifOp.write), mm.cache.nrWriteback]).toEqual([
      true,
      false,
      114,
    ]);
    const taken: RingRequest[] = [];
    const answer = (count: number): void => {
      for (let i = 0; i < count; i++) {
        if (taken.length === 0) taken.push(...machine.backend!.take());
        const { id, operation } = taken.shift()!;
        machine.backend!.answer(id, operation, BlkifStatus.ok);
        machine.backend!.notify();
      }
      runFor(0.05);
    };
    answer(11);
    expect([queue.isCongested(BlkifOp.write), mm.cache.nrWriteback]).toEqual([true, 103]);
    answer(1);
    expect([queue.isCongested(BlkifOp.write), mm.cache.nrWriteback]).toEqual([true, 114]);
    // A writer that must write every page waits for room, two pages in hand.
    start(writeback.writePages(mapping, true), 0.01);
    expect([queue.isFull(BlkifOp.write), mm.cache.nrWriteback]).toEqual([true, 128 + 2]);
  });
});
