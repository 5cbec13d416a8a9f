/**
 * The figures that `check faults`, `inspect` and `mkfs` print, each column against inputs of which
 * no two are equal. They are worked out by hand, not by the code that prints them.
 */

import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mfn, Pfn } from '../../src/base/index.ts';
import { main } from '../../src/cli/commands.ts';
import { FAULTS_ENTRY } from '../../src/cli/check/faults.ts';
import { inspect } from '../../src/cli/inspect.ts';
import { mkfs } from '../../src/cli/mkfs.ts';
import { saveMemory } from '../../src/experiment/guest/memory-dump.ts';
import type { Part, PartResult } from '../../src/lab/part.ts';
import { rowsOf } from '../report/printed.ts';
import { bootMachine, LEAST_PAGES, startGuest } from '../support/machine.ts';
import { captureIo } from './capture.ts';

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'stillwarm-figures-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe('check faults', () => {
  const verdicts = (first: number) => ({
    reusedRightly: first,
    reusedWrongly: first + 1,
    discardedRightly: first + 2,
    discardedNeedlessly: first + 3,
    notAskedFor: first + 4,
  });
  const counted = (name: string, of: object): Record<string, number> =>
    Object.fromEntries(Object.entries(of).map(([key, value]) => [`${name}.${key}`, value as number]));
  const counts = {
    ...counted('bit-flip', { injected: 5_001 }),
    ...counted('bit-flip.protected', verdicts(1_010)),
    ...counted('bit-flip.unguarded', verdicts(2_010)),
    ...counted('damaged-table', { injected: 5_002 }),
    ...counted('damaged-table.protected', verdicts(3_010)),
    ...counted('forged-name', { injected: 5_003 }),
    ...counted('forged-name.protected', verdicts(4_010)),
    ...counted('forged-name.unguarded', verdicts(5_010)),
    // µs: 8,765 and a half, 1,234 and a little.
    ...counted('cost without nothing', { workNs: 8_765_500, rereadNs: 1_234_499 }),
    ...counted('cost without writeProtection+checksum', { workNs: 7_000_000, rereadNs: 999_500 }),
  };
  const play = (part: Part): PartResult => ({ part, done: 1, counts, reached: {}, violations: [] });
  const io = captureIo('/', {
    checks: [{ ...FAULTS_ENTRY, checkOf: () => ({ name: 'faults', count: () => 1, play }) }],
  });
  const line =
    '--fault bit-flip,damaged-table,forged-name --runs 1234 --seed 8 --without scrub,blockCheck --arch x86_32';
  main(['check', 'faults', ...line.split(' ')], io);
  const heads = ['reused\nrightly', 'discarded\nrightly', 'discarded\nneedlessly', 'not asked\nfor', 'reused\nwrongly'];

  it('check faults prints each number in its column', () => {
    expect(rowsOf(io.stdout.text)).toEqual([
      ['fault', 'injected', ...heads],
      ['bit-flip', '5,001', '1,010', '1,012', '1,013', '1,014', '1,011'],
      ['damaged-table', '5,002', '3,010', '3,012', '3,013', '3,014', '3,011'],
      ['forged-name', '5,003', '4,010', '4,012', '4,013', '4,014', '4,011'],
      ['fault', 'without', ...heads],
      ['bit-flip', 'checksum', '2,010', '2,012', '2,013', '2,014', '2,011'],
      ['forged-name', 'blockCheck', '5,010', '5,012', '5,013', '5,014', '5,011'],
      ['without', "the guest's work, µs", 'reading again after its death, µs'],
      ['–', '8,766', '1,234'],
      ['writeProtection, checksum', '7,000', '1,000'],
    ]);
  });

  it('check faults sums what must be none, with the guards on alone', () => {
    // 1,011 + 3,011 + 4,011.
    expect(io.stdout.text).toMatch(/\n8,033 pages were reused wrongly\n/);
    expect(io.stdout.text).toMatch(
      /^1,234 runs of each fault on x86_32, seed 8; all protections on but scrub, blockCheck\n/,
    );
  });
});

