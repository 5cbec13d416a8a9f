/**
 * The charts of a reboot of the hypervisor. One shows what happens when, and which guests are
 * silent then. The others show each measure over the two series, with the slides' figures as rings.
 */

import type { VmmExperimentResult, VmmMeasurement, VmmPhase } from '../experiment/vmm/result.ts';
import type { VmmMeasure } from '../slides/figures.ts';
import { curveChart } from './kit/curves.ts';
import type { Key } from './kit/figure.ts';
import { significant } from './kit/figures.ts';
import { ganttChart, letterOf } from './kit/gantt.ts';
import type { Chart } from './kit/svg.ts';
import { machineName, MEASURES, secondsOf, slideOf, type Series } from './vmm-measures.ts';

/** Guests that have a bar each; of more, the longest silence stands for all. */
const BARS = 8;

/** The phases of each kind, and what the key of the kind says. */
const PHASE_KINDS: readonly { readonly label: string; readonly names: readonly VmmPhase['name'][] }[] = [
  {
    label: 'guests stop',
    names: ['suspend guests', 'save guests', 'migrate guests', 'shut guests down', 'hand over'],
  },
  { label: 'domain 0 goes down', names: ['domain 0 shutdown'] },
  { label: 'reset, hypervisor and domain 0 boot', names: ['reset and boot'] },
  { label: 'guests start', names: ['resume guests', 'restore guests', 'migrate guests back', 'boot guests'] },
];

/** The keys of the chart of phases. */
export const PHASE_KEYS: readonly Key[] = [
  ...PHASE_KINDS.map(({ label }, kind) => ({ style: `phase-${kind}`, label, letter: letterOf(kind) })),
  { style: 'key-silence', label: 'a guest does not answer' },
];

/** Phases and silences of one machine under each strategy. */
export function downtimeChart(machine: VmmMeasurement): Chart {
  const rows = machine.strategies.map(({ strategy, totalNs, guests, timeline }) => {
    const longest = guests.reduce((a, b) => (b.downtimeNs > a.downtimeNs ? b : a));
    const down = significant(longest.downtimeNs / 1e9);
    return {
      name: strategy,
      note: `service down for ${down} s`,
      described: `${strategy}: ${significant(totalNs / 1e9)} s in all, service down for ${down} s.`,
      phases: timeline.map(({ name, startNs, endNs }) => ({
        ...{ kind: PHASE_KINDS.findIndex(({ names }) => names.includes(name)), label: name },
        ...{ from: startNs / 1e9, to: endNs / 1e9 },
      })),
      silences: (guests.length > BARS ? [longest] : guests).map(({ name, downFromNs, downtimeNs }) => ({
        ...{ label: `${name} does not answer` },
        ...{ from: downFromNs / 1e9, to: (downFromNs + downtimeNs) / 1e9 },
      })),
    };
  });
  return ganttChart({
    id: 'downtime',
    title: `Reboot of the hypervisor under ${machineName(machine)}`,
    description: rows.map(({ described }) => described).join(' '),
    axis: 'seconds from the start of the reboot',
    rows,
  });
}

/** A measure over a series. */
export function seriesChart(result: VmmExperimentResult, series: Series, measure: VmmMeasure, id: string): Chart {
  const lines = series.points[0]!.machine.strategies.map(({ strategy }, n) => ({
    name: strategy,
    points: series.points.map(({ at, machine }) => {
      const own = machine.strategies[n]!;
      const slide = slideOf(result, machine, own, measure);
      return { x: at, y: secondsOf(own, measure), ...(slide === undefined ? {} : { slide: slide.value }) };
    }),
  }));
  const described = lines.map(({ name, points }) => {
    const each = points.map(({ y }, i) => `${significant(y)} s at ${series.points[i]!.label}`);
    return `${name}: ${each.join(', ')}.`;
  });
  return curveChart({
    id,
    title: `${MEASURES[measure].title}, ${series.title}`,
    description: described.join(' '),
    unit: 's',
    axis: series.axis,
    lines,
  });
}
