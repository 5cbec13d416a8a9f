/**
 * Recovery boxes: for each domain a small area of the hypervisor's memory. A program of its guest
 * keeps items there that the next guest finds again. The area is in no guest's address space, so no
 * wild store of a dying kernel reaches it.
 *
 * ```
 * two frames, of which the one with the higher generation counts
 * +--------+------+------+-----+-------+
 * | header | item | item | …   | zeros |      item: header | bytes, padded to 8
 * +--------+------+------+-----+-------+
 * ```
 *
 * Items are appended. The store of an item's state, last, publishes it; then the item that it
 * replaces is marked as gone. When a frame is full, what is alive is written to the other one,
 * whose header is stored last. So after a crash at any store, each item is there as it was or as it
 * became. Of two that live under one key the later counts. Every item has a CRC-32C. One that does
 * not match is damaged, counted and gone. A frame whose header does not verify is not used.
 *
 * A box belongs to a domain, over all its restarts and over quick reboots of the hypervisor. Its
 * save file and its migration carry the frame that counts, as it is. A new domain has an empty one.
 *
 * Modelled after Baker and Sullivan, "The Recovery Box" (USENIX Summer 1992): typed items inserted,
 * updated, deleted and read back after a crash. Differs in that keys are the program's, without
 * types. Also, the area is the hypervisor's, where theirs is guarded by its place in the address
 * space.
 */

import { assert } from '../../base/assert.ts';
import { isZero } from '../../base/bytes.ts';
import { crc32c } from '../../base/crc32c.ts';
import { getField, putField } from '../../base/layout.ts';
import { type DomId, Mfn, PAGE_SIZE } from '../../base/units.ts';
import type { MachineMemory } from '../../machine/memory.ts';
import { BOX_FRAMES_EACH, BOX_HEADER, BOX_ITEM, BOX_MAGIC, BOX_VERSION, type MemoryMap } from './layouts.ts';
import type { RecoveryBoxOp } from '../public/environment.ts';
import { flaw, seal } from './records.ts';

const LIVE = 1;
const GONE = 2;

const firstFrame = (map: MemoryMap, domid: DomId): Mfn => Mfn(map.boxMfn + BOX_FRAMES_EACH * domid);

/** Empties the box of a domain that is gone, or is not there yet. */
export function eraseRecoveryBox(memory: MachineMemory, map: MemoryMap, domid: DomId): void {
  for (let i = 0; i < BOX_FRAMES_EACH; i++) memory.zero(Mfn(firstFrame(map, domid) + i));
}

interface Item {
  readonly key: number;
  readonly at: number;
  /** A view of the frame. */
  readonly bytes: Uint8Array;
}

/** What is found in a half. */
interface Contents {
  /** Living items by key, those that verify. */
  readonly items: ReadonlyMap<number, Item>;
  /** Living items that do not. */
  readonly damaged: number;
  /** Where the next item goes. */
  readonly end: number;
}

export class RecoveryBox implements RecoveryBoxOp {
  readonly #memory: MachineMemory;
  readonly #first: Mfn;

  constructor(memory: MachineMemory, map: MemoryMap, domid: DomId) {
    this.#memory = memory;
    this.#first = firstFrame(map, domid);
  }

  /** The frame that counts, for code that takes the domain elsewhere; zeros: the box is empty. */
  toPage(): Uint8Array {
    const half = this.#current();
    return half < 0 ? new Uint8Array(PAGE_SIZE) : this.#memory.frame(this.#frame(half)).slice();
  }

