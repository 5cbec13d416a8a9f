import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ArgumentError } from '../../src/base/argument-error.ts';
import type { RebootOptions } from '../../src/experiment/guest/options.ts';
import { runReboot } from '../../src/experiment/guest/reboot.ts';
import { inTemporaryDirectory } from '../support/e2fsprogs.ts';

const MIB = 1 << 20;

it('a curve has a point a size, ascending, beside the strategies that were asked for', () => {
  inTemporaryDirectory((dir) => {
    const path = join(dir, 'files');
    mkdirSync(path);
    writeFileSync(join(path, 'file'), new Uint8Array(6 * MIB).fill(7));
    const options: RebootOptions = {
      path,
      withoutBootFiles: true,
      memory: 32 * MIB,
      disk: 'profile',
      profile: 'pentium4-2006',
      strategies: ['cold'],
      workload: 'files',
      seed: 1,
      limit: undefined,
      crash: false,
      checksum: false,
      dumpMemory: undefined,
      domain0Curve: [64 * MIB, 2 * MIB, 0],
    };
    const { result, mismatches } = runReboot(options);
    expect(mismatches).toEqual([]);
    expect(result.strategies.map(({ name }) => name)).toEqual(['cold']);
    const [none, small, large] = result.domain0Curve;
    expect(result.domain0Curve.map(({ domain0Cache }) => domain0Cache)).toEqual([0, 2 * MIB, 64 * MIB]);
    // The partition's cold run is that of the strategy; a cache that has the whole file serves it.
    expect(none!.coldNs).toBe(result.strategies[0]!.runs[2]!.ns);
    expect(large!.coldNs).toBeLessThan(small!.coldNs / 4);
    expect(large!.warmNs).toBeLessThan(none!.warmNs);

    for (const sizes of [[-1], [4096], [MIB, MIB], [0.5], 7])
      expect(() => runReboot({ ...options, domain0Curve: sizes as number[] })).toThrow(ArgumentError);
    expect(() => runReboot({ ...options, domain0Cache: MIB })).toThrow(/domain0Cache/);
    expect(() => runReboot({ ...options, backend: 'phy' as 'file' })).toThrow(/backend/);
  });
});
