import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { curveChart } from '../../../src/report/kit/curves.ts';
import { binMeans } from '../../../src/report/kit/panels.ts';
import { ratioChart } from '../../../src/report/kit/ratios.ts';
import { spreadOut } from '../../../src/report/kit/svg.ts';
import { tornadoChart } from '../../../src/report/kit/tornado.ts';
import { property } from '../../support/property.ts';
import { boxesOf, marksOf, onScale, ringsOf, textsOf } from '../printed.ts';

const said = { title: 'a chart', description: 'what it shows' };

describe('the means of bins', () => {
  property(
    'the means of bins have the sum of the spans, when the bins cover them',
    fc.array(fc.record({ gap: fc.nat(1000), length: fc.integer({ min: 1, max: 5000 }), value: fc.nat(1e6) }), {
      maxLength: 30,
    }),
    fc.integer({ min: 1, max: 400 }),
    (pieces, bins) => {
      let at = -3000;
      const spans = pieces.map(({ gap, length, value }) => {
        const span = { from: at + gap, to: at + gap + length, value };
        at = span.to;
        return span;
      });
      const width = (at + 3001) / bins;
      let shown = 0;
      binMeans(spans, -3000, width, bins).forEach((value, bin) => {
        const start = -3000 + bin * width;
        const covered = spans.reduce(
          (sum, { from, to }) => sum + Math.max(0, Math.min(to, start + width) - Math.max(from, start)),
          0,
        );
        if ((value === undefined) !== covered <= 0) throw new Error(`bin ${bin} covers ${covered}`);
        shown += (value ?? 0) * covered;
      });
      const total = spans.reduce((sum, { from, to, value }) => sum + value * (to - from), 0);
      if (Math.abs(shown - total) > 1e-6 * Math.max(1, total)) throw new Error(`${shown} of ${total}`);
    },
  );

  it('the means of bins are missing where nothing was measured, 0 where nothing was read', () => {
    const spans = [
      { from: -10, to: 0, value: 7 },
      { from: 20, to: 30, value: 0 },
    ];
    expect(binMeans(spans, -10, 10, 4)).toEqual([7, undefined, undefined, 0]);
  });
});

describe('labels that would meet', () => {
  property(
    'labels that would meet are moved apart, stay in order and inside, and move no further than they must',
    fc.array(fc.tuple(fc.integer({ min: 0, max: 640 }), fc.integer({ min: 1, max: 110 })), { maxLength: 5 }),
    (pairs) => {
      const labels = pairs.map(([at, width]) => ({ at, width })).sort((a, b) => a.at - b.at);
      const centres = spreadOut(labels, [0, 640]);
      let end = 0;
      centres.forEach((centre, n) => {
        if (centre - labels[n]!.width / 2 < end - 1e-6) throw new Error(`label ${n} lies on another`);
        end = centre + labels[n]!.width / 2;
      });
      if (end > 640 + 1e-6) throw new Error('the last is cut off');
      const isFree = labels.every(({ at, width }, n) => {
        const before = labels[n - 1];
        const room = before === undefined ? at : at - before.at - before.width / 2;
        return room >= width / 2 && at + width / 2 <= 640;
      });
      if (isFree && centres.some((centre, n) => Math.abs(centre - labels[n]!.at) > 1e-6)) throw new Error('moved');
    },
  );

  it('labels that would meet share the way', () => {
    const labels = [
      { at: 100, width: 40 },
      { at: 110, width: 40 },
    ];
    expect(spreadOut(labels, [0, 640])).toEqual([85, 125]);
  });
});

