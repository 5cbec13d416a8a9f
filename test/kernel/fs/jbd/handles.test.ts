// The journal by itself: who may change what and when, what it remembers of it, and when it is
// committed.
import { describe, expect, it } from 'vitest';
import { ModelError, Ns, PAGE_SIZE, type Pfn } from '../../../../src/base/index.ts';
import type { Jbd } from '../../../../src/kernel/fs/jbd/jbd.ts';
import type { JournaledInode } from '../../../../src/kernel/fs/jbd/journal.ts';
import { NoJournal } from '../../../../src/kernel/fs/jbd/journal.ts';
import { PG } from '../../../../src/kernel/mm/mem-map.ts';
import { KERNEL_RULES } from '../../../../src/kernel/rules.ts';
import { NOTHING, type Process } from '../../../../src/sim/index.ts';
import { readBlock } from '../../../support/journal-image.ts';
import { FIRST_TID, HOLE_PAGE, JournalRig } from './journal-rig.ts';

const SECOND = 1_000_000_000;

/** What the journal asks of an inode. Each has a buffer of its own, block 50 and up. */
function inodeOf(rig: JournalRig, journal: Jbd, n = 0): JournaledInode & { stored: number } {
  const inode = {
    stored: 0,
    isInodeDirty: false,
    isSizeDirty: false,
    tid: -1,
    syncTid: -1,
    *store(): Process {
      inode.stored++;
      yield* journal.access(rig.device, 50 + n);
    },
  };
  return inode as unknown as JournaledInode & { stored: number };
}

/** An operation that changes blocks, each to a byte. */
function* fill(rig: JournalRig, journal: Jbd, blocks: readonly number[], byte: number): Process {
  for (const block of blocks) {
    const pfn = yield* journal.access(rig.device, block);
    rig.core.env.memory.copyIn(pfn, 0, new Uint8Array(PAGE_SIZE).fill(byte), 0, PAGE_SIZE);
  }
}

const change = (rig: JournalRig, journal: Jbd, blocks: readonly number[], byte = 1): void =>
  rig.run(journal.run(() => fill(rig, journal, blocks, byte)));

function* pause(ns: number): Process {
  yield Ns(ns);
}

function loaded(options?: ConstructorParameters<typeof JournalRig>[0]): { rig: JournalRig; journal: Jbd } {
  const rig = new JournalRig(options);
  return { rig, journal: rig.load() };
}

const eio = (message: string): unknown => expect.objectContaining({ code: 'EIO', message: `EIO: ${message}` });

