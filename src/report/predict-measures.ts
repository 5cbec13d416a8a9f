/**
 * What `stillwarm predict` says, as words and figures, for the printed tables and the page alike.
 * First stands the sentence: how long the service is slow, and whether a warm cache is worth it. A
 * column is a strategy, a row a measure. Where there is no figure: '—'.
 */

import { counted, grouped } from '../base/counted.ts';
import type {
  PredictPart,
  PredictResult,
  PredictService,
  PredictStrategy,
  PredictWindow,
} from '../experiment/predict/result.ts';
import { NO_FIGURE, significant } from './kit/figures.ts';
import {
  amountOf,
  fileBackend,
  percent,
  REASON_TEXTS,
  sizeOf,
  type Section,
  settings,
  times,
  type Verdict,
  verdictOf,
} from './measures.ts';

/** What a warm cache must save of the time until 90 % to be worth it: so much, and such a share. */
const WORTH_NS = 1e9;
const WORTH_SHARE = 0.1;

type Row = Section['rows'][number];
type RowOf = (label: string, value: (strategy: PredictStrategy) => string) => Row;

const rowsOf =
  (strategies: readonly PredictStrategy[]): RowOf =>
  (label, value) => ({ label, values: strategies.map(value) });

/** When both the hit ratio and the throughput are back, ns; Infinity: they are not. */
const untilBoth = ({ service }: PredictStrategy): number =>
  Math.max(
    service.hitRatioBefore === null ? 0 : (service.until90HitsNs ?? Infinity),
    service.until90RateNs ?? Infinity,
  );

/** The answer, as one paragraph. */
export function predictHeadline({ strategies }: PredictResult): string {
  const told = strategies.map((strategy) => `${titleOf(strategy)} ${needs(strategy.service)}`);
  const sentence = `Until 90 % of the hit ratio and of the throughput before the reboot: ${told.join('; ')}.`;
  const verdict = worth(strategies);
  return verdict === undefined ? sentence : `${sentence} ${verdict}`;
}

const TITLES: Readonly<Partial<Record<PredictStrategy['name'], string>>> = {
  cold: 'after a conventional reboot',
  prefetch: 'with prefetch',
};
const titleOf = ({ name }: PredictStrategy): string => TITLES[name] ?? `with ${name}`;

function needs({ until90HitsNs, until90RateNs, hitRatioBefore, late, lost }: PredictService): string {
  const hits = hitRatioBefore === null ? 'nothing read' : secondsOrNever(until90HitsNs);
  return `${hits} and ${secondsOrNever(until90RateNs)} (${grouped(late)} late, ${grouped(lost)} lost)`;
}

/** Whether a warm cache is worth it, by the rule that it states; undefined without both of them. */
function worth(strategies: readonly PredictStrategy[]): string | undefined {
  const cold = strategies.find(({ name }) => name === 'cold');
  const warm = strategies.filter(({ name }) => name.startsWith('warm-cache'));
  if (cold === undefined || warm.length === 0) return undefined;
  const best = warm.reduce((a, b) => (untilBoth(b) < untilBoth(a) ? b : a));
  const [without, having] = [untilBoth(cold), untilBoth(best)];
  if (having === Infinity) return `${best.name} is not seen to be worth it: the trace ends before both are back.`;
  const saved = without - having;
  if (without === Infinity) return `${best.name} is worth it: without it the trace ends before both are back.`;
  const isWorth = saved >= WORTH_NS && saved >= WORTH_SHARE * without;
  const rule = 'at least 1 s and a tenth of it must be saved';
  return isWorth
    ? `${best.name} is worth it: it saves ${significant(saved / 1e9)} s of ${significant(without / 1e9)} s (${rule}).`
    : `${best.name} is not worth it: it saves ${significant(Math.max(0, saved) / 1e9)} s of ${significant(without / 1e9)} s (${rule}).`;
}

