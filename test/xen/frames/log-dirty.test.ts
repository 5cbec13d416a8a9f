// Log-dirty mode: a copy of a domain's memory, and again of what is logged, has all of it.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c, Pfn } from '../../../src/base/index.ts';
import { type Domain, ShutdownReason } from '../../../src/xen/index.ts';
import { LogDirty } from '../../../src/xen/frames/log-dirty.ts';
import { property } from '../../support/property.ts';
import {
  bootMachine,
  COSTS,
  LEAST_PAGES,
  type MiniGuest,
  startGuest,
  type TestMachine,
} from '../../support/machine.ts';

const page = fc.integer({ min: 100, max: 105 });
const action = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom('read' as const, 'write' as const), page, block: fc.nat(60) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('store' as const), page, value: fc.nat(255) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('zero' as const), page }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('steps' as const), count: fc.integer({ min: 1, max: 15 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('give back' as const), page }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('take' as const), page }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('copy' as const) }) },
);
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

function perform(guest: MiniGuest, one: Exclude<Action, { do: 'copy' }>, { simulation }: TestMachine): void {
  const { domain } = guest;
  const { memory, hypercalls } = domain.environment;
  if (one.do === 'steps') for (let i = 0; i < one.count; i++) simulation.step();
  else if (one.do === 'take') hypercalls.increaseReservation([one.page]);
  else if (!domain.hasFrame(Pfn(one.page))) return;
  else if (one.do === 'give back') hypercalls.decreaseReservation([one.page]);
  else if (one.do === 'store') memory.writeU8(Pfn(one.page), 7, one.value);
  else if (one.do === 'zero') memory.zero(Pfn(one.page), 0, 4096);
  else if (guest.hasRoom) guest[one.do](one.page, one.block);
}

/** As an operation does that holds the domain. */
function logStores(domain: Domain): LogDirty {
  expect(domain.begin('migrate')).toMatchObject({ ok: true });
  return domain.beginLogDirty();
}

describe('a domain in log-dirty mode', () => {
  property(
    'a domain in log-dirty mode is copied whole by who copies it once and then what is logged, whatever it does meanwhile',
    fc.nat(1000),
    fc.array(action, { maxLength: 60, size: 'max' }),
    fc.nat(2000),
    (seed, actions, latencyNs) => {
      const machine = bootMachine(seed);
      machine.disk.latencyNs = latencyNs;
      const guest = startGuest(machine);
      const { domain } = guest;
      const copy = new Map<number, number>();
      const copyPages = (pages: Iterable<number>): void => {
        for (const pfn of pages)
          if (domain.hasFrame(Pfn(pfn))) copy.set(pfn, crc32c(machine.memory.frame(domain.frameOf(Pfn(pfn)))));
      };
      guest.read(104, 3);
      const log = logStores(domain);
      copyPages(Array.from({ length: LEAST_PAGES }, (_, pfn) => pfn));
      for (const one of actions) {
        if (one.do === 'copy') copyPages(log.clean());
        else perform(guest, one, machine);
      }
      machine.simulation.run();
      copyPages(log.clean());
      for (let pfn = 0; pfn < LEAST_PAGES; pfn++)
        if (domain.hasFrame(Pfn(pfn)))
          expect([pfn, copy.get(pfn)]).toEqual([pfn, crc32c(machine.memory.frame(domain.frameOf(Pfn(pfn))))]);
    },
    { numRuns: 16, lawRuns: 40 },
  );

  it('a domain in log-dirty mode pays for a trap at the first store to a page after each look, and for none when it is not logged', () => {
    const machine = bootMachine();
    const { domain } = startGuest(machine);
    const { memory, cpu } = domain.environment;
    const log = logStores(domain);
    const costOf = (store: () => void): number => {
      cpu.book();
      const before = cpu.busy;
      store();
      cpu.book();
      return cpu.busy - before;
    };
    const store = (): void => memory.writeU32(Pfn(100), 0, 1);
    expect([costOf(store), costOf(store), log.has(Pfn(100)), domain.stats.traps]).toEqual([
      COSTS.faultNs + COSTS.protectNs,
      0,
      true,
      1,
    ]);
    expect(log.clean()).toContain(100);
    expect(log.has(Pfn(100))).toBe(false);
    expect(costOf(store)).toBe(COSTS.faultNs + COSTS.protectNs);
    domain.endLogDirty();
    log.clean();
    expect([costOf(store), log.has(Pfn(100))]).toEqual([0, false]);
  });

  it('a domain in log-dirty mode is for the operation that holds the domain, while its guest runs; whoever holds it may end it in any state', () => {
    const { domain } = startGuest(bootMachine());
    expect(() => domain.beginLogDirty()).toThrow('a domain that is running does not log');
    expect(() => domain.endLogDirty()).toThrow('a domain that is running does not unlog');
    logStores(domain);
    domain.environment.hypercalls.shutdown(ShutdownReason.crash);
    expect(() => domain.beginLogDirty()).toThrow('a domain that is shutdown-held does not log');
    domain.endLogDirty();
    domain.end();
    expect(() => domain.endLogDirty()).toThrow('a domain that is shutdown does not unlog');
  });
});

property('a log of dirty pages has what was marked since it was cleaned', fc.array(fc.array(fc.nat(99))), (rounds) => {
  const log = new LogDirty(100);
  for (const marks of rounds) {
    const seen = new Set<number>();
    for (const pfn of marks) {
      expect(log.mark(Pfn(pfn))).toBe(!seen.has(pfn));
      seen.add(pfn);
      expect(log.has(Pfn(pfn))).toBe(true);
    }
    expect(log.clean()).toEqual([...seen].sort((a, b) => a - b));
  }
});