describe('a handle', () => {
  it('a handle opens a transaction, which is the youngest and is not committed', () => {
    const { rig, journal } = loaded();
    expect([journal.isOpen, journal.lastTid, journal.isCommitted(FIRST_TID - 1)]).toEqual([false, FIRST_TID - 1, true]);
    expect(rig.asked).toEqual([]);
    change(rig, journal, [10]);
    expect([journal.isOpen, journal.lastTid, journal.isCommitted(FIRST_TID)]).toEqual([true, FIRST_TID, false]);
    expect(rig.asked).toEqual(['beginChanges']);
    change(rig, journal, [11]);
    expect([journal.lastTid, journal.commits]).toEqual([FIRST_TID, 0]);
    rig.run(journal.force());
    expect([journal.isOpen, journal.isCommitted(FIRST_TID), journal.commits]).toEqual([false, true, 1]);
    change(rig, journal, [10]);
    expect(journal.lastTid).toBe(FIRST_TID + 1);
    expect(rig.asked).toEqual(['beginChanges', 'beginChanges']);
  });

  it('a handle is what an operation returns or throws, and is given back either way', () => {
    const { rig, journal } = loaded();
    expect(
      rig.run(
        journal.run(function* () {
          yield* NOTHING;
          return 7;
        }),
      ),
    ).toBe(7);
    const failing = function* (): Process {
      yield* NOTHING;
      throw new ModelError('EEXIST', 'it is there');
    };
    expect(() => rig.run(journal.run(failing))).toThrow(expect.objectContaining({ code: 'EEXIST' }));
    // A handle that was not given back would keep the commit waiting.
    rig.run(journal.force());
    expect(journal.commits).toBe(1);
  });

  it('a handle is not to be had where nothing may be changed', () => {
    const { rig, journal } = loaded();
    rig.client.isReadOnly = true;
    expect(() => change(rig, journal, [10])).toThrow('EROFS: the file system is mounted read-only');
    expect(rig.asked).toEqual([]);
  });

  it('a handle is needed to change metadata, and a transaction for a handle', () => {
    const { rig, journal } = loaded();
    const pfn = rig.page(rig.device, 10, 0);
    const join = (): void => journal.join(rig.device, 10, 10, pfn);
    expect(join).toThrow('jbd 1: metadata is changed while a transaction runs');
    change(rig, journal, [11]);
    expect(join).toThrow('jbd 2: metadata is changed under a handle');
    rig.run(
      journal.run(function* () {
        yield* NOTHING;
        join();
        rig.core.mm.map.set(rig.page(rig.device, 12, 0), PG.writeback);
        expect(() => journal.join(rig.device, 12, 12, rig.core.mm.cache.find(rig.device.space, 12))).toThrow(
          'jbd 3: no write of a buffer is in flight when it is joined',
        );
      }),
    );
    expect([10, 11, 12].map((block) => journal.isJoined(block))).toEqual([true, true, false]);
  });

  it.each([
    ['ENOSPC', true, 4],
    ['ENOSPC', false, 1],
    ['EIO', true, 1],
  ] as const)('a handle whose operation meets %s, with freed blocks: %s, is had %i times', (code, hasFreed, times) => {
    const { rig, journal } = loaded();
    let calls = 0;
    const operation = function* (): Process {
      yield* NOTHING;
      calls++;
      if (hasFreed) journal.freeze(0, calls);
      throw new ModelError(code, 'no');
    };
    expect(() => rig.run(journal.run(operation))).toThrow(expect.objectContaining({ code }));
    expect([calls, journal.commits]).toEqual([times, times - 1]);
  });

  it('a handle waits until the closed transaction takes no more, and until the handles of that have ended', () => {
    const { rig, journal } = loaded();
    const order: string[] = [];
    const { env } = rig.core;
    const slow = function* (): Process {
      order.push('first');
      yield* pause(1000);
      order.push('first ends');
    };
    env.spawn('first', journal.run(slow));
    env.spawn('commit', journal.force());
    env.spawn(
      'second',
      journal.run(function* (): Process {
        yield* NOTHING;
        order.push(`second, in ${journal.lastTid}`);
      }),
    );
    rig.run(pause(SECOND));
    expect(order).toEqual(['first', 'first ends', `second, in ${FIRST_TID + 1}`]);
  });
});

