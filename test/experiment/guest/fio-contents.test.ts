/**
 * The oracle of the fio workload: it notices a wrong byte, and knows what may be read meanwhile.
 */

import { describe, expect, it } from 'vitest';
import { FioContents } from '../../../src/experiment/guest/fio-contents.ts';
import type { OracleExt2 } from '../../../src/experiment/judge/oracle-ext2.ts';
import { VerifierRecord } from '../../../src/experiment/judge/verifier.ts';

const PAGE = 4096;
const INO = 12;

/** A file whose bytes on the disk are given. */
function fileOf(disk: Uint8Array): { readonly file: FioContents; readonly record: VerifierRecord } {
  const record = new VerifierRecord();
  const oracle = {
    readPage: (_: number, index: number, dst: Uint8Array) => {
      dst.fill(0);
      dst.set(disk.subarray(index * PAGE, (index + 1) * PAGE));
    },
  } as unknown as OracleExt2;
  return { file: new FioContents('/f', 0, INO, disk.length, () => oracle, record), record };
}

/** The bytes that a write of this range stores; it ends at once. */
function writeTo(file: FioContents, disk: Uint8Array, position: number, length: number): void {
  const buffer = new Uint8Array(length);
  const write = file.write(position, length, buffer);
  disk.set(buffer, position);
  file.written(write, length);
}

function readFrom(file: FioContents, bytes: Uint8Array, position: number): void {
  file.wasRead(file.read(position, bytes.length), bytes.length, bytes);
}

const pattern = (length: number): Uint8Array => new Uint8Array(length).map((_, at) => at % 251);

describe('what the files of a fio workload hold', () => {
  it('a read is equal to the disk where nothing was written, and to the last write elsewhere', () => {
    const now = pattern(3 * PAGE);
    const { file, record } = fileOf(now.slice());
    writeTo(file, now, 100, 5000);
    writeTo(file, now, 4000, 300);
    writeTo(file, now, PAGE, PAGE);
    readFrom(file, now, 0);
    readFrom(file, now.subarray(50, 9000), 50);
    expect(record.verified).toEqual({ pages: 0, bytes: 3 * PAGE + 8950, mismatches: 0 });
  });

  it('each byte that is wrong is noticed, with its place', () => {
    for (const wrong of [0, 99, 100, 4095, 4096, 5099, 5100, 3 * PAGE - 1]) {
      const now = pattern(3 * PAGE);
      const { file, record } = fileOf(now.slice());
      writeTo(file, now, 100, 5000);
      now[wrong]! ^= 1;
      readFrom(file, now, 0);
      expect(record.described.map(({ what }) => what)).toEqual([`/f: byte ${wrong} was read wrong`]);
    }
  });

  it('a write that was lost is noticed: two writes of one place differ', () => {
    const now = pattern(PAGE);
    const { file, record } = fileOf(now.slice());
    writeTo(file, now, 0, PAGE);
    const old = now.slice();
    writeTo(file, now, 0, PAGE);
    readFrom(file, old, 0);
    expect(record.count).toBe(1);
  });

  it('a read that meets a write may return old and new bytes, and no others', () => {
    const old = pattern(2 * PAGE);
    for (const kind of ['old', 'new', 'mixed', 'wrong'] as const) {
      const disk = old.slice();
      const { file, record } = fileOf(disk);
      const read = file.read(0, 2 * PAGE);
      const buffer = new Uint8Array(PAGE);
      const write = file.write(2000, PAGE, buffer);
      const seen = old.slice();
      if (kind !== 'old') seen.set(kind === 'mixed' ? buffer.subarray(0, 50) : buffer, 2000);
      // Outside of the write only the old byte is right.
      if (kind === 'wrong') seen[1999]! ^= 1;
      file.written(write, PAGE);
      // What the disk says afterwards does not matter.
      disk.set(buffer, 2000);
      file.wasRead(read, 2 * PAGE, seen);
      expect(record.count).toBe(kind === 'wrong' ? 1 : 0);
    }
  });

  it('a read that ends too early or too late is noticed', () => {
    const { file, record } = fileOf(pattern(PAGE));
    file.wasRead(file.read(0, 100), 99, pattern(100));
    expect(record.count).toBe(1);
    file.wasRead(file.read(PAGE - 50, 100), 50, pattern(PAGE).subarray(PAGE - 50));
    expect(record.count).toBe(1);
    file.wasRead(file.read(PAGE - 50, 100), 51, new Uint8Array(100));
    expect(record.count).toBeGreaterThan(1);
  });

  it('pages that are not on the disk as they were written are mismatches, or lost with a crash', () => {
    for (const isLossy of [false, true]) {
      const disk = pattern(2 * PAGE);
      const { file, record } = fileOf(disk);
      writeTo(file, disk, 0, PAGE);
      writeTo(file, disk.slice(), PAGE, 100);
      expect(file.settle(INO, 2 * PAGE, isLossy)).toBe(PAGE);
      expect(record.count).toBe(isLossy ? 0 : 1);
      // From now on the file holds what the disk has.
      const before = record.count;
      readFrom(file, disk, 0);
      expect(record.count).toBe(before);
      expect(file.settle(undefined, 0, true)).toBe(PAGE);
    }
  });
});
