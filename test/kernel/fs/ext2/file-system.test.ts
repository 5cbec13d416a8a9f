// The guest's file system against a model that knows nothing of pages, blocks or time, over reboots
// and crashes. The judges are e2fsck, debugfs and the independent ext2 reader.
import fc from 'fast-check';
import { mkdirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { OracleExt2 } from '../../../../src/experiment/judge/oracle-ext2.ts';
import { O, type Syscalls } from '../../../../src/kernel/index.ts';
import type { Process } from '../../../../src/sim/index.ts';
import { itWithE2fsprogs, loadImage, mustBeSound, run, saveImage } from '../../../support/e2fsprogs.ts';
import { ModelFs } from '../../../../src/doors/testing/model-fs.ts';
import { checkProperty, property } from '../../../support/property.ts';
import { type FileCall, fileCall } from '../../../../src/doors/testing/file-calls.ts';
import {
  compareAll,
  playCalls,
  readEverything,
  readWhole,
  tolerant,
} from '../../../../src/doors/testing/play-calls.ts';
import { emptyImage, GuestDisk } from '../../../support/guest-disk.ts';

const IMAGE_BYTES = 24 << 20;
const calls = fc.array(fileCall, { minLength: 5, maxLength: 40 });
/** What runs between two reboots: some processes at once; then a reboot, or sync and a crash. */
const life = fc.record({ programs: fc.array(calls, { minLength: 1, maxLength: 3 }), crash: fc.boolean() });

/** Starts one process for each program and waits for all. Throws what one of them throws. */
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
}

/** Throws unless a directory of the host holds what the model holds at `path`, and nothing else. */
function mustHold(model: ModelFs, path: string, onHost: string): void {
  const names = model.list(path);
  expect(readdirSync(onHost).sort()).toEqual(names);
  for (const name of names) {
    const [inModel, there] = [`${path}/${name}`, `${onHost}/${name}`];
    const { kind } = model.stat(inModel);
    if (kind === 'directory') mustHold(model, inModel, there);
    else if (kind === 'symlink') expect(readlinkSync(there)).toBe(model.readlink(inModel));
    else if (!readFileSync(there).equals(model.read(inModel)))
      throw new Error(`debugfs reads something else in ${inModel}`);
  }
}

