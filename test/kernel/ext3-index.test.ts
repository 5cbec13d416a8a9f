// Directories with an index on ext3: hashes as debugfs computes them, indices that e2fsck finds sound, that are searched by their
// levels and not by their blocks, that are whole after any crash or error, and that are not believed when they make no sense.
import { writeFileSync } from 'node:fs';
import { afterEach, describe, expect, vi } from 'vitest';
import { ModelError, PAGE_SIZE } from '../../src/base/index.ts';
import type { ImageStore } from '../../src/disk/image-store.ts';
import type { MemoryImage } from '../../src/disk/memory-image.ts';
import { directory, file, type TreeNode } from '../../src/disk/mkfs-tree.ts';
import { OracleExt2 } from '../../src/experiment/oracle-ext2.ts';
import { Ext2Super } from '../../src/kernel/ext2-super.ts';
import { hashName } from '../../src/kernel/ext3-hash.ts';
import { type Kernel, O, type Syscalls } from '../../src/kernel/index.ts';
import type { Process } from '../../src/sim/index.ts';
import { itWithE2fsprogs, type Judge, loadImage, mustPassE2fsck, run, saveImage } from '../support/e2fsprogs.ts';
import { ext3Image } from '../support/journal-image.ts';
import { runsFactor } from '../support/property.ts';
import { COSTS, FakeMachine } from './fake-machine.ts';

/** How many different hashes names have; any, but for the test of names with the same hash. */
const hashes = vi.hoisted(() => ({ count: Infinity }));
vi.mock(import('../../src/kernel/ext3-hash.ts'), async (importOriginal) => {
  const original = await importOriginal();
  const hashName: typeof original.hashName = (...args) => {
    const hash = original.hashName(...args);
    return hashes.count === Infinity ? hash : 2 * ((hash >>> 29) % hashes.count);
  };
  return { ...original, hashName };
});

afterEach(() => {
  hashes.count = Infinity;
  vi.restoreAllMocks();
});

const VERSIONS = ['legacy', 'half_md4', 'tea'] as const;
const INDEX_FL = 0x1000;
/** Offsets in the root, in a node, and in a record, from the published layout. */
const ROOT = { hashVersion: 28, infoLength: 29, levels: 30, flags: 31, limit: 32, count: 34, records: 32 };
const NODE = { limit: 8, count: 10, records: 8 };
const RECORD = 8;

function madeImage(judge: Judge, type = 'ext3', size = '24M', ...options: string[]): MemoryImage {
  const path = `${judge.dir}/made.img`;
  const journal = type === 'ext3' ? ['-J', 'size=4'] : [];
  const features = ['-O', 'dir_index,^resize_inode', '-I', '128', '-N', '8192', ...journal, ...options];
  run(judge.mke2fs, '-q', '-F', '-t', type, '-b', '4096', ...features, path, size);
  return loadImage(path);
}

function mustBeSound(judge: Judge, image: ImageStore): void {
  saveImage(image, `${judge.dir}/disk.img`);
  mustPassE2fsck(judge, `${judge.dir}/disk.img`);
}

/** The image, after e2fsck has made every directory anew (-D). */
function optimized(judge: Judge, image: ImageStore): MemoryImage {
  const path = `${judge.dir}/optimized.img`;
  saveImage(image, path);
  run('sh', '-c', `"${judge.e2fsck}" -fyD "${path}" > /dev/null 2>&1 || test $? -eq 1`);
  return loadImage(path);
}

function* create(sys: Syscalls, path: string): Process {
  yield* sys.close(yield* sys.open(path, O.creat | O.excl | O.wronly));
}

function* createAll(sys: Syscalls, names: readonly string[]): Process {
  for (const name of names) yield* create(sys, `/d/${name}`);
}

interface Guest {
  readonly machine: FakeMachine;
  readonly kernel: Kernel;
  readonly sys: Syscalls;
}

function bootOn(image: ImageStore): Guest {
  const machine = new FakeMachine({ image, nrPages: 2048 });
  const kernel = machine.run(machine.boot());
  return { machine, kernel, sys: kernel.syscalls };
}