describe('inspect', () => {
  it('inspect prints what is known of the frames of two domains, each in its row and column', () => {
    const machine = bootMachine(1);
    const [a, b] = [startGuest(machine, 'one'), startGuest(machine, 'two', LEAST_PAGES + 5)];
    const { memory, hypervisor } = machine;
    const { frames, map, allocator } = hypervisor;
    const told = (guest: typeof a, first: number, named: number, preserved: number, clean: number): void => {
      const frameOf = (n: number): Mfn => guest.domain.frameOf(Pfn(first + n));
      const { domid } = guest.domain;
      for (let n = 0; n < named; n++) frames.setName(frameOf(n), 50 + domid, 0, n);
      for (let n = 0; n < preserved; n++) frames.setPreserved(frameOf(n), true);
      for (let n = 0; n < clean; n++) {
        frames.beginRead(frameOf(n), 0, 1000 * domid + n);
        frames.endRead(frameOf(n), 1000 * domid + n, true);
      }
    };
    // Named 9, of these preserved 4 and clean 3; named 3, preserved 1, clean 5, of which 3 are
    // named.
    told(a, 100, 9, 4, 3);
    told(b, 100, 3, 1, 5);
    for (const n of [0, 1]) frames.beginRead(a.domain.frameOf(Pfn(120 + n)), 0, 500 + n);
    for (const n of [0, 1, 2, 3]) frames.beginWrite(b.domain.frameOf(Pfn(120 + n)), 0, 600 + n, 600 + n, true);
    // The record of a page of the second is damaged: 32 bytes a record.
    const torn = b.domain.frameOf(Pfn(130));
    memory.writeU8(Mfn(map.tableMfn + Math.floor(torn / 128)), (torn % 128) * 32 + 9, 0xee);
    const owned = 2 * LEAST_PAGES + 5;
    const unknown = memory.frameCount - 1 - (3 + 5) - 2 - 4;
    const printed = [
      ['', 'frames'],
      ['free', allocator.freeCount],
      ["the hypervisor's", map.firstDomainMfn],
      ["domains'", owned - 1],
      ['record damaged', 1],
      ['named', 12],
      ['preserved', 5],
      ['provenance none', unknown],
      ['provenance reading', 2],
      ['provenance clean', 8],
      ['provenance writing', 4],
      ['domain', 'name', 'pages', 'intact', 'named', 'preserved', 'reusable', 'P2M list', 'disk'],
      ['1', 'one', LEAST_PAGES, LEAST_PAGES, 9, 4, 3, 'intact', '"test disk 1@0"'],
      ['2', 'two', LEAST_PAGES + 5, LEAST_PAGES + 4, 3, 1, 3, 'intact', '"test disk 1@0"'],
    ];
    expect(allocator.freeCount + map.firstDomainMfn + owned).toBe(memory.frameCount);
    saveMemory(memory, join(dir, 'two.img'));
    const io = captureIo(dir);
    expect(inspect(['two.img'], io)).toBe(1);
    expect(rowsOf(io.stdout.text)).toEqual(
      printed.map((row) => row.map((cell) => (typeof cell === 'number' ? cell.toLocaleString('en-US') : cell))),
    );
    const size = memory.frameCount / 256;
    expect(io.stdout.text).toContain(
      `two.img: ${memory.frameCount.toLocaleString('en-US')} frames, ${size} MiB, x86_64\n`,
    );
    expect(io.stdout.text).toMatch(
      new RegExp(
        `\\n2 problems:\\n {4}frame ${torn}: check word does not match\\n` +
          ` {4}domain 2: page 130: frame ${torn} is not recorded as that page\\n$`,
      ),
    );
  });

  it('inspect counts the problems that it does not list', () => {
    const machine = bootMachine(1);
    const { memory, map } = machine.hypervisor;
    // 1,234 records of free frames, at the end.
    for (let n = 1; n <= 1_234; n++) {
      const mfn = memory.frameCount - n;
      memory.writeU8(Mfn(map.tableMfn + Math.floor(mfn / 128)), (mfn % 128) * 32 + 9, 0xee);
    }
    saveMemory(memory, join(dir, 'torn.img'));
    const io = captureIo(dir);
    expect(inspect(['torn.img'], io)).toBe(1);
    expect(io.stdout.text).toContain('\n1,234 problems:\n');
    expect(io.stdout.text.match(/check word does not match/g)).toHaveLength(100);
    expect(io.stdout.text).toMatch(/\n {4}and 1,134 more\n$/);
  });
});

describe('mkfs', () => {
  it('mkfs counts files in MB and the image in MiB', () => {
    mkdirSync(join(dir, 'tree/sub'), { recursive: true });
    writeFileSync(join(dir, 'tree/a'), Buffer.alloc(1_500_000, 1));
    writeFileSync(join(dir, 'tree/sub/b'), Buffer.alloc(500_000, 2));
    const io = captureIo(dir);
    expect(mkfs(['tree', 'disk.img'], io)).toBe(0);
    const { size } = statSync(join(dir, 'disk.img'));
    const [, mebibytes] = /: ext2, ([\d.]+) MiB, 2 files of 2 MB\n$/.exec(io.stdout.text)!;
    expect(Math.abs(Number(mebibytes) - size / 1_048_576)).toBeLessThan(0.05);
  });
});
