// A user's program over faults at its events: the sampled property, and all of them one by one.
import { describe, expect, it } from 'vitest';
import {
  type CrashPlan,
  files,
  type Machine,
  O,
  type Process,
  type Syscalls,
} from '../../../src/doors/machine/index.ts';
import {
  checkProperty,
  countEvents,
  crashProperty,
  everyFault,
  type Fault,
  runFault,
} from '../../../src/doors/testing/index.ts';
import { powerLosses } from '../../../src/doors/machine/index.ts';

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
  machine: { disk: files({ account: 'x'.repeat(3000) }, { journalBlocks: 1024 }), memory: 16 << 20, drive: 'disk' },
  program: replace(isSafe),
});

function isWhole({ sys }: Machine): boolean {
  const bytes = new Uint8Array(4000);
  const length = sys.read(sys.open('/account'), bytes, 0, 4000);
  return length === 3000 && bytes.subarray(0, 3000).every((byte) => byte === bytes[0]);
}

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

  it('an error of the program reaches the caller before any case', () => {
    const failing = { ...plan(true), program: (sys: Syscalls) => sys.unlink('/absent') };
    expect(() => crashProperty(failing, isWhole)).toThrow('ENOENT');
    expect(() => runFault(failing, { kind: 'crash', event: 10_000 })).toThrow('ENOENT');
  });
});
