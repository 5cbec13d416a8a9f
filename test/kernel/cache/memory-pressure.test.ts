// Programs that share files while hardly any memory is free. Pages, buffers, inodes and dentries go
// and become others while processes wait for them. Every system call ends, with a value or an
// errno. Afterwards the guest lets everything go and shuts down, and the file system is in order.
import fc from 'fast-check';
import { expect } from 'vitest';
import { ModelError, Ns, PAGE_SIZE } from '../../../src/base/index.ts';
import { MAP, MS, O, PROT, type Syscalls } from '../../../src/kernel/index.ts';
import type { Process, RandomStream } from '../../../src/sim/index.ts';
import { itWithE2fsprogs, mustBeSound, saveImage } from '../../support/e2fsprogs.ts';
import { playsLaws, property, runsFactor } from '../../support/property.ts';
import { emptyImage, GuestDisk } from '../../support/guest-disk.ts';

const DISK_BYTES = 16 << 20;
/** What the hog maps: more than the guest's memory. */
const HOG_PAGES = 3072;
const CALLS = 40;
const MOST_BYTES = 40_000;
const MOST_AT = 400_000;
/** A thousand times what a case takes. Timers of a kernel that is stuck may go on for ever. */
const MAX_EVENTS = 2_000_000;
const PATHS = ['/f0', '/f1', '/f2', '/d/f3', '/d/f4', '/e/f5'];

/**
 * Private copies of a file's pages, which never go, until so few pages are free. Returns their
 * address.
 */
function* hog(disk: GuestDisk, free: number): Process<number> {
  const { syscalls: sys, mm } = disk.guest.kernel;
  const fd = yield* sys.open('/hog', O.creat | O.rdwr);
  yield* sys.ftruncate(fd, HOG_PAGES * PAGE_SIZE);
  const address = sys.mmap(HOG_PAGES * PAGE_SIZE, PROT.read | PROT.write, MAP.private, fd, 0);
  yield* sys.close(fd);
  const word = new Uint8Array(8);
  for (let page = 0; page < HOG_PAGES && mm.allocator.freeCount > free; page++)
    yield* sys.store(address + page * PAGE_SIZE, word, 0, word.length);
  return address;
}

/**
 * One program: calls drawn at random on files that all programs share. A call that fails with an
 * errno has ended.
 */
class Program {
  readonly #sys: Syscalls;
  readonly #random: RandomStream;
  readonly #buffer = new Uint8Array(MOST_BYTES).fill(3);
  /** The call that it is in; undefined when it has ended. */
  call: string | undefined = 'nothing yet';
  ended = 0;
  failed = 0;

  constructor(sys: Syscalls, random: RandomStream) {
    this.#sys = sys;
    this.#random = random;
  }

  *run(): Process {
    const random = this.#random;
    for (let i = 0; i < CALLS; i++) {
      const path = PATHS[random.below(PATHS.length)]!;
      const kind = KINDS[random.below(KINDS.length)]!;
      this.call = `${kind} ${path}`;
      try {
        yield* this.#do(kind, path);
      } catch (error) {
        if (!(error instanceof ModelError)) throw error;
        this.failed++;
      }
      this.ended++;
      if (this.#sys.isDue) yield* this.#sys.settle();
      if (random.below(8) === 0) yield Ns(random.below(20_000_000));
    }
    this.call = undefined;
  }

  *#do(kind: Kind, path: string): Process<unknown> {
    const sys = this.#sys;
    const random = this.#random;
    switch (kind) {
      case 'unlink':
        return yield* sys.unlink(path);
      case 'truncate':
        return yield* sys.truncate(path, random.below(200_000));
      case 'rename':
        return yield* sys.rename(path, PATHS[random.below(PATHS.length)]!);
      case 'mkdir':
        return yield* sys.mkdir(path.includes('/', 1) ? path.slice(0, 2) : `${path}d`);
      case 'rmdir':
        return yield* sys.rmdir(path.includes('/', 1) ? path.slice(0, 2) : `${path}d`);
      case 'sync':
        return yield* sys.sync();
      case 'stat':
        return yield* sys.stat(path);
      case 'list':
        return yield* sys.readdir(path.includes('/', 1) ? path.slice(0, 2) : '/');
      case 'dropCaches':
        sys.dropCaches();
        return undefined;
      default:
        return yield* this.#onOpenFile(kind, path);
    }
  }

