/**
 * What the block back-end tells the frame table of one segment: when it is taken up, and when the
 * device has ended it. Everything that is known of a frame's bytes is decided between these two
 * calls. They wait for nothing and keep nothing, so the lab drives them without a machine.
 */

import { type Mfn, PAGE_SIZE, SECTOR_SIZE, SECTORS_PER_PAGE } from '../../base/units.ts';
import type { FrameTable } from '../frames/frame-table.ts';
import { BlkifOp } from '../public/blkif.ts';

/** The calls of the frame table that a transfer makes. */
export type TransferTable = Pick<FrameTable, 'beginRead' | 'endRead' | 'beginWrite' | 'endWrite'>;

/**
 * A segment taken up: where on the device it lies, in blocks. `whole`: one whole page to or from
 * one whole block.
 */
export interface Transfer {
  readonly mfn: Mfn;
  readonly firstBlock: number;
  readonly lastBlock: number;
  readonly whole: boolean;
}

/** A segment of `length` bytes is taken up, from `sector` on: a read, or else a write. */
export function beginTransfer(
  frames: TransferTable,
  device: number,
  operation: number,
  mfn: Mfn,
  sector: number,
  length: number,
): Transfer {
  const last = sector + length / SECTOR_SIZE - 1;
  const whole = length === PAGE_SIZE && sector % SECTORS_PER_PAGE === 0;
  const firstBlock = Math.floor(sector / SECTORS_PER_PAGE);
  const lastBlock = Math.floor(last / SECTORS_PER_PAGE);
  if (operation === BlkifOp.read) frames.beginRead(mfn, device, whole ? firstBlock : -1);
  else frames.beginWrite(mfn, device, firstBlock, lastBlock, whole);
  return { mfn, firstBlock, lastBlock, whole };
}

/** The device has ended it. Returns true when the frame is clean now. */
export function endTransfer(
  frames: TransferTable,
  device: number,
  operation: number,
  { mfn, firstBlock, lastBlock, whole }: Transfer,
  ok: boolean,
): boolean {
  return operation === BlkifOp.read
    ? frames.endRead(mfn, whole ? firstBlock : -1, ok)
    : frames.endWrite(mfn, device, firstBlock, lastBlock, whole, ok);
}
