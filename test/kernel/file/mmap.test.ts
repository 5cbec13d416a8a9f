// Mapped files, one rule at a time; test/laws/fsx.ts mixes them with everything else.
import fc from 'fast-check';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { type Ino, ModelError, PAGE_SIZE, type Pfn } from '../../../src/base/index.ts';
import { makeExt2 } from '../../../src/disk/mkfs/mkfs.ts';
import { directory, file, tree } from '../../../src/disk/mkfs/tree.ts';
import {
  FADV,
  type Kernel,
  MAP,
  type MappedRange,
  MemoryManagement,
  MS,
  O,
  PG,
  PROT,
  type Syscalls,
} from '../../../src/kernel/index.ts';
import type { Process } from '../../../src/sim/index.ts';
import { BlkifOp } from '../../../src/xen/public/index.ts';
import { Vma } from '../../../src/kernel/file/vma.ts';
import { property } from '../../support/property.ts';
import { FakeMachine } from '../../support/fake-machine.ts';

const PAGES = 40;
const RW = PROT.read | PROT.write;
const contents = Uint8Array.from({ length: PAGES * PAGE_SIZE - 1000 }, (_, i) => (i * 7 + (i >>> 12)) & 255);

let machine: FakeMachine;
let kernel: Kernel;
let sys: Syscalls;
let fd: number;

function start(nrPages?: number): void {
  const files = directory([
    ['f', file(contents)],
    ['big', file(new Uint8Array(900 * PAGE_SIZE).fill(1))],
  ]);
  machine = new FakeMachine({
    image: makeExt2(tree(files), { size: 8 << 20 }),
    ...(nrPages !== undefined && { nrPages }),
  });
  kernel = machine.run(machine.boot());
  sys = kernel.syscalls;
  fd = run(sys.open('/f', O.rdwr));
}

beforeEach(() => start());

const run = <T>(process: Process<T>): T => machine.run(process);
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function errno(call: () => unknown): string {
  try {
    const result = call();
    if (typeof result === 'object') run(result as Process<unknown>);
  } catch (error) {
    if (error instanceof ModelError) return error.code;
    throw error;
  }
  return 'no error';
}

function load(address: number, length: number): string {
  const buffer = new Uint8Array(length);
  run(sys.load(address, buffer, 0, length));
  return new TextDecoder('latin1').decode(buffer);
}

function read(position: number, length: number): string {
  const buffer = new Uint8Array(length);
  run(sys.pread(fd, buffer, 0, length, position));
  return new TextDecoder('latin1').decode(buffer);
}

const original = (at: number, length: number): string =>
  new TextDecoder('latin1').decode(contents.subarray(at, at + length));
const writes = (): number => machine.requests.filter(({ operation }) => operation === BlkifOp.write).length;

