import { describe, expect, it } from 'vitest';
import { Ns, PAGE_SIZE } from '../../../src/base/index.ts';
import { type Domain, endOf, type ManagedConfig, saveDomain, ShutdownReason, Xend } from '../../../src/xen/index.ts';
import { homeOf } from '../../../src/xen/channels/xenstore.ts';
import {
  bootMachine,
  LEAST_PAGES,
  MiniGuest,
  suspendsAlways,
  TestDisk,
  type TestMachine,
} from '../../support/machine.ts';

interface Watched {
  readonly machine: TestMachine;
  readonly xend: Xend;
  /** The domains that were booted, in order. */
  readonly booted: Domain[];
}

function watched(config: Partial<ManagedConfig> = {}, boot: (domain: Domain) => void = () => undefined): Watched {
  const machine = bootMachine();
  const xend = new Xend(machine.hypervisor, machine.toolstack);
  const booted: Domain[] = [];
  const whole: ManagedConfig = {
    name: 'guest',
    memoryBytes: LEAST_PAGES * PAGE_SIZE,
    device: machine.disk,
    preserveCache: true,
    boot: (domain) => {
      booted.push(domain);
      boot(domain);
    },
    ...config,
  };
  machine.simulation.runProcess('start', xend.start(whole));
  return { machine, xend, booted };
}

const after = ({ machine: { simulation } }: Watched, ns: number): void => {
  simulation.after(Ns(ns), () => undefined);
  const then = simulation.now + ns;
  simulation.run(() => simulation.now >= then);
};

describe('a domain that stops', () => {
  it('a domain that stops is destroyed after poweroff, restarted after reboot and crash', () => {
    for (const [reason, boots] of [
      [ShutdownReason.poweroff, 1],
      [ShutdownReason.reboot, 2],
      [ShutdownReason.crash, 2],
    ] as const) {
      const it = watched();
      it.booted[0]!.environment.hypercalls.shutdown(reason);
      it.machine.simulation.run();
      expect([it.booted.length, it.booted[0]!.state, it.xend.domains.length]).toEqual([boots, 'dead', boots - 1]);
      expect(it.xend.domains).toEqual(boots === 2 ? [it.booted[1]] : []);
      it.machine.toolstack.list.checkInvariants();
    }
  });

  it('a domain that stops is what its configuration says, and left alone when suspended', () => {
    const leave = watched({ onPoweroff: 'preserve', onCrash: 'destroy' });
    leave.booted[0]!.environment.hypercalls.shutdown(ShutdownReason.poweroff);
    leave.machine.simulation.run();
    expect([leave.booted.length, leave.booted[0]!.state]).toEqual([1, 'shutdown']);
    const crash = watched({ onPoweroff: 'preserve', onCrash: 'destroy' });
    crash.booted[0]!.environment.hypercalls.shutdown(ShutdownReason.crash);
    crash.machine.simulation.run();
    expect([crash.booted.length, crash.booted[0]!.state]).toEqual([1, 'dead']);
    const suspended = watched();
    suspended.booted[0]!.environment.hypercalls.shutdown(ShutdownReason.suspend);
    suspended.machine.simulation.run();
    expect([suspended.booted.length, suspended.booted[0]!.state]).toEqual([1, 'shutdown']);
  });

  it('a domain that stops within 20 s of its last restart is destroyed, and after them restarted', () => {
    for (const [seconds, boots] of [
      [19.9, 2],
      [20.1, 3],
    ] as const) {
      const it = watched();
      it.booted[0]!.environment.hypercalls.shutdown(ShutdownReason.reboot);
      it.machine.simulation.run(() => it.booted.length === 2);
      after(it, seconds * 1e9);
      it.booted[1]!.environment.hypercalls.shutdown(ShutdownReason.reboot);
      it.machine.simulation.run();
      expect([it.booted.length, it.booted[1]!.state]).toEqual([boots, 'dead']);
      it.machine.toolstack.list.checkInvariants();
    }
  });

  it('a domain that stops at every boot does not go on forever', () => {
    const it = watched({}, (domain) => {
      domain.environment.after(Ns(1000), () => domain.environment.hypercalls.shutdown(ShutdownReason.crash));
    });
    it.machine.simulation.run(() => it.booted.length > 5);
    expect([it.booted.length, it.xend.domains]).toEqual([2, []]);
    it.machine.toolstack.list.checkInvariants();
  });
});

const node = (domain: Domain) => `${homeOf(domain.domid)}/control/shutdown`;

