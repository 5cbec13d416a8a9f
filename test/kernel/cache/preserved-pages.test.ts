import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Ino, type PageIndex, type Pfn } from '../../../src/base/index.ts';
import {
  type AddressSpace,
  MemoryManagement,
  NameBatch,
  NO_PAGE,
  PAGEVEC_SIZE,
  PG,
  PreservedPages,
  RA_MAX,
  tellRecency,
  Unclaimed,
} from '../../../src/kernel/index.ts';
import {
  type CacheMapBatch,
  CacheMapOp,
  ENTRY_BLOCK,
  ENTRY_GENERATION,
  ENTRY_INDEX,
  ENTRY_INO,
  ENTRY_OP,
  ENTRY_PFN,
  ENTRY_RECENCY,
  ENTRY_RESULT,
  ENTRY_WORDS,
  type GuestEnvironment,
  type Hypercalls,
  Reason,
} from '../../../src/xen/public/index.ts';
import { property } from '../../support/property.ts';
import { activePages, checkMemory, inactivePages } from '../mm/memory-state.ts';

/**
 * Writes down every batch; answers a claim of index k, and a discard of block k, with what
 * `answers` says: [result, pfn].
 */
class Hypervisor implements Pick<Hypercalls, 'cacheMapOp'> {
  readonly batches: string[][] = [];
  /** Pages whose recency was asked for, and whose was told, call by call. */
  readonly asked: number[] = [];
  readonly told: number[] = [];
  /** What is answered about the recency of pages; undefined: nothing was told. */
  recency: Map<number, number> | undefined;
  readonly answers = new Map<number, [result: number, pfn: number]>();

  cacheMapOp({ words, count }: CacheMapBatch): void {
    const lines: string[] = [];
    if (words[ENTRY_OP] === CacheMapOp.askRecency) this.asked.push(count);
    if (words[ENTRY_OP] === CacheMapOp.tellRecency) this.told.push(count);
    for (let at = 0; at < count * ENTRY_WORDS; at += ENTRY_WORDS) {
      const [pfn, ino, generation] = [words[at + ENTRY_PFN]!, words[at + ENTRY_INO]!, words[at + ENTRY_GENERATION]!];
      const index = words[at + ENTRY_INDEX]!;
      switch (words[at + ENTRY_OP]) {
        case CacheMapOp.insert:
          lines.push(`insert ${pfn} ${ino}/${generation}/${index}`);
          break;
        case CacheMapOp.erase:
          lines.push(`erase ${pfn}`);
          break;
        case CacheMapOp.release:
          lines.push(`release ${pfn}`);
          break;
        case CacheMapOp.askRecency: {
          const told = this.recency?.get(pfn);
          words[at + ENTRY_RESULT] = told === undefined ? Reason.absent : Reason.ok;
          words[at + ENTRY_RECENCY] = told ?? 0;
          break;
        }
        case CacheMapOp.tellRecency:
          lines.push(`recency ${pfn} ${words[at + ENTRY_RECENCY]!.toString(16)}`);
          break;
        case CacheMapOp.discard: {
          const block = words[at + ENTRY_BLOCK]!;
          lines.push(`discard ${block}`);
          const [result, given] = this.answers.get(block) ?? [Reason.absent, 0];
          words[at + ENTRY_RESULT] = result;
          if (result !== Reason.absent) words[at + ENTRY_PFN] = given;
          break;
        }
        case CacheMapOp.claim: {
          lines.push(`claim ${ino}/${generation}/${index} at ${words[at + ENTRY_BLOCK]!}`);
          const [result, given] = this.answers.get(index) ?? [Reason.absent, 0];
          words[at + ENTRY_RESULT] = result;
          if (result !== Reason.absent) words[at + ENTRY_PFN] = given;
          break;
        }
        default:
          throw new Error('no such operation');
      }
    }
    if (lines.length > 0) this.batches.push(lines);
  }
}

