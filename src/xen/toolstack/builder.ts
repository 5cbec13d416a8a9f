/**
 * How a domain for a guest that boots is built on its frames: P2M list, boot region, domain record,
 * and the object.
 */

import { assert } from '../../base/assert.ts';
import { Mfn, Pfn } from '../../base/units.ts';
import type { Hypervisor } from '../core/hypervisor.ts';
import { type BootRegion, type PreservedBitmap, writeBootRegion } from '../domain/build.ts';
import type { DirtyPages, Domain, RecencyState } from '../domain/domain.ts';
import { makeDomain, type MakerHost } from '../domain/make-domain.ts';
import { ownerOfDomain } from '../frames/frame-record.ts';
import { P2mList } from '../frames/p2m.ts';
import type { ReasonCode, ReasonCounts } from '../public/reason.ts';
import { storeRecordOf } from '../records/devices.ts';
import { writeDomainRecord } from '../records/records.ts';
import { type DomainEntry, planOf } from './domain-entry.ts';

/** What the next guest finds of the one before it. */
export interface Inheritance {
  readonly preserved: PreservedBitmap;
  /** A code of Reason when it starts cold, else `ok`. */
  readonly coldReason: ReasonCode;
  /** Pages that were lost, by reason. */
  readonly refused: ReasonCounts;
  readonly recency: RecencyState;
  /** Dirty pages that were written home; undefined: this was not asked for. */
  readonly dirty: DirtyPages | undefined;
}

/** What a domain is built on. */
export type BuildHost = MakerHost & Pick<Hypervisor, 'p2mLists'>;

/** Gives the domain its frames, those from page `from` on being new to it. */
export function assignFrames(
  hypervisor: Pick<Hypervisor, 'frames'>,
  entry: DomainEntry,
  frames: Uint32Array,
  from: number,
): void {
  entry.p2m = new P2mList(frames);
  const owner = ownerOfDomain(entry.domid);
  const device = entry.disk.number;
  for (let pfn = from; pfn < frames.length; pfn++) hypervisor.frames.assign(Mfn(frames[pfn]!), owner, Pfn(pfn), device);
}

/**
 * Writes what the guest finds, and makes the domain: it is there from here on, and nothing waits.
 */
export function buildDomain(
  hypervisor: BuildHost,
  entry: DomainEntry,
  frames: Uint32Array,
  region: BootRegion,
  { preserved, coldReason, refused, recency, dirty }: Inheritance,
): Domain {
  const { memory, map, p2mLists } = hypervisor;
  const p2m = p2mLists.view(entry.p2mMfn, frames.length);
  assert(p2m !== undefined, 'there is room for the P2M list');
  p2m.setAll(frames);
  writeBootRegion(memory, map.arch, p2m, region, preserved, coldReason);
  writeDomainRecord(memory, map, {
    domid: entry.domid,
    device: entry.disk.number,
    store: storeRecordOf(entry.disk.device),
    nrPages: region.nrPages,
    bootPages: region.bootPages,
    p2mMfn: entry.p2mMfn,
    p2mCrc: p2m.crc,
    consumed: false,
    name: entry.name,
    recencyCrc: undefined,
    boots: ++entry.boots,
  });
  entry.p2m = p2m;
  entry.domain = makeDomain(hypervisor, {
    ...planOf(entry),
    bootPages: region.bootPages,
    sharedInfoPfn: region.sharedInfoPfn,
    grantTablePfn: region.grantTablePfn,
    preserved: preserved.count,
    refused,
    recency,
    dirty,
  });
  return entry.domain;
}