describe('a transaction that runs', () => {
  it.each([
    [5 * SECOND - 1, 0],
    [5 * SECOND + 100_000_000, 1],
  ])('a transaction that runs for %i ns has been committed %i times', (ns, commits) => {
    const { rig, journal } = loaded();
    const begun = rig.core.env.now;
    change(rig, journal, [10]);
    rig.run(pause(ns - (rig.core.env.now - begun)));
    expect(journal.commits).toBe(commits);
    // The next one has five seconds of its own.
    if (commits === 0) rig.run(journal.force());
    change(rig, journal, [10]);
    rig.run(pause(4 * SECOND));
    expect(journal.commits).toBe(1);
  });

  it('a transaction that runs holds its buffers in memory, and they are clean until it is committed', () => {
    const { rig, journal } = loaded();
    const { map, cache } = rig.core.mm;
    change(rig, journal, [10], 9);
    const pfn = cache.find(rig.device.space, 10);
    expect([map.has(pfn, PG.pinned), map.has(pfn, PG.dirty)]).toEqual([true, false]);
    rig.run(rig.core.writeback.sync(rig.device));
    expect(readBlock(rig.image, 10)[0]).toBe(0);
    rig.run(journal.force());
    expect([map.has(pfn, PG.pinned), map.has(pfn, PG.dirty)]).toEqual([false, true]);
    rig.run(rig.core.writeback.sync(rig.device));
    expect(readBlock(rig.image, 10)[0]).toBe(9);
  });

  it('a transaction that runs keeps the buffers that it has of the one before', () => {
    const { rig, journal } = loaded();
    const { map, cache } = rig.core.mm;
    const { env } = rig.core;
    change(rig, journal, [10, 11]);
    env.spawn('commit', journal.force());
    // The copies are made at once; the commit block is written later.
    rig.run(pause(1));
    change(rig, journal, [10], 2);
    expect(journal.commits).toBe(0);
    rig.run(journal.waitFor(FIRST_TID));
    const flags = [10, 11].map((block) => map.has(cache.find(rig.device.space, block), PG.pinned));
    expect(flags).toEqual([true, false]);
    rig.run(rig.core.writeback.sync(rig.device));
    expect([10, 11].map((block) => readBlock(rig.image, block)[0])).toEqual([0, 1]);
  });

  it('a transaction that runs has each inode once, which is stored when it closes', () => {
    const { rig, journal } = loaded();
    const [first, second] = [0, 1].map((n) => inodeOf(rig, journal, n)) as [ReturnType<typeof inodeOf>, JournaledInode];
    change(rig, journal, [10]);
    second.isSizeDirty = true;
    for (const inode of [first, second, first]) journal.addInode(inode);
    expect([first.isInodeDirty, first.tid, first.syncTid]).toEqual([true, FIRST_TID, -1]);
    expect([second.tid, second.syncTid]).toEqual([FIRST_TID, FIRST_TID]);
    expect(first.stored).toBe(0);
    rig.run(journal.force());
    expect(first.stored).toBe(1);
    expect(rig.writes().filter((each) => each.startsWith('log'))).toHaveLength(4);
  });

  it('a transaction that runs forgets a block that is revoked, as does the one before; joining it again ends that', () => {
    const { rig, journal } = loaded();
    const { mm } = rig.core;
    change(rig, journal, [10, 11, 12]);
    rig.core.env.spawn('commit', journal.force());
    rig.run(pause(1));
    rig.run(
      journal.run(function* () {
        yield* journal.access(rig.device, 10);
        journal.revoke(10);
        journal.revoke(11);
        expect(journal.isJoined(10)).toBe(false);
        yield* journal.access(rig.device, 10);
      }),
    );
    rig.run(journal.waitFor(FIRST_TID));
    // Block 11 is free: its page stays as it is, for the caller to drop.
    const isDirty = (block: number): boolean => mm.map.has(mm.cache.find(rig.device.space, block), PG.dirty);
    expect([11, 12].map(isDirty)).toEqual([false, true]);
    rig.machine.requests.length = 0;
    rig.run(journal.force());
    // A block of revokes, a descriptor, block 10.
    expect(rig.writes().filter((each) => each.startsWith('log'))).toHaveLength(3);
  });
});

describe('a buffer that is changed', () => {
  it('a buffer that is changed is had without a wait where it is in memory and free, and joins', () => {
    const { rig, journal } = loaded();
    const { map } = rig.core.mm;
    const pfn = rig.page(rig.device, 10, 0);
    const hole = rig.page(rig.file, HOLE_PAGE, 0);
    const tried: (Pfn | undefined)[] = [];
    rig.run(
      journal.run(function* () {
        yield* NOTHING;
        for (const flag of [PG.locked, PG.writeback]) {
          map.set(pfn, flag);
          tried.push(journal.tryAccess(rig.device, 10));
          map.clear(pfn, flag);
        }
        tried.push(journal.tryAccess(rig.device, 11), journal.tryAccess(rig.file, HOLE_PAGE));
        expect(journal.isJoined(10)).toBe(false);
        tried.push(journal.tryAccess(rig.device, 10));
      }),
    );
    expect(hole).not.toBe(pfn);
    expect(tried).toEqual([undefined, undefined, undefined, undefined, pfn]);
    expect([10, 11].map((block) => journal.isJoined(block))).toEqual([true, false]);
  });

  it('a buffer that is changed is read first, and waited for while a write of it is in flight', () => {
    const { rig, journal } = loaded();
    const { map } = rig.core.mm;
    const pfn = rig.page(rig.device, 10, 3);
    rig.core.writeback.markPageDirty(rig.device, pfn);
    rig.run(rig.core.writeback.writePages(rig.device, true));
    expect(map.has(pfn, PG.writeback)).toBe(true);
    rig.run(
      journal.run(function* () {
        expect(yield* journal.access(rig.device, 10)).toBe(pfn);
        expect(map.has(pfn, PG.writeback)).toBe(false);
      }),
    );
    expect(readBlock(rig.image, 10)[0]).toBe(3);
  });

  it('a buffer that is changed may be that of block 0', () => {
    const { rig, journal } = loaded();
    const pfn = rig.page(rig.device, 0, 0);
    rig.run(
      journal.run(function* () {
        yield* NOTHING;
        expect(journal.tryAccess(rig.device, 0)).toBe(pfn);
      }),
    );
    expect(journal.isJoined(0)).toBe(true);
  });

  it('a buffer that is changed has a block', () => {
    const { rig, journal } = loaded();
    expect(() => rig.run(journal.run(() => journal.access(rig.file, HOLE_PAGE)))).toThrow(
      eio(`ext3: inode 12 has no page ${HOLE_PAGE}`),
    );
  });
});

