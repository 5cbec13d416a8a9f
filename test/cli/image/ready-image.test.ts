// Images of real programs (mke2fs, gzip, xz, zstd), made ready as the commands do it. Each file of
// theirs must have its bytes on the image that a guest gets.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readyImage } from '../../../src/cli/image/ready-image.ts';
import { openDisk, type DiskSource } from '../../../src/experiment/guest/disk-source.ts';
import type { Progress } from '../../../src/experiment/guest/progress.ts';
import { inTemporaryDirectory, itWithE2fsprogs, mke2fs, mustPassE2fsck, run } from '../../support/e2fsprogs.ts';
import type { Judge } from '../../support/e2fsprogs.ts';
import { gptDisk, mbrDisk } from '../../support/partitions.ts';

const MIB = 1 << 20;
const EXT4 = ['-t', 'ext4', '-b', '4096', '-O', '64bit,metadata_csum,inline_data,flex_bg,^has_journal', '-I', '256'];
const SPARSE_BYTES = 20 * MIB;

/** Bytes that do not repeat. */
function noise(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0, x = seed; i < length; i++) {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[i] = x >>> 24;
  }
  return bytes;
}

/** One frame of zstd whose blocks are the bytes themselves. */
function zstdOf(bytes: Buffer): Buffer {
  const blocks: Buffer[] = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0])];
  blocks[0]!.writeUInt32LE(bytes.length, 5);
  for (let at = 0; at < bytes.length; at += 1 << 17) {
    const block = bytes.subarray(at, at + (1 << 17));
    const header = Buffer.alloc(3);
    header.writeUIntLE((block.length << 3) | (at + block.length === bytes.length ? 1 : 0), 0, 3);
    blocks.push(header, block);
  }
  return Buffer.concat(blocks);
}

/** Files of many kinds, in `dir`/files. */
function makeFiles(dir: string): string {
  const files = `${dir}/files`;
  mkdirSync(`${files}/deep/er`, { recursive: true });
  writeFileSync(`${files}/empty`, '');
  writeFileSync(`${files}/tiny`, noise(100, 1), { mode: 0o750 });
  writeFileSync(`${files}/page`, noise(4096, 2));
  writeFileSync(`${files}/deep/large`, noise(MIB + 777, 3));
  linkSync(`${files}/deep/large`, `${files}/deep/er/hard`);
  symlinkSync('../page', `${files}/deep/short`);
  symlinkSync('x'.repeat(300), `${files}/deep/long`);
  writeFileSync(Buffer.concat([Buffer.from(`${files}/not-text-`), Buffer.from([0xff])]), 'bytes');
  const fd = openSync(`${files}/sparse`, 'w');
  writeSync(fd, 'middle', 11 * MIB + 5);
  // mke2fs forgets a hole at the end where inodes have data.
  writeSync(fd, 'end', SPARSE_BYTES - 3);
  closeSync(fd);
  for (let i = 0; i < 150; i++) writeFileSync(`${files}/deep/er/${'name'.repeat(10)}${i}`, `${i}`);
  utimesSync(`${files}/page`, 1_000_000_000, 1_000_000_000);
  execFileSync('mkfifo', [`${files}/pipe`]);
  return files;
}

function makeImage(judge: Judge, path: string, options: readonly string[] = EXT4, bytes = 6 * MIB): string {
  mke2fs(judge, ...options, '-d', `${judge.dir}/files`, path, `${bytes / 1024}k`);
  return path;
}

/** Opens the disk as the commands do. */
async function opened(
  path: string,
  partition?: number,
  use: (disk: DiskSource, image: string) => void = () => undefined,
) {
  const phases = new Set<string>();
  const { image, close } = await readyImage(path, partition, ({ phase }: Progress) => phases.add(phase));
  try {
    const disk = openDisk(path, undefined, () => undefined, { image });
    try {
      use(disk, image.file);
      return { notices: disk.notices.map((line) => line.replace(`${path}: `, '')), phases: [...phases] };
    } finally {
      disk.close();
    }
  } finally {
    close();
  }
}

