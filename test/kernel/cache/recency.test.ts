// Where the pages of the kernel before come to lie on the lists of the next one.
import { expect, it } from 'vitest';
import { type MemoryManagement } from '../../../src/kernel/index.ts';
import { restoreRecency } from '../../../src/kernel/cache/recency.ts';
import { type CacheMapBatch, ENTRY_RECENCY, ENTRY_RESULT, ENTRY_WORDS } from '../../../src/xen/public/cache-map-op.ts';
import { Reason, RECENCY_ACTIVE, RECENCY_REFERENCED } from '../../../src/xen/public/index.ts';

/** Pages in the order in which they come to their lists, each with its bits. */
function restored(told: readonly number[]): [page: number, wasActive: boolean, wasReferenced: boolean][] {
  const order: [number, boolean, boolean][] = [];
  const lru = { restore: (...page: [number, boolean, boolean]) => void order.push(page) };
  const cacheMapOp = ({ count, words }: CacheMapBatch): void => {
    for (let i = 0; i < count; i++) {
      words[i * ENTRY_WORDS + ENTRY_RESULT] = Reason.ok;
      words[i * ENTRY_WORDS + ENTRY_RECENCY] = told[words[i * ENTRY_WORDS + 1]! - 100]!;
    }
  };
  const pages = Uint32Array.from(told, (_, i) => 100 + i);
  expect(restoreRecency({ lru } as unknown as MemoryManagement, { cacheMapOp }, pages)).toBe(true);
  return order;
}

it('pages come to their lists by their rank, and those of one rank in the order in which they were kept', () => {
  const told = [5, 2 | RECENCY_ACTIVE, 5, 1, 2, 0x3fff | RECENCY_REFERENCED, 5];
  expect(restored(told)).toEqual([
    [103, false, false],
    [101, true, false],
    [104, false, false],
    [100, false, false],
    [102, false, false],
    [106, false, false],
    [105, false, true],
  ]);
});

it('more pages than one hypercall asks for keep their order', () => {
  const many = Array.from({ length: 1200 }, (_, i) => 1 + ((i * 7) % 100));
  const expected = many.map((rank, i) => [rank, i] as const).sort(([a, i], [b, j]) => a - b || i - j);
  expect(restored(many).map(([page]) => page)).toEqual(expected.map(([, i]) => 100 + i));
});
