// Images with one thing wrong, and the kernel that mounts them, walks everything and reads
// everything. It may refuse with an errno, or give the right data. It may not throw anything else,
// and it may not hang.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Layout, ModelError, PAGE_SIZE, putField } from '../../../../src/base/index.ts';
import { Medium } from '../../../../src/disk/image/backing-store.ts';
import { DIRENT, EXT2_SUPERBLOCK_OFFSET, GROUP_DESCRIPTOR, INODE, SUPERBLOCK } from '../../../../src/format/ext2.ts';
import type { ImageStore } from '../../../../src/disk/image/image-store.ts';
import { makeExt2 } from '../../../../src/disk/mkfs/mkfs.ts';
import { directory, file, sparse, symlink, tree } from '../../../../src/disk/mkfs/tree.ts';
import { OracleExt2 } from '../../../../src/experiment/judge/oracle-ext2.ts';
import type { Syscalls } from '../../../../src/kernel/index.ts';
import type { Process } from '../../../../src/sim/index.ts';
import { property } from '../../../support/property.ts';
import { FakeMachine } from '../../../support/fake-machine.ts';

/** A boot, a walk and reads of this tree take some hundreds of events. */
const MOST_EVENTS = 50_000;
/** What is read of one file at most: a bad size must not make the test long. */
const MOST_READS = 8;

const pattern = (bytes: number): Uint8Array => Uint8Array.from({ length: bytes }, (_, i) => (i * 7 + (i >>> 12)) | 1);
const IMAGE = makeExt2(
  tree(
    directory([
      ['small', file('hello')],
      ['direct', file(pattern(12 * PAGE_SIZE))],
      ['indirect', file(pattern(20 * PAGE_SIZE + 5))],
      // One block behind the double indirect one.
      ['far', file(sparse(1040 * PAGE_SIZE, [[1038 * PAGE_SIZE, pattern(PAGE_SIZE)]]))],
      ['link', symlink('dir/inner')],
      ['slow', symlink(`${'./'.repeat(40)}small`)],
      [
        'dir',
        directory([
          ['inner', file('inner')],
          ['deeper', directory([['deep', file(pattern(5000))]])],
        ]),
      ],
    ]),
  ),
);
const BYTES = new Uint8Array(IMAGE.size);
IMAGE.read(0, BYTES, 0, IMAGE.size);

/** The image with some bytes of it replaced, and cut to `size`. */
function imageOf(size: number, at = 0, patch: Uint8Array = new Uint8Array(0)): ImageStore {
  return {
    size,
    extents: new Medium(size).extents,
    read: (offset, dst, dstOffset, length) => {
      dst.set(BYTES.subarray(offset, offset + length), dstOffset);
      for (let i = 0; i < patch.length; i++)
        if (at + i >= offset && at + i < offset + length) dst[dstOffset + at + i - offset] = patch[i]!;
    },
    write: () => {
      throw new Error('nothing is written here');
    },
  };
}

/**
 * Everything that can be seen of a mounted image: what each path answered, errors by their code.
 */
function* look(sys: Syscalls): Process<Map<string, string>> {
  const seen = new Map<string, string>();
  const pending = ['/'];
  for (let paths = 0; pending.length > 0 && paths < 60; paths++) {
    const path = pending.shift()!;
    seen.set(path, yield* answerOf(sys, path, pending));
  }
  return seen;
}

function* answerOf(sys: Syscalls, path: string, pending: string[]): Process<string> {
  try {
    const { mode, size } = yield* sys.lstat(path);
    if ((mode & 0xf000) === 0xa000) {
      const target = yield* sys.readlink(path);
      return `link ${target} ${(yield* sys.stat(path)).size}`;
    }
    if ((mode & 0xf000) === 0x4000) {
      const names = (yield* sys.readdir(path)).map(({ name }) => name);
      for (const name of names)
        if (name !== '.' && name !== '..' && path.length < 40) pending.push(`${path === '/' ? '' : path}/${name}`);
      return `directory ${names.join(' ')}`;
    }
    const fd = yield* sys.open(path);
    try {
      return `file ${size} ${yield* sumOf(sys, fd, size)}`;
    } finally {
      yield* sys.close(fd);
    }
  } catch (error) {
    if (error instanceof ModelError) return error.code;
    throw error;
  }
}

