/**
 * The charts of a reboot of the hypervisor. One shows what happens when, and which guests are
 * silent then, a panel a strategy over one time axis. The other shows each measure over the two
 * series, with the slides' figures as rings.
 */

import { scaleLinear } from 'd3-scale';
import { line } from 'd3-shape';
import type { VmmExperimentResult, VmmMeasurement, VmmStrategyResult } from '../experiment/vmm/result.ts';
import type { VmmMeasure } from '../slides/figures.ts';
import type { VmmPhase } from '../experiment/vmm/result.ts';
import { classOf } from './charts.ts';
import { significant } from './measures.ts';
import { DIGITS, rect, round, svg, text, tickLabel, WIDTH, zeroScale } from './svg.ts';
import { MEASURES, machineName, secondsOf, slideOf, type Series } from './vmm-measures.ts';

/** Guests of a panel that have a bar each; of more, the longest silence stands for all. */
const BARS = 8;

/** What a phase is drawn as, and what its key says. */
export const PHASE_KINDS: readonly {
  readonly kind: string;
  readonly label: string;
  readonly names: readonly VmmPhase['name'][];
}[] = [
  {
    kind: 'stop',
    label: 'guests stop',
    names: ['suspend guests', 'save guests', 'migrate guests', 'shut guests down', 'hand over'],
  },
  { kind: 'dom0', label: 'domain 0 goes down', names: ['domain 0 shutdown'] },
  { kind: 'reset', label: 'reset, hypervisor and domain 0 boot', names: ['reset and boot'] },
  {
    kind: 'start',
    label: 'guests start',
    names: ['resume guests', 'restore guests', 'migrate guests back', 'boot guests'],
  },
];

/** Phases and silences of one machine under each strategy. */
export function downtimeChart(machine: VmmMeasurement): string {
  const left = 10;
  const plotWidth = WIDTH - 2 * left;
  const end =
    Math.max(...machine.strategies.map(({ totalNs, guests }) => Math.max(totalNs, ...guests.map(endOf)))) / 1e9;
  const begin = Math.min(
    0,
    ...machine.strategies.flatMap(({ guests }) => guests.map(({ downFromNs }) => downFromNs / 1e9)),
  );
  const x = scaleLinear([begin, end], [left, left + plotWidth]);
  const parts: string[] = [];
  let top = 0;
  for (const { strategy, guests, timeline } of machine.strategies) {
    const longest = guests.reduce((a, b) => (b.downtimeNs > a.downtimeNs ? b : a));
    const bars = guests.length > BARS ? [longest] : guests;
    parts.push(
      text(left, top + 16, strategy, 'name'),
      text(WIDTH - left, top + 16, `service down for ${significant(longest.downtimeNs / 1e9)} s`, 'note end'),
      ...timeline.map(({ name, startNs, endNs }) => {
        const { kind } = PHASE_KINDS.find(({ names }) => names.includes(name))!;
        return rect(x(startNs / 1e9), top + 26, x(endNs / 1e9) - x(startNs / 1e9), 16, `phase-${kind}`);
      }),
      ...bars.map((guest, n) =>
        rect(
          x(guest.downFromNs / 1e9),
          top + 47 + 7 * n,
          x(endOf(guest) / 1e9) - x(guest.downFromNs / 1e9),
          5,
          'silence',
        ),
      ),
    );
    top += 62 + 7 * bars.length;
  }
  const axis = x
    .ticks(6)
    .flatMap((tick) => [
      `<path class="axis" d="M${round(x(tick))} ${top}v6"/>`,
      text(x(tick), top + 22, tickLabel(tick), 'tick middle'),
    ]);
  const description = machine.strategies
    .map(({ strategy, totalNs, guests }) => {
      const longest = Math.max(...guests.map(({ downtimeNs }) => downtimeNs));
      return `${strategy}: ${significant(totalNs / 1e9)} s in all, service down for ${significant(longest / 1e9)} s.`;
    })
    .join(' ');
  return svg('downtime', top + 46, `Reboot of the hypervisor under ${machineName(machine)}`, description, [
    ...parts,
    ...axis,
    text(left + plotWidth / 2, top + 42, 'seconds from the start of the reboot', 'tick middle'),
  ]);
}

function endOf({ downFromNs, downtimeNs }: VmmStrategyResult['guests'][number]): number {
  return downFromNs + downtimeNs;
}

/**
 * A measure over a series: a line a strategy, named at its end, with the slides' figures as rings.
 */
export function seriesChart(result: VmmExperimentResult, series: Series, measure: VmmMeasure, id: string): string {
  const left = 52;
  const right = WIDTH - 172;
  const base = 190;
  const topmost = 20;
  const { points } = series;
  const strategies = points[0]!.machine.strategies.map(({ strategy }) => strategy);
  const figures = strategies.map((_, n) =>
    points.map(({ at, machine }) => {
      const strategy = machine.strategies[n]!;
      return { at, seconds: secondsOf(strategy, measure), slide: slideOf(result, machine, strategy, measure) };
    }),
  );
  const most = Math.max(...figures.flat().flatMap(({ seconds, slide }) => [seconds, slide?.value ?? 0]));
  const x = scaleLinear([points[0]!.at, points.at(-1)!.at], [left + 8, right - 8]);
  const y = zeroScale(most, 4, [base, topmost]);
  const outline = line<{ readonly at: number; readonly seconds: number }>(
    ({ at }) => x(at),
    ({ seconds }) => y(seconds),
  ).digits(DIGITS);
  const labels = spread(figures.map((points) => y(points.at(-1)!.seconds)));
  const lines = figures.map((points, n) =>
    [
      `<g class="strategy-${classOf(strategies[n]!)}">`,
      `<path class="line" d="${outline(points) ?? ''}"/>`,
      ...points.map(({ at, seconds }) => circle(x(at), y(seconds), 2.5, 'dot')),
      ...points.flatMap(({ at, slide }) => (slide === undefined ? [] : [circle(x(at), y(slide.value), 5.5, 'ring')])),
      text(right + 6, labels[n]! + 4, strategies[n]!, 'name'),
      '</g>',
    ].join('\n'),
  );
  const described = figures.map(
    (line, n) =>
      `${strategies[n]!}: ${line.map(({ seconds }, i) => `${significant(seconds)} s at ${points[i]!.label}`).join(', ')}.`,
  );
  return svg(id, base + 48, `${MEASURES[measure].title}, ${series.title}`, described.join(' '), [
    ...y
      .ticks(4)
      .flatMap((tick) => [
        `<path class="grid" d="M${left} ${round(y(tick))}H${right}"/>`,
        text(left - 7, y(tick) + 5, tickLabel(tick), 'tick end'),
      ]),
    text(0, 12, 's', 'tick'),
    ...points.map(({ at }) => text(x(at), base + 20, `${at}`, 'tick middle')),
    text((left + right) / 2, base + 42, series.axis, 'tick middle'),
    ...lines,
  ]);
}

/** Moves labels apart that would lie on each other: at least 20 units, in their order. */
function spread(positions: readonly number[]): number[] {
  const order = positions.map((_, n) => n).sort((a, b) => positions[a]! - positions[b]!);
  const moved = [...positions];
  for (let i = order.length - 2; i >= 0; i--)
    moved[order[i]!] = Math.min(moved[order[i]!]!, moved[order[i + 1]!]! - 20);
  return moved;
}

function circle(x: number, y: number, radius: number, style: string): string {
  return `<circle cx="${round(x)}" cy="${round(y)}" r="${radius}" class="${style}"/>`;
}
