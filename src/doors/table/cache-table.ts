/**
 * The cache-mapping table over bytes of the caller's. It says which frame of its memory holds which
 * page of which file, and whether that frame equals the block where the page lies.
 *
 * The caller is a hypervisor, a simulator of one, or anything that keeps memory over the death of
 * its user. It tells what it sees: transfers, stores, names. It keeps the bytes, and nothing else.
 * From the bytes alone `recover` builds the table again, and `claim` hands pages out under the rule
 * of reuse. The name is that of the page, the frame equals a block, and the page lies at that block
 * now.
 *
 * What the caller owes:
 *   1. Every transfer into or from a frame is told before it is submitted, and when it has ended.
 *      So is every write of a block that comes from elsewhere.
 *   2. A store to a frame that `isProtected` is told before it happens. A store to another frame
 *      need not be told.
 *   3. A name is erased, or its frame freed, before the frame is used for anything else.
 *   4. A block has one number: device and block. Devices that share sectors are one device.
 *   5. When it recovers, no transfer of the caller before is in flight any more.
 *   6. Only the table writes to its bytes while it is in use.
 *
 * The records, and all that changes them, are those of the model's hypervisor (xen/frames). Here
 * all frames have one owner, and the page of a frame is its number. A frame has one device at a
 * time, as its record has room for one. A transfer or a name under another device forgets what was
 * known of the frame.
 *
 * Longer than other files: each call that an embedder makes is a method here, with its contract.
 */

import { ArgumentError, checkArgument, checkInteger } from '../../base/argument-error.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { DomId, Mfn, Pfn } from '../../base/units.ts';
import { ownerOfDomain } from '../../xen/frames/frame-record.ts';
import type { FrameTable } from '../../xen/frames/frame-table.ts';
import { P2mList } from '../../xen/frames/p2m.ts';
import { PROVENANCE_NAMES } from '../../xen/frames/provenance.ts';
import { Reason, REASON_NAMES, type ReasonCode } from '../../xen/public/reason.ts';
import { frameTableOver, MOST_TABLE_FRAMES, TableBytes, tableBytes } from './table-bytes.ts';
import {
  checkBlock,
  checkDevice,
  checkName,
  checkProtections,
  type FrameFacts,
  noRefusals,
  type PageName,
  type Preserved,
  type Refusal,
  type RefusalReason,
  type TableOptions,
  type TableProtections,
} from './options.ts';
import { Transfer } from './transfer.ts';

/** A table that was found in the bytes, and what was kept for claims. */
export interface Recovered extends Preserved {
  /** The table. */
  readonly table: CacheTable;
}

/** The one owner of all frames. */
const OWNER = ownerOfDomain(DomId(0));
/** Frames that are judged together. */
const WINDOW = 64;

/** A cache-mapping table over bytes of the caller's. Made by `create` or `recover`. */
export class CacheTable {
  /** Frames that it is of, numbered from 0. */
  readonly frames: number;
  readonly #bytes: TableBytes;
  readonly #table: FrameTable;
  #epoch = 0;

  /**
   * Bytes of a table of so many frames, 1 to 2^26: 64, and 32 a frame.
   * @throws ArgumentError
   */
  static bytesFor(frames: number): number {
    checkInteger('frames', frames, 1, MOST_TABLE_FRAMES);
    return tableBytes(frames);
  }

  /**
   * An empty table over these bytes, whatever they said before.
   * @param bytes `bytesFor(frames)` or more, from a multiple of 4 of their buffer on
   * @throws ArgumentError
   */
  static create(bytes: Uint8Array, options: TableOptions): CacheTable {
    const protections = checkProtections(options);
    const store = new TableBytes(bytes, options.frames);
    store.consume();
    const table = new CacheTable(store, options, protections, false);
    for (let frame = 0; frame < table.frames; frame++) table.#blank(Mfn(frame));
    table.#publish();
    return table;
  }

  /**
   * The table that a former caller left in these bytes, each of its pages ready to be claimed once.
   * Any other table over them is of no use from now on. What does not verify is refused, with the
   * reason: bytes that were damaged never make an exception or a loop.
   * @returns the table, or why there is none: then the caller starts cold, with `create`. That is
   * so as well after a recovery that did not come to its end.
   * @throws ArgumentError
   */
  static recover(bytes: Uint8Array, options: TableOptions): Result<Recovered> {
    const protections = checkProtections(options);
    const store = new TableBytes(bytes, options.frames);
    const taken = store.take();
    if (!taken.ok) return taken;
    const table = new CacheTable(store, options, protections, true);
    const preserved = table.#preserve();
    table.#publish();
    return ok({ table, ...preserved });
  }

  private constructor(bytes: TableBytes, options: TableOptions, protections: TableProtections, isLeft: boolean) {
    this.frames = options.frames;
    this.#bytes = bytes;
    this.#table = frameTableOver(bytes, options, protections, isLeft);
  }

  // Transfers.

