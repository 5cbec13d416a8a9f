/**
 * Our figures beside those of the slides, whatever their units: each as ours over theirs, with its
 * range, on one axis. A band shows what is within a tenth.
 */

import { scaleLinear } from 'd3-scale';
import { rangeText } from './curves.ts';
import { significant, tickLabel } from './figures.ts';
import { mark, path, rect, round, svg, text, WIDTH, type Chart } from './svg.ts';

export interface RatioChart {
  /** Of the chart, unique in its page. */
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly rows: readonly {
    readonly label: string;
    /** `fitted`, `predicted`. */
    readonly kind: string;
    readonly unit: string;
    readonly ours: number;
    readonly slide: number;
    readonly range?: readonly [low: number, high: number];
  }[];
}

const LEFT = 14;
const RIGHT = WIDTH - 26;

/** Ours over the slides', a line each. Those that are not comparable are for a table. */
export function ratioChart({ id, title, description, rows }: RatioChart): Chart {
  const most = Math.max(2, ...rows.map(({ ours, slide, range }) => Math.max(ours, range?.[1] ?? 0) / slide));
  const x = scaleLinear([0, most], [LEFT, RIGHT]).nice(5);
  const drawn = rows.flatMap(({ label, kind, unit, ours, slide, range }, n) => {
    const top = n * 56;
    const y = top + 38;
    const figures = `${significant(ours)} ${unit}, slide ${significant(slide)}`;
    const said = `${label}: ${significant(ours)} ${unit}${rangeText(range)}; slide ${significant(slide)} ${unit}, ${kind}`;
    return [
      rect(x(0.9), top + 28, x(1.1) - x(0.9), 20, 'band'),
      path(`M${LEFT} ${y}H${RIGHT}`, 'grid'),
      path(`M${round(x(1))} ${top + 28}v20`, 'axis'),
      ...(range === undefined
        ? []
        : [path(`M${round(x(range[0] / slide))} ${y}H${round(x(range[1] / slide))}`, 'range')]),
      text(0, top + 18, label, 'name'),
      text(WIDTH, top + 18, figures, 'note end'),
      mark(kind === 'fitted' ? 1 : 0, x(ours / slide), y, said),
    ];
  });
  const bottom = rows.length * 56;
  const picture = svg(id, bottom + 54, title, description, [
    ...drawn,
    ...x
      .ticks(5)
      .flatMap((tick) => [
        path(`M${round(x(tick))} ${bottom}v6`, 'axis'),
        text(x(tick), bottom + 24, tickLabel(tick), 'tick middle'),
      ]),
    text(WIDTH / 2, bottom + 48, 'ours, as a multiple of the slides’', 'caption middle'),
  ]);
  return { svg: picture, series: [], hasLog: false };
}
