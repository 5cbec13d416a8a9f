// The oracle reads what another program wrote: images by mke2fs, and by hand-made corruption of
// them.
import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  openSync,
  closeSync,
  readFileSync,
  rmSync,
  symlinkSync,
  linkSync,
  writeFileSync,
  writeSync,
  ftruncateSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UserError } from '../../../src/base/index.ts';
import type { ImageStore } from '../../../src/disk/image/image-store.ts';
import { makeExt2 } from '../../../src/disk/mkfs/mkfs.ts';
import { directory, file, tree } from '../../../src/disk/mkfs/tree.ts';
import { OracleExt2 } from '../../../src/experiment/judge/oracle-ext2.ts';
import { findE2fsprogs } from '../../support/e2fsprogs.ts';
import { property } from '../../support/property.ts';

const TOOLS = findE2fsprogs();
const IS_SKIPPED = TOOLS === undefined && process.env['CI'] === undefined;
const PAGE = 4096;

/** An image over plain bytes. */
class BytesImage implements ImageStore {
  readonly bytes: Uint8Array;
  readonly size: number;
  readonly extents = [];
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.size = bytes.length;
  }
  read(offset: number, dst: Uint8Array, dstOffset: number, length: number): void {
    if (offset < 0 || offset + length > this.size) throw new Error('read outside the image');
    dst.set(this.bytes.subarray(offset, offset + length), dstOffset);
  }
  write(offset: number, src: Uint8Array, srcOffset: number, length: number): void {
    this.bytes.set(src.subarray(srcOffset, srcOffset + length), offset);
  }
}

/** The same, showing its bytes without a copy, up to borders of 64 KiB. */
class ShowingImage extends BytesImage {
  views = 0;
  view(offset: number, length: number): Uint8Array | undefined {
    if (Math.floor(offset / 65536) !== Math.floor((offset + length - 1) / 65536)) return undefined;
    this.views++;
    return this.bytes.subarray(offset, offset + length);
  }
}

/** Bytes that differ from place to place, and from seed to seed. */
function pattern(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  let word = seed + 1;
  for (let i = 0; i < length; i++) {
    word = (Math.imul(word, 1103515245) + 12345) >>> 0;
    bytes[i] = word >>> 16;
  }
  return bytes;
}

let dir = '';
const images: Record<number, Uint8Array> = {};
/** Contents by path; sparse.bin apart, which is too long to hold. */
const contents = new Map<string, Buffer>();
const SPARSE_PIECES = [
  { offset: 0, bytes: pattern(5000, 70) },
  { offset: 13 * PAGE + 17, bytes: pattern(100, 71) },
  { offset: (12 + 1024 + 5) * PAGE, bytes: pattern(3 * PAGE, 72) },
  { offset: (12 + 1024 + 1024 * 1024 + 7) * PAGE + 5, bytes: pattern(2000, 73) },
];
const SPARSE_SIZE = (12 + 1024 + 1024 * 1024 + 9) * PAGE + 123;

beforeAll(() => {
  if (IS_SKIPPED) return;
  if (TOOLS === undefined) throw new Error('e2fsprogs is not installed, and in CI nothing is skipped');
  dir = mkdtempSync(join(tmpdir(), 'stillwarm-oracle-'));
  const root = join(dir, 'tree');
  mkdirSync(join(root, 'deep/deeper/deepest'), { recursive: true });
  mkdirSync(join(root, 'many'));
  const put = (path: string, bytes: Buffer): void => {
    contents.set(path, bytes);
    writeFileSync(join(root, path), bytes);
  };
  put('/empty', Buffer.alloc(0));
  put('/one', pattern(1, 1));
  put('/page', pattern(PAGE, 2));
  put('/page-and-one', pattern(PAGE + 1, 3));
  put('/direct', pattern(12 * PAGE, 4));
  put('/indirect', pattern(13 * PAGE - 1, 5));
  put('/double', pattern((12 + 1024 + 3) * PAGE + 77, 6));
  put('/deep/deeper/deepest/üñí ©', pattern(9000, 7));
  for (let i = 0; i < 300; i++) put(`/many/${'n'.repeat(60)}${i}`, pattern(i * 11, 100 + i));
  linkSync(join(root, 'double'), join(root, 'deep/double-again'));
  contents.set('/deep/double-again', contents.get('/double')!);
  symlinkSync('one', join(root, 'fast-link'));
  symlinkSync('x'.repeat(300), join(root, 'slow-link'));
  const fd = openSync(join(root, 'sparse.bin'), 'w');
  ftruncateSync(fd, SPARSE_SIZE);
  for (const { offset, bytes } of SPARSE_PIECES) writeSync(fd, bytes, 0, bytes.length, offset);
  closeSync(fd);
  for (const inodeSize of [128, 256]) {
    const path = join(dir, `${inodeSize}.img`);
    execFileSync(TOOLS.mke2fs, ['-q', '-t', 'ext2', '-b', '4096', '-I', String(inodeSize), '-d', root, path, '32M']);
    images[inodeSize] = new Uint8Array(readFileSync(path));
  }
});

