// What one hypervisor leaves and the next one finds, with guests that are nothing but what the test
// makes of them.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c } from '../../../src/base/crc32c.ts';
import { type Arch, ARCHS, DOM0, Mfn, PAGE_SIZE, Pfn } from '../../../src/base/index.ts';
import { MachineMemory } from '../../../src/machine/memory.ts';
import { type Process, WaitQueue } from '../../../src/sim/index.ts';
import type { Domain } from '../../../src/xen/domain/domain.ts';
import {
  handOver,
  Hypervisor,
  resumeDomain,
  ShutdownReason,
  shutdownDomain0,
  suspendDomains,
  Toolstack,
  type XenCosts,
  Xend,
} from '../../../src/xen/index.ts';
import { NR_REGISTERS, SHARED_INFO, Virq } from '../../../src/xen/public/index.ts';
import { findLegacy } from '../../../src/xen/core/quick-reload.ts';
import { parseRoot, setP2mCrc } from '../../../src/xen/records/records.ts';
import { property } from '../../support/property.ts';
import {
  bootMachine,
  BOOT_PAGES,
  cacheBlocks,
  COSTS,
  LEAST_PAGES,
  type MiniGuest,
  startGuest,
  stateOf as seenOf,
  type TestMachine,
} from '../../support/machine.ts';

/** Registers of a guest when it suspends itself, told from others' and other times'. */
const registersOf = (name: string, round: number): Uint32Array =>
  Uint32Array.from({ length: NR_REGISTERS }, (_, i) => crc32c(new TextEncoder().encode(name)) + 97 * i + round);

/** Suspends itself whenever Xen asks it to; `seen` are the registers with which it went on. */
function suspends(mini: MiniGuest, seen: Uint32Array[]): void {
  const { domain } = mini;
  const { environment } = domain;
  const { memory, hypercalls } = environment;
  const asked = new WaitQueue('a suspension');
  const port = hypercalls.eventChannels.bindVirq(Virq.suspend);
  const { pending, mask } = SHARED_INFO.offset;
  memory.writeU32(mini.sharedInfo, mask, memory.readU32(mini.sharedInfo, mask) & ~(1 << port));
  mini.onUpcall = () => {
    const bits = memory.readU32(mini.sharedInfo, pending);
    if ((bits & (1 << port)) === 0) return;
    memory.writeU32(mini.sharedInfo, pending, bits & ~(1 << port));
    asked.wakeAll();
  };
  environment.spawn(
    'suspends',
    (function* (): Process {
      for (let round = 0; ; round++) {
        yield asked;
        seen.push(yield* hypercalls.suspend(registersOf(domain.name, round)));
      }
    })(),
  );
}

/** All that a guest can see, and its frames, with what Xen knows of them. */
function stateOf(machine: TestMachine, domain: Domain) {
  const { frames } = machine.hypervisor;
  const known = Array.from({ length: domain.nrPages }, (_, pfn) => {
    if (!domain.hasFrame(Pfn(pfn))) return undefined;
    const mfn = domain.frameOf(Pfn(pfn));
    return [mfn, frames.nameOf(mfn), frames.provenanceOf(mfn), frames.blockOf(mfn)];
  });
  return { ...seenOf(machine, domain), known };
}
type State = ReturnType<typeof stateOf>;

/** Hands the machine over, resets it, and starts the next hypervisor. */
function reload(
  machine: TestMachine,
  between: (before: readonly State[]) => MachineMemory = () => machine.memory,
  arch: Arch = machine.hypervisor.map.arch,
  costs: XenCosts = COSTS,
): { next: TestMachine; before: readonly State[]; found: ReturnType<typeof Hypervisor.reload> } {
  const { simulation, hypervisor, toolstack, disk } = machine;
  simulation.runProcess('domain 0 goes', shutdownDomain0(hypervisor, toolstack));
  expect(simulation.runProcess('suspend', suspendDomains(hypervisor, toolstack))).toEqual([]);
  simulation.runProcess('hand over', handOver(hypervisor, toolstack));
  const before = toolstack.list.domains.map((domain) => stateOf(machine, domain));
  hypervisor.halt();
  machine.memory.reset(simulation.random.stream('reset'));
  const memory = between(before);
  const found = Hypervisor.reload(simulation, memory, costs, { kernelPages: 2, arch });
  const next = { simulation, memory, hypervisor: found.hypervisor, toolstack: new Toolstack(found.hypervisor), disk };
  return { next, before, found };
}

const resume = ({ simulation, hypervisor, toolstack, disk }: TestMachine, name: string, pages: number) =>
  simulation.runProcess(
    'resume',
    resumeDomain(hypervisor, toolstack.list, { name, memoryBytes: pages * PAGE_SIZE, device: disk }),
  );

