// The laws by name: kept by machines of all sorts, and broken where a protection is off.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  Disk,
  files,
  type FileTree,
  Machine,
  type MachineOptions,
  O,
  type Process,
  type Program,
  type Syscalls,
} from '../../../src/doors/machine/index.ts';
import type { DiskContents } from '../../../src/doors/machine/disk.ts';
import {
  checkOracle,
  checkProperty,
  LAWS,
  type LawInput,
  type LawName,
  OracleError,
  reboots,
} from '../../../src/doors/testing/index.ts';
import { casesOf } from '../../support/product.ts';
import { runsFactor } from '../../support/property.ts';

const EXT2: MachineOptions = { disk: files({ seed: 'x'.repeat(30_000) }, { size: 4 << 20 }), memory: 16 << 20 };
const EXT3: MachineOptions = { ...EXT2, disk: files({}, { size: 8 << 20, journalBlocks: 1024 }), drive: 'disk' };
const UNPROTECTED: MachineOptions = { ...EXT2, protections: { writeProtection: false } };
const NAMES = Object.keys(LAWS) as LawName[];

/** More pages than names wait to be told to the hypervisor. */
const BYTES = 100_000;

/** Overwrites a file in place, and syncs: its pages are clean, and named. */
function* overwrite(sys: Syscalls): Process {
  const fd = yield* sys.open('/f', O.rdwr | O.creat);
  for (const salt of [1, 2]) {
    yield* sys.pwrite(fd, new Uint8Array(BYTES).fill(salt), 0, BYTES, 0);
    if (salt === 1) yield* sys.sync();
  }
  yield* sys.close(fd);
}

const WARM = reboots({ crash: true, strategies: ['warm-cache+metadata'], hypervisors: [] });
const COLD = reboots({ strategies: ['cold'], hypervisors: [] });
const TEXT = 'x'.charCodeAt(0);

/** Each page of the file holds something else each time that it is read. */
function forgetful(disk: Disk): Disk {
  const reads = new Map<number, number>();
  const read: DiskContents['read'] = (offset, dst, at, length) => {
    dst.set(disk.read(offset, length), at);
    for (let page = at; page < at + length; page += 4096) {
      const place = offset + page - at;
      const before = reads.get(place) ?? 0;
      if (dst[page] === TEXT) dst[page] = before;
      reads.set(place, before + 1);
    }
  };
  return new Disk({ size: disk.size, read });
}

/** Its last byte counts how often it was read. */
function unsteady(disk: Disk): Disk {
  let reads = 0;
  const read: DiskContents['read'] = (offset, dst, at, length) => {
    dst.set(disk.read(offset, length), at);
    if (offset + length === disk.size) dst[at + length - 1] = ++reads;
  };
  return new Disk({ size: disk.size, read });
}

/** Its programs take as many calls as there were runs before. */
function outside(): fc.Arbitrary<Program> {
  let runs = 0;
  return fc.constant(function* (sys: Syscalls): Process {
    for (let i = runs++; i >= 0; i--) yield* sys.sync();
    yield 1000 * runs;
  });
}

/** What breaks each law, what the failure says, and what has to be put right. */
const BREAKERS: Readonly<Record<LawName, { input: LawInput; because: RegExp; mended?: Partial<LawInput> }>> = {
  'a page that survives a reboot is what is on the disk': {
    input: { machine: UNPROTECTED, programs: fc.constant(overwrite), reboots: WARM },
    because: /because: oracle: \d+ wrong pages?, \d+ taken over: /,
    mended: { machine: EXT2 },
  },
  'a reboot in order changes no file': {
    input: { machine: { ...EXT2, disk: forgetful(EXT2.disk) }, reboots: COLD },
    because: /because: after the reboot: "\/seed .*", before "\/seed /,
  },
  'what was synced is there after a crash': {
    input: { machine: { ...EXT2, disk: forgetful(EXT2.disk) }, reboots: COLD },
    because: /because: after the crash: "\/seed .*", before "\/seed /,
  },
  'what was synced is there after a loss of power': {
    input: { machine: { ...EXT2, disk: forgetful(EXT2.disk) } },
    because: /because: after the loss of power: "\/seed .*", before "\/seed /,
  },
  // With another model: commands.test.ts.
  'what fsync has returned for is there after a fault': {
    input: { machine: { ...EXT3, protections: { writeProtection: false } }, reboots: WARM },
    because: /because: (oracle: \d+ wrong pages?|after a crash \/model)/,
  },
  'no page is wrong after a fault at any event': {
    input: { machine: UNPROTECTED, programs: fc.constant(overwrite), reboots: WARM },
    because: /because: oracle: \d+ wrong pages?, \d+ taken over: /,
    mended: { machine: EXT2 },
  },
  'one seed and one program have one digest': {
    input: { machine: EXT2, programs: outside() },
    because: /because: the second run: "/,
  },
  'a disk that was given is never written to': {
    input: { machine: { ...EXT2, disk: unsteady(EXT2.disk) } },
    because: /because: the disk has other bytes than before/,
  },
};

