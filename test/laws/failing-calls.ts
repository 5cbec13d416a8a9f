// Every system call that changes the file system, on an image with one of each kind of thing that
// it may meet. What the file system holds afterwards, as bytes.
import { PAGE_SIZE } from '../../src/base/index.ts';
import { EXT2_DIRECT_BLOCKS, EXT2_POINTERS_PER_BLOCK } from '../../src/format/ext2.ts';
import type { MemoryImage } from '../../src/disk/image/memory-image.ts';
import { makeExt2 } from '../../src/disk/mkfs/mkfs.ts';
import { directory, file, sparse, symlink, tree, type TreeNode } from '../../src/disk/mkfs/tree.ts';
import { MAP, O, PROT, type Syscalls } from '../../src/kernel/index.ts';
import type { Process } from '../../src/sim/index.ts';

/** What every byte of a free block is: the remains of something that was deleted. */
export const OLD = 0xee;
/** Pointers of a free block that looks like an indirect one, and words from one to the next. */
const OLD_POINTERS = 8;
const OLD_STRIDE = 3;
/** First page that is reached through two indirect blocks. */
const DOUBLE = EXT2_DIRECT_BLOCKS + EXT2_POINTERS_PER_BLOCK;

/** Bytes that differ from file to file and from page to page; none is 0 or OLD. */
export function own(length: number, salt: number): Uint8Array {
  return new Uint8Array(length).map((_, at) => 1 + ((at * 31 + (at >>> 12) * 7 + salt) % 200));
}

/** @param journalBlocks of a journal; undefined: none */
export function imageToChange(journalBlocks: number | undefined): MemoryImage {
  const twice = file(own(9_000, 1));
  const long = 'n'.repeat(248);
  const entries: [string, TreeNode][] = [
    [
      'd',
      directory([
        ['f', file(own(20 * PAGE_SIZE, 2))],
        ['g', file(own(7_000, 3))],
        ['s', symlink('t'.repeat(100))],
      ]),
    ],
    [
      'e',
      directory([
        ['empty', directory([])],
        ['sub', directory([['x', file('x')]])],
        ['twice', twice],
      ]),
    ],
    // One more name does not go into its block.
    ['full', directory(Array.from({ length: 15 }, (_, i): [string, TreeNode] => [`${long}${i + 10}`, file('')]))],
    ['twice', twice],
    [
      'tall',
      file(
        sparse(
          (DOUBLE + 2_000) * PAGE_SIZE,
          [0, 14, DOUBLE + 3, DOUBLE + 1_500].map((page) => [page * PAGE_SIZE, own(PAGE_SIZE, page)]),
        ),
      ),
    ],
    ['untouched', file(own(30_000, 4))],
  ];
  const image = makeExt2(tree(directory(entries)), { slack: 0.1, journalBlocks });
  ageFreeBlocks(image);
  return image;
}

/**
 * Fills the free blocks: every other one is full of the byte OLD. The others look like indirect
 * blocks, which lead to different ones of those. So a new indirect block that is not written shows
 * what was deleted, also after e2fsck.
 */
function ageFreeBlocks(image: MemoryImage): void {
  const block = new Uint8Array(PAGE_SIZE);
  image.read(PAGE_SIZE, block, 0, PAGE_SIZE);
  const bitmap = new DataView(block.buffer).getUint32(0, true);
  image.read(bitmap * PAGE_SIZE, block, 0, PAGE_SIZE);
  const free: number[] = [];
  for (let at = 0; at < image.size / PAGE_SIZE; at++) if (((block[at >>> 3]! >>> (at & 7)) & 1) === 0) free.push(at);
  const old = free.filter((_, i) => i % 2 === 1);
  const bytes = new Uint8Array(PAGE_SIZE).fill(OLD);
  for (const at of old) image.write(at * PAGE_SIZE, bytes, 0, PAGE_SIZE);
  const words = new DataView(bytes.buffer);
  for (const [i, at] of free.filter((each) => !old.includes(each)).entries()) {
    bytes.fill(0);
    for (let word = 0; word < OLD_POINTERS; word++)
      words.setUint32(4 * word * OLD_STRIDE, old[(i * OLD_POINTERS + word) % old.length]!, true);
    image.write(at * PAGE_SIZE, bytes, 0, PAGE_SIZE);
  }
}

/** A call, and what comes before it: files that are open when the caches are dropped. */
export interface ChangingCall {
  readonly name: string;
  /** Whether blocks are allocated by what follows, not by the call. */
  readonly isLazy?: boolean;
  /** Whether `before` changes the file system, so that the call is not its first change. */
  readonly comesLater?: boolean;
  /** Returns descriptors that stay open. */
  readonly before?: (sys: Syscalls) => Process<number>;
  readonly run: (sys: Syscalls, fd: number) => Process<unknown>;
}

