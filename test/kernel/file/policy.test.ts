// A guest with another policy. What is read stays the same, and its cache survives a reboot. With
// linux-6 inodes with pages stay.
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE, type Pfn } from '../../../src/base/units.ts';
import { files, MAP, Machine, O, POLICIES, type PolicyName, PROT } from '../../../src/index.ts';
import { PG } from '../../../src/kernel/index.ts';

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

it('a page that is written, or faulted on, is as old as before in linux-6; the end of a mapping makes it younger', () => {
  const marks = (['linux-2.6.12', 'linux-6'] as const).map((policy) => {
    const machine = boot(policy);
    const { kernel } = [...machine.room.guests.values()][0]!;
    const { map, cache } = kernel.mm;
    const isReferenced = (fd: number): boolean => {
      const { ino } = machine.sys.fstat(fd);
      const pages = Array.from({ length: map.nrPages }, (_, pfn) => pfn as Pfn).filter(
        (pfn) => cache.has(pfn) && cache.spaceOf(pfn).ino === ino && map.indexOf(pfn) === 0,
      );
      expect(pages.length).toBe(1);
      return map.has(pages[0]!, PG.referenced) || map.has(pages[0]!, PG.active);
    };
    const written = machine.sys.open('/new', O.creat | O.wronly);
    machine.sys.write(written, new Uint8Array(PAGE_SIZE), 0, PAGE_SIZE);
    machine.sys.pwrite(written, new Uint8Array(8), 0, 8, 0);
    const found = [isReferenced(written)];
    const mapped = machine.sys.open('/f7', O.rdonly);
    const at = machine.sys.mmap(PAGE_SIZE, PROT.read, MAP.shared, mapped, 0);
    machine.sys.load(at, new Uint8Array(8), 0, 8);
    found.push(isReferenced(mapped));
    machine.sys.munmap(at, PAGE_SIZE);
    found.push(isReferenced(mapped));
    return found;
  });
  expect(marks).toEqual([
    [true, true, true],
    [false, false, true],
  ]);
});
