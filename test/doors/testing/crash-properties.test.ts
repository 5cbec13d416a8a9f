// A user's program over faults at its events: the sampled property, and all of them one by one.
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ArgumentError,
  crashes,
  type CrashPlan,
  files,
  hypervisorCrashes,
  Machine,
  O,
  powerLosses,
  type Process,
  type Syscalls,
  WaitQueue,
} from '../../../src/doors/machine/index.ts';
import {
  checkProperty,
  countEvents,
  crashProperty,
  everyFault,
  type Fault,
  runFault,
} from '../../../src/doors/testing/index.ts';
import { casesOf } from '../../support/product.ts';

const BYTES = new Uint8Array(3000).fill(7);

/** Replaces a file by another one, the safe way or in place. */
const replace = (isSafe: boolean) =>
  function* (sys: Syscalls): Process {
    const fd = yield* sys.open(isSafe ? '/new' : '/account', O.wronly | O.creat);
    yield* sys.write(fd, BYTES, 0, BYTES.length);
    yield* sys.fsync(fd);
    yield* sys.close(fd);
    if (isSafe) yield* sys.rename('/new', '/account');
  };

const plan = (isSafe: boolean): CrashPlan => ({
  machine: { disk: files({ account: 'x'.repeat(3000) }, { journalBlocks: 1024 }), memory: 12 << 20, drive: 'disk' },
  program: replace(isSafe),
});

function isWhole({ sys }: Machine): boolean {
  const bytes = new Uint8Array(4000);
  const length = sys.read(sys.open('/account'), bytes, 0, 4000);
  return length === 3000 && bytes.subarray(0, 3000).every((byte) => byte === bytes[0]);
}