/** Every file of the host's directory is on the disk, with its bytes, and no other. */
function mustHaveFiles(disk: DiskSource, files: string): void {
  const paths: string[] = [];
  const visit = (at: string): void => {
    for (const name of readdirSync(`${files}${at}`, { encoding: 'latin1' })) {
      const path = `${at}/${name}`;
      const host = Buffer.from(`${files}${path}`, 'latin1');
      const stat = lstatSync(host);
      if (stat.isDirectory()) visit(path);
      if (stat.isFile()) paths.push(path.replace('\xff', '\udcff'));
    }
  };
  visit('');
  expect(disk.files.map(({ path }) => path).sort()).toEqual(paths.sort());
  for (const { path, ino, size } of disk.files) {
    const bytes = readFileSync(Buffer.from(`${files}${path.replace('\udcff', '\xff')}`, 'latin1'));
    expect({ path, size }).toEqual({ path, size: bytes.length });
    expect({ path, differs: disk.oracle.expect(ino, 0, size, bytes, 0) }).toEqual({ path, differs: -1 });
  }
}

async function refusal(path: string, partition?: number): Promise<string> {
  try {
    await opened(path, partition);
  } catch (error) {
    expect(error).toMatchObject({ name: expect.stringMatching(/^(User|Input)Error$/) as string });
    const { message } = error as Error;
    expect(message).toMatch(/^[^\n]+$/);
    expect(message.startsWith(`${path}: `)).toBe(true);
    return message.slice(path.length + 2);
  }
  throw new Error(`${path} is not refused`);
}

const temporaryFiles = (): string[] =>
  readdirSync(tmpdir()).filter((name) => name.startsWith(`stillwarm-${process.pid}-`));

