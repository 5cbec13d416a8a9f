// The user's image as the disk of an experiment: ext3, unmounted in order or not, and never changed.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { UserError } from '../../src/base/index.ts';
import { reboot } from '../../src/cli/reboot.ts';
import type { MemoryImage } from '../../src/disk/memory-image.ts';
import { openDisk } from '../../src/experiment/disk-source.ts';
import { runReboot } from '../../src/experiment/reboot.ts';
import { O } from '../../src/kernel/index.ts';
import { captureIo } from '../cli/capture.ts';
import { inTemporaryDirectory, saveImage } from '../support/e2fsprogs.ts';
import { JOURNAL_BLOCKS, JournalFile, writeBlock } from '../support/journal-image.ts';
import { GuestDisk } from './guest-disk.ts';
import { smallImage } from './small-disk.ts';

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
  'ext3, crashed: %s; the command reads what the journal gives, and changes nothing',
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

it('ext3 whose journal makes no sense is refused in one line', () => {
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
