import { chmodSync, linkSync, mkdirSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../src/base/user-error.ts';
import { readHostTree } from '../../src/disk/host-tree.ts';
import { planExt2 } from '../../src/disk/mkfs.ts';
import { countFiles, type Entry, type FileNode } from '../../src/disk/mkfs-tree.ts';
import { inTemporaryDirectory, run } from '../support/e2fsprogs.ts';

const names = (entries: readonly Entry[]): string[] =>
  entries.map((entry) => Buffer.from(entry.name).toString('latin1'));

function contentOf(node: FileNode): Buffer {
  const bytes = Buffer.alloc(node.content.sizeBytes);
  node.content.forEachPiece((offset, piece) => bytes.set(piece, offset));
  return bytes;
}

describe('readHostTree', () => {
  it('keeps names as bytes in the order of the bytes, modes, times, links, contents', () => {
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

      const { root, skipped } = readHostTree(dir);
      expect(skipped).toBe(1);
      expect(names(root.entries)).toEqual(['B', 'a', 'a.d', '\xff\n\xfe']);
      const [, a, d, raw] = root.entries.map((entry) => entry.node);
      expect(a).toMatchObject({ kind: 'file', mode: 0o4751, mtimeSeconds: 1_111_111_111 });
      expect(contentOf(a as FileNode).equals(long)).toBe(true);
      expect(contentOf(raw as FileNode).toString()).toBe('raw');
      if (d?.kind !== 'directory') throw new Error('a.d is a directory');
      expect(names(d.entries)).toEqual(['also a', 'link']);
      expect(d.entries[0]!.node).toBe(a);
      expect(d.entries[1]!.node).toMatchObject({ kind: 'symlink', target: Buffer.from('../nowhere') });
      expect(countFiles({ root, skipped })).toEqual({ files: 3, bytes: long.length + 3 });
    });
  });

  it('names what is not a directory', () => {
    inTemporaryDirectory((dir) => {
      const path = join(dir, 'file');
      writeFileSync(path, '');
      expect(() => readHostTree(path)).toThrow(new UserError(`${path}: not a directory`));
      expect(() => readHostTree(join(dir, 'none'))).toThrow(new UserError(`cannot open ${dir}/none: no such file`));
    });
  });

  it('names a file that cannot be read or became shorter, on one line', () => {
    inTemporaryDirectory((dir) => {
      writeFileSync(join(dir, 'gone\nfile'), 'x');
      const gone = readHostTree(dir);
      rmSync(join(dir, 'gone\nfile'));
      expect(() => planExt2(gone)).toThrow(new UserError(`cannot open ${dir}/gone\\nfile: no such file`));

      writeFileSync(join(dir, 'cut'), 'long');
      const cut = readHostTree(dir);
      truncateSync(join(dir, 'cut'), 2);
      expect(() => planExt2(cut)).toThrow(new UserError(`${dir}/cut: became shorter while it was read`));
    });
  });

  it('gives equal plans whatever order the files were made in', () => {
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
