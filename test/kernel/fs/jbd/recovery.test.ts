// Recovery: any log, written block by block, has the effect that the rules of JBD give it. Of a log
// that is cut, torn or stale, what is whole has effect.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../../../src/base/index.ts';
import { EXT2_INCOMPAT } from '../../../../src/format/ext2.ts';
import { JBD_MAGIC, jbdWords } from '../../../../src/format/jbd.ts';
import type { MemoryImage } from '../../../../src/disk/image/memory-image.ts';
import {
  ext3Image,
  JOURNAL_BLOCKS,
  JournalFile,
  type LogTransaction,
  readBlock,
  setSuper,
  writeBlock,
  writeLog,
} from '../../../support/journal-image.ts';
import { itWithE2fsprogs, run, loadImage, saveImage } from '../../../support/e2fsprogs.ts';
import { checkProperty, property } from '../../../support/property.ts';
import { FakeMachine } from '../../../support/fake-machine.ts';

const PRISTINE = ext3Image();
const BLOCKS = PRISTINE.size / PAGE_SIZE;
/** Free blocks, in which nothing but the log puts anything. */
const TARGETS = Array.from({ length: 6 }, (_, i) => BLOCKS - 1 - i);

function blockOf(salt: number, isMagic: boolean): Uint8Array {
  const bytes = new Uint8Array(PAGE_SIZE).map((_, i) => (i * 5 + salt) | 1);
  if (isMagic) jbdWords(bytes).setUint32(0, JBD_MAGIC);
  return bytes;
}

const target = fc.constantFrom(...TARGETS);
const transaction: fc.Arbitrary<LogTransaction> = fc.record({
  revokes: fc.uniqueArray(target, { maxLength: 3 }),
  blocks: fc.uniqueArray(
    fc.record({ block: target, bytes: fc.tuple(fc.nat(255), fc.boolean()).map(([salt, is]) => blockOf(salt, is)) }),
    { maxLength: 4, selector: ({ block }) => block },
  ),
});
const log = fc.record({
  transactions: fc.array(transaction, { minLength: 1, maxLength: 6 }),
  start: fc.oneof(fc.integer({ min: 1, max: JOURNAL_BLOCKS - 1 }), fc.integer({ min: JOURNAL_BLOCKS - 8, max: 1023 })),
  sequence: fc.oneof(fc.integer({ min: 1, max: 0xffff_ffff }), fc.integer({ min: 0xffff_fffa, max: 0xffff_ffff })),
  hasCommit: fc.boolean(),
});

/**
 * What the rules say each target holds: a copy counts unless its own transaction or a later one
 * revokes it.
 */
function expected(transactions: readonly LogTransaction[]): Map<number, Uint8Array> {
  const contents = new Map<number, Uint8Array>(TARGETS.map((block) => [block, new Uint8Array(PAGE_SIZE)]));
  for (const [i, { blocks }] of transactions.entries())
    for (const { block, bytes } of blocks)
      if (!transactions.slice(i).some(({ revokes }) => revokes.includes(block))) contents.set(block, bytes);
  return contents;
}

/** Boots on the image and stops; returns what the kernel said of the disk. */
function recover(image: MemoryImage): void {
  const machine = new FakeMachine({ image });
  machine.run(
    (function* () {
      yield* (yield* machine.boot()).shutdown();
    })(),
    200_000,
  );
}

function mustHold(image: MemoryImage, contents: ReadonlyMap<number, Uint8Array>): void {
  for (const [block, bytes] of contents) {
    const seen = readBlock(image, block);
    if (Buffer.compare(seen, bytes) !== 0) throw new Error(`block ${block} is not what the log gives it`);
  }
}

describe('recovery', () => {
  property('a log has the effect that the rules give it, wherever it lies and however it counts', log, (given) => {
    const image = PRISTINE.clone();
    const { transactions, hasCommit } = given;
    const journal = new JournalFile(image);
    writeLog(journal, transactions, given);
    recover(image);
    mustHold(image, expected(hasCommit ? transactions : transactions.slice(0, -1)));
    expect(journal.word('s_start')).toBe(0);
    // A second mount replays nothing.
    for (const block of TARGETS) writeBlock(image, block, blockOf(77, false));
    recover(image);
    mustHold(image, new Map(TARGETS.map((block) => [block, blockOf(77, false)])));
  });

  itWithE2fsprogs('e2fsck replays the same logs to the same effect', (judge) => {
    checkProperty(
      judge.where,
      [log],
      (given) => {
        const { transactions, hasCommit, ...where } = given as { transactions: LogTransaction[]; hasCommit: boolean };
        const image = PRISTINE.clone();
        writeLog(new JournalFile(image), transactions, { ...where, hasCommit });
        const path = `${judge.dir}/log.img`;
        saveImage(image, path);
        run('sh', '-c', `"${judge.e2fsck}" -y -E journal_only "${path}" > /dev/null 2>&1 || test $? -eq 1`);
        mustHold(loadImage(path), expected(hasCommit ? transactions : transactions.slice(0, -1)));
      },
      { numRuns: 4, lawRuns: 20 },
    );
  });

  property(
    'what came before a transaction counts when a block of it was never written, or holds a block of the log before',
    log,
    fc.nat(100),
    fc.boolean(),
    (given, which, isOld) => {
      const image = PRISTINE.clone();
      const journal = new JournalFile(image);
      const { transactions, start, sequence } = given;
      const before = transactions.slice(0, -1);
      let from = start;
      if (before.length > 0) from = writeLog(journal, before, { start, sequence });
      const end = writeLog(journal, transactions, { start, sequence });
      // Only blocks of control tell whether the transaction is whole: the drive was flushed before
      // its commit block.
      const control = (position: number): boolean => jbdWords(journal.read(position)).getUint32(0) === JBD_MAGIC;
      const positions: number[] = [];
      for (let at = from; at !== end; at = at + 1 < JOURNAL_BLOCKS ? at + 1 : 1) if (control(at)) positions.push(at);
      const torn = positions[which % positions.length]!;
      const bytes = isOld ? journal.read(torn) : new Uint8Array(PAGE_SIZE);
      if (isOld) jbdWords(bytes).setUint32(8, (sequence + transactions.length - 1 - 1000) >>> 0);
      journal.write(torn, bytes);
      recover(image);
      mustHold(image, expected(before));
    },
  );

  it('recovery leaves a log alone that the superblock does not ask for, and counts on behind it', () => {
    const image = PRISTINE.clone();
    const journal = new JournalFile(image);
    const bytes = blockOf(1, false);
    writeLog(journal, [{ revokes: [], blocks: [{ block: TARGETS[0]!, bytes }] }], { sequence: 9 });
    setSuper(image, 's_feature_incompat', EXT2_INCOMPAT.filetype);
    recover(image);
    mustHold(image, new Map([[TARGETS[0]!, new Uint8Array(PAGE_SIZE)]]));
    expect(journal.word('s_start')).toBe(0);
    expect(journal.word('s_sequence')).toBe(11);
  });

  it('recovery replays the superblock itself, and mounts what it says then', () => {
    const image = PRISTINE.clone();
    const journal = new JournalFile(image);
    const superblock = readBlock(image, 0);
    superblock.set([0x41, 0x42], 1024 + 120);
    writeLog(journal, [{ revokes: [], blocks: [{ block: 0, bytes: superblock }] }]);
    recover(image);
    expect([...readBlock(image, 0).subarray(1024 + 120, 1024 + 122)]).toEqual([0x41, 0x42]);
  });
});
