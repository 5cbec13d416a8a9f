// Inodes as they lie on the disk, byte for byte, after calls that change them.
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../../../src/base/index.ts';
import { directory, file, symlink } from '../../../../src/disk/mkfs/tree.ts';
import { EXT2_FILE_TYPE, EXT2_MODE, INODE_EXTRA } from '../../../../src/format/ext2.ts';
import { O } from '../../../../src/kernel/index.ts';
import type { Process } from '../../../../src/sim/index.ts';
import { WALL_CLOCK_START } from '../../../../src/xen/public/index.ts';
import {
  bytesAt,
  DiskGuest,
  groupField,
  imageOf,
  inodeAt,
  inodeBytes,
  inodeField,
  patch,
  patchWord,
  superField,
} from './disk.ts';

const SECOND = 1_000_000_000;
const word = (bytes: Uint8Array, at: number): number => new DataView(bytes.buffer).getUint32(at, true);

describe.each(['ext2', 'ext3'] as const)('an inode on %s', (type) => {
  it('an inode has each of its fields in its place, little end first', () => {
    const image = imageOf(type, [['file', file('')]]);
    const ino = new DiskGuest(image).inoOf('/file');
    patchWord(image, inodeAt(image, ino) + 32, 0x0000_4840);
    const guest = new DiskGuest(image);
    const { sys } = guest;
    guest.run(
      (function* (): Process {
        const fd = yield* sys.open('/file', O.rdwr);
        yield* sys.pwrite(fd, new Uint8Array(3).fill(7), 0, 3, 0x1_2345_6700);
        yield* sys.close(fd);
        yield* sys.chown('/file', 0x1234_5678, 0x2345_6789);
        yield* sys.chmod('/file', 0o4751);
        yield* sys.link('/file', '/second');
      })(),
    );
    guest.stop();
    const bytes = inodeBytes(image, ino);
    const view = new DataView(bytes.buffer);
    const half = (at: number): number => view.getUint16(at, true);
    expect([half(0), half(2), half(24), half(26)]).toEqual([0o104751, 0x5678, 0x6789, 2]);
    // i_size, and its upper word.
    expect([word(bytes, 4), word(bytes, 108)]).toEqual([0x2345_6703, 1]);
    expect([half(120), half(122)]).toEqual([0x1234, 0x2345]);
    // A page behind two or three levels of pointers; flags stay as they were.
    expect(word(bytes, 28)).toBe(8 * (1 + (word(bytes, 40 + 4 * 14) === 0 ? 2 : 3)));
    expect([word(bytes, 32), word(bytes, 20)]).toEqual([0x4840, 0]);
    expect(inodeField(image, ino, 'i_generation')).toBe(word(bytes, 100));
  });

  it('an inode has the seconds of its times, each by itself', () => {
    const image = imageOf(type, [['file', file('abc')]]);
    const guest = new DiskGuest(image);
    const ino = guest.inoOf('/file');
    const times = (): number[] => {
      const { atime, ctime, mtime } = guest.run(guest.sys.stat('/file'));
      return [atime, ctime, mtime];
    };
    guest.run(guest.sys.utimes('/file', 0x1234_5678, 0x2345_6789));
    const changed = WALL_CLOCK_START + Math.floor(guest.machine.env.now / SECOND);
    expect(times()).toEqual([0x1234_5678, changed, 0x2345_6789]);
    // Data that is written changes two of them, with each tick of the clock, dirty or not.
    for (const wait of [5 * SECOND, SECOND]) {
      guest.pause(wait);
      guest.run(
        (function* (): Process {
          const fd = yield* guest.sys.open('/file', O.wronly);
          for (let n = 0; n < 3; n++) {
            yield* guest.sys.pwrite(fd, Uint8Array.of(n), 0, 1, n);
            yield* guest.sys.pwrite(fd, Uint8Array.of(n), 0, 1, n);
          }
          yield* guest.sys.close(fd);
        })(),
      );
      const now = WALL_CLOCK_START + Math.floor(guest.machine.env.now / SECOND);
      expect(times()).toEqual([0x1234_5678, now, now]);
    }
    // Mode and owners change the one of the inode only.
    guest.pause(3 * SECOND);
    guest.run(guest.sys.chmod('/file', 0o600));
    const [, ctime, mtime] = times();
    expect(ctime! - mtime!).toBe(3);
    guest.stop();
    const bytes = inodeBytes(image, ino);
    expect([8, 12, 16].map((at) => word(bytes, at))).toEqual([0x1234_5678, ctime, mtime]);
  });

  it('an inode that is deleted has the time of that, no links and no blocks, and is free', () => {
    const image = imageOf(type, [['file', file(new Uint8Array(70_000).fill(1))]]);
    const guest = new DiskGuest(image);
    const ino = guest.inoOf('/file');
    const before = [superField(image, 's_free_blocks_count'), superField(image, 's_free_inodes_count')] as const;
    guest.pause(7 * SECOND);
    guest.run(guest.sys.unlink('/file'));
    const now = WALL_CLOCK_START + Math.floor(guest.machine.env.now / SECOND);
    guest.stop();
    const bytes = inodeBytes(image, ino);
    expect([word(bytes, 20), word(bytes, 4), word(bytes, 28)]).toEqual([now, 0, 0]);
    expect(new DataView(bytes.buffer).getUint16(26, true)).toBe(0);
    expect(bytes.subarray(40, 100).every((byte) => byte === 0)).toBe(true);
    // 18 pages, and the block of pointers.
    expect([superField(image, 's_free_blocks_count'), superField(image, 's_free_inodes_count')]).toEqual([
      before[0] + 19,
      before[1] + 1,
    ]);
  });

  it('an inode whose number is used again keeps nothing of its last use but the generation, one less', () => {
    const image = imageOf(type, [['file', file('abc')]]);
    const ino = new DiskGuest(image).inoOf('/file');
    for (const at of [32, 112, 116, 124]) patchWord(image, inodeAt(image, ino) + at, at === 112 ? 0 : 0x0100_0040);
    patchWord(image, inodeAt(image, ino) + 100, 41);
    const guest = new DiskGuest(image);
    guest.run(guest.sys.unlink('/file'));
    guest.run(guest.sys.mkdir('/dir'));
    guest.put('/new', []);
    guest.stop();
    const reused = ['/dir', '/new'].find((path) => guest.inoOf(path) === ino)!;
    const bytes = inodeBytes(image, ino);
    expect(word(bytes, 100)).toBe(42);
    expect([32, 108, 112, 116, 124].map((at) => word(bytes, at))).toEqual([0, 0, 0, 0, 0]);
    expect(reused).toBe('/dir');
  });
});

