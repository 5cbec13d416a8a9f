// Which stores and calls an observer of steps is told of as the guest's own.
import { describe, expect, it } from 'vitest';
import { Pfn } from '../../../src/base/index.ts';
import { SteppedMemory } from '../../../src/machine/stepped-memory.ts';
import { type StepObserver, Simulation } from '../../../src/sim/index.ts';
import { Hypervisor } from '../../../src/xen/core/hypervisor.ts';
import { Toolstack } from '../../../src/xen/toolstack/toolstack.ts';
import { COSTS, MIB, type MiniGuest, startGuest, TestDisk, type TestMachine } from '../../support/machine.ts';

/** Notes the guest's own steps. */
class GuestSteps implements StepObserver {
  readonly wantsGuestOnly = true;
  byGuest = false;
  told: string[] = [];

  before(kind: string, what: string, at: number): number {
    if (kind === 'hypercall') this.told.push(`${what} ${at}`);
    else if (kind === 'store' && this.byGuest) this.told.push(what);
    return 0;
  }

  torn(): never {
    throw new Error('no copy is torn');
  }
}

function start(): { machine: TestMachine; guest: MiniGuest; steps: GuestSteps } {
  const steps = new GuestSteps();
  const simulation = new Simulation(1);
  const memory = new SteppedMemory(16 * MIB, steps);
  const hypervisor = Hypervisor.boot(simulation, memory, COSTS, { kernelPages: 2, steps });
  const disk = new TestDisk(simulation, memory, 64);
  const machine = { simulation, memory, hypervisor, toolstack: new Toolstack(hypervisor), disk };
  const guest = startGuest(machine);
  steps.told = [];
  return { machine, guest, steps };
}

describe('the memory of a guest that is watched', () => {
  it('every store of a guest is told as its own, and no store of others is', () => {
    const { machine, guest, steps } = start();
    const { memory } = guest.domain.environment;
    const pfn = Pfn(100);
    memory.copyIn(pfn, 0, new Uint8Array(8), 0, 8);
    memory.writeU8(pfn, 0, 1);
    memory.writeU16(pfn, 2, 1);
    memory.writeU32(pfn, 4, 1);
    memory.zero(pfn, 8, 8);
    expect(steps.told).toEqual(['copy', 'byte', 'half', 'word', 'zero']);
    machine.memory.writeU32(guest.domain.frameOf(pfn), 0, 1);
    expect(() => memory.writeU32(Pfn(guest.domain.nrPages), 0, 1)).toThrow();
    machine.memory.writeU32(guest.domain.frameOf(pfn), 0, 1);
    expect(steps.told).toHaveLength(5);
  });

  it('opening, closing and exposing a page are calls where the page is sealed, and nothing elsewhere', () => {
    const { guest, steps } = start();
    const { memory } = guest.domain.environment;
    const [plain, sealed] = [Pfn(100), Pfn(101)];
    guest.dirty(sealed, 5);
    steps.told = [];
    for (const pfn of [plain, sealed]) {
      memory.open(pfn);
      memory.close(pfn);
      memory.close(pfn);
      memory.expose(pfn);
      memory.expose(pfn);
    }
    expect(steps.told).toEqual(['open 101', 'close 101', 'expose 101']);
  });
});
