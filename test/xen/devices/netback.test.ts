// The network back-end with the kernel's front-end at its other end, and with guests that lie.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BROADCAST, EtherType, encodeFrame, xenMac } from '../../../src/base/ethernet.ts';
import { DOM0, EvtchnPort, Lba, Mfn, Ns, PAGE_SIZE, Pfn } from '../../../src/base/index.ts';
import { Nic } from '../../../src/machine/nic.ts';
import { values } from '../../../src/machine/profile.ts';
import { SERVER_2026 } from '../../../src/machine/profiles/server-2026.ts';
import { domainOf, Provenance, restoreDomain, saveDomain } from '../../../src/xen/index.ts';
import {
  NET_RING_SLOTS,
  NET_TX_REQUEST,
  NET_TX_RESPONSE,
  RING_HEADER,
  RING_HEADER_BYTES,
  VIF_FRONTEND,
  XenbusState,
} from '../../../src/xen/public/index.ts';
import { backendsOf } from '../../../src/xen/devices/xenbus-backend.ts';
import { property } from '../../support/property.ts';
import { bootMachine, LEAST_PAGES, startGuest, TestDisk, type TestMachine } from '../../support/machine.ts';
import { isReceivePage, NET_PFN, NetGuest, RX_RING, startNetGuest, TX_RING } from '../../support/net-guest.ts';

const [A, B, OUTSIDE] = [xenMac(1), xenMac(2), xenMac(3)];
const bytes = (length: number, salt: number): Uint8Array => new Uint8Array(length).map((_, i) => i * 7 + salt);

/** Two guests on a machine, and a host outside that keeps what it hears. */
function network(costs: Parameters<typeof bootMachine>[3] = {}) {
  const machine = bootMachine(1, {}, 16 << 20, costs);
  const [nic, host] = Nic.connect(machine.simulation, values(SERVER_2026.nic.constants));
  machine.hypervisor.network.plug(nic);
  const heard: Uint8Array[] = [];
  host.open((frame) => heard.push(frame.slice()));
  const guests = [startNetGuest(machine, A, 'a'), startNetGuest(machine, B, 'b')] as const;
  machine.simulation.run();
  return { ...machine, host, heard, guests };
}

