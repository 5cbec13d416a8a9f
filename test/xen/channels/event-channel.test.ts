import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DOM0, type DomId, EvtchnPort, getField, ModelError, Ns, PAGE_SIZE, Pfn } from '../../../src/base/index.ts';
import { EventChannels } from '../../../src/kernel/xen/evtchn.ts';
import type { Domain } from '../../../src/xen/domain/domain.ts';
import { type DomainPorts, EventPorts } from '../../../src/xen/channels/event-channel.ts';
import { domainOf } from '../../../src/xen/index.ts';
import { NR_EVENT_CHANNELS, SHARED_INFO, START_INFO, START_INFO_PFN, Virq } from '../../../src/xen/public/index.ts';
import { property } from '../../support/property.ts';
import { bootMachine, LEAST_PAGES, type TestMachine } from '../../support/machine.ts';

/** Ports without memory: what is pending, in the order in which it came. */
function ports(count: number): { ports: EventPorts[]; pending: string[] } {
  const domains: DomainPorts = new Map();
  const pending: string[] = [];
  const all = Array.from(
    { length: count },
    (_, domid) =>
      new EventPorts(domid as DomId, domains, {
        setPending: (port) => void pending.push(`${domid}:${port}`),
        clearPending: (port) => void pending.push(`${domid}:-${port}`),
      }),
  );
  return { ports: all, pending };
}

const [A, B, C] = [0, 1, 2] as [DomId, DomId, DomId];

describe('ports', () => {
  it('ports join two domains, and go back to waiting when the other end is closed', () => {
    const { ports: all, pending } = ports(3);
    const [a, b, c] = all as [EventPorts, EventPorts, EventPorts];
    const waiting = a.allocUnbound(B);
    expect(a.status(waiting)).toEqual({ state: 'unbound', remote: B });
    a.send(waiting);
    expect(pending).toEqual([]);
    expect(() => c.bindInterdomain(A, waiting)).toThrow(/^EINVAL/);
    const port = b.bindInterdomain(A, waiting);
    // Something may have been sent before.
    expect(pending.splice(0)).toEqual([`1:${port}`]);
    expect(a.status(waiting)).toEqual({ state: 'interdomain', remote: B, remotePort: port });
    expect(() => c.bindInterdomain(A, waiting)).toThrow(/^EINVAL/);
    a.send(waiting);
    b.send(port);
    expect(pending.splice(0)).toEqual([`1:${port}`, `0:${waiting}`]);
    b.close(port);
    expect(pending.splice(0)).toEqual([`1:-${port}`]);
    expect(a.status(waiting)).toEqual({ state: 'unbound', remote: B });
    expect(b.bindInterdomain(A, waiting)).toBe(port);
    all[1]!.destroy();
    expect(a.status(waiting)).toEqual({ state: 'unbound', remote: B });
    expect(() => c.bindInterdomain(B, port)).toThrow(/^EINVAL/);
  });

  it('ports are bound to a virq once, and to themselves', () => {
    const { ports: all, pending } = ports(1);
    const a = all[0]!;
    const timer = a.bindVirq(Virq.timer);
    expect(() => a.bindVirq(Virq.timer)).toThrow(/^EEXIST/);
    expect(() => a.bindVirq(99 as never)).toThrow(/^EINVAL/);
    const ipi = a.bindIpi();
    a.raiseVirq(Virq.debug);
    a.raiseVirq(Virq.timer);
    a.send(ipi);
    expect(pending).toEqual([`0:${timer}`, `0:${ipi}`]);
    expect(() => a.send(timer)).toThrow(/^EINVAL/);
    a.close(timer);
    expect(a.bindVirq(Virq.timer)).toBe(timer);
  });

  it('ports are 1 to 1023, and say so', () => {
    const a = ports(1).ports[0]!;
    for (let port = 1; port < NR_EVENT_CHANNELS; port++) expect(a.bindIpi()).toBe(port);
    expect(() => a.bindIpi()).toThrow(/^ENOSPC/);
    for (const port of [-1, NR_EVENT_CHANNELS, 0.5, NaN]) expect(() => a.status(EvtchnPort(port))).toThrow(/^EINVAL/);
    for (const port of [0, 1]) {
      if (port === 1) a.close(EvtchnPort(1));
      expect(() => a.close(EvtchnPort(port))).toThrow(/^EINVAL/);
      expect(() => a.send(EvtchnPort(port))).toThrow(/^EINVAL/);
    }
  });

  const op = fc.record({
    what: fc.constantFrom('alloc', 'bind', 'virq', 'ipi', 'close', 'send', 'destroy'),
    who: fc.nat(2),
    other: fc.nat(2),
    port: fc.nat(6),
  });
  property('ports name each other, whatever three domains do', fc.array(op, { maxLength: 60 }), (ops) => {
    const domains: DomainPorts = new Map();
    const sink = { setPending: () => undefined, clearPending: () => undefined };
    const enter = (domid: number) => new EventPorts(domid as DomId, domains, sink);
    for (let domid = 0; domid < 3; domid++) enter(domid);
    for (const { what, who, other, port: number } of ops) {
      const one = domains.get(who as DomId)!;
      const port = EvtchnPort(number);
      try {
        if (what === 'alloc') one.allocUnbound(other as DomId);
        else if (what === 'bind') one.bindInterdomain(other as DomId, port);
        else if (what === 'virq') one.bindVirq(number as Virq);
        else if (what === 'ipi') one.bindIpi();
        else if (what === 'close') one.close(port);
        else if (what === 'send') one.send(port);
        else {
          one.destroy();
          enter(who);
        }
      } catch (error) {
        if (!(error instanceof ModelError)) throw error;
      }
      for (const each of domains.values()) each.checkInvariants();
    }
  });
});

