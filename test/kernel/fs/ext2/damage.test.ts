// What is wrong on the disk, or cannot be written, and what a call says and does then.
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../../../src/base/index.ts';
import { directory, file, symlink } from '../../../../src/disk/mkfs/tree.ts';
import { EXT2_SUPERBLOCK_OFFSET, SUPERBLOCK } from '../../../../src/format/ext2.ts';
import { O } from '../../../../src/kernel/index.ts';
import type { Process } from '../../../../src/sim/index.ts';
import { bitsOf, DiskGuest, groupField, imageOf, inodeAt, inodeField, patch, patchWord, superField } from './disk.ts';

const namesIn = (guest: DiskGuest, path: string): string[] =>
  guest.run(guest.sys.readdir(path)).map(({ name }) => name);

describe.each(['ext2', 'ext3'] as const)('a directory on %s', (type) => {
  it('a directory that is not empty is not removed or replaced, and stays whole', () => {
    const image = imageOf(type, [
      ['full', directory([['in', file('')]])],
      ['empty', directory([])],
    ]);
    const guest = new DiskGuest(image);
    const { sys } = guest;
    expect(guest.outcome(sys.rmdir('/full'))).toBe('ENOTEMPTY');
    expect(guest.outcome(sys.rename('/empty', '/full'))).toBe('ENOTEMPTY');
    expect([namesIn(guest, '/full'), guest.run(sys.stat('/full')).links]).toEqual([['.', '..', 'in'], 2]);
    expect(guest.outcome(sys.rename('/full', '/empty'))).toBe('ok');
    expect(guest.run(sys.stat('/')).links).toBe(4);
    expect(namesIn(guest, '/empty')).toEqual(['.', '..', 'in']);
  });

  it('a directory that does not say where it lies is not moved to another one, and may be renamed', () => {
    const image = imageOf(type, [
      ['broken', directory([])],
      ['other', directory([])],
    ]);
    const first = new DiskGuest(image);
    const block = inodeField(image, first.inoOf('/broken'), 'i_block', 0);
    // The name of ".." becomes "xx".
    patch(image, block * PAGE_SIZE + 12 + 8, 0x78, 0x78);
    const guest = new DiskGuest(image);
    const { sys } = guest;
    expect(guest.outcome(sys.rename('/broken', '/other/moved'))).toBe('EIO');
    expect([namesIn(guest, '/').includes('broken'), namesIn(guest, '/other')]).toEqual([true, ['.', '..']]);
    expect(guest.outcome(sys.rename('/broken', '/renamed'))).toBe('ok');
    expect(guest.outcome(sys.mkdir('/still'))).toBe('ok');
  });

  it('a directory has a link for each of those in it, wherever they came from', () => {
    const guest = new DiskGuest(imageOf(type));
    const { sys } = guest;
    const links = (path: string): number => guest.run(sys.stat(path)).links;
    for (const path of ['/a', '/b', '/a/x', '/a/y']) guest.run(sys.mkdir(path));
    expect([links('/'), links('/a'), links('/b')]).toEqual([5, 4, 2]);
    guest.run(sys.rename('/a/x', '/b/x'));
    expect([links('/'), links('/a'), links('/b'), links('/b/x')]).toEqual([5, 3, 3, 2]);
    guest.run(sys.rename('/a/y', '/a/z'));
    expect(links('/a')).toBe(3);
    // One that replaces another.
    guest.run(sys.rename('/a/z', '/b/x'));
    expect([links('/a'), links('/b'), links('/b/x')]).toEqual([2, 3, 2]);
    guest.run(sys.rmdir('/b/x'));
    expect(links('/b')).toBe(2);
    guest.put('/a/f', []);
    guest.run(sys.link('/a/f', '/b/f'));
    expect([links('/a'), links('/a/f')]).toEqual([2, 2]);
    guest.put('/g', []);
    guest.run(sys.rename('/g', '/b/f'));
    expect([links('/a/f'), links('/b/f'), links('/b')]).toEqual([1, 1, 2]);
  });
});

