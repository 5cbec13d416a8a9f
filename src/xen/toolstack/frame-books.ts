/**
 * The books that say whose each frame is: P2M lists, frames that are held, the scrub list, the
 * allocator and the frame records. What all of them say is kept here for as long as it is asked.
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
 * Everything that must hold of all frames, when no domain is being built or taken down: each has
 * one owner; P2M list, owner and pfn agree; free frames are free in every book. Goes through all of
 * memory.
 * @throws InvariantViolation
 */
export function checkBooks({ hypervisor, entries, left }: Owners): void {
  const { frames, allocator, map, scrubber } = hypervisor;
  allocator.checkInvariants();
  const seen = new Uint8Array(map.frameCount);
  for (const mfn of scrubber.frames) {
    assert(seen[mfn] === 0, 'a frame is on the scrub list once');
    seen[mfn] = 1;
    assert(frames.ownerOf(Mfn(mfn)) === OWNER_HYPERVISOR, 'a frame on the scrub list is the hypervisor’s');
  }
  const isWaiting = new Uint8Array(map.frameCount);
  for (const { p2m } of left) for (const mfn of p2m.frames()) if (mfn !== NO_FRAME) isWaiting[mfn] = 1;
  const ofLeft = left.map(({ record: { domid }, p2m }) => ({ domid, p2m }));
  for (const { domid, p2m } of [...entries, ...ofLeft]) {
    for (let pfn = 0; pfn < p2m.length; pfn++) {
      const mfn = Mfn(p2m.at(pfn));
      if (mfn === NO_FRAME) continue;
      assert(mfn >= map.firstDomainMfn && mfn < map.frameCount, 'a domain has frames for domains only');
      assert(seen[mfn] === 0, 'a frame is one page of one domain');
      seen[mfn] = 1;
      assert(frames.ownerOf(mfn) === ownerOfDomain(domid), 'P2M list and owner agree');
      assert(frames.pfnOf(mfn) === pfn, 'P2M list and M2P agree');
    }
  }
  for (let mfn = 0; mfn < map.frameCount; mfn++) {
    frames.checkRecord(Mfn(mfn), isWaiting[mfn] === 1);
    if (mfn < map.firstDomainMfn) continue;
    assert(allocator.isFree(Mfn(mfn)) === (seen[mfn] === 0), 'a frame is free, of a domain, or waits');
    assert(seen[mfn] === 1 || frames.ownerOf(Mfn(mfn)) === 0, 'a free frame has no owner');
  }
}