  *#onOpenFile(kind: Kind, path: string): Process<unknown> {
    const sys = this.#sys;
    const random = this.#random;
    const fd = yield* sys.open(path, O.creat | O.rdwr | (kind === 'direct' ? O.direct : 0));
    try {
      yield* this.#onFile(kind, fd, path);
      return random.below(5) === 0 ? yield* sys.fsync(fd) : undefined;
    } finally {
      yield* sys.close(fd);
    }
  }

  *#onFile(kind: Kind, fd: number, path: string): Process<unknown> {
    const sys = this.#sys;
    const random = this.#random;
    const buffer = this.#buffer;
    const page = random.below(90);
    switch (kind) {
      case 'write':
        return yield* sys.pwrite(fd, buffer, 0, 1 + random.below(MOST_BYTES), random.below(MOST_AT));
      case 'direct':
        return yield* random.below(2) === 0
          ? sys.pread(fd, buffer, 0, 2 * PAGE_SIZE, page * PAGE_SIZE)
          : sys.pwrite(fd, buffer, 0, 2 * PAGE_SIZE, page * PAGE_SIZE);
      case 'readahead':
        return yield* sys.readahead(fd, page * PAGE_SIZE, MOST_AT);
      case 'sendfile': {
        const from = yield* sys.open(path, O.rdonly);
        try {
          return yield* sys.sendfile(fd, from, random.below(60_000));
        } finally {
          yield* sys.close(from);
        }
      }
      case 'map':
        return yield* this.#map(fd, page);
      default:
        return yield* sys.pread(fd, buffer, 0, MOST_BYTES, random.below(MOST_AT));
    }
  }

  /** Stores and loads through a mapping, which another program may take away. */
  *#map(fd: number, page: number): Process {
    const sys = this.#sys;
    const random = this.#random;
    const bytes = 4 * PAGE_SIZE;
    const address = sys.mmap(bytes, PROT.read | PROT.write, MAP.shared, fd, page * PAGE_SIZE);
    try {
      for (let i = 0; i < 4; i++) {
        const at = address + random.below(bytes - 8);
        if (random.below(2) === 0) yield* sys.store(at, this.#buffer, 0, 8);
        else yield* sys.load(at, this.#buffer, 0, 8);
      }
      if (random.below(2) === 0) yield* sys.msync(address, bytes, MS.sync);
    } finally {
      // As if it were mistaken about how much it has mapped.
      yield* sys.munmap(address, random.below(4) === 0 ? 4 * bytes : bytes);
    }
  }
}

const KINDS = [
  ...(['write', 'write', 'write', 'read', 'read', 'read', 'map', 'map', 'unlink', 'truncate', 'rename'] as const),
  ...(['mkdir', 'rmdir', 'sync', 'stat', 'list', 'dropCaches', 'direct', 'readahead', 'sendfile'] as const),
];
type Kind = (typeof KINDS)[number];

const empty = { ext2: emptyImage(DISK_BYTES), ext3: emptyImage(DISK_BYTES, 1024) };

interface Case {
  readonly seed: number;
  readonly fileSystem: keyof typeof empty;
  readonly free: number;
  readonly programs: number;
}

/** Returns what became of the calls. Throws when one does not end. */
function play({ seed, fileSystem, free, programs }: Case): { calls: number; failed: number; disk: GuestDisk } {
  const disk = new GuestDisk(empty[fileSystem].clone(), seed);
  const { kernel, domain } = disk.guest;
  const { syscalls: sys } = kernel;
  const { simulation } = disk.testbed;
  for (const directory of ['/d', '/e']) disk.run(sys.mkdir(directory));
  const address = disk.run(hog(disk, free));
  const all = Array.from({ length: programs }, (_, i) => new Program(sys, simulation.random.stream(`program ${i}`)));
  for (const [i, program] of all.entries()) domain.environment.spawn(`program ${i}`, program.run());
  const last = simulation.eventCount + MAX_EVENTS;
  simulation.run(() => simulation.eventCount >= last || all.every(({ call }) => call === undefined));
  const stuck = all.flatMap(({ call }, i) => (call === undefined ? [] : [`program ${i} is in ${call}`]));
  if (stuck.length > 0) throw new Error([...stuck, ...simulation.whoWaits()].join('\n  '));
  disk.check();
  disk.run(sys.munmap(address, HOG_PAGES * PAGE_SIZE));
  disk.run(sys.unlink('/hog'));
  disk.run(kernel.shutdown());
  const sum = (of: (program: Program) => number): number => all.reduce((total, program) => total + of(program), 0);
  return { calls: sum((each) => each.ended), failed: sum((each) => each.failed), disk };
}

const cases = fc.record({
  seed: fc.nat(),
  fileSystem: fc.constantFrom('ext2' as const, 'ext3' as const),
  free: fc.integer({ min: 60, max: 180 }),
  programs: fc.integer({ min: 2, max: 5 }),
});

property(
  'every system call ends, however little memory is free',
  cases,
  (each) => {
    const { calls } = play(each);
    expect(calls).toBe(each.programs * CALLS);
  },
  { numRuns: 5, lawRuns: 150 },
);

itWithE2fsprogs('the file system is sound after a struggle for memory', (judge) => {
  for (let seed = 1; seed <= (playsLaws() ? 12 : 6 * runsFactor()); seed++) {
    const fileSystem = seed % 2 === 0 ? 'ext2' : 'ext3';
    const { disk, calls, failed } = play({ seed, fileSystem, free: 80, programs: 4 });
    // Most calls do something.
    expect(failed).toBeLessThan(calls / 2);
    const path = `${judge.dir}/${seed}.img`;
    saveImage(disk.image, path);
    mustBeSound(judge, path);
  }
});
