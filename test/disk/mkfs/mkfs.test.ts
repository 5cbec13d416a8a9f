import { readFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { getField } from '../../../src/base/layout.ts';
import { InputError } from '../../../src/base/input-error.ts';
import { DONE } from '../../../src/base/result.ts';
import {
  checkGroupDescriptor,
  checkSuperblock,
  EXT2_MAX_FILE_BLOCKS,
  type Ext2Geometry,
  GROUP_DESCRIPTOR,
} from '../../../src/format/ext2.ts';
import { readHostTree } from '../../../src/disk/mkfs/host-tree.ts';
import type { ImageStore } from '../../../src/disk/image/image-store.ts';
import { MemoryImage } from '../../../src/disk/image/memory-image.ts';
import { makeExt2, writeExt2 } from '../../../src/disk/mkfs/mkfs.ts';
import { type Ext2Options, planExt2 } from '../../../src/disk/mkfs/plan.ts';
import {
  countFiles,
  directory,
  file,
  forEachPiece,
  sparse,
  symlink,
  tree,
  type DirectoryNode,
  type FileContent,
  type TreeNode,
} from '../../../src/disk/mkfs/tree.ts';
import { itWithE2fsprogs, mustPassE2fsck, run, saveImage } from '../../support/e2fsprogs.ts';
import { checkProperty, property } from '../../support/property.ts';

const BLOCK = 4096;

/**
 * Files of a few bytes, and files with data next to every place where the depth of the pointers
 * changes.
 */
const content: fc.Arbitrary<FileContent> = fc
  .record({
    size: fc.oneof(
      fc.nat(3 * BLOCK),
      fc.constantFrom(12, 13, 1036, 1037, 2061).map((blocks) => blocks * BLOCK),
    ),
    blocks: fc.array(fc.constantFrom(0, 1, 11, 12, 13, 500, 1035, 1036, 1037, 2059, 2060), { maxLength: 6 }),
    byte: fc.integer({ min: 1, max: 255 }),
    extra: fc.nat(BLOCK),
  })
  .map(({ size, blocks, byte, extra }) => {
    const length = size + extra;
    const pieces = blocks
      .map((block) => block * BLOCK + (extra % 100))
      .filter((at) => at < length)
      .map((at) => [at, new Uint8Array(Math.min(BLOCK, length - at)).fill(byte)] as const);
    return sparse(length, pieces);
  });

const meta = fc.record({ mode: fc.nat(0o777).map((mode) => mode | 0o600), mtimeSeconds: fc.nat(2 ** 31 - 1) });

const leaf: fc.Arbitrary<TreeNode> = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(content, meta).map(([bytes, given]) => file(bytes, given)) },
  {
    weight: 1,
    arbitrary: fc.oneof(fc.nat(70), fc.constantFrom(59, 60, 1000, 4095)).map((n) => symlink('t'.repeat(n || 1))),
  },
);

const isName = (name: Uint8Array): boolean =>
  name.length > 0 && name.length <= 255 && !name.includes(0) && !name.includes(0x2f) && !/^\.\.?$/.test(String(name));

const name: fc.Arbitrary<Uint8Array> = fc
  .oneof(
    fc.string({ unit: 'binary', maxLength: 20 }).map((text) => Buffer.from(text)),
    fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
    fc.nat(999).map((n) => Buffer.from(String(n).padStart(255, 'x'))),
    fc.nat(999).map((n) => Buffer.from(`ß${n}`)),
  )
  .filter((bytes) => isName(bytes) && !/^\.\.?$/.test(bytes.toString()));

/**
 * Directories whose leaves come from one small pool: a leaf that is chosen twice is a hard link.
 */
const anyTree = fc.array(leaf, { minLength: 1, maxLength: 8 }).chain((pool) => {
  const { node } = fc.letrec<{ node: TreeNode; directory: DirectoryNode }>((tie) => ({
    node: fc.oneof({ maxDepth: 4, depthSize: 'small' }, fc.constantFrom(...pool), tie('directory')),
    directory: fc
      .tuple(
        fc.uniqueArray(fc.tuple(name, tie('node')), {
          maxLength: 8,
          selector: ([key]) => Buffer.from(key).toString('hex'),
        }),
        meta,
      )
      .map(([entries, given]) => directory(entries, { ...given, mode: given.mode | 0o700 })),
  }));
  return fc
    .uniqueArray(fc.tuple(name, node), { maxLength: 8, selector: ([key]) => Buffer.from(key).toString('hex') })
    .map((entries) => tree(directory(entries)));
});

