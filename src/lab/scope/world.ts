/**
 * A machine of a few frames: the real frame table, cache map, guest memory, back-end calls, rebuild
 * and quick reload over real machine memory. The drive is an array of contents, and transfers in
 * flight are data.
 *
 * `load` puts a state back, `save` says what it is now. Between the two one action is performed by
 * the methods below, which are what the parts of a machine do to one another. They check nothing
 * that a caller may do: that is what actions.ts decides.
 *
 * Laws that do not hold are told by `broken`:
 *   - `takeover`: a page is taken over, and its bytes are those of the block where it lies now;
 *   - `blank`: a frame that another owner gets has no bytes of the one before;
 *   - `stray`: a transfer reaches no frame that has changed hands since it was submitted.
 */

import { assert } from '../../base/assert.ts';
import { Ino, Lba, type Mfn, PAGE_SIZE, PageIndex, Pfn, SECTORS_PER_PAGE } from '../../base/units.ts';
import { Simulation } from '../../sim/simulation.ts';
import { Hypervisor } from '../../xen/core/hypervisor.ts';
import { beginTransfer, endTransfer, type Transfer } from '../../xen/devices/transfer.ts';
import { RECORD_WORDS, S_PRESERVED, W_BLOCK, W_STATE } from '../../xen/frames/frame-record.ts';
import type { FrameTable } from '../../xen/frames/frame-table.ts';
import { NO_FRAME } from '../../xen/frames/p2m.ts';
import { Provenance } from '../../xen/frames/provenance.ts';
import { BlkifOp, Reason } from '../../xen/public/index.ts';
import { writeHandover } from '../../xen/records/handover.ts';
import { domainRecordChecksum, writeDomainRecord } from '../../xen/records/records.ts';
import { recoverFrames, type RecoverHost, retireFrames, scrubFrame } from '../../xen/toolstack/rebuild.ts';
import * as s from './state.ts';
import { ARCH, DEVICE, FIRST_INO, GUEST, OWNERS, StoredWorld } from './stored-world.ts';

// Constants of this file: see hot-paths 3.
const { NOBODY, FIRST, SECOND, NO_CONTENT } = s;
const { IO_BLOCK, IO_MOVED, IO_STRAY, IO_USED, IO_WRITE } = s;

export class World extends StoredWorld {
  // What a processor and a device do to memory.

  /** A processor stores, with the trap that its page table has for it. */
  store(n: number, owner: number): void {
    const content = this.freshContent();
    this.#cached(n);
    (owner === FIRST ? this.guestMemory : this.otherMemory).writeU32(Pfn(n), 0, content);
  }

  /** A store that asks no page table. */
  storeUnseen(n: number): void {
    const content = this.freshContent();
    this.#cached(n);
    this.memory.writeU32(this.mfn(n), 0, content);
  }

