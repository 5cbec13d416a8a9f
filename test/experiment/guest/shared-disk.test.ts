// A disk that one thread has opened, in another thread.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { openDisk } from '../../../src/experiment/guest/disk-source.ts';
import { sharedDisk, sharedOf } from '../../../src/experiment/guest/shared-disk.ts';
import { inTemporaryDirectory, saveImage } from '../../support/e2fsprogs.ts';
import { smallImage } from '../../support/small-disk.ts';

it('another thread has the disk of a directory byte for byte in the same memory, and writes to its own layer only', () => {
  inTemporaryDirectory((dir) => {
    mkdirSync(`${dir}/files/below`, { recursive: true });
    writeFileSync(`${dir}/files/below/a`, new Uint8Array(50_000).fill(1));
    writeFileSync(`${dir}/files/b`, 'text');
    const disk = openDisk(`${dir}/files`, undefined, () => undefined);
    // A thread is sent what structuredClone gives: no copy of shared memory.
    const other = sharedDisk(structuredClone(sharedOf(disk)!));
    expect(other).toMatchObject({ files: disk.files, bootFiles: disk.bootFiles, all: disk.all, version: disk.version });
    expect(other.notices).toEqual(disk.notices);
    const [one, two] = [disk, other].map((each) => {
      const bytes = new Uint8Array(each.image.size);
      each.copy().read(0, bytes, 0, bytes.length);
      return bytes;
    });
    expect(Buffer.compare(one!, two!)).toBe(0);
    const file = disk.files.find(({ path }) => path === '/below/a')!;
    expect(other.oracle.expect(file.ino, 0, 50_000, new Uint8Array(50_000).fill(1), 0)).toBe(-1);
    other.copy().write(0, new Uint8Array(8192).fill(9), 0, 8192);
    const now = new Uint8Array(one!.length);
    disk.image.read(0, now, 0, now.length);
    expect(Buffer.compare(one!, now)).toBe(0);
    rmSync(`${dir}/files/b`);
    expect(() => disk.check()).toThrow(/files\/b: ENOENT|files\/b: no such file/);
    other.check();
    other.close();
    disk.close();
  });
});

it('an image is no disk that threads share: each of them opens it', () => {
  inTemporaryDirectory((dir) => {
    saveImage(smallImage(), `${dir}/disk.img`);
    const disk = openDisk(`${dir}/disk.img`, undefined, () => undefined);
    expect(sharedOf(disk)).toBeUndefined();
    disk.close();
  });
});
