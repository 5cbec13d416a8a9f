/**
 * What a restart does to the frames of a domain. It decides which are preserved when the old guest
 * is taken down. It then finds the next guest's memory again in the bytes. Synchronous: returns
 * what the work costs, for the tool stack to pay.
 *
 * Between `retireFrames` and `recoverFrames` nothing of the domain exists but machine memory. A
 * recovery believes nothing that does not verify, in this order:
 *   1. the domain record is marked consumed, then verified (magic, version, size, reserved bytes,
 *      checksum);
 *   2. the root record is verified;
 *   3. the P2M list is verified (place, CRC-32C, every entry a frame that a domain may have);
 *   4. each frame record is verified (check word, owner, pfn), and only then asked whether its
 *      frame is preserved.
 * Nothing is preserved or recovered that was read from another disk, or from one that was written
 * to from elsewhere since. The caller says so (`distrust`), and why. If 1 to 3 fail the domain
 * starts cold on other frames, with the reason; its old frames are found by their owner. If 4 fails
 * for a frame, that frame is cold. A frame that is not kept is blank: nothing is known of it, and
 * it is scrubbed.
 */

import { err, ok, type Result } from '../../base/result.ts';
import { type DomId, Mfn, PAGE_SIZE, Pfn } from '../../base/units.ts';
import type { RecencyState } from '../domain/domain.ts';
import { type BootRegion, PreservedBitmap } from '../domain/build.ts';
import { ownerOfDomain } from '../frames/frame-record.ts';
import type { Hypervisor } from '../core/hypervisor.ts';
import type { P2mList } from '../frames/p2m.ts';
import { Reason, REASON_NAMES, type ReasonCode, type ReasonCounts } from '../public/reason.ts';
import { consumeDomainRecord, parseRoot, writeRoot } from '../records/records.ts';

/** Frames that are recovered together, each step in a loop of its own (see hot-paths 11). */
const WINDOW = 64;

/** What frames are judged and blanked with. */
type BlankHost = Pick<Hypervisor, 'frames' | 'memory' | 'costs' | 'protections'>;
/** What a domain's list of frames is found with. */
type RecordHost = Pick<Hypervisor, 'memory' | 'map' | 'p2mLists' | 'recency' | 'protections'>;
/** What frames are given back with. */
type AbandonHost = BlankHost & Pick<Hypervisor, 'map' | 'allocator'>;
export type RecoverHost = RecordHost & AbandonHost;

/** What a domain is to its frame records. */
export interface Identity {
  readonly domid: DomId;
  readonly device: number;
}

/** The frames found for a rebuilt domain. */
export interface Recovery {
  /**
   * P2M of the domain before, up to its old size, less what the new size cuts off; undefined: it
   * starts cold.
   */
  readonly p2m: Uint32Array | undefined;
  readonly preserved: PreservedBitmap;
  /** A code of Reason when the domain starts cold, else 0. */
  readonly coldReason: ReasonCode;
  readonly costNs: number;
  readonly recency: RecencyState;
}

function count(refused: ReasonCounts, reason: ReasonCode): void {
  refused[REASON_NAMES[reason]!]++;
}

/** Zeroes a frame, unless that is switched off. Returns what it costs. */
export function scrubFrame(hypervisor: BlankHost, mfn: Mfn): number {
  if (!hypervisor.protections.scrub) return 0;
  hypervisor.memory.zero(mfn);
  return hypervisor.costs.scrubNsPerByte * PAGE_SIZE;
}

/**
 * Goes through the frames of a domain that was taken down and drained. Marks those to be preserved,
 * blanks the others, and counts the named ones among these by reason. Returns the cost in ns.
 * @param refused where they are counted; undefined: they stay as they are, for another hypervisor
 * to find and count
 * @param distrust why nothing is vouched for that equals a block of its disk; else ok
 */
