/**
 * The back-end's end of a ring (public/ring.ts) in a page of a guest.
 *
 * The guest is not trusted. A slot is copied before it is looked at. A producer index that claims
 * more than a ring of requests is ignored until it makes sense.
 */

import type { Mfn } from '../../base/units.ts';
import type { Hypervisor } from '../core/hypervisor.ts';
import { RING_HEADER, RING_HEADER_BYTES } from '../public/ring.ts';

const AT = RING_HEADER.offset;

/** A ring is bytes of a guest's page; stores to it end what is known of the page. */
type RingHost = Pick<Hypervisor, 'memory' | 'frames'>;

export class BackRing {
  readonly #hypervisor: RingHost;
  readonly #mfn: Mfn;
  readonly #slots: number;
  readonly #slotBytes: number;
  #reqCons = 0;
  #rspProd = 0;

  /** @param mfn frame of the ring's page, which is mapped */
  constructor(hypervisor: RingHost, mfn: Mfn, slots: number, slotBytes: number) {
    this.#hypervisor = hypervisor;
    this.#mfn = mfn;
    this.#slots = slots;
    this.#slotBytes = slotBytes;
    this.#storeWord(AT.reqEvent, 1);
  }

  /**
   * Copies the next request; false when there is none, and then the next one comes with an event.
   */
  take(into: Uint8Array): boolean {
    const produced = this.#word(AT.reqProd);
    if (produced === this.#reqCons) {
      // No second look at reqProd: between these two lines no guest runs.
      this.#storeWord(AT.reqEvent, (this.#reqCons + 1) >>> 0);
      return false;
    }
    const outstanding = (produced - this.#rspProd) >>> 0;
    const taken = (this.#reqCons - this.#rspProd) >>> 0;
    if (outstanding > this.#slots || outstanding < taken) return false;
    this.#hypervisor.memory.copyOut(this.#mfn, this.#slotAt(this.#reqCons), into, 0, this.#slotBytes);
    this.#reqCons = (this.#reqCons + 1) >>> 0;
    return true;
  }

  /**
   * Publishes a response to one of the requests that were taken; returns whether the front-end
   * wants an event.
   */
  respond(response: Uint8Array): boolean {
    const { memory, frames } = this.#hypervisor;
    frames.stored(this.#mfn);
    memory.copyIn(this.#mfn, this.#slotAt(this.#rspProd), response, 0, response.length);
    this.#rspProd = (this.#rspProd + 1) >>> 0;
    this.#storeWord(AT.rspProd, this.#rspProd);
    return this.#word(AT.rspEvent) === this.#rspProd;
  }

  #slotAt(index: number): number {
    return RING_HEADER_BYTES + (index % this.#slots) * this.#slotBytes;
  }

  #word(offset: number): number {
    return this.#hypervisor.memory.readU32(this.#mfn, offset);
  }

  /**
   * A store of the hypervisor into the guest's page: it does not trap, so the provenance is told
   * here.
   */
  #storeWord(offset: number, value: number): void {
    this.#hypervisor.frames.stored(this.#mfn);
    this.#hypervisor.memory.writeU32(this.#mfn, offset, value);
  }
}