const opened =
  (path: string) =>
  (sys: Syscalls): Process<number> =>
    sys.open(path, O.rdwr);

function* writeAt(sys: Syscalls, fd: number, page: number, length: number, offset = 0): Process {
  yield* sys.pwrite(fd, own(length, 9), 0, length, page * PAGE_SIZE + offset);
}

function* openedWithoutName(sys: Syscalls): Process<number> {
  const fd = yield* sys.open('/d/f', O.rdwr);
  yield* sys.unlink('/d/f');
  yield* sys.sync();
  return fd;
}

/** Files that have the same attribute. */
const attributed = (...paths: string[]) =>
  function* (sys: Syscalls): Process<number> {
    for (const path of paths) yield* sys.setxattr(path, 'user.a', own(500, 5));
    return -1;
  };

const longName = (path: string): string => `${path}/${'m'.repeat(240)}`;

export const CHANGING_CALLS: readonly ChangingCall[] = [
  { name: 'open, a new file', run: (sys) => sys.open('/d/new', O.rdwr | O.creat) },
  { name: 'open, a new file in a directory that grows', run: (sys) => sys.open(longName('/full'), O.rdwr | O.creat) },
  { name: 'open with O_TRUNC', run: (sys) => sys.open('/d/f', O.rdwr | O.trunc) },
  { name: 'mkdir', run: (sys) => sys.mkdir('/d/new') },
  { name: 'mkdir in a directory that grows', run: (sys) => sys.mkdir(longName('/full')) },
  { name: 'symlink, short', run: (sys) => sys.symlink('text', '/d/new') },
  { name: 'symlink, long', run: (sys) => sys.symlink('text'.repeat(30), '/d/new') },
  { name: 'link', run: (sys) => sys.link('/d/g', '/e/new') },
  { name: 'link in a directory that grows', run: (sys) => sys.link('/d/g', longName('/full')) },
  { name: 'unlink', run: (sys) => sys.unlink('/d/f') },
  { name: 'unlink of one name of two', run: (sys) => sys.unlink('/twice') },
  { name: 'unlink of a symbolic link', run: (sys) => sys.unlink('/d/s') },
  { name: 'unlink of a file with trees of indirect blocks', run: (sys) => sys.unlink('/tall') },
  { name: 'close of a file without a name', before: openedWithoutName, run: (sys, fd) => sys.close(fd) },
  { name: 'rmdir', run: (sys) => sys.rmdir('/e/empty') },
  { name: 'rename in a directory', run: (sys) => sys.rename('/d/g', '/d/new') },
  { name: 'rename to another directory', run: (sys) => sys.rename('/d/g', '/e/new') },
  { name: 'rename to a directory that grows', run: (sys) => sys.rename('/d/g', longName('/full')) },
  { name: 'rename over a file', run: (sys) => sys.rename('/d/g', '/d/f') },
  { name: 'rename of a directory', run: (sys) => sys.rename('/e/sub', '/d/sub') },
  { name: 'rename of a directory over another', run: (sys) => sys.rename('/d', '/e/empty') },
  { name: 'truncate to nothing', run: (sys) => sys.truncate('/d/f', 0) },
  { name: 'truncate among the direct blocks', run: (sys) => sys.truncate('/d/f', 5_000) },
  { name: 'truncate below an indirect block', run: (sys) => sys.truncate('/d/f', 15 * PAGE_SIZE + 1) },
  { name: 'truncate below two indirect blocks', run: (sys) => sys.truncate('/tall', (DOUBLE + 3) * PAGE_SIZE + 7) },
  { name: 'truncate of a tree', run: (sys) => sys.truncate('/tall', 14 * PAGE_SIZE + 9) },
  { name: 'truncate, longer', run: (sys) => sys.truncate('/d/g', 50_000) },
  { name: 'ftruncate', before: opened('/d/f'), run: (sys, fd) => sys.ftruncate(fd, 5_000) },
  { name: 'write at the end', before: opened('/d/g'), run: (sys, fd) => writeAt(sys, fd, 2, 3_000) },
  { name: 'write of a page', before: opened('/d/f'), run: (sys, fd) => writeAt(sys, fd, 3, PAGE_SIZE) },
  { name: 'write of a part of a page', before: opened('/d/f'), run: (sys, fd) => writeAt(sys, fd, 3, 100, 50) },
  {
    name: 'write below a new indirect block',
    before: opened('/d/g'),
    run: (sys, fd) => writeAt(sys, fd, 40, PAGE_SIZE),
  },
  {
    name: 'write below new indirect blocks',
    before: opened('/d/g'),
    run: (sys, fd) => writeAt(sys, fd, DOUBLE + 9, 100),
  },
  {
    name: 'write into a hole below two indirect blocks',
    before: opened('/tall'),
    run: (sys, fd) => writeAt(sys, fd, DOUBLE + 5, PAGE_SIZE),
  },
  { name: 'store into a mapped hole', isLazy: true, before: opened('/tall'), run: storeIntoHole },
  { name: 'chmod', run: (sys) => sys.chmod('/d/g', 0o600) },
  { name: 'utimes', run: (sys) => sys.utimes('/d/g', 1, 2) },
  { name: 'chown', run: (sys) => sys.chown('/d/g', 70_000, 80_000) },
  { name: 'setxattr, the first', run: (sys) => sys.setxattr('/d/g', 'user.a', own(500, 5)) },
  {
    name: 'setxattr, in its block',
    comesLater: true,
    before: attributed('/d/g'),
    run: (sys) => sys.setxattr('/d/g', 'user.b', own(9, 6)),
  },
  {
    name: 'setxattr of what another has',
    comesLater: true,
    before: attributed('/untouched'),
    run: (sys) => sys.setxattr('/d/g', 'user.a', own(500, 5)),
  },
  {
    name: 'setxattr in a block that is shared',
    comesLater: true,
    before: attributed('/d/g', '/untouched'),
    run: (sys) => sys.setxattr('/d/g', 'user.b', own(9, 6)),
  },
  {
    name: 'removexattr, the last',
    comesLater: true,
    before: attributed('/d/g'),
    run: (sys) => sys.removexattr('/d/g', 'user.a'),
  },
  {
    name: 'removexattr in a block that is shared',
    comesLater: true,
    before: attributed('/d/g', '/untouched'),
    run: (sys) => sys.removexattr('/d/g', 'user.a'),
  },
  {
    name: 'unlink of what has attributes',
    comesLater: true,
    before: attributed('/d/g'),
    run: (sys) => sys.unlink('/d/g'),
  },
];

