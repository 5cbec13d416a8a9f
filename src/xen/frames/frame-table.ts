/**
 * The frame table: one record per machine frame, and everything that changes a record. It has three
 * layers, each of which extends the one before it:
 * - record-table.ts: what records say;
 * - provenance-table.ts: I/O and stores;
 * - this file: owners, names, dirty frames and what a restart preserves.
 *
 * They are one object, and not three that hold each other, because they share one array of records.
 * What changes a record (`setState`, `seal`, `clearProvenance`, `move`) is protected. Between
 * objects it would be public, and any holder of the table could break the invariants below.
 *
 * Two independent facts are kept of a frame (architecture, "Two records, one rule"). Its name comes
 * from the guest (cache-map.ts). Its provenance is what the hypervisor sees. The guest registers a
 * third: the frame is dirty, newer than a block. This is Rio's registry; dirty-pages.ts writes such
 * frames home when their guest has crashed. It ends when the frame has been written there, and with
 * the name. The device that a name and a provenance refer to is the owner's one block device.
 *
 * Derived from the records, besides the index of blocks, is an index of preserved frames by name,
 * for claims.
 *
 * Invariants of each frame (`checkRecord` asserts them in this order):
 *   1. Its record is intact.
 *   2. It has a provenance if and only if it is in the block index. A frame that was adopted waits
 *      for its device first.
 *   3. If it is dirty, it is neither clean nor being read into. With a provenance, it is being
 *      written to its block.
 *   4. It is protected if and only if one of two things holds. Either it has a provenance, and
 *      write protection is on. Or it is dirty, dirty protection is on, and no program stores to it.
 *   5. It is preserved if and only if it is in the name index.
 *   6. If it is preserved, it is named.
 *   7. The bitmap says that it is protected if and only if its record does.
 *   8. If it is free, its record is all zero.
 *
 * Modelled after Xen's frame_table and M2P; provenance is ours. Costs are the callers' to charge.
 */

import { assert } from '../../base/assert.ts';
import { Mfn, type Pfn } from '../../base/units.ts';
import type { Protections } from '../protections.ts';
import { Reason, type ReasonCode } from '../public/reason.ts';
import type { DeviceTable } from '../records/devices.ts';
import { FrameIndex, hashName } from './frame-index.ts';
import * as record from './frame-record.ts';
import {
  clearName,
  deviceOfState,
  identityOf,
  markPreserved,
  OWNER_HYPERVISOR,
  OWNER_NOBODY,
  ownerOfState,
  publishBlank,
  recordIsIntact,
  writeName,
} from './frame-record.ts';
import { ProvenanceTable } from './provenance-table.ts';
import type { FrameObserver, TableMemory, TablePlace } from './record-table.ts';
import { FrameEvent, nextProvenance, Provenance } from './provenance.ts';

// Constants of this file: see hot-paths 3.
const { RECORD_WORDS, W_STATE, W_INO, W_GENERATION, W_INDEX } = record;
const { S_PROVENANCE, S_NAMED, S_PROTECTED, S_PRESERVED, S_CRC, S_DIRTY, S_IDENTITY } = record;

/**
 * log2 of the most frames to a bucket: 2 bytes a frame. Chains are shorter than those of blocks,
 * because a claim looks among frames that are in no cache of the host yet.
 */
const NAME_LOAD_BITS = 2;

export class FrameTable extends ProvenanceTable {
  readonly #names: FrameIndex;

  /**
   * Clears the table, except for frames that another hypervisor left, and takes the frames below
   * `map.firstDomainMfn` for the hypervisor. What was left is in no index until it is adopted, and
   * counts as not protected.
   */
  constructor(
    memory: TableMemory,
    map: TablePlace,
    protections: Protections,
    devices: Pick<DeviceTable, 'placeOf'>,
    observer: FrameObserver | undefined,
    isLeft: (mfn: Mfn) => boolean = () => false,
  ) {
    super(memory, map, protections, devices, observer, isLeft);
    this.#names = new FrameIndex(this.links, 1, NAME_LOAD_BITS);
    const identity = identityOf(OWNER_HYPERVISOR, 0);
    for (let mfn = 0; mfn < map.firstDomainMfn; mfn++) publishBlank(this.words, mfn * RECORD_WORDS, identity, 0);
  }

  override get derivedBytes(): number {
    return super.derivedBytes + this.#names.byteLength;
  }

  // Owners.