describe('a block that is freed', () => {
  it('a block that is freed is frozen until the transaction that frees it is committed, by group', () => {
    const { rig, journal } = loaded();
    const freeze = (group: number, bit: number): void =>
      rig.run(
        journal.run(function* () {
          yield* NOTHING;
          journal.freeze(group, bit);
        }),
      );
    const bits = (group: number): [number, number][] =>
      [...(journal.frozen(group) ?? []).entries()].filter(([, byte]) => byte !== 0);
    expect([journal.hasFrozen, journal.frozen(0)]).toEqual([false, undefined]);
    freeze(0, 3);
    freeze(1, 17);
    expect([journal.hasFrozen, bits(0), bits(1), journal.frozen(2)]).toEqual([true, [[0, 8]], [[2, 2]], undefined]);
    rig.core.env.spawn('commit', journal.force());
    rig.run(pause(1));
    // Those of the transaction under commit count as well.
    expect([journal.isOpen, journal.hasFrozen, bits(0)]).toEqual([false, true, [[0, 8]]]);
    freeze(0, 4);
    freeze(0, 9);
    expect([bits(0), bits(1)]).toEqual([
      [
        [0, 0b1_1000],
        [1, 2],
      ],
      [[2, 2]],
    ]);
    rig.run(journal.waitFor(FIRST_TID));
    expect([journal.hasFrozen, bits(0), journal.frozen(1)]).toEqual([
      true,
      [
        [0, 0b1_0000],
        [1, 2],
      ],
      undefined,
    ]);
    rig.run(journal.force());
    expect([journal.hasFrozen, journal.frozen(0)]).toEqual([false, undefined]);
  });

  it('a block that is freed is free at once without that rule', () => {
    const { rig, journal } = loaded({ rules: { ...KERNEL_RULES, frozenBlocks: false } });
    change(rig, journal, [10]);
    journal.freeze(0, 3);
    expect(journal.hasFrozen).toBe(false);
  });
});

describe('the data of a file', () => {
  it('the data of a file is waited for only while a transaction with it is under commit', () => {
    const { rig, journal } = loaded();
    change(rig, journal, [10]);
    rig.core.writeback.markPageDirty(rig.file, rig.page(rig.file, 0, 5));
    journal.addData(rig.file);
    expect([...journal.waitForData(rig.file)]).toEqual([]);
    rig.core.env.spawn('commit', journal.force());
    rig.run(pause(1));
    expect([...journal.waitForData(rig.device)]).toEqual([]);
    expect(rig.writes()).not.toContain('block 1600');
    rig.run(journal.waitForData(rig.file));
    expect(rig.writes()).toContain('block 1600');
    expect(journal.commits).toBe(0);
  });

  it('the data of a file that is deleted is written by no transaction, and its buffers go to no log', () => {
    const { rig, journal } = loaded();
    change(rig, journal, [10]);
    rig.core.writeback.markPageDirty(rig.file, rig.page(rig.file, 0, 5));
    journal.addData(rig.file);
    rig.run(journal.run(() => journal.access(rig.file, 1)));
    rig.core.env.spawn('commit', journal.force());
    journal.forgetMapping(rig.file);
    rig.run(journal.force());
    expect(rig.writes().filter((each) => each.startsWith('block'))).toEqual([]);
    expect(rig.writes().filter((each) => each.startsWith('log'))).toHaveLength(2);
  });

  it('the data of a file is the file’s to mark, and that of a directory its transaction’s', () => {
    const { rig, journal } = loaded();
    const { map } = rig.core.mm;
    const mark = (isDirectory: boolean, index: number): Pfn => {
      const inode = Object.assign(Object.create(rig.file) as typeof rig.file, { isDirectory, ino: 12 });
      const pfn = rig.page(rig.file, index, 5);
      journal.markPageDirty(inode as unknown as Parameters<Jbd['markPageDirty']>[0], pfn);
      return pfn;
    };
    change(rig, journal, [10]);
    expect(map.has(mark(true, 0), PG.dirty)).toBe(false);
    expect(map.has(mark(false, 1), PG.dirty)).toBe(true);
    rig.run(journal.force());
    expect(rig.writes().filter((each) => each.startsWith('block'))).toEqual(['block 1601']);
  });
});

