/**
 * The handover record: which domains one hypervisor leaves to the next, in one frame found from the
 * root record.
 *
 * The record names each domain by the checksum of its domain record. That one names its P2M list by
 * its checksum, and the state has one of its own. So there is one commit point: the checksum of
 * this record, stored last, when everything else is in place. Without it there is nothing to be
 * resumed, as after a crash.
 *
 * It is read once: marked consumed in memory before a byte of it is believed. A hypervisor that
 * fails while it resumes finds nothing the next time, instead of failing again. Parsing is total.
 */

import { getField, putField } from '../../base/layout.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { DomId } from '../../base/units.ts';
import type { MachineMemory } from '../../machine/memory.ts';
import { DOMAIN_SLOTS, HANDOVER, HANDOVER_MAGIC, HANDOVER_VERSION, type MemoryMap } from './layouts.ts';
import { flaw, seal } from './records.ts';

/** A domain that is left. */
export interface HandoverEntry {
  readonly domid: DomId;
  /**
   * It is to go on; else only its preserved pages are kept, for the guest that is booted in it
   * next.
   */
  readonly suspended: boolean;
  /** Checksum of its domain record. */
  readonly recordChecksum: number;
}

const SUSPENDED = 0x1_0000;

export function writeHandover(memory: MachineMemory, map: MemoryMap, entries: readonly HandoverEntry[]): void {
  const bytes = new Uint8Array(HANDOVER.size);
  putField(HANDOVER, bytes, 0, 'count', entries.length);
  entries.forEach(({ domid, suspended, recordChecksum }, i) => {
    putField(HANDOVER, bytes, 0, 'entries', domid + (suspended ? SUSPENDED : 0), 2 * i);
    putField(HANDOVER, bytes, 0, 'entries', recordChecksum, 2 * i + 1);
  });
  seal(HANDOVER, bytes, HANDOVER_MAGIC, HANDOVER_VERSION);
  memory.copyIn(map.handoverMfn, 0, bytes, 0, bytes.length);
}

export function eraseHandover(memory: MachineMemory, map: MemoryMap): void {
  memory.zero(map.handoverMfn);
}

/**
 * Takes the record: marks it consumed, then verifies what it said before.
 * @param isMarked false where it is only read
 */
export function consumeHandover(memory: MachineMemory, map: MemoryMap, isMarked = true): Result<HandoverEntry[]> {
  const bytes = memory.frame(map.handoverMfn).slice(0, HANDOVER.size);
  if (bytes.every((byte) => byte === 0)) return err('none');
  if (isMarked) memory.writeU32(map.handoverMfn, HANDOVER.offset.consumed, 1);
  const problem = flaw(HANDOVER, bytes, HANDOVER_MAGIC, HANDOVER_VERSION);
  if (problem !== undefined) return err(problem);
  if (getField(HANDOVER, bytes, 0, 'consumed') !== 0) return err('consumed already');
  const count = getField(HANDOVER, bytes, 0, 'count');
  if (count > DOMAIN_SLOTS) return err('too many domains');
  const entries: HandoverEntry[] = [];
  for (let i = 0; i < count; i++) {
    const word = getField(HANDOVER, bytes, 0, 'entries', 2 * i);
    const domid = DomId(word % SUSPENDED);
    if (word >= 2 * SUSPENDED || domid < 1 || domid >= DOMAIN_SLOTS) return err('no such domain');
    if (entries.some((entry) => entry.domid === domid)) return err('a domain twice');
    const recordChecksum = getField(HANDOVER, bytes, 0, 'entries', 2 * i + 1);
    entries.push({ domid, suspended: word >= SUSPENDED, recordChecksum });
  }
  return ok(entries);
}
