/**
 * What happens when. Phases are bars over one time axis, a row a series. The letter of their kind
 * and their seconds stand below. Thin bars say when a service does not answer.
 */

import { scaleLinear } from 'd3-scale';
import { significant, tickLabel } from './figures.ts';
import { path, rect, round, seriesGroup, spreadOut, svg, text, WIDTH, widthOf, type Chart } from './svg.ts';

/** A stretch of time, seconds. */
export interface Stretch {
  readonly label: string;
  readonly from: number;
  readonly to: number;
}

export interface GanttChart {
  /** Of the chart, unique in its page. */
  readonly id: string;
  readonly title: string;
  readonly description: string;
  /** What stands below the time axis. */
  readonly axis: string;
  readonly rows: readonly {
    readonly name: string;
    /** Said at the right of the name, in at most 26 letters. */
    readonly note: string;
    /** In ascending order. The kind is one of the page's, from 0. */
    readonly phases: readonly (Stretch & { readonly kind: number })[];
    /** When a service does not answer: a thin bar each. */
    readonly silences: readonly Stretch[];
  }[];
}

/** The letter of a kind of phase. */
export const letterOf = (kind: number): string => String.fromCharCode(65 + kind);

const LEFT = 10;
const RIGHT = WIDTH - 26;

/** Phases with their seconds. */
export function ganttChart({ id, title, description, axis, rows }: GanttChart): Chart {
  const stretches = rows.flatMap(({ phases, silences }) => [...phases, ...silences]);
  const from = Math.min(0, ...stretches.map((stretch) => stretch.from));
  const to = Math.max(0, ...stretches.map((stretch) => stretch.to));
  const x = scaleLinear([from, to > from ? to : from + 1], [LEFT, RIGHT]);
  let top = 0;
  const drawn = rows.map(({ name, note, phases, silences }, n) => {
    const y = top + 26;
    const below = y + 20 + 7 * silences.length;
    top = below + 36;
    return seriesGroup(name, n, [
      text(LEFT, y - 8, name, 'name'),
      text(RIGHT, y - 8, note, 'note end'),
      ...phases.map((phase) =>
        rect(x(phase.from), y, x(phase.to) - x(phase.from), 16, `phase-${phase.kind}`, `${name}, ${said(phase)}`),
      ),
      ...silences.map((silence, row) =>
        rect(
          x(silence.from),
          y + 21 + 7 * row,
          x(silence.to) - x(silence.from),
          5,
          'silence',
          `${name}, ${said(silence)}`,
        ),
      ),
      ...secondsBelow(phases, x, below + 20),
    ]);
  });
  const ticks = x
    .ticks(6)
    .flatMap((tick) => [
      path(`M${round(x(tick))} ${top}v6`, 'axis'),
      text(x(tick), top + 24, tickLabel(tick), 'tick middle'),
    ]);
  const picture = svg(id, top + 52, title, description, [
    ...drawn,
    ...ticks,
    text((LEFT + RIGHT) / 2, top + 48, axis, 'caption middle'),
  ]);
  return { svg: picture, series: rows.map(({ name }) => name), hasLog: false };
}

const said = ({ label, from, to }: Stretch): string =>
  `${label}: ${significant(to - from)} s, from ${significant(from)} s`;

/** The letters and seconds of phases, each under the middle of its bar or beside the one before. */
function secondsBelow(
  phases: readonly (Stretch & { readonly kind: number })[],
  x: (seconds: number) => number,
  y: number,
): string[] {
  const labels = phases.map(({ kind, from, to }) => ({
    label: `${letterOf(kind)} ${significant(to - from)} s`,
    at: (x(from) + x(to)) / 2,
  }));
  const centres = spreadOut(
    labels.map(({ label, at }) => ({ at, width: widthOf(label) })),
    [0, WIDTH],
  );
  return labels.map(({ label }, n) => text(centres[n]!, y, label, 'seconds middle'));
}
