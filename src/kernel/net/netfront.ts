/**
 * The network front-end: frames that the guest sends, and empty pages in which it receives, on rings shared with the back-end
 * (xen/public/netif.ts).
 *
 * It has pages of its own for frames, so many of which may be on either ring; a frame that finds none is lost. Frames come in
 * interrupt context. After a suspension the rings are made anew: frames that were on their way out are lost, as any frame may
 * be, and the pages are put on the ring again; then the interface announces its address, so that bridges learn where it is.
 *
 * Modelled after the 2.6.12-xen netfront. Differs in that the number of empty pages does not follow the load.
 */

import { assert } from '../../base/assert.ts';
import { GuestPanic } from '../../base/errno.ts';
import {
  BROADCAST,
  decodeFrame,
  encodeFrame,
  EtherType,
  parseMac,
  type EthernetFrame,
  type MacAddress,
} from '../../base/ethernet.ts';
import { DOM0, PAGE_SIZE, type EvtchnPort, type GrantRef, type Pfn } from '../../base/units.ts';
import type { Process } from '../../sim/index.ts';
import {
  NET_RING_SLOTS,
  NET_RX_REQUEST,
  NET_RX_RESPONSE,
  NET_TX_REQUEST,
  NET_TX_RESPONSE,
  VIF_FRONTEND,
  type GuestEnvironment,
} from '../../xen/public/index.ts';
import type { KernelCosts } from '../costs.ts';
import type { EventChannels } from '../xen/evtchn.ts';
import { FrontRing } from '../xen/front-ring.ts';
import type { GrantTable } from '../xen/gnttab.ts';
import { connectToBackend, tellConnected } from '../xen/xenbus.ts';

/** Pages for frames of either direction: RX_MIN_TARGET of netfront. */
const BUFFERS = 64;
/** Pages that the driver takes: buffers and two rings. */
export const NETFRONT_PAGES = 2 * BUFFERS + 2;

/** A page for a frame; its grant while it is on a ring. */
interface Buffer {
  readonly page: Pfn;
  grant: GrantRef | undefined;
}

export class NetFront {
  /** Called in interrupt context with each frame that comes. */
  onFrame: (frame: EthernetFrame) => void = () => undefined;
  readonly #env: GuestEnvironment;
  readonly #events: EventChannels;
  readonly #grants: GrantTable;
  readonly #costs: KernelCosts;
  readonly #tx: FrontRing;
  readonly #rx: FrontRing;
  /** Their places are the ids of requests. */
  readonly #txBuffers: readonly Buffer[];
  readonly #rxBuffers: readonly Buffer[];
  #freeTx: number[] = [];
  #port: EvtchnPort | undefined;
  #mac: MacAddress | undefined;

  /** @param pages NETFRONT_PAGES of the guest's, for the driver alone */
  constructor(
    env: GuestEnvironment,
    events: EventChannels,
    grants: GrantTable,
    costs: KernelCosts,
    pages: readonly Pfn[],
  ) {
    assert(pages.length === NETFRONT_PAGES, 'netfront has its pages');
    this.#env = env;
    this.#events = events;
    this.#grants = grants;
    this.#costs = costs;
    this.#tx = new FrontRing(env.memory, pages[0]!, NET_RING_SLOTS, NET_TX_REQUEST.size);
    this.#rx = new FrontRing(env.memory, pages[1]!, NET_RING_SLOTS, NET_RX_REQUEST.size);
    const buffers = pages.slice(2).map((page): Buffer => ({ page, grant: undefined }));
    this.#txBuffers = buffers.slice(0, BUFFERS);
    this.#rxBuffers = buffers.slice(BUFFERS);
  }

  /** The back-end is gone, and all grants with it. */
  disconnected(): void {
    this.#freeTx = [];
    if (this.#port !== undefined) this.#events.release(this.#port);
    this.#port = undefined;
  }

  /** Connects to the back-end. Where that closes the device there is no network. */
  *connect(): Process {
    const { xenstore } = this.#env;
    this.#tx.reset();
    this.#rx.reset();
    for (const buffer of [...this.#txBuffers, ...this.#rxBuffers]) buffer.grant = undefined;
    const [txRef, rxRef] = [this.#tx.page, this.#rx.page].map((page) => this.#grants.grant(DOM0, page, false));
    assert(txRef !== undefined && rxRef !== undefined, 'there are more grants than rings');
    const port = this.#events.allocUnbound(DOM0);
    this.#port = port;
    this.#events.bind(port, () => {
      this.#interrupt();
    });
    const published = { 'tx-ring-ref': txRef, 'rx-ring-ref': rxRef, 'event-channel': port };
    if ((yield* connectToBackend(xenstore, VIF_FRONTEND, published)) === undefined) return;
    this.#mac = parseMac((yield* xenstore.read(`${VIF_FRONTEND}/mac`)) ?? '');
    yield* tellConnected(xenstore, VIF_FRONTEND);
    this.#rxBuffers.forEach((_, id) => {
      this.#putEmpty(id);
    });
    this.#push(this.#rx);
    this.#freeTx = this.#txBuffers.map((_, id) => id);
    this.send(BROADCAST, EtherType.announcement, new Uint8Array(0));
  }

