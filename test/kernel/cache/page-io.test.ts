// Pages and their I/O where processes get in each other's way: a full queue, a page that goes,
// memory that runs out.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ModelError, Ns, type Pfn } from '../../../src/base/index.ts';
import { NO_PAGE, PG, RA_MAX } from '../../../src/kernel/index.ts';
import { HOLE, type Mapping, NEEDS_METADATA, noteError } from '../../../src/kernel/cache/mapping.ts';
import type { Process } from '../../../src/sim/index.ts';
import { BlkifStatus } from '../../../src/xen/public/index.ts';
import { property } from '../../support/property.ts';
import { PAGES, rig } from './page-io-rig.ts';

const row = (from: number, end: number): number[] => Array.from({ length: end - from }, (_, i) => from + i);

describe('two readers of one range behind a full queue', () => {
  it('two readers of one range behind a full queue read each page once: whoever waited looks again', () => {
    const { machine, mm, io, mapping, blocks, start, serve } = rig();
    const done: string[] = [];
    const reader = function* (name: string, from: number): Process {
      yield* io.readPages(mapping, from, PAGES - from, false);
      done.push(name);
    };
    // 128 requests fill the queue: the first reader waits with page 128 in hand, the second with
    // page 129.
    start(reader('first', 0));
    start(reader('second', 120));
    expect(done).toEqual([]);
    expect(row(0, PAGES).filter((index) => mm.cache.find(mapping.space, index) !== NO_PAGE).length).toBeGreaterThan(
      128,
    );
    serve();
    machine.simulation.run();
    serve();
    expect(done.sort()).toEqual(['first', 'second']);
    expect([...blocks].sort((a, b) => b - a)).toEqual(row(0, PAGES).map((index) => 1000 - 3 * index));
    expect(row(0, PAGES).every((index) => io.find(mapping.space, index) !== undefined)).toBe(true);
    expect(io.counts).toEqual({ data: PAGES, metadata: 0 });
  });
});

describe('getPage', () => {
  it('many waiters of one page cause one read and all get it', () => {
    const { io, mapping, blocks, start, serve } = rig();
    const got: Pfn[] = [];
    for (let i = 0; i < 3; i++)
      start(
        (function* (): Process {
          got.push(yield* io.getPage(mapping, 7));
        })(),
      );
    expect(got).toEqual([]);
    serve();
    expect(blocks).toEqual([1000 - 21]);
    expect([got.length, new Set(got).size]).toEqual([3, 1]);
  });

  it('a failed read is EIO for the one who read; another reads again', () => {
    const { io, mapping, blocks, start, serve } = rig();
    const answers: string[] = [];
    const reader = function* (): Process {
      try {
        yield* io.getPage(mapping, 0);
        answers.push('ok');
      } catch (error) {
        answers.push(error instanceof ModelError ? error.code : String(error));
      }
    };
    start(reader());
    serve(BlkifStatus.error);
    start(reader());
    serve();
    expect([answers, blocks]).toEqual([
      ['EIO', 'ok'],
      [1000, 1000],
    ]);
  });

  it('getPage waits for memory and gives up with ENOMEM when everything stays locked', () => {
    const { machine, mm, io, mapping, start } = rig(100);
    while (mm.allocate() !== NO_PAGE);
    let code = '';
    start(
      (function* (): Process {
        try {
          yield* io.getPage(mapping, 0);
        } catch (error) {
          code = error instanceof ModelError ? error.code : String(error);
        }
      })(),
    );
    expect(code).toBe('ENOMEM');
    // Three rounds; there was nothing to look at, so each naps once, 100 ms.
    expect(machine.simulation.now).toBeGreaterThanOrEqual(300_000_000);
    expect(mm.cache.nrPages).toBe(0);
  });

  it('readahead that has no memory leaves the rest out and does not fail', () => {
    const { mm, io, mapping, start, serve } = rig(100);
    while (mm.allocator.freeCount > 4) mm.allocator.take();
    start(io.readAhead(mapping, 0, 32));
    serve();
    expect(row(0, 32).filter((index) => io.find(mapping.space, index) !== undefined)).toEqual(row(0, 4));
  });
});