describe('a guest on the network', () => {
  property(
    'a guest on the network receives each frame that is sent to it, in order and with its bytes, be it from another guest or from outside',
    fc.array(
      fc.record({
        from: fc.constantFrom('a' as const, 'b' as const, 'outside' as const),
        length: fc.oneof(fc.nat(64), fc.nat(PAGE_SIZE - 14)),
        wait: fc.nat(30_000),
      }),
      { maxLength: 60 },
    ),
    (sends) => {
      const { simulation, guests, host, toolstack } = network();
      const [a, b] = guests;
      const expected = { a: [] as Uint8Array[], b: [] as Uint8Array[] };
      for (const [salt, { from, length, wait }] of sends.entries()) {
        const payload = bytes(length, salt);
        // From outside to a; between the guests both ways.
        const to = from === 'a' ? B : A;
        expected[to === A ? 'a' : 'b'].push(payload);
        if (from === 'a') a.send(to, payload);
        else if (from === 'b') b.send(to, payload);
        else host.send(encodeFrame({ destination: to, source: OUTSIDE, type: EtherType.transport, payload }));
        const end = simulation.now + wait;
        simulation.run(() => simulation.now >= end);
      }
      simulation.run();
      expect(b.received.map(({ payload }) => payload)).toEqual(expected.b);
      // Those of two senders may overtake each other.
      const sorted = (frames: readonly Uint8Array[]): string[] =>
        frames.map((each) => Buffer.from(each).toString('hex')).sort();
      expect(sorted(a.received.map(({ payload }) => payload))).toEqual(sorted(expected.a));
      for (const guest of guests) expect(guest.domain.grants.pinCount).toBe(2);
      toolstack.list.checkInvariants();
    },
    { numRuns: 12, lawRuns: 40 },
  );

  it('a guest on the network announces itself to all when it connects, and hears what is for all', () => {
    const { heard, guests, simulation, host } = network();
    expect(heard.map((frame) => [...frame.subarray(0, 12)])).toEqual(
      [1, 2].map((n) => [255, 255, 255, 255, 255, 255, 0, 0x16, 0x3e, 0, 0, n]),
    );
    host.send(
      encodeFrame({ destination: BROADCAST, source: OUTSIDE, type: EtherType.transport, payload: bytes(9, 1) }),
    );
    simulation.run();
    expect(guests.map(({ received }) => received.length)).toEqual([1, 1]);
  });

  it('a guest on the network loses what comes while it has no empty page, and goes on', () => {
    // The guest is notified of nothing: no page becomes empty again.
    const { simulation, guests, host } = network();
    const [{ domain, received }] = guests;
    domain.pause();
    for (let n = 0; n < 100; n++) {
      host.send(encodeFrame({ destination: A, source: OUTSIDE, type: EtherType.transport, payload: bytes(20, n) }));
      simulation.run();
    }
    domain.unpause();
    simulation.run();
    expect(received.map(({ payload }) => payload)).toEqual(Array.from({ length: 64 }, (_, n) => bytes(20, n)));
    host.send(encodeFrame({ destination: A, source: OUTSIDE, type: EtherType.transport, payload: bytes(20, 200) }));
    simulation.run();
    expect(received).toHaveLength(65);
  });

  it('a guest on the network costs domain 0’s processor the work on each frame', () => {
    const { simulation, guests, hypervisor } = network({ netbackPacketNs: 1000, netbackNsPerByte: 2, eventSendNs: 0 });
    const before = hypervisor.domain0Cpu.busy;
    guests[0].send(B, bytes(86, 0));
    simulation.run();
    expect(hypervisor.domain0Cpu.busy - before).toBe(2 * (1000 + 2 * 100));
  });

  it.each([
    ['copied', 0, 2 * (2 * 1000 + 2 * 2938)],
    ['in pages that are given', 1, 2 * 1000 + 2 * 64 + 2 * (1000 + 700)],
  ])(
    'a guest on the network costs domain 0’s processor the work on each segment, which is %s',
    (_, netbackFlips, ns) => {
      const costs = { netbackPacketNs: 1000, netbackNsPerByte: 2, netbackFlipNs: 700, eventSendNs: 0 };
      const { simulation, guests, hypervisor } = network({ ...costs, netbackFlips });
      const before = hypervisor.domain0Cpu.busy;
      // Headers of 14 and 28 bytes, and two segments.
      guests[0].send(B, bytes(28 + 2896, 0));
      simulation.run();
      expect(hypervisor.domain0Cpu.busy - before).toBe(ns);
      expect(guests[1].received.map(({ payload }) => payload)).toEqual([bytes(28 + 2896, 0)]);
    },
  );

  it('a guest on the network that sends a frame that is none costs the work on a packet, and none on its bytes', () => {
    const { simulation, guests, hypervisor } = network({ netbackPacketNs: 1000, netbackNsPerByte: 2, eventSendNs: 0 });
    const [{ domain, transmitter }] = guests;
    const before = hypervisor.domain0Cpu.busy;
    transmitter.send(OUTSIDE, EtherType.transport, [bytes(30, 0)]);
    // The first slot was that of the announcement.
    domain.environment.memory.writeU16(
      TX_RING,
      RING_HEADER_BYTES + NET_TX_REQUEST.size + NET_TX_REQUEST.offset.flags,
      1,
    );
    simulation.run();
    expect(hypervisor.domain0Cpu.busy - before).toBe(1000);
  });

  it('a guest on the network is told of what was sent only when it asks for that', () => {
    const { simulation, guests } = network();
    const [{ domain, transmitter }] = guests;
    const { memory, hypercalls } = domain.environment;
    let upcalls = 0;
    hypercalls.setCallback(() => upcalls++);
    const sent = memory.readU32(TX_RING, RING_HEADER.offset.rspProd);
    const sendOne = (askFor: number): number => {
      upcalls = 0;
      transmitter.send(OUTSIDE, EtherType.transport, [bytes(30, 0)]);
      memory.writeU32(TX_RING, RING_HEADER.offset.rspEvent, askFor);
      simulation.run();
      return upcalls;
    };
    expect([sendOne(sent + 2), sendOne(sent + 2)]).toEqual([0, 1]);
    expect(memory.readU32(TX_RING, RING_HEADER.offset.rspProd)).toBe(sent + 2);
  });

  it('a guest on the network sends a burst of more frames than it has pages in order, up to 1000 that wait', () => {
    const { simulation, guests, heard } = network();
    const burst = Array.from({ length: 1001 }, (_, n) => Uint8Array.of(n & 255, n >> 8));
    heard.length = 0;
    guests[0].transmitter.send(OUTSIDE, EtherType.transport, burst);
    simulation.run();
    expect(heard.map((frame) => frame.subarray(14))).toEqual(burst.slice(0, 1000));
  });

  it('a guest on the network has frames wait that the adapter has no room for, up to 1000, in order', () => {
    const machine = bootMachine();
    const { simulation, hypervisor } = machine;
    const [nic, host] = Nic.connect(simulation, { ...values(SERVER_2026.nic.constants), queueBytes: 100 });
    hypervisor.network.plug(nic);
    const heard: number[] = [];
    host.open((frame) => heard.push(frame[14]! + 256 * frame[15]!));
    const port = hypervisor.network.bridge.attach(() => undefined);
    const head = { destination: OUTSIDE, source: A, type: EtherType.transport };
    // Five frames of 20 bytes fit the adapter.
    const frames = Array.from({ length: 1100 }, (_, n) =>
      encodeFrame({ ...head, payload: Uint8Array.of(n, n >> 8, 0, 0, 0, 0) }),
    );
    port.input(frames);
    simulation.run();
    expect(heard).toEqual(Array.from({ length: 1005 }, (_, n) => n));
  });

  it('guests on the network whose adapter is slow have their frames wait at home, and domain 0 loses none', () => {
    const { simulation, hypervisor, guests } = network();
    const [nic, host] = Nic.connect(simulation, {
      ...values(SERVER_2026.nic.constants),
      lineMBps: 1,
      queueBytes: 10_000,
    });
    hypervisor.network.plug(nic);
    let heard = 0;
    host.open(() => heard++);
    const burst = Array.from({ length: 1000 }, () => new Uint8Array(1000));
    for (const { transmitter } of guests) transmitter.send(OUTSIDE, EtherType.transport, burst);
    simulation.run();
    expect(heard).toBe(2000);
  });

  it('a guest on the network is suspended, comes back on other frames under a new domain, and is found where it is', () => {
    const { simulation, guests, host, hypervisor, toolstack, disk, memory } = network();
    const [a] = guests;
    const file = new TestDisk(simulation, memory, 2000);
    a.domain.environment.spawn('suspends', a.suspends());
    const parts = { hypervisor, toolstack };
    const saved = simulation.runProcess('save', saveDomain(parts, a.domain, { device: disk }, file));
    expect(saved).toHaveProperty('value.bytes');
    const lost = encodeFrame({ destination: A, source: OUTSIDE, type: EtherType.transport, payload: bytes(5, 1) });
    host.send(lost);
    simulation.run();
    const restored = simulation.runProcess(
      'restore',
      restoreDomain(parts, file, { device: disk, mac: A, vouch: false }),
    );
    if (!restored.ok) throw new Error(restored.reason.why);
    a.domain = restored.value.domain;
    simulation.run();
    for (const n of [2, 3]) {
      const payload = bytes(5, n);
      host.send(encodeFrame({ destination: A, source: OUTSIDE, type: EtherType.transport, payload }));
      simulation.run();
      a.send(B, payload);
      simulation.run();
    }
    expect(a.received.map(({ payload }) => payload)).toEqual([bytes(5, 2), bytes(5, 3)]);
    expect(guests[1].received).toHaveLength(2);
    toolstack.list.checkInvariants();
  });

  it('a guest on the network goes on without a network where it has none', () => {
    const { simulation, guests, hypervisor, toolstack, disk, memory } = network();
    const [a, b] = guests;
    const file = new TestDisk(simulation, memory, 2000);
    a.domain.environment.spawn('suspends', a.suspends());
    const parts = { hypervisor, toolstack };
    simulation.runProcess('save', saveDomain(parts, a.domain, { device: disk }, file));
    const restored = simulation.runProcess('restore', restoreDomain(parts, file, { device: disk, vouch: false }));
    if (!restored.ok) throw new Error(restored.reason.why);
    a.domain = restored.value.domain;
    simulation.run();
    a.send(B, bytes(5, 1));
    simulation.run();
    expect(b.received).toEqual([]);
  });
});