afterAll(() => {
  if (dir !== '') rmSync(dir, { recursive: true, force: true });
});

const open = (inodeSize = 128): OracleExt2 => new OracleExt2(new BytesImage(images[inodeSize]!));
const inoOf = (oracle: OracleExt2, path: string): number =>
  oracle.listFiles().find((candidate) => candidate.path === path)!.ino;

describe.skipIf(IS_SKIPPED).each([128, 256])('an image by mke2fs with inodes of %i bytes', (inodeSize) => {
  it('the oracle lists every regular file once for each path, with its size', () => {
    const listed = open(inodeSize).listFiles();
    const sizes = new Map(listed.map(({ path, size }) => [path, size]));
    expect(listed).toHaveLength(contents.size + 1);
    expect(sizes).toEqual(
      new Map([...contents].map(([path, bytes]) => [path, bytes.length] as const)).set('/sparse.bin', SPARSE_SIZE),
    );
    const inos = new Map(listed.map(({ path, ino }) => [path, ino]));
    expect(inos.get('/double')).toBe(inos.get('/deep/double-again'));
  });

  it('the oracle expects exactly the contents of every file', () => {
    const oracle = open(inodeSize);
    for (const { path, ino } of oracle.listFiles()) {
      const bytes = contents.get(path);
      if (bytes === undefined) continue;
      expect(oracle.expect(ino, 0, bytes.length, bytes, 0), path).toBe(-1);
    }
  });

  it('the oracle reads pages: the contents, then zeros', () => {
    const oracle = open(inodeSize);
    const page = new Uint8Array(PAGE + 8).fill(0xee);
    for (const path of ['/one', '/page-and-one', '/indirect', '/double']) {
      const bytes = contents.get(path)!;
      const ino = inoOf(oracle, path);
      for (let index = 0; index <= Math.ceil(bytes.length / PAGE); index++) {
        const expected = Buffer.alloc(PAGE);
        expected.set(bytes.subarray(index * PAGE, (index + 1) * PAGE));
        oracle.readPage(ino, index, page, 4);
        expect(Buffer.compare(page.subarray(4, 4 + PAGE), expected), `${path} page ${index}`).toBe(0);
      }
    }
    expect([...page.subarray(0, 4), ...page.subarray(4 + PAGE)]).toEqual(new Array(8).fill(0xee));
  });
});

