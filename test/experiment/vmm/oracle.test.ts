/**
 * The oracle of a reboot of the hypervisor, each check alone: reused pages, the guests' reads, and
 * what clients were sent. One thing is wrong in one place, and exactly one check says so, as often
 * as it looks.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { grouped, Mfn, PAGE_SIZE } from '../../../src/base/index.ts';
import { OracleExt2 } from '../../../src/experiment/judge/oracle-ext2.ts';
import { runVmmReboot, type VmmExperimentOutcome } from '../../../src/experiment/vmm/experiment.ts';
import type { VmmMachine } from '../../../src/experiment/host/machine-room.ts';
import type { VmmStrategyName } from '../../../src/experiment/host/strategies.ts';
import { Connection } from '../../../src/kernel/index.ts';
import { inTemporaryDirectory } from '../../support/e2fsprogs.ts';
import { pattern } from '../../support/small-disk.ts';

/** 17 pages: two reads. */
const FILE_BYTES = 16 * PAGE_SIZE + 100;
const FILES = 3;
const VMS = 2;
const contents = (n: number): Uint8Array => pattern(FILE_BYTES, 50 * n);

function runWith(strategy: VmmStrategyName, afterReboot?: (machine: VmmMachine) => void): VmmExperimentOutcome {
  return inTemporaryDirectory((dir) => {
    const path = join(dir, 'files');
    mkdirSync(path);
    for (let n = 0; n < FILES; n++) writeFileSync(join(path, `file${n}`), contents(n));
    const asked = {
      path,
      withoutBootFiles: true,
      vms: VMS,
      memory: 16 << 20,
      disk: 'instant',
      profile: 'server-2026',
      strategies: [strategy],
      seed: 1,
      limit: 1 << 20,
      series: false,
    } as const;
    return runVmmReboot(asked, undefined, afterReboot);
  });
}

const verifiedOf = ({ result }: VmmExperimentOutcome) => result.machines[0]!.strategies[0]!.verified;
const whatOf = ({ mismatches }: VmmExperimentOutcome): string[] => mismatches.map(({ what }) => what);
/** Bytes of three runs of all guests. */
const BYTES = 3 * VMS * FILES * FILE_BYTES;

/** Frames with the bytes of a page of a file, one a guest, by guest: some names are told late. */
function framesOf({ hypervisor, memory, guests }: VmmMachine, bytes: Uint8Array): Mfn[] {
  const found = new Map<number, Mfn>();
  for (let n = hypervisor.map.firstDomainMfn as number; n < hypervisor.map.frameCount; n++) {
    const mfn = Mfn(n);
    if (Buffer.compare(memory.frame(mfn), bytes) === 0) found.set(hypervisor.frames.ownerOf(mfn) - 1, mfn);
  }
  return [...guests.values()].map(({ domain }) => found.get(domain.domid)!);
}

const page = (n: number, index: number): Uint8Array => {
  const bytes = new Uint8Array(PAGE_SIZE);
  bytes.set(contents(n).subarray(index * PAGE_SIZE, (index + 1) * PAGE_SIZE));
  return bytes;
};

function flip({ memory }: VmmMachine, mfn: Mfn, at: number): void {
  memory.writeU8(mfn, at, memory.readU8(mfn, at) ^ 1);
}

/** What the oracle takes for the size of each file. */
function listSizes(size: number) {
  const { listFiles } = OracleExt2.prototype;
  return vi.spyOn(OracleExt2.prototype, 'listFiles').mockImplementation(function (this: OracleExt2, ...args) {
    return listFiles.call(this, ...args).map((file) => ({ ...file, size }));
  });
}

describe('without a flaw', () => {
  it.each([
    ['warm-vm', 0],
    ['shutdown-boot', 0],
    ['warm-cache', VMS * FILES * 17],
    // Besides data: superblock, descriptors, inode table, root directory and an indirect block a
    // file.
    ['warm-cache+metadata', VMS * (FILES * 17 + 4 + FILES)],
  ] as const)('the oracle verifies every byte and every page of a run without a flaw under %s', (strategy, pages) => {
    const outcome = runWith(strategy);
    expect(outcome.mismatches).toEqual([]);
    expect(verifiedOf(outcome)).toEqual({ pages, bytes: BYTES, mismatches: 0 });
  });
});

