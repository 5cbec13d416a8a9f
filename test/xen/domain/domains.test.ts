// Several domains on one machine and one disk: who has which frame, and what is in it when the
// domain gets it.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GuestPanic, Mfn, ModelError, Ns, PAGE_SIZE, Pfn } from '../../../src/base/index.ts';
import type { BlockRequest } from '../../../src/disk/drive/block-device.ts';
import type { Domain } from '../../../src/xen/domain/domain.ts';
import { OWNER_HYPERVISOR, ownerOfDomain } from '../../../src/xen/frames/frame-record.ts';
import { Provenance } from '../../../src/xen/frames/provenance.ts';
import { domainOf, type HypervisorOptions, inspectMemory, Reason, ShutdownReason } from '../../../src/xen/index.ts';
import { property } from '../../support/property.ts';
import {
  BOOT_PAGES,
  bootMachine,
  cacheBlocks,
  LEAST_PAGES,
  type MiniGuest,
  restartGuest,
  startGuest,
  type TestMachine,
} from '../../support/machine.ts';

/** Pages from here on are the guests' own; those before are read, written and stored to. */
const QUIET = 600;

const who = fc.nat(2);
const page = fc.integer({ min: 100, max: 107 });
const action = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('build' as const), more: fc.constantFrom(0, 0, 200) }) },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constantFrom('read' as const, 'write' as const), who, page, block: fc.nat(60) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('store' as const), who, page }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('steps' as const), count: fc.integer({ min: 1, max: 15 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('name' as const), who, page }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('cache' as const), who, page, block: fc.nat(60) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('destroy' as const), who }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('restart' as const), who, preserve: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom('give back' as const, 'take' as const), who, page, count: fc.nat(12) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('pause' as const, 'unpause' as const), who }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('settle' as const) }) },
);
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

/**
 * Plays a sequence; throws at the first frame that changed hands with bytes in it, or in which
 * bytes of another arrive.
 */
