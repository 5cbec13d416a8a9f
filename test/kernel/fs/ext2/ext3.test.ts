// The journal: images by mke2fs and tune2fs, crashes at any event, and before the judge e2fsck.
import { copyFileSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect } from 'vitest';
import { getField, ModelError, Ns, PAGE_SIZE } from '../../../../src/base/index.ts';
import { GROUP_DESCRIPTOR } from '../../../../src/format/ext2.ts';
import type { ImageStore } from '../../../../src/disk/image/image-store.ts';
import type { MemoryImage } from '../../../../src/disk/image/memory-image.ts';
import { O, type Syscalls } from '../../../../src/kernel/index.ts';
import type { Process, RandomStream } from '../../../../src/sim/index.ts';
import {
  itWithE2fsprogs,
  type Judge,
  loadImage,
  mke2fs,
  mustBeSound,
  run,
  saveImage,
} from '../../../support/e2fsprogs.ts';
import { ModelFs } from '../../../../src/doors/testing/model-fs.ts';
import { checkProperty, playsLaws } from '../../../support/property.ts';
import { type FileCall, fileCall } from '../../../../src/doors/testing/file-calls.ts';
import { compareAll, playCalls, readWhole, tolerant } from '../../../../src/doors/testing/play-calls.ts';
import { fsxOn } from '../../../laws/fsx.ts';
import { emptyImage, GuestDisk } from '../../../support/guest-disk.ts';

const IMAGE_BYTES = 24 << 20;
/** What the free blocks of a disk hold: a file that shows it shows what was never written to it. */
const STALE = 0xee;
const calls = fc.array(fileCall, { minLength: 5, maxLength: 40 });
/** Between two calls, ns: a commit comes after 5 s, writeback after 30 s. */
const PAUSES = [0, 0, 0, 0, 100_000, 100_000, 1_000_000, 1_000_000_000, 3_000_000_000, 6_000_000_000, 31_000_000_000];

/** An empty file system with a journal, in one block group. */
function ext3Image(judge: Judge): MemoryImage {
  const path = `${judge.dir}/empty.img`;
  mke2fs(judge, '-t', 'ext3', '-b', '4096', path, String(IMAGE_BYTES / 1024));
  const image = loadImage(path);
  const descriptor = new Uint8Array(PAGE_SIZE);
  image.read(PAGE_SIZE, descriptor, 0, PAGE_SIZE);
  const bitmap = new Uint8Array(PAGE_SIZE);
  image.read(getField(GROUP_DESCRIPTOR, descriptor, 0, 'bg_block_bitmap') * PAGE_SIZE, bitmap, 0, PAGE_SIZE);
  const stale = new Uint8Array(PAGE_SIZE).fill(STALE);
  for (let block = 0; block < IMAGE_BYTES / PAGE_SIZE; block++)
    if (((bitmap[block >>> 3]! >>> (block & 7)) & 1) === 0) image.write(block * PAGE_SIZE, stale, 0, PAGE_SIZE);
  return image;
}

/**
 * Throws when e2fsck finds anything wrong with an image beyond a journal to be replayed; replays
 * it.
 */
function mustReplay(judge: Judge, path: string): void {
  run('sh', '-c', `"${judge.e2fsck}" -fy "${path}" > "${path}.log" 2>&1 || test $? -eq 1`);
  const log = readFileSync(`${path}.log`, 'utf8');
  // The counts in the superblock, which are not believed, may be old; those of a group may not.
  const believed = log.replaceAll(/^Free (blocks|inodes) count wrong \(.*\)\.\nFix\? yes$/gm, '');
  const found = believed.split('\n').filter((line) => /\? yes|error|corrupt|invalid/i.test(line));
  const wrong = found.filter((line) => !/with errors, check forced/.test(line));
  if (wrong.length > 0) throw new Error(`e2fsck after the replay:\n${log}`);
}

function* together(disk: GuestDisk, models: readonly ModelFs[], programs: readonly (readonly FileCall[])[]): Process {
  const { environment } = disk.guest.domain;
  const sys = disk.guest.kernel.syscalls;
  const tasks = programs.map((program, i) =>
    environment.spawn(`program${i}`, playCalls(sys, models[i]!, `/p${i}`, program)),
  );
  for (const task of tasks) yield* task.join();
}

function* makeHomes(sys: Syscalls): Process {
  for (let i = 0; i < 3; i++) yield* sys.mkdir(`/p${i}`);
  yield* sys.sync();
}