export function retireFrames(
  hypervisor: BlankHost,
  { domid, device }: Identity,
  p2m: P2mList,
  preserve: boolean,
  refused: ReasonCounts | undefined,
  distrust: ReasonCode,
): number {
  const { frames, costs } = hypervisor;
  const owner = ownerOfDomain(domid);
  let costNs = 0;
  for (let pfn = 0; pfn < p2m.length; pfn++) {
    const mfn = Mfn(p2m.at(pfn));
    let reason: ReasonCode = Reason.absent;
    if (!frames.isIntact(mfn)) reason = Reason.corruptRecord;
    else if (frames.isNamed(mfn)) reason = preserve ? frames.whyNotCarried(mfn) : Reason.notAsked;
    if (reason === Reason.ok) reason = distrust;
    costNs += preserve ? costs.preserveNs : 0;
    if (reason === Reason.ok) {
      frames.setPreserved(mfn, true);
      continue;
    }
    if (reason === Reason.absent) frames.assign(mfn, owner, Pfn(pfn), device);
    else if (refused === undefined) continue;
    else {
      count(refused, reason);
      frames.drop(mfn, owner, Pfn(pfn), device, reason);
    }
    costNs += scrubFrame(hypervisor, mfn);
  }
  return costNs;
}

/**
 * Finds the frames of a domain again, from the bytes. `refused` counts what is lost on the way.
 * @param distrust why nothing is vouched for that equals a block of its disk; else ok
 * @param isTaken whether a living domain other than this one lists the frame; asked only about
 * damaged records
 */
export function recoverFrames(
  hypervisor: RecoverHost,
  identity: Identity,
  region: BootRegion,
  preserve: boolean,
  refused: ReasonCounts,
  distrust: ReasonCode,
  isTaken: (mfn: Mfn) => boolean,
): Recovery {
  const found = findP2m(hypervisor, identity.domid);
  if (!found.ok) {
    const coldReason = found.reason;
    const costNs = abandonFrames(hypervisor, identity.domid, coldReason, refused, isTaken);
    return {
      p2m: undefined,
      preserved: new PreservedBitmap(region.nrPages),
      coldReason,
      costNs,
      recency: 'untold',
    };
  }
  const { list, recency } = found.value;
  const { frames, costs } = hypervisor;
  const owner = ownerOfDomain(identity.domid);
  const preserved = new PreservedBitmap(region.nrPages);
  const verdicts = new Uint8Array(WINDOW);
  let costNs = costs.indexRebuildNs * list.length;
  for (let first = 0; first < list.length; first += WINDOW) {
    const count = Math.min(WINDOW, list.length - first);
    frames.verify(list, first, count, verdicts);
    frames.unlinkAll(list, first, count);
    for (let i = 0; i < count; i++)
      verdicts[i] =
        verdicts[i] === 1
          ? recoverFrame(hypervisor, owner, Mfn(list[first + i]!), Pfn(first + i), region, distrust)
          : Reason.corruptRecord;
    frames.index(list, first, count, verdicts, Reason.ok, Reason.duplicate);
    for (let i = 0; i < count; i++) {
      const pfn = Pfn(first + i);
      const mfn = Mfn(list[pfn]!);
      const reason = verdicts[i]! as ReasonCode;
      if (reason === Reason.ok) {
        preserved.add(pfn);
        continue;
      }
      costNs += blank(hypervisor, identity, mfn, pfn, reason, refused);
      if (pfn < region.nrPages) continue;
      frames.free(mfn);
      hypervisor.allocator.free(mfn);
    }
  }
  const p2m = list.subarray(0, region.nrPages);
  return { p2m, preserved, coldReason: preserve ? distrust : Reason.notAsked, costNs, recency };
}

/**
 * The frames of the domain's P2M list, and the recency that goes with it; or the reason why there
 * is none to be believed.
 */