  /** Memory keeps the content from before, until the line is written back. */
  #cached(n: number): void {
    if (!this.protections.cpuCacheFlush && this.behind[n] === NO_CONTENT) this.behind[n] = this.contentOf(n);
  }

  // Transfers.

  transfer(n: number, slot: number): number {
    return this.io[2 * n + slot]!;
  }

  begin(n: number, block: number, isWrite: boolean): void {
    const slot = this.io[2 * n] === 0 ? 2 * n : 2 * n + 1;
    beginTransfer(
      this.table,
      DEVICE,
      isWrite ? BlkifOp.write : BlkifOp.read,
      this.mfn(n),
      block * SECTORS_PER_PAGE,
      PAGE_SIZE,
    );
    this.io[slot] = IO_USED | block | (isWrite ? IO_WRITE : 0);
  }

  /** The device moves the bytes. */
  move(n: number, slot: number): void {
    const io = this.io[2 * n + slot]!;
    this.io[2 * n + slot] = io | IO_MOVED;
    const block = io & IO_BLOCK;
    if ((io & IO_WRITE) !== 0) {
      this.disk[block] = this.contentOf(n);
      return;
    }
    if ((io & IO_STRAY) !== 0) this.#break('stray', `a read of block ${block} reaches a frame of another guest`);
    this.behind[n] = NO_CONTENT;
    this.memory.writeU32(this.mfn(n), 0, this.disk[block]!);
  }

  /** The device has ended it. */
  end(n: number, slot: number, ok: boolean): void {
    const io = this.io[2 * n + slot]!;
    const block = io & IO_BLOCK;
    this.io[2 * n + slot] = 0;
    const transfer: Transfer = { mfn: this.mfn(n), firstBlock: block, lastBlock: block, whole: true };
    endTransfer(this.table, DEVICE, (io & IO_WRITE) !== 0 ? BlkifOp.write : BlkifOp.read, transfer, ok);
  }

  // Hypercalls of the guest.

  name(n: number, id: number): void {
    const { pages } = this.scope;
    const file = Math.floor(id / pages);
    this.batch.reset();
    this.batch.insert(Pfn(n), Ino(FIRST_INO + file), this.#generationOf(file), PageIndex(id % pages));
    this.cacheMap.perform(this.batch);
  }

  #generationOf(file: number): number {
    return (this.scope.guest === 'kernel' ? this.kernelGenerations : this.generations)[file]!;
  }

  erase(n: number): void {
    this.batch.reset();
    this.batch.erase(Pfn(n));
    this.cacheMap.perform(this.batch);
  }

  /**
   * Claims a page for the block where it is said to lie.
   * @returns the frame, or -1 when it is refused
   */
  claim(id: number, block: number): number {
    const { pages } = this.scope;
    const file = Math.floor(id / pages);
    this.batch.reset();
    this.batch.claim(Ino(FIRST_INO + file), this.#generationOf(file), PageIndex(id % pages), Lba(block));
    this.cacheMap.perform(this.batch);
    if (this.batch.result(0) !== Reason.ok) return -1;
    const n = this.batch.pfn(0);
    const lies = (this.scope.guest === 'kernel' ? this.kernelMap : this.map)[id]! - 1;
    if (lies < 0 || this.contentOf(n) !== this.disk[lies])
      this.#break('takeover', `page ${id % pages} of file ${file} is taken over and is not block ${lies}`);
    return n;
  }

  // Frames that change hands.

  release(n: number): void {
    const mfn = this.mfn(n);
    this.table.free(mfn);
    this.#scrub(n);
    this.list(n, NOBODY, mfn);
    this.#strand(n);
  }

  take(n: number, owner: number): void {
    const mfn = this.mfn(n);
    this.list(n, owner, mfn);
    this.table.assign(mfn, OWNERS[owner]!, Pfn(n), DEVICE);
    this.#expectBlank(n);
  }

  #scrub(n: number): void {
    if (this.protections.scrub) this.#cached(n);
    scrubFrame(this.host, this.mfn(n));
  }

  #strand(n: number): void {
    for (let slot = 2 * n; slot <= 2 * n + 1; slot++) if (this.io[slot] !== 0) this.io[slot]! |= IO_STRAY;
  }

  #expectBlank(n: number): void {
    if (this.contentOf(n) !== 0) this.#break('blank', 'a frame is handed on with the bytes of its last owner');
  }

  // Reboots.

  get #distrust(): 0 | typeof Reason.diskChanged {
    return this.isChanged ? Reason.diskChanged : Reason.ok;
  }

  /** Judges the frames of the dead guest. @param isLeft for another hypervisor to count */
  retire(isLeft: boolean): void {
    for (let n = 0; n < this.p2m.length; n++)
      if (this.p2m.at(n) === NO_FRAME) {
        this.p2m.set(n, this.mfn(n));
        this.table.assign(this.mfn(n), OWNERS[FIRST], Pfn(n), DEVICE);
      }
    const identity = { domid: GUEST, device: DEVICE };
    const distrust = isLeft ? Reason.ok : this.#distrust;
    if (!isLeft) this.changed = false;
    for (let n = 0; n < this.p2m.length; n++) this.#cached(n);
    retireFrames(this.host, identity, this.p2m, true, isLeft ? undefined : this.refused, distrust);
    for (let n = 0; n < this.p2m.length; n++) this.#strand(n);
    this.phase = isLeft ? s.Phase.left : s.Phase.gap;
  }

  #describe(): void {
    writeDomainRecord(this.memory, this.plan, {
      domid: GUEST,
      device: DEVICE,
      store: { identity: 'disk', firstBlock: 0, sectorCount: this.disk.length * SECTORS_PER_PAGE, generation: 0 },
      nrPages: this.p2m.length,
      bootPages: 0,
      p2mMfn: this.p2mMfn,
      p2mCrc: this.p2m.crc,
      consumed: false,
      name: 'guest',
      recencyCrc: undefined,
      boots: 1,
    });
  }

  /** The next guest: its memory is found again in the bytes. */
  rebuild(host: RecoverHost = this.host): void {
    this.#describe();
    const identity = { domid: GUEST, device: DEVICE };
    const distrust = this.#distrust;
    this.changed = false;
    const found = recoverFrames(host, identity, this.region, true, this.refused, distrust, () => false);
    assert(found.p2m !== undefined, 'the small machine finds its memory again');
    for (let n = 0; n < this.p2m.length; n++) {
      this.uses[n] = 0;
      if ((this.recordWords[this.mfn(n) * RECORD_WORDS + W_STATE]! & S_PRESERVED) === 0) this.#expectBlank(n);
    }
    if (this.scope.guest === 'kernel') {
      this.kernelMap.set(this.map);
      this.kernelGenerations.set(this.generations);
    }
    this.rebootsLeft--;
    this.phase = s.Phase.running;
  }

  /**
   * The machine is reset and keeps its memory; the next hypervisor comes up from the bytes, and
   * boots the guest that was left.
   * @param lost bits of the frames whose lines were in the CPU cache alone, and are lost
   */
  reload(lost: number): void {
    this.#describe();
    const recordChecksum = domainRecordChecksum(this.memory, this.plan, GUEST);
    writeHandover(this.memory, this.plan, [{ domid: GUEST, suspended: false, recordChecksum }]);
    for (let n = 0; n < this.layout.frames; n++) {
      const behind = this.behind[n]!;
      if (((lost >>> n) & 1) !== 0 && behind !== NO_CONTENT) this.memory.writeU32(this.mfn(n), 0, behind);
      this.behind[n] = NO_CONTENT;
    }
    const { hypervisor, problem } = Hypervisor.reload(new Simulation(1), this.memory, this.host.costs, {
      arch: ARCH,
      protections: this.protections,
    });
    assert(problem === undefined && hypervisor.left.length === 1, 'the next hypervisor finds the guest that was left');
    const { memory, map, p2mLists, recency, frames, costs, protections, allocator } = hypervisor;
    this.running = frames;
    this.rebuild({ memory, map, p2mLists, recency, frames, costs, protections, allocator });
    for (let n = this.p2m.length; n < this.layout.frames; n++) {
      frames.assign(this.mfn(n), OWNERS[SECOND], Pfn(n), DEVICE);
      this.#expectBlank(n);
    }
  }

  /** Changes the block of a record, and not its check word. */
  damage(n: number, block: number): void {
    this.recordWords[this.mfn(n) * RECORD_WORDS + W_BLOCK] = block;
  }

  /** A read is taken up, and the processor stops after so many stores of the record. */
  cut(n: number, block: number, stores: number): void {
    this.table.takeUpInPart(this.mfn(n), block, stores);
    // What the table derives from the records does not know of it.
    const state = new Uint8Array(this.layout.size);
    this.save(state);
    this.load(state);
  }

  /** Another machine writes to a block. */
  writeElsewhere(block: number): void {
    this.disk[block] = this.freshContent();
    this.changed = true;
  }

  // What must hold in every state of the house.

  /**
   * The invariants of all frame records, and that a frame that is called clean equals its block.
   * @returns what does not hold, or undefined
   */
  flaw(): { readonly law: string; readonly what: string } | undefined {
    // While the guest is gone, preserved frames are not in the index yet.
    if (this.phase === s.Phase.gap || this.phase === s.Phase.left) return undefined;
    const { events, faults } = this.scope;
    const hasDamage = this.faultsLeft < faults && (events.includes('early-damage') || events.includes('cut'));
    for (let n = 0; n < this.layout.frames; n++) {
      const mfn = this.mfn(n);
      // Of a damaged record nothing is believed.
      if (hasDamage && !this.running.isWhole(mfn)) continue;
      const problem = flawOf(this.running, mfn);
      if (problem !== undefined) return { law: 'invariant', what: problem };
      // What the other writer believes of a disk that was changed from elsewhere is its own affair.
      const isClean = n < this.p2m.length && this.running.provenanceOf(mfn) === Provenance.clean;
      if (isClean && !this.changed && this.contentOf(n) !== this.disk[this.running.blockOf(mfn)])
        return { law: 'vouched', what: `a frame is called clean and is not block ${this.running.blockOf(mfn)}` };
    }
    return undefined;
  }

  #break(law: string, what: string): void {
    this.broken = { law, what };
  }
}

function flawOf(table: FrameTable, mfn: Mfn): string | undefined {
  try {
    table.checkRecord(mfn);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