describe('the file system', () => {
  itWithE2fsprogs('the file system is what the model says, over reboots, and sound on the disk', (judge) => {
    const path = `${judge.dir}/disk.img`;
    let cases = 0;
    const isSound = (disk: GuestDisk): void => {
      saveImage(disk.image, path);
      mustBeSound(judge, path);
    };
    checkProperty(
      judge.where,
      [fc.array(life, { minLength: 1, maxLength: 3 }), fc.integer({ min: 1, max: 1000 })],
      (lives, seed) => {
        const disk = new GuestDisk(emptyImage(IMAGE_BYTES), seed as number);
        const models = [new ModelFs(), new ModelFs(), new ModelFs()];
        disk.run(makeHomes(disk.guest.kernel.syscalls));
        for (const { programs, crash } of lives as { programs: FileCall[][]; crash: boolean }[]) {
          disk.run(together(disk, models, programs));
          if (crash) {
            disk.run(disk.guest.kernel.syscalls.sync());
            isSound(disk);
          }
          disk.check();
          disk.reboot(crash);
          for (const [i, model] of models.entries()) disk.run(compareAll(disk.guest.kernel.syscalls, model, `/p${i}`));
        }
        disk.reboot(false, false);
        isSound(disk);
        const dump = `${judge.dir}/${cases++}`;
        mkdirSync(dump);
        run(judge.debugfs, '-R', `rdump / ${dump}`, path);
        for (const [i, model] of models.entries()) mustHold(model, '', `${dump}/p${i}`);
        const oracle = new OracleExt2(disk.image);
        const onDisk = new Map(oracle.listFiles().map((file) => [file.path, file]));
        for (const [i, model] of models.entries()) {
          for (const { path: file, bytes } of model.files()) {
            const found = onDisk.get(`/p${i}${file}`)!;
            expect(found.size).toBe(bytes.length);
            expect(oracle.expect(found.ino, 0, bytes.length, bytes, 0)).toBe(-1);
          }
        }
      },
      { numRuns: 3, lawRuns: 40 },
    );
  });

  itWithE2fsprogs(
    'no page survives a crash at any event that is not on the disk, and e2fsck repairs the rest',
    (judge) => {
      checkProperty(
        judge.where,
        [fc.array(calls, { minLength: 1, maxLength: 3 }), fc.integer({ min: 1, max: 3000 }), fc.nat(1000)],
        (programs, events, seed) => {
          const disk = new GuestDisk(emptyImage(IMAGE_BYTES), seed as number);
          const models = [new ModelFs(), new ModelFs(), new ModelFs()];
          disk.run(makeHomes(disk.guest.kernel.syscalls));
          disk.runSome(together(disk, models, programs as FileCall[][]), events as number);
          disk.check();
          disk.reboot(true);
          disk.run(readEverything(disk.guest.kernel.syscalls));
          disk.check();
          disk.reboot(true);
          const path = `${judge.dir}/disk.img`;
          saveImage(disk.image, path);
          run('sh', '-c', `"${judge.e2fsck}" -fy "${path}" > "${path}.log" || test $? -eq 1`);
          mustBeSound(judge, path);
        },
        { numRuns: 4, lawRuns: 40 },
      );
    },
  );

  itWithE2fsprogs(
    'e2fsck repairs what is left when power fails at any event, and the cache of the drive is lost',
    (judge) => {
      checkProperty(
        judge.where,
        [fc.array(calls, { minLength: 1, maxLength: 3 }), fc.integer({ min: 1, max: 5000 }), fc.nat(1000)],
        (programs, events, seed) => {
          const disk = new GuestDisk(emptyImage(IMAGE_BYTES), seed as number, { hasCache: true });
          const models = [new ModelFs(), new ModelFs(), new ModelFs()];
          disk.run(makeHomes(disk.guest.kernel.syscalls));
          disk.runSome(together(disk, models, programs as FileCall[][]), events as number);
          disk.losePower();
          disk.switchOn();
          disk.run(readEverything(disk.guest.kernel.syscalls, ''));
          disk.losePower();
          const path = `${judge.dir}/disk.img`;
          saveImage(disk.image, path);
          run('sh', '-c', `"${judge.e2fsck}" -fy "${path}" > "${path}.log" || test $? -eq 1`);
          mustBeSound(judge, path);
          const repaired = new GuestDisk(loadImage(path), seed as number, { hasCache: true });
          repaired.run(readEverything(repaired.guest.kernel.syscalls, ''));
        },
        { numRuns: 3, lawRuns: 20 },
      );
    },
  );

  property(
    'every byte is there when power fails after sync',
    fc.array(calls, { minLength: 1, maxLength: 3 }),
    fc.nat(1000),
    (programs, seed) => {
      const disk = new GuestDisk(emptyImage(IMAGE_BYTES), seed, { hasCache: true });
      const models = [new ModelFs(), new ModelFs(), new ModelFs()];
      const { syscalls } = disk.guest.kernel;
      disk.run(makeHomes(syscalls));
      disk.run(together(disk, models, programs));
      disk.run(syscalls.sync());
      disk.losePower();
      disk.switchOn();
      for (const [i, model] of models.entries()) disk.run(compareAll(disk.guest.kernel.syscalls, model, `/p${i}`));
    },
    { numRuns: 5, lawRuns: 10 },
  );
});