describe.skipIf(IS_SKIPPED)('maps', () => {
  it('maps finds pieces of a sparse file through one, two and three levels, and zeros between', () => {
    const oracle = open();
    const ino = inoOf(oracle, '/sparse.bin');
    for (const { offset, bytes } of SPARSE_PIECES) {
      expect(oracle.blockOf(ino, Math.floor(offset / PAGE))).toBeGreaterThan(0);
      expect(oracle.expect(ino, offset, bytes.length, bytes, 0)).toBe(-1);
      const around = Buffer.concat([Buffer.alloc(offset === 0 ? 0 : 5), bytes, Buffer.alloc(3 * PAGE)]);
      expect(oracle.expect(ino, Math.max(0, offset - 5), around.length, around, 0)).toBe(-1);
    }
    expect(oracle.blockOf(ino, 5)).toBe(0);
    expect(oracle.blockOf(ino, 5000)).toBe(0);
    expect(oracle.blockOf(ino, 2 ** 31)).toBe(0);
    expect(oracle.expect(ino, 20 * PAGE, 300 * PAGE, Buffer.alloc(300 * PAGE), 0)).toBe(-1);
  });

  it('maps names the block whose bytes a page has', () => {
    const oracle = open();
    const bytes = contents.get('/double')!;
    const ino = inoOf(oracle, '/double');
    for (let index = 0; index < bytes.length / PAGE - 1; index += 97) {
      const block = oracle.blockOf(ino, index);
      const onDisk = images[128]!.subarray(block * PAGE, (block + 1) * PAGE);
      expect(Buffer.compare(onDisk, bytes.subarray(index * PAGE, (index + 1) * PAGE))).toBe(0);
    }
  });

  it('maps takes inode 0 for the device itself, block 0 included', () => {
    const oracle = open();
    expect(oracle.blockOf(0, 7)).toBe(7);
    const page = new Uint8Array(PAGE);
    for (const block of [0, 1, 5]) {
      oracle.readPage(0, block, page, 0);
      expect(Buffer.compare(page, images[128]!.subarray(block * PAGE, (block + 1) * PAGE))).toBe(0);
      expect(oracle.expect(0, block * PAGE, PAGE, page, 0)).toBe(-1);
    }
  });

  it('maps reads again after invalidate, and only then', () => {
    const image = new BytesImage(images[128]!.slice());
    const oracle = new OracleExt2(image);
    const ino = inoOf(oracle, '/page');
    const generation = oracle.generation(ino);
    const inodeAt = locate(image.bytes, ino);
    image.bytes[inodeAt + 100] = image.bytes[inodeAt + 100]! ^ 0x5a;
    expect(oracle.generation(ino)).toBe(generation);
    oracle.invalidate();
    expect(oracle.generation(ino)).toBe((generation ^ 0x5a) >>> 0);
  });
});

describe.skipIf(IS_SKIPPED)('expect', () => {
  property(
    'the oracle expects any piece of a file to equal itself, and finds any one changed byte where it is',
    fc.constantFrom('/page-and-one', '/indirect', '/double'),
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.double({ min: 0, max: 0.999, noNaN: true }),
    fc.integer({ min: 1, max: 255 }),
    fc.boolean(),
    (path, from, share, where, flip, isShowing) => {
      const image = new (isShowing ? ShowingImage : BytesImage)(images[256]!);
      const oracle = new OracleExt2(image);
      const bytes = contents.get(path)!;
      // Up to a page beyond the end, where zeros are expected.
      const padded = Buffer.concat([bytes, Buffer.alloc(PAGE)]);
      const offset = Math.floor(from * padded.length);
      const length = Math.floor(share * (padded.length - offset));
      const ino = inoOf(oracle, path);
      if (oracle.expect(ino, offset, length, padded, offset) !== -1) throw new Error('differs from itself');
      if (image instanceof ShowingImage && length > PAGE && image.views === 0) throw new Error('copied');
      if (length === 0) return;
      const changed = Buffer.from(padded);
      const at = Math.floor(where * length);
      changed[offset + at] = changed[offset + at]! ^ flip;
      const found = oracle.expect(ino, offset, length, changed, offset);
      if (found !== at) throw new Error(`changed byte ${at}, found ${found}`);
    },
    { numRuns: 25, lawRuns: 60 },
  );
});

/** Where an inode lies, for the tests that damage one. */
function locate(bytes: Uint8Array, ino: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const perGroup = view.getUint32(1024 + 40, true);
  const table = view.getUint32(PAGE + Math.floor((ino - 1) / perGroup) * 32 + 8, true);
  return table * PAGE + ((ino - 1) % perGroup) * view.getUint16(1024 + 88, true);
}

/** Everything that the oracle can be asked about an image. */
function readAll(image: ImageStore): void {
  const oracle = new OracleExt2(image);
  const page = new Uint8Array(PAGE);
  for (const { ino, size } of oracle.listFiles()) {
    oracle.blockOf(ino, 3);
    oracle.readPage(ino, 0, page, 0);
    oracle.expect(ino, 0, Math.min(size, PAGE), page, 0);
  }
}

/** The one line that an image is refused with; undefined when it is read. */
function refusal(bytes: Uint8Array): string | undefined {
  try {
    readAll(new BytesImage(bytes));
    return undefined;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    if (error.message.includes('\n')) throw new Error(`not one line: ${error.message}`);
    return error.message;
  }
}

