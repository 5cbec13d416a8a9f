/**
 * The block ring between front-end and back-end: one shared page, 32 slots, a request of up to 11 segments in each.
 *
 * Producer indices run freely modulo 2^32; slot = index % 32. Publishing is two steps: (1) the slot is filled, (2) the
 * producer index is stored. Notify when the peer's event index was passed; a consumer that found the ring empty stores
 * event = consumed + 1, then looks once more. A response overlays the slot of a request that was consumed. Modelled
 * after the Xen 3.0 ring. A segment names its page by the grant that lets domain 0 reach it, for writing when the
 * request is a read.
 */

import { defineLayout } from '../../base/layout.ts';

export const RING_SLOTS = 32;
export const SEGMENTS_PER_REQUEST = 11;
export const RING_HEADER_BYTES = 64;
export const RING_SLOT_BYTES = 112;

export const BlkifOp = { read: 0, write: 1, flush: 2 } as const;
export type BlkifOp = (typeof BlkifOp)[keyof typeof BlkifOp];
export const BlkifStatus = { ok: 0, error: 1 } as const;
export type BlkifStatus = (typeof BlkifStatus)[keyof typeof BlkifStatus];

export const RING_HEADER = defineLayout('block ring header', RING_HEADER_BYTES, [
  { name: 'reqProd', width: 4, writer: 'guest', meaning: 'requests produced' },
  { name: 'reqEvent', width: 4, writer: 'hypervisor', meaning: 'notify the back-end when reqProd reaches this' },
  { name: 'rspProd', width: 4, writer: 'hypervisor', meaning: 'responses produced' },
  { name: 'rspEvent', width: 4, writer: 'guest', meaning: 'notify the front-end when rspProd reaches this' },
  { name: 'reserved', width: 4, count: 12, meaning: 'pads the header to 64 bytes', reserved: true },
]);

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