function play(seed: number, actions: readonly Action[], options: HypervisorOptions = {}): TestMachine {
  const machine = bootMachine(seed, options);
  const { simulation, toolstack, hypervisor, memory, disk } = machine;
  const { frames } = hypervisor;
  const free = hypervisor.allocator.freeCount;
  const guests: MiniGuest[] = [];
  const owners = new Map<BlockRequest, string[]>();
  const ownersOf = (request: BlockRequest) =>
    request.segments.map(({ mfn }) => `${frames.ownerOf(mfn)}/${frames.pfnOf(mfn)}`);
  disk.onFrame = (when, mfn, request) => {
    if (when === 'submitted') owners.set(request, ownersOf(request));
    else if (owners.get(request)!.join() !== ownersOf(request).join())
      throw new Error(`a transfer lands in frame ${mfn}, which has changed hands`);
  };
  const mustBeZero = (mfn: Mfn, what: string) => {
    if (memory.isTouched(mfn) && memory.frame(mfn).some((byte) => byte !== 0)) throw new Error(`${what} is not zero`);
  };
  /** @param before P2M list of the guest before it, if any */
  const built = (guest: MiniGuest, before: readonly (Mfn | undefined)[] = []) => {
    for (let n = BOOT_PAGES; n < guest.ring; n++) {
      const mfn = guest.domain.frameOf(Pfn(n));
      if (!frames.isPreserved(mfn)) mustBeZero(mfn, `page ${n} of a domain just built`);
      else if (before[n] !== mfn) throw new Error(`page ${n} is preserved, and was another's`);
      else if (frames.provenanceOf(mfn) === Provenance.clean)
        expect(memory.frame(mfn)).toEqual(disk.block(frames.blockOf(mfn)));
    }
    return guest;
  };
  const p2mOf = ({ domain }: MiniGuest) =>
    Array.from({ length: domain.nrPages }, (_, n) => (domain.hasFrame(Pfn(n)) ? domain.frameOf(Pfn(n)) : undefined));
  /** Domains that were destroyed: what is in flight pins frames of theirs for a while. */
  const destroyed: Domain[] = [];
  const named = () => {
    const living = new Map(guests.map((guest) => [ownerOfDomain(guest.domain.domid), guest.domain]));
    const dying = new Set(destroyed.flatMap(({ domid, state }) => (state === 'dead' ? [] : [ownerOfDomain(domid)])));
    for (let n = hypervisor.map.firstDomainMfn as number; n < memory.frameCount; n++) {
      const mfn = Mfn(n);
      if (!frames.isNamed(mfn)) continue;
      const [owner, pfn] = [frames.ownerOf(mfn), frames.pfnOf(mfn)];
      const domain = living.get(owner);
      if (!dying.has(owner) && !(domain?.hasFrame(pfn) && domain.frameOf(pfn) === mfn))
        throw new Error(`frame ${n} has a name, and is no page of a domain`);
    }
  };
  const quiet = () => {
    for (const { domain, ring } of guests)
      for (let n = QUIET; n < ring; n++)
        if (memory.isTouched(domain.frameOf(Pfn(n)))) throw new Error(`page ${n} was stored to by somebody else`);
  };
  const perform = (one: Action): void => {
    if (one.do === 'settle') simulation.run();
    else if (one.do === 'steps') for (let i = 0; i < one.count; i++) simulation.step();
    else if (one.do === 'build')
      guests.push(built(startGuest(machine, `d${guests.length + destroyed.length}`, LEAST_PAGES + one.more)));
    else {
      const guest = guests[one.who];
      if (guest === undefined) return;
      const { domain } = guest;
      const { memory: own, hypercalls } = domain.environment;
      if (one.do === 'destroy') {
        // Not waited for: what follows happens while requests are in flight and frames are
        // scrubbed.
        simulation.spawn('destroy', toolstack.destroyDomain(domain));
        guests.splice(one.who, 1);
        destroyed.push(domain);
      } else if (one.do === 'restart') {
        const before = p2mOf(guest);
        guests[one.who] = built(restartGuest(machine, guest, { preserve: one.preserve }), before);
      } else if (one.do === 'cache') {
        if (!guest.hasRoom) return;
        // A guest that is paused is not told; then the page is named in flight, or when it has
        // come.
        const id = guest.read(one.page, one.block);
        for (let i = 0; i < 40 && !guest.responses.has(id); i++) simulation.step();
        guest.insert(one.page, 12, one.page);
      } else if (one.do === 'name') guest.insert(one.page, 12, one.page);
      else if (one.do === 'pause') domain.pause();
      else if (one.do === 'unpause') domain.unpause();
      else if (one.do === 'read') {
        if (guest.hasRoom) guest.read(one.page, one.block);
      } else if (one.do === 'write') {
        if (guest.hasRoom) guest.write(one.page, one.block);
      } else if (!('page' in one)) return;
      else if (!domain.hasFrame(Pfn(one.page))) {
        if (one.do !== 'take') return;
        const pfns = Array.from({ length: one.count }, (_, i) => one.page + i);
        const got = hypercalls.increaseReservation(pfns);
        for (const pfn of pfns.slice(0, got)) mustBeZero(domain.frameOf(Pfn(pfn)), `page ${pfn}, just got,`);
      } else if (one.do === 'store') own.writeU32(Pfn(one.page), 8, 0x5ec4e7 + domain.domid);
      else if (one.do === 'give back') {
        const pfns = Array.from({ length: one.count }, (_, i) => one.page + i);
        hypercalls.decreaseReservation(pfns);
      }
    }
  };
  for (const one of actions) {
    try {
      perform(one);
    } catch (error) {
      if (!/: ENOMEM: /.test(String(error))) throw error;
    }
    quiet();
    named();
  }
  for (const { domain } of guests) domain.unpause();
  while (simulation.step()) quiet();
  named();
  toolstack.list.checkInvariants();
  const held = guests.reduce((sum, { domain }) => sum + domain.pageCount, 0);
  expect(hypervisor.allocator.freeCount).toBe(free - held);
  for (let n = hypervisor.map.firstDomainMfn as number; n < memory.frameCount; n++)
    if (hypervisor.allocator.isFree(Mfn(n))) mustBeZero(Mfn(n), `free frame ${n}`);
  expect(inspectMemory(memory).problems).toEqual([]);
  return machine;
}

