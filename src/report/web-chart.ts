/**
 * Throughput over time around the reboot, one panel a strategy over one common time axis, as
 * charts.ts draws that of the reader. A step is a window of 1 s.
 */

import { scaleLinear } from 'd3-scale';
import { curveStepAfter, line } from 'd3-shape';
import type { WebResult, WebWindow } from '../experiment/web/result.ts';
import { classOf } from './charts.ts';
import { significant } from './measures.ts';
import { DIGITS, rect, round, svg, text, tickLabel, WIDTH, zeroScale } from './svg.ts';

const LEFT = 66;
const PLOT = { width: WIDTH - LEFT - 10, height: 74 } as const;
const PANEL_HEIGHT = 118;

export function webChart({ strategies }: WebResult): string {
  const bottom = strategies.length * PANEL_HEIGHT;
  const windows = strategies.flatMap(({ service }) => service.windows);
  const most = Math.max(1, ...windows.map(({ answered }) => answered));
  const start = Math.min(0, ...windows.map(({ startNs }) => startNs / 1e9));
  const end = Math.max(1, ...windows.map(({ startNs }) => startNs / 1e9 + 1));
  const x = scaleLinear([start, end], [LEFT, LEFT + PLOT.width]);
  const panels = strategies.map(({ name, service }, index) => {
    const top = index * PANEL_HEIGHT + 30;
    const base = top + PLOT.height;
    const y = zeroScale(most, 3, [base, top]);
    const points = steps(service.windows);
    const path = line<Step>(
      ({ second }) => x(second),
      ({ answered }) => y(answered),
    )
      .curve(curveStepAfter)
      .digits(DIGITS);
    const back = Math.min(end, (service.returnNs ?? Infinity) / 1e9);
    const until = service.until90Ns === null ? '90 % not reached' : `90 % at ${significant(service.until90Ns / 1e9)} s`;
    return [
      `<g class="strategy-${classOf(name)}">`,
      text(LEFT, top - 9, name, 'name'),
      text(LEFT + PLOT.width, top - 9, until, 'note end'),
      ...y.ticks(3).map((tick) => `<path class="grid" d="M${LEFT} ${round(y(tick))}h${PLOT.width}"/>`),
      ...y.ticks(3).map((tick) => text(LEFT - 7, round(y(tick)) + 5, tickLabel(tick), 'tick end')),
      rect(x(0), top, x(back) - x(0), PLOT.height, 'down'),
      `<path class="line" d="${path(points) ?? ''}"/>`,
      `<path class="begin" d="M${round(x(0))} ${top - 4}V${base}"/>`,
      '</g>',
    ].join('\n');
  });
  const axis = x.ticks(5).flatMap((tick) => {
    const at = round(x(tick));
    return [`<path class="axis" d="M${at} ${bottom - 14}v6"/>`, text(at, bottom + 12, tickLabel(tick), 'tick middle')];
  });
  const described = strategies.map(
    ({ name, service }) =>
      `${name}: ${significant(service.rateBefore)} requests a second before, down for ${significant(service.downNs / 1e9)} s.`,
  );
  return svg('throughput', bottom + 44, 'Requests answered a second around the reboot', described.join(' '), [
    '<defs><pattern id="down" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">' +
      '<path class="hatch" d="M0 0V7"/></pattern></defs>',
    text(0, 14, 'requests/s', 'tick'),
    ...panels,
    ...axis,
    text(LEFT + PLOT.width / 2, bottom + 36, 'seconds from the start of the reboot', 'tick middle'),
  ]);
}

interface Step {
  readonly second: number;
  readonly answered: number;
}

/** The last step has an end. */
function steps(windows: readonly WebWindow[]): Step[] {
  const points = windows.map(({ startNs, answered }) => ({ second: startNs / 1e9, answered }));
  const last = points.at(-1);
  return last === undefined ? [] : [...points, { ...last, second: last.second + 1 }];
}
