/** Throughput over time around the reboot, one panel a strategy. A step is a window of 1 s. */

import type { WebStrategyResult } from '../experiment/web/result.ts';
import { significant } from './kit/figures.ts';
import { timeChart } from './kit/panels.ts';
import { segmentsAround } from './kit/scales.ts';
import type { Chart } from './kit/svg.ts';

/** Shown before the reboot, and after the return of a service that does not recover, seconds. */
const BEFORE = 10;
const AFTER = 20;

/** A service over the reboot with one strategy. */
export type NamedService = Pick<WebStrategyResult, 'name' | 'service'>;

export function webChart(strategies: readonly NamedService[]): Chart {
  const absences = strategies.map(({ service }) => {
    const end = Math.max(0, ...service.windows.map(({ startNs }) => startNs / 1e9 + 1));
    const up = (service.returnNs ?? end * 1e9) / 1e9;
    const until = service.until90Ns === null ? end : service.until90Ns / 1e9;
    return { downFrom: 0, up, recovered: Math.min(end, Math.max(until, up + AFTER)) };
  });
  const earliest = Math.max(0, ...strategies.map(({ service }) => -(service.windows[0]?.startNs ?? 0) / 1e9));
  return timeChart({
    id: 'throughput',
    title: 'Requests answered a second around the reboot',
    description: strategies.map(describe).join(' '),
    unit: 'requests/s',
    axis: 'seconds from the start of the reboot',
    segments: segmentsAround(absences, Math.min(earliest, BEFORE)),
    panels: strategies.map(({ name, service }) => ({
      name,
      note: service.until90Ns === null ? '90 % not reached' : `90 % at ${significant(service.until90Ns / 1e9)} s`,
      ...(service.returnNs !== null && { down: { from: 0, to: service.returnNs / 1e9 } }),
      lines: [
        {
          label: 'requests/s',
          spans: service.windows.map(({ startNs, answered }) => ({
            from: startNs / 1e9,
            to: startNs / 1e9 + 1,
            value: answered,
          })),
        },
      ],
    })),
  });
}

const describe = ({ name, service }: NamedService): string =>
  `${name}: ${significant(service.rateBefore)} requests a second before, down for ${significant(service.downNs / 1e9)} s.`;