/** A domain with the kernel's event channels and no device. */
interface Hearer {
  readonly domain: Domain;
  readonly events: EventChannels;
  readonly heard: number[];
  readonly sharedInfo: Pfn;
}

function hearer(machine: TestMachine, name: string): Hearer {
  const config = { name, memoryBytes: LEAST_PAGES * PAGE_SIZE, device: machine.disk };
  const domain = machine.simulation.runProcess('create', domainOf(machine.toolstack.createDomain(config)));
  const page = new Uint8Array(PAGE_SIZE);
  domain.environment.memory.copyOut(START_INFO_PFN, 0, page, 0, PAGE_SIZE);
  const sharedInfo = Pfn(getField(START_INFO.x86_64, page, 0, 'sharedInfoPfn'));
  return { domain, events: new EventChannels(domain.environment, sharedInfo), heard: [], sharedInfo };
}

describe('events', () => {
  const CHANNELS = 40;
  const action = fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('send' as const), channel: fc.nat(CHANNELS - 1) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('mask', 'unmask'), channel: fc.nat(CHANNELS - 1) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('disable' as const) }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('steps' as const), count: fc.nat(3) }) },
  );

  property(
    'no event is lost and none is heard on a masked port, whenever it is sent',
    fc.array(action, { maxLength: 120, size: 'max' }),
    (actions) => {
      const machine = bootMachine();
      const [from, to] = [hearer(machine, 'from'), hearer(machine, 'to')];
      const { memory } = to.domain.environment;
      const sends: EvtchnPort[] = [];
      const receives: EvtchnPort[] = [];
      const bound = new Array<boolean>(CHANNELS).fill(false);
      /** Events since the handler last ran; the one of the binding is the first. */
      const owed = new Array<number>(CHANNELS).fill(0);
      const toggle = (channel: number, wanted: boolean) => {
        if (bound[channel] === wanted) return;
        bound[channel] = wanted;
        if (!wanted) to.events.unbind(receives[channel]!);
        else
          to.events.bind(receives[channel]!, () => {
            if (!bound[channel]) throw new Error(`heard channel ${channel}, which is masked`);
            if (owed[channel] === 0) throw new Error(`heard channel ${channel}, on which nothing was sent`);
            owed[channel] = 0;
          });
      };
      for (let channel = 0; channel < CHANNELS; channel++) {
        // Spread over two words of ports.
        sends.push(from.domain.environment.hypercalls.eventChannels.allocUnbound(to.domain.domid));
        const { eventChannels } = to.domain.environment.hypercalls;
        receives.push(eventChannels.bindInterdomain(from.domain.domid, sends[channel]!));
        owed[channel] = 1;
        if (channel % 2 === 0) toggle(channel, true);
      }
      for (const one of actions) {
        if (one.do === 'send') {
          owed[one.channel]!++;
          from.domain.environment.hypercalls.eventChannels.send(sends[one.channel]!);
        } else if (one.do === 'disable') {
          // Interrupts off for a while: the guest turns them on again and looks by itself.
          const { upcallMask } = SHARED_INFO.offset;
          memory.writeU8(to.sharedInfo, upcallMask, 1);
          for (let i = 0; i < 3; i++) machine.simulation.step();
          to.events.enable();
        } else if (one.do === 'steps') for (let i = 0; i < one.count; i++) machine.simulation.step();
        else toggle(one.channel, one.do === 'unmask');
      }
      machine.simulation.run();
      for (let channel = 0; channel < CHANNELS; channel++)
        if (bound[channel] && owed[channel]! > 0) throw new Error(`an event on channel ${channel} is lost`);
    },
    { numRuns: 30, lawRuns: 150 },
  );

  it('events yield one upcall for many, and none while the port is masked', () => {
    const machine = bootMachine();
    const { domain, events } = hearer(machine, 'guest');
    const { eventChannels } = domain.environment.hypercalls;
    const port = eventChannels.bindIpi();
    let heard = 0;
    for (let i = 0; i < 3; i++) eventChannels.send(port);
    machine.simulation.run();
    expect(heard).toBe(0);
    // The edge came while the port was masked: unmasking finds it.
    events.bind(port, () => heard++);
    expect(heard).toBe(1);
    for (let i = 0; i < 3; i++) eventChannels.send(port);
    expect(heard).toBe(1);
    machine.simulation.run();
    expect(heard).toBe(2);
  });

  it('events on a masked port do not call the guest', () => {
    const machine = bootMachine();
    const { domain, sharedInfo } = hearer(machine, 'guest');
    const { memory, hypercalls } = domain.environment;
    let upcalls = 0;
    hypercalls.setCallback(() => upcalls++);
    const port = hypercalls.eventChannels.bindIpi();
    hypercalls.eventChannels.send(port);
    machine.simulation.run();
    expect([upcalls, memory.readU32(sharedInfo, SHARED_INFO.offset.pending)]).toEqual([0, 1 << port]);
    memory.writeU32(sharedInfo, SHARED_INFO.offset.mask, 0);
    hypercalls.eventChannels.send(port);
    machine.simulation.run();
    // It is pending already: no edge, no upcall, until the guest has looked.
    expect(upcalls).toBe(0);
    memory.writeU32(sharedInfo, SHARED_INFO.offset.pending, 0);
    hypercalls.eventChannels.send(port);
    machine.simulation.run();
    expect(upcalls).toBe(1);
  });

  it('events sent by a handler to its own port come after it', () => {
    const machine = bootMachine();
    const { domain, events } = hearer(machine, 'guest');
    const { eventChannels } = domain.environment.hypercalls;
    const port = eventChannels.bindIpi();
    let depth = 0;
    let heard = 0;
    events.bind(port, () => {
      expect(depth++).toBe(0);
      if (heard++ < 5) eventChannels.send(port);
      depth--;
    });
    eventChannels.send(port);
    machine.simulation.run();
    expect(heard).toBe(6);
  });

  it('events do not reach a domain that is gone', () => {
    const machine = bootMachine();
    const [from, to] = [hearer(machine, 'from'), hearer(machine, 'to')];
    const port = from.domain.environment.hypercalls.eventChannels.allocUnbound(to.domain.domid);
    const end = to.domain.environment.hypercalls.eventChannels.bindInterdomain(from.domain.domid, port);
    to.events.bind(end, () => to.heard.push(end));
    machine.simulation.run();
    expect(to.heard).toEqual([end]);
    from.domain.environment.hypercalls.eventChannels.send(port);
    const page = to.domain.frameOf(to.sharedInfo);
    machine.simulation.runProcess('destroy', machine.toolstack.destroyDomain(to.domain));
    from.domain.environment.hypercalls.eventChannels.send(port);
    machine.simulation.run();
    expect([to.heard, machine.memory.isTouched(page)]).toEqual([[end], false]);
    expect(from.domain.environment.hypercalls.eventChannels.status(port).state).toBe('unbound');
  });

  it('domain 0 hears one for all that came until it was switched to', () => {
    const machine = bootMachine();
    const { domain } = hearer(machine, 'guest');
    const { hypervisor, simulation } = machine;
    const { eventChannels } = domain.environment.hypercalls;
    const port = eventChannels.allocUnbound(DOM0);
    const heardAt: Ns[] = [];
    hypervisor.domain0Events.bindInterdomain(domain.domid, port, () => heardAt.push(simulation.now));
    simulation.run();
    const start = simulation.now;
    for (let i = 0; i < 3; i++) eventChannels.send(port);
    simulation.run();
    expect(heardAt.slice(1)).toEqual([Ns(start + 50)]);
  });

  it('a virq tells domain 0 that a guest has stopped', () => {
    const machine = bootMachine();
    const { domain } = hearer(machine, 'guest');
    let told = 0;
    machine.hypervisor.domain0Events.bindVirq(Virq.domExc, () => told++);
    domain.environment.hypercalls.shutdown(3);
    machine.simulation.run();
    expect(told).toBe(1);
  });
});

it('a port out of reach in another domain is C’s own affair', () => {
  const { ports: all } = ports(3);
  expect(() => all[0]!.bindInterdomain(C, EvtchnPort(5))).toThrow(/^EINVAL/);
  expect(() => all[0]!.bindInterdomain(C, EvtchnPort(-5))).toThrow(/^EINVAL/);
});
