/**
 * What is left of a machine when everything on it has ended: bytes of memory, of the medium and of
 * the drive's write cache. A machine that is made from them is off, and `reboot` switches it on.
 *
 * They are taken from a machine that stands still and then goes on, without a change to it. The
 * medium is copied on write. Of memory, the frames that were ever written are copied: programs
 * store to views of it, and a hook at each store would cost every run more than the copy. The boot
 * of the next guest takes several times as long as that.
 */

import type { Ns } from '../../base/units.ts';
import type { WriteCache } from '../../disk/drive/write-cache.ts';
import type { ImageStore } from '../../disk/image/image-store.ts';
import type { VmmMachine } from '../../experiment/host/machine-room.ts';
import { MachineMemory } from '../../machine/memory.ts';
import type { RandomStream } from '../../sim/index.ts';
import { PAGE_SIZE } from '../../base/units.ts';

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
 */
export function chanceOf({ simulation }: VmmMachine, what: 'power loss' | 'reset'): RandomStream {
  return simulation.random.stream(`${what} ${simulation.eventCount}`);
}

/**
 * What a loss of power would leave now.
 * @param keep share of the sectors in the drive's volatile cache that reach the medium, 0 to 1
 */
export function bytesAfterPowerLoss(room: VmmMachine, keep: number): MachineBytes {
  const { drive, memory, simulation } = room;
  return {
    memory: new MachineMemory(memory.frameCount * PAGE_SIZE),
    image: drive.afterPowerLoss(keep, chanceOf(room, 'power loss')),
    now: simulation.now,
  };
}

/** What a crash of the hypervisor, and the reset behind it, would leave now. */
export function bytesAfterCrash(room: VmmMachine): MachineBytes {
  const { drive, memory, simulation } = room;
  return { memory: memory.clone(), ...drive.afterReset(chanceOf(room, 'reset')), now: simulation.now };
}
