// The page cache with its lists, allocator and reclaim, against a model that is a plain Map.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArgumentError, type Ino, type PageIndex, type Pfn } from '../../../src/base/index.ts';
import { type AddressSpace, MemoryManagement, type NameTable, NO_PAGE, PG } from '../../../src/kernel/index.ts';
import { property } from '../../support/property.ts';
import { checkMemory } from './memory-state.ts';

const NR_PAGES = 96;

/**
 * A table as the guest's: what it is told waits in a batch until `flush`, or until the batch is
 * full.
 */
class BatchedNames implements NameTable {
  /** (ino, generation, index) of each named page, as the hypervisor knows them. */
  readonly known = new Map<number, string>();
  #batch: (() => void)[] = [];

  insert(pfn: Pfn, ino: Ino, generation: number, index: PageIndex): void {
    this.#tell(() => {
      expect(this.known.has(pfn)).toBe(false);
      this.known.set(pfn, `${ino}/${generation}/${index}`);
    });
  }

  erase(pfn: Pfn): void {
    this.#tell(() => expect(this.known.delete(pfn)).toBe(true));
  }

  flush(): void {
    const batch = this.#batch;
    this.#batch = [];
    for (const effect of batch) effect();
  }

  #tell(effect: () => void): void {
    this.#batch.push(effect);
    if (this.#batch.length === 14) this.flush();
  }
}

interface ModelPage {
  readonly ino: number;
  readonly index: number;
  readonly pfn: Pfn;
  locked: boolean;
  uptodate: boolean;
}

/** The system under test and the model, in step. */
class Pair {
  readonly names = new BatchedNames();
  readonly mm = new MemoryManagement(NR_PAGES, this.names);
  readonly spaces = new Map<number, AddressSpace>();
  readonly pages = new Map<string, ModelPage>();

  constructor() {
    this.mm.freeAll();
  }

  open(ino: number): void {
    // Inodes 4 and up are not named; the generation tells the openings of one inode apart.
    if (!this.spaces.has(ino)) this.spaces.set(ino, this.mm.cache.open(ino as Ino, 7 * ino, ino < 4));
  }

  close(ino: number): void {
    const space = this.spaces.get(ino);
    if (space === undefined) return;
    this.invalidate(ino);
    if (space.nrPages > 0) {
      expect(() => {
        this.mm.cache.close(space);
      }).toThrow(ArgumentError);
      return;
    }
    this.mm.cache.close(space);
    this.spaces.delete(ino);
  }

  add(ino: number, index: number, stayLocked: boolean): void {
    const space = this.spaces.get(ino);
    if (space === undefined || this.pages.has(`${ino}/${index}`)) return;
    const pfn = this.mm.allocate();
    this.forgetReclaimed();
    if (pfn === NO_PAGE) {
      expect([...this.pages.values()].every(({ locked }) => locked)).toBe(true);
      return;
    }
    this.mm.map.set(pfn, PG.locked);
    this.mm.cache.add(space, index, pfn);
    const page = { ino, index, pfn, locked: true, uptodate: false };
    this.pages.set(`${ino}/${index}`, page);
    if (!stayLocked) this.unlock(page, true);
  }

  unlock(page: ModelPage, ok: boolean): void {
    if (ok) this.mm.cache.setUptodate(page.pfn);
    else this.mm.map.set(page.pfn, PG.error);
    this.mm.map.clear(page.pfn, PG.locked);
    page.locked = false;
    page.uptodate = ok;
  }

  remove(ino: number, index: number): void {
    const page = this.pages.get(`${ino}/${index}`);
    if (page === undefined) return;
    if (page.locked) {
      expect(() => {
        this.mm.cache.remove(page.pfn);
      }).toThrow(ArgumentError);
      return;
    }
    this.mm.cache.remove(page.pfn);
    this.names.flush();
    this.mm.allocator.free(page.pfn);
    this.pages.delete(`${ino}/${index}`);
  }

  invalidate(ino: number): void {
    const space = this.spaces.get(ino);
    if (space === undefined) return;
    const going = [...this.pages].filter(([, page]) => page.ino === ino && !page.locked);
    expect(this.mm.invalidate(space)).toBe(going.length);
    for (const [key] of going) this.pages.delete(key);
  }

  reclaim(target: number): void {
    const before = this.mm.allocator.freeCount;
    const freed = this.mm.reclaim.tryToFreePages(target);
    expect(this.mm.allocator.freeCount - before).toBe(freed);
    expect(this.forgetReclaimed()).toBe(freed);
  }

