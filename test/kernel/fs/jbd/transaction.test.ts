// A transaction in memory: what it counts and forgets, and the blocks of the log that it becomes.
import { beforeEach, describe, expect, it } from 'vitest';
import { PAGE_SIZE, type Pfn } from '../../../../src/base/index.ts';
import {
  descriptorTags,
  JBD_BLOCK,
  JBD_MAGIC,
  JBD_REVOKES_PER_BLOCK,
  JBD_TAGS_PER_BLOCK,
  jbdBlockType,
  jbdWords,
  revokedBlocks,
} from '../../../../src/format/jbd.ts';
import type { Mapping } from '../../../../src/kernel/cache/mapping.ts';
import type { JournaledInode } from '../../../../src/kernel/fs/jbd/journal.ts';
import { logBlocks, Transaction } from '../../../../src/kernel/fs/jbd/transaction.ts';
import { FakeMemory } from '../../../support/fake-machine.ts';

const TID = 41;
const NR_PAGES = 4;
const mappings = [{}, {}] as Mapping[];
let transaction: Transaction;

beforeEach(() => {
  transaction = new Transaction(TID);
});

/** A buffer of a block joins, as page `pfn`. */
function join(block: number, pfn = 0, mapping = mappings[0]!): void {
  transaction.buffers.set(block, { mapping, index: block, pfn: pfn as Pfn });
}

describe('a transaction', () => {
  it('a transaction counts a block of the log for each buffer and inode, and one for each block of revokes', () => {
    expect(transaction.size).toBe(0);
    for (const block of [7, 9, 7]) join(block);
    expect(transaction.size).toBe(2);
    for (let n = 0; n < 3; n++) transaction.inodes.add({ ino: n } as unknown as JournaledInode);
    expect(transaction.size).toBe(5);
    transaction.revoked.add(1);
    expect(transaction.size).toBe(6);
    for (let block = 2; block <= JBD_REVOKES_PER_BLOCK; block++) transaction.revoked.add(block);
    expect(transaction.size).toBe(6);
    transaction.revoked.add(0);
    expect(transaction.size).toBe(7);
  });

  it('a transaction forgets data and buffers of one mapping, and keeps those of the others', () => {
    join(1, 0, mappings[0]);
    join(2, 0, mappings[1]);
    join(3, 0, mappings[0]);
    for (const mapping of mappings) transaction.data.add(mapping);
    transaction.forget(mappings[0]!);
    expect([...transaction.buffers.keys()]).toEqual([2]);
    expect([...transaction.data]).toEqual([mappings[1]]);
  });

  it('a transaction keeps each freed block as one bit of its group', () => {
    for (const [group, bit] of [
      [0, 0],
      [0, 9],
      [0, 15],
      [3, 8 * PAGE_SIZE - 1],
    ] as const)
      transaction.freeze(group, bit);
    expect([...transaction.freed.keys()]).toEqual([0, 3]);
    const set = [...transaction.freed.values()].map((bytes) => [...bytes.entries()].filter(([, byte]) => byte !== 0));
    expect(set).toEqual([
      [
        [0, 0b0000_0001],
        [1, 0b1000_0010],
      ],
      [[PAGE_SIZE - 1, 0b1000_0000]],
    ]);
  });
});

describe('the blocks of the log of a transaction', () => {
  const uuid = Uint8Array.from({ length: 16 }, (_, i) => i + 1);

  /** What each block of the log has, and how many of them were charged for. */
  function written(memory = new FakeMemory(NR_PAGES)): { blocks: Uint8Array[]; charged: number } {
    let charged = 0;
    const last = (NR_PAGES - 1) as Pfn;
    const blocks = logBlocks(transaction, uuid, memory, () => charged++).map((fill) => {
      fill(last);
      const bytes = new Uint8Array(PAGE_SIZE);
      memory.copyOut(last, 0, bytes, 0, PAGE_SIZE);
      return bytes;
    });
    return { blocks, charged };
  }

  it('the blocks of the log of a transaction are none where it has neither buffers nor revokes', () => {
    expect(written()).toEqual({ blocks: [], charged: 0 });
  });

  it('the blocks of the log of a transaction are those of its revokes, full ones first, and each is charged for', () => {
    const revoked = Array.from({ length: JBD_REVOKES_PER_BLOCK + 2 }, (_, i) => 1000 + 3 * i);
    for (const block of revoked) transaction.revoked.add(block);
    const { blocks, charged } = written();
    expect(charged).toBe(2);
    expect(blocks.map((block) => jbdBlockType(block, TID))).toEqual([JBD_BLOCK.revoke, JBD_BLOCK.revoke]);
    expect(blocks.map((block) => [...revokedBlocks(block)])).toEqual([
      revoked.slice(0, JBD_REVOKES_PER_BLOCK),
      revoked.slice(JBD_REVOKES_PER_BLOCK),
    ]);
  });

  it('the blocks of the log of a transaction are a descriptor and what it names, as it is when it is filled', () => {
    const memory = new FakeMemory(NR_PAGES);
    const contents = [1, 2].map((salt) => new Uint8Array(PAGE_SIZE).map((_, i) => salt + (i % 251)));
    join(500, 1);
    join(400, 2);
    for (const [i, bytes] of contents.entries()) memory.copyIn((i + 1) as Pfn, 0, bytes, 0, PAGE_SIZE);
    const { blocks, charged } = written(memory);
    expect(charged).toBe(3);
    expect(jbdBlockType(blocks[0]!, TID)).toBe(JBD_BLOCK.descriptor);
    expect(descriptorTags(blocks[0]!)).toEqual([
      { block: 500, escaped: false },
      { block: 400, escaped: false },
    ]);
    expect(blocks.slice(1)).toEqual(contents);
    // The UUID follows the first tag, of two words, behind the header of three.
    expect(blocks[0]!.slice(20, 36)).toEqual(uuid);
  });

  it('the blocks of the log of a transaction do not begin with the magic number, unless they are of control', () => {
    const memory = new FakeMemory(NR_PAGES);
    const bytes = new Uint8Array(PAGE_SIZE).fill(7);
    jbdWords(bytes).setUint32(0, JBD_MAGIC);
    memory.copyIn(1 as Pfn, 0, bytes, 0, PAGE_SIZE);
    join(500, 1);
    join(501, 2);
    const [descriptor, first, second] = written(memory).blocks;
    expect(descriptorTags(descriptor!)).toEqual([
      { block: 500, escaped: true },
      { block: 501, escaped: false },
    ]);
    jbdWords(bytes).setUint32(0, 0);
    expect(first).toEqual(bytes);
    expect(second).toEqual(new Uint8Array(PAGE_SIZE));
  });

  it('the blocks of the log of a transaction have a second descriptor where the first one names as many as it can', () => {
    for (let block = 0; block <= JBD_TAGS_PER_BLOCK; block++) join(block);
    const { blocks, charged } = written();
    expect(charged).toBe(JBD_TAGS_PER_BLOCK + 3);
    const descriptors = blocks.flatMap((block, i) => (jbdBlockType(block, TID) === JBD_BLOCK.descriptor ? [i] : []));
    expect(descriptors).toEqual([0, JBD_TAGS_PER_BLOCK + 1]);
    expect(descriptors.map((i) => descriptorTags(blocks[i]!).length)).toEqual([JBD_TAGS_PER_BLOCK, 1]);
    expect(descriptorTags(blocks.at(-2)!)[0]!.block).toBe(JBD_TAGS_PER_BLOCK);
  });
});