describe('the check of reads', () => {
  it.each([
    [0, 0, 0],
    [1, 16, 99],
    [2, 15, PAGE_SIZE - 1],
  ])('the check of reads finds the page of the second guest alone: file %i, page %i, byte %i', (n, index, at) => {
    const outcome = runWith('warm-vm', (machine) => flip(machine, framesOf(machine, page(n, index))[1]!, at));
    expect(whatOf(outcome)).toEqual([`guest1: /file${n}: byte ${index * PAGE_SIZE + at} was read wrong`]);
    expect(verifiedOf(outcome)).toEqual({ pages: 0, bytes: BYTES, mismatches: 1 });
  });

  it('the check of reads counts every read that is wrong, of every guest', () => {
    const outcome = runWith('warm-vm', (machine) => {
      for (let n = 0; n < FILES; n++)
        for (const index of [0, 1, 16]) for (const mfn of framesOf(machine, page(n, index))) flip(machine, mfn, 1);
    });
    expect(verifiedOf(outcome)).toEqual({ pages: 0, bytes: BYTES, mismatches: VMS * FILES * 2 });
    expect(outcome.mismatches).toHaveLength(3);
    expect(outcome.mismatches.map(({ vms, memory, strategy }) => [vms, memory, strategy])).toEqual(
      new Array(3).fill([VMS, 16 << 20, 'warm-vm']),
    );
  });

  it('the check of reads finds a file that ends too early', () => {
    // What the oracle takes for the end lies a byte behind the true one.
    const size = listSizes(FILE_BYTES + 1);
    try {
      const outcome = runWith('shutdown-boot');
      expect(verifiedOf(outcome)).toEqual({ pages: 0, bytes: BYTES, mismatches: 3 * VMS * FILES });
      expect(whatOf(outcome)[0]).toBe(`guest0: /file0: ended at byte ${FILE_BYTES} of ${FILE_BYTES + 1}`);
    } finally {
      size.mockRestore();
    }
  });

  it('the check of reads finds a file that is too long', () => {
    const size = listSizes(FILE_BYTES - 1);
    try {
      const outcome = runWith('shutdown-boot');
      expect(verifiedOf(outcome)).toEqual({ pages: 0, bytes: BYTES, mismatches: 3 * VMS * FILES });
      // The second read begins there.
      expect(whatOf(outcome)[0]).toBe(
        `guest0: /file0: read ${grouped(FILE_BYTES)} bytes of ${grouped(FILE_BYTES - 1)}`,
      );
    } finally {
      size.mockRestore();
    }
  });
});

