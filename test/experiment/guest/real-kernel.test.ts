// A real kernel on the guest's images, and the guest on its: both read the same bytes, and each
// replays the other's journal.
import { copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import type { MemoryImage } from '../../../src/disk/image/memory-image.ts';
import { O, type Syscalls } from '../../../src/kernel/index.ts';
import type { Process } from '../../../src/sim/index.ts';
import { type Judge, loadImage, mke2fs, mustBeSound, run, saveImage } from '../../support/e2fsprogs.ts';
import { itWithLoopMount, withMounted } from '../../support/loop-mount.ts';
import { readWhole } from '../../../src/doors/testing/play-calls.ts';
import { GuestDisk } from '../../support/guest-disk.ts';

const pattern = (bytes: number, salt: number): Buffer => Buffer.from(new Uint8Array(bytes).map((_, i) => i * 7 + salt));
/** Files with direct, indirect and double indirect blocks, and one with a hole. */
const FILES: readonly [string, number, Buffer][] = [
  ['a/small', 0, pattern(100, 1)],
  ['a/b/indirect', 0, pattern(300_000, 2)],
  ['a/far', 4_500_000, pattern(5000, 3)],
  ['a/b/hole', 60_001, pattern(9000, 4)],
];

function contents(at: number, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.alloc(at), bytes]);
}

function* writeFiles(sys: Syscalls): Process {
  yield* sys.mkdir('/a');
  yield* sys.mkdir('/a/b');
  for (const [path, at, bytes] of FILES) {
    const fd = yield* sys.open(`/${path}`, O.wronly | O.creat);
    yield* sys.pwrite(fd, bytes, 0, bytes.length, at);
    yield* sys.fsync(fd);
    yield* sys.close(fd);
  }
}

function makeImage(judge: Judge, type: string): MemoryImage {
  const path = `${judge.dir}/made.img`;
  mke2fs(judge, '-t', type, '-b', '4096', path, '24576');
  return loadImage(path);
}

function mustHoldFiles(at: string): void {
  for (const [path, from, bytes] of FILES)
    expect(Buffer.compare(readFileSync(join(at, path)), contents(from, bytes))).toBe(0);
}

describe('a real kernel', () => {
  for (const type of ['ext2', 'ext3'])
    itWithLoopMount(`a real kernel reads from ${type} what the guest wrote`, (judge) => {
      const disk = new GuestDisk(makeImage(judge, type), 1);
      disk.run(writeFiles(disk.guest.kernel.syscalls));
      disk.reboot(false);
      const path = `${judge.dir}/disk.img`;
      saveImage(disk.image, path);
      withMounted(path, `${judge.dir}/mounted`, () => mustHoldFiles(`${judge.dir}/mounted`));
    });

  itWithLoopMount(
    'a real kernel replays the journal of a guest that crashed, and the guest replays the one it leaves',
    (judge) => {
      const disk = new GuestDisk(makeImage(judge, 'ext3'), 1);
      disk.run(writeFiles(disk.guest.kernel.syscalls));
      disk.crash();
      const [path, left, at] = [`${judge.dir}/disk.img`, `${judge.dir}/left.img`, `${judge.dir}/mounted`];
      saveImage(disk.image, path);
      withMounted(path, at, () => {
        mustHoldFiles(at);
        mkdirSync(join(at, 'new'));
        for (let i = 0; i < 40; i++) writeFileSync(join(at, 'new', `${i}`), pattern(i * 1000, i));
        renameSync(join(at, 'a/b/indirect'), join(at, 'new/moved'));
        rmSync(join(at, 'a/far'));
        run('sync', '-f', at);
        // What a crash of that kernel would leave: its log holds what has just been written.
        copyFileSync(path, left);
      });
      expect(run(judge.debugfs, '-R', 'features', left)).toContain('needs_recovery');
      const next = new GuestDisk(loadImage(left), 1);
      const sys = next.guest.kernel.syscalls;
      const names = next.run(sys.readdir('/new')).map(({ name }) => name);
      expect(names.sort()).toEqual(['.', '..', 'moved', ...Array.from({ length: 40 }, (_, i) => `${i}`)].sort());
      for (let i = 0; i < 40; i++)
        expect(Buffer.compare(next.run(readWhole(sys, `/new/${i}`)), pattern(i * 1000, i))).toBe(0);
      expect(Buffer.compare(next.run(readWhole(sys, '/new/moved')), FILES[1]![2])).toBe(0);
      expect(
        next
          .run(sys.readdir('/a'))
          .map(({ name }) => name)
          .sort(),
      ).toEqual(['.', '..', 'b', 'small']);
      next.reboot(false, false);
      saveImage(next.image, left);
      mustBeSound(judge, left);
    },
  );
});