  /**
   * Gives a frame to a domain as its page `pfn`: nothing is known of it, whatever its record said
   * before.
   */
  assign(mfn: Mfn, owner: number, pfn: Pfn, device: number): void {
    this.#unlink(mfn);
    publishBlank(this.words, mfn * RECORD_WORDS, identityOf(owner, device), pfn);
    this.noteProtection(mfn, 0);
    this.observer?.onFrame('assigned', mfn, owner - 1, pfn, 0);
    this.log(mfn);
  }

  /**
   * Goes on with a frame that another hypervisor left to this owner as this page. A transfer in
   * flight that its record speaks of is over. Where its block lies is not known before its device
   * is bound: only then is it in the index of blocks (`indexBlocks`). Returns why nothing is known
   * of the frame from here on, or ok.
   */
  adopt(mfn: Mfn, owner: number, pfn: Pfn, device: number): ReasonCode {
    const at = mfn * RECORD_WORDS;
    const state = this.words[at]!;
    const isItsOwn = (state & S_IDENTITY) >>> 0 === identityOf(owner, device) >>> 0 && this.pfnOf(mfn) === pfn;
    if (!this.isIntact(mfn) || !isItsOwn || !this.isSound(mfn)) {
      this.assign(mfn, owner, pfn, device);
      return Reason.corruptRecord;
    }
    this.noteProtection(mfn, state);
    const provenance = (state & S_PROVENANCE) as Provenance;
    if (provenance === Provenance.reading || provenance === Provenance.writing) this.clearProvenance(at, state);
    if (this.#indexName(mfn)) return Reason.ok;
    this.assign(mfn, owner, pfn, device);
    return Reason.duplicate;
  }

  /**
   * Whether a record says what a frame table may have written: invariants 3, 4 and 6. A record that
   * was made up may be intact, and leave a clean frame without its protection.
   */
  isSound(mfn: Mfn): boolean {
    if (!this.protections.recordCheck) return true;
    const state = this.state(mfn);
    const provenance = state & S_PROVENANCE;
    const isDirty = (state & S_DIRTY) !== 0;
    if (isDirty && provenance !== Provenance.none && provenance !== Provenance.writing) return false;
    if ((state & S_PRESERVED) !== 0 && (state & S_NAMED) === 0) return false;
    return this.protectBit === 0 || this.#isGuarded(state);
  }

  /** Takes a frame from its owner; its record becomes zero. Nothing may be in flight on it. */
  free(mfn: Mfn): void {
    assert(!this.isInFlight(mfn), 'a frame is freed when no I/O on it is in flight');
    if (this.isWhole(mfn)) nextProvenance(this.provenanceOf(mfn), FrameEvent.freed);
    this.#unlink(mfn);
    publishBlank(this.words, mfn * RECORD_WORDS, 0, 0);
    this.noteProtection(mfn, 0);
    this.observer?.onFrame('freed', mfn, 0, 0, 0);
  }

  // Names.

  /** Names a frame. One that was preserved is not preserved any more. */
  setName(mfn: Mfn, ino: number, generation: number, index: number): void {
    const old = writeName(this.words, mfn << 3, ino, generation, index);
    if ((old & S_PRESERVED) !== 0) this.#names.unlink(mfn);
    this.observer?.onFrame('named', mfn, ino, generation, index);
  }

  /** Takes the name, and that the frame is preserved or dirty. */
  eraseName(mfn: Mfn): void {
    const old = clearName(this.words, mfn << 3);
    if ((old & S_DIRTY) !== 0) this.endDirty(mfn);
    if ((old & S_NAMED) === 0) return;
    if ((old & S_PRESERVED) !== 0) this.#names.unlink(mfn);
    this.observer?.onFrame('erased', mfn, 0, 0, 0);
  }

  // Preservation.

  /**
   * Marks a named frame as preserved, but does not index it yet (`index` does, once records are
   * verified), or as claimed.
   */
  setPreserved(mfn: Mfn, preserved: boolean): void {
    assert(this.isNamed(mfn), 'a preserved frame is named');
    this.#names.unlink(mfn);
    markPreserved(this.words, mfn * RECORD_WORDS, preserved);
    this.observer?.onFrame(preserved ? 'preserved' : 'claimed', mfn, 0, 0, 0);
  }

  /**
   * Why a frame does not wait to be claimed, or ok. The record of a frame that waits says so, and
   * the index has it. Where only the index has it, the record is damaged, and its guest may have
   * given the frame another use. Then the index has it no more.
   */
  whyNotSetAside(mfn: Mfn): ReasonCode {
    if (!this.#names.has(mfn)) return Reason.absent;
    if (this.isPreserved(mfn)) return Reason.ok;
    this.#names.unlink(mfn);
    return Reason.corruptRecord;
  }

  /** Why a named frame cannot be carried over a restart, or ok. */
  whyNotCarried(mfn: Mfn): ReasonCode {
    const provenance = this.provenanceOf(mfn);
    if (!this.protections.provenance || provenance === Provenance.clean) return Reason.ok;
    return provenance === Provenance.none ? Reason.dirty : Reason.inFlight;
  }

  /**
   * The rule of reuse for a preserved frame that was found by its name. Returns ok, or why it is
   * not a page of this generation at this block.
   */
  whyNotReused(mfn: Mfn, generation: number, block: number): ReasonCode {
    const { protections } = this;
    if (!this.isIntact(mfn) || !this.isNamed(mfn)) return Reason.corruptRecord;
    if (protections.generation && !this.hasGeneration(mfn, generation)) return Reason.generation;
    const provenance = this.provenanceOf(mfn);
    if (protections.provenance && provenance !== Provenance.clean) return Reason.dirty;
    // Without a provenance there is no block to compare, which matters only when that was not
    // refused above.
    if (protections.blockCheck && provenance !== Provenance.none && this.blockOf(mfn) !== block)
      return Reason.staleBlock;
    return protections.checksum && !this.matchesChecksum(mfn) ? Reason.checksum : Reason.ok;
  }

  /** Takes everything that a frame is known by except its owner, because of `reason`. */
  drop(mfn: Mfn, owner: number, pfn: Pfn, device: number, reason: number): void {
    this.observer?.onFrame('dropped', mfn, reason, 0, 0);
    this.assign(mfn, owner, pfn, device);
  }

  /**
   * Puts frames that are in no index into the indices, from their records alone. The frames are
   * those of the `count` from place `first` of a P2M list whose `verdicts` are `keep`. Of two
   * preserved frames of one name the later gets the verdict `duplicate`, and is not in the index of
   * names.
   */
  index(list: Uint32Array, first: number, count: number, verdicts: Uint8Array, keep: number, duplicate: number): void {
    for (let i = 0; i < count; i++) if (verdicts[i] === keep) this.indexBlock(Mfn(list[first + i]!));
    for (let i = 0; i < count; i++)
      if (verdicts[i] === keep && !this.#indexName(Mfn(list[first + i]!))) verdicts[i] = duplicate;
  }

  /**
   * @returns false when the frame is preserved and another of the same name is in the index: then
   * it is not in
   */
  #indexName(mfn: Mfn): boolean {
    const at = mfn * RECORD_WORDS;
    const words = this.words;
    const state = words[at]!;
    if ((state & S_PRESERVED) === 0) return true;
    const device = deviceOfState(state);
    const ino = words[at + W_INO]!;
    const page = words[at + W_INDEX]!;
    const generation = words[at + W_GENERATION]!;
    const hash = hashName(device, ino, page);
    const other = this.#findPreserved(hash, (state & S_IDENTITY) | 0, ino, generation, page);
    if (other >= 0 && words[other * RECORD_WORDS + W_GENERATION] === generation) return false;
    this.#names.link(mfn, hash);
    return true;
  }

  /**
   * The preserved frame of `owner` with this name, or one of the same inode and index but another
   * generation when there is none, or -1.
   */
  findPreserved(owner: number, device: number, ino: number, generation: number, index: number): number {
    return this.#findPreserved(hashName(device, ino, index), identityOf(owner, device) | 0, ino, generation, index);
  }

  #findPreserved(hash: number, identity: number, ino: number, generation: number, index: number): number {
    const words = this.words;
    let otherGeneration = -1;
    for (let mfn = this.#names.first(hash); mfn >= 0; mfn = this.#names.after(mfn)) {
      const at = mfn * RECORD_WORDS;
      if (words[at + W_INDEX] !== index || words[at + W_INO] !== ino) continue;
      if ((words[at + W_STATE]! & S_IDENTITY) !== identity) continue;
      if (words[at + W_GENERATION] === generation) return mfn;
      if (otherGeneration < 0) otherGeneration = mfn;
    }
    return otherGeneration;
  }

  // Recovery: many frames at a time, each step in a loop of its own.

  /**
   * Of the `count` frames listed from place `first` of a P2M list: isIntact, 1 or 0 each, into
   * `intact`.
   */
  verify(list: Uint32Array, first: number, count: number, intact: Uint8Array): void {
    const words = this.words;
    const links = this.links;
    const { recordCheck } = this.protections;
    // Fetches what the next loops read, and computes nothing: see hot-paths 11.
    for (let i = 0; i < count; i++) intact[i] = words[RECORD_WORDS * list[first + i]!]! ^ links[2 * list[first + i]!]!;
    for (let i = 0; i < count; i++)
      intact[i] = !recordCheck || recordIsIntact(words, list[first + i]! * RECORD_WORDS) ? 1 : 0;
  }

  /** Takes the same frames out of the indices, whatever these said of them. */
  unlinkAll(list: Uint32Array, first: number, count: number): void {
    for (let i = 0; i < count; i++) this.blocks.unlink(Mfn(list[first + i]!));
    for (let i = 0; i < count; i++) this.#names.unlink(Mfn(list[first + i]!));
  }

  // Dirty frames.

  /**
   * The guest registers the frame as newer than a block. One that equals the block is called clean
   * no more: the guest may be about to store to it. One that is on its way there is dirty until it
   * has arrived.
   */
  markDirty(mfn: Mfn, block: number): void {
    const isOnItsWay = this.provenanceOf(mfn) === Provenance.writing && this.blockOf(mfn) === block;
    if (!isOnItsWay) this.move(mfn, FrameEvent.stored, 0);
    this.seal(mfn, block);
    this.observer?.onFrame('dirty', mfn, block, 0, 0);
  }

  /** The guest's file-cache routines are about to store to a sealed frame. */
  opened(mfn: Mfn): void {
    if (this.protectBit !== 0) this.move(mfn, FrameEvent.stored, 0);
  }

  /** They have. */
  closed(mfn: Mfn): void {
    this.seal(mfn, this.blockOf(mfn));
  }

  /**
   * A program is about to store to a sealed frame through its own page table. What it stores cannot
   * be told from damage.
   */
  exposed(mfn: Mfn): void {
    if (this.protectBit !== 0) this.move(mfn, FrameEvent.stored, 0);
    const state = this.state(mfn);
    this.setState(mfn * RECORD_WORDS, (state & ~(S_PROTECTED | S_CRC)) >>> 0, this.blockOf(mfn), 0);
  }

  /**
   * The invariants of one frame, by their numbers above.
   * @param isWaiting whether the frame was adopted and its device is not bound yet
   * @throws InvariantViolation
   */
  checkRecord(mfn: Mfn, isWaiting = false): void {
    const state = this.state(mfn);
    const provenance = state & S_PROVENANCE;
    const known = provenance !== Provenance.none;
    const dirty = (state & S_DIRTY) !== 0;
    const preserved = (state & S_PRESERVED) !== 0;
    const guarded = state & S_PROTECTED;
    assert(this.isWhole(mfn), 'invariant 1: frame record is intact');
    assert(
      (known && !isWaiting) === this.blocks.has(mfn),
      'invariant 2: a frame with provenance is in the block index',
    );
    assert(
      !dirty || !known || provenance === Provenance.writing,
      'invariant 3: a dirty frame is neither clean nor read into',
    );
    assert(this.#isGuarded(state), 'invariant 4: a frame that is dirty or has a provenance is protected');
    assert(preserved === this.#names.has(mfn), 'invariant 5: a preserved frame is in the name index');
    assert(!preserved || (state & S_NAMED) !== 0, 'invariant 6: a preserved frame is named');
    assert((guarded !== 0) === this.isProtected(mfn), 'invariant 7: a frame is protected as its record says');
    if (ownerOfState(state) !== OWNER_NOBODY) return;
    const at = mfn * RECORD_WORDS;
    for (let i = 0; i < RECORD_WORDS; i++)
      assert(this.words[at + i] === 0, 'invariant 8: record of a free frame is zero');
  }

  /** Invariant 4. */
  #isGuarded(state: number): boolean {
    const isKnown = (state & S_PROVENANCE) !== Provenance.none;
    const isDirty = (state & S_DIRTY) !== 0;
    const guarded = state & S_PROTECTED;
    const guard = (isKnown ? this.protectBit : 0) | (isDirty ? this.dirtyProtectBit : 0);
    // A dirty frame that a program stores to is open.
    return guarded === guard || (isDirty && (!isKnown || this.protectBit === 0) && guarded === 0);
  }

  #unlink(mfn: Mfn): void {
    this.blocks.unlink(mfn);
    this.#names.unlink(mfn);
  }
}