describe('the laws by name', () => {
  for (const name of NAMES)
    it(`the law is kept on ext2 and on ext3: ${name}`, () => {
      const numRuns = Math.ceil(2 * runsFactor());
      for (const machine of [EXT2, EXT3]) checkProperty(name, LAWS[name]({ machine }), { numRuns });
    });

  it.each(casesOf('a law that a machine does not keep', '', NAMES, { sample: 3, whole: 8 }))(
    'the law is broken by a machine that does not keep it: %s',
    (name) => {
      const { input, because } = BREAKERS[name];
      const act = (): void => checkProperty(name, LAWS[name](input), { numRuns: 100 });
      expect(act).toThrow(new RegExp(`${because.source}[^]*\\nreplay: REPLAY="-?\\d+ [\\d:]+(?: \\S+)?"$`));
    },
  );

  it('a law is broken by a file that a reboot has added at the end, or taken away there', () => {
    const disk = (tree: FileTree): Disk => files(tree, { size: 4 << 20 });
    const [few, many] = [disk({ a: 'a' }), disk({ a: 'a', b: 'b' })];
    const programs = fc.constant((sys: Syscalls) => sys.sync());
    const law = (before: Disk, after: Disk): void =>
      checkProperty(
        'no file changes',
        LAWS['a reboot in order changes no file']({
          machine: { ...EXT2, disk: before },
          programs,
          reboots: fc.constant({ betweenGuests: () => after }),
        }),
        { numRuns: 1 },
      );
    expect(() => law(few, many)).toThrow(/because: after the reboot: "\/b .*", before "nothing"/);
    expect(() => law(many, few)).toThrow(/because: after the reboot: "nothing", before "\/b .*"/);
  });

  it.each(NAMES.filter((name) => BREAKERS[name].mended !== undefined))(
    'the law holds when its breaker is mended: %s',
    (name) => {
      const { input, mended } = BREAKERS[name];
      checkProperty(name, LAWS[name]({ ...input, ...mended }), { numRuns: 5 });
    },
  );

  it('one seed has one digest whatever names a program chooses', () => {
    let runs = 0;
    const programs = fc.constant((sys: Syscalls) => sys.mkdir(`/run${runs++}${'x'.repeat(runs)}`));
    const law = LAWS['one seed and one program have one digest']({ machine: EXT2, programs });
    checkProperty('one digest', law, { numRuns: 3 });
  });
});

describe('the oracle as a check', () => {
  it('one wrong page is enough', () => {
    const verification = { reused: 5, cached: 0, skipped: 0, mismatches: 1, differences: [] };
    const machine = Object.create(Machine.prototype, { verify: { value: () => verification } }) as Machine;
    expect(() => checkOracle(machine)).toThrow(/^oracle: 1 wrong page, 5 taken over: $/);
  });

  it('the oracle returns what it has compared, and throws one line when a page is wrong', () => {
    const right = Machine.boot(EXT2);
    right.run(overwrite);
    right.reboot();
    expect(checkOracle(right)).toMatchObject({ mismatches: 0 });
    const wrong = Machine.boot({ ...EXT2, protections: { writeProtection: false } });
    wrong.run(overwrite);
    wrong.reboot({ crash: true });
    wrong.run(function* (sys) {
      const fd = yield* sys.open('/f');
      yield* sys.read(fd, new Uint8Array(BYTES), 0, BYTES);
    });
    expect(() => checkOracle(wrong)).toThrow(OracleError);
    expect(() => checkOracle(wrong)).toThrow(/^oracle: [1-9]\d* wrong pages?, [^\n]+$/);
  });
});
