// Blocks and inodes are allocated where ext2 of 2.6.12 puts them, and what the bitmaps say is not believed.
import { beforeEach, describe, expect, it } from 'vitest';
import { type Ino, PAGE_SIZE, type Pfn } from '../../src/base/index.ts';
import { EXT2_MODE, GROUP_DESCRIPTOR } from '../../src/disk/ext2-format.ts';
import { makeExt2 } from '../../src/disk/mkfs.ts';
import { directory, tree } from '../../src/disk/mkfs-tree.ts';
import { Buffers, BlockDeviceMapping } from '../../src/kernel/buffer.ts';
import { freeBlocks, newBlock, nextClearBit, setBit } from '../../src/kernel/ext2-balloc.ts';
import { freeInode, newInode } from '../../src/kernel/ext2-ialloc.ts';
import { Ext2Super } from '../../src/kernel/ext2-super.ts';
import { BlockQueue } from '../../src/kernel/block-queue.ts';
import { CacheMap, MemoryManagement, PG } from '../../src/kernel/index.ts';
import { PageIo } from '../../src/kernel/page-io.ts';
import { Writeback } from '../../src/kernel/fs-writeback.ts';
import type { Process } from '../../src/sim/index.ts';
import { BOOT_PAGES, COSTS, FakeMachine } from './fake-machine.ts';

let machine: FakeMachine;
let superblock: Ext2Super;
const run = <T>(process: Process<T>): T => machine.run(process);

/** Mounts an image of four groups (mkfs puts 32768 blocks in a group). */
beforeEach(() => {
  const image = makeExt2(tree(directory([])), { size: 512 << 20 });
  machine = new FakeMachine({ image, nrPages: 512 });
  const { env } = machine;
  const cacheMap = new CacheMap(env.hypercalls, undefined);
  const mm = new MemoryManagement(512, cacheMap, cacheMap);
  for (let pfn = 0; pfn < BOOT_PAGES; pfn++) mm.map.set(pfn as Pfn, PG.reserved);
  mm.freeAll();
  cacheMap.attach(mm);
  const queue = new BlockQueue(env);
  const ring = mm.allocator.take();
  mm.map.set(ring, PG.reserved);
  queue.attach(machine.connectFront(ring, COSTS.interruptNs, queue.dispatch));
  const io = new PageIo(env, COSTS, mm, cacheMap, queue);
  const writeback = new Writeback(env, COSTS, mm, io, queue);
  const device = new BlockDeviceMapping(mm.cache.open(0 as Ino, 0, false), image.size / PAGE_SIZE);
  superblock = run(Ext2Super.mount(env, new Buffers(env, mm, io, writeback, device)));
});

/** Frees blocks; returns whether that made sense. */
function isFreedSoundly(block: number, count: number): boolean {
  const freeing = { isSound: true };
  run(freeBlocks(superblock, block, count, freeing));
  return freeing.isSound;
}

function descriptorWord(group: number, field: keyof typeof GROUP_DESCRIPTOR.offset): number {
  const { pfn, offset } = superblock.descriptor(group);
  return superblock.buffers.readU16(pfn, offset + GROUP_DESCRIPTOR.offset[field]);
}

function bitmap(group: number): Pfn {
  const { pfn, offset } = superblock.descriptor(group);
  return run(superblock.buffers.bread(superblock.buffers.readU32(pfn, offset)));
}

describe('blocks', () => {
  it('are the goal when it is free, then the next in its 64, and counted', () => {
    const before = descriptorWord(1, 'bg_free_blocks_count');
    expect(run(newBlock(superblock, 40_000))).toBe(40_000);
    expect(run(newBlock(superblock, 40_000))).toBe(40_001);
    expect(descriptorWord(1, 'bg_free_blocks_count')).toBe(before - 2);
    run(freeBlocks(superblock, 40_000, 2));
    expect(descriptorWord(1, 'bg_free_blocks_count')).toBe(before);
    expect(run(newBlock(superblock, 40_000))).toBe(40_000);
  });

  it('lie in a free byte of the bitmap when the 64 are taken, and in the next group when the group is', () => {
    const { blocksPerGroup } = superblock.geometry;
    for (let bit = 20_000; bit < 20_032; bit++) setBit(superblock.buffers, bitmap(1), bit, true);
    setBit(superblock.buffers, bitmap(1), 20_036, true);
    expect(run(newBlock(superblock, blocksPerGroup + 20_000))).toBe(blocksPerGroup + 20_037);
    for (let bit = nextClearBit(superblock.buffers, bitmap(1), 0, blocksPerGroup); bit >= 0; ) {
      setBit(superblock.buffers, bitmap(1), bit, true);
      bit = nextClearBit(superblock.buffers, bitmap(1), bit, blocksPerGroup);
    }
    expect(Math.floor(run(newBlock(superblock, blocksPerGroup + 5)) / blocksPerGroup)).toBe(2);
  });

  it('are never metadata, whatever the bitmap says', () => {
    setBit(superblock.buffers, bitmap(0), 1, false);
    expect(() => run(newBlock(superblock, 1))).toThrow(expect.objectContaining({ code: 'EIO' }));
    expect(superblock.isReadOnly).toBe(true);
    expect(superblock.errors[0]).toMatch(/block 1 holds metadata/);
  });

  it('freed twice, or beyond the end, are an error of the file system', () => {
    const block = run(newBlock(superblock, 50_000));
    expect(isFreedSoundly(block, 1)).toBe(true);
    expect(superblock.isReadOnly).toBe(false);
    expect(isFreedSoundly(block, 1)).toBe(false);
    expect(superblock.errors).toEqual([`ext2: block ${block} is free already`]);
    expect(isFreedSoundly(superblock.geometry.blockCount - 1, 2)).toBe(false);
    expect(superblock.errors).toHaveLength(2);
  });
});

