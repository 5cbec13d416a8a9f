/**
 * The sending half of the network front-end (netfront.ts): frames on their way out, on the ring
 * that it shares with the back-end (xen/public/netif.ts).
 *
 * It has pages of its own, so many of which may be on the ring. Without a page the device is
 * stopped, until responses free some. Meanwhile frames wait in a queue. `room` tells who sends how
 * many it takes; what is beyond is lost. It sends from the moment at which the front-end has
 * connected until the back-end is gone.
 *
 * Modelled after netif_stop_queue, netif_wake_queue and pfifo_fast of Linux 2.6.12. Differs in that
 * the queue has one band.
 *
 * Invariant:
 *   1. a frame lies within a page.
 */

import { assert } from '../../base/assert.ts';
import { encodeFrame, ETHERNET_HEADER, type MacAddress, segmentsOf } from '../../base/ethernet.ts';
import { PAGE_SIZE, type EvtchnPort } from '../../base/units.ts';
import { NET_RING_SLOTS, NET_TX_REQUEST, NET_TX_RESPONSE, type GuestEnvironment } from '../../xen/public/index.ts';
import type { KernelCosts } from '../costs.ts';
import type { EventChannels } from '../xen/evtchn.ts';
import { FrontRing } from '../xen/front-ring.ts';
import type { GrantTable } from '../xen/gnttab.ts';
import { FrameBuffers, type RingPages } from './frame-buffers.ts';

const NO_BYTES = new Uint8Array(0);

/** Frames that wait for a page at most: tx_queue_len of an Ethernet interface. */
export const QUEUE_FRAMES = 1000;

/** A frame that waits. */
interface Waiting {
  readonly destination: MacAddress;
  readonly type: number;
  readonly payload: Uint8Array;
}

/** Where frames are sent from: the address of the interface, and the port of its back-end. */
interface Link {
  readonly mac: MacAddress;
  readonly port: EvtchnPort;
}

export class NetTransmitter {
  /** The page of the ring is granted by the front-end. */
  readonly ring: FrontRing;
  readonly #env: GuestEnvironment;
  readonly #costs: KernelCosts;
  readonly #events: EventChannels;
  readonly #buffers: FrameBuffers;
  #free: number[] = [];
  #queue: Waiting[] = [];
  #link: Link | undefined;
  #dropped = 0;

  constructor(env: GuestEnvironment, costs: KernelCosts, events: EventChannels, grants: GrantTable, pages: RingPages) {
    this.#env = env;
    this.#costs = costs;
    this.#events = events;
    this.ring = new FrontRing(env.memory, pages.ring, NET_RING_SLOTS, NET_TX_REQUEST.size);
    this.#buffers = new FrameBuffers(grants, pages.buffers);
  }

  /** The back-end is gone, and all grants with it: what is sent now is lost. */
  disconnected(): void {
    this.#free = [];
    this.#queue = [];
    this.#link = undefined;
  }

  /** The ring is to be connected: it is empty. */
  reset(): void {
    this.ring.reset();
    this.#buffers.reset();
  }

  /** Sends from this address, and notifies this port. */
  connected(mac: MacAddress, port: EvtchnPort): void {
    this.#link = { mac, port };
    this.#free = this.#buffers.ids();
  }

  /** Frames that the queue takes now. */
  get room(): number {
    return QUEUE_FRAMES - this.#queue.length;
  }

  /** Frames that found the queue full so far. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Sends a burst of frames with these payloads and one notification; any may be lost. */
  send(destination: MacAddress, type: number, payloads: readonly Uint8Array[]): void {
    const { cpu } = this.#env;
    for (const payload of payloads) {
      const segments = segmentsOf(ETHERNET_HEADER.size + payload.length);
      cpu.charge(this.#costs.packetNs * segments + this.#costs.copyNsPerByte * payload.length);
      if (this.#link === undefined) continue;
      if (this.room > 0) this.#queue.push({ destination, type, payload });
      else this.#dropped++;
    }
    this.#drain();
  }

  /** Puts frames on the ring, as many as there are pages for. */
  #drain(): void {
    const link = this.#link;
    if (link === undefined) return;
    let n = 0;
    for (; n < this.#queue.length; n++) {
      const id = this.#free.pop();
      if (id === undefined) break;
      this.#put(link.mac, id, this.#queue[n]!);
    }
    this.#queue.splice(0, n);
    if (this.ring.push()) this.#events.notify(link.port);
  }

  #put(source: MacAddress, id: number, { destination, type, payload }: Waiting): void {
    const { memory } = this.#env;
    const size = ETHERNET_HEADER.size + payload.length;
    assert(size <= PAGE_SIZE, 'net-tx 1: a frame lies within a page');
    const header = encodeFrame({ destination, source, type, payload: NO_BYTES });
    memory.copyIn(this.#buffers.page(id), 0, header, 0, header.length);
    memory.copyIn(this.#buffers.page(id), header.length, payload, 0, payload.length);
    const grant = this.#buffers.grant(id, true);
    const at = this.ring.nextRequest();
    const { offset } = NET_TX_REQUEST;
    memory.writeU32(this.ring.page, at + offset.grant, grant);
    memory.writeU32(this.ring.page, at + offset.offset, 0);
    memory.writeU16(this.ring.page, at + offset.id, id);
    memory.writeU16(this.ring.page, at + offset.size, size);
  }

  /** In interrupt context: the pages of the frames that have gone are free for those that wait. */
  takeResponses(): void {
    this.ring.takeResponses((at) => {
      const id = this.#env.memory.readU16(this.ring.page, at + NET_TX_RESPONSE.offset.id);
      this.#buffers.answered(id);
      this.#free.push(id);
    });
    if (this.#queue.length > 0) this.#drain();
  }
}
