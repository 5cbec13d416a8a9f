// Warm-VM reboot: the hypervisor is replaced, the guests go on.
import { describe, expect, it } from 'vitest';
import { Ns } from '../../../src/base/index.ts';
import type { Process } from '../../../src/sim/index.ts';
import { readsItsFile, vmmMachine } from './disk.ts';

describe('a warm-VM reboot', () => {
  it('a warm-VM reboot goes on with every guest, its page cache and its system calls', () => {
    const machine = vmmMachine(3);
    const { simulation, guests } = machine;
    simulation.runProcess('start', machine.start());
    const old = machine.hypervisor;
    const results: boolean[][] = [...guests.values()].map(() => []);
    const served: number[] = [];
    // A program in each guest that reads its file over and over; it is not told of anything.
    const program = function* (n: number): Process {
      const guest = machine.guests.get(`guest${n}`)!;
      for (;;) {
        results[n]!.push(yield* readsItsFile(guest.kernel, n));
        if (n === 0) served.push(simulation.now);
        yield Ns(500_000_000);
      }
    };
    [...guests.values()].forEach(({ domain }, n) => domain.environment.spawn('program', program(n)));
    simulation.runProcess('a while', wait(2e9));
    const before = [...guests.values()].map(({ kernel }) => kernel.stats.dataPagesRead);
    const report = simulation.runProcess('reboot', machine.warmVmReboot());
    expect([report.resumed, report.notSuspended, report.lost, report.problem]).toEqual([
      ['guest0', 'guest1', 'guest2'],
      [],
      [],
      undefined,
    ]);
    expect(() => old.frames).toThrow('gone');
    simulation.runProcess('a while', wait(2e9));
    machine.toolstack.list.checkInvariants();
    for (const [n, guest] of [...guests.values()].entries()) {
      expect(guest.domain.isRunning).toBe(true);
      expect(guest.kernel.panic).toBeUndefined();
      expect(guest.kernel.stats.suspensions).toBe(1);
      expect(guest.kernel.stats.dataPagesRead).toBe(before[n]);
      expect(results[n]!.length).toBeGreaterThan(10);
      expect(results[n]!.every(Boolean)).toBe(true);
    }
    // It served while domain 0 went down, and not while the machine was reset.
    expect(served.some((at) => at > report.begin && at < report.suspendBegin)).toBe(true);
    expect(served.some((at) => at > report.suspendEnd && at < report.resumeBegin)).toBe(false);
    expect(report.suspendEnd - report.suspendBegin).toBeLessThan(0.1e9);

    const second = simulation.runProcess('again', machine.warmVmReboot());
    expect(second.resumed.length).toBe(3);
    simulation.runProcess('a while', wait(2e9));
    expect([...guests.values()].map(({ kernel }) => kernel.stats.suspensions)).toEqual([2, 2, 2]);
    expect(results.flat().every(Boolean)).toBe(true);
  });
});

function* wait(ns: number): Process {
  yield Ns(ns);
}
