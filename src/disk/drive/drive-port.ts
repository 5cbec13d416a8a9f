/** A drive as another machine reaches it: with memory of its own. */

import type { MachineMemory } from '../../machine/memory.ts';
import type { BackingStore } from '../image/backing-store.ts';
import type { BlockDevice, BlockRequest } from './block-device.ts';

/** What a port needs of its drive. */
interface SharedDrive {
  readonly sectorCount: number;
  readonly store: BackingStore;
  submit(request: BlockRequest, memory: MachineMemory): void;
  reset(memory: MachineMemory): void;
}

export class DrivePort implements BlockDevice {
  readonly sectorCount: number;
  readonly store: BackingStore;
  readonly #drive: SharedDrive;
  readonly #memory: MachineMemory;

  /** @internal: made by `Drive.port`. */
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
  reset(): void {
    this.#drive.reset(this.#memory);
  }
}