/** A sum over the beginning and the end of a file, read in pieces of three and a half pages. */
function* sumOf(sys: Syscalls, fd: number, size: number): Process<number> {
  const buffer = new Uint8Array(3.5 * PAGE_SIZE);
  let sum = 0;
  const add = (bytes: number): void => {
    for (let i = 0; i < bytes; i++) sum = (Math.imul(sum, 31) + buffer[i]!) >>> 0;
  };
  for (let reads = 0; reads < MOST_READS; reads++) {
    const bytes = yield* sys.read(fd, buffer, 0, buffer.length);
    if (bytes === 0) break;
    add(bytes);
  }
  add(yield* sys.pread(fd, buffer, 0, buffer.length, Math.max(0, size - 3 * PAGE_SIZE)));
  return sum;
}

/** Mounts and looks; what a refused mount answered stands under ''. */
function observe(image: ImageStore, badBlock?: number): Map<string, string> {
  const machine = new FakeMachine({ image });
  if (badBlock !== undefined) machine.badBlocks.add(badBlock);
  try {
    return machine.run(
      (function* (): Process<Map<string, string>> {
        const kernel = yield* machine.boot();
        return yield* look(kernel.syscalls);
      })(),
      MOST_EVENTS,
    );
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    expect(error.message).not.toContain('\n');
    return new Map([['', error.code]]);
  }
}

const SOUND = observe(IMAGE);

/** Where the tree's own inodes and blocks lie, found by looking at the bytes. */
const u32 = (at: number): number => new DataView(BYTES.buffer).getUint32(at, true);
const TABLE = u32(PAGE_SIZE + GROUP_DESCRIPTOR.offset.bg_inode_table) * PAGE_SIZE;
const inodeAt = (ino: number): number => TABLE + (ino - 1) * INODE.size;
const USED = [2, ...Array.from({ length: 12 }, (_, i) => 11 + i)].filter((ino) => u32(inodeAt(ino)) !== 0);
const pointerAt = (ino: number, n: number): number => inodeAt(ino) + INODE.offset.i_block + 4 * n;
const DIRECTORY_BLOCKS = USED.filter((ino) => (u32(inodeAt(ino)) & 0xf000) === 0x4000).map((ino) =>
  u32(pointerAt(ino, 0)),
);
const INDIRECT_BLOCKS = USED.filter((ino) => (u32(inodeAt(ino)) & 0xf000) === 0x8000).flatMap((ino) =>
  [12, 13].map((n) => u32(pointerAt(ino, n))).filter((block) => block !== 0),
);

const garbage = fc.oneof(
  fc.constantFrom(0, 1, 2, 3, 11, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, IMAGE.size / PAGE_SIZE),
  fc.nat(IMAGE.size / PAGE_SIZE + 2),
  fc.nat(0xffff_ffff),
);

/** Overwrites one field of the structure at `base`. */
function damage(layout: Layout, base: number, field: number, element: number, value: number): ImageStore {
  const { name, width, count = 1 } = layout.fields[field % layout.fields.length]!;
  const patch = BYTES.slice(base, base + layout.size);
  putField(layout, patch, 0, name, value % 256 ** width, element % count);
  return imageOf(BYTES.length, base, patch);
}

const INO_OF = new Map(new OracleExt2(IMAGE).listFiles().map(({ path, ino }) => [path, ino]));
const LINKS = ['/link', '/slow'];

describe('the sound image', () => {
  it('the sound image is seen whole', () => {
    expect([...SOUND.values()].filter((answer) => /^E/.test(answer))).toEqual([]);
    expect([...SOUND.keys()].sort()).toEqual(
      ['/', '/dir', '/dir/deeper', '/dir/deeper/deep', '/dir/inner', '/direct', '/far', '/indirect', '/link']
        .concat(['/lost+found', '/slow', '/small'])
        .sort(),
    );
    expect(SOUND.get('/link')).toBe('link dir/inner 5');
    expect([DIRECTORY_BLOCKS.length, INDIRECT_BLOCKS.length]).toEqual([4, 2]);
  });
});