interface Guest {
  readonly hypervisor: Hypervisor;
  readonly names: NameBatch;
  readonly preserved: PreservedPages;
  readonly mm: MemoryManagement;
  readonly reused: string[];
  readonly file: AddressSpace;
}

/** A guest of 200 pages, or as many as are told, of which `kept` are set aside. */
function guest(kept: number[], recency?: Map<number, number>, nrPages = 200): Guest {
  const hypervisor = new Hypervisor();
  hypervisor.recency = recency;
  const reused: string[] = [];
  const names = new NameBatch(hypervisor);
  const unclaimed = new Unclaimed(names);
  const mm = new MemoryManagement(nrPages, names, unclaimed);
  for (const pfn of kept) mm.map.set(pfn as Pfn, PG.preserved);
  mm.freeAll();
  const preserved = new PreservedPages(hypervisor, mm, names, unclaimed, (pfn, ino, index, block) =>
    reused.push(`${pfn} ${ino}/${index} ${block}`),
  );
  return { hypervisor, names, preserved, mm, reused, file: mm.cache.open(7 as Ino, 3) };
}

function claim({ preserved, file }: Guest, indices: number[], space = file): number[] {
  const pages = new Int32Array(indices.length);
  const blocks = indices.map((index) => 1000 + index);
  preserved.claim(space, indices, blocks, indices.length, pages);
  return [...pages];
}

describe('naming', () => {
  it('naming goes out in batches of 14, in order', () => {
    const { hypervisor, names } = guest([]);
    for (let i = 0; i < PAGEVEC_SIZE - 1; i++) names.insert(i as Pfn, 7 as Ino, 3, (10 + i) as PageIndex);
    expect(hypervisor.batches).toEqual([]);
    names.erase(4 as Pfn);
    expect(hypervisor.batches).toHaveLength(1);
    expect(hypervisor.batches[0]).toHaveLength(14);
    expect(hypervisor.batches[0]!.slice(0, 2)).toEqual(['insert 0 7/3/10', 'insert 1 7/3/11']);
    expect(hypervisor.batches[0]!.at(-1)).toBe('erase 4');
  });

  it('flush sends the names that wait, once, and nothing when nothing waits', () => {
    const { hypervisor, names } = guest([]);
    names.flush();
    names.insert(1 as Pfn, 7 as Ino, 3, 0 as PageIndex);
    names.flush();
    names.flush();
    expect(hypervisor.batches).toEqual([['insert 1 7/3/0']]);
  });

  property(
    'naming keeps the order, whatever is told when',
    fc.array(fc.constantFrom('insert', 'erase', 'flush')),
    (ops) => {
      const { hypervisor, names } = guest([]);
      const told: string[] = [];
      ops.forEach((op, i) => {
        if (op === 'flush') names.flush();
        else if (op === 'erase') {
          told.push(`erase ${i}`);
          names.erase(i as Pfn);
        } else {
          told.push(`insert ${i} 7/3/${i}`);
          names.insert(i as Pfn, 7 as Ino, 3, i as PageIndex);
        }
        if (op === 'flush') expect(hypervisor.batches.flat()).toEqual(told);
        expect(told.length - hypervisor.batches.flat().length).toBeLessThan(PAGEVEC_SIZE);
      });
      expect(hypervisor.batches.flat()).toEqual(told.slice(0, hypervisor.batches.flat().length));
      expect(hypervisor.batches.every((batch) => batch.length > 0 && batch.length <= PAGEVEC_SIZE)).toBe(true);
    },
  );
});

