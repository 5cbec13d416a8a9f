/**
 * The last block, the last inode and the last link of a file system, and none behind them: filled
 * up, read back, emptied again.
 */

import { describe, expect, it } from 'vitest';
import { ModelError, PAGE_SIZE } from '../../../../src/base/index.ts';
import type { MemoryImage } from '../../../../src/disk/image/memory-image.ts';
import { makeExt2 } from '../../../../src/disk/mkfs/mkfs.ts';
import { directory, file, tree } from '../../../../src/disk/mkfs/tree.ts';
import { OracleExt2 } from '../../../../src/experiment/judge/oracle-ext2.ts';
import { O, type Syscalls } from '../../../../src/kernel/index.ts';
import type { Process } from '../../../../src/sim/index.ts';
import { FakeMachine } from '../../../support/fake-machine.ts';

/** Fields of the superblock, from its published layout. */
const superOf = (image: MemoryImage) => {
  const bytes = Buffer.alloc(1024);
  image.read(1024, bytes, 0, 1024);
  const u32 = (at: number): number => bytes.readUInt32LE(at);
  return { inodes: u32(0), blocks: u32(4), freeBlocks: u32(12), freeInodes: u32(16) };
};

function start(blocks: number): { image: MemoryImage; machine: FakeMachine; sys: Syscalls } {
  const image = makeExt2(tree(directory([])), { size: blocks * PAGE_SIZE });
  const machine = new FakeMachine({ image });
  return { image, machine, sys: machine.run(machine.boot()).syscalls };
}

function fails(call: () => unknown): string | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    if (error instanceof ModelError) return error.code;
    throw error;
  }
}

/** Page n of a file of so many: no two are equal. */
const page = (n: number): Uint8Array => new Uint8Array(new Uint32Array(PAGE_SIZE / 4).fill(n + 1).buffer);

describe.each([1024, 1025, 2047])('a file system of %i blocks', (blocks) => {
  it('a file system gives out its last block, and after that none', () => {
    const { image, machine, sys } = start(blocks);
    const before = superOf(image);
    expect(before.blocks).toBe(blocks);
    const fd = machine.run(sys.open('/f', O.rdwr | O.creat));
    let pages = 0;
    let error: string | undefined;
    while (error === undefined) {
      error = fails(() => machine.run(sys.pwrite(fd, page(pages), 0, PAGE_SIZE, pages * PAGE_SIZE)));
      if (error === undefined) pages++;
    }
    expect(error).toBe('ENOSPC');
    machine.run(sys.sync());
    const oracle = new OracleExt2(image);
    const { ino } = oracle.listFiles().find(({ path }) => path === '/f')!;
    const used = Array.from({ length: pages }, (_, n) => oracle.blockOf(ino, n));
    expect(new Set(used).size).toBe(pages);
    expect(Math.max(...used)).toBe(blocks - 1);
    for (let n = 0; n < pages; n++)
      if (oracle.expect(ino, n * PAGE_SIZE, PAGE_SIZE, page(n), 0) >= 0) throw new Error(`page ${n}`);
    // Data, an indirect block for what is behind the twelfth page, and one more level behind the
    // 1,036th.
    const behind = Math.max(0, pages - 12 - 1024);
    const indirect = 1 + (behind > 0 ? 1 + Math.ceil(behind / 1024) : 0);
    expect(before.freeBlocks - pages - indirect).toBe(superOf(image).freeBlocks);
    expect(superOf(image).freeBlocks).toBe(0);
    // One page less is one block more, and it is the one that is given out again.
    machine.run(sys.ftruncate(fd, (pages - 1) * PAGE_SIZE));
    expect(fails(() => machine.run(sys.pwrite(fd, page(7), 0, PAGE_SIZE, (pages - 1) * PAGE_SIZE)))).toBeUndefined();
    machine.run(sys.close(fd));
    machine.run(sys.unlink('/f'));
    machine.run(sys.sync());
    expect(superOf(image)).toEqual(before);
  });
});

