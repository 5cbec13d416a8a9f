/**
 * The block front-end: puts requests on the ring shared with the back-end and takes responses off it.
 *
 * The ring lives in one page of the guest's memory as bytes (xen/public/blkif.ts). A request is published by storing
 * reqProd after its slot is filled; the back-end is notified when it asked to be. Responses come in interrupt context.
 * Modelled after the 2.6 blkfront; slots, not identifiers, are what runs out.
 */

import { assert } from '../base/assert.ts';
import { SECTORS_PER_PAGE, type Pfn } from '../base/units.ts';
import {
  type BlkifOp,
  BlkifStatus,
  RING_HEADER,
  RING_HEADER_BYTES,
  RING_REQUEST,
  RING_RESPONSE,
  RING_SLOTS,
  RING_SLOT_BYTES,
  SEGMENTS_PER_REQUEST,
  type GuestEnvironment,
} from '../xen/public/index.ts';

const AT = RING_REQUEST.offset;

/** A request as the block layer hands it down: whole pages that lie one after the other on the device. */
export interface FrontRequest {
  readonly op: BlkifOp;
  /** First 4 KiB block. */
  readonly block: number;
  /** 1 … 11 pages; none for a flush. */
  readonly pages: readonly Pfn[];
  /** Called in interrupt context. */
  readonly end: (failed: boolean) => void;
}

export class BlockFront {
  readonly #env: GuestEnvironment;
  readonly #ring: Pfn;
  readonly #interruptNs: number;
  readonly #port: number;
  /** Size of the device in 512-byte sectors. */
  readonly sectorCount: number;
  readonly #inFlight: (FrontRequest | undefined)[] = new Array<FrontRequest | undefined>(RING_SLOTS).fill(undefined);
  readonly #freeIds: number[] = Array.from({ length: RING_SLOTS }, (_, i) => RING_SLOTS - 1 - i);
  readonly #onRoom: () => void;
  #reqProd = 0;
  #pushed = 0;
  #rspCons = 0;

  /**
   * @param ring a page of the guest for the ring
   * @param onRoom called in interrupt context when slots have become free
   */
  constructor(env: GuestEnvironment, ring: Pfn, interruptNs: number, onRoom: () => void) {
    this.#env = env;
    this.#ring = ring;
    this.#interruptNs = interruptNs;
    this.#onRoom = onRoom;
    env.memory.zero(ring, 0, RING_HEADER_BYTES + RING_SLOTS * RING_SLOT_BYTES);
    env.memory.writeU32(ring, RING_HEADER.offset.reqEvent, 1);
    env.memory.writeU32(ring, RING_HEADER.offset.rspEvent, 1);
    const connection = env.hypercalls.blkifConnect(ring, () => {
      this.#interrupt();
    });
    this.#port = connection.port;
    this.sectorCount = connection.sectorCount;
  }

  /** Requests on the ring that were not answered yet. */
  get inFlight(): number {
    return RING_SLOTS - this.#freeIds.length;
  }

  /** Puts a request on the ring; false when the ring is full. `push` makes it visible. */
  queue(request: FrontRequest): boolean {
    assert(request.pages.length <= SEGMENTS_PER_REQUEST, 'request has too many segments');
    const id = this.#freeIds.pop();
    if (id === undefined) return false;
    this.#inFlight[id] = request;
    const { memory } = this.#env;
    const ring = this.#ring;
    const slot = RING_HEADER_BYTES + (this.#reqProd % RING_SLOTS) * RING_SLOT_BYTES;
    const sector = request.block * SECTORS_PER_PAGE;
    memory.writeU32(ring, slot + AT.operation, request.op | (request.pages.length << 8));
    memory.writeU32(ring, slot + AT.id, id);
    memory.writeU32(ring, slot + AT.sector, sector >>> 0);
    memory.writeU32(ring, slot + AT.sector + 4, Math.floor(sector / 0x1_0000_0000));
    for (let i = 0; i < request.pages.length; i++) {
      memory.writeU32(ring, slot + AT.segments + 8 * i, request.pages[i]!);
      memory.writeU32(ring, slot + AT.segments + 8 * i + 4, (SECTORS_PER_PAGE - 1) << 8);
    }
    this.#reqProd = (this.#reqProd + 1) >>> 0;
    return true;
  }

  /** Publishes what was queued, and notifies the back-end when it waits for that. */
  push(): void {
    const old = this.#pushed;
    const produced = this.#reqProd;
    if (produced === old) return;
    this.#pushed = produced;
    const { memory } = this.#env;
    memory.writeU32(this.#ring, RING_HEADER.offset.reqProd, produced);
    const event = memory.readU32(this.#ring, RING_HEADER.offset.reqEvent);
    if ((produced - event) >>> 0 < (produced - old) >>> 0) this.#env.hypercalls.eventSend(this.#port);
  }

  #interrupt(): void {
    const { memory, cpu } = this.#env;
    cpu.charge(this.#interruptNs);
    for (;;) {
      const produced = memory.readU32(this.#ring, RING_HEADER.offset.rspProd);
      assert((produced - this.#rspCons) >>> 0 <= RING_SLOTS, 'back-end produced more responses than the ring holds');
      while (this.#rspCons !== produced) this.#takeResponse();
      memory.writeU32(this.#ring, RING_HEADER.offset.rspEvent, (this.#rspCons + 1) >>> 0);
      if (memory.readU32(this.#ring, RING_HEADER.offset.rspProd) === this.#rspCons) break;
    }
    this.#onRoom();
    cpu.book();
  }

  #takeResponse(): void {
    const { memory } = this.#env;
    const slot = RING_HEADER_BYTES + (this.#rspCons % RING_SLOTS) * RING_SLOT_BYTES;
    const id = memory.readU32(this.#ring, slot + RING_RESPONSE.offset.id);
    const status = memory.readU32(this.#ring, slot + RING_RESPONSE.offset.status);
    this.#rspCons = (this.#rspCons + 1) >>> 0;
    const request = this.#inFlight[id];
    assert(request !== undefined, 'response to a request that is not in flight');
    this.#inFlight[id] = undefined;
    this.#freeIds.push(id);
    request.end(status !== BlkifStatus.ok);
  }
}