describe('domains', () => {
  property(
    'domains never see a byte of another, whatever is built, run, named, destroyed, restarted, given back and taken',
    fc.nat(1000),
    fc.array(action, { maxLength: 60, size: 'max' }),
    (seed, actions) => {
      play(seed, [{ do: 'build', more: 0 }, { do: 'build', more: 0 }, ...actions]);
    },
    { numRuns: 25, lawRuns: 100 },
  );

  it('domains without scrubbing do see each other', () => {
    const actions: Action[] = [
      { do: 'build', more: 0 },
      { do: 'build', more: 0 },
      { do: 'store', who: 0, page: 110 },
      { do: 'destroy', who: 0 },
      { do: 'settle' },
      { do: 'build', more: 0 },
      { do: 'build', more: 0 },
    ];
    play(1, actions);
    expect(() => play(1, actions, { protections: { scrub: false } })).toThrow('is not zero');
  });
});

describe('a domain that is destroyed', () => {
  it('a domain that is destroyed gives back at once what is not in flight, and the rest when the transfer is over', () => {
    const machine = bootMachine();
    const { simulation, hypervisor, toolstack, disk } = machine;
    const guest = startGuest(machine);
    const { domain } = guest;
    simulation.run();
    disk.latencyNs = 100_000_000;
    guest.read(100, 7);
    const mfn = domain.frameOf(Pfn(100));
    simulation.run(() => domain.grants.pinnedFrames().has(mfn));
    let moved = 0;
    disk.onFrame = (when) => {
      moved += when === 'moved' ? 1 : 0;
    };
    simulation.spawn('destroy', toolstack.destroyDomain(domain));
    simulation.run(() => hypervisor.scrubber.frames.length > 0);
    // All but the page that is being read, the ring and nothing else.
    expect([hypervisor.scrubber.frames.length, moved]).toEqual([LEAST_PAGES - 2, 0]);
    expect(hypervisor.scrubber.frames).not.toContain(mfn);
    expect(domain.state).toBe('dying');
    simulation.run();
    expect([domain.state, moved, hypervisor.scrubber.frames.length]).toEqual(['dead', 1, 0]);
    toolstack.list.checkInvariants();
    // The transfer has ended long after all other frames were scrubbed: it has left nothing in
    // them.
    for (let n = hypervisor.map.firstDomainMfn as number; n < machine.memory.frameCount; n++)
      expect(machine.memory.isTouched(Mfn(n))).toBe(false);
  });

  it('a domain that is destroyed is scrubbed by and by, and a domain that needs the memory waits for it', () => {
    const machine = bootMachine(1, {}, 8 << 20, { scrubNsPerByte: 1 });
    const { simulation, hypervisor, toolstack, disk } = machine;
    const guest = startGuest(machine);
    simulation.run();
    const { domain0Cpu, scrubber, frames } = hypervisor;
    simulation.spawn('destroy', toolstack.destroyDomain(guest.domain));
    simulation.run(() => scrubber.frames.length > 0);
    expect(scrubber.frames).toHaveLength(LEAST_PAGES);
    expect(scrubber.frames.every((mfn) => frames.ownerOf(Mfn(mfn)) === OWNER_HYPERVISOR)).toBe(true);
    const [start, busy] = [simulation.now, domain0Cpu.busy];
    const memoryBytes = (hypervisor.allocator.freeCount + LEAST_PAGES) * PAGE_SIZE;
    const config = { name: 'next', memoryBytes, device: disk };
    const next = simulation.runProcess('create', domainOf(toolstack.createDomain(config)));
    expect(next.isRunning).toBe(true);
    expect(simulation.now - start).toBeGreaterThanOrEqual(LEAST_PAGES * PAGE_SIZE);
    expect(domain0Cpu.busy - busy).toBeGreaterThanOrEqual(LEAST_PAGES * PAGE_SIZE);
    toolstack.list.checkInvariants();
  });
});

