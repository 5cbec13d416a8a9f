// Where the blocks of files lie, and which of them are free again after a file was cut. Images of
// one group without holes: what is allocated next is what is free next.
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../../../src/base/index.ts';
import { file } from '../../../../src/disk/mkfs/tree.ts';
import { OracleExt2 } from '../../../../src/experiment/judge/oracle-ext2.ts';
import { EXT2_POINTERS_PER_BLOCK } from '../../../../src/format/ext2.ts';
import { O } from '../../../../src/kernel/index.ts';
import type { Process } from '../../../../src/sim/index.ts';
import { bitsOf, DiskGuest, groupField, imageOf, inodeField, superField } from './disk.ts';

const N = EXT2_POINTERS_PER_BLOCK;
/** First page behind the direct, the single, the double indirect blocks. */
const [SINGLE, DOUBLE, TRIPLE] = [12, 12 + N, 12 + N + N * N] as const;
const range = (from: number, end: number): number[] => Array.from({ length: end - from }, (_, i) => from + i);

/** Pointers 0 to 14 of an inode. */
const pointersOf = (guest: DiskGuest, ino: number): number[] =>
  range(0, 15).map((n) => inodeField(guest.image, ino, 'i_block', n));

const free = (guest: DiskGuest): number => superField(guest.image, 's_free_blocks_count');

describe.each(['ext2', 'ext3'] as const)('the blocks of a file on %s', (type) => {
  it('the blocks of a file follow each other, with the indirect block between the pages that it parts', () => {
    const guest = new DiskGuest(imageOf(type));
    guest.put('/first', range(0, 14));
    guest.put('/second', [0]);
    guest.stop();
    const ino = guest.inoOf('/first');
    const oracle = new OracleExt2(guest.image);
    const first = oracle.blockOf(ino, 0);
    expect(range(0, 14).map((page) => oracle.blockOf(ino, page) - first)).toEqual([...range(0, 12), 13, 14]);
    expect(pointersOf(guest, ino)).toEqual([...range(0, 12).map((n) => first + n), first + 12, 0, 0]);
    expect(oracle.blockOf(guest.inoOf('/second'), 0)).toBe(first + 15);
    expect(inodeField(guest.image, ino, 'i_blocks')).toBe(15 * 8);
  });

  it('the blocks of a file that the next guest makes longer go on behind the last one', () => {
    const image = imageOf(type);
    const before = new DiskGuest(image);
    for (const name of ['/a', '/b', '/c']) before.put(name, [0, 1]);
    // Room behind the first two pages of a, and far in front.
    before.run(before.sys.unlink('/b'));
    before.stop();
    const guest = new DiskGuest(image);
    const ino = guest.inoOf('/a');
    guest.put('/a', [2]);
    guest.stop();
    const oracle = new OracleExt2(image);
    const at = (page: number): number => oracle.blockOf(ino, page);
    expect([at(1) - at(0), at(2) - at(0)]).toEqual([1, 2]);
  });

  it('the blocks of a file with holes lie behind the nearest one before, or the indirect block', () => {
    const guest = new DiskGuest(imageOf(type));
    guest.put('/other', range(0, 3));
    // Not in their order.
    for (const page of [5, 0, 9, SINGLE + 7, SINGLE + 9, SINGLE + 8]) guest.put('/file', [page]);
    guest.stop();
    const ino = guest.inoOf('/file');
    const oracle = new OracleExt2(guest.image);
    const first = oracle.blockOf(ino, 5);
    const indirect = pointersOf(guest, ino)[12]!;
    expect([0, 9, SINGLE + 7, SINGLE + 9, SINGLE + 8].map((page) => oracle.blockOf(ino, page) - first)).toEqual([
      1, 2, 4, 5, 6,
    ]);
    expect(indirect - first).toBe(3);
    expect(inodeField(guest.image, ino, 'i_blocks')).toBe(7 * 8);
  });

  it('the blocks of a file in a full group of pointers are found by the next guest at every depth', () => {
    const image = imageOf(type);
    const guest = new DiskGuest(image);
    const pages = [0, SINGLE, DOUBLE - 1, DOUBLE, DOUBLE + N, TRIPLE - 1, TRIPLE, TRIPLE + N + 1];
    for (const [i, page] of pages.entries()) guest.put('/file', [page], i + 1);
    guest.stop();
    const next = new DiskGuest(image);
    const bytes = new Uint8Array(PAGE_SIZE);
    const read = (page: number): number => {
      const fd = next.run(next.sys.open('/file'));
      next.run(next.sys.pread(fd, bytes, 0, PAGE_SIZE, page * PAGE_SIZE));
      next.run(next.sys.close(fd));
      return bytes[PAGE_SIZE - 1]!;
    };
    expect(pages.map(read)).toEqual(pages.map((_, i) => i + 1));
    expect([1, SINGLE + 1, DOUBLE + 1, TRIPLE + 1].map(read)).toEqual([0, 0, 0, 0]);
    // 8 pages, and 1 + 4 + 4 blocks of pointers: the double has three below it, the triple two
    // levels.
    expect(inodeField(image, next.inoOf('/file'), 'i_blocks')).toBe((8 + 1 + 4 + 4) * 8);
  });
});