describe('a drive that fails', () => {
  property(
    'a guest that meets EIO at any request takes over what is on the disk, and never answers anything but an errno',
    fc.array(fc.record({ programs: fc.array(calls, { minLength: 1, maxLength: 3 }), crash: fc.boolean() }), {
      minLength: 1,
      maxLength: 3,
    }),
    fc.integer({ min: 2, max: 40 }),
    fc.nat(1000),
    (lives, failOneIn, seed) => {
      const disk = new GuestDisk(emptyImage(IMAGE_BYTES), seed, { failOneIn });
      for (const { programs, crash } of lives) {
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
        disk.run(readEverything(disk.guest.kernel.syscalls));
        disk.check();
      }
    },
    { numRuns: 5, lawRuns: 40 },
  );
});

describe('several processes on one file', () => {
  property(
    'a byte that is read beside writers and truncation is one that was written there, or zero',
    fc.array(
      fc.array(
        fc.record({
          do: fc.constantFrom('write', 'write', 'read', 'read', 'truncate', 'fsync', 'dropCaches'),
          at: fc.nat(120_000),
          length: fc.nat(30_000),
        }),
        { minLength: 3, maxLength: 25 },
      ),
      { minLength: 2, maxLength: 4 },
    ),
    (programs) => {
      const disk = new GuestDisk(emptyImage(IMAGE_BYTES), 1);
      const sys = disk.guest.kernel.syscalls;
      const { environment } = disk.guest.domain;
      // Every writer writes the same bytes at a place, so a byte is one of two.
      const whole = new Uint8Array(160_000).map((_, i) => ((i * 13 + (i >>> 9)) % 255) | 1);
      const program = function* (steps: (typeof programs)[number]): Process {
        const fd = yield* sys.open('/shared', O.rdwr | O.creat);
        for (const step of steps) {
          if (step.do === 'write') yield* sys.pwrite(fd, whole, step.at, step.length, step.at);
          else if (step.do === 'truncate') yield* sys.ftruncate(fd, step.at);
          else if (step.do === 'fsync') yield* sys.fsync(fd);
          else if (step.do === 'dropCaches') sys.dropCaches();
          else {
            const seen = new Uint8Array(step.length);
            const bytes = yield* sys.pread(fd, seen, 0, step.length, step.at);
            for (let i = 0; i < bytes; i++)
              if (seen[i] !== 0 && seen[i] !== whole[step.at + i])
                throw new Error(`byte ${step.at + i} is ${seen[i]!}, not ${whole[step.at + i]!} and not 0`);
          }
          if (sys.isDue) yield* sys.settle();
        }
        yield* sys.close(fd);
      };
      disk.run(
        (function* () {
          const tasks = programs.map((steps, i) => environment.spawn(`process${i}`, program(steps)));
          for (const task of tasks) yield* task.join();
        })(),
      );
      const before = disk.run(readWhole(sys, '/shared'));
      disk.check();
      disk.reboot(false);
      const after = disk.run(readWhole(disk.guest.kernel.syscalls, '/shared'));
      expect(Buffer.compare(before, after)).toBe(0);
    },
    { numRuns: 8, lawRuns: 60 },
  );
});

describe('a second and a third reboot', () => {
  property(
    'what was written is there after a second and a third reboot, from memory, without reading the disk',
    fc.array(fc.record({ size: fc.nat(60_000), salt: fc.nat(255) }), { minLength: 1, maxLength: 6 }),
    (files) => {
      const disk = new GuestDisk(emptyImage(IMAGE_BYTES), 1);
      const model = new ModelFs();
      const program: FileCall[] = files.flatMap(({ size, salt }, i) => [
        { do: 'create', path: `/f${i}`, exclusive: false },
        { do: 'write', path: `/f${i}`, at: 0, length: size, salt },
      ]);
      disk.run(playCalls(disk.guest.kernel.syscalls, model, '', program));
      for (let i = 0; i < 3; i++) {
        disk.reboot(false);
        disk.run(compareAll(disk.guest.kernel.syscalls, model, ''));
        expect(disk.guest.kernel.stats.dataPagesRead).toBe(0);
      }
      expect(disk.reused).toBeGreaterThan(0);
    },
    { numRuns: 4, lawRuns: 15 },
  );
});