function bytesOf(from: FileContent): Buffer {
  const bytes = Buffer.alloc(from.sizeBytes);
  from.read(0, bytes, 0, from.sizeBytes);
  return bytes;
}

/** Throws where two directories differ; lost+found may be on the right side only. */
function mustBeSame(left: DirectoryNode, right: DirectoryNode, path = ''): void {
  const others = right.entries.filter((entry) => path !== '' || Buffer.from(entry.name).toString() !== 'lost+found');
  const hex = (entries: typeof others): string[] => entries.map((entry) => Buffer.from(entry.name).toString('hex'));
  expect(hex(others), path).toEqual(hex([...left.entries]));
  left.entries.forEach(({ name: key, node: one }, i) => {
    const other = others[i]!.node;
    const here = `${path}/${Buffer.from(key).toString()}`;
    if (one.kind === 'directory' && other.kind === 'directory') mustBeSame(one, other, here);
    else if (one.kind === 'symlink' && other.kind === 'symlink')
      expect(Buffer.from(other.target).equals(one.target), here).toBe(true);
    else if (one.kind === 'file' && other.kind === 'file') {
      expect(bytesOf(other.content).equals(bytesOf(one.content)), here).toBe(true);
      expect([other.mode, other.mtimeSeconds], here).toEqual([one.mode, one.mtimeSeconds]);
    } else throw new Error(`${here}: ${other.kind}, not ${one.kind}`);
  });
}

function geometryOf(image: ImageStore): Ext2Geometry {
  const superblock = Buffer.alloc(1024);
  image.read(1024, superblock, 0, 1024);
  const checked = checkSuperblock(superblock, image.size);
  if (!checked.ok) throw new Error(checked.reason);
  const geometry = checked.value;
  const descriptors = Buffer.alloc(geometry.descriptorBlocks * BLOCK);
  image.read(BLOCK, descriptors, 0, descriptors.length);
  for (let group = 0; group < geometry.groupCount; group++)
    expect(checkGroupDescriptor(geometry, group, descriptors, group * GROUP_DESCRIPTOR.size)).toBe(DONE);
  return geometry;
}

function sha(image: ImageStore): string {
  const bytes = Buffer.alloc(image.size);
  image.read(0, bytes, 0, image.size);
  return bytes.toString('latin1');
}

