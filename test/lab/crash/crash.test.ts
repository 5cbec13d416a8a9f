// The check `crash`: a workload stops at every step, and every law holds afterwards.
import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../../src/base/argument-error.ts';
import type { Machine, Process, Program, RebootReport } from '../../../src/doors/machine/index.ts';
import type { Step } from '../../../src/doors/machine/steps.ts';
import { crashCheck, WorkloadError, WORKLOADS } from '../../../src/lab/crash/index.ts';
import { Mfn, Ns, PAGE_SIZE } from '../../../src/base/units.ts';
import { Drive } from '../../../src/disk/drive/drive.ts';
import { MemoryImage } from '../../../src/disk/image/memory-image.ts';
import { pointsOf } from '../../../src/lab/crash/cases.ts';
import { isInSubset, losableBlocks, subsetsOf, survivalOf } from '../../../src/lab/crash/lost-blocks.ts';
import { MachineMemory } from '../../../src/machine/memory.ts';
import { Simulation } from '../../../src/sim/simulation.ts';
import { crashOptions } from '../../../src/lab/crash/options.ts';
import { Subject } from '../../../src/lab/crash/subject.ts';
import { traceOf } from '../../../src/lab/crash/trace.ts';
import type { PartResult } from '../../../src/lab/part.ts';
import { playsLaws, playsWhole, runsFactor } from '../../support/property.ts';

type Options = Record<string, unknown>;

/** Cases of a check: to count them, the check plays the workload twice. */
function countOf(options: Options): number {
  const { at, crash: played, depth = 1 } = options as { at?: string; crash?: { sample?: number }; depth?: number };
  if (playsLaws() || (at === undefined && played?.sample === undefined)) return crashCheck.count(options);
  return at === undefined ? played!.sample! * depth : 1;
}

function play(options: Options, from = 0, to = countOf(options), workloads?: ReadonlyMap<string, Program>): PartResult {
  return crashCheck.play({ check: 'crash', options, from, to }, () => true, workloads);
}

/**
 * A sample for `npm test`, and a larger one in a run of the laws. The command plays every step with
 * `--crash every`.
 */
const crash = (sample: number, isLarge: boolean): Options['crash'] => ({
  sample: sample * runsFactor() * (isLarge ? 8 : 1),
});

const ALL = ['ext2', 'ext3'].flatMap((fs) =>
  ['warm-cache+metadata', 'rio+warm-cache'].map((strategy) => [fs, strategy] as const),
);