/** The question-by-question tables of a result. */
export function predictSections(result: PredictResult): Section[] {
  const { strategies } = result;
  const row = rowsOf(strategies);
  return [
    {
      question: 'How long is it slow?',
      rows: [
        row('until 90 % of the hit ratio, s', ({ service }) => seconds(service.until90HitsNs)),
        row('until 90 % of the throughput, s', ({ service }) => seconds(service.until90RateNs)),
        row('down, s', ({ service }) => seconds(service.downNs)),
        row('  of it the reboot, s', ({ service }) => seconds(service.rebootNs)),
        row('operations late', ({ service }) => grouped(service.late)),
        row('operations lost', ({ service }) => grouped(service.lost)),
        row('hit ratio before', ({ service }) => percent(service.hitRatioBefore)),
        row('operations/s before', ({ service }) => significant(service.rateBefore)),
      ],
    },
    { question: 'What do the parts of the trace get?', rows: partRows(result, row) },
    { question: 'What becomes of the cached pages?', rows: pageRows(strategies, row) },
  ];
}

const PARTS = [
  ['before', 'before'],
  ['after, first half', 'first'],
  ['after, second half', 'second'],
] as const satisfies readonly (readonly [PredictPart['name'], string])[];

function partRows({ strategies }: PredictResult, row: RowOf): Row[] {
  const cold = strategies.find(({ name }) => name === 'cold');
  const each = (unit: string, value: (part: PredictPart) => string): Row[] =>
    PARTS.map(([name, label]) => row(`${label}, ${unit}`, (strategy) => value(partOf(strategy, name))));
  return [
    ...each('hit ratio', ({ pages, missed }) => percent(pages === 0 ? undefined : 1 - missed / pages)),
    ...each('operations/s', ({ operations, ns }) => significant(ns === 0 ? 0 : (operations * 1e9) / ns)),
    ...each('median, ms', ({ p50Ns }) => ms(p50Ns)),
    ...each('99 % of operations, ms', ({ p99Ns }) => ms(p99Ns)),
    row('pages missing, first / first of cold', (strategy) =>
      times(ratio(partOf(strategy, 'after, first half').missed, cold && partOf(cold, 'after, first half').missed)),
    ),
  ];
}

function pageRows(strategies: readonly PredictStrategy[], row: RowOf): Row[] {
  const reasons = (Object.keys(REASON_TEXTS) as (keyof typeof REASON_TEXTS)[]).filter((reason) =>
    strategies.some(({ pages }) => pages.refused[reason] > 0),
  );
  return [
    row('cached pages with a name', ({ pages }) => grouped(pages.named)),
    row('  reused', ({ pages }) => grouped(pages.reused)),
    row('  kept, not asked for', ({ pages }) => grouped(pages.unclaimed)),
    ...reasons.map((reason) =>
      row(`  refused: ${REASON_TEXTS[reason]}`, ({ pages }) => grouped(pages.refused[reason])),
    ),
    row('pages read again', ({ pages }) => grouped(pages.readAgain)),
  ];
}

/** Files that matter, a row each: pages missing after the reboot. */
export function fileSection({ topFiles, strategies }: PredictResult): Section | undefined {
  if (topFiles.length === 0) return undefined;
  return {
    question: 'Which files matter? Pages missing after the reboot:',
    rows: topFiles.map(({ name, misses }) => ({
      label: short(name),
      values: strategies.map((_, n) => grouped(misses[n]!.missed)),
    })),
  };
}

const NAME_LETTERS = 36;
const short = (name: string): string =>
  name.length <= NAME_LETTERS ? name : `…${name.slice(name.length - NAME_LETTERS + 1)}`;

/** Hit ratio and latency over time: bins after the reboot that double in length. */
export function timeSections({ strategies }: PredictResult): Section[] {
  const bins = binsOf(strategies);
  const table = (question: string, value: (windows: readonly PredictWindow[]) => string): Section => ({
    question,
    rows: bins.map(({ label, from, to }) => ({
      label,
      values: strategies.map(({ windows }) => value(windows.filter(({ startNs }) => startNs >= from && startNs < to))),
    })),
  });
  return [
    table('Hit ratio over time, seconds from the start of the reboot:', (windows) => {
      const [pages, missed] = [total(windows, 'pages'), total(windows, 'missed')];
      return percent(pages === 0 ? undefined : 1 - missed / pages);
    }),
    table('Latency over time, the worst 99 % of an interval, ms:', (windows) => {
      const worst = windows.reduce<number | null>(
        (most, { p99Ns }) => (p99Ns === null ? most : Math.max(most ?? 0, p99Ns)),
        null,
      );
      return ms(worst);
    }),
  ];
}

