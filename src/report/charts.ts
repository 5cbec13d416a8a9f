/**
 * The charts of a reboot: throughput over time around it, the runs that the paper compares, and
 * what a crash lost.
 */

import type { RebootResult, StrategyResult } from '../experiment/guest/result.ts';
import { barChart } from './kit/bars.ts';
import { significant } from './kit/figures.ts';
import { lossChart } from './kit/losses.ts';
import { timeChart } from './kit/panels.ts';
import { segmentsAround } from './kit/scales.ts';
import type { Chart } from './kit/svg.ts';
import { amountOf, runOf, throughput } from './measures.ts';

/** Throughput over time around the reboot, for all strategies. */
export function timelineChart({ strategies }: RebootResult): Chart {
  const absences = strategies.map((strategy) => ({
    downFrom: 0,
    up: strategy.rebootNs / 1e9,
    recovered: (strategy.rebootNs + firstRunNs(strategy)) / 1e9,
  }));
  const earliest = Math.max(0, ...strategies.map(({ timeline }) => -(timeline[0]?.startNs ?? 0) / 1e9));
  const recovery = Math.max(...strategies.map(firstRunNs)) / 1e9;
  return timeChart({
    id: 'timeline',
    title: 'Throughput around the reboot',
    description: strategies.map(describeTimeline).join(' '),
    unit: 'MB/s',
    axis: 'seconds from the start of the reboot',
    segments: segmentsAround(absences, Math.min(earliest, recovery / 4)),
    panels: strategies.map((strategy) => ({
      name: strategy.name,
      note: `first run takes ${significant(firstRunNs(strategy) / 1e9)} s`,
      down: { from: 0, to: strategy.rebootNs / 1e9 },
      lines: [
        {
          label: 'throughput',
          spans: strategy.timeline.map(({ startNs, ns, bytes }) => ({
            from: startNs / 1e9,
            to: (startNs + ns) / 1e9,
            value: (bytes * 1000) / ns,
          })),
        },
      ],
    })),
  });
}

const firstRunNs = (strategy: StrategyResult): number => runOf(strategy, 'after', 1)?.ns ?? 0;

function describeTimeline(strategy: StrategyResult): string {
  const speed = significant(throughput(runOf(strategy, 'after', 1)));
  return (
    `${strategy.name}: out of service for ${significant(strategy.rebootNs / 1e9)} s, ` +
    `then a first run at ${speed} MB/s that lasts ${significant(firstRunNs(strategy) / 1e9)} s.`
  );
}

/** The first run before the reboot, the first after and the second after, for each strategy. */
export function runsChart({ strategies }: RebootResult): Chart {
  const speed = (strategy: StrategyResult, phase: 'before' | 'after', number: number): number =>
    throughput(runOf(strategy, phase, number));
  const groups = strategies.map((strategy) => ({
    name: strategy.name,
    bars: [
      { label: 'before, 1st', value: speed(strategy, 'before', 1), fill: 'outline' as const },
      { label: 'after, 1st', value: speed(strategy, 'after', 1), fill: 'solid' as const },
      { label: 'after, 2nd', value: speed(strategy, 'after', 2), fill: 'pale' as const },
    ],
  }));
  const described = groups.map(({ name, bars }) => {
    const [before, first, second] = bars.map(({ value }) => significant(value));
    return `${name}: ${before!} first before the reboot, ${first!} first after, ${second!} second after.`;
  });
  return barChart({
    id: 'bars',
    title: 'Throughput of the runs, MB/s',
    description: described.join(' '),
    unit: 'MB/s',
    groups,
  });
}

/** Whether anything was written that the reboot could lose. */
export function hasWrites({ strategies }: RebootResult): boolean {
  return strategies.some(({ writes }) => writes.bytes > 0);
}

/** The written bytes that were there after the reboot, and those that were not. */
export function lostChart({ strategies }: RebootResult): Chart {
  return lossChart({
    id: 'lost',
    title: 'Written bytes that were kept and lost',
    description: strategies
      .map(({ name, writes }) => `${name}: ${amountOf(writes.bytesLost)} of ${amountOf(writes.bytes)} lost.`)
      .join(' '),
    rows: strategies.map(({ name, writes: { bytes, bytesLost } }) => ({
      name,
      kept: bytes - bytesLost,
      lost: bytesLost,
      note: bytesLost === 0 ? `${amountOf(bytes)}, none lost` : `${amountOf(bytesLost)} lost`,
      say: amountOf,
    })),
  });
}
