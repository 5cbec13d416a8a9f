/** Groups of horizontal bars of one scale: a group a series, a bar a measure. */

import { significant } from './figures.ts';
import { onEach, unitLabel, valueScales } from './scales.ts';
import { LINE, rect, seriesGroup, svg, text, WIDTH, widthOf, type Chart } from './svg.ts';

/** How a bar is filled. The three are told apart without colour. */
export type BarFill = 'outline' | 'solid' | 'pale';

export interface BarChart {
  /** Of the chart, unique in its page. */
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly unit: string;
  readonly groups: readonly {
    readonly name: string;
    readonly bars: readonly { readonly label: string; readonly value: number; readonly fill: BarFill }[];
  }[];
}

const HEAD = 28;
const HEIGHT = 20;

/** Bars in groups, each with its figure at its end. */
export function barChart({ id, title, description, unit, groups }: BarChart): Chart {
  const all = groups.flatMap(({ bars }) => bars);
  const left = Math.max(0, ...all.map(({ label }) => widthOf(label))) + 12;
  const most = Math.max(0, ...all.map(({ value }) => value));
  const right = WIDTH - Math.max(0, ...all.map(({ value }) => widthOf(significant(value)))) - 10;
  // The longest bar is as long as there is room. On the logarithmic scale the last tick is.
  const scales = valueScales(
    all.map(({ value }) => value),
    5,
    [0, right - left],
  ).map((scale) =>
    scale.kind === 'log' ? scale : { ...scale, at: (v: number) => (v / (most || 1)) * (right - left) },
  );
  let y = HEAD;
  const drawn = groups.map(({ name, bars }, n) => {
    const top = y + 30;
    y = top + bars.length * LINE + 10;
    return seriesGroup(name, n, [
      text(0, top - 10, name, 'name'),
      ...bars.map(({ label }, bar) => text(left - 8, top + bar * LINE + 15, label, 'tick end')),
      ...onEach(scales, ({ at }) =>
        bars.flatMap(({ label, value, fill }, bar) => {
          const width = Math.max(at(value), 1);
          const said = `${name}, ${label}: ${significant(value)} ${unit}`;
          return [
            rect(left, top + bar * LINE, width, HEIGHT, `bar-${fill}`, said),
            text(left + width + 7, top + bar * LINE + 15, significant(value), 'value'),
          ];
        }),
      ),
    ]);
  });
  return {
    svg: svg(id, y, title, description, [...unitLabel(scales, unit), ...drawn]),
    series: groups.map(({ name }) => name),
    hasLog: scales.length > 1,
  };
}
