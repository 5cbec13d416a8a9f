// Bounds of the guest kernel, each with the last value that is allowed and the first that is not.
import { beforeEach, describe, expect, it } from 'vitest';
import {
  ArgumentError,
  DOM0,
  encodeText,
  GuestPanic,
  type GrantRef,
  type Ino,
  ModelError,
  PAGE_SIZE,
  Pfn,
} from '../../src/base/index.ts';
import { EXT2_RO_COMPAT, EXT2_SUPERBLOCK_OFFSET, GROUP_DESCRIPTOR, INODE, SUPERBLOCK } from '../../src/format/ext2.ts';
import type { MemoryImage } from '../../src/disk/image/memory-image.ts';
import { makeExt2 } from '../../src/disk/mkfs/mkfs.ts';
import { directory, file, sparse, tree } from '../../src/disk/mkfs/tree.ts';
import { GrantTable } from '../../src/kernel/xen/gnttab.ts';
import { MemoryManagement, NO_PAGE, O, type Syscalls } from '../../src/kernel/index.ts';
import { MemMap } from '../../src/kernel/mm/mem-map.ts';
import { ServedRequest } from '../../src/kernel/net/listener.ts';
import { ListeningSocket } from '../../src/kernel/net/socket.ts';
import { NOTHING, type Process } from '../../src/sim/index.ts';
import { Gtf, GRANT_ENTRY } from '../../src/xen/public/index.ts';
import { FakeMachine } from '../support/fake-machine.ts';

let image: MemoryImage;
let machine: FakeMachine;
let sys: Syscalls;

function boot(): void {
  machine = new FakeMachine({ image });
  sys = machine.run(machine.boot()).syscalls;
}

beforeEach(() => {
  image = makeExt2(
    tree(
      directory([
        ['file', file('')],
        ['dir', directory([])],
        ['moved', directory([['below', directory([])]])],
      ]),
    ),
    { size: 8 << 20 },
  );
  boot();
});

const run = <T>(process: Process<T>): T => machine.run(process);

function code(act: () => unknown): string {
  try {
    act();
    return 'ok';
  } catch (error) {
    if (error instanceof ModelError) return error.code;
    throw error;
  }
}

function wordOf(at: number): number {
  const bytes = Buffer.alloc(4);
  image.read(at, bytes, 0, 4);
  return bytes.readUInt32LE(0);
}

/** An inode of the first group has so many links from the next boot on. */
function setLinks(ino: number, links: number): void {
  const table = wordOf(PAGE_SIZE + GROUP_DESCRIPTOR.offset.bg_inode_table);
  const at = table * PAGE_SIZE + (ino - 1) * INODE.size + INODE.offset.i_links_count;
  image.write(at, Uint8Array.of(links & 255, links >> 8), 0, 2);
}

describe('names and texts', () => {
  // One character of two bytes each, and one of one byte where the number is odd.
  const textOf = (bytes: number): string => 'é'.repeat(bytes >> 1) + 'x'.repeat(bytes & 1);

  it.each([
    [254, 'ok'],
    [255, 'ok'],
    [256, 'ENAMETOOLONG'],
  ])('a name of %i bytes is answered: %s', (bytes, expected) => {
    const path = `/${textOf(bytes)}`;
    expect(encodeText(path)).toHaveLength(bytes + 1);
    expect(code(() => run(sys.mkdir(path)))).toBe(expected);
    expect(code(() => run(sys.stat(path)))).toBe(expected);
  });

  it.each([
    // In the inode up to 59 bytes, from 60 on in a block.
    [59, 'ok', 0],
    [60, 'ok', 8],
    [61, 'ok', 8],
    [4094, 'ok', 8],
    [4095, 'ok', 8],
    [4096, 'ENAMETOOLONG', 0],
  ])('a symbolic link with a text of %i bytes is answered %s, and takes %i sectors', (bytes, expected, sectors) => {
    expect(code(() => run(sys.symlink(textOf(bytes), '/link')))).toBe(expected);
    if (expected !== 'ok') return;
    expect(run(sys.lstat('/link'))).toMatchObject({ size: bytes, sectors });
    run(sys.sync());
    boot();
    expect(run(sys.readlink('/link'))).toBe(textOf(bytes));
  });
});

