// What the frame table is told of a segment.
import { describe, expect, it } from 'vitest';
import { Mfn, PAGE_SIZE, SECTOR_SIZE } from '../../../src/base/index.ts';
import { beginTransfer, endTransfer, type TransferTable } from '../../../src/xen/devices/transfer.ts';
import { BlkifOp } from '../../../src/xen/public/index.ts';

/** Begins and ends a transfer; returns what was told, and the answer. */
function told(operation: number, sector: number, sectors: number) {
  const calls: unknown[] = [];
  const note =
    (name: string) =>
    (...values: unknown[]) => {
      calls.push([name, ...values]);
      return true;
    };
  const names = ['beginRead', 'endRead', 'beginWrite', 'endWrite'];
  const table = Object.fromEntries(names.map((name) => [name, note(name)])) as unknown as TransferTable;
  const transfer = beginTransfer(table, 3, operation, Mfn(5), sector, sectors * SECTOR_SIZE);
  expect(endTransfer(table, 3, operation, transfer, true)).toBe(true);
  return calls;
}

const WHOLE = PAGE_SIZE / SECTOR_SIZE;

describe('a segment', () => {
  it.each([
    ['a whole block', 16, WHOLE, 2, 2, true],
    ['the last sector of a block', 23, 1, 2, 2, false],
    ['the first sector of a block', 24, 1, 3, 3, false],
    ['all but the first sector', 17, WHOLE - 1, 2, 2, false],
    ['as much as a block, across two', 17, WHOLE, 2, 3, false],
    ['two sectors, across two', 23, 2, 2, 3, false],
  ])('a segment that is %s touches its blocks and no other', (_, sector, sectors, first, last, whole) => {
    const block = whole ? first : -1;
    expect(told(BlkifOp.read, sector, sectors)).toEqual([
      ['beginRead', 5, 3, block],
      ['endRead', 5, block, true],
    ]);
    expect(told(BlkifOp.write, sector, sectors)).toEqual([
      ['beginWrite', 5, 3, first, last, whole],
      ['endWrite', 5, 3, first, last, whole, true],
    ]);
  });
});