/** Reads everything: no call may fail, and no byte may be of a block's past. */
function* readEverything(sys: Syscalls, path: string): Process {
  for (const { name } of yield* sys.readdir(path === '' ? '/' : path)) {
    if (name === '.' || name === '..') continue;
    const at = `${path}/${name}`;
    const { mode } = yield* sys.lstat(at);
    if (mode >>> 12 === 4) yield* readEverything(sys, at);
    else if (mode >>> 12 === 8) {
      const bytes = yield* readWhole(sys, at);
      for (let i = 0; i + 16 <= bytes.length; i += 16)
        if (bytes.subarray(i, i + 16).every((byte) => byte === STALE)) throw new Error(`${at} shows old bytes at ${i}`);
    }
  }
}

function judgeImage(judge: Judge, image: ImageStore, mayReplay: boolean): void {
  const path = `${judge.dir}/disk.img`;
  saveImage(image, path);
  if (mayReplay) mustReplay(judge, path);
  else mustBeSound(judge, path);
}

describe('ext3', () => {
  itWithE2fsprogs('ext3 is what the model says, over reboots, and sound on the disk', (judge) => {
    const empty = ext3Image(judge);
    checkProperty(
      judge.where,
      [
        fc.array(fc.record({ programs: fc.array(calls, { minLength: 1, maxLength: 3 }), crash: fc.boolean() }), {
          minLength: 1,
          maxLength: 3,
        }),
        fc.integer({ min: 1, max: 1000 }),
      ],
      (lives, seed) => {
        const disk = new GuestDisk(copyOf(empty), seed as number);
        const models = [new ModelFs(), new ModelFs(), new ModelFs()];
        disk.run(makeHomes(disk.guest.kernel.syscalls));
        for (const { programs, crash } of lives as { programs: FileCall[][]; crash: boolean }[]) {
          disk.run(together(disk, models, programs));
          if (crash) disk.run(disk.guest.kernel.syscalls.sync());
          disk.check();
          disk.reboot(crash);
          for (const [i, model] of models.entries()) disk.run(compareAll(disk.guest.kernel.syscalls, model, `/p${i}`));
        }
        disk.reboot(false, false);
        judgeImage(judge, disk.image, false);
      },
      { numRuns: 2, lawRuns: 20 },
    );
  });

  itWithE2fsprogs(
    'the next guest needs no fsck after a crash of ext3 at any event, and e2fsck replays the journal',
    (judge) => {
      const empty = ext3Image(judge);
      checkProperty(
        judge.where,
        [
          fc.array(calls, { minLength: 1, maxLength: 3 }),
          fc.array(fc.integer({ min: 1, max: 12_000 }), { minLength: 1, maxLength: 3 }),
          fc.nat(1000),
        ],
        (programs, crashes, seed) => {
          const disk = new GuestDisk(copyOf(empty), seed as number);
          disk.run(makeHomes(disk.guest.kernel.syscalls));
          for (const events of crashes as number[]) {
            disk.runSome(wild(disk.guest.kernel.syscalls, programs as FileCall[][], disk), events);
            disk.check();
            disk.crash();
            judgeImage(judge, disk.image, true);
            disk.restart();
            disk.run(readEverything(disk.guest.kernel.syscalls, ''));
            disk.check();
          }
          disk.reboot(false, false);
          judgeImage(judge, disk.image, false);
        },
        { numRuns: 2, lawRuns: 15 },
      );
    },
  );

  itWithE2fsprogs(
    'the journal gives a sound file system after EIO at any request, whatever a failed write has cost',
    (judge) => {
      const empty = ext3Image(judge);
      checkProperty(
        judge.where,
        [
          fc.array(fc.record({ programs: fc.array(calls, { minLength: 1, maxLength: 3 }), crash: fc.boolean() }), {
            minLength: 1,
            maxLength: 2,
          }),
          fc.integer({ min: 2, max: 60 }),
          fc.nat(1000),
        ],
        (lives, failOneIn, seed) => {
          const disk = new GuestDisk(copyOf(empty), seed as number, { failOneIn: failOneIn as number });
          for (const { programs, crash } of lives as { programs: FileCall[][]; crash: boolean }[]) {
            const { environment } = disk.guest.domain;
            const sys = disk.guest.kernel.syscalls;
            disk.run(
              (function* () {
                const tasks = programs.map((program, i) => environment.spawn(`program${i}`, tolerant(sys, program)));
                for (const task of tasks) yield* task.join();
              })(),
            );
            disk.check();
            disk.reboot(crash);
            disk.check();
          }
          disk.crash();
          judgeImage(judge, disk.image, true);
        },
        { numRuns: 1, lawRuns: 12 },
      );
    },
  );

  itWithE2fsprogs(
    'the next guest needs no fsck after ext3 loses power at any event, with the cache of the drive, and e2fsck replays the journal',
    (judge) => {
      const empty = ext3Image(judge);
      checkProperty(
        judge.where,
        [
          fc.array(calls, { minLength: 1, maxLength: 3 }),
          fc.array(fc.integer({ min: 1, max: 12_000 }), { minLength: 1, maxLength: 3 }),
          fc.nat(1000),
        ],
        (programs, failures, seed) => {
          const disk = new GuestDisk(copyOf(empty), seed as number, { hasCache: true });
          disk.run(makeHomes(disk.guest.kernel.syscalls));
          for (const events of failures as number[]) {
            disk.runSome(wild(disk.guest.kernel.syscalls, programs as FileCall[][], disk), events);
            disk.losePower();
            judgeImage(judge, disk.image, true);
            disk.switchOn();
            disk.run(readEverything(disk.guest.kernel.syscalls, ''));
          }
        },
        { numRuns: 1, lawRuns: 8 },
      );
    },
  );

  itWithE2fsprogs('every byte on ext3 is there when power fails after sync', (judge) => {
    const empty = ext3Image(judge);
    checkProperty(
      judge.where,
      [fc.array(calls, { minLength: 1, maxLength: 3 }), fc.nat(1000)],
      (programs, seed) => {
        const disk = new GuestDisk(copyOf(empty), seed as number, { hasCache: true });
        const models = [new ModelFs(), new ModelFs(), new ModelFs()];
        disk.run(makeHomes(disk.guest.kernel.syscalls));
        disk.run(together(disk, models, programs as FileCall[][]));
        disk.run(disk.guest.kernel.syscalls.sync());
        disk.losePower();
        disk.switchOn();
        for (const [i, model] of models.entries()) disk.run(compareAll(disk.guest.kernel.syscalls, model, `/p${i}`));
      },
      { numRuns: 2, lawRuns: 8 },
    );
  });

  itWithE2fsprogs('a guest on ext3 reads what it wrote, over reboots and crashes (fsx)', (judge) => {
    const empty = ext3Image(judge);
    checkProperty(
      judge.where,
      [fc.integer({ min: 1, max: 1 << 30 })],
      (seed) => {
        const result = fsxOn(copyOf(empty), seed as number, playsLaws() ? 5_000 : 1_500, (image) =>
          judgeImage(judge, image, false),
        );
        expect(result.reboots).toBeGreaterThan(0);
        expect(result.reused).toBeGreaterThan(0);
      },
      { numRuns: 1, lawRuns: 3 },
    );
  });

  itWithE2fsprogs(
    'ext3 is sound after crashes and power failures when the log has gone round several times',
    (judge) => {
      const empty = ext3Image(judge);
      checkProperty(
        judge.where,
        [fc.integer({ min: 1, max: 1 << 30 }), fc.boolean()],
        (seed, isPower) => {
          const disk = new GuestDisk(copyOf(empty), seed as number, { hasCache: isPower as boolean });
          const random = disk.testbed.simulation.random.stream('churn');
          let commits = 0;
          for (let life = 0; life < 3; life++) {
            const { kernel } = disk.guest;
            disk.runSome(churn(kernel.syscalls, random), 6_000 + random.below(10_000));
            commits += kernel.stats.commits;
            disk.check();
            if (isPower === true) disk.losePower();
            else disk.crash();
            judgeImage(judge, disk.image, true);
            if (isPower === true) disk.switchOn();
            else disk.restart();
            disk.run(readEverything(disk.guest.kernel.syscalls, ''));
          }
          expect(commits).toBeGreaterThan(100);
          disk.reboot(false, false);
          judgeImage(judge, disk.image, false);
        },
        { numRuns: 1, lawRuns: 3 },
      );
    },
  );

  itWithE2fsprogs('a guest mounts an image of ours to which tune2fs gave a journal', (judge) => {
    const path = `${judge.dir}/tuned.img`;
    saveImage(emptyImage(IMAGE_BYTES), path);
    run(judge.tune2fs, '-j', path);
    const disk = new GuestDisk(loadImage(path), 1);
    const sys = disk.guest.kernel.syscalls;
    disk.run(makeHomes(sys));
    disk.run(sys.close(disk.run(sys.open('/p0/file', O.wronly | O.creat))));
    disk.run(sys.sync());
    disk.crash();
    judgeImage(judge, disk.image, true);
    disk.restart();
    expect(disk.run(disk.guest.kernel.syscalls.readdir('/p0')).map(({ name }) => name)).toContain('file');
    disk.reboot(false, false);
    judgeImage(judge, disk.image, false);
  });

  itWithE2fsprogs('a guest replays a journal that debugfs has written', (judge) => {
    const path = `${judge.dir}/journal.img`;
    saveImage(ext3Image(judge), path);
    const block = `${judge.dir}/block`;
    run('sh', '-c', `printf 'hello from the log' > "${block}"`);
    run(judge.debugfs, '-w', '-R', `write ${block} greeting`, path);
    const at = Number(run(judge.debugfs, '-R', 'bmap greeting 0', path));
    run('sh', '-c', `head -c 4096 /dev/zero | tr '\\0' x > "${block}"`);
    const script = `${judge.dir}/script`;
    run('sh', '-c', `printf 'jo\\njw -b ${at} ${block}\\njc\\n' > "${script}"`);
    run(judge.debugfs, '-w', '-f', script, path);
    const other = `${judge.dir}/other.img`;
    copyFileSync(path, other);
    run('sh', '-c', `"${judge.e2fsck}" -fy "${other}" > /dev/null 2>&1 || test $? -eq 1`);
    const disk = new GuestDisk(loadImage(path), 1);
    const read = disk.run(readWhole(disk.guest.kernel.syscalls, '/greeting'));
    expect(new TextDecoder().decode(read)).toBe('x'.repeat(18));
    disk.reboot(false, false);
    const byE2fsck = loadImage(other);
    const [ours, theirs] = [new Uint8Array(PAGE_SIZE), new Uint8Array(PAGE_SIZE)];
    disk.image.read(at * PAGE_SIZE, ours, 0, PAGE_SIZE);
    byE2fsck.read(at * PAGE_SIZE, theirs, 0, PAGE_SIZE);
    expect(ours).toEqual(theirs);
    judgeImage(judge, disk.image, false);
  });
});

