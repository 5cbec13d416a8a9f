/**
 * The block devices that a hypervisor works with: their numbers, which frame records use, and the
 * stores that they lie on (disk/image/backing-store.ts).
 *
 * A number is bound to a part of a store, not to an object. Two objects that show the same part of
 * one drive have one number. It is given back when its last user lets it go. From then on no frame
 * is vouched for under it. Another hypervisor may have left frames under a number. Then the number
 * is reserved until they are taken up or given up.
 *
 * Numbers are not compared where two devices may show the same sectors. `placeOf` says where a
 * block of a device really lies, and frames are indexed by that. So a write through one view takes
 * the provenance of frames that were read through another.
 *
 * What the hypervisor wrote itself passes through the frame table, which takes the provenance of
 * what it overwrites. It keeps account of these writes (`by` of a request). Any other write that a
 * store's media count came from elsewhere. A `BoundDevice` says whether there was such a change
 * since its user last accepted the state of the disk.
 *
 * Invariant: a medium is known if and only if a bound device lies on it; of no other there is an
 * account.
 */

import { assert } from '../../base/assert.ts';
import { SECTORS_PER_PAGE } from '../../base/units.ts';
import {
  type BackingStore,
  type Extent,
  extentsOf,
  generationOf,
  type Medium,
  WriteAccount,
} from '../../disk/image/backing-store.ts';
import type { BlockDevice, BlockRequest } from '../../disk/drive/block-device.ts';
import type { Protections } from '../protections.ts';
import { Reason, type ReasonCode } from '../public/reason.ts';

/** Numbers that a frame record has room for. */
export const DEVICE_NUMBERS = 256;
const BLOCKS = 0x1_0000_0000;
/**
 * Media are numbered from 0; places that lie on none are those of a device of which nothing is
 * known.
 */
const UNKNOWN_MEDIA = 1 << 20;

/** What is written down of the disk of a domain. */
export interface StoreRecord {
  /** Identity of the store. */
  readonly identity: string;
  /** First block of the disk in it, in blocks of 4 KiB. */
  readonly firstBlock: number;
  /** Size of the disk in 512-byte sectors. */
  readonly sectorCount: number;
  /** How many changes the disk had had when it was written down. */
  readonly generation: number;
}

/** What a store has to say of itself now. */
export function storeRecordOf({ store, sectorCount }: BlockDevice): StoreRecord {
  const { identity, firstBlock } = store;
  return { identity, firstBlock, sectorCount, generation: generationOf(store) };
}

interface Numbered {
  readonly store: BackingStore;
  readonly sectorCount: number;
  users: number;
}

/** A medium on which devices lie. */
interface KnownMedium {
  /** For `placeOf`. */
  readonly number: number;
  users: number;
}

export class DeviceTable {
  /** What this hypervisor wrote itself, to media on which a bound device lies. */
  readonly own = new WriteAccount();
  readonly #protections: Protections;
  readonly #numbers: (Numbered | undefined)[] = [];
  /** Domains that were left under a number. */
  readonly #reserved = new Map<number, number>();
  readonly #media = new Map<Medium, KnownMedium>();
  /** Place of block 0 of a device; of one that lies in several pieces, NaN. */
  readonly #base = Float64Array.from({ length: DEVICE_NUMBERS }, (_, number) => unknownPlace(number));

  /** @param reserved the numbers of domains that another hypervisor left */
  constructor(protections: Protections, reserved: readonly number[]) {
    this.#protections = protections;
    for (const number of reserved) this.#reserved.set(number, (this.#reserved.get(number) ?? 0) + 1);
  }