/** Everything is at its place on the disk afterwards. */
function shutDown({ machine, kernel }: Guest): void {
  machine.run(kernel.shutdown(), 10_000_000);
}

/** The errno of a call, or 'ok'. */
function outcome({ machine }: Guest, process: Process<unknown>): string {
  try {
    machine.run(process);
    return 'ok';
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    return error.code;
  }
}

/** Names of the directory in the order of the disk. */
function namesIn({ machine, sys }: Guest): string[] {
  return machine
    .run(sys.readdir('/d'))
    .map(({ name }) => name)
    .filter((name) => name !== '.' && name !== '..');
}

/** Names of all lengths; a byte above 127 in some. */
const nameOf = (n: number): string => `${n}${n % 3 === 0 ? 'é' : '-'}${'n'.repeat((n * 37) % 245)}`;
const long = (n: number): string => `${n}-${'l'.repeat(245)}`;
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

/** The directory /d as it lies on an image that nobody has mounted. */
class OnDisk {
  readonly image: ImageStore;
  readonly ino: number;
  readonly #oracle: OracleExt2;

  constructor(image: MemoryImage) {
    this.image = image;
    this.#oracle = new OracleExt2(image);
    const { machine, sys } = bootOn(image.clone());
    this.ino = machine.run(sys.stat('/d')).ino;
  }

  /** Block of the disk that holds a block of the directory. */
  place(block: number): number {
    return this.#oracle.blockOf(this.ino, block);
  }

  read(block: number): Buffer {
    const bytes = Buffer.alloc(PAGE_SIZE);
    this.image.read(this.place(block) * PAGE_SIZE, bytes, 0, PAGE_SIZE);
    return bytes;
  }

  change(block: number, edit: (bytes: Buffer) => void): void {
    const bytes = this.read(block);
    edit(bytes);
    this.image.write(this.place(block) * PAGE_SIZE, bytes, 0, PAGE_SIZE);
  }

  get levels(): number {
    return 1 + this.read(0)[ROOT.levels]!;
  }
}

/** Whether debugfs sees the flag of an index: on the image that was found sound last, or on another of the judge's. */
function hasIndex(judge: Judge, name = 'disk.img'): boolean {
  const said = run(judge.debugfs, '-R', 'stat /d', `${judge.dir}/${name}`);
  return (Number(/Flags: (0x[0-9a-f]+)/.exec(said)![1]) & INDEX_FL) !== 0;
}

