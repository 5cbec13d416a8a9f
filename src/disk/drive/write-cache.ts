/**
 * A drive's volatile write cache: sectors whose write has completed and which are not on the medium
 * yet.
 *
 * Kept in slots of 4 KiB (a granule: eight sectors that begin at a multiple of eight). Each has a
 * mask of the sectors that hold data. Contract: a cached sector is newer than the medium's. `store`
 * replaces what it finds. A sector leaves by `destage` (to the medium), `forget` (the medium is
 * newer) or `lose` (a loss of power).
 *
 * Invariant: a granule has a slot if and only if its mask is not zero.
 */

import { assert } from '../../base/assert.ts';
import { PAGE_SIZE, SECTOR_SIZE, SECTORS_PER_PAGE, type Mfn, type Ns } from '../../base/units.ts';
import type { MachineMemory } from '../../machine/memory.ts';
import type { RandomStream } from '../../sim/random.ts';
import type { Writer } from '../image/backing-store.ts';
import type { ImageStore } from '../image/image-store.ts';

/**
 * Whether a sector has reached the medium when power is lost. It is asked of each sector that may
 * be lost, in their order: of the cache's granules, and then of the writes in service.
 * @param block the block of 4 KiB that the sector is in
 * @param isInService whether a write in service has it; otherwise the cache has
 */
export type Survival = (block: number, isInService: boolean) => boolean;

/** Each sector has survived with probability `survival`, 0 to 1, independently of the others. */
export const byChance =
  (random: RandomStream, survival: number): Survival =>
  () =>
    random.fraction() < survival;

const granuleOf = (sector: number): number => Math.floor(sector / SECTORS_PER_PAGE);

export class WriteCache {
  readonly #capacity: number;
  readonly #slotOf = new Map<number, number>();
  readonly #free: number[] = [];
  readonly #masks: Uint8Array;
  readonly #bytes: Uint8Array;
  /** When each slot was last stored to. */
  readonly #stamps: Float64Array;