describe.each(['ext2', 'ext3'] as const)('an inode of 256 bytes on %s', (type) => {
  const extra = (bytes: Uint8Array, name: keyof typeof INODE_EXTRA.offset): number =>
    name === 'i_extra_isize'
      ? new DataView(bytes.buffer).getUint16(128 + INODE_EXTRA.offset[name], true)
      : word(bytes, 128 + INODE_EXTRA.offset[name]);
  const TIMES = ['i_ctime_extra', 'i_mtime_extra', 'i_atime_extra', 'i_crtime_extra'] as const;

  it('an inode of 256 bytes has the nanoseconds of its times, and when it was made', () => {
    const image = imageOf(type, [], { inodeBytes: 256 });
    const guest = new DiskGuest(image);
    guest.pause(20 * SECOND + 250_000_000 - guest.machine.env.now);
    guest.put('/file', []);
    const ino = guest.inoOf('/file');
    guest.pause(30 * SECOND + 510_000_000 - guest.machine.env.now);
    guest.run(guest.sys.chmod('/file', 0o600));
    guest.stop();
    const bytes = inodeBytes(image, ino);
    expect(extra(bytes, 'i_extra_isize')).toBe(INODE_EXTRA.size);
    // Two bits of seconds below them, none of which is set before the year 2038.
    expect(TIMES.map((name) => extra(bytes, name))).toEqual([510, 250, 250, 250].map((ms) => ((ms * 1e6) << 2) >>> 0));
    expect([8, 12, 16].map((at) => word(bytes, at) - WALL_CLOCK_START)).toEqual([20, 30, 20]);
    expect(extra(bytes, 'i_crtime')).toBe(WALL_CLOCK_START + 20);
    // Nothing behind them.
    expect(bytes.subarray(128 + INODE_EXTRA.size).every((byte) => byte === 0)).toBe(true);
  });

  it('an inode of 256 bytes has seconds beyond 2038, and before 1970, by two bits more', () => {
    const image = imageOf(type, [['file', file('')]], { inodeBytes: 256 });
    const guest = new DiskGuest(image);
    const ino = guest.inoOf('/file');
    guest.run(guest.sys.utimes('/file', 2 ** 31 + 5, 2 ** 31 - 1));
    guest.stop();
    const at = inodeAt(image, ino);
    const atime = (): number[] => [word(inodeBytes(image, ino), 8), extra(inodeBytes(image, ino), 'i_atime_extra')];
    const mtime = (): number[] => [word(inodeBytes(image, ino), 16), extra(inodeBytes(image, ino), 'i_mtime_extra')];
    expect([atime(), mtime()]).toEqual([
      [2 ** 31 + 5, 1],
      [2 ** 31 - 1, 0],
    ]);
    patchWord(image, at + 8, 0xffff_fff0);
    patchWord(image, at + 128 + INODE_EXTRA.offset.i_atime_extra, (999_999_999 << 2) >>> 0);
    patchWord(image, at + 16, 7);
    patchWord(image, at + 128 + INODE_EXTRA.offset.i_mtime_extra, 2);
    const next = new DiskGuest(image);
    expect(next.run(next.sys.stat('/file'))).toMatchObject({ atime: -16, mtime: 2 ** 33 + 7 });
    // They are put back as they were.
    next.run(next.sys.chmod('/file', 0o600));
    next.stop();
    expect([atime(), mtime()]).toEqual([
      [0xffff_fff0, (999_999_999 << 2) >>> 0],
      [7, 2],
    ]);
  });

  it('an inode of 256 bytes has attributes behind its fields, and zeros there when the last one is removed', () => {
    const image = imageOf(type, [], { inodeBytes: 256 });
    const guest = new DiskGuest(image);
    guest.put('/file', []);
    const { sys } = guest;
    const behind = (): Uint8Array => {
      guest.sync();
      guest.pause(60 * SECOND);
      return inodeBytes(image, guest.inoOf('/file')).subarray(128 + INODE_EXTRA.size);
    };
    guest.run(sys.setxattr('/file', 'user.ab', Uint8Array.of(0x78, 0x79, 0x7a)));
    const bytes = Buffer.from(behind());
    // A magic number; an entry; its name; the value, in the last word.
    expect(bytes.toString('hex', 0, 24)).toBe(
      '000002ea' + '0201' + '5800' + '00000000' + '03000000' + '00000000' + '61620000',
    );
    expect(bytes.toString('hex', 24)).toBe(`${'00'.repeat(bytes.length - 28)}78797a00`);
    expect(bytes.length - 4 - 4).toBe(0x58);
    guest.run(sys.removexattr('/file', 'user.ab'));
    expect([...behind()].every((byte) => byte === 0)).toBe(true);
    expect(guest.run(sys.listxattr('/file'))).toEqual([]);
  });

  it('an inode of 256 bytes that says how many of them are fields is believed where that can be', () => {
    const image = imageOf(type, [['file', file('abc')]], { inodeBytes: 256 });
    const ino = new DiskGuest(image).inoOf('/file');
    const fails = (bytes: number): string => {
      const copy = image.clone();
      patch(copy, inodeAt(copy, ino) + 128, bytes & 0xff, bytes >>> 8);
      const guest = new DiskGuest(copy);
      return guest.outcome(guest.sys.stat('/file'));
    };
    expect([0, 4, 16, 28, 128].map(fails)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok']);
    expect([2, 30, 129, 132, 0xfffc].map(fails)).toEqual(['EIO', 'EIO', 'EIO', 'EIO', 'EIO']);
  });
});

describe('an entry of a directory', () => {
  const KINDS = ['regular', 'directory', 'characterDevice', 'blockDevice', 'fifo', 'socket', 'symlink'] as const;

  it('an entry of a directory has the type of what it names', () => {
    const image = imageOf('ext2', [
      ...KINDS.filter((kind) => kind !== 'directory' && kind !== 'symlink').map(
        (kind) => [kind, file('')] as [string, ReturnType<typeof file>],
      ),
      ['symlink', symlink('x')],
      ['directory', directory([])],
    ]);
    const first = new DiskGuest(image);
    for (const kind of KINDS) {
      const at = inodeAt(image, first.inoOf(`/${kind}`));
      const mode = EXT2_MODE[kind] | 0o644;
      patch(image, at, mode & 0xff, mode >>> 8);
    }
    const guest = new DiskGuest(image);
    const { sys } = guest;
    for (const kind of KINDS) guest.run(sys.rename(`/${kind}`, `/new-${kind}`));
    const types = new Map(guest.run(sys.readdir('/')).map(({ name, type }) => [name, type]));
    expect(KINDS.map((kind) => types.get(`new-${kind}`))).toEqual(KINDS.map((kind) => EXT2_FILE_TYPE[kind]));
    expect(new Set(Object.values(EXT2_FILE_TYPE)).size).toBe(8);
  });

  it('an entry of a directory is as long as its name needs, and the last one has the rest', () => {
    const image = imageOf('ext2');
    const guest = new DiskGuest(image);
    guest.run(guest.sys.mkdir('/dir'));
    for (const name of ['abc', 'abcde', 'f']) guest.put(`/dir/${name}`, []);
    const ino = guest.inoOf('/dir');
    const inos = ['abc', 'abcde', 'f'].map((name) => guest.inoOf(`/dir/${name}`));
    guest.run(guest.sys.unlink('/dir/abcde'));
    guest.stop();
    const bytes = bytesAt(image, inodeField(image, ino, 'i_block', 0) * PAGE_SIZE, PAGE_SIZE);
    const view = new DataView(bytes.buffer);
    const entries: [number, number, number, string][] = [];
    for (let at = 0; at < PAGE_SIZE; at += view.getUint16(at + 4, true)) {
      const name = Buffer.from(bytes.subarray(at + 8, at + 8 + bytes[at + 6]!)).toString();
      entries.push([word(bytes, at), view.getUint16(at + 4, true), bytes[at + 7]!, name]);
    }
    expect(entries).toEqual([
      [ino, 12, 2, '.'],
      [2, 12, 2, '..'],
      // With the room of the one that was removed.
      [inos[0], 28, 1, 'abc'],
      [inos[2], PAGE_SIZE - 52, 1, 'f'],
    ]);
    // The room is taken by a name that fits exactly.
    const next = new DiskGuest(image);
    next.put('/dir/12345678', []);
    next.put('/dir/1', []);
    expect(next.run(next.sys.readdir('/dir')).map(({ name }) => name)).toEqual([
      '.',
      '..',
      'abc',
      '12345678',
      'f',
      '1',
    ]);
    expect(groupField(image, 0, 'bg_used_dirs_count')).toBeGreaterThan(2);
  });
});