describe('the chart of curves', () => {
  const chart = curveChart({
    ...{ id: 'memory', ...said, unit: 's', axis: 'MiB' },
    lines: [
      {
        name: 'a',
        points: [
          { x: 0, y: 10 },
          { x: 50, y: 20, range: [15, 30] },
          { x: 100, y: 40, slide: 30 },
        ],
      },
      { name: 'b', points: [{ x: 0, y: 5 }] },
    ],
  });

  it('the chart of curves has its points, ranges and figures of the slides where the axes say', () => {
    const linear = onScale(chart.svg, 'linear');
    const [first, middle, last] = marksOf(linear);
    expect(middle!.x - first!.x).toBeCloseTo(last!.x - middle!.x, 0);
    // From 10 to 40 it is three times as far as from 10 to 20.
    const perUnit = (first!.y - middle!.y) / 10;
    expect(first!.y - last!.y).toBeCloseTo(30 * perUnit, 0);
    const [slide] = ringsOf(linear);
    expect(slide).toEqual({ x: last!.x, y: expect.closeTo(last!.y + 10 * perUnit, 0) as number });
    const [, x, low, high] = /class="range" d="M([\d.]+) ([\d.]+)V([\d.]+)"/.exec(linear)!.map(Number);
    expect([x, low, high]).toEqual([
      middle!.x,
      expect.closeTo(middle!.y + 5 * perUnit, 0),
      expect.closeTo(middle!.y - 10 * perUnit, 0),
    ]);
    expect(linear).toContain('<title>a at 50: 20.0 s, range 15.0 to 30.0</title>');
    expect(linear).toContain('<title>a at 100: slide 30.0 s</title>');
  });

  it('the chart of curves names its series, and has both scales', () => {
    expect([chart.series, chart.hasLog]).toEqual([['a', 'b'], true]);
  });

  it('the chart of curves takes the ends of its axes from outside', () => {
    const wide = curveChart({
      ...{ id: 'wide', ...said, unit: 's', axis: 'MiB', extent: { x: [0, 200], y: 80 } },
      lines: [
        {
          name: 'a',
          points: [
            { x: 0, y: 0 },
            { x: 100, y: 40 },
            { x: 200, y: 80 },
          ],
        },
      ],
    });
    const narrow = curveChart({
      ...{ id: 'narrow', ...said, unit: 's', axis: 'MiB', extent: { x: [0, 200], y: 80 } },
      lines: [{ name: 'a', points: [{ x: 100, y: 40 }] }],
    });
    expect(marksOf(onScale(narrow.svg, 'linear'))[0]).toEqual(marksOf(onScale(wide.svg, 'linear'))[1]);
  });
});

describe('the tornado', () => {
  const { svg } = tornadoChart({
    ...{ id: 'tornado', ...said, unit: 's', base: 10 },
    rows: [
      {
        name: 'the media rate',
        ends: [
          { value: 14, when: '55 MB/s' },
          { value: 8, when: '70 MB/s' },
        ],
      },
      {
        name: 'the seek',
        ends: [
          { value: 9, when: '7 ms' },
          { value: 11, when: '9 ms' },
        ],
      },
    ],
  });

  it('the tornado has a bar from the figure to each end, of one scale', () => {
    const [low, high] = [boxesOf(svg, 'bar-outline'), boxesOf(svg, 'bar-solid')];
    const perUnit = high[0]!.width / 4;
    expect(low[0]!.width).toBeCloseTo(2 * perUnit, 0);
    expect(low[1]!.width).toBeCloseTo(perUnit, 0);
    expect(high[1]!.width).toBeCloseTo(perUnit, 0);
    expect(low[0]!.x + low[0]!.width).toBeCloseTo(high[0]!.x, 0);
    expect(textsOf(svg, 'value end').map(({ text }) => text)).toEqual(['8.00', '9.00']);
    expect(textsOf(svg, 'value').map(({ text }) => text)).toEqual(['14.0', '11.0']);
    expect(svg).toContain('<title>the media rate 70 MB/s: 8.00 s</title>');
  });
});

describe('the chart of ratios', () => {
  const { svg } = ratioChart({
    ...{ id: 'ratios', ...said },
    rows: [
      { label: 'save', kind: 'predicted', unit: 's', ours: 21, slide: 28, range: [14, 28] },
      { label: 'file read', kind: 'fitted', unit: '×', ours: 30, slide: 15 },
    ],
  });

  it('the chart of ratios has ours over the slides', () => {
    const [save, read] = marksOf(svg);
    const [, one] = /class="axis" d="M([\d.]+) 28v20"/.exec(svg)!.map(Number);
    // 21 / 28 is a quarter below, 30 / 15 one above.
    expect(one! - save!.x).toBeCloseTo((read!.x - one!) / 4, 0);
    const [, from, to] = /class="range" d="M([\d.]+) 38H([\d.]+)"/.exec(svg)!.map(Number);
    expect(to).toBeCloseTo(one!, 0);
    expect(one! - from!).toBeCloseTo((read!.x - one!) / 2, 0);
    const [band] = boxesOf(svg, 'band');
    expect(band!.width).toBeCloseTo((read!.x - one!) / 5, 0);
    expect(textsOf(svg, 'note end').map(({ text }) => text)).toEqual(['21.0 s, slide 28.0', '30.0 ×, slide 15.0']);
    expect(svg).toContain('<title>save: 21.0 s, range 14.0 to 28.0; slide 28.0 s, predicted</title>');
  });
});