describe('a journal that ends', () => {
  it('a journal that ends says so once, takes no more changes, and is waited for in vain', () => {
    const { rig, journal } = loaded();
    change(rig, journal, [10]);
    journal.freeze(0, 1);
    const inode = inodeOf(rig, journal);
    journal.abort('the disk is gone');
    journal.abort('again');
    expect(rig.asked).toEqual(['beginChanges', 'aborted: the disk is gone']);
    expect([journal.isAborted, journal.isOpen, journal.hasFrozen]).toEqual([true, false, false]);
    expect(() => change(rig, journal, [10])).toThrow('EROFS: the journal has ended');
    expect(() => journal.join(rig.device, 10, 10, rig.page(rig.device, 10, 0))).toThrow('EROFS: the journal has ended');
    expect(() => rig.run(journal.waitFor(FIRST_TID))).toThrow(eio('the journal has ended'));
    // What is changed after that is in no transaction that is ever committed.
    inode.isSizeDirty = true;
    journal.addInode(inode);
    expect([inode.isInodeDirty, inode.tid, inode.syncTid]).toEqual([true, Infinity, Infinity]);
    expect(journal.isJoined(99)).toBe(true);
    journal.revoke(10);
    journal.freeze(0, 2);
    journal.forgetMapping(rig.file);
    expect(journal.hasFrozen).toBe(false);
    rig.run(journal.force());
    rig.run(journal.flush());
    rig.run(pause(10 * SECOND));
    expect([journal.commits, rig.asked.length]).toEqual([0, 2]);
  });

  it('a journal that ends while an operation runs takes its handle back', () => {
    const { rig, journal } = loaded();
    rig.run(
      journal.run(function* () {
        yield* NOTHING;
        journal.abort('now');
      }),
    );
    expect(journal.isAborted).toBe(true);
  });

  it('a journal that ends wakes those who wait for a handle or a commit', () => {
    const { rig, journal } = loaded();
    const { env } = rig.core;
    const ends: string[] = [];
    const named = function* (name: string, process: Process): Process {
      try {
        yield* process;
        ends.push(`${name} ended`);
      } catch (error) {
        ends.push(`${name}: ${(error as ModelError).code}`);
      }
    };
    env.spawn(
      'first',
      named(
        'first',
        journal.run(() => pause(1000)),
      ),
    );
    env.spawn('commit', named('commit', journal.force()));
    env.spawn(
      'second',
      named(
        'second',
        journal.run(() => fill(rig, journal, [10], 1)),
      ),
    );
    rig.run(pause(10));
    journal.abort('now');
    rig.run(pause(10_000));
    expect(ends.sort()).toEqual(['commit: EIO', 'first ended', 'second: EROFS']);
    expect(journal.commits).toBe(0);
  });

  it('a journal that ends by an error of its log tells the file system which', () => {
    const { rig, journal } = loaded();
    change(rig, journal, [10]);
    rig.machine.fails = (isWrite, block) => isWrite && block === 101;
    expect(() => rig.run(journal.force())).toThrow(eio('the journal has ended'));
    expect(rig.asked.at(-1)).toBe('aborted: EIO: ext3: journal: a log block could not be written');
  });

  it('a journal that ends where the file system cannot begin to change tells which error that was', () => {
    const { rig, journal } = loaded();
    rig.client.beginChanges = function* (): Process {
      yield* NOTHING;
      throw new ModelError('EIO', 'no mark');
    };
    expect(() => change(rig, journal, [10])).toThrow('EROFS: the journal has ended');
    expect(rig.asked).toEqual(['aborted: EIO: no mark']);
  });
});

