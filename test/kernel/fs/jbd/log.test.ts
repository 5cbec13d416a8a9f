// The ring of the journal, on a file and a drive that are made up. What is written where, and what
// does the superblock say of it?
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ModelError, PAGE_SIZE, Pfn } from '../../../../src/base/index.ts';
import {
  JBD_INCOMPAT_REVOKE,
  JBD_MIN_BLOCKS,
  JBD_SUPERBLOCK,
  jbdWords,
  putJbdSuperblock,
} from '../../../../src/format/jbd.ts';
import type { Bio } from '../../../../src/kernel/block/block-queue.ts';
import { JournalLog } from '../../../../src/kernel/fs/jbd/log.ts';
import { HOLE } from '../../../../src/kernel/cache/mapping.ts';
import { NOTHING, type Process, Simulation } from '../../../../src/sim/index.ts';
import { SEGMENTS_PER_REQUEST } from '../../../../src/xen/public/index.ts';
import { property } from '../../../support/property.ts';

const BLOCKS = JBD_MIN_BLOCKS;
const SUPERBLOCK_PAGE = Pfn(7);

class FakeJournal {
  readonly simulation = new Simulation(1);
  readonly superblock = new Uint8Array(PAGE_SIZE);
  /** Blocks that were written, with the page that each came from, in order. */
  readonly written: [block: number, pfn: number][] = [];
  /** s_start and s_sequence at each time that the superblock reached the medium. */
  readonly told: [start: number, sequence: number][] = [];
  fails = false;
  isRegular = true;
  /** Bytes of the file that the ring lies in. */
  size = BLOCKS * PAGE_SIZE;
  readonly #place: (index: number) => number;

  constructor(place: (index: number) => number) {
    this.#place = place;
    putJbdSuperblock(this.superblock, BLOCKS);
  }

  word(name: keyof typeof JBD_SUPERBLOCK.offset): number {
    return jbdWords(this.superblock).getInt32(JBD_SUPERBLOCK.offset[name]);
  }

  open(): JournalLog {
    const { superblock } = this;
    const memory = {
      writeU32: (_: Pfn, offset: number, value: number) => {
        new DataView(superblock.buffer).setUint32(offset, value, true);
      },
    };
    const buffers = {
      *bread(): Process<Pfn> {
        yield* NOTHING;
        return SUPERBLOCK_PAGE;
      },
      copyOut: (_: Pfn, offset: number, dst: Uint8Array, length: number) => {
        dst.set(superblock.subarray(offset, offset + length));
      },
      pin: () => undefined,
      dirtyDirect: () => undefined,
      writeThrough: () => {
        this.told.push([this.word('s_start'), this.word('s_sequence')]);
        return NOTHING;
      },
    };
    const queue = {
      isFull: () => false,
      submit: ({ block, pages, endPage }: Bio) => {
        expect(pages.length).toBeLessThanOrEqual(SEGMENTS_PER_REQUEST);
        pages.forEach((pfn, i) => {
          this.written.push([block + i, pfn]);
          endPage(pfn, this.fails);
        });
      },
      unplug: () => undefined,
    };
    const inode = {
      ino: 8,
      isRegular: this.isRegular,
      size: this.size,
      pageCount: BLOCKS,
      blockNow: (index: number) => this.#place(index),
    };
    const writeback = { flushDrive: () => NOTHING };
    type Parts = Parameters<typeof JournalLog.open>;
    const io = { queue };
    const parts = [{ env: { memory }, io, writeback }, buffers, inode] as unknown as Parts;
    return this.simulation.runProcess('open', JournalLog.open(...parts));
  }

  run<T>(process: Process<T>): T {
    return this.simulation.runProcess('log', process);
  }
}

