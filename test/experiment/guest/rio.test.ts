// Rio: what a guest has written survives its crash, without fsync. Crashes between system calls
// lose nothing; crashes in the middle of one leave what e2fsck repairs.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GuestPanic, ModelError, Ns, PAGE_SIZE, Pfn } from '../../../src/base/index.ts';
import { MAP, O, PROT, type Syscalls } from '../../../src/kernel/index.ts';
import { PG } from '../../../src/kernel/mm/mem-map.ts';
import type { Process } from '../../../src/sim/index.ts';
import { itWithE2fsprogs, loadImage, mustBeSound, mustPassE2fsck, run, saveImage } from '../../support/e2fsprogs.ts';
import { ModelFs } from '../../../src/doors/testing/model-fs.ts';
import { checkProperty, property } from '../../support/property.ts';
import { contents } from '../../../src/doors/testing/contents.ts';
import { type FileCall, fileCall } from '../../../src/doors/testing/file-calls.ts';
import { compareAll, playCalls, readWhole } from '../../../src/doors/testing/play-calls.ts';
import { emptyImage, GuestDisk, RIO, RIO_WARM_CACHE } from '../../support/guest-disk.ts';

const IMAGE_BYTES = 24 << 20;
const calls = fc.array(fileCall, { minLength: 1, maxLength: 30, size: 'max' });
/** ext2, and ext3 with a log that is emptied now and then. */
const journal = fc.constantFrom(undefined, 1024);
const cmdLine = fc.constantFrom(RIO, RIO_WARM_CACHE);
/** Between two calls, ns: nothing is written, some of it is, or all. */
const PAUSES = [0, 0, 0, 0, 100_000, 5_000_000_000, 31_000_000_000];

/**
 * A page that sync writes is stored to while its request waits: for the hypervisor it is clean, for
 * the guest it is dirty.
 */
const STORED_BEFORE_TAKEN_UP: [unknown[], number, string, undefined] = [
  [
    {
      programs: [
        [{ do: 'sync' }, { do: 'mkdir', path: '/a' }, { do: 'read', path: '/a' }],
        [
          { do: 'symlink', path: '/a', to: 'a' },
          { do: 'link', path: '/a', to: '/a' },
        ],
      ],
      salt: 0,
    },
  ],
  1,
  RIO,
  undefined,
];

/** Calls with pauses between them, in which writeback comes. */
function* withPauses(sys: Syscalls, model: ModelFs, home: string, program: readonly FileCall[], salt: number): Process {
  for (const [i, one] of program.entries()) {
    yield* playCalls(sys, model, home, [one]);
    const pause = PAUSES[(salt + 7 * i) % PAUSES.length]!;
    if (pause > 0) yield Ns(pause);
  }
}

function* together(
  disk: GuestDisk,
  models: readonly ModelFs[],
  programs: readonly FileCall[][],
  salt: number,
): Process {
  const { environment } = disk.guest.domain;
  const sys = disk.guest.kernel.syscalls;
  const tasks = programs.map((program, i) =>
    environment.spawn(`program${i}`, withPauses(sys, models[i]!, `/p${i}`, program, salt + i)),
  );
  for (const task of tasks) yield* task.join();
}

function* makeHomes(sys: Syscalls): Process {
  for (let i = 0; i < 3; i++) yield* sys.mkdir(`/p${i}`);
}

/** Writes a file of so many pages; not synced. */
function* writeFile(sys: Syscalls, path: string, pages: number, salt: number): Process {
  const fd = yield* sys.open(path, O.rdwr | O.creat);
  yield* sys.pwrite(fd, contents(pages * PAGE_SIZE, salt), 0, pages * PAGE_SIZE, 0);
  yield* sys.close(fd);
}