describe('a file with holes of which pages were kept', () => {
  it('a file with holes has each page that was kept in its own place, and a hole asks for none', () => {
    const { mm, preserved, io, mapping, blocks, start, serve } = rig(768, 8, [0, 3, 4, 5, 7]);
    const holes: Mapping = { ...mapping, blockNow: (index) => ([1, 2, 5].includes(index) ? HOLE : 1000 - 3 * index) };
    const pageOf = (index: number): Pfn => mm.cache.find(mapping.space, index);
    // A window of holes alone.
    start(io.readPages(holes, 1, 2, false));
    expect([preserved.unclaimed, blocks]).toEqual([5, []]);
    // Page 4 is in the cache before the others are claimed.
    start(io.readPages(holes, 4, 1, false));
    start(io.readPages(holes, 0, 8, false));
    serve();
    expect([0, 3, 4, 7].map(pageOf)).toEqual([100, 103, 104, 107]);
    expect([blocks, preserved.unclaimed]).toEqual([[1000 - 18], 1]);
    expect(row(0, 8).every((index) => io.find(mapping.space, index) !== undefined)).toBe(true);
  });
});

describe('memory that falls low', () => {
  it('memory that falls below the low watermark wakes who waits for that, and memory that is there does not', () => {
    const { machine, mm, supply } = rig();
    const { allocator } = mm;
    let isAwake = false;
    machine.simulation.spawn(
      'waiter',
      (function* (): Process {
        yield supply.memoryLow;
        isAwake = true;
      })(),
    );
    const isAwakeAt = (free: number): boolean => {
      while (allocator.freeCount > free + 1) allocator.take();
      machine.simulation.run();
      supply.allocate();
      machine.simulation.run();
      return isAwake;
    };
    const { low } = allocator.marks;
    expect([isAwakeAt(low + 9), isAwakeAt(low), isAwakeAt(low - 1)]).toEqual([false, false, true]);
  });
});

describe('grabPage', () => {
  it('grabPage has a page locked at once when no process holds it, else when it is let go', () => {
    const { mm, io, mapping, start, runFor } = rig();
    const got: Pfn[] = [];
    const grab = function* (): Process {
      got.push(yield* io.grabPage(mapping, 3));
    };
    start(grab());
    start(grab());
    expect(got).toEqual([mm.cache.find(mapping.space, 3)]);
    for (const count of [2, 3]) {
      io.locks.unlock(got[0]!);
      if (count === 3) start(grab());
      runFor(1);
      expect([got.length, mm.map.has(got[0]!, PG.locked)]).toEqual([count, true]);
    }
    expect(new Set(got).size).toBe(1);
  });

  it('grabPage has the page that another process brought in while it waited for memory', () => {
    let napped: () => void = () => undefined;
    const { mm, io, mapping, start } = rig(
      100,
      PAGES,
      [],
      () =>
        function* () {
          napped();
        },
    );
    const taken: Pfn[] = [];
    for (let pfn = mm.allocate(); pfn !== NO_PAGE; pfn = mm.allocate()) taken.push(pfn);
    const [theirs, freed] = taken as [Pfn, Pfn];
    napped = () => {
      mm.cache.add(mapping.space, 3, theirs);
      // Reclaim leaves it.
      mm.map.set(theirs, PG.pinned);
      mm.allocator.free(freed);
    };
    const got: Pfn[] = [];
    start(
      (function* (): Process {
        got.push(yield* io.grabPage(mapping, 3));
      })(),
    );
    expect([got, mm.allocator.freeCount]).toEqual([[theirs], 1]);
  });
});

describe('tryGrab', () => {
  it('tryGrab makes a page while memory is above the low watermark, and none at it', () => {
    const { mm, io, mapping } = rig();
    const { allocator } = mm;
    while (allocator.freeCount > allocator.marks.low + 1) allocator.take();
    const pfn = io.tryGrab(mapping, 3)!;
    expect([mm.cache.find(mapping.space, 3), mm.map.has(pfn, PG.locked)]).toEqual([pfn, true]);
    expect([io.tryGrab(mapping, 4), mm.cache.find(mapping.space, 4)]).toEqual([undefined, NO_PAGE]);
    // One that is cached needs no memory.
    expect(io.tryGrab(mapping, 3)).toBeUndefined();
    io.locks.unlock(pfn);
    expect(io.tryGrab(mapping, 3)).toBe(pfn);
  });
});

