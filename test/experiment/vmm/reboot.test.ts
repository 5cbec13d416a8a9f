// The strategies of a hypervisor reboot, on small machines.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Mfn, Ns, PAGE_SIZE } from '../../../src/base/index.ts';
import type { VmmClients } from '../../../src/experiment/vmm/clients.ts';
import type { VmmMachine, VmmMachineOptions } from '../../../src/experiment/host/machine-room.ts';
import { HypervisorReboot } from '../../../src/experiment/host/hypervisor-reboot.ts';
import { rebootHypervisor } from '../../../src/experiment/vmm/reboot.ts';
import { VMM_STRATEGIES, type VmmStrategyName } from '../../../src/experiment/host/strategies.ts';
import type { VmmRebootResult } from '../../../src/experiment/vmm/result.ts';
import { values } from '../../../src/machine/profile.ts';
import { PENTIUM4_2006 } from '../../../src/machine/profiles/pentium4-2006.ts';
import { O } from '../../../src/kernel/index.ts';
import { MachineMemory } from '../../../src/machine/memory.ts';
import type { Process } from '../../../src/sim/index.ts';
import { property } from '../../support/property.ts';
import { contents, FILE_BYTES, MIB, readsItsFile, servingMachine, vmmClients, vmmDisk, vmmMachine } from './disk.ts';

const started = (guests: number, options: Partial<VmmMachineOptions> = {}) =>
  startedOn(servingMachine(guests, options));

function startedOn(machine: VmmMachine, files?: readonly Uint8Array[]): { machine: VmmMachine; clients: VmmClients } {
  const clients = vmmClients(machine, files);
  machine.simulation.runProcess('start', machine.start());
  return { machine, clients };
}

const reads = (machine: VmmMachine): boolean[] =>
  machine.configs.map(({ name }, n) => {
    const guest = machine.guests.get(name);
    return guest !== undefined && machine.simulation.runProcess('read', readsItsFile(guest.kernel, n));
  });

const reboot = ({ machine, clients }: ReturnType<typeof started>, strategy: VmmStrategyName): VmmRebootResult =>
  machine.simulation.runProcess('reboot', rebootHypervisor(machine, clients, strategy));

const pagesRead = (machine: VmmMachine): number[] =>
  [...machine.guests.values()].map(({ kernel }) => kernel.stats.dataPagesRead + kernel.stats.metadataPagesRead);

const WARM_CACHE = {
  outcome: 'booted',
  down: ['shut guests down', 'domain 0 shutdown', 'hand over', 'reset and boot'],
  phases: ['shut guests down', 'domain 0 shutdown', 'hand over', 'reset and boot', 'boot guests'],
};

const EXPECTED: Record<VmmStrategyName, { outcome: string; down: readonly string[]; phases: readonly string[] }> = {
  'warm-vm': {
    outcome: 'continued',
    down: ['hand over', 'reset and boot'],
    phases: ['domain 0 shutdown', 'suspend guests', 'hand over', 'reset and boot', 'resume guests'],
  },
  'save-restore': {
    outcome: 'continued',
    down: ['domain 0 shutdown', 'reset and boot'],
    phases: ['save guests', 'domain 0 shutdown', 'reset and boot', 'restore guests'],
  },
  'live-migration': {
    outcome: 'continued',
    down: [],
    phases: ['migrate guests', 'domain 0 shutdown', 'reset and boot', 'migrate guests back'],
  },
  'shutdown-boot': {
    outcome: 'booted',
    down: ['shut guests down', 'domain 0 shutdown', 'reset and boot'],
    phases: ['shut guests down', 'domain 0 shutdown', 'reset and boot', 'boot guests'],
  },
  'warm-cache': WARM_CACHE,
  'warm-cache+metadata': WARM_CACHE,
};