function copyOf(image: MemoryImage): MemoryImage {
  return image.clone();
}

/** Removes what is in a directory, as rm -r does. */
function* removeAll(sys: Syscalls, path: string): Process {
  for (const { name } of yield* sys.readdir(path)) {
    if (name === '.' || name === '..') continue;
    const at = `${path}/${name}`;
    if ((yield* sys.lstat(at)).mode >>> 12 !== 4) yield* sys.unlink(at);
    else {
      yield* removeAll(sys, at);
      yield* sys.rmdir(at);
    }
  }
}

/**
 * Files and directories come and go, large ones too, with fsync between: blocks of metadata become
 * data and the other way.
 */
function* churn(sys: Syscalls, random: RandomStream): Process {
  const data = new Uint8Array(80 << 10).map((_, i) => (i * 7 + 1) & 127);
  const file = (): string => `/d${random.below(3)}/${'n'.repeat(random.below(200))}${random.below(6)}`;
  for (;;) {
    try {
      const what = random.below(12);
      if (what === 0) yield* removeAll(sys, `/d${random.below(3)}`);
      else if (what === 1) yield* sys.rmdir(`/d${random.below(3)}`);
      else if (what < 4) yield* sys.mkdir(`/d${random.below(3)}`);
      else if (what < 5) yield* sys.unlink(file());
      else if (what < 6) yield* sys.rename(file(), file());
      else if (what < 7) yield* sys.truncate(file(), random.below(60_000));
      else {
        const fd = yield* sys.open(file(), O.wronly | O.creat | (random.below(2) === 0 ? O.trunc : 0));
        yield* sys.pwrite(fd, data, 0, 1 + random.below(data.length), random.below(200_000));
        if (random.below(4) === 0) yield* sys.fsync(fd);
        yield* sys.close(fd);
      }
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
    }
    if (random.below(8) === 0) yield Ns(PAUSES[random.below(PAUSES.length)]!);
  }
}

/**
 * Programs that go on for ever, in real time, so that transactions are committed and buffers
 * written home between their calls.
 */
function* wild(sys: Syscalls, programs: readonly (readonly FileCall[])[], disk: GuestDisk): Process {
  const { environment } = disk.guest.domain;
  const tasks = programs.map((program, i) =>
    environment.spawn(`wild${i}`, playWild(sys, `/p${i}`, program, environment.random(`wild${i}`))),
  );
  for (const task of tasks) yield* task.join();
}

function* playWild(sys: Syscalls, home: string, program: readonly FileCall[], random: RandomStream): Process {
  for (;;) {
    const model = new ModelFs();
    yield* removeAll(sys, home);
    for (const one of program) {
      try {
        yield* playCalls(sys, model, home, [one]);
      } catch (error) {
        // What a crash before has left is not what the model knows.
        if (!(error instanceof Error) || error.name === 'InvariantViolation') throw error;
      }
      yield Ns(PAUSES[random.below(PAUSES.length)]!);
    }
  }
}
