// Suspend to disk: guests with a whole kernel are saved at any instant, and restored after their
// machine has lost its memory.
import fc from 'fast-check';
import { describe, expect } from 'vitest';
import { ARCHS, Ns } from '../../../src/base/index.ts';
import type { Process } from '../../../src/sim/index.ts';
import { restoreDomain, saveDomain } from '../../../src/xen/index.ts';
import { O } from '../../../src/kernel/index.ts';
import { property } from '../../support/property.ts';
import { readsItsFile, vmmMachine } from './disk.ts';

const wait = function* (ns: number): Process {
  yield Ns(ns);
};

describe('a guest that is saved and restored', () => {
  property(
    'a guest that is saved and restored goes on with its programs and what they had in flight, whenever the save strikes',
    fc.nat(20_000_000),
    fc.constantFrom('same hypervisor', 'memory lost'),
    fc.boolean(),
    fc.constantFrom(...ARCHS),
    (delayNs, where, vouch, arch) => {
      const machine = vmmMachine(2, { arch });
      const { simulation, guests, saveFiles } = machine;
      simulation.runProcess('start', machine.start());
      const results: boolean[][] = [[], []];
      // One program reads from the disk all the time, one writes what it reads again.
      const reader = function* (n: number): Process {
        const { kernel } = guests.get(`guest${n}`)!;
        for (;;) {
          results[n]!.push(yield* readsItsFile(kernel, n));
          kernel.syscalls.dropCaches();
          yield Ns(5_000_000);
        }
      };
      const writer = function* (n: number): Process {
        const { syscalls } = guests.get(`guest${n}`)!.kernel;
        const fd = yield* syscalls.open('/log', O.rdwr | O.creat);
        for (let round = 1; ; round++) {
          const bytes = new Uint8Array(20_000).fill(round);
          yield* syscalls.pwrite(fd, bytes, 0, bytes.length, 0);
          yield* syscalls.fsync(fd);
          const again = new Uint8Array(bytes.length);
          yield* syscalls.pread(fd, again, 0, again.length, 0);
          results[n]!.push(again.every((byte) => byte === (round & 255)));
          yield Ns(3_000_000);
        }
      };
      [...guests.values()].forEach(({ domain }, n) => {
        domain.environment.spawn('reader', reader(n));
        domain.environment.spawn('writer', writer(n));
      });
      simulation.runProcess('a while', wait(delayNs));
      const parts = () => ({ hypervisor: machine.hypervisor, toolstack: machine.toolstack });
      const names = [...guests.keys()];
      names.forEach((name, n) => {
        const saved = simulation.runProcess(
          'save',
          saveDomain(parts(), guests.get(name)!.domain, guests.get(name)!.config, saveFiles[n]!),
        );
        expect(saved).toHaveProperty('value.bytes');
      });
      if (where === 'memory lost') {
        machine.reset('lost');
        simulation.runProcess('boot', machine.bootHypervisor());
      }
      const counts = results.map(({ length }) => length);
      names.forEach((name, n) => {
        const guest = guests.get(name)!;
        const options = { device: guest.config.device, vouch };
        const restored = simulation.runProcess('restore', restoreDomain(parts(), saveFiles[n]!, options));
        if (!restored.ok) throw new Error(restored.reason.why);
        guest.domain = restored.value.domain;
      });
      simulation.runProcess('a while', wait(50e6));
      machine.toolstack.list.checkInvariants();
      for (const [n, { kernel, domain }] of [...guests.values()].entries()) {
        expect(kernel.panic).toBeUndefined();
        expect(domain.isRunning).toBe(true);
        expect(kernel.stats.suspensions).toBe(1);
        expect(results[n]!.length).toBeGreaterThan(counts[n]! + 2);
        expect(results[n]!.every(Boolean)).toBe(true);
      }
    },
    { numRuns: 1, lawRuns: 5 },
  );

  property(
    'a save file is whole on the disk or not there at all, when power is lost at any event',
    // Of the fewer than 400, the last ones write the header.
    fc.oneof(fc.nat(400), fc.integer({ min: 330, max: 390 })),
    (events) => {
      const machine = vmmMachine(1, { disk: 'disk' });
      const { simulation, guests, saveFiles } = machine;
      simulation.runProcess('start', machine.start());
      const guest = guests.get('guest0')!;
      const written = new Uint8Array(9_000).fill(7);
      const writes = function* (): Process {
        const { syscalls } = guest.kernel;
        const fd = yield* syscalls.open('/log', O.rdwr | O.creat);
        yield* syscalls.pwrite(fd, written, 0, written.length, 0);
        yield* syscalls.sync();
        // What follows is nowhere but in its memory when it is saved.
        yield* syscalls.pwrite(fd, written, 0, written.length, written.length);
        yield* syscalls.settle();
      };
      simulation.runProcess('writes', writes());
      const parts = () => ({ hypervisor: machine.hypervisor, toolstack: machine.toolstack });
      const [file, device] = [saveFiles[0]!, guest.config.device];
      const task = simulation.spawn('save', saveDomain(parts(), guest.domain, guest.config, file));
      const before = simulation.eventCount;
      simulation.run(() => task.isOver || simulation.eventCount - before === events);
      const wasOver = task.isOver;
      task.kill();
      machine.drive.powerLoss();
      machine.reset('lost');
      simulation.runProcess('boot', machine.bootHypervisor());
      const restored = simulation.runProcess('restore', restoreDomain(parts(), file, { device, vouch: false }));
      if (wasOver) expect(restored).toHaveProperty('value.domain');
      if (!restored.ok) {
        guests.clear();
        simulation.runProcess('start', machine.start());
      } else guest.domain = restored.value.domain;
      const reads = function* (): Process<Uint8Array> {
        const { syscalls } = guests.get('guest0')!.kernel;
        const fd = yield* syscalls.open('/log');
        const bytes = new Uint8Array(20_000);
        const length = yield* syscalls.read(fd, bytes, 0, bytes.length);
        return bytes.subarray(0, length);
      };
      const log = simulation.runProcess('reads', reads());
      expect(log.length).toBe(!restored.ok ? written.length : 2 * written.length);
      expect(log.every((byte) => byte === 7)).toBe(true);
      expect(simulation.runProcess('reads', readsItsFile(guests.get('guest0')!.kernel, 0))).toBe(true);
      machine.toolstack.list.checkInvariants();
    },
    { numRuns: 4, lawRuns: 15 },
  );
});
