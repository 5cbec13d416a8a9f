/**
 * How far a figure moves when an assumption does: a bar an assumption, around the figure as it is.
 */

import { scaleLinear } from 'd3-scale';
import { significant } from './figures.ts';
import { FIRST, path, rect, round, svg, text, WIDTH, widthOf, type Chart } from './svg.ts';

export interface TornadoChart {
  /** Of the chart, unique in its page. */
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly unit: string;
  /** The figure as it is. */
  readonly base: number;
  /** The widest first. */
  readonly rows: readonly {
    readonly name: string;
    /** The figure when the assumption is lowest and highest, in any order, and what it is then. */
    readonly ends: readonly [TornadoEnd, TornadoEnd];
  }[];
}

export interface TornadoEnd {
  readonly value: number;
  /** The assumption there: `70 MB/s`. */
  readonly when: string;
}

/** A tornado. */
export function tornadoChart({ id, title, description, unit, base, rows }: TornadoChart): Chart {
  const values = [base, ...rows.flatMap(({ ends }) => ends.map(({ value }) => value))];
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const room = Math.max(...values.map((value) => widthOf(significant(value)))) + 8;
  const x = scaleLinear([least, most > least ? most : least + 1], [room, WIDTH - room]);
  const drawn = rows.flatMap(({ name, ends }, n) => {
    const top = 34 + n * 54;
    const [low, high] = ends.toSorted((a, b) => a.value - b.value) as [TornadoEnd, TornadoEnd];
    const bar = (end: TornadoEnd, style: string): string => {
      const [a, b] = [Math.min(x(base), x(end.value)), Math.max(x(base), x(end.value))];
      return rect(a, top + 27, b - a, 16, style, `${name} ${end.when}: ${significant(end.value)} ${unit}`);
    };
    return [
      text(0, top + 18, name, 'name'),
      bar(low, 'bar-outline'),
      bar(high, 'bar-solid'),
      text(Math.min(x(low.value), x(base)) - 6, top + 40, significant(low.value), 'value end'),
      text(Math.max(x(high.value), x(base)) + 6, top + 40, significant(high.value), 'value'),
    ];
  });
  const height = 34 + rows.length * 54;
  const picture = svg(id, height + 4, title, description, [
    text(0, FIRST, `${significant(base)} ${unit} as it is`, 'tick'),
    ...drawn,
    ...rows.map((_, n) => path(`M${round(x(base))} ${34 + n * 54 + 23}v24`, 'axis')),
  ]);
  return { svg: picture, series: [], hasLog: false };
}
