// A journal that is garbage, or lies: its superblock, its inode, its blocks, its tags, and the list
// of orphans. The image is one that a crash has left, with a log to be replayed. The guest mounts
// it, or refuses with an errno; it neither throws anything else nor hangs, nor does the next one.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { getField, type Layout, PAGE_SIZE, putField } from '../../../../src/base/index.ts';
import { EXT2_SUPERBLOCK_OFFSET, GROUP_DESCRIPTOR, INODE, SUPERBLOCK } from '../../../../src/format/ext2.ts';
import { JBD_SUPERBLOCK, jbdWords } from '../../../../src/format/jbd.ts';
import type { MemoryImage } from '../../../../src/disk/image/memory-image.ts';
import { O } from '../../../../src/kernel/index.ts';
import { changeEverything } from '../../../../src/lab/fuzz/programs.ts';
import { smallImage } from '../../../support/small-disk.ts';
import {
  JOURNAL_BLOCKS,
  JOURNAL_INO,
  JournalFile,
  readBlock,
  setSuper,
  writeBlock,
} from '../../../support/journal-image.ts';
import { property } from '../../../support/property.ts';
import { survives } from '../../../laws/change-everything.ts';
import { FakeMachine } from '../../../support/fake-machine.ts';

/** A crash has left a log of some transactions, and two orphans. */
const PRISTINE = smallImage(JOURNAL_BLOCKS);
const JOURNAL = new JournalFile(PRISTINE.clone());
const CRASHED = PRISTINE.clone();
{
  const machine = new FakeMachine({ image: CRASHED });
  machine.run(
    (function* () {
      const { syscalls: sys } = yield* machine.boot();
      yield* changeEverything(sys);
      for (const name of ['/orphan1', '/orphan2']) {
        const fd = yield* sys.open(name, O.rdwr | O.creat);
        yield* sys.pwrite(fd, new Uint8Array(70_000), 0, 70_000, 0);
        yield* sys.unlink(name);
        yield* sys.fsync(fd);
      }
    })(),
  );
}
const BLOCKS = CRASHED.size / PAGE_SIZE;
const TABLE = getField(GROUP_DESCRIPTOR, readBlock(PRISTINE, 1), 0, 'bg_inode_table') * PAGE_SIZE;
const INODES = getField(SUPERBLOCK, readBlock(PRISTINE, 0), EXT2_SUPERBLOCK_OFFSET, 's_inodes_count');
/** Blocks of the log in use: it begins at the first of the ring. */
const LOG = (() => {
  let end = 1;
  while (end < JOURNAL_BLOCKS && readBlock(CRASHED, JOURNAL.place(end)).some((byte) => byte !== 0)) end++;
  return end;
})();

const word = fc.oneof(
  fc.nat(20),
  fc.nat(JOURNAL_BLOCKS + 2),
  fc.nat(BLOCKS + 2),
  fc.constantFrom(0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff),
  fc.nat(0xffff_ffff),
);

/** What becomes of the crashed image with these changes. */
function survivesWith(isCrash: boolean, change: (image: MemoryImage) => void): void {
  const image = CRASHED.clone();
  change(image);
  survives(image, isCrash);
}

function putWord(image: MemoryImage, block: number, at: number, value: number): void {
  const bytes = readBlock(image, block);
  jbdWords(bytes).setUint32(4 * at, value);
  writeBlock(image, block, bytes);
}

function putInode(image: MemoryImage, ino: number, name: keyof typeof INODE.offset, value: number, element = 0): void {
  const at = TABLE + (ino - 1) * INODE.size;
  const block = Math.floor(at / PAGE_SIZE);
  const bytes = readBlock(image, block);
  putField(INODE as Layout, bytes, at % PAGE_SIZE, name, value % 256 ** INODE_WIDTH.get(name)!, element);
  writeBlock(image, block, bytes);
}
const INODE_WIDTH = new Map<string, number>(INODE.fields.map(({ name, width }) => [name, width]));

it('the crashed image has a log and a list of orphans', () => {
  expect(LOG).toBeGreaterThan(40);
  expect(getField(SUPERBLOCK, readBlock(CRASHED, 0), EXT2_SUPERBLOCK_OFFSET, 's_feature_incompat')).toBe(6);
  survivesWith(false, () => undefined);
});