describe('a hypervisor reboot', () => {
  for (const strategy of VMM_STRATEGIES) {
    const { outcome, down, phases } = EXPECTED[strategy];
    it(`a hypervisor reboot by ${strategy} has every guest serve again, twice in a row`, () => {
      const bed = started(2);
      const { machine } = bed;
      const { simulation } = machine;
      for (let round = 0; round < 2; round++) {
        expect(reads(machine)).toEqual([true, true]);
        const old = machine.hypervisor;
        const result = reboot(bed, strategy);
        expect(() => old.frames).toThrow('gone');
        expect(result.strategy).toBe(strategy);
        expect(result.timeline.map(({ name }) => name)).toEqual(phases);
        for (const guest of result.guests) {
          expect([guest.outcome, guest.reason]).toEqual([outcome, undefined]);
          // A program that goes on has its connections; the recovery box stays where memory does.
          expect([guest.keptConnection, guest.keptSession]).toEqual([
            outcome === 'continued',
            strategy !== 'shutdown-boot',
          ]);
          // Each was silent in these phases, and hardly longer than from its own stop to its own
          // start.
          for (const phase of result.timeline.filter(({ name }) => down.includes(name))) {
            expect(guest.downFromNs).toBeLessThan(phase.startNs + 10e6);
            expect(guest.downFromNs + guest.downtimeNs).toBeGreaterThan(phase.endNs);
          }
          expect(guest.downtimeNs).toBeLessThan(result.totalNs + 20e6);
        }
        const memory = 2 * 12 * (1 << 20);
        const { written, read } = result.diskBytes;
        expect(written).toBe(read);
        if (strategy === 'save-restore') expect(written).toBeGreaterThan(memory);
        else expect(written).toBe(0);
        const before = pagesRead(machine);
        expect(reads(machine)).toEqual([true, true]);
        // Only a cold guest has to read what all have read before.
        const isCold = strategy === 'shutdown-boot';
        for (const [n, pages] of pagesRead(machine).entries()) expect(pages > before[n]!).toBe(isCold);
        if (EXPECTED[strategy] === WARM_CACHE)
          for (const { kernel } of machine.guests.values()) expect(kernel.stats.pagesReused).toBeGreaterThan(170);
        machine.toolstack.list.checkInvariants();
        simulation.runProcess('a while', wait(1e9));
      }
    });
  }

  property(
    'no guest reuses a page that is not what the disk has after a hypervisor reboot by warm-cache',
    fc.array(fc.tuple(fc.nat(1), fc.nat(FILE_BYTES - 1), fc.integer({ min: 1, max: 20_000 })), { maxLength: 6 }),
    fc.boolean(),
    (writes, isSynced) => {
      const disk = vmmDisk(2);
      let reused = 0;
      const machine = servingMachine(2, {
        ...disk,
        onReuse: ({ domain }, pfn, ino, index, block) => {
          reused++;
          const guest = machine.configs.findIndex(({ name }) => name === domain.name);
          const bytes = new Uint8Array(PAGE_SIZE);
          disk.image.read(disk.partitions[guest]!.start + block * PAGE_SIZE, bytes, 0, PAGE_SIZE);
          const frame = machine.memory.frame(domain.frameOf(pfn));
          if (Buffer.compare(bytes, frame) !== 0)
            throw new Error(`page ${index} of inode ${ino} is not block ${block}`);
        },
      });
      const expected = [contents(0), contents(1)];
      const bed = startedOn(machine, expected);
      expect(reads(machine)).toEqual([true, true]);
      const write = function* ([n, at, length]: [number, number, number]): Process {
        const { syscalls } = machine.guests.get(`guest${n}`)!.kernel;
        const fd = yield* syscalls.open('/data', O.rdwr);
        const bytes = new Uint8Array(Math.min(length, FILE_BYTES - at)).fill(length);
        expected[n]!.set(bytes, at);
        yield* syscalls.pwrite(fd, bytes, 0, bytes.length, at);
        if (isSynced) yield* syscalls.fsync(fd);
        yield* syscalls.close(fd);
      };
      for (const each of writes) machine.simulation.runProcess('write', write(each));
      const result = reboot(bed, 'warm-cache');
      expect(result.guests.map(({ outcome }) => outcome)).toEqual(['booted', 'booted']);
      for (const [n, { kernel }] of [...machine.guests.values()].entries())
        expect(machine.simulation.runProcess('read', readsItsFile(kernel, n, expected[n]))).toBe(true);
      expect(reused).toBeGreaterThan(300);
    },
    { numRuns: 1, lawRuns: 8 },
  );

  it('a hypervisor reboot by save-restore writes and reads at the rate of the disk, and domain 0 has something to do', () => {
    const result = reboot(
      started(1, {
        profile: PENTIUM4_2006,
        memory: new MachineMemory(160 * MIB),
        guestMemory: 112 * MIB,
        ...vmmDisk(1, 128 * MIB),
      }),
      'save-restore',
    );
    const { written, read } = result.diskBytes;
    // Less what does not depend on the memory: the suspend handler and the scripts of two devices;
    // the start of the tool stack. Both tell the store a few dozen things.
    const { suspendNs } = values(PENTIUM4_2006.guest);
    const { hotplugNs, resumeSetupNs } = values(PENTIUM4_2006.hypervisor);
    const saveMBps = written / ((result.stopNs - suspendNs - 2 * hotplugNs - 0.05e9) / 1000);
    const restoreMBps = read / ((result.startNs - resumeSetupNs - 0.1e9) / 1000);
    expect(saveMBps).toBeGreaterThan(50);
    expect(saveMBps).toBeLessThan(61);
    expect(restoreMBps).toBeGreaterThan(45);
    expect(restoreMBps).toBeLessThan(61);
  });

  it('a hypervisor reboot by save-restore boots a guest anew that cannot be saved or restored, and says why', () => {
    // Without clients: a user waits for minutes on a connection that broke, while visitors come.
    const machine = vmmMachine(3);
    const { simulation } = machine;
    simulation.runProcess('start', machine.start());
    const kernels = new Map([...machine.guests].map(([name, { kernel }]) => [name, kernel]));
    // One does not answer; the file of another is damaged while it lies there.
    machine.guests.get('guest2')!.domain.pause();
    const rebooted = new HypervisorReboot(machine);
    const task = simulation.spawn('reboot', rebooted.run('save-restore'));
    const old = machine.hypervisor;
    simulation.run(() => machine.hypervisor !== old);
    const segments = [{ mfn: Mfn(0), offset: 0, length: PAGE_SIZE }];
    machine.saveFiles[1]!.submit({ op: 'write', sector: 800, segments, done: () => undefined });
    simulation.run(() => task.isOver);
    simulation.runProcess('result', task.join());
    const continued = machine.configs.map(({ name }) => machine.guests.get(name)!.kernel === kernels.get(name));
    expect(continued).toEqual([true, false, false]);
    expect(machine.configs.map(({ name }) => rebooted.reasons.get(name))).toEqual([
      undefined,
      'bad checksum',
      'it does not run',
    ]);
    expect(reads(machine)).toEqual([true, true, true]);
    machine.toolstack.list.checkInvariants();
  });

  it('a hypervisor reboot by shutdown-boot waits once for all guests, and has the processor once for each', () => {
    const { bootKernelNs, bootServicesNs, shutdownServicesNs, killWaitNs } = values(PENTIUM4_2006.guest);
    const { domainBuildNs, hotplugNs } = values(PENTIUM4_2006.hypervisor);
    for (const guests of [1, 3]) {
      const { stopNs, startNs } = reboot(started(guests, { profile: PENTIUM4_2006 }), 'shutdown-boot');
      // The rest is for their disks, frames and packets, and for a store that serves one message
      // after the other while all of them connect.
      const stopRest = stopNs - shutdownServicesNs - killWaitNs - guests * 2 * hotplugNs;
      const startRest = startNs - domainBuildNs - bootKernelNs - guests * bootServicesNs;
      for (const rest of [stopRest, startRest]) {
        expect(rest / 1e9).toBeGreaterThan(0);
        expect(rest / 1e9).toBeLessThan(0.7 * guests);
      }
    }
  });
});

function* wait(ns: number): Process {
  yield Ns(ns);
}
