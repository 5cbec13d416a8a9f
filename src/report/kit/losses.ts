/** What was kept of something and what was lost, a bar a series. */

import { rect, seriesGroup, svg, text, WIDTH, type Chart } from './svg.ts';

export interface LossChart {
  /** Of the chart, unique in its page. */
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly rows: readonly {
    readonly name: string;
    /** In one unit; together they are the whole bar. */
    readonly kept: number;
    readonly lost: number;
    /** Said at the right of the name, in at most 26 letters. */
    readonly note: string;
    /** How an amount is written. */
    readonly say: (amount: number) => string;
  }[];
}

/** Bars of kept and lost, all of one scale. */
export function lossChart({ id, title, description, rows }: LossChart): Chart {
  const most = Math.max(...rows.map(({ kept, lost }) => kept + lost), Number.MIN_VALUE);
  const drawn = rows.map(({ name, kept, lost, note, say }, n) => {
    const top = n * 62;
    const split = (kept / most) * WIDTH;
    // What is lost is seen, however little it is.
    const width = lost === 0 ? 0 : Math.max((lost / most) * WIDTH, 3);
    const x = Math.min(split, WIDTH - width);
    return seriesGroup(name, n, [
      text(0, top + 18, name, 'name'),
      text(WIDTH, top + 18, note, 'note end'),
      rect(0, top + 28, x, 20, 'kept', `${name}: ${say(kept)} kept`),
      ...(lost === 0 ? [] : [rect(x, top + 28, width, 20, 'lost', `${name}: ${say(lost)} lost`)]),
    ]);
  });
  const pattern =
    '<defs><pattern id="lost" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">' +
    '<path class="loss" d="M0 0V6"/></pattern></defs>';
  const picture = svg(id, rows.length * 62, title, description, [pattern, ...drawn]);
  return { svg: picture, series: rows.map(({ name }) => name), hasLog: false };
}
