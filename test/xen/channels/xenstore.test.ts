import { describe, expect, it } from 'vitest';
import { type Ns } from '../../../src/base/index.ts';
import { Power, type Process, Simulation } from '../../../src/sim/index.ts';
import { backendsOf } from '../../../src/xen/devices/xenbus-backend.ts';
import { domainOf } from '../../../src/xen/index.ts';
import { Gtf, VBD_FRONTEND, XenbusState } from '../../../src/xen/public/index.ts';
import { homeOf, Xenstore } from '../../../src/xen/channels/xenstore.ts';
import { bootMachine, LEAST_PAGES, type MiniGuest, startGuest, type TestMachine } from '../../support/machine.ts';

describe('the store', () => {
  it('the store fires a watch when it is set and after every change at or below its path, later', () => {
    const simulation = new Simulation(1);
    const store = new Xenstore(simulation, new Power(simulation), 30, 0);
    const fired: [string, Ns][] = [];
    const watch = (path: string) => store.watch(path, () => fired.push([path, simulation.now]));
    watch('/a/b');
    const unwatch = watch('/a');
    simulation.run();
    expect(fired.splice(0)).toEqual([
      ['/a/b', 30],
      ['/a', 30],
    ]);
    store.write('/a/b/c', '1');
    store.write('/a/bc', '2');
    expect(fired).toEqual([]);
    simulation.run();
    expect(fired.splice(0).map(([path]) => path)).toEqual(['/a/b', '/a', '/a']);
    store.remove('/a');
    unwatch();
    simulation.run();
    expect(fired.splice(0).map(([path]) => path)).toEqual(['/a/b']);
    expect([store.read('/a/b/c'), store.read('/a/bc')]).toEqual([undefined, undefined]);
  });

  it('the store serves one message after the other, and tells how long what it was sent takes', () => {
    const simulation = new Simulation(1);
    const store = new Xenstore(simulation, new Power(simulation), 3, 10);
    const fired: [string, Ns][] = [];
    store.watch('/a', () => fired.push([store.read('/a/x') ?? '', simulation.now]));
    // The request and the event of the watch that is set.
    expect(store.backlog).toBe(20);
    store.transact(['/a/x', '1'], ['/b', undefined]);
    // Begin, a change and the event of the watch, a removal, end.
    expect(store.backlog).toBe(70);
    // Its answers do not wait for its time: the caller does.
    expect(store.read('/a/x')).toBe('1');
    expect(store.backlog).toBe(80);
    simulation.runProcess('waits', store.served());
    expect([simulation.now, store.backlog]).toEqual([80, 10 * fired.length]);
    simulation.run();
    expect(fired).toEqual([
      ['1', 23],
      ['1', 63],
    ]);
  });

  it('the store counts the paths of each domain that have a value', () => {
    const simulation = new Simulation(1);
    const store = new Xenstore(simulation, new Power(simulation), 0, 0);
    const counts = (): number[] => [1, 10, 2].map((domid) => store.entriesOf(domid));
    for (const path of ['a/x', 'a/y', 'b', 'a/x']) store.write(`${homeOf(1)}/${path}`, 'of 1');
    store.write(`${homeOf(10)}/a`, 'of 10');
    store.write('/vm/1/a', 'of nobody');
    expect(counts()).toEqual([3, 1, 0]);
    store.remove(`${homeOf(1)}/a`);
    store.remove(`${homeOf(1)}/nothing`);
    expect(counts()).toEqual([1, 1, 0]);
    store.write(homeOf(1), 'its home itself');
    expect(counts()).toEqual([2, 1, 0]);
    store.remove(homeOf(1));
    expect(counts()).toEqual([0, 1, 0]);
    store.remove('/local');
    expect(counts()).toEqual([0, 0, 0]);
  });

  it('the store removes what is below a path and nothing beside it', () => {
    const simulation = new Simulation(1);
    const store = new Xenstore(simulation, new Power(simulation), 0, 0);
    for (const path of ['/d/1', '/d/1/x', '/d/10/x']) store.write(path, path);
    store.remove('/d/1');
    expect(['/d/1', '/d/1/x', '/d/10/x'].map((path) => store.read(path))).toEqual([undefined, undefined, '/d/10/x']);
  });

  it('the store is readable for a guest where it is its own or its back-end’s, and writable for its devices', () => {
    const machine = bootMachine();
    const [a, b] = [startGuest(machine, 'a'), startGuest(machine, 'b')];
    const { xenstore } = a.domain.environment;
    const run = <T>(process: Process<T>): T => machine.simulation.runProcess('store', process);
    const mine = `${backendsOf(a.domain.domid, 'vbd')}/0`;
    expect(run(xenstore.read(`${VBD_FRONTEND}/backend`))).toBe(mine);
    expect(run(xenstore.read(`${mine}/sectors`))).toBe(String(machine.disk.sectorCount));
    run(xenstore.write('device/x', 'y'));
    expect(run(xenstore.read(`${homeOf(a.domain.domid)}/device/x`))).toBe('y');
    for (const path of [`${homeOf(b.domain.domid)}/device/x`, `${backendsOf(b.domain.domid, 'vbd')}/0/state`, '/'])
      expect(() => run(xenstore.read(path))).toThrow(/^EACCES/);
    for (const path of [`${mine}/state`, 'name', `${homeOf(b.domain.domid)}/device/x`])
      expect(() => run(xenstore.write(path, ''))).toThrow(/^EACCES/);
    expect(() => run(xenstore.watch('/local', () => undefined))).toThrow(/^EACCES/);
  });

  it('the store does not call a guest that is gone', () => {
    const machine = bootMachine();
    const { domain } = startGuest(machine);
    let fired = 0;
    machine.simulation.runProcess(
      'watch',
      domain.environment.xenstore.watch('device', () => fired++),
    );
    machine.simulation.run();
    machine.hypervisor.xenstore.write(`${homeOf(domain.domid)}/device/x`, '1');
    domain.environment.hypercalls.shutdown(0);
    machine.simulation.run();
    expect(fired).toBe(1);
  });
});

