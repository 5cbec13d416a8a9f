// A process that waits holds what it waits for. One program is in a call that waits. Another takes
// away what that uses (unmaps, closes, unlinks, truncates it), begun at each event of the first.
// The call ends as if either had come first. What lost its last name is freed: afterwards as many
// inodes and blocks are free as before.
import { expect, it } from 'vitest';
import { EXT2_SUPERBLOCK_OFFSET, SUPERBLOCK } from '../../../src/format/ext2.ts';
import { makeExt2 } from '../../../src/disk/mkfs/mkfs.ts';
import { directory, file, tree } from '../../../src/disk/mkfs/tree.ts';
import { MAP, MS, O, PROT, type Syscalls } from '../../../src/kernel/index.ts';
import { ModelError, PAGE_SIZE } from '../../../src/base/index.ts';
import { type Process } from '../../../src/sim/index.ts';
import { Gate } from '../../../src/sim/simulation.ts';
import { GuestDisk } from '../../support/guest-disk.ts';
import { casesOf } from '../../support/product.ts';

/** So long that an indirect block must be read for its last page. */
const BYTES = 14 * PAGE_SIZE;
const A = 0xaa;
const B = 0xbb;
const MAX_EVENTS = 100_000;
/** Events after which the second is taken to wait for the first. */
const PATIENCE = 500;

interface Pair {
  readonly name: string;
  /**
   * Makes what the two need; afterwards all is written and no page is cached. Returns descriptors
   * or addresses.
   */
  readonly prepare: (sys: Syscalls) => Process<number[]>;
  readonly waits: (sys: Syscalls, of: readonly number[]) => Process<string>;
  readonly takes: (sys: Syscalls, of: readonly number[]) => Process;
  /** What the first answers, now this, now that. */
  readonly answers: readonly string[];
  /** Names that are left. */
  readonly left: readonly string[];
  /** What is seen when both have ended. */
  readonly after?: {
    readonly asks: (sys: Syscalls, of: readonly number[]) => Process<string>;
    readonly answer: string;
  };
}

function* make(sys: Syscalls, path: string, byte: number, bytes = BYTES): Process<number> {
  const fd = yield* sys.open(path, O.creat | O.rdwr);
  yield* sys.pwrite(fd, new Uint8Array(bytes).fill(byte), 0, bytes, 0);
  return fd;
}

/** Mappings of files that have no name and no descriptor any more. */
function* mapNameless(sys: Syscalls, flags: number, paths: readonly string[]): Process<number[]> {
  const addresses: number[] = [];
  for (const path of paths) {
    const fd = yield* make(sys, path, A);
    yield* sys.fsync(fd);
    addresses.push(sys.mmap(BYTES, PROT.read | PROT.write, flags, fd, 0));
    yield* sys.unlink(path);
    yield* sys.close(fd);
  }
  return addresses;
}

/** A mapping of a file that is no longer open. */
function* mapNamed(sys: Syscalls): Process<number[]> {
  const fd = yield* make(sys, '/a', A);
  const address = sys.mmap(BYTES, PROT.read, MAP.shared, fd, 0);
  yield* sys.close(fd);
  return [address];
}

/** One answer for what bytes there are: `A`, `AB` … */
function kinds(bytes: Uint8Array): string {
  const seen = new Set(bytes);
  return [...seen].map((byte) => (byte === A ? 'A' : byte === B ? 'B' : `byte ${byte}`)).join('') || 'nothing';
}

function* unmapAll(sys: Syscalls, addresses: readonly number[]): Process {
  yield* sys.munmap(addresses[0]!, BYTES * addresses.length);
}

