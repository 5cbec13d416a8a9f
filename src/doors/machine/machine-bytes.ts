/**
 * What is left of a machine when everything on it has ended: bytes of memory, of the medium and of
 * the drive's write cache. A machine that is made from them is off, and `reboot` switches it on.
 *
 * They are taken from a machine that stands still and then goes on, without a change to it. The
 * medium is copied on write. Memory is copied, as far as it was ever written. Stores go to views of
 * it, so copying on write would cost every run a hook at each store. The copy takes a fraction of a
 * millisecond, and the boot of the next guest many.
 */

import { type Ns, PAGE_SIZE } from '../../base/units.ts';
import { byChance, type Survival, type WriteCache } from '../../disk/drive/write-cache.ts';
import type { ImageStore } from '../../disk/image/image-store.ts';
import type { VmmMachine } from '../../experiment/host/machine-room.ts';
import { MachineMemory } from '../../machine/memory.ts';
import type { RandomStream } from '../../sim/index.ts';

export interface MachineBytes {
  readonly memory: MachineMemory;
  /** The medium. It is a layer over that of the machine, and holds until that machine goes on. */
  readonly image: ImageStore;
  /** Empty by default. */
  readonly cache?: WriteCache;
  /** Virtual time, ns. */
  readonly now: Ns;
}

/**
 * What decides which sectors survive a loss of power or a reset at this event. So the outcome is
 * the same whether it happens or is only looked at, and another one at each event.
 * @param moment of the event; by default its beginning
 */
export function chanceOf({ simulation }: VmmMachine, what: 'power loss' | 'reset', moment = ''): RandomStream {
  return simulation.random.stream(`${what} ${simulation.eventCount}${moment}`);
}

/** Where the bytes go, and what decides. */
export interface RemainsOptions {
  /** Takes the bytes; by default one memory that is used each time. */
  readonly memory?: MachineMemory | undefined;
  /** As `chanceOf` has it. */
  readonly moment?: string | undefined;
  /** Which sectors survive a loss of power, in place of a share by chance. */
  readonly survives?: Survival | undefined;
}

/** Takes what would be left of a machine that stands still. */
export class Remains {
  readonly #room: VmmMachine;
  /** Memory of the machine that was made last: to make another costs as much as its boot. */
  #memory: MachineMemory | undefined;

  constructor(room: VmmMachine) {
    this.#room = room;
  }

  /**
   * What a loss of power would leave now. What was taken before is valid no more.
   * @param keep share of the sectors in the drive's volatile cache that reach the medium, 0 to 1
   */
  ofPowerLoss(keep: number, options: RemainsOptions = {}): MachineBytes {
    const { memory = this.#otherMemory(), moment, survives } = options;
    const { drive, simulation } = this.#room;
    memory.clearAll();
    const image = drive.afterPowerLoss(survives ?? byChance(chanceOf(this.#room, 'power loss', moment), keep));
    return { memory, image, now: simulation.now };
  }

  /** What a crash of the hypervisor, and the reset behind it, would leave now; as `ofPowerLoss`. */
  ofHypervisorCrash({ memory = this.#otherMemory(), moment }: RemainsOptions = {}): MachineBytes {
    const { drive, simulation } = this.#room;
    memory.copyFrom(this.#room.memory);
    return { memory, ...drive.afterReset(chanceOf(this.#room, 'reset', moment)), now: simulation.now };
  }

  #otherMemory(): MachineMemory {
    return (this.#memory ??= new MachineMemory(this.#room.memory.frameCount * PAGE_SIZE));
  }
}
