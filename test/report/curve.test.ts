import { describe, expect, it } from 'vitest';
import { renderHtml, renderText } from '../../src/report/index.ts';
import { gainChart, shareChart } from '../../src/report/curve.ts';
import { marksOf, onScale, ringsOf } from './printed.ts';
import { sampleResult } from './sample.ts';

const POINTS = [
  { domain0Cache: 0, coldNs: 6_600, warmNs: 1_000, secondNs: 288 },
  { domain0Cache: 2 ** 28, coldNs: 6_600, warmNs: 660, secondNs: 284 },
  { domain0Cache: 2 ** 29, coldNs: 6_600, warmNs: 330, secondNs: 282 },
];

describe("the curve over domain 0's page cache", () => {
  it('its table has a column a size, and both figures, and says that it is a hypothesis', () => {
    const text = renderText({ ...sampleResult(), domain0Curve: POINTS }, [], false);
    for (const words of ['partition', '256 MiB', '512 MiB', 'hypothesis']) expect(text).toContain(words);
    const cells = (label: string) =>
      text
        .split('\n')
        .find((line) => line.includes(label))!
        .match(/[\d.]+ [×%]/g);
    expect(cells('warm-cache / cold')).toEqual(['6.60 ×', '10.0 ×', '20.0 ×']);
    expect(cells('first after / second after')).toBeDefined();
    expect(text.split('\n').every((line) => line.length <= 100)).toBe(true);
  });

  it('its charts have a mark for each size, to scale', () => {
    for (const [chart, differences] of [
      // 6.6, 10 and 20 times; 28.8, 43.0 and 85.5 %.
      [gainChart(POINTS), [3.4, 10]],
      [shareChart(POINTS), [14.23, 42.42]],
    ] as const) {
      const marks = marksOf(onScale(chart.svg, 'linear'));
      expect(marks).toHaveLength(3);
      const [first, second, third] = marks as [Mark, Mark, Mark];
      expect(second.x - first.x).toBeCloseTo(third.x - second.x, 0);
      const unit = (second.y - third.y) / differences[1];
      expect((first.y - second.y) / unit).toBeCloseTo(differences[0], 0);
      expect(ringsOf(onScale(chart.svg, 'linear'))).toHaveLength(3);
    }
  });

  it('a result without a curve shows none', () => {
    const html = renderHtml(sampleResult(), []);
    expect(html).not.toContain('hypothesis');
    expect(renderHtml({ ...sampleResult(), domain0Curve: POINTS }, [])).toContain('hypothesis');
  });
});

interface Mark {
  readonly x: number;
  readonly y: number;
}
