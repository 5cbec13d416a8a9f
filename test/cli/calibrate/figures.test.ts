// The arithmetic of a calibration, on times that are made up: no test here asks a clock.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../../src/base/index.ts';
import { parseSheet } from '../../../src/cli/calibrate/data-sheet.ts';
import { driveFindings } from '../../../src/cli/calibrate/drive.ts';
import { type Figure, figureOf, type Finding, isMeasured } from '../../../src/cli/calibrate/figures.ts';
import type { Timer } from '../../../src/cli/calibrate/dd.ts';
import { measureProcessor } from '../../../src/cli/calibrate/processor.ts';
import { profileOfHost } from '../../../src/cli/calibrate/profile-of-host.ts';
import { renderFindings } from '../../../src/cli/calibrate/text.ts';
import { parseProfile, profileFrom, profileText } from '../../../src/experiment/host/profile-file.ts';
import { NvmeDisk } from '../../../src/disk/drive/nvme.ts';
import { Ns } from '../../../src/base/units.ts';
import { constantsOf, values, type Constant, type NvmeSection } from '../../../src/machine/profile.ts';
import { PENTIUM4_2006 } from '../../../src/machine/profiles/pentium4-2006.ts';
import { SERVER_2026 } from '../../../src/machine/profiles/server-2026.ts';
import { property } from '../../support/property.ts';

const exactly = (value: number): Figure => ({ median: value, low: value, high: value });
const ABOUT = { date: '2026-12-01', host: 'a processor, Linux 6' };
const NOTHING_AROUND = { nodeNs: 0, syscallNs: 0, switchNs: 0 };
const valueOf = (findings: readonly Finding[], name: string): number | undefined => {
  const found = findings.find((each) => each.name === name);
  return found !== undefined && isMeasured(found) ? found.median : undefined;
};

