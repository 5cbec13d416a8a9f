/**
 * cache_map_op: the names of a domain's cache pages, and claims of pages preserved over its
 * restart. Performs the entries of a batch in order; laws and operations are in
 * public/cache-map-op.ts.
 *
 * Names and provenance are independent facts: a page is named whatever its provenance, and loses
 * neither by losing the other. What the guest gives is checked or harmless: a pfn it does not have
 * is answered `absent`, and nothing happens. A wrong name can at worst be claimed back by this same
 * domain as that name, if it also names the frame's block.
 *
 * A claim that finds a page and refuses it ends its preservation: every RESULT except `ok` and
 * `absent` comes with PFN as well, and that page is from then on an ordinary page without a name,
 * which the guest frees. (Its contents are the guest's own of before; it keeps its provenance, and
 * with it the write protection, unless its record was corrupt.)
 *
 * Every operation is O(1) and allocates nothing.
 */

import { type DomId, Mfn, PAGE_SIZE, type Pfn } from '../../base/units.ts';
import type { XenCosts } from '../costs.ts';
import type { BoundDevice } from '../records/devices.ts';
import { ownerOfDomain } from './frame-record.ts';
import type { FrameTable } from './frame-table.ts';
import { NO_FRAME, type P2mList } from './p2m.ts';
import type { Protections } from '../protections.ts';
import { Provenance } from './provenance.ts';
import * as entry from '../public/cache-map-op.ts';
import type { CacheMapBatch } from '../public/cache-map-op.ts';
import { Reason, REASON_NAMES, type ReasonCounts } from '../public/reason.ts';
import type { RecencyTable } from './recency.ts';

// Constants of this file: see hot-paths 3.
const { ENTRY_PFN, ENTRY_INO, ENTRY_GENERATION, ENTRY_INDEX, ENTRY_BLOCK, ENTRY_RECENCY, ENTRY_RESULT, ENTRY_WORDS } =
  entry;
const { CacheMapOp } = entry;
const INSERT = CacheMapOp.insert;
const ERASE = CacheMapOp.erase;
const CLAIM = CacheMapOp.claim;
const OK = Reason.ok;
const ABSENT = Reason.absent;
const NONE = NO_FRAME;
const CLEAN = Provenance.clean;
const UNKNOWN = Provenance.none;

/** Operations that were performed, those with a pfn the domain does not have left out. */
export interface CacheMapStats {
  inserts: number;
  erases: number;
  claims: number;
  /** Claims that got their page. */
  reused: number;
  released: number;
  /** Pages registered as dirty, as often as they were. */
  dirtied: number;
}

/** What is needed of the hypervisor. */
interface CacheMapHost {
  readonly frames: FrameTable;
  readonly protections: Protections;
  readonly costs: XenCosts;
  readonly recency: RecencyTable;
}

/** What is needed of the domain. */
interface CacheMapDomain {
  readonly domid: DomId;
  readonly p2m: P2mList;
  readonly disk: BoundDevice;
  /** Counts every claim that got no page, and every page released. */
  readonly refused: ReasonCounts;
  /** Whether the recency of the domain's preserved pages is to be believed. */
  readonly hasRecency: boolean;
}

export class CacheMap {
  readonly stats: CacheMapStats = { inserts: 0, erases: 0, claims: 0, reused: 0, released: 0, dirtied: 0 };
  readonly #frames: FrameTable;
  readonly #protections: Protections;
  readonly #costs: XenCosts;
  readonly #p2m: P2mList;
  readonly #owner: number;
  readonly #device: number;
  readonly #disk: BoundDevice;
  readonly #refused: ReasonCounts;
  readonly #recency: RecencyTable;
  /** What the guest before told may be asked for. */
  #hasRecency: boolean;
  /** This guest has begun to tell. */
  #isTold = false;
  #cost = 0;

  constructor(host: CacheMapHost, domain: CacheMapDomain) {
    this.#frames = host.frames;
    this.#protections = host.protections;
    this.#costs = host.costs;
    this.#recency = host.recency;
    this.#p2m = domain.p2m;
    this.#owner = ownerOfDomain(domain.domid);
    this.#device = domain.disk.number;
    this.#disk = domain.disk;
    this.#refused = domain.refused;
    this.#hasRecency = domain.hasRecency;
  }

