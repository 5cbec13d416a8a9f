// The user's image as the disk of an experiment: ext3, unmounted in order or not, and never
// changed.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { InputError, printable, putField, UserError } from '../../../src/base/index.ts';
import { main } from '../../../src/cli/commands.ts';
import { reboot } from '../../../src/cli/reboot.ts';
import type { MemoryImage } from '../../../src/disk/image/memory-image.ts';
import { openDisk } from '../../../src/experiment/guest/disk-source.ts';
import { runReboot } from '../../../src/experiment/guest/reboot.ts';
import { O } from '../../../src/kernel/index.ts';
import { EXT2_INCOMPAT, EXT2_STATE, SUPERBLOCK } from '../../../src/format/ext2.ts';
import { captureIo } from '../../cli/capture.ts';
import { inTemporaryDirectory, itWithE2fsprogs, run, saveImage } from '../../support/e2fsprogs.ts';
import { JOURNAL_BLOCKS, JournalFile, writeBlock } from '../../support/journal-image.ts';
import { GuestDisk } from '../../support/guest-disk.ts';
import { smallImage } from '../../support/small-disk.ts';

/** A guest has written a file and removed others; then it crashed, or not. */
function usedImage(isCrash: boolean): MemoryImage {
  const image = smallImage(JOURNAL_BLOCKS);
  const disk = new GuestDisk(image, 1);
  const sys = disk.guest.kernel.syscalls;
  disk.run(
    (function* () {
      yield* sys.unlink('/big');
      const fd = yield* sys.open('/late', O.rdwr | O.creat);
      yield* sys.pwrite(fd, new Uint8Array(100_000).fill(7), 0, 100_000, 0);
      yield* sys.unlink('/holes');
      yield* sys.fsync(fd);
    })(),
  );
  if (isCrash) disk.crash();
  else disk.reboot(false);
  return image;
}

const hash = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

it.each([false, true])(
  'a disk of ext3, crashed: %s, is read by the command with what the journal gives, and nothing is changed',
  (isCrash) => {
    inTemporaryDirectory((dir) => {
      const path = `${dir}/disk.img`;
      saveImage(usedImage(isCrash), path);
      const before = hash(path);
      const disk = openDisk(path, undefined, () => undefined);
      const files = new Map(disk.files.map((file) => [file.path, file]));
      expect(files.get('/late')?.size).toBe(100_000);
      expect(files.has('/big') || files.has('/holes')).toBe(false);
      expect(disk.oracle.expect(files.get('/late')!.ino, 0, 100_000, new Uint8Array(100_000).fill(7), 0)).toBe(-1);
      disk.close();
      const io = captureIo(dir, { runReboot });
      expect(reboot([path, '--memory', '32M', '--disk', 'instant', '--crash'], io)).toBe(0);
      expect(io.stdout.text).toMatch(/all equal/);
      expect(hash(path)).toBe(before);
    });
  },
);

it('a disk of ext3 whose journal makes no sense is refused in one line', () => {
  inTemporaryDirectory((dir) => {
    const path = `${dir}/disk.img`;
    const image = usedImage(true);
    writeBlock(image, new JournalFile(smallImage(JOURNAL_BLOCKS)).place(0), new Uint8Array(4096));
    saveImage(image, path);
    const open = (): unknown => openDisk(path, undefined, () => undefined);
    expect(open).toThrow(UserError);
    expect(open).toThrow(/^.*disk.img: EINVAL: ext3: journal: its superblock has no magic$/);
  });
});

