/**
 * The block front-end: puts requests on the ring shared with the back-end and takes responses off
 * it.
 *
 * The ring lives in one page of the guest's memory as bytes (xen/public/blkif.ts). Responses come
 * in interrupt context. Each page of a request is granted to the back-end while the request is in
 * flight, read-only when it is written to disk. `connect` goes through the states of
 * xen/public/xenbus.ts. After a suspension it does so again, on an empty ring, and puts on it what
 * was in flight, in the old order. Whether the back-end before had done such a request is not
 * known. Doing it again changes nothing. Modelled after the 2.6 blkfront; slots, not identifiers,
 * are what runs out.
 *
 * Invariants:
 *   1. the size of the device is asked for once it is connected;
 *   2. a request has no more pages than a slot has segments;
 *   3. there are grants for all that a full ring may hold.
 */

import { assert } from '../../base/assert.ts';
import { GuestPanic } from '../../base/errno.ts';
import { DOM0, SECTORS_PER_PAGE, type EvtchnPort, type GrantRef, type Pfn } from '../../base/units.ts';
import type { Process } from '../../sim/index.ts';
import {
  BlkifOp,
  BlkifStatus,
  RING_REQUEST,
  RING_RESPONSE,
  RING_SLOTS,
  RING_SLOT_BYTES,
  SEGMENTS_PER_REQUEST,
  VBD_FRONTEND,
  type GuestEnvironment,
} from '../../xen/public/index.ts';
import type { EventChannels } from '../xen/evtchn.ts';
import { FrontRing } from '../xen/front-ring.ts';
import type { GrantTable } from '../xen/gnttab.ts';
import { connectToBackend, tellConnected } from '../xen/xenbus.ts';

const AT = RING_REQUEST.offset;

/**
 * A request as the block layer hands it down: whole pages that lie one after the other on the
 * device.
 */
export interface FrontRequest {
  readonly op: BlkifOp;
  /** First 4 KiB block. */
  readonly block: number;
  /** 1 … 11 pages; none for a flush. */
  readonly pages: readonly Pfn[];
  /** Called in interrupt context. */
  readonly end: (failed: boolean) => void;
}

/** A request on the ring, its place among all, and the grants of its pages. */
interface Shadow {
  readonly request: FrontRequest;
  readonly order: number;
  grants: readonly GrantRef[];
}

export class BlockFront {
  readonly #env: GuestEnvironment;
  readonly #events: EventChannels;
  readonly #grants: GrantTable;
  readonly #ring: FrontRing;
  readonly #interruptNs: number;
  readonly #shadow: (Shadow | undefined)[] = new Array<Shadow | undefined>(RING_SLOTS).fill(undefined);
  readonly #freeIds: number[] = Array.from({ length: RING_SLOTS }, (_, i) => RING_SLOTS - 1 - i);
  readonly #onRoom: (front: BlockFront) => void;
  #port: EvtchnPort | undefined;
  #sectorCount: number | undefined;
  #isConnected = false;
  #queued = 0;

  /**
   * @param ring a page of the guest for the ring
   * @param onRoom called in interrupt context when slots have become free
   */
  constructor(
    env: GuestEnvironment,
    events: EventChannels,
    grants: GrantTable,
    ring: Pfn,
    interruptNs: number,
    onRoom: (front: BlockFront) => void,
  ) {
    this.#env = env;
    this.#events = events;
    this.#grants = grants;
    this.#ring = new FrontRing(env.memory, ring, RING_SLOTS, RING_SLOT_BYTES);
    this.#interruptNs = interruptNs;
    this.#onRoom = onRoom;
  }

  /** The back-end is gone; what is in flight waits for the next one. */
  disconnected(): void {
    this.#isConnected = false;
    if (this.#port !== undefined) this.#events.release(this.#port);
    this.#port = undefined;
  }

  /**
   * Connects to the back-end; what is in flight is put on the ring again. Throws GuestPanic when
   * that closes the device: there is no disk to go on with.
   */
  *connect(): Process {
    const { xenstore } = this.#env;
    this.#ring.reset();
    const ringRef = this.#grants.grant(DOM0, this.#ring.page, false);
    assert(ringRef !== undefined, 'blkfront 3: there are more grants than rings');
    this.#port = this.#events.allocUnbound(DOM0);
    this.#events.bind(this.#port, () => {
      this.#interrupt();
    });
    const published = { 'ring-ref': ringRef, 'event-channel': this.#port };
    const backend = yield* connectToBackend(xenstore, VBD_FRONTEND, published);
    if (backend === undefined) throw new GuestPanic('the back-end refuses the block device');
    const isFirst = this.#sectorCount === undefined;
    this.#sectorCount = Number(yield* xenstore.read(`${backend}/sectors`));
    yield* tellConnected(xenstore, VBD_FRONTEND);
    this.#isConnected = true;
    if (isFirst) return;
    this.#recover();
    this.#onRoom(this);
  }

