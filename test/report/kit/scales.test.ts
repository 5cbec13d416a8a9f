import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { brokenAxis, segmentsAround, valueScales, zeroScale } from '../../../src/report/kit/scales.ts';
import { WIDTH, widthOf } from '../../../src/report/kit/svg.ts';
import { property } from '../../support/property.ts';

const positive = fc.double({ min: 1e-6, max: 1e9, noNaN: true });

describe('the scales of values', () => {
  property(
    'a linear scale ends at a tick, at the largest value or above, and has few ticks',
    fc.double({ min: 1e-6, max: 1e12, noNaN: true }),
    fc.integer({ min: 2, max: 8 }),
    (most, count) => {
      const scale = zeroScale(most, count, [100, 0]);
      const values = scale.ticks(count);
      if (values[0] !== 0 || scale(0) !== 100) throw new Error('does not begin at zero');
      if (values.at(-1)! < most * (1 - 1e-9) || Math.abs(scale(values.at(-1)!)) > 1e-6)
        throw new Error('ends elsewhere');
      if (values.length > 2 * count + 2) throw new Error(`${values.length} ticks`);
    },
  );

  it('a linear scale is one of 0 to 1 when there is nothing, and there is no logarithmic one', () => {
    expect(zeroScale(0, 3, [100, 0]).domain()).toEqual([0, 1]);
    expect(valueScales([0, 0], 3, [100, 0]).map(({ kind }) => kind)).toEqual(['linear']);
    expect(valueScales([], 3, [100, 0]).map(({ kind }) => kind)).toEqual(['linear']);
  });

  property(
    'a logarithmic scale has every value inside, and equal ratios are equally far',
    fc.array(positive, { minLength: 1, maxLength: 8 }),
    fc.integer({ min: 2, max: 6 }),
    (values, count) => {
      const log = valueScales(values, count, [100, 0])[1]!;
      if (log.kind !== 'log') throw new Error(log.kind);
      const perDecade = (log.at(log.ticks[1]!) - log.at(log.ticks[0]!)) / Math.log10(log.ticks[1]! / log.ticks[0]!);
      for (const value of values) {
        const expected = 100 + Math.log10(value / log.ticks[0]!) * perDecade;
        if (Math.abs(log.at(value) - expected) > 1e-6) throw new Error(`${value} lies at ${log.at(value)}`);
        if (expected < -1e-6 || expected > 100 + 1e-6) throw new Error(`${value} lies outside`);
      }
      if (log.at(0) !== 100) throw new Error('zero does not lie at the beginning');
      if (log.ticks.length < 2 || log.ticks.length > count + 1) throw new Error(`${log.ticks.length} ticks`);
    },
  );

  it('a logarithmic scale ends at 1, 2 or 5 times a power of ten', () => {
    expect(valueScales([35, 1207], 3, [0, 100])[1]!.ticks).toEqual([10, 100, 1000]);
    expect(valueScales([35, 1207], 3, [0, 100])[1]!.at(2000)).toBe(100);
    expect(valueScales([3, 4], 3, [0, 100])[1]!.ticks).toEqual([1, 5]);
  });
});

describe('a broken axis', () => {
  const segments = [
    { from: -2, to: 0, share: 1 },
    { from: 0, to: 6, share: 1 },
    { from: 6, to: 6.04, share: 2 },
    { from: 10, to: 20, share: 2 },
  ];
  const axis = brokenAxis(segments, [0, 636]);

  it('a broken axis gives each segment its share of the width, and 12 units to each break', () => {
    // 636 less three breaks are 600, of which a share is 100.
    expect(axis.segments.map(({ x0, x1 }) => [x0, x1])).toEqual([
      [0, 100],
      [112, 212],
      [224, 424],
      [436, 636],
    ]);
  });

  it('a broken axis shows 6 s of reboot and 40 ms of recovery, each on its own scale', () => {
    expect(axis.at(-1)).toBe(50);
    expect(axis.at(3)).toBe(162);
    expect(axis.at(6.02)).toBeCloseTo(324, 9);
    expect(axis.at(15)).toBe(536);
    expect([axis.at(-9), axis.at(99)]).toEqual([0, 636]);
  });

  property(
    'a broken axis keeps the order of all instants',
    fc.double({ min: -3, max: 21, noNaN: true }),
    fc.double({ min: -3, max: 21, noNaN: true }),
    (a, b) => a === b || axis.at(Math.min(a, b)) <= axis.at(Math.max(a, b)),
  );

  property(
    'a broken axis has ticks at their values, whose labels neither meet nor leave the chart',
    fc.array(fc.tuple(positive, fc.integer({ min: 1, max: 9 })), { minLength: 1, maxLength: 5 }),
    (pieces) => {
      let at = -pieces[0]![0];
      const { ticks, at: position } = brokenAxis(
        pieces.map(([length, share]) => {
          const from = at;
          at += length;
          return { from, to: at, share };
        }),
        [70, 630],
      );
      ticks.forEach(({ value, x }, n) => {
        const lies = position(value);
        if (Math.abs(lies - x) > 1e-6) throw new Error(`${value} lies at ${lies}, its tick at ${x}`);
        const next = ticks[n + 1];
        const room = (widthOf(value.toLocaleString('en-US')) + widthOf(next?.value.toLocaleString('en-US') ?? '')) / 2;
        if (x + widthOf(value.toLocaleString('en-US')) / 2 > WIDTH) throw new Error(`${value} leaves the chart`);
        if (next !== undefined && next.x - x < room) throw new Error(`${value} and ${next.value} meet`);
      });
    },
  );
});

describe('the segments around absences', () => {
  it('the segments around absences are the time before, the dead time, the fast recovery and the slow one', () => {
    const segments = segmentsAround(
      [
        { downFrom: 0, up: 6, recovered: 6.04 },
        { downFrom: 0, up: 6.01, recovered: 11 },
      ],
      2,
    );
    expect(segments.map(({ from, to }) => [from, to])).toEqual([
      [-2, 0],
      [0, 6],
      [6, expect.closeTo(6 + 0.04 * 1.15, 9)],
      [expect.closeTo(6 + 0.04 * 1.15, 9), expect.closeTo(6 + 5 * 1.02, 9)],
    ]);
  });

  it('the segments around absences leave the recovery whole when all recover alike', () => {
    const segments = segmentsAround(
      [
        { downFrom: 0, up: 6, recovered: 9 },
        { downFrom: 1, up: 7, recovered: 11 },
      ],
      0,
    );
    expect(segments.map(({ from, to }) => [from, to])).toEqual([
      [0, 6],
      [6, expect.closeTo(11.1, 9)],
    ]);
  });

  it('the segments around absences that never meet, or take no time, are an axis all the same', () => {
    const apart = [
      { downFrom: 0, up: 1, recovered: 2 },
      { downFrom: 3, up: 4, recovered: 5 },
    ];
    expect(segmentsAround(apart, 1).map(({ from, to }) => [from, to])).toEqual([
      [-1, 0],
      [0, expect.closeTo(5.1, 9)],
    ]);
    expect(segmentsAround([{ downFrom: 0, up: 0, recovered: 0 }], 0)).toEqual([{ from: 0, to: 1, share: 0.64 }]);
  });
});
