/**
 * Provenance of frames: which of them equal a block of a device, or are on the way to or from one.
 * All I/O and all stores pass through here.
 *
 * Derived from the records is an index by the place of a block (devices.ts), over frames with a
 * provenance. A block written from anywhere, through any device, takes the provenance of every
 * other frame that equals it.
 *
 * I/O. Between begin… and end… a frame counts as in flight, and a block as being written. A frame
 * may become reading or writing only when nothing else is in flight on it and no (other) write on
 * its block. Otherwise the order in which the device performs the two is not known, and neither may
 * be vouched for. Write protection begins at the submission, for reads too: a store during the
 * transfer must be seen. So `completed` always means the one transfer that was begun.
 *
 * The second layer of the frame table (frame-table.ts).
 */

import { assert } from '../../base/assert.ts';
import { crc32c } from '../../base/crc32c.ts';
import { Mfn, PAGE_SIZE } from '../../base/units.ts';
import type { Protections } from '../protections.ts';
import type { DeviceTable } from '../records/devices.ts';
import { FrameIndex, hashPlace } from './frame-index.ts';
import * as record from './frame-record.ts';
import { deviceOfState, identityOf, recordIsIntact } from './frame-record.ts';
import { type FrameObserver, RecordTable, type TableMemory, type TablePlace } from './record-table.ts';
import { NO_FRAME, type P2mList } from './p2m.ts';
import { FrameEvent, isEdge, nextProvenance, PROVENANCE_NAMES, Provenance } from './provenance.ts';

// Constants of this file: see hot-paths 3.
const { RECORD_WORDS, W_STATE, W_BLOCK, W_CRC } = record;
const { S_PROVENANCE, S_PROTECTED, S_PRESERVED, S_CRC, S_DIRTY, S_IDENTITY } = record;

/** log2 of the most frames to a bucket: at most 1 byte a frame. */
const BLOCK_LOAD_BITS = 3;

export class ProvenanceTable extends RecordTable {
  /** Of this index and that of names: two words a frame. */
  protected readonly links: Int32Array;
  protected readonly blocks: FrameIndex;
  readonly #devices: Pick<DeviceTable, 'placeOf'>;
  /**
   * Transfers in flight by frame, and writes in flight by the place of their block. Bounded by the
   * rings: 352 a domain.
   */
  readonly #framesInFlight = new Map<number, number>();
  readonly #blocksBeingWritten = new Map<number, number>();

  constructor(
    memory: TableMemory,
    map: TablePlace,
    protections: Protections,
    devices: Pick<DeviceTable, 'placeOf'>,
    observer: FrameObserver | undefined,
    isLeft: (mfn: Mfn) => boolean,
  ) {
    super(memory, map, protections, observer, isLeft);
    this.links = new Int32Array(2 * map.frameCount);
    this.blocks = new FrameIndex(this.links, 0, BLOCK_LOAD_BITS);
    this.#devices = devices;
  }

  override get derivedBytes(): number {
    return super.derivedBytes + this.links.byteLength + this.blocks.byteLength;
  }

  isInFlight(mfn: Mfn): boolean {
    return this.#framesInFlight.has(mfn);
  }

  // I/O and stores.

  /** The frame is about to be stored to by its guest or by the hypervisor. */
  stored(mfn: Mfn): void {
    this.log(mfn);
    if (!this.protections.firstStoreTrap) return;
    this.move(mfn, FrameEvent.stored, 0);
    if (this.isProtected(mfn) && !this.isWhole(mfn)) this.#lose(mfn);
  }