describe('blocks of several groups', () => {
  it('are freed in those whose bitmap can be read; the others stay in use, which is an error of the file system', () => {
    const { blocksPerGroup } = superblock.geometry;
    const start = 2 * blocksPerGroup - 3;
    const free = (): number[] => [1, 2].map((group) => descriptorWord(group, 'bg_free_blocks_count'));
    for (let at = start; at < start + 3; at++) setBit(superblock.buffers, bitmap(1), at - blocksPerGroup, true);
    const before = free();
    // Of the other group, the bitmap was never read.
    machine.badBlocks.add(superblock.buffers.readU32(superblock.descriptor(2).pfn, superblock.descriptor(2).offset));
    expect(isFreedSoundly(start, 5)).toBe(true);
    expect(free()).toEqual([before[0]! + 3, before[1]!]);
    expect(superblock.errors).toEqual([
      expect.stringMatching(`blocks ${start + 3} to ${start + 4} are not freed: EIO`),
    ]);
    expect([superblock.isReadOnly, superblock.hasErrors]).toEqual([true, true]);
  });
});

describe('inodes', () => {
  const FILE = EXT2_MODE.regular | 0o644;
  const DIRECTORY = EXT2_MODE.directory | 0o755;
  const groupOf = (ino: number): number => Math.floor((ino - 1) / superblock.geometry.inodesPerGroup);

  it('of files lie in their directory’s group, those of directories in the root are spread', () => {
    const first = run(newInode(superblock, 2, DIRECTORY)).ino;
    const second = run(newInode(superblock, 2, DIRECTORY)).ino;
    // Groups 0 and 2, where the root and lost+found are, have fewer free inodes than the average.
    expect([first, second].map(groupOf)).toEqual([1, 3]);
    expect(groupOf(run(newInode(superblock, second, FILE)).ino)).toBe(groupOf(second));
    expect(groupOf(run(newInode(superblock, first, DIRECTORY)).ino)).toBe(groupOf(first));
  });

  it('have another generation each time their number is used', () => {
    const { ino, generation } = run(newInode(superblock, 2, FILE));
    const { geometry, buffers } = superblock;
    // What the deleted inode leaves in the table.
    const index = (ino - 1) % geometry.inodesPerGroup;
    const block = superblock.inodeTable(groupOf(ino)) + Math.floor(index / geometry.inodesPerBlock);
    const at = (index % geometry.inodesPerBlock) * geometry.inodeSize;
    buffers.writeU32(run(buffers.bread(block)), at + 100, generation);
    run(freeInode(superblock, ino, false));
    expect(run(newInode(superblock, 2, FILE))).toEqual({ ino, generation: generation + 1 });
  });

  it('are counted, directories too, and never one of the reserved', () => {
    const before = [descriptorWord(0, 'bg_free_inodes_count'), descriptorWord(0, 'bg_used_dirs_count')];
    const { ino } = run(newInode(superblock, 2, FILE));
    expect(ino).toBeGreaterThanOrEqual(superblock.geometry.firstInode);
    expect(descriptorWord(0, 'bg_free_inodes_count')).toBe(before[0]! - 1);
    run(freeInode(superblock, ino, false));
    expect(descriptorWord(0, 'bg_free_inodes_count')).toBe(before[0]!);
    run(freeInode(superblock, ino, false));
    expect(superblock.errors).toEqual([`ext2: inode ${ino} is free already`]);
  });
});