describe('dropPage', () => {
  it.each([
    ['locked', PG.locked],
    ['under writeback', PG.writeback],
  ])('dropPage waits for a page that is %s, and takes it out unwritten', (_, flag) => {
    const { mm, io, mapping, writeback, start, runFor, serve, blocks } = rig();
    const pfn = mm.allocate();
    mm.cache.add(mapping.space, 3, pfn);
    mm.cache.setUptodate(pfn);
    mm.map.set(pfn, PG.hasBlock | PG.pinned);
    writeback.markPageDirty(mapping, pfn);
    if (flag === PG.locked) mm.map.set(pfn, PG.locked);
    else mm.cache.setWriteback(pfn);
    const free = mm.allocator.freeCount;
    let isOver = false;
    start(
      (function* (): Process {
        yield* io.dropPage(mapping, 3);
        isOver = true;
      })(),
    );
    expect([isOver, mm.cache.find(mapping.space, 3)]).toEqual([false, pfn]);
    if (flag === PG.locked) io.locks.unlock(pfn);
    else {
      mm.cache.endWriteback(pfn);
      io.locks.wake(pfn);
    }
    runFor(1);
    serve();
    expect([isOver, mm.cache.find(mapping.space, 3), mm.cache.nrDirty]).toEqual([true, NO_PAGE, 0]);
    expect([mm.allocator.freeCount - free, blocks]).toEqual([1, []]);
    isOver = false;
    start(io.dropPage(mapping, 3));
    expect(mm.allocator.freeCount - free).toBe(1);
  });
});

describe('a wait for a page', () => {
  it('a wait for a page is not for the page that its frame has become while the waiter used the processor', () => {
    const { machine, mm, io, mapping } = rig();
    const { simulation } = machine;
    const old = mm.allocate();
    mm.map.set(old, PG.locked);
    mm.cache.add(mapping.space, 1, old);
    // The kernel has worked up to the wait.
    machine.env.cpu.charge(1000);
    const waiter = simulation.spawn('waiter', io.locks.wait(old));
    simulation.step();
    // Its read ends, it is reclaimed, and another process reads another page into the frame.
    io.locks.unlock(old);
    mm.discard([old]);
    expect(mm.allocate()).toBe(old);
    mm.map.set(old, PG.locked);
    mm.cache.add(mapping.space, 2, old);
    const other = simulation.spawn('other', io.locks.wait(old));
    simulation.run();
    expect([waiter.isOver, other.isOver]).toEqual([true, false]);
    expect(simulation.whoWaits()).toContain('other waits for page 2 of inode 5, which is locked');
  });
});

describe('the error of a file', () => {
  it('the error of a file that is kept is EIO, or else ENOSPC, and no defect', () => {
    const errorAfter = (...codes: ('ENOSPC' | 'EIO' | 'ENOMEM')[]): string | undefined => {
      const { space } = rig().mapping;
      for (const code of codes) noteError(space, new ModelError(code, 'of a test'));
      return space.error;
    };
    expect(errorAfter()).toBeUndefined();
    expect(errorAfter('ENOSPC')).toBe('ENOSPC');
    for (const codes of [['EIO', 'ENOSPC'], ['ENOSPC', 'EIO'], ['ENOMEM']] as const)
      expect(errorAfter(...codes), codes.join()).toBe('EIO');
    expect(() => {
      noteError(rig().mapping.space, new RangeError('a defect'));
    }).toThrow('a defect');
  });
});

