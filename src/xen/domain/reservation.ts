/**
 * How much memory a domain has, changed while it runs: decrease_reservation and increase_reservation of memory_op, as the
 * balloon driver of a guest uses them.
 *
 * A page that was given back has no frame, until the domain asks for one again; a domain never has more pages than it was
 * built with. Frames given back go to the scrub list, and what the domain gets is zero. Both stop at the first page for
 * which they cannot be done, and say how many were.
 *
 * Modelled after Xen 3.0 (common/memory.c). Differs in three ways. The guest says which page gets a frame, because it knows
 * no machine frames. A page that is granted and mapped is not given back, where Xen frees it with the last mapping. And
 * Xen leaves it to a living domain to clear what it gives back.
 */

import { type DomId, Mfn, Pfn } from '../../base/units.ts';
import { ModelError } from '../../base/errno.ts';
import type { GrantTable } from '../channels/grant-table.ts';
import type { Hypervisor } from '../core/hypervisor.ts';
import { NO_FRAME, type P2mList } from '../frames/p2m.ts';
import { setP2mCrc } from '../records/records.ts';

/** What is needed of a domain. */
export interface Reservation {
  readonly domid: DomId;
  readonly owner: number;
  readonly device: number;
  /** The P2M list itself. */
  readonly p2m: P2mList;
  /** Pages from 0 on that the domain must keep. */
  readonly bootPages: number;
  readonly grants: GrantTable;
}

/** Takes the frames of pages; returns how many. */
export function decreaseReservation(hypervisor: Hypervisor, domain: Reservation, pfns: ArrayLike<number>): number {
  const { p2m, bootPages } = domain;
  const pinned = domain.grants.pinnedFrames();
  let done = 0;
  for (; done < pfns.length; done++) {
    const pfn = pfns[done]!;
    if (!Number.isInteger(pfn)) break;
    const mfn = p2m.at(pfn);
    if (pfn < bootPages || mfn === NO_FRAME || pinned.has(mfn)) break;
    p2m.set(pfn, NO_FRAME);
    hypervisor.scrubber.add(Mfn(mfn));
  }
  publish(hypervisor, domain, done);
  return done;
}

/** Gives pages a frame again; returns how many got one. */
export function increaseReservation(hypervisor: Hypervisor, domain: Reservation, pfns: ArrayLike<number>): number {
  const { p2m, owner, device } = domain;
  const frame = new Uint32Array(1);
  let done = 0;
  for (; done < pfns.length; done++) {
    const pfn = pfns[done]!;
    if (!(Number.isInteger(pfn) && pfn >= 0 && pfn < p2m.length) || p2m.at(pfn) !== NO_FRAME) break;
    try {
      hypervisor.allocator.allocate(frame);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      break;
    }
    p2m.set(pfn, frame[0]!);
    hypervisor.frames.assign(Mfn(frame[0]!), owner, Pfn(pfn), device);
  }
  publish(hypervisor, domain, done);
  return done;
}

/** Until its checksum is told the list is not believed, which costs a domain that dies here its cache. */
function publish(hypervisor: Hypervisor, { domid, p2m }: Reservation, done: number): void {
  if (done > 0) setP2mCrc(hypervisor.memory, hypervisor.map, domid, p2m.crc);
}