describe('links of an inode', () => {
  it.each([
    [31_998, ['ok', 'ok', 'EMLINK']],
    [31_999, ['ok', 'EMLINK', 'EMLINK']],
    [32_000, ['EMLINK', 'EMLINK', 'EMLINK']],
  ])('a file and a directory that have %i get more up to 32,000', (links, expected) => {
    for (const path of ['/file', '/dir']) setLinks(run(sys.stat(path)).ino, links);
    boot();
    const names = ['a', 'b', 'c'];
    expect(names.map((name) => code(() => run(sys.link('/file', `/${name}`))))).toEqual(expected);
    expect(names.map((name) => code(() => run(sys.mkdir(`/dir/${name}`))))).toEqual(expected);
    expect(run(sys.stat('/file')).links).toBe(32_000);
    expect(run(sys.stat('/dir')).links).toBe(32_000);
    // A directory that comes from elsewhere is one more, too.
    expect(code(() => run(sys.rename('/moved/below', '/dir/below')))).toBe('EMLINK');
    if (expected[0] === 'EMLINK') return;
    run(sys.rmdir('/dir/a'));
    expect(code(() => run(sys.rename('/moved/below', '/dir/below')))).toBe('ok');
    expect(run(sys.stat('/dir')).links).toBe(32_000);
  });
});

describe('a file of 2 GiB', () => {
  it.each([
    [2 ** 31 - 1, false],
    [2 ** 31, true],
    [2 ** 31 + 1, true],
  ])('a file of 2 GiB, less or more, of %i bytes, needs large_file: %s', (size, expected) => {
    const at = EXT2_SUPERBLOCK_OFFSET + SUPERBLOCK.offset.s_feature_ro_compat;
    const isSet = (): boolean => (wordOf(at) & EXT2_RO_COMPAT.large_file) !== 0;
    const features = Buffer.alloc(4);
    features.writeUInt32LE(wordOf(at) & ~EXT2_RO_COMPAT.large_file);
    image.write(at, features, 0, 4);
    boot();
    expect(isSet()).toBe(false);
    const fd = run(sys.open('/file', O.rdwr));
    run(sys.ftruncate(fd, size));
    run(sys.sync());
    expect(isSet()).toBe(expected);
  });

  it.each([2 ** 31, 2 ** 32, 3 * 2 ** 31, 2 ** 33])(
    'a file of more than 2 GiB has its bytes on both sides of byte %i',
    (border) => {
      const fd = run(sys.open('/file', O.rdwr));
      const bytes = Uint8Array.from({ length: 3 * PAGE_SIZE }, (_, i) => (i * 7 + (i >> 12)) & 255);
      const start = border - PAGE_SIZE - 100;
      expect(run(sys.pwrite(fd, bytes, 0, bytes.length, start))).toBe(bytes.length);
      const seen = new Uint8Array(bytes.length);
      // As they are cached, overwritten where they are cached, and from the disk.
      expect([sys.preadNow(fd, seen, 0, seen.length, start), seen]).toEqual([bytes.length, bytes]);
      bytes.set([1, 2, 3, 4], border - 2 - start);
      expect(sys.pwriteNow(fd, bytes, border - 2 - start, 4, border - 2)).toBe(4);
      run(sys.sync());
      boot();
      const again = run(sys.open('/file'));
      expect([run(sys.pread(again, seen, 0, seen.length, start)), seen]).toEqual([bytes.length, bytes]);
    },
  );
});