describe('mmap', () => {
  it('mmap shows the file, and what is stored is the file’s for everybody', () => {
    const address = sys.mmap(contents.length, RW, MAP.shared, fd, 0);
    expect(load(address + 5000, 9000)).toBe(original(5000, 9000));
    run(sys.store(address + PAGE_SIZE - 2, bytes('abcd'), 0, 4));
    expect(read(PAGE_SIZE - 3, 6)).toBe(`${original(PAGE_SIZE - 3, 1)}abcd${original(PAGE_SIZE + 2, 1)}`);
    run(sys.pwrite(fd, bytes('xy'), 0, 2, PAGE_SIZE - 1));
    expect(load(address + PAGE_SIZE - 2, 4)).toBe('axyd');
  });

  it('mmap of a private kind keeps stores to itself, even those that it makes later to pages that it has read', () => {
    const address = sys.mmap(contents.length, RW, MAP.private, fd, 0);
    expect(load(address, 4)).toBe(original(0, 4));
    run(sys.store(address + 1, bytes('--'), 0, 2));
    expect(load(address, 4)).toBe(`${original(0, 1)}--${original(3, 1)}`);
    expect(read(0, 4)).toBe(original(0, 4));
    const free = kernel.mm.allocator.freeCount;
    run(sys.munmap(address, contents.length));
    expect(kernel.mm.allocator.freeCount).toBe(free + 1);
    expect(kernel.stats.pagesDirty).toBe(0);
  });

  it('mmap takes a fault for a page once: after that neither loads nor stores trap', () => {
    const address = sys.mmap(contents.length, RW, MAP.shared, fd, 0);
    const buffer = bytes('12345678');
    expect(sys.storeNow(address + PAGE_SIZE - 4, buffer, 0, 8)).toBe(~0);
    run(sys.store(address + PAGE_SIZE - 4, buffer, 0, 8));
    expect(sys.storeNow(address + PAGE_SIZE - 4, buffer, 0, 8)).toBe(8);
    expect(sys.loadNow(address + 2 * PAGE_SIZE - 4, buffer, 0, 8)).toBe(~4);
  });

  it('mmap reads around a fault, and stops that where a hundred more missed than hit', () => {
    const address = sys.mmap(contents.length, PROT.read, MAP.shared, fd, 0);
    load(address + 20 * PAGE_SIZE, 1);
    expect([...sys.mincore(address, contents.length)]).toEqual(
      Array.from({ length: PAGES }, (_, i) => (i >= 4 && i < 36 ? 1 : 0)),
    );
    const big = run(sys.open('/big'));
    const at = sys.mmap(900 * PAGE_SIZE, PROT.read, MAP.shared, big, 0);
    /**
     * Pages that a fault brings in which finds nothing cached, and so many faults on the page that
     * find it.
     */
    const missThenHit = (hits: number): number => {
      load(at + 450 * PAGE_SIZE, 1);
      const brought = sys.mincore(at, 900 * PAGE_SIZE).reduce((sum, each) => sum + each, 0);
      for (let i = 0; i < hits; i++) {
        run(sys.munmap(at, 900 * PAGE_SIZE));
        sys.mmap(900 * PAGE_SIZE, PROT.read, MAP.shared, big, 0);
        load(at + 450 * PAGE_SIZE, 1);
      }
      run(sys.munmap(at, 900 * PAGE_SIZE));
      sys.dropCaches();
      expect(sys.mmap(900 * PAGE_SIZE, PROT.read, MAP.shared, big, 0)).toBe(at);
      return brought;
    };
    const none = Array.from({ length: 101 }, () => missThenHit(0));
    expect(none).toEqual([...Array.from({ length: 100 }, () => 32), 1]);
    // 102 misses and no hit, 103 and none, 104 and 3, 105 and 5, 106 and 5.
    const more = [0, 3, 2, 0, 0].map(missThenHit);
    expect(more).toEqual([1, 1, 1, 32, 1]);
  });

  it('mmap is refused where the file is not open for it, and beyond what makes sense', () => {
    const readOnly = run(sys.open('/f'));
    const writeOnly = run(sys.open('/f', O.wronly));
    const root = run(sys.open('/'));
    expect(errno(() => sys.mmap(1, RW, MAP.shared, readOnly, 0))).toBe('EACCES');
    expect(errno(() => sys.mmap(1, PROT.read, MAP.shared, writeOnly, 0))).toBe('EACCES');
    expect(errno(() => sys.mmap(1, PROT.read, MAP.shared, root, 0))).toBe('ENODEV');
    expect(errno(() => sys.mmap(1, PROT.read, MAP.shared, 77, 0))).toBe('EBADF');
    expect(errno(() => sys.mmap(0, PROT.read, MAP.shared, fd, 0))).toBe('EINVAL');
    expect(errno(() => sys.mmap(1, PROT.read, MAP.shared, fd, 100))).toBe('EINVAL');
    expect(errno(() => sys.mmap(1, PROT.read, MAP.shared | MAP.private, fd, 0))).toBe('EINVAL');
    expect(errno(() => sys.mmap(2 ** 31 + 1, PROT.read, MAP.shared, fd, 0))).toBe('ENOMEM');
    expect(errno(() => sys.mmap(1, RW, MAP.private, readOnly, 0))).toBe('no error');
  });

  it('mmap answers EFAULT outside of ranges, beyond the end of the file, and for stores that are not allowed', () => {
    const address = sys.mmap((PAGES + 2) * PAGE_SIZE, PROT.read, MAP.shared, fd, 0);
    const one = new Uint8Array(1);
    expect(errno(() => sys.load(address - 1, one, 0, 1))).toBe('EFAULT');
    expect(errno(() => sys.load(address + (PAGES + 2) * PAGE_SIZE, one, 0, 1))).toBe('EFAULT');
    expect(errno(() => sys.load(address + PAGES * PAGE_SIZE, one, 0, 1))).toBe('EFAULT');
    expect(errno(() => sys.store(address, one, 0, 1))).toBe('EFAULT');
    expect(load(address + PAGES * PAGE_SIZE - 1, 1)).toBe('\0');
  });

  it('mmap answers EFAULT for a page that cannot be read, and the page once it can', () => {
    const firstBlock = run(sys.open('/f'));
    const address = sys.mmap(contents.length, PROT.read, MAP.shared, firstBlock, 0);
    for (let block = 0; block < 2048; block++) machine.badBlocks.add(block);
    expect(errno(() => sys.load(address, new Uint8Array(1), 0, 1))).toBe('EFAULT');
    machine.badBlocks.clear();
    expect(load(address, 9)).toBe(original(0, 9));
  });
});

