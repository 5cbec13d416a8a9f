/**
 * The judges of a campaign alone: what is said of a page, in every combination of what it was and
 * what became of it. Nothing here boots a guest: the happenings are told by hand, and the memory
 * and the disk say what is right.
 */

import { describe, expect, it } from 'vitest';
import { Mfn, PAGE_SIZE } from '../../../src/base/index.ts';
import { directory, file, sparse, tree } from '../../../src/disk/mkfs/tree.ts';
import { makeExt2 } from '../../../src/disk/mkfs/mkfs.ts';
import { MemoryImage } from '../../../src/disk/image/memory-image.ts';
import { DirtyJudge } from '../../../src/experiment/judge/dirty-judge.ts';
import { OracleExt2 } from '../../../src/experiment/judge/oracle-ext2.ts';
import { PageJudge, type PageVerdicts } from '../../../src/experiment/judge/page-judge.ts';
import { MachineMemory } from '../../../src/machine/memory.ts';
import type { Hypervisor } from '../../../src/xen/index.ts';
import { pattern } from '../../support/small-disk.ts';

const NONE: PageVerdicts = {
  reusedRightly: 0,
  reusedWrongly: 0,
  discardedRightly: 0,
  discardedNeedlessly: 0,
  notAskedFor: 0,
};

