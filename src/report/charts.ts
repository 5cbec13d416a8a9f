/**
 * The two charts of a report, as SVG text that depends on nothing but the style sheet of the page
 * around it (html.ts). One shows throughput over time around the reboot, one panel a strategy over
 * one common time axis. The other shows bars of the runs that the paper compares.
 *
 * There are panels, not lines on top of each other: four strategies that do the same before the
 * reboot would hide one another. Each panel carries its name, so that no reader depends on telling
 * colours apart. Axes are linear and begin at zero.
 */

import { scaleLinear } from 'd3-scale';
import { area, curveStepAfter, line } from 'd3-shape';
import type { RebootResult, Sample, StrategyResult } from '../experiment/guest/result.ts';
import type { StrategyName } from '../experiment/host/strategies.ts';
import type { VmmStrategyName } from '../experiment/host/strategies.ts';
import { runOf, significant, throughput } from './measures.ts';
import { DIGITS, rect, round, svg, text, tickLabel, WIDTH, zeroScale } from './svg.ts';

/** Share of the time axis that lies before the reboot, at most. */
const BEFORE_SHARE = 0.15;
/** Bins of the time axis: about two units of width each. */
const BINS = 280;

/** Throughput over time around the reboot, for all strategies. */
export function timelineChart(result: RebootResult): string {
  const left = 66;
  const plotWidth = WIDTH - left - 10;
  const plotHeight = 74;
  const panelHeight = 118;
  const bottom = result.strategies.length * panelHeight;
  const { startNs, endNs } = timeSpan(result.strategies);
  const binNs = (endNs - startNs) / BINS;
  const binned = result.strategies.map(({ timeline }) => binThroughput(timeline, startNs, binNs, BINS));
  const most = Math.max(...binned.flat().map((value) => value ?? 0));
  const x = scaleLinear([startNs / 1e9, endNs / 1e9], [left, left + plotWidth]);

  const panels = result.strategies.map((strategy, index) => {
    const top = index * panelHeight + 30;
    const base = top + plotHeight;
    const y = zeroScale(most, 3, [base, top]);
    const yTicks = y.ticks(3);
    const upX = Math.min(x(strategy.rebootNs / 1e9), left + plotWidth);
    const firstDone = strategy.rebootNs + (runOf(strategy, 'after', 1)?.ns ?? 0);
    const steps = stepsOf(binned[index]!);
    const atX = ({ bin }: Step): number => left + (bin * plotWidth) / BINS;
    const atY = ({ value }: Step): number => y(value);
    const above = area<Step>(atX, base, atY);
    const outline = line<Step>(atX, atY);
    return [
      `<g class="strategy-${classOf(strategy.name)}">`,
      text(left, top - 9, strategy.name, 'name'),
      text(left + plotWidth, top - 9, `first run done at ${significant(firstDone / 1e9)} s`, 'note end'),
      ...yTicks.map((tick) => `<path class="grid" d="M${left} ${round(y(tick))}h${plotWidth}"/>`),
      ...yTicks.map((tick) => text(left - 7, round(y(tick)) + 5, tickLabel(tick), 'tick end')),
      rect(x(0), top, upX - x(0), plotHeight, 'down'),
      ...[above, outline].map((shape, n) => {
        const path = shape.defined(isMeasured).curve(curveStepAfter).digits(DIGITS)(steps) ?? '';
        return `<path class="${['area', 'line'][n]}" d="${path}"/>`;
      }),
      `<path class="begin" d="M${round(x(0))} ${top - 4}V${base}"/>`,
      '</g>',
    ].join('\n');
  });
  const axis = x.ticks(5).flatMap((tick) => {
    const at = round(x(tick));
    return [`<path class="axis" d="M${at} ${bottom - 14}v6"/>`, text(at, bottom + 12, tickLabel(tick), 'tick middle')];
  });
  return svg('timeline', bottom + 44, 'Throughput around the reboot', describeTimeline(result), [
    '<defs><pattern id="down" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">' +
      '<path class="hatch" d="M0 0V7"/></pattern></defs>',
    text(0, 14, 'MB/s', 'tick'),
    ...panels,
    ...axis,
    text(left + plotWidth / 2, bottom + 36, 'seconds from the start of the reboot', 'tick middle'),
  ]);
}

/**
 * Bars: the first run before the reboot, the first after and the second after, for each strategy.
 */
