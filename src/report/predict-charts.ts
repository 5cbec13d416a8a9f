/** Hit ratio and latency over time around the reboot, one panel a strategy. */

import type { PredictStrategy, PredictWindow } from '../experiment/predict/result.ts';
import { significant } from './kit/figures.ts';
import { timeChart } from './kit/panels.ts';
import { segmentsAround } from './kit/scales.ts';
import type { Chart } from './kit/svg.ts';

/** Windows shown before the reboot, and after the return of a service that does not recover. */
const BEFORE = 30;
const AFTER = 60;

export const hitChart = (strategies: readonly PredictStrategy[]): Chart =>
  chartOf(strategies, {
    id: 'hits',
    title: 'Share of the pages read that were cached, around the reboot',
    unit: '%',
    value: ({ pages, missed }) => (pages === 0 ? undefined : 100 * (1 - missed / pages)),
    note: ({ service }) =>
      service.until90HitsNs === null ? '90 % not reached' : `90 % at ${significant(service.until90HitsNs / 1e9)} s`,
  });

export const latencyChart = (strategies: readonly PredictStrategy[]): Chart =>
  chartOf(strategies, {
    id: 'latency',
    title: 'Time that 99 of 100 operations did not exceed, around the reboot',
    unit: 'ms',
    value: ({ p99Ns }) => (p99Ns === null ? undefined : p99Ns / 1e6),
    note: ({ service }) =>
      service.until90RateNs === null
        ? 'throughput not back'
        : `throughput at ${significant(service.until90RateNs / 1e9)} s`,
  });

interface Look {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly value: (window: PredictWindow) => number | undefined;
  readonly note: (strategy: PredictStrategy) => string;
}

function chartOf(strategies: readonly PredictStrategy[], { id, title, unit, value, note }: Look): Chart {
  const absences = strategies.map(({ service, intervalNs, windows }) => {
    const end = Math.max(0, ...windows.map(({ startNs }) => (startNs + intervalNs) / 1e9));
    const up = service.returnNs === null ? end : service.returnNs / 1e9;
    const until = Math.max(service.until90HitsNs ?? 0, service.until90RateNs ?? 0) / 1e9;
    return { downFrom: 0, up, recovered: Math.min(end, Math.max(until, up + (AFTER * intervalNs) / 1e9)) };
  });
  const earliest = Math.max(0, ...strategies.map(({ windows }) => -(windows[0]?.startNs ?? 0) / 1e9));
  const before = Math.max(...strategies.map(({ intervalNs }) => (BEFORE * intervalNs) / 1e9));
  return timeChart({
    ...{ id, title, unit },
    description: strategies.map(describe).join(' '),
    axis: 'seconds from the start of the reboot',
    segments: segmentsAround(absences, Math.min(earliest, before)),
    panels: strategies.map((strategy) => {
      const { name, service, intervalNs, windows } = strategy;
      return {
        name,
        note: note(strategy),
        ...(service.returnNs !== null && { down: { from: 0, to: service.returnNs / 1e9 } }),
        lines: [
          {
            label: unit,
            spans: windows.flatMap((window) => {
              const height = value(window);
              const from = window.startNs / 1e9;
              return height === undefined ? [] : [{ from, to: from + intervalNs / 1e9, value: height }];
            }),
          },
        ],
      };
    }),
  });
}

const describe = ({ name, service }: PredictStrategy): string =>
  `${name}: ${significant(service.rateBefore)} operations a second before, down for ${significant(service.downNs / 1e9)} s.`;