describe('the network back-end', () => {
  property(
    'the network back-end does as the rings say and nothing else, whatever a guest puts there',
    fc.array(
      fc.record({
        slot: fc.nat(40),
        grant: fc.oneof(fc.integer({ min: 8, max: 150 }), fc.nat(3000)),
        offset: fc.oneof(fc.constant(0), fc.nat(0xffff)),
        size: fc.oneof(fc.integer({ min: 0, max: 100 }), fc.nat(0xffff)),
        flags: fc.constantFrom(0, 0, 0, 1),
      }),
      { maxLength: 12 },
    ),
    fc.array(fc.record({ ring: fc.constantFrom(TX_RING, RX_RING), at: fc.nat(1000), word: fc.nat(2 ** 32 - 1) }), {
      maxLength: 10,
    }),
    fc.oneof(fc.nat(300), fc.nat(2 ** 32 - 1)),
    (requests, words, produced) => {
      const { simulation, guests, host, hypervisor, toolstack, memory } = network();
      const [liar, other] = guests;
      const { environment } = liar.domain;
      const before = Array.from({ length: LEAST_PAGES }, (_, n) => memory.frame(other.domain.frameOf(Pfn(n))).slice());
      const { offset: at } = NET_TX_REQUEST;
      for (const { ring, at: word, word: value } of words) environment.memory.writeU32(ring, (word % 1024) * 4, value);
      for (const { slot, grant, offset, size, flags } of requests) {
        const base = RING_HEADER_BYTES + (slot % NET_RING_SLOTS) * NET_TX_REQUEST.size;
        environment.memory.writeU32(TX_RING, base + at.grant, grant);
        environment.memory.writeU16(TX_RING, base + at.offset, offset);
        environment.memory.writeU16(TX_RING, base + at.flags, flags);
        environment.memory.writeU16(TX_RING, base + at.size, size);
      }
      environment.memory.writeU32(TX_RING, RING_HEADER.offset.reqProd, produced);
      // Its driver would stop at responses that it did not ask for: it is not called.
      environment.hypercalls.setCallback(() => undefined);
      environment.hypercalls.eventChannels.send(EvtchnPort(1));
      for (let n = 0; n < 5; n++)
        host.send(encodeFrame({ destination: A, source: OUTSIDE, type: EtherType.transport, payload: bytes(50, n) }));
      simulation.run();
      // What the other one has differs only where it receives, or in its rings, boot region and
      // grants.
      for (let n = NET_PFN; n < LEAST_PAGES - 1; n++) {
        if (isReceivePage(n) || n === TX_RING || n === RX_RING) continue;
        expect(Buffer.compare(memory.frame(other.domain.frameOf(Pfn(n))), before[n]!)).toBe(0);
      }
      simulation.runProcess('destroy', toolstack.destroyDomain(liar.domain));
      simulation.run();
      toolstack.list.checkInvariants();
      expect(hypervisor.scrubber.frames).toEqual([]);
      other.send(OUTSIDE, bytes(8, 1));
      simulation.run();
    },
    { numRuns: 15, lawRuns: 60 },
  );

  property(
    'the network back-end holds what it has in flight when its guest dies, and no frame lands in memory that changed hands',
    fc.array(fc.record({ from: fc.constantFrom('guest' as const, 'outside' as const), wait: fc.nat(2000) }), {
      minLength: 1,
      maxLength: 40,
    }),
    fc.nat(60_000),
    (sends, until) => {
      const { simulation, guests, host, toolstack, hypervisor, memory } = network({ netbackPacketNs: 3000 });
      const [a] = guests;
      const begin = simulation.now;
      simulation.after(Ns(until), () => {
        simulation.spawn('destroy', toolstack.destroyDomain(a.domain));
      });
      for (const { from, wait } of sends) {
        if (from === 'guest' && a.domain.isRunning) a.send(B, bytes(200, 1));
        else
          host.send(
            encodeFrame({ destination: A, source: OUTSIDE, type: EtherType.transport, payload: bytes(200, 2) }),
          );
        const end = simulation.now + wait;
        simulation.run(() => simulation.now >= end);
      }
      simulation.run(() => simulation.now > begin + until && a.domain.state === 'dead');
      // They have no owner: they are zero once they were scrubbed, and stay so.
      simulation.run();
      for (let n = hypervisor.map.firstDomainMfn as number; n < memory.frameCount; n++)
        if (hypervisor.allocator.isFree(Mfn(n)) && memory.isTouched(Mfn(n)))
          expect(memory.frame(Mfn(n)).every((byte) => byte === 0)).toBe(true);
      toolstack.list.checkInvariants();
      expect(a.domain.grants.pinCount).toBe(0);
    },
    { numRuns: 25, lawRuns: 60 },
  );

  it('the network back-end answers a frame that is none with an error, and sends the others', () => {
    const { simulation, guests, heard } = network();
    const [{ domain, transmitter }] = guests;
    const { memory, hypercalls } = domain.environment;
    heard.length = 0;
    const { offset: at } = NET_TX_REQUEST;
    const spoil = [
      [at.flags, 1],
      [at.size, 13],
      [at.offset, PAGE_SIZE - 20],
      [at.grant, 7],
    ] as const;
    hypercalls.setCallback(() => undefined);
    // The first slot was that of the announcement. The driver publishes each at once; the back-end
    // takes it up later.
    const slotOf = (n: number): number => RING_HEADER_BYTES + (1 + n) * NET_TX_REQUEST.size;
    for (let n = 0; n <= spoil.length; n++) {
      transmitter.send(OUTSIDE, EtherType.transport, [bytes(30, n)]);
      if (n < spoil.length) memory.writeU16(TX_RING, slotOf(n) + spoil[n]![0], spoil[n]![1]);
    }
    simulation.run();
    const statuses = [0, 1, 2, 3, 4].map((n) => memory.readU16(TX_RING, slotOf(n) + NET_TX_RESPONSE.offset.status));
    // What is found wrong at once is answered at once, in the order of the ring all the same.
    expect(statuses).toEqual([1, 1, 1, 1, 0]);
    expect(heard.map((frame) => frame.subarray(14))).toEqual([bytes(30, spoil.length)]);
  });

  it('the network back-end has nothing mapped any more when it says that it closes the interface', () => {
    const { simulation, guests, hypervisor } = network({ netbackPacketNs: 500_000 });
    const [{ domain, transmitter }] = guests;
    const pins: number[] = [];
    const path = `${backendsOf(domain.domid, 'vif')}/0/state`;
    hypervisor.xenstore.watch(path, () => {
      if (hypervisor.xenstore.read(path) === String(XenbusState.closing)) pins.push(domain.grants.pinCount);
    });
    transmitter.send(OUTSIDE, EtherType.transport, [bytes(30, 1)]);
    simulation.run(() => domain.grants.pinCount === 3);
    const close = domain.environment.xenstore.write(`${VIF_FRONTEND}/state`, String(XenbusState.closing));
    domain.environment.spawn('close', close);
    simulation.run();
    expect(pins).toEqual([0]);
  });

  it('the network back-end calls the interface closed once the guest has, and not while its rings are mapped', () => {
    const { simulation, guests, hypervisor } = network();
    const [{ domain }] = guests;
    const { xenstore } = domain.environment;
    const statesAfter = (states: readonly number[]): string[] =>
      states.map((state) => {
        simulation.runProcess('write', xenstore.write(`${VIF_FRONTEND}/state`, String(state)));
        simulation.run();
        return hypervisor.xenstore.read(`${backendsOf(domain.domid, 'vif')}/0/state`)!;
      });
    const { closed, closing, connected } = XenbusState;
    expect(statesAfter([closed, connected, closing, closed])).toEqual(
      [connected, connected, closing, closed].map(String),
    );
  });

  it('the network back-end is no port of the bridge any more when its guest has gone', () => {
    const { simulation, guests, host, hypervisor, toolstack } = network({ netbackPacketNs: 1000, nicPacketNs: 0 });
    const work = (): number => {
      const before = hypervisor.domain0Cpu.busy;
      host.send(encodeFrame({ destination: BROADCAST, source: OUTSIDE, type: 1, payload: bytes(50, 0) }));
      simulation.run();
      return Math.floor((hypervisor.domain0Cpu.busy - before) / 1000);
    };
    expect(work()).toBe(2);
    simulation.runProcess('destroy', toolstack.destroyDomain(guests[0].domain));
    simulation.run();
    expect(work()).toBe(1);
  });

  it('the network back-end takes what a page equalled from it when a frame lands there, and a migration sees it', () => {
    const { simulation, guests, host, hypervisor } = network();
    const [{ domain }] = guests;
    const page = Pfn(NET_PFN + 2 + 64);
    const mfn = domain.frameOf(page);
    // As if a block had been read into it.
    hypervisor.frames.beginRead(mfn, 0, 5);
    hypervisor.frames.endRead(mfn, 5, true);
    expect([hypervisor.frames.provenanceOf(mfn), hypervisor.frames.blockOf(mfn)]).toEqual([Provenance.clean, Lba(5)]);
    expect(domain.begin('migrate')).toMatchObject({ ok: true });
    const log = domain.beginLogDirty();
    for (let n = 0; n < 64; n++)
      host.send(encodeFrame({ destination: A, source: OUTSIDE, type: EtherType.transport, payload: bytes(50, n) }));
    simulation.run();
    expect(log.has(page)).toBe(true);
    domain.endLogDirty();
    expect(hypervisor.frames.provenanceOf(mfn)).not.toBe(Provenance.clean);
  });

  it.each([
    ['no ring that is granted', '9999'],
    ['nonsense', 'x'],
  ])('the network back-end closes an interface that names %s', (_, value) => {
    const machine: TestMachine = bootMachine();
    const { simulation, toolstack, disk } = machine;
    const config = { name: 'guest', memoryBytes: LEAST_PAGES * PAGE_SIZE, device: disk, mac: A };
    const domain = simulation.runProcess('create', domainOf(toolstack.createDomain(config)));
    const { xenstore, hypercalls } = domain.environment;
    const port = hypercalls.eventChannels.allocUnbound(DOM0);
    const publish = function* () {
      yield* xenstore.write(`${VIF_FRONTEND}/tx-ring-ref`, value);
      yield* xenstore.write(`${VIF_FRONTEND}/rx-ring-ref`, value);
      yield* xenstore.write(`${VIF_FRONTEND}/event-channel`, String(port));
      yield* xenstore.write(`${VIF_FRONTEND}/state`, String(XenbusState.initialised));
    };
    simulation.runProcess('publish', publish());
    simulation.run();
    expect(domain.devices.map(({ state }) => state)).toEqual([XenbusState.initWait, XenbusState.closing]);
    expect(domain.grants.pinCount).toBe(0);
  });

  it('the network back-end is not there for a domain without an address', () => {
    const machine = bootMachine();
    const guest = startGuest(machine);
    expect(guest.domain.devices).toHaveLength(1);
    expect(() => new NetGuest(machine, guest.domain).front).not.toThrow();
  });
});