describe('the check of reused pages', () => {
  it('the check of reused pages finds a page wrong once at its reuse, and once at its read', () => {
    const outcome = runWith('warm-cache', (machine) => flip(machine, framesOf(machine, page(1, 3))[0]!, 7));
    const [reused, read] = whatOf(outcome);
    expect(reused).toMatch(
      /^guest0: page 3 of inode \d+ \(pfn \d+\) was reused, but differs from block \d+ at byte 7$/,
    );
    expect(read).toBe(`guest0: /file1: byte ${3 * PAGE_SIZE + 7} was read wrong`);
    expect(verifiedOf(outcome)).toMatchObject({ bytes: BYTES, mismatches: 2 });
  });

  it.each([100, PAGE_SIZE - 1])(
    'the check of reused pages finds byte %i of the last page, behind the end, which no read returns',
    (at) => {
      const outcome = runWith('warm-cache', (machine) => flip(machine, framesOf(machine, page(1, 16))[1]!, at));
      expect(whatOf(outcome)).toEqual([
        expect.stringMatching(new RegExp(`^guest1: page 16 of inode .* was reused, but differs .* at byte ${at}$`)),
      ]);
      expect(verifiedOf(outcome)).toMatchObject({ bytes: BYTES, mismatches: 1 });
    },
  );

  it('the check of reused pages finds each page that lies elsewhere', () => {
    // The oracle alone takes page 5 of each file for one that lies a block further: its bytes are
    // compared where they were reused.
    const { blockOf } = OracleExt2.prototype;
    const wrong = vi.spyOn(OracleExt2.prototype, 'blockOf').mockImplementation(function (
      this: OracleExt2,
      ino: number,
      index: number,
    ): number {
      return blockOf.call(this, ino, index) + (ino !== 0 && ino !== 2 && index === 5 ? 1 : 0);
    });
    try {
      const outcome = runWith('warm-cache');
      expect(verifiedOf(outcome)).toMatchObject({ bytes: BYTES, mismatches: VMS * FILES });
      for (const what of whatOf(outcome)) {
        const [, block, place] = /^guest\d: page 5 of inode .* was reused for block (\d+), but lies at (\d+)$/.exec(
          what,
        )!;
        expect(Number(place)).toBe(Number(block) + 1);
      }
    } finally {
      wrong.mockRestore();
    }
  });
});

describe('the check of what clients were sent', () => {
  /** The head of an answer is text, and the body what was asked for. */
  const bodyAt = (answer: Uint8Array): number => Buffer.from(answer).indexOf('\r\n\r\n') + 4;

  function tamper(damage: (answer: Uint8Array, nth: number) => Uint8Array): { readonly answers: () => number } {
    const { request } = Connection.prototype;
    let answers = 0;
    vi.spyOn(Connection.prototype, 'request').mockImplementation(function* (this: Connection, bytes: Uint8Array) {
      const answer = yield* request.call(this, bytes);
      if (typeof answer === 'string' || !Buffer.from(bytes).includes('Range')) return answer;
      // A user's answers are not looked at: only those of visitors are.
      if (Buffer.from(bytes).includes('Cookie')) return answer;
      return damage(answer.slice(), answers++);
    });
    return { answers: () => answers };
  }

  it.each([0, 1, 1023])('the check of what clients were sent finds byte %i of one answer wrong, once', (at) => {
    tamper((answer, nth) => {
      if (nth === 40) answer[bodyAt(answer) + at]! ^= 1;
      return answer;
    });
    const outcome = runWith('shutdown-boot');
    expect(whatOf(outcome)).toEqual([
      expect.stringMatching(new RegExp(`^guest[01]: /file0: byte ${at} was sent wrong to a client$`)),
    ]);
    expect(verifiedOf(outcome)).toEqual({ pages: 0, bytes: BYTES, mismatches: 1 });
    vi.restoreAllMocks();
  });

  it('the check of what clients were sent looks at every answer of every visitor', () => {
    const { answers } = tamper((answer) => {
      answer[bodyAt(answer)]! ^= 1;
      return answer;
    });
    const outcome = runWith('warm-vm');
    expect(answers()).toBeGreaterThan(100);
    // One that comes when the visits are over is not looked at.
    expect(answers() - verifiedOf(outcome).mismatches).toBeLessThanOrEqual(VMS);
    vi.restoreAllMocks();
  });

  it('the check of what clients were sent counts an answer that is too short as none', () => {
    let shortened = 0;
    tamper((answer, nth) => {
      if (nth !== 400) return answer;
      shortened++;
      return answer.subarray(0, -1);
    });
    const cut = runWith('warm-vm');
    vi.restoreAllMocks();
    const whole = runWith('warm-vm');
    const failed = ({ result }: VmmExperimentOutcome): number =>
      result.machines[0]!.strategies[0]!.guests.reduce((sum, { requests }) => sum + requests.failed, 0);
    expect(shortened).toBe(1);
    expect(failed(cut)).toBe(failed(whole) + 1);
    expect(verifiedOf(cut).mismatches).toBe(0);
  });
});