const PAIRS: readonly Pair[] = [
  ...[true, false].map(
    (isNamed): Pair => ({
      name: `a load from a mapping of a file ${isNamed ? 'that goes from memory' : 'without a name'}, and its end`,
      prepare: (sys) => (isNamed ? mapNamed(sys) : mapNameless(sys, MAP.shared, ['/a'])),
      *waits(sys, [address]) {
        const bytes = new Uint8Array(1);
        yield* sys.load(address! + BYTES - PAGE_SIZE, bytes, 0, 1);
        return kinds(bytes);
      },
      *takes(sys, addresses) {
        yield* unmapAll(sys, addresses);
        sys.dropCaches();
      },
      answers: ['A', 'EFAULT'],
      left: isNamed ? ['/a'] : [],
    }),
  ),
  {
    name: 'a store into a private mapping, and its end',
    prepare: (sys) => mapNameless(sys, MAP.private, ['/a']),
    *waits(sys, [address]) {
      yield* sys.store(address! + BYTES - PAGE_SIZE, new Uint8Array([B]), 0, 1);
      return 'stored';
    },
    takes: unmapAll,
    answers: ['stored', 'EFAULT'],
    left: [],
  },
  {
    name: 'msync of two mappings, and their end',
    *prepare(sys) {
      const addresses = yield* mapNameless(sys, MAP.shared, ['/a', '/b']);
      for (const address of addresses) yield* sys.store(address, new Uint8Array([B]), 0, 1);
      return addresses;
    },
    *waits(sys, [address]) {
      yield* sys.msync(address!, 2 * BYTES, MS.sync);
      return 'synced';
    },
    takes: unmapAll,
    answers: ['synced', 'ENOMEM'],
    left: [],
  },
  {
    name: 'munmap of a mapping and a half, and munmap of both',
    prepare: (sys) => mapNameless(sys, MAP.shared, ['/a', '/b']),
    *waits(sys, [address]) {
      yield* sys.munmap(address!, BYTES + PAGE_SIZE);
      return 'unmapped';
    },
    takes: unmapAll,
    answers: ['unmapped'],
    left: [],
    after: {
      *asks(sys, [, address]) {
        yield* sys.load(address! + BYTES - 1, new Uint8Array(1), 0, 1);
        return 'it is mapped again';
      },
      answer: 'EFAULT',
    },
  },
  {
    name: 'sync of an inode, and another of its number',
    *prepare(sys) {
      yield* sys.close(yield* make(sys, '/a', A, 5));
      return [];
    },
    *waits(sys) {
      yield* sys.chmod('/a', 0o600);
      // The inode stays, because it is dirty; its block goes.
      sys.dropCaches();
      yield* sys.sync();
      return 'synced';
    },
    *takes(sys) {
      yield* sys.unlink('/a');
      yield* sys.fsync(yield* make(sys, '/b', B, 7));
    },
    answers: ['synced', 'ENOENT'],
    left: ['/b'],
    after: {
      *asks(sys) {
        yield* sys.exit();
        for (let i = 0; i < 2; i++) yield* sys.sync();
        sys.dropCaches();
        return `${(yield* sys.stat('/b')).size} bytes`;
      },
      answer: '7 bytes',
    },
  },
  {
    name: 'stat of a file, and another of its number',
    *prepare(sys) {
      yield* sys.mkdir('/d');
      yield* sys.close(yield* make(sys, '/d/a', A, 5));
      return [];
    },
    *waits(sys) {
      return `${(yield* sys.stat('/d/a')).size} bytes`;
    },
    *takes(sys) {
      yield* sys.unlink('/d/a');
      yield* sys.close(yield* make(sys, '/d/b', B, 7));
    },
    answers: ['5 bytes', 'ENOENT'],
    left: ['/d/b', '/d'],
  },
  {
    name: 'a walk into a directory, and its end',
    *prepare(sys) {
      yield* sys.mkdir('/d');
      return [];
    },
    *waits(sys) {
      return `${(yield* sys.stat('/d/a')).size} bytes`;
    },
    takes: (sys) => sys.rmdir('/d'),
    answers: ['ENOENT'],
    left: [],
  },
  {
    name: 'a walk over a long symbolic link, and its end',
    *prepare(sys) {
      yield* sys.close(yield* make(sys, '/a', A, 5));
      yield* sys.symlink(`${'/'.repeat(100)}a`, '/l');
      return [];
    },
    *waits(sys) {
      return `${(yield* sys.stat('/l')).size} bytes`;
    },
    takes: (sys) => sys.unlink('/l'),
    answers: ['5 bytes', 'ENOENT'],
    left: ['/a'],
  },
  {
    name: 'sendfile, and other files behind its descriptors',
    *prepare(sys) {
      return [yield* make(sys, '/a', A), yield* make(sys, '/to', A, 0)];
    },
    *waits(sys, [from, to]) {
      const bytes = yield* sys.sendfile(to!, from!, BYTES);
      const copied = new Uint8Array(BYTES);
      const fd = yield* sys.open('/to');
      const read = yield* sys.pread(fd, copied, 0, BYTES, 0);
      yield* sys.close(fd);
      return `${bytes} and ${read} bytes of ${kinds(copied)}`;
    },
    *takes(sys, fds) {
      for (const fd of fds) yield* sys.close(fd);
      // They take the lowest descriptors.
      for (const path of ['/b', '/c']) yield* make(sys, path, B);
    },
    // Begun before, it copies all; the call that came too late is not made.
    answers: [`${BYTES} and ${BYTES} bytes of A`],
    left: ['/a', '/b', '/c', '/to'],
  },
  {
    name: 'a read past the cache, and another use of the blocks',
    *prepare(sys) {
      yield* sys.close(yield* make(sys, '/a', A));
      return [yield* sys.open('/a', O.rdonly | O.direct)];
    },
    *waits(sys, [fd]) {
      const bytes = new Uint8Array(3 * PAGE_SIZE);
      const read = yield* sys.pread(fd!, bytes, 0, bytes.length, BYTES - bytes.length);
      return kinds(bytes.subarray(0, read));
    },
    *takes(sys) {
      yield* sys.truncate('/a', 0);
      const fd = yield* make(sys, '/b', B);
      yield* sys.fsync(fd);
    },
    answers: ['A', 'nothing'],
    left: ['/a', '/b'],
  },
  {
    name: 'sync of a file of holes that were stored to, and its end',
    *prepare(sys) {
      const fd = yield* sys.open('/a', O.creat | O.rdwr);
      yield* sys.ftruncate(fd, BYTES);
      return [fd];
    },
    *waits(sys, [fd]) {
      const address = sys.mmap(BYTES, PROT.read | PROT.write, MAP.shared, fd!, 0);
      for (let page = 0; page < 3; page++) yield* sys.store(address + page * PAGE_SIZE, new Uint8Array([A]), 0, 1);
      yield* sys.munmap(address, BYTES);
      yield* sys.sync();
      return 'synced';
    },
    *takes(sys, [fd]) {
      yield* sys.close(fd!);
      yield* sys.unlink('/a');
    },
    answers: ['synced'],
    left: [],
  },
];