describe('a workload that stops at its steps', () => {
  // By default reached.test.ts plays those that do not reboot.
  for (const [workload, { reboot }] of Object.entries(WORKLOADS)) {
    const isLarge = playsWhole(`crashes of ${workload}`);
    if (!isLarge && reboot === undefined) continue;
    it(`no law is broken at a step of ${workload}, whatever stops`, () => {
      // A reboot has tens of thousands of steps.
      const sample = reboot === undefined ? 3 : 1;
      for (const [fs, strategy] of isLarge ? ALL : ALL.slice(3)) {
        const { violations, done, counts } = play({ workload, fs, strategy, crash: crash(sample, isLarge) });
        expect(violations).toEqual([]);
        expect(done).toBe(counts['states']);
        expect(done).toBeGreaterThan(0);
      }
    });
  }

  for (const [workload, hypervisor] of [
    ['reboot', undefined],
    ['hand-over-vm', 'warm-vm'],
    ['hand-over-cache', 'warm-cache+metadata'],
  ] as const)
    it(`${workload} reboots in order, by ${String(hypervisor)}, and a guest that is dying boots again`, () => {
      const subject = new Subject(crashOptions({ workload }), undefined);
      const trace = traceOf(subject, true);
      const machine = subject.boot(0, {});
      subject.start().play(machine);
      const reboot = machine.report().reboots[0]!;
      expect([reboot.hypervisor, reboot.continued, reboot.problems]).toEqual([
        hypervisor,
        hypervisor === 'warm-vm',
        [],
      ]);
      // The reboot itself is most of the steps, and belongs to cases of each kind.
      expect(trace.steps).toBeGreaterThan(10_000);
      expect(trace.guest.reduce((sum, { covers }) => sum + covers, 0)).toBe(trace.steps + 1);
    });

  it('what was handed over outlives a crash of the hypervisor before the next one has begun with it', () => {
    const found = ['hand-over-cache', 'hand-over-vm'].map((workload) => {
      const subject = new Subject(crashOptions({ workload }), undefined);
      const reports: RebootReport[] = [];
      let isLooking = false;
      let copies = 0;
      const before = (machine: Machine, { what, isGuests }: Step): number => {
        // The record that is handed over is two copies or more, and is marked before it is read.
        if (isLooking && what === 'word' && copies > 1 && !isGuests)
          reports.push(machine.afterHypervisorCrash({ memory: subject.memory(1) }).report().reboots[0]!);
        copies = what === 'copy' ? copies + 1 : 0;
        return 0;
      };
      const machine = subject.boot(0, {
        watch: (its) => ({ before: (step) => before(its, step), torn: () => undefined }),
      });
      isLooking = true;
      subject.start().play(machine);
      return reports;
    });
    expect(found[0]!.map(({ preserved }) => preserved)).toContain(12);
    expect(found[1]!.flatMap(({ problems }) => problems)).toContain('its program is not where its registers say');
  });

  it('no law is broken when recoveries are crashed, too', () => {
    for (const [n, workload] of ['rename-over', 'truncate', 'reuse'].entries())
      for (const strategy of ['warm-cache+metadata', 'rio+warm-cache'].filter(
        (_, at) => playsWhole(workload) || at !== n % 2,
      )) {
        const { violations, counts } = play({
          workload,
          strategy,
          crash: crash(1, playsWhole(workload)),
          depth: 3,
          seed: 5,
        });
        expect(violations).toEqual([]);
        expect(counts['crashes in recoveries']).toBeGreaterThan(0);
      }
  });

  it('no law is broken when the hypervisor crashes before a dying guest’s dirty pages are home', () => {
    for (const [workload, strategy, at] of [
      // The guest dies in a reboot of the hypervisor, which goes on without it.
      ['hand-over-vm', 'rio+warm-cache', '128,1031'],
      ['mixed', 'rio', '700,0'],
    ] as const) {
      const { violations, counts } = play({ workload, strategy, kinds: ['guest'], at });
      expect(violations).toEqual([]);
      expect(counts).toMatchObject({ states: 1, 'crashes in recoveries': 1 });
    }
  });

  it('the steps of a tiny workload are exactly these, and each belongs to a case of each kind', () => {
    const options: Options = { workload: 'read-only', fs: 'ext2', strategy: 'cold' };
    const trace = traceOf(new Subject(crashOptions(options), undefined));
    const { counts, steps, guest } = trace;
    // `/a` has three pages and `/b` one, all cached before. After the drop, metadata and the pages
    // of `/a` are read again. Each request has a completion, and an event to and fro.
    expect(counts).toMatchInlineSnapshot(`
      {
        "completion": 4,
        "event": 8,
        "hypercall": 4,
        "request": 4,
        "store": 130,
        "word": 53,
        "xenstore": 0,
      }
    `);
    expect(Object.values(counts).reduce((a, b) => a + b)).toBe(steps);
    expect(counts.request).toBe(counts.completion);
    expect(counts.event).toBe(2 * counts.request);
    expect(guest.reduce((sum, { covers }) => sum + covers, 0)).toBe(steps + 1);
    for (const kind of ['guest', 'hypervisor', 'power']) {
      const points = pointsOf(crashOptions({ ...options, kinds: [kind] }), trace);
      expect(points.reduce((sum, { covers }) => sum + covers, 0)).toBe(steps + 1);
    }
    expect(play({ ...options, kinds: ['power'], crash: { sample: 2 } }).counts['steps counted']).toBe(steps + 1);
  });

  it('each copy into memory, also a DMA, is cut at every line of it by `every-line`', () => {
    const options = { workload: 'read-only', fs: 'ext2', kinds: ['hypervisor'], crash: 'every-line' };
    const checked = crashOptions(options);
    const trace = traceOf(new Subject(checked, undefined));
    const points = pointsOf(checked, trace);
    const cuts = points.filter(({ lines }) => lines > 0);
    const sum = trace.lines.reduce((all, lines) => all + lines - 1, 0);
    expect([cuts.length, points.length]).toEqual([sum, sum + trace.steps + 1]);
    // The last copy is the DMA of a page of a file.
    const last = cuts.at(-1)!.step;
    const from = points.findIndex(({ step, lines }) => step === last && lines === 1);
    const { violations, counts } = play(options, from, from + 63);
    expect([violations, counts['states'], counts['cuts covered']]).toEqual([[], 63, 63]);
    expect(pointsOf(crashOptions({ ...options, crash: 'every' }), trace).length).toBe(
      trace.steps + 1 + trace.lines.filter((lines) => lines > 1).length,
    );
    expect(play(options, 0, 1).counts['cuts counted']).toBe(sum);
  });

  it('each subset of the blocks that a loss of power may lose is played where the drive is about to change', () => {
    const options = { workload: 'append-log', fs: 'ext3', kinds: ['power'] };
    const checked = crashOptions(options);
    const trace = traceOf(new Subject(checked, undefined));
    const points = pointsOf(checked, trace);
    const subsets = points.filter(({ kept }) => kept !== undefined);
    // Half of these moments are those at which a write is in service.
    expect([...trace.losable].filter((blocks) => blocks > 0).sort()).toEqual([
      ...[1, 1, 1, 1, 1, 1, 1, 1],
      ...[2, 2, 3, 3, 3, 3, 5, 5],
    ]);
    expect([subsets.length, points.length]).toEqual([120, 120 + trace.steps + 1]);
    expect(play(options, 0, 1).counts['subsets counted']).toBe(120);
    // A commit record that survives alone is what a flush before it prevents.
    const without = { ...options, without: ['flushBeforeCommit'] };
    const { violations } = play({ ...without, at: '401=33' });
    expect(violations.map(({ replay }) => replay)[0]).toContain('--at 401=33 --without flushBeforeCommit');
    const full = trace.losable.indexOf(5);
    for (const kept of [0, 1, 31]) expect(play({ ...options, at: `${full}=${kept}` }).violations).toEqual([]);
    expect(() => play({ ...options, at: `${full}=32` })).toThrow('at: the drive has 32 subsets of blocks there');
  });

  it('of the blocks that a drive may lose, exactly those of the subset are on the medium', () => {
    const simulation = new Simulation(1);
    const memory = new MachineMemory(4 * PAGE_SIZE);
    const image = new MemoryImage(32 * PAGE_SIZE);
    const model = { channels: 1, read: () => Ns(1e6), write: () => Ns(1e6), transfer: () => Ns(1e6) };
    const drive = new Drive(simulation, memory, image, { model, writeCacheBytes: 4 * PAGE_SIZE, destageDelayNs: 1e9 });
    memory.copyIn(Mfn(1), 0, new Uint8Array(PAGE_SIZE).fill(7), 0, PAGE_SIZE);
    let isDone = false;
    const write = (block: number): void => {
      const segments = [{ mfn: Mfn(1), offset: 0, length: PAGE_SIZE }];
      isDone = false;
      drive.submit({ op: 'write', sector: 8 * block, segments, done: () => (isDone = true) });
    };
    for (const block of [20, 3]) {
      write(block);
      simulation.run(() => isDone);
    }
    // Block 3 is in the cache, and is written again.
    write(3);
    expect([drive.unflushedBlocks, drive.blocksInService, losableBlocks(drive)]).toEqual([[3, 20], [3], [3, 20, 3]]);
    const found = Array.from({ length: subsetsOf(3) }, (_, subset) => {
      const left = drive.afterPowerLoss(survivalOf(drive, subset));
      const bytes = new Uint8Array(PAGE_SIZE);
      return [3, 20].filter((block) => {
        left.read(block * PAGE_SIZE, bytes, 0, PAGE_SIZE);
        expect(new Set(bytes).size).toBe(1);
        return bytes[0] === 7;
      });
    });
    expect(found).toEqual([[], [3], [20], [3, 20], [3], [3], [3, 20], [3, 20]]);
    expect(() => survivalOf(drive, 8)).toThrow('at: the drive has 8 subsets of blocks there');
  });

  it('of more blocks than 10 the subsets are none, all, each alone, and all but each', () => {
    const members = (subset: number): string =>
      Array.from({ length: 11 }, (_, place) => (isInSubset(subset, place, 11) ? 1 : 0)).join('');
    const all = Array.from({ length: subsetsOf(11) }, (_, subset) => members(subset));
    expect([all.length, new Set(all).size, all[0], all.at(-1)]).toEqual([24, 24, '0'.repeat(11), '1'.repeat(11)]);
    expect(all.map((each) => each.split('1').length - 1)).toEqual([
      0,
      ...new Array<number>(11).fill(1),
      ...new Array<number>(11).fill(10),
      11,
    ]);
  });

  it('a part that is split gives the same in its pieces, and the same again', () => {
    const options = {
      workload: 'write-fsync',
      fs: 'ext3',
      crash: { sample: 6 },
      without: ['writeProtection'],
      seed: 3,
    };
    const whole = play(options);
    const pieces = [play(options, 0, 2), play(options, 2, 3), play(options, 3, 6)];
    const sum = (pick: (result: PartResult) => Readonly<Record<string, number>>): Record<string, number> => {
      const total: Record<string, number> = {};
      for (const piece of pieces)
        for (const [name, n] of Object.entries(pick(piece))) total[name] = (total[name] ?? 0) + n;
      return total;
    };
    expect(sum(({ counts }) => counts)).toEqual(whole.counts);
    expect(sum(({ reached }) => reached)).toEqual(whole.reached);
    expect(pieces.flatMap(({ violations }) => violations)).toEqual(whole.violations);
    expect(play(options)).toEqual(whole);
  });

  it('a part ends where its budget ends', () => {
    const options = { workload: 'append-log', fs: 'ext2', crash: { sample: 12 } };
    for (const budget of [1, 5, 9]) {
      const { done, counts } = crashCheck.play({ check: 'crash', options, from: 0, to: 12 }, (n) => n < budget);
      expect([done, counts['states']]).toEqual([budget, budget]);
    }
  });
});

