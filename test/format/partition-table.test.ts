import { describe, expect, it } from 'vitest';
import { readPartitionTable, type PartitionTable } from '../../src/format/partition-table.ts';
import { gptDisk, mbrDisk, putMbrEntry } from '../support/partitions.ts';

const SECTOR = 512;

const tableOf = (disk: Uint8Array): PartitionTable | undefined =>
  readPartitionTable((offset, length) =>
    offset + length <= disk.length ? disk.subarray(offset, offset + length) : undefined,
  );

const part = (number: number, first: number, sectors: number) => ({
  number,
  start: first * SECTOR,
  bytes: sectors * SECTOR,
});

describe('partition tables', () => {
  it('a table of an MBR has the numbers of Linux, also behind an entry that is empty', () => {
    const disk = mbrDisk(100, [undefined, { type: 0x83, first: 8, sectors: 16 }, { type: 7, first: 30, sectors: 4 }]);
    expect(tableOf(disk)).toEqual({ kind: 'MBR', partitions: [part(2, 8, 16), part(3, 30, 4)] });
  });

  it('the logical partitions of an MBR have the numbers from 5 on, and begin relative to their record', () => {
    const disk = mbrDisk(200, [
      { type: 0x83, first: 8, sectors: 16 },
      { type: 0x05, first: 50, sectors: 100 },
    ]);
    putMbrEntry(disk, 50, 0, { type: 0x83, first: 2, sectors: 10 });
    putMbrEntry(disk, 50, 1, { type: 0x05, first: 20, sectors: 30 });
    putMbrEntry(disk, 70, 0, { type: 0x83, first: 3, sectors: 11 });
    expect(tableOf(disk)?.partitions).toEqual([part(1, 8, 16), part(5, 52, 10), part(6, 73, 11)]);
  });

  it('a chain of logical partitions that leads back to itself ends', () => {
    const disk = mbrDisk(200, [{ type: 0x0f, first: 50, sectors: 100 }]);
    putMbrEntry(disk, 50, 0, { type: 0x83, first: 2, sectors: 10 });
    putMbrEntry(disk, 50, 1, { type: 0x05, first: 0, sectors: 30 });
    expect(tableOf(disk)?.partitions).toEqual([part(5, 52, 10)]);
  });

  it.each([SECTOR, 4096])('a GPT with sectors of %i bytes has a partition for each entry that is used', (sector) => {
    const disk = gptDisk(64, [undefined, { first: 40, last: 49 }, { first: 60, last: 60 }], sector);
    expect(tableOf(disk)).toEqual({
      kind: 'GPT',
      partitions: [
        { number: 2, start: 40 * sector, bytes: 10 * sector },
        { number: 3, start: 60 * sector, bytes: sector },
      ],
    });
  });

  it('a GPT whose header claims more entries, or longer ones, than any has is read as far as it makes sense', () => {
    const many = gptDisk(64, [{ first: 40, last: 49 }], SECTOR);
    new DataView(many.buffer).setUint32(SECTOR + 80, 0xffff_ffff, true);
    expect(tableOf(many)?.partitions).toEqual([part(1, 40, 10)]);
    new DataView(many.buffer).setUint32(SECTOR + 84, 0xffff_ffff, true);
    expect(tableOf(many)).toBeUndefined();
  });

  it('the first sector of a FAT, zeros, and half a sector are no table', () => {
    const fat = mbrDisk(100, [{ type: 0x83, first: 8, sectors: 16 }]);
    fat[462] = 0x4e;
    for (const disk of [fat, new Uint8Array(51_200), fat.subarray(0, 300)]) expect(tableOf(disk)).toBeUndefined();
  });
});
