import { describe, expect, it } from 'vitest';
import { renderHtml, renderText } from '../../src/report/index.ts';
import { curveChart } from '../../src/report/curve.ts';
import { circlesOf } from './printed.ts';
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

  it('its chart has a dot for each size and figure, to scale', () => {
    const dots = circlesOf(curveChart(POINTS), 'dot');
    expect(dots).toHaveLength(6);
    const [first, second, third] = dots as [Dot, Dot, Dot];
    expect(second.x - first.x).toBeCloseTo(third.x - second.x, 0);
    // 6.6, 10 and 20 from one base.
    const unit = (second.y - third.y) / 10;
    expect((first.y - second.y) / unit).toBeCloseTo(3.4, 1);
  });

  it('a result without a curve shows none', () => {
    const html = renderHtml(sampleResult(), []);
    expect(html).not.toContain('hypothesis');
    expect(renderHtml({ ...sampleResult(), domain0Curve: POINTS }, [])).toContain('hypothesis');
  });
});

interface Dot {
  readonly x: number;
  readonly y: number;
}
