/**
 * The block ring between front-end and back-end (ring.ts): 32 slots, a request of up to 11 segments
 * in each.
 *
 * A segment names its page by the grant that lets domain 0 reach it, for writing when the request
 * is a read. Modelled after public/io/blkif.h of Xen 3.0.
 */

import { defineLayout } from '../../base/layout.ts';

/** Slots of a block ring. */
export const RING_SLOTS = 32;
/** Segments of a block request at most. */
export const SEGMENTS_PER_REQUEST = 11;
/** Bytes of a slot. */
export const RING_SLOT_BYTES = 112;

/** What a block request asks for. */
export const BlkifOp = {
  /** From the device into pages. */
  read: 0,
  /** From pages to the device. */
  write: 1,
  /** Empties the write cache of the drive. */
  flush: 2,
} as const;
/** A code of `BlkifOp`. */
export type BlkifOp = (typeof BlkifOp)[keyof typeof BlkifOp];
/** How a block request has ended. */
export const BlkifStatus = {
  /** Done. */
  ok: 0,
  /** Not done: EIO. */
  error: 1,
} as const;
/** A code of `BlkifStatus`. */
export type BlkifStatus = (typeof BlkifStatus)[keyof typeof BlkifStatus];

/** Layout of a block request. */
export const RING_REQUEST = defineLayout('block ring request', RING_SLOT_BYTES, [
  { name: 'operation', width: 1, writer: 'guest', meaning: '0 read, 1 write, 2 flush' },
  { name: 'segmentCount', width: 1, writer: 'guest', meaning: '0 to 11; 0 only for a flush' },
  { name: 'handle', width: 2, writer: 'guest', meaning: 'device, 0' },
  { name: 'id', width: 4, writer: 'guest', meaning: 'echoed in the response' },
  { name: 'sector', width: 8, writer: 'guest', meaning: 'first 512-byte sector' },
  {
    name: 'segments',
    width: 4,
    count: 2 * SEGMENTS_PER_REQUEST,
    writer: 'guest',
    meaning: 'pairs: grant reference; first sector of the page (byte 0) and last sector (byte 1)',
  },
  { name: 'reserved', width: 4, count: 2, meaning: 'pads the slot', reserved: true },
]);

/** Layout of the response to one. */
export const RING_RESPONSE = defineLayout('block ring response', 12, [
  { name: 'id', width: 4, writer: 'hypervisor', meaning: 'id of the request' },
  { name: 'operation', width: 4, writer: 'hypervisor', meaning: 'operation of the request' },
  { name: 'status', width: 4, writer: 'hypervisor', meaning: '0 done, 1 error' },
]);