describe('the pointers of an inode', () => {
  const K = 1024;
  const [single, double, triple] = [12, 12 + K, 12 + K + K ** 2];
  const ENDS = [single, double, double + K, triple, triple + K, triple + K ** 2, triple + K ** 3];
  const PLACES = [0, ...ENDS.flatMap((end) => [end - 2, end - 1, end, end + 1])].filter((at) => at < triple + K ** 3);

  /** Blocks of pointers on the way to a block of the file, by name. */
  function wayTo(index: number): string[] {
    if (index < single) return [];
    if (index < double) return ['1'];
    if (index < triple) return ['2', `2/${Math.floor((index - double) / K)}`];
    const below = index - triple;
    return ['3', `3/${Math.floor(below / K ** 2)}`, `3/${Math.floor(below / K ** 2)}/${Math.floor(below / K)}`];
  }
  const sectorsOf = (places: readonly number[]): number => 8 * (places.length + new Set(places.flatMap(wayTo)).size);
  const pageOf = (index: number): Uint8Array => Uint8Array.from({ length: PAGE_SIZE }, (_, i) => (index * 31 + i) | 1);

  it.each(['mkfs', 'the kernel'])(
    'the pointers of an inode lead to each block beside a border, as %s has set them, and to none that is cut off',
    (by) => {
      const size = (triple + K ** 3) * PAGE_SIZE;
      const pieces = by === 'mkfs' ? PLACES.map((index) => [index * PAGE_SIZE, pageOf(index)] as const) : [];
      image = makeExt2(tree(directory([['f', file(sparse(size, pieces))]])), { size: 8 << 20 });
      boot();
      const page = new Uint8Array(PAGE_SIZE);
      if (by === 'the kernel') {
        const fd = run(sys.open('/f', O.rdwr));
        for (const index of PLACES) run(sys.pwrite(fd, pageOf(index), 0, PAGE_SIZE, index * PAGE_SIZE));
        run(sys.sync());
        boot();
      }
      const fd = run(sys.open('/f', O.rdwr));
      expect(sys.fstat(fd)).toMatchObject({ size, sectors: sectorsOf(PLACES) });
      const mustHold = (index: number, expected: Uint8Array): void => {
        run(sys.pread(fd, page, 0, PAGE_SIZE, index * PAGE_SIZE));
        expect(Buffer.compare(page, expected), `block ${index}`).toBe(0);
      };
      const zeros = new Uint8Array(PAGE_SIZE);
      for (const index of PLACES) mustHold(index, pageOf(index));
      for (const end of ENDS.slice(0, -1)) for (const hole of [end - 3, end + 2]) mustHold(hole, zeros);
      for (const end of [...PLACES].reverse()) {
        run(sys.ftruncate(fd, end * PAGE_SIZE));
        run(sys.ftruncate(fd, size));
        const left = PLACES.filter((index) => index < end);
        expect([end, sys.fstat(fd).sectors]).toEqual([end, sectorsOf(left)]);
        mustHold(end, zeros);
        if (left.length > 0) mustHold(left.at(-1)!, pageOf(left.at(-1)!));
      }
    },
  );
});

describe('tables of a memory', () => {
  it('tables of a memory take 38 bytes a page, in whole pages', () => {
    // 1077 pages need 40,926 bytes, 1078 need 40,964: ten pages, and eleven.
    const [fewer, least, more] = [1076, 1077, 1078].map((pages) => {
      machine = new FakeMachine({ image, nrPages: pages });
      return machine.run(machine.boot()).mm.allocator.freeCount;
    });
    expect([least! - fewer!, more! - least!]).toEqual([1, 0]);
  });

  it('tables of a memory are of 2^28 pages at most', () => {
    expect(() => new MemMap(2 ** 28 + 1)).toThrow(ArgumentError);
    expect(() => new MemMap(0)).toThrow(ArgumentError);
  });

  it('tables of a memory hold pages of a file up to the last index of 32 bits', () => {
    const mm = new MemoryManagement(200);
    mm.freeAll();
    const space = mm.cache.open(5 as Ino);
    const last = 0xffff_ffff;
    const [one, other] = [mm.allocator.take(), mm.allocator.take()];
    mm.cache.add(space, last, one);
    mm.cache.add(space, last - 1, other);
    expect([last - 1, last].map((index) => mm.cache.find(space, index))).toEqual([other, one]);
    expect([one, other].map((pfn) => mm.map.indexOf(pfn))).toEqual([last, last - 1]);
    const third = mm.allocator.take();
    for (const index of [last + 1, -1, 0.5]) expect(() => mm.cache.add(space, index, third)).toThrow(ArgumentError);
    expect(mm.cache.find(space, 0)).toBe(NO_PAGE);
  });
});

