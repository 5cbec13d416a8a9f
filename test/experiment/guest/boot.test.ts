// A boot that reads its files, as the recording has them, on the drive of the profile. What is read
// is the list, in its order; what is kept is not read again; and several guests share one disk.
import { describe, expect, it } from 'vitest';
import { BOOT_FILES, BOOT_LISTS, withBootFiles } from '../../../src/disk/mkfs/boot-files.ts';
import { makeExt2, mapExt2 } from '../../../src/disk/mkfs/mkfs.ts';
import { planExt2 } from '../../../src/disk/mkfs/plan.ts';
import { BOOT_READS, FILE_PAGES } from '../../../src/disk/mkfs/recorded-boot.ts';
import { directory, file, tree, type FileNode } from '../../../src/disk/mkfs/tree.ts';
import { JoinedImage } from '../../../src/disk/image/joined-image.ts';
import { OverlayImage } from '../../../src/disk/image/overlay-image.ts';
import { verifiedInit } from '../../../src/experiment/guest/boot-reader.ts';
import { listFiles } from '../../../src/experiment/guest/disk-source.ts';
import { machineMemoryFor } from '../../../src/experiment/host/host.ts';
import { VmmMachine } from '../../../src/experiment/host/machine-room.ts';
import { STRATEGY, type StrategyName } from '../../../src/experiment/host/strategies.ts';
import { type Guest, Testbed } from '../../../src/experiment/host/testbed.ts';
import { OracleExt2 } from '../../../src/experiment/judge/oracle-ext2.ts';
import { Verifier, VerifierRecord } from '../../../src/experiment/judge/verifier.ts';
import { MachineMemory } from '../../../src/machine/memory.ts';
import { values } from '../../../src/machine/profile.ts';
import { PENTIUM4_2006 } from '../../../src/machine/profiles/pentium4-2006.ts';
import type { BootStats } from '../../../src/kernel/index.ts';
import { Init } from '../../../src/workload/init.ts';

const PAGE = 4096;
const MIB = 1 << 20;
const SIZES = FILE_PAGES.trim().split(/\s+/).map(Number);
const READS = BOOT_READS.trim()
  .split(/\s+/)
  .map((read) => read.split('.').map(Number) as [file: number, first: number, pages: number]);
const PAGES = READS.reduce((sum, [, , pages]) => sum + pages, 0);
const pathOf = (number: number): string => `${BOOT_FILES}${String(number).padStart(3, '0')}`;
const { bootKernelNs, bootServicesNs } = values(PENTIUM4_2006.guest);

const IMAGE = mapExt2(planExt2(withBootFiles(tree(directory([['data', file('of the user')]])))));
const DISK = listFiles(IMAGE);
const MEMORY = new MachineMemory(machineMemoryFor(128 * MIB));

interface Life {
  readonly boots: readonly [before: BootStats, after: BootStats];
  readonly record: VerifierRecord;
  readonly digest: string;
  readonly messages: readonly string[];
}

/** A guest boots, is rebooted by a strategy or crashes, and the next one boots. */
function live(name: StrategyName, guestMemory = 128 * MIB, crash = false): Life {
  const { cmdLine, preserve, writeDirty } = STRATEGY[name];
  const image = new OverlayImage(IMAGE);
  const record = new VerifierRecord();
  const verifier = new Verifier(new OracleExt2(image), record);
  const testbed = new Testbed({
    seed: 1,
    profile: PENTIUM4_2006,
    disk: 'profile',
    image,
    memory: MEMORY,
    guestMemory,
    onReuse: (domain, pfn, ino, index, block) =>
      verifier.reused(ino, index, pfn, block, MEMORY.frame(domain.frameOf(pfn))),
    init: verifiedInit(DISK, () => verifier),
  });
  const { simulation } = testbed;
  const before = simulation.runProcess('boot', testbed.start(cmdLine));
  const after: Guest = simulation.runProcess(
    'reboot',
    testbed.reboot(before, crash, { cmdLine, preserve, writeDirty }),
  );
  const messages = after.kernel.messages.map(({ text }) => text);
  return { boots: [before.kernel.bootStats, after.kernel.bootStats], record, digest: simulation.digest.hex, messages };
}