function* storeIntoHole(sys: Syscalls, fd: number): Process {
  const at = sys.mmap(PAGE_SIZE, PROT.read | PROT.write, MAP.shared, fd, 15 * PAGE_SIZE);
  yield* sys.store(at, own(PAGE_SIZE, 9), 0, PAGE_SIZE);
  yield* sys.munmap(at, PAGE_SIZE);
}

/** What a path leads to. */
export interface Found {
  /** Mode, owner, links, size and attributes. */
  readonly stat: string;
  /** i_blocks. */
  readonly sectors: number;
  /** Of a file, the pages that are not all zeros; of a symbolic link, its text. */
  readonly pages: ReadonlyMap<number, Uint8Array>;
}

/** Everything that a file system holds, by path. */
export type Files = ReadonlyMap<string, Found>;

export function* readAll(sys: Syscalls, path = '', all = new Map<string, Found>()): Process<Files> {
  const names = (yield* sys.readdir(path === '' ? '/' : path)).map(({ name }) => name);
  for (const name of names.filter((each) => each !== '.' && each !== '..').sort()) {
    const at = `${path}/${name}`;
    const { mode, size, links, sectors, uid, gid } = yield* sys.lstat(at);
    const attributes: string[] = [];
    for (const key of yield* sys.llistxattr(at))
      attributes.push(`${key} ${Buffer.from(yield* sys.lgetxattr(at, key)).toString('hex')}`);
    const pages = new Map<number, Uint8Array>();
    all.set(at, {
      stat: `0${mode.toString(8)} of ${uid}.${gid} ${links} links ${size} bytes ${attributes.join(' ')}`,
      sectors,
      pages,
    });
    if (mode >>> 12 === 10) pages.set(0, new TextEncoder().encode(yield* sys.readlink(at)));
    else if (mode >>> 12 === 4) yield* readAll(sys, at, all);
    else if (mode >>> 12 === 8) yield* readPages(sys, at, size, pages);
  }
  return all;
}

/** Pages that hold something, here or after any of the calls, and those around them. */
export function likelyPages(size: number): number[] {
  const pages: number[] = [];
  for (const middle of [20, DOUBLE, DOUBLE + 1_500])
    for (let page = middle - 20; page <= middle + 25 && page * PAGE_SIZE < size; page++) pages.push(page);
  return pages;
}

function* readPages(sys: Syscalls, path: string, size: number, pages: Map<number, Uint8Array>): Process {
  const fd = yield* sys.open(path);
  for (const page of likelyPages(size)) {
    const bytes = new Uint8Array(PAGE_SIZE);
    yield* sys.pread(fd, bytes, 0, PAGE_SIZE, page * PAGE_SIZE);
    if (bytes.some((byte) => byte !== 0)) pages.set(page, bytes);
  }
  yield* sys.close(fd);
}