describe('an image of mkfs', () => {
  itWithE2fsprogs(
    'an image of mkfs is sound for e2fsck and reads the same with debugfs, whatever the tree',
    (judge) => {
      let number = 0;
      checkProperty(
        judge.where,
        [anyTree],
        (given) => {
          const from = given as ReturnType<typeof tree>;
          const path = join(judge.dir, 'image');
          const out = join(judge.dir, String(number++));
          mkdirSync(out);
          saveImage(makeExt2(from), path);
          mustPassE2fsck(judge, path);
          run(judge.debugfs, '-R', `rdump / ${out}`, path);
          mustBeSame(from.root, readHostTree(out).root);
        },
        { numRuns: 4, lawRuns: 15 },
      );
    },
  );

  itWithE2fsprogs('an image of mkfs holds files behind the triple indirect block', (judge) => {
    const triple = 12 + 1024 + 1024 ** 2;
    const blocks = [0, 11, 12, 1035, 1036, triple - 1, triple, triple + 1023, triple + 1024, triple + 1024 ** 2];
    const size = (triple + 1024 ** 2 + 1) * BLOCK - 5;
    const pieces = blocks.map((block) => [block * BLOCK, Buffer.from(`block ${block}`)] as const);
    const image = makeExt2(tree(directory([['big', file(sparse(size, pieces))]])));
    const path = join(judge.dir, 'image');
    saveImage(image, path);
    mustPassE2fsck(judge, path);
    for (const block of blocks) {
      const place = Number(run(judge.debugfs, '-R', `bmap /big ${block}`, path));
      const bytes = Buffer.alloc(BLOCK);
      image.read(place * BLOCK, bytes, 0, BLOCK);
      expect(bytes.toString('latin1').replaceAll('\0', '')).toBe(`block ${block}`);
    }
    expect(Number(run(judge.debugfs, '-R', 'bmap /big 100', path))).toBe(0);
    const stat = run(judge.debugfs, '-R', 'stat /big', path);
    expect(stat).toContain(`Size: ${size}`);
    // 10 data blocks; 1 indirect; 1 double and 2 below it; 1 triple, 2 + 3 below it.
    expect(stat).toContain(`Blockcount: ${(10 + 1 + 3 + 6) * 8}`);
  });

  itWithE2fsprogs('an image of mkfs holds the longest file', (judge) => {
    const size = EXT2_MAX_FILE_BLOCKS * BLOCK;
    const last = sparse(size, [[size - 1, Uint8Array.of(1)]]);
    const path = join(judge.dir, 'image');
    saveImage(makeExt2(tree(directory([['longest', file(last)]]))), path);
    mustPassE2fsck(judge, path);
    expect(run(judge.debugfs, '-R', 'stat /longest', path)).toContain(`Size: ${size}`);
  });

  itWithE2fsprogs(
    'an image of mkfs holds directories of 20,000 files, of 300 levels, and lost+found of the tree',
    (judge) => {
      const wide = Array.from({ length: 20_000 }, (_, i) => [`file number ${i}`, file('')] as const);
      let deep = directory([]);
      for (let level = 0; level < 300; level++) deep = directory([['d', deep]]);
      const one = file('one');
      const root = directory([
        ['wide', directory(wide)],
        ['deep', deep],
        ['links', directory(Array.from({ length: 1000 }, (_, i) => [`link ${i}`, one] as const))],
        ['lost+found', directory([['found', file('found')]])],
      ]);
      const path = join(judge.dir, 'image');
      saveImage(makeExt2(tree(root), { label: 'sixteen bytes ok' }), path);
      mustPassE2fsck(judge, path);
      expect(
        run(judge.debugfs, '-R', 'ls -p /wide', path)
          .split('\n')
          .filter((line) => line.includes('file number')),
      ).toHaveLength(20_000);
      expect(run(judge.debugfs, '-R', 'cat /lost+found/found', path)).toBe('found');
      expect(run(judge.debugfs, '-R', 'stat "/links/link 7"', path)).toContain('Links: 1000 ');
    },
  );

  itWithE2fsprogs('an image of mkfs goes on in the next group where one is full', (judge) => {
    const piece = Buffer.alloc(1 << 20, 'a piece of a file that is longer than a group; ');
    const long: FileContent = {
      sizeBytes: 150 << 20,
      read: (offset, dst, dstOffset, length) => {
        for (let at = 0, from: number, to: number; at < length; at += to - from) {
          from = (offset + at) % piece.length;
          to = Math.min(piece.length, from + length - at);
          dst.set(piece.subarray(from, to), dstOffset + at);
        }
      },
    };
    const path = join(judge.dir, 'image');
    saveImage(makeExt2(tree(directory([['long', file(long)]])), { slack: 0 }), path);
    mustPassE2fsck(judge, path);
    run(judge.debugfs, '-R', `dump /long ${join(judge.dir, 'out')}`, path);
    const out = readFileSync(join(judge.dir, 'out'));
    expect(out.length).toBe(150 << 20);
    for (let i = 0; i < 150; i++) expect(out.compare(piece, 0, piece.length, i << 20, (i + 1) << 20)).toBe(0);
  });

  itWithE2fsprogs('an image of mkfs is sound with a journal of any size and inodes of either size', (judge) => {
    checkProperty(
      judge.where,
      [anyTree, fc.integer({ min: 1024, max: 40_000 }), fc.constantFrom(128, 256)],
      (given, journalBlocks, inodeBytes) => {
        const path = `${judge.dir}/journal.img`;
        const options = { journalBlocks, inodeBytes } as Ext2Options;
        saveImage(makeExt2(given as ReturnType<typeof tree>, options), path);
        mustPassE2fsck(judge, path);
        const stat = run(judge.debugfs, '-R', 'stat <8>', path);
        expect(stat).toContain(`Size: ${(journalBlocks as number) * BLOCK}`);
        expect(stat.includes('Size of extra inode fields: 32')).toBe(inodeBytes === 256);
      },
      { numRuns: 3, lawRuns: 10 },
    );
  });

  itWithE2fsprogs('an image of mkfs is sound at any size', (judge) => {
    const path = join(judge.dir, 'image');
    const from = tree(directory([['a', file('a'.repeat(100_000))]]));
    // Around the end of the first group, where a second one is too small to be worth having, and
    // many groups.
    for (const blocks of [100, 32768, 32769, 33100, 33200, 65536, 32768 * 27 + 5000]) {
      saveImage(makeExt2(from, { size: blocks * BLOCK + 17 }), path);
      mustPassE2fsck(judge, path);
    }
  });
});