describe('a reservation', () => {
  it('a reservation shrinks and grows page by page, and says how far it came', () => {
    const machine = bootMachine();
    const guest = startGuest(machine);
    machine.simulation.run();
    const { hypercalls, memory } = guest.domain.environment;
    const { allocator } = machine.hypervisor;
    const free = allocator.freeCount;
    expect(hypercalls.decreaseReservation([200, 201, 202])).toBe(3);
    expect([guest.domain.pageCount, guest.domain.hasFrame(Pfn(201))]).toEqual([LEAST_PAGES - 3, false]);
    expect(() => memory.readU8(Pfn(201), 0)).toThrow(GuestPanic);
    expect(() => memory.writeU8(Pfn(201), 0, 1)).toThrow(GuestPanic);
    expect([guest.insert(201, 12, 1), guest.erase(201)]).toEqual([Reason.absent, Reason.absent]);
    machine.simulation.run();
    expect(allocator.freeCount).toBe(free + 3);
    // Not there, the boot region, the ring, which is mapped, and pages out of all reason end it.
    for (const bad of [201, 2, guest.ring, LEAST_PAGES, -1, 0.5])
      expect(hypercalls.decreaseReservation([300 + (bad === 2 ? 1 : 0), bad])).toBeLessThan(2);
    expect(hypercalls.increaseReservation([201, 250, 202])).toBe(1);
    expect([memory.readU32(Pfn(201), 0), guest.domain.hasFrame(Pfn(202))]).toEqual([0, false]);
    machine.simulation.run();
    machine.toolstack.list.checkInvariants();
    expect(inspectMemory(machine.memory).problems).toEqual([]);
  });

  it('a reservation ends where memory does', () => {
    const machine = bootMachine();
    const guest = startGuest(machine);
    const { hypercalls } = guest.domain.environment;
    const pfns = Array.from({ length: 50 }, (_, i) => 200 + i);
    expect(hypercalls.decreaseReservation(pfns)).toBe(50);
    machine.simulation.run();
    const rest = (machine.hypervisor.allocator.freeCount - 20) * PAGE_SIZE;
    const other = { name: 'large', memoryBytes: rest, device: machine.disk };
    machine.simulation.runProcess('create', domainOf(machine.toolstack.createDomain(other)));
    expect(hypercalls.increaseReservation(pfns)).toBe(20);
    machine.toolstack.list.checkInvariants();
  });

  it('a reservation that has shrunk is whole again after a restart, and its cache is kept', () => {
    const machine = bootMachine();
    const guest = startGuest(machine);
    cacheBlocks(machine, guest, [3, 9]);
    guest.domain.environment.hypercalls.decreaseReservation([300, 301, 302]);
    const next = restartGuest(machine, guest);
    expect(next.domain.pageCount).toBe(LEAST_PAGES);
    expect(next.claim(12, 3, 3).result).toBe(Reason.ok);
    machine.simulation.run();
    machine.toolstack.list.checkInvariants();
  });

  it('a reservation that cannot be made whole leaves the domain as it was', () => {
    const machine = bootMachine();
    const guest = startGuest(machine);
    guest.domain.environment.hypercalls.decreaseReservation([300, 301, 302]);
    machine.simulation.run();
    const rest = machine.hypervisor.allocator.freeCount * PAGE_SIZE;
    const other = { name: 'large', memoryBytes: rest, device: machine.disk };
    machine.simulation.runProcess('create', domainOf(machine.toolstack.createDomain(other)));
    expect(() => restartGuest(machine, guest)).toThrow(/: ENOMEM: /);
    expect([guest.domain.isRunning, guest.domain.pageCount]).toEqual([true, LEAST_PAGES - 3]);
    machine.toolstack.list.checkInvariants();
  });
});