describe.skipIf(IS_SKIPPED)('a corrupt image', () => {
  property(
    'a corrupt image is read or refused with one line, whatever bytes of its metadata are changed',
    fc.array(
      fc.record({
        place: fc.constantFrom('superblock', 'descriptors', 'root', 'directory', 'file', 'sparse', 'anywhere'),
        offset: fc.nat(),
        value: fc.constantFrom(0, 1, 2, 11, 12, 0x7f, 0x80, 0xff),
      }),
      { minLength: 1, maxLength: 4 },
    ),
    (changes) => {
      const bytes = images[128]!.slice();
      const oracle = open();
      for (const { place, offset, value } of changes) {
        const [start, length] = {
          superblock: [1024, 128],
          descriptors: [PAGE, 32],
          root: [oracle.blockOf(2, 0) * PAGE, PAGE],
          directory: [locate(bytes, 2), 128],
          file: [locate(bytes, inoOf(oracle, '/double')), 128],
          sparse: [locate(bytes, inoOf(oracle, '/sparse.bin')), 128],
          anywhere: [0, bytes.length],
        }[place] as [number, number];
        bytes[start + (offset % length)] = value;
      }
      refusal(bytes);
    },
    { numRuns: 20, lawRuns: 150 },
  );

  property('an image of random bytes is refused', fc.uint8Array({ minLength: 0, maxLength: 3 * PAGE }), (bytes) => {
    const why = refusal(bytes);
    return why?.startsWith('ext2 image: ') === true;
  });

  it('a corrupt image with a directory that contains its parent is refused, not walked forever', () => {
    const bytes = images[128]!.slice();
    const view = new DataView(bytes.buffer);
    const root = open().blockOf(2, 0) * PAGE;
    // The entry after '.' and '..' comes to name the root itself.
    view.setUint32(root + 24, 2, true);
    expect(refusal(bytes)).toMatch(/directory inode 2 is reached twice/);
  });

  it('a corrupt image with an indirect block that contains itself is refused, not walked forever', () => {
    const bytes = images[128]!.slice();
    const view = new DataView(bytes.buffer);
    const triple = view.getUint32(locate(bytes, inoOf(open(), '/sparse.bin')) + 40 + 14 * 4, true);
    for (let i = 0; i < 1024; i++) view.setUint32(triple * PAGE + i * 4, triple, true);
    expect(refusal(bytes)).toMatch(/twice as an indirect block/);
  });

  it.each([
    ['the magic number', 56, 0, /magic/],
    ['the block size', 24, 0, /s_log_block_size is 0/],
    ['an incompatible feature', 96, 0x42, /incompatible features 0x40/],
    ['the inode size', 88, 100, /s_inode_size is 100/],
    ['a block count beyond the image', 7, 1, /cut short/],
  ])('a corrupt image is refused by %s', (_what, offset, value, message) => {
    const bytes = images[128]!.slice();
    bytes[1024 + offset] = value;
    expect(refusal(bytes)).toMatch(message);
  });
});

describe('an image by our own mkfs', () => {
  property(
    'an image by our own mkfs holds every file of the tree, byte for byte',
    fc.uniqueArray(
      fc.record({
        folder: fc.constantFrom('', 'a', 'b'),
        name: fc.string({ minLength: 1, maxLength: 20, unit: fc.constantFrom('x', 'y', 'é', '.') }),
        pages: fc.constantFrom(0, 1, 11, 12, 13, 30),
        tail: fc.nat({ max: PAGE - 1 }),
      }),
      { selector: ({ folder, name }) => `/${folder}/${name}`, maxLength: 12 },
    ),
    (described) => {
      const files = described
        .filter(({ name }) => name !== '.' && name !== '..')
        .map(({ folder, name, pages, tail }, i) => ({
          folder,
          name: `${name}f`,
          bytes: pattern(pages * PAGE + tail, i),
        }));
      const inFolder = (wanted: string): [string, ReturnType<typeof file>][] =>
        files.filter(({ folder }) => folder === wanted).map(({ name, bytes }) => [name, file(bytes)]);
      const root = directory([...inFolder(''), ['a', directory(inFolder('a'))], ['b', directory(inFolder('b'))]]);
      const oracle = new OracleExt2(makeExt2(tree(root)));
      const listed = new Map(oracle.listFiles().map((found) => [found.path, found]));
      if (listed.size !== files.length) throw new Error(`${listed.size} files of ${files.length}`);
      for (const { folder, name, bytes } of files) {
        const path = folder === '' ? `/${name}` : `/${folder}/${name}`;
        const found = listed.get(path);
        if (found?.size !== bytes.length) throw new Error(`${path} is missing or has another size`);
        if (oracle.expect(found.ino, 0, bytes.length, bytes, 0) !== -1) throw new Error(`${path} differs`);
      }
    },
    { numRuns: 40 },
  );
});

