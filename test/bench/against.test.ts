import { describe, expect, it } from 'vitest';
import { compareRows, comparisonTable } from '../../bench/against.ts';
import type { Row } from '../../bench/harness.ts';

const runs = (row: Omit<Row, 'figure'>, figures: readonly number[]): Row[][] =>
  figures.map((figure) => [{ ...row, figure }]);
const ROUNDS = Array.from({ length: 15 }, (_, i) => i);

describe('a comparison of two trees', () => {
  const speed = { what: 'reads', unit: 'M/s' };
  const time = { what: 'reboots', unit: 'ms' };

  it('a comparison of two trees sets the figures of a round side by side, and gives the median and the 4th and 12th of 15 ratios', () => {
    // Ratios 0.80, 0.81 ... 0.94, in an order that is not theirs.
    const ours = ROUNDS.map((i) => 80 + ((i * 7) % 15));
    const theirs = ROUNDS.map(() => 100);
    const [row] = compareRows(runs(speed, ours), runs(speed, theirs));
    expect(row).toEqual({ ...speed, here: 87, there: 100, ratio: 0.87, low: 0.83, high: 0.91, fails: true });
  });

  it.each([
    [0.949, true],
    [0.95, false],
    [1.2, false],
  ])('a comparison of two trees fails only when the whole interval lies below 0.95: all ratios %s', (ratio, fails) => {
    const theirs = ROUNDS.map(() => 1);
    expect(
      compareRows(
        runs(
          speed,
          ROUNDS.map(() => ratio),
        ),
        runs(speed, theirs),
      )[0]!.fails,
    ).toBe(fails);
  });

  it('a comparison of two trees turns times and sizes round, so that above 1 is always better', () => {
    const [ours, theirs] = [ROUNDS.map(() => 200), ROUNDS.map(() => 100)];
    expect(compareRows(runs(time, ours), runs(time, theirs))[0]).toMatchObject({ ratio: 0.5, fails: true });
    expect(compareRows(runs({ ...time, unit: 'B' }, theirs), runs({ ...time, unit: 'B' }, ours))[0]!.ratio).toBe(2);
  });

  it('a comparison of two trees knows a row again whose name ends in figures, and leaves out what is not in both or is no speed', () => {
    const here: Row[][] = [
      [
        { what: 'accesses, 10 pages (misses 0.1, rival 0.2)', unit: 'M/s', figure: 3 },
        { what: 'accesses, 20 pages (misses 0.3, rival 0.4)', unit: 'M/s', figure: 5 },
        { what: 'ns a page at 1 GiB: 11 18', unit: 'ns', figure: 8 },
        { what: 'hit ratio', unit: '%', figure: 50 },
        { what: 'new', unit: 'M/s', figure: 1 },
      ],
    ];
    const there: Row[][] = [
      [
        { what: 'accesses, 20 pages (misses 0.31, rival 0.41)', unit: 'M/s', figure: 10 },
        { what: 'accesses, 10 pages (misses 0.11, rival 0.2)', unit: 'M/s', figure: 6 },
        { what: 'ns a page at 1 GiB: 9 17', unit: 'ns', figure: 4 },
        { what: 'hit ratio', unit: '%', figure: 60 },
      ],
    ];
    expect(compareRows(here, there).map(({ here, there }) => [here, there])).toEqual([
      [3, 6],
      [5, 10],
      [8, 4],
    ]);
  });

  it('a comparison of two trees is printed with its verdict', () => {
    const compared = compareRows(
      runs(
        speed,
        ROUNDS.map(() => 90),
      ),
      runs(
        speed,
        ROUNDS.map(() => 100),
      ),
    );
    expect(comparisonTable(compared).split('\n')[2]).toBe('| reads | 90 M/s | 100   | 0.90  | 0.90 to 0.90 | SLOWER |');
  });
});