  /**
   * Which pages reclaim chooses is vmscan.test.ts's to say; here, they must be ones that may go.
   */
  forgetReclaimed(): number {
    let gone = 0;
    for (const [key, page] of this.pages) {
      if (this.mm.cache.find(this.spaces.get(page.ino)!, page.index) !== NO_PAGE) continue;
      expect(page.locked).toBe(false);
      this.pages.delete(key);
      gone++;
    }
    return gone;
  }

  check(): void {
    const { cache, map } = this.mm;
    checkMemory(this.mm);
    expect(cache.nrPages).toBe(this.pages.size);
    for (const [ino, space] of this.spaces) {
      for (let index = 0; index < 40; index++) {
        const page = this.pages.get(`${ino}/${index}`);
        expect(cache.find(space, index)).toBe(page?.pfn ?? NO_PAGE);
        if (page === undefined) continue;
        expect(map.has(page.pfn, PG.locked)).toBe(page.locked);
        expect(map.has(page.pfn, PG.uptodate)).toBe(page.uptodate);
        expect(map.has(page.pfn, PG.named)).toBe(page.uptodate && space.named);
      }
    }
    // Erase before reuse: what the hypervisor knows now is true of a page that is in the cache and
    // up to date.
    const truth = new Map([...this.pages.values()].filter(({ uptodate, ino }) => uptodate && ino < 4).map(nameOf));
    for (const [pfn, name] of this.names.known) expect(name).toBe(truth.get(pfn));
  }

  checkAllNamed(): void {
    this.names.flush();
    const truth = [...this.pages.values()].filter(({ uptodate, ino }) => uptodate && ino < 4).map(nameOf);
    expect([...this.names.known].sort()).toEqual(truth.sort());
  }
}

function nameOf({ ino, index, pfn }: ModelPage): [number, string] {
  return [pfn, `${ino}/${7 * ino}/${index}`];
}

type Op = (pair: Pair) => void;

const ino = fc.integer({ min: 1, max: 6 });
const index = fc.oneof(fc.nat(7), fc.nat(39));
const op: fc.Arbitrary<[string, Op]> = fc.oneof(
  { weight: 3, arbitrary: ino.map((i): [string, Op] => [`open ${i}`, (pair) => pair.open(i)]) },
  { weight: 1, arbitrary: ino.map((i): [string, Op] => [`close ${i}`, (pair) => pair.close(i)]) },
  {
    weight: 12,
    arbitrary: fc
      .tuple(ino, index, fc.nat(9))
      .map(([i, k, n]): [string, Op] => [`add ${i}/${k} ${n === 0}`, (pair) => pair.add(i, k, n === 0)]),
  },
  {
    weight: 4,
    // A run of pages, as readahead adds them: reaches the watermarks.
    arbitrary: fc.tuple(ino, fc.nat(20), fc.nat(20)).map(([i, from, count]): [string, Op] => [
      `read ${i}/${from} +${count}`,
      (pair) => {
        for (let k = from; k < from + count; k++) pair.add(i, k, false);
      },
    ]),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(fc.nat(50), fc.boolean()).map(([n, ok]): [string, Op] => [
      `unlock ${n} ${ok}`,
      (pair) => {
        const locked = [...pair.pages.values()].filter((page) => page.locked);
        if (locked.length > 0) pair.unlock(locked[n % locked.length]!, ok);
      },
    ]),
  },
  {
    weight: 6,
    arbitrary: fc.tuple(ino, index).map(([i, k]): [string, Op] => [
      `access ${i}/${k}`,
      (pair) => {
        const page = pair.pages.get(`${i}/${k}`);
        if (page !== undefined) pair.mm.lru.markAccessed(page.pfn);
      },
    ]),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(ino, index).map(([i, k]): [string, Op] => [`remove ${i}/${k}`, (pair) => pair.remove(i, k)]),
  },
  { weight: 1, arbitrary: ino.map((i): [string, Op] => [`invalidate ${i}`, (pair) => pair.invalidate(i)]) },
  { weight: 2, arbitrary: fc.nat(64).map((n): [string, Op] => [`reclaim ${n}`, (pair) => pair.reclaim(n)]) },
  { weight: 1, arbitrary: fc.constant<[string, Op]>(['drain', (pair) => pair.mm.lru.drain()]) },
);

