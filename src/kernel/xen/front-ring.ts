/**
 * The front-end's end of a ring (xen/public/ring.ts) in a page of the guest: what the drivers of
 * block device and network share. Modelled after the FRONT_RING macros of public/io/ring.h.
 */

import { GuestPanic } from '../../base/errno.ts';
import type { Pfn } from '../../base/units.ts';
import { RING_HEADER, RING_HEADER_BYTES, type GuestMemory } from '../../xen/public/index.ts';

const AT = RING_HEADER.offset;

export class FrontRing {
  readonly page: Pfn;
  readonly #memory: GuestMemory;
  readonly #slots: number;
  readonly #slotBytes: number;
  #reqProd = 0;
  #pushed = 0;
  #rspCons = 0;

  constructor(memory: GuestMemory, page: Pfn, slots: number, slotBytes: number) {
    this.#memory = memory;
    this.page = page;
    this.#slots = slots;
    this.#slotBytes = slotBytes;
  }

  /** Empties the ring, whose other end is not there. */
  reset(): void {
    this.#reqProd = this.#pushed = this.#rspCons = 0;
    this.#memory.zero(this.page, 0, RING_HEADER_BYTES + this.#slots * this.#slotBytes);
    this.#memory.writeU32(this.page, AT.reqEvent, 1);
    this.#memory.writeU32(this.page, AT.rspEvent, 1);
  }

  /**
   * Where in the page the next request goes, of which there are at most as many as slots. `push`
   * makes it visible.
   */
  nextRequest(): number {
    const at = this.#slotAt(this.#reqProd);
    this.#reqProd = (this.#reqProd + 1) >>> 0;
    return at;
  }

  /**
   * Publishes the requests that were put into slots; returns whether the back-end waits to be
   * notified.
   */
  push(): boolean {
    const old = this.#pushed;
    const produced = this.#reqProd;
    if (produced === old) return false;
    this.#pushed = produced;
    this.#memory.writeU32(this.page, AT.reqProd, produced);
    const event = this.#memory.readU32(this.page, AT.reqEvent);
    return (produced - event) >>> 0 < (produced - old) >>> 0;
  }

  /**
   * Takes all responses: `take` gets the place of each one in the page. The next one comes with an
   * event. Throws GuestPanic when there are more than requests: a store gone wild has hit the ring.
   */
  takeResponses(take: (at: number) => void): void {
    for (;;) {
      const produced = this.#memory.readU32(this.page, AT.rspProd);
      if ((produced - this.#rspCons) >>> 0 > (this.#reqProd - this.#rspCons) >>> 0)
        throw new GuestPanic(`a ring holds more responses than there were requests`);
      while (this.#rspCons !== produced) {
        const at = this.#slotAt(this.#rspCons);
        this.#rspCons = (this.#rspCons + 1) >>> 0;
        take(at);
      }
      this.#memory.writeU32(this.page, AT.rspEvent, (this.#rspCons + 1) >>> 0);
      if (this.#memory.readU32(this.page, AT.rspProd) === this.#rspCons) return;
    }
  }

  #slotAt(index: number): number {
    return RING_HEADER_BYTES + (index % this.#slots) * this.#slotBytes;
  }
}
