/**
 * Values over time, a panel a series over one time axis, which is broken. There are panels, not
 * lines on top of each other: series that do the same before a reboot would hide one another. Each
 * panel carries its name, so that no reader depends on telling colours apart.
 */

import { area, curveStepAfter, line } from 'd3-shape';
import { significant, tickLabel } from './figures.ts';
import {
  breakMarks,
  brokenAxis,
  labelRoom,
  onEach,
  unitLabel,
  valueScales,
  type AxisSegment,
  type BrokenAxis,
} from './scales.ts';
import { DIGITS, path, rect, round, seriesGroup, svg, text, WIDTH, widthOf, type Chart } from './svg.ts';

/** A value that holds from one instant to another, seconds. */
export interface Span {
  readonly from: number;
  readonly to: number;
  readonly value: number;
}

export interface TimePanel {
  readonly name: string;
  /** Said at the right of the name, in at most 26 letters. */
  readonly note: string;
  /** When the service is away, seconds. */
  readonly down?: { readonly from: number; readonly to: number };
  /** One line, or several: of the second on, without an area and dashed. Spans ascend. */
  readonly lines: readonly { readonly label: string; readonly spans: readonly Span[] }[];
}

export interface TimeChart {
  /** Of the chart, unique in its page. */
  readonly id: string;
  readonly title: string;
  /** What the chart shows, in sentences, for who does not see it. */
  readonly description: string;
  readonly unit: string;
  /** What stands below the time axis. */
  readonly axis: string;
  /** `segmentsAround` makes them. */
  readonly segments: readonly AxisSegment[];
  readonly panels: readonly TimePanel[];
}

const HEAD = 28;
const PANEL = 118;
const PLOT = 74;
/** Width of a bin of a line, and of a place that says its value, units. */
const BIN = 2;
const PLACE = 14;

/** Values over broken time. */
export function timeChart({ id, title, description, unit, axis, segments, panels }: TimeChart): Chart {
  const right = WIDTH - 10;
  const values = panels.flatMap(({ lines }) => lines.flatMap(({ spans }) => spans.map(({ value }) => value)));
  const scales = valueScales(values, 3, [PLOT, 0]);
  const left = labelRoom(scales);
  const x = brokenAxis(segments, [left, right]);
  const binned = panels.map(({ lines }) => lines.map(({ spans }) => binSegments(x, spans, BIN)));
  const drawn = panels.map((panel, n) => {
    const top = HEAD + n * PANEL + 30;
    const base = top + PLOT;
    return seriesGroup(panel.name, n, [
      text(left, top - 9, panel.name, 'name'),
      text(right, top - 9, panel.note, 'note end'),
      ...onEach(scales, ({ at, ticks }) => [
        ...ticks.map((tick) => path(`M${left} ${round(top + at(tick))}H${right}`, 'grid')),
        ...ticks.map((tick) => text(left - 7, top + at(tick) + 5, tickLabel(tick), 'tick end')),
      ]),
      ...(panel.down === undefined ? [] : drawDown(x, panel.down, top, base)),
      ...onEach(scales, ({ at }) =>
        binned[n]!.flatMap((ofLine, which) =>
          ofLine.flatMap((bins) => drawLine(bins, which, base, (v) => top + at(v))),
        ),
      ),
      ...breakMarks(x, top - 3, base + 3),
      ...placesOf(x, panel, unit, top),
    ]);
  });
  const bottom = HEAD + panels.length * PANEL;
  const ticks = x.ticks.flatMap((tick) => [
    path(`M${round(tick.x)} ${bottom - 14}v6`, 'axis'),
    text(tick.x, bottom + 12, tickLabel(tick.value), 'tick middle'),
  ]);
  const picture = svg(id, bottom + 44, title, description, [
    '<defs><pattern id="down" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">' +
      '<path class="hatch" d="M0 0V7"/></pattern></defs>',
    ...unitLabel(scales, unit),
    ...drawn,
    ...ticks,
    text((left + right) / 2, bottom + 37, axis, 'caption middle'),
  ]);
  return { svg: picture, series: panels.map(({ name }) => name), hasLog: scales.length > 1 };
}

interface Bin {
  readonly x: number;
  /** Undefined where nothing was measured. */
  readonly value: number | undefined;
  /** Of the axis. */
  readonly from: number;
  readonly to: number;
  /** Where the bin ends, units. */
  readonly end: number;
}