describe('a defect of the simulator', () => {
  it('a defect of the simulator ends the run, not the journal', () => {
    const { rig, journal } = loaded();
    rig.client.beginChanges = function* (): Process {
      yield* NOTHING;
      throw new RangeError('defect');
    };
    expect(() => change(rig, journal, [10])).toThrow(RangeError);
    expect([journal.isAborted, rig.asked]).toEqual([false, []]);
  });
});

describe('a journal that is flushed', () => {
  it('a journal that is flushed has an empty log, after everything of it is in its place', () => {
    const { rig, journal } = loaded();
    change(rig, journal, [10], 4);
    rig.run(journal.flush());
    expect(rig.asked).toEqual(['beginChanges', 'writeMetadata']);
    expect(readBlock(rig.image, 10)[0]).toBe(4);
    expect(rig.ring.free).toBe(rig.ring.length);
    expect(rig.writes().slice(-4)).toEqual(['block 10', 'flush', 'journal superblock', 'flush']);
    const superblock = new DataView(readBlock(rig.image, 100).buffer);
    // s_sequence is of the next transaction, and s_start 0: nothing is to be replayed.
    expect([superblock.getUint32(24), superblock.getUint32(28)]).toEqual([FIRST_TID + 1, 0]);
  });

  it('a journal that is flushed in vain ends, and keeps its log', () => {
    const { rig, journal } = loaded();
    change(rig, journal, [10], 4);
    rig.client.writeMetadata = function* (): Process {
      yield* NOTHING;
      throw new ModelError('EIO', 'block 10');
    };
    expect(() => rig.run(journal.flush())).toThrow(eio('block 10'));
    expect(rig.asked).toEqual(['beginChanges', 'aborted: EIO: block 10']);
    expect(rig.ring.free).toBeLessThan(rig.ring.length);
  });

  it('a journal that is flushed before any change has nothing to commit', () => {
    const { rig, journal } = loaded();
    rig.run(journal.force());
    rig.run(journal.waitFor(FIRST_TID - 1));
    expect([journal.commits, rig.writes().length]).toEqual([0, 0]);
  });
});

describe('a file system without a journal', () => {
  it('a file system without a journal has every change at once', () => {
    const rig = new JournalRig();
    const { mm, writeback } = rig.core;
    const none = new NoJournal(rig.core);
    expect(none).toMatchObject({
      isKept: false,
      isOpen: true,
      isAborted: false,
      hasFrozen: false,
      lastTid: -1,
      commits: 0,
    });
    const operation = NOTHING;
    expect(none.run(() => operation)).toBe(operation);
    for (const process of [none.force(), none.waitFor(), none.flush(), none.waitForData()])
      expect(process).toBe(NOTHING);
    expect([none.isCommitted(), none.isJoined(), none.frozen()]).toEqual([true, true, undefined]);
    const pfn = rig.page(rig.device, 10, 3);
    expect(none.tryAccess(rig.device, 10)).toBe(pfn);
    expect(none.tryAccess(rig.device, 11)).toBeUndefined();
    expect(rig.run(none.access(rig.device, 10))).toBe(pfn);
    // A new block: what the disk has there is another file's.
    none.join(rig.device, 10, 10, pfn);
    expect(mm.map.has(pfn, PG.fresh)).toBe(true);
    const data = rig.page(rig.file, 1, 3);
    none.markPageDirty(rig.file as unknown as Parameters<NoJournal['markPageDirty']>[0], data);
    expect([mm.map.has(data, PG.dirty), writeback.isDirty(rig.file.space)]).toEqual([true, true]);
  });

  it('a file system without a journal lists an inode with the first change of its fields', () => {
    const rig = new JournalRig();
    const none = new NoJournal(rig.core);
    const { writeback } = rig.core;
    const inode = Object.create(rig.file, { isInodeDirty: { value: false, writable: true } }) as JournaledInode;
    none.addInode(inode);
    expect([inode.isInodeDirty, writeback.isDirty(rig.file.space)]).toEqual([true, true]);
    // Who writes it takes it off the list, and stores it then.
    writeback.forget(rig.file.space);
    none.addInode(inode);
    expect([inode.isInodeDirty, writeback.isDirty(rig.file.space)]).toEqual([true, false]);
  });
});