describe.each(['ext2', 'ext3'] as const)('a file that is cut on %s', (type) => {
  const pages = [
    0,
    1,
    11,
    SINGLE,
    SINGLE + 1,
    DOUBLE - 1,
    DOUBLE,
    DOUBLE + 1,
    DOUBLE + N,
    TRIPLE,
    TRIPLE + 1,
    TRIPLE + N,
  ];

  // Pages that stay; blocks that it has then, those of pointers included.
  it.each([
    [TRIPLE + N + 1, 12 + 1 + 3 + 4],
    [TRIPLE + N, 11 + 1 + 3 + 3],
    [TRIPLE + 1, 10 + 1 + 3 + 3],
    [TRIPLE, 9 + 1 + 3],
    [DOUBLE + N + 1, 9 + 1 + 3],
    [DOUBLE + N, 8 + 1 + 2],
    [DOUBLE + 1, 7 + 1 + 2],
    [DOUBLE, 6 + 1],
    [DOUBLE - 1, 5 + 1],
    [SINGLE + 1, 4 + 1],
    [SINGLE, 3],
    [11, 2],
    [1, 1],
    [0, 0],
  ])('a file that is cut to %i pages has %i blocks, and the others are free', (length, blocks) => {
    const image = imageOf(type);
    const guest = new DiskGuest(image);
    guest.put('/file', []);
    guest.sync();
    const before = free(guest);
    guest.put('/file', pages);
    guest.stop();
    const whole = 12 + 1 + 3 + 4;
    expect(free(guest)).toBe(before - whole);
    const bitmap = groupField(image, 0, 'bg_block_bitmap');
    const used = bitsOf(image, bitmap);
    const next = new DiskGuest(image);
    next.run(next.sys.truncate('/file', length * PAGE_SIZE));
    next.stop();
    const ino = next.inoOf('/file');
    expect([free(next), inodeField(image, ino, 'i_blocks')]).toEqual([before - blocks, 8 * blocks]);
    expect(groupField(image, 0, 'bg_free_blocks_count')).toBe(before - blocks);
    const oracle = new OracleExt2(image);
    const left = bitsOf(image, bitmap);
    for (const page of pages) {
      const block = oracle.blockOf(ino, page);
      if (page >= length) expect(block).toBe(0);
      else expect([used.has(block), left.has(block)]).toEqual([true, true]);
    }
    expect([...used].filter((block) => !left.has(block))).toHaveLength(whole - blocks);
    expect([...left].filter((block) => !used.has(block))).toEqual([]);
    expect(
      pointersOf(next, ino)
        .slice(12)
        .map((pointer) => pointer !== 0),
    ).toEqual([SINGLE, DOUBLE, TRIPLE].map((first) => length > first));
  });

  it('a file that is cut and whose blocks do not follow each other gives all of them back', () => {
    const image = imageOf(type);
    const guest = new DiskGuest(image);
    guest.put('/a', []);
    guest.put('/b', []);
    guest.sync();
    const before = free(guest);
    // Pages 0 to 13 of both, in turns; each of them opens the file anew, and goes on behind its
    // last block.
    for (const page of range(0, 14)) for (const path of ['/a', '/b']) guest.put(path, [page]);
    guest.run(guest.sys.truncate('/a', 3 * PAGE_SIZE));
    guest.stop();
    const oracle = new OracleExt2(image);
    const [a, b] = ['/a', '/b'].map((path) => guest.inoOf(path)) as [number, number];
    expect(oracle.blockOf(b, 3) - oracle.blockOf(b, 2)).toBeGreaterThan(1);
    expect(free(guest)).toBe(before - 3 - 15);
    expect([a, b].map((ino) => inodeField(image, ino, 'i_blocks'))).toEqual([8 * 3, 8 * 15]);
    const left = bitsOf(image, groupField(image, 0, 'bg_block_bitmap'));
    expect(range(0, 14).every((page) => left.has(oracle.blockOf(b, page)))).toBe(true);
  });

  it('a file that is cut may be written again where it was, and shows zeros behind its new end', () => {
    const image = imageOf(type);
    const guest = new DiskGuest(image);
    guest.put('/file', range(0, 14), 9);
    const { sys } = guest;
    guest.run(sys.truncate('/file', 5 * PAGE_SIZE + 100));
    guest.run(sys.truncate('/file', 14 * PAGE_SIZE));
    guest.stop();
    const next = new DiskGuest(image);
    const bytes = new Uint8Array(14 * PAGE_SIZE);
    next.run(
      (function* (): Process {
        yield* next.sys.pread(yield* next.sys.open('/file'), bytes, 0, bytes.length, 0);
      })(),
    );
    expect(bytes.lastIndexOf(9)).toBe(5 * PAGE_SIZE + 99);
    expect(bytes.indexOf(0)).toBe(5 * PAGE_SIZE + 100);
  });
});

