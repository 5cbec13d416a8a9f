/**
 * How much memory a domain has, changed while it runs: decrease_reservation and
 * increase_reservation of memory_op, as the balloon driver of a guest uses them.
 *
 * A page that was given back has no frame, until the domain asks for one again. A domain never has
 * more pages than it was built with. Frames given back go to the scrub list, and what the domain
 * gets is zero. Both stop at the first page for which they cannot be done, and say how many were.
 *
 * Modelled after Xen 3.0 (common/memory.c). Differs in three ways. The guest says which page gets a
 * frame, because it knows no machine frames. A page that is granted and mapped is not given back,
 * where Xen frees it with the last mapping. And Xen leaves it to a living domain to clear what it
 * gives back.
 */

import { type DomId, Mfn, Pfn } from '../../base/units.ts';
import type { GrantTable } from '../channels/grant-table.ts';
import type { Hypervisor } from '../core/hypervisor.ts';
import { ownerOfDomain } from '../frames/frame-record.ts';
import { NO_FRAME, type P2mList } from '../frames/p2m.ts';
import type { BoundDevice } from '../records/devices.ts';
import { setP2mCrc } from '../records/records.ts';

/** What frames are taken from and given back to. */
export type ReservationHost = Pick<Hypervisor, 'memory' | 'map' | 'frames' | 'allocator' | 'scrubber'>;

/** What is needed of a domain. */
interface ReservationParts {
  readonly domid: DomId;
  readonly disk: BoundDevice;
  /** The P2M list itself. */
  readonly p2m: P2mList;
  /** Pages from 0 on that the domain must keep. */
  readonly bootPages: number;
}

export class Reservation {
  readonly #hypervisor: ReservationHost;
  readonly #domain: ReservationParts;
  readonly #grants: GrantTable;

  constructor(hypervisor: ReservationHost, domain: ReservationParts, grants: GrantTable) {
    this.#hypervisor = hypervisor;
    this.#domain = domain;
    this.#grants = grants;
  }

  /** Takes the frames of pages; returns how many. */
  decrease(pfns: ArrayLike<number>): number {
    const { p2m, bootPages } = this.#domain;
    const pinned = this.#grants.pinnedFrames();
    let done = 0;
    for (; done < pfns.length; done++) {
      const pfn = pfns[done]!;
      if (!Number.isInteger(pfn)) break;
      const mfn = p2m.at(pfn);
      if (pfn < bootPages || mfn === NO_FRAME || pinned.has(mfn)) break;
      p2m.set(pfn, NO_FRAME);
      this.#hypervisor.scrubber.add(Mfn(mfn));
    }
    this.#publish(done);
    return done;
  }

  /** Gives pages a frame again; returns how many got one. */
  increase(pfns: ArrayLike<number>): number {
    const { domid, p2m, disk } = this.#domain;
    const owner = ownerOfDomain(domid);
    const frame = new Uint32Array(1);
    let done = 0;
    for (; done < pfns.length; done++) {
      const pfn = pfns[done]!;
      if (!(Number.isInteger(pfn) && pfn >= 0 && pfn < p2m.length) || p2m.at(pfn) !== NO_FRAME) break;
      if (!this.#hypervisor.allocator.allocate(frame).ok) break;
      p2m.set(pfn, frame[0]!);
      this.#hypervisor.frames.assign(Mfn(frame[0]!), owner, Pfn(pfn), disk.number);
    }
    this.#publish(done);
    return done;
  }

  /**
   * Until its checksum is told the list is not believed, which costs a domain that dies here its
   * cache.
   */
  #publish(done: number): void {
    const { memory, map } = this.#hypervisor;
    const { domid, p2m } = this.#domain;
    if (done > 0) setP2mCrc(memory, map, domid, p2m.crc);
  }
}
