/**
 * The network rings between front-end and back-end (ring.ts), a page each: frames that the guest
 * sends, and empty pages in which it receives.
 *
 * A frame lies within one page, named by a grant: read-only to be sent, writable to be received
 * into. The back-end copies. A response to a buffer says where in its page a frame lies, and how
 * long it is.
 *
 * Modelled after public/io/netif.h of Xen 3.0.3. Differs from that of 3.0.0, where the page of a
 * received frame is exchanged for one of domain 0's. That is a matter of costs here (netback.ts).
 * No checksum is left for the other end to compute.
 */

import { defineLayout } from '../../base/layout.ts';

/** Slots of either ring. */
export const NET_RING_SLOTS = 256;

/** Layout of a request to send. */
export const NET_TX_REQUEST = defineLayout('network transmit request', 12, [
  { name: 'grant', width: 4, writer: 'guest', meaning: 'grant of the page, for reading' },
  { name: 'offset', width: 2, writer: 'guest', meaning: 'where in the page the frame begins' },
  { name: 'flags', width: 2, meaning: 'none are defined', reserved: true },
  { name: 'id', width: 2, writer: 'guest', meaning: 'echoed in the response' },
  { name: 'size', width: 2, writer: 'guest', meaning: 'bytes of the frame' },
]);

/** Layout of the response to one. */
export const NET_TX_RESPONSE = defineLayout('network transmit response', 4, [
  { name: 'id', width: 2, writer: 'hypervisor', meaning: 'id of the request' },
  { name: 'status', width: 2, writer: 'hypervisor', meaning: '0 sent, 1 error' },
]);

/** Layout of a request to receive: an empty page. */
export const NET_RX_REQUEST = defineLayout('network receive request', 8, [
  { name: 'id', width: 2, writer: 'guest', meaning: 'echoed in the response' },
  { name: 'reserved', width: 2, meaning: 'pads the slot', reserved: true },
  { name: 'grant', width: 4, writer: 'guest', meaning: 'grant of an empty page, for writing' },
]);

/** Layout of the response to one. */
export const NET_RX_RESPONSE = defineLayout('network receive response', 8, [
  { name: 'offset', width: 2, writer: 'hypervisor', meaning: 'where in the page the frame begins' },
  { name: 'flags', width: 2, meaning: 'none are defined', reserved: true },
  { name: 'id', width: 2, writer: 'hypervisor', meaning: 'id of the request' },
  { name: 'size', width: 2, writer: 'hypervisor', meaning: 'bytes of the frame; 0: the buffer was refused' },
]);

/** How a request has ended. */
export const NetStatus = {
  /** Sent. */
  ok: 0,
  /** Not sent. */
  error: 1,
} as const;