describe('the files that a boot reads', () => {
  it('the files of a boot have the lengths of the recording, and two lists lie beside them', () => {
    expect(SIZES).toHaveLength(349);
    expect([READS.length, PAGES]).toEqual([657, 9833]);
    expect(new Map(DISK.bootFiles.map(({ path, size }) => [path, size]))).toEqual(
      new Map([
        ...SIZES.map((pages, number) => [pathOf(number), pages * PAGE] as const),
        [BOOT_LISTS.start, expect.any(Number)],
        [BOOT_LISTS.stop, expect.any(Number)],
      ]),
    );
    expect(DISK.files.map(({ path }) => path)).toEqual(['/data']);
    for (const [number, first, pages] of READS) expect(first + pages).toBeLessThanOrEqual(SIZES[number]!);
  });

  it('the files of a boot have pages that all differ, and the same bytes however they are read', () => {
    const { root } = withBootFiles(tree(directory([])));
    const boot = root.entries[0]!.node;
    if (boot.kind !== 'directory') throw new Error('it is a directory');
    const pages = new Set<string>();
    for (const { node } of boot.entries.slice(0, 60)) {
      const { content } = node as FileNode;
      const whole = new Uint8Array(content.sizeBytes);
      content.read(0, whole, 0, whole.length);
      for (let at = 0; at < whole.length; at += PAGE)
        pages.add(Buffer.from(whole.subarray(at, at + PAGE)).toString('latin1'));
      for (const [at, length] of [
        [3, 2],
        [PAGE - 5, 10],
        [1, whole.length - 1],
      ] as const) {
        if (at + length > whole.length) continue;
        const part = new Uint8Array(length + 2);
        content.read(at, part, 1, length);
        expect(Buffer.compare(part.subarray(1, length + 1), whole.subarray(at, at + length))).toBe(0);
      }
    }
    expect(pages.size).toBe(SIZES.slice(0, 60).reduce((a, b) => a + b));
  });

  it('the files of a boot lie in their order, each in one piece behind the one before it', () => {
    const oracle = new OracleExt2(IMAGE);
    const first = DISK.bootFiles.filter(({ size }) => size > 0).map(({ ino }) => oracle.blockOf(ino, 0));
    expect(first).toEqual(first.toSorted((a, b) => a - b));
  });

  it('a directory that has them keeps its own', () => {
    const own = directory([['start', file('0 1 /data\n')]]);
    const given = tree(directory([['.stillwarm-boot', own]]));
    expect(withBootFiles(given).root.entries.map(({ node }) => node)).toEqual([own]);
  });
});

describe('a boot', () => {
  it('a boot reads what was recorded, in that order, and nothing else of files', () => {
    const read: [file: number, first: number, pages: number][] = [];
    const init = new Init(BOOT_LISTS, (path, _ino, position, bytes) => {
      const [number, first] = [Number(path.slice(BOOT_FILES.length)), position / PAGE];
      const last = read.at(-1);
      if (last?.[0] === number && last[1] + last[2] === first) last[2] += bytes / PAGE;
      else read.push([number, first, bytes / PAGE]);
    });
    const options = { seed: 1, profile: PENTIUM4_2006, disk: 'instant', image: new OverlayImage(IMAGE) } as const;
    const testbed = new Testbed({ ...options, memory: MEMORY, guestMemory: 128 * MIB, init });
    const { kernel } = testbed.simulation.runProcess('boot', testbed.start('cachemap=off'));
    const pages = READS.flatMap(([number, first, count]) =>
      Array.from({ length: count }, (_, n) => `${number} ${first + n}`),
    );
    const seen = read.flatMap(([number, first, count]) =>
      Array.from({ length: count }, (_, n) => `${number} ${first + n}`),
    );
    expect(seen).toEqual(pages);
    // Besides them, the list itself.
    const list = Math.ceil(DISK.bootFiles.find(({ path }) => path === BOOT_LISTS.start)!.size / PAGE);
    expect(kernel.stats.dataPagesRead).toBe(PAGES + list);
    expect(kernel.bootStats.bytes).toBe(PAGES * PAGE);
  });

  it('a boot without a cache is as long again, and one with a cache is shorter by the time of the disk', () => {
    const cold = live('cold');
    const kept = live('warm-cache');
    const all = live('warm-cache+metadata');
    const [first, again] = cold.boots;
    expect(again.pagesRead).toBe(first.pagesRead);
    expect(Math.abs(again.ns - first.ns) / first.ns).toBeLessThan(0.02);
    // The blocks of metadata are read where they were not kept, and of files nothing.
    expect(kept.boots[1].pagesRead + kept.boots[1].pagesReused).toBe(first.pagesRead);
    expect(kept.boots[1].pagesReused).toBeGreaterThanOrEqual(PAGES);
    expect(all.boots[1]).toMatchObject({ pagesRead: 0, pagesReused: first.pagesRead });
    // What is left is the processor's, and the hand-shakes of the devices.
    expect(all.boots[1].ns).toBeGreaterThan(bootKernelNs + bootServicesNs);
    expect(all.boots[1].ns - bootKernelNs - bootServicesNs).toBeLessThan(0.4e9);
    expect(kept.boots[1].ns).toBeGreaterThan(all.boots[1].ns);
    expect(first.ns).toBeGreaterThan(kept.boots[1].ns + 1e9);
    for (const { record, messages } of [cold, kept, all]) {
      expect(record.verified).toMatchObject({ mismatches: 0 });
      expect(record.bytes).toBeGreaterThanOrEqual(2 * PAGES * PAGE);
      expect(messages.filter((text) => text.startsWith('init'))).toEqual([]);
    }
    expect(all.record.pages).toBe(all.boots[1].pagesReused);
  });

  it('a boot after a crash takes its files over, too', () => {
    const { boots, record } = live('rio+warm-cache', 128 * MIB, true);
    // All except the names of the last batch, which were not told yet.
    expect(boots[1].pagesReused).toBeGreaterThan(PAGES - 14);
    expect(record.verified).toMatchObject({ mismatches: 0 });
  });

  it('a boot in a memory that is smaller than what it reads is slow and right', () => {
    const { boots, record } = live('warm-cache+metadata', 16 * MIB);
    for (const boot of boots) expect(boot.bytes).toBe(PAGES * PAGE);
    // It reads in the same order again what has been evicted since.
    expect(boots[1].pagesReused).toBeGreaterThan(0);
    expect(boots[1].pagesRead).toBeGreaterThan(PAGES / 2);
    expect(record.verified).toMatchObject({ mismatches: 0 });
  });

  it('a boot is the same in two runs', () => {
    const [one, two] = [live('warm-cache', 32 * MIB), live('warm-cache', 32 * MIB)];
    expect(one.digest).toBe(two.digest);
    expect(one.boots).toEqual(two.boots);
  });
});

