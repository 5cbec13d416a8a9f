/**
 * The books that say which owner each frame has: P2M lists, frames that are held, the scrub list,
 * the allocator and the frame records. What all of them say is kept here for as long as it is
 * asked.
 *
 * Invariants, when no domain is being built or taken down. `checkBooks` asserts them in this order,
 * after those of the allocator; 7 is those of a frame record.
 *   1. A domain that has an entry is not among those that were left.
 *   2. A frame is on the scrub list once.
 *   3. A frame on the scrub list is the hypervisor's.
 *   4. A domain has frames for domains only.
 *   5. A frame is one page of one domain.
 *   6. P2M list, owner and pfn agree.
 *   7. Each record holds what frame-table.ts says of it.
 *   8. A frame is free, of a domain, or waits to be scrubbed.
 *   9. A free frame has no owner.
 */

import { assert } from '../../base/assert.ts';
import { Mfn } from '../../base/units.ts';
import type { Hypervisor } from '../core/hypervisor.ts';
import type { LeftDomain } from '../core/quick-reload.ts';
import { OWNER_HYPERVISOR, ownerOfDomain } from '../frames/frame-record.ts';
import { NO_FRAME } from '../frames/p2m.ts';
import type { DomainEntry } from './domain-entry.ts';

/** Where the books are kept. */
export type BooksHost = Pick<Hypervisor, 'frames' | 'allocator' | 'map' | 'scrubber'>;

/** The domains whose frames are in the books. */
export interface Owners {
  readonly hypervisor: BooksHost;
  readonly entries: readonly DomainEntry[];
  readonly left: readonly LeftDomain[];
}

/** The frames that are not this domain's to take: another's, held, or waiting to be scrubbed. */
export function framesOfOthers({ hypervisor, entries, left }: Owners, entry: DomainEntry): Set<number> {
  const taken = new Set<number>(entry.held);
  for (const n of hypervisor.scrubber.frames) taken.add(n);
  for (const { p2m } of left) for (const n of p2m.frames()) taken.add(n);
  for (const other of entries)
    if (other !== entry) for (const list of [other.p2m.frames(), other.held]) for (const n of list) taken.add(n);
  return taken;
}

/**
 * Asserts the invariants of all frames. Goes through all of memory.
 * @throws InvariantViolation
 */
export function checkBooks({ hypervisor, entries, left }: Owners): void {
  const { frames, allocator, map, scrubber } = hypervisor;
  allocator.checkInvariants();
  const entered = new Set(entries.map(({ domid }) => domid));
  for (const { record } of left)
    assert(!entered.has(record.domid), 'invariant 1: a domain that has an entry was not left');
  const seen = new Uint8Array(map.frameCount);
  for (const mfn of scrubber.frames) {
    assert(seen[mfn] === 0, 'invariant 2: a frame is on the scrub list once');
    seen[mfn] = 1;
    assert(frames.ownerOf(Mfn(mfn)) === OWNER_HYPERVISOR, 'invariant 3: a frame on the scrub list is the hypervisor’s');
  }
  const isWaiting = new Uint8Array(map.frameCount);
  for (const { p2m } of left) for (const mfn of p2m.frames()) if (mfn !== NO_FRAME) isWaiting[mfn] = 1;
  const ofLeft = left.map(({ record: { domid }, p2m }) => ({ domid, p2m }));
  for (const { domid, p2m } of [...entries, ...ofLeft]) {
    for (let pfn = 0; pfn < p2m.length; pfn++) {
      const mfn = Mfn(p2m.at(pfn));
      if (mfn === NO_FRAME) continue;
      assert(mfn >= map.firstDomainMfn && mfn < map.frameCount, 'invariant 4: a domain has frames for domains only');
      assert(seen[mfn] === 0, 'invariant 5: a frame is one page of one domain');
      seen[mfn] = 1;
      assert(frames.ownerOf(mfn) === ownerOfDomain(domid), 'invariant 6: P2M list and owner agree');
      assert(frames.pfnOf(mfn) === pfn, 'invariant 6: P2M list and M2P agree');
    }
  }
  for (let mfn = 0; mfn < map.frameCount; mfn++) {
    frames.checkRecord(Mfn(mfn), isWaiting[mfn] === 1);
    if (mfn < map.firstDomainMfn) continue;
    assert(allocator.isFree(Mfn(mfn)) === (seen[mfn] === 0), 'invariant 8: a frame is free, of a domain, or waits');
    assert(seen[mfn] === 1 || frames.ownerOf(Mfn(mfn)) === 0, 'invariant 9: a free frame has no owner');
  }
}