describe('the back-end of a block device', () => {
  const setState = (machine: TestMachine, guest: MiniGuest, state: XenbusState): void => {
    const write = guest.domain.environment.xenstore.write(`${VBD_FRONTEND}/state`, String(state));
    machine.simulation.runProcess('state', write);
    machine.simulation.run();
  };

  it('the back-end of a block device goes from initialising to closed as the front-end does, and gives everything back', () => {
    const machine = bootMachine();
    const guest = startGuest(machine);
    const { grants, devices } = guest.domain;
    const vbd = devices[0]!;
    machine.simulation.run();
    expect([vbd.state, grants.pinCount]).toEqual([XenbusState.connected, 1]);
    guest.read(100, 1);
    setState(machine, guest, XenbusState.closing);
    expect([vbd.state, grants.pinCount]).toEqual([XenbusState.closing, 0]);
    expect(guest.domain.environment.hypercalls.eventChannels.status(guest.port).state).toBe('unbound');
    setState(machine, guest, XenbusState.closed);
    expect(vbd.state).toBe(XenbusState.closed);
    expect(machine.hypervisor.xenstore.read(`${backendsOf(guest.domain.domid, 'vbd')}/0/state`)).toBe('6');
    // A device that was closed stays closed, and the domain can go.
    setState(machine, guest, XenbusState.initialised);
    expect([vbd.state, grants.pinCount]).toEqual([XenbusState.closed, 0]);
    machine.simulation.runProcess('destroy', machine.toolstack.destroyDomain(guest.domain));
    expect(machine.hypervisor.xenstore.read(`${backendsOf(guest.domain.domid, 'vbd')}/0/state`)).toBeUndefined();
    machine.toolstack.list.checkInvariants();
  });

  for (const [what, name, value] of [
    ['a ring that is not granted', 'ring-ref', '9'],
    ['a ring that is not a number', 'ring-ref', '8.5'],
    ['a port that waits for nobody', 'event-channel', '77'],
    ['a port that is not there', 'event-channel', 'x'],
  ] as const)
    it(`the back-end of a block device refuses ${what}, and maps nothing`, () => {
      const machine = bootMachine();
      const config = { name: 'd', memoryBytes: LEAST_PAGES * 4096, device: machine.disk };
      const domain = machine.simulation.runProcess('create', domainOf(machine.toolstack.createDomain(config)));
      const { xenstore, hypercalls } = domain.environment;
      const port = hypercalls.eventChannels.allocUnbound(0 as never);
      // Entry 8 of a table that begins in page 3: start_info, bitmap and shared_info are before it.
      domain.environment.memory.writeU32(3 as never, 8 * 8 + 4, 100);
      domain.environment.memory.writeU32(3 as never, 8 * 8, Gtf.permitAccess);
      const publish = function* (): Process {
        yield* xenstore.write(`${VBD_FRONTEND}/ring-ref`, '8');
        yield* xenstore.write(`${VBD_FRONTEND}/event-channel`, String(port));
        yield* xenstore.write(`${VBD_FRONTEND}/${name}`, value);
        yield* xenstore.write(`${VBD_FRONTEND}/state`, String(XenbusState.initialised));
      };
      machine.simulation.runProcess('publish', publish());
      machine.simulation.run();
      expect([domain.devices[0]!.state, domain.grants.pinCount]).toEqual([XenbusState.closing, 0]);
      machine.simulation.runProcess('destroy', machine.toolstack.destroyDomain(domain));
      machine.toolstack.list.checkInvariants();
    });
});
