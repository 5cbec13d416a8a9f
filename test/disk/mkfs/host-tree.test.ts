import {
  chmodSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../../src/base/input-error.ts';
import { EXT2_MAX_FILE_BLOCKS } from '../../../src/format/ext2.ts';
import { HostListing, readHostTree } from '../../../src/disk/mkfs/host-tree.ts';
import { MemoryImage } from '../../../src/disk/image/memory-image.ts';
import { mapExt2, writeExt2 } from '../../../src/disk/mkfs/mkfs.ts';
import { planExt2 } from '../../../src/disk/mkfs/plan.ts';
import { countFiles, type Entry, type FileNode } from '../../../src/disk/mkfs/tree.ts';
import { inTemporaryDirectory, run } from '../../support/e2fsprogs.ts';

const names = (entries: readonly Entry[]): string[] =>
  entries.map((entry) => Buffer.from(entry.name).toString('latin1'));

function contentOf(node: FileNode): Buffer {
  const bytes = Buffer.alloc(node.content.sizeBytes);
  node.content.read(0, bytes, 0, bytes.length);
  return bytes;
}

describe('readHostTree', () => {
  it('readHostTree keeps names as bytes in the order of the bytes, modes, times, links, contents', () => {
    inTemporaryDirectory((dir) => {
      const rawName = Buffer.from([0xff, 0x0a, 0xfe]);
      writeFileSync(Buffer.concat([Buffer.from(`${dir}/`), rawName]), 'raw');
      const long = Buffer.alloc((2 << 20) + 77, 'abcdefg');
      writeFileSync(join(dir, 'a'), long);
      chmodSync(join(dir, 'a'), 0o4751);
      utimesSync(join(dir, 'a'), 1_000_000_000, 1_111_111_111.75);
      writeFileSync(join(dir, 'B'), '');
      mkdirSync(join(dir, 'a.d'));
      linkSync(join(dir, 'a'), join(dir, 'a.d', 'also a'));
      symlinkSync('../nowhere', join(dir, 'a.d', 'link'));
      run('mkfifo', join(dir, 'pipe'));

      const { root, leftOut } = readHostTree(dir);
      expect(leftOut).toMatchObject({ count: 1, told: [`${dir}/pipe: a pipe`] });
      expect(names(root.entries)).toEqual(['B', 'a', 'a.d', '\xff\n\xfe']);
      const [, a, d, raw] = root.entries.map((entry) => entry.node);
      expect(a).toMatchObject({ kind: 'file', mode: 0o4751, mtimeSeconds: 1_111_111_111 });
      expect(contentOf(a as FileNode).equals(long)).toBe(true);
      expect(contentOf(raw as FileNode).toString()).toBe('raw');
      if (d?.kind !== 'directory') throw new Error('a.d is a directory');
      expect(names(d.entries)).toEqual(['also a', 'link']);
      expect(d.entries[0]!.node).toBe(a);
      expect(d.entries[1]!.node).toMatchObject({ kind: 'symlink', target: Buffer.from('../nowhere') });
      expect(countFiles({ root, leftOut })).toEqual({ files: 3, bytes: long.length + 3 });
    });
  });

  it('readHostTree names what is not a directory', () => {
    inTemporaryDirectory((dir) => {
      const path = join(dir, 'file');
      writeFileSync(path, '');
      expect(() => readHostTree(path)).toThrow(new InputError(`${path}: not a directory`));
      expect(() => readHostTree(join(dir, 'none'))).toThrow(new InputError(`cannot open ${dir}/none: no such file`));
    });
  });

  it('readHostTree names a file that changes after it was read, on one line', () => {
    inTemporaryDirectory((dir) => {
      const path = join(dir, 'a\nfile');
      const shown = `${dir}/a\\nfile`;
      const other = join(dir, 'other');
      const changes: [change: () => void, message: string][] = [
        [() => rmSync(path), `cannot read ${shown}: no such file`],
        [
          () => truncateSync(path, 2),
          `${shown}: changed while it was in use: stop what writes to it, or name a copy of the directory`,
        ],
        [
          () => writeFileSync(path, 'much longer'),
          `${shown}: changed while it was in use: stop what writes to it, or name a copy of the directory`,
        ],
        [
          () => utimesSync(path, 1, 1),
          `${shown}: changed while it was in use: stop what writes to it, or name a copy of the directory`,
        ],
        [
          () => (rmSync(path), run('mkfifo', path)),
          `${shown}: changed while it was in use: stop what writes to it, or name a copy of the directory`,
        ],
        // As cp -p and rsync do: another file, as long and as old.
        [
          () => renameSync(other, path),
          `${shown}: changed while it was in use: stop what writes to it, or name a copy of the directory`,
        ],
      ];
      for (const [change, message] of changes) {
        rmSync(path, { force: true });
        writeFileSync(path, 'long');
        writeFileSync(other, 'same');
        for (const file of [path, other]) utimesSync(file, 5, 5);
        const plan = planExt2(readHostTree(dir));
        change();
        expect(() => writeExt2(plan, new MemoryImage(plan.sizeBytes))).toThrow(new InputError(message));
      }
    });
  });

  it('readHostTree leaves out what it cannot read, counts it and tells it with the reason', () => {
    inTemporaryDirectory((dir) => {
      for (const name of ['a', 'gone', 'cut', 'z']) writeFileSync(join(dir, name), name);
      for (let i = 0; i < 12; i++) run('mkfifo', join(dir, `pipe${10 + i}`));
      const listing = new HostListing(dir);
      rmSync(join(dir, 'gone'));
      truncateSync(join(dir, 'cut'), 1);
      const { root, leftOut } = listing.read();
      expect(names(root.entries)).toEqual(['a', 'z']);
      expect(leftOut.count).toBe(14);
      // Of the pipes, which were found first, ten.
      expect(leftOut.told).toEqual(Array.from({ length: 10 }, (_, i) => `${dir}/pipe${10 + i}: a pipe`));
    });
    inTemporaryDirectory((dir) => {
      for (const name of ['a', 'gone', 'cut', 'z']) writeFileSync(join(dir, name), name);
      const listing = new HostListing(dir);
      rmSync(join(dir, 'gone'));
      truncateSync(join(dir, 'cut'), 1);
      expect(listing.read().leftOut.told).toEqual([
        `${dir}/cut: changed while it was in use: stop what writes to it, or name a copy of the directory`,
        `cannot read ${dir}/gone: no such file`,
      ]);
    });
  });

  it('readHostTree leaves out what is too long for ext2, unread', () => {
    inTemporaryDirectory((dir) => {
      const most = EXT2_MAX_FILE_BLOCKS * 4096;
      writeFileSync(join(dir, 'a'), 'x');
      writeFileSync(join(dir, 'long'), '');
      truncateSync(join(dir, 'long'), most + 1);
      const listing = new HostListing(dir);
      expect(listing.bytes).toBe(1);
      expect(listing.read().leftOut).toMatchObject({
        count: 1,
        told: [`${dir}/long: ${most + 1} bytes are too long for a file of ext2`],
      });
      expect(new HostListing(dir, 4096).bytes).toBe(4096);
      // As long as ext2 allows.
      truncateSync(join(dir, 'long'), most);
      expect(new HostListing(dir).bytes).toBe(1 + most);
    });
  });

  it('readHostTree refuses more names than it is to hold, wherever they are', () => {
    inTemporaryDirectory((dir) => {
      mkdirSync(join(dir, 'd'));
      for (const name of ['a', 'd/b', 'd/c', 'e']) writeFileSync(join(dir, name), 'x');
      expect(new HostListing(dir, Infinity, false, 5).bytes).toBe(4);
      for (const most of [4, 2, 0])
        expect(() => new HostListing(dir, Infinity, false, most)).toThrow(
          new InputError(`${dir}: more than ${most} names`),
        );
    });
  });

  it('readHostTree goes no deeper than the host lets it', () => {
    inTemporaryDirectory((dir) => {
      // 20 levels of 255 bytes: the path of the host ends before.
      const name = 'd'.repeat(255);
      run('bash', '-c', `cd ${dir}; for i in {1..20}; do echo 1 > f; mkdir ${name}; cd ${name}; done`);
      const { root, leftOut } = readHostTree(dir);
      expect(leftOut.count).toBe(1);
      expect(leftOut.told[0]).toMatch(/: the name is too long$/);
      expect(countFiles({ root, leftOut }).files).toBe(16);
      // rm cannot be told so long a path either.
      run('bash', '-c', `cd ${dir}; rm -r ${name}`);
    });
  });
});

describe('a limit', () => {
  it.each([
    [1, ['a'], [1]],
    [10, ['a'], [10]],
    [11, ['a', 'b'], [10, 1]],
    [30, ['a', 'b', 'c'], [10, 10, 10]],
    [35, ['a', 'b', 'c', 'e'], [10, 10, 10, 5]],
    [1000, ['a', 'b', 'c', 'e', 'g'], [10, 10, 10, 10, 10]],
  ])('a limit of %i bytes ends the tree there, and nothing behind it is opened or listed', (limit, kept, sizes) => {
    inTemporaryDirectory((dir) => {
      mkdirSync(join(dir, 'd'));
      for (const name of ['a', 'b', 'c', 'd/x', 'e', 'f', 'g']) writeFileSync(join(dir, name), '0123456789');
      // Not files: they would be told, were they looked at.
      rmSync(join(dir, 'd/x'));
      rmSync(join(dir, 'f'));
      run('mkfifo', join(dir, 'f'));
      const listing = new HostListing(dir, limit);
      expect(listing.bytes).toBe(Math.min(limit, 50));
      const { root, leftOut } = listing.read();
      const files = root.entries.filter(({ node }) => node.kind === 'file');
      expect(names(files)).toEqual(kept);
      expect(files.map(({ node }) => (node as FileNode).content.sizeBytes)).toEqual(sizes);
      expect(leftOut.count).toBe(limit > 40 ? 1 : 0);
    });
  });

  it('a limit counts a file once for each of its names, as it is read', () => {
    inTemporaryDirectory((dir) => {
      writeFileSync(join(dir, 'a'), '0123456789');
      linkSync(join(dir, 'a'), join(dir, 'b'));
      writeFileSync(join(dir, 'c'), '0123456789');
      const listing = new HostListing(dir, 25);
      expect(listing.bytes).toBe(25);
      expect(countFiles(listing.read())).toEqual({ files: 2, bytes: 15 });
    });
  });
});

describe('the image of a directory', () => {
  it('the image of a directory has the same bytes whether its files were written to it or are read when it is', () => {
    inTemporaryDirectory((dir) => {
      const bytes = (length: number, seed: number): Buffer =>
        Buffer.from(
          Uint32Array.from({ length: Math.ceil(length / 4) }, (_, i) => Math.imul(i + seed, 0x9e3779b1)).buffer,
        ).subarray(0, length);
      mkdirSync(join(dir, 'sub'));
      for (const [i, length] of [0, 1, 4095, 4096, 4097, 50_000, 300_000, 5_000_000].entries())
        writeFileSync(join(dir, i % 2 === 0 ? `f${i}` : `sub/f${i}`), bytes(length, i + 1));
      const holes = Buffer.concat([bytes(5000, 9), Buffer.alloc(70_000), bytes(5000, 10), Buffer.alloc(9000)]);
      writeFileSync(join(dir, 'holes'), holes);
      linkSync(join(dir, 'holes'), join(dir, 'sub/again'));
      symlinkSync('f0', join(dir, 'short'));
      symlinkSync('x'.repeat(200), join(dir, 'long'));
      const plan = (): ReturnType<typeof planExt2> => planExt2(readHostTree(dir));
      const written = new MemoryImage(plan().sizeBytes);
      writeExt2(plan(), written);
      const mapped = mapExt2(plan());
      expect(mapped.size).toBe(written.size);
      const [a, b] = [Buffer.alloc(mapped.size), Buffer.alloc(mapped.size)];
      written.read(0, a, 0, a.length);
      // In pieces that begin and end anywhere.
      for (let at = 0, n = 1; at < b.length; n = (n * 7919) % 300_007) {
        const length = Math.min(n, b.length - at);
        mapped.read(at, b, at, length);
        at += length;
      }
      expect(a.equals(b)).toBe(true);
      // And what is written to it is read back, with the file around it.
      const place = a.indexOf(bytes(5000, 9));
      mapped.write(place + 100, Buffer.from('new'), 0, 3);
      const seen = Buffer.alloc(5000);
      mapped.read(place, seen, 0, 5000);
      const expected = Buffer.from(bytes(5000, 9));
      expected.write('new', 100);
      expect(seen.equals(expected)).toBe(true);
      expect(readFileSync(join(dir, 'holes')).equals(holes)).toBe(true);
    });
  });
});

describe('equal trees', () => {
  it('equal trees give equal plans whatever order the files were made in', () => {
    const plan = (order: string[]): unknown =>
      inTemporaryDirectory((dir) => {
        for (const name of order) {
          writeFileSync(join(dir, name), name);
          utimesSync(join(dir, name), 1, 1);
        }
        utimesSync(dir, 1, 1);
        return planExt2(readHostTree(dir)).inodes.map(({ ino, placedRuns, sizeBytes }) => [ino, placedRuns, sizeBytes]);
      });
    expect(plan(['z', 'aa', 'a'])).toEqual(plan(['a', 'z', 'aa']));
  });
});