/** Bins of about a width in each segment, with their means. */
function binSegments({ segments }: BrokenAxis, spans: readonly Span[], width: number): Bin[][] {
  return segments.map(({ from, to, x0, x1 }) => {
    const bins = Math.max(1, Math.round((x1 - x0) / width));
    const means = binMeans(spans, from, (to - from) / bins, bins);
    const at = (n: number, a: number, b: number): number => a + ((b - a) * n) / bins;
    return means.map((value, n) => ({
      ...{ x: at(n, x0, x1), end: at(n + 1, x0, x1) },
      ...{ from: at(n, from, to), to: at(n + 1, from, to), value },
    }));
  });
}

/**
 * The mean of each bin over the time in which there is a value; undefined where there is none.
 * @param from start of the first bin
 * @param length of each
 */
export function binMeans(spans: readonly Span[], from: number, length: number, bins: number): (number | undefined)[] {
  const sums = new Float64Array(bins);
  const covered = new Float64Array(bins);
  for (const span of spans) {
    const first = Math.max(0, Math.floor((span.from - from) / length));
    const last = Math.min(bins - 1, Math.floor((span.to - from) / length));
    for (let bin = first; bin <= last; bin++) {
      const start = from + bin * length;
      const overlap = Math.min(span.to, start + length) - Math.max(span.from, start);
      if (overlap <= 0) continue;
      covered[bin]! += overlap;
      sums[bin]! += span.value * overlap;
    }
  }
  return Array.from(sums, (sum, bin) => (covered[bin]! > 0 ? sum / covered[bin]! : undefined));
}

/** A value from the start of a bin on; NaN: nothing was measured. */
interface Step {
  readonly x: number;
  readonly value: number;
}

/** The steps over bins. One that ends where nothing was measured has an end of its own. */
function stepsOf(bins: readonly Bin[]): Step[] {
  return bins.flatMap(({ x, end, value }, n) => {
    if (value === undefined) return [];
    const step = { x, value };
    return bins[n + 1]?.value === undefined ? [step, { x: end, value }, { x: end, value: Number.NaN }] : [step];
  });
}

function drawLine(bins: readonly Bin[], which: number, base: number, y: (value: number) => number): string[] {
  const steps = stepsOf(bins);
  if (steps.length === 0) return [];
  const isMeasured = ({ value }: Step): boolean => !Number.isNaN(value);
  const [atX, atY] = [({ x }: Step): number => x, ({ value }: Step): number => y(value)];
  const below = area<Step>(atX, base, atY).defined(isMeasured).curve(curveStepAfter).digits(DIGITS)(steps) ?? '';
  const outline = line<Step>(atX, atY).defined(isMeasured).curve(curveStepAfter).digits(DIGITS)(steps) ?? '';
  return which === 0 ? [path(below, 'area'), path(outline, 'line')] : [path(outline, 'line more')];
}

function drawDown(x: BrokenAxis, { from, to }: { from: number; to: number }, top: number, base: number): string[] {
  const [x0, x1] = [x.at(from), x.at(to)];
  const seconds = `${significant(to - from)} s`;
  // The label stands clear of the zigzag at the end of its segment.
  const end = Math.min(x1, x.segments.find((segment) => segment.to > from)?.x1 ?? x1);
  return [
    rect(x0, top, x1 - x0, base - top, 'down'),
    path(`M${round(x0)} ${round(top - 4)}V${round(base)}`, 'begin'),
    ...(widthOf(seconds) < end - x0 ? [text((x0 + end) / 2, (top + base) / 2 + 6, seconds, 'halo middle')] : []),
  ];
}

/** Where a reader can point: places of equal width, which say their means. */
function placesOf(x: BrokenAxis, { name, lines, down }: TimePanel, unit: string, top: number): string[] {
  const ofLines = lines.map(({ spans }) => binSegments(x, spans, PLACE).flat());
  return (ofLines[0] ?? []).flatMap(({ x: x0, end, from, to }, n) => {
    const said = lines.flatMap(({ label }, which) => {
      const value = ofLines[which]![n]!.value;
      return value === undefined ? [] : [`${lines.length > 1 ? `${label} ` : ''}${significant(value)} ${unit}`];
    });
    const isDown = down !== undefined && from >= down.from && to <= down.to;
    if (said.length === 0 && !isDown) return [];
    const when = `${name}, ${instant(from, to - from)} to ${instant(to, to - from)} s`;
    return [rect(x0, top, end - x0, PLOT, 'place', `${when}: ${said.length === 0 ? 'down' : said.join(', ')}`)];
  });
}

/** An instant, with the digits that tell it from the next. */
function instant(at: number, step: number): string {
  const digits = Math.min(6, Math.max(0, 1 - Math.floor(Math.log10(step))));
  return tickLabel(Number(at.toFixed(digits)) || 0);
}
