// Directories with an index on ext3. Their hashes are those of debugfs, e2fsck finds the indices
// sound, and a search reads their levels and not their blocks.
import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, vi } from 'vitest';
import { PAGE_SIZE } from '../../../../src/base/index.ts';
import type { MemoryImage } from '../../../../src/disk/image/memory-image.ts';
import { directory, file, type TreeNode } from '../../../../src/disk/mkfs/tree.ts';
import { checkSuperblock, EXT2_SUPERBLOCK_OFFSET, SUPERBLOCK } from '../../../../src/format/ext2.ts';
import { hashName } from '../../../../src/kernel/fs/ext2/dx-hash.ts';
import type { Process } from '../../../../src/sim/index.ts';
import { itWithE2fsprogs, type Judge, loadImage, run, saveImage } from '../../../support/e2fsprogs.ts';
import { casesOf } from '../../../support/product.ts';
import { ext3Image } from '../../../support/journal-image.ts';
import { COSTS } from '../../../support/fake-machine.ts';
import {
  VERSIONS,
  ROOT,
  NODE,
  RECORD,
  madeImage,
  mustBeSound,
  optimized,
  create,
  createAll,
  bootOn,
  shutDown,
  outcome,
  namesIn,
  nameOf,
  long,
  range,
  OnDisk,
  hasIndex,
  largeImages,
} from './indexed-directory.ts';

/** How many different hashes names have; any, except in the test of names with the same hash. */
const hashes = vi.hoisted(() => ({ count: Infinity }));
vi.mock(import('../../../../src/kernel/fs/ext2/dx-hash.ts'), async (importOriginal) => {
  const original = await importOriginal();
  const hashName: typeof original.hashName = (...args) => {
    const hash = original.hashName(...args);
    return hashes.count === Infinity ? hash : 2 * ((hash >>> 29) % hashes.count);
  };
  return { ...original, hashName };
});

afterEach(() => {
  hashes.count = Infinity;
});

