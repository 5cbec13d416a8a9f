import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Pfn } from '../../../../src/base/index.ts';
import { MemMap, PG } from '../../../../src/kernel/mm/mem-map.ts';
import { POLICIES, POLICY, type PolicyName } from '../../../../src/kernel/mm/policy/policies.ts';
import { PASS_IS_OVER, type MappedPages, type ReplacementPolicy } from '../../../../src/kernel/mm/policy/policy.ts';
import { PlainArc } from './references/plain-arc.ts';
import { PlainClock } from './references/plain-clock.ts';
import { PlainLru } from './references/plain-lru.ts';
import { PlainMglru } from './references/plain-mglru.ts';
import type { PlainPolicy } from './references/plain-policy.ts';
import { PlainS3Fifo } from './references/plain-s3-fifo.ts';
import { PlainSieve } from './references/plain-sieve.ts';
import { PlainTwoQ } from './references/plain-two-q.ts';

interface Pair {
  readonly name: PolicyName;
  readonly plain: (memory: number) => PlainPolicy;
}

const PAIRS: readonly Pair[] = [
  { name: 'mglru', plain: (memory) => new PlainMglru(memory) },
  { name: 'lru', plain: () => new PlainLru() },
  { name: 'clock', plain: () => new PlainClock() },
  { name: 'sieve', plain: () => new PlainSieve() },
  { name: '2q', plain: () => new PlainTwoQ() },
  { name: 's3-fifo', plain: () => new PlainS3Fifo() },
  { name: 'arc', plain: (memory) => new PlainArc(memory) },
];

const NOBODY: MappedPages = { mayReclaimMapped: () => true, testAndClearYoung: () => false };
const page = (n: number): Pfn => n as Pfn;

/** A cache on a policy and its reference side by side: each step is made on both, and compared. */
class SideBySide {
  readonly map: MemMap;
  readonly policy: ReplacementPolicy;
  readonly plain: PlainPolicy;
  readonly #capacity: number;
  readonly #places = new Map<number, Pfn>();
  readonly #free: Pfn[];
  /** What is to become of the next candidates. */
  readonly #fates: readonly ('go' | 'stay' | 'used')[];
  #nextFate = 0;

  constructor({ name, plain }: Pair, capacity: number, batch: number, fates: readonly ('go' | 'stay' | 'used')[]) {
    this.map = new MemMap(capacity);
    this.policy = POLICY[name].make(this.map, batch);
    this.plain = plain(capacity);
    this.#capacity = capacity;
    this.#free = Array.from({ length: capacity }, (_, n) => page(n));
    this.#fates = fates;
  }

  access(index: number): void {
    const place = this.#places.get(index);
    if (place !== undefined) {
      this.policy.markAccessed(place);
      this.plain.use(index);
      return;
    }
    this.policy.willAdd(0, index);
    this.plain.willAdd(index);
    for (let tries = 0; this.#free.length === 0 && tries < 8; tries++) this.#pass();
    const pfn = this.#free.pop();
    if (pfn === undefined) return;
    this.map.words[(pfn << 2) | 1] = 0;
    this.map.words[(pfn << 2) | 2] = index;
    this.policy.add(pfn);
    this.policy.markAccessed(pfn);
    this.plain.add(index);
    this.#places.set(index, pfn);
  }

  remove(index: number): void {
    const pfn = this.#places.get(index);
    if (pfn === undefined) return;
    this.policy.remove(pfn);
    this.plain.remove(index);
    this.#forget(index, pfn);
  }

  #pass(): void {
    const pages = new Int32Array(32);
    this.policy.beginPass(0);
    this.plain.beginPass();
    const taken = this.policy.nextBatch(pages, NOBODY);
    if (taken === PASS_IS_OVER) {
      expect(this.plain.next()).toBe(undefined);
      return;
    }
    const indices = Array.from(pages.subarray(0, taken), (pfn) => this.map.indexOf(page(pfn)));
    expect(indices, 'order of eviction').toEqual(indices.map(() => this.plain.next()));
    indices.forEach((index, i) => {
      const pfn = page(pages[i]!);
      expect(this.map.flagsOf(pfn) & (PG.lru | PG.referenced)).toBe(0);
      const fate = this.#fates[this.#nextFate++ % this.#fates.length]!;
      if (fate === 'go') {
        this.#forget(index, pfn);
        return;
      }
      if (fate === 'stay') this.policy.putBack(pfn);
      else this.policy.activate(pfn);
      this.plain.stay(index, fate === 'used');
    });
  }

  #forget(index: number, pfn: Pfn): void {
    this.map.words[pfn << 2] = 0;
    this.map.words[(pfn << 2) | 1] = -1;
    this.#places.delete(index);
    this.#free.push(pfn);
  }

  compare(): void {
    const orders = this.policy.orders();
    const indices = orders.map((order) => order.map((pfn) => this.map.indexOf(pfn)));
    expect(indices).toEqual(this.plain.lists());
    const [first, ...others] = orders;
    expect([this.policy.nrInactive, this.policy.nrActive]).toEqual([first!.length, others.flat().length]);
    const held = orders.flat();
    expect(new Set(held).size + this.#free.length).toBe(this.#capacity);
    expect(held.filter((pfn) => !this.map.has(pfn, PG.lru))).toEqual([]);
    expect(others.flat().filter((pfn) => !this.map.has(pfn, PG.active))).toEqual([]);
    expect(first!.filter((pfn) => this.map.has(pfn, PG.active))).toEqual([]);
  }
}