describe('claiming', () => {
  it('claiming is one hypercall for a window: what is handed over, what is refused and what is absent', () => {
    const it = guest([50, 51, 52]);
    const { hypervisor, preserved, mm, reused } = it;
    const free = mm.allocator.freeCount;
    hypervisor.answers.set(0, [Reason.ok, 51]).set(2, [Reason.staleBlock, 50]);
    expect(claim(it, [0, 1, 2])).toEqual([51, NO_PAGE, NO_PAGE]);
    expect(hypervisor.batches).toEqual([['claim 7/3/0 at 1000', 'claim 7/3/1 at 1001', 'claim 7/3/2 at 1002']]);
    // Handed over: up to date and named already. Refused: an ordinary free page from now on.
    expect([51, 50, 52].map((pfn) => mm.map.flagsOf(pfn as Pfn))).toEqual([
      PG.uptodate | PG.named,
      PG.free,
      PG.preserved | PG.lru,
    ]);
    expect(mm.allocator.freeCount).toBe(free + 1);
    expect([preserved.unclaimed, preserved.reused, reused]).toEqual([1, 1, ['51 7/0 1000']]);
  });

  it('claiming asks for nothing when nothing is left, or for a file that is not named', () => {
    const without = guest([]);
    expect(claim(without, [0])).toEqual([NO_PAGE]);
    const unnamed = guest([50]);
    expect(claim(unnamed, [0, 1], unnamed.mm.cache.open(8 as Ino, 0, false))).toEqual([NO_PAGE, NO_PAGE]);
    expect([without.hypervisor.batches, unnamed.hypervisor.batches]).toEqual([[], []]);
  });

  it('a page that was not set aside is a defect', () => {
    const it = guest([50]);
    it.hypervisor.answers.set(0, [Reason.ok, 60]);
    expect(() => claim(it, [0])).toThrow('preserved pages 1');
  });

  it('a claimed page that is evicted is erased like any other', () => {
    const it = guest([50]);
    const { hypervisor, mm, file } = it;
    hypervisor.answers.set(4, [Reason.ok, 50]);
    expect(claim(it, [4])).toEqual([50]);
    mm.cache.add(file, 4, 50 as Pfn);
    mm.invalidate(file);
    expect(hypervisor.batches.at(-1)).toEqual(['erase 50']);
  });
});

const preservedPages = ({ mm }: Guest): number[] =>
  Array.from({ length: 200 }, (_, pfn) => pfn).filter((pfn) => mm.map.has(pfn as Pfn, PG.preserved));

