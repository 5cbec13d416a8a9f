/**
 * Bad images: any single field of superblock, group descriptor, inode, directory entry or indirect
 * block overwritten, or the image cut short. Two answers are right. One is a UserError or a
 * ModelError of one line. The other is a run in which every byte equals what an independent reader
 * makes of the same image. Another exception, a hang or a wrong byte is never right.
 */

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { getField, ModelError, PAGE_SIZE, putField, UserError, type Layout } from '../../../../src/base/index.ts';
import { DIRENT, GROUP_DESCRIPTOR, INODE, SUPERBLOCK } from '../../../../src/format/ext2.ts';
import type { MemoryImage } from '../../../../src/disk/index.ts';
import { JOURNAL_BLOCKS, JOURNAL_INO } from '../../../support/journal-image.ts';
import { property } from '../../../support/property.ts';
import { bytesOf, diskOf, imageOf, runSmall, smallImage } from '../../../support/small-disk.ts';

const LIMIT = 4 << 20;

/** A good image, and where its structures lie. */
class Subject {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly places: Readonly<Record<string, { layout: Layout; at: readonly number[] }>>;
  /** Blocks of indirect pointers. */
  readonly indirectBlocks: readonly number[];

  constructor(name: string, image: MemoryImage) {
    this.name = name;
    this.bytes = bytesOf(image);
    const table = getField(GROUP_DESCRIPTOR, this.bytes, PAGE_SIZE, 'bg_inode_table') * PAGE_SIZE;
    // The root, the journal, and those from 11 on.
    const inodes = [2, JOURNAL_INO, ...Array.from({ length: 165 }, (_, i) => 11 + i)].map(
      (ino) => table + (ino - 1) * INODE.size,
    );
    this.places = {
      superblock: { layout: SUPERBLOCK, at: [1024] },
      descriptor: { layout: GROUP_DESCRIPTOR, at: [PAGE_SIZE] },
      inode: { layout: INODE, at: inodes },
      dirent: { layout: DIRENT, at: inodes.flatMap((inode) => this.#entriesOf(inode)) },
    };
    this.indirectBlocks = inodes.flatMap((inode) =>
      [12, 13].map((i) => this.#pointer(inode, i)).filter((block) => block > 0 && block * PAGE_SIZE < image.size),
    );
  }

  toString(): string {
    return this.name;
  }

  #pointer(inode: number, i: number): number {
    return getField(INODE, this.bytes, inode, 'i_block', i);
  }

  /** Entries of the first block of an inode that is a directory, walked by rec_len. */
  #entriesOf(inode: number): number[] {
    if ((getField(INODE, this.bytes, inode, 'i_mode') & 0xf000) !== 0x4000) return [];
    const found: number[] = [];
    const block = this.#pointer(inode, 0) * PAGE_SIZE;
    for (let at = block; at < block + PAGE_SIZE; at += getField(DIRENT, this.bytes, at, 'rec_len')) found.push(at);
    return found;
  }
}

const SUBJECTS = [new Subject('ext2', smallImage()), new Subject('ext3', smallImage(JOURNAL_BLOCKS))] as const;
const subject = fc.constantFrom(...SUBJECTS);

const garbage = fc.oneof(fc.constantFrom(0, 1, 2, 0x7fffffff, 0xffffffff), fc.nat(0xffff), fc.nat(0xffffffff));
/** One field of one structure of a subject, or one pointer of its indirect blocks. */
const change = subject.chain(({ name, places, indirectBlocks }) => {
  const structure = fc.constantFrom(...Object.keys(places)).chain((kind) => {
    const { layout, at } = places[kind]!;
    return fc.record({
      of: fc.constant(name),
      kind: fc.constant(kind),
      at: fc.constantFrom(...at),
      field: fc.constantFrom(...layout.fields.map((each) => each.name)),
      element: fc.nat(20),
      value: garbage,
    });
  });
  const pointer = fc.record({
    of: fc.constant(name),
    kind: fc.constant('pointer' as const),
    at: fc.tuple(fc.constantFrom(...indirectBlocks), fc.nat(1023)).map(([block, i]) => block * PAGE_SIZE + 4 * i),
    value: garbage,
  });
  return fc.oneof({ weight: 3, arbitrary: structure }, { weight: 1, arbitrary: pointer });
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
  change,
  (changed) => {
    const { bytes: good, places } = SUBJECTS.find(({ name }) => name === changed.of)!;
    const bytes = good.slice();
    if ('field' in changed) {
      const { layout } = places[changed.kind]!;
      const { width, count = 1 } = layout.fields.find(({ name }) => name === changed.field)!;
      const value = changed.value % 256 ** Math.min(width, 4);
      putField(layout, bytes, changed.at, changed.field, value, changed.element % count);
    } else new DataView(bytes.buffer).setUint32(changed.at, changed.value, true);
    outcome(bytes);
  },
  { numRuns: 9, lawRuns: 250 },
);

property('an image that is cut short is refused in one line', subject, fc.nat(), ({ bytes }, length) => {
  expect(outcome(bytes.slice(0, length % bytes.length))).toBe('refused');
});

property(
  'an image with runs of garbage anywhere is refused in one line, or read as an independent reader reads it',
  subject,
  fc.array(fc.record({ at: fc.nat(), bytes: fc.uint8Array({ minLength: 1, maxLength: 64 }) }), {
    minLength: 1,
    maxLength: 20,
  }),
  ({ bytes: good }, runs) => {
    const bytes = good.slice();
    for (const run of runs) bytes.set(run.bytes, run.at % (bytes.length - 64));
    outcome(bytes);
  },
  { numRuns: 3, lawRuns: 60 },
);

it.each(SUBJECTS.map((each) => [each.name, each.bytes] as const))(
  'the undamaged %s image is read right',
  (_, bytes) => {
    expect(outcome(bytes)).toBe('right');
  },
);