describe('the judge of named pages', () => {
  const image = makeExt2(
    tree(
      directory([
        ['a', file(pattern(3 * PAGE_SIZE, 1))],
        ['hole', file(sparse(2 * PAGE_SIZE, [[PAGE_SIZE, pattern(PAGE_SIZE, 2)]]))],
      ]),
    ),
  );
  const oracle = new OracleExt2(image);
  const [a, hole] = ['/a', '/hole'].map((path) => oracle.listFiles().find((each) => each.path === path)!.ino) as [
    number,
    number,
  ];
  const FRAME = Mfn(5);

  interface Page {
    readonly ino: number;
    readonly index: number;
    /** Of the name, beyond the inode's own. */
    readonly younger: number;
    /** Byte of the frame that differs from the block. */
    readonly wrongByte: number | undefined;
    readonly isRight: boolean;
  }
  const right = { ino: a, index: 1, younger: 0, wrongByte: undefined, isRight: true };
  const PAGES: Record<string, Page> = {
    'a page of a file': right,
    'the first page': { ...right, index: 0 },
    'the last page': { ...right, index: 2 },
    'block 1 of the device': { ...right, ino: 0, index: 1 },
    'block 0 of the device': { ...right, ino: 0, index: 0 },
    'a page with a wrong first byte': { ...right, wrongByte: 0, isRight: false },
    'a page with a wrong last byte': { ...right, wrongByte: PAGE_SIZE - 1, isRight: false },
    'a page of an inode of another generation': { ...right, younger: 1, isRight: false },
    'a page behind the end': { ...right, index: 3, isRight: false },
    'a page in a hole': { ...right, ino: hole, index: 0, isRight: false },
  };

  function judgeOf(page: Page): PageJudge {
    const memory = new MachineMemory(64 * PAGE_SIZE);
    const frame = new Uint8Array(PAGE_SIZE);
    const block = page.ino === 0 ? page.index : oracle.blockOf(page.ino, page.index);
    // What lies in a hole is zeros: what the judge would compare with were it to take block 0.
    image.read(block * PAGE_SIZE, frame, 0, PAGE_SIZE);
    if (page.wrongByte !== undefined) frame[page.wrongByte]! ^= 0x80;
    memory.copyIn(FRAME, 0, frame, 0, PAGE_SIZE);
    return new PageJudge(memory, image);
  }
  const generationOf = ({ ino, younger }: Page): number => (oracle.generation(ino) + younger) >>> 0;

  describe.each(Object.entries(PAGES))('of %s', (_, page) => {
    const named = (): PageJudge => {
      const judge = judgeOf(page);
      judge.onFrame('named', FRAME, page.ino, generationOf(page), page.index);
      expect(judge.named).toEqual([FRAME]);
      judge.guestEnds();
      return judge;
    };
    const discarded = page.isRight ? { discardedNeedlessly: 1 } : { discardedRightly: 1 };

    it.each(['erased', 'dropped', 'assigned'] as const)(
      'the judge judges a page that is %s by its bytes at that instant',
      (fate) => {
        const judge = named();
        judge.onFrame(fate, FRAME, 0, 0, 0);
        expect(judge.verdicts).toEqual({ ...NONE, ...discarded });
        expect(judge.named).toEqual([]);
      },
    );

    it('the judge judges a page that is named anew by what it was', () => {
      const judge = named();
      judge.onFrame('named', FRAME, 99, 99, 99);
      expect(judge.verdicts).toEqual({ ...NONE, ...discarded });
      expect(judge.named).toEqual([]);
    });

    it('the judge judges a page that is freed by what it saw last, and not by the bytes', () => {
      const judge = named();
      judge.onFrame('freed', FRAME, 0, 0, 0);
      expect(judge.verdicts).toEqual({ ...NONE, discardedRightly: 1 });
      const looked = named();
      looked.look();
      looked.onFrame('freed', FRAME, 0, 0, 0);
      expect(looked.verdicts).toEqual({ ...NONE, ...discarded });
    });

    it('the judge says so of a page that is never asked for', () => {
      const judge = named();
      for (const idle of ['preserved', 'clean', 'none', 'reading', 'writing', 'dirty', 'undirty'] as const)
        judge.onFrame(idle, FRAME, 0, 0, 0);
      judge.end();
      expect(judge.verdicts).toEqual({ ...NONE, notAskedFor: 1 });
      expect(judge.named).toEqual([]);
    });

    it('the judge looks at bytes and place of a page that is reused, and counts it once', () => {
      const judge = named();
      judge.onFrame('claimed', FRAME, 0, 0, 0);
      expect(judge.verdicts).toEqual(NONE);
      const block = page.ino === 0 ? page.index : oracle.blockOf(page.ino, page.index);
      judge.reused(FRAME, page.ino, page.index, block);
      judge.end();
      // By the name alone: whose generation it is, the claim must have asked.
      const isRight = page.isRight || page.younger !== 0;
      expect(judge.verdicts).toEqual({ ...NONE, ...(isRight ? { reusedRightly: 1 } : { reusedWrongly: 1 }) });
    });

    it('the judge calls a page that is reused for the block beside it wrong', () => {
      const judge = named();
      judge.onFrame('claimed', FRAME, 0, 0, 0);
      judge.reused(FRAME, page.ino, page.index, oracle.blockOf(page.ino, page.index) + 1);
      expect(judge.verdicts).toEqual({ ...NONE, reusedWrongly: 1 });
    });
  });

  it('the judge of named pages judges nothing before the guest ends, and no frame without a name', () => {
    const judge = judgeOf(right);
    for (const fate of ['erased', 'dropped', 'assigned', 'freed'] as const) {
      judge.onFrame('named', FRAME, a, generationOf(right), 1);
      judge.onFrame(fate, FRAME, 0, 0, 0);
      expect(judge.named).toEqual([]);
    }
    judge.guestEnds();
    for (const fate of ['erased', 'dropped', 'assigned', 'freed'] as const) judge.onFrame(fate, FRAME, 0, 0, 0);
    judge.end();
    expect(judge.verdicts).toEqual(NONE);
  });

  it('the judge of named pages tells its frames in ascending order', () => {
    const judge = judgeOf(right);
    for (const mfn of [30, 4, 200, 5]) judge.onFrame('named', Mfn(mfn), a, 0, mfn);
    expect(judge.named).toEqual([4, 5, 30, 200]);
  });
});

