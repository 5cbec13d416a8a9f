/**
 * What a hypervisor finds that another one left in memory, before it touches anything. Believes
 * nothing that does not verify, in this order:
 *   1. the root record is verified: without it nothing is found;
 *   2. the handover record is marked consumed, then verified: without it nothing is resumed;
 *   3. of each domain: the domain record is verified, by the checksum that the handover record has
 *      of it. Then its state, if it is suspended, and its P2M list (place, CRC-32C, entries). Every
 *      entry is a frame that exists and that no other domain has. The pages that the state names
 *      are pages of the domain.
 * A domain that fails is not resumed, with the reason, and its frames are free; the others are
 * resumed. Frame records come later (FrameTable.adopt): what they say is only worth a page of
 * cache.
 *
 * Modelled after the quick reload of RootHammer. There the new hypervisor is loaded by kexec and
 * finds the P2M lists of the domains at a fixed place.
 */

import type { Arch } from '../../base/arch.ts';
import { type Err, err, ok, type Result } from '../../base/result.ts';
import type { DomId, Mfn } from '../../base/units.ts';
import type { MachineMemory } from '../../machine/memory.ts';
import { type DomainStateRecord, parseDomainState, sharedPages } from '../records/domain-state.ts';
import { consumeHandover, type HandoverEntry } from '../records/handover.ts';
import type { MemoryMap } from '../records/layouts.ts';
import { NO_FRAME, type P2mList, viewP2m } from '../frames/p2m.ts';
import { type DomainRecord, domainRecordChecksum, parseDomainRecord, parseRoot } from '../records/records.ts';

/** A domain that another hypervisor left, with what its bytes say. */
export interface LeftDomain {
  /** What its record says. */
  readonly record: DomainRecord;
  /** Undefined when only its preserved pages were left. */
  readonly state: DomainStateRecord | undefined;
  /** The P2M list itself. */
  readonly p2m: P2mList;
}

/** A domain that was left and does not go on. */
export interface LostDomain {
  /** Its number. */
  readonly domid: DomId;
  /** Undefined when its record cannot be read. */
  readonly name: string | undefined;
  /** In words. */
  readonly reason: string;
}

export interface Legacy {
  /** Undefined when nothing was found. */
  readonly map: MemoryMap | undefined;
  /**
   * Why there is nothing to be resumed; undefined when there is a handover record to be believed.
   * No Result: the hypervisor boots in either case, and the map may have been found.
   */
  readonly problem: string | undefined;
  readonly left: readonly LeftDomain[];
  /** Whether a frame is one of theirs. */
  readonly isLeft: (mfn: Mfn) => boolean;
  readonly lost: readonly LostDomain[];
}

/** No domain was found. */
export const NOTHING_LEFT = { left: [], isLeft: () => false, lost: [] } as const;

/**
 * Reads what was left by a hypervisor of this architecture.
 * @param consumes whether the handover record is marked, so that it is taken once
 */
export function findLegacy(memory: MachineMemory, arch: Arch, consumes = true): Legacy {
  const root = parseRoot(memory, arch);
  if (!root.ok) return { map: undefined, problem: `root record: ${root.reason}`, ...NOTHING_LEFT };
  const map = root.value;
  const handover = consumeHandover(memory, map, consumes);
  if (!handover.ok) return { map, problem: `handover record: ${handover.reason}`, ...NOTHING_LEFT };
  const taken = new Uint8Array(map.frameCount);
  const left: LeftDomain[] = [];
  const lost: LostDomain[] = [];
  for (const entry of handover.value) {
    const found = findDomain(memory, map, entry, left, taken);
    if (found.ok) left.push(found.value);
    else lost.push(found.reason);
  }
  return { map, problem: undefined, left, isLeft: (mfn) => taken[mfn] === 1, lost };
}

function findDomain(
  memory: MachineMemory,
  map: MemoryMap,
  { domid, suspended, recordChecksum }: HandoverEntry,
  others: readonly LeftDomain[],
  taken: Uint8Array,
): Result<LeftDomain, LostDomain> {
  const parsed = parseDomainRecord(memory, map, domid);
  if (parsed === undefined) return err({ domid, name: undefined, reason: 'domain record: none' });
  if (!parsed.ok) return err({ domid, name: undefined, reason: `domain record: ${parsed.reason}` });
  const record = parsed.value;
  const lost = (reason: string): Err<LostDomain> => err({ domid, name: record.name, reason });
  if (domainRecordChecksum(memory, map, domid) !== recordChecksum)
    return lost('domain record: not the one handed over');
  if (record.consumed) return lost('domain record: consumed already');
  if (others.some((other) => other.record.name === record.name)) return lost('domain record: a name twice');
  const p2m = viewP2m(memory, map, record.p2mMfn, record.nrPages);
  if (p2m === undefined) return lost('P2M list: bad place');
  if (others.some((other) => other.p2m.overlaps(p2m))) return lost('P2M list: in the place of another');
  if (p2m.crc !== record.p2mCrc) return lost('P2M list: bad checksum');
  const bad = p2m.stray(map.firstDomainMfn, map.frameCount);
  if (bad !== undefined) return lost(`P2M list: no frame ${bad} on this machine`);
  const state = suspended ? parseDomainState(memory, map, domid) : undefined;
  if (state?.ok === false) return lost(`domain state: ${state.reason}`);
  if (state?.ok === true && sharedPages(state.value).some((pfn) => p2m.at(pfn) === NO_FRAME))
    return lost('domain state: no such pages');
  if (!take(p2m, taken)) return lost('P2M list: a frame of another domain');
  return ok({ record, state: state?.value, p2m });
}

/** Marks the frames of a list; false, and none is marked, when one is marked already. */
function take(p2m: P2mList, taken: Uint8Array): boolean {
  for (let pfn = 0; pfn < p2m.length; pfn++) {
    const mfn = p2m.at(pfn);
    if (mfn === NO_FRAME) continue;
    if (taken[mfn] !== 0) {
      while (--pfn >= 0) if (p2m.at(pfn) !== NO_FRAME) taken[p2m.at(pfn)] = 0;
      return false;
    }
    taken[mfn] = 1;
  }
  return true;
}
