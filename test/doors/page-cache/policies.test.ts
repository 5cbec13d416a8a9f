import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EmbeddedPageCache, type AddressSpace, type Pfn } from '../../../src/doors/page-cache/index.ts';
import { POLICIES } from '../../../src/kernel/mm/policy/policies.ts';

const CAPACITY = 12;
const FILES = 2;

/** A cache whose user keeps the bytes: a number a page, on a disk and in the page. */
class Store {
  readonly cache: EmbeddedPageCache;
  readonly #files: AddressSpace[];
  readonly #disk = new Map<string, number>();
  readonly #pages = new Map<Pfn, number>();
  readonly #written: Pfn[] = [];
  #clock = 0;

  constructor(policy: (typeof POLICIES)[number], batch: number) {
    this.cache = new EmbeddedPageCache({
      capacity: CAPACITY,
      policy,
      batch,
      pageOut: (page) => {
        this.cache.beginWrite(page);
        this.#written.push(page);
      },
      mappings: { testAndClearYoung: (page) => page % 3 === this.#clock % 3, unmap: () => undefined },
    });
    this.#files = Array.from({ length: FILES }, (_, number) => this.cache.open(number));
  }

  /** What is read, through the cache. */
  read(file: number, index: number): number {
    const name = `${file} ${index}`;
    const page = this.#bringIn(file, index);
    return page < 0 ? (this.#disk.get(name) ?? 0) : this.#pages.get(page)!;
  }

  write(file: number, index: number): number {
    const page = this.#bringIn(file, index);
    const value = ++this.#clock;
    if (page < 0) this.#disk.set(`${file} ${index}`, value);
    else {
      this.#pages.set(page, value);
      this.cache.setDirty(page);
    }
    return value;
  }

  map(file: number, index: number): void {
    const page = this.cache.find(this.#files[file]!, index);
    if (page >= 0 && !this.cache.isMapped(page)) this.cache.map(page);
  }

  /** Pages from `start` on are cut off. */
  truncate(file: number, start: number): void {
    this.#endWrites();
    expect(this.cache.truncate(this.#files[file]!, start)).toBe(0);
    for (let index = start; index < 40; index++) this.#disk.delete(`${file} ${index}`);
  }

  resize(capacity: number): void {
    this.cache.resize(capacity);
    this.#endWrites();
  }

  #bringIn(file: number, index: number): Pfn {
    const space = this.#files[file]!;
    const cached = this.cache.get(space, index);
    if (cached >= 0) return cached;
    const page = this.cache.begin(space, index);
    this.#endWrites();
    if (page < 0) return page;
    this.#pages.set(page, this.#disk.get(`${file} ${index}`) ?? 0);
    this.cache.end(page);
    this.cache.access(page);
    return page;
  }

  #endWrites(): void {
    for (const page of this.#written.splice(0)) {
      const file = this.cache.fileOf(page);
      this.#disk.set(`${file.ino} ${this.cache.indexOf(page)}`, this.#pages.get(page)!);
      this.cache.endWrite(page);
    }
  }
}

const place = { file: fc.nat(FILES - 1), index: fc.oneof(fc.nat(9), fc.nat(39)) };
const aStep = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('read' as const), ...place }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('write' as const), ...place }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('map' as const), ...place }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('truncate' as const), ...place }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('resize' as const), ...place }) },
);

describe.each(POLICIES)('the page cache with the policy %s', (policy) => {
  it('what is read is what was written last, whatever leaves: dirty, mapped, cut off or for want of room', () => {
    fc.assert(
      fc.property(fc.constantFrom(1, 4), fc.array(aStep, { size: 'max', maxLength: 200 }), (batch, steps) => {
        const store = new Store(policy, batch);
        const truth = new Map<string, number>();
        for (const { kind, file, index } of steps) {
          if (kind === 'read') expect(store.read(file, index)).toBe(truth.get(`${file} ${index}`) ?? 0);
          else if (kind === 'write') truth.set(`${file} ${index}`, store.write(file, index));
          else if (kind === 'map') store.map(file, index);
          else if (kind === 'resize') store.resize(1 + (index % CAPACITY));
          else {
            store.truncate(file, index);
            for (let cut = index; cut < 40; cut++) truth.delete(`${file} ${cut}`);
          }
          const { lru } = store.cache.memory;
          expect(lru.orders().flat().length).toBe(store.cache.nrPages);
          expect(lru.nrActive + lru.nrInactive).toBe(store.cache.nrPages);
        }
        const { inserted, dropped } = store.cache.counts();
        expect(inserted).toBe(store.cache.nrPages + Object.values(dropped).reduce((sum, count) => sum + count, 0));
      }),
      { seed: 21, numRuns: 25 },
    );
  });
});

it('a policy that there is not is refused by name', () => {
  expect(() => new EmbeddedPageCache({ capacity: 1, policy: 'opt' as never })).toThrow(
    `policy: "opt" is none of ${POLICIES.join(', ')}`,
  );
});

it.each(['2q', 's3-fifo', 'arc', 'linux-6'] as const)(
  'a page that returns is known to %s, and one of another file with the slot of a closed one is not',
  (policy) => {
    const returned = [false, true].map((isClosed) => {
      const cache = new EmbeddedPageCache({ capacity: 20, policy });
      let file = cache.open(1);
      const read = (index: number): void => {
        if (cache.get(file, index) >= 0) return;
        const page = cache.begin(file, index);
        cache.end(page);
        cache.access(page);
      };
      // Some are used twice, so that there is an active list; others leave.
      for (const index of [0, 0, 0, 1, 1, 1, 2, 2, 2]) read(index);
      for (let index = 100; index < 130; index++) read(index);
      const { lru } = cache.memory;
      lru.drain();
      const gone = Array.from({ length: 30 }, (_, n) => 100 + n).filter((index) => cache.find(file, index) < 0);
      expect(gone.length).toBeGreaterThan(5);
      if (isClosed) {
        cache.close(file);
        file = cache.open(1, 1);
      }
      const before = lru.nrActive;
      read(gone.at(-1)!);
      lru.drain();
      return lru.nrActive - before;
    });
    expect(returned).toEqual([1, 0]);
  },
);
