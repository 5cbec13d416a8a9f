/**
 * A partition: a run of sectors of a block device, as a block device of its own. Domains that have
 * a partition each of one drive share its arm, its queue and its write cache.
 *
 * A request that leaves the partition ends with EIO and does not reach the device. A flush empties
 * the whole drive's cache, as on a real disk.
 */

import { checkArgument, checkInteger } from '../../base/argument-error.ts';
import { SECTOR_SIZE, SECTORS_PER_PAGE } from '../../base/units.ts';
import { type BackingStore, partOfStore } from '../image/backing-store.ts';
import { checkBlockDevice, checkRequest, type BlockDevice, type BlockRequest } from './block-device.ts';

/** A run of sectors of a block device, as a block device of its own. */
export class Partition implements BlockDevice {
  /** Size in 512-byte sectors. */
  readonly sectorCount: number;
  /** The store of its sectors. */
  readonly store: BackingStore;
  readonly #device: BlockDevice;
  readonly #first: number;

  /**
   * Sectors `first` … `first` + `sectorCount` - 1 of `device`, beginning with a whole 4 KiB block.
   * @throws ArgumentError when they do not lie on the device
   */
  constructor(device: BlockDevice, first: number, sectorCount: number) {
    checkBlockDevice('device', device);
    checkInteger('first', first, 0, device.sectorCount - 1);
    checkArgument(first % SECTORS_PER_PAGE === 0, 'first', `${first} is not the first sector of a 4 KiB block`);
    checkInteger('sectorCount', sectorCount, 1, device.sectorCount - first);
    this.#device = device;
    this.#first = first;
    this.sectorCount = sectorCount;
    this.store = partOfStore(device.store, first / SECTORS_PER_PAGE, sectorCount);
  }

  submit(request: BlockRequest): void {
    checkRequest(request);
    // A range beyond the partition becomes one beyond the device, so the device refuses it.
    const sector = this.#contains(request) ? this.#first + request.sector : this.#device.sectorCount;
    this.#device.submit({ ...request, sector });
  }

  #contains({ op, sector, segments }: BlockRequest): boolean {
    const sectors = segments.reduce((sum, { length }) => sum + length / SECTOR_SIZE, 0);
    return op === 'flush' || (sector >= 0 && sector + sectors <= this.sectorCount);
  }
}