describe('a directory', () => {
  const openDir = (path: string, limit?: number): ReturnType<typeof openDisk> =>
    openDisk(path, limit, () => undefined, { withoutBootFiles: true });

  it('a directory that claims what it does not have asks for a limit, and with one is read at once', () => {
    inTemporaryDirectory((dir) => {
      writeFileSync(`${dir}/a`, Buffer.alloc(100_000, 1));
      writeFileSync(`${dir}/sparse`, '');
      truncateSync(`${dir}/sparse`, 2 ** 40);
      expect(() => openDir(dir)).toThrow(/: files claim 1,099,511,727,776 bytes and have [\d,]+: give a --limit$/);
      const disk = openDir(dir, 1 << 20);
      expect(disk.all).toEqual({ files: 2, bytes: 1 << 20 });
      expect(disk.files.map(({ path, size }) => [path, size])).toEqual([
        ['/a', 100_000],
        ['/sparse', (1 << 20) - 100_000],
      ]);
      // A hundred kilobytes, what lies around them, and 1 MiB of free space.
      expect(disk.image.size).toBeLessThan(3 << 20);
      disk.close();
    });
  });

  it('a directory is read once, a change is found, and another medium is no copy of it', () => {
    inTemporaryDirectory((dir) => {
      writeFileSync(`${dir}/a`, Buffer.alloc(50_000, 1));
      const disk = openDir(dir);
      const [file] = disk.files;
      const other = disk.copy();
      const block = disk.oracle.blockOf(file!.ino, 3);
      other.write(block * 4096, Uint8Array.of(9), 0, 1);
      expect(disk.oracle.expect(file!.ino, 0, 50_000, new Uint8Array(50_000).fill(1), 0)).toBe(-1);
      const seen = new Uint8Array(2);
      other.read(block * 4096, seen, 0, 2);
      expect([...seen]).toEqual([9, 1]);
      // Its bytes are in memory, and a look at the file tells that they are old.
      disk.check();
      writeFileSync(`${dir}/a`, 'changed');
      disk.image.read(block * 4096, seen, 0, 2);
      expect([...seen]).toEqual([1, 1]);
      expect(() => disk.check()).toThrow(
        new InputError(
          `${dir}/a: changed while it was in use: stop what writes to it, or name a copy of the directory`,
        ),
      );
    });
  });

  it('a directory without what is hidden in it, is the same disk whatever other programs write there', () => {
    inTemporaryDirectory((dir) => {
      mkdirSync(`${dir}/.cache`);
      mkdirSync(`${dir}/sub`);
      for (const name of ['.cache/results', '.lock', 'a', 'sub/.kept']) writeFileSync(`${dir}/${name}`, name);
      const names = (withoutHidden?: boolean): string[] => {
        const disk = openDisk(dir, undefined, () => undefined, { withoutHidden });
        writeFileSync(`${dir}/.cache/results`, 'written while the disk is in use');
        writeFileSync(`${dir}/.lock`, '');
        const checking = (): void => disk.check();
        if (withoutHidden === true) checking();
        else
          expect(checking).toThrow(
            /(results|lock): changed while it was in use: stop what writes to it, or name a copy/,
          );
        disk.close();
        writeFileSync(`${dir}/.lock`, 'not empty');
        return disk.files.map(({ path }) => path);
      };
      expect(names(true)).toEqual(['/a', '/sub/.kept']);
      expect(names()).toEqual(['/.cache/results', '/.lock', '/a', '/sub/.kept']);
    });
  });

  it('a directory has as many files for reboot as for mkfs, and both tell what is left out', () => {
    inTemporaryDirectory((dir) => {
      mkdirSync(`${dir}/files/sub`, { recursive: true });
      for (const name of ['a', 'sub/b', '\ufeffbom', '\ufffd'])
        writeFileSync(`${dir}/files/${name}`, Buffer.alloc(5000, 1));
      writeFileSync(Buffer.concat([Buffer.from(`${dir}/files/`), Buffer.of(0xff, 0x1b)]), Buffer.alloc(700, 1));
      run('ln', `${dir}/files/a`, `${dir}/files/again`);
      symlinkSync('nowhere', `${dir}/files/dangling`);
      run('mkfifo', `${dir}/files/a pipe`);
      const io = captureIo(dir, { runReboot });
      expect(main(['mkfs', 'files', 'disk.img'], io)).toBe(0);
      expect(io.stdout.text).toMatch(/disk\.img: ext2, 1\.\d+ MiB, 6 files of 25\.7 kB\n$/);
      const notices = [
        'stillwarm: 1 name left out:',
        `    ${dir}/files/a pipe: a pipe`,
        'stillwarm: 1 name on the disk, not UTF-8:',
        '    /\\xff\\x1b: read by its bytes',
        '',
      ].join('\n');
      expect(io.stderr.text).toBe(notices);
      for (const [path, told] of [
        ['files', notices],
        ['disk.img', notices.split('\n').slice(2).join('\n')],
      ] as const) {
        const disk = openDir(`${dir}/${path}`);
        expect(disk.all).toEqual({ files: 6, bytes: 25_700 });
        expect(disk.bytes).toBe(25_700);
        expect(disk.notices.map((line) => `${line.startsWith(' ') ? '' : 'stillwarm: '}${line}\n`).join('')).toBe(told);
        disk.close();
        // A guest reads them all, four times.
        const ran = captureIo(dir, { runReboot });
        expect(
          main(
            ['reboot', path, '--bare-boot', '--strategy', 'warm-cache', '--memory', '16M', '--disk', 'instant'],
            ran,
          ),
        ).toBe(0);
        expect(ran.stdout.text).toMatch(/\nverified \d+ pages, 102,800 bytes: all equal\n$/);
        expect(ran.stderr.text).toBe(told);
      }
    });
  });
});

