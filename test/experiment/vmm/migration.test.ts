// Live migration of guests with a whole kernel: there and back, while their programs work.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c, Ns, Pfn } from '../../../src/base/index.ts';
import type { VmmMachine } from '../../../src/experiment/host/machine-room.ts';
import { rebootHypervisor } from '../../../src/experiment/vmm/reboot.ts';
import { O } from '../../../src/kernel/index.ts';
import type { Process } from '../../../src/sim/index.ts';
import { ModelFs } from '../../../src/doors/testing/model-fs.ts';
import { property } from '../../support/property.ts';
import { domainOf } from '../../../src/xen/index.ts';
import { fileCall } from '../../../src/doors/testing/file-calls.ts';
import { compareAll, playCalls } from '../../../src/doors/testing/play-calls.ts';
import { readsItsFile, servingMachine, vmmClients, vmmMachine } from './disk.ts';

const run = <T>(machine: VmmMachine, process: Process<T>): T => machine.simulation.runProcess('test', process);

describe('a guest that is migrated', () => {
  property(
    'a guest that is migrated does what the model does, before, meanwhile, there, and when it is back',
    fc.array(fc.array(fileCall, { maxLength: 25 }), { minLength: 3, maxLength: 3 }),
    fc.integer({ min: 0, max: 30_000_000 }),
    (programs, delayNs) => {
      const machine = vmmMachine(1);
      run(machine, machine.start());
      const guest = machine.guests.get('guest0')!;
      const { syscalls } = guest.kernel;
      const model = new ModelFs();
      const program = function* (): Process {
        yield* syscalls.mkdir('/home');
        for (const calls of programs) {
          yield* playCalls(syscalls, model, '/home', calls);
          yield Ns(delayNs);
        }
      };
      const task = guest.domain.environment.spawn('program', program());
      const reader = guest.domain.environment.spawn('reader', readsItsFile(guest.kernel, 0));
      const move = function* (): Process {
        expect(yield* machine.migrateGuest('guest0', machine.neighbour)).toHaveProperty('value.bytes');
        expect([machine.guests.size, guest.machine === machine.neighbour]).toEqual([0, true]);
        yield Ns(delayNs);
        expect(yield* machine.neighbour.migrateGuest('guest0', machine)).toHaveProperty('value.bytes');
      };
      // The neighbour is there before the guest leaves.
      expect(machine.neighbour.guests.size).toBe(0);
      run(machine, move());
      run(machine, task.join());
      expect(run(machine, reader.join())).toBe(true);
      run(machine, compareAll(syscalls, model, '/home'));
      expect(guest.kernel.panic).toBeUndefined();
      expect(guest.kernel.stats.suspensions).toBe(2);
      for (const each of [machine, machine.neighbour]) each.toolstack.list.checkInvariants();
    },
    { numRuns: 2, lawRuns: 15 },
  );

  it('a guest that is migrated has every byte of its memory on other frames, and its page cache with it', () => {
    const machine = vmmMachine(1);
    run(machine, machine.start());
    const guest = machine.guests.get('guest0')!;
    run(machine, readsItsFile(guest.kernel, 0));
    const { domain, kernel } = guest;
    const { neighbour } = machine;
    let before: number[] = [];
    const crcs = (of: VmmMachine, which: typeof domain): number[] =>
      Array.from({ length: which.nrPages }, (_, pfn) => crc32c(of.memory.frame(which.frameOf(Pfn(pfn)))));
    let after: number[] = [];
    machine.simulation.spawn(
      'look',
      (function* (): Process {
        while (domain.isRunning) yield domain.stateChanged;
        yield* domain.released();
        before = crcs(machine, domain);
        while (neighbour.toolstack.list.domains.length === 0) yield Ns(1000);
        after = crcs(neighbour, neighbour.toolstack.list.domains[0]!);
      })(),
    );
    const { dataPagesRead } = kernel.stats;
    run(machine, machine.migrateGuest('guest0', neighbour));
    const different = before.filter((crc, pfn) => crc !== after[pfn]).length;
    // In the microsecond until it is looked at, the guest may have begun to connect its devices.
    expect(before.length).toBe(3072);
    expect(different).toBeLessThan(12);
    run(machine, readsItsFile(kernel, 0));
    expect(kernel.stats.dataPagesRead).toBe(dataPagesRead);
  });
});