const CAPACITY = { min: 1, max: 24 };
/** Pages: few, and some more often than others, so that all ways of a policy are walked. */
const anIndex = fc.oneof(fc.nat(7), fc.nat(31), fc.nat(63));
const aStep = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('access' as const), index: anIndex }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), index: anIndex }) },
);
const FATES = ['go', 'stay', 'used'] as const;
const fates = fc.oneof(
  fc.constant(['go'] as const),
  fc.array(fc.constantFrom(...FATES), { minLength: 1, maxLength: 8 }).map((some) => [...some, 'go'] as const),
);

it('each policy but that of Linux 2.6.12, which has tests of its own, has a plain reference', () => {
  expect(PAIRS.map(({ name }) => name)).toEqual(POLICIES.filter((name) => !name.startsWith('linux-')));
});

describe.each(PAIRS)('$name', (pair) => {
  it('the policy has the pages, the lists and the order of eviction of its plain reference after each access', () => {
    fc.assert(
      fc.property(
        fc.integer(CAPACITY),
        fc.integer({ min: 1, max: 4 }),
        fates,
        fc.array(aStep, { size: 'max', maxLength: 400 }),
        (capacity, batch, some, steps) => {
          const both = new SideBySide(pair, capacity, batch, some);
          for (const { kind, index } of steps) {
            both[kind](index);
            both.compare();
          }
        },
      ),
      { seed: 20, numRuns: 20 },
    );
  });

  it('the policy agrees with its reference over long streams of a working set, scans and loops', () => {
    const both = new SideBySide(pair, 96, 1, ['go', 'go', 'go', 'go', 'go', 'go', 'stay', 'go', 'go', 'used']);
    let random = 7;
    const below = (n: number): number => {
      random ^= random << 13;
      random ^= random >>> 17;
      random ^= random << 5;
      return (random >>> 0) % n;
    };
    for (let i = 0; i < 12_000; i++) {
      const phase = Math.floor(i / 1000) % 3;
      if (phase === 0) both.access(below(1 + below(200)));
      else if (phase === 1) both.access(i % 2 === 0 ? below(60) : 1000 + i);
      else both.access(below(8) === 0 ? below(40) : 200 + (i % 130));
      if (i % 50 === 0) both.compare();
    }
    both.compare();
  });

  it('the policy hands over its order: pages that are restored in it lie as they lay', () => {
    const both = new SideBySide(pair, 12, 1, ['go']);
    for (const index of [0, 1, 2, 3, 4, 5, 6, 7, 2, 2, 2, 3, 8, 9, 10, 11, 12, 13, 2, 3, 0, 1, 14, 5, 5, 5, 15])
      both.access(index);
    const before = both.policy.orders();
    const map = new MemMap(12);
    const after = POLICY[pair.name].make(map, 1);
    for (const pfn of before.flat()) after.restore(pfn, both.map.has(pfn, PG.active), both.map.has(pfn, PG.referenced));
    expect(after.orders().flat()).toEqual(before.flat());
    expect([after.nrInactive, after.nrActive]).toEqual([both.policy.nrInactive, both.policy.nrActive]);
    const referenced = (of: MemMap): boolean[] => before.flat().map((pfn) => of.has(pfn, PG.referenced));
    expect(referenced(map)).toEqual(referenced(both.map));
  });

  it('a page that has become clean is the next candidate', () => {
    const both = new SideBySide(pair, 8, 1, ['go']);
    for (const index of [0, 1, 2, 3, 4, 5, 6, 7, 5, 5, 5]) both.access(index);
    const [pfn] = both.policy
      .orders()
      .flat()
      .filter((each) => both.map.indexOf(each) === 5);
    both.policy.rotate(pfn!);
    both.policy.beginPass(0);
    const pages = new Int32Array(32);
    expect([both.policy.nextBatch(pages, NOBODY), pages[0]]).toEqual([1, pfn]);
  });

  it('the access that brought a page in is no second use of it', () => {
    const [once, twice] = [new SideBySide(pair, 4, 1, ['go']), new SideBySide(pair, 4, 1, ['go'])];
    for (const index of [0, 1, 2, 3]) once.access(index);
    for (const index of [0, 0, 1, 2, 3]) twice.access(index);
    const flagsOfFirst = ({ policy, map }: SideBySide): number[] =>
      policy
        .orders()
        .flat()
        .filter((pfn) => map.indexOf(pfn) === 0)
        .map((pfn) => map.flagsOf(pfn) & ~PG.lru);
    const isOrdered = pair.name === 'lru' || pair.name === '2q';
    if (isOrdered) expect(flagsOfFirst(once)).toEqual(flagsOfFirst(twice));
    else expect(flagsOfFirst(once)).not.toEqual(flagsOfFirst(twice));
  });

  it('the policy refuses a page that is free or not one of memory', () => {
    const { policy, map } = new SideBySide(pair, 2, 1, ['go']);
    map.set(page(1), PG.free);
    for (const pfn of [1, 2, -1, 0.5])
      expect(() => policy.markAccessed(page(pfn))).toThrow('pfn: there is no such page');
  });
});