describe('the grant table', () => {
  it('the grant table has 2048 entries of 8 bytes on four pages, of which the first 8 are reserved', () => {
    const FIRST = Pfn(40);
    const grants = new GrantTable(machine.env, FIRST);
    const refs = Array.from({ length: 2040 }, (_, n) => grants.grant(DOM0, Pfn(n), n % 2 === 0)!);
    expect([...refs].sort((a, b) => a - b)).toEqual(Array.from({ length: 2040 }, (_, n) => 8 + n));
    expect([grants.grant(DOM0, Pfn(9), false), grants.freeCount]).toEqual([undefined, 0]);
    // Entry 511 is the last of its page, 512 the first of the next, 2047 the last of all.
    for (const [n, ref] of refs.entries()) {
      const [pfn, at] = [Pfn(FIRST + (ref >> 9)), (ref & 511) * 8];
      expect(machine.memory.readU32(pfn, at + GRANT_ENTRY.offset.frame)).toBe(n);
      expect(machine.memory.readU16(pfn, at + GRANT_ENTRY.offset.flags)).toBe(
        Gtf.permitAccess | (n % 2 === 0 ? Gtf.readonly : 0),
      );
    }
    expect(machine.memory.bytes.subarray(FIRST * PAGE_SIZE, FIRST * PAGE_SIZE + 64).every((byte) => byte === 0)).toBe(
      true,
    );
    for (const ref of [511, 512, 2047] as GrantRef[]) {
      expect([grants.end(ref), grants.grant(DOM0, Pfn(9), false)]).toEqual([true, ref]);
    }
    grants.reset();
    const table = machine.memory.bytes.subarray(FIRST * PAGE_SIZE, (FIRST + 4) * PAGE_SIZE);
    expect([grants.freeCount, table.every((byte) => byte === 0)]).toEqual([2040, true]);
  });
});

describe('keys and messages', () => {
  it.each([
    [0, 'ENOSPC'],
    [0xffff_ffff, 'ENOSPC'],
    [0x1_0000_0000, 'EINVAL'],
    [-1, 'EINVAL'],
  ])('an item of the recovery box under key %i, where there is no room, is answered: %s', (key, expected) => {
    expect(code(() => sys.boxPut(key, Uint8Array.of(1)))).toBe(expected);
  });

  it.each([
    [65_535, 'ok'],
    [65_536, 'ok'],
    [65_537, 'EMSGSIZE'],
  ])('an answer of %i bytes, where a send buffer has 65536, is taken: %s', (bytes, expected) => {
    const nothing = (): void => undefined;
    const socket = new ListeningSocket({ enter: nothing, settle: () => NOTHING }, nothing);
    const sent: number[] = [];
    const exchange = { append: () => 0, finish: ({ length }: Uint8Array) => void sent.push(length) };
    const request = new ServedRequest(new Uint8Array(1), { ...exchange, room: 65_536, isFinished: false });
    expect(code(() => socket.answer(request, new Uint8Array(bytes)))).toBe(expected);
    expect(sent).toEqual(expected === 'ok' ? [bytes] : []);
  });

  it.each([
    ['999999', 'boots'],
    ['1000000', 'panics'],
  ])('the parameter cachemap_expire=%s is taken: %s', (seconds, expected) => {
    machine = new FakeMachine({ image });
    let outcome = 'boots';
    try {
      machine.run(machine.boot(`cachemap=all cachemap_expire=${seconds}`));
    } catch (error) {
      if (!(error instanceof GuestPanic)) throw error;
      outcome = 'panics';
    }
    expect(outcome).toBe(expected);
  });
});