describe('hashes', () => {
  itWithE2fsprogs(
    'the hashes are those of debugfs, for names of all lengths and bytes, with a seed and without',
    (judge) => {
      const names = range(0, 200).map((n) => {
        // No byte that debugfs takes for a blank, a quote or the end of a line.
        const bytes = Buffer.alloc(1 + ((n * 7) % 255)).map(
          (_, i) => 0x30 + ((n * 31 + i * 57 + ((i * n) >>> 3)) % 0xd0),
        );
        return n < 20 ? bytes.subarray(0, n + 1) : bytes;
      });
      const seeds = ['00000000-0000-0000-0000-000000000000', 'fedcba98-7654-3210-0123-456789abcdef'];
      const cases = VERSIONS.flatMap((version) =>
        seeds.flatMap((seed) => names.map((name) => ({ version, seed, name }))),
      );
      const lines = cases.map(({ version, seed, name }) =>
        Buffer.concat([Buffer.from(`dx_hash -h ${version} -s ${seed} `), name, Buffer.from('\n')]),
      );
      writeFileSync(`${judge.dir}/commands`, Buffer.concat(lines));
      const said = run(judge.debugfs, '-f', `${judge.dir}/commands`);
      const expected = [...said.matchAll(/is (0x[0-9a-f]+) \(minor/g)].map(([, hash]) => Number(hash));
      const ours = cases.map(({ version, seed, name }) => {
        const bytes = Buffer.from(seed.replaceAll('-', ''), 'hex');
        const words = [0, 4, 8, 12].map((at) => bytes.readUInt32LE(at));
        return hashName(name, VERSIONS.indexOf(version), { seed: words, version: 0, isUnsigned: false });
      });
      expect(expected).toHaveLength(1200);
      expect(ours).toEqual(expected);
    },
  );
});

const HASHES = VERSIONS.flatMap((version) => [1, 2].map((flags) => [version, flags] as const));

describe.each(casesOf('the hash of a directory', '', HASHES, { sample: 2, whole: 6 }))(
  'a directory by the hash %s, s_flags %i',
  (version, flags) => {
    itWithE2fsprogs(
      'an indexed directory is sound after names came and went, and the next guest finds all of them',
      (judge) => {
        const path = `${judge.dir}/made.img`;
        madeImage(judge);
        run(judge.debugfs, '-w', '-R', `ssv def_hash_version ${version}`, path);
        run(judge.debugfs, '-w', '-R', `ssv flags ${flags}`, path);
        const image = loadImage(path);
        const first = bootOn(image);
        const names = new Set<string>();
        first.machine.run(
          (function* (): Process {
            const { sys } = first;
            yield* sys.mkdir('/d');
            for (const n of range(0, 700)) {
              yield* create(sys, `/d/${nameOf(n)}`);
              names.add(nameOf(n));
              const old = nameOf(n >>> 1);
              if (n % 5 === 1) {
                yield* sys.unlink(`/d/${old}`);
                names.delete(old);
              } else if (n % 5 === 3) {
                yield* sys.rename(`/d/${old}`, `/d/again-${n}`);
                names.delete(old);
                names.add(`again-${n}`);
              }
            }
          })(),
        );
        shutDown(first);
        mustBeSound(judge, image);
        const disk = new OnDisk(image);
        expect(hasIndex(judge)).toBe(true);
        expect(disk.read(0)[ROOT.hashVersion]).toBe(VERSIONS.indexOf(version));
        expect(disk.read(0).readUInt16LE(ROOT.count)).toBeGreaterThan(20);
        const guest = bootOn(image);
        expect(namesIn(guest).sort()).toEqual([...names].sort());
        for (const name of names) expect([name, outcome(guest, guest.sys.lstat(`/d/${name}`))]).toEqual([name, 'ok']);
        for (const n of range(0, 50)) expect(outcome(guest, guest.sys.lstat(`/d/none-${nameOf(n)}`))).toBe('ENOENT');
        expect(outcome(guest, guest.sys.stat('/d/../d/.'))).toBe('ok');
      },
    );
  },
);

/**
 * Blocks of the directory that a guest reads to find that a name is not there. Also how long it
 * takes once all are read, ns.
 */
function costOfMiss(image: MemoryImage): { read: number; ns: number } {
  const guest = bootOn(image.clone());
  const { machine, sys } = guest;
  const disk = new OnDisk(image);
  const places = new Set(range(0, machine.run(sys.stat('/d')).size / PAGE_SIZE).map((block) => disk.place(block)));
  machine.requests.length = 0;
  expect(outcome(guest, sys.lstat('/d/none'))).toBe('ENOENT');
  const blocks = machine.requests.flatMap(({ sector, pages }) => pages.map((_, i) => sector / 8 + i));
  namesIn(guest);
  const before = sys.now();
  expect(outcome(guest, sys.lstat('/d/nothing'))).toBe('ENOENT');
  return { read: blocks.filter((block) => places.has(block)).length, ns: sys.now() - before };
}

describe('an index of two levels', () => {
  itWithE2fsprogs(
    'an index of two levels is made when the root is full, sound, and a search costs its levels, not its blocks',
    (judge) => {
      const image = largeImages(judge).oneLevel;
      expect(new OnDisk(image).levels).toBe(1);
      const oneLevel = costOfMiss(image);
      const guest = bootOn(image);
      guest.machine.run(createAll(guest.sys, range(namesIn(guest).length, 7700).map(long)), 10_000_000);
      shutDown(guest);
      mustBeSound(judge, image);
      const disk = new OnDisk(image);
      expect(disk.levels).toBe(2);
      // The node below the root was split, too.
      expect(disk.read(0).readUInt16LE(ROOT.count)).toBe(2);
      const twoLevels = costOfMiss(image);
      expect([oneLevel.read, twoLevels.read]).toEqual([2, 3]);
      // A leaf of 15 names, and nine comparisons in each level.
      expect(twoLevels.ns - oneLevel.ns).toBeLessThan(40 * COSTS.direntNs);
      const linear = image.clone();
      clearIndexFlag(judge, linear);
      expect(costOfMiss(linear).ns - twoLevels.ns).toBeGreaterThan(6000 * COSTS.direntNs);
      expect(costOfMiss(linear).read).toBeGreaterThan(500);

      // The index that e2fsck makes of the same names, and a guest then keeps.
      const made = optimized(judge, image);
      expect(new OnDisk(made).levels).toBe(2);
      expect(costOfMiss(made).read).toBe(3);
      const next = bootOn(made);
      for (const n of range(0, 385)) expect(outcome(next, next.sys.lstat(`/d/${long(n * 20)}`))).toBe('ok');
      next.machine.run(createAll(next.sys, range(7700, 8000).map(long)));
      expect(namesIn(next)).toHaveLength(8000);
      shutDown(next);
      mustBeSound(judge, made);
      expect(hasIndex(judge)).toBe(true);
    },
  );

  itWithE2fsprogs('an index of two levels that is full takes no name more, and is as it was', (judge) => {
    const image = largeImages(judge).oneLevel;
    const guest = bootOn(image);
    for (let n = namesIn(guest).length; guest.machine.run(guest.sys.stat('/d')).size < 513 * PAGE_SIZE; n++)
      guest.machine.run(create(guest.sys, `/d/${long(n)}`));
    shutDown(guest);
    const disk = new OnDisk(image);
    // One node, full of records; and in the root as many as fit, for hashes that no name here has.
    expect(disk.levels).toBe(2);
    const fill = (records: number, limit: number) => (bytes: Buffer) => {
      for (let n = bytes.readUInt16LE(records + 2); n < limit; n++) {
        bytes.writeUInt32LE(0xffff_fff0, records + n * RECORD);
        bytes.writeUInt32LE(1, records + n * RECORD + 4);
      }
      bytes.writeUInt16LE(limit, records + 2);
    };
    const node = disk.read(0).readUInt32LE(ROOT.records + 4);
    disk.change(0, fill(ROOT.records, 508));
    disk.change(node, fill(NODE.records, 511));
    const full = bootOn(image);
    const before = namesIn(full);
    const outcomes = range(10_000, 10_100).map((n) => [n, outcome(full, create(full.sys, `/d/${long(n)}`))] as const);
    expect(new Set(outcomes.map(([, code]) => code))).toEqual(new Set(['ok', 'ENOSPC']));
    const added = outcomes.filter(([, code]) => code === 'ok').map(([n]) => long(n));
    expect(namesIn(full).sort()).toEqual([...before, ...added].sort());
    expect(full.machine.run(full.sys.stat('/d')).size).toBe(513 * PAGE_SIZE);
  });
});

/** The flag of an index is taken from /d. */
function clearIndexFlag(judge: Judge, image: MemoryImage): void {
  const path = `${judge.dir}/linear.img`;
  saveImage(image, path);
  run(judge.debugfs, '-w', '-R', 'set_inode_field /d flags 0', path);
  const bytes = new Uint8Array(image.size);
  loadImage(path).read(0, bytes, 0, bytes.length);
  image.write(0, bytes, 0, bytes.length);
}

/** The entries of a block: name, inode and the space that an entry takes. */
function entriesIn(block: Buffer, end = PAGE_SIZE): { name: Buffer; ino: number; space: number }[] {
  const entries = [];
  for (let at = 0, space: number; at < end; at += space) {
    space = block.readUInt16LE(at + 4);
    entries.push({ name: block.subarray(at + 8, at + 8 + block[at + 6]!), ino: block.readUInt32LE(at), space });
  }
  return entries;
}

/** The records from a place of a block on; the smallest hash below the first is not written. */
function recordsIn(block: Buffer, at: number, least: number): { hash: number; block: number }[] {
  return range(0, block.readUInt16LE(at + 2)).map((n) => ({
    hash: n === 0 ? least : block.readUInt32LE(at + n * RECORD),
    block: block.readUInt32LE(at + n * RECORD + 4),
  }));
}

describe('the drawing in dx.ts', () => {
  itWithE2fsprogs(
    'the drawing in dx.ts has the parts of root, nodes and leaves as a guest has written them',
    (judge) => {
      const image = largeImages(judge).twoLevels;
      const disk = new OnDisk(image);
      const root = disk.read(0);
      const superblock = Buffer.alloc(SUPERBLOCK.size);
      image.read(EXT2_SUPERBLOCK_OFFSET, superblock, 0, superblock.length);
      const geometry = checkSuperblock(superblock, image.size);
      if (!geometry.ok) throw new Error(geometry.reason);
      const hashOf = (name: Buffer): number => hashName(name, root[ROOT.hashVersion]!, geometry.value.directoryHash);
      const parts = new Set<string>();
      // The space of ".." goes up to the end of the block: the records lie in it.
      const [dot, parent] = entriesIn(root);
      expect([dot!.space, parent!.space]).toEqual([12, PAGE_SIZE - 12]);
      parts.add(`root: ${[dot!, parent!].map(({ name }) => JSON.stringify(name.toString())).join(' ')} records`);
      const names: string[] = [];
      let last = -1;
      let isInOrder = true;
      const nodes = recordsIn(root, ROOT.records, 0);
      for (const [n, { hash: least, block }] of nodes.entries()) {
        const node = disk.read(block);
        const [empty, ...more] = entriesIn(node);
        expect([empty!.ino, empty!.space, more]).toEqual([0, PAGE_SIZE, []]);
        parts.add('nodes: empty entry records');
        const leaves = recordsIn(node, NODE.records, least);
        for (const [m, leaf] of leaves.entries()) {
          expect(leaf.hash).toBeGreaterThan(last);
          last = leaf.hash;
          const next = leaves[m + 1]?.hash ?? nodes[n + 1]?.hash ?? 2 ** 32;
          const entries = entriesIn(disk.read(leaf.block)).filter(({ ino }) => ino !== 0);
          const found = entries.map(({ name }) => hashOf(name));
          // Bit 0: names with that hash are in the leaf before, too.
          expect([Math.min(...found) + 1 >= leaf.hash, Math.max(...found) < next]).toEqual([true, true]);
          isInOrder &&= found.every((hash, i) => i === 0 || hash > found[i - 1]!);
          names.push(...entries.map(({ name }) => name.toString()));
          parts.add('leaves: entry entry …');
        }
      }
      expect(isInOrder).toBe(false);
      expect(names.sort()).toEqual(namesIn(bootOn(image)).sort());
      const source = readFileSync(new URL('../../../../src/kernel/fs/ext2/dx.ts', import.meta.url), 'utf8');
      const [, heads, cells] = /^ \* (root.*)\n \* \+.*\n \* (\|.*)$/m.exec(source)!;
      const titles = heads!.split(/ {3,}/).map((head) => head.replace(/[:,].*/, ''));
      const drawn = cells!.split('-->').map((cell) => cell.split('|').slice(1, -1));
      const lines = drawn.map((part, n) => `${titles[n]!}: ${part.map((cell) => cell.trim()).join(' ')}`);
      expect(lines).toEqual([...parts]);
    },
  );
});

describe('names with the same hash', () => {
  itWithE2fsprogs(
    'names with the same hash fill leaves and nodes one behind the other, and all of them are found',
    (judge) => {
      // The second of three begins before the middle, and ends behind it.
      hashes.count = 3;
      const image = madeImage(judge);
      const guest = bootOn(image);
      guest.machine.run(guest.sys.mkdir('/d'));
      const names: string[] = [];
      while (guest.machine.run(guest.sys.stat('/d')).size < 516 * PAGE_SIZE) {
        names.push(long(names.length));
        guest.machine.run(createAll(guest.sys, names.slice(-1)));
      }
      shutDown(guest);
      const disk = new OnDisk(image);
      const root = disk.read(0);
      expect([disk.levels, root.readUInt16LE(ROOT.count)]).toEqual([2, 2]);
      // The second node begins in the middle of a hash.
      const [first, second] = [0, 1].map((n) => disk.read(root.readUInt32LE(ROOT.records + n * RECORD + 4)));
      const begin = root.readUInt32LE(ROOT.records + RECORD);
      expect(begin % 2).toBe(1);
      const last = first!.readUInt32LE(NODE.records + (first!.readUInt16LE(NODE.count) - 1) * RECORD);
      expect([last >>> 1, second!.readUInt32LE(NODE.records + RECORD) >>> 1]).toEqual([begin >>> 1, begin >>> 1]);
      const next = bootOn(image);
      expect(namesIn(next)).toHaveLength(names.length);
      const some = names.filter((_, i) => i % 8 === 0);
      for (const name of some) expect(outcome(next, next.sys.unlink(`/d/${name}`))).toBe('ok');
      expect(outcome(next, next.sys.lstat('/d/none'))).toBe('ENOENT');
      expect(namesIn(next)).toHaveLength(names.length - some.length);
    },
  );
});

describe('a file system that our mkfs made', () => {
  itWithE2fsprogs('a file system that our mkfs made has indices after tune2fs -O dir_index', (judge) => {
    const path = `${judge.dir}/ours.img`;
    const names = range(0, 100).map((n): [string, TreeNode] => [long(n), file('')]);
    saveImage(ext3Image([['d', directory(names)]], 24 << 20), path);
    run(judge.tune2fs, '-O', 'dir_index', path);
    const image = loadImage(path);
    const guest = bootOn(image);
    guest.machine.run(createAll(guest.sys, range(100, 200).map(long)));
    shutDown(guest);
    mustBeSound(judge, image);
    // A directory that had more than one block before goes on without, until e2fsck makes it one.
    expect(hasIndex(judge)).toBe(false);
    expect(costOfMiss(optimized(judge, image)).read).toBe(2);
  });
});

describe('ext2', () => {
  itWithE2fsprogs('ext2 does not use an index, and gives it up with the first change', (judge) => {
    const empty = madeImage(judge, 'ext2');
    const guest = bootOn(empty);
    guest.machine.run(guest.sys.mkdir('/d'));
    guest.machine.run(createAll(guest.sys, range(0, 100).map(long)));
    shutDown(guest);
    mustBeSound(judge, empty);
    expect(hasIndex(judge)).toBe(false);
    const image = optimized(judge, empty);
    expect(hasIndex(judge, 'optimized.img')).toBe(true);
    const next = bootOn(image);
    expect(namesIn(next)).toHaveLength(100);
    expect(costOfMiss(image).read).toBe(next.machine.run(next.sys.stat('/d')).size / PAGE_SIZE);
    next.machine.run(next.sys.unlink(`/d/${long(5)}`));
    shutDown(next);
    mustBeSound(judge, image);
    expect(hasIndex(judge)).toBe(false);
  });
});
