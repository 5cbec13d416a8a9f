// How a closed transaction is written: what reaches the drive, in which order, by each rule.
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE, type Pfn } from '../../../../src/base/index.ts';
import { descriptorTags } from '../../../../src/format/jbd.ts';
import { TransactionWriter } from '../../../../src/kernel/fs/jbd/commit.ts';
import { Transaction } from '../../../../src/kernel/fs/jbd/transaction.ts';
import { NO_PAGE, PG } from '../../../../src/kernel/mm/mem-map.ts';
import { KERNEL_RULES } from '../../../../src/kernel/rules.ts';
import { COSTS } from '../../../support/fake-machine.ts';
import { readBlock } from '../../../support/journal-image.ts';
import { FILE_PLACE, FIRST_TID, HOLE_PAGE, JOURNAL_PLACE, JournalRig } from './journal-rig.ts';

/** A transaction of so many buffers, of blocks 10, 11 …, with page 2 of the file as its data. */
function prepared(
  buffers: number,
  options?: ConstructorParameters<typeof JournalRig>[0],
): { rig: JournalRig; writer: TransactionWriter; transaction: Transaction; write: (isAborted?: boolean) => string[] } {
  const rig = new JournalRig(options);
  const writer = new TransactionWriter(rig.core, rig.ring);
  rig.run(writer.reserve());
  const transaction = new Transaction(FIRST_TID);
  for (let n = 0; n < buffers; n++) {
    const pfn = rig.page(rig.device, 10 + n, 100 + n);
    transaction.buffers.set(10 + n, { mapping: rig.device, index: 10 + n, pfn });
  }
  rig.core.writeback.markPageDirty(rig.file, rig.page(rig.file, 2, 77));
  transaction.data.add(rig.file);
  rig.machine.requests.length = 0;
  /** What the writer said, each time with the number of requests that the drive had served. */
  const write = (isAborted = false): string[] => {
    const said: string[] = [];
    const say = (what: string): void => void said.push(`${what} after ${rig.writes().length}`);
    rig.run(
      writer.write(transaction, {
        isAborted: () => isAborted,
        copied: () => say('copied'),
        dataWritten: () => say('data written'),
      }),
    );
    return said;
  };
  return { rig, writer, transaction, write };
}

const WHOLE = [
  `block ${FILE_PLACE + 2}`,
  'journal superblock',
  'flush',
  'log at 1',
  'log at 2',
  'log at 3',
  'flush',
  'commit at 4',
  'flush',
];