describe('an indirect block that cannot be read', () => {
  const contents = new Uint8Array(40 * PAGE_SIZE).fill(3);

  // Its first page, and pages that are to stay.
  it.each([
    ['on both sides of the new end', SINGLE + 1, 'EIO', contents.length],
    // What it leads to is to be freed, and cannot be.
    ['only behind the new end', SINGLE, 'EIO', SINGLE * PAGE_SIZE],
    ['behind the new end, of a file that keeps direct blocks alone', 3, 'EIO', 3 * PAGE_SIZE],
  ])('an indirect block that cannot be read and leads to pages %s', (_, pages, code, size) => {
    const image = imageOf('ext2', [['file', file(contents)]]);
    const guest = new DiskGuest(image);
    const ino = guest.inoOf('/file');
    guest.machine.badBlocks.add(inodeField(image, ino, 'i_block', 12));
    expect(guest.outcome(guest.sys.truncate('/file', pages * PAGE_SIZE))).toBe(code);
    expect(guest.run(guest.sys.stat('/file')).size).toBe(size);
    // In the first case nothing has happened, and the file system goes on.
    const isWhole = size === contents.length;
    expect(guest.outcome(guest.sys.mkdir('/new'))).toBe(isWhole ? 'ok' : 'EROFS');
  });
});

describe('a write through an indirect block', () => {
  it.each(['ext2', 'ext3'] as const)(
    'a write through an indirect block is there after fsync and a crash, on %s',
    (type) => {
      const image = imageOf(type);
      const guest = new DiskGuest(image);
      guest.put('/file', []);
      guest.sync();
      guest.put('/file', [0, SINGLE, DOUBLE], 5);
      // The same blocks again: only times change.
      guest.put('/file', [SINGLE + 1], 6);
      const next = new DiskGuest(image);
      const fd = next.run(next.sys.open('/file', O.rdonly));
      const bytes = new Uint8Array(PAGE_SIZE);
      for (const [page, byte] of [
        [0, 5],
        [SINGLE, 5],
        [DOUBLE, 5],
        [SINGLE + 1, 6],
      ] as const) {
        next.run(next.sys.pread(fd, bytes, 0, PAGE_SIZE, page * PAGE_SIZE));
        expect([page, bytes[17]]).toEqual([page, byte]);
      }
    },
  );
});
