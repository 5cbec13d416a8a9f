/**
 * The replays of a prediction's pages, without a guest: misses by the size of the page cache, and
 * what is worth restoring first. Each is a table and a chart.
 */

import { counted, grouped } from '../base/counted.ts';
import type { PredictResult } from '../experiment/predict/result.ts';
import { curveChart } from './kit/curves.ts';
import type { Chart } from './kit/svg.ts';
import { amountOf, percent, sizeOf, type Section } from './measures.ts';

const PAGE = 4096;

type Restore = NonNullable<PredictResult['restore']>;

/** Rows of measures below heads of their own. */
export interface OwnTable {
  readonly title: string;
  readonly heads: readonly string[];
  readonly section: Section;
  /** What a reader must know of it. */
  readonly note: string;
}

/** Misses by the size of the page cache; undefined: the trace has no page access. */
export function sizesTable({ curve, pageAccesses, memory }: PredictResult): OwnTable | undefined {
  if (curve.length === 0) return undefined;
  const all = curve.at(-1)!.bytes;
  const enough = memory >= all ? ', which has room for all pages of the trace' : '';
  return {
    title: 'How much memory is enough?',
    heads: ['pages', 'misses', 'miss ratio'],
    section: {
      question: `Of ${counted(pageAccesses, 'page access', 'page accesses')}, by the size of the page cache:`,
      rows: curve.map(({ bytes, pages, misses, missRatio }) => ({
        label: bytes === memory ? `${sizeOf(bytes)}: the guest` : sizeOf(bytes),
        values: [grouped(pages), grouped(misses), percent(missRatio)],
      })),
    },
    note: `Pages are replayed alone, exactly, with nothing read ahead: these ratios differ from those above. The guest has ${sizeOf(memory)}${enough}.`,
  };
}

export function sizesChart({ curve, policy }: PredictResult): Chart {
  return curveChart({
    id: 'sizes',
    title: 'Share of the page accesses that miss, by the size of the page cache',
    description: curve.map(({ bytes, missRatio }) => `${sizeOf(bytes)}: ${percent(missRatio)}.`).join(' '),
    unit: '%',
    axis: 'size of the page cache',
    isLogX: true,
    say: sizeOf,
    lines: [
      {
        name: `misses of ${policy ?? 'linux-2.6.12'}`,
        points: curve.map(({ bytes, missRatio }) => ({ x: bytes, y: 100 * missRatio })),
      },
    ],
  });
}

const ordersOf = ({ sweep }: Restore): Restore['sweep'][number]['order'][] => [
  ...new Set(sweep.map(({ order }) => order)),
];
const percentsOf = ({ sweep }: Restore): number[] => [...new Set(sweep.map(({ percent: some }) => some))];

/** Hit ratios after the reboot by order and share of the pages; undefined: there are none. */
export function restoreTable({ restore }: PredictResult): OwnTable | undefined {
  if (restore === null) return undefined;
  const { cachePages, keptPages, accessesAfter, coldHits, warmHits, pagesPerAccess, bytesPerSecond, sweep } = restore;
  const ratio = (hits: number): string => percent(hits / accessesAfter);
  const come =
    pagesPerAccess !== null
      ? `at up to ${pagesPerAccess} an access`
      : bytesPerSecond !== null
        ? `at up to ${amountOf(bytesPerSecond)} a second of the trace`
        : 'before the first access';
  return {
    title: 'What is worth restoring first?',
    heads: ordersOf(restore),
    section: {
      question: 'Hit ratio after the reboot, when only the first pages of the old cache come, in this order:',
      rows: [
        { label: 'none', values: ordersOf(restore).map(() => ratio(coldHits)) },
        ...percentsOf(restore).map((some) => ({
          label: `${some} %`,
          values: ordersOf(restore).map((order) =>
            ratio(sweep.find((run) => run.order === order && run.percent === some)!.hits),
          ),
        })),
      ],
    },
    note: `A page cache of ${sizeOf(cachePages * PAGE)} as in Linux 2.6.12 has ${counted(keptPages, 'page')} at the reboot. They come ${come}. With all of them at once ${ratio(warmHits)} would hit.`,
  };
}

export function restoreChart(restore: Restore): Chart {
  const { sweep, coldHits, accessesAfter } = restore;
  const lines = ordersOf(restore).map((name) => ({
    name,
    points: [
      { x: 0, y: (100 * coldHits) / accessesAfter },
      ...sweep.filter(({ order }) => order === name).map((run) => ({ x: run.percent, y: 100 * run.hitRatio })),
    ],
  }));
  return curveChart({
    id: 'restore',
    title: 'Hit ratio after the reboot, by the share of the old cache that comes back',
    description: lines
      .map(({ name, points }) => `${name}: ${points.map(({ x, y }) => `${x} %: ${percent(y / 100)}`).join(', ')}.`)
      .join(' '),
    unit: '%',
    axis: 'pages of the old cache that come back, %',
    say: (some) => `${some} %`,
    lines,
  });
}