describe('an image that is none, or not as it should be,', () => {
  const refusal = (path: string): string => {
    try {
      openDisk(path, undefined, () => undefined).close();
    } catch (error) {
      if (error instanceof UserError) return error.message.replace(`${path}: `, '').replaceAll(path, 'FILE');
      throw error;
    }
    return 'opened';
  };

  it.each([
    ['\x1f\x8b\x08', 0, 'packed by gzip: unpack it first: gzip -dc FILE > disk.img.raw'],
    ['BZh9', 0, 'packed by bzip2: unpack it first: bzip2 -dc FILE > disk.img.raw'],
    ['\xfd7zXZ\0', 0, 'packed by xz: unpack it first: xz -dc FILE > disk.img.raw'],
    ['\x28\xb5\x2f\xfd', 0, 'packed by zstd: unpack it first: zstd -dc FILE > disk.img.raw'],
    ['\x04\x22\x4d\x18', 0, 'packed by lz4: unpack it first: lz4 -dc FILE > disk.img.raw'],
    ['QFI\xfb', 0, 'an image in the format qcow2: make it raw first: qemu-img convert -O raw FILE disk.img.raw'],
    ['KDMV', 0, 'an image in the format vmdk: make it raw first: qemu-img convert -O raw FILE disk.img.raw'],
    ['vhdxfile', 0, 'an image in the format vhdx: make it raw first: qemu-img convert -O raw FILE disk.img.raw'],
    [
      '\x7f\x10\xda\xbe',
      64,
      'an image in the format vdi: make it raw first: qemu-img convert -O raw FILE disk.img.raw',
    ],
    ['LUKS\xba\xbe', 0, 'encrypted: open it with cryptsetup, and copy what that shows'],
    ['LABELONE', 512, 'a volume of LVM: copy the logical volume in it'],
    ['XFSB', 0, /^an image of XFS: mount it and name the directory, or make an image of that with stillwarm mkfs$/],
    ['hsqs', 0, /^an image of squashfs: /],
    ['NTFS    ', 3, /^an image of NTFS: /],
    ['CD001', 32_769, /^an image of ISO 9660: /],
    ['_BHRfS_M', 65_600, /^an image of btrfs: /],
    ['', 0, 'no ext2 file system: s_magic is 0x0, not 0xef53'],
  ])('a file with %j at %i is refused with what it is and what comes next', (signature, at, message) => {
    inTemporaryDirectory((dir) => {
      const bytes = Buffer.alloc(100_000);
      bytes.write(signature, at, 'latin1');
      for (const length of at < 4096 && signature !== '' ? [4096, 100_000] : [100_000]) {
        writeFileSync(`${dir}/disk.img`, bytes.subarray(0, length));
        expect(refusal(`${dir}/disk.img`)).toMatch(message);
      }
    });
  });

  it('a whole disk is refused with how to copy the first partition', () => {
    inTemporaryDirectory((dir) => {
      const path = `${dir}/disk.img`;
      const dos = Buffer.alloc(100_000);
      dos.write('\x55\xaa', 510, 'latin1');
      dos[462 + 4] = 0x83;
      dos.writeUInt32LE(2048, 462 + 8);
      dos.writeUInt32LE(409_600, 462 + 12);
      writeFileSync(path, dos);
      const copy = 'a whole disk with a partition table: copy the partition first: dd if=FILE of=disk.img.raw bs=512';
      expect(refusal(path)).toBe(`${copy} skip=2048 count=409600`);
      const gpt = Buffer.from(dos);
      gpt.write('EFI PART', 512, 'latin1');
      gpt.writeBigUInt64LE(2n, 512 + 72);
      gpt.writeUInt32LE(128, 512 + 80);
      gpt.writeUInt32LE(128, 512 + 84);
      gpt.write('a type', 1024);
      gpt.writeBigUInt64LE(34n, 1024 + 32);
      gpt.writeBigUInt64LE(133n, 1024 + 40);
      writeFileSync(path, gpt);
      expect(refusal(path)).toBe(`${copy} skip=34 count=100`);
    });
  });

  it.each([
    [0n, 133n],
    [34n, 33n],
    [34n, 0n],
    [2n ** 60n, 2n ** 63n],
    [2n ** 64n - 1n, 2n ** 64n - 1n],
  ])('a disk with a GPT whose first partition is %i to %i is refused without a command', (first, last) => {
    inTemporaryDirectory((dir) => {
      const gpt = Buffer.alloc(100_000);
      gpt.write('\x55\xaa', 510, 'latin1');
      gpt.write('EFI PART', 512, 'latin1');
      gpt.writeBigUInt64LE(2n, 512 + 72);
      gpt.writeUInt32LE(128, 512 + 80);
      gpt.writeUInt32LE(128, 512 + 84);
      gpt.write('a type', 1024);
      gpt.writeBigUInt64LE(first, 1024 + 32);
      gpt.writeBigUInt64LE(last, 1024 + 40);
      writeFileSync(`${dir}/disk.img`, gpt);
      expect(refusal(`${dir}/disk.img`)).toMatch(/^no ext2 file system: /);
    });
  });

  it('the commands that it prints can be pasted, whatever the name, and spare the image', () => {
    const programs = ['gzip', 'bzip2', 'xz', 'zstd', 'lz4', 'qemu-img', 'dd'];
    const dos = Buffer.alloc(4096);
    dos.write('\x55\xaa', 510, 'latin1');
    dos[446 + 4] = 0x83;
    dos.writeUInt32LE(1, 446 + 8);
    dos.writeUInt32LE(8, 446 + 12);
    const heads = [
      '\x1f\x8b',
      'BZh9',
      '\xfd7zXZ\0',
      '\x28\xb5\x2f\xfd',
      '\x04\x22\x4d\x18',
      'QFI\xfb',
      'KDMV',
      'vhdxfile',
    ]
      .map((head) => Buffer.concat([Buffer.from(head, 'latin1'), Buffer.alloc(4096)]))
      .concat(dos);
    const names = ['disk.img', 'a b', "it's", '"$(touch owned)"', '`x`;&|', 'new\nline', '\u001b[31m', '-n', '*'];
    inTemporaryDirectory((dir) => {
      const cases = names.flatMap((name) => heads.map((head) => ({ name, head })));
      const commands = cases.map(({ name, head }, n) => {
        mkdirSync(`${dir}/${n}`);
        const path = `${dir}/${n}/${name}`;
        writeFileSync(path, head);
        let message = '';
        try {
          openDisk(path, undefined, () => undefined).close();
        } catch (error) {
          if (!(error instanceof UserError)) throw error;
          message = error.message;
        }
        const command = /: ((?:gzip|bzip2|xz|zstd|lz4|qemu-img|dd) [^]*)$/.exec(message)?.[1] ?? '';
        writeFileSync(`${dir}/${n}.command`, command);
        return command;
      });
      const record = 'for arg; do case "${arg#if=}" in /*) printf %s "${arg#if=}" >> told;; esac; done';
      const fakes = programs.map((name) => `${name}() { ${record}; }`).join('\n');
      // One shell for all of them: a large process starts another slowly.
      const paste = '(cd $n && eval "$(<../$n.command)") 2>$n.stderr';
      const each = `for ((n = 0; n < ${cases.length}; n++)); do ${paste}; done`;
      spawnSync('bash', ['-c', `${fakes}\n${each}`], { cwd: dir });
      for (const [n, { name, head }] of cases.entries()) {
        const path = `${dir}/${n}/${name}`;
        const [stderr, told] = [`${n}.stderr`, `${n}/told`].map((file) => readFileSync(`${dir}/${file}`, 'utf8'));
        expect({ command: commands[n], stderr, told }).toEqual({
          command: printable(commands[n]!),
          stderr: '',
          told: path,
        });
        expect(readFileSync(path).equals(head)).toBe(true);
      }
    });
  });

  const withSuperblock = (change: (bytes: Buffer) => void, journalBlocks?: number): string =>
    inTemporaryDirectory((dir) => {
      const image = smallImage(journalBlocks);
      const bytes = Buffer.alloc(1024);
      image.read(1024, bytes, 0, 1024);
      change(bytes);
      image.write(1024, bytes, 0, 1024);
      saveImage(image, `${dir}/disk.img`);
      return refusal(`${dir}/disk.img`);
    });
  const CHECK = 'run e2fsck -f on a copy of it first';
  const COPY = 'mount it and name the directory, or make an image of that with stillwarm mkfs';

  it.each([
    [undefined, EXT2_STATE.valid, 'opened'],
    [undefined, 0, `ext2, and was not unmounted, without a journal: ${CHECK}`],
    [undefined, EXT2_STATE.valid | EXT2_STATE.error, `the file system has noted errors: ${CHECK}`],
    [undefined, EXT2_STATE.error, `the file system has noted errors: ${CHECK}`],
    [JOURNAL_BLOCKS, EXT2_STATE.valid, 'opened'],
    [JOURNAL_BLOCKS, 0, `ext3, and was not unmounted: ${CHECK}`],
    [JOURNAL_BLOCKS, EXT2_STATE.valid | EXT2_STATE.error, `the file system has noted errors: ${CHECK}`],
  ])('an image with a journal of %s blocks and state %i is named: %s', (journalBlocks, state, answer) => {
    expect(withSuperblock((bytes) => putField(SUPERBLOCK, bytes, 0, 's_state', state), journalBlocks)).toBe(answer);
  });

  it.each(Object.entries(EXT2_INCOMPAT).filter(([name]) => !['filetype', 'needs_recovery', 'meta_bg'].includes(name)))(
    'an image with the feature %s is refused with where to go with it',
    (name, bit) => {
      const answer = withSuperblock((bytes) =>
        putField(SUPERBLOCK, bytes, 0, 's_feature_incompat', bit | EXT2_INCOMPAT.filetype),
      );
      expect(answer).toBe(`incompatible feature ${name}; it is ext4, or has features of it: ${COPY}`);
    },
  );

  it.each([1024, 2048])('an image with blocks of %i bytes is refused with how to have others', (size) => {
    const answer = withSuperblock((bytes) =>
      putField(SUPERBLOCK, bytes, 0, 's_log_block_size', Math.log2(size / 1024)),
    );
    expect(answer).toBe(
      `block size ${size} (s_log_block_size ${size / 1024 - 1}); only 4096 is supported; make it anew with mke2fs -b 4096: ${COPY}`,
    );
  });

  itWithE2fsprogs('a disk made by mke2fs is known as well', ({ dir, mke2fs }) => {
    const path = `${dir}/disk.img`;
    const make = (...args: string[]): string => {
      run(mke2fs, '-q', '-F', ...args, path, '16M');
      return refusal(path);
    };
    expect(make('-t', 'ext4', '-b', '4096')).toMatch(
      /^incompatible feature .*extents.*; it is ext4, or has features of it: /,
    );
    expect(make('-t', 'ext2', '-b', '1024')).toMatch(/^block size 1024 .*; make it anew with mke2fs -b 4096: /);
    expect(make('-t', 'ext2', '-b', '4096')).toBe('there is nothing to read: no regular file');
  });
});