/** So many files that the inodes of new ones lie in another block than the root's. */
const image = (size: number, journalBlocks?: number): ReturnType<typeof makeExt2> =>
  makeExt2(tree(directory(Array.from({ length: 40 }, (_, i) => [`${i}`, file('')]))), { size, journalBlocks });
const images = { ext2: image(2 << 20), ext3: image(8 << 20, 1024) };

/** Free blocks and free inodes as the superblock says. */
function counts(disk: GuestDisk): number[] {
  const bytes = new Uint8Array(PAGE_SIZE);
  disk.image.read(0, bytes, 0, PAGE_SIZE);
  const word = (field: number): number => new DataView(bytes.buffer).getUint32(EXT2_SUPERBLOCK_OFFSET + field, true);
  return [word(SUPERBLOCK.offset.s_free_blocks_count), word(SUPERBLOCK.offset.s_free_inodes_count)];
}

function* answer(process: Process<string>): Process<string> {
  try {
    return yield* process;
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    return error.code;
  }
}

/**
 * Begins the second at event `at` of the first, which gets the processor again only when the second
 * has ended or waits for it. Returns what the first answered, and its events before.
 */
function play(pair: Pair, fileSystem: keyof typeof images, at: number): { answer: string; events: number } {
  const disk = new GuestDisk(images[fileSystem].clone(), 1, { memory: 'held while waiting' });
  const { kernel, domain } = disk.guest;
  const { syscalls: sys } = kernel;
  const { simulation } = disk.testbed;
  const before = counts(disk);
  const of = disk.run(pair.prepare(sys));
  // On ext3 the first makes a commit, whose buffers the second writes to their places.
  for (let i = 0; i < 2; i++) disk.run(sys.sync());
  sys.dropCaches();
  const gate = new Gate(simulation);
  const first = simulation.spawn('first', answer(pair.waits(sys, of)), gate);
  const start = simulation.eventCount;
  simulation.run(() => first.isOver || simulation.eventCount - start >= at);
  const events = simulation.eventCount - start;
  gate.close();
  const second = domain.environment.spawn('second', pair.takes(sys, of));
  const patience = simulation.eventCount + PATIENCE;
  simulation.run(() => second.isOver || simulation.eventCount >= patience);
  gate.open();
  simulation.run(() => (first.isOver && second.isOver) || simulation.eventCount - start >= MAX_EVENTS);
  if (!first.isOver || !second.isOver) throw new Error(simulation.whoWaits().join('\n  '));
  const result = disk.run(first.join())!;
  if (pair.after !== undefined) expect(disk.run(answer(pair.after.asks(sys, of)))).toBe(pair.after.answer);
  disk.run(sys.exit());
  for (const path of pair.left) disk.run(path === '/d' ? sys.rmdir(path) : sys.unlink(path));
  disk.check();
  disk.run(kernel.shutdown());
  expect(counts(disk), `at event ${at} of ${pair.name}: free blocks and inodes`).toEqual(before);
  return { answer: result, events };
}

for (const fileSystem of ['ext2', 'ext3'] as const)
  it.each(PAIRS)(`two calls that meet on ${fileSystem} end well: $name`, (pair) => {
    const { answer, events } = play(pair, fileSystem, MAX_EVENTS);
    expect(pair.answers).toContain(answer);
    // The call is met in the middle of waiting.
    expect(events).toBeGreaterThan(3);
    const all = Array.from({ length: events }, (_, n) => n + 1);
    for (const at of casesOf('two calls that meet', `${pair.name}, ${fileSystem}`, all, { sample: 5 }))
      expect(pair.answers).toContain(play(pair, fileSystem, at).answer);
  });