describe('the judge of dirty pages', () => {
  const FIRST = 10;
  const BLOCKS = 24;
  /** What was on the disk at a block, and what a guest had that is newer than that. */
  const old = (block: number): Uint8Array => pattern(PAGE_SIZE, 3 * block);
  const fresh = (block: number): Uint8Array => pattern(PAGE_SIZE, 3 * block + 1);

  /** A machine with a dirty page for each of these blocks. */
  function scene(blocks: readonly number[]) {
    const memory = new MachineMemory(64 * PAGE_SIZE);
    const image = new MemoryImage(BLOCKS * PAGE_SIZE);
    for (let block = 0; block < BLOCKS; block++) image.write(block * PAGE_SIZE, old(block), 0, PAGE_SIZE);
    const torn = new Set<number>();
    blocks.forEach((block, n) => {
      memory.copyIn(Mfn(FIRST + n), 0, fresh(block), 0, PAGE_SIZE);
    });
    const hypervisor = {
      memory,
      map: { firstDomainMfn: FIRST, frameCount: 64 },
      frames: {
        isDirty: (mfn: Mfn) => mfn >= FIRST && mfn < FIRST + blocks.length,
        blockOf: (mfn: Mfn) => blocks[mfn - FIRST],
        isWhole: (mfn: Mfn) => !torn.has(mfn),
      },
    } as unknown as Hypervisor;
    const judge = new DirtyJudge(hypervisor, image);
    judge.look();
    const frames = blocks.map((_, n) => Mfn(FIRST + n));
    expect(judge.frames).toEqual(frames);
    return {
      judge,
      damage: {
        none: () => undefined,
        'its first byte': () => memory.writeU8(frames[0]!, 0, memory.readU8(frames[0]!, 0) ^ 1),
        'its last byte': () => memory.writeU8(frames[0]!, PAGE_SIZE - 1, memory.readU8(frames[0]!, PAGE_SIZE - 1) ^ 1),
        'its record': () => torn.add(frames[0]!),
      },
      write: (block: number, bytes: Uint8Array) => {
        image.write(block * PAGE_SIZE, bytes, 0, PAGE_SIZE);
      },
    };
  }
  type Scene = ReturnType<typeof scene>;
  type Damage = keyof Scene['damage'];
  const DAMAGES: readonly Damage[] = ['none', 'its first byte', 'its last byte', 'its record'];

  /** Writes of the tool stack, and what they make of the page of block 7. */
  const WRITES: Record<string, (scene: Scene) => void> = {
    'it home': ({ write }) => write(7, fresh(7)),
    'it elsewhere': ({ write }) => write(9, fresh(7)),
    'it home and elsewhere': ({ write }) => {
      write(7, fresh(7));
      write(9, fresh(7));
    },
    'other bytes to its home': ({ write }) => write(7, fresh(8)),
    'other bytes elsewhere': ({ write }) => write(BLOCKS - 1, fresh(8)),
    'one byte less': ({ write }) => write(7, fresh(7).fill(0, PAGE_SIZE - 1)),
    nothing: () => undefined,
  };
  const EXPECTED: Record<string, (isDamaged: boolean) => Partial<PageVerdicts>> = {
    'it home': () => ({ reusedRightly: 1 }),
    'it elsewhere': () => ({ reusedWrongly: 1 }),
    // The second copy lies where no page was registered.
    'it home and elsewhere': () => ({ reusedRightly: 1, reusedWrongly: 1 }),
    'other bytes to its home': () => ({ reusedWrongly: 1 }),
    'other bytes elsewhere': (isDamaged) => ({
      reusedWrongly: 1,
      ...(isDamaged ? { discardedRightly: 1 } : { discardedNeedlessly: 1 }),
    }),
    'one byte less': () => ({ reusedWrongly: 1 }),
    nothing: (isDamaged) => (isDamaged ? { discardedRightly: 1 } : { discardedNeedlessly: 1 }),
  };

  it.each(DAMAGES.flatMap((damage) => Object.keys(WRITES).map((what) => [damage, what] as const)))(
    'the judge counts what becomes of a page when %s is damaged and the tool stack writes %s',
    (damage, what) => {
      const there = scene([7]);
      there.damage[damage]();
      there.judge.struck();
      WRITES[what]!(there);
      const verdicts = { ...NONE };
      there.judge.end(verdicts);
      expect(verdicts).toEqual({ ...NONE, ...EXPECTED[what]!(damage !== 'none') });
    },
  );

  it('the judge of dirty pages tells many pages apart, and adds to what was there', () => {
    const there = scene([0, 1, 2, 3, 4]);
    there.damage['its record']();
    there.judge.struck();
    for (const block of [1, 2]) there.write(block, fresh(block));
    there.write(20, fresh(3));
    there.write(21, fresh(22));
    const verdicts = { ...NONE, reusedRightly: 10, notAskedFor: 7 };
    there.judge.end(verdicts);
    expect(verdicts).toEqual({
      reusedRightly: 12,
      reusedWrongly: 2,
      discardedRightly: 1,
      discardedNeedlessly: 1,
      notAskedFor: 7,
    });
  });
});