describe('the ring', () => {
  property(
    'the ring takes pages in its order, across its end, until it is full; each goes to the block of its position',
    fc.array(fc.oneof(fc.integer({ min: 1, max: 400 }), fc.constant('empty' as const)), { maxLength: 30 }),
    fc.boolean(),
    (steps, isScattered) => {
      const place = (index: number): number => (isScattered ? 5000 + ((index * 7) % BLOCKS) : 5000 + index);
      const journal = new FakeJournal(place);
      const log = journal.open();
      const first = log.superblock.first;
      expect(log.length).toBe(BLOCKS - first);
      let position = first;
      let free = log.length;
      let sequence = 1;
      for (const step of steps) {
        if (step === 'empty') {
          journal.run(log.empty(++sequence, false));
          free = log.length;
          expect(journal.told.at(-1)).toEqual([position, sequence]);
          continue;
        }
        const pages = Array.from({ length: step }, (_, i) => Pfn(100 + i));
        const before = journal.written.length;
        if (step > free) {
          expect(() => journal.run(log.append(pages))).toThrow(ModelError);
          expect(journal.written).toHaveLength(before);
          continue;
        }
        journal.run(log.append(pages));
        const expected = pages.map((pfn) => {
          const at = position;
          position = position + 1 < BLOCKS ? position + 1 : first;
          return [place(at), pfn];
        });
        expect(journal.written.slice(before)).toEqual(expected);
        free -= step;
        expect(log.free).toBe(free);
      }
    },
    { numRuns: 50 },
  );

  it('the ring is not written past a hole of the journal’s file, nor over a write that failed', () => {
    const holes = new FakeJournal((index) => (index === 3 ? HOLE : 5000 + index));
    const log = holes.open();
    holes.run(log.append([Pfn(1)]));
    expect(() => holes.run(log.append([Pfn(2), Pfn(3)]))).toThrow(/block 3 is a hole/);
    expect(holes.written).toEqual([[5001, 1]]);
    const broken = new FakeJournal((index) => 5000 + index);
    broken.fails = true;
    const other = broken.open();
    expect(() => broken.run(other.append([Pfn(1)]))).toThrow(/could not be written/);
  });
});

describe('a journal that is opened', () => {
  it.each<[string, string, Partial<FakeJournal>, (journal: FakeJournal) => void]>([
    ['is not a regular file', 'journal: inode 8 is not a regular file', { isRegular: false }, () => undefined],
    ['has less than a block', 'journal: it has no blocks', { size: PAGE_SIZE - 1 }, () => undefined],
    [
      'is shorter than it says',
      `journal: s_maxlen is ${BLOCKS}, the journal has 1 block`,
      { size: PAGE_SIZE },
      () => undefined,
    ],
    ['has no magic number', 'journal: its superblock has no magic', {}, (journal) => journal.superblock.fill(0, 0, 4)],
  ])('a journal that is opened and %s is refused', (_, message, parts, damage) => {
    const journal = Object.assign(new FakeJournal((index) => 5000 + index), parts);
    damage(journal);
    expect(() => journal.open()).toThrow(
      expect.objectContaining({ code: 'EINVAL', message: `EINVAL: ext3: ${message}` }),
    );
  });

  it('a journal that is opened and whose first block is a hole is refused', () => {
    const journal = new FakeJournal((index) => (index === 0 ? HOLE : 5000 + index));
    expect(() => journal.open()).toThrow('EINVAL: ext3: journal: it has no blocks');
  });
});

describe('the superblock of the journal', () => {
  it('the superblock of the journal says where an empty log starts before the first transaction, and not again before it is emptied', () => {
    const journal = new FakeJournal((index) => 5000 + index);
    const log = journal.open();
    journal.run(log.begin(4, false));
    journal.run(log.append([Pfn(1), Pfn(2)]));
    journal.run(log.begin(5, false));
    expect(journal.told).toEqual([[1, 4]]);
    journal.run(log.empty(6, false));
    journal.run(log.begin(6, false));
    expect(journal.told).toEqual([
      [1, 4],
      [3, 6],
    ]);
  });

  it('the superblock of the journal says that the log is empty when the journal is put out of use', () => {
    const journal = new FakeJournal((index) => 5000 + index);
    const log = journal.open();
    journal.run(log.begin(4, false));
    journal.run(log.empty(9, true));
    expect(journal.told.at(-1)).toEqual([0, 9]);
  });

  it('the superblock of the journal says that there are revoke blocks before the first', () => {
    const journal = new FakeJournal((index) => 5000 + index);
    const log = journal.open();
    journal.run(log.begin(4, false));
    expect(journal.word('s_feature_incompat')).toBe(0);
    journal.run(log.begin(5, true));
    expect(journal.word('s_feature_incompat')).toBe(JBD_INCOMPAT_REVOKE);
    expect(journal.told).toHaveLength(2);
    journal.run(log.begin(6, true));
    expect(journal.told).toHaveLength(2);
  });

  it('the superblock of the journal keeps the error of a journal that has ended until it is cleared', () => {
    const journal = new FakeJournal((index) => 5000 + index);
    const log = journal.open();
    log.recordError();
    expect(journal.word('s_errno')).toBe(-5);
    journal.run(log.clearError());
    expect(journal.word('s_errno')).toBe(0);
  });
});
