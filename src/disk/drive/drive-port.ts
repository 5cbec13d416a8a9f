/** A port of a drive: the drive as another machine sees it, with that machine's memory. */

import type { MachineMemory } from '../../machine/memory.ts';
import type { RandomStream } from '../../sim/index.ts';
import type { BackingStore } from '../image/backing-store.ts';
import type { BlockDevice, BlockRequest } from './block-device.ts';

/** The part of a drive that a port needs. */
interface SharedDrive {
  readonly sectorCount: number;
  readonly store: BackingStore;
  submit(request: BlockRequest, memory: MachineMemory): void;
  reset(random: RandomStream | undefined, memory: MachineMemory): void;
}

/** A drive as another machine sees it. Made by `Drive.port`. */
export class DrivePort implements BlockDevice {
  /** Size in 512-byte sectors. */
  readonly sectorCount: number;
  /** The store of its sectors. */
  readonly store: BackingStore;
  readonly #drive: SharedDrive;
  readonly #memory: MachineMemory;

  /** @internal Made by `Drive.port`. */
  constructor(drive: SharedDrive, memory: MachineMemory) {
    this.sectorCount = drive.sectorCount;
    this.store = drive.store;
    this.#drive = drive;
    this.#memory = memory;
  }

  submit(request: BlockRequest): void {
    this.#drive.submit(request, this.#memory);
  }

  /** @internal As `Drive.reset`, of this machine. */
  reset(random?: RandomStream): void {
    this.#drive.reset(random, this.#memory);
  }
}
