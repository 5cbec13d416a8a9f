// Domains of which one guest, or one hypervisor, leaves only the cache: what is lost of it has the
// same reason on every path.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Mfn, PAGE_SIZE, Pfn } from '../../../src/base/index.ts';
import { noteChange } from '../../../src/disk/image/backing-store.ts';
import type { Process } from '../../../src/sim/index.ts';
import {
  type Domain,
  domainOf,
  handOver,
  Hypervisor,
  resumeDomain,
  saveDomain,
  shutdownDomain0,
  ShutdownReason,
  suspendDomain,
  suspendDomains,
} from '../../../src/xen/index.ts';
import { RECORD_WORDS } from '../../../src/xen/frames/frame-record.ts';
import type { Outcome } from '../../../src/xen/domain/lifecycle.ts';
import { noReasons, type ReasonCounts } from '../../../src/xen/public/reason.ts';
import { Toolstack } from '../../../src/xen/toolstack/toolstack.ts';
import { property } from '../../support/property.ts';
import {
  bootMachine,
  cacheBlocks,
  COSTS,
  LEAST_PAGES,
  type MiniGuest,
  startGuest,
  suspendsAlways,
  TestDisk,
  type TestMachine,
} from '../../support/machine.ts';

const CONFIG = { name: 'guest', memoryBytes: LEAST_PAGES * PAGE_SIZE };
const FIRST = 100;
/**
 * Blocks that the guest caches in pages from FIRST on, by what becomes of each before the guest
 * stops.
 */
const FATES = ['kept', 'stored to', 'overwritten', 'damaged before', 'damaged between'] as const;
type Fate = (typeof FATES)[number];

interface Lives {
  readonly machine: TestMachine;
  readonly guest: MiniGuest;
  readonly between: () => void;
}

/** A guest with a cached page for each fate. */
function live(fates: readonly Fate[]): Lives {
  const machine = bootMachine();
  const guest = startGuest(machine);
  const { domain } = guest;
  cacheBlocks(
    machine,
    guest,
    fates.map((_, n) => n),
    FIRST,
  );
  const frames = fates.map((_, n) => domain.frameOf(Pfn(FIRST + n)));
  const strike = (fate: Fate): void => {
    for (const [n, mfn] of frames.entries()) if (fates[n] === fate) damageRecord(machine, mfn);
  };
  for (const [n, fate] of fates.entries()) {
    if (fate === 'stored to') domain.environment.memory.writeU8(Pfn(FIRST + n), 7, 1);
    if (fate === 'overwritten') guest.write(FIRST + 500, n);
  }
  machine.simulation.run();
  domain.environment.hypercalls.shutdown(ShutdownReason.poweroff);
  strike('damaged before');
  return { machine, guest, between: () => strike('damaged between') };
}

function damageRecord({ memory, hypervisor: { map } }: TestMachine, mfn: Mfn): void {
  memory.words(map.tableMfn, map.tableFrames)[mfn * RECORD_WORDS + 1]! ^= 0x40;
}

function reset({ simulation, memory, hypervisor, disk }: TestMachine, between: () => void): TestMachine {
  hypervisor.halt();
  memory.reset(simulation.random.stream('reset'));
  between();
  const next = Hypervisor.reload(simulation, memory, COSTS, { kernelPages: 2 }).hypervisor;
  return { simulation, memory, hypervisor: next, toolstack: new Toolstack(next), disk };
}

const PATHS = {
  restart: ({ machine, guest, between }: Lives): Domain =>
    machine.simulation.runProcess(
      'restart',
      domainOf(machine.toolstack.restartDomain(guest.domain, { preserve: true, betweenGuests: between })),
    ),
  'left and booted': ({ machine, guest, between }: Lives): Domain => {
    const { simulation, toolstack, disk } = machine;
    expect(simulation.runProcess('leave', toolstack.leaveDomain(guest.domain))).toEqual({ ok: true });
    between();
    return simulation.runProcess('boot', domainOf(toolstack.bootLeftDomain({ ...CONFIG, device: disk })));
  },
  'left to another hypervisor': ({ machine, guest, between }: Lives): Domain => {
    const { simulation, hypervisor, toolstack, disk } = machine;
    expect(simulation.runProcess('leave', toolstack.leaveDomain(guest.domain))).toEqual({ ok: true });
    simulation.runProcess('domain 0 goes', shutdownDomain0(hypervisor, toolstack));
    simulation.runProcess('hand over', handOver(hypervisor, toolstack));
    const next = reset(machine, between);
    const domain = simulation.runProcess('boot', domainOf(next.toolstack.bootLeftDomain({ ...CONFIG, device: disk })));
    next.toolstack.list.checkInvariants();
    return domain;
  },
} as const;

