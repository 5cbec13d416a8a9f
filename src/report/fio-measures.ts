/** What the jobs of a fio workload did, as tables: of all jobs together, and of each. */

import { grouped } from '../base/index.ts';
import type { FioFigures, RebootResult, RunResult, StrategyResult } from '../experiment/guest/result.ts';
import { NO_FIGURE, significant } from './kit/figures.ts';
import { percent, runOf, type Section } from './measures.ts';

/** Jobs that have a table; of others, `--json` tells. */
const TABLES_MAX = 8;
const RUNS: readonly (readonly [label: string, phase: RunResult['phase'], number: number])[] = [
  ['before, first run', 'before', 1],
  ['before, second run', 'before', 2],
  ['after, first run', 'after', 1],
  ['after, second run', 'after', 2],
];

/** The tables; none with another workload. */
export function fioSections({ strategies }: Pick<RebootResult, 'strategies'>): Section[] {
  const jobs = strategies[0]?.runs[0]?.fio?.jobs;
  if (jobs === undefined) return [];
  const each = jobs.length === 1 ? [] : jobs.slice(0, TABLES_MAX);
  const left = jobs.length === 1 ? 0 : jobs.length - each.length;
  return [
    sectionOf(
      `What do the jobs do?${left === 0 ? '' : ` (${grouped(left)} of them have no table.)`}`,
      strategies,
      (run) => run.fio?.all,
    ),
    ...each.map(({ name }, n) => sectionOf(`Job ${name}`, strategies, (run) => run.fio?.jobs[n])),
  ];
}

function sectionOf(
  question: string,
  strategies: readonly StrategyResult[],
  figuresOf: (run: RunResult) => FioFigures | undefined,
): Section {
  const rows = RUNS.flatMap(([label, phase, number]) => {
    const all = strategies.map((strategy) => {
      const run = runOf(strategy, phase, number);
      return run && figuresOf(run);
    });
    const row = (name: string, value: (figures: FioFigures) => string) => ({
      label: name,
      values: all.map((figures) => (figures === undefined ? NO_FIGURE : value(figures))),
    });
    const reads = all.some((figures) => figures !== undefined && figures.reads > 0);
    const writes = all.some((figures) => figures !== undefined && figures.writes > 0);
    return [
      row(`${label}: operations/s`, ({ reads, writes, ns }) => perSecond(reads + writes, ns)),
      row('  MB/s', ({ readBytes, writtenBytes, ns }) => perSecond((readBytes + writtenBytes) / 1e6, ns)),
      ...(reads
        ? [
            row('  reads from the cache', ({ hits, reads: count }) => percent(count === 0 ? undefined : hits / count)),
            row('  reads: mean, p50, p99, µs', ({ readLatency }) => latency(readLatency)),
          ]
        : []),
      ...(writes ? [row('  writes: mean, p50, p99, µs', ({ writeLatency }) => latency(writeLatency))] : []),
    ];
  });
  return { question, rows };
}

const perSecond = (amount: number, ns: number): string => (ns === 0 ? NO_FIGURE : significant((amount * 1e9) / ns));

const latency = (times: FioFigures['readLatency']): string =>
  times === null ? NO_FIGURE : [times.meanNs, times.p50Ns, times.p99Ns].map((ns) => significant(ns / 1e3)).join(' / ');
