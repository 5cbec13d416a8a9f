/**
 * The network front-end: frames that the guest sends (net-tx.ts), and empty pages in which it
 * receives, on rings shared with the back-end (xen/public/netif.ts).
 *
 * It has pages of its own for frames, and a fixed number of them may be on either ring. Frames come
 * in interrupt context. After a suspension the rings are made anew. Frames that were on their way
 * out are lost, as any frame may be, and the pages are put on the ring again. Then the interface
 * announces its address, so that bridges learn where it is.
 *
 * Modelled after the 2.6.12-xen netfront. Differs in that the number of empty pages does not follow
 * the load.
 *
 * Invariant:
 *   1. there are grants for both rings.
 */

import { assert } from '../../base/assert.ts';
import { GuestPanic } from '../../base/errno.ts';
import {
  BROADCAST,
  decodeFrame,
  EtherType,
  parseMac,
  segmentsOf,
  type EthernetFrame,
  type MacAddress,
} from '../../base/ethernet.ts';
import { Slab } from '../../base/slab.ts';
import { DOM0, PAGE_SIZE, type EvtchnPort } from '../../base/units.ts';
import type { Process } from '../../sim/index.ts';
import {
  NET_RING_SLOTS,
  NET_RX_REQUEST,
  NET_RX_RESPONSE,
  VIF_FRONTEND,
  type GuestEnvironment,
} from '../../xen/public/index.ts';
import type { KernelCosts } from '../costs.ts';
import type { EventChannels } from '../xen/evtchn.ts';
import { FrontRing } from '../xen/front-ring.ts';
import type { GrantTable } from '../xen/gnttab.ts';
import { FrameBuffers, type RingPages } from './frame-buffers.ts';
import type { NetTransmitter } from './net-tx.ts';
import { connectToBackend, tellConnected } from '../xen/xenbus.ts';

/** Takes each frame that comes for this guest, in interrupt context. */
export interface FrameReceiver {
  receive(frame: EthernetFrame): void;
}

export class NetFront {
  readonly #env: GuestEnvironment;
  readonly #costs: KernelCosts;
  readonly #events: EventChannels;
  readonly #grants: GrantTable;
  readonly #transmitter: NetTransmitter;
  readonly #receiver: FrameReceiver;
  readonly #rx: FrontRing;
  readonly #buffers: FrameBuffers;
  /** For frames that have come. */
  readonly #slab = new Slab();
  #port: EvtchnPort | undefined;
  #mac: MacAddress | undefined;

  constructor(
    env: GuestEnvironment,
    costs: KernelCosts,
    events: EventChannels,
    grants: GrantTable,
    transmitter: NetTransmitter,
    receiver: FrameReceiver,
    pages: RingPages,
  ) {
    this.#env = env;
    this.#costs = costs;
    this.#events = events;
    this.#grants = grants;
    this.#transmitter = transmitter;
    this.#receiver = receiver;
    this.#rx = new FrontRing(env.memory, pages.ring, NET_RING_SLOTS, NET_RX_REQUEST.size);
    this.#buffers = new FrameBuffers(grants, pages.buffers);
  }

  /** The back-end is gone, and all grants with it. */
  disconnected(): void {
    this.#transmitter.disconnected();
    if (this.#port !== undefined) this.#events.release(this.#port);
    this.#port = undefined;
  }

  /** Connects to the back-end. Where that closes the device there is no network. */
  *connect(): Process {
    const { xenstore } = this.#env;
    this.#transmitter.reset();
    this.#rx.reset();
    this.#buffers.reset();
    const [txRef, rxRef] = [this.#transmitter.ring.page, this.#rx.page].map((page) =>
      this.#grants.grant(DOM0, page, false),
    );
    assert(txRef !== undefined && rxRef !== undefined, 'netfront 1: there are more grants than rings');
    const port = this.#events.allocUnbound(DOM0);
    this.#port = port;
    this.#events.bind(port, () => {
      this.#interrupt();
    });
    const published = { 'tx-ring-ref': txRef, 'rx-ring-ref': rxRef, 'event-channel': port };
    if ((yield* connectToBackend(xenstore, VIF_FRONTEND, published)) === undefined) return;
    this.#mac = parseMac((yield* xenstore.read(`${VIF_FRONTEND}/mac`)) ?? '');
    yield* tellConnected(xenstore, VIF_FRONTEND);
    for (const id of this.#buffers.ids()) this.#putEmpty(id);
    this.#push();
    if (this.#mac !== undefined) this.#transmitter.connected(this.#mac, port);
    this.#transmitter.send(BROADCAST, EtherType.announcement, [new Uint8Array(0)]);
  }

  #putEmpty(id: number): void {
    const grant = this.#buffers.grant(id, false);
    const { memory } = this.#env;
    const at = this.#rx.nextRequest();
    memory.writeU32(this.#rx.page, at + NET_RX_REQUEST.offset.id, id);
    memory.writeU32(this.#rx.page, at + NET_RX_REQUEST.offset.grant, grant);
  }

  #push(): void {
    if (this.#rx.push()) this.#events.notify(this.#port!);
  }

  #interrupt(): void {
    const { memory, cpu } = this.#env;
    cpu.charge(this.#costs.interruptNs);
    this.#transmitter.takeResponses();
    const frames: Uint8Array[] = [];
    this.#rx.takeResponses((at) => {
      const id = memory.readU16(this.#rx.page, at + NET_RX_RESPONSE.offset.id);
      const offset = memory.readU16(this.#rx.page, at + NET_RX_RESPONSE.offset.offset);
      const size = memory.readU16(this.#rx.page, at + NET_RX_RESPONSE.offset.size);
      this.#buffers.answered(id);
      if (offset + size > PAGE_SIZE) throw new GuestPanic(`a frame of ${size} bytes at ${offset} leaves its page`);
      const frame = this.#slab.take(size);
      memory.copyOut(this.#buffers.page(id), offset, frame, 0, size);
      this.#putEmpty(id);
      frames.push(frame);
    });
    this.#push();
    for (const bytes of frames) {
      cpu.charge(this.#costs.packetNs * segmentsOf(bytes.length) + this.#costs.copyNsPerByte * bytes.length);
      const frame = decodeFrame(bytes);
      if (frame !== undefined && (frame.destination === this.#mac || frame.destination === BROADCAST))
        this.#receiver.receive(frame);
    }
    cpu.book();
  }
}
