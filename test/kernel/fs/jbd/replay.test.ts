// Recovery by itself, on logs that a journal of ours has written. It counts what it does, reads
// each block once, and leaves nothing of the log in memory.
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../../../src/base/index.ts';
import { recoverJournal, type Recovered } from '../../../../src/kernel/fs/jbd/recovery.ts';
import type { Process } from '../../../../src/sim/index.ts';
import { BlkifOp } from '../../../../src/xen/public/index.ts';
import { FIRST_TID, JOURNAL_PLACE, JournalRig } from './journal-rig.ts';

/**
 * Each transaction: the blocks that it changes, each to its sequence number, and those it revokes.
 */
type Changes = readonly { readonly blocks: readonly number[]; readonly revokes?: readonly number[] }[];

/**
 * A guest that commits these, and dies. The next one, which has read nothing but where the log
 * starts.
 */
function crashed(transactions: Changes): JournalRig {
  const rig = new JournalRig();
  const journal = rig.load();
  for (const [n, { blocks, revokes = [] }] of transactions.entries()) {
    const operation = function* (): Process {
      for (const block of blocks) {
        const pfn = yield* journal.access(rig.device, block);
        rig.core.env.memory.copyIn(pfn, 0, new Uint8Array(PAGE_SIZE).fill(FIRST_TID + n), 0, PAGE_SIZE);
      }
      for (const block of revokes) journal.revoke(block);
    };
    rig.run(journal.run(operation));
    rig.run(journal.force());
  }
  const next = new JournalRig(undefined, rig.image);
  next.machine.requests.length = 0;
  return next;
}

const recovered = (rig: JournalRig, isWanted = true, honoursRevokes = true, blockCount = 2048): Recovered =>
  rig.run(recoverJournal(rig.ring, rig.buffers, rig.core.io, blockCount, isWanted, honoursRevokes));

/** The first byte of a block, as memory or the disk has it. */
const byteOf = (rig: JournalRig, block: number): number => rig.buffers.readU8(rig.run(rig.buffers.bread(block)), 0);

const inMemory = (rig: JournalRig): number[] =>
  Array.from({ length: 60 }, (_, n) => n).filter(
    (position) => position > 0 && rig.buffers.has(JOURNAL_PLACE + position),
  );

describe('a log that is replayed', () => {
  const LOG: Changes = [{ blocks: [10, 11, 12] }, { blocks: [11], revokes: [12] }, { blocks: [13] }];

  it('a log that is replayed gives each block its last contents, but those that were revoked', () => {
    const rig = crashed(LOG);
    expect(recovered(rig)).toMatchObject({ nextSequence: FIRST_TID + 4, blocksReplayed: 4, copiesRevoked: 1 });
    expect([10, 11, 12, 13].map((block) => byteOf(rig, block))).toEqual([5, 6, 0, 7]);
    expect([10, 11, 13].every((block) => rig.buffers.isUnwritten(block))).toBe(true);
  });

  it('a log that is replayed without the rule of revokes gives back what was revoked', () => {
    const rig = crashed(LOG);
    expect(recovered(rig, true, false)).toMatchObject({ blocksReplayed: 5, copiesRevoked: 0 });
    expect(byteOf(rig, 12)).toBe(5);
  });

  it('a log that is replayed names the block that lies beyond the file system, and does all else', () => {
    const rig = crashed(LOG);
    expect(recovered(rig, true, true, 13)).toEqual({
      nextSequence: FIRST_TID + 4,
      blocksReplayed: 3,
      copiesRevoked: 1,
      log: { ok: false, reason: 'ext3: journal: block 13 lies beyond the file system' },
    });
    expect([10, 11, 13].map((block) => byteOf(rig, block))).toEqual([5, 6, 0]);
  });

  it.each([true, false])(
    'a log that is replayed or passed over leaves nothing of itself in memory: replayed: %s',
    (isWanted) => {
      const rig = crashed(LOG);
      expect(recovered(rig, isWanted)).toMatchObject({
        nextSequence: FIRST_TID + 4,
        blocksReplayed: isWanted ? 4 : 0,
        log: { ok: true },
      });
      expect(inMemory(rig)).toEqual([]);
    },
  );

  it('a log that is replayed is read ahead of, 32 blocks at a time, each block once', () => {
    const rig = crashed([{ blocks: Array.from({ length: 40 }, (_, n) => 10 + n) }]);
    recovered(rig);
    const reads = rig.machine.requests.flatMap(({ operation, sector, pages }) =>
      operation === BlkifOp.read ? pages.map((_, i) => sector / 8 + i - JOURNAL_PLACE) : [],
    );
    // From the descriptor on, from the commit block behind its 40 copies, and what lies between.
    expect(reads.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 73 }, (_, n) => 1 + n));
    // 11 pages are a request.
    expect(rig.machine.requests.map(({ pages }) => pages.length).toSorted((a, b) => b - a)).toEqual([
      11, 11, 11, 11, 10, 10, 9,
    ]);
  });

  it('a log that is empty has nothing to be read', () => {
    const rig = new JournalRig();
    rig.machine.requests.length = 0;
    expect(recovered(rig)).toEqual({ nextSequence: 2, blocksReplayed: 0, copiesRevoked: 0, log: { ok: true } });
    expect(rig.machine.requests).toEqual([]);
  });
});
