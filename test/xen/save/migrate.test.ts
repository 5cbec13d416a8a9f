// Live migration, with a guest that is nothing but what the test makes of it.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ARCHS, DOM0, Ns, PAGE_SIZE, Pfn } from '../../../src/base/index.ts';
import type { Process } from '../../../src/sim/index.ts';
import { type ArrivalOutcome, migrateDomain, receiveMigration } from '../../../src/xen/index.ts';
import { Virq } from '../../../src/xen/public/index.ts';
import { decodeSaveHeader } from '../../../src/xen/save/format.ts';
import { MigrationLink } from '../../../src/xen/save/migration-link.ts';
import { property } from '../../support/property.ts';
import {
  BOOT_PAGES,
  cacheBlocks,
  LEAST_PAGES,
  type MiniGuest,
  REGISTERS,
  startGuest,
  stateOf,
  suspends,
} from '../../support/machine.ts';
import { migrate, room } from './migration-room.ts';

/** What a guest does while it is sent. */
const deed = fc.record({
  what: fc.constantFrom('store', 'read', 'write', 'give back', 'take', 'keep'),
  page: fc.integer({ min: 100, max: 140 }),
  value: fc.nat(60),
  pauseNs: fc.nat(200_000),
});

function* busy(guest: MiniGuest, deeds: readonly (typeof deed extends fc.Arbitrary<infer T> ? T : never)[]): Process {
  const { domain } = guest;
  const { memory, hypercalls } = domain.environment;
  for (let n = 0; deeds.length > 0; n++) {
    const { what, page, value, pauseNs } = deeds[n % deeds.length]!;
    const pfn = Pfn(page);
    // Where it goes on after the migration it stops.
    if (!domain.isRunning) return;
    if (what === 'take') hypercalls.increaseReservation([page]);
    else if (what === 'keep') hypercalls.recoveryBox.put(page, new Uint8Array(value).fill(n));
    else if (domain.hasFrame(pfn)) {
      if (what === 'store') memory.writeU32(pfn, 4 * value, n);
      else if (what === 'give back') hypercalls.decreaseReservation([page]);
      else if (guest.hasRoom) guest[what === 'read' ? 'read' : 'write'](page, value);
    }
    yield Ns(1000 + pauseNs);
  }
}