describe('a page that a reboot loses', () => {
  property(
    'a page that a reboot loses is counted under the same reason, whoever boots the next guest, and all others are kept',
    fc.array(fc.constantFrom(...FATES), { minLength: 1, maxLength: 12 }),
    (fates) => {
      const counts = (...some: Fate[]): number => fates.filter((fate) => some.includes(fate)).length;
      const refused: ReasonCounts = {
        ...noReasons(),
        dirty: counts('stored to', 'overwritten'),
        corruptRecord: counts('damaged before', 'damaged between'),
      };
      for (const [path, take] of Object.entries(PATHS)) {
        const { stats } = take(live(fates));
        expect([path, stats.preserved, stats.refused]).toEqual([path, counts('kept'), refused]);
      }
    },
    { numRuns: 6, lawRuns: 12, examples: [[[...FATES]]] },
  );

  it('a page that a reboot loses of a guest that goes on under another hypervisor is counted, too', () => {
    const machine = bootMachine();
    const { simulation, hypervisor, toolstack, disk } = machine;
    const guest = startGuest(machine);
    cacheBlocks(machine, guest, [0, 1, 2], FIRST);
    suspendsAlways(guest);
    simulation.run();
    const frames = [1, 2].map((n) => guest.domain.frameOf(Pfn(FIRST + n)));
    simulation.runProcess('domain 0 goes', shutdownDomain0(hypervisor, toolstack));
    expect(simulation.runProcess('suspend', suspendDomains(hypervisor, toolstack))).toEqual([]);
    simulation.runProcess('hand over', handOver(hypervisor, toolstack));
    const next = reset(machine, () => {
      for (const mfn of frames) damageRecord(machine, mfn);
    });
    const domain = simulation.runProcess(
      'resume',
      domainOf(resumeDomain(next.hypervisor, next.toolstack.list, { ...CONFIG, device: disk })),
    );
    expect(domain.stats.refused).toEqual({ ...noReasons(), corruptRecord: 2 });
    expect(next.hypervisor.frames.isNamed(domain.frameOf(Pfn(FIRST)))).toBe(true);
  });
});

