// The laws by name: kept by machines of all sorts, and broken where a protection is off.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  Disk,
  files,
  Machine,
  type MachineOptions,
  O,
  type Process,
  type Syscalls,
} from '../../../src/doors/machine/index.ts';
import type { DiskContents } from '../../../src/doors/machine/disk.ts';
import {
  checkOracle,
  checkProperty,
  LAWS,
  type LawName,
  OracleError,
  reboots,
} from '../../../src/doors/testing/index.ts';
import { runsFactor } from '../../support/property.ts';

const EXT2: MachineOptions = { disk: files({ seed: 'x'.repeat(30_000) }, { size: 4 << 20 }), memory: 16 << 20 };
const EXT3: MachineOptions = { ...EXT2, disk: files({}, { size: 8 << 20, journalBlocks: 1024 }), drive: 'disk' };
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

describe('the laws by name', () => {
  for (const name of NAMES)
    it(`the law is kept on ext2 and on ext3: ${name}`, () => {
      const numRuns = Math.ceil(2 * runsFactor());
      for (const machine of [EXT2, EXT3]) checkProperty(name, LAWS[name]({ machine }), { numRuns });
    });

  it('a law is broken where a protection is off, and the failure has one line to replay it', () => {
    const machine = { ...EXT2, protections: { writeProtection: false } };
    const law = LAWS['a page that survives a reboot is what is on the disk'];
    const input = {
      machine,
      programs: fc.constant(overwrite),
      reboots: reboots({ crash: true, strategies: ['warm-cache+metadata'], hypervisors: [] }),
    };
    const act = (): void => checkProperty('pages are right', law(input), { numRuns: 20 });
    expect(act).toThrow(/because: oracle: \d+ wrong pages?, \d+ taken over: /);
    expect(act).toThrow(/\nreplay: REPLAY="-?\d+ [\d:]+"$/);
    const kept = { ...input, machine: EXT2 };
    expect(() => checkProperty('pages are right', law(kept), { numRuns: 5 })).not.toThrow();
  });

  it('a law is broken by a disk that does not keep its bytes', () => {
    let reads = 0;
    const { size } = EXT2.disk;
    const read: DiskContents['read'] = (offset, dst, at, length) => {
      dst.set(EXT2.disk.read(offset, length), at);
      if (offset + length === size) dst[at + length - 1] = ++reads;
    };
    const law = LAWS['a disk that was given is never written to'];
    const machine = { ...EXT2, disk: new Disk({ size, read }) };
    expect(() => checkProperty('a disk', law({ machine }), { numRuns: 2 })).toThrow('other bytes than before');
  });

  it('a law is broken by a program that depends on what is outside of its guest', () => {
    let runs = 0;
    const programs = fc.constant((sys: Syscalls) => sys.mkdir(`/run${runs++}${'x'.repeat(runs)}`));
    const law = LAWS['one seed and one program have one digest']({ machine: EXT2, programs });
    expect(() => checkProperty('one digest', law, { numRuns: 3 })).not.toThrow();
    const slow = fc.constant(function* (sys: Syscalls): Process {
      for (let i = runs++; i >= 0; i--) yield* sys.sync();
      yield 1000 * runs;
    });
    const broken = LAWS['one seed and one program have one digest']({ machine: EXT2, programs: slow });
    expect(() => checkProperty('one digest', broken, { numRuns: 3 })).toThrow(/because: the second run: "/);
  });
});

describe('the oracle as a check', () => {
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