describe('guests of one machine', () => {
  const GUESTS = 6;
  const MEMORY_OF_EACH = 64 * MIB;
  const memory = new MachineMemory(machineMemoryFor(GUESTS * MEMORY_OF_EACH));

  /** Boots so many guests at once; the times from the first kernel's start, and of the drive. */
  function bootAll(guests: number, disk: 'profile' | 'instant'): { ns: number; busyNs: number; bytes: number } {
    const image = new JoinedImage(Array.from({ length: guests }, () => new OverlayImage(IMAGE)));
    const record = new VerifierRecord();
    const verifier = new Verifier(DISK.oracle, record);
    const machine = new VmmMachine({
      seed: 1,
      profile: PENTIUM4_2006,
      disk,
      image,
      partitions: image.places,
      memory,
      guestMemory: MEMORY_OF_EACH,
      cmdLine: 'cachemap=off',
      inits: Array.from({ length: guests }, () => verifiedInit(DISK, () => verifier)),
    });
    machine.simulation.runProcess('start', machine.start());
    expect(record.verified).toEqual({ pages: 0, bytes: guests * PAGES * PAGE, mismatches: 0 });
    const { busyNs, sectorsRead } = machine.drive.counters;
    expect(sectorsRead).toBeGreaterThanOrEqual((guests * PAGES * PAGE) / 512);
    const stats = [...machine.guests.values()].map(({ kernel }) => kernel.bootStats);
    return { ns: Math.max(...stats.map(({ ns }) => ns)), busyNs, bytes: record.bytes };
  }

  it('guests that boot at once share the processor, and the disk works while they compute', () => {
    const one = bootAll(1, 'profile');
    const six = bootAll(GUESTS, 'profile');
    const withoutDisk = [bootAll(1, 'instant'), bootAll(GUESTS, 'instant')] as const;
    // One guest waits for all that the drive does.
    expect((one.ns - withoutDisk[0].ns) / one.busyNs).toBeGreaterThan(0.9);
    expect((one.ns - withoutDisk[0].ns) / one.busyNs).toBeLessThan(1.1);
    // Six have six times its bytes, and the seeks between their partitions besides.
    expect(six.busyNs).toBeGreaterThan(GUESTS * one.busyNs);
    // Neither the processor alone nor both one after the other.
    expect(six.ns).toBeGreaterThan(withoutDisk[1].ns);
    expect(six.ns).toBeLessThan(withoutDisk[1].ns + six.busyNs);
    expect(withoutDisk[1].ns - withoutDisk[0].ns).toBeGreaterThan((GUESTS - 2) * bootServicesNs);
  });
});

it('an image in memory and one that is mapped have the same bytes', () => {
  const whole = makeExt2(withBootFiles(tree(directory([['data', file('of the user')]]))));
  const [a, b] = [whole, IMAGE].map((image) => {
    const bytes = Buffer.alloc(image.size);
    image.read(0, bytes, 0, image.size);
    return bytes;
  });
  expect(a!.equals(b!)).toBe(true);
});