describe('a paused domain', () => {
  it('a paused domain does nothing, and afterwards everything that it would have done', () => {
    const machine = bootMachine();
    const { simulation } = machine;
    const guest = startGuest(machine);
    simulation.run();
    const { environment } = guest.domain;
    const log: string[] = [];
    environment.spawn(
      'sleeper',
      (function* () {
        yield 100;
        log.push('woke');
        yield 100;
        log.push('woke again');
      })(),
    );
    environment.after(Ns(150), () => log.push('timer'));
    const id = guest.read(100, 1);
    guest.domain.pause();
    simulation.run();
    // The request was on the ring, so it was served; the guest does not know yet.
    expect([log, guest.responses.has(id), guest.domain.isPaused]).toEqual([[], false, true]);
    expect(guest.page(100)).toEqual(machine.disk.block(1));
    guest.domain.unpause();
    simulation.run();
    expect([log, guest.responses.has(id)]).toEqual([['timer', 'woke', 'woke again'], true]);
  });

  it('a paused domain can be restarted and destroyed', () => {
    const machine = bootMachine();
    const guest = startGuest(machine);
    let ran = false;
    guest.domain.environment.after(Ns(10), () => (ran = true));
    guest.domain.pause();
    const next = restartGuest(machine, guest);
    next.domain.pause();
    machine.simulation.runProcess('destroy', machine.toolstack.destroyDomain(next.domain));
    for (const { domain } of [guest, next])
      expect(domain.unpause()).toEqual({ ok: false, reason: { kind: 'refused', why: 'there is no such domain' } });
    machine.simulation.run();
    expect([ran, next.domain.state]).toEqual([false, 'dead']);
    machine.toolstack.list.checkInvariants();
  });

  it('a paused domain goes on when it is told so, held by an operation or not, and is refused where no guest runs', () => {
    const machine = bootMachine();
    const { domain } = startGuest(machine);
    expect(domain.unpause()).toEqual({ ok: true });
    domain.pause();
    expect(domain.begin('reboot')).toMatchObject({ ok: true });
    expect([domain.unpause(), domain.isPaused]).toEqual([{ ok: true }, false]);
    domain.environment.hypercalls.shutdown(ShutdownReason.crash);
    expect(domain.unpause()).toEqual({ ok: false, reason: { kind: 'refused', why: 'it is being rebooted' } });
    domain.end();
    for (const outcome of [domain.unpause(), domain.pause()])
      expect(outcome).toEqual({ ok: false, reason: { kind: 'refused', why: 'it does not run' } });
  });

  it('a paused domain tells why it stopped', () => {
    for (const reason of Object.values(ShutdownReason)) {
      const machine = bootMachine();
      const guest = startGuest(machine);
      guest.domain.environment.hypercalls.shutdown(reason);
      expect([guest.domain.state, guest.domain.shutdownReason]).toEqual(['shutdown', reason]);
    }
  });
});

describe('a guest that panics', () => {
  /** Each way in which code of a guest comes to run. */
  const ways: Record<string, (guest: MiniGuest, panic: () => void) => void> = {
    'a process': ({ domain }, panic) =>
      domain.environment.spawn(
        'panics',
        (function* () {
          panic();
        })(),
      ),
    'a timer': ({ domain }, panic) => {
      domain.environment.after(Ns(10), panic);
    },
    'an upcall': (guest, panic) => {
      guest.onUpcall = panic;
      guest.read(100, 1);
    },
    'a watch': ({ domain }, panic) => {
      domain.environment.spawn('watches', domain.environment.xenstore.watch('memory/target', panic));
    },
  };

  it.each(Object.keys(ways))('a guest that panics in %s is gone, and nobody else', (way) => {
    const machine = bootMachine(1, {}, 24 << 20);
    const [guest, other] = [startGuest(machine, 'a'), startGuest(machine, 'b')];
    let later = false;
    guest.domain.environment.after(Ns(1_000_000), () => (later = true));
    ways[way]!(guest, () => {
      guest.domain.environment.memory.readU8(Pfn(guest.domain.nrPages), 0);
    });
    machine.simulation.run();
    const { state, shutdownReason, panic } = guest.domain;
    expect([state, shutdownReason, later]).toEqual(['shutdown', ShutdownReason.crash, false]);
    expect(panic).toBe(`access to page ${guest.domain.nrPages}, which the domain does not have`);
    const id = other.read(100, 1);
    machine.simulation.run();
    expect([other.domain.state, other.domain.panic, other.responses.get(id)]).toEqual(['running', undefined, 0]);
    machine.toolstack.list.checkInvariants();
  });

  it('a guest that panics while somebody waits for what it does tells that one, who decides', () => {
    const machine = bootMachine();
    const { domain } = startGuest(machine);
    const task = domain.environment.spawn(
      'panics',
      (function* () {
        yield 100;
        domain.environment.memory.writeU8(Pfn(2 ** 20), 0, 1);
      })(),
    );
    expect(() => machine.simulation.runProcess('joins', task.join())).toThrow(GuestPanic);
    expect(domain.state).toBe('running');
  });
});