  /** Of a damaged record nothing is believed. The frame is no longer protected. */
  #lose(mfn: Mfn): void {
    this.blocks.unlink(mfn);
    const state = this.state(mfn) & ~(S_PROVENANCE | S_PROTECTED | S_CRC | S_DIRTY);
    this.setState(mfn * RECORD_WORDS, state >>> 0, 0, 0);
  }

  /**
   * A read into the frame is taken up. `block` is what lands in it when that is one whole block,
   * else -1.
   */
  beginRead(mfn: Mfn, device: number, block: number): void {
    if (this.isDirty(mfn)) this.endDirty(mfn);
    if (block < 0) this.move(mfn, FrameEvent.stored, 0);
    else if (this.#framesInFlight.has(mfn) || this.#blocksBeingWritten.has(this.#devices.placeOf(device, block)))
      this.move(mfn, FrameEvent.overlapped, 0);
    else this.move(mfn, FrameEvent.readSubmitted, block);
    increment(this.#framesInFlight, mfn);
  }

  /** That read has ended. Returns true when the frame is clean now. */
  endRead(mfn: Mfn, block: number, ok: boolean): boolean {
    decrement(this.#framesInFlight, mfn);
    this.log(mfn);
    if (block >= 0) return this.#ended(mfn, Provenance.reading, block, ok);
    this.move(mfn, FrameEvent.stored, 0);
    return false;
  }

  /**
   * A write from the frame to the blocks `first` … `last` is taken up; `whole` when the frame's
   * page becomes that one block. No other frame is vouched for as one of these blocks from now on.
   */
  beginWrite(mfn: Mfn, device: number, first: number, last: number, whole: boolean): void {
    let raced = this.#framesInFlight.has(mfn) || (this.isDirty(mfn) && this.blockOf(mfn) !== first);
    for (let block = first; block <= last; block++) {
      const place = this.#devices.placeOf(device, block);
      raced ||= this.#blocksBeingWritten.has(place);
      this.#overwritten(place, whole ? mfn : -1);
      increment(this.#blocksBeingWritten, place);
    }
    if (whole) this.move(mfn, raced ? FrameEvent.overlapped : FrameEvent.writeSubmitted, first);
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
   * A write to a block begins that comes from elsewhere than a frame of the table. From now on no
   * frame is vouched for as that block.
   */
  beginElsewhere(device: number, block: number): void {
    const place = this.#devices.placeOf(device, block);
    this.#overwritten(place, -1);
    increment(this.#blocksBeingWritten, place);
  }

  /** That write has ended. */
  endElsewhere(device: number, block: number): void {
    decrement(this.#blocksBeingWritten, this.#devices.placeOf(device, block));
  }

  // Devices.

  /**
   * The device of frames that were adopted was bound: puts them into the index of blocks. Those
   * whose block was written until now are vouched for no more.
   * @param isWritten undefined when none was
   */
  indexBlocks({ words: list, stride }: P2mList, isWritten: ((block: number) => boolean) | undefined): void {
    const words = this.words;
    const none = NO_FRAME;
    for (let i = 0; i < list.length; i += stride) {
      const mfn = list[i]!;
      if (mfn === none || (words[RECORD_WORDS * mfn]! & S_PROVENANCE) === 0 || this.blocks.has(Mfn(mfn))) continue;
      this.indexBlock(Mfn(mfn));
      if (isWritten?.(this.blockOf(Mfn(mfn)))) this.#distrust(Mfn(mfn));
    }
  }

  /**
   * The disk of these frames may have been written to from elsewhere: none of them is vouched for
   * any more.
   */
  distrust(p2m: P2mList): void {
    for (let pfn = 0; pfn < p2m.length; pfn++) {
      const mfn = p2m.at(pfn);
      if (mfn !== NO_FRAME) this.#distrust(Mfn(mfn));
    }
  }

  /** A number of a device is given back: no frame is vouched for under it. */
  forgetDevice(device: number): void {
    const words = this.words;
    for (let at = 0; at < words.length; at += RECORD_WORDS)
      if ((words[at]! & S_PROVENANCE) !== 0 && deviceOfState(words[at]!) === device)
        this.#distrust(Mfn(at / RECORD_WORDS));
  }

  #distrust(mfn: Mfn): void {
    assert(!this.#framesInFlight.has(mfn), 'a frame is looked at when its transfers are over');
    if (this.provenanceOf(mfn) !== Provenance.none && this.isIntact(mfn)) this.move(mfn, FrameEvent.overwritten, 0);
  }

  /** A preserved frame of `owner` that equals a block of the device, or -1. */
  findPreservedBlock(owner: number, device: number, block: number): number {
    const words = this.words;
    const identity = identityOf(owner, device) | 0;
    for (let mfn = this.blocks.first(this.#hash(device, block)); mfn >= 0; mfn = this.blocks.after(mfn)) {
      const at = mfn * RECORD_WORDS;
      const state = words[at + W_STATE]!;
      if (words[at + W_BLOCK] === block && (state & S_PRESERVED) !== 0 && (state & S_IDENTITY) === identity) return mfn;
    }
    return -1;
  }

  // How a provenance changes.

  protected indexBlock(mfn: Mfn): void {
    const at = mfn * RECORD_WORDS;
    const state = this.words[at]!;
    if ((state & S_PROVENANCE) !== 0)
      this.blocks.link(mfn, hashPlace(this.#devices.placeOf(deviceOfState(state), this.words[at + W_BLOCK]!)));
  }

  #ended(mfn: Mfn, during: Provenance, block: number, ok: boolean): boolean {
    if (this.provenanceOf(mfn) !== during || this.blockOf(mfn) !== block) return false;
    this.move(mfn, ok ? FrameEvent.completed : FrameEvent.failed, block);
    return ok;
  }

  /** Takes what is known of a frame's bytes. A dirty one is dirty still. */
  protected clearProvenance(at: number, old: number): void {
    const state = (old & ~(S_PROVENANCE | S_PROTECTED | S_CRC)) | this.sealOf(old);
    const isDirty = (old & S_DIRTY) !== 0;
    this.setState(at, state >>> 0, isDirty ? this.words[at + W_BLOCK]! : 0, isDirty ? this.words[at + W_CRC]! : 0);
  }

  /**
   * Takes the provenance of every frame that is said to be the block at `place`, except of frame
   * `self`.
   */
  #overwritten(place: number, self: number): void {
    let mfn = this.blocks.first(hashPlace(place));
    while (mfn >= 0) {
      const next = this.blocks.after(mfn);
      const at = mfn * RECORD_WORDS;
      const device = deviceOfState(this.words[at + W_STATE]!);
      if (mfn !== self && this.#devices.placeOf(device, this.words[at + W_BLOCK]!) === place)
        this.move(Mfn(mfn), FrameEvent.overwritten, 0);
      mfn = next;
    }
  }

  /** The one place where a provenance changes. */
  protected move(mfn: Mfn, event: FrameEvent, block: number): void {
    const at = mfn * RECORD_WORDS;
    const old = this.words[at + W_STATE]!;
    const from = (old & S_PROVENANCE) as Provenance;
    // Where the edge does not exist, a damaged record says what is not so. Nothing is known then.
    const isBelieved = isEdge(from, event) || recordIsIntact(this.words, at);
    const to = isBelieved ? nextProvenance(from, event) : Provenance.none;
    if (from === Provenance.none && to === Provenance.none) return;
    this.blocks.unlink(mfn);
    if (to === Provenance.none) this.clearProvenance(at, old);
    else {
      this.blocks.link(mfn, this.#hash(deviceOfState(old), block));
      const before = to === Provenance.clean ? old & ~S_DIRTY : old;
      let state = (before & ~(S_PROVENANCE | S_PROTECTED | S_CRC)) | to | this.protectBit | this.sealOf(before);
      let crc = (state & S_CRC) !== 0 ? this.words[at + W_CRC]! : 0;
      if (to === Provenance.clean && this.protections.checksum) {
        crc = crc32c(this.memory.frame(mfn), 0, PAGE_SIZE);
        state |= S_CRC;
      }
      this.setState(at, state >>> 0, block, crc);
    }
    this.observer?.onFrame(PROVENANCE_NAMES[to]!, mfn, block, 0, 0);
  }

  #hash(device: number, block: number): number {
    return hashPlace(this.#devices.placeOf(device, block));
  }
}

function increment(counts: Map<number, number>, key: number): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function decrement(counts: Map<number, number>, key: number): void {
  const count = counts.get(key);
  assert(count !== undefined, 'I/O that ends has begun');
  if (count === 1) counts.delete(key);
  else counts.set(key, count - 1);
}
