import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mkfs } from '../../src/cli/mkfs.ts';
import { FileImage } from '../../src/disk/image/file-image.ts';
import { BOOT_LISTS } from '../../src/disk/mkfs/boot-files.ts';
import { listFiles } from '../../src/experiment/guest/disk-source.ts';
import { OracleExt2 } from '../../src/experiment/judge/oracle-ext2.ts';
import { imageFile } from '../../src/doors/node/index.ts';
import { Machine } from '../../src/index.ts';
import { captureIo } from './capture.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'stillwarm-mkfs-'));
  mkdirSync(join(dir, 'tree/sub'), { recursive: true });
  writeFileSync(join(dir, 'tree/one'), 'first');
  writeFileSync(join(dir, 'tree/sub/two'), Buffer.alloc(100_000, 7));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('mkfs', () => {
  it('mkfs makes an image that holds the files, and nothing else appears', () => {
    const io = captureIo(dir);
    expect(mkfs(['tree', 'disk.img'], io)).toBe(0);
    expect(io.stdout.text).toMatch(/disk\.img: ext2, .*, 2 files of 100 kB\n$/);
    expect(readdirSync(dir).sort()).toEqual(['disk.img', 'tree']);
    const image = FileImage.open(join(dir, 'disk.img'));
    const oracle = new OracleExt2(image);
    const files = new Map(oracle.listFiles().map((file) => [file.path, file]));
    expect([...files.keys()].sort()).toEqual(['/one', '/sub/two']);
    expect(oracle.expect(files.get('/one')!.ino, 0, 5, Buffer.from('first'), 0)).toBe(-1);
    expect(oracle.expect(files.get('/sub/two')!.ino, 0, 100_000, Buffer.alloc(100_000, 7), 0)).toBe(-1);
    image.close();
  });

  it('mkfs adds what a boot reads when asked, and the files stay those of the directory', () => {
    const io = captureIo(dir);
    expect(mkfs(['tree', 'disk.img', '--boot-files'], io)).toBe(0);
    expect(io.stdout.text).toMatch(/disk\.img: ext2, .*, 2 files of 100 kB, and 351 files for boots\n$/);
    const image = FileImage.open(join(dir, 'disk.img'));
    const { files, bootFiles, all } = listFiles(image);
    expect(files.map(({ path }) => path).sort()).toEqual(['/one', '/sub/two']);
    expect(all).toEqual({ files: 2, bytes: 100_005 });
    expect(bootFiles.map(({ path }) => path)).toContain(BOOT_LISTS.start);
    image.close();
  });

  it('mkfs makes ext3 when asked for a journal', () => {
    const io = captureIo(dir);
    expect(mkfs(['tree', 'disk.img', '--journal'], io)).toBe(0);
    expect(io.stdout.text).toMatch(/disk\.img: ext3, .*, 2 files of 100 kB\n$/);
    expect(readFileSync(join(dir, 'disk.img')).length).toBeGreaterThan(16 << 20);
  });

  it.each([128, 256] as const)(
    'mkfs makes inodes of %i bytes when asked, and a guest keeps times as they allow',
    (size) => {
      expect(mkfs(['tree', 'disk.img', '--inode-bytes', String(size)], captureIo(dir))).toBe(0);
      const { sys } = Machine.boot({ disk: imageFile(join(dir, 'disk.img')), memory: 16 << 20, drive: 'instant' });
      sys.utimes('/one', 1, { seconds: 5, ns: 123_456_789 });
      sys.sync();
      sys.dropCaches();
      const { mtime, mtimeNs } = sys.stat('/one');
      expect([mtime, mtimeNs]).toEqual([5, size === 256 ? 123_456_789 : 0]);
    },
  );

  it('mkfs makes inodes of 128 bytes unless it is asked for more', () => {
    mkfs(['tree', 'a.img'], captureIo(dir));
    mkfs(['tree', 'b.img', '--inode-bytes', '128'], captureIo(dir));
    expect(Buffer.compare(readFileSync(join(dir, 'a.img')), readFileSync(join(dir, 'b.img')))).toBe(0);
    expect(() => mkfs(['tree', 'c.img', '--inode-bytes', '512'], captureIo(dir))).toThrow(
      /^--inode-bytes: 512 is none of 128, 256$/,
    );
  });

  it('mkfs makes the same bytes from the same files', () => {
    mkfs(['tree', 'a.img'], captureIo(dir));
    mkfs(['tree', 'b.img'], captureIo(dir));
    expect(Buffer.compare(readFileSync(join(dir, 'a.img')), readFileSync(join(dir, 'b.img')))).toBe(0);
  });

  it('mkfs leaves an existing file alone, unless forced', () => {
    writeFileSync(join(dir, 'disk.img'), 'precious');
    expect(() => mkfs(['tree', 'disk.img'], captureIo(dir))).toThrow(
      /^IMAGE: .*disk.img exists already; --force replaces it$/,
    );
    expect(readFileSync(join(dir, 'disk.img'), 'utf8')).toBe('precious');
    expect(mkfs(['tree', 'disk.img', '--force'], captureIo(dir))).toBe(0);
    expect(readFileSync(join(dir, 'disk.img')).length).toBeGreaterThan(100_000);
  });

  it.each([
    [['nowhere', 'x.img'], /^DIR: .*nowhere is not a directory$/],
    [['tree/one', 'x.img'], /^DIR: .*one is not a directory$/],
    [['tree', 'nowhere/x.img'], /^IMAGE: .*nowhere does not exist$/],
    [['tree', 'tree', '--force'], /^IMAGE: .*tree is a directory$/],
    [['tree'], /^IMAGE is missing; usage: stillwarm mkfs \[OPTION\]... DIR IMAGE$/],
  ])('mkfs refuses %j and writes nothing', (argv, message) => {
    expect(() => mkfs(argv, captureIo(dir))).toThrow(message);
    expect(readdirSync(dir)).toEqual(['tree']);
  });
});
