import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../../src/base/index.ts';
import { OF_THE_HYPERVISOR } from '../../../src/experiment/guest/options.ts';
import { runReboot } from '../../../src/experiment/guest/reboot.ts';
import { type Constants, PROFILE } from '../../../src/experiment/host/profiles.ts';
import { type CostName, constantsOf } from '../../../src/machine/profile.ts';
import { runVmmReboot } from '../../../src/experiment/vmm/experiment.ts';
import { inTemporaryDirectory } from '../../support/e2fsprogs.ts';

const FILE_BYTES = 1 << 20;
const COMMON = { memory: 16 << 20, disk: 'profile', profile: 'pentium4-2006', seed: 1 } as const;

/** The second run before the reboot, which reads memory only. */
function cachedRun(path: string, constants?: Constants) {
  const { result } = runReboot({
    ...COMMON,
    ...{ path, constants, strategies: ['cold'], workload: 'files', limit: undefined },
    ...{ crash: false, checksum: false, dumpMemory: undefined },
  });
  return { ns: result.strategies[0]!.runs[1]!.ns, set: result.set, fitted: result.fitted };
}

/** What saving a guest takes. */
function saving(path: string, constants?: Constants) {
  const { result } = runVmmReboot({
    ...COMMON,
    ...{ path, constants, vms: 1, strategies: ['save-restore'], limit: FILE_BYTES, series: false },
  });
  return { ns: result.machines[0]!.strategies[0]!.stopNs, set: result.set };
}

function onFile(check: (path: string) => void): void {
  inTemporaryDirectory((dir) => {
    mkdirSync(join(dir, 'files'));
    writeFileSync(join(dir, 'files/f'), Buffer.alloc(FILE_BYTES, 'abc'));
    check(join(dir, 'files'));
  });
}

describe('constants of a profile that are given another value', () => {
  it('a constant that is set is charged in a reboot of a guest, and the result says which', () => {
    onFile((path) => {
      const usual = cachedRun(path);
      const set = { 'guest.copyNsPerByte': 1.667 };
      const changed = cachedRun(path, set);
      expect(usual).toMatchObject({ set: [], fitted: expect.arrayContaining(['guest.copyNsPerByte']) as string[] });
      // 1 ns a byte more.
      expect(changed.ns - usual.ns).toBeCloseTo(FILE_BYTES, -3);
      expect(changed.set).toEqual([{ constant: 'guest.copyNsPerByte', value: 1.667 }]);
      expect(changed.fitted).toEqual(usual.fitted.filter((name) => name !== 'guest.copyNsPerByte'));
    });
  });

  it('the constants that stillwarm reboot refuses to set, since they change nothing, change nothing', () => {
    onFile((path) => {
      const profile = constantsOf(PROFILE[COMMON.profile]);
      const unused = [...profile.keys()].filter(
        (name) => /^nic\./.test(name) || OF_THE_HYPERVISOR.includes(name as CostName),
      );
      expect(unused.length).toBeGreaterThan(OF_THE_HYPERVISOR.length + 3);
      const set = Object.fromEntries(unused.map((name) => [name, Math.round(profile.get(name)!.value * 2)]));
      const run = (constants?: Constants) => {
        const { result } = runReboot({
          ...COMMON,
          ...{ path, constants, strategies: ['warm-cache'], workload: 'files', limit: undefined },
          ...{ crash: false, checksum: false, dumpMemory: undefined },
        });
        return { ...result, set: [], fitted: [] };
      };
      expect(run(set)).toEqual(run());
    });
  });

  it('a constant that is set is charged in a reboot of the hypervisor, and the result says which', () => {
    onFile((path) => {
      const usual = saving(path);
      const set = { 'hypervisor.savePageNs': 1_007_500 };
      const changed = saving(path, set);
      // 1 ms a page more, of the 4,096 pages less those that the disk took longer for.
      const pages = (changed.ns - usual.ns) / 1e6;
      expect(pages).toBeGreaterThan(3900);
      expect(pages).toBeLessThanOrEqual(4096);
      expect([usual.set, changed.set]).toEqual([[], [{ constant: 'hypervisor.savePageNs', value: 1_007_500 }]]);
    });
  });

  it.each([{ 'guest.speed': 1 }, { 'guest.syscallNs': -1 }, { 'disk.averageSeekNs': 1 }])(
    'constants %j are an ArgumentError that names the one at fault',
    (constants) => {
      const name = Object.keys(constants)[0]!.split('.')[1]!;
      expect(() => cachedRun('/', constants)).toThrow(ArgumentError);
      expect(() => cachedRun('/', constants)).toThrow(name);
    },
  );
});