describe('a hypercall', () => {
  const none = undefined as never;
  const wrong = [-1, 0.5, NaN, Infinity, 2 ** 32, none] as never[];

  it('a hypercall with an argument that makes no sense is an error, and nothing is changed', () => {
    const machine = bootMachine();
    const { domain } = startGuest(machine);
    const { hypercalls, xenstore } = domain.environment;
    const { eventChannels, recoveryBox } = hypercalls;
    const before = [domain.events.channels.slice(), domain.pageCount];
    for (const value of wrong) {
      expect(() => eventChannels.allocUnbound(value)).toThrow(ModelError);
      expect(() => eventChannels.bindInterdomain(value, 1 as never)).toThrow(ModelError);
      expect(() => eventChannels.bindInterdomain(0 as never, value)).toThrow(ModelError);
      expect(() => eventChannels.bindVirq(value)).toThrow(ModelError);
      expect(() => {
        eventChannels.close(value);
      }).toThrow(ModelError);
      expect(() => {
        eventChannels.send(value);
      }).toThrow(ModelError);
      expect(() => eventChannels.status(value)).toThrow(ModelError);
      expect(hypercalls.decreaseReservation([value])).toBe(0);
      expect(hypercalls.increaseReservation([value])).toBe(0);
      expect(() => hypercalls.decreaseReservation(value)).toThrow(ModelError);
      expect(() => hypercalls.increaseReservation({ length: value })).toThrow(ModelError);
      expect(() => {
        hypercalls.setCallback(value);
      }).toThrow(ModelError);
      expect(() => {
        hypercalls.shutdown(value);
      }).toThrow(ModelError);
      expect(() => {
        hypercalls.cacheMapOp({ words: new Uint32Array(8), count: value } as never);
      }).toThrow(ModelError);
      expect(recoveryBox.put(value, new Uint8Array(1))).toBe(false);
      expect(() => recoveryBox.put(1, value)).toThrow(ModelError);
      const { simulation } = machine;
      expect(() => simulation.runProcess('read', xenstore.read(value))).toThrow(ModelError);
      expect(() => simulation.runProcess('write', xenstore.write('device/x', value))).toThrow(ModelError);
      expect(() => simulation.runProcess('watch', xenstore.watch('device/x', value))).toThrow(ModelError);
      expect(() => simulation.runProcess('suspend', hypercalls.suspend(value))).toThrow(ModelError);
    }
    expect([domain.events.channels.slice(), domain.pageCount, domain.state]).toEqual([...before, 'running']);
  });

  it('a hypercall that fills the store ends at its share', () => {
    const machine = bootMachine();
    const { domain } = startGuest(machine);
    const { xenstore } = domain.environment;
    const count = (process: () => Generator<never>): number => {
      for (let done = 0; ; done++) {
        try {
          machine.simulation.runProcess('asks', process() as never);
        } catch (error) {
          if (!(error instanceof ModelError) || error.code !== 'ENOSPC') throw error;
          return done;
        }
      }
    };
    let n = 0;
    const known = machine.hypervisor.xenstore.entriesOf(domain.domid);
    expect(count(() => xenstore.write(`device/${n++}`, '') as never)).toBe(1000 - known);
    expect(count(() => xenstore.watch('device', () => undefined) as never)).toBe(128);
    // What is there may be changed.
    machine.simulation.runProcess('writes', xenstore.write('device/0', 'x'));
    for (const [path, value] of [
      ['device/0', 'x'.repeat(4096)],
      [`device/${'x'.repeat(4096)}`, ''],
    ] as const)
      expect(() => machine.simulation.runProcess('writes', xenstore.write(path, value))).toThrow(
        'too long or not text',
      );
  });
});