describe('a workload of the user', () => {
  const options = { workload: 'mine', fs: 'ext3', crash: { sample: 6 } };
  const mine = (program: Program): ReadonlyMap<string, Program> => new Map([['mine', program]]);
  const whyNot = (program: Program): string | undefined => {
    try {
      crashCheck.count(options, mine(program));
    } catch (error) {
      if (error instanceof WorkloadError) return `${error.reason} ${error.step} ${error.message}`;
      throw error;
    }
    return undefined;
  };

  it('a program of the user is played on a disk of its own, by the laws that ask for no model', () => {
    const program: Program = function* (sys): Process {
      const fd = yield* sys.open('/hello');
      yield* sys.read(fd, new Uint8Array(5000), 0, 5000);
      yield* sys.close(fd);
      yield* sys.unlink('/hello');
      yield* sys.sync();
    };
    const to = crashCheck.count(options, mine(program));
    const { violations, done } = play(options, 0, to, mine(program));
    expect([violations, done]).toEqual([[], 6]);
  });

  it('that throws, does not end, or differs from run to run is named with the step', () => {
    expect(
      whyNot(function* (sys): Process {
        yield* sys.unlink('/hello');
        throw new Error('no such thing\nand more');
      }),
    ).toMatch(/^throws \d+ workload: it throws at step \d+: no such thing$/);
    let runs = 0;
    expect(
      whyNot(function* (sys): Process {
        yield* sys.mkdir('/d');
        if (runs++ % 2 === 1) yield* sys.mkdir('/e');
      }),
    ).toMatch(/^differs \d+ workload: two runs differ from step \d+ on/);
    expect(
      whyNot(function* (): Process {
        for (;;) yield 1;
      }),
    ).toMatch(/^endless \d+ /);
  });
});