  /** blkif_recover. */
  #recover(): void {
    const inFlight = this.#shadow.flatMap((shadow, id) => (shadow === undefined ? [] : [{ shadow, id }]));
    inFlight.sort((a, b) => a.shadow.order - b.shadow.order);
    for (const { shadow, id } of inFlight) {
      shadow.grants = this.#grantPages(shadow.request);
      this.#fillSlot(id);
    }
    this.push();
  }

  /** Size of the device in 512-byte sectors. */
  get sectorCount(): number {
    assert(this.#sectorCount !== undefined, 'blkfront 1: the block device is connected');
    return this.#sectorCount;
  }

  /** Requests on the ring that were not answered yet. */
  get inFlight(): number {
    return RING_SLOTS - this.#freeIds.length;
  }

  /**
   * Puts a request on the ring; false when the ring is full or nobody is at its other end. `push`
   * makes it visible.
   */
  queue(request: FrontRequest): boolean {
    assert(request.pages.length <= SEGMENTS_PER_REQUEST, 'blkfront 2: the request has too many segments');
    if (!this.#isConnected) return false;
    const id = this.#freeIds.pop();
    if (id === undefined) return false;
    this.#shadow[id] = { request, order: this.#queued++, grants: this.#grantPages(request) };
    this.#fillSlot(id);
    return true;
  }

  #grantPages({ op, pages }: FrontRequest): GrantRef[] {
    return pages.map((page) => {
      const ref = this.#grants.grant(DOM0, page, op === BlkifOp.write);
      assert(ref !== undefined, 'blkfront 3: there are more grants than segments on a ring');
      return ref;
    });
  }

  #fillSlot(id: number): void {
    const { request, grants } = this.#shadow[id]!;
    const { memory } = this.#env;
    const ring = this.#ring.page;
    const slot = this.#ring.nextRequest();
    const sector = request.block * SECTORS_PER_PAGE;
    memory.writeU32(ring, slot + AT.operation, request.op | (request.pages.length << 8));
    memory.writeU32(ring, slot + AT.id, id);
    memory.writeU32(ring, slot + AT.sector, sector >>> 0);
    memory.writeU32(ring, slot + AT.sector + 4, Math.floor(sector / 0x1_0000_0000));
    for (let i = 0; i < request.pages.length; i++) {
      memory.writeU32(ring, slot + AT.segments + 8 * i, grants[i]!);
      memory.writeU32(ring, slot + AT.segments + 8 * i + 4, (SECTORS_PER_PAGE - 1) << 8);
    }
  }

  /** Publishes what was queued, and notifies the back-end when it waits for that. */
  push(): void {
    if (this.#ring.push()) this.#events.notify(this.#port!);
  }

  #interrupt(): void {
    const { cpu } = this.#env;
    cpu.charge(this.#interruptNs);
    this.#ring.takeResponses((at) => {
      this.#takeResponse(at);
    });
    this.#onRoom(this);
    cpu.book();
  }

  #takeResponse(at: number): void {
    const { memory } = this.#env;
    const id = memory.readU32(this.#ring.page, at + RING_RESPONSE.offset.id);
    const status = memory.readU32(this.#ring.page, at + RING_RESPONSE.offset.status);
    const shadow = this.#shadow[id];
    // The back-end does neither, so a store gone wild has hit the ring or the grant table.
    if (shadow === undefined) throw new GuestPanic(`a response to block request ${id}, which is not in flight`);
    for (const ref of shadow.grants)
      if (!this.#grants.end(ref))
        throw new GuestPanic(`grant ${ref} of block request ${id} is in use after its response`);
    this.#shadow[id] = undefined;
    this.#freeIds.push(id);
    shadow.request.end(status !== BlkifStatus.ok);
  }
}