describe('munmap', () => {
  it('munmap cuts ranges, and what is left of them still leads to the file', () => {
    const address = sys.mmap(contents.length, RW, MAP.shared, fd, 0);
    run(sys.store(address + 10 * PAGE_SIZE, bytes('ten'), 0, 3));
    run(sys.store(address + 20 * PAGE_SIZE, bytes('twenty'), 0, 6));
    run(sys.munmap(address + 5 * PAGE_SIZE, 10 * PAGE_SIZE));
    expect(errno(() => sys.load(address + 10 * PAGE_SIZE, new Uint8Array(1), 0, 1))).toBe('EFAULT');
    expect(load(address + 4 * PAGE_SIZE, 9)).toBe(original(4 * PAGE_SIZE, 9));
    expect(load(address + 20 * PAGE_SIZE, 6)).toBe('twenty');
    // The first store became known when its entry was dropped; the other is not known yet.
    expect(kernel.stats.pagesDirty).toBe(1);
    expect(errno(() => sys.mincore(address, contents.length))).toBe('ENOMEM');
    // The gap is used again.
    expect(sys.mmap(10 * PAGE_SIZE, PROT.read, MAP.shared, fd, 0)).toBe(address + 5 * PAGE_SIZE);
  });

  it('munmap of a file that was closed and unlinked lets it go', () => {
    const address = sys.mmap(contents.length, RW, MAP.shared, fd, 0);
    run(sys.close(fd));
    run(sys.unlink('/f'));
    expect(load(address, 9)).toBe(original(0, 9));
    const cached = kernel.mm.cache.nrPages;
    run(sys.munmap(address, contents.length));
    expect(kernel.mm.cache.nrPages).toBeLessThanOrEqual(cached - 30);
    expect(kernel.mm.cache.nrMapped).toBe(0);
  });
});

describe('msync', () => {
  it('msync makes stores known; with MS.sync they are on the disk; fsync alone does not know of them', () => {
    const address = sys.mmap(contents.length, RW, MAP.shared, fd, 0);
    run(sys.store(address + 3 * PAGE_SIZE, bytes('three'), 0, 5));
    run(sys.fsync(fd));
    expect(writes()).toBe(0);
    run(sys.msync(address, contents.length, MS.async));
    expect(kernel.stats.pagesDirty).toBe(1);
    expect(writes()).toBe(0);
    run(sys.msync(address, contents.length, MS.sync));
    expect(writes()).toBeGreaterThan(0);
    const known = writes();
    // A store after that sets the entry dirty again, without a fault.
    expect(sys.storeNow(address + 3 * PAGE_SIZE, bytes('drei!'), 0, 5)).toBe(5);
    run(sys.msync(address, contents.length, MS.sync));
    expect(writes()).toBe(known + 1);
    expect(errno(() => sys.msync(address, 41 * PAGE_SIZE, MS.async))).toBe('ENOMEM');
    expect(errno(() => sys.msync(address + 1, 1, MS.async))).toBe('EINVAL');
  });
});

describe('truncation', () => {
  it('truncation takes pages out of mappings, private copies with them', () => {
    const shared = sys.mmap(contents.length, RW, MAP.shared, fd, 0);
    const own = sys.mmap(contents.length, RW, MAP.private, fd, 0);
    for (const page of [1, 30]) {
      run(sys.store(shared + page * PAGE_SIZE, bytes('shared'), 0, 6));
      run(sys.store(own + page * PAGE_SIZE, bytes('private'), 0, 7));
    }
    run(sys.ftruncate(fd, 2 * PAGE_SIZE + 10));
    for (const address of [shared, own])
      expect(errno(() => sys.load(address + 30 * PAGE_SIZE, new Uint8Array(1), 0, 1))).toBe('EFAULT');
    expect(load(shared + PAGE_SIZE, 6)).toBe('shared');
    expect(load(own + PAGE_SIZE, 7)).toBe('private');
    // What is stored behind the end is not there when the file grows again.
    run(sys.store(shared + 2 * PAGE_SIZE + 10, bytes('behind'), 0, 6));
    run(sys.ftruncate(fd, contents.length));
    expect(read(2 * PAGE_SIZE + 8, 8)).toBe(`${original(2 * PAGE_SIZE + 8, 2)}\0\0\0\0\0\0`);
    expect(load(own + 30 * PAGE_SIZE, 7)).toBe('\0'.repeat(7));
  });
});

