// What a policy knows of pages that it did not see come in, of candidates that stay, and of pages
// that no file has claimed.
import { describe, expect, it } from 'vitest';
import type { Pfn } from '../../../../src/base/index.ts';
import { MemMap, PG } from '../../../../src/kernel/mm/mem-map.ts';
import { POLICIES, POLICY, type PolicyName } from '../../../../src/kernel/mm/policy/policies.ts';
import { PASS_IS_OVER, type MappedPages } from '../../../../src/kernel/mm/policy/policy.ts';

const NOBODY: MappedPages = { mayReclaimMapped: () => true, testAndClearYoung: () => false };
const page = (n: number): Pfn => n as Pfn;

/** A policy over pages that have the numbers of their frames as indices of space 0. */
class Pages {
  readonly map: MemMap;
  readonly policy;

  constructor(name: PolicyName, pages: number) {
    this.map = new MemMap(pages);
    this.policy = POLICY[name].make(this.map, 1);
  }

  /** Brings a page in, and uses it so often. */
  add(pfn: number, uses = 1): void {
    this.place(pfn, 0);
    this.policy.willAdd(0, pfn);
    this.policy.add(page(pfn));
    this.policy.drain();
    for (let use = 0; use < uses; use++) this.policy.markAccessed(page(pfn));
  }

  /** Gives a page its name; -1 is the space of one that no file has claimed. */
  place(pfn: number, space: number): void {
    this.map.words[pfn << 2] = 0;
    this.map.words[(pfn << 2) | 1] = space;
    this.map.words[(pfn << 2) | 2] = pfn;
  }

  restore(pfn: number, { isActive = false, isReferenced = false, space = 0 } = {}): void {
    this.place(pfn, space);
    this.policy.restore(page(pfn), isActive, isReferenced);
  }

  /** The first candidates of a pass at the greatest pressure; they leave. */
  first(count: number): number[] {
    this.policy.beginPass(0);
    const pages = new Int32Array(32);
    const named: number[] = [];
    while (named.length < count) {
      const taken = this.policy.nextBatch(pages, NOBODY);
      if (taken === PASS_IS_OVER) break;
      named.push(...pages.subarray(0, taken));
    }
    return named;
  }
}

describe('recency that is handed over', () => {
  it.each(['linux-2.6.12', 'linux-6'] as const)(
    'pages that are restored lie on the lists of %s as they lay, with their bits',
    (name) => {
      const before = new Pages(name, 40);
      for (let pfn = 0; pfn < 20; pfn++) before.add(pfn, 1 + (pfn % 3));
      const orders = before.policy.orders();
      expect(orders.map((order) => order.length)).toEqual([7, 13]);
      const after = new Pages(name, 40);
      for (const pfn of orders.flat())
        after.restore(pfn, {
          isActive: before.map.has(pfn, PG.active),
          isReferenced: before.map.has(pfn, PG.referenced),
        });
      after.policy.drain();
      expect(after.policy.orders()).toEqual(orders);
      const bits = ({ map }: Pages): number[] =>
        orders.flat().map((pfn) => map.flagsOf(pfn) & (PG.active | PG.referenced));
      expect(bits(after)).toEqual(bits(before));
    },
  );

  it('linux-6 lets restored active pages outlive a scan, and restored inactive ones go first', () => {
    const pages = new Pages('linux-6', 40);
    for (let pfn = 0; pfn < 4; pfn++) pages.restore(pfn, { isActive: true });
    for (let pfn = 4; pfn < 8; pfn++) pages.restore(pfn);
    for (let pfn = 8; pfn < 20; pfn++) pages.add(pfn);
    expect(pages.first(16)).toEqual([4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
  });

  it('S3-FIFO gives a restored page that was in full use a place in the main queue', () => {
    const pages = new Pages('s3-fifo', 20);
    pages.restore(0, { isReferenced: true });
    for (let pfn = 1; pfn < 4; pfn++) pages.restore(pfn);
    expect(pages.first(1)).toEqual([1]);
    expect(pages.policy.orders()).toEqual([[2, 3], [0]]);
  });
});

describe('a page that has become clean', () => {
  it.each(POLICIES.filter((name) => !name.startsWith('linux-')))(
    'a page that has become clean is the next candidate of %s, wherever it had come to before',
    (name) => {
      const pages = new Pages(name, 12);
      for (let pfn = 0; pfn < 10; pfn++) pages.add(pfn, pfn < 2 ? 2 : 1);
      // A hand stands in the middle by now.
      expect(pages.first(2)).toHaveLength(2);
      pages.policy.rotate(page(8));
      expect(pages.first(1)).toEqual([8]);
    },
  );
});

describe('names of pages that have left', () => {
  it.each(['2q', 's3-fifo', 'arc', 'linux-6'] as const)(
    '%s remembers a page that left, however many left after it that no file had claimed',
    (name) => {
      const pages = new Pages(name, 24);
      // So that an active list is there, whose length decides for linux-6.
      for (let pfn = 20; pfn < 24; pfn++) pages.restore(pfn, { isActive: true, isReferenced: true });
      pages.restore(0);
      for (let pfn = 1; pfn < 20; pfn++) pages.restore(pfn, { space: -1 });
      const named = pages.first(name === 'linux-6' ? 2 : 14);
      expect(named[0]).toBe(0);
      const { nrActive } = pages.policy;
      pages.add(0, 0);
      expect(pages.policy.nrActive).toBe(nrActive + 1);
    },
  );

  it('MGLRU does not take a candidate that was used for one that has left', () => {
    const pages = new Pages('mglru', 128);
    const many = Array.from({ length: 70 }, (_, n) => n);
    for (const pfn of many) pages.add(pfn, 2);
    pages.add(100);
    const used = pages.first(70);
    expect(used).toEqual(many);
    for (const pfn of used) pages.policy.activate(page(pfn));
    // They are cut off, and read again: that is no refault.
    for (const pfn of used) pages.policy.remove(page(pfn));
    for (const pfn of used) pages.add(pfn, 2);
    pages.add(101);
    // After refaults, a page that was used once would go before those that were used twice.
    expect(pages.first(3)).toEqual([100, 0, 1]);
  });
});
