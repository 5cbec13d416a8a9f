/**
 * The charts of the paper's figures: each with those of the slides in it, as far as they are
 * printed.
 */

import type { PaperFigureResult, PaperMachine, PaperResult } from '../experiment/paper/result.ts';
import { vmmFigure, type VmmMeasure } from '../slides/figures.ts';
import { barChart } from './kit/bars.ts';
import { curveChart } from './kit/curves.ts';
import { significant } from './kit/figures.ts';
import { ratioChart } from './kit/ratios.ts';
import type { Chart } from './kit/svg.ts';
import { tornadoChart } from './kit/tornado.ts';
import { summaryOf, withUnit } from './paper-measures.ts';

const MIB = 1 << 20;

type Strategy = PaperMachine['strategies'][number];
const SECONDS: Readonly<Record<VmmMeasure, (strategy: Strategy) => number>> = {
  stop: ({ stopNs }) => stopNs / 1e9,
  start: ({ startNs }) => startNs / 1e9,
  downtime: ({ downtimeNs }) => downtimeNs / 1e9,
};

export const TITLES: Readonly<Record<VmmMeasure, string>> = {
  stop: 'Suspending, saving or shutting down',
  start: 'Resuming, restoring or booting',
  downtime: 'Service downtime',
};

/** All figures that were run, as multiples of the slides'. */
export function figuresChart(result: PaperResult): Chart {
  const rows = result.figures.flatMap(({ name, unit, slide, ours, range, status }) =>
    ours === null
      ? []
      : [
          {
            ...{ label: name, kind: status, unit, ours, slide },
            ...(range === null ? {} : { range: [range.together.low, range.together.high] as const }),
          },
        ],
  );
  return ratioChart({ id: 'figures', title: "Ours over the slides'", description: summaryOf(result), rows });
}

/** Machines of which one thing differs: `memory` of one guest, or the number `vms` of guests. */
export function machinesChart({ machines }: PaperResult, over: 'memory' | 'vms', measure: VmmMeasure): Chart {
  const least = Math.min(...machines.map(({ memory }) => memory));
  const points = machines
    .filter(({ vms, memory }) => (over === 'memory' ? vms === 1 : memory === least))
    .toSorted((a, b) => a[over] - b[over]);
  const lines = points[0]!.strategies.map(({ strategy }, n) => ({
    name: strategy,
    points: points.map(({ vms, memory, strategies }) => {
      const slide = vmmFigure(vms, memory, strategy, measure);
      return {
        x: over === 'memory' ? memory / MIB : vms,
        y: SECONDS[measure](strategies[n]!),
        ...(slide === undefined ? {} : { slide: slide.value }),
      };
    }),
  }));
  const axis = over === 'memory' ? 'memory of one guest, MiB' : `guests of ${least / MIB} MiB`;
  return curveChart({
    id: `${measure}-over-${over}`,
    title: `${TITLES[measure]}, over ${axis}`,
    description: lines
      .map(({ name, points: own }) => `${name}: ${own.map(({ x, y }) => `${significant(y)} s at ${x}`).join(', ')}.`)
      .join(' '),
    unit: 's',
    axis,
    lines,
  });
}

/** The file read, by strategy. */
export function readingsChart({ readings }: PaperResult): Chart {
  const groups = readings.map(({ strategy, bytes, firstBeforeNs, firstNs, secondNs }) => {
    const speed = (ns: number): number => (bytes * 1000) / ns;
    return {
      name: strategy,
      bars: [
        { label: 'first run before', value: speed(firstBeforeNs), fill: 'outline' },
        { label: 'first run after', value: speed(firstNs), fill: 'solid' },
        { label: 'second run after', value: speed(secondNs), fill: 'pale' },
      ] as const,
    };
  });
  const described = groups.map(
    ({ name, bars }) => `${name}: ${bars.map(({ label, value }) => `${label} ${significant(value)} MB/s`).join(', ')}.`,
  );
  return barChart({ id: 'readings', title: 'One file read', description: described.join(' '), unit: 'MB/s', groups });
}

/** Figures of one unit beside the slides', those of `names`. */
export function besideChart(id: string, title: string, figures: readonly PaperFigureResult[]): Chart {
  const groups = figures.map(({ name, slide, ours, range }) => ({
    name,
    bars: [
      { label: 'slide', value: slide, fill: 'outline' as const },
      ...(ours === null ? [] : [{ label: 'ours', value: ours, fill: 'solid' as const }]),
      ...(range === null
        ? []
        : [
            { label: 'least', value: range.together.low, fill: 'pale' as const },
            { label: 'most', value: range.together.high, fill: 'pale' as const },
          ]),
    ],
  }));
  const { unit } = figures[0]!;
  const described = figures.map(
    ({ name, slide, ours }) =>
      `${name}: slide ${withUnit(slide, unit)}, ours ${ours === null ? 'not run' : withUnit(ours, unit)}.`,
  );
  return barChart({ id, title, description: described.join(' '), unit, groups });
}

/** The share of the second run that a file read reaches, over the media rate of the drive. */
export function resonanceChart({ rates }: PaperResult): Chart {
  const points = rates.map(({ mbps, percent }) => ({ x: mbps, y: percent }));
  return curveChart({
    id: 'resonance',
    title: 'First run after a warm-cache reboot, as a share of the second',
    description: points.map(({ x, y }) => `${significant(y)} % at ${x} MB/s.`).join(' '),
    unit: '%',
    axis: 'media rate of the drive, MB/s',
    lines: [{ name: 'warm-cache', points }],
  });
}

/** What the constants do that move a figure most; undefined when no range is known. */
export function tornadoOf({ name, unit, ours, range }: PaperFigureResult, id: string): Chart | undefined {
  if (ours === null || range === null || range.swings.length === 0) return undefined;
  const rows = range.swings.map(({ constant, low, high, atLow, atHigh }) => ({
    name: constant,
    ends: [
      { value: atLow, when: `at ${low}` },
      { value: atHigh, when: `at ${high}` },
    ] as const,
  }));
  const described = range.swings.map(
    ({ constant, atLow, atHigh }) => `${constant}: ${significant(atLow)} to ${significant(atHigh)} ${unit}.`,
  );
  return tornadoChart({ id, title: name, description: described.join(' '), unit, base: ours, rows });
}
