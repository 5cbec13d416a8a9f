/**
 * A measure over a parameter: a line a series, each with marks and dashes of its own. Ranges are
 * bars, and the figures of the slides are rings.
 */

import { line } from 'd3-shape';
import { scaleLinear, scaleLog } from 'd3-scale';
import { significant, tickLabel } from './figures.ts';
import { labelRoom, onEach, unitLabel, valueScales, type ValueScale } from './scales.ts';
import { DIGITS, mark, path, ring, round, seriesGroup, svg, text, WIDTH, widthOf, type Chart } from './svg.ts';

export interface CurvePoint {
  readonly x: number;
  readonly y: number;
  /** From the lowest to the highest value under other assumptions. */
  readonly range?: readonly [low: number, high: number];
  /** What the slides say. */
  readonly slide?: number;
}

export interface CurveChart {
  /** Of the chart, unique in its page. */
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly unit: string;
  /** What stands below the axis of the parameter. */
  readonly axis: string;
  /** Whether equal steps of the parameter are equal factors: it is positive then. */
  readonly isLogX?: boolean;
  /** How a value of the parameter is said; by default, as a number. */
  readonly say?: (x: number) => string;
  /** Points of a line ascend in x. */
  readonly lines: readonly { readonly name: string; readonly points: readonly CurvePoint[] }[];
  /** Ends of the axes, for charts that stand beside each other; without it, those of the points. */
  readonly extent?: { readonly x: readonly [number, number]; readonly y: number };
}

const TOP = 42;
const BASE = 212;

/** Curves over a parameter. */
export function curveChart(chart: CurveChart): Chart {
  const { id, title, description, unit, axis, lines, extent, say = tickLabel } = chart;
  const points = lines.flatMap((curve) => curve.points);
  const values = points.flatMap(({ y, slide, range }) => [
    y,
    ...(slide === undefined ? [] : [slide]),
    ...(range ?? []),
  ]);
  const scales = valueScales([...values, ...(extent === undefined ? [] : [extent.y])], 4, [BASE, TOP]);
  const left = labelRoom(scales);
  const right = WIDTH - 30;
  const [first, last] = extent?.x ?? [Math.min(...points.map(({ x }) => x)), Math.max(...points.map(({ x }) => x))];
  const scale = chart.isLogX === true ? scaleLog : scaleLinear;
  // The first label does not reach the labels at the left, nor the last one the edge.
  const [before, behind] = [first, last].map((end) => Math.max(12, widthOf(say(end)) / 2)) as [number, number];
  const x = scale([first, last > first ? last : first + 1], [left + before, right - behind]);
  const drawn = lines.map(({ name, points: own }, n) =>
    seriesGroup(
      name,
      n,
      onEach(scales, ({ at }) => drawCurve(n, name, own, x, at, unit, say)),
    ),
  );
  const picture = svg(id, BASE + 52, title, description, [
    ...unitLabel(scales, unit),
    ...onEach(scales, ({ at, ticks }) =>
      ticks.flatMap((tick) => [
        path(`M${round(left)} ${round(at(tick))}H${right}`, 'grid'),
        text(left - 7, at(tick) + 5, tickLabel(tick), 'tick end'),
      ]),
    ),
    ...ticksUnder(points, x, say).map((value) => text(x(value), BASE + 22, say(value), 'tick middle')),
    text((left + right) / 2, BASE + 46, axis, 'caption middle'),
    ...drawn,
  ]);
  return { svg: picture, series: lines.map(({ name }) => name), hasLog: scales.length > 1 };
}

/** The parameters that were measured, as far as their labels do not meet. */
function ticksUnder(
  points: readonly CurvePoint[],
  x: (value: number) => number,
  say: (value: number) => string,
): number[] {
  const kept: number[] = [];
  let end = -Infinity;
  for (const value of new Set(points.map((point) => point.x).toSorted((a, b) => a - b))) {
    const half = widthOf(say(value)) / 2;
    if (x(value) - half < end + 6) continue;
    kept.push(value);
    end = x(value) + half;
  }
  return kept;
}

function drawCurve(
  n: number,
  name: string,
  points: readonly CurvePoint[],
  x: (value: number) => number,
  at: ValueScale['at'],
  unit: string,
  say: (value: number) => string,
): string[] {
  const outline = line<CurvePoint>(
    (point) => x(point.x),
    (point) => at(point.y),
  ).digits(DIGITS);
  const said = (what: string, point: CurvePoint, value: number): string =>
    `${name} at ${say(point.x)}: ${what}${significant(value)} ${unit}`;
  return [
    path(outline(points) ?? '', 'curve'),
    ...points.flatMap(({ x: where, range }) =>
      range === undefined ? [] : [path(`M${round(x(where))} ${round(at(range[0]))}V${round(at(range[1]))}`, 'range')],
    ),
    ...points.map((point) => mark(n, x(point.x), at(point.y), said('', point, point.y) + rangeText(point.range))),
    ...points.flatMap((point) =>
      point.slide === undefined ? [] : [ring(x(point.x), at(point.slide), said('slide ', point, point.slide))],
    ),
  ];
}

/** What is said of a range, behind its figure. */
export function rangeText(range: readonly [number, number] | undefined): string {
  return range === undefined ? '' : `, range ${significant(range[0])} to ${significant(range[1])}`;
}
