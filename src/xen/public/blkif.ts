/**
 * The block ring between front-end and back-end (ring.ts): 32 slots, a request of up to 11 segments
 * in each.
 *
 * A segment names its page by the grant that lets domain 0 reach it, for writing when the request
 * is a read. Modelled after public/io/blkif.h of Xen 3.0.
 */

import { defineLayout } from '../../base/layout.ts';

export const RING_SLOTS = 32;
export const SEGMENTS_PER_REQUEST = 11;
export const RING_SLOT_BYTES = 112;

export const BlkifOp = { read: 0, write: 1, flush: 2 } as const;
export type BlkifOp = (typeof BlkifOp)[keyof typeof BlkifOp];
export const BlkifStatus = { ok: 0, error: 1 } as const;
export type BlkifStatus = (typeof BlkifStatus)[keyof typeof BlkifStatus];

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

export const RING_RESPONSE = defineLayout('block ring response', 12, [
  { name: 'id', width: 4, writer: 'hypervisor', meaning: 'id of the request' },
  { name: 'operation', width: 4, writer: 'hypervisor', meaning: 'operation of the request' },
  { name: 'status', width: 4, writer: 'hypervisor', meaning: '0 done, 1 error' },
]);