  /**
   * A read of one whole block into a whole frame is about to be submitted. A read of less is a
   * store, at its submission and at its end.
   * @param device 0 to 255
   * @param block number of the 4 KiB block, 0 to 2^32 - 1
   * @throws ArgumentError
   */
  beginRead(frame: number, device: number, block: number): Transfer {
    const mfn = this.#frame(frame);
    checkDevice(device);
    checkBlock(block);
    this.#own(mfn, device);
    this.#table.beginRead(mfn, device, block);
    return this.#transfer((ok) => this.#table.endRead(mfn, block, ok));
  }

  /**
   * A write of a whole frame to one whole block is about to be submitted: no other frame equals the
   * block from now on. Arguments as of `beginRead`.
   * @throws ArgumentError
   */
  beginWrite(frame: number, device: number, block: number): Transfer {
    const mfn = this.#frame(frame);
    checkDevice(device);
    checkBlock(block);
    this.#own(mfn, device);
    this.#table.beginWrite(mfn, device, block, block, true);
    return this.#transfer((ok) => this.#table.endWrite(mfn, device, block, block, true, ok));
  }

  /**
   * Before a write to a block, or to a part of it, that does not come from a whole frame is
   * submitted. No frame equals the block from now on. Arguments as of `beginRead`.
   * @throws ArgumentError
   */
  beginOtherWrite(device: number, block: number): Transfer {
    this.#check();
    checkDevice(device);
    checkBlock(block);
    this.#table.beginElsewhere(device, block);
    return this.#transfer(() => {
      this.#table.endElsewhere(device, block);
      return false;
    });
  }

  /**
   * A write to a block from elsewhere is over. Arguments as of `beginRead`.
   * @throws ArgumentError
   */
  blockWritten(device: number, block: number): void {
    this.beginOtherWrite(device, block).end(true);
  }

  /**
   * Any block of a device may have been written to from elsewhere, or the device is another one. No
   * frame equals one of its blocks any more.
   * @param device 0 to 255
   * @throws ArgumentError, also when a transfer of it is in flight
   */
  forgetDevice(device: number): void {
    this.#check();
    checkDevice(device);
    for (let frame = 0; frame < this.frames; frame++)
      if (this.#table.deviceOf(Mfn(frame)) === device)
        checkArgument(!this.#table.isInFlight(Mfn(frame)), 'device', 'a transfer of it is in flight');
    this.#table.forgetDevice(device);
  }

  /**
   * A frame is about to be stored to, other than by a transfer: it equals no block any more, and is
   * not protected any more. It keeps its name.
   * @throws ArgumentError
   */
  store(frame: number): void {
    this.#table.stored(this.#frame(frame));
  }

  // Names.

  /**
   * The frame holds this page; its contents have arrived.
   * @throws ArgumentError
   */
  name(frame: number, name: PageName): void {
    const mfn = this.#frame(frame);
    checkName(name);
    this.#own(mfn, name.device);
    this.#table.setName(mfn, name.inode, name.generation, name.index);
  }

  /**
   * The frame holds no page any more, and is not preserved any more: it may be used for anything.
   * @throws ArgumentError
   */
  erase(frame: number): void {
    this.#table.eraseName(this.#frame(frame));
  }

  /**
   * Nothing is known of the frame any more.
   * @throws ArgumentError, also when a transfer of it is in flight
   */
  free(frame: number): void {
    const mfn = this.#frame(frame);
    checkArgument(!this.#table.isInFlight(mfn), 'frame', 'a transfer of it is in flight');
    this.#blank(mfn);
  }

  // What outlives.

  /**
   * The user of the frames is gone, and the caller is still there. Keeps each frame that is named
   * and equals a block, until it is claimed or erased. Nothing is known of the others any more.
   * When the caller dies too, it need not call this: `recover` does the same.
   * @throws ArgumentError when another table stands over the bytes
   */
  preserve(): Preserved {
    this.#check();
    return this.#preserve();
  }

  /**
   * Whether the frame waits to be claimed: the caller must not use it for anything else.
   * @throws ArgumentError for a frame that the table does not have
   */
  isPreserved(frame: number): boolean {
    return this.#table.isPreserved(this.#frame(frame));
  }

  /**
   * The frame that waits to be claimed as this page, which stays as it is; undefined when there is
   * none.
   * @throws ArgumentError
   */
  lookup(name: PageName): number | undefined {
    this.#check();
    checkName(name);
    const found = this.#find(name);
    return found >= 0 && this.#table.hasGeneration(Mfn(found), name.generation) ? found : undefined;
  }

  /**
   * Hands out a preserved page, once, or says why not; a page that is refused is not preserved any
   * more.
   * @param block where the page lies *now*, 0 to 2^32 - 1: as the disk says, and not as the
   * memory of a former caller says
   * @returns the frame, which holds what a read of the block would bring and is named and protected
   * as before; or the refusal
   * @throws ArgumentError
   */
  claim(name: PageName, block: number): Result<number, Refusal> {
    this.#check();
    checkName(name);
    checkBlock(block);
    const found = this.#find(name);
    if (found < 0) return err({ reason: 'absent', frame: undefined });
    const mfn = Mfn(found);
    const hidden = this.#table.whyNotSetAside(mfn);
    if (hidden !== Reason.ok) return err({ reason: nameOf(hidden), frame: undefined });
    const reason = this.#table.whyNotReused(mfn, name.generation, block);
    if (reason === Reason.ok) {
      this.#table.setPreserved(mfn, false);
      return ok(found);
    }
    if (reason === Reason.corruptRecord || reason === Reason.checksum) this.#blank(mfn);
    else this.#table.eraseName(mfn);
    return err({ reason: nameOf(reason), frame: found });
  }

  // What is known.

  /**
   * Whether the caller must trap stores to the frame.
   * @throws ArgumentError
   */
  isProtected(frame: number): boolean {
    return this.#table.isProtected(this.#frame(frame));
  }

  /** @throws ArgumentError */
  factsOf(frame: number): FrameFacts {
    const mfn = this.#frame(frame);
    const provenance = this.#table.provenanceOf(mfn);
    const name = this.#table.nameOf(mfn);
    return {
      provenance: PROVENANCE_NAMES[provenance]!,
      block: PROVENANCE_NAMES[provenance] === 'none' ? undefined : this.#table.blockOf(mfn),
      name: name && {
        device: this.#table.deviceOf(mfn),
        inode: name.ino,
        generation: name.generation,
        index: name.index,
      },
      isPreserved: this.#table.isPreserved(mfn),
      isProtected: this.#table.isProtected(mfn),
    };
  }

  /**
   * Asserts the invariants of all records (xen/frames/frame-table.ts): for tests.
   * @internal
   */
  checkInvariants(): void {
    for (let frame = 0; frame < this.frames; frame++) this.#table.checkRecord(Mfn(frame));
  }

  #publish(): void {
    this.#bytes.publish();
    this.#epoch = this.#bytes.epoch;
  }

  /**
   * Judges every frame by its record. All indices, and which frames are protected, are made anew of
   * what is kept.
   */
  #preserve(): Preserved {
    const table = this.#table;
    const counts = noRefusals();
    const list = new Uint32Array(WINDOW);
    let preserved = 0;
    for (let first = 0; first < this.frames; first += WINDOW) {
      const count = Math.min(WINDOW, this.frames - first);
      for (let i = 0; i < count; i++) list[i] = first + i;
      table.unlinkAll(list, 0, count);
      for (let frame = first; frame < first + count; frame++) {
        const reason = this.#keep(Mfn(frame));
        if (reason === Reason.ok) preserved++;
        else {
          this.#blank(Mfn(frame));
          if (reason !== Reason.absent) counts[nameOf(reason)]++;
        }
      }
      table.indexBlocks(new P2mList(list.subarray(0, count)), undefined);
    }
    return { preserved, refused: counts };
  }

  /** Keeps a frame that is in no index, or says why not: `absent` when it has no name. */
  #keep(mfn: Mfn): ReasonCode {
    const table = this.#table;
    if (!table.isIntact(mfn) || table.ownerOf(mfn) !== OWNER || table.pfnOf(mfn) !== (mfn as number))
      return Reason.corruptRecord;
    if (table.isDirty(mfn)) return Reason.corruptRecord;
    if (!table.isNamed(mfn)) return table.isPreserved(mfn) ? Reason.corruptRecord : Reason.absent;
    const reason = table.whyNotCarried(mfn);
    if (reason !== Reason.ok) return reason;
    table.setPreserved(mfn, true);
    return table.adopt(mfn, OWNER, pfnOf(mfn), table.deviceOf(mfn));
  }

  /** The frame has this device. */
  #own(mfn: Mfn, device: number): void {
    if (this.#table.deviceOf(mfn) !== device) this.#table.assign(mfn, OWNER, pfnOf(mfn), device);
  }

  #blank(mfn: Mfn): void {
    this.#table.assign(mfn, OWNER, pfnOf(mfn), 0);
  }

  #find({ device, inode, generation, index }: PageName): number {
    return this.#table.findPreserved(OWNER, device, inode, generation, index);
  }

  #transfer(end: (ok: boolean) => boolean): Transfer {
    return new Transfer((ok) => {
      this.#check();
      return end(ok);
    });
  }

  #frame(frame: number): Mfn {
    this.#check();
    checkInteger('frame', frame, 0, this.frames - 1);
    return Mfn(frame);
  }

  #check(): void {
    if (this.#bytes.epoch !== this.#epoch) throw new ArgumentError('table: another one was made over its bytes');
  }
}

const pfnOf = (mfn: Mfn): Pfn => Pfn(mfn);
const nameOf = (reason: ReasonCode): RefusalReason => REASON_NAMES[reason] as RefusalReason;
