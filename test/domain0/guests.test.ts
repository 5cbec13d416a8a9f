// Whole guests whose disks are files in domain 0.
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../src/base/index.ts';
import { HypervisorReboot } from '../../src/experiment/host/hypervisor-reboot.ts';
import type { VmmGuest, VmmMachine } from '../../src/experiment/host/machine-room.ts';
import { VMM_STRATEGIES } from '../../src/experiment/host/strategies.ts';
import { O } from '../../src/kernel/index.ts';
import type { Process } from '../../src/sim/index.ts';
import { handOver, shutdownDomain0, suspendDomains } from '../../src/xen/index.ts';
import { FILE_BYTES, MIB, readsItsFile, vmmMachine } from '../experiment/vmm/disk.ts';

const PAGES = Math.ceil(FILE_BYTES / PAGE_SIZE);
const NEW = new Uint8Array(3 * PAGE_SIZE).fill(0x5a);
const GOES_ON: readonly string[] = ['warm-vm', 'save-restore', 'live-migration'];
const run = <T>(machine: VmmMachine, process: Process<T>): T => machine.simulation.runProcess('test', process);
const filed = (guests: number): VmmMachine => vmmMachine(guests, { domain0Cache: 4 * MIB });
const guestOf = (machine: VmmMachine, name = 'guest0'): VmmGuest => machine.guests.get(name)!;

function* writes({ kernel: { syscalls } }: VmmGuest): Process {
  const fd = yield* syscalls.open('/new', O.creat | O.wronly);
  yield* syscalls.write(fd, NEW, 0, NEW.length);
  yield* syscalls.close(fd);
}

describe('a hypervisor reboot over file-backed disks', () => {
  it.each(VMM_STRATEGIES)('guests of %s read what they had written, and nothing is lost in domain 0', (strategy) => {
    const machine = filed(2);
    run(machine, machine.start());
    for (const [n, guest] of [...machine.guests.values()].entries()) {
      expect(run(machine, readsItsFile(guest.kernel, n))).toBe(true);
      run(machine, writes(guest));
    }
    const before = new Map([...machine.guests].map(([name, { kernel }]) => [name, kernel]));
    const reboot = new HypervisorReboot(machine);
    run(machine, reboot.run(strategy));
    expect([...reboot.reasons]).toEqual([]);
    expect(machine.files!.counters.pagesLost).toBe(0);
    for (const [n, name] of ['guest0', 'guest1'].entries()) {
      const { kernel, domain } = guestOf(machine, name);
      expect(run(machine, readsItsFile(kernel, n))).toBe(true);
      expect(run(machine, kernel.syscalls.stat('/new'))).toMatchObject({ size: NEW.length });
      expect(kernel === before.get(name)).toBe(GOES_ON.includes(strategy));
      if (strategy.startsWith('warm-cache')) expect(kernel.stats.pagesReused).toBeGreaterThanOrEqual(PAGES);
      if (strategy === 'shutdown-boot') expect(domain.stats.preserved).toBe(0);
    }
  });
});

describe('a reset without an orderly shutdown of domain 0', () => {
  /** Guests read and write; what they wrote is in domain 0's cache, and nowhere else. */
  function dirty(machine: VmmMachine): void {
    run(machine, machine.start());
    run(machine, machine.files!.sync());
    for (const [n, guest] of [...machine.guests.values()].entries()) {
      expect(run(machine, readsItsFile(guest.kernel, n))).toBe(true);
      run(machine, writes(guest));
    }
    // Each guest writes back after 30 s, and domain 0 another 30 s later.
    run(machine, waits(40e9));
    expect(machine.files!.nrDirty).toBeGreaterThanOrEqual(3 * machine.guests.size);
  }

  function* waits(ns: number): Process {
    yield ns;
  }

  function* resetAndBoot(machine: VmmMachine): Process {
    yield* handOver(machine.hypervisor, machine.toolstack);
    machine.reset();
    expect(machine.files!.counters.pagesLost).toBeGreaterThan(0);
    yield* machine.bootHypervisor();
  }

  it('crashed guests whose writes were in domain 0 alone are cold, with the reason', () => {
    const machine = filed(2);
    dirty(machine);
    run(
      machine,
      (function* (): Process {
        for (const { kernel } of machine.guests.values()) kernel.crash();
        yield* shutdownDomain0(machine.hypervisor, machine.toolstack);
        for (const { domain } of machine.guests.values()) yield* machine.toolstack.leaveDomain(domain);
        yield* resetAndBoot(machine);
        machine.guests.clear();
        yield* machine.start();
      })(),
    );
    for (const [n, { kernel, domain }] of [...machine.guests.values()].entries()) {
      expect(run(machine, readsItsFile(kernel, n))).toBe(true);
      expect(kernel.stats.pagesReused).toBe(0);
      expect(domain.stats.refused.diskChanged).toBeGreaterThan(PAGES / 2);
    }
  });

  it('suspended guests whose writes were in domain 0 alone do not go on, with the reason', () => {
    const machine = filed(2);
    dirty(machine);
    const lost = run(
      machine,
      (function* () {
        yield* shutdownDomain0(machine.hypervisor, machine.toolstack);
        expect(yield* suspendDomains(machine.hypervisor, machine.toolstack)).toEqual([]);
        yield* resetAndBoot(machine);
        return (yield* machine.resumeGuests()).lost;
      })(),
    );
    expect(lost).toMatchObject([
      { name: 'guest0', reason: expect.stringMatching(/written|changed/) as string },
      { name: 'guest1', reason: expect.stringMatching(/written|changed/) as string },
    ]);
  });

  it('guests go on and keep their pages when domain 0 wrote before it was gone', () => {
    const machine = filed(2);
    dirty(machine);
    const { resumed, lost } = run(machine, machine.warmVmReboot());
    expect([resumed, lost]).toEqual([['guest0', 'guest1'], []]);
    expect(machine.files!.counters.pagesLost).toBe(0);
  });
});