export function barChart(result: RebootResult): string {
  const bars = [
    { label: 'before, 1st', phase: 'before', number: 1, style: 'bar-before' },
    { label: 'after, 1st', phase: 'after', number: 1, style: 'bar-first' },
    { label: 'after, 2nd', phase: 'after', number: 2, style: 'bar-second' },
  ] as const;
  const left = 132;
  const plotWidth = 380;
  const barHeight = 20;
  const pitch = 25;
  const groupHeight = 28 + bars.length * pitch + 12;
  const values = (strategy: StrategyResult) =>
    bars.map(({ phase, number }) => throughput(runOf(strategy, phase, number)));
  const top = Math.max(...result.strategies.flatMap(values)) || 1;
  const groups = result.strategies.map((strategy, index) => {
    const y = index * groupHeight + 20;
    return [
      `<g class="strategy-${classOf(strategy.name)}">`,
      text(0, y, strategy.name, 'name'),
      ...values(strategy).flatMap((value, bar) => {
        const barTop = y + 10 + bar * pitch;
        const width = (value / top) * plotWidth;
        return [
          text(left - 8, barTop + 15, bars[bar]!.label, 'tick end'),
          rect(left, barTop, Math.max(width, 1), barHeight, bars[bar]!.style),
          text(left + width + 7, barTop + 15, significant(value), 'value'),
        ];
      }),
      '</g>',
    ].join('\n');
  });
  return svg(
    'bars',
    result.strategies.length * groupHeight,
    'Throughput of the runs, MB/s',
    describeBars(result),
    groups,
  );
}

/** Part of a class name: a strategy's name without what CSS reserves. */
export function classOf(name: StrategyName | VmmStrategyName): string {
  return name.replace('+', '-');
}

/**
 * The time that the chart shows, ns. It goes up to the end of the slowest first run after the
 * reboot. Before the reboot it shows a fixed share of that, or less when there is less to show.
 */
function timeSpan(strategies: readonly StrategyResult[]): { startNs: number; endNs: number } {
  const firstRunsEnd = strategies.map((strategy) => strategy.rebootNs + (runOf(strategy, 'after', 1)?.ns ?? 0));
  const endNs = Math.max(1, ...firstRunsEnd) * 1.02;
  const earliest = Math.min(0, ...strategies.map(({ timeline }) => timeline[0]?.startNs ?? 0));
  return { startNs: Math.max(earliest, (-endNs * BEFORE_SHARE) / (1 - BEFORE_SHARE)), endNs };
}

/** Throughput of each bin of the time axis, MB/s; undefined where nothing was measured. */
export function binThroughput(
  timeline: readonly Sample[],
  startNs: number,
  binNs: number,
  bins: number,
): (number | undefined)[] {
  const bytes = new Float64Array(bins);
  const measuredNs = new Float64Array(bins);
  for (const sample of timeline) {
    const sampleEnd = sample.startNs + sample.ns;
    const first = Math.max(0, Math.floor((sample.startNs - startNs) / binNs));
    const last = Math.min(bins - 1, Math.floor((sampleEnd - startNs) / binNs));
    for (let bin = first; bin <= last; bin++) {
      const binStart = startNs + bin * binNs;
      const overlap = Math.min(sampleEnd, binStart + binNs) - Math.max(sample.startNs, binStart);
      if (overlap <= 0) continue;
      measuredNs[bin]! += overlap;
      bytes[bin]! += (sample.bytes * overlap) / sample.ns;
    }
  }
  return Array.from(bytes, (sum, bin) => (measuredNs[bin]! > 0 ? (sum * 1000) / measuredNs[bin]! : undefined));
}

/** A value from the start of a bin on; NaN: nothing was measured. */
interface Step {
  readonly bin: number;
  readonly value: number;
}

const isMeasured = ({ value }: Step): boolean => !Number.isNaN(value);

/**
 * The steps over the bins. A step that ends where nothing was measured has an end of its own, and
 * then there is a gap.
 */
function stepsOf(values: readonly (number | undefined)[]): Step[] {
  return values.flatMap((value, bin) => {
    if (value === undefined) return [];
    const step = { bin, value };
    return values[bin + 1] === undefined
      ? [step, { bin: bin + 1, value }, { bin: bin + 1, value: Number.NaN }]
      : [step];
  });
}

function describeTimeline(result: RebootResult): string {
  const each = result.strategies.map((strategy) => {
    const first = runOf(strategy, 'after', 1);
    return (
      `${strategy.name}: out of service for ${significant(strategy.rebootNs / 1e9)} s, ` +
      `then a first run at ${significant(throughput(first))} MB/s that lasts ${significant((first?.ns ?? 0) / 1e9)} s.`
    );
  });
  return each.join(' ');
}

function describeBars(result: RebootResult): string {
  const speed = (strategy: StrategyResult, phase: 'before' | 'after', number: number) =>
    significant(throughput(runOf(strategy, phase, number)));
  const each = result.strategies.map(
    (strategy) =>
      `${strategy.name}: ${speed(strategy, 'before', 1)} first before the reboot, ` +
      `${speed(strategy, 'after', 1)} first after, ${speed(strategy, 'after', 2)} second after.`,
  );
  return each.join(' ');
}