describe('options of the check', () => {
  it.each([
    [{ workload: 'none' }, /^workload: "none" is none of write-fsync, /],
    [{ workload: 3 }, /^workload: /],
    [{ workload: 'mixed', fs: 'ext4' }, /^fs: /],
    [{ workload: 'mixed', kinds: [] }, /^kinds: /],
    [{ workload: 'mixed', kinds: ['power', 'power'] }, /^kinds: /],
    [{ workload: 'mixed', crash: { sample: 0 } }, /^crash.sample: /],
    [{ workload: 'mixed', depth: 4 }, /^depth: /],
    [{ workload: 'mixed', at: '1', kinds: ['power', 'guest'] }, /^kinds: /],
    [{ workload: 'mixed', at: '1,x', kinds: ['power'] }, /^at: /],
    [{ workload: 'mixed', without: ['nothing'] }, /^without: /],
    [{ workload: 'mixed', sede: 1 }, /^options: /],
  ])('a mistake is refused: %j', (options, message) => {
    expect(() => crashCheck.count(options as Options)).toThrow(ArgumentError);
    expect(() => crashCheck.count(options as Options)).toThrow(message);
  });

  it('a step that the workload does not have is refused, for each kind', () => {
    for (const kind of ['guest', 'hypervisor', 'power'])
      expect(() => play({ workload: 'read-only', fs: 'ext2', kinds: [kind], at: '100000' })).toThrow(
        /^at: the workload has \d+ steps/,
      );
  });
});
