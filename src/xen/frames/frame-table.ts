/**
 * The frame table: one record per machine frame, kept as bytes in machine memory, and everything that changes a record.
 *
 * Two independent facts are kept of a frame (architecture, "Two records, one rule"): its name, which the guest tells
 * (cache-map.ts), and its provenance, which the hypervisor sees because all I/O and all stores pass through it. The record
 * is the truth. Derived from it are two indices: by the place of a block (devices.ts), over frames with a provenance, so that a block
 * written from anywhere, through whatever device, takes away the provenance of every other frame that equals it; by name, over preserved frames, for claims. So is a
 * bitmap of the protected frames: every store asks for that, and a bitmap stays in the host's caches where records do not.
 *
 * A third is registered by the guest: the frame is dirty, newer than a block (Rio's registry; dirty-pages.ts writes such
 * frames home when their guest has crashed). It ends when the frame has been written there, and with the name.
 *
 * Invariants (`checkRecord`): a dirty frame is never clean, nor being read into; a dirty frame that has a provenance is
 * being written to the block that it is newer than; provenance is not none if and only if the frame is in the block index, and then, with write
 * protection on, the frame is protected; a dirty frame is protected, unless a program stores to it; preserved if and only if the frame is in the name index, and then it is named;
 * a free frame's record is all zero. The device that a name and a provenance refer to is the owner's one block device.
 *
 * I/O. Between begin… and end… a frame counts as in flight, and a block as being written. A frame may become reading or
 * writing only when nothing else is in flight on it and no (other) write on its block; otherwise the order in which the
 * device performs the two is not known and neither may be vouched for. Write protection begins at the submission, for
 * reads too: a store during the transfer must be seen. So `completed` always means the one transfer that was begun.
 *
 * Modelled after Xen's frame_table and M2P; provenance is ours. Costs are the callers' to charge.
 */

import { assert } from '../../base/assert.ts';
import { crc32c } from '../../base/crc32c.ts';
import { Mfn, PAGE_SIZE, Pfn } from '../../base/units.ts';
import type { MachineMemory } from '../../machine/memory.ts';
import { FrameIndex, hashName, hashPlace } from './frame-index.ts';
import {
  clearName,
  deviceOfState,
  identityOf,
  markPreserved,
  OWNER_HYPERVISOR,
  OWNER_NOBODY,
  ownerOfState,
  publishRecord,
  recordIsIntact,
  writeName,
} from './frame-record.ts';
import * as record from './frame-record.ts';
import type { MemoryMap } from '../records/layouts.ts';
import type { DeviceTable } from '../records/devices.ts';
import type { LogDirty } from './log-dirty.ts';
import { NO_FRAME, type P2mList } from './p2m.ts';
import type { Protections } from '../protections.ts';
import { Reason, type ReasonCode } from '../public/reason.ts';
import { FrameEvent, nextProvenance, PROVENANCE_NAMES, Provenance, type ProvenanceName } from './provenance.ts';

// As constants of this file: one of another module is loaded, and checked, each time it is named.
const { RECORD_WORDS, W_STATE, W_INO, W_GENERATION, W_INDEX, W_BLOCK, W_CRC, W_PFN } = record;
const { S_PROVENANCE, S_NAMED, S_PROTECTED, S_PRESERVED, S_CRC, S_DIRTY, S_IDENTITY } = record;

/** What happened to a frame, for page histories. */
export type FrameHappening =
  | ProvenanceName
  | 'assigned'
  | 'freed'
  | 'named'
  | 'erased'
  | 'dirty'
  | 'undirty'
  | 'preserved'
  | 'claimed'
  | 'dropped';

/** Hears of every change of a frame. */
export interface FrameObserver {
  /**
   * `a`, `b`, `c` by happening: named: inode, generation, index. A provenance, dirty: block. assigned: owner's domid, pfn.
   * dropped (a preserved or named frame refused): the reason's code. Otherwise 0.
   */
  onFrame(happening: FrameHappening, mfn: Mfn, a: number, b: number, c: number): void;
}