  /**
   * Takes over, into an empty box, what `toPage` gave. What does not verify there does not here.
   */
  takePage(page: Uint8Array): void {
    assert(this.#current() < 0, 'a domain comes to an empty box');
    this.#memory.copyIn(this.#frame(0), 0, page, 0, PAGE_SIZE);
  }

  get damaged(): number {
    return this.#contents(this.#current()).damaged;
  }

  keys(): number[] {
    return [...this.#contents(this.#current()).items.keys()];
  }

  get(key: number): Uint8Array | undefined {
    return this.#contents(this.#current()).items.get(key)?.bytes.slice();
  }

  put(key: number, bytes: Uint8Array): boolean {
    if (!(Number.isInteger(key) && key >= 0 && key <= 0xffff_ffff) || !fits(BOX_HEADER.size, bytes.length))
      return false;
    const half = this.#current();
    const { items, end } = this.#contents(half);
    if (half >= 0 && fits(end, bytes.length)) {
      this.#append(half, end, key, bytes);
      const old = items.get(key);
      if (old !== undefined) this.#store(half, old.at, GONE);
      return true;
    }
    const kept = [...items.values()].filter((item) => item.key !== key);
    const other = half === 0 ? 1 : 0;
    const used = kept.reduce((sum, item) => sum + sizeOf(item.bytes.length), BOX_HEADER.size);
    if (!fits(used, bytes.length)) return false;
    this.#begin(other, half < 0 ? 0 : this.#generation(half), [...kept, { key, at: 0, bytes }]);
    return true;
  }

  remove(key: number): boolean {
    const half = this.#current();
    const item = this.#contents(half).items.get(key);
    if (item !== undefined) this.#store(half, item.at, GONE);
    return item !== undefined;
  }

  /** The half that counts, or -1: there is none. */
  #current(): number {
    const generations = [0, 1].map((half) => this.#generation(half));
    if (generations[0]! < 0 && generations[1]! < 0) return -1;
    return generations[1]! > generations[0]! ? 1 : 0;
  }

  /** -1 for a half that does not verify. */
  #generation(half: number): number {
    const bytes = new Uint8Array(BOX_HEADER.size);
    this.#memory.copyOut(this.#frame(half), 0, bytes, 0, bytes.length);
    const problem = flaw(BOX_HEADER, bytes, BOX_MAGIC, BOX_VERSION);
    return problem === undefined ? getField(BOX_HEADER, bytes, 0, 'generation') : -1;
  }

  /**
   * What is in a half; nothing in no half. Behind an item whose length cannot be nothing is found.
   * One that was not published yet when the hypervisor crashed has no owner.
   */
  #contents(half: number): Contents {
    const items = new Map<number, Item>();
    let damaged = 0;
    let at = BOX_HEADER.size;
    if (half < 0) return { items, damaged, end: at };
    const bytes = this.#memory.frame(this.#frame(half));
    const { size, offset } = BOX_ITEM;
    const word = (place: number): number => this.#memory.readU32(this.#frame(half), at + place);
    while (at + size <= PAGE_SIZE) {
      const state = word(offset.state);
      const length = word(offset.length);
      if (state === 0 && isZero(bytes, at, at + size)) break;
      if (!fits(at, length)) return { items, damaged: damaged + 1, end: PAGE_SIZE };
      if (state === LIVE) {
        const key = word(offset.key);
        if (word(offset.checksum) === checksum(bytes, at, length))
          items.set(key, { key, at, bytes: bytes.subarray(at + size, at + size + length) });
        else damaged++;
      }
      at += sizeOf(length);
    }
    return { items, damaged, end: at };
  }

  /** Writes a half anew, its header last. */
  #begin(half: number, generation: number, items: readonly Item[]): void {
    this.#memory.zero(this.#frame(half));
    let end = BOX_HEADER.size;
    for (const { key, bytes } of items) end = this.#append(half, end, key, bytes);
    const header = new Uint8Array(BOX_HEADER.size);
    putField(BOX_HEADER, header, 0, 'generation', generation + 1);
    seal(BOX_HEADER, header, BOX_MAGIC, BOX_VERSION);
    this.#memory.copyIn(this.#frame(half), 0, header, 0, header.length);
  }

  /** Returns where the next item goes. */
  #append(half: number, at: number, key: number, bytes: Uint8Array): number {
    const { size, offset } = BOX_ITEM;
    const item = new Uint8Array(size + bytes.length);
    putField(BOX_ITEM, item, 0, 'key', key);
    putField(BOX_ITEM, item, 0, 'length', bytes.length);
    item.set(bytes, size);
    putField(BOX_ITEM, item, 0, 'checksum', checksum(item, 0, bytes.length));
    assert(offset.state === 0, 'the state is the first word');
    this.#memory.copyIn(this.#frame(half), at + 4, item.subarray(4), 0, item.length - 4);
    this.#store(half, at, LIVE);
    return at + sizeOf(bytes.length);
  }

  #store(half: number, at: number, state: number): void {
    this.#memory.writeU32(this.#frame(half), at, state);
  }

  #frame(half: number): Mfn {
    return Mfn(this.#first + half);
  }
}

const sizeOf = (length: number): number => BOX_ITEM.size + 8 * Math.ceil(length / 8);
const fits = (at: number, length: number): boolean => at + sizeOf(length) <= PAGE_SIZE;

/** Of the item at `at`, whose key and length are there: of both and of what follows its header. */
function checksum(bytes: Uint8Array, at: number, length: number): number {
  const { size, offset } = BOX_ITEM;
  return crc32c(bytes, at + size, length, crc32c(bytes, at + offset.key, 8));
}
