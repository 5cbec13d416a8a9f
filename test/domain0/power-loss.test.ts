// What a loss of power leaves on the drive under a disk that is a file in domain 0.
// e2fsck is asked at many instants. The cache of the drive is lost, kept in part, or whole.
import { expect } from 'vitest';
import { Ns, PAGE_SIZE } from '../../src/base/index.ts';
import { byChance } from '../../src/disk/drive/write-cache.ts';
import { Disk, image } from '../../src/doors/machine/disk.ts';
import { Testbed } from '../../src/experiment/host/testbed.ts';
import { OracleExt2 } from '../../src/experiment/judge/oracle-ext2.ts';
import { O, type Syscalls } from '../../src/kernel/index.ts';
import { MachineMemory } from '../../src/machine/memory.ts';
import { PENTIUM4_2006 } from '../../src/machine/profiles/pentium4-2006.ts';
import { machineMemoryFor } from '../../src/experiment/host/host.ts';
import type { Process } from '../../src/sim/index.ts';
import { itWithE2fsprogs } from '../support/e2fsprogs.ts';
import { CrashedDisks } from '../support/fsck-after-crash.ts';
import { emptyImage } from '../support/guest-disk.ts';
import { casesOf, containsSample } from '../support/product.ts';

const IMAGE_BYTES = 16 << 20;
const JOURNAL_BLOCKS = 1024;
const GUEST_MEMORY = 16 << 20;
const FILES = 48;

const contentOf = (file: number): Uint8Array => new Uint8Array(3 * PAGE_SIZE).fill(file + 1);

/** Writes files, renames and removes some. Every third is said to be durable. */
function* writes(sys: Syscalls, durable: Set<number>): Process {
  for (let file = 0; file < FILES; file++) {
    const fd = yield* sys.open(`/new${file}`, O.creat | O.wronly);
    yield* sys.write(fd, contentOf(file), 0, 3 * PAGE_SIZE);
    yield* sys.close(fd);
    yield* sys.rename(`/new${file}`, `/f${file}`);
    if (file % 5 === 4) yield* sys.unlink(`/f${file - 1}`);
    if (file % 3 === 0) {
      const again = yield* sys.open(`/f${file}`);
      yield* sys.fsync(again);
      yield* sys.close(again);
      durable.add(file);
    }
    yield Ns(400_000_000);
  }
}

interface Look {
  /** Not before. */
  readonly atMs: number;
  /** And with so many pages in domain 0 that are newer than the drive. */
  readonly dirty: number;
  /** With which probability a sector of the drive's cache has reached the medium. */
  readonly survival: number;
}

const ALL: readonly Look[] = Array.from({ length: 120 }, (_, n) => ({
  atMs: 37 + 163 * n,
  dirty: n % 13,
  survival: [0, 0.5, 1][n % 3]!,
}));

itWithE2fsprogs(
  'a loss of power at any instant leaves ext3 on a file of domain 0 sound, with all that fsync had promised',
  (judge) => {
    const testbed = new Testbed({
      ...{ seed: 1, profile: PENTIUM4_2006, disk: 'profile', guestMemory: GUEST_MEMORY, domain0Cache: 1 << 20 },
      image: emptyImage(IMAGE_BYTES, JOURNAL_BLOCKS),
      memory: new MachineMemory(machineMemoryFor(GUEST_MEMORY)),
    });
    const { simulation, drive } = testbed;
    const { kernel, domain } = simulation.runProcess('boot', testbed.start('cachemap=off'));
    const durable = new Set<number>();
    domain.environment.spawn('writes', writes(kernel.syscalls, durable));
    const disks = new CrashedDisks(judge);
    const begin = simulation.now;
    const files = testbed.files!;
    const looks = casesOf('power lost under a file of domain 0', '', ALL, { sample: 15 });
    let ahead = 0;
    for (const { atMs, dirty, survival } of looks) {
      const from = begin + atMs * 1_000_000;
      simulation.run(() => durable.size === FILES / 3 || (simulation.now >= from && files.nrDirty >= dirty));
      if (files.nrDirty > 0) ahead++;
      const left = new Disk(drive.afterPowerLoss(byChance(simulation.random.stream(`look at ${atMs}`), survival)));
      const oracle = new OracleExt2(image(disks.replayed(left)).contents);
      const found = new Map(oracle.listFiles().map((each) => [each.path, each]));
      for (const file of durable) {
        // The next one that was written may have removed it.
        if (file % 5 === 3) continue;
        const it = found.get(`/f${file}`);
        expect([file, it?.size]).toEqual([file, 3 * PAGE_SIZE]);
        expect([file, oracle.expect(it!.ino, 0, it!.size, contentOf(file), 0)]).toEqual([file, -1]);
      }
    }
    expect(disks.looked).toBe(looks.length);
    // Of a shard's few looks it may be none.
    if (containsSample()) expect(ahead).toBeGreaterThan(looks.length / 2);
  },
);
