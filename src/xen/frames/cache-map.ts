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
 * A claim that finds a page and refuses it ends its preservation. Every RESULT except `ok` and
 * `absent` comes with PFN as well. From then on that page is an ordinary page without a name, which
 * the guest frees. (Its contents are those that the guest had before. It keeps its provenance, and
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

/** Operations that were performed, those with a pfn the domain does not have left out. */
export interface CacheMapStats {
  /** Pages named. */
  inserts: number;
  /** Names erased. */
  erases: number;
  /** Pages asked for. */
  claims: number;
  /** Claims that got their page. */
  reused: number;
  /** Preserved pages given back. */
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
  readonly disk: Pick<BoundDevice, 'number' | 'isChanged'>;
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
  readonly #disk: CacheMapDomain['disk'];
  readonly #refused: ReasonCounts;
  readonly #recency: RecencyTable;
  /** What the guest before told may be asked for. */
  #hasRecency: boolean;
  /** This guest has begun to tell. */
  #isTold = false;

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
    let ns = 0;
    for (let at = 0; at < end; ) {
      const op = words[at]!;
      let last = at + ENTRY_WORDS;
      while (last < end && words[last] === op) last += ENTRY_WORDS;
      if (op === INSERT) ns += this.#insertRun(words, at, last);
      else if (op === ERASE) ns += this.#eraseRun(words, at, last);
      else if (op === CLAIM) ns += this.#claimRun(words, at, last);
      else for (let rare = at; rare < last; rare += ENTRY_WORDS) ns += this.#rareEntry(words, rare, op);
      at = last;
    }
    return ns;
  }

  // Runs of one operation: see hot-paths 13. Literal places, the ENTRY_ constants: see hot-paths 4.

  /** Performs the inserts from `start` up to and without `end`; returns what they cost, in ns. */
  #insertRun(words: Uint32Array, start: number, end: number): number {
    const frames = this.#frames;
    const p2m = this.#p2m;
    let inserts = 0;
    for (let at = start; at < end; at += 8) {
      const mfn = p2m.at(words[at | 1]!);
      if (mfn === NONE) words[at | 6] = ABSENT;
      else {
        words[at | 6] = OK;
        frames.setName(mfn as Mfn, words[at | 2]!, words[at | 3]!, words[at | 4]!);
        inserts++;
      }
    }
    this.stats.inserts += inserts;
    return inserts * this.#costs.cacheMapInsertNs;
  }

  /** The same for erases. */
  #eraseRun(words: Uint32Array, start: number, end: number): number {
    const frames = this.#frames;
    const p2m = this.#p2m;
    let erases = 0;
    for (let at = start; at < end; at += 8) {
      const mfn = p2m.at(words[at | 1]!);
      if (mfn === NONE) words[at | 6] = ABSENT;
      else {
        words[at | 6] = OK;
        frames.eraseName(mfn as Mfn);
        erases++;
      }
    }
    this.stats.erases += erases;
    return erases * this.#costs.cacheMapEraseNs;
  }

  /** Performs an entry of another operation; returns what it costs, in ns. */
  #rareEntry(words: Uint32Array, at: number, op: number): number {
    const { cacheMapReleaseNs, cacheMapRecencyNs } = this.#costs;
    const result = at + ENTRY_RESULT;
    if (op === CacheMapOp.discard) {
      words[result] = this.#discard(words, at);
      return cacheMapReleaseNs;
    }
    words[result] = Reason.absent;
    const mfn = this.#p2m.at(words[at + ENTRY_PFN]!);
    if (mfn === NO_FRAME) return 0;
    switch (op) {
      case CacheMapOp.release:
        words[result] = this.#release(Mfn(mfn), words[at + ENTRY_PFN]! as Pfn);
        return cacheMapReleaseNs;
      case CacheMapOp.dirty:
        words[result] = Reason.ok;
        return this.#markDirty(Mfn(mfn), words[at + ENTRY_BLOCK]!);
      case CacheMapOp.tellRecency:
        words[result] = Reason.ok;
        this.#tellRecency(Mfn(mfn), words[at + ENTRY_RECENCY]!);
        return cacheMapRecencyNs;
      case CacheMapOp.askRecency:
        if (this.#hasRecency && this.#frames.isPreserved(Mfn(mfn))) {
          words[result] = Reason.ok;
          words[at + ENTRY_RECENCY] = this.#recency.get(Mfn(mfn));
        }
        return cacheMapRecencyNs;
      default:
        return 0;
    }
  }

  /** Whether the frame waits to be claimed. One of which only the index says so is lost. */
  #isSetAside(mfn: Mfn): boolean {
    const reason = this.#frames.whyNotSetAside(mfn);
    if (reason === Reason.corruptRecord) this.#refused.corruptRecord++;
    return reason === OK;
  }

  #release(mfn: Mfn, pfn: Pfn): number {
    if (!this.#isSetAside(mfn)) return Reason.absent;
    if (!this.#frames.isIntact(mfn)) return this.#refuse(mfn, pfn, Reason.corruptRecord);
    this.stats.released++;
    this.#refused.released++;
    this.#frames.eraseName(mfn);
    return Reason.ok;
  }

  /** Returns what it costs, in ns. */
  #markDirty(mfn: Mfn, block: number): number {
    const { cacheMapDirtyNs, protectNs, crcNsPerByte } = this.#costs;
    const { dirtyProtection, checksum } = this.#protections;
    this.stats.dirtied++;
    this.#frames.markDirty(mfn, block);
    return cacheMapDirtyNs + (dirtyProtection ? protectNs : 0) + (checksum ? crcNsPerByte * PAGE_SIZE : 0);
  }

  #tellRecency(mfn: Mfn, recency: number): void {
    // What the guest before told ends here, for every page.
    if (!this.#isTold) this.#recency.clear(this.#p2m.frames());
    this.#isTold = true;
    this.#hasRecency = false;
    this.#recency.set(mfn, recency);
  }

  /** CRC-32C of the recency that this guest told; undefined when it told none. */
  get recencyCrc(): number | undefined {
    return this.#isTold ? this.#recency.crc(this.#p2m.frames()) : undefined;
  }

  #discard(words: Uint32Array, at: number): number {
    const found = this.#frames.findPreservedBlock(this.#owner, this.#device, words[at + ENTRY_BLOCK]!);
    const mfn = Mfn(found);
    const pfn = found < 0 ? 0 : this.#frames.pfnOf(mfn);
    if (found < 0 || this.#p2m.at(pfn) !== found) return Reason.absent;
    words[at + ENTRY_PFN] = pfn;
    return this.#release(mfn, pfn as Pfn);
  }

  /**
   * Performs the claims from `start` up to and without `end`; returns what they cost, in ns. All
   * are looked up before the first is decided: see hot-paths 11.
   */
  #claimRun(words: Uint32Array, start: number, end: number): number {
    for (let at = start; at < end; at += 8) words[at | 1] = this.#find(words, at);
    const claims = (end - start) >>> 3;
    this.stats.claims += claims;
    let ns = claims * this.#costs.cacheMapClaimNs;
    const checksumNs = this.#protections.checksum ? this.#costs.crcNsPerByte * PAGE_SIZE : 0;
    // Nothing writes to the disk within a hypercall.
    const { isChanged } = this.#disk;
    for (let at = start; at < end; at += 8) {
      let found = words[at | 1]! | 0;
      // An entry before this one may have taken it.
      if (found >= 0 && !this.#frames.isPreserved(found as Mfn)) found = this.#find(words, at);
      const result = this.#claim(words, at, found, isChanged);
      words[at | 6] = result;
      // The checksum is verified last.
      if (result === OK || result === Reason.checksum) ns += checksumNs;
    }
    return ns;
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
    // A damaged record may name a page that is not its own: then no guest is asked to give it up.
    if (this.#p2m.at(pfn) !== found) return this.#absent();
    // What it hides may be in use.
    if (!this.#isSetAside(mfn)) return ABSENT;
    words[at | 1] = pfn;
    const reason = isChanged ? Reason.diskChanged : this.#frames.whyNotReused(mfn, words[at | 3]!, words[at | 5]!);
    if (reason === OK) {
      this.stats.reused++;
      this.#frames.setPreserved(mfn, false);
      return OK;
    }
    return this.#refuse(mfn, pfn, reason);
  }

  #absent(): number {
    this.#refused.absent++;
    return ABSENT;
  }

  #refuse(mfn: Mfn, pfn: Pfn, reason: number): number {
    this.#refused[REASON_NAMES[reason]!]++;
    if (reason === Reason.corruptRecord || reason === Reason.checksum)
      this.#frames.drop(mfn, this.#owner, pfn, this.#device, reason);
    else this.#frames.eraseName(mfn);
    return reason;
  }
}