const page = fc.integer({ min: BOOT_PAGES, max: 140 });
const deed = fc.oneof(
  fc.record({ do: fc.constant('store' as const), who: fc.nat(2), page, value: fc.nat(255) }),
  fc.record({ do: fc.constantFrom('read' as const, 'write' as const), who: fc.nat(2), page, block: fc.nat(60) }),
  fc.record({ do: fc.constant('name' as const), who: fc.nat(2), page, value: fc.nat(255) }),
  fc.record({ do: fc.constant('give back' as const), who: fc.nat(2), page: fc.integer({ min: 700, max: 720 }) }),
  fc.record({ do: fc.constant('port' as const), who: fc.nat(2) }),
  fc.record({ do: fc.constant('steps' as const), count: fc.integer({ min: 1, max: 12 }) }),
);
type Deed = typeof deed extends fc.Arbitrary<infer T> ? T : never;

function perform({ simulation }: TestMachine, guests: readonly MiniGuest[], one: Deed): void {
  if (one.do === 'steps') {
    for (let i = 0; i < one.count; i++) simulation.step();
    return;
  }
  const guest = guests[one.who]!;
  const { memory, hypercalls } = guest.domain.environment;
  if (one.do === 'port') {
    if (guest.domain.events.channels.filter(({ state }) => state === 'unbound').length < 5)
      hypercalls.eventChannels.allocUnbound(DOM0);
  } else if (one.do === 'give back') hypercalls.decreaseReservation([one.page]);
  else if (one.do === 'store') memory.writeU32(Pfn(one.page), 4 * one.value, one.value);
  else if (one.do === 'name') guest.insert(one.page, 12, one.value);
  else if (guest.hasRoom) guest[one.do](one.page, one.block);
}

describe('suspending all domains and resuming them under the next hypervisor', () => {
  property(
    'a quick reload is the identity on every byte, frame, register and event channel, whenever it strikes, and the second time too',
    fc.array(deed, { maxLength: 40, size: 'max' }),
    fc.nat(2000),
    fc.constantFrom(...ARCHS),
    (deeds, latencyNs, arch) => {
      const machine = bootMachine(1, { arch });
      machine.disk.latencyNs = latencyNs;
      const names = ['a', 'b', 'c'];
      const seen: Uint32Array[][] = names.map(() => []);
      const guests = names.map((name, n) => {
        const guest = startGuest(machine, name, LEAST_PAGES + 50 * n);
        suspends(guest, seen[n]!);
        return guest;
      });
      for (const one of deeds) perform(machine, guests, one);
      let at = machine;
      for (const round of [0, 1]) {
        const { next, before, found } = reload(at);
        expect([found.problem, found.lost]).toEqual([undefined, []]);
        names.forEach((name, n) => {
          const outcome = resume(next, name, LEAST_PAGES + 50 * n);
          if (!outcome.ok) throw new Error(outcome.reason.why);
          expect(stateOf(next, outcome.value)).toEqual(before[n]);
          expect(before[n]!.registers).toEqual(registersOf(name, round));
          outcome.value.events.checkInvariants();
        });
        next.toolstack.list.checkInvariants();
        next.simulation.run();
        expect(seen.map((each) => each[round])).toEqual(names.map((name) => registersOf(name, round)));
        at = next;
      }
    },
    { numRuns: 8, lawRuns: 20 },
  );
});

/** Two guests, handed over. */
function twoGuests(arch?: Arch): TestMachine {
  const machine = bootMachine(1, { ...(arch && { arch }) });
  for (const name of ['a', 'b']) {
    const guest = startGuest(machine, name);
    cacheBlocks(machine, guest, [3, 4]);
    suspends(guest, []);
  }
  machine.simulation.run();
  return machine;
}

