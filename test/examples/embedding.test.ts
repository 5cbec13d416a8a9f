import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Access, playTrace, type Surroundings } from '../../examples/embedding.ts';
import { property } from '../support/property.ts';

const READ_TIME = 5;

/** Another simulator's disk with one arm, and its own table of what lies where. */
class OtherSimulator implements Surroundings {
  readonly table = new Map<number, string>();
  readonly reads: string[] = [];
  evictions = 0;
  #diskFreeAt = 0;

  submitRead = (at: number, file: number, page: number): number => {
    this.reads.push(`${file}/${page}`);
    this.#diskFreeAt = Math.max(at, this.#diskFreeAt) + READ_TIME;
    return this.#diskFreeAt;
  };

  onInsert = (frame: number, file: number, page: number): void => {
    expect(this.table.has(frame)).toBe(false);
    this.table.set(frame, `${file}/${page}`);
  };

  onEvict = (frame: number): void => {
    expect(this.table.delete(frame)).toBe(true);
    this.evictions++;
  };
}

const scan = (pages: number, from = 0): Access[] =>
  Array.from({ length: pages }, (_, page) => ({ at: from + 10 * page, file: 1, page }));

describe('the embedding example', () => {
  it('a second scan of what fits is all hits, and the table names every page', () => {
    const other = new OtherSimulator();
    const result = playTrace([...scan(100), ...scan(100, 1000)], 200, other);
    expect(result).toEqual({ hits: 100, misses: 100, endsAt: 1990 });
    expect([...other.table.values()]).toEqual(scan(100).map(({ page }) => `1/${page}`));
    expect(other.evictions).toBe(0);
  });

  it('a scan of more than fits evicts the oldest, 32 at a time', () => {
    const other = new OtherSimulator();
    // 200 frames: 168 pages until free memory is at its min watermark of 32; the next allocations
    // evict 32 each time that it is reached again: before pages 168 and 200.
    const result = playTrace(scan(220), 200, other);
    expect(result).toEqual({ hits: 0, misses: 220, endsAt: 2195 });
    expect(other.evictions).toBe(64);
    expect([...other.table.values()]).toEqual(
      scan(220)
        .slice(64)
        .map(({ page }) => `1/${page}`),
    );
    // A cyclic scan of more than memory holds never hits under LRU.
    expect(playTrace([...scan(220), ...scan(220, 5000)], 200, new OtherSimulator()).hits).toBe(0);
  });

  it('an access to a page that is being read waits for that read, and reads nothing', () => {
    const other = new OtherSimulator();
    const at = (time: number): Access => ({ at: time, file: 3, page: 9 });
    expect(playTrace([at(0), at(1), at(2)], 100, other)).toEqual({ hits: 2, misses: 1, endsAt: READ_TIME });
    expect(other.reads).toEqual(['3/9']);
  });

  property(
    'hits, misses and the table add up, whatever is accessed',
    fc.integer({ min: 100, max: 140 }),
    fc.array(fc.record({ gap: fc.nat(20), file: fc.integer({ min: 1, max: 3 }), page: fc.nat(60) }), {
      maxLength: 400,
    }),
    (frames, steps) => {
      const other = new OtherSimulator();
      let at = 0;
      const trace = steps.map(({ gap, file, page }) => ({ at: (at += gap + READ_TIME), file, page }));
      const { hits, misses } = playTrace(trace, frames, other);
      expect(hits + misses).toBe(trace.length);
      expect(other.reads).toHaveLength(misses);
      expect(other.table.size).toBe(misses - other.evictions);
      expect(new Set(other.table.values()).size).toBe(other.table.size);
      // Whatever was accessed last is there.
      if (trace.length > 0) expect([...other.table.values()]).toContain(`${trace.at(-1)!.file}/${trace.at(-1)!.page}`);
    },
  );
});