  /** @param bytes capacity, rounded down to granules of 4096; with 0 the cache holds nothing */
  constructor(bytes: number) {
    this.#capacity = Math.floor(bytes / PAGE_SIZE);
    this.#masks = new Uint8Array(this.#capacity);
    this.#bytes = new Uint8Array(this.#capacity * PAGE_SIZE);
    this.#stamps = new Float64Array(this.#capacity);
    for (let slot = this.#capacity - 1; slot >= 0; slot--) this.#free.push(slot);
  }

  /** Another cache that holds the same. */
  clone(): WriteCache {
    const copy = new WriteCache(this.#capacity * PAGE_SIZE);
    copy.#free.length = 0;
    copy.#free.push(...this.#free);
    copy.#masks.set(this.#masks);
    copy.#stamps.set(this.#stamps);
    for (const [granule, slot] of this.#slotOf) {
      copy.#slotOf.set(granule, slot);
      copy.#bytes.set(this.#bytes.subarray(slot * PAGE_SIZE, (slot + 1) * PAGE_SIZE), slot * PAGE_SIZE);
    }
    return copy;
  }

  get isEmpty(): boolean {
    return this.#slotOf.size === 0;
  }

  /** Granules that a write of these sectors touches. */
  granulesOf(sector: number, sectors: number): number {
    return granuleOf(sector + sectors - 1) - granuleOf(sector) + 1;
  }

  /** Whether a write of these sectors would fit into the empty cache. */
  canHold(sector: number, sectors: number): boolean {
    return this.granulesOf(sector, sectors) <= this.#capacity;
  }

  /**
   * Whether a write of these sectors fits now, beside `reserved` granules promised to other writes.
   */
  hasRoomFor(sector: number, sectors: number, reserved: number): boolean {
    const first = granuleOf(sector);
    let wanted = this.granulesOf(sector, sectors) + reserved;
    if (wanted <= this.#free.length) return true;
    for (let granule = first; granule <= granuleOf(sector + sectors - 1); granule++)
      if (this.#slotOf.has(granule)) wanted--;
    return wanted <= this.#free.length;
  }

  /** Whether all of these sectors are cached. */
  holds(sector: number, sectors: number): boolean {
    const end = sector + sectors;
    for (let granule = granuleOf(sector); granule * SECTORS_PER_PAGE < end; granule++) {
      const slot = this.#slotOf.get(granule);
      const base = granule * SECTORS_PER_PAGE;
      const first = Math.max(sector, base) - base;
      const mask = maskOf(first, Math.min(end, base + SECTORS_PER_PAGE) - base - first);
      if (slot === undefined || (this.#masks[slot]! & mask) !== mask) return false;
    }
    return true;
  }

  has(granule: number): boolean {
    return this.#slotOf.has(granule);
  }

  /** When a cached granule was last stored to. */
  storedAt(granule: number): number {
    return this.#stamps[this.#slotOf.get(granule)!]!;
  }

  /** The cached granules, ascending. */
  granules(): number[] {
    return [...this.#slotOf.keys()].sort((a, b) => a - b);
  }

  /**
   * Takes `length` bytes of a frame as the contents of the device from `sector` on. There must be
   * room.
   */
  store(sector: number, memory: MachineMemory, mfn: Mfn, offset: number, length: number, now: Ns): void {
    for (let done = 0; done < length; ) {
      const at = sector + done / SECTOR_SIZE;
      const granule = granuleOf(at);
      const first = at - granule * SECTORS_PER_PAGE;
      const sectors = Math.min((length - done) / SECTOR_SIZE, SECTORS_PER_PAGE - first);
      const slot = this.#slotFor(granule);
      this.#masks[slot]! |= maskOf(first, sectors);
      this.#stamps[slot] = now;
      const place = slot * PAGE_SIZE + first * SECTOR_SIZE;
      memory.copyOut(mfn, offset + done, this.#bytes, place, sectors * SECTOR_SIZE);
      done += sectors * SECTOR_SIZE;
    }
  }

  /**
   * Replaces the sectors that the cache has newer, in `length` bytes read from the medium at
   * `sector`.
   */
  overlay(sector: number, dst: Uint8Array, dstOffset: number, length: number): void {
    const end = sector + length / SECTOR_SIZE;
    for (let granule = granuleOf(sector); granule * SECTORS_PER_PAGE < end; granule++) {
      const slot = this.#slotOf.get(granule);
      if (slot === undefined) continue;
      const base = granule * SECTORS_PER_PAGE;
      for (let at = Math.max(sector, base); at < Math.min(end, base + SECTORS_PER_PAGE); at++) {
        if ((this.#masks[slot]! & (1 << (at - base))) === 0) continue;
        const place = slot * PAGE_SIZE + (at - base) * SECTOR_SIZE;
        dst.set(this.#bytes.subarray(place, place + SECTOR_SIZE), dstOffset + (at - sector) * SECTOR_SIZE);
      }
    }
  }

  /** Drops sectors that are newer on the medium. */
  forget(sector: number, sectors: number): void {
    const end = sector + sectors;
    for (let granule = granuleOf(sector); granule * SECTORS_PER_PAGE < end; granule++) {
      const slot = this.#slotOf.get(granule);
      if (slot === undefined) continue;
      const base = granule * SECTORS_PER_PAGE;
      const first = Math.max(sector, base) - base;
      const last = Math.min(end, base + SECTORS_PER_PAGE) - base;
      this.#masks[slot]! &= ~maskOf(first, last - first);
      if (this.#masks[slot] === 0) this.#release(granule, slot);
    }
  }

  /**
   * Writes a granule's sectors to the medium, unless it has left the cache meanwhile.
   * @param by the writer whose account counts it
   */
  destage(granule: number, image: ImageStore, by?: Writer): void {
    const slot = this.#slotOf.get(granule);
    if (slot === undefined) return;
    this.#write(granule, slot, this.#masks[slot]!, image, by);
    this.#release(granule, slot);
  }

  /** Loses everything, as without power. What has survived is on the medium. */
  lose(survives: Survival, image: ImageStore): void {
    this.survive(survives, image);
    for (const granule of this.granules()) this.#release(granule, this.#slotOf.get(granule)!);
  }

  /** Writes to an image what would survive a loss of power. The cache stays as it is. */
  survive(survives: Survival, image: ImageStore): void {
    for (const granule of this.granules()) {
      const slot = this.#slotOf.get(granule)!;
      let survivors = 0;
      for (let at = 0; at < SECTORS_PER_PAGE; at++) if (survives(granule, false)) survivors |= 1 << at;
      this.#write(granule, slot, this.#masks[slot]! & survivors, image);
    }
  }

  /** Writes the runs of sectors that `mask` names. */
  #write(granule: number, slot: number, mask: number, image: ImageStore, by?: Writer): void {
    const place = slot * PAGE_SIZE;
    for (let at = 0; at < SECTORS_PER_PAGE; ) {
      let end = at;
      while (end < SECTORS_PER_PAGE && (mask & (1 << end)) !== 0) end++;
      if (end > at) {
        const offset = granule * PAGE_SIZE + at * SECTOR_SIZE;
        image.write(offset, this.#bytes, place + at * SECTOR_SIZE, (end - at) * SECTOR_SIZE, by);
      }
      at = end + 1;
    }
  }

  #slotFor(granule: number): number {
    const found = this.#slotOf.get(granule);
    if (found !== undefined) return found;
    const slot = this.#free.pop();
    assert(slot !== undefined, 'the write cache is full');
    this.#slotOf.set(granule, slot);
    return slot;
  }

  #release(granule: number, slot: number): void {
    this.#masks[slot] = 0;
    this.#slotOf.delete(granule);
    this.#free.push(slot);
  }
}

/** Mask of `sectors` sectors from `first` of a granule. */
function maskOf(first: number, sectors: number): number {
  return ((1 << sectors) - 1) << first;
}
