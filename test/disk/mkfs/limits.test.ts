// Bounds of mkfs, each with the last value that is allowed and the first that is not.
import { describe, expect, it } from 'vitest';
import { InputError } from '../../../src/base/index.ts';
import { DONE } from '../../../src/base/result.ts';
import { checkGroupDescriptor, checkSuperblock, descriptorBlock, GROUP_DESCRIPTOR } from '../../../src/format/ext2.ts';
import { MemoryImage } from '../../../src/disk/image/memory-image.ts';
import { writeExt2 } from '../../../src/disk/mkfs/mkfs.ts';
import { type Ext2Options, planExt2 } from '../../../src/disk/mkfs/plan.ts';
import { directory, file, type FileContent, sparse, symlink, tree } from '../../../src/disk/mkfs/tree.ts';

const BLOCK = 4096;
const GROUP = 32_768;
const EMPTY = tree(directory([]));

/** 'ok', or why not. */
function outcome(act: () => unknown): string {
  try {
    act();
    return 'ok';
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
}

describe('options', () => {
  it.each<[Ext2Options, string]>([
    [{ timeSeconds: 0 }, 'ok'],
    [{ timeSeconds: -1 }, 'timeSeconds: expected 0 to 2147483647, got -1'],
    [{ timeSeconds: 2 ** 31 - 1 }, 'ok'],
    [{ timeSeconds: 2 ** 31 }, 'timeSeconds: expected 0 to 2147483647, got 2147483648'],
    [{ label: 'x'.repeat(16) }, 'ok'],
    [{ label: 'x'.repeat(17) }, 'label: expected at most 16 bytes, got 17'],
    [{ journalBlocks: 1023 }, 'journalBlocks: expected 1024 or more, got 1023'],
    [{ journalBlocks: 1024 }, 'ok'],
    [{ journalBlocks: 1025 }, 'ok'],
    [{ inodeBytes: 256 }, 'ok'],
    [{ inodeBytes: 512 as 256 }, 'inodeBytes: expected 128 or 256, got 512'],
    [{ size: (2 ** 32 - 1) * BLOCK }, 'ok'],
    [{ size: (2 ** 32 - 1) * BLOCK + BLOCK - 1 }, 'ok'],
    [{ size: 2 ** 32 * BLOCK }, 'size: 17592186044416 bytes are more than ext2 can have, 17592186040320'],
  ])('the options %o are answered: %s', (options, expected) => {
    expect(outcome(() => planExt2(EMPTY, options))).toBe(expected);
  });

  it.each([
    [-1, 0],
    [2 ** 31 - 2, 2 ** 31 - 2],
    [2 ** 31 - 1, 2 ** 31 - 1],
    [2 ** 31, 2 ** 31 - 1],
  ])('a file that was changed at second %i of 1970 says %i', (mtimeSeconds, expected) => {
    expect(file('', { mtimeSeconds }).mtimeSeconds).toBe(expected);
  });
});

describe('the blocks that are free', () => {
  // Root and lost+found have five blocks; the file makes it so many in all. 256 are free at least.
  it.each([
    [255, 1, 256],
    [256, 1, 256],
    [257, 1, 257],
    [5, 0, 256],
    [500, 0.5, 256],
    [513, 0.5, 257],
    [514, 0.5, 257],
    [515, 0.5, 258],
  ])('the blocks that are free of %i blocks in use and a slack of %d are %i', (used, slack, free) => {
    // 12 blocks are named by the inode, further ones by one more block.
    const data = used - 5 > 12 ? used - 6 : used - 5;
    const plan = planExt2(tree(directory([['f', file(Buffer.alloc(data * BLOCK, 1))]])), { slack });
    expect(plan.placement.freeBlocks).toBe(free);
  });
});

describe('groups', () => {
  const shapeOf = (blocks: number) => planExt2(EMPTY, { size: blocks * BLOCK }).shape;

  it.each([
    [GROUP - 1, 1, GROUP - 1],
    [GROUP, 1, GROUP],
    [GROUP + 1, 1, GROUP],
    // The second has a superblock, a block of descriptors, two bitmaps and 129 blocks of inodes;
    // with 50 more it is worth having.
    [GROUP + 133 + 49, 1, GROUP],
    [GROUP + 133 + 50, 2, GROUP + 133 + 50],
    [2 * GROUP, 2, 2 * GROUP],
    [2 * GROUP + 1, 2, 2 * GROUP],
  ])('groups of %i blocks are %i, with %i blocks', (blocks, groupCount, blockCount) => {
    expect(shapeOf(blocks)).toMatchObject({ groupCount, blockCount });
  });

  it.each([
    [127, 1],
    [128, 1],
    [129, 2],
    [256, 2],
    [257, 3],
  ])(
    'file systems of %i groups have %i blocks of descriptors, and each its own descriptor',
    (groups, descriptorBlocks) => {
      const plan = planExt2(EMPTY, { size: groups * GROUP * BLOCK });
      expect(plan.shape).toMatchObject({ groupCount: groups, descriptorBlocks });
      if (groups > 129) return;
      const image = new MemoryImage(plan.sizeBytes);
      writeExt2(plan, image);
      const superblock = Buffer.alloc(1024);
      image.read(1024, superblock, 0, 1024);
      const checked = checkSuperblock(superblock, image.size);
      if (!checked.ok) throw new Error(checked.reason);
      const geometry = checked.value;
      expect([geometry.groupCount, geometry.descriptorBlocks]).toEqual([groups, descriptorBlocks]);
      const block = Buffer.alloc(BLOCK);
      for (let group = 0; group < groups; group++) {
        image.read(descriptorBlock(geometry, group >> 7) * BLOCK, block, 0, BLOCK);
        const at = (group & 127) * 32;
        expect(checkGroupDescriptor(geometry, group, block, at)).toBe(DONE);
        // The bitmap of the blocks lies in its group.
        const bitmap = block.readUInt32LE(at + GROUP_DESCRIPTOR.offset.bg_block_bitmap);
        expect(Math.floor(bitmap / GROUP)).toBe(group);
      }
      // Behind the last descriptor there is nothing.
      expect(block.subarray((((groups - 1) & 127) + 1) * 32).every((byte) => byte === 0)).toBe(true);
    },
  );
});

describe('what a tree may hold', () => {
  const one = file('');
  const many = <T>(count: number, of: () => T) => Array.from({ length: count }, (_, i) => [`${i}`, of()] as const);
  const inRoot = (node: ReturnType<typeof file> | ReturnType<typeof directory>) => tree(directory([['n', node]]));
  const longest = (12 + 1024 + 1024 ** 2 + 1024 ** 3) * BLOCK;

  it.each([
    ['a file of 32,000 names', () => inRoot(directory(many(32_000, () => one))), 'ok'],
    [
      'a file of 32,001 names',
      () => inRoot(directory(many(32_001, () => one))),
      '/n/9999: ext2 allows 32000 links, not more',
    ],
    ['a directory of 31,998 others', () => inRoot(directory(many(31_998, () => directory([])))), 'ok'],
    [
      'a directory of 31,999 others',
      () => inRoot(directory(many(31_999, () => directory([])))),
      '/n/9999: ext2 allows 32000 links, not more',
    ],
    ['a name of 255 bytes', () => tree(directory([['x'.repeat(255), one]])), 'ok'],
    [
      'a name of 256 bytes',
      () => tree(directory([['x'.repeat(256), one]])),
      `name "${'x'.repeat(256)}" has 256 bytes, not 1 to 255`,
    ],
    ['a link with a text of 4095 bytes', () => tree(directory([['l', symlink('x'.repeat(4095))]])), 'ok'],
    [
      'a link with a text of 4096 bytes',
      () => tree(directory([['l', symlink('x'.repeat(4096))]])),
      'target of a symbolic link has 4096 bytes, not 1 to 4095 that are not zero',
    ],
    ['the longest file', () => inRoot(file(sparse(longest, []))), 'ok'],
    [
      'one byte more',
      () => inRoot(file(sparse(longest + 1, []))),
      `/n: ${longest + 1} bytes are too long for a file of ext2`,
    ],
  ])('a tree is planned as its limits say: %s', (_, make, expected) => {
    expect(outcome(() => planExt2(make()))).toBe(expected);
  });

  it.each([
    [59, 0],
    [60, 1],
    [61, 1],
  ])('a link with a text of %i bytes takes %i blocks', (bytes, blocks) => {
    const plan = planExt2(tree(directory([['l', symlink('x'.repeat(bytes))]])));
    expect(plan.inodes.find(({ body }) => body.kind === 'symlink')!.blockCount).toBe(blocks);
  });

  it('a file has as many sectors as 32 bits count', () => {
    /** Blocks of a file without holes: its data, and the blocks that name them, 1024 each. */
    const blocksOf = (data: number): number => {
      const triple = data - 12 - 1024 - 1024 ** 2;
      return data + 1 + (1 + 1024) + (1 + Math.ceil(triple / 1024 ** 2) + Math.ceil(triple / 1024));
    };
    const most = Math.floor((2 ** 32 - 1) / 8);
    let data = most - 1;
    while (blocksOf(data) > most) data -= blocksOf(data) - most;
    while (blocksOf(data + 1) <= most) data++;
    expect([blocksOf(data), blocksOf(data + 1)]).toEqual([most, most + 1]);
    const dense = (blocks: number): FileContent => ({
      sizeBytes: blocks * BLOCK,
      dataRuns: [0, blocks],
      read: () => undefined,
    });
    const plan = planExt2(inRoot(file(dense(data))));
    expect(plan.inodes.find(({ body }) => body.kind === 'file')!.blockCount).toBe(most);
    expect(outcome(() => planExt2(inRoot(file(dense(data + 1)))))).toBe('/n: too long for a file of ext2');
  });
});