describe('inodes', () => {
  it('inodes are given out up to the last, which works as any other, and after that none', () => {
    const { image, machine, sys } = start(1024);
    const { inodes, freeInodes } = superOf(image);
    let made = 0;
    const make = function* (n: number): Process {
      const fd = yield* sys.open(`/${n}`, O.rdwr | O.creat);
      if (n % 50 === 0) yield* sys.pwrite(fd, page(n), 0, 100, 0);
      yield* sys.close(fd);
    };
    let error: string | undefined;
    while (error === undefined) {
      error = fails(() => machine.run(make(made)));
      if (error === undefined) made++;
    }
    expect([error, made]).toEqual(['ENOSPC', freeInodes]);
    machine.run(sys.sync());
    const files = new OracleExt2(image).listFiles();
    expect(files).toHaveLength(made);
    expect(Math.max(...files.map(({ ino }) => ino))).toBe(inodes);
    expect(new Set(files.map(({ ino }) => ino)).size).toBe(made);
    const last = files.find(({ ino }) => ino === inodes)!;
    const fd = machine.run(sys.open(last.path, O.rdwr));
    machine.run(sys.pwrite(fd, page(99), 0, 200, 0));
    machine.run(sys.fsync(fd));
    expect(new OracleExt2(image).expect(inodes, 0, 200, page(99), 0)).toBe(-1);
    machine.run(sys.close(fd));
    for (const { path } of files) machine.run(sys.unlink(path));
    machine.run(sys.sync());
    expect(superOf(image).freeInodes).toBe(freeInodes);
  });
});

describe('links', () => {
  it('links of a file, and subdirectories of a directory, are 32,000 at most', () => {
    const image = makeExt2(
      tree(
        directory([
          ['f', file('x')],
          ['d', directory([])],
        ]),
      ),
      { size: 1024 * PAGE_SIZE },
    );
    const oracle = new OracleExt2(image);
    // Inodes from their published layout: 31,999 links each, as the disk says.
    const word = Buffer.alloc(4);
    image.read(PAGE_SIZE + 8, word, 0, 4);
    const table = word.readUInt32LE(0) * PAGE_SIZE;
    image.read(1024 + 88, word, 0, 2);
    const inodeSize = word.readUInt16LE(0);
    const linksAt = (ino: number): number => table + (ino - 1) * inodeSize + 26;
    const { ino } = oracle.listFiles().find(({ path }) => path === '/f')!;
    const machine = new FakeMachine({ image });
    const inoOfDirectory = machine.run(machine.run(machine.boot()).syscalls.stat('/d')).ino;
    for (const each of [ino, inoOfDirectory]) image.write(linksAt(each), Uint8Array.of(0xff, 0x7c), 0, 2);
    const next = new FakeMachine({ image });
    const { syscalls: sys } = next.run(next.boot());
    const linksOf = (path: string): number => next.run(sys.stat(path)).links;
    expect([linksOf('/f'), linksOf('/d')]).toEqual([31_999, 31_999]);
    expect(fails(() => next.run(sys.link('/f', '/g')))).toBeUndefined();
    expect(fails(() => next.run(sys.mkdir('/d/a')))).toBeUndefined();
    expect([linksOf('/f'), linksOf('/d')]).toEqual([32_000, 32_000]);
    expect(fails(() => next.run(sys.link('/f', '/h')))).toBe('EMLINK');
    expect(fails(() => next.run(sys.mkdir('/d/b')))).toBe('EMLINK');
    expect([linksOf('/f'), linksOf('/d')]).toEqual([32_000, 32_000]);
    expect(next.run(sys.readdir('/d')).map(({ name }) => name)).toEqual(['.', '..', 'a']);
    expect(fails(() => next.run(sys.stat('/h')))).toBe('ENOENT');
  });
});
