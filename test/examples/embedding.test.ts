import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Access, playTrace, type Surroundings } from '../../examples/embedding.ts';
import { property } from '../support/property.ts';

const READ_TIME = 5;

/** Another simulator's disk with one arm, and its own table of what lies where. */
class OtherSimulator implements Surroundings {
  readonly table = new Map<number, string>();
  readonly reads: string[] = [];
  readonly writes: string[] = [];
  evictions = 0;
  filePages = 1000;
  #diskFreeAt = 0;

  submitRead = (at: number, file: number, page: number): number => {
    this.reads.push(`${file}/${page}`);
    return this.#endOf(at);
  };

  submitWrite = (at: number, file: number, page: number): number => {
    this.writes.push(`${file}/${page}`);
    return this.#endOf(at);
  };

  pagesOf = (): number => this.filePages;

  onInsert = (frame: number, file: number, page: number): void => {
    expect(this.table.has(frame)).toBe(false);
    this.table.set(frame, `${file}/${page}`);
  };

  onEvict = (frame: number): void => {
    expect(this.table.delete(frame)).toBe(true);
    this.evictions++;
  };

  #endOf(at: number): number {
    this.#diskFreeAt = Math.max(at, this.#diskFreeAt) + READ_TIME;
    return this.#diskFreeAt;
  }
}

const scan = (pages: number, from = 0): Access[] =>
  Array.from({ length: pages }, (_, page) => ({ at: from + 10 * page, file: 1, page }));

const EXAMPLE = new URL('../../examples/embedding.ts', import.meta.url);

describe('the embedding example', () => {
  it('a second scan of what fits is all hits, and the table names every page', () => {
    const other = new OtherSimulator();
    other.filePages = 100;
    const result = playTrace([...scan(100), ...scan(100, 1000)], 100, other);
    // One miss: all others were read ahead.
    expect(result).toEqual({ hits: 199, misses: 1, endsAt: 1990 });
    expect(other.reads).toEqual(scan(100).map(({ page }) => `1/${page}`));
    expect([...other.table.values()]).toEqual(other.reads);
    expect(other.evictions).toBe(0);
  });

  it('a scan of more than fits evicts the oldest, one for each that comes', () => {
    const other = new OtherSimulator();
    other.filePages = 220;
    const { hits, misses } = playTrace(scan(220), 200, other);
    expect([hits, misses, other.evictions, other.table.size]).toEqual([219, 1, 20, 200]);
    expect([...other.table.values()].sort()).toEqual(
      scan(220)
        .slice(20)
        .map(({ page }) => `1/${page}`)
        .sort(),
    );
  });

  it('an access to a page that is being read waits for that read, and reads nothing', () => {
    const other = new OtherSimulator();
    const at = (time: number): Access => ({ at: time, file: 3, page: 9 });
    expect(playTrace([at(0), at(1), at(2)], 100, other)).toEqual({ hits: 2, misses: 1, endsAt: READ_TIME });
    expect(other.reads).toEqual(['3/9']);
  });

  it('pages that were changed are written before they leave', () => {
    const other = new OtherSimulator();
    other.filePages = 400;
    playTrace(
      scan(400).map((access) => ({ ...access, writes: true })),
      100,
      other,
    );
    expect(other.table.size).toBe(100);
    // More than 300: some that were read ahead leave while dirty ones are being written.
    expect(other.evictions).toBe(other.reads.length - 100);
    const named = new Set(other.table.values());
    const gone = scan(400)
      .map(({ page }) => `1/${page}`)
      .filter((name) => !named.has(name));
    expect(gone.filter((name) => !other.writes.includes(name))).toEqual([]);
  });

  it('the head of the example says how many lines it has', () => {
    const text = readFileSync(EXAMPLE, 'utf8');
    const [, lines, protocol] = / \* (\d+) lines of code in `playTrace`, of which (\d+) are/.exec(text)!;
    const body = text.slice(text.indexOf('export function playTrace'));
    const isCode = (line: string): boolean => /^ *[^ /*]/.test(line);
    expect(body.split('\n').filter(isCode)).toHaveLength(Number(lines));
    const inner = body.slice(body.indexOf('const found'), body.indexOf('\n  }\n  now = Infinity'));
    expect(inner.split('\n').filter(isCode)).toHaveLength(Number(protocol));
  });

  property(
    'hits, misses and the table add up, whatever is accessed',
    fc.integer({ min: 100, max: 140 }),
    fc.array(
      fc.record({ gap: fc.nat(20), file: fc.integer({ min: 1, max: 3 }), page: fc.nat(60), writes: fc.boolean() }),
      { maxLength: 400 },
    ),
    (capacity, steps) => {
      const other = new OtherSimulator();
      other.filePages = 61;
      let at = 0;
      const trace = steps.map(({ gap, ...access }) => ({ ...access, at: (at += gap + READ_TIME) }));
      const { hits, misses } = playTrace(trace, capacity, other);
      expect(hits + misses).toBe(trace.length);
      expect(other.reads.length).toBeGreaterThanOrEqual(misses);
      expect(other.table.size).toBe(other.reads.length - other.evictions);
      expect(other.table.size).toBeLessThanOrEqual(capacity);
      expect(new Set(other.table.values()).size).toBe(other.table.size);
      // Whatever was accessed last is there.
      if (trace.length > 0) expect([...other.table.values()]).toContain(`${trace.at(-1)!.file}/${trace.at(-1)!.page}`);
    },
  );
});