/** What it throws. */
function caught(act: () => unknown): Error {
  try {
    act();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}

/** Each way to run a program of a plan to its end. */
const WAYS: Readonly<Record<string, (plan: CrashPlan) => unknown>> = {
  run: ({ machine, program }) => Machine.boot(machine).run(program),
  crashes: (plan) => [...crashes(plan)],
  powerLosses: (plan) => [...powerLosses(plan)],
  hypervisorCrashes: (plan) => [...hypervisorCrashes(plan)],
  everyFault: (plan) => [...everyFault(plan)],
  runFault: (plan) => runFault(plan, { kind: 'crash', event: 1e6 }),
  countEvents,
  crashProperty: (plan) => crashProperty(plan, isWhole),
};

const PLAYED = casesOf('a program that does not end', '', Object.entries(WAYS), { sample: 3 });

describe.each(PLAYED)('a program that does not end, in %s', (_, runs) => {
  const program = (wait: unknown) =>
    function* (): Process {
      yield 10;
      yield wait as number;
    };
  const machine = { disk: files({ a: 'a' }), memory: 12 << 20, drive: 'instant' } as const;
  const act = (wait: unknown) => (): unknown => runs({ machine, program: program(wait) });

  it('a program that waits for ever is an ArgumentError that says for what', () => {
    const error = caught(act(new WaitQueue('a thing that never comes')));
    expect(error).toBeInstanceOf(ArgumentError);
    expect(error.message).toMatch(
      /^programs: a wait for what never happens\n(.*\n)* {2}guest0\/program waits for a thing that never comes/,
    );
  });

  it.each([0.5, 'text'])('a program that yields %j is an ArgumentError that says so', (wait) => {
    const error = caught(act(wait));
    expect(error).toBeInstanceOf(ArgumentError);
    expect(error.message).toContain(`programs: one yields ${JSON.stringify(wait)}, which is neither a wait queue nor`);
  });
});

describe('a property over the crashes of a program', () => {
  it('a program that replaces a file the safe way keeps the property', () => {
    checkProperty('the account is whole', crashProperty(plan(true), isWhole), { numRuns: 6 });
  });

  it('a program that writes in place breaks the property, which names the first event that does', () => {
    const act = (): void =>
      checkProperty('the account is whole', crashProperty(plan(false), isWhole, { kinds: ['power'] }));
    expect(act).toThrow(
      /counterexample: \[\{"kind":"power","event":\d+,"keep":0\.\d+\},.*\nbecause: .*\nreplay: REPLAY="/,
    );
  });

  it('a plan has as many events as its iterators name, and a fault behind the last is at the end', () => {
    const events = countEvents(plan(true));
    expect([...powerLosses({ ...plan(true), every: 1000 })].at(-1)!.event).toBe(events);
    const { event, machine } = runFault(plan(true), { kind: 'power', event: events + 50, keep: 0 });
    expect([event, machine.state]).toEqual([events, 'running']);
    const crash = runFault(plan(true), { kind: 'crash', event: 3 });
    expect([crash.event, crash.machine.state]).toEqual([3, 'crashed']);
  });

  it('every fault of a program comes with a guest that runs again', () => {
    const seen: Fault[] = [];
    for (const { fault, machine } of everyFault({ ...plan(true), every: 20 }, { keep: [0, 1] })) {
      expect(machine.state).toBe('running');
      expect(isWhole(machine)).toBe(true);
      seen.push(fault);
    }
    const ofPower = seen.filter(({ kind }) => kind === 'power');
    expect(new Set(ofPower.map((fault) => fault.kind === 'power' && fault.keep))).toEqual(new Set([0, 1]));
    expect(seen.length - ofPower.length).toBeGreaterThan(2);
  });

  it('a check that returns nothing has found nothing wrong, and false is a failure', () => {
    const checked = (answer: unknown): void =>
      checkProperty(
        'what is said',
        crashProperty(plan(true), () => answer),
        { numRuns: 1 },
      );
    for (const answer of [undefined, true, 0]) expect(() => checked(answer)).not.toThrow();
    expect(() => checked(false)).toThrow('failed at case 1');
  });

  it('a page that is wrong after a crash is a failure, whatever the check says', () => {
    const machine = { ...plan(false).machine, protections: { writeProtection: false } };
    const overwrite = function* (sys: Syscalls): Process {
      const fd = yield* sys.open('/account', O.wronly | O.creat);
      for (const salt of [1, 2]) {
        yield* sys.pwrite(fd, new Uint8Array(100_000).fill(salt), 0, 100_000, 0);
        if (salt === 1) yield* sys.sync();
      }
    };
    const reads = ({ sys }: Machine): number => sys.read(sys.open('/account'), new Uint8Array(100_000), 0, 100_000);
    const options = { kinds: ['crash'], reboots: fc.constant({ strategy: 'warm-cache+metadata' }) } as const;
    const act = (of: CrashPlan): void =>
      checkProperty('pages are right', crashProperty(of, reads, options), { numRuns: 10 });
    expect(() => act({ machine, program: overwrite })).toThrow(/because: oracle: \d+ wrong pages?/);
    expect(() => act({ machine: plan(false).machine, program: overwrite })).not.toThrow();
  });

  it('a loss of power of everyFault keeps the share of the cache that it says', () => {
    const own = { ...plan(false), every: 25 };
    const disks = (points: Iterable<{ machine: Machine }>): string[] =>
      Array.from(points, ({ machine }) => createHash('sha256').update(machine.disk.read()).digest('hex'));
    const lost = disks(powerLosses(own, 0));
    expect(disks(everyFault(own, { keep: [0] })).slice(-lost.length)).toEqual(lost);
    expect(disks(powerLosses(own, 0.5))).not.toEqual(lost);
  });

  it('an error of the program reaches the caller before any case', () => {
    const failing = { ...plan(true), program: (sys: Syscalls) => sys.unlink('/absent') };
    expect(() => crashProperty(failing, isWhole)).toThrow('ENOENT');
    expect(() => runFault(failing, { kind: 'crash', event: 10_000 })).toThrow('ENOENT');
  });
});
