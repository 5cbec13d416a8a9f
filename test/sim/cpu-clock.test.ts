// The processor against a queue of jobs that are served one at a time, in the order in which they
// were booked.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Ns } from '../../src/base/index.ts';
import { CpuClock, DEBT_LIMIT, type Process, Simulation } from '../../src/sim/index.ts';
import { property } from '../support/property.ts';

/** What a process does: sleeps, then uses the processor for `cost` ns in `parts` charges. */
const step = fc.record({
  sleep: fc.nat({ max: 50 }),
  cost: fc.nat({ max: 40 }),
  parts: fc.integer({ min: 1, max: 3 }),
});

property(
  'settlements are served one at a time, first come first served, and busy is their sum',
  fc.array(fc.array(step, { maxLength: 8 }), { minLength: 1, maxLength: 4 }),
  (programs) => {
    const simulation = new Simulation(1);
    const cpu = new CpuClock(simulation);
    let freeAt = 0;
    let total = 0;
    let ended = 0;
    for (const [number, program] of programs.entries())
      simulation.spawn(
        `p${number}`,
        (function* (): Process {
          for (const { sleep, cost, parts } of program) {
            if (sleep > 0) yield sleep;
            for (let part = 0; part < parts; part++) cpu.charge(cost / parts);
            expect(cpu.localNow).toBeCloseTo(Math.max(simulation.now, freeAt) + cost, 6);
            const asked = simulation.now;
            freeAt = cost === 0 ? freeAt : Math.max(asked, freeAt) + cost;
            const until = cost === 0 ? asked : freeAt;
            total += cost;
            yield* cpu.settle();
            expect(simulation.now).toBe(until);
            expect(cpu.debt).toBe(0);
          }
          ended++;
        })(),
      );
    simulation.run();
    expect(ended).toBe(programs.length);
    expect(cpu.busy).toBe(total);
    expect(simulation.now).toBeGreaterThanOrEqual(total);
  },
);

property(
  'a booking takes its place in the queue without waiting',
  fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 20 }),
  (costs) => {
    const cpu = new CpuClock(new Simulation(1));
    let sum = 0;
    for (const cost of costs) {
      cpu.charge(cost);
      sum += cost;
      expect(cpu.localNow).toBe(sum);
      expect(cpu.book()).toBe(sum);
      expect(cpu.book()).toBe(0);
    }
    expect(cpu.busy).toBe(sum);
  },
);

it('a debt of costs below a nanosecond adds up until it is settled', () => {
  const cpu = new CpuClock(new Simulation(1));
  for (let i = 0; i < 10; i++) cpu.charge(0.25);
  expect(cpu.book()).toBe(3);
  expect(cpu.busy).toBe(3);
});

it('a debt is due from the limit on, until it is settled', () => {
  const cpu = new CpuClock(new Simulation(1));
  cpu.charge(DEBT_LIMIT - 1);
  expect(cpu.isDue).toBe(false);
  cpu.charge(1);
  expect(cpu.isDue).toBe(true);
  cpu.book();
  expect(cpu.isDue).toBe(false);
});

it('an idle processor begins at once, not where it once stopped', () => {
  const simulation = new Simulation(1);
  const cpu = new CpuClock(simulation);
  cpu.charge(100);
  cpu.book();
  simulation.after(Ns(1000), () => {
    cpu.charge(5);
    expect(cpu.book()).toBe(5);
  });
  expect(simulation.run()).toBe(1);
});

it('the clock does not yield when nothing is owed', () => {
  const cpu = new CpuClock(new Simulation(1));
  expect(cpu.settle().next().done).toBe(true);
});

it.each([
  [1, 1],
  [999_999, 1],
  [1_000_000, 1],
  [1_000_001, 2],
  [2_000_000, 2],
  [2_000_001, 3],
])('the processor works for %i ns in %i slices, between which others have their turn', (ns, slices) => {
  const simulation = new Simulation(1);
  const cpu = new CpuClock(simulation);
  const turns: string[] = [];
  simulation.spawn(
    'long',
    (function* (): Process {
      yield* cpu.work(ns);
      turns.push('long');
    })(),
  );
  for (let n = 1; n <= 3; n++)
    simulation.spawn(
      `short ${n}`,
      (function* (): Process {
        // Comes while slice n is worked on.
        yield Ns((n - 1) * 1_000_001 + 1);
        cpu.charge(1);
        yield* cpu.settle();
        turns.push(`short ${n}`);
      })(),
    );
  simulation.run();
  expect(turns.indexOf('long')).toBe(slices - 1);
  expect(cpu.busy).toBe(ns + 3);
});

it('a process should settle from a debt of 100 µs on', () => {
  const cpu = new CpuClock(new Simulation(1));
  const states = [99_999, 1, 1].map((ns) => {
    cpu.charge(ns);
    return cpu.isDue;
  });
  expect(states).toEqual([false, true, true]);
  cpu.book();
  expect(cpu.isDue).toBe(false);
});
