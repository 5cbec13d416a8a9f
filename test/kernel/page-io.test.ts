// Pages and their I/O where processes get in each other's way: a full queue, a page that goes, memory that runs out.
import { describe, expect, it } from 'vitest';
import { type Ino, ModelError, Ns, type Pfn } from '../../src/base/index.ts';
import { MemoryImage } from '../../src/disk/memory-image.ts';
import { CacheMap, MemoryManagement, NO_PAGE, PG } from '../../src/kernel/index.ts';
import { BlockQueue } from '../../src/kernel/block-queue.ts';
import { type Mapping, NEEDS_METADATA, PageIo } from '../../src/kernel/page-io.ts';
import type { Process } from '../../src/sim/index.ts';
import { BlkifStatus } from '../../src/xen/public/index.ts';
import { BOOT_PAGES, COSTS, FakeMachine } from './fake-machine.ts';

const PAGES = 160;

interface Rig {
  readonly machine: FakeMachine;
  readonly mm: MemoryManagement;
  readonly io: PageIo;
  readonly mapping: Mapping;
  /** Blocks read, in the order of the ring. */
  readonly blocks: number[];
  /** Starts a process and lets everything happen that can happen without the device. */
  readonly start: (process: Process) => void;
  /** Answers requests until there are none. */
  readonly serve: (status?: number) => void;
}

/** A file of 160 pages, no two of which lie side by side on the device. */
function rig(nrPages = 768): Rig {
  const machine = new FakeMachine({ image: new MemoryImage(1 << 23), nrPages, byHand: true });
  const cacheMap = new CacheMap(machine.env.hypercalls, undefined);
  const mm = new MemoryManagement(nrPages, cacheMap, cacheMap);
  for (let pfn = 0; pfn < BOOT_PAGES; pfn++) mm.map.set(pfn as Pfn, PG.reserved);
  mm.freeAll();
  cacheMap.attach(mm);
  const queue = new BlockQueue(machine.env);
  const ring = mm.allocator.take();
  mm.map.set(ring, PG.reserved);
  queue.attach(machine.connectFront(ring, COSTS.interruptNs, queue.dispatch));
  const io = new PageIo(machine.env, COSTS, mm, cacheMap, queue);
  const mapping: Mapping = {
    space: mm.cache.open(5 as Ino),
    pageCount: PAGES,
    isMetadata: false,
    blockNow: (index) => 1000 - 3 * index,
    loadMetadata: function* () {},
    tail: () => 0,
    isBoundary: () => false,
    mapVersion: 0,
    isInodeDirty: false,
    allocate: function* () {},
    writeInode: function* () {},
  };
  const blocks: number[] = [];
  return {
    machine,
    mm,
    io,
    mapping,
    blocks,
    start: (process) => {
      machine.simulation.spawn('reader', process);
      machine.simulation.run();
    },
    serve: (status = BlkifStatus.ok) => {
      for (let requests = machine.backend!.take(); requests.length > 0; requests = machine.backend!.take()) {
        for (const { id, operation, sector } of requests) {
          blocks.push(sector / 8);
          machine.backend!.answer(id, operation, status);
        }
        machine.backend!.notify();
        machine.simulation.run();
      }
    },
  };
}

const row = (from: number, end: number): number[] => Array.from({ length: end - from }, (_, i) => from + i);

describe('two readers of one range behind a full queue', () => {
  it('read each page once: whoever waited looks again', () => {
    const { machine, mm, io, mapping, blocks, start, serve } = rig();
    const done: string[] = [];
    const reader = function* (name: string, from: number): Process {
      yield* io.readPages(mapping, from, PAGES - from, false);
      done.push(name);
    };
    // 128 requests fill the queue: the first reader waits with page 128 in hand, the second with page 129.
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

  it('waits for memory and gives up with ENOMEM when everything stays locked', () => {
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

  it('readahead without memory leaves the rest out and does not fail', () => {
    const { mm, io, mapping, start, serve } = rig(100);
    while (mm.allocator.freeCount > 4) mm.allocator.take();
    start(io.readAhead(mapping, 0, 32));
    serve();
    expect(row(0, 32).filter((index) => io.find(mapping.space, index) !== undefined)).toEqual(row(0, 4));
  });
});

describe('a map that changes while a reader waits for metadata', () => {
  it('is looked up again: no page is read from where it was', () => {
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

  it('while it waits for memory: the page is not read', () => {
    const { mm, io, mapping, start, serve, blocks } = rig();
    const taken: Pfn[] = [];
    for (let pfn = mm.allocate(); pfn !== NO_PAGE; pfn = mm.allocate()) taken.push(pfn);
    for (const pfn of taken) mm.map.set(pfn, PG.reserved);
    let version = 0;
    const changing: Mapping = {
      ...mapping,
      get mapVersion() {
        return version;
      },
      blockNow: (index) => 1000 - 3 * index + version,
    };
    io.nap = function* () {
      yield Ns(10);
      version = 1;
      for (const pfn of taken.splice(0)) {
        mm.map.clear(pfn, PG.reserved);
        mm.allocator.free(pfn);
      }
    };
    start(io.readPages(changing, 0, 2, true));
    serve();
    expect(version).toBe(1);
    for (const block of blocks) expect((block - 1) % 3).toBe(1000 % 3);
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
});