describe('a transaction that is written', () => {
  it('a transaction that is written is its data, the start of the log, its buffers and a commit block, with a flush on each side of that', () => {
    const { rig, transaction, write } = prepared(2);
    expect(write()).toEqual(['copied after 0', 'data written after 1']);
    expect(rig.writes()).toEqual(WHOLE);
    expect(transaction.data.size).toBe(0);
    expect(readBlock(rig.image, FILE_PLACE + 2)).toEqual(new Uint8Array(PAGE_SIZE).fill(77));
    const [descriptor, ...copies] = [1, 2, 3].map((n) => readBlock(rig.image, JOURNAL_PLACE + n));
    expect(descriptorTags(descriptor!).map(({ block }) => block)).toEqual([10, 11]);
    expect(copies).toEqual([100, 101].map((byte) => new Uint8Array(PAGE_SIZE).fill(byte)));
  });

  it.each([
    ['flushBeforeCommit', WHOLE.toSpliced(6, 1)],
    ['flushAfterCommit', WHOLE.slice(0, -1)],
    ['orderedData', WHOLE.slice(1)],
  ] as const)('a transaction that is written without the rule %s leaves out one step', (rule, expected) => {
    const { rig, write } = prepared(2, { rules: { ...KERNEL_RULES, [rule]: false } });
    write();
    expect(rig.writes()).toEqual(expected);
  });

  it('a transaction that is written leaves pages of its files without a block where they are', () => {
    const { rig, write } = prepared(1);
    const { map } = rig.core.mm;
    const pfn = rig.page(rig.file, HOLE_PAGE, 78);
    expect(map.has(pfn, PG.hasBlock)).toBe(false);
    rig.core.writeback.markPageDirty(rig.file, pfn);
    write();
    expect(rig.writes()[0]).toBe(`block ${FILE_PLACE + 2}`);
    expect(map.has(pfn, PG.dirty)).toBe(true);
  });

  it('a transaction that is written pays for each block that is copied, and gives back the pages of the copies', () => {
    const { rig, write } = prepared(3);
    const { allocator } = rig.core.mm;
    const before = allocator.freeCount;
    const charged: number[] = [];
    const { charge } = rig.machine.cpu;
    rig.machine.cpu.charge = (ns): void => {
      charged.push(ns);
      charge.call(rig.machine.cpu, ns);
    };
    write();
    expect(charged.filter((ns) => ns === COSTS.copyNsPerByte * PAGE_SIZE)).toHaveLength(4);
    expect(allocator.freeCount).toBe(before);
  });

  it.each([
    ['cannot be written', (rig: JournalRig) => void rig.machine.badBlocks.add(FILE_PLACE + 2), false],
    ['is written when the journal has ended', () => undefined, true],
  ])('a transaction that is written is not committed where its data %s', (_, meet, isAborted) => {
    const { rig, write } = prepared(2);
    const { allocator } = rig.core.mm;
    const before = allocator.freeCount;
    meet(rig);
    expect(() => write(isAborted)).toThrow(
      expect.objectContaining({ code: 'EIO', message: 'EIO: ext3: data of inode 12 could not be written' }),
    );
    expect(rig.writes()).toEqual([`block ${FILE_PLACE + 2}`]);
    expect(allocator.freeCount).toBe(before);
  });

  it('a transaction that is written needs no other data where no space is left for that of one file', () => {
    const { rig, write } = prepared(2);
    // What fsync reports of the file.
    rig.file.space.error = 'ENOSPC';
    write();
    expect(rig.writes()).toEqual(WHOLE);
  });
});

describe('a journal whose memory is short', () => {
  it('a journal whose memory is short keeps 16 pages, which nobody else gets', () => {
    const rig = new JournalRig();
    const { allocator } = rig.core.mm;
    const before = allocator.freeCount;
    rig.run(new TransactionWriter(rig.core, rig.ring).reserve());
    expect(allocator.freeCount).toBe(before - 16);
  });

  it.each([
    [14, 15],
    [15, 16],
    [16, 17],
    [31, 32],
    [40, 41],
  ])('a journal whose memory is short writes %i buffers as %i blocks of the log, 16 at a time', (buffers, blocks) => {
    const { rig, write } = prepared(buffers);
    const { mm } = rig.core;
    const taken: Pfn[] = [];
    for (let pfn = mm.allocator.take(); pfn !== NO_PAGE; pfn = mm.allocator.take()) taken.push(pfn);
    // Nothing can be reclaimed either: the buffers are held.
    for (let n = 0; n < buffers; n++) mm.map.set(mm.cache.find(rig.device.space, 10 + n), PG.pinned);
    mm.map.set(mm.cache.find(rig.file.space, 2), PG.pinned);
    const said = write();
    // The next transaction may change the buffers only now.
    expect(said).toEqual(['data written after 1', `copied after ${3 + blocks}`]);
    const seen = rig.writes();
    // The drive serves the requests of a batch in an order of its own.
    expect(
      seen
        .slice(3, 3 + blocks)
        .map((each) => Number(/\d+$/.exec(each)))
        .sort((a, b) => a - b),
    ).toEqual(Array.from({ length: blocks }, (_, i) => 1 + i));
    expect(seen.slice(3 + blocks)).toEqual(['flush', `commit at ${1 + blocks}`, 'flush']);
    for (let n = 0; n < buffers; n++) expect(readBlock(rig.image, JOURNAL_PLACE + 2 + n)[PAGE_SIZE - 1]).toBe(100 + n);
    for (const pfn of taken) mm.allocator.free(pfn);
  });
});