describe('a damaged journal', () => {
  property(
    'a guest survives a journal in which bytes of the log are overwritten',
    fc.array(fc.tuple(fc.nat(LOG - 1), fc.oneof(fc.nat(40), fc.nat(PAGE_SIZE - 1)), fc.nat(255)), {
      minLength: 1,
      maxLength: 12,
    }),
    fc.boolean(),
    (writes, isCrash) =>
      survivesWith(isCrash, (image) => {
        for (const [position, at, byte] of writes)
          image.write(JOURNAL.place(position) * PAGE_SIZE + at, Uint8Array.of(byte), 0, 1);
      }),
    { numRuns: 6, lawRuns: 25 },
  );

  property(
    'a guest survives a journal in which blocks of the log are swapped, repeated or zeroed',
    fc.array(fc.tuple(fc.nat(LOG - 1), fc.nat(LOG - 1), fc.constantFrom('swap', 'copy', 'zero')), {
      minLength: 1,
      maxLength: 6,
    }),
    fc.boolean(),
    (changes, isCrash) =>
      survivesWith(isCrash, (image) => {
        for (const [a, b, how] of changes) {
          const [from, to] = [JOURNAL.place(a), JOURNAL.place(b)];
          const old = readBlock(image, to);
          writeBlock(image, to, how === 'zero' ? new Uint8Array(PAGE_SIZE) : readBlock(image, from));
          if (how === 'swap') writeBlock(image, from, old);
        }
      }),
    { numRuns: 6, lawRuns: 25 },
  );

  property(
    'a guest survives a journal in which words of its superblock are garbage',
    fc.array(fc.tuple(fc.constantFrom(...Object.values(JBD_SUPERBLOCK.offset).filter((at) => at < 64)), word), {
      minLength: 1,
      maxLength: 4,
    }),
    fc.boolean(),
    (words, isCrash) =>
      survivesWith(isCrash, (image) => {
        for (const [at, value] of words) putWord(image, JOURNAL.place(0), at / 4, value);
      }),
    { numRuns: 6, lawRuns: 25 },
  );

  property(
    'a guest survives a journal with garbage in the tags and flags of its descriptors and in its revoke blocks',
    fc.array(fc.tuple(fc.nat(LOG - 1), fc.integer({ min: 3, max: 40 }), word), { minLength: 1, maxLength: 30 }),
    fc.boolean(),
    (words, isCrash) =>
      survivesWith(isCrash, (image) => {
        for (const [position, at, value] of words) {
          // Of a block of contents, the first bytes are of no special interest: aim at the block of
          // control before it.
          let control = position;
          while (control > 0 && jbdWords(readBlock(image, JOURNAL.place(control))).getUint32(0) !== 0xc03b_3998)
            control--;
          if (control > 0) putWord(image, JOURNAL.place(control), at, value);
        }
      }),
    { numRuns: 5, lawRuns: 25 },
  );

  property(
    'a guest survives a journal whose inode has a wrong size, mode or pointer, or garbage in its indirect block',
    fc.array(
      fc.oneof(
        fc.record({
          what: fc.constantFrom(...(['i_size', 'i_mode', 'i_links_count', 'i_size_high', 'i_flags'] as const)),
          value: word,
        }),
        fc.record({ what: fc.constant('i_block' as const), element: fc.nat(14), value: word }),
        fc.record({
          what: fc.constant('i_block' as const),
          element: fc.nat(14),
          value: fc.constantFrom(
            0,
            1,
            2,
            3,
            TABLE / PAGE_SIZE,
            JOURNAL.place(0),
            JOURNAL.place(20),
            JOURNAL.place(12) - 1,
          ),
        }),
        fc.record({ what: fc.constant('indirect' as const), element: fc.nat(LOG), value: word }),
      ),
      { minLength: 1, maxLength: 4 },
    ),
    fc.boolean(),
    (changes, isCrash) =>
      survivesWith(isCrash, (image) => {
        for (const change of changes) {
          if (change.what === 'indirect') {
            const bytes = readBlock(image, JOURNAL.place(12) - 1);
            new DataView(bytes.buffer).setUint32(4 * (change.element % 1024), change.value, true);
            writeBlock(image, JOURNAL.place(12) - 1, bytes);
          } else putInode(image, JOURNAL_INO, change.what, change.value, 'element' in change ? change.element : 0);
        }
      }),
    { numRuns: 5, lawRuns: 25 },
  );

  property(
    'a guest survives a superblock that calls another inode the journal',
    fc.oneof(fc.nat(INODES + 2), word),
    fc.boolean(),
    (ino, isCrash) => survivesWith(isCrash, (image) => setSuper(image, 's_journal_inum', ino)),
    { numRuns: 8, lawRuns: 20 },
  );
});

describe('a list of orphans', () => {
  property(
    'a guest survives a list of orphans that leads to files in use, to itself, to directories, to reserved and to missing inodes',
    fc.oneof(fc.nat(INODES + 2), word),
    fc.array(fc.tuple(fc.nat(INODES - 1), fc.oneof(fc.nat(INODES + 2), word), fc.constantFrom(0, 1, 2)), {
      maxLength: 8,
    }),
    fc.boolean(),
    (first, inodes, isCrash) => {
      const image = PRISTINE.clone();
      setSuper(image, 's_last_orphan', first);
      for (const [ino, next, links] of inodes) {
        putInode(image, ino + 1, 'i_dtime', next);
        putInode(image, ino + 1, 'i_links_count', links);
      }
      survives(image, isCrash);
    },
    { numRuns: 6, lawRuns: 25 },
  );

  it('a list of orphans that goes round in a circle ends', () => {
    const image = PRISTINE.clone();
    setSuper(image, 's_last_orphan', 12);
    for (const [ino, next] of [
      [12, 13],
      [13, 14],
      [14, 12],
    ] as const) {
      putInode(image, ino, 'i_dtime', next);
      putInode(image, ino, 'i_links_count', 0);
    }
    survives(image);
    expect(getField(SUPERBLOCK, readBlock(image, 0), EXT2_SUPERBLOCK_OFFSET, 's_last_orphan')).toBe(0);
  });
});