describe('recency', () => {
  const told = new Map([
    [100, 3],
    [101, 1],
    [102, 0x4001],
    [103, 0xc002],
    [104, 0x8002],
    [105, 0],
  ]);

  it('recency puts pages where they were: oldest first, those of which nothing was told before all', () => {
    const { mm } = guest([...told.keys()], told);
    expect(inactivePages(mm.map)).toEqual([105, 101, 104, 100]);
    expect(activePages(mm.map)).toEqual([102, 103]);
    const referenced = [...told.keys()].filter((pfn) => mm.map.has(pfn as Pfn, PG.referenced));
    expect(referenced).toEqual([103, 104]);
    checkMemory(mm);
  });

  it('recency leaves a page in its place when it is claimed, and is nothing to a page that is refused', () => {
    const it = guest([...told.keys()], told);
    const { hypervisor, mm } = it;
    hypervisor.answers.set(0, [Reason.ok, 101]).set(1, [Reason.ok, 103]).set(2, [Reason.dirty, 104]);
    expect(claim(it, [0, 1, 2])).toEqual([101, 103, NO_PAGE]);
    for (const [index, pfn] of [
      [0, 101],
      [1, 103],
    ] as const)
      mm.cache.add(it.file, index, pfn as Pfn);
    mm.lru.drain();
    expect([inactivePages(mm.map), activePages(mm.map)]).toEqual([
      [105, 101, 100],
      [102, 103],
    ]);
    checkMemory(mm);
  });

  it('a page that is claimed is the youngest without recency', () => {
    const it = guest([100, 101, 102]);
    it.hypervisor.answers.set(0, [Reason.ok, 100]);
    claim(it, [0]);
    it.mm.cache.add(it.file, 0, 100 as Pfn);
    it.mm.lru.drain();
    expect(inactivePages(it.mm.map)).toEqual([101, 102, 100]);
  });

  it.each([
    [1, [1]],
    [511, [511]],
    [512, [512]],
    [513, [512, 1]],
    [1023, [512, 511]],
    [1024, [512, 512]],
    [1025, [512, 512, 1]],
  ])('recency of %i pages is asked for and told in calls of 512 at most, of each page once', (count, calls) => {
    const pages = Array.from({ length: count }, (_, i) => 200 + i);
    // The last page is the oldest.
    const it = guest(pages, new Map(pages.map((pfn) => [pfn, pages.length + 200 - pfn])), 1400);
    expect(it.hypervisor.asked).toEqual(calls);
    expect(inactivePages(it.mm.map)).toEqual([...pages].reverse());
    tellRecency(it.mm, it.hypervisor, it.names);
    expect(it.hypervisor.told).toEqual(calls);
    const told = it.hypervisor.batches.flat().map((line) => Number(line.split(' ')[1]));
    expect(told).toEqual([...pages].reverse());
  });

  it.each([511, 512, 513])('recency is nothing where nothing is known of the page in place %i', (unknown) => {
    const pages = Array.from({ length: 514 }, (_, i) => 200 + i);
    const known = new Map(pages.map((pfn) => [pfn, 1000 - pfn]));
    known.delete(200 + unknown);
    const it = guest(pages, known, 1000);
    expect(it.hypervisor.asked).toEqual(unknown < 512 ? [512] : [512, 2]);
    expect(inactivePages(it.mm.map)).toEqual(pages);
  });

  property(
    'recency is told as it is: the next guest has the same lists, unclaimed pages included, and pages without a name are left out',
    fc.array(fc.record({ active: fc.boolean(), referenced: fc.boolean(), named: fc.boolean() }), { maxLength: 60 }),
    fc.nat(20),
    (pages, unclaimed) => {
      const first = guest(Array.from({ length: unclaimed }, (_, i) => 180 + i));
      const unnamed = first.mm.cache.open(8 as Ino, 0, false);
      pages.forEach(({ active, referenced, named }, index) => {
        const pfn = first.mm.allocator.take();
        first.mm.map.set(pfn, (active ? PG.active : 0) | (referenced ? PG.referenced : 0));
        first.mm.cache.add(named ? first.file : unnamed, index, pfn);
        first.mm.cache.setUptodate(pfn);
      });
      tellRecency(first.mm, first.hypervisor, first.names);
      const kept = (pfn: number): boolean => first.mm.map.has(pfn as Pfn, PG.named | PG.preserved);
      const recency = new Map<number, number>();
      for (const line of first.hypervisor.batches.flat()) {
        const [what, pfn, word] = line.split(' ');
        if (what === 'recency') recency.set(Number(pfn), Number.parseInt(word!, 16));
      }
      const next = guest([...recency.keys()], recency);
      expect(inactivePages(next.mm.map)).toEqual(inactivePages(first.mm.map).filter(kept));
      expect(activePages(next.mm.map)).toEqual(activePages(first.mm.map).filter(kept));
      for (const pfn of recency.keys())
        expect(next.mm.map.has(pfn as Pfn, PG.referenced)).toBe(first.mm.map.has(pfn as Pfn, PG.referenced));
    },
  );
});

