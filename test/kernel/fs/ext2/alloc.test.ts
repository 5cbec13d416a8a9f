// Blocks and inodes are allocated where ext2 of 2.6.12 puts them, and what the bitmaps say is not
// believed.
import { beforeEach, describe, expect, it } from 'vitest';
import type { Pfn } from '../../../../src/base/index.ts';
import { EXT2_MODE, GROUP_DESCRIPTOR, SUPERBLOCK } from '../../../../src/format/ext2.ts';
import { makeExt2 } from '../../../../src/disk/mkfs/mkfs.ts';
import { directory, tree } from '../../../../src/disk/mkfs/tree.ts';
import { freeBlocks, newBlock, nextClearBit, setBit } from '../../../../src/kernel/fs/ext2/balloc.ts';
import { freeInode, mostDebtOf, newInode } from '../../../../src/kernel/fs/ext2/ialloc.ts';
import { Ext2State } from '../../../../src/kernel/fs/ext2/state.ts';
import { Ext2Super } from '../../../../src/kernel/fs/ext2/super.ts';
import { NoJournal } from '../../../../src/kernel/fs/jbd/journal.ts';
import type { KernelLog } from '../../../../src/kernel/log.ts';
import type { Process } from '../../../../src/sim/index.ts';
import type { FakeMachine } from '../../../support/fake-machine.ts';
import { FileSystemRig } from '../../../support/file-system-rig.ts';

let machine: FakeMachine;
let superblock: Ext2Super;
let log: KernelLog;
/** What the kernel has said of errors. */
const errors = (): string[] =>
  log.messages.map(({ text }) => text).filter((text) => !text.endsWith('is read-only from now on'));
const run = <T>(process: Process<T>): T => machine.run(process);

/** Four groups: mkfs puts 32768 blocks in a group. */
const EMPTY = makeExt2(tree(directory([])), { size: 512 << 20 });

