// Writing to a file system whose metadata is garbage, without a journal and with one. The guest
// answers with its typed errors, goes read-only, and neither throws anything else nor hangs. So
// does the next guest.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ModelError, PAGE_SIZE } from '../../../../src/base/index.ts';
import type { MemoryImage } from '../../../../src/disk/image/memory-image.ts';
import { OracleExt2 } from '../../../../src/experiment/judge/oracle-ext2.ts';
import { smallImage } from '../../../support/small-disk.ts';
import { JOURNAL_BLOCKS, JOURNAL_INO } from '../../../support/journal-image.ts';
import { property } from '../../../support/property.ts';
import { survives } from '../../../laws/change-everything.ts';
import { FakeMachine } from '../../../support/fake-machine.ts';

const IMAGES: [string, MemoryImage][] = [
  ['ext2', smallImage()],
  ['ext3', smallImage(JOURNAL_BLOCKS)],
];

/**
 * Superblock, descriptors, bitmaps, the inode table, the first directories and indirect blocks, and
 * the journal's first block.
 */
function metadataOf(image: MemoryImage): number[] {
  const blocks = image.size / PAGE_SIZE;
  const oracle = new OracleExt2(image);
  const journal = oracle.blockOf(JOURNAL_INO, 0);
  if (journal === 0) return Array.from({ length: Math.min(blocks, 60) }, (_, i) => i);
  // Around the journal's data lie its indirect block and, behind it, the other directories and
  // files.
  const end = oracle.blockOf(JOURNAL_INO, JOURNAL_BLOCKS - 1) + 1;
  return [...Array.from({ length: journal + 13 }, (_, i) => i), ...Array.from({ length: 40 }, (_, i) => end + i)];
}

describe.each(IMAGES)('changing a damaged file system: %s', (_, pristine) => {
  const blocks = pristine.size / PAGE_SIZE;
  const metadata = metadataOf(pristine);

  /** What becomes of the image with these changes. */
  function survivesWith(change: (image: MemoryImage) => void, isCrash: boolean): void {
    const image = pristine.clone();
    change(image);
    survives(image, isCrash);
  }

  property(
    'a guest survives a change of a file system with bytes of its metadata overwritten',
    fc.array(fc.tuple(fc.constantFrom(...metadata), fc.nat(PAGE_SIZE - 1), fc.nat(255)), {
      minLength: 1,
      maxLength: 20,
    }),
    fc.boolean(),
    (writes, isCrash) =>
      survivesWith((image) => {
        for (const [block, at, byte] of writes) image.write(block * PAGE_SIZE + at, Uint8Array.of(byte), 0, 1);
      }, isCrash),
    { numRuns: 6, lawRuns: 25 },
  );

  property(
    'a guest survives a change of a file system with words in its metadata that look like blocks or inodes',
    fc.constantFrom(...metadata.slice(1)),
    fc.array(fc.oneof(fc.nat(70), fc.nat(blocks + 10), fc.constant(0), fc.constant(0xffff_ffff)), {
      minLength: 8,
      maxLength: 64,
    }),
    fc.boolean(),
    (block, words, isCrash) =>
      survivesWith((image) => {
        const page = Uint32Array.from({ length: PAGE_SIZE / 4 }, (_, i) => words[i % words.length]!);
        image.write(block * PAGE_SIZE, new Uint8Array(page.buffer), 0, PAGE_SIZE);
      }, isCrash),
    { numRuns: 6, lawRuns: 25 },
  );

  property(
    'a guest survives a change of an image that is cut off from its bitmaps, all free or all in use',
    fc.boolean(),
    fc.integer({ min: 2, max: 4 }),
    fc.boolean(),
    (free, block, isCrash) =>
      survivesWith(
        (image) => image.write(block * PAGE_SIZE, new Uint8Array(PAGE_SIZE).fill(free ? 0 : 255), 0, PAGE_SIZE),
        isCrash,
      ),
    { numRuns: 6 },
  );

  it('the number of an inode in memory that the bitmap calls free is not given away', () => {
    const image = pristine.clone();
    image.write(3 * PAGE_SIZE, new Uint8Array(PAGE_SIZE), 0, PAGE_SIZE);
    const machine = new FakeMachine({ image });
    const { syscalls } = machine.run(machine.boot());
    for (const { name } of machine.run(syscalls.readdir('/'))) machine.run(syscalls.lstat(`/${name}`));
    const make = (): void => machine.run(syscalls.mkdir('/new'));
    expect(make).toThrow(ModelError);
    expect(make).toThrow(/read-only/);
  });
});