describe('a figure of rounds', () => {
  it('a figure is the median, with the middle 80 % of the rounds', () => {
    expect(figureOf([5])).toEqual({ median: 5, low: 5, high: 5 });
    expect(figureOf([3, 1, 2])).toEqual({ median: 2, low: 1, high: 3 });
    expect(figureOf([4, 1, 2, 3])).toEqual({ median: 2.5, low: 1, high: 4 });
    expect(figureOf(Array.from({ length: 21 }, (_, n) => 20 - n))).toEqual({ median: 10, low: 2, high: 18 });
  });

  property(
    'a figure lies within its spread, and does not depend on the order of the rounds',
    fc.array(fc.double({ min: -1e9, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 40 }),
    (rounds) => {
      const { median, low, high } = figureOf(rounds);
      expect(low <= median && median <= high).toBe(true);
      expect(figureOf(rounds.toReversed())).toEqual({ median, low, high });
    },
  );
});

describe('a processor that is measured', () => {
  /** A host whose programs take exactly what these costs make of them. */
  interface Costs {
    readonly syscall: number;
    readonly clear: number;
    readonly copy: number;
    readonly lookup: number;
    readonly fault: number;
    readonly turn: number;
  }
  const STARTED_NS = 1_234_567;
  const { pageAllocNs, pageFreeNs } = SERVER_2026.guest;

  const timerOf =
    ({ syscall, clear, copy, lookup, fault, turn }: Costs, disturbed: () => number = () => 1): Timer =>
    (command, args) => {
      if (command === 'taskset') return STARTED_NS + 2 * Number(args.at(-1)) * (turn + 2 * syscall);
      const [from, , bytes, blocks] = args.map((word) => word.split('=')[1]!) as [string, string, number, number];
      const pages = Math.ceil(bytes / 4096);
      const block = from === '/dev/zero' ? bytes * clear : pages * lookup + bytes * copy;
      const first = bytes > 1 << 20 ? pages * (fault + 4096 * clear + pageAllocNs.value + pageFreeNs.value) : 0;
      return STARTED_NS + first + blocks * (2 * syscall + block) * disturbed();
    };
  const measure = (time: Timer, rounds = 3) => measureProcessor(SERVER_2026, rounds, process.execPath, time);

  property(
    'the costs that are found are those of the host whose programs take these times',
    fc.record({
      ...{
        syscall: fc.double({ min: 20, max: 2000, noNaN: true }),
        clear: fc.double({ min: 0.01, max: 1, noNaN: true }),
      },
      ...{ copy: fc.double({ min: 0.02, max: 2, noNaN: true }), lookup: fc.double({ min: 5, max: 500, noNaN: true }) },
      ...{
        fault: fc.double({ min: 50, max: 5000, noNaN: true }),
        turn: fc.double({ min: 100, max: 9000, noNaN: true }),
      },
    }),
    (costs) => {
      const { findings, cachedReadNs } = measure(timerOf(costs), 1);
      const { syscall, clear, copy, lookup, fault, turn } = costs;
      const expected = { syscallNs: syscall, clearNsPerByte: clear, copyNsPerByte: copy, pageLookupNs: lookup };
      for (const [name, value] of Object.entries(expected))
        expect([name, valueOf(findings, `guest.${name}`)! / value]).toEqual([name, expect.closeTo(1, 1)]);
      // The clearing of one byte counts to the calls.
      expect(valueOf(findings, 'guest.syscallNs')).toBeCloseTo(syscall + clear / 2, 3);
      expect(valueOf(findings, 'guest.copyNsPerByte')).toBeCloseTo(copy, 6);
      expect(valueOf(findings, 'guest.pageLookupNs')).toBeCloseTo(lookup, 1);
      expect(valueOf(findings, 'guest.contextSwitchNs')).toBeCloseTo(turn - clear, 2);
      const faults = findings.find(({ name }) => name === 'guest.pageFaultNs')!;
      if (isMeasured(faults)) expect(faults.median).toBeCloseTo(fault, 0);
      else expect(faults.why).toContain('huge pages');
      expect(cachedReadNs).toBeCloseTo(syscall + clear / 2 + lookup + 4096 * copy, 1);
    },
    { numRuns: 10 },
  );

  it('a cost whose rounds differ by more than a factor of two is not measured', () => {
    const costs = { syscall: 100, clear: 0.02, copy: 0.1, lookup: 50, fault: 1000, turn: 1000 };
    for (const [least, isSteady] of [
      [0.6, true],
      [0.3, false],
    ] as const) {
      let n = 0;
      // Of each three rounds, which have two runs, the first is quicker.
      const { findings } = measure(timerOf(costs, () => (n++ % 6 < 2 ? least : 1)));
      expect(isMeasured(findings.find(({ name }) => name === 'guest.syscallNs')!)).toBe(isSteady);
    }
    const slower = measure(
      timerOf(
        costs,
        (
          (n) => () =>
            n++ % 6 < 2 ? 3 : 1
        )(0),
      ),
    ).findings;
    expect(slower.find(({ name }) => name === 'guest.syscallNs')).toEqual({
      name: 'guest.syscallNs',
      why: 'its rounds differ by more than a factor of 2: is the host idle?',
    });
  });

  it('a page that costs less to find than can be told has the cost of the base, and the copy the rest', () => {
    const costs = { syscall: 100, clear: 0.02, copy: 0.1, lookup: 0, fault: 1000, turn: 1000 };
    const { findings } = measure(timerOf(costs));
    expect(findings.find(({ name }) => name === 'guest.pageLookupNs')).toHaveProperty('why');
    const known = SERVER_2026.guest.pageLookupNs.value;
    expect(valueOf(findings, 'guest.copyNsPerByte')).toBeCloseTo((4096 * 0.1 - known) / 4096, 6);
  });
});

describe('a drive that is measured', () => {
  const around = { nodeNs: 900, syscallNs: 150, switchNs: 1000 };

  /** What the model takes of a drive, as node would time it. */
  function timesOf(readNs: number, readMBps: number, writeNs: number, writeMBps: number, again = 1) {
    const longBytes = 4 << 20;
    const outside = 900 + 150 + 1000 + SERVER_2026.guest.bioSubmitNs.value + SERVER_2026.guest.interruptNs.value;
    const { constants } = SERVER_2026.disk as NvmeSection;
    const model = new NvmeDisk({
      ...values(constants),
      ...{ readLatencyNs: readNs, readMBps, writeLatencyNs: writeNs, writeMBps },
    });
    let now = 0;
    const read = (bytes: number): number => outside + model.read(0, bytes / 512, Ns((now += 1e10)));
    const write = (bytes: number): number =>
      outside + model.transfer('write', bytes / 512, Ns((now += 1e10))) + model.write(0, bytes / 512, Ns(now));
    return {
      shortRead: exactly(read(4096)),
      shortReadAgain: exactly(again * read(4096)),
      longRead: exactly(read(longBytes)),
      shortWrite: exactly(write(4096)),
      longWrite: exactly(write(longBytes)),
      longBytes,
    };
  }

  property(
    'the constants that are found are those of the drive of the model that takes these times',
    fc.integer({ min: 31_000, max: 5_000_000 }),
    fc.integer({ min: 50, max: 14_000 }),
    fc.integer({ min: 5_000, max: 1_000_000 }),
    fc.integer({ min: 50, max: 14_000 }),
    (readNs, readMBps, writeNs, writeMBps) => {
      const { findings, remarks } = driveFindings(
        timesOf(readNs, readMBps, writeNs, writeMBps),
        around,
        SERVER_2026,
        SERVER_2026.disk,
      );
      expect(findings.map(({ name }) => name)).toEqual(
        ['readLatencyNs', 'readMBps', 'writeLatencyNs', 'writeMBps'].map((name) => `disk.${name}`),
      );
      expect(Math.abs(valueOf(findings, 'disk.readLatencyNs')! - readNs)).toBeLessThan(5);
      expect(Math.abs(valueOf(findings, 'disk.writeLatencyNs')! - writeNs)).toBeLessThan(5);
      expect(valueOf(findings, 'disk.readMBps')! / readMBps).toBeCloseTo(1, 3);
      expect(valueOf(findings, 'disk.writeMBps')! / writeMBps).toBeCloseTo(1, 3);
      expect(remarks).toHaveLength(1);
    },
  );

  it('a drive that is fast, or that answers faster the second time, has a cache below it, which is said', () => {
    const told = (times: ReturnType<typeof timesOf>): boolean =>
      driveFindings(times, around, SERVER_2026, SERVER_2026.disk).remarks.some((remark) => remark.includes('caches'));
    expect(told(timesOf(80_000, 3000, 10_000, 2000))).toBe(false);
    expect(told(timesOf(80_000, 3000, 10_000, 2000, 0.5))).toBe(true);
    expect(told(timesOf(20_000, 3000, 10_000, 2000))).toBe(true);
  });

  it('a drive whose long requests take no longer, or whose requests are lost in the rest, is not measured', () => {
    const flat = { ...timesOf(80_000, 3000, 10_000, 2000), longRead: exactly(50_000) };
    const found = driveFindings(flat, NOTHING_AROUND, SERVER_2026, SERVER_2026.disk).findings;
    expect(found.filter((each) => !isMeasured(each))).toEqual(
      ['readLatencyNs', 'readMBps'].map((name) => ({
        name: `disk.${name}`,
        why: 'a long read took no longer than a short one',
      })),
    );
    const slowNode = driveFindings(
      timesOf(80_000, 3000, 10_000, 2000),
      { ...around, nodeNs: 90_000 },
      SERVER_2026,
      SERVER_2026.disk,
    ).findings;
    expect(slowNode.find(({ name }) => name === 'disk.readLatencyNs')).toEqual({
      name: 'disk.readLatencyNs',
      why: 'a read takes no longer than what surrounds it',
    });
    expect(valueOf(slowNode, 'disk.readMBps')).toBeDefined();
  });
});

describe('the profile of a host', () => {
  const findings: Finding[] = [
    { name: 'guest.syscallNs', median: 150.4, low: 140.2, high: 170.9, how: 'by hand' },
    { name: 'guest.copyNsPerByte', median: 0.123456, low: 0.12, high: 0.13, how: 'by hand' },
    { name: 'guest.pageFaultNs', why: 'no reason' },
    { name: 'disk.readLatencyNs', median: 91_000, low: 90_000, high: 99_000, how: 'by hand' },
  ];

  it.each([SERVER_2026, PENTIUM4_2006])(
    'what was measured on top of $name says so with the date, and all else where it comes from',
    (base) => {
      const calibration = { findings, remarks: ['the host was busy'] };
      const profile = profileOfHost(base, 'mine', calibration, ABOUT);
      const text = profileText(profile);
      expect(profileText(parseProfile('x', text))).toBe(text);
      const constants = constantsOf(profile);
      expect(constants.get('guest.syscallNs')).toEqual({
        ...{ value: 150, unit: 'ns', provenance: 'measured', fitted: false, range: [140, 171] },
        note: 'by hand; 2026-12-01',
      });
      expect(constants.get('guest.copyNsPerByte')?.value).toBe(0.1235);
      expect(profile.disk.kind).toBe('nvme');
      expect(constants.get('disk.readLatencyNs')?.value).toBe(91_000);
      for (const [name, { note }] of constants)
        if (!findings.some((each) => isMeasured(each) && each.name === name)) {
          const from = name.startsWith('disk.') ? SERVER_2026.name : base.name;
          expect(note.startsWith(`from ${from}: `)).toBe(true);
        }
      expect(profile.description).toBe(
        'Measured by stillwarm calibrate on 2026-12-01: a processor, Linux 6. Measured: guest.syscallNs, ' +
          `guest.copyNsPerByte, disk.readLatencyNs. All else is from ${base.name}. The host was busy.`,
      );
    },
  );

  it('what was not measured is printed with the reason', () => {
    const text = renderFindings({ findings, remarks: [] }, 'server-2026');
    expect(text).toContain('  guest.pageFaultNs: no reason\n');
    expect(text).toContain('guest.syscallNs     │ 150.4  │ ns   │ 140.2 – 170.9');
    expect(text).not.toContain('Remarks');
  });
});

describe('a data sheet', () => {
  const rotating = 'rpm=7200,seekMs=8.5,MBps=210,GB=4000,cacheMiB=256';
  const profileWith = (text: string) =>
    profileFrom({ name: 'mine', extends: 'server-2026', disk: parseSheet('--drive-sheet', text) });

  it('a data sheet of a drive with platters gives its figures, and others in proportion', () => {
    const constants = constantsOf(profileWith(rotating)) as ReadonlyMap<string, Constant>;
    expect(constants.get('disk.capacityBytes')).toMatchObject({ value: 4e12, provenance: 'data sheet' });
    expect(constants.get('disk.averageSeekNs')).toMatchObject({ value: 8.5e6, provenance: 'data sheet' });
    expect(constants.get('disk.fullStrokeNs')).toMatchObject({ value: 14.7e6, provenance: 'derived' });
    expect(constants.get('disk.innerMBps')).toMatchObject({ value: 103.3, provenance: 'derived' });
    expect(constants.get('disk.writeCacheBytes')).toMatchObject({ value: 128 << 20, provenance: 'derived' });
    expect(constants.get('disk.busMBps')).toMatchObject({ value: 516.4, provenance: 'derived' });
    expect(constants.get('disk.heads')!.note).toMatch(/^from pentium4-2006: /);
    const slower = constantsOf(profileWith('rpm=5400,seekMs=12,MBps=100,GB=500,innerMBps=55.5,heads=2'));
    expect(slower.get('disk.busMBps')).toMatchObject({ value: 150 });
    expect(slower.get('disk.innerMBps')).toMatchObject({ value: 55.5, provenance: 'data sheet' });
  });

  it('a data sheet of a flash drive gives its figures', () => {
    const constants = constantsOf(profileWith('readUs=80.5,writeUs=15,readMBps=3500,writeMBps=2000,cacheMiB=0'));
    expect(constants.get('disk.readLatencyNs')).toMatchObject({ value: 80_500, provenance: 'data sheet' });
    expect(constants.get('disk.writeMBps')).toMatchObject({ value: 2000, provenance: 'data sheet' });
    expect(constants.get('disk.channels')!.note).toMatch(/^from server-2026: /);
  });

  it.each([
    ['rpm', '--drive-sheet: rpm is not NAME=NUMBER such as rpm=7200'],
    ['rpm=-1', '--drive-sheet: rpm=-1 is not NAME=NUMBER such as rpm=7200'],
    ['rpm=1e3', '--drive-sheet: rpm=1e3 is not NAME=NUMBER such as rpm=7200'],
    ['rpm=7200,rpm=5400', '--drive-sheet: rpm is named twice'],
    ['rpm=0', '--drive-sheet: rpm is more than 0'],
    ['rpm=7200,seekMs=8', '--drive-sheet: MBps is missing: a drive with platters (rpm) needs rpm, seekMs, MBps, GB'],
    [
      'readUs=80',
      '--drive-sheet: writeUs is missing: a flash drive (no rpm) needs readUs, writeUs, readMBps, writeMBps',
    ],
    [`${rotating},readUs=8`, '--drive-sheet: a drive with platters (rpm) has no readUs; there are rpm, seekMs, '],
    ['__proto__=1', '--drive-sheet: a flash drive (no rpm) has no __proto__; there are readUs, '],
  ])('the data sheet %s is refused in one line that names the figure', (text, told) => {
    try {
      parseSheet('--drive-sheet', text);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      expect(error.message.slice(0, told.length)).toBe(told);
      expect(error.message).not.toContain('\n');
      return;
    }
    throw new Error('accepted');
  });
});