function findP2m(
  hypervisor: RecordHost,
  domid: DomId,
): Result<{ readonly list: Uint32Array; readonly recency: RecencyState }, ReasonCode> {
  const { memory, map, p2mLists, protections } = hypervisor;
  const record = consumeDomainRecord(memory, map, domid, protections.consumedRecords);
  const root = parseRoot(memory, map.arch);
  // This hypervisor lives on and knows what the root record must say; the next one to read it does
  // not.
  if (!root.ok) writeRoot(memory, map);
  if (!root.ok || !record.ok) return err(Reason.badTable);
  const list = p2mLists.view(record.value.p2mMfn, record.value.nrPages);
  if (list === undefined || list.crc !== record.value.p2mCrc) return err(Reason.badP2m);
  if (list.stray(map.firstDomainMfn, map.frameCount) !== undefined || list.holes > 0) return err(Reason.badP2m);
  const frames = list.frames();
  const { recencyCrc } = record.value;
  if (recencyCrc === undefined) return ok({ list: frames, recency: 'untold' });
  return ok({ list: frames, recency: hypervisor.recency.crc(frames) === recencyCrc ? 'told' : 'damaged' });
}

/**
 * Whether a frame of the P2M list, whose record is intact, is kept. Returns `ok`, `absent` when it
 * was not preserved in the first place, or why not.
 */
function recoverFrame(
  hypervisor: BlankHost,
  owner: number,
  mfn: Mfn,
  pfn: Pfn,
  region: BootRegion,
  distrust: ReasonCode,
): ReasonCode {
  const { frames } = hypervisor;
  if (frames.ownerOf(mfn) !== owner || frames.pfnOf(mfn) !== pfn) return Reason.corruptRecord;
  if (!frames.isPreserved(mfn)) {
    // One that another hypervisor did not preserve, and left to be counted here.
    const reason = frames.isNamed(mfn) ? frames.whyNotCarried(mfn) : Reason.absent;
    return reason === Reason.ok ? Reason.absent : reason;
  }
  if (!frames.isNamed(mfn) || !frames.isSound(mfn)) return Reason.corruptRecord;
  if (pfn < region.bootPages) return Reason.bootRegion;
  if (pfn >= region.nrPages) return Reason.memoryShrank;
  if (distrust !== Reason.ok) return distrust;
  // It was clean when it was preserved: its block was written to since.
  const reason = frames.whyNotCarried(mfn);
  return reason === Reason.dirty ? Reason.diskChanged : reason;
}

function blank(
  hypervisor: BlankHost,
  { domid, device }: Identity,
  mfn: Mfn,
  pfn: Pfn,
  reason: ReasonCode,
  refused: ReasonCounts,
): number {
  const owner = ownerOfDomain(domid);
  if (reason === Reason.absent) {
    // Blank and scrubbed since it was retired; a damaged record may have hidden that it was not.
    hypervisor.frames.assign(mfn, owner, pfn, device);
    scrubFrame(hypervisor, mfn);
    return 0;
  }
  count(refused, reason);
  hypervisor.frames.drop(mfn, owner, pfn, device, reason);
  return scrubFrame(hypervisor, mfn);
}

/**
 * Frees every frame of a domain whose P2M list cannot be believed, by the owners in the frame
 * records.
 */
function abandonFrames(
  hypervisor: AbandonHost,
  domid: DomId,
  reason: ReasonCode,
  refused: ReasonCounts,
  isTaken: (mfn: Mfn) => boolean,
): number {
  const { frames, allocator, map } = hypervisor;
  const owner = ownerOfDomain(domid);
  let costNs = 0;
  for (let n = map.firstDomainMfn as number; n < map.frameCount; n++) {
    const mfn = Mfn(n);
    if (allocator.isFree(mfn)) continue;
    const whole = frames.isWhole(mfn);
    if (whole ? frames.ownerOf(mfn) !== owner : isTaken(mfn)) continue;
    const scrubNs = scrubFrame(hypervisor, mfn);
    if (!whole) count(refused, Reason.corruptRecord);
    else if (frames.isPreserved(mfn)) {
      count(refused, reason);
      costNs += scrubNs;
    }
    frames.free(mfn);
    allocator.free(mfn);
  }
  return costNs;
}