describe('a map that changes while a reader waits for metadata', () => {
  it('a map that changes while a reader waits for metadata is looked up again: no page is read from where it was', () => {
    const { mm, io, mapping, start, serve, blocks } = rig();
    let version = 0;
    let moved = 0;
    const changing: Mapping = {
      ...mapping,
      get mapVersion() {
        return version;
      },
      blockNow: (index) => (index === 3 && version === 0 ? NEEDS_METADATA : 1000 - 3 * index + moved),
      loadMetadata: function* () {
        yield Ns(10);
        version++;
        moved = 1;
      },
    };
    let found: Pfn = NO_PAGE;
    start(
      (function* () {
        yield* io.readAhead(changing, 0, 6);
        found = yield* io.getPage(changing, 0);
      })(),
    );
    serve();
    expect(mm.cache.find(changing.space, 0)).toBe(found);
    expect(blocks.length).toBeGreaterThan(0);
    for (const block of blocks) expect((block - 1) % 3).toBe(1000 % 3);
  });

  it('a map that changes while a reader waits for memory leaves the page unread', () => {
    const taken: Pfn[] = [];
    let version = 0;
    const { mm, io, mapping, start, serve, blocks } = rig(
      undefined,
      undefined,
      [],
      () =>
        function* () {
          yield Ns(10);
          version = 1;
          for (const pfn of taken.splice(0)) {
            mm.map.clear(pfn, PG.reserved);
            mm.allocator.free(pfn);
          }
        },
    );
    for (let pfn = mm.allocate(); pfn !== NO_PAGE; pfn = mm.allocate()) taken.push(pfn);
    for (const pfn of taken) mm.map.set(pfn, PG.reserved);
    const changing: Mapping = {
      ...mapping,
      get mapVersion() {
        return version;
      },
      blockNow: (index) => 1000 - 3 * index + version,
    };
    start(io.readPages(changing, 0, 2, true));
    serve();
    expect(version).toBe(1);
    for (const block of blocks) expect((block - 1) % 3).toBe(1000 % 3);
  });
});

describe('a file that is cut while a reader waits', () => {
  /** Reads a file that has `after` pages from the first wait on. */
  function cut(after: number, wait: (mapping: Mapping, cutNow: () => void) => Mapping): number[] {
    const { mm, io, mapping, start, serve } = rig();
    let pageCount = PAGES;
    const growing: Mapping = {
      ...mapping,
      get pageCount() {
        return pageCount;
      },
    };
    const cutNow = (): void => {
      pageCount = after;
    };
    start(io.readPages(wait(growing, cutNow), 0, PAGES, false), 0.01);
    cutNow();
    serve();
    return row(0, PAGES).filter((index) => mm.cache.find(mapping.space, index) !== NO_PAGE);
  }

  it('a file that is cut while a reader waits has no page behind its new end: its pages were dropped before, and its map changes later', () => {
    // For room in the queue, with page 128 in hand and page 129 locked: who cuts the file waits for
    // those.
    expect(cut(129, (mapping) => mapping)).toEqual(row(0, 130));
    // For metadata: what is read then is beyond the end.
    const waits = (mapping: Mapping, cutNow: () => void): Mapping => {
      let isKnown = false;
      return Object.create(mapping, {
        blockNow: { value: (index: number) => (index === 30 && !isKnown ? NEEDS_METADATA : 1000 - 3 * index) },
        loadMetadata: {
          value: function* (): Process {
            yield Ns(10);
            isKnown = true;
            cutNow();
          },
        },
      }) as Mapping;
    };
    expect(cut(20, waits)).toEqual(row(0, 20));
  });

  property(
    'a reader claims no page behind the new end of a file either, whichever were kept and wherever it waited for metadata',
    fc.uniqueArray(fc.nat(PAGES - 1)),
    fc.nat(PAGES - 1),
    fc.nat(PAGES - 1),
    (kept, waitsAt, after) => {
      const { mm, preserved, io, mapping, start, serve } = rig(768, PAGES, kept);
      let pageCount = PAGES;
      const cutThen: Mapping = {
        ...mapping,
        get pageCount() {
          return pageCount;
        },
        blockNow: (index) => (index === waitsAt && pageCount === PAGES ? NEEDS_METADATA : 1000 - 3 * index),
        loadMetadata: function* () {
          yield Ns(10);
          pageCount = after;
        },
      };
      start(io.readPages(cutThen, 0, PAGES, false));
      serve();
      // The windows before the one that waited were whole.
      const end = Math.max(after, waitsAt - (waitsAt % RA_MAX));
      expect(row(0, PAGES).filter((index) => mm.cache.find(mapping.space, index) !== NO_PAGE)).toEqual(row(0, end));
      expect(preserved.unclaimed).toBe(kept.filter((index) => index >= end).length);
      return true;
    },
  );
});

