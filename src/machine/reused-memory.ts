/**
 * The memory of one machine after another. A machine loses what the one before it had in there
 * (MachineMemory.clearAll). So the host finds and zeroes its pages once, and not for each machine.
 */

import { PAGE_SIZE } from '../base/units.ts';
import { MachineMemory } from './memory.ts';

export class ReusedMemory {
  #memory: MachineMemory | undefined;

  /** For a machine of so many bytes, when the machine before it is no longer used. */
  take(bytes: number): MachineMemory {
    if (this.#memory?.frameCount !== bytes / PAGE_SIZE) {
      // The host need not have room for both.
      this.#memory = undefined;
      this.#memory = new MachineMemory(bytes);
    }
    return this.#memory;
  }
}
