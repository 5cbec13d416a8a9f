/**
 * Bad images: any single field of superblock, group descriptor, inode, directory entry or indirect block overwritten,
 * or the image cut short. The answer is a UserError or a ModelError of one line, or a run in which every byte equals
 * what an independent reader makes of the same image; never another exception, a hang, or a wrong byte.
 */

import fc from 'fast-check';
import { expect } from 'vitest';
import { getField, ModelError, PAGE_SIZE, putField, UserError, type Layout } from '../../src/base/index.ts';
import { DIRENT, GROUP_DESCRIPTOR, INODE, MemoryImage, SUPERBLOCK } from '../../src/disk/index.ts';
import { property } from '../support/property.ts';
import { diskOf, runSmall, smallImage } from './small-disk.ts';

const good = smallImage();
const goodDisk = diskOf(good);
const LIMIT = 4 << 20;

function bytesOf(image: MemoryImage): Uint8Array {
  const bytes = new Uint8Array(image.size);
  image.read(0, bytes, 0, image.size);
  return bytes;
}

function imageOf(bytes: Uint8Array): MemoryImage {
  const image = new MemoryImage(bytes.length);
  image.write(0, bytes, 0, bytes.length);
  return image;
}

const goodBytes = bytesOf(good);
const inodeTable = getField(GROUP_DESCRIPTOR, goodBytes, PAGE_SIZE, 'bg_inode_table') * PAGE_SIZE;
/** Inodes in use: the root, and those from 11 on. */
const inodesInUse = [2, ...Array.from({ length: 165 }, (_, i) => 11 + i)].map(
  (ino) => inodeTable + (ino - 1) * INODE.size,
);

/** Where structures of each kind lie in the good image. */
const places: Record<string, { layout: Layout; at: readonly number[] }> = {
  superblock: { layout: SUPERBLOCK, at: [1024] },
  descriptor: { layout: GROUP_DESCRIPTOR, at: [PAGE_SIZE] },
  inode: { layout: INODE, at: inodesInUse },
  dirent: { layout: DIRENT, at: directoryEntries() },
};

/** Entries of the directory blocks: of every inode that is a directory, its first block walked by rec_len. */
function directoryEntries(): number[] {
  const found: number[] = [];
  for (const inode of inodesInUse) {
    if ((getField(INODE, goodBytes, inode, 'i_mode') & 0xf000) !== 0x4000) continue;
    const block = getField(INODE, goodBytes, inode, 'i_block') * PAGE_SIZE;
    for (let at = block; at < block + PAGE_SIZE; at += getField(DIRENT, goodBytes, at, 'rec_len')) found.push(at);
  }
  return found;
}

/** Blocks of indirect pointers. */
const indirectBlocks = inodesInUse.flatMap((inode) =>
  [12, 13]
    .map((i) => getField(INODE, goodBytes, inode, 'i_block', i))
    .filter((block) => block > 0 && block * PAGE_SIZE < good.size),
);

const garbage = fc.oneof(fc.constantFrom(0, 1, 2, 0x7fffffff, 0xffffffff), fc.nat(0xffff), fc.nat(0xffffffff));
const field = fc.constantFrom(...Object.keys(places)).chain((kind) =>
  fc.record({
    kind: fc.constant(kind),
    at: fc.constantFrom(...places[kind]!.at),
    name: fc.constantFrom(...places[kind]!.layout.fields.map(({ name }) => name)),
    element: fc.nat(20),
    value: garbage,
  }),
);
const pointer = fc.record({
  kind: fc.constant('pointer' as const),
  block: fc.constantFrom(...indirectBlocks),
  element: fc.nat(1023),
  value: garbage,
});

/** Runs everything on the image and says how it ended; throws what may not happen. */
function outcome(bytes: Uint8Array): 'right' | 'refused' {
  try {
    const disk = diskOf(imageOf(bytes));
    if (disk.bytes === 0) return 'refused';
    const { mismatches } = runSmall(disk, 'warm-cache+metadata', { limit: LIMIT });
    expect(mismatches).toEqual([]);
    return 'right';
  } catch (error) {
    if (!(error instanceof UserError || error instanceof ModelError)) throw error;
    expect(error.message).not.toContain('\n');
    return 'refused';
  }
}

property(
  'an image with one field of garbage is refused in one line, or read as an independent reader reads it',
  fc.oneof({ weight: 3, arbitrary: field }, { weight: 1, arbitrary: pointer }),
  (change) => {
    const bytes = goodBytes.slice();
    if ('block' in change)
      new DataView(bytes.buffer).setUint32(change.block * PAGE_SIZE + 4 * change.element, change.value, true);
    else {
      const { layout } = places[change.kind]!;
      const { width, count = 1 } = layout.fields.find(({ name }) => name === change.name)!;
      putField(layout, bytes, change.at, change.name, change.value % 256 ** Math.min(width, 4), change.element % count);
    }
    outcome(bytes);
  },
  { numRuns: 250 },
);

property('an image cut short is refused in one line', fc.nat(goodBytes.length - 1), (length) => {
  expect(outcome(goodBytes.slice(0, length))).toBe('refused');
});

property(
  'an image with runs of garbage anywhere is refused in one line, or read as an independent reader reads it',
  fc.array(fc.record({ at: fc.nat(goodBytes.length - 64), bytes: fc.uint8Array({ minLength: 1, maxLength: 64 }) }), {
    minLength: 1,
    maxLength: 20,
  }),
  (runs) => {
    const bytes = goodBytes.slice();
    for (const run of runs) bytes.set(run.bytes, run.at);
    outcome(bytes);
  },
  { numRuns: 60 },
);

property(
  'the undamaged image is read right',
  fc.constant(goodDisk.bytes),
  () => {
    expect(outcome(goodBytes)).toBe('right');
  },
  { numRuns: 1 },
);