describe('a file that is only overwritten, in pages that are cached', () => {
  it('a file that is only overwritten in cached pages is on the disk after the shutdown, stored or written', () => {
    const buffer = new Uint8Array(PAGE_SIZE);
    run(sys.pread(fd, buffer, 0, PAGE_SIZE, 0));
    run(sys.pwrite(fd, bytes('written'), 0, 7, 0));
    run(kernel.shutdown());
    const second = new FakeMachine({ image: machine.image });
    const next = second.run(second.boot());
    machine = second;
    sys = next.syscalls;
    fd = run(sys.open('/f', O.rdwr));
    expect(read(0, 9)).toBe(`written${original(7, 2)}`);
    const address = sys.mmap(contents.length, RW, MAP.shared, fd, 0);
    run(sys.store(address, bytes('stored.'), 0, 7));
    run(next.shutdown());
    const third = new FakeMachine({ image: second.image });
    sys = third.run(third.boot()).syscalls;
    machine = third;
    fd = run(sys.open('/f'));
    expect(read(0, 9)).toBe(`stored.${original(7, 2)}`);
  });
});

describe('posix_fadvise', () => {
  const cached = (): number[] => {
    const address = sys.mmap(contents.length, PROT.read, MAP.shared, fd, 0);
    const resident = [...sys.mincore(address, contents.length)];
    run(sys.munmap(address, contents.length));
    return resident.flatMap((each, index) => (each === 1 ? [index] : []));
  };
  const upTo = (from: number, end: number): number[] => Array.from({ length: end - from }, (_, i) => from + i);

  it('posix_fadvise(random) has exactly what is read brought in, and sequential has windows of twice the size', () => {
    run(sys.posixFadvise(fd, 0, 0, FADV.random));
    read(0, PAGE_SIZE);
    read(PAGE_SIZE, PAGE_SIZE);
    read(9 * PAGE_SIZE, 2 * PAGE_SIZE);
    expect(cached()).toEqual([0, 1, 9, 10]);
    run(sys.posixFadvise(fd, 0, 0, FADV.sequential));
    sys.dropCaches();
    const big = run(sys.open('/big'));
    run(sys.posixFadvise(big, 0, 0, FADV.sequential));
    const buffer = new Uint8Array(64 * PAGE_SIZE);
    run(sys.read(big, buffer, 0, buffer.length));
    const address = sys.mmap(900 * PAGE_SIZE, PROT.read, MAP.shared, big, 0);
    // A current window of 64 pages, and one ahead of 64.
    expect(sys.mincore(address, 900 * PAGE_SIZE).reduce((sum, each) => sum + each)).toBe(128);
  });

  it('posix_fadvise(dontneed) drops the pages that lie wholly in the range, and willneed reads it', () => {
    read(0, contents.length);
    run(sys.posixFadvise(fd, 100, 4 * PAGE_SIZE, FADV.dontneed));
    expect(cached()).toEqual([0, ...upTo(4, PAGES)]);
    run(sys.posixFadvise(fd, 0, 0, FADV.dontneed));
    expect(cached()).toEqual([]);
    run(sys.posixFadvise(fd, 3 * PAGE_SIZE + 1, PAGE_SIZE, FADV.willneed));
    read(3 * PAGE_SIZE, 1);
    expect(cached()).toEqual([3, 4]);
    expect(errno(() => sys.posixFadvise(fd, 0, 0, 9))).toBe('EINVAL');
    expect(errno(() => sys.posixFadvise(99, 0, 0, FADV.normal))).toBe('EBADF');
  });
});