/**
 * An image of `blocks` blocks with so many files, whose bytes may be changed; counts what is read
 * of it.
 */
class CraftedImage extends BytesImage {
  reads = 0;
  readonly words: DataView;
  readonly #free: number;
  readonly blocks: number;

  constructor(blocks: number, files: number) {
    const entries = Array.from({ length: files }, (_, i) => [`f${i}`, file('x')] as const);
    const image = makeExt2(tree(directory(entries)), { size: blocks * PAGE });
    const bytes = new Uint8Array(image.size);
    image.read(0, bytes, 0, bytes.length);
    super(bytes);
    this.words = new DataView(bytes.buffer);
    this.blocks = blocks;
    // What mkfs used lies at the beginning.
    this.#free = this.blocks / 2;
  }

  override read(offset: number, dst: Uint8Array, dstOffset: number, length: number): void {
    this.reads++;
    super.read(offset, dst, dstOffset, length);
  }

  /**
   * Makes block number `n` of the free ones an indirect block with these pointers, all 1024 of them
   * in turn.
   */
  indirect(n: number, pointers: readonly number[]): number {
    const block = this.#free + n;
    for (let i = 0; i < 1024; i++) this.words.setUint32(block * PAGE + i * 4, pointers[i % pointers.length]!, true);
    return block;
  }

  data(n: number): number {
    return this.#free + n;
  }

  /** Gives an inode a size, and one pointer, by its place in i_block. */
  point(ino: number, place: number, block: number, pages: number): void {
    const at = locate(this.bytes, ino);
    this.words.setUint32(at + 4, (pages * PAGE) % 2 ** 32, true);
    this.words.setUint32(at + 108, Math.floor((pages * PAGE) / 2 ** 32), true);
    for (let i = 0; i < 15; i++) this.words.setUint32(at + 40 + i * 4, 0, true);
    this.words.setUint32(at + 40 + place * 4, block, true);
  }
}

