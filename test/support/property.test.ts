import fc from 'fast-check';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { checkProperty, property, replayOfCommands } from './property.ts';

const where = { name: `it's "small" (a+b)`, file: 'test/support/property.test.ts' };

// A replay of the whole suite, or a longer run, must not bend the tests of replaying itself.
beforeEach(() => {
  for (const name of ['SEED', 'PATH', 'RUNS', 'COMMANDS']) vi.stubEnv(`STILLWARM_${name}`, undefined);
});

function failureOf(run: () => void): string {
  try {
    run();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('expected a failure');
}

function replayLine(message: string): RegExpExecArray {
  const lines = message.split('\n').filter((line) => line.startsWith('replay:'));
  expect(lines).toHaveLength(1);
  const line =
    /^replay: STILLWARM_SEED=(-?\d+) STILLWARM_PATH="([\d:]+)"(?: STILLWARM_COMMANDS="([^"]+)")? npx vitest run /.exec(
      lines[0]!,
    );
  expect(line).not.toBeNull();
  return line!;
}

function replayFrom(message: string): void {
  const [, seed, path, commands] = replayLine(message);
  vi.stubEnv('STILLWARM_SEED', seed);
  vi.stubEnv('STILLWARM_PATH', path);
  if (commands !== undefined) vi.stubEnv('STILLWARM_COMMANDS', commands);
}

describe('property', () => {
  property('a property passes the generated values on, typed', fc.nat(9), fc.string({ maxLength: 3 }), (n, text) => {
    expect(n).toBeLessThanOrEqual(9);
    return text.length <= 6;
  });

  property('a property may end in an expectation', fc.nat(), (n) => expect(n).toBeGreaterThanOrEqual(0));

  property('a property takes parameters of fast-check', fc.boolean(), (b) => typeof b === 'boolean', { numRuns: 3 });
});

describe('checkProperty', () => {
  const small = (seen: unknown[]) => (n: unknown) => {
    seen.push(n);
    expect(n).toBeLessThan(1000);
  };

  it('checkProperty prints the counterexample and one replay line, which fails again at its first run', () => {
    const message = failureOf(() => checkProperty(where, [fc.nat()], small([])));
    expect(message).toContain('counterexample: [1000]');
    expect(message).toContain(` -t 'it'\\''s "small" \\(a\\+b\\)$'`);

    replayFrom(message);
    const seen: unknown[] = [];
    const again = failureOf(() => checkProperty(where, [fc.nat()], small(seen)));
    expect(seen).toEqual([1000]);
    expect(again).toContain('counterexample: [1000]');
    expect(replayLine(again).slice(1, 3)).toEqual(replayLine(message).slice(1, 3));
  });

  it('checkProperty that runs out of time says so, and how far it came', () => {
    const busy = (): void => {
      for (const end = performance.now() + 60; performance.now() < end; );
    };
    const message = failureOf(() => checkProperty(where, [fc.nat()], busy, { numRuns: 50 }, 200));
    const [, passed] = /: stopped by its time limit, 0\.2 s: (\d+) of 50 cases passed, and none failed$/.exec(message)!;
    expect(Number(passed)).toBeGreaterThan(0);
    expect(Number(passed)).toBeLessThan(50);
  });

  it('checkProperty that fails and runs out of time while it shrinks shows what it has', () => {
    const slow = (n: unknown): void => {
      for (const end = performance.now() + 120; performance.now() < end; );
      expect(n).toBeLessThan(1000);
    };
    replayLine(failureOf(() => checkProperty(where, [fc.integer({ min: 2000 })], slow, {}, 100)));
  });

  it('checkProperty runs the examples it is given first', () => {
    const seen: unknown[] = [];
    checkProperty(where, [fc.nat(), fc.nat()], (a, b) => void seen.push([a, b]), { examples: [[3, 4]] });
    expect(seen[0]).toEqual([3, 4]);
  });

  it('checkProperty keeps one replay line when the cause has one of its own', () => {
    const failing = () => {
      throw new Error('inner\nreplay: something else');
    };
    replayLine(failureOf(() => checkProperty(where, [fc.nat()], failing)));
  });

  it('checkProperty checks the same cases every time, other cases under another seed, more under STILLWARM_RUNS', () => {
    const cases = () => {
      const seen: unknown[] = [];
      checkProperty(where, [fc.nat()], (n) => void seen.push(n), { numRuns: 10 });
      return seen;
    };
    const first = cases();
    expect(first).toHaveLength(10);
    expect(cases()).toEqual(first);
    vi.stubEnv('STILLWARM_SEED', '7');
    expect(cases()).not.toEqual(first);
    vi.stubEnv('STILLWARM_RUNS', '3');
    expect(cases()).toHaveLength(30);
    vi.stubEnv('STILLWARM_RUNS', 'many');
    expect(cases).toThrow('STILLWARM_RUNS');
  });

  it('checkProperty replays a sequence of commands', () => {
    type Model = { n: number };
    const ran: string[] = [];
    const command = (by: number): fc.Command<Model, Model> => ({
      check: () => true,
      run: (model, real) => {
        ran.push(`+${by}`);
        model.n += by;
        real.n = Math.min(real.n + by, 5);
        expect(real.n).toBe(model.n);
      },
      toString: () => `+${by}`,
    });
    const counters = () => [fc.commands([fc.constant(command(1)), fc.constant(command(3))], replayOfCommands())];
    const run = (commands: unknown) =>
      fc.modelRun(() => ({ model: { n: 0 }, real: { n: 0 } }), commands as Iterable<fc.Command<Model, Model>>);

    const message = failureOf(() => checkProperty(where, counters(), run));
    replayFrom(message);
    ran.length = 0;
    const again = failureOf(() => checkProperty(where, counters(), run));
    expect(ran).toEqual(['+3', '+3']);
    expect(again).toContain('+3,+3');
  });

  it('checkProperty refuses a promise, and a property whose preconditions leave nothing', () => {
    const asynchronous = (() => Promise.resolve()) as unknown as () => void;
    expect(() => checkProperty(where, [fc.nat()], asynchronous)).toThrow('returned a promise');
    expect(() => checkProperty(where, [fc.nat()], () => fc.pre(false))).toThrow('skipped by fc.pre');
  });
});
