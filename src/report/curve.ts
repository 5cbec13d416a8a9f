/**
 * What reboots are worth by the size of domain 0's page cache: a table, a chart, and what it is and
 * is not.
 */

import type { CurvePoint } from '../experiment/guest/result.ts';
import { warmCacheFigure } from '../slides/figures.ts';
import { curveChart } from './kit/curves.ts';
import type { Chart } from './kit/svg.ts';
import { percent, sizeOf, times, type Section } from './measures.ts';

const MIB = 1 << 20;

export const CURVE_TITLE = "Over disks that are files, by the size of domain 0's page cache";
/** What the curve may be taken for. */
export const CURVE_NOTE =
  "A hypothesis for the paper's 15 × and 64 %: the slides do not say what disk the guest had. Nothing here was fitted to them.";

const gain = ({ coldNs, warmNs }: CurvePoint): number | undefined => (warmNs === 0 ? undefined : coldNs / warmNs);
const share = ({ secondNs, warmNs }: CurvePoint): number | undefined => (warmNs === 0 ? undefined : secondNs / warmNs);

/** Names of the sizes. */
export function curveHeads(points: readonly CurvePoint[]): string[] {
  return points.map(({ domain0Cache }) => (domain0Cache === 0 ? 'partition' : sizeOf(domain0Cache)));
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

/** How many times as fast as a cold one the first run after a warm-cache reboot is. */
export function gainChart(points: readonly CurvePoint[]): Chart {
  return chartOf(points, {
    id: 'curve-gain',
    title: 'First run after the reboot, warm-cache over cold',
    unit: '×',
    slide: warmCacheFigure('files', 'against cold'),
    valueOf: gain,
    shown: times,
  });
}

/** What share of the second run's speed the first one has after a warm-cache reboot. */
export function shareChart(points: readonly CurvePoint[]): Chart {
  return chartOf(points, {
    id: 'curve-share',
    title: 'First run after a warm-cache reboot, of the second',
    unit: '%',
    slide: warmCacheFigure('files', 'of second'),
    valueOf: (point) => (share(point) ?? 0) * 100,
    shown: (value) => percent(value === undefined ? undefined : value / 100),
  });
}

interface Measure {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly slide: number;
  readonly valueOf: (point: CurvePoint) => number | undefined;
  readonly shown: (value: number | undefined) => string;
}

/** The slides' figure is a ring at each size: they do not say which one theirs had. */
function chartOf(points: readonly CurvePoint[], { id, title, unit, slide, valueOf, shown }: Measure): Chart {
  const heads = curveHeads(points);
  return curveChart({
    id,
    title,
    description: points.map((point, n) => `${heads[n]}: ${shown(valueOf(point))}.`).join(' '),
    unit,
    axis: "domain 0's page cache, MiB",
    lines: [
      {
        name: 'warm-cache',
        points: points.map((point) => ({ x: point.domain0Cache / MIB, y: valueOf(point) ?? 0, slide })),
      },
    ],
  });
}