/**
 * log2 of the most frames to a bucket of the two indices: at most 1 byte a frame, and 2 for names, which a claim looks for
 * among frames that nothing has fetched yet.
 */
const BLOCK_LOAD_BITS = 3;
const NAME_LOAD_BITS = 2;

export class FrameTable {
  readonly #memory: MachineMemory;
  readonly #words: Uint32Array;
  /** Of both indices: two words a frame. */
  readonly #links: Int32Array;
  readonly #blocks: FrameIndex;
  readonly #names: FrameIndex;
  /** One bit a frame: its record says that it is protected. */
  readonly #protected: Uint32Array;
  readonly #protections: Protections;
  readonly #devices: Pick<DeviceTable, 'placeOf'>;
  readonly #observer: FrameObserver | undefined;
  /** Transfers in flight by frame, and writes in flight by the place of their block. Bounded by the rings: 352 a domain. */
  readonly #framesInFlight = new Map<number, number>();
  readonly #blocksBeingWritten = new Map<number, number>();
  /** Domains in log-dirty mode, by owner. */
  readonly #logs = new Map<number, LogDirty>();
  readonly #protectBit: number;
  readonly #dirtyProtectBit: number;

  /**
   * Clears the table, but for frames that another hypervisor left, and takes the frames below `map.firstDomainMfn` for the
   * hypervisor. What was left is in no index, and counts as not protected, until it is adopted.
   */
  constructor(
    memory: MachineMemory,
    map: MemoryMap,
    protections: Protections,
    devices: Pick<DeviceTable, 'placeOf'>,
    observer: FrameObserver | undefined,
    isLeft: (mfn: Mfn) => boolean = () => false,
  ) {
    this.#memory = memory;
    this.#words = memory.words(map.tableMfn, map.tableFrames);
    this.#protected = new Uint32Array(Math.ceil(map.plannedFrames / 32));
    for (let mfn = 0; mfn < map.plannedFrames; mfn++)
      if (!isLeft(Mfn(mfn))) this.#words.fill(0, mfn * RECORD_WORDS, (mfn + 1) * RECORD_WORDS);
    memory.touch(map.tableMfn, map.tableFrames);
    this.#links = new Int32Array(2 * map.frameCount);
    this.#blocks = new FrameIndex(this.#links, 0, BLOCK_LOAD_BITS);
    this.#names = new FrameIndex(this.#links, 1, NAME_LOAD_BITS);
    this.#protections = protections;
    this.#devices = devices;
    this.#observer = observer;
    this.#protectBit = protections.writeProtection ? S_PROTECTED : 0;
    this.#dirtyProtectBit = protections.dirtyProtection ? S_PROTECTED : 0;
    const identity = identityOf(OWNER_HYPERVISOR, 0);
    for (let mfn = 0; mfn < map.firstDomainMfn; mfn++)
      publishRecord(this.#words, mfn * RECORD_WORDS, identity, 0, 0, 0, 0, 0, 0);
  }

  /** Bytes of the arrays that are derived from the records. */
  get derivedBytes(): number {
    return this.#links.byteLength + this.#blocks.byteLength + this.#names.byteLength + this.#protected.byteLength;
  }

  // What a record says.

  ownerOf(mfn: Mfn): number {
    return ownerOfState(this.#state(mfn));
  }

  pfnOf(mfn: Mfn): Pfn {
    return Pfn(this.#words[mfn * RECORD_WORDS + W_PFN]!);
  }

  provenanceOf(mfn: Mfn): Provenance {
    return (this.#state(mfn) & S_PROVENANCE) as Provenance;
  }

  /** Block of the provenance, or that a dirty frame is newer than; 0 when there is neither. */
  blockOf(mfn: Mfn): number {
    return this.#words[mfn * RECORD_WORDS + W_BLOCK]!;
  }

  isProtected(mfn: Mfn): boolean {
    return (this.#protected[mfn >>> 5]! & (1 << (mfn & 31))) !== 0;
  }

  isNamed(mfn: Mfn): boolean {
    return (this.#state(mfn) & S_NAMED) !== 0;
  }

  /** The name of a frame; undefined when it has none. */
  nameOf(mfn: Mfn): { readonly ino: number; readonly generation: number; readonly index: number } | undefined {
    if (!this.isNamed(mfn)) return undefined;
    const at = mfn * RECORD_WORDS;
    const words = this.#words;
    return { ino: words[at + W_INO]!, generation: words[at + W_GENERATION]!, index: words[at + W_INDEX]! };
  }

  isPreserved(mfn: Mfn): boolean {
    return (this.#state(mfn) & S_PRESERVED) !== 0;
  }

  isDirty(mfn: Mfn): boolean {
    return (this.#state(mfn) & S_DIRTY) !== 0;
  }

  /** Whether a dirty frame is to be stored to between `opened` and `closed` only. */
  isSealed(mfn: Mfn): boolean {
    const state = this.#state(mfn);
    return (state & S_DIRTY) !== 0 && (state & (this.#dirtyProtectBit | S_CRC)) !== 0;
  }

  /** Whether a program may have stored to a dirty frame through its own page table since it was registered. */
  isOpen(mfn: Mfn): boolean {
    const state = this.#state(mfn);
    return (state & S_DIRTY) !== 0 && (state & (S_PROTECTED | S_CRC)) === 0;
  }

  /** Whether a store to a dirty frame, which is not open, is refused. */
  refusesStores(mfn: Mfn): boolean {
    const state = this.#state(mfn);
    return (state & S_DIRTY) !== 0 && (state & this.#dirtyProtectBit) !== 0;
  }

  /** Whether the record may be believed; always true with the record check switched off. */
  isIntact(mfn: Mfn): boolean {
    return !this.#protections.recordCheck || recordIsIntact(this.#words, mfn * RECORD_WORDS);
  }

  /** The same, whatever is switched off: who owns a frame must be known in any case. */
  isWhole(mfn: Mfn): boolean {
    return recordIsIntact(this.#words, mfn * RECORD_WORDS);
  }

  /** Of the `count` frames listed from place `first` of a P2M list: isIntact, 1 or 0 each, into `intact`. */
  verify(list: Uint32Array, first: number, count: number, intact: Uint8Array): void {
    const words = this.#words;
    const links = this.#links;
    const { recordCheck } = this.#protections;
    // What is computed here means nothing: a loop as small as this fetches what the next ones read, many frames at a time.
    for (let i = 0; i < count; i++) intact[i] = words[RECORD_WORDS * list[first + i]!]! ^ links[2 * list[first + i]!]!;
    for (let i = 0; i < count; i++)
      intact[i] = !recordCheck || recordIsIntact(words, list[first + i]! * RECORD_WORDS) ? 1 : 0;
  }

  /** Takes the same frames out of the indices, whatever these said of them. */
  unlinkAll(list: Uint32Array, first: number, count: number): void {
    for (let i = 0; i < count; i++) this.#blocks.unlink(Mfn(list[first + i]!));
    for (let i = 0; i < count; i++) this.#names.unlink(Mfn(list[first + i]!));
  }

  hasGeneration(mfn: Mfn, generation: number): boolean {
    return this.#words[mfn * RECORD_WORDS + W_GENERATION] === generation;
  }

  /** Whether a CRC-32C is recorded and the bytes match it. A record without one is of no page that was vouched for. */
  matchesChecksum(mfn: Mfn): boolean {
    if ((this.#state(mfn) & S_CRC) === 0) return false;
    return crc32c(this.#memory.frame(mfn), 0, PAGE_SIZE) === this.#words[mfn * RECORD_WORDS + W_CRC];
  }

  // Owners.

  /** Gives a frame to a domain as its page `pfn`: nothing is known of it, whatever its record said before. */
  assign(mfn: Mfn, owner: number, pfn: Pfn, device: number): void {
    this.#unlink(mfn);
    publishRecord(this.#words, mfn * RECORD_WORDS, identityOf(owner, device), 0, 0, 0, 0, 0, pfn);
    this.#noteProtection(mfn, 0);
    this.#observer?.onFrame('assigned', mfn, owner - 1, pfn, 0);
    this.#log(mfn);
  }

  /** Stores to the owner's frames that the guest's page tables do not see are told to `log`; to nobody when it is undefined. */
  logDirty(owner: number, log: LogDirty | undefined): void {
    if (log === undefined) this.#logs.delete(owner);
    else this.#logs.set(owner, log);
  }

  #log(mfn: Mfn): void {
    if (this.#logs.size > 0) this.#logs.get(this.ownerOf(mfn))?.mark(this.pfnOf(mfn));
  }

  /**
   * Goes on with a frame that another hypervisor left to this owner as this page. Whatever its record says of a transfer in flight
   * is over. Where its block lies is not known before its device is bound: only then is it in the index of blocks (`indexBlocks`).
   * Returns why nothing is known of the frame from here on, or ok.
   */
  adopt(mfn: Mfn, owner: number, pfn: Pfn, device: number): ReasonCode {
    const at = mfn * RECORD_WORDS;
    const state = this.#words[at]!;
    const isItsOwn = (state & S_IDENTITY) >>> 0 === identityOf(owner, device) >>> 0 && this.pfnOf(mfn) === pfn;
    if (!this.isIntact(mfn) || !isItsOwn) {
      this.assign(mfn, owner, pfn, device);
      return Reason.corruptRecord;
    }
    this.#noteProtection(mfn, state);
    const provenance = (state & S_PROVENANCE) as Provenance;
    if (provenance === Provenance.reading || provenance === Provenance.writing) this.#clearProvenance(at, state);
    if (this.#indexName(mfn)) return Reason.ok;
    this.assign(mfn, owner, pfn, device);
    return Reason.duplicate;
  }

  /** Takes a frame from its owner; its record becomes zero. Nothing may be in flight on it. */
  free(mfn: Mfn): void {
    assert(!this.#framesInFlight.has(mfn), 'frame freed with I/O in flight');
    if (this.isWhole(mfn)) nextProvenance(this.provenanceOf(mfn), FrameEvent.freed);
    this.#unlink(mfn);
    publishRecord(this.#words, mfn * RECORD_WORDS, 0, 0, 0, 0, 0, 0, 0);
    this.#noteProtection(mfn, 0);
    this.#observer?.onFrame('freed', mfn, 0, 0, 0);
  }

  // Names.

  /** Names a frame. One that was preserved is not preserved any more. */
  setName(mfn: Mfn, ino: number, generation: number, index: number): void {
    const old = writeName(this.#words, mfn << 3, ino, generation, index);
    if ((old & 16) !== 0) this.#names.unlink(mfn);
    this.#observer?.onFrame('named', mfn, ino, generation, index);
  }

  /** Takes the name, and that the frame is preserved or dirty. */
  eraseName(mfn: Mfn): void {
    const old = clearName(this.#words, mfn << 3);
    // Literals: named 4, preserved 16, dirty 64.
    if ((old & 64) !== 0) this.#endDirty(mfn);
    if ((old & 4) === 0) return;
    if ((old & 16) !== 0) this.#names.unlink(mfn);
    this.#observer?.onFrame('erased', mfn, 0, 0, 0);
  }

  // Preservation.

  /** Marks a named frame as preserved, but does not index it yet (`index` does, once records are verified), or as claimed. */
  setPreserved(mfn: Mfn, preserved: boolean): void {
    assert(this.isNamed(mfn), 'a preserved frame is named');
    this.#names.unlink(mfn);
    markPreserved(this.#words, mfn * RECORD_WORDS, preserved);
    this.#observer?.onFrame(preserved ? 'preserved' : 'claimed', mfn, 0, 0, 0);
  }

  /** Takes everything that a frame is known by except its owner, because of `reason`. */
  drop(mfn: Mfn, owner: number, pfn: Pfn, device: number, reason: number): void {
    this.#observer?.onFrame('dropped', mfn, reason, 0, 0);
    this.assign(mfn, owner, pfn, device);
  }

  /**
   * Puts frames, which are in no index, into the indices from their records alone: those of the `count` listed from place
   * `first` of a P2M list whose `verdicts` are `keep`. Of two preserved frames of one name the later gets the verdict
   * `duplicate`, and is not in the index of names.
   */
  index(list: Uint32Array, first: number, count: number, verdicts: Uint8Array, keep: number, duplicate: number): void {
    for (let i = 0; i < count; i++) if (verdicts[i] === keep) this.#indexBlock(Mfn(list[first + i]!));
    for (let i = 0; i < count; i++)
      if (verdicts[i] === keep && !this.#indexName(Mfn(list[first + i]!))) verdicts[i] = duplicate;
  }

  #indexBlock(mfn: Mfn): void {
    const at = mfn * RECORD_WORDS;
    const state = this.#words[at]!;
    if ((state & S_PROVENANCE) !== 0)
      this.#blocks.link(mfn, hashPlace(this.#devices.placeOf(deviceOfState(state), this.#words[at + W_BLOCK]!)));
  }

  /** @returns false when the frame is preserved and another of the same name is in the index: then it is not in */
  #indexName(mfn: Mfn): boolean {
    const at = mfn * RECORD_WORDS;
    const words = this.#words;
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
   * The preserved frame of `owner` with this name, or one of the same inode and index but another generation when there is
   * none, or -1.
   */
  findPreserved(owner: number, device: number, ino: number, generation: number, index: number): number {
    return this.#findPreserved(hashName(device, ino, index), identityOf(owner, device) | 0, ino, generation, index);
  }

  #findPreserved(hash: number, identity: number, ino: number, generation: number, index: number): number {
    const words = this.#words;
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

  /** A preserved frame of `owner` that equals a block of the device, or -1. */
  findPreservedBlock(owner: number, device: number, block: number): number {
    const words = this.#words;
    const identity = identityOf(owner, device) | 0;
    for (let mfn = this.#blocks.first(this.#hash(device, block)); mfn >= 0; mfn = this.#blocks.after(mfn)) {
      const at = mfn * RECORD_WORDS;
      const state = words[at + W_STATE]!;
      if (words[at + W_BLOCK] === block && (state & S_PRESERVED) !== 0 && (state & S_IDENTITY) === identity) return mfn;
    }
    return -1;
  }

  // Devices.

  #hash(device: number, block: number): number {
    return hashPlace(this.#devices.placeOf(device, block));
  }

  /**
   * The device of frames that were adopted was bound: puts them into the index of blocks. Those whose block was written until now
   * are vouched for no more.
   * @param isWritten undefined when none was
   */
  indexBlocks({ words: list, stride }: P2mList, isWritten: ((block: number) => boolean) | undefined): void {
    const words = this.#words;
    const none = NO_FRAME;
    for (let i = 0; i < list.length; i += stride) {
      const mfn = list[i]!;
      if (mfn === none || (words[RECORD_WORDS * mfn]! & S_PROVENANCE) === 0 || this.#blocks.has(Mfn(mfn))) continue;
      this.#indexBlock(Mfn(mfn));
      if (isWritten?.(this.blockOf(Mfn(mfn)))) this.#distrust(Mfn(mfn));
    }
  }

  /** Somebody else may have written to the disk of these frames: none of them is vouched for any more. */
  distrust(p2m: P2mList): void {
    for (let pfn = 0; pfn < p2m.length; pfn++) {
      const mfn = p2m.at(pfn);
      if (mfn !== NO_FRAME) this.#distrust(Mfn(mfn));
    }
  }

  /** A number of a device is given back: no frame is vouched for under it. */
  forgetDevice(device: number): void {
    const words = this.#words;
    for (let at = 0; at < words.length; at += RECORD_WORDS)
      if ((words[at]! & S_PROVENANCE) !== 0 && deviceOfState(words[at]!) === device)
        this.#distrust(Mfn(at / RECORD_WORDS));
  }

  #distrust(mfn: Mfn): void {
    assert(!this.#framesInFlight.has(mfn), 'a frame is looked at when its transfers are over');
    if (this.provenanceOf(mfn) !== Provenance.none && this.isIntact(mfn)) this.#move(mfn, FrameEvent.overwritten, 0);
  }

  // Dirty frames.

  /**
   * The guest registers the frame as newer than a block. One that equals the block is called clean no more: the guest may be
   * about to store to it. One that is on its way there is dirty until it has arrived.
   */
  markDirty(mfn: Mfn, block: number): void {
    const isOnItsWay = this.provenanceOf(mfn) === Provenance.writing && this.blockOf(mfn) === block;
    if (!isOnItsWay) this.#move(mfn, FrameEvent.stored, 0);
    this.#seal(mfn, block);
    this.#observer?.onFrame('dirty', mfn, block, 0, 0);
  }

  /** The guest's file-cache routines are about to store to a sealed frame. */
  opened(mfn: Mfn): void {
    if (this.#protectBit !== 0) this.#move(mfn, FrameEvent.stored, 0);
  }

  /** They have. */
  closed(mfn: Mfn): void {
    this.#seal(mfn, this.blockOf(mfn));
  }

  /** A program is about to store to a sealed frame through its own page table: what it stores nobody can tell from damage. */
  exposed(mfn: Mfn): void {
    if (this.#protectBit !== 0) this.#move(mfn, FrameEvent.stored, 0);
    const state = this.#state(mfn);
    this.#setState(mfn * RECORD_WORDS, (state & ~(S_PROTECTED | S_CRC)) >>> 0, this.blockOf(mfn), 0);
  }

  #seal(mfn: Mfn, block: number): void {
    const { checksum } = this.#protections;
    const crc = checksum ? crc32c(this.#memory.frame(mfn), 0, PAGE_SIZE) : 0;
    const state = this.#state(mfn) | S_DIRTY | this.#dirtyProtectBit | (checksum ? S_CRC : 0);
    this.#setState(mfn * RECORD_WORDS, state >>> 0, block, crc);
  }

  #endDirty(mfn: Mfn): void {
    const state = this.#state(mfn) & ~(S_DIRTY | S_PROTECTED | S_CRC);
    const known = (state & S_PROVENANCE) !== 0;
    this.#setState(
      mfn * RECORD_WORDS,
      (known ? state | this.#protectBit : state) >>> 0,
      known ? this.blockOf(mfn) : 0,
      0,
    );
    this.#observer?.onFrame('undirty', mfn, 0, 0, 0);
  }

  // Provenance.

  /** The frame is about to be stored to by its guest or by the hypervisor. */
  stored(mfn: Mfn): void {
    this.#log(mfn);
    this.#move(mfn, FrameEvent.stored, 0);
  }

  /** A read into the frame is taken up. `block` is what lands in it when that is one whole block, else -1. */
  beginRead(mfn: Mfn, device: number, block: number): void {
    if (this.isDirty(mfn)) this.#endDirty(mfn);
    if (block < 0) this.#move(mfn, FrameEvent.stored, 0);
    else if (this.#framesInFlight.has(mfn) || this.#blocksBeingWritten.has(this.#devices.placeOf(device, block)))
      this.#move(mfn, FrameEvent.overlapped, 0);
    else this.#move(mfn, FrameEvent.readSubmitted, block);
    increment(this.#framesInFlight, mfn);
  }

  /** That read has ended. Returns true when the frame is clean now. */
  endRead(mfn: Mfn, block: number, ok: boolean): boolean {
    decrement(this.#framesInFlight, mfn);
    this.#log(mfn);
    if (block >= 0) return this.#ended(mfn, Provenance.reading, block, ok);
    this.#move(mfn, FrameEvent.stored, 0);
    return false;
  }

  /**
   * A write from the frame to the blocks `first` … `last` is taken up; `whole` when the frame's page becomes that one
   * block. No other frame is vouched for as one of these blocks from now on.
   */
  beginWrite(mfn: Mfn, device: number, first: number, last: number, whole: boolean): void {
    let raced = this.#framesInFlight.has(mfn) || (this.isDirty(mfn) && this.blockOf(mfn) !== first);
    for (let block = first; block <= last; block++) {
      const place = this.#devices.placeOf(device, block);
      raced ||= this.#blocksBeingWritten.has(place);
      this.#overwritten(place, whole ? mfn : -1);
      increment(this.#blocksBeingWritten, place);
    }
    if (whole) this.#move(mfn, raced ? FrameEvent.overlapped : FrameEvent.writeSubmitted, first);
    increment(this.#framesInFlight, mfn);
  }

  /** That write has ended. Returns true when the frame is clean now. */
  endWrite(mfn: Mfn, device: number, first: number, last: number, whole: boolean, ok: boolean): boolean {
    decrement(this.#framesInFlight, mfn);
    for (let block = first; block <= last; block++)
      decrement(this.#blocksBeingWritten, this.#devices.placeOf(device, block));
    return whole && this.#ended(mfn, Provenance.writing, first, ok);
  }

  /**
   * Everything that must hold of one record.
   * @param isWaiting whether the frame was adopted and its device is not bound yet
   * @throws InvariantViolation
   */
  checkRecord(mfn: Mfn, isWaiting = false): void {
    const state = this.#state(mfn);
    assert(this.isWhole(mfn), 'frame record is intact');
    const known = (state & S_PROVENANCE) !== 0;
    assert((known && !isWaiting) === this.#blocks.has(mfn), 'a frame with provenance is in the block index');
    const dirty = (state & S_DIRTY) !== 0;
    const provenance = state & S_PROVENANCE;
    assert(!dirty || !known || provenance === Provenance.writing, 'a dirty frame is neither clean nor read into');
    const guard = (known ? this.#protectBit : 0) | (dirty ? this.#dirtyProtectBit : 0);
    // A dirty frame that a program stores to is open.
    const isOpen = dirty && (!known || this.#protectBit === 0) && (state & S_PROTECTED) === 0;
    assert((state & S_PROTECTED) === guard || isOpen, 'a frame that is dirty or has a provenance is protected');
    assert(((state & S_PRESERVED) !== 0) === this.#names.has(mfn), 'a preserved frame is in the name index');
    assert((state & S_PRESERVED) === 0 || (state & S_NAMED) !== 0, 'a preserved frame is named');
    assert(((state & S_PROTECTED) !== 0) === this.isProtected(mfn), 'a frame is protected as its record says');
    if (ownerOfState(state) !== OWNER_NOBODY) return;
    const at = mfn * RECORD_WORDS;
    for (let i = 0; i < RECORD_WORDS; i++) assert(this.#words[at + i] === 0, 'record of a free frame is zero');
  }

  #state(mfn: Mfn): number {
    return this.#words[mfn * RECORD_WORDS + W_STATE]!;
  }

  #unlink(mfn: Mfn): void {
    this.#blocks.unlink(mfn);
    this.#names.unlink(mfn);
  }

  /** The bitmap follows the state of a record. */
  #noteProtection(mfn: number, state: number): void {
    const bit = 1 << (mfn & 31);
    if ((state & S_PROTECTED) !== 0) this.#protected[mfn >>> 5]! |= bit;
    else this.#protected[mfn >>> 5]! &= ~bit;
  }

  #setState(at: number, state: number, block: number, crc: number): void {
    const words = this.#words;
    this.#noteProtection(at / RECORD_WORDS, state);
    const pfn = words[at + W_PFN]!;
    publishRecord(
      words,
      at,
      state,
      words[at + W_INO]!,
      words[at + W_GENERATION]!,
      words[at + W_INDEX]!,
      block,
      crc,
      pfn,
    );
  }

  #ended(mfn: Mfn, during: Provenance, block: number, ok: boolean): boolean {
    if (this.provenanceOf(mfn) !== during || this.blockOf(mfn) !== block) return false;
    this.#move(mfn, ok ? FrameEvent.completed : FrameEvent.failed, block);
    return ok;
  }

  /** What of a state is a dirty frame's: protection and checksum. One that was open stays so: its checksum is not known. */
  #sealOf(state: number): number {
    if ((state & S_DIRTY) === 0) return 0;
    const isOpen = this.#protections.checksum && (state & S_CRC) === 0;
    return (state & S_CRC) | (isOpen ? 0 : this.#dirtyProtectBit);
  }

  /** Takes what is known of a frame's bytes. A dirty one is dirty still. */
  #clearProvenance(at: number, old: number): void {
    const state = (old & ~(S_PROVENANCE | S_PROTECTED | S_CRC)) | this.#sealOf(old);
    const isDirty = (old & S_DIRTY) !== 0;
    this.#setState(at, state >>> 0, isDirty ? this.#words[at + W_BLOCK]! : 0, isDirty ? this.#words[at + W_CRC]! : 0);
  }

  /** Takes the provenance of every frame that is said to be the block at `place`, except of frame `self`. */
  #overwritten(place: number, self: number): void {
    let mfn = this.#blocks.first(hashPlace(place));
    while (mfn >= 0) {
      const next = this.#blocks.after(mfn);
      const at = mfn * RECORD_WORDS;
      const device = deviceOfState(this.#words[at + W_STATE]!);
      if (mfn !== self && this.#devices.placeOf(device, this.#words[at + W_BLOCK]!) === place)
        this.#move(Mfn(mfn), FrameEvent.overwritten, 0);
      mfn = next;
    }
  }

  /** The one place where a provenance changes. */
  #move(mfn: Mfn, event: FrameEvent, block: number): void {
    const at = mfn * RECORD_WORDS;
    const old = this.#words[at + W_STATE]!;
    const from = (old & S_PROVENANCE) as Provenance;
    const to = nextProvenance(from, event);
    if (from === Provenance.none && to === Provenance.none) return;
    this.#blocks.unlink(mfn);
    if (to === Provenance.none) this.#clearProvenance(at, old);
    else {
      this.#blocks.link(mfn, this.#hash(deviceOfState(old), block));
      const before = to === Provenance.clean ? old & ~S_DIRTY : old;
      let state = (before & ~(S_PROVENANCE | S_PROTECTED | S_CRC)) | to | this.#protectBit | this.#sealOf(before);
      let crc = (state & S_CRC) !== 0 ? this.#words[at + W_CRC]! : 0;
      if (to === Provenance.clean && this.#protections.checksum) {
        crc = crc32c(this.#memory.frame(mfn), 0, PAGE_SIZE);
        state |= S_CRC;
      }
      this.#setState(at, state >>> 0, block, crc);
    }
    this.#observer?.onFrame(PROVENANCE_NAMES[to]!, mfn, block, 0, 0);
  }
}

function increment(counts: Map<number, number>, key: number): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function decrement(counts: Map<number, number>, key: number): void {
  const count = counts.get(key);
  assert(count !== undefined, 'I/O ended that had not begun');
  if (count === 1) counts.delete(key);
  else counts.set(key, count - 1);
}