describe('a symbolic link', () => {
  const image = imageOf('ext2', [
    ['short', symlink('x'.repeat(59))],
    ['long', symlink('y'.repeat(60))],
  ]);

  // i_size that the disk has.
  it.each([
    ['short', 0, 'EIO'],
    ['short', 1, 'ok'],
    ['short', 60, 'ok'],
    ['short', 61, 'EIO'],
    ['long', 0, 'EIO'],
    ['long', PAGE_SIZE, 'ok'],
    ['long', PAGE_SIZE + 1, 'EIO'],
  ])('a symbolic link, %s, that says it has %i bytes is read: %s', (name, size, code) => {
    const copy = image.clone();
    const ino = new DiskGuest(copy).inoOf(`/${name}`);
    patchWord(copy, inodeAt(copy, ino) + 4, size);
    const guest = new DiskGuest(copy);
    expect(guest.outcome(guest.sys.readlink(`/${name}`))).toBe(code);
    if (code === 'ok')
      expect(guest.run(guest.sys.readlink(`/${name}`))).toHaveLength(Math.min(size, name === 'short' ? 59 : 60));
  });

  it('a symbolic link that begins with a zero has no text', () => {
    const copy = image.clone();
    const ino = new DiskGuest(copy).inoOf('/short');
    patch(copy, inodeAt(copy, ino) + 40, 0);
    const guest = new DiskGuest(copy);
    expect(guest.outcome(guest.sys.readlink('/short'))).toBe('EIO');
  });
});

describe('a file without a name that a crash leaves', () => {
  const lastOrphan = EXT2_SUPERBLOCK_OFFSET + SUPERBLOCK.offset.s_last_orphan;

  it('a file without a name that a crash leaves is on the list, newest first, and gone after the next mount', () => {
    const image = imageOf('ext3', [['a', file(new Uint8Array(60_000).fill(1))]]);
    const before = [superField(image, 's_free_blocks_count'), superField(image, 's_free_inodes_count')] as const;
    const guest = new DiskGuest(image);
    const { sys } = guest;
    guest.put('/b', [0]);
    const [a, b] = ['/a', '/b'].map((path) => guest.inoOf(path)) as [number, number];
    guest.run(
      (function* (): Process {
        for (const path of ['/a', '/b']) {
          yield* sys.open(path);
          yield* sys.unlink(path);
        }
      })(),
    );
    guest.run(sys.sync());
    guest.pause(60_000_000_000);
    expect(superField(image, 's_last_orphan')).toBe(b);
    expect([inodeField(image, b, 'i_dtime'), inodeField(image, a, 'i_dtime')]).toEqual([a, 0]);
    const next = new DiskGuest(image);
    next.stop();
    expect(superField(image, 's_last_orphan')).toBe(0);
    // 15 pages, and the block of pointers.
    expect([superField(image, 's_free_blocks_count'), superField(image, 's_free_inodes_count')]).toEqual([
      before[0] + 16,
      before[1] + 1,
    ]);
    const inodes = bitsOf(image, groupField(image, 0, 'bg_inode_bitmap'));
    expect([a, b].map((ino) => inodes.has(ino - 1))).toEqual([false, false]);
  });

  it.each([
    ['free in the bitmap', (ino: number) => ino + 50],
    ['reserved', () => 7],
    ['beyond the last', () => 1_000_000],
  ])('a file without a name that a crash leaves, by a list with a number that is %s, is not looked for', (_, wrong) => {
    const image = imageOf('ext3', [['a', file('abc')]]);
    const ino = new DiskGuest(image).inoOf('/a');
    const free = superField(image, 's_free_inodes_count');
    patchWord(image, lastOrphan, wrong(ino));
    const guest = new DiskGuest(image);
    expect(guest.outcome(guest.sys.mkdir('/dir'))).toBe('ok');
    guest.stop();
    expect([superField(image, 's_last_orphan'), superField(image, 's_free_inodes_count')]).toEqual([0, free - 1]);
  });

  it('a file without a name that a crash leaves before such a number is deleted all the same', () => {
    const image = imageOf('ext3', [
      ['a', file(new Uint8Array(5000).fill(1))],
      ['b', file('')],
    ]);
    const first = new DiskGuest(image);
    const [a, b] = ['/a', '/b'].map((path) => first.inoOf(path)) as [number, number];
    const free = superField(image, 's_free_blocks_count');
    // No link, and a next one that is on the list already.
    patch(image, inodeAt(image, a) + 26, 0, 0);
    patchWord(image, inodeAt(image, a) + 20, a);
    patchWord(image, lastOrphan, a);
    const guest = new DiskGuest(image);
    guest.stop();
    expect([superField(image, 's_last_orphan'), superField(image, 's_free_blocks_count')]).toEqual([0, free + 2]);
    const inodes = bitsOf(image, groupField(image, 0, 'bg_inode_bitmap'));
    expect([a, b].map((ino) => inodes.has(ino - 1))).toEqual([false, true]);
  });
});

