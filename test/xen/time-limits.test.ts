/** Times that a guest has, to the nanosecond: the last moment, and the one after it. */

import { describe, expect, it } from 'vitest';
import { Ns, PAGE_SIZE } from '../../src/base/index.ts';
import type { Process } from '../../src/sim/index.ts';
import { type Domain, endOf, ShutdownReason, suspendDomain, Xend } from '../../src/xen/index.ts';
import { Virq } from '../../src/xen/public/index.ts';
import { bootMachine, LEAST_PAGES, REGISTERS, startGuest } from '../support/machine.ts';

describe('time that a guest has', () => {
  /** A domain under xend that says when it stops; returns how often it was booted by the end. */
  function managed() {
    const machine = bootMachine();
    const xend = new Xend(machine.hypervisor, machine.toolstack);
    const booted: Domain[] = [];
    const config = { name: 'guest', memoryBytes: LEAST_PAGES * PAGE_SIZE, device: machine.disk, preserveCache: true };
    machine.simulation.runProcess('start', xend.start({ ...config, boot: (domain) => booted.push(domain) }));
    const stop = (at: number, n: number): void => {
      machine.simulation.after(Ns(at - machine.simulation.now), () => {
        booted[n]!.environment.hypercalls.shutdown(ShutdownReason.reboot);
      });
    };
    return { machine, xend, booted, stop };
  }

  it.each([
    [20e9 - 1, 2],
    [20e9, 3],
  ])('a guest that restarts %i ns after another restart has the next boot number %i, or none', (ns, boots) => {
    const { machine, booted, stop } = managed();
    const first = machine.simulation.now + 1000;
    stop(first, 0);
    machine.simulation.run();
    stop(first + ns, 1);
    machine.simulation.run();
    expect([booted.length, booted[1]!.state]).toEqual([boots, 'dead']);
  });

  it.each([
    [30e9 - 1, 2],
    [30e9 + 1, 1],
  ])('a guest that is asked to stop, and does after %i ns, is booted %i times in all', (ns, boots) => {
    const { machine, xend, booted } = managed();
    const { simulation } = machine;
    const asked = simulation.now;
    xend.shutdown(booted[0]!, 'reboot');
    booted[0]!.environment.after(Ns(ns), () => {
      booted[0]!.environment.hypercalls.shutdown(ShutdownReason.reboot);
    });
    simulation.run(() => booted[0]!.state !== 'running');
    expect(simulation.now - asked).toBe(Math.min(ns, 30e9));
    simulation.run();
    expect(booted.length).toBe(boots);
  });

  it('a guest has 30 s to suspend itself, to the nanosecond', () => {
    /** Whether it was in time when it stood still so long after it was asked. */
    const outcomeAfter = (ns: number) => {
      const machine = bootMachine();
      const guest = startGuest(machine);
      const { domain } = guest;
      const { hypercalls } = domain.environment;
      hypercalls.eventChannels.bindVirq(Virq.suspend);
      const begin = machine.simulation.now;
      const suspend = function* (): Process {
        // The hypercall itself takes 300 ns.
        yield Ns(ns - 300);
        yield* hypercalls.suspend(REGISTERS);
      };
      // What it owes for the calls before is paid.
      domain.environment.cpu.book();
      machine.simulation.run();
      domain.environment.spawn('suspend', suspend());
      let stoodAt = 0;
      const watch = function* (): Process {
        yield* domain.stopped();
        stoodAt = machine.simulation.now - begin;
      };
      machine.simulation.spawn('watch', watch());
      const outcome = machine.simulation.runProcess('ask', suspendDomain(machine.hypervisor, domain));
      machine.simulation.run();
      return [stoodAt, endOf(outcome)];
    };
    expect(outcomeAfter(30e9 - 1)).toEqual([30e9 - 1, 'done']);
    expect(outcomeAfter(30e9 + 1)).toEqual([30e9 + 1, 'failed']);
  });
});