describe('the layout', () => {
  it('the layout puts indirect blocks in line before the data they map, and the file in one run', () => {
    const data = Buffer.alloc(1100 * BLOCK, 1);
    const plan = planExt2(tree(directory([['f', file(data)]])));
    const image = new MemoryImage(plan.sizeBytes);
    writeExt2(plan, image);
    const planned = plan.inodes.find((inode) => inode.body.kind === 'file')!;
    const [first, count, ...more] = planned.placedRuns;
    expect([count, more]).toEqual([1100 + 3, []]);
    const pointer = (block: number, element: number): number => {
      const word = Buffer.alloc(4);
      image.read(block * BLOCK + element * 4, word, 0, 4);
      return word.readUInt32LE();
    };
    // 12 direct, then the indirect block; 1024 data, then the double indirect block and the first
    // one below it.
    expect(pointer(first! + 12, 0)).toBe(first! + 13);
    expect(pointer(first! + 12, 1023)).toBe(first! + 13 + 1023);
    expect(pointer(first! + 13 + 1024, 0)).toBe(first! + 13 + 1025);
    expect(pointer(first! + 13 + 1025, 0)).toBe(first! + 13 + 1026);
  });

  it('the layout spreads the directories of the root over the groups and keeps files with their directories', () => {
    const top = Array.from({ length: 8 }, (_, i) => {
      const below = directory([['file', file('f')]]);
      return [
        `d${i}`,
        directory([
          ['sub', below],
          ['file', file('f')],
        ]),
      ] as const;
    });
    const plan = planExt2(tree(directory(top)), { size: 1 << 30 });
    const group = (ino: number): number => Math.floor((ino - 1) / plan.shape.inodesPerGroup);
    const tops = plan.inodes.filter((inode) => inode.parent?.ino === 2).slice(1);
    // Not all eight: a group with a copy of the superblock has less than the average of free
    // blocks.
    expect(new Set(tops.map((inode) => group(inode.ino))).size).toBeGreaterThanOrEqual(6);
    for (const inode of plan.inodes) {
      if (inode.parent === undefined || inode.parent.ino === 2) continue;
      expect(group(inode.ino)).toBe(group(inode.parent.ino));
      if (inode.placedRuns.length > 0) expect(Math.floor(inode.placedRuns[0]! / 32768)).toBe(group(inode.ino));
    }
  });

  property(
    'an image of mkfs has the free space that was asked for, and passes our own checks',
    anyTree,
    fc.double({ min: 0, max: 2, noNaN: true }),
    (from, slack) => {
      const image = makeExt2(from, { slack });
      const geometry = geometryOf(image);
      const descriptors = Buffer.alloc(32 * geometry.groupCount);
      image.read(BLOCK, descriptors, 0, descriptors.length);
      let free = 0;
      for (let group = 0; group < geometry.groupCount; group++)
        free += getField(GROUP_DESCRIPTOR, descriptors, group * 32, 'bg_free_blocks_count');
      const used = planExt2(from).inodes.reduce((sum, inode) => sum + inode.blockCount, 0);
      expect(free).toBeGreaterThanOrEqual(Math.max(256, Math.ceil(used * slack)));
      expect(free).toBeLessThanOrEqual(Math.max(256, Math.ceil(used * slack)) + 64);
      expect(geometry.blockCount * BLOCK).toBe(image.size);
    },
    { numRuns: 6, lawRuns: 20 },
  );
});

