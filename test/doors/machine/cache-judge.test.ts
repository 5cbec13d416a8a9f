// The oracle of a machine reads the maps of the disk anew when the disk may have changed.
import { expect, it } from 'vitest';
import type { DriveCounters } from '../../../src/disk/drive/drive.ts';
import { CacheJudge } from '../../../src/doors/machine/cache-judge.ts';
import { files, image } from '../../../src/doors/machine/index.ts';
import type { GuestPlace } from '../../../src/experiment/host/machine-room.ts';
import { OracleExt2 } from '../../../src/experiment/judge/oracle-ext2.ts';
import { Verifier, VerifierRecord } from '../../../src/experiment/judge/verifier.ts';

/** A disk of two files, either of which may be `/a`: the maps of their inodes change places. */
function bed() {
  const disk = files({ a: 'a'.repeat(4096), b: 'b'.repeat(4096) });
  const bytes = disk.read();
  const oracle = new OracleExt2(disk.contents);
  const [a, b] = oracle.listFiles().map(({ ino }) => ino) as [number, number];
  const blocks = [oracle.blockOf(a, 0), oracle.blockOf(b, 0)] as const;
  const counters = { writes: 0 };
  const drive = { counters: counters as DriveCounters };
  const contents = {
    size: bytes.length,
    read: (from: number, dst: Uint8Array, at: number, length: number) =>
      dst.set(bytes.subarray(from, from + length), at),
  };
  const judge = new CacheJudge(drive, contents);
  /**
   * A guest takes over page 0 of `/a`, which lies at this block. Returns how many pages were wrong.
   */
  const take = (block: number): number => {
    const frame = bytes.slice(4096 * block, 4096 * (block + 1));
    const place = { domain: { frameOf: (pfn: number) => pfn }, machine: { memory: { frame: () => frame } } };
    judge.reused(place as unknown as GuestPlace, 7 as never, a, 0, block);
    return judge.verify(undefined).mismatches;
  };
  const swap = (): void => {
    const words = new Uint32Array(bytes.buffer);
    const pointers = [...words.keys()].filter((i) => (blocks as readonly number[]).includes(words[i]!) && isPointer(i));
    for (const i of pointers) words[i] = words[i] === blocks[0] ? blocks[1] : blocks[0];
    expect(pointers).toHaveLength(2);
  };
  const inodeTable = new DataView(bytes.buffer).getUint32(4096 + 8, true) * 4096;
  const isPointer = (i: number): boolean => [a, b].some((ino) => 4 * i === inodeTable + (ino - 1) * 128 + 40);
  return { judge, counters, take, swap, blocks };
}

it('a page is judged by the disk as it is after a write of the drive, and as it was read before', () => {
  const { counters, take, swap, blocks } = bed();
  expect(take(blocks[0])).toBe(0);
  swap();
  counters.writes++;
  expect(take(blocks[1])).toBe(0);
  expect(take(blocks[0])).toBe(1);
});

it('a page is judged by the disk as it is after somebody has changed that', () => {
  const { judge, take, swap, blocks } = bed();
  expect(take(blocks[0])).toBe(0);
  swap();
  judge.diskChanged();
  expect(take(blocks[1])).toBe(0);
  expect(judge.verify(undefined).reused).toBe(2);
});

it('the last page of a file is cached rightly when it is its whole block, whatever a crash has left behind the end', () => {
  const disk = files({ a: 'a'.repeat(3000) });
  const bytes = disk.read();
  const record = new VerifierRecord();
  const oracle = new OracleExt2(image(bytes).contents);
  const { ino } = oracle.listFiles()[0]!;
  const at = 4096 * oracle.blockOf(ino, 0);
  bytes.fill(7, at + 3000, at + 4096);
  const verifier = new Verifier(new OracleExt2(image(bytes).contents), record);
  verifier.cached(ino, 0, bytes.slice(at, at + 4096));
  expect(record.count).toBe(0);
  bytes[at + 4095] = 0;
  verifier.cached(ino, 0, bytes.slice(at, at + 4096));
  expect(record.described.map(({ what }) => what)).toEqual([
    `cached page 0 of inode ${ino} differs from the disk at byte 4095`,
  ]);
});