describe('what another hypervisor left', () => {
  it('a quick reload on a machine that has become smaller loses the domains whose frames are gone, and goes on with the others', () => {
    const machine = twoGuests();
    const { hypervisor, toolstack } = machine;
    const highest = (domain: Domain): number =>
      Math.max(...Array.from({ length: domain.nrPages }, (_, pfn) => domain.frameOf(Pfn(pfn))));
    const [low, high] = toolstack.list.domains.toSorted((a, b) => highest(a) - highest(b));
    const kept = Math.max(highest(low!) + 1, hypervisor.map.firstDomainMfn);
    expect(kept).toBeLessThan(highest(high!));
    const { next, found } = reload(machine, () => {
      const smaller = new MachineMemory(kept * PAGE_SIZE);
      for (let mfn = 0; mfn < kept; mfn++) smaller.copyIn(Mfn(mfn), 0, machine.memory.frame(Mfn(mfn)), 0, PAGE_SIZE);
      return smaller;
    });
    expect(found.lost).toEqual([
      {
        domid: high!.domid,
        name: high!.name,
        reason: expect.stringMatching(/^P2M list: no frame \d+ on this machine$/) as string,
      },
    ]);
    expect(resume(next, low!.name, LEAST_PAGES)).toHaveProperty('value.isRunning', true);
    next.toolstack.list.checkInvariants();
  });

  it.each(ARCHS)(
    'what another hypervisor left is nothing to a hypervisor of another architecture than %s, which boots as on a new machine',
    (arch) => {
      const other: Arch = arch === 'x86_64' ? 'x86_32' : 'x86_64';
      const machine = twoGuests(arch);
      const { next, found } = reload(machine, () => machine.memory, other);
      expect(found).toMatchObject({ problem: `root record: of an ${arch} hypervisor, not ${other}`, lost: [] });
      expect(found.hypervisor.left).toEqual([]);
      expect(parseRoot(machine.memory)).toMatchObject({ value: { arch: other } });
      const { map } = next.hypervisor;
      for (let mfn = map.firstDomainMfn as number; mfn < map.frameCount; mfn++)
        expect(machine.memory.isTouched(Mfn(mfn))).toBe(false);
      next.toolstack.list.checkInvariants();
    },
  );

  it.each([
    ['x86_64', 8],
    ['x86_32', 4],
  ] as const)('a quick reload on %s costs %d bytes of checksum for each page', (arch, bytes) => {
    const costs = { ...COSTS, indexRebuildNs: 0, scrubNsPerByte: 0, crcNsPerByte: 1 };
    const { found } = reload(twoGuests(arch), undefined, arch, costs);
    expect(found.costNs).toBe(2 * LEAST_PAGES * bytes);
  });

  it('what another hypervisor left with an upper half in an entry of a list, every checksum right, loses that domain', () => {
    for (const [upper, lower] of [
      [1, undefined],
      [0xffff_ffff, undefined],
      // All ones in one half only is no hole.
      [0, 0xffff_ffff],
    ] as const) {
      const machine = twoGuests();
      const { hypervisor, toolstack, memory } = machine;
      const [a, b] = toolstack.list.domains;
      const { p2m, p2mMfn } = toolstack.list.entryOf(b!);
      const frame = p2m.at(300);
      memory.writeU32(p2mMfn, 8 * 300 + 4, upper);
      if (lower !== undefined) memory.writeU32(p2mMfn, 8 * 300, lower);
      setP2mCrc(memory, hypervisor.map, b!.domid, p2m.crc);
      const { next, found } = reload(machine);
      const reason = `P2M list: no frame ${upper * 2 ** 32 + (lower ?? frame)} on this machine`;
      expect(found.lost).toEqual([{ domid: b!.domid, name: 'b', reason }]);
      expect(resume(next, a!.name, LEAST_PAGES)).toHaveProperty('value.isRunning', true);
      next.toolstack.list.checkInvariants();
    }
  });

  it('what another hypervisor left with a frame in two lists, every checksum right, goes on with the first', () => {
    const machine = twoGuests();
    const { hypervisor, toolstack, memory } = machine;
    const [a, b] = toolstack.list.domains;
    const list = toolstack.list.entryOf(b!).p2m;
    list.set(900, a!.frameOf(Pfn(900)));
    setP2mCrc(memory, hypervisor.map, b!.domid, list.crc);
    expect(list.holes).toBe(0);
    const { next, found } = reload(machine);
    expect(found.lost).toEqual([{ domid: b!.domid, name: 'b', reason: 'P2M list: a frame of another domain' }]);
    expect(resume(next, 'a', LEAST_PAGES)).toHaveProperty('value.isRunning', true);
    next.toolstack.list.checkInvariants();
  });

  it('what another hypervisor left is looked after again by the tool stack: a guest that went on is restarted on its cache when it reboots', () => {
    const { next } = reload(twoGuests());
    const outcome = resume(next, 'a', LEAST_PAGES);
    if (!outcome.ok) throw new Error(outcome.reason.why);
    const booted: Domain[] = [];
    const config = {
      name: 'a',
      memoryBytes: LEAST_PAGES * PAGE_SIZE,
      device: next.disk,
      preserveCache: true,
      boot: (domain: Domain) => {
        booted.push(domain);
      },
    };
    const xend = new Xend(next.hypervisor, next.toolstack);
    xend.adopt(config);
    expect(xend.domains).toEqual([outcome.value]);
    outcome.value.environment.hypercalls.shutdown(ShutdownReason.reboot);
    next.simulation.run();
    expect(xend.domains).toEqual(booted);
    expect(booted[0]!.stats.preserved).toBe(2);
    // One that has stopped before it is looked after, and one that is not any more.
    booted[0]!.environment.hypercalls.shutdown(ShutdownReason.crash);
    xend.release(booted[0]!);
    next.simulation.run();
    expect([xend.domains, booted.length]).toEqual([[], 1]);
    xend.adopt(config);
    next.simulation.run();
    expect([xend.domains.length, booted.length]).toEqual([1, 2]);
  });

  it('what another hypervisor left is found once: a hypervisor that fails after it has looked leaves nothing to the next', () => {
    const machine = twoGuests();
    const { found } = reload(machine, () => {
      const first = findLegacy(machine.memory, 'x86_64');
      expect([first.problem, first.left.map(({ record }) => record.name)]).toEqual([undefined, ['a', 'b']]);
      return machine.memory;
    });
    // The mark that it was looked at is among what the checksum covers.
    expect(found.problem).toBe('handover record: bad checksum');
    expect(found.hypervisor.left).toEqual([]);
  });
});