describe('a domain that was left', () => {
  it('a domain that was left is booted, given up, or found by the next: nothing else can be done with it', () => {
    const { machine, guest } = live(['kept', 'stored to']);
    const { simulation, toolstack, disk, hypervisor } = machine;
    const config = { ...CONFIG, device: disk };
    simulation.runProcess('leave', toolstack.leaveDomain(guest.domain));
    const refused = (problem: string) => ({ ok: false, reason: { kind: 'refused', why: problem } });
    expect(simulation.runProcess('create', toolstack.createDomain(config))).toEqual(
      refused('a domain of this name was left'),
    );
    expect(simulation.runProcess('resume', resumeDomain(hypervisor, toolstack.list, config))).toEqual(
      refused('it is not suspended'),
    );
    expect(simulation.runProcess('destroy', toolstack.destroyDomain(guest.domain))).toEqual(
      refused('there is no such domain'),
    );
    simulation.runProcess('domain 0 goes', shutdownDomain0(hypervisor, toolstack));
    simulation.runProcess('hand over', handOver(hypervisor, toolstack));
    const next = reset(machine, () => undefined);
    expect(simulation.runProcess('create', next.toolstack.createDomain(config))).toEqual(
      refused('a domain of this name was left'),
    );
    expect(next.toolstack.list.abandonLeft()).toEqual(['guest']);
    expect(simulation.runProcess('boot', next.toolstack.bootLeftDomain(config))).toEqual(
      refused('there is no such domain'),
    );
    simulation.run();
    next.toolstack.list.checkInvariants();
    expect(simulation.runProcess('create', next.toolstack.createDomain(config))).toMatchObject({ ok: true });
  });

  it('a domain that was left that is suspended is resumed where it is, and is refused to whoever boots', () => {
    const machine = bootMachine();
    const { simulation, hypervisor, toolstack, disk } = machine;
    const config = { ...CONFIG, device: disk };
    const guest = startGuest(machine);
    suspendsAlways(guest);
    simulation.run();
    expect(simulation.runProcess('suspend', suspendDomain(hypervisor, guest.domain))).toEqual({ ok: true });
    expect(simulation.runProcess('boot', toolstack.bootLeftDomain(config))).toMatchObject({
      reason: { kind: 'refused' },
    });
    const domain = simulation.runProcess('resume', domainOf(resumeDomain(hypervisor, toolstack.list, config)));
    expect([domain.state, guest.domain.state]).toEqual(['running', 'dead']);
    expect(simulation.runProcess('resume', resumeDomain(hypervisor, toolstack.list, config))).toMatchObject({
      reason: { kind: 'refused' },
    });
    toolstack.list.checkInvariants();
  });

  it('a domain that was left and whose disk somebody else writes to before it goes on stays suspended, whenever that is', () => {
    /** Resumes, with a write to the disk after so many events. */
    const writtenAfter = (at: number) => {
      const machine = bootMachine();
      const { simulation, hypervisor, toolstack, disk } = machine;
      const config = { ...CONFIG, device: disk };
      const guest = startGuest(machine);
      suspendsAlways(guest);
      // A write from elsewhere while the guest runs is not held against it later.
      noteChange(disk.store, 3);
      simulation.run();
      expect(simulation.runProcess('suspend', suspendDomain(hypervisor, guest.domain))).toEqual({ ok: true });
      let outcome: Outcome<Domain> | undefined;
      hypervisor.power.spawn(
        'resume',
        (function* (): Process {
          outcome = yield* resumeDomain(hypervisor, toolstack.list, config);
        })(),
      );
      let events = 0;
      while (outcome === undefined && events < at && simulation.step()) events++;
      if (events === at) noteChange(disk.store, 5);
      simulation.run();
      toolstack.list.checkInvariants();
      return { outcome, events, state: guest.domain.state };
    };
    const { outcome, events, state } = writtenAfter(Infinity);
    expect([outcome?.ok, state]).toEqual([true, 'dead']);
    expect(events).toBeGreaterThan(0);
    for (let at = 0; at < events; at++) {
      const problem = 'its disk was written to while it was away';
      expect([at, writtenAfter(at)]).toEqual([
        at,
        { outcome: { ok: false, reason: { kind: 'failed', why: problem } }, events: at, state: 'suspended' },
      ]);
    }
  });
});

describe('domain 0', () => {
  it('domain 0 goes down when what it had begun has ended, and hands over nothing that is half done', () => {
    for (const events of [1, 5, 40, 90]) {
      const machine = bootMachine();
      const { simulation, hypervisor, toolstack, disk } = machine;
      const guest = startGuest(machine);
      suspendsAlways(guest);
      simulation.run();
      const file = new TestDisk(simulation, machine.memory, LEAST_PAGES + 40);
      const save = simulation.spawn('save', saveDomain(machine, guest.domain, { device: disk }, file));
      for (let n = 0; n < events; n++) simulation.step();
      simulation.runProcess('domain 0 goes', shutdownDomain0(hypervisor, toolstack));
      expect([events, save.isOver, guest.domain.state]).toEqual([events, true, 'dead']);
      expect(simulation.runProcess('suspend', suspendDomains(hypervisor, toolstack))).toEqual([]);
      simulation.runProcess('hand over', handOver(hypervisor, toolstack));
      expect(reset(machine, () => undefined).toolstack.list.left.size).toBe(0);
    }
  });
});