describe('page cache, lists, allocator and reclaim', () => {
  property(
    'page cache, lists, allocator and reclaim agree with a plain map after every step, and the table with them',
    fc.array(op, { maxLength: 80 }),
    (ops) => {
      const pair = new Pair();
      for (const [, apply] of ops) {
        apply(pair);
        pair.check();
      }
      pair.checkAllNamed();
    },
    { numRuns: 150 },
  );
});

describe('the page cache', () => {
  it('the page cache refuses a second page of one index, and a page of a closed space', () => {
    const mm = new MemoryManagement(NR_PAGES);
    mm.freeAll();
    const space = mm.cache.open(5 as Ino);
    const [first, second] = [mm.allocate(), mm.allocate()];
    mm.cache.add(space, 3, first);
    expect(() => {
      mm.cache.add(space, 3, second);
    }).toThrow(ArgumentError);
    mm.cache.remove(first);
    mm.cache.close(space);
    expect(() => {
      mm.cache.close(space);
    }).toThrow(ArgumentError);
    expect(() => mm.cache.spaceOf(first)).toThrow(ArgumentError);
  });

  it('the page cache names a page once, however often its contents arrive', () => {
    const names: string[] = [];
    const mm = new MemoryManagement(NR_PAGES, {
      insert: (pfn, ino, generation, index) => names.push(`+${pfn}:${ino}/${generation}/${index}`),
      erase: (pfn) => names.push(`-${pfn}`),
      flush: () => names.push('flush'),
    });
    mm.freeAll();
    const space = mm.cache.open(5 as Ino, 9);
    const pfn = mm.allocate();
    mm.cache.add(space, 3, pfn);
    expect(names).toEqual([]);
    mm.cache.setUptodate(pfn);
    mm.cache.setUptodate(pfn);
    mm.invalidate(space);
    expect(names).toEqual([`+${pfn}:5/9/3`, `-${pfn}`, 'flush']);
  });

  it('the page cache does not confuse indices beyond 2^31, nor a reused slot with its last owner', () => {
    const mm = new MemoryManagement(NR_PAGES);
    mm.freeAll();
    const space = mm.cache.open(5 as Ino);
    const pfn = mm.allocate();
    mm.cache.add(space, 0xffff_fff0, pfn);
    expect(mm.cache.find(space, 0xffff_fff0)).toBe(pfn);
    expect(mm.cache.find(space, 0x7fff_fff0)).toBe(NO_PAGE);
    mm.invalidate(space);
    const { slot } = space;
    mm.cache.close(space);
    const next = mm.cache.open(6 as Ino);
    expect(next.slot).toBe(slot);
    expect(mm.cache.find(next, 0xffff_fff0)).toBe(NO_PAGE);
    // A holder of the closed one finds nothing of the new one.
    mm.cache.add(next, 0xffff_fff0, mm.allocate());
    expect(mm.cache.find(space, 0xffff_fff0)).toBe(NO_PAGE);
  });

  it('the page cache tells which pages of a file are dirty and which under writeback, in the order of the file', () => {
    const mm = new MemoryManagement(NR_PAGES);
    mm.freeAll();
    const [space, other] = [mm.cache.open(5 as Ino), mm.cache.open(6 as Ino)];
    const add = (to: AddressSpace, index: number): Pfn => {
      const pfn = mm.allocate();
      mm.cache.add(to, index, pfn);
      return pfn;
    };
    const pages = [9, 2, 30, 4].map((index) => add(space, index));
    const foreign = add(other, 3);
    // Of a space that has had none.
    expect([mm.cache.writebackIndices(space, 0, Infinity), mm.cache.dirtyIndices(space, 0, Infinity)]).toEqual([
      [],
      [],
    ]);
    for (const pfn of [...pages, foreign]) mm.cache.setWriteback(pfn);
    mm.cache.setDirty(pages[2]!);
    mm.cache.endWriteback(pages[1]!);
    expect(mm.cache.writebackIndices(space, 0, Infinity)).toEqual([4, 9, 30]);
    expect(mm.cache.writebackIndices(space, 5, 30)).toEqual([9]);
    expect(mm.cache.dirtyIndices(space, 0, Infinity)).toEqual([30]);
    expect([space.nrWriteback, other.nrWriteback, mm.cache.nrWriteback]).toEqual([3, 1, 4]);
    for (const pfn of [pages[0]!, pages[2]!, pages[3]!]) mm.cache.endWriteback(pfn);
    expect(mm.cache.writebackIndices(space, 0, Infinity)).toEqual([]);
  });
});
