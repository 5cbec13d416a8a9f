/**
 * What reboots are worth by the size of domain 0's page cache: a table, a chart, and what it is and
 * is not.
 */

import prettyBytes from 'pretty-bytes';
import { scaleLinear } from 'd3-scale';
import { line } from 'd3-shape';
import type { CurvePoint } from '../experiment/guest/result.ts';
import { classOf } from './charts.ts';
import { percent, times, type Section } from './measures.ts';
import { DIGITS, round, svg, text, WIDTH, zeroScale } from './svg.ts';

export const CURVE_TITLE = "Over disks that are files, by the size of domain 0's page cache";
/** What the curve may be taken for. */
export const CURVE_NOTE =
  "A hypothesis for the paper's 15 × and 64 %: the slides do not say what disk the guest had. Nothing here was fitted to them.";

const gain = ({ coldNs, warmNs }: CurvePoint): number | undefined => (warmNs === 0 ? undefined : coldNs / warmNs);
const share = ({ secondNs, warmNs }: CurvePoint): number | undefined => (warmNs === 0 ? undefined : secondNs / warmNs);

/** Names of the sizes. */
export function curveHeads(points: readonly CurvePoint[]): string[] {
  return points.map(({ domain0Cache }) =>
    domain0Cache === 0 ? 'partition' : prettyBytes(domain0Cache, { binary: true }),
  );
}

export function curveSection(points: readonly CurvePoint[]): Section {
  return {
    question: CURVE_TITLE,
    rows: [
      { label: 'first run after: warm-cache / cold', values: points.map((point) => times(gain(point))) },
      { label: 'warm-cache: first after / second after', values: points.map((point) => percent(share(point))) },
    ],
  };
}

/** Two panels over one axis. */
export function curveChart(points: readonly CurvePoint[]): string {
  const left = 60;
  const right = WIDTH - 60;
  const height = 130;
  const most = Math.max(1, ...points.map(({ domain0Cache }) => domain0Cache));
  const x = scaleLinear([0, most], [left, right]);
  const panel = (
    title: string,
    valueOf: (point: CurvePoint) => number | undefined,
    shown: (value: number | undefined) => string,
    top: number,
  ): string[] => {
    const y = zeroScale(Math.max(0, ...points.map((point) => valueOf(point) ?? 0)), 3, [top + height, top + 24]);
    const at = points.map((point) => [x(point.domain0Cache), y(valueOf(point) ?? 0)] as [number, number]);
    return [
      text(0, top, title, 'name'),
      `<path class="axis" d="M${left} ${top + height}H${right}"/>`,
      `<path class="line" d="${line().digits(DIGITS)(at) ?? ''}"/>`,
      ...points.flatMap((point, n) => [
        `<circle cx="${round(at[n]![0])}" cy="${round(at[n]![1])}" r="4" class="dot"/>`,
        text(at[n]![0], at[n]![1] - 9, shown(valueOf(point)), 'value middle'),
      ]),
    ];
  };
  const bottom = 2 * height + 70;
  const heads = curveHeads(points);
  const description = points
    .map((point, n) => `${heads[n]}: ${times(gain(point))} and ${percent(share(point))}.`)
    .join(' ');
  return svg('curve', bottom + 44, CURVE_TITLE, description, [
    `<g class="strategy-${classOf('warm-cache')}">`,
    ...panel('first run after the reboot, warm-cache over cold', gain, times, 14),
    ...panel('first run after a warm-cache reboot, of the second', share, percent, height + 60),
    '</g>',
    ...points.map(({ domain0Cache }, n) => text(x(domain0Cache), bottom + 12, heads[n]!, 'tick middle')),
    text((left + right) / 2, bottom + 36, "domain 0's page cache", 'tick middle'),
  ]);
}