describe('releasing', () => {
  it('pressure gives pages back by their number, where nothing is known of their age', () => {
    const kept = Array.from({ length: 50 }, (_, i) => 100 + i);
    const it = guest(kept);
    const { hypervisor, preserved, mm } = it;
    const free = mm.allocator.freeCount;
    expect(mm.reclaim.tryToFreePages(32)).toBe(32);
    expect(hypervisor.batches.flat()).toEqual(kept.slice(0, 32).map((pfn) => `release ${pfn}`));
    expect([preserved.unclaimed, mm.allocator.freeCount - free]).toEqual([18, 32]);
    expect(preservedPages(it)).toEqual(kept.slice(32));
    checkMemory(mm);
  });

  it('a time that has passed goes through the pages once, coldest first, and past those that were claimed meanwhile', () => {
    const it = guest([100, 101, 102, 103]);
    const { hypervisor, preserved, mm } = it;
    const pages = preserved.coldestFirst();
    expect(pages).toEqual([100, 101, 102, 103]);
    hypervisor.answers.set(5, [Reason.ok, 101]);
    expect(claim(it, [5])).toEqual([101]);
    preserved.giveBack(pages);
    expect(hypervisor.batches.at(-1)).toEqual(['release 100', 'release 102', 'release 103']);
    expect(preserved.unclaimed).toBe(0);
    checkMemory(mm, 1);
  });

  it('a time that has passed gives pages back 32 at a time, and not those that are claimed in between', () => {
    const kept = Array.from({ length: 50 }, (_, i) => 100 + i);
    const it = guest(kept);
    const { hypervisor, preserved, mm } = it;
    const left: number[] = [];
    const settle = function* () {
      left.push(preserved.unclaimed);
      if (left.length > 1) return;
      hypervisor.answers.set(5, [Reason.ok, 140]);
      claim(it, [5]);
    };
    const waits = [...preserved.expire({ cpu: { settle } } as unknown as GuestEnvironment, 60)];
    expect([waits, left]).toEqual([[60e9], [18, 0]]);
    const released = hypervisor.batches.flat().filter((line) => line.startsWith('release'));
    expect(released).toEqual(kept.filter((pfn) => pfn !== 140).map((pfn) => `release ${pfn}`));
    checkMemory(mm, 1);
  });

  it('blocks that are freed give their pages back, 32 a call, and none is asked about when nothing is unclaimed', () => {
    const it = guest([100, 101]);
    const { hypervisor, preserved, mm } = it;
    hypervisor.answers.set(7, [Reason.ok, 101]).set(41, [Reason.ok, 100]);
    preserved.discard(6, 2);
    expect(hypervisor.batches).toEqual([['discard 6', 'discard 7']]);
    expect(preservedPages(it)).toEqual([100]);
    checkMemory(mm);
    preserved.discard(8, 70);
    expect(hypervisor.batches.map((batch) => batch.length)).toEqual([2, RA_MAX, RA_MAX]);
    expect(preserved.unclaimed).toBe(0);
    preserved.discard(50, 1);
    expect(hypervisor.batches).toHaveLength(3);
    checkMemory(mm);
  });

  property(
    'every preserved page leaves once, by claims, discards and reclaim in any order',
    fc.uniqueArray(fc.integer({ min: 20, max: 199 }), { minLength: 1, maxLength: 60 }),
    fc.array(
      fc.oneof(
        fc.record({ claim: fc.nat(59), refused: fc.boolean() }),
        fc.record({ free: fc.nat(40) }),
        fc.record({ discard: fc.nat(59) }),
      ),
      { maxLength: 60 },
    ),
    (kept, ops) => {
      const it = guest(kept);
      const { hypervisor, preserved, mm } = it;
      const left = new Set(kept);
      let handedOver = 0;
      for (const op of ops) {
        const before = hypervisor.batches.length;
        if ('free' in op) {
          const free = mm.allocator.freeCount;
          const given = mm.reclaim.tryToFreePages(op.free);
          expect(mm.allocator.freeCount - free).toBe(given);
          for (const line of hypervisor.batches.slice(before).flat())
            expect(left.delete(Number(line.slice('release '.length)))).toBe(true);
        } else {
          const which = 'claim' in op ? op.claim : op.discard;
          const pfn = kept[which % kept.length]!;
          const refused = 'claim' in op && op.refused;
          hypervisor.answers.set(which, left.has(pfn) ? [refused ? Reason.dirty : Reason.ok, pfn] : [Reason.absent, 0]);
          const given = left.delete(pfn) && !refused;
          if ('claim' in op) {
            expect(claim(it, [which])).toEqual([given ? pfn : NO_PAGE]);
            if (given) handedOver++;
          } else {
            preserved.discard(which, 1);
          }
        }
        expect(preserved.unclaimed).toBe(left.size);
        expect(new Set(preservedPages(it))).toEqual(left);
        expect(mm.allocator.freeCount).toBe(200 - left.size - handedOver);
        checkMemory(mm, handedOver);
      }
    },
  );
});
