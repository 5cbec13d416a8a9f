// A guest with another policy. What is read stays the same, and its cache survives a reboot. With
// linux-6 inodes with pages stay.
import { describe, expect, it } from 'vitest';
import { files, Machine, POLICIES, type PolicyName } from '../../../src/index.ts';

const NAMES = Array.from({ length: 24 }, (_, n) => `f${n}`);
const bytesOf = (name: string): Uint8Array =>
  Uint8Array.from({ length: 200_000 }, (_, at) => (at * 31 + Number(name.slice(1)) * 7) & 255);
const TREE = Object.fromEntries(NAMES.map((name) => [name, bytesOf(name)]));
const MEMORY = 9 << 20;

const boot = (policy: PolicyName): Machine =>
  Machine.boot({ disk: files(TREE), memory: MEMORY, strategy: 'warm-cache+metadata', seed: 3, policy });

describe.each(POLICIES)('a guest with the policy %s', (policy) => {
  it(`a guest with the policy ${policy} reads what is on the disk, before and after a warm reboot, in more files than it has memory`, () => {
    const machine = boot(policy);
    const readAll = (): void => {
      for (const name of [...NAMES, ...NAMES.slice(0, 8)]) expect(machine.sys.readFile(`/${name}`)).toEqual(TREE[name]);
    };
    readAll();
    for (const name of NAMES.slice(0, 4)) machine.sys.writeFile(`/${name}`, TREE[name]!);
    machine.reboot();
    expect(machine.report().reboots[0]!.preserved).toBeGreaterThan(0);
    readAll();
    machine.reboot({ crash: true });
    readAll();
    expect(machine.verify()).toMatchObject({ mismatches: 0, differences: [] });
  });
});

it('inodes that are not in use go with their pages when 2.6.12 drops its slab caches, and stay with them in linux-6', () => {
  const left = (['linux-2.6.12', 'linux-6'] as const).map((policy) => {
    const machine = boot(policy);
    for (const name of NAMES.slice(0, 5)) machine.sys.readFile(`/${name}`);
    const before = machine.stats.guest!;
    [...machine.room.guests.values()][0]!.kernel.mm.reclaim.dropSlab();
    const after = machine.stats.guest!;
    return [before.inodes - after.inodes, before.pagesCached - after.pagesCached];
  });
  expect(left).toEqual([
    // The five files of 49 pages, and the directory.
    [6, 5 * 49 + 1],
    [0, 0],
  ]);
});
