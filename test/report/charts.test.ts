import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { barChart, binThroughput, timelineChart } from '../../src/report/charts.ts';
import { zeroScale } from '../../src/report/svg.ts';
import { property } from '../support/property.ts';
import { sampleResult } from './sample.ts';

describe('binThroughput', () => {
  property(
    'binThroughput moves bytes between bins and loses none, when the bins cover the samples',
    fc.array(fc.record({ gap: fc.nat(1000), ns: fc.integer({ min: 1, max: 5000 }), bytes: fc.nat(1e6) }), {
      maxLength: 30,
    }),
    fc.integer({ min: 1, max: 400 }),
    (pieces, bins) => {
      let at = -3000;
      const timeline = pieces.map(({ gap, ns, bytes }) => {
        const sample = { startNs: at + gap, ns, bytes };
        at += gap + ns;
        return sample;
      });
      const binNs = (at + 3001) / bins;
      const values = binThroughput(timeline, -3000, binNs, bins);
      let shown = 0;
      values.forEach((value, bin) => {
        const start = -3000 + bin * binNs;
        const covered = timeline.reduce(
          (sum, { startNs, ns }) => sum + Math.max(0, Math.min(startNs + ns, start + binNs) - Math.max(startNs, start)),
          0,
        );
        if ((value === undefined) !== covered <= 0)
          throw new Error(`bin ${bin} covers ${covered}, shows ${value ?? 'a gap'}`);
        shown += ((value ?? 0) * covered) / 1000;
      });
      const total = timeline.reduce((sum, { bytes }) => sum + bytes, 0);
      if (Math.abs(shown - total) > 1e-6 * Math.max(1, total)) throw new Error(`${shown} of ${total} bytes`);
    },
  );

  it('binThroughput is undefined where nothing was measured, 0 where nothing was read', () => {
    const timeline = [
      { startNs: -10, ns: 10, bytes: 100 },
      { startNs: 20, ns: 10, bytes: 0 },
    ];
    expect(binThroughput(timeline, -10, 10, 4)).toEqual([10_000, undefined, undefined, 0]);
  });
});

describe('the scale of an axis that begins at zero', () => {
  property(
    'the scale ends at a tick, at the largest value or above, and has few ticks',
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

  it('the scale is one of 0 to 1 when there is nothing', () => {
    expect(zeroScale(0, 3, [100, 0]).domain()).toEqual([0, 1]);
  });
});

describe('the charts', () => {
  it('the charts have a panel and three bars for each strategy, a title and a description', () => {
    const timeline = timelineChart(sampleResult());
    const bars = barChart(sampleResult());
    for (const name of ['cold', 'prefetch', 'warm-cache', 'warm-cache+metadata']) {
      expect(timeline).toContain(`class="name">${name}<`);
      expect(bars).toContain(`class="name">${name}<`);
    }
    expect(timeline.match(/class="down"/g)).toHaveLength(4);
    expect(timeline.match(/class="line"/g)).toHaveLength(4);
    for (const style of ['bar-before', 'bar-first', 'bar-second'])
      expect(bars.match(new RegExp(`class="${style}"`, 'g'))).toHaveLength(4);
    for (const chart of [timeline, bars])
      expect(chart).toMatch(/<svg [^>]*aria-labelledby[^>]*>\n<title [^<]+<\/title>\n<desc /);
    expect(timeline).toContain('cold: out of service for 23.1 s');
  });

  it('the charts break the line while the service is down', () => {
    const { strategies } = sampleResult();
    const chart = timelineChart({ ...sampleResult(), strategies: [strategies[2]!] });
    const line = /class="line" d="([^"]*)"/.exec(chart)![1]!;
    expect(line.match(/M/g)).toHaveLength(2);
  });

  it('the charts draw something finite when nothing was measured', () => {
    const strategies = sampleResult().strategies.map((strategy) => ({
      ...strategy,
      rebootNs: 0,
      timeline: [],
      runs: strategy.runs.map((run) => ({ ...run, ns: 0, bytes: 0 })),
    }));
    for (const chart of [timelineChart({ ...sampleResult(), strategies }), barChart({ ...sampleResult(), strategies })])
      expect(chart).not.toMatch(/NaN|Infinity|undefined/);
  });
});