describe('the image of a user', () => {
  itWithE2fsprogs('an image of ext4, or of other block sizes, gives every file with its bytes', async (judge) => {
    const files = makeFiles(judge.dir);
    const cases: [string, string[]][] = [
      ['ext4 with blocks of 4096 bytes', EXT4],
      ['ext4 with blocks of 1024 bytes', ['-t', 'ext4', '-b', '1024']],
      ['ext2 with blocks of 2048 bytes', ['-t', 'ext2', '-b', '2048']],
    ];
    for (const [kind, options] of cases) {
      const path = makeImage(judge, `${judge.dir}/disk.img`, options);
      const before = readFileSync(path);
      const { notices } = await opened(path, undefined, (disk, image) => {
        mustHaveFiles(disk, files);
        // What a real program sees of the image that a guest gets.
        mustPassE2fsck(judge, `/proc/${process.pid}/fd/${image.slice('/dev/fd/'.length)}`);
      });
      expect(notices[0]).toBe(`${kind}: its files were copied into an image of ours: the layout is ours, not its own`);
      expect(notices.slice(1, 3)).toEqual(['1 name left out:', '    /pipe: a pipe']);
      expect(readFileSync(path).equals(before)).toBe(true);
    }
    expect(temporaryFiles()).toEqual([]);
  });

  itWithE2fsprogs('a copied image has the modes, times, links and holes of its files', async (judge) => {
    const files = makeFiles(judge.dir);
    const path = makeImage(judge, `${judge.dir}/disk.img`);
    await opened(path, undefined, (_, image) => {
      const host = `/proc/${process.pid}/fd/${image.slice('/dev/fd/'.length)}`;
      const said = (request: string): string => run(judge.debugfs, '-R', request, host);
      expect(said('stat /tiny')).toMatch(/Mode: {2}0750 /);
      expect(said('stat /page')).toMatch(/mtime: 0x3b9aca00/);
      const inode = /Inode: (\d+) .*\n[^]*Links: 2/;
      expect(inode.exec(said('stat /deep/large'))?.[1]).toBe(inode.exec(said('stat /deep/er/hard'))?.[1]);
      expect(said('stat /deep/short')).toContain('Fast link dest: "../page"');
      expect(said('cat /deep/long')).toBe(readlinkSync(`${files}/deep/long`));
      // Two blocks with bytes, and three that point to them, of 8 sectors each.
      expect(Number(/Blockcount: (\d+)/.exec(said('stat /sparse'))?.[1])).toBe(8 * 5);
    });
  });

  itWithE2fsprogs('a packed image is unpacked, and taken as it is where a guest mounts it', async (judge) => {
    const files = makeFiles(judge.dir);
    const path = makeImage(judge, `${judge.dir}/disk.img`, ['-t', 'ext2', '-b', '4096']);
    const packed: [string, string, Buffer][] = [['gzip', 'gz', gzipSync(readFileSync(path), { level: 1 })]];
    packed.push(['zstd', 'zst', zstdOf(readFileSync(path))]);
    // No package here packs by xz. In CI the program is installed.
    const hasXz = spawnSync('xz', ['--version'], { stdio: 'ignore' }).status === 0;
    if (hasXz || process.env['CI'] !== undefined)
      packed.push(['xz', 'xz', execFileSync('xz', ['-0', '-c', path], { maxBuffer: 64 * MIB })]);
    for (const [packer, suffix, bytes] of packed) {
      writeFileSync(`${path}.${suffix}`, bytes);
      const { notices, phases } = await opened(`${path}.${suffix}`, undefined, (disk, image) => {
        mustHaveFiles(disk, files);
        expect(readFileSync(image).equals(readFileSync(path))).toBe(true);
      });
      expect(notices[0]).toBe(`packed by ${packer}, and unpacked to 6,291,456 bytes`);
      expect(phases).toEqual(['unpacking the image']);
    }
  });

  itWithE2fsprogs(
    'of a disk with partitions, the first of ext2 to ext4 is taken, or the one asked for',
    async (judge) => {
      const files = makeFiles(judge.dir);
      const ext4 = readFileSync(makeImage(judge, `${judge.dir}/4.img`));
      const ext2 = readFileSync(makeImage(judge, `${judge.dir}/2.img`, ['-t', 'ext2', '-b', '4096']));
      const sectors = ext4.length / 512;
      const places = [64, 64 + sectors].map((first) => ({ type: 0x83, first, sectors }));
      const fat = { type: 0x0c, first: 10, sectors: 20 };
      const mbr = mbrDisk(100 + 2 * sectors, [fat, ...places]);
      const gpt = gptDisk(
        100 + 2 * sectors,
        [fat, ...places].map(({ first, sectors: length }) => ({ first, last: first + length - 1 })),
      );
      for (const [kind, disk] of [
        ['MBR', mbr],
        ['GPT', gpt],
      ] as const) {
        disk.set(ext4, 64 * 512);
        disk.set(ext2, (64 + sectors) * 512);
        const path = `${judge.dir}/${kind}`;
        writeFileSync(path, disk);
        const first = await opened(path, undefined, (found) => mustHaveFiles(found, files));
        expect(first.notices.slice(0, 2)).toEqual([
          `partition 2 of its ${kind} is taken, ext4; others for --partition: 3 (ext2)`,
          expect.stringContaining('copied'),
        ]);
        const third = await opened(path, 3, (found) => mustHaveFiles(found, files));
        expect(third.notices[0]).toBe(`partition 3 of its ${kind} is taken, ext2; others for --partition: 2 (ext4)`);
        expect(third.notices.join()).not.toContain('copied');
        expect(await refusal(path, 1)).toBe('--partition 1: it is unknown, not ext2, ext3 or ext4');
        expect(await refusal(path, 9)).toBe('--partition 9: there is none of this number, but 1, 2, 3');
        writeFileSync(path, disk.subarray(0, disk.length / 2));
        expect(await refusal(path, 3)).toMatch(/^--partition 3: it is behind|^partition 3 ends at byte .*cut short$/);
      }
      expect(await refusal(`${judge.dir}/2.img`, 1)).toBe('--partition 1: it has no partition table');
    },
  );

  itWithE2fsprogs(
    'an image that is damaged, cut short or was not unmounted is refused in a line, or told',
    async (judge) => {
      makeFiles(judge.dir);
      const path = makeImage(judge, `${judge.dir}/disk.img`);
      const good = readFileSync(path);
      const table = Number(/Inode table at (\d+)/.exec(run(judge.dumpe2fs, path))?.[1]);
      expect(table).toBeGreaterThan(1);
      const spoilt = (spoil: (bytes: Buffer) => void): void => {
        const bytes = Buffer.from(good);
        spoil(bytes);
        writeFileSync(path, bytes);
      };
      writeFileSync(path, good.subarray(0, good.length / 2));
      expect(await refusal(path)).toMatch(/^its file system has 6,291,456 bytes, and only 3,145,728 are there/);
      // A field of the superblock, whose checksum is then wrong.
      spoilt((bytes) => bytes.writeUInt32LE(77, 1024 + 0x48));
      expect(await refusal(path)).toMatch(/^libext2fs cannot read it: mount: error \d+: run e2fsck/);
      spoilt((bytes) => bytes.set(noise(16_384, 9), table * 4096));
      expect(await refusal(path)).toMatch(/^its root directory cannot be read: /);
      // needs_recovery.
      mke2fs(judge, '-t', 'ext4', path, '16m');
      const journalled = readFileSync(path);
      journalled.writeUInt32LE(journalled.readUInt32LE(1024 + 0x60) | 4, 1024 + 0x60);
      writeFileSync(path, journalled);
      expect(await refusal(path)).toBe('needs_recovery: it was not unmounted: run e2fsck -fy on a copy of it first');
    },
  );

  itWithE2fsprogs(
    'a directory that is its own child, and a file with a damaged inode, are left out and named',
    async (judge) => {
      makeFiles(judge.dir);
      const path = makeImage(judge, `${judge.dir}/disk.img`, ['-t', 'ext2', '-b', '1024']);
      run(judge.debugfs, '-w', '-R', 'link /deep /deep/er/loop', path);
      run(judge.debugfs, '-w', '-R', 'set_inode_field /page block[0] 99999999', path);
      const { notices } = await opened(path);
      expect(notices.filter((line) => line.startsWith('    '))).toEqual(
        expect.arrayContaining([
          '    /deep/er/loop: a second name of a directory',
          expect.stringMatching(/^ {4}\/page: read: error \d+$/),
          '    /pipe: a pipe',
        ]),
      );
    },
  );

  it('a packed file that is cut short, or no disk, is refused, and a bomb before it is unpacked', async () => {
    await inTemporaryDirectory(async (dir) => {
      const path = `${dir}/disk.img.gz`;
      const disk = mbrDisk(4000, [{ type: 0x83, first: 8, sectors: 16 }]);
      disk.set(noise(1_000_000, 4), 100_000);
      const packed = gzipSync(disk);
      writeFileSync(path, packed.subarray(0, packed.length / 2));
      expect(await refusal(path)).toMatch(/^it is packed by gzip, and damaged or cut off: /);
      writeFileSync(path, packed);
      expect(await refusal(path)).toBe('none of its partitions is ext2, ext3 or ext4: 1 is unknown');
      writeFileSync(path, gzipSync(Buffer.from('QFI\xfb'.padEnd(9000), 'latin1')));
      expect(await refusal(path)).toBe(
        'packed by gzip, and what is in it is an image in the format qcow2: unpack it first',
      );
      // A thousand times 8 MiB of zeros: members of gzip in a row are one file.
      const zeros = gzipSync(Buffer.alloc(8 * MIB), { level: 1 });
      writeFileSync(path, Buffer.concat(Array.from({ length: 1000 }, () => zeros)));
      const begun = process.cpuUsage();
      expect(await refusal(path)).toMatch(
        /^packed by gzip, and what is in it is neither ext2, ext3 or ext4 nor a disk/,
      );
      expect(process.cpuUsage(begun).user).toBeLessThan(5_000_000);
      expect(temporaryFiles()).toEqual([]);
    });
  });
});