describe('kswapd', () => {
  /**
   * A rig whose memory is full of pages of the file, clean ones, oldest first, and locked behind
   * page `locked`.
   */
  function full(locked = Infinity, napOf?: Parameters<typeof rig>[3]): ReturnType<typeof rig> {
    const given = rig(400, 400, [], napOf);
    const { mm, mapping } = given;
    for (let index = 0; mm.allocator.freeCount > mm.allocator.marks.min + 4; index++) {
      const pfn = mm.allocator.take();
      mm.cache.add(mapping.space, index, pfn);
      mm.cache.setUptodate(pfn);
      if (index >= locked) mm.map.set(pfn, PG.locked);
    }
    mm.lru.drain();
    return given;
  }

  it('kswapd frees pages from the low to the high watermark, the oldest first, and sleeps', () => {
    const { machine, mm, supply, mapping, start, runFor } = full();
    const { marks } = mm.allocator;
    start(supply.kswapd());
    expect(mm.allocator.freeCount).toBeLessThan(marks.low);
    mm.allocator.free(supply.allocate());
    runFor(5);
    expect(mm.allocator.freeCount).toBeGreaterThanOrEqual(marks.high);
    expect(mm.allocator.freeCount).toBeLessThan(marks.high + 32);
    const gone = row(0, 300).filter((index) => mm.cache.find(mapping.space, index) === NO_PAGE);
    expect(gone.slice(0, 20)).toEqual(row(0, 20));
    // Above low nothing wakes it.
    const events = machine.simulation.eventCount;
    mm.allocator.free(supply.allocate());
    runFor(5);
    expect(machine.simulation.eventCount - events).toBeLessThan(3);
  });

  it('kswapd naps at each priority below 10 while it looks at pages to no avail, gives up after a round, and begins again when woken', () => {
    let naps = 0;
    const { mm, supply, start, runFor } = full(0, (limits) => (pages) => {
      naps++;
      return limits.nap(pages);
    });
    start(supply.kswapd());
    mm.allocator.free(supply.allocate());
    runFor(5);
    // What priorities 12 to 5 would look at are not yet 32 pages; 4 to 0 nap.
    expect(naps).toBe(5);
    expect(mm.reclaim.reclaimed).toBe(0);
    for (let pfn = 0; pfn < 400; pfn++) mm.map.clear(pfn as Pfn, PG.locked);
    mm.allocator.free(supply.allocate());
    runFor(5);
    expect(mm.allocator.freeCount).toBeGreaterThanOrEqual(mm.allocator.marks.high);
  });
});

describe('errors', () => {
  it('a page whose read failed stays in the cache, neither up to date nor named nor locked, with its error bit; a good read clears it', () => {
    const { mm, io, mapping, start, serve } = rig();
    const answers: unknown[] = [];
    const reader = function* (): Process {
      try {
        answers.push(yield* io.getPage(mapping, 7));
      } catch (error) {
        answers.push((error as ModelError).code);
      }
    };
    start(reader());
    serve(BlkifStatus.error);
    const pfn = mm.cache.find(mapping.space, 7);
    expect(pfn).not.toBe(NO_PAGE);
    expect(mm.map.has(pfn, PG.error)).toBe(true);
    expect(mm.map.has(pfn, PG.uptodate | PG.locked | PG.named | PG.dirty)).toBe(false);
    expect(answers).toEqual(['EIO']);
    start(reader());
    serve();
    expect(answers).toEqual(['EIO', pfn]);
    expect(mm.map.has(pfn, PG.uptodate)).toBe(true);
    expect(mm.map.has(pfn, PG.named)).toBe(true);
    expect(mm.map.has(pfn, PG.error | PG.locked)).toBe(false);
  });

  it('errors of a write that failed and a page without a place, in any order, EIO is told, once', () => {
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      const { mm, io, writeback, mapping: placed, start, serve } = rig();
      const mapping: Mapping = {
        ...placed,
        *allocate() {
          throw new ModelError('ENOSPC', 'no block is free');
        },
      };
      const answers: string[] = [];
      for (const index of order) {
        start(
          (function* (): Process {
            const pfn = yield* io.grabPage(mapping, index);
            mm.cache.setUptodate(pfn);
            if (index === 0) mm.map.set(pfn, PG.hasBlock);
            io.locks.unlock(pfn);
            writeback.markPageDirty(mapping, pfn);
            yield* writeback.writePages(mapping, true);
            io.queue.unplug();
          })(),
        );
        serve(BlkifStatus.error);
      }
      for (let i = 0; i < 2; i++)
        try {
          writeback.throwError(mapping);
          answers.push('ok');
        } catch (error) {
          answers.push((error as ModelError).code);
        }
      expect(answers).toEqual(['EIO', 'ok']);
    }
  });
});