  /** Whether the recency of preserved pages may still be asked for. */
  get hasRecency(): boolean {
    return this.#hasRecency;
  }

  /** Performs a batch and returns what its entries cost, in ns. */
  perform(batch: CacheMapBatch): number {
    const { words } = batch;
    const end = batch.count * ENTRY_WORDS;
    this.#cost = 0;
    let at = 0;
    while (at < end) {
      const op = words[at]!;
      if (op === INSERT) at = this.#insertRun(words, at, end);
      else if (op === ERASE) at = this.#eraseRun(words, at, end);
      else if (op === CLAIM) at = this.#claimRun(words, at, end);
      else {
        words[at + ENTRY_RESULT] = this.#rareEntry(words, at, op);
        at += ENTRY_WORDS;
      }
    }
    return this.#cost;
  }

  // Runs of one operation: see hot-paths 13. Literal places, the ENTRY_ constants: see hot-paths 4.

  /** Performs inserts from `at` up to the first entry that is none; returns the place of that. */
  #insertRun(words: Uint32Array, at: number, end: number): number {
    const frames = this.#frames;
    const p2m = this.#p2m;
    let inserts = 0;
    do {
      const mfn = p2m.at(words[at | 1]!);
      if (mfn === NONE) words[at | 6] = ABSENT;
      else {
        words[at | 6] = OK;
        frames.setName(mfn as Mfn, words[at | 2]!, words[at | 3]!, words[at | 4]!);
        inserts++;
      }
      at += 8;
    } while (at < end && words[at] === INSERT);
    this.stats.inserts += inserts;
    this.#cost += inserts * this.#costs.cacheMapInsertNs;
    return at;
  }

  /** The same for erases. */
  #eraseRun(words: Uint32Array, at: number, end: number): number {
    const frames = this.#frames;
    const p2m = this.#p2m;
    let erases = 0;
    do {
      const mfn = p2m.at(words[at | 1]!);
      if (mfn === NONE) words[at | 6] = ABSENT;
      else {
        words[at | 6] = OK;
        frames.eraseName(mfn as Mfn);
        erases++;
      }
      at += 8;
    } while (at < end && words[at] === ERASE);
    this.stats.erases += erases;
    this.#cost += erases * this.#costs.cacheMapEraseNs;
    return at;
  }

  #rareEntry(words: Uint32Array, at: number, op: number): number {
    if (op === CacheMapOp.discard) return this.#discard(words, at);
    const mfn = this.#p2m.at(words[at + ENTRY_PFN]!);
    if (mfn === NO_FRAME) return Reason.absent;
    switch (op) {
      case CacheMapOp.release:
        return this.#release(Mfn(mfn));
      case CacheMapOp.dirty:
        return this.#markDirty(Mfn(mfn), words[at + ENTRY_BLOCK]!);
      case CacheMapOp.tellRecency:
        return this.#tellRecency(Mfn(mfn), words[at + ENTRY_RECENCY]!);
      case CacheMapOp.askRecency:
        this.#cost += this.#costs.cacheMapRecencyNs;
        if (!this.#hasRecency || !this.#frames.isPreserved(Mfn(mfn))) return Reason.absent;
        words[at + ENTRY_RECENCY] = this.#recency.get(Mfn(mfn));
        return Reason.ok;
      default:
        return Reason.absent;
    }
  }

  #release(mfn: Mfn): number {
    this.#cost += this.#costs.cacheMapReleaseNs;
    if (!this.#frames.isPreserved(mfn)) return Reason.absent;
    this.stats.released++;
    this.#refused.released++;
    this.#frames.eraseName(mfn);
    return Reason.ok;
  }

  #markDirty(mfn: Mfn, block: number): number {
    const { cacheMapDirtyNs, protectNs, crcNsPerByte } = this.#costs;
    const { dirtyProtection, checksum } = this.#protections;
    this.#cost += cacheMapDirtyNs + (dirtyProtection ? protectNs : 0) + (checksum ? crcNsPerByte * PAGE_SIZE : 0);
    this.stats.dirtied++;
    this.#frames.markDirty(mfn, block);
    return Reason.ok;
  }

  #tellRecency(mfn: Mfn, recency: number): number {
    this.#cost += this.#costs.cacheMapRecencyNs;
    // What the guest before told ends here, for every page.
    if (!this.#isTold) this.#recency.clear(this.#p2m.frames());
    this.#isTold = true;
    this.#hasRecency = false;
    this.#recency.set(mfn, recency);
    return Reason.ok;
  }

  /** CRC-32C of the recency that this guest told; undefined when it told none. */
  get recencyCrc(): number | undefined {
    return this.#isTold ? this.#recency.crc(this.#p2m.frames()) : undefined;
  }

  #discard(words: Uint32Array, at: number): number {
    const found = this.#frames.findPreservedBlock(this.#owner, this.#device, words[at + ENTRY_BLOCK]!);
    const mfn = Mfn(found);
    if (found >= 0 && this.#p2m.at(this.#frames.pfnOf(mfn)) === found) {
      words[at + ENTRY_PFN] = this.#frames.pfnOf(mfn);
      return this.#release(mfn);
    }
    this.#cost += this.#costs.cacheMapReleaseNs;
    return Reason.absent;
  }

  /**
   * Performs claims from `at` up to the first entry that is none; returns the place of that. All
   * are looked up before the first is decided: see hot-paths 11.
   */
  #claimRun(words: Uint32Array, at: number, end: number): number {
    let last = at;
    do {
      words[last | 1] = this.#find(words, last);
      last += 8;
    } while (last < end && words[last] === CLAIM);
    const claims = (last - at) >>> 3;
    this.stats.claims += claims;
    this.#cost += claims * this.#costs.cacheMapClaimNs;
    // Nobody writes to the disk within a hypercall.
    const { isChanged } = this.#disk;
    for (; at < last; at += 8) {
      let found = words[at | 1]! | 0;
      // An entry before this one may have taken it.
      if (found >= 0 && !this.#frames.isPreserved(found as Mfn)) found = this.#find(words, at);
      words[at | 6] = this.#claim(words, at, found, isChanged);
    }
    return last;
  }

  #find(words: Uint32Array, at: number): number {
    return this.#frames.findPreserved(
      this.#owner,
      this.#device,
      words[at + ENTRY_INO]!,
      words[at + ENTRY_GENERATION]!,
      words[at + ENTRY_INDEX]!,
    );
  }

  #claim(words: Uint32Array, at: number, found: number, isChanged: boolean): number {
    const mfn = found as Mfn;
    if (found < 0) return this.#absent();
    const pfn = this.#frames.pfnOf(mfn);
    // A damaged record may name a page that is not its own: then nobody is asked to give it up.
    if (this.#p2m.at(pfn) !== found) return this.#absent();
    words[at | 1] = pfn;
    const reason = isChanged ? Reason.diskChanged : this.#verdict(mfn, words[at | 3]!, words[at | 5]!);
    if (reason === OK) {
      this.stats.reused++;
      this.#frames.setPreserved(mfn, false);
      return OK;
    }
    this.#refused[REASON_NAMES[reason]!]++;
    this.#refuse(mfn, pfn, reason);
    return reason;
  }

  #absent(): number {
    this.#refused.absent++;
    return ABSENT;
  }

  /** The rule of reuse. */
  #verdict(mfn: Mfn, generation: number, block: number): number {
    const frames = this.#frames;
    const protections = this.#protections;
    if (!frames.isIntact(mfn)) return Reason.corruptRecord;
    if (protections.generation && !frames.hasGeneration(mfn, generation)) return Reason.generation;
    const provenance = frames.provenanceOf(mfn);
    if (protections.provenance && provenance !== CLEAN) return Reason.dirty;
    // Without a provenance there is no block to compare, which matters only when that was not
    // refused above.
    if (protections.blockCheck && provenance !== UNKNOWN && frames.blockOf(mfn) !== block) return Reason.staleBlock;
    if (protections.checksum) {
      this.#cost += this.#costs.crcNsPerByte * PAGE_SIZE;
      if (!frames.matchesChecksum(mfn)) return Reason.checksum;
    }
    return OK;
  }

  #refuse(mfn: Mfn, pfn: Pfn, reason: number): void {
    if (reason === Reason.corruptRecord || reason === Reason.checksum)
      this.#frames.drop(mfn, this.#owner, pfn, this.#device, reason);
    else this.#frames.eraseName(mfn);
  }
}