describe('a page that cannot be written into its new block', () => {
  /** A guest that wrote one page of a file, and has closed nothing. */
  function begun(type: 'ext2' | 'ext3', badBlock?: number): { guest: DiskGuest; fd: number; free: number } {
    const image = imageOf(type);
    const guest = new DiskGuest(image);
    guest.put('/file', []);
    guest.sync();
    const free = superField(image, 's_free_blocks_count');
    if (badBlock !== undefined) guest.machine.badBlocks.add(badBlock);
    const fd = guest.run(guest.sys.open('/file', O.rdwr));
    guest.run(guest.sys.pwrite(fd, new Uint8Array(PAGE_SIZE).fill(7), 0, PAGE_SIZE, 0));
    return { guest, fd, free };
  }

  it.each([
    ['ext2', 'ok'],
    ['ext3', 'EROFS'],
  ] as const)(
    'a page that cannot be written into its new block, on %s, is a hole; a new file is then: %s',
    (type, then) => {
      const sound = begun(type);
      sound.guest.run(sound.guest.sys.fsync(sound.fd));
      sound.guest.stop();
      const block = inodeField(sound.guest.image, sound.guest.inoOf('/file'), 'i_block', 0);
      const { guest, fd, free } = begun(type, block);
      const { sys, image } = guest;
      const ino = guest.inoOf('/file');
      expect(guest.outcome(sys.fsync(fd))).toBe('EIO');
      guest.machine.badBlocks.clear();
      const bytes = new Uint8Array(PAGE_SIZE).fill(1);
      expect(guest.run(sys.pread(fd, bytes, 0, PAGE_SIZE, 0))).toBe(PAGE_SIZE);
      expect(bytes.every((byte) => byte === 0)).toBe(true);
      expect(sys.fstat(fd).sectors).toBe(0);
      expect(guest.outcome(sys.mkdir('/dir'))).toBe(then);
      expect(guest.outcome(sys.fsync(fd))).toBe(type === 'ext2' ? 'ok' : 'EIO');
      guest.outcome(guest.kernel.shutdown());
      // On ext3 the transaction that gives the file its block is never committed.
      expect([inodeField(image, ino, 'i_block', 0), inodeField(image, ino, 'i_blocks')]).toEqual([0, 0]);
      if (type === 'ext3') expect(bitsOf(image, groupField(image, 0, 'bg_block_bitmap')).has(block)).toBe(false);
      // The new directory has a block.
      else expect(superField(image, 's_free_blocks_count')).toBe(free - 1);
      if (type === 'ext2') expect(inodeField(image, ino, 'i_size')).toBe(PAGE_SIZE);
    },
  );
});

describe('metadata that cannot be written', () => {
  it('metadata that cannot be written is told by fsync once for each open file, on ext2', () => {
    const image = imageOf('ext2', [
      ['a', file('a')],
      ['b', file('b')],
    ]);
    const guest = new DiskGuest(image);
    const { sys } = guest;
    const [a, b] = ['/a', '/b'].map((path) => guest.run(sys.open(path, O.rdwr))) as [number, number];
    guest.run(sys.chmod('/a', 0o600));
    guest.machine.badBlocks.add(Math.floor(inodeAt(image, guest.inoOf('/a')) / PAGE_SIZE));
    expect(guest.outcome(sys.fsync(a))).toBe('EIO');
    expect([a, b, a, b].map((fd) => guest.outcome(sys.fsync(fd)))).toEqual(['ok', 'EIO', 'ok', 'ok']);
    // It is an error of the file system from the next change on.
    expect(guest.outcome(sys.chmod('/b', 0o600))).toBe('EROFS');
  });
});
