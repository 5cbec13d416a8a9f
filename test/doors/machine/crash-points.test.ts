// Every moment at which a program can crash, or the machine lose power.
import { describe, expect, it } from 'vitest';
import {
  ArgumentError,
  crashes,
  type CrashPlan,
  files,
  hypervisorCrashes,
  type Machine,
  powerLosses,
  type Process,
  O,
  type Syscalls,
} from '../../../src/doors/machine/index.ts';

const BYTES = new TextEncoder().encode('balance=100\n');

/** Replaces a file by another one, the safe way. */
function* replace(sys: Syscalls): Process {
  const fd = yield* sys.open('/new', O.wronly | O.creat);
  yield* sys.write(fd, BYTES, 0, BYTES.length);
  yield* sys.fsync(fd);
  yield* sys.close(fd);
  yield* sys.rename('/new', '/account');
  yield* sys.sync();
}

function contents(machine: Machine): string {
  return machine.run(function* (sys) {
    const fd = yield* sys.open('/account');
    const bytes = new Uint8Array(100);
    return new TextDecoder().decode(bytes.subarray(0, yield* sys.read(fd, bytes, 0, 100)));
  });
}

const plan = (journalBlocks?: number): CrashPlan => ({
  machine: {
    disk: files({ account: 'balance=0\n' }, journalBlocks === undefined ? {} : { journalBlocks }),
    memory: 16 << 20,
    drive: 'disk',
  },
  program: replace,
});

describe('the crash points of a program', () => {
  it('a file that is replaced the safe way on ext3 is old or new, at every crash and every loss of power', () => {
    const seen = { crash: new Set<string>(), power: new Set<string>() };
    let points = 0;
    for (const { machine, event } of crashes({ ...plan(1024), every: 16 })) {
      expect(machine.state, `event ${event}`).toBe('crashed');
      machine.reboot();
      seen.crash.add(contents(machine));
      expect(machine.verify().mismatches).toBe(0);
      points++;
    }
    for (const { machine } of powerLosses({ ...plan(1024), every: 12 })) {
      seen.power.add(contents(machine));
      points++;
    }
    for (const set of Object.values(seen)) expect([...set].sort()).toEqual(['balance=0\n', 'balance=100\n']);
    expect(points).toBeGreaterThan(8);
  });

  it('both iterators name the same moments, from the first on, and end behind the end of the program', () => {
    const events = (all: Iterable<{ event: number }>): number[] => Array.from(all, ({ event }) => event);
    const quick = { ...plan(), machine: { ...plan().machine, drive: 'instant' } } as const;
    const all = events(powerLosses(quick));
    expect(all).toEqual(all.map((_, i) => i));
    const late = { ...quick, from: all.length - 3 };
    expect(events(crashes(late))).toEqual(all.slice(-3));
    expect(events(crashes({ ...quick, from: 5, every: 10 })).slice(0, 3)).toEqual([5, 15, 25]);
    expect(events(powerLosses({ ...quick, from: 5, every: 10 })).slice(0, 3)).toEqual([5, 15, 25]);
    const seldom = { ...quick, from: 3, every: Number.MAX_SAFE_INTEGER };
    expect(events(crashes(seldom))).toEqual([3, Number.MAX_SAFE_INTEGER]);
  });

  it('what is prepared must be done at the return: a promise is refused', () => {
    const prepare = (): never => Promise.resolve() as never;
    for (const of of [crashes, powerLosses, hypervisorCrashes])
      expect(() => of({ ...plan(), prepare }).next()).toThrow(/^plan.prepare: it returns a promise/);
  });

  it('what is prepared is not counted, and is there at each moment', () => {
    const prepare = (machine: Machine): void => {
      machine.sys.mkdir('/before');
      machine.sys.sync();
    };
    for (const { machine } of powerLosses({ ...plan(), prepare, every: 9 }, 1))
      expect(machine.sys.stat('/before').links).toBe(2);
    for (const { machine } of crashes({ ...plan(), prepare, every: 20 })) {
      machine.reboot();
      expect(machine.sys.stat('/before').links).toBe(2);
    }
  });

  it('the machine that runs the program is as if nobody had looked', () => {
    const disks = [15, 60].map((every) => {
      let last: Machine | undefined;
      for (const { machine } of powerLosses({ ...plan(), every }, 1)) last = machine;
      return last!.disk.read();
    });
    expect(Buffer.compare(disks[0]!, disks[1]!)).toBe(0);
  });

  it('an error of the program, and options that cannot be, reach the caller', () => {
    const failing = { ...plan(), program: (sys: Syscalls) => sys.unlink('/absent') };
    expect(() => [...crashes(failing)]).toThrow('ENOENT');
    expect(() => [...powerLosses(failing)]).toThrow('ENOENT');
    expect(() => [...powerLosses(plan(), 2)]).toThrow(ArgumentError);
    const endless = function* (): Process {
      for (;;) yield 1;
    };
    const short = { machine: { ...plan().machine, eventLimit: 500 }, program: endless, from: 1000 };
    expect(() => [...powerLosses(short)]).toThrow(/no end after 500 events/);
    expect(() => [...crashes({ ...plan(), every: 0 })]).toThrow(/^plan.every: /);
    expect(() => [...crashes({} as never)]).toThrow(/^plan.machine: /);
  });
});