describe('a domain that is migrated', () => {
  property(
    'a domain that is migrated has every byte, register and event channel that it had when it stood still, and its programs go on',
    fc.array(deed, { maxLength: 60, size: 'max' }),
    fc.array(fc.constantFrom('unbound', 'virq', 'ipi'), { maxLength: 6 }),
    fc.nat(3000),
    fc.constantFrom(...ARCHS),
    (deeds, ports, latencyNs, arch) => {
      const given = room(undefined, arch);
      const { source, target } = given;
      const guest = startGuest(source);
      const { memory, hypercalls } = guest.domain.environment;
      for (let pfn = BOOT_PAGES; pfn < LEAST_PAGES - 1; pfn += 3) memory.writeU32(Pfn(pfn), 8, pfn);
      for (const port of new Set(ports)) {
        if (port === 'unbound') hypercalls.eventChannels.allocUnbound(DOM0);
        if (port === 'virq') hypercalls.eventChannels.bindVirq(Virq.suspend);
        if (port === 'ipi') hypercalls.eventChannels.bindIpi();
      }
      source.disk.latencyNs = latencyNs;
      guest.domain.environment.spawn('busy', busy(guest, deeds));
      const seen = suspends(guest);
      const free = source.hypervisor.allocator.freeCount + guest.domain.pageCount;
      const { left, arrived, before } = migrate(given, guest);
      if (!left.ok) throw new Error(left.reason.why);
      if (!arrived?.ok) throw new Error(arrived?.reason.why);
      const after = stateOf(target, arrived.value.domain);
      expect(after).toEqual(before);
      expect(seen.registers).toEqual(REGISTERS);
      expect(guest.domain.state).toBe('dead');
      expect(source.toolstack.list.domains).toEqual([]);
      expect(source.hypervisor.allocator.freeCount).toBeGreaterThanOrEqual(free);
      expect(left.value.bytes).toBeGreaterThan(LEAST_PAGES * PAGE_SIZE * 0.9);
      arrived.value.domain.events.checkInvariants();
    },
    { numRuns: 6, lawRuns: 25 },
  );

  it('a domain that is migrated is sent while it runs: it stands still for what it stored to last, not for its memory', () => {
    const given = room();
    const guest = startGuest(given.source);
    cacheBlocks(given.source, guest, [3, 4, 9]);
    suspends(guest);
    const { left, arrived } = migrate(given, guest);
    if (!left.ok) throw new Error(left.reason.why);
    const [first, ...others] = left.value.rounds;
    expect(first!.pages).toBeGreaterThan(LEAST_PAGES - 20);
    expect(others.reduce((sum, { pages }) => sum + pages, 0)).toBeLessThan(50);
    expect(left.value.stopNs).toBeLessThan(first!.ns);
    expect(arrived).toHaveProperty('value.pagesVouched', 0);
  });

  it('a domain that is migrated brings its names along; what equals the disk is vouched for when the disk is asked', () => {
    const given = room();
    const guest = startGuest(given.source);
    cacheBlocks(given.source, guest, [3, 4, 9]);
    suspends(guest);
    const { arrived } = migrate(given, guest, { vouch: true });
    if (!arrived?.ok) throw new Error(arrived?.reason.why);
    expect(arrived.value.pagesVouched).toBe(3);
    const { frames } = given.target.hypervisor;
    expect(frames.nameOf(arrived.value.domain.frameOf(Pfn(101)))).toEqual({ ino: 12, generation: 1, index: 4 });
  });

  it('a domain that is migrated that stores faster than it can be sent stands still in the end all the same', () => {
    const given = room();
    const guest = startGuest(given.source);
    const { environment } = guest.domain;
    environment.spawn(
      'busy',
      (function* () {
        for (;;) {
          for (let pfn = BOOT_PAGES; pfn < LEAST_PAGES - 1; pfn++) environment.memory.writeU32(Pfn(pfn), 0, pfn);
          yield Ns(10_000);
        }
      })(),
    );
    suspends(guest);
    const { simulation } = given.source;
    let arrived: ArrivalOutcome | undefined;
    given.target.hypervisor.power.spawn(
      'arrival',
      (function* () {
        arrived = yield* receiveMigration(given.target, given.cable[1], {
          devicesOf: () => ({ device: given.target.disk }),
          vouch: false,
        });
      })(),
    );
    const left = simulation.runProcess(
      'migrate',
      migrateDomain(given.source, guest.domain, { device: given.source.disk }, given.cable[0]),
    );
    if (!left.ok) throw new Error(left.reason.why);
    expect(left.value.rounds.length).toBeLessThanOrEqual(30);
    expect(left.value.rounds.at(-1)!.pages).toBeGreaterThan(LEAST_PAGES - 50);
    expect(arrived).toHaveProperty('value.domain');
  });
});