  /** Devices that are bound, and media that are known: for tests. */
  get counts(): { readonly bound: number; readonly media: number; readonly reserved: number } {
    const bound = this.#numbers.filter((numbered) => numbered !== undefined).length;
    return { bound, media: this.#media.size, reserved: this.#reserved.size };
  }

  /**
   * Where a block of a device lies: equal for two blocks exactly if they are one. Its low 32 bits
   * are a block of a medium.
   */
  placeOf(number: number, block: number): number {
    const base = this.#base[number]!;
    return base === base ? base + block : this.#placeInPieces(number, block);
  }

  #placeInPieces(number: number, block: number): number {
    const [extent] = extentsOf(this.#numbers[number]!.store.extents, block, 1);
    return extent === undefined ? unknownPlace(number) + block : this.#placeOn(extent);
  }

  #placeOn({ medium, first }: Extent): number {
    return this.#media.get(medium)!.number * BLOCKS + first;
  }

  /**
   * Binds a device to a number.
   * @param wanted the number that records have of it; by default that of the same part of the
   * store, or a free one
   * @returns undefined when the number wanted is another device's, or when all are in use
   */
  bind(device: BlockDevice, wanted = this.#numberFor(device)): BoundDevice | undefined {
    const { store, sectorCount } = device;
    assert(sectorCount / SECTORS_PER_PAGE <= BLOCKS, 'block numbers have 32 bits');
    if (wanted >= DEVICE_NUMBERS) return undefined;
    const numbered = this.#numbers[wanted];
    if (numbered === undefined) {
      this.#numbers[wanted] = { store, sectorCount, users: 1 };
      for (const { medium } of store.extents) this.#enterMedium(medium);
      const { extents } = store;
      this.#base[wanted] = extents.length === 1 ? this.#placeOn(extents[0]!) : NaN;
    } else if (isSamePart(numbered, device)) numbered.users++;
    else return undefined;
    return new BoundDevice(this.own, wanted, device, this.#protections.deviceIdentity);
  }

  #numberFor(device: BlockDevice): number {
    const same = this.#numbers.findIndex((numbered) => numbered !== undefined && isSamePart(numbered, device));
    if (same >= 0) return same;
    let number = 0;
    while (this.#numbers[number] !== undefined || this.#reserved.has(number)) number++;
    return number;
  }

  /**
   * Lets a number go. Returns whether it has no user any more: then no frame may be vouched for
   * under it.
   */
  release({ number }: BoundDevice): boolean {
    const numbered = this.#numbers[number];
    assert(numbered !== undefined, 'a device is let go as often as it was bound');
    if (--numbered.users > 0) return false;
    this.#numbers[number] = undefined;
    this.#base[number] = unknownPlace(number);
    for (const { medium } of numbered.store.extents) this.#leaveMedium(medium);
    return true;
  }

  /** A domain that was left under a number was taken up, or given up. */
  unreserve(number: number): void {
    const count = this.#reserved.get(number)!;
    if (count > 1) this.#reserved.set(number, count - 1);
    else this.#reserved.delete(number);
  }

  /**
   * Whether a device is the one that was written down, and has not been written to since; else why
   * not.
   * @param own writes since then that do not count
   */
  verify(record: StoreRecord, device: BlockDevice, own = 0): ReasonCode {
    if (!this.#protections.deviceIdentity) return Reason.ok;
    const now = storeRecordOf(device);
    const isSame = (['identity', 'firstBlock', 'sectorCount'] as const).every((name) => record[name] === now[name]);
    if (!isSame) return Reason.otherDisk;
    return record.generation === now.generation - own ? Reason.ok : Reason.diskChanged;
  }

  /**
   * The same of what was written down before this hypervisor was there: it knows which blocks it
   * has written itself.
   */
  verifyLeft(record: StoreRecord, device: BlockDevice): ReasonCode {
    return this.verify(record, device, this.own.in(device.store.extents));
  }

  /**
   * Whether this hypervisor has written to a block of a device; undefined when it has written to
   * none.
   */
  ownWrites(number: number): ((block: number) => boolean) | undefined {
    const { extents } = this.#numbers[number]!.store;
    if (this.own.in(extents) === 0) return undefined;
    return (block) => this.own.in(extentsOf(extents, block, 1)) > 0;
  }

  #enterMedium(medium: Medium): void {
    const known = this.#media.get(medium);
    if (known !== undefined) {
      known.users++;
      return;
    }
    const taken = new Set([...this.#media.values()].map(({ number }) => number));
    let number = 0;
    while (taken.has(number)) number++;
    this.#media.set(medium, { number, users: 1 });
  }

  #leaveMedium(medium: Medium): void {
    const known = this.#media.get(medium)!;
    if (--known.users > 0) return;
    this.#media.delete(medium);
    this.own.forget(medium);
  }
}

/** A device that is in use. The user that bound it lets it go once. */
export class BoundDevice {
  readonly number: number;
  readonly device: BlockDevice;
  readonly #own: WriteAccount;
  readonly #isChecked: boolean;
  /** Others' changes of its blocks when its user last accepted the state of the disk. */
  #accepted: number;
  /** Others' changes of its media, wherever, when it was last looked. */
  #seen: number;
  #isChanged = false;
  /** Others' changes of its blocks when its guest stood still; undefined: it has not. */
  #standing: number | undefined;

  /** @internal Made by `DeviceTable.bind`. */
  constructor(own: WriteAccount, number: number, device: BlockDevice, isChecked: boolean) {
    this.number = number;
    this.device = device;
    this.#own = own;
    this.#isChecked = isChecked;
    this.#accepted = this.#others();
    this.#seen = this.#othersOnMedia();
  }

  /**
   * Whether the device was written to from elsewhere than this hypervisor since its state was
   * accepted.
   */
  get isChanged(): boolean {
    if (!this.#isChecked) return false;
    const seen = this.#othersOnMedia();
    if (seen !== this.#seen) {
      this.#seen = seen;
      this.#isChanged = this.#others() !== this.#accepted;
    }
    return this.#isChanged;
  }

  /**
   * Nothing that was known of its blocks before is believed any more, so what others changed does
   * not matter.
   */
  accept(): void {
    this.#accepted = this.#others();
    this.#seen = this.#othersOnMedia();
    this.#isChanged = false;
    this.#standing = undefined;
  }

  /** Its guest stands still from now on. */
  stand(): void {
    this.#standing = this.#others();
  }

  /** Whether the device was written to from elsewhere since its guest stood still. */
  get isChangedWhileStanding(): boolean {
    return this.#isChecked && this.#standing !== undefined && this.#others() !== this.#standing;
  }

  /**
   * What the disk is now, less what others have written to it while its guest stood still: so that
   * it differs from the disk.
   */
  get record(): StoreRecord {
    const record = storeRecordOf(this.device);
    const others = this.#standing === undefined ? 0 : this.#others() - this.#standing;
    return { ...record, generation: record.generation - others };
  }

  submit(request: BlockRequest): void {
    this.device.submit({ ...request, by: this.#own });
  }

  #others(): number {
    const { store } = this.device;
    return generationOf(store) - this.#own.in(store.extents);
  }

  #othersOnMedia(): number {
    const { extents, destaged } = this.device.store;
    let changes = 0;
    for (const { medium } of extents) changes += medium.total - this.#own.on(medium) - (destaged?.on(medium) ?? 0);
    return changes;
  }
}

const unknownPlace = (number: number): number => (UNKNOWN_MEDIA + number) * BLOCKS;

function isSamePart(
  a: Pick<BlockDevice, 'store' | 'sectorCount'>,
  b: Pick<BlockDevice, 'store' | 'sectorCount'>,
): boolean {
  const { identity, firstBlock, extents, destaged } = a.store;
  return (
    // Through another drive other bytes are read: what the first has in its cache is not there.
    destaged === b.store.destaged &&
    a.sectorCount === b.sectorCount &&
    identity === b.store.identity &&
    firstBlock === b.store.firstBlock &&
    extents.length === b.store.extents.length &&
    extents.every((one, i) => {
      const other = b.store.extents[i]!;
      return one.medium === other.medium && one.first === other.first && one.blocks === other.blocks;
    })
  );
}