describe('rio', () => {
  itWithE2fsprogs(
    'every byte written is read back after a crash between system calls, and e2fsck finds nothing',
    (judge) => {
      const life = fc.record({
        programs: fc.array(calls, { minLength: 1, maxLength: 3 }),
        salt: fc.nat(100),
      });
      checkProperty(
        judge.where,
        [fc.array(life, { minLength: 1, maxLength: 3 }), fc.integer({ min: 1, max: 1000 }), cmdLine, journal],
        (lives, seed, line, blocks) => {
          const disk = new GuestDisk(emptyImage(IMAGE_BYTES, blocks as number | undefined), seed as number, {
            cmdLine: line as string,
          });
          const models = [new ModelFs(), new ModelFs(), new ModelFs()];
          disk.run(makeHomes(disk.guest.kernel.syscalls));
          for (const { programs, salt } of lives as { programs: FileCall[][]; salt: number }[]) {
            disk.run(together(disk, models, programs, salt));
            disk.check();
            disk.reboot(true, line === RIO_WARM_CACHE, () => {
              saveImage(disk.image, `${judge.dir}/disk.img`);
              // Its journal, if there is one, was not replayed: no reader reads it yet.
              mustPassE2fsck(judge, `${judge.dir}/disk.img`);
            });
            const { lost } = disk.guest.domain.stats.dirty;
            expect(Object.values(lost).every((count) => count === 0)).toBe(true);
            for (const [i, model] of models.entries())
              disk.run(compareAll(disk.guest.kernel.syscalls, model, `/p${i}`));
            disk.check();
          }
        },
        { numRuns: 5, lawRuns: 25, examples: [STORED_BEFORE_TAKEN_UP] },
      );
    },
  );

  itWithE2fsprogs(
    'what earlier calls wrote is read back, after e2fsck, when a guest crashes in the middle of a system call',
    (judge) => {
      // Calls that touch one file each.
      const file = fc.constantFrom('/a', '/b', '/c');
      const alone: fc.Arbitrary<FileCall> = fc.oneof(
        fc.record({ do: fc.constant('create' as const), path: file, exclusive: fc.constant(false) }),
        fc.record({
          do: fc.constant('write' as const),
          path: file,
          at: fc.nat(90_000),
          length: fc.nat(40_000),
          salt: fc.nat(255),
        }),
        fc.record({ do: fc.constant('truncate' as const), path: file, size: fc.nat(90_000) }),
        fc.record({ do: fc.constantFrom('unlink' as const, 'fsync' as const), path: file }),
      );
      checkProperty(
        judge.where,
        [
          fc.array(alone, { minLength: 3, maxLength: 30, size: 'max' }),
          fc.integer({ min: 1, max: 800 }),
          fc.nat(1000),
          cmdLine,
          journal,
        ],
        (some, events, seed, line, blocks) => {
          const program = some as FileCall[];
          const disk = new GuestDisk(emptyImage(IMAGE_BYTES, blocks as number | undefined), seed as number, {
            cmdLine: line as string,
          });
          disk.run(makeHomes(disk.guest.kernel.syscalls));
          const played = new ModelFs();
          let done = 0;
          const main = function* (): Process {
            for (const one of program) {
              yield* playCalls(disk.guest.kernel.syscalls, played, '/p0', [one]);
              done++;
            }
          };
          disk.runSome(main(), events as number);
          const path = `${judge.dir}/disk.img`;
          disk.reboot(true, true, () => saveImage(disk.image, path));
          run('sh', '-c', `"${judge.e2fsck}" -fy "${path}" > "${path}.log" 2>&1 || test $? -eq 1`);
          mustBeSound(judge, path);
          // The file of the call that was not over may be anything.
          const open = program[done];
          const sure = (one: FileCall): boolean =>
            !(open !== undefined && 'path' in one && 'path' in open && one.path === open.path);
          const model = new ModelFs();
          const before = program.slice(0, done).filter(sure);
          for (const one of before) {
            if (one.do === 'create') model.create(one.path, false);
            else if (one.do === 'write') tolerate(() => model.write(one.path, one.at, contents(one.length, one.salt)));
            else if (one.do === 'truncate') tolerate(() => model.truncate(one.path, one.size));
            else if (one.do === 'unlink') tolerate(() => model.unlink(one.path));
          }
          const repaired = new GuestDisk(loadImage(path), 1, { memory: 'repaired' });
          repaired.run(compareAll(repaired.guest.kernel.syscalls, model, '/p0'));
        },
        { numRuns: 5, lawRuns: 40 },
      );
    },
  );

  it('transactions of ext3 from before the crash are not taken for later ones', () => {
    const disk = new GuestDisk(emptyImage(IMAGE_BYTES, 1024), 1, { cmdLine: RIO });
    const written = function* (sys: Syscalls, path: string, salt: number): Process {
      yield* writeFile(sys, path, 1, salt);
      const fd = yield* sys.open(path, O.rdwr);
      yield* sys.fsync(fd);
      yield* sys.close(fd);
    };
    // Two transactions are in the log; what follows them is in none.
    disk.run(written(disk.guest.kernel.syscalls, '/a', 1));
    disk.run(written(disk.guest.kernel.syscalls, '/b', 2));
    disk.run(disk.guest.kernel.syscalls.unlink('/b'));
    disk.reboot(true);
    // One like the first, in its place; and a crash after which the log is replayed.
    disk.run(written(disk.guest.kernel.syscalls, '/c', 3));
    disk.reboot(true, true, undefined, 'cachemap=off');
    const sys = disk.guest.kernel.syscalls;
    const names = disk.run(sys.readdir('/')).map(({ name }) => name);
    expect(names).toEqual(['.', '..', 'lost+found', 'a', 'c']);
    expectBytes(disk.run(readWhole(sys, '/c')), contents(PAGE_SIZE, 3));
  });

  it('a guest on ext3 mounts the file system, whichever write failed before and ended the journal', () => {
    const work = function* (sys: Syscalls): Process {
      yield* sys.mkdir('/a');
      yield* writeFile(sys, '/a/b', 3, 1);
      yield* sys.sync();
    };
    let writes = 0;
    for (let n = 1; n === 1 || n - 1 <= writes; n++) {
      writes = 0;
      let isArmed = true;
      const fails = ({ op }: { readonly op: string }): boolean => isArmed && op === 'write' && ++writes === n;
      const disk = new GuestDisk(emptyImage(IMAGE_BYTES, 1024), 1, { cmdLine: RIO, fails });
      try {
        disk.run(work(disk.guest.kernel.syscalls));
      } catch (error) {
        expect(error).toBeInstanceOf(ModelError);
      }
      isArmed = false;
      disk.reboot(true);
      const names = disk.run(disk.guest.kernel.syscalls.readdir('/')).map(({ name }) => name);
      expect([n, names.slice(0, 3)]).toEqual([n, ['.', '..', 'lost+found']]);
    }
    // The superblock, the journal's, and what the transaction has.
    expect(writes).toBeGreaterThan(4);
  });

  it('what was not synced is lost without rio', () => {
    const disk = new GuestDisk(emptyImage(IMAGE_BYTES), 1);
    disk.run(writeFile(disk.guest.kernel.syscalls, '/a', 5, 1));
    disk.reboot(true);
    expect(() => disk.run(readWhole(disk.guest.kernel.syscalls, '/a'))).toThrow(/ENOENT/);
  });

  it('rio keeps pages that were written home, under their names', () => {
    const disk = new GuestDisk(emptyImage(IMAGE_BYTES), 1, { cmdLine: RIO_WARM_CACHE });
    disk.run(writeFile(disk.guest.kernel.syscalls, '/a', 40, 1));
    disk.reboot(true);
    const { dirty } = disk.guest.domain.stats;
    expect(dirty.written).toBeGreaterThanOrEqual(40);
    expectBytes(disk.run(readWhole(disk.guest.kernel.syscalls, '/a')), contents(40 * PAGE_SIZE, 1));
    expect(disk.guest.kernel.stats.dataPagesRead).toBe(0);
  });

  property(
    'a wild store to a dirty page is refused; without the protection it is on the disk, and a checksum finds it',
    fc.nat(1000),
    fc.nat(39),
    fc.nat(1023),
    (seed, page, at) => {
      const after = (dirtyProtection: boolean, checksum: boolean): Uint8Array => {
        const protections = { dirtyProtection, checksum };
        const disk = new GuestDisk(emptyImage(IMAGE_BYTES), seed, { cmdLine: RIO_WARM_CACHE, protections });
        disk.run(writeFile(disk.guest.kernel.syscalls, '/a', 40, 1));
        disk.run(disk.guest.kernel.syscalls.sync());
        disk.run(writeFile(disk.guest.kernel.syscalls, '/a', 40, 2));
        const victim = pageOf(disk, page);
        const store = (): void => disk.guest.domain.environment.memory.writeU32(victim, 4 * at, 0xdeadbeef);
        if (dirtyProtection) expect(store).toThrow(GuestPanic);
        else store();
        disk.reboot(true);
        return disk.run(readWhole(disk.guest.kernel.syscalls, '/a'));
      };
      const written = contents(40 * PAGE_SIZE, 2);
      expectBytes(after(true, false), written);
      const wild = written.slice();
      new DataView(wild.buffer).setUint32(page * PAGE_SIZE + 4 * at, 0xdeadbeef, true);
      expectBytes(after(false, false), wild);
      // The page is lost, and the one on the disk before it is there.
      const old = written.slice();
      old.set(contents(40 * PAGE_SIZE, 1).subarray(page * PAGE_SIZE, (page + 1) * PAGE_SIZE), page * PAGE_SIZE);
      expectBytes(after(false, true), old);
    },
    { numRuns: 4, lawRuns: 8 },
  );

  it('rio stores of programs into mapped pages are no wild ones, also into a page that is dirty', () => {
    const disk = new GuestDisk(emptyImage(IMAGE_BYTES), 1, {
      cmdLine: RIO_WARM_CACHE,
      protections: { checksum: true },
    });
    disk.run(
      (function* (): Process {
        const sys = disk.guest.kernel.syscalls;
        yield* writeFile(sys, '/a', 2, 1);
        const fd = yield* sys.open('/a', O.rdwr);
        const address = sys.mmap(2 * PAGE_SIZE, PROT.read | PROT.write, MAP.shared, fd, 0);
        yield* sys.store(address + 5000, contents(300, 9), 0, 300);
        // The kernel writes to the page that a program has stored to, and the program once more.
        yield* sys.pwrite(fd, contents(10, 3), 0, 10, 4096);
        yield* sys.store(address + 6000, contents(300, 8), 0, 300);
      })(),
    );
    disk.reboot(true);
    const expected = contents(2 * PAGE_SIZE, 1);
    expected.set(contents(300, 9), 5000);
    expected.set(contents(10, 3), 4096);
    expected.set(contents(300, 8), 6000);
    expectBytes(disk.run(readWhole(disk.guest.kernel.syscalls, '/a')), expected);
  });

  it('rio registers a page whose block must be looked up first', () => {
    const disk = new GuestDisk(emptyImage(IMAGE_BYTES), 1, { cmdLine: RIO_WARM_CACHE });
    const { syscalls: sys, mm } = disk.guest.kernel;
    disk.run(writeFile(sys, '/a', 40, 1));
    disk.run(sys.sync());
    // Memory was short, and indirect blocks went before data.
    const busy = PG.pinned | PG.dirty | PG.locked | PG.writeback;
    for (let pfn = Pfn(0); pfn < mm.map.nrPages; pfn++) {
      const isCached = mm.map.has(pfn, PG.lru) && !mm.map.has(pfn, busy | PG.preserved);
      if (isCached && mm.cache.spaceOf(pfn).ino === 0) mm.discard([pfn]);
    }
    disk.run(writeFile(sys, '/a', 40, 2));
    disk.reboot(true);
    expectBytes(disk.run(readWhole(disk.guest.kernel.syscalls, '/a')), contents(40 * PAGE_SIZE, 2));
  });

  it('rio registers a page that was dirty before it had a block', () => {
    const disk = new GuestDisk(emptyImage(IMAGE_BYTES), 1, { cmdLine: RIO_WARM_CACHE });
    const sys = disk.guest.kernel.syscalls;
    disk.run(
      (function* (): Process {
        const fd = yield* sys.open('/a', O.rdwr | O.creat);
        yield* sys.ftruncate(fd, 2 * PAGE_SIZE);
        const address = sys.mmap(2 * PAGE_SIZE, PROT.read | PROT.write, MAP.shared, fd, 0);
        yield* sys.store(address, contents(PAGE_SIZE, 1), 0, PAGE_SIZE);
        yield* sys.munmap(address, 2 * PAGE_SIZE);
        yield* sys.pwrite(fd, contents(100, 2), 0, 100, 50);
      })(),
    );
    disk.reboot(true);
    const expected = new Uint8Array(2 * PAGE_SIZE);
    expected.set(contents(PAGE_SIZE, 1));
    expected.set(contents(100, 2), 50);
    expectBytes(disk.run(readWhole(disk.guest.kernel.syscalls, '/a')), expected);
  });

  it.each([RIO, RIO_WARM_CACHE])(
    'a page that leaves the cache of a guest on %s is written home no more: its block may be another file’s',
    (cmdLine) => {
      const disk = new GuestDisk(emptyImage(IMAGE_BYTES), 1, { cmdLine });
      const { kernel } = disk.guest;
      disk.run(writeFile(kernel.syscalls, '/a', 40, 1));
      disk.run(kernel.syscalls.unlink('/a'));
      disk.run(writeFile(kernel.syscalls, '/b', 40, 2));
      disk.run(kernel.syscalls.sync());
      disk.reboot(true);
      expectBytes(disk.run(readWhole(disk.guest.kernel.syscalls, '/b')), contents(40 * PAGE_SIZE, 2));
    },
  );
});

/** The page that the running guest has of page `index` of its first file with so many pages. */
function pageOf({ guest }: GuestDisk, index: number): Pfn {
  const { map, cache } = guest.kernel.mm;
  for (let pfn = 0; pfn < map.nrPages; pfn++) {
    const page = Pfn(pfn);
    if (map.has(page, PG.registered) && cache.spaceOf(page).nrDirty >= 40 && cache.indexOf(page) === index) return page;
  }
  throw new Error(`page ${index} is not dirty`);
}

function expectBytes(seen: Uint8Array, expected: Uint8Array): void {
  expect(seen.length).toBe(expected.length);
  expect(Buffer.compare(seen, expected)).toBe(0);
}

function tolerate(change: () => void): void {
  try {
    change();
  } catch {
    // As the guest was told.
  }
}
