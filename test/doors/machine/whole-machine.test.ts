// What is left when a whole machine stops: states that are taken along one run are those of runs
// that stopped there.
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  type CrashPlan,
  crashes,
  files,
  GuestCrash,
  hypervisorCrashes,
  Machine,
  O,
  powerLosses,
  type Process,
  type Syscalls,
  VMM_STRATEGIES,
} from '../../../src/doors/machine/index.ts';
import { playsLaws } from '../../support/property.ts';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const BYTES = new Uint8Array(9000).fill(65);

/** Its first page is on the medium when it ends, its last is not. */
function* store(sys: Syscalls): Process {
  const fd = yield* sys.open('/new', O.wronly | O.creat);
  yield* sys.write(fd, BYTES, 0, 4096);
  yield* sys.fsync(fd);
  yield* sys.write(fd, BYTES, 4096, BYTES.length - 4096);
  yield* sys.close(fd);
}

const plan = (drive: 'disk' | 'instant' | 'profile', journalBlocks?: number): CrashPlan => ({
  machine: {
    disk: files({ old: 'x'.repeat(50_000) }, journalBlocks === undefined ? {} : { journalBlocks }),
    memory: 12 << 20,
    drive,
  },
  prepare: ({ sys }) => {
    const fd = sys.open('/old');
    sys.read(fd, new Uint8Array(50_000), 0, 50_000);
    sys.close(fd);
  },
  program: store,
});

/** A machine of its own, which stops at an event of the program. */
function stoppedAt({ machine: options, prepare, program }: CrashPlan, event: number): Machine {
  const machine = Machine.boot(options);
  prepare?.(machine);
  machine.crashAt({ event });
  try {
    machine.run(program);
  } catch (error) {
    if (!(error instanceof GuestCrash)) throw error;
  }
  return machine;
}

/** All that a user can find out about a machine that has come up. */
function told(machine: Machine): unknown {
  const { reboots, strategy, verification } = machine.report();
  const { ns: _, ...report } = reboots.at(-1)!;
  const list = machine.sys.readdir('/').map(({ name }) => name);
  const { guest, hypercalls } = machine.stats;
  return {
    disk: sha256(machine.disk.read()),
    list,
    files: list.filter((name) => !name.includes('.')).map((name) => machine.sys.stat(`/${name}`)),
    messages: machine.messages.map(({ text }) => text),
    report,
    strategy,
    verification,
    guest,
    hypercalls: hypercalls?.count,
  };
}

describe('the bytes that a machine leaves', () => {
  // Of the events of a run: each how many-th, how many these are, and how many disks differ. First
  // for `npm test`, then for a run of the laws.
  it.each([
    ['disk', undefined, [6, 8, 4], [1, 39, 16]],
    ['disk', 1024, [24, 5, 4], [6, 15, 9]],
  ] as const)('a loss of power on the drive %s, journal %s, leaves what a run leaves that ends there', (...args) => {
    const [drive, journal] = args;
    const [every, count, differing] = args[playsLaws() ? 3 : 2];
    const own = plan(drive, journal);
    const disks: string[] = [];
    for (const { machine, event } of powerLosses({ ...own, every }, 0.5)) {
      const other = stoppedAt(own, event);
      other.losePower({ keep: 0.5 });
      other.reboot();
      expect(told(machine), `event ${event}`).toEqual(told(other));
      disks.push(sha256(machine.disk.read()));
    }
    expect([disks.length, new Set(disks).size]).toEqual([count, differing]);
  });

  it.each([
    ['disk', [16, 4, 2], [4, 11, 4]],
    ['profile', [6, 7, 3], [1, 32, 6]],
  ] as const)('a crash of the hypervisor on the drive %s leaves what a run leaves that ends there', (...args) => {
    const [drive] = args;
    const [every, count, differing] = args[playsLaws() ? 2 : 1];
    const disks: string[] = [];
    for (const { machine, event } of hypervisorCrashes({ ...plan(drive), every })) {
      const other = stoppedAt(plan(drive), event);
      if (other.state === 'running') other.crash();
      other.reboot({ hypervisor: 'warm-vm' });
      expect(told(machine), `event ${event}`).toEqual(told(other));
      // An arm that is elsewhere turns up a revolution earlier or later.
      if (drive === 'profile') expect(machine.now).toBe(other.now);
      disks.push(sha256(machine.disk.read()));
    }
    expect([disks.length, new Set(disks).size]).toEqual([count, differing]);
  });

  it('the machine that runs the program does not notice that it is looked at', () => {
    const ends = [9, 1000].map((every) => {
      let last: Machine | undefined;
      for (const { machine } of hypervisorCrashes({ ...plan('disk'), every })) last = machine;
      return told(last!);
    });
    expect(ends[0]).toEqual(ends[1]);
  });

  it.each(VMM_STRATEGIES)('a machine that was made from bytes is rebooted like any other: %s', (hypervisor) => {
    const points = hypervisorCrashes({ ...plan('instant'), from: 20 });
    const { machine } = points.next().value!;
    machine.sys.stat('/old');
    const report = machine.reboot({ hypervisor });
    expect(report).toMatchObject({ hypervisor, problems: [] });
    expect(report.continued).toBe(['warm-vm', 'save-restore', 'live-migration'].includes(hypervisor));
    expect(machine.sys.stat('/old').size).toBe(50_000);
    expect(machine.verify().mismatches).toBe(0);
  });

  it('all three iterators name the same moments', () => {
    const events = (all: Iterable<{ event: number }>): number[] => Array.from(all, ({ event }) => event);
    const all = events(hypervisorCrashes(plan('instant')));
    expect(all).toEqual(all.map((_, event) => event));
    expect(events(powerLosses(plan('instant')))).toEqual(all);
    expect(events(crashes({ ...plan('instant'), from: all.length - 3 }))).toEqual(all.slice(-3));
  });
});
