import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Mfn } from '../../../src/base/index.ts';
import { UserError } from '../../../src/base/user-error.ts';
import { runVmmReboot, VMM_RUNS } from '../../../src/experiment/vmm/experiment.ts';
import type { VmmExperimentOptions } from '../../../src/experiment/vmm/options.ts';
import type { VmmMachine } from '../../../src/experiment/host/machine-room.ts';
import { VMM_STRATEGIES } from '../../../src/experiment/host/strategies.ts';
import { inTemporaryDirectory } from '../../support/e2fsprogs.ts';
import { casesOf } from '../../support/product.ts';
import { playsWhole } from '../../support/property.ts';

const FILES = 5;
const FILE_BYTES = 70_001;

const options = (path: string, change: Partial<VmmExperimentOptions> = {}): VmmExperimentOptions => ({
  path,
  withoutBootFiles: true,
  vms: 2,
  memory: 16 << 20,
  disk: 'profile',
  profile: 'pentium4-2006',
  strategies: VMM_STRATEGIES,
  seed: 1,
  limit: 1 << 20,
  series: false,
  ...change,
});

function withFiles(work: (dir: string) => void): void {
  inTemporaryDirectory((dir) => {
    const files = join(dir, 'files');
    mkdirSync(files);
    for (let n = 0; n < FILES; n++) writeFileSync(join(files, `file${n}`), Buffer.alloc(FILE_BYTES, 65 + n));
    work(files);
  });
}

describe('runVmmReboot', () => {
  it('runVmmReboot reads the same under every strategy, equal to the disk; only a cold guest reads the disk again', () => {
    withFiles((dir) => {
      const { result, mismatches } = runVmmReboot(options(dir, { vms: 1 }));
      expect(mismatches).toEqual([]);
      expect(result).toMatchObject({ files: FILES, bytes: FILES * FILE_BYTES });
      const [machine] = result.machines;
      expect(machine!.strategies.map(({ strategy }) => strategy)).toEqual(VMM_STRATEGIES);
      for (const { strategy, reads, verified, guests } of machine!.strategies) {
        expect(guests.map(({ reason }) => reason)).toEqual([undefined]);
        const bytes = FILES * FILE_BYTES;
        expect([reads.first.bytes, reads.cached.bytes, reads.after.bytes]).toEqual([bytes, bytes, bytes]);
        expect(verified.bytes).toBe(3 * bytes);
        // Each file has 18 pages.
        const pages = FILES * 18;
        expect([strategy, verified.pages === pages]).toEqual([strategy, strategy === 'warm-cache']);
        expect([strategy, verified.pages > pages]).toEqual([strategy, strategy === 'warm-cache+metadata']);
        // Where only pages of files were kept, the blocks that say where they lie are read again.
        const isCold = strategy === 'shutdown-boot';
        expect([strategy, reads.after.ns > 10 * reads.cached.ns]).toEqual([strategy, isCold]);
        expect([strategy, reads.after.ns > 2 * reads.cached.ns]).toEqual([
          strategy,
          isCold || strategy === 'warm-cache',
        ]);
      }
    });
  });

  it('runVmmReboot notices a byte that is wrong in a cache that survived', () => {
    withFiles((dir) => {
      const flip = ({ hypervisor, memory }: VmmMachine): void => {
        for (let mfn = hypervisor.map.firstDomainMfn as number; mfn < hypervisor.map.frameCount; mfn++)
          if (hypervisor.frames.isNamed(Mfn(mfn)) && memory.readU8(Mfn(mfn), 100) === 65) {
            memory.writeU8(Mfn(mfn), 100, 66);
            return;
          }
      };
      const asked = options(dir, { strategies: ['warm-vm', 'shutdown-boot'] });
      const { result, mismatches } = runVmmReboot(asked, undefined, flip);
      expect(mismatches).toEqual([
        {
          vms: 2,
          memory: 16 << 20,
          strategy: 'warm-vm',
          what: expect.stringMatching(/^guest\d: \/file0: byte \d+ was read wrong$/) as string,
        },
      ]);
      expect(result.machines[0]!.strategies.map(({ verified }) => verified.mismatches)).toEqual([1, 0]);
    });
  });

  it('runVmmReboot has one digest for the same input, another when more is read', () => {
    withFiles((dir) => {
      const digest = (limit: number): string =>
        runVmmReboot(options(dir, { limit, vms: 1, strategies: ['warm-vm'] })).result.digest;
      const first = digest(5000);
      expect(digest(5000)).toBe(first);
      expect(digest(5001)).not.toBe(first);
    });
  });

  /** Guests, and MiB of each. */
  const SERIES = [
    [1, 1024],
    [1, 256],
    [1, 512],
    [1, 2048],
    [2, 256],
    [3, 256],
    [4, 256],
    [5, 256],
    [6, 256],
  ] as const;
  const series: Partial<VmmExperimentOptions> = {
    ...{ vms: 1, memory: 1 << 30, series: true, strategies: ['warm-vm'], limit: 1, profile: 'server-2026' },
  };

  it('a run of vmm-reboot is of the machine that was asked for, or of another of the series', () => {
    withFiles((dir) => {
      const asked = options(dir, series);
      expect(VMM_RUNS.bytesOf(asked)).toHaveLength(SERIES.length);
      const runs = VMM_RUNS.open(asked, () => undefined);
      const all = SERIES.map(([vms, memory], index) => ({ vms, memory, index }));
      for (const { vms, memory, index } of casesOf('machines of the series', '', all, { sample: 2, whole: 9 })) {
        const phases: string[] = [];
        runs.run(index, (phase) => phases.push(phase));
        // It is told of more than once: progress goes on while it runs.
        expect(phases.length).toBeGreaterThan(1);
        expect(new Set(phases)).toEqual(new Set([`${vms} × ${memory} MiB: warm-vm`]));
      }
      runs.close();
    });
  });

  if (playsWhole('runVmmReboot over the series'))
    it('runVmmReboot measures the machine that was asked for and every other of the series', () => {
      withFiles((dir) => {
        const { result } = runVmmReboot(options(dir, series));
        expect(result.machines.map(({ vms, memory }) => [vms, memory / (1 << 20)])).toEqual(SERIES);
      });
    });

  it('runVmmReboot says in one line that a guest does not fit', () => {
    withFiles((dir) => {
      expect(() => runVmmReboot(options(dir, { memory: 1 << 20 }))).toThrow(UserError);
    });
  });
});
