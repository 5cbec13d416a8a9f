import { describe, expect, it } from 'vitest';
import { lostChart, runsChart, timelineChart } from '../../src/report/charts.ts';
import { sampleResult } from './sample.ts';

describe('the charts of a reboot', () => {
  it('the charts of a reboot have a panel and three bars for each strategy, a title and a description', () => {
    const timeline = timelineChart(sampleResult());
    const bars = runsChart(sampleResult());
    for (const name of ['cold', 'prefetch', 'warm-cache', 'warm-cache+metadata'])
      for (const { svg } of [timeline, bars]) expect(svg).toContain(`class="name">${name}<`);
    expect(timeline.svg.match(/class="down"/g)).toHaveLength(4);
    // Once a scale.
    for (const style of ['bar-outline', 'bar-solid', 'bar-pale'])
      expect(bars.svg.match(new RegExp(`class="${style} hit"`, 'g'))).toHaveLength(8);
    for (const { svg } of [timeline, bars])
      expect(svg).toMatch(/<svg [^>]*aria-labelledby[^>]*>\n<title [^<]+<\/title>\n<desc /);
    expect(timeline.svg).toContain('cold: out of service for 23.1 s');
  });

  it('the charts of a reboot break the line while the service is down', () => {
    const { strategies } = sampleResult();
    const chart = timelineChart({ ...sampleResult(), strategies: [strategies[2]!] }).svg;
    // A line before, none while it is down, a line after.
    expect(
      chart
        .match(/<g class="linear">[^]*?<\/g>/g)!
        .join('')
        .match(/class="line" d="M[^M]*"/g),
    ).toHaveLength(2);
  });

  it('the charts of a reboot draw something finite when nothing was measured', () => {
    const strategies = sampleResult().strategies.map((strategy) => ({
      ...strategy,
      rebootNs: 0,
      timeline: [],
      runs: strategy.runs.map((run) => ({ ...run, ns: 0, bytes: 0 })),
    }));
    for (const chart of [timelineChart, runsChart, lostChart])
      expect(chart({ ...sampleResult(), strategies }).svg).not.toMatch(/NaN|Infinity|undefined/);
  });
});