describe('one field overwritten', () => {
  property(
    'a guest answers in spite of garbage in a field of the superblock',
    fc.nat(1000),
    fc.nat(1000),
    garbage,
    (field, element, value) => {
      observe(damage(SUPERBLOCK, EXT2_SUPERBLOCK_OFFSET, field, element, value));
    },
  );

  property(
    'a guest answers in spite of garbage in a field of the group descriptor',
    fc.nat(1000),
    garbage,
    (field, value) => {
      observe(damage(GROUP_DESCRIPTOR, PAGE_SIZE, field, 0, value));
    },
  );

  property(
    'a guest answers in spite of garbage in a field of an inode: when it is a file, everything else answers as before',
    fc.constantFrom(...USED),
    fc.nat(1000),
    fc.nat(1000),
    garbage,
    (ino, field, element, value) => {
      const seen = observe(damage(INODE, inodeAt(ino), field, element, value));
      if ((u32(inodeAt(ino)) & 0xf000) !== 0x8000) return;
      for (const [path, answer] of SOUND)
        if (INO_OF.get(path) !== ino && !LINKS.includes(path)) expect([path, seen.get(path)]).toEqual([path, answer]);
    },
    { numRuns: 25, lawRuns: 200 },
  );

  property(
    'a guest answers in spite of garbage in a directory entry',
    fc.constantFrom(...DIRECTORY_BLOCKS),
    fc.nat(8),
    fc.nat(3),
    garbage,
    (block, entry, field, value) => {
      let at = block * PAGE_SIZE;
      for (let i = 0; i < entry && at < (block + 1) * PAGE_SIZE; i++) at += u32(at + 4) & 0xffff;
      if (at >= (block + 1) * PAGE_SIZE) at = block * PAGE_SIZE;
      observe(damage(DIRENT, at, field, 0, value));
    },
  );

  property(
    'a guest answers in spite of garbage in an indirect block',
    fc.constantFrom(...INDIRECT_BLOCKS),
    fc.nat(20),
    garbage,
    (block, entry, value) => {
      const patch = new Uint8Array(Uint32Array.of(value).buffer);
      const seen = observe(imageOf(BYTES.length, block * PAGE_SIZE + 4 * entry, patch));
      const changed = [...SOUND].filter(([path, answer]) => seen.get(path) !== answer);
      expect(changed.every(([path]) => path === '/indirect' || path === '/far')).toBe(true);
    },
  );

  property(
    'a guest answers in spite of noise from some byte of a directory block on',
    fc.constantFrom(...DIRECTORY_BLOCKS),
    fc.nat(PAGE_SIZE - 1),
    fc.uint8Array({ minLength: 1, maxLength: 300 }),
    (block, from, noise) => {
      observe(imageOf(BYTES.length, block * PAGE_SIZE + from, noise.subarray(0, PAGE_SIZE - from)));
    },
  );
});

describe('the device', () => {
  property('a device that is cut short anywhere is refused', fc.nat(BYTES.length - 1), (length) => {
    expect(observe(imageOf(length)).get('')).toBe('EINVAL');
  });

  property(
    'a device with a block that cannot be read answers EIO there, and only there',
    fc.nat(BYTES.length / PAGE_SIZE - 1),
    (block) => {
      const seen = observe(IMAGE, block);
      for (const [path, answer] of seen) if (answer !== SOUND.get(path)) expect(answer).toBe('EIO');
      // Whatever can be named is there, right or with an error.
      if (!seen.has('') && seen.get('/') !== 'EIO') expect(seen.size).toBeGreaterThan(1);
    },
  );

  property('a device full of noise is refused', fc.uint8Array({ minLength: 0, maxLength: 20_000 }), (bytes) => {
    expect(observe(imageOf(bytes.length, 0, bytes)).get('')).toBe('EINVAL');
  });
});