const total = (windows: readonly PredictWindow[], figure: 'pages' | 'missed'): number =>
  windows.reduce((sum, window) => sum + window[figure], 0);

function binsOf(strategies: readonly PredictStrategy[]): { label: string; from: number; to: number }[] {
  const unit = Math.max(...strategies.map(({ intervalNs }) => intervalNs));
  const end = Math.max(0, ...strategies.flatMap(({ windows }) => windows.map(({ startNs }) => startNs))) + unit;
  const returned = Math.min(...strategies.map(({ service }) => service.returnNs ?? end));
  const start = Math.floor(returned / unit) * unit;
  const bins = [{ label: 'before', from: -Infinity, to: 0 }];
  for (let [from, ns] = [start, unit]; from < end; [from, ns] = [from + ns, ns * 2])
    bins.push({ label: `${significant(from / 1e9)} to ${significant((from + ns) / 1e9)}`, from, to: from + ns });
  return bins;
}

/** What a reader of the figures must know. */
export const PREDICT_NOTE =
  'A page that is being read already counts as cached: the latency tells how long it was waited for. What the prediction leaves out is in docs/how-to/predict-your-own-server.md.';

/** What was run, as pairs of a parameter and its value. */
export function predictParameters(result: PredictResult): [name: string, value: string][] {
  const { byKind, pace, speed, spanNs, hasTimes, prefetchRate } = result;
  const kinds = Object.entries(byKind).filter(([, count]) => count > 0);
  return [
    ['trace', `${result.format}, ${counted(result.operations, 'operation')}`],
    ['of them', kinds.map(([name, count]) => `${name} ${grouped(count)}`).join(' ')],
    ['threads', grouped(result.threads)],
    ...(result.depth === 1 ? [] : [['requests at once', `${result.depth} at most`] as [string, string]]),
    ['files', grouped(result.files)],
    ['distinct pages', `${grouped(result.distinctPages)} (${sizeOf(result.distinctPages * 4096)})`],
    ['read', amountOf(result.bytesRead)],
    ['written', amountOf(result.bytesWritten)],
    ...(hasTimes ? [['recorded over', `${seconds(spanNs)} s`] as [string, string]] : []),
    [
      'pace',
      pace === 'asfast' ? 'as fast as it can' : speed === 1 ? 'as recorded' : `${significant(speed!)} × as fast`,
    ],
    ['reboot after', counted(result.rebootAt, 'operation')],
    ...(prefetchRate === null ? [] : [['prefetch', `${amountOf(prefetchRate)}/s at most`] as [string, string]]),
    ['guest memory', sizeOf(result.memory)],
    ['profile', result.profile],
    ...settings(result),
    ['architecture', result.arch],
    ['disk', result.disk === 'profile' ? 'that of the profile' : result.disk],
    ...fileBackend(result.domain0Cache),
    ['judged by windows of', `${seconds(result.strategies[0]!.service.windowNs)} s`],
    ['seed', String(result.seed)],
    ['digest', result.digest],
  ];
}

export const predictVerification = ({ strategies }: PredictResult): Verdict =>
  verdictOf(strategies.map(({ verified }) => verified));

const partOf = ({ parts }: PredictStrategy, name: PredictPart['name']): PredictPart =>
  parts.find((part) => part.name === name)!;

const ratio = (above: number, below: number | undefined): number | undefined =>
  below === undefined || below === 0 ? undefined : above / below;

const seconds = (ns: number | null): string => (ns === null ? NO_FIGURE : significant(ns / 1e9));
const secondsOrNever = (ns: number | null): string => (ns === null ? 'not reached' : `${significant(ns / 1e9)} s`);
const ms = (ns: number | null): string => (ns === null ? NO_FIGURE : significant(ns / 1e6));