describe('a migration that fails', () => {
  /** Whatever happens to the connection, the guest runs in one place. */
  property(
    'a migration that fails at any packet, lost or damaged, leaves the guest in one place: here, there, or, when nobody can know, still',
    fc.nat(150),
    fc.constantFrom('lost', 'damaged', 'off' as const),
    fc.boolean(),
    (n, how, fromSource) => {
      const given = room();
      const { source, target, cable } = given;
      const guest = startGuest(source);
      const seen = suspends(guest);
      const end = cable[fromSource ? 0 : 1];
      const { send } = end;
      let count = 0;
      end.send = (packet) => {
        const isIt = count++ === n;
        if (isIt && how === 'off') cable[fromSource ? 1 : 0].open(undefined);
        if (!isIt || how === 'off') return send.call(end, packet);
        if (how === 'lost') return true;
        const damaged = packet.slice();
        damaged[(n * 7919) % packet.length]! ^= 1 << (n % 8);
        return send.call(end, damaged);
      };
      const { left, arrived, before } = migrate(given, guest);
      const isThere = arrived?.ok === true;
      if (isThere) expect(stateOf(target, arrived.value.domain)).toEqual(before);
      if (!left.ok) {
        const isHere = left.reason.domain?.isRunning === true;
        if (isHere) expect(isThere).toBe(false);
        else {
          expect(left.reason.why).toMatch(/^it is not known/);
          expect(source.toolstack.list.domains.map(({ state }) => state)).toEqual(['suspended']);
        }
        if (!isThere) expect(target.toolstack.list.domains).toEqual([]);
      } else {
        expect(isThere).toBe(true);
        expect(source.toolstack.list.domains).toEqual([]);
      }
      if (isThere) expect(seen.registers).toEqual(REGISTERS);
    },
    { numRuns: 14, lawRuns: 60 },
  );

  it('a migration that fails is refused by a machine that has no memory for it, or does not reach its disk; the guest goes on', () => {
    for (const [targetBytes, options, problem] of [
      [5 << 20, {}, /ENOMEM/],
      [undefined, { devicesOf: () => undefined }, /the disk of guest cannot be reached from here/],
    ] as const) {
      const given = room(targetBytes);
      const guest = startGuest(given.source);
      suspends(guest);
      const { left } = migrate(given, guest, options);
      expect(left).toHaveProperty('reason.why', expect.stringMatching(problem));
      expect(left).toHaveProperty('reason.domain.isRunning', true);
      expect(given.target.toolstack.list.entries).toEqual([]);
    }
  });

  it.each([
    ['x86_64', 'x86_32'],
    ['x86_32', 'x86_64'],
  ] as const)('a migration from %s is refused by a machine of %s; the guest goes on', (arch, targetArch) => {
    const given = room(undefined, arch, targetArch);
    const guest = startGuest(given.source);
    suspends(guest);
    const { left } = migrate(given, guest);
    const problem = `refused: header: of an ${arch} machine, not ${targetArch}`;
    expect(left).toMatchObject({ reason: { why: problem, domain: { isRunning: true } } });
    expect(given.target.toolstack.list.entries).toEqual([]);
  });

  it('a migration fails when the guest does not suspend itself, or nobody is there; the guest goes on', () => {
    const given = room();
    const guest = startGuest(given.source);
    const { left } = migrate(given, guest);
    expect(left).toMatchObject({ reason: { why: 'it does not suspend itself', domain: guest.domain } });
    expect(guest.domain.isRunning).toBe(true);
    const alone = room();
    const other = startGuest(alone.source);
    alone.target.hypervisor.halt();
    const { simulation, disk } = alone.source;
    const process = migrateDomain(alone.source, other.domain, { device: disk }, alone.cable[0]);
    const outcome = simulation.runProcess('migrate', process);
    expect(outcome).toMatchObject({ reason: { why: 'no answer', domain: other.domain } });
  });
});

/** What is drawn in migrate.ts, from above: what each end sends, and what happens at the source. */
function drawnSteps(): string[] {
  const source = readFileSync(new URL('../../../src/xen/save/migrate.ts', import.meta.url), 'utf8');
  const [, drawing] = /^ \* source +target\n([^]*?)^ \* ```$/m.exec(source)!;
  return drawing!
    .trimEnd()
    .split('\n')
    .map((line) => /^ \* (?:(\(.*\))$|([a-z]+).* ──▶| +◀── +([a-z]+)$)/.exec(line))
    .map((step) => step?.slice(1).find((part) => part !== undefined) ?? 'not a step');
}

describe('the drawing in migrate.ts', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it('the drawing in migrate.ts has what goes over the cable and what happens meanwhile, in their order', () => {
    const given = room();
    const guest = startGuest(given.source);
    const { domain } = guest;
    const steps: string[] = [];
    const note = (step: string): void => {
      if (!domain.isRunning && !steps.includes('(the guest suspends itself)'))
        steps.push('(the guest suspends itself)');
      if (steps.at(-1) !== step) steps.push(step);
    };
    /** Whether the target has the domain when it says a word. */
    const arrived: Record<string, boolean> = {};
    const { put, say } = MigrationLink.prototype;
    vi.spyOn(MigrationLink.prototype, 'put').mockImplementation(function (this: MigrationLink, bytes) {
      const headers = steps.filter((step) => step === 'header').length;
      if (decodeSaveHeader(bytes, 'x86_64').ok) note('header');
      else note(headers < 2 ? 'pages' : 'rest');
      return put.call(this, bytes);
    });
    vi.spyOn(MigrationLink.prototype, 'say').mockImplementation(function (this: MigrationLink, word) {
      note(word);
      arrived[word] = given.target.toolstack.list.domains.length > 0;
      return say.call(this, word);
    });
    guest.domain.environment.spawn('busy', busy(guest, [{ what: 'store', page: 110, value: 7, pauseNs: 1000 }]));
    const seen = suspends(guest);
    const { left } = migrate(given, guest);
    expect(left.ok).toBe(true);
    expect(domain.state).toBe('dead');
    note('(the domain is destroyed)');
    expect(drawnSteps()).toEqual(steps);
    expect(steps.filter((step) => step === 'pages')).toHaveLength(2);
    expect(arrived).toEqual({ complete: false, go: false, running: true });
    expect(seen.registers).toEqual(REGISTERS);
  });
});