describe('a range that is asked for ahead', () => {
  it.each(['willneed', 'readahead'])(
    'a range that is asked for by %s is read up to half of the free and inactive pages',
    (how) => {
      start(1000);
      const big = run(sys.open('/big'));
      const address = sys.mmap(900 * PAGE_SIZE, PROT.read, MAP.shared, big, 0);
      const { lru, allocator } = kernel.mm;
      const sane = Math.floor((lru.nrInactive + allocator.freeCount) / 2);
      expect(sane).toBeLessThan(500);
      if (how === 'willneed') run(sys.posixFadvise(big, 0, 0, FADV.willneed));
      else run(sys.readahead(big, 0, 900 * PAGE_SIZE));
      machine.simulation.run(() => false);
      expect(sys.mincore(address, 900 * PAGE_SIZE).reduce((sum, each) => sum + each)).toBe(sane);
    },
  );
});

describe('many mappings', () => {
  const BASE = 0x4000_0000;
  const step = fc.record({
    what: fc.constantFrom('map', 'map', 'unmap', 'touch', 'touch', 'cut' as const),
    at: fc.nat(30),
    pages: fc.integer({ min: 1, max: 6 }),
  });
  property(
    'mappings take the lowest addresses that fit, and a page is mapped as long as one of them leads to it',
    fc.array(step, { minLength: 40, maxLength: 80 }),
    (steps) => {
      start(2000);
      /** Page of the file behind each page of addresses, and whether it was touched. */
      const model: ({ page: number; touched: boolean } | undefined)[] = [];
      const buffer = new Uint8Array(1);
      for (const { what, at, pages } of steps) {
        if (what === 'map') {
          const isFree = (from: number): boolean =>
            Array.from({ length: pages }, (_, i) => model[from + i]).every((each) => each === undefined);
          let from = 0;
          while (!isFree(from)) from++;
          // A few pages of the file, so that several ranges map one.
          const first = at % 3;
          expect(sys.mmap(pages * PAGE_SIZE, PROT.read, MAP.shared, fd, first * PAGE_SIZE), 'vma table 1').toBe(
            BASE + from * PAGE_SIZE,
          );
          for (let i = 0; i < pages; i++) model[from + i] = { page: first + i, touched: false };
        } else if (what === 'touch') {
          for (let i = at; i < at + pages; i++) {
            const there = model[i];
            const answer = errno(() => sys.load(BASE + i * PAGE_SIZE, buffer, 0, 1));
            expect(answer).toBe(there === undefined ? 'EFAULT' : 'no error');
            if (there !== undefined) there.touched = true;
          }
        } else if (what === 'unmap') {
          run(sys.munmap(BASE + at * PAGE_SIZE, pages * PAGE_SIZE));
          for (let i = at; i < at + pages; i++) model[i] = undefined;
        } else {
          // A truncation drops what lies behind; afterwards the file is as long as it was.
          const size = sys.fstat(fd).size;
          run(sys.ftruncate(fd, at * 1000));
          run(sys.ftruncate(fd, size));
          for (const each of model) if (each !== undefined && each.page * PAGE_SIZE >= at * 1000) each.touched = false;
        }
        const touched = new Set(model.filter((each) => each?.touched === true).map((each) => each!.page));
        expect(kernel.mm.cache.nrMapped, 'vma 1').toBe(touched.size);
      }
      const last = model.findLastIndex((each) => each !== undefined) + 1;
      const holes = model.slice(0, last).includes(undefined);
      expect(errno(() => sys.msync(BASE, Math.max(1, last) * PAGE_SIZE, MS.async))).toBe(
        holes || last === 0 ? 'ENOMEM' : 'no error',
      );
      run(sys.munmap(0, 0xc000_0000));
      expect(kernel.mm.cache.nrMapped).toBe(0);
      expect(sys.mmap(0xc000_0000 - BASE, PROT.read, MAP.private, fd, 0)).toBe(BASE);
      expect(errno(() => sys.mmap(1, PROT.read, MAP.private, fd, 0))).toBe('ENOMEM');
    },
    { numRuns: 10, lawRuns: 25 },
  );

  it.each([
    ['one file', 1],
    ['a file each', 30],
  ])(
    'many mappings of %s cost no more: with 5000 of them, mapping, touching and unmapping one is the work that it is with 50',
    (_, files) => {
      const fds = Array.from({ length: files }, (__, i) => {
        const made = run(sys.open(`/made${i}`, O.creat | O.rdwr));
        run(sys.write(made, contents, 0, 2 * PAGE_SIZE));
        return made;
      });
      // Code that looks at a range asks for its length.
      const looks = vi.spyOn(Vma.prototype, 'pages', 'get');
      const buffer = new Uint8Array(1);
      const addresses: number[] = [];
      const map = (n: number): void => {
        const address = sys.mmap(2 * PAGE_SIZE, PROT.read, MAP.shared, fds[n % files]!, 0);
        run(sys.load(address, buffer, 0, 1));
        addresses.push(address);
      };
      const work = (): number[] => {
        looks.mockClear();
        map(0);
        const forMapping = looks.mock.calls.length;
        // One in the middle: its neighbours stay.
        looks.mockClear();
        run(sys.munmap(addresses[20]!, 2 * PAGE_SIZE));
        const forUnmapping = looks.mock.calls.length;
        looks.mockClear();
        addresses[20] = sys.mmap(2 * PAGE_SIZE, PROT.read, MAP.shared, fds[0]!, 0);
        run(sys.load(addresses[20], buffer, 0, 1));
        sys.mincore(addresses[20], 2 * PAGE_SIZE);
        return [forMapping, forUnmapping, looks.mock.calls.length];
      };
      while (addresses.length < 50) map(addresses.length);
      const few = work();
      while (addresses.length < 5000) map(addresses.length);
      expect(work()).toEqual(few);
      expect(Math.max(...few)).toBeLessThan(20);
      expect(kernel.mm.cache.nrMapped).toBe(files);
      vi.restoreAllMocks();
    },
  );
});