  /** Sends a frame; it may be lost. */
  send(destination: MacAddress, type: number, payload: Uint8Array): void {
    const { memory, cpu } = this.#env;
    cpu.charge(this.#costs.packetNs + this.#costs.copyNsPerByte * payload.length);
    const id = this.#mac === undefined ? undefined : this.#freeTx.pop();
    if (id === undefined) return;
    const frame = encodeFrame({ destination, source: this.#mac!, type, payload });
    assert(frame.length <= PAGE_SIZE, 'a frame lies within a page');
    const buffer = this.#txBuffers[id]!;
    memory.copyIn(buffer.page, 0, frame, 0, frame.length);
    const grant = this.#grant(buffer, true);
    const at = this.#tx.nextRequest();
    const { offset } = NET_TX_REQUEST;
    memory.writeU32(this.#tx.page, at + offset.grant, grant);
    memory.writeU32(this.#tx.page, at + offset.offset, 0);
    memory.writeU16(this.#tx.page, at + offset.id, id);
    memory.writeU16(this.#tx.page, at + offset.size, frame.length);
    this.#push(this.#tx);
  }

  #grant(buffer: Buffer, readonly: boolean): GrantRef {
    const grant = this.#grants.grant(DOM0, buffer.page, readonly);
    assert(grant !== undefined, 'there are more grants than pages on rings');
    buffer.grant = grant;
    return grant;
  }

  /**
   * The buffer that a response is for, whose grant ends. The back-end answers each request once and unmaps before it does: else
   * a store gone wild has hit a ring or the grant table.
   */
  #answered(buffers: readonly Buffer[], id: number): Buffer {
    const buffer = buffers[id];
    if (buffer?.grant === undefined) throw new GuestPanic(`a response for network buffer ${id}, which is on no ring`);
    if (!this.#grants.end(buffer.grant)) throw new GuestPanic(`grant ${buffer.grant} is in use after its response`);
    buffer.grant = undefined;
    return buffer;
  }

  #putEmpty(id: number): void {
    const grant = this.#grant(this.#rxBuffers[id]!, false);
    const { memory } = this.#env;
    const at = this.#rx.nextRequest();
    memory.writeU32(this.#rx.page, at + NET_RX_REQUEST.offset.id, id);
    memory.writeU32(this.#rx.page, at + NET_RX_REQUEST.offset.grant, grant);
  }

  #push(ring: FrontRing): void {
    if (ring.push()) this.#events.notify(this.#port!);
  }

  #interrupt(): void {
    const { memory, cpu } = this.#env;
    cpu.charge(this.#costs.interruptNs);
    this.#tx.takeResponses((at) => {
      const id = memory.readU16(this.#tx.page, at + NET_TX_RESPONSE.offset.id);
      this.#answered(this.#txBuffers, id);
      this.#freeTx.push(id);
    });
    const frames: Uint8Array[] = [];
    this.#rx.takeResponses((at) => {
      const id = memory.readU16(this.#rx.page, at + NET_RX_RESPONSE.offset.id);
      const offset = memory.readU16(this.#rx.page, at + NET_RX_RESPONSE.offset.offset);
      const frame = new Uint8Array(memory.readU16(this.#rx.page, at + NET_RX_RESPONSE.offset.size));
      const buffer = this.#answered(this.#rxBuffers, id);
      if (offset + frame.length > PAGE_SIZE)
        throw new GuestPanic(`a frame of ${frame.length} bytes at ${offset} leaves its page`);
      memory.copyOut(buffer.page, offset, frame, 0, frame.length);
      this.#putEmpty(id);
      frames.push(frame);
    });
    this.#push(this.#rx);
    for (const bytes of frames) {
      cpu.charge(this.#costs.packetNs + this.#costs.copyNsPerByte * bytes.length);
      const frame = decodeFrame(bytes);
      if (frame !== undefined && (frame.destination === this.#mac || frame.destination === BROADCAST))
        this.onFrame(frame);
    }
    cpu.book();
  }
}