describe('makeExt2', () => {
  property(
    'makeExt2 gives the same bytes for the same tree, other bytes for another label',
    anyTree,
    (from) => {
      const once = sha(makeExt2(from));
      expect(sha(makeExt2(from)) === once).toBe(true);
      expect(sha(makeExt2(from, { label: 'x' })) === once).toBe(false);
    },
    { numRuns: 5 },
  );

  property(
    'makeExt2 counts files and reports progress up to the end',
    anyTree,
    (from) => {
      const plan = planExt2(from);
      const { files, bytes } = countFiles(from);
      expect([plan.files, plan.fileBytes]).toEqual([files, bytes]);
      const reports: [number, number][] = [];
      makeExt2(from, {}, (done, total) => reports.push([done, total]));
      expect(reports).toHaveLength(2 * files);
      expect(reports.every(([done, total], i) => total === 2 * bytes && done >= (reports[i - 1]?.[0] ?? 0))).toBe(true);
      if (files > 0) expect(reports.at(-1)![0]).toBe(2 * bytes);
    },
    { numRuns: 20 },
  );

  it('makeExt2 fits into the least size it names, and not into less', () => {
    const from = tree(directory([['a', file(Buffer.alloc(5_000_000, 1))]]));
    let least = 0;
    try {
      planExt2(from, { size: 1 << 20 });
    } catch (error) {
      const match = /^size: 1,048,576 bytes are too few, the files need (\d+)$/.exec((error as InputError).message);
      least = Number(match?.[1]);
    }
    expect(planExt2(from, { size: least }).sizeBytes).toBe(least);
    expect(() => planExt2(from, { size: least - 1 })).toThrow(InputError);
  });

  it('makeExt2 is sparse in memory', () => {
    const image = makeExt2(tree(directory([['a', file('a')]])), { size: 2 ** 34 });
    expect(image.size).toBe(2 ** 34);
    expect(image.allocatedBytes).toBeLessThan(2 ** 34 / 100);
  });

  it.each([
    [{ size: 0 }, 'size: expected bytes above 0, got 0'],
    [{ size: Number.NaN }, 'size: expected bytes above 0, got NaN'],
    [{ slack: -1 }, 'slack: expected 0 or more, got -1'],
    [{ label: 'seventeen bytes !' }, 'label: expected at most 16 bytes, got 17'],
    [{ timeSeconds: 0.5 }, 'timeSeconds: expected 0 to 2147483647, got 0.5'],
  ])('makeExt2 refuses %o', (options, message) => {
    expect(() => planExt2(tree(directory([])), options)).toThrow(new InputError(message));
  });

  it('makeExt2 refuses a tree that ext2 cannot hold', () => {
    const below = directory([]);
    const twice = tree(
      directory([
        ['a', below],
        ['b', below],
      ]),
    );
    expect(() => planExt2(twice)).toThrow(new InputError('/b: a directory cannot have two names'));
    const one = file('');
    const links = tree(directory(Array.from({ length: 32_001 }, (_, i) => [`${i}`, one])));
    expect(() => planExt2(links)).toThrow(/^\/\d+: ext2 allows 32000 links, not more$/);
    const subdirectories = tree(directory(Array.from({ length: 32_000 }, (_, i) => [`${i}`, directory([])])));
    expect(() => planExt2(subdirectories)).toThrow(/^\/\d+: ext2 allows 32000 links, not more$/);
    const long = tree(directory([['long', file(sparse(EXT2_MAX_FILE_BLOCKS * BLOCK + 1, []))]]));
    expect(() => planExt2(long)).toThrow(/^\/long: \d+ bytes are too long for a file of ext2$/);
    expect(() => planExt2(tree(directory([['lost+found', one]])))).toThrow(/^\/lost\+found: must be a directory/);
  });
});

describe('the builders', () => {
  it('the builders refuse names and targets that cannot be', () => {
    const one = file('');
    for (const bad of ['', '.', '..', 'a/b', 'a\0b', 'x'.repeat(256)])
      expect(() => directory([[bad, one]])).toThrow(InputError);
    expect(() =>
      directory([
        ['a', one],
        ['a', one],
      ]),
    ).toThrow(new InputError('name "a" occurs twice in one directory'));
    for (const bad of ['', 'a\0', 'x'.repeat(4096)]) expect(() => symlink(bad)).toThrow(InputError);
    expect(() => sparse(10, [[9, new Uint8Array(2)]])).toThrow(InputError);
  });

  property(
    'sparse content is the pieces written one after the other',
    fc.array(fc.tuple(fc.nat(30_000), fc.uint8Array({ maxLength: 9000 })), { maxLength: 6 }),
    (pieces) => {
      const model = Buffer.alloc(40_000);
      for (const [offset, bytes] of pieces) model.set(bytes, offset);
      let end = 0;
      const from = sparse(model.length, pieces);
      forEachPiece(from, (offset, bytes) => {
        expect(offset % BLOCK).toBe(0);
        expect(offset).toBeGreaterThanOrEqual(end);
        end = offset + bytes.length;
        expect(end % BLOCK === 0 || end === model.length).toBe(true);
      });
      expect(bytesOf(from).equals(model)).toBe(true);
    },
  );
});