beforeEach(() => {
  const rig = new FileSystemRig(EMPTY.clone());
  ({ machine, log } = rig);
  const { core, buffers } = rig;
  const state = run(Ext2State.read(core, buffers));
  superblock = new Ext2Super(state, buffers, new NoJournal(core), { discard: () => undefined });
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

/** Sets bits of a bitmap, 32 at a time where that can be. */
function take(pfn: Pfn, from: number, end: number): void {
  const { buffers } = superblock;
  for (let bit = from; bit < end; )
    if (bit % 32 === 0 && bit + 32 <= end) {
      buffers.writeU32(pfn, bit / 8, 0xffff_ffff);
      bit += 32;
    } else setBit(buffers, pfn, bit++, true);
}

describe('blocks', () => {
  it('blocks are the goal when it is free, then the next in its 64, and counted', () => {
    const before = descriptorWord(1, 'bg_free_blocks_count');
    expect(run(newBlock(superblock, 40_000))).toBe(40_000);
    expect(run(newBlock(superblock, 40_000))).toBe(40_001);
    expect(descriptorWord(1, 'bg_free_blocks_count')).toBe(before - 2);
    run(freeBlocks(superblock, 40_000, 2));
    expect(descriptorWord(1, 'bg_free_blocks_count')).toBe(before);
    expect(run(newBlock(superblock, 40_000))).toBe(40_000);
  });

  it('blocks lie in a free byte of the bitmap when the 64 are taken, and in the next group when the group is', () => {
    const { blocksPerGroup } = superblock.geometry;
    take(bitmap(1), 20_000, 20_032);
    setBit(superblock.buffers, bitmap(1), 20_036, true);
    expect(run(newBlock(superblock, blocksPerGroup + 20_000))).toBe(blocksPerGroup + 20_037);
    take(bitmap(1), 0, blocksPerGroup);
    expect(Math.floor(run(newBlock(superblock, blocksPerGroup + 5)) / blocksPerGroup)).toBe(2);
  });

  // Blocks of group 1, of which 20,032 is a multiple of 64; each row: the goal, what is in use,
  // what is found.
  it.each<[string, number, [number, number][], number]>([
    ['the goal, where it is a multiple of 64', 20_032, [], 20_032],
    [
      'the free byte behind such a goal that is in use',
      20_032,
      [
        [20_032, 20_033],
        [20_034, 20_040],
      ],
      20_040,
    ],
    ['the start of the run that ends in a free byte', 20_032, [[20_032, 20_035]], 20_035],
    ['the next one behind a goal', 20_030, [[20_030, 20_031]], 20_031],
    ['the last of the 64', 19_969, [[19_969, 20_031]], 20_031],
    [
      'no single one behind the 64, but a free byte',
      19_969,
      [
        [19_969, 20_032],
        [20_033, 20_040],
      ],
      20_040,
    ],
    [
      'the same for the last of the 64',
      20_031,
      [
        [20_031, 20_032],
        [20_033, 20_040],
      ],
      20_040,
    ],
    ['the last of the group', 32_766, [[32_766, 32_767]], 32_767],
    [
      'a single one behind the 64 where no byte is free',
      20_032,
      [
        [20_032, 20_100],
        [20_101, 32_768],
      ],
      20_100,
    ],
    ['one of the next group, and none before the goal', 20_032, [[20_032, 32_768]], 32_768],
  ])('blocks that a file asks for are %s', (_, goal, inUse, found) => {
    const { buffers, geometry } = superblock;
    const head = nextClearBit(buffers, bitmap(2), 0, geometry.blocksPerGroup);
    for (const [from, end] of inUse) take(bitmap(1), from, end);
    const expected = found < geometry.blocksPerGroup ? found : geometry.blocksPerGroup + head;
    expect(run(newBlock(superblock, geometry.blocksPerGroup + goal)) - geometry.blocksPerGroup).toBe(expected);
  });

  it('blocks lie before the goal where nothing else is free', () => {
    const { buffers, geometry } = superblock;
    const { blocksPerGroup } = geometry;
    for (const group of [0, 1, 2, 3]) take(bitmap(group), 0, blocksPerGroup);
    setBit(buffers, bitmap(1), 19_000, false);
    expect(run(newBlock(superblock, blocksPerGroup + 20_032))).toBe(blocksPerGroup + 19_000);
    expect(() => run(newBlock(superblock, blocksPerGroup + 20_032))).toThrow(
      expect.objectContaining({ code: 'ENOSPC' }),
    );
  });

  it('blocks are never metadata, whatever the bitmap says', () => {
    setBit(superblock.buffers, bitmap(0), 1, false);
    expect(() => run(newBlock(superblock, 1))).toThrow(expect.objectContaining({ code: 'EIO' }));
    expect(superblock.state.isReadOnly).toBe(true);
    expect(errors()[0]).toMatch(/block 1 holds metadata/);
  });

  it('blocks that are freed twice, or lie beyond the end, are an error of the file system', () => {
    const block = run(newBlock(superblock, 50_000));
    expect(isFreedSoundly(block, 1)).toBe(true);
    expect(superblock.state.isReadOnly).toBe(false);
    expect(isFreedSoundly(block, 1)).toBe(false);
    expect(errors()).toEqual([`ext2: block ${block} is free already`]);
    expect(isFreedSoundly(superblock.geometry.blockCount - 1, 2)).toBe(false);
    expect(errors()).toHaveLength(2);
  });
});

describe('blocks of several groups', () => {
  it('blocks of several groups are freed in those whose bitmap can be read; the others stay in use, which is an error of the file system', () => {
    const { blocksPerGroup } = superblock.geometry;
    const start = 2 * blocksPerGroup - 3;
    const free = (): number[] => [1, 2].map((group) => descriptorWord(group, 'bg_free_blocks_count'));
    for (let at = start; at < start + 3; at++) setBit(superblock.buffers, bitmap(1), at - blocksPerGroup, true);
    const before = free();
    // Of the other group, the bitmap was never read.
    machine.badBlocks.add(superblock.buffers.readU32(superblock.descriptor(2).pfn, superblock.descriptor(2).offset));
    expect(isFreedSoundly(start, 5)).toBe(true);
    expect(free()).toEqual([before[0]! + 3, before[1]!]);
    expect(errors()).toEqual([expect.stringMatching(`blocks ${start + 3} to ${start + 4} are not freed: EIO`)]);
    expect([superblock.state.isReadOnly, superblock.state.hasErrors]).toEqual([true, true]);
  });
});

describe('counts of 16 bits', () => {
  const set = (group: number, field: keyof typeof GROUP_DESCRIPTOR.offset, value: number): void => {
    const { pfn, offset } = superblock.descriptor(group);
    superblock.buffers.writeU16(pfn, offset + GROUP_DESCRIPTOR.offset[field], value);
  };

  it.each([
    [0xfffd, 0xffff],
    [0xfffe, 0xffff],
    [0xffff, 0xffff],
  ])('counts of 16 bits that say %i are %i when two blocks, or two inodes, are freed', (before, after) => {
    const block = run(newBlock(superblock, 40_000));
    expect(run(newBlock(superblock, block))).toBe(block + 1);
    set(1, 'bg_free_blocks_count', before);
    run(freeBlocks(superblock, block, 2));
    expect(descriptorWord(1, 'bg_free_blocks_count')).toBe(after);
    const inodes = [1, 2].map(() => run(newInode(superblock, 2, EXT2_MODE.regular | 0o644)).ino);
    set(0, 'bg_free_inodes_count', before);
    for (const ino of inodes) run(freeInode(superblock, ino, false));
    expect(descriptorWord(0, 'bg_free_inodes_count')).toBe(after);
  });

  it.each([
    [1, 0],
    [2, 1],
  ])('counts of 16 bits that say %i are %i when one is taken, though the bitmap has more', (before, after) => {
    for (const field of ['bg_free_blocks_count', 'bg_free_inodes_count'] as const) set(0, field, before);
    const { ino } = run(newInode(superblock, 2, EXT2_MODE.regular | 0o644));
    expect([ino, descriptorWord(0, 'bg_free_inodes_count')]).toEqual([11, after]);
    expect(Math.floor(run(newBlock(superblock, 20_000)) / 32_768)).toBe(0);
    expect(descriptorWord(0, 'bg_free_blocks_count')).toBe(after);
    // A group that says it is full is passed by.
    expect(Math.floor(run(newBlock(superblock, 20_000)) / 32_768)).toBe(after === 0 ? 1 : 0);
  });

  it.each([
    [0x7fff, 0x8000],
    [0xfffe, 0xffff],
    [0xffff, 0],
  ])('counts of 16 bits of mounts go on from %i with %i', (before, after) => {
    const { buffers, superblockPage } = superblock;
    const at = 1024 + SUPERBLOCK.offset.s_mnt_count;
    buffers.writeU16(superblockPage, at, before);
    const neighbour = buffers.readU16(superblockPage, at + 2);
    superblock.beginChange();
    expect([buffers.readU16(superblockPage, at), buffers.readU16(superblockPage, at + 2)]).toEqual([after, neighbour]);
  });
});

describe('inodes', () => {
  const FILE = EXT2_MODE.regular | 0o644;
  const DIRECTORY = EXT2_MODE.directory | 0o755;
  const groupOf = (ino: number): number => Math.floor((ino - 1) / superblock.geometry.inodesPerGroup);

  it('inodes of files lie in their directory’s group, those of directories in the root are spread', () => {
    const first = run(newInode(superblock, 2, DIRECTORY)).ino;
    const second = run(newInode(superblock, 2, DIRECTORY)).ino;
    // Groups 0 and 2, where the root and lost+found are, have fewer free inodes than the average.
    expect([first, second].map(groupOf)).toEqual([1, 3]);
    expect(groupOf(run(newInode(superblock, second, FILE)).ino)).toBe(groupOf(second));
    expect(groupOf(run(newInode(superblock, first, DIRECTORY)).ino)).toBe(groupOf(first));
  });

  it.each([
    // By blocks, 256 of them a directory at least.
    [32_768, 16_384, 0, 128],
    [32_768, 16_384, 256, 128],
    [32_768, 16_384, 257, 127],
    [32_767, 16_384, 256, 127],
    [32_640, 16_384, 255, 127],
    // By inodes, 64 of them.
    [32_768, 8192, 256, 128],
    [32_768, 8191, 256, 127],
    [32_768, 128, 256, 2],
    [32_768, 127, 256, 1],
    // Never none.
    [32_768, 32, 256, 1],
    [256, 16_384, 1000, 1],
  ])('inodes of directories: groups of %i blocks and %i inodes, %i blocks a directory: a debt of %i', (...row) => {
    const [blocks, inodes, blocksADirectory, most] = row;
    expect(mostDebtOf(blocks, inodes, blocksADirectory)).toBe(most);
  });

  it('inodes of directories lie with their parent up to that debt, which grows by each of them and shrinks by each file', () => {
    const { geometry, debts, buffers } = superblock;
    const parent = run(newInode(superblock, 2, DIRECTORY)).ino;
    const home = groupOf(parent);
    // So many directories that each has less than 256 blocks.
    const { pfn, offset } = superblock.descriptor((home + 2) % 4);
    buffers.writeU16(pfn, offset + GROUP_DESCRIPTOR.offset.bg_used_dirs_count, 1000);
    const most = mostDebtOf(geometry.blocksPerGroup, geometry.inodesPerGroup, 256);
    debts[home] = most - 1;
    expect(groupOf(run(newInode(superblock, parent, DIRECTORY)).ino)).toBe(home);
    expect(debts[home]).toBe(most);
    expect(groupOf(run(newInode(superblock, parent, DIRECTORY)).ino)).toBe((home + 1) % 4);
    expect(groupOf(run(newInode(superblock, parent, FILE)).ino)).toBe(home);
    expect(debts[home]).toBe(most - 1);
    expect(groupOf(run(newInode(superblock, parent, DIRECTORY)).ino)).toBe(home);
  });

  it.each([
    [254, 255],
    [255, 255],
  ])('a debt of %i becomes %i by a directory of the root, and no debt falls below 0', (before, after) => {
    superblock.debts.fill(before);
    const group = groupOf(run(newInode(superblock, 2, DIRECTORY)).ino);
    expect(superblock.debts[group]).toBe(after);
    superblock.debts.fill(0);
    run(newInode(superblock, 2, FILE));
    expect([...superblock.debts]).toEqual([0, 0, 0, 0]);
  });

  it('inodes have another generation each time their number is used', () => {
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

  it('inodes are counted, directories too, and never one of the reserved', () => {
    const before = [descriptorWord(0, 'bg_free_inodes_count'), descriptorWord(0, 'bg_used_dirs_count')];
    const { ino } = run(newInode(superblock, 2, FILE));
    expect(ino).toBeGreaterThanOrEqual(superblock.geometry.firstInode);
    expect(descriptorWord(0, 'bg_free_inodes_count')).toBe(before[0]! - 1);
    run(freeInode(superblock, ino, false));
    expect(descriptorWord(0, 'bg_free_inodes_count')).toBe(before[0]!);
    run(freeInode(superblock, ino, false));
    expect(errors()).toEqual([`ext2: inode ${ino} is free already`]);
  });
});

describe('groups', () => {
  const FILE = EXT2_MODE.regular | 0o644;
  const DIRECTORY = EXT2_MODE.directory | 0o755;
  const groupOf = (ino: number): number => Math.floor((ino - 1) / superblock.geometry.inodesPerGroup);
  const set = (group: number, field: keyof typeof GROUP_DESCRIPTOR.offset, value: number): void => {
    const { pfn, offset } = superblock.descriptor(group);
    superblock.buffers.writeU16(pfn, offset + GROUP_DESCRIPTOR.offset[field], value);
  };
  /** The counts of all groups: free inodes, free blocks, directories. */
  const setAll = (inodes: readonly number[], blocks: readonly number[], directories: readonly number[]): void => {
    for (let group = 0; group < 4; group++) {
      set(group, 'bg_free_inodes_count', inodes[group]!);
      set(group, 'bg_free_blocks_count', blocks[group]!);
      set(group, 'bg_used_dirs_count', directories[group]!);
    }
  };
  const inodeMap = (group: number): Pfn => {
    const { pfn, offset } = superblock.descriptor(group);
    const block = superblock.buffers.readU32(pfn, offset + GROUP_DESCRIPTOR.offset.bg_inode_bitmap);
    return run(superblock.buffers.bread(block));
  };

  it('groups with neither fewer inodes nor fewer blocks than the average may have a directory of the root, the one with fewest directories first', () => {
    const placed = (inodes: number[], blocks: number[], directories: number[]): number => {
      superblock.nextTopGroup = 0;
      setAll(inodes, blocks, directories);
      return groupOf(run(newInode(superblock, 2, DIRECTORY)).ino);
    };
    const even = [100, 100, 100, 100];
    expect(placed(even, even, [9, 7, 8, 7])).toBe(1);
    // Just the average, and one less.
    expect(placed([103, 100, 98, 99], even, [9, 1, 1, 1])).toBe(1);
    expect(placed([104, 99, 98, 99], even, [9, 1, 1, 1])).toBe(0);
    expect(placed(even, [103, 99, 100, 98], [9, 1, 2, 1])).toBe(2);
    // None of them: then the first one from the root's that has the average of inodes.
    expect(placed([104, 99, 98, 99], [10, 20, 20, 20], [9, 1, 1, 1])).toBe(0);
    expect(placed([0, 200, 49, 51], [20, 10, 20, 20], [0, 0, 0, 0])).toBe(1);
  });

  it('groups take turns to be the first for a directory of the root', () => {
    setAll([100, 100, 100, 100], [100, 100, 100, 100], [5, 5, 5, 5]);
    const groups = [0, 1, 2, 3, 4].map((turn) => {
      superblock.nextTopGroup = turn;
      const { ino } = run(newInode(superblock, 2, DIRECTORY));
      setAll([100, 100, 100, 100], [100, 100, 100, 100], [5, 5, 5, 5]);
      expect(superblock.nextTopGroup).toBe(turn + 1);
      return groupOf(ino);
    });
    expect(groups).toEqual([0, 1, 2, 3, 0]);
  });

  it('groups without free blocks have a file only where no group with a free inode has any', () => {
    const inGroup = (group: number): number => group * superblock.geometry.inodesPerGroup + 20;
    const placed = (home: number, inodes: number[], blocks: number[]): number => {
      setAll(inodes, blocks, [1, 1, 1, 1]);
      return groupOf(run(newInode(superblock, inGroup(home), FILE)).ino);
    };
    expect(placed(1, [9, 9, 9, 9], [9, 9, 9, 9])).toBe(1);
    // Quadratic hashing: home and parent, then steps of 1 and 2. The parent is 20, or 12.
    expect(placed(1, [9, 0, 9, 9], [9, 9, 9, 9])).toBe((1 + inGroup(1) + 1) % 4);
    expect(placed(1, [9, 9, 9, 9], [0, 0, 0, 0])).toBe(1);
    expect(placed(1, [9, 0, 9, 9], [0, 0, 0, 0])).toBe(2);
    expect(placed(3, [9, 9, 9, 0], [0, 0, 0, 0])).toBe(0);
    expect(placed(3, [0, 0, 9, 0], [0, 0, 0, 0])).toBe(2);
    setAll([0, 0, 0, 0], [9, 9, 9, 9], [1, 1, 1, 1]);
    for (const mode of [FILE, DIRECTORY])
      expect(() => run(newInode(superblock, inGroup(1), mode))).toThrow('ENOSPC: no inode is free');
  });

  it('groups whose bitmap of inodes is full are passed over, whatever their count says', () => {
    const { geometry } = superblock;
    const fill = (group: number): void => take(inodeMap(group), 0, geometry.inodesPerGroup);
    fill(0);
    expect(run(newInode(superblock, 2, FILE)).ino).toBe(geometry.inodesPerGroup + 1);
    for (const group of [1, 3]) fill(group);
    expect(groupOf(run(newInode(superblock, 2, FILE)).ino)).toBe(2);
    fill(2);
    expect(() => run(newInode(superblock, 2, FILE))).toThrow('ENOSPC: no inode is free');
    // The lock is free again.
    expect(superblock.lock.tryAcquire()).toBe(true);
  });

  it('groups other than the first have no reserved inodes', () => {
    const { buffers, geometry } = superblock;
    setBit(buffers, inodeMap(0), 0, false);
    take(inodeMap(0), geometry.firstInode - 1, geometry.inodesPerGroup);
    setBit(buffers, inodeMap(0), geometry.firstInode + 3, false);
    expect(run(newInode(superblock, 2, FILE)).ino).toBe(geometry.firstInode + 4);
    expect(run(newInode(superblock, 2, FILE)).ino).toBe(geometry.inodesPerGroup + 1);
  });

  it('groups keep the counts of the superblock and the descriptors, of inodes and of blocks', () => {
    const { buffers, superblockPage } = superblock;
    const total = (name: 's_free_inodes_count' | 's_free_blocks_count'): number =>
      buffers.readU32(superblockPage, 1024 + SUPERBLOCK.offset[name]);
    const before = [total('s_free_inodes_count'), total('s_free_blocks_count')] as const;
    const directory = run(newInode(superblock, 2, DIRECTORY)).ino;
    const group = groupOf(directory);
    const used = descriptorWord(group, 'bg_used_dirs_count');
    const block = run(newBlock(superblock, 70_000));
    expect([total('s_free_inodes_count'), total('s_free_blocks_count')]).toEqual([before[0] - 1, before[1] - 1]);
    run(freeInode(superblock, directory, true));
    expect(isFreedSoundly(block, 1)).toBe(true);
    expect([total('s_free_inodes_count'), total('s_free_blocks_count')]).toEqual(before);
    expect(descriptorWord(group, 'bg_used_dirs_count')).toBe(used - 1);
    expect(run(newBlock(superblock, 70_000))).toBe(block);
  });

  it.each([
    [0, 0],
    [-5, 0],
    [131_071, 131_071],
    [131_072, 0],
  ])('groups: a block near %i, of 131072, lies in the group of block %i', (goal, found) => {
    const { blocksPerGroup } = superblock.geometry;
    expect(Math.floor(run(newBlock(superblock, goal)) / blocksPerGroup)).toBe(Math.floor(found / blocksPerGroup));
  });

  it('groups give their freed blocks to who keeps copies of them', () => {
    const discarded: [number, number][] = [];
    const { state, buffers, journal } = superblock;
    const other = new Ext2Super(state, buffers, journal, {
      discard: (block, count) => void discarded.push([block, count]),
    });
    for (let n = 0; n < 3; n++) expect(run(newBlock(superblock, 50_000 + n))).toBe(50_000 + n);
    run(freeBlocks(other, 50_000, 3));
    expect(discarded).toEqual([[50_000, 3]]);
  });

  it('groups whose reserved inodes are to be freed are an error of the file system', () => {
    run(freeInode(superblock, superblock.geometry.firstInode - 1, false));
    expect(errors()).toEqual([`ext2: inode ${superblock.geometry.firstInode - 1} is reserved and is to be freed`]);
  });
});