describe('hashes', () => {
  itWithE2fsprogs('are those of debugfs, for names of all lengths and bytes, with a seed and without', (judge) => {
    const names = range(0, 200).map((n) => {
      // No byte that debugfs takes for a blank, a quote or the end of a line.
      const bytes = Buffer.alloc(1 + ((n * 7) % 255)).map(
        (_, i) => 0x30 + ((n * 31 + i * 57 + ((i * n) >>> 3)) % 0xd0),
      );
      return n < 20 ? bytes.subarray(0, n + 1) : bytes;
    });
    const seeds = ['00000000-0000-0000-0000-000000000000', '01234567-89ab-cdef-fedc-ba9876543210'];
    const cases = VERSIONS.flatMap((version) =>
      seeds.flatMap((seed) => names.map((name) => ({ version, seed, name }))),
    );
    const lines = cases.map(({ version, seed, name }) =>
      Buffer.concat([Buffer.from(`dx_hash -h ${version} -s ${seed} `), name, Buffer.from('\n')]),
    );
    writeFileSync(`${judge.dir}/commands`, Buffer.concat(lines));
    const said = run(judge.debugfs, '-f', `${judge.dir}/commands`);
    const expected = [...said.matchAll(/is (0x[0-9a-f]+) \(minor/g)].map(([, hash]) => Number(hash));
    const ours = cases.map(({ version, seed, name }) => {
      const bytes = Buffer.from(seed.replaceAll('-', ''), 'hex');
      const words = [0, 4, 8, 12].map((at) => bytes.readUInt32LE(at));
      return hashName(name, VERSIONS.indexOf(version), { seed: words, version: 0, isUnsigned: false });
    });
    expect(expected).toHaveLength(1200);
    expect(ours).toEqual(expected);
  });
});

describe.each(VERSIONS.flatMap((version) => [1, 2].map((flags) => [version, flags] as const)))(
  'a directory by the hash %s, s_flags %i',
  (version, flags) => {
    itWithE2fsprogs('is sound after names came and went, and the next guest finds all of them', (judge) => {
      const path = `${judge.dir}/made.img`;
      madeImage(judge);
      run(judge.debugfs, '-w', '-R', `ssv def_hash_version ${version}`, path);
      run(judge.debugfs, '-w', '-R', `ssv flags ${flags}`, path);
      const image = loadImage(path);
      const first = bootOn(image);
      const names = new Set<string>();
      first.machine.run(
        (function* (): Process {
          const { sys } = first;
          yield* sys.mkdir('/d');
          for (const n of range(0, 700)) {
            yield* create(sys, `/d/${nameOf(n)}`);
            names.add(nameOf(n));
            const old = nameOf(n >>> 1);
            if (n % 5 === 1) {
              yield* sys.unlink(`/d/${old}`);
              names.delete(old);
            } else if (n % 5 === 3) {
              yield* sys.rename(`/d/${old}`, `/d/again-${n}`);
              names.delete(old);
              names.add(`again-${n}`);
            }
          }
        })(),
      );
      shutDown(first);
      mustBeSound(judge, image);
      const disk = new OnDisk(image);
      expect(hasIndex(judge)).toBe(true);
      expect(disk.read(0)[ROOT.hashVersion]).toBe(VERSIONS.indexOf(version));
      expect(disk.read(0).readUInt16LE(ROOT.count)).toBeGreaterThan(20);
      const guest = bootOn(image);
      expect(namesIn(guest).sort()).toEqual([...names].sort());
      for (const name of names) expect([name, outcome(guest, guest.sys.lstat(`/d/${name}`))]).toEqual([name, 'ok']);
      for (const n of range(0, 50)) expect(outcome(guest, guest.sys.lstat(`/d/none-${nameOf(n)}`))).toBe('ENOENT');
      expect(outcome(guest, guest.sys.stat('/d/../d/.'))).toBe('ok');
    });
  },
);

/** An image whose /d has a full root, and one with a node below it. Made once: names of which 15 fill a block. */
let large: { oneLevel: MemoryImage; twoLevels: MemoryImage } | undefined;

function largeImages(judge: Judge): { oneLevel: MemoryImage; twoLevels: MemoryImage } {
  if (large === undefined) {
    const image = madeImage(judge);
    let n = 0;
    const growTo = (blocks: number): void => {
      const guest = bootOn(image);
      if (n === 0) guest.machine.run(guest.sys.mkdir('/d'));
      while (guest.machine.run(guest.sys.stat('/d')).size < blocks * PAGE_SIZE)
        guest.machine.run(create(guest.sys, `/d/${long(n++)}`));
      shutDown(guest);
    };
    growTo(509);
    const oneLevel = image.clone();
    growTo(511);
    large = { oneLevel, twoLevels: image };
  }
  return { oneLevel: large.oneLevel.clone(), twoLevels: large.twoLevels.clone() };
}

/** Blocks of the directory that a guest reads to find that a name is not there, and how long it takes once all are read, ns. */
function costOfMiss(image: MemoryImage): { read: number; ns: number } {
  const guest = bootOn(image.clone());
  const { machine, sys } = guest;
  const disk = new OnDisk(image);
  const places = new Set(range(0, machine.run(sys.stat('/d')).size / PAGE_SIZE).map((block) => disk.place(block)));
  machine.requests.length = 0;
  expect(outcome(guest, sys.lstat('/d/none'))).toBe('ENOENT');
  const blocks = machine.requests.flatMap(({ sector, pages }) => pages.map((_, i) => sector / 8 + i));
  namesIn(guest);
  const before = sys.now();
  expect(outcome(guest, sys.lstat('/d/nothing'))).toBe('ENOENT');
  return { read: blocks.filter((block) => places.has(block)).length, ns: sys.now() - before };
}

describe('an index of two levels', () => {
  itWithE2fsprogs('is made when the root is full, sound, and a search costs its levels, not its blocks', (judge) => {
    const image = largeImages(judge).oneLevel;
    expect(new OnDisk(image).levels).toBe(1);
    const oneLevel = costOfMiss(image);
    const guest = bootOn(image);
    guest.machine.run(createAll(guest.sys, range(namesIn(guest).length, 7700).map(long)), 10_000_000);
    shutDown(guest);
    mustBeSound(judge, image);
    const disk = new OnDisk(image);
    expect(disk.levels).toBe(2);
    // The node below the root was split, too.
    expect(disk.read(0).readUInt16LE(ROOT.count)).toBe(2);
    const twoLevels = costOfMiss(image);
    expect([oneLevel.read, twoLevels.read]).toEqual([2, 3]);
    // A leaf of 15 names, and nine comparisons in each level.
    expect(twoLevels.ns - oneLevel.ns).toBeLessThan(40 * COSTS.direntNs);
    const linear = image.clone();
    clearIndexFlag(judge, linear);
    expect(costOfMiss(linear).ns - twoLevels.ns).toBeGreaterThan(6000 * COSTS.direntNs);
    expect(costOfMiss(linear).read).toBeGreaterThan(500);

    // The index that e2fsck makes of the same names, and a guest then keeps.
    const made = optimized(judge, image);
    expect(new OnDisk(made).levels).toBe(2);
    expect(costOfMiss(made).read).toBe(3);
    const next = bootOn(made);
    for (const n of range(0, 385)) expect(outcome(next, next.sys.lstat(`/d/${long(n * 20)}`))).toBe('ok');
    next.machine.run(createAll(next.sys, range(7700, 8000).map(long)));
    expect(namesIn(next)).toHaveLength(8000);
    shutDown(next);
    mustBeSound(judge, made);
    expect(hasIndex(judge)).toBe(true);
  });

  itWithE2fsprogs('that is full takes no name more, and is as it was', (judge) => {
    const image = largeImages(judge).oneLevel;
    const guest = bootOn(image);
    for (let n = namesIn(guest).length; guest.machine.run(guest.sys.stat('/d')).size < 513 * PAGE_SIZE; n++)
      guest.machine.run(create(guest.sys, `/d/${long(n)}`));
    shutDown(guest);
    const disk = new OnDisk(image);
    // One node, full of records; and in the root as many as fit, for hashes that no name here has.
    expect(disk.levels).toBe(2);
    const fill = (records: number, limit: number) => (bytes: Buffer) => {
      for (let n = bytes.readUInt16LE(records + 2); n < limit; n++) {
        bytes.writeUInt32LE(0xffff_fff0, records + n * RECORD);
        bytes.writeUInt32LE(1, records + n * RECORD + 4);
      }
      bytes.writeUInt16LE(limit, records + 2);
    };
    const node = disk.read(0).readUInt32LE(ROOT.records + 4);
    disk.change(0, fill(ROOT.records, 508));
    disk.change(node, fill(NODE.records, 511));
    const full = bootOn(image);
    const before = namesIn(full);
    const outcomes = range(10_000, 10_100).map((n) => [n, outcome(full, create(full.sys, `/d/${long(n)}`))] as const);
    expect(new Set(outcomes.map(([, code]) => code))).toEqual(new Set(['ok', 'ENOSPC']));
    const added = outcomes.filter(([, code]) => code === 'ok').map(([n]) => long(n));
    expect(namesIn(full).sort()).toEqual([...before, ...added].sort());
    expect(full.machine.run(full.sys.stat('/d')).size).toBe(513 * PAGE_SIZE);
  });
});

/** The flag of an index is taken from /d. */
function clearIndexFlag(judge: Judge, image: MemoryImage): void {
  const path = `${judge.dir}/linear.img`;
  saveImage(image, path);
  run(judge.debugfs, '-w', '-R', 'set_inode_field /d flags 0', path);
  const bytes = new Uint8Array(image.size);
  loadImage(path).read(0, bytes, 0, bytes.length);
  image.write(0, bytes, 0, bytes.length);
}

describe('names with the same hash', () => {
  itWithE2fsprogs('fill leaves and nodes one behind the other, and all of them are found', (judge) => {
    // The second of three begins before the middle, and ends behind it.
    hashes.count = 3;
    const image = madeImage(judge);
    const guest = bootOn(image);
    guest.machine.run(guest.sys.mkdir('/d'));
    const names: string[] = [];
    while (guest.machine.run(guest.sys.stat('/d')).size < 516 * PAGE_SIZE) {
      names.push(long(names.length));
      guest.machine.run(createAll(guest.sys, names.slice(-1)));
    }
    shutDown(guest);
    const disk = new OnDisk(image);
    const root = disk.read(0);
    expect([disk.levels, root.readUInt16LE(ROOT.count)]).toEqual([2, 2]);
    // The second node begins in the middle of a hash.
    const [first, second] = [0, 1].map((n) => disk.read(root.readUInt32LE(ROOT.records + n * RECORD + 4)));
    const begin = root.readUInt32LE(ROOT.records + RECORD);
    expect(begin % 2).toBe(1);
    const last = first!.readUInt32LE(NODE.records + (first!.readUInt16LE(NODE.count) - 1) * RECORD);
    expect([last >>> 1, second!.readUInt32LE(NODE.records + RECORD) >>> 1]).toEqual([begin >>> 1, begin >>> 1]);
    const next = bootOn(image);
    expect(namesIn(next)).toHaveLength(names.length);
    const some = names.filter((_, i) => i % 8 === 0);
    for (const name of some) expect(outcome(next, next.sys.unlink(`/d/${name}`))).toBe('ok');
    expect(outcome(next, next.sys.lstat('/d/none'))).toBe('ENOENT');
    expect(namesIn(next)).toHaveLength(names.length - some.length);
  });
});

describe('an index that makes no sense', () => {
  const word = (at: number, value: number) => (bytes: Buffer) => void bytes.writeUInt32LE(value, at);
  const half = (at: number, value: number) => (bytes: Buffer) => void bytes.writeUInt16LE(value, at);
  const byte = (at: number, value: number) => (bytes: Buffer) => void bytes.writeUInt8(value, at);
  const allBlocks = (records: number, count: number, value: number) => (bytes: Buffer) => {
    for (let n = 0; n < count; n++) bytes.writeUInt32LE(value, records + n * RECORD + 4);
  };
  type Damage = readonly [what: string, block: 'root' | 'node', edit: (bytes: Buffer) => void];
  const DAMAGES: readonly Damage[] = [
    ['a hash that there is not', 'root', byte(ROOT.hashVersion, 3)],
    ['another length of the head', 'root', byte(ROOT.infoLength, 16)],
    ['three levels', 'root', byte(ROOT.levels, 2)],
    ['a flag', 'root', byte(ROOT.flags, 1)],
    ['a limit that is too small', 'root', half(ROOT.limit, 507)],
    ['a limit that is too large', 'root', half(ROOT.limit, 509)],
    ['no record', 'root', half(ROOT.count, 0)],
    ['more records than fit', 'root', half(ROOT.count, 509)],
    ['only block 0', 'root', allBlocks(ROOT.records, 508, 0)],
    ['only blocks beyond the directory', 'root', allBlocks(ROOT.records, 508, 5000)],
    ['only blocks without bits that count', 'root', allBlocks(ROOT.records, 508, 0x700_0000)],
    ['a leaf in the place of a node', 'root', allBlocks(ROOT.records, 508, 7)],
    ['a limit that is too small', 'node', half(NODE.limit, 510)],
    ['no record', 'node', half(NODE.count, 0)],
    ['more records than fit', 'node', half(NODE.count, 512)],
    ['only block 0', 'node', allBlocks(NODE.records, 511, 0)],
    ['only blocks beyond the directory', 'node', allBlocks(NODE.records, 511, 5000)],
    ['itself as a leaf', 'node', (bytes) => allBlocks(NODE.records, 511, nodeBlock)(bytes)],
    ['a root of one level, so that nodes are leaves', 'root', byte(ROOT.levels, 0)],
    ['nothing but zeros in a node', 'node', (bytes) => void bytes.fill(0, 8)],
    [
      'a fence of records with one hash',
      'node',
      (bytes) => {
        for (let n = 1; n < 511; n++) word(NODE.records + n * RECORD, 1)(bytes);
        half(NODE.count, 511)(bytes);
      },
    ],
  ];
  let nodeBlock = 0;
  /** Of these the guest cannot know: it finds less, and says so by ENOENT only. */
  const UNSEEN = ['a root of one level, so that nodes are leaves', 'a fence of records with one hash'];

  itWithE2fsprogs('is not used: all names are found, and adding one gives it up', (judge) => {
    const image = largeImages(judge).twoLevels;
    const disk = new OnDisk(image);
    nodeBlock = disk.read(0).readUInt32LE(ROOT.records + 4);
    for (const [what, block, edit] of DAMAGES) {
      const damaged = image.clone();
      const bytes = disk.read(block === 'root' ? 0 : nodeBlock);
      edit(bytes);
      damaged.write(disk.place(block === 'root' ? 0 : nodeBlock) * PAGE_SIZE, bytes, 0, PAGE_SIZE);
      const warn = vi.spyOn(Ext2Super.prototype, 'warn');
      const next = bootOn(damaged);
      const found = range(0, 40).map((n) => outcome(next, next.sys.lstat(`/d/${long(n * 100)}`)));
      const missed = outcome(next, next.sys.lstat('/d/none'));
      const added = outcome(next, create(next.sys, '/d/added'));
      const removed = outcome(next, next.sys.unlink('/d/added'));
      if (UNSEEN.includes(what)) continue;
      expect([what, block, ...new Set(found), missed, added, removed]).toEqual([
        what,
        block,
        'ok',
        'ENOENT',
        'ok',
        'ok',
      ]);
      expect(warn.mock.calls[0]).toEqual([`ext3: the index of directory ${disk.ino} makes no sense, and is not used`]);
      vi.restoreAllMocks();
      shutDown(next);
      mustBeSound(judge, damaged);
      expect([what, hasIndex(judge)]).toEqual([what, false]);
    }
  });

  itWithE2fsprogs('bytes overwritten anywhere in it end in an answer of the guest', (judge) => {
    const image = largeImages(judge).twoLevels;
    const node = new OnDisk(image).read(0).readUInt32LE(ROOT.records + 4);
    const disk = new OnDisk(image);
    const places = [disk.place(0), disk.place(node)];
    const random = (n: number): number => Math.imul(n + 1, 0x9e37_79b1) >>> 7;
    for (let round = 0; round < 25 * runsFactor(); round++) {
      const damaged = image.clone();
      // Half of them in the head and the first records.
      for (let n = 0; n < 12; n++) {
        const at = random(round * 100 + 2 * n) % (n < 6 ? 64 : PAGE_SIZE);
        damaged.write(places[n % 2]! * PAGE_SIZE + at, Uint8Array.of(random(round * 100 + 2 * n + 1)), 0, 1);
      }
      const next = bootOn(damaged);
      for (let n = 0; n < 60; n++) {
        const path = `/d/${long(random(n) % 4000)}`;
        outcome(
          next,
          n % 3 === 0
            ? create(next.sys, path.slice(0, 200))
            : n % 3 === 1
              ? next.sys.unlink(path)
              : next.sys.lstat(path),
        );
      }
      outcome(next, next.kernel.shutdown());
    }
  });
});

describe('a change of an index that ends in the middle', () => {
  class RecordingImage implements ImageStore {
    readonly size: number;
    readonly extents: ImageStore['extents'];
    readonly writes: { at: number; bytes: Uint8Array }[] = [];
    readonly #below: MemoryImage;

    constructor(below: MemoryImage) {
      this.#below = below;
      this.size = below.size;
      this.extents = below.extents;
    }

    read(offset: number, dst: Uint8Array, dstOffset: number, length: number): void {
      this.#below.read(offset, dst, dstOffset, length);
    }

    write(offset: number, src: Uint8Array, srcOffset: number, length: number): void {
      this.writes.push({ at: offset, bytes: src.slice(srcOffset, srcOffset + length) });
      this.#below.write(offset, src, srcOffset, length);
    }
  }

  /** Adds names with a sync after each, and looks at what is on the disk after some of its writes: mounted again it must be sound. */
  function crashes(judge: Judge, start: MemoryImage, names: readonly string[], checks: number): void {
    const recording = new RecordingImage(start.clone());
    const guest = bootOn(recording);
    for (const name of names) {
      guest.machine.run(create(guest.sys, `/d/${name}`));
      guest.machine.run(guest.sys.sync());
    }
    shutDown(guest);
    const image = start.clone();
    const step = Math.max(1, Math.floor(recording.writes.length / (checks * runsFactor())));
    for (const [n, { at, bytes }] of recording.writes.entries()) {
      image.write(at, bytes, 0, bytes.length);
      if (n % step !== 0) continue;
      const copy = image.clone();
      const next = bootOn(copy);
      const found = names.map((name) => outcome(next, next.sys.lstat(`/d/${name}`)));
      // What was added in order is there in order.
      expect(found.lastIndexOf('ok')).toBe(found.filter((code) => code === 'ok').length - 1);
      shutDown(next);
      mustBeSound(judge, copy);
    }
  }

  itWithE2fsprogs('by a crash: a directory gets its index, and leaves are split', (judge) => {
    const image = madeImage(judge);
    const guest = bootOn(image);
    guest.machine.run(guest.sys.mkdir('/d'));
    guest.machine.run(createAll(guest.sys, range(0, 14).map(long)));
    shutDown(guest);
    crashes(judge, image, range(14, 26).map(long), 12);
  });

  itWithE2fsprogs('by a crash: a root gets a node, and that is split', (judge) => {
    const image = largeImages(judge).oneLevel;
    crashes(judge, image, range(9000, 9030).map(long), 12);
  });

  itWithE2fsprogs(
    'by a block that cannot be read: the name is not there, and the directory as sound as before',
    (judge) => {
      const image = largeImages(judge).oneLevel;
      // The first name for which the root is split, and the blocks that are read for it.
      const probe = bootOn(image.clone());
      let n = 9000;
      for (; probe.machine.run(probe.sys.stat('/d')).size === 509 * PAGE_SIZE; n++)
        outcome(probe, create(probe.sys, `/d/${long(n)}`));
      const name = long(n - 1);
      /** Adds it while the n-th read fails, after the caches were empty once more; returns how many reads there were. */
      const play = (emptyAt: number, failAt: number): { reads: number; code: string } => {
        const copy = image.clone();
        const guest = bootOn(copy);
        let reads = 0;
        guest.machine.fails = (isWrite) => {
          if (isWrite) return false;
          if (++reads === emptyAt) guest.sys.dropCaches();
          return reads === failAt;
        };
        const code = outcome(guest, create(guest.sys, `/d/${name}`));
        guest.machine.fails = () => false;
        expect(outcome(guest, guest.sys.lstat(`/d/${name}`))).toBe(code === 'ok' ? 'ok' : 'ENOENT');
        if (code !== 'ok') expect(guest.machine.run(guest.sys.stat('/d')).size).toBe(509 * PAGE_SIZE);
        shutDown(guest);
        mustBeSound(judge, copy);
        return { reads, code };
      };
      const { reads } = play(0, 0);
      const codes: string[] = [];
      for (let n = 1; n <= reads; n++) codes.push(play(0, n).code);
      expect(codes.filter((code) => code === 'EIO').length).toBeGreaterThan(5);
      for (let emptyAt = 1; emptyAt <= reads; emptyAt++)
        for (let n = 1; n <= 4; n++) codes.push(play(emptyAt, emptyAt + n).code);
      expect(new Set(codes)).toEqual(new Set(['ok', 'EIO']));
    },
  );

  itWithE2fsprogs('by a full disk: the directory has grown by two blocks, or not at all', (judge) => {
    const oneBlock = madeImage(judge);
    const first = bootOn(oneBlock);
    first.machine.run(first.sys.mkdir('/d'));
    first.machine.run(createAll(first.sys, range(0, 15).map(long)));
    shutDown(first);
    for (const image of [oneBlock, largeImages(judge).oneLevel]) {
      const codes = [0, 1, 2].map((free) => {
        const copy = image.clone();
        const guest = bootOn(copy);
        fillDisk(guest, free);
        const size = guest.machine.run(guest.sys.stat('/d')).size;
        let n = 9000;
        let code = 'ok';
        while (code === 'ok' && guest.machine.run(guest.sys.stat('/d')).size === size)
          code = outcome(guest, create(guest.sys, `/d/${long(n++)}`));
        const grown = (guest.machine.run(guest.sys.stat('/d')).size - size) / PAGE_SIZE;
        shutDown(guest);
        mustBeSound(judge, copy);
        return `${code}, ${grown} blocks`;
      });
      expect(codes).toEqual(['ENOSPC, 0 blocks', 'ENOSPC, 0 blocks', 'ok, 2 blocks']);
    }
  });
});

/** A file takes all blocks but so many. */
function fillDisk({ machine, sys }: Guest, free: number): void {
  const buffer = new Uint8Array(1 << 20);
  machine.run(
    (function* (): Process {
      const fd = yield* sys.open('/big', O.creat | O.wronly);
      try {
        for (;;) yield* sys.write(fd, buffer, 0, buffer.length);
      } catch (error) {
        if (!(error instanceof ModelError) || error.code !== 'ENOSPC') throw error;
      }
      yield* sys.ftruncate(fd, (yield* sys.stat('/big')).size - free * PAGE_SIZE);
      yield* sys.sync();
    })(),
  );
}

describe('a file system that our mkfs made', () => {
  itWithE2fsprogs('has indices after tune2fs -O dir_index', (judge) => {
    const path = `${judge.dir}/ours.img`;
    const names = range(0, 100).map((n): [string, TreeNode] => [long(n), file('')]);
    saveImage(ext3Image([['d', directory(names)]], 24 << 20), path);
    run(judge.tune2fs, '-O', 'dir_index', path);
    const image = loadImage(path);
    const guest = bootOn(image);
    guest.machine.run(createAll(guest.sys, range(100, 200).map(long)));
    shutDown(guest);
    mustBeSound(judge, image);
    // A directory that had more than one block before goes on without, until e2fsck makes it one.
    expect(hasIndex(judge)).toBe(false);
    expect(costOfMiss(optimized(judge, image)).read).toBe(2);
  });
});

describe('ext2', () => {
  itWithE2fsprogs('does not use an index, and gives it up with the first change', (judge) => {
    const empty = madeImage(judge, 'ext2');
    const guest = bootOn(empty);
    guest.machine.run(guest.sys.mkdir('/d'));
    guest.machine.run(createAll(guest.sys, range(0, 100).map(long)));
    shutDown(guest);
    mustBeSound(judge, empty);
    expect(hasIndex(judge)).toBe(false);
    const image = optimized(judge, empty);
    expect(hasIndex(judge, 'optimized.img')).toBe(true);
    const next = bootOn(image);
    expect(namesIn(next)).toHaveLength(100);
    expect(costOfMiss(image).read).toBe(next.machine.run(next.sys.stat('/d')).size / PAGE_SIZE);
    next.machine.run(next.sys.unlink(`/d/${long(5)}`));
    shutDown(next);
    mustBeSound(judge, image);
    expect(hasIndex(judge)).toBe(false);
  });
});