describe('a guest that is asked to stop', () => {
  it('a guest that is asked to stop finds the word in the store, and is destroyed when it has not stopped 30 s later', () => {
    const it = watched();
    const start = it.machine.simulation.now;
    it.xend.shutdown(it.booted[0]!, 'reboot');
    expect(it.machine.hypervisor.xenstore.read(node(it.booted[0]!))).toBe('reboot');
    it.machine.simulation.run(() => it.booted[0]!.state !== 'running');
    expect(it.machine.simulation.now - start).toBe(30e9);
    it.machine.simulation.run();
    expect([it.booted.length, it.booted[0]!.state, it.xend.domains]).toEqual([1, 'dead', []]);
  });

  it('a guest that is asked to stop and does is not destroyed, nor is the domain after it', () => {
    const it = watched();
    it.xend.shutdown(it.booted[0]!, 'reboot');
    it.booted[0]!.environment.hypercalls.shutdown(ShutdownReason.reboot);
    it.machine.simulation.run();
    expect([it.booted.length, it.booted[1]!.state]).toEqual([2, 'running']);
    // The next guest does not find the word that was for the one before.
    expect(it.machine.hypervisor.xenstore.read(node(it.booted[1]!)) ?? '').toBe('');
  });
});

describe('a domain on which something else is under way', () => {
  it('a domain on which something else is under way is destroyed once, or restarted once, whenever somebody destroys it while it is restarted', () => {
    const ends = new Set<string>();
    for (let events = 0; events < 30; events++) {
      const it = watched();
      const { simulation, toolstack } = it.machine;
      it.booted[0]!.environment.hypercalls.shutdown(ShutdownReason.crash);
      for (let n = 0; n < events; n++) simulation.step();
      const outcome = simulation.runProcess('destroy', toolstack.destroyDomain(it.booted[0]!));
      simulation.run();
      const isDone = outcome.ok;
      expect([it.booted.length, it.xend.domains.length]).toEqual(isDone ? [1, 0] : [2, 1]);
      ends.add(outcome.ok ? 'destroyed' : outcome.reason.why);
      toolstack.list.checkInvariants();
    }
    expect([...ends]).toEqual(['destroyed', 'it is being rebooted', 'there is no such domain']);
  });

  it('a domain on which something else is under way is restarted after a crash when that has ended', () => {
    for (const events of [1, 2, 3, 4]) {
      const it = watched();
      const { machine } = it;
      const { simulation, toolstack, disk } = machine;
      const domain = it.booted[0]!;
      suspendsAlways(new MiniGuest(machine, domain));
      simulation.run();
      const file = new TestDisk(simulation, machine.memory, LEAST_PAGES + 40);
      const save = simulation.spawn('save', saveDomain(machine, domain, { device: disk }, file));
      for (let n = 0; n < events; n++) simulation.step();
      domain.environment.hypercalls.shutdown(ShutdownReason.crash);
      const saved = simulation.runProcess('join', save.join());
      // It has not been restarted before.
      expect([endOf(saved!), it.booted.length]).toEqual(['failed', 1]);
      simulation.run();
      expect([it.booted.length, it.xend.domains]).toEqual([2, [it.booted[1]]]);
      toolstack.list.checkInvariants();
    }
  });

  it('a domain on which something else is under way is not asked to stop', () => {
    const it = watched();
    const { machine } = it;
    const domain = it.booted[0]!;
    const file = new TestDisk(machine.simulation, machine.memory, LEAST_PAGES + 40);
    machine.simulation.run();
    const save = machine.simulation.spawn('save', saveDomain(machine, domain, { device: machine.disk }, file));
    machine.simulation.step();
    const refusal = { ok: false, reason: { kind: 'refused', why: 'it is being saved' } };
    expect(it.xend.shutdown(domain, 'poweroff')).toEqual(refusal);
    expect(machine.toolstack.setMemoryTarget(domain, 4096 * 1024)).toEqual(refusal);
    expect(machine.hypervisor.xenstore.read(node(domain))).toBe('suspend');
    expect(machine.simulation.runProcess('join', save.join())).toMatchObject({
      reason: { why: 'it does not suspend itself' },
    });
    expect(it.xend.shutdown(domain, 'poweroff')).toEqual({ ok: true });
  });

  it('a domain on which something else is under way that has no memory to be restarted in is destroyed, and why is known', () => {
    const it = watched();
    const { simulation, toolstack, hypervisor, disk } = it.machine;
    const { hypercalls } = it.booted[0]!.environment;
    hypercalls.decreaseReservation(Array.from({ length: 500 }, (_, i) => 20 + i));
    simulation.run();
    const rest = { name: 'rest', memoryBytes: (hypervisor.allocator.freeCount - 20) * PAGE_SIZE, device: disk };
    simulation.runProcess('rest', toolstack.createDomain(rest));
    hypercalls.shutdown(ShutdownReason.crash);
    simulation.run();
    expect([it.booted[0]!.state, it.xend.domains]).toEqual(['dead', []]);
    expect([...it.xend.problems]).toEqual([['guest', 'ENOMEM: 500 machine frames wanted, 20 are free']]);
    toolstack.list.checkInvariants();
  });
});