describe('a guest of which dirty pages survive a crash', () => {
  it('a guest of which dirty pages survive a crash has them registered at the other machine, too: what was never synced is on the disk after a crash there', () => {
    const machine = vmmMachine(1, { cmdLine: 'cachemap=all rio=on' });
    run(machine, machine.start());
    const guest = machine.guests.get('guest0')!;
    const { syscalls } = guest.kernel;
    const bytes = new Uint8Array(50_000).map((_, i) => i);
    const write = function* (path: string): Process {
      const fd = yield* syscalls.open(path, O.rdwr | O.creat);
      yield* syscalls.pwrite(fd, bytes, 0, bytes.length, 0);
    };
    run(machine, write('/before'));
    const { neighbour } = machine;
    expect(run(machine, machine.migrateGuest('guest0', neighbour))).toHaveProperty('value.bytes');
    run(machine, write('/after'));
    expect(guest.kernel.stats.pagesDirty).toBeGreaterThan(24);
    guest.kernel.crash();
    const options = { preserve: true, writeDirty: true };
    const domain = run(machine, domainOf(neighbour.toolstack.restartDomain(guest.domain, options)));
    expect(domain.stats.dirty.written).toBeGreaterThan(24);
    const { kernel } = run(machine, neighbour.boot(guest.config, domain));
    const read = function* (path: string): Process<Uint8Array> {
      const fd = yield* kernel.syscalls.open(path);
      const found = new Uint8Array(bytes.length + 1);
      return found.subarray(0, yield* kernel.syscalls.pread(fd, found, 0, found.length, 0));
    };
    for (const path of ['/before', '/after']) expect(run(machine, read(path))).toEqual(bytes);
  });
});

describe('guests that are migrated one after the other', () => {
  it.each([
    ['before it is asked', 0, 'it does not run'],
    ['while it is sent', 1_000_000, 'it does not suspend itself'],
  ])(
    'guests that are migrated one after the other have the cable to themselves: the first is paused %s and stays, the second goes',
    (_, delayNs, problem) => {
      const machine = vmmMachine(2);
      run(machine, machine.start());
      const { neighbour } = machine;
      const { domain } = machine.guests.get('guest0')!;
      const { kernel } = machine.guests.get('guest1')!;
      const move = function* (): Process {
        if (delayNs === 0) domain.pause();
        else machine.simulation.after(Ns(delayNs), () => domain.pause());
        expect(yield* machine.migrateGuest('guest0', neighbour)).toHaveProperty('reason.why', problem);
        expect(yield* machine.migrateGuest('guest1', neighbour)).toHaveProperty('value.bytes');
      };
      run(machine, move());
      domain.unpause();
      expect([[...machine.guests.keys()], [...neighbour.guests.keys()]]).toEqual([['guest0'], ['guest1']]);
      expect(run(machine, readsItsFile(machine.guests.get('guest0')!.kernel, 0))).toBe(true);
      expect(run(machine, readsItsFile(kernel, 1))).toBe(true);
      for (const each of [machine, neighbour]) each.toolstack.list.checkInvariants();
    },
  );
});

describe('a hypervisor reboot by live-migration', () => {
  it('a hypervisor reboot by live-migration shuts a guest down that does not go, and boots it again, and says why', () => {
    const machine = servingMachine(1);
    const clients = vmmClients(machine);
    run(machine, machine.start());
    // The second machine has lost its power.
    machine.neighbour.reset('lost');
    const result = run(machine, rebootHypervisor(machine, clients, 'live-migration'));
    expect(result.guests.map(({ outcome, reason }) => [outcome, reason])).toEqual([['booted', 'no answer']]);
    expect(result.timeline.map(({ name }) => name)).toEqual([
      'migrate guests',
      'shut guests down',
      'domain 0 shutdown',
      'reset and boot',
      'migrate guests back',
      'boot guests',
    ]);
    expect(run(machine, readsItsFile(machine.guests.get('guest0')!.kernel, 0))).toBe(true);
  });
});