describe('a crafted image', () => {
  const inosOf = (image: CraftedImage): number[] => new OracleExt2(image).listFiles().map(({ ino }) => ino);
  const ALL_PAGES = 12 + 1024 + 1024 ** 2 + 1024 ** 3;

  it('a crafted image is listed without a look at the maps of its files, however long they claim to be', () => {
    const image = new CraftedImage(2048, 50);
    const inos = inosOf(image);
    const sound = image.reads;
    for (const ino of inos) image.point(ino, 14, image.indirect(0, [image.data(0)]), ALL_PAGES);
    image.reads = 0;
    const listed = new OracleExt2(image).listFiles();
    expect(listed.map(({ size }) => size)).toEqual(inos.map(() => ALL_PAGES * PAGE));
    expect(image.reads).toBe(sound);
  });

  it.each([
    ['two data blocks in turn', (image: CraftedImage) => [image.data(900), image.data(902)]],
    ['one data block', (image: CraftedImage) => [image.data(900)]],
  ])('a tree of pointers to %s ends when it has claimed every block there is', (_what, pointers) => {
    const image = new CraftedImage(2048, 1);
    const [ino] = inosOf(image) as [number];
    const leaves = Array.from({ length: 800 }, (_, i) => image.indirect(i, pointers(image)));
    image.point(ino, 14, image.indirect(820, [image.indirect(810, leaves)]), ALL_PAGES);
    const oracle = new OracleExt2(image);
    image.reads = 0;
    expect(() => oracle.blockOf(ino, 0)).toThrow(
      new UserError(
        `ext2 image: multiply-claimed blocks: with inode ${ino} more are claimed than there are, 2048; run e2fsck`,
      ),
    );
    // The inode and its descriptor, the root, its first pointer's block, and two leaves of 1024
    // pointers.
    expect(image.reads).toBe(2 + 1 + 1 + 2);
  });

  it('files that share all blocks of a tree are mapped until all blocks are claimed, and no further', () => {
    const image = new CraftedImage(4096, 40);
    const inos = inosOf(image);
    const data = Array.from({ length: 1000 }, (_, i) => image.data(10 + 2 * (i % 1000)));
    const leaf = image.indirect(0, [...data, ...new Array<number>(24).fill(0)]);
    for (const ino of inos) image.point(ino, 12, leaf, 12 + 1024);
    const oracle = new OracleExt2(image);
    let mapped = 0;
    const mapAll = (): void => {
      for (const ino of inos) {
        oracle.blockOf(ino, 12);
        mapped++;
      }
    };
    expect(mapAll).toThrow(/multiply-claimed blocks/);
    // 1001 blocks each, beside the block of the root directory, which is not asked for.
    expect(mapped).toBe(4);
    oracle.invalidate();
    mapped = 0;
    expect(mapAll).toThrow(/multiply-claimed blocks/);
    expect(mapped).toBe(4);
  });

  it('every block may be claimed once', () => {
    const image = new CraftedImage(2048, 1);
    const [ino] = inosOf(image) as [number];
    // All of the upper half: 1023 data blocks and what points to them.
    const pointers = Array.from({ length: 1023 }, (_, i) => image.data(1 + i));
    image.point(ino, 12, image.indirect(0, [...pointers, 0]), 12 + 1023);
    const oracle = new OracleExt2(image);
    expect(oracle.blockOf(ino, 12 + 1022)).toBe(image.data(1023));
    expect(oracle.expect(ino, 13 * PAGE, PAGE, new Uint8Array(PAGE), 0)).toBe(-1);
  });
});

describe('names that no path reaches', () => {
  it('names that no path reaches are told with the reason, and the others are listed', () => {
    const deep = (levels: number): ReturnType<typeof directory> =>
      directory(
        levels === 0
          ? [['f', file('1')]]
          : [
              ['d'.repeat(255), deep(levels - 1)],
              ['g', file('22')],
            ],
      );
    const raw = Uint8Array.of(0xff, 0x1b);
    const root = directory([
      ['\ufeffbom', file('1')],
      ['\ufffd', file('1')],
      [raw, file('333')],
      ['raw', directory([[raw, directory([['x\n', file('4444')]])]])],
      ['deep', deep(20)],
    ]);
    const image = makeExt2(tree(root));
    const unreachable: [string, number, string][] = [];
    const listed = new OracleExt2(image).listFiles(({ path, size, why }) => unreachable.push([path, size, why]));
    const files = listed.map(({ path }) => path).filter((path) => !path.startsWith('/deep'));
    expect(files).toEqual(['/raw/\udcff\x1b/x\n', '/\ufeffbom', '/\ufffd', '/\udcff\x1b']);
    // /deep/d…d/g at 15 levels: 5 + 15 × 256 + 2 = 3847 bytes; one level more has 4103.
    expect(listed.filter(({ path }) => path.endsWith('/g'))).toHaveLength(16);
    expect(unreachable).toEqual([
      [`/deep${`/${'d'.repeat(255)}`.repeat(16)}`.slice(0, 80) + '…', 0, 'its path is longer than 4095 bytes'],
    ]);
  });

  it.each([
    ['a slash', 0x2f],
    ['a zero byte', 0],
  ])('a name with %s is among those that no path reaches', (_what, byte) => {
    const image = makeExt2(tree(directory([['name', file('1')]])));
    const oracle = new OracleExt2(image);
    const block = oracle.blockOf(2, 0);
    const bytes = new Uint8Array(PAGE);
    image.read(block * PAGE, bytes, 0, PAGE);
    image.write(block * PAGE + Buffer.from(bytes).indexOf('name') + 1, Uint8Array.of(byte), 0, 1);
    const why: string[] = [];
    expect(new OracleExt2(image).listFiles((file) => why.push(file.why))).toEqual([]);
    expect(why).toEqual(['its name is empty, or has a slash or a zero byte']);
  });
});
