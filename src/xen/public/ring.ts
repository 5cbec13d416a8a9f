/**
 * Rings: a page that the two ends of a device share, a header and slots behind it. A request is put
 * into a slot by the front-end, and its slot is overlaid by a response later.
 *
 * Producer indices run freely modulo 2^32; slot = index % slots, a power of two. Publishing is two
 * steps: (1) the slot is filled, (2) the producer index is stored. Notify when the peer's event
 * index was passed; a consumer that found the ring empty stores event = consumed + 1, then looks
 * once more. Modelled after the rings of Xen 3.0 (public/io/ring.h).
 */

import { defineLayout } from '../../base/layout.ts';

/** Bytes of the header. */
export const RING_HEADER_BYTES = 64;

/** Layout of the header of a ring. */
export const RING_HEADER = defineLayout('ring header', RING_HEADER_BYTES, [
  { name: 'reqProd', width: 4, writer: 'guest', meaning: 'requests produced' },
  { name: 'reqEvent', width: 4, writer: 'hypervisor', meaning: 'notify the back-end when reqProd reaches this' },
  { name: 'rspProd', width: 4, writer: 'hypervisor', meaning: 'responses produced' },
  { name: 'rspEvent', width: 4, writer: 'guest', meaning: 'notify the front-end when rspProd reaches this' },
  { name: 'reserved', width: 4, count: 12, meaning: 'pads the header to 64 bytes', reserved: true },
]);
