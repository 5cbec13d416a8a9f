// A machine of 16 GiB whose guests lie above the first 4 GiB. Each byte of a guest stays what it
// was, whatever the guest goes through.
import { describe, expect, it } from 'vitest';
import { ArgumentError, Mfn, Pfn } from '../../../src/base/index.ts';
import type { VmmMachine } from '../../../src/experiment/host/machine-room.ts';
import { MachineMemory } from '../../../src/machine/memory.ts';
import {
  domainOf,
  type Domain,
  handOver,
  restoreDomain,
  saveDomain,
  shutdownDomain0,
  suspendDomains,
} from '../../../src/xen/index.ts';
import { readsItsFile, vmmMachine } from '../vmm/disk.ts';

const GIB = 2 ** 30;
const FRAMES_OF_4_GIB = 2 ** 20;

/** Takes all frames below 4 GiB that are free. */
function takeLowMemory({ hypervisor: { allocator, map } }: VmmMachine): void {
  const frames = new Uint32Array(FRAMES_OF_4_GIB - map.firstDomainMfn);
  allocator.allocate(frames);
  expect(Math.max(...[frames[0]!, frames.at(-1)!])).toBeLessThan(FRAMES_OF_4_GIB);
}

function framesOf(domain: Domain): number[] {
  const frames = Array.from({ length: domain.nrPages }, (_, pfn) => domain.frameOf(Pfn(pfn)));
  expect(Math.min(...frames)).toBeGreaterThanOrEqual(FRAMES_OF_4_GIB);
  return frames;
}

const bytesOf = ({ memory }: VmmMachine, frames: readonly number[]): Buffer =>
  Buffer.concat(frames.map((mfn) => memory.frame(Mfn(mfn))));

describe('a machine of 16 GiB', () => {
  it('a machine of 16 GiB takes its guests through suspension, quick reboot, reboot, save and restore above 4 GiB, every byte equal', () => {
    const machine = vmmMachine(2, { arch: 'x86_64', memory: new MachineMemory(16 * GIB) });
    const { simulation, guests, saveFiles } = machine;
    takeLowMemory(machine);
    simulation.runProcess('start', machine.start());
    const read = (): boolean[] =>
      [...guests.values()].map(({ kernel }, n) => simulation.runProcess('read', readsItsFile(kernel, n)));
    expect(read()).toEqual([true, true]);
    const frames = [...guests.values()].map(({ domain }) => framesOf(domain));

    // A quick reboot of the hypervisor, under guests that are suspended on memory.
    simulation.runProcess('domain 0 goes', shutdownDomain0(machine.hypervisor, machine.toolstack));
    expect(simulation.runProcess('suspend', suspendDomains(machine.hypervisor, machine.toolstack))).toEqual([]);
    simulation.runProcess('hand over', handOver(machine.hypervisor, machine.toolstack));
    const before = frames.map((each) => bytesOf(machine, each));
    machine.reset();
    expect(simulation.runProcess('boot', machine.bootHypervisor())).toMatchObject({ problem: undefined, lost: [] });
    frames.forEach((each, n) => expect(Buffer.compare(bytesOf(machine, each), before[n]!)).toBe(0));
    expect(simulation.runProcess('resume', machine.resumeGuests()).names).toEqual(['guest0', 'guest1']);
    machine.toolstack.list.checkInvariants();
    expect([...guests.values()].map(({ domain }) => framesOf(domain))).toEqual(frames);
    expect(read()).toEqual([true, true]);

    // A reboot of one guest, on its cache.
    const guest = guests.get('guest0')!;
    simulation.runProcess('shutdown', guest.kernel.shutdown());
    const restart = domainOf(
      machine.toolstack.restartDomain(guest.domain, { preserve: true, cmdLine: 'cachemap=all' }),
    );
    const next = simulation.runProcess('boot', machine.boot(guest.config, simulation.runProcess('restart', restart)));
    expect(framesOf(next.domain)).toEqual(frames[0]);
    expect(read()).toEqual([true, true]);
    expect([next.kernel.stats.dataPagesRead, next.kernel.stats.pagesReused > 100]).toEqual([0, true]);

    // Saved to the disk, and restored when the machine has lost its memory.
    const parts = () => ({ hypervisor: machine.hypervisor, toolstack: machine.toolstack });
    for (const [n, { domain, config }] of [...guests.values()].entries())
      expect(simulation.runProcess('save', saveDomain(parts(), domain, config, saveFiles[n]!))).toHaveProperty(
        'value.bytes',
      );
    machine.reset('lost');
    simulation.runProcess('boot', machine.bootHypervisor());
    takeLowMemory(machine);
    for (const [n, each] of [...guests.values()].entries()) {
      const options = { device: each.config.device, vouch: true };
      const restored = simulation.runProcess('restore', restoreDomain(parts(), saveFiles[n]!, options));
      if (!restored.ok) throw new Error(restored.reason.why);
      expect(restored.value.pagesVouched).toBeGreaterThan(100);
      each.domain = restored.value.domain;
      framesOf(each.domain);
    }
    expect(read()).toEqual([true, true]);
    expect([...guests.values()].map(({ kernel }) => kernel.panic)).toEqual([undefined, undefined]);
  });

  it('a page more than that machine has is more than x86_32 can have', () => {
    expect(() => vmmMachine(1, { arch: 'x86_32', memory: new MachineMemory(16 * GIB + 4096) })).toThrow(
      new ArgumentError('memory: a machine of 17179873280 bytes is more than x86_32 can have, 17179869184'),
    );
  });
});
