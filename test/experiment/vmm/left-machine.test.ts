// A machine made from the bytes that another one left: memory, medium and write cache.
import { describe, expect, it } from 'vitest';
import { VmmMachine, type VmmMachineOptions } from '../../../src/experiment/host/machine-room.ts';
import { MachineMemory } from '../../../src/machine/memory.ts';
import { SERVER_2026 } from '../../../src/machine/profiles/server-2026.ts';
import type { Process } from '../../../src/sim/index.ts';
import { handOver, shutdownDomain0 } from '../../../src/xen/index.ts';
import { MIB, readsItsFile, vmmDisk } from './disk.ts';

const options = (): VmmMachineOptions => ({
  seed: 1,
  profile: SERVER_2026,
  disk: 'profile',
  ...vmmDisk(2),
  memory: new MachineMemory(48 * MIB),
  guestMemory: 12 * MIB,
  cmdLine: 'cachemap=all',
  kernelPages: 16,
});

/** A machine whose guests have read their files and were told to stop, as before a reset. */
function stopped(leave: (machine: VmmMachine) => Process): { machine: VmmMachine; own: VmmMachineOptions } {
  const own = options();
  const machine = new VmmMachine(own);
  const { simulation } = machine;
  simulation.runProcess('start', machine.start());
  for (const [n, { kernel }] of [...machine.guests.values()].entries())
    expect(simulation.runProcess('read', readsItsFile(kernel, n))).toBe(true);
  simulation.runProcess('leave', leave(machine));
  simulation.runProcess('domain 0', shutdownDomain0(machine.hypervisor, machine.toolstack));
  simulation.runProcess('hand over', handOver(machine.hypervisor, machine.toolstack));
  return { machine, own };
}

function madeFrom(machine: VmmMachine, own: VmmMachineOptions): VmmMachine {
  const { drive, memory, simulation } = machine;
  const { image, cache } = drive.afterReset(simulation.random.stream('reset'));
  const copy = new MachineMemory(48 * MIB);
  copy.copyFrom(memory);
  return new VmmMachine({ ...own, memory: copy, image, left: { cache, now: simulation.now } });
}

/** Comes up again; returns what each guest took over, and read from the disk, for its file. */
function comesUp(machine: VmmMachine): readonly unknown[] {
  const { simulation } = machine;
  machine.guests.clear();
  const { lost, problem } = simulation.runProcess('boot', machine.bootHypervisor());
  simulation.runProcess('start', machine.start());
  const guests = [...machine.guests.values()].map(({ kernel }, n) => {
    expect(simulation.runProcess('read', readsItsFile(kernel, n))).toBe(true);
    return { reused: kernel.stats.pagesReused, read: kernel.stats.dataPagesRead };
  });
  return [lost, problem, simulation.now, guests];
}

function* keepCaches({ guests, toolstack }: VmmMachine): Process {
  for (const { kernel, domain } of guests.values()) {
    yield* kernel.shutdown();
    yield* toolstack.leaveDomain(domain);
  }
}

describe('a machine made from what another one left', () => {
  it('guests have their caches on it as on the machine itself, which goes on as if it were not there', () => {
    const { machine, own } = stopped(keepCaches);
    const copy = madeFrom(machine, own);
    const there = comesUp(copy);
    machine.reset();
    expect(comesUp(machine)).toEqual(there);
    expect(there[3]).toEqual([0, 1].map(() => ({ reused: expect.any(Number) as number, read: 0 })));
  });
});
