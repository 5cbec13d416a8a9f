// The steps of a machine: what counts as one, and a guest that crashes at one of them.
import { describe, expect, it } from 'vitest';
import {
  ArgumentError,
  files,
  GuestCrash,
  Machine,
  type MachineOptions,
  O,
  type Process,
  type StrategyName,
  type Syscalls,
} from '../../../src/doors/machine/index.ts';
import { Mfn } from '../../../src/base/units.ts';
import { machineMemoryFor } from '../../../src/experiment/host/host.ts';
import { MachineMemory } from '../../../src/machine/index.ts';
import { runsFactor } from '../../support/property.ts';

const MEMORY = 9 << 20;
const PAGE = new Uint8Array(4096).fill(66);
const NONE = { store: 0, word: 0, hypercall: 0, request: 0, completion: 0, event: 0, xenstore: 0 };
const options = (strategy: StrategyName): MachineOptions => ({
  disk: files({ old: 'x'.repeat(8192) }),
  strategy,
  memory: MEMORY,
  drive: 'instant',
  steps: true,
});

/**
 * Opens a file of which the guest has the first page as it is on the disk. The file system is
 * marked as changed already.
 */
function cached({ sys }: Machine): number {
  const fd = sys.open('/old', O.rdwr);
  sys.pwrite(fd, PAGE, 0, 4096, 4096);
  sys.sync();
  sys.pread(fd, new Uint8Array(4096), 0, 4096, 0);
  return fd;
}

function* replace(sys: Syscalls): Process {
  const fd = yield* sys.open('/new', O.wronly | O.creat);
  yield* sys.write(fd, PAGE, 0, PAGE.length);
  yield* sys.fsync(fd);
  yield* sys.close(fd);
  yield* sys.rename('/new', '/old');
  yield* sys.sync();
}

/** Steps of a run, by kind. */
function stepsOf(machine: Machine, run: () => void): Record<string, number> {
  const before = machine.stats.steps!;
  run();
  const after = machine.stats.steps!;
  return Object.fromEntries(Object.entries(after).map(([kind, n]) => [kind, n - before[kind as keyof typeof before]]));
}

const sum = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((a, b) => a + b, 0);

describe('the steps of a machine', () => {
  it('a cached overwrite that nothing is known of is one store', () => {
    const machine = Machine.boot(options('cold'));
    const fd = cached(machine);
    const write = (): void => {
      machine.run(function* (sys) {
        yield* sys.pwrite(fd, PAGE, 0, 4096, 0);
      });
    };
    // The frame was read from its block. With the first store its record loses that. Its state is
    // weakened. Block, checksum and check word are stored. The state comes last.
    expect(stepsOf(machine, write)).toEqual({ ...NONE, store: 1, word: 5 });
    // Now it is not protected any more.
    expect(stepsOf(machine, write)).toEqual({ ...NONE, store: 1 });
  });

  it('a page that is read is one request with its events', () => {
    const machine = Machine.boot(options('cold'));
    const fd = cached(machine);
    machine.sys.dropCaches();
    const steps = stepsOf(machine, () => {
      machine.run(function* (sys) {
        yield* sys.pread(fd, new Uint8Array(4096), 0, 4096, 4096);
      });
    });
    expect(steps).toMatchObject({ request: 1, completion: 1, xenstore: 0 });
    // Of the guest's send and of the back-end's answer.
    expect(steps['event']).toBe(2);
    expect(steps['hypercall']).toBe(1);
  });

  it('counting changes no bytes, no time and no digest', () => {
    const [plain, counted] = [false, true].map((steps) => {
      const machine = Machine.boot({ ...options('rio+warm-cache'), steps });
      machine.run(replace);
      machine.reboot({ crash: true });
      return [machine.digest, machine.now, machine.disk.read()];
    });
    expect(counted).toEqual(plain);
  });

  it('steps of reboots do not count', () => {
    const machine = Machine.boot(options('cold'));
    expect(machine.stats.steps).toEqual(NONE);
    machine.reboot();
    expect(machine.stats.steps).toEqual(NONE);
    expect(Machine.boot({ ...options('cold'), steps: false }).stats.steps).toBeUndefined();
  });

  it('a guest that crashes at a step has made the steps before it, and none of its own after it', () => {
    const whole = Machine.boot(options('rio+warm-cache'));
    whole.run(replace);
    const total = sum(whole.stats.steps!);
    const sampled = Math.min(total, 15 * runsFactor());
    for (let i = 0; i < sampled; i++) {
      const step = Math.floor((i * total) / sampled);
      const machine = Machine.boot(options('rio+warm-cache'));
      machine.crashAt({ step });
      let crash: unknown;
      try {
        machine.run(replace);
      } catch (error) {
        crash = error;
      }
      expect(crash).toBeInstanceOf(GuestCrash);
      expect((crash as GuestCrash).step).toBe(step);
      expect((crash as GuestCrash).message).toBe(`the guest has crashed at step ${step}`);
      expect(machine.state).toBe('crashed');
      expect(sum(machine.stats.steps!)).toBeGreaterThan(step);
      machine.reboot();
      machine.sys.stat('/old');
      expect(machine.verify().mismatches).toBe(0);
    }
  });

  it('of a copy, the lines that were asked for are stored before the guest dies', () => {
    const memory = new MachineMemory(machineMemoryFor(MEMORY));
    const machine = Machine.bootWith(options('cold'), { memory });
    const fd = cached(machine);
    // Steps 0 to 4 take the provenance from the frame's record.
    machine.crashAt({ step: 5, lines: 3 });
    expect(() =>
      machine.run(function* (sys) {
        yield* sys.pwrite(fd, PAGE, 0, 4096, 0);
      }),
    ).toThrow(GuestCrash);
    const stored = Array.from({ length: memory.frameCount }, (_, mfn) => memory.frame(Mfn(mfn))).filter(
      (frame) => frame[0] === 66 && frame[191] === 66,
    );
    // The other one is the second page, which was written whole.
    expect(stored.map((frame) => frame.filter((byte) => byte === 66).length)).toEqual([192, 4096]);
  });

  it('a mistaken step is refused, and the machine goes on', () => {
    const machine = Machine.boot({ ...options('cold'), steps: false });
    expect(() => {
      machine.crashAt({ step: 3 });
    }).toThrow(/^step: the machine counts no steps/);
    const counting = Machine.boot(options('cold'));
    for (const [mistake, message] of [
      [{ step: -1 }, /^step: /],
      [{ step: 1.5 }, /^step: /],
      [{ step: 1, lines: 65 }, /^lines: /],
      [{ step: 1, event: 1 }, /^options: /],
      [{}, /^event: /],
    ] as const)
      expect(() => {
        counting.crashAt(mistake as never);
      }, JSON.stringify(mistake)).toThrow(message);
    expect(() => {
      counting.crashAt({ step: -1 });
    }).toThrow(ArgumentError);
    counting.run(replace);
    expect(counting.state).toBe('running');
  });

  it('a crash point that is named anew is counted anew, and one at an event takes its place', () => {
    const machine = Machine.boot(options('cold'));
    machine.crashAt({ step: 1 });
    machine.crashAt({ event: 1_000_000 });
    machine.run(replace);
    machine.crashAt({ step: 1_000_000 });
    machine.crashAt({ step: 0 });
    expect(() => machine.run(replace)).toThrow('at step 0');
    machine.reboot();
    machine.run(replace);
  });
});