describe('reclaim of mapped pages', () => {
  /**
   * Pages 0 … 63 of a file on the inactive list, 0 oldest, mapped by a range that knows which were
   * touched.
   */
  function mapped(young: (index: number) => boolean): { mm: MemoryManagement; dropped: number[] } {
    const mm = new MemoryManagement(200);
    mm.freeAll();
    const space = mm.cache.open(1 as Ino);
    const dropped: number[] = [];
    const range: MappedRange = {
      testAndClearYoung: young,
      unmap: (index) => dropped.push(index),
    };
    space.ranges = new Set([range]);
    for (let index = 0; index < 64; index++) {
      const pfn = mm.allocator.take();
      mm.cache.add(space, index, pfn);
      mm.cache.setUptodate(pfn);
      mm.cache.addEntry(pfn);
    }
    mm.lru.drain();
    return { mm, dropped };
  }

  it('reclaim of mapped pages activates what was touched, unmaps and frees what was not', () => {
    const { mm, dropped } = mapped((index) => index % 2 === 0);
    expect(mm.reclaim.shrinkZone(0, 16)).toBe(16);
    expect(dropped).toEqual(Array.from({ length: 16 }, (_, i) => 2 * i + 1));
    expect(mm.lru.nrActive).toBe(16);
    expect(mm.cache.nrMapped).toBe(48);
  });

  it('reclaim of mapped pages leaves active mapped pages alone until there is distress, and then those that were touched', () => {
    let young = false;
    const { mm } = mapped(() => young);
    for (let pfn = 0; pfn < 64; pfn++) for (const _ of [1, 2]) mm.lru.markAccessed(pfn as Pfn);
    expect(mm.lru.nrActive).toBe(64);
    // 64 of 200 mapped: 32 / 2 + 60 = 76, and distress is 100 >> 12 = 0.
    for (let i = 0; i < 64; i++) mm.reclaim.shrinkZone(12, 32);
    expect(mm.lru.nrActive).toBe(64);
    young = true;
    mm.reclaim.shrinkZone(1, 32);
    expect(mm.lru.nrActive).toBe(64);
    young = false;
    // Priority 1: distress is 50.
    mm.reclaim.shrinkZone(1, 32);
    expect(mm.lru.nrActive).toBeLessThan(64);
  });

  it('an active page that nobody maps goes at any pressure', () => {
    const { mm } = mapped(() => true);
    for (let pfn = 0; pfn < 64; pfn++) {
      for (const _ of [1, 2]) mm.lru.markAccessed(pfn as Pfn);
      if (pfn < 32) mm.cache.removeEntry(pfn as Pfn);
    }
    for (let i = 0; i < 64; i++) mm.reclaim.shrinkZone(12, 0);
    expect(mm.lru.nrActive).toBeLessThanOrEqual(32);
    for (let pfn = 32; pfn < 64; pfn++) expect(mm.map.has(pfn as Pfn, PG.active)).toBe(true);
  });
});
