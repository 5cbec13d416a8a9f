/**
 * What `stillwarm web` says, as words and figures, for the printed tables and the page alike. First
 * stands what an operator asks: how long the service was away, and what that cost its clients. A
 * column is a strategy, a row a measure. Where there is no figure: '—'.
 */

import { counted, grouped } from '../base/counted.ts';
import type { WebResult, WebRun, WebService, WebStrategyResult } from '../experiment/web/result.ts';
import { lossFigure, warmCacheFigure } from '../slides/figures.ts';
import { NO_FIGURE, significant } from './kit/figures.ts';
import {
  amountOf,
  fileBackend,
  percent,
  sizeOf,
  type Section,
  settings,
  times,
  type Verdict,
  verdictOf,
} from './measures.ts';

type Errors = WebService['errors'];

/** What httperf prints of an error. */
const ERROR_TEXTS: Readonly<Record<keyof Errors, string>> = {
  clientTimo: 'client-timo',
  socketTimo: 'socket-timo',
  connRefused: 'connrefused',
  connReset: 'connreset',
  other: 'other',
};

const PHASES = [
  ['before', 1],
  ['before', 2],
  ['after', 1],
  ['after', 2],
] as const;

/** The question-by-question tables of a result. */
export function webSections(result: WebResult): Section[] {
  const { strategies } = result;
  const row = (label: string, value: (strategy: WebStrategyResult) => string) => ({
    label,
    values: strategies.map(value),
  });
  const cold = strategies.find(({ name }) => name === 'cold');
  const runRow = (unit: string, value: (run: WebRun) => string) =>
    PHASES.map(([phase, number]) =>
      row(`${phase} ${number}, ${unit}`, (strategy) => value(runOf(strategy, phase, number))),
    );
  const errors = (Object.keys(ERROR_TEXTS) as (keyof Errors)[]).filter((name) =>
    strategies.some(({ service }) => service.errors[name] > 0),
  );
  return [
    {
      question: 'What does the reboot cost the service?',
      rows: [
        row('down, s', ({ service }) => seconds(service.downNs)),
        row('until 90 % of the rate before, s', ({ service }) => seconds(service.until90Ns)),
        row('requests lost', ({ service }) => grouped(service.lost)),
        row('requests late', ({ service }) => grouped(service.late)),
        row('area lost, request-seconds', ({ service }) => significant(service.areaLost)),
      ],
    },
    {
      question: 'How does it go on?',
      rows: [
        row('before, requests/s', ({ service }) => significant(service.rateBefore)),
        ...[20, 33].flatMap((span) => [
          row(`lost in ${span} s after its return`, ({ service }) => percent(lossOf(service, span))),
          row('  slides', ({ name }) => {
            const slide = lossFigure(name);
            return slide?.seconds === span ? percent(slide.percent / 100) : NO_FIGURE;
          }),
        ]),
        row('before, median answer, ms', ({ service }) => ms(service.latency.before.p50Ns)),
        row('before, 99 % of answers, ms', ({ service }) => ms(service.latency.before.p99Ns)),
        row('after, median answer, ms', ({ service }) => ms(service.latency.after.p50Ns)),
        row('after, 99 % of answers, ms', ({ service }) => ms(service.latency.after.p99Ns)),
        row('requests since the reboot began', ({ service }) => grouped(service.sent)),
        ...errors.map((name) => row(`  ${ERROR_TEXTS[name]}`, ({ service }) => grouped(service.errors[name]))),
      ],
    },
    {
      question: 'How fast are the files served, each asked for once?',
      rows: [
        ...runRow('requests/s', (run) => significant(perSecond(run.requests, run.ns))),
        ...runRow('MB/s', (run) => significant(perSecond(run.bytes, run.ns) / 1e6)),
        ...runRow('99 % of answers, ms', ({ p99Ns }) => ms(p99Ns)),
        row('after 1 / after 1 of cold', (strategy) => times(ratio(strategy, 1, cold, 1))),
        row('  slides', ({ name }) =>
          name === 'warm-cache' ? times(warmCacheFigure('web server', 'against cold')) : NO_FIGURE,
        ),
        row('after 1 / after 2', (strategy) => percent(ratio(strategy, 1, strategy, 2))),
        row('  slides', ({ name }) =>
          name === 'warm-cache' ? percent(warmCacheFigure('web server', 'of second') / 100) : NO_FIGURE,
        ),
      ],
    },
    {
      question: 'What survives?',
      rows: [
        row('pages preserved', ({ pages }) => grouped(pages.preserved)),
        row('pages reused', ({ pages }) => grouped(pages.reused)),
        row('pages read again', ({ pages }) => grouped(pages.readAgain)),
      ],
    },
  ];
}

/** Why there is no figure where a reader looks for one, and what a negative one means. */
export function webNotes({ strategies, after }: WebResult): string[] {
  const of = (is: (service: WebService) => boolean): string =>
    strategies.flatMap(({ name, service }) => (is(service) ? [name] : [])).join(', ');
  const none = of(({ latency }) => latency.before.p50Ns === null);
  const silent = of(({ latency }) => latency.before.p50Ns !== null && latency.after.p50Ns === null);
  const slow = of((service) => hasAnswered(service) && service.until90Ns === null);
  const short = of((service) => hasAnswered(service) && service.loss.first33s === null);
  const faster = of(({ loss }) => (loss.first20s ?? 0) < 0 || (loss.first33s ?? 0) < 0);
  const measured = `the ${counted(after, 'second')} that --after measures`;
  return [
    ...(none === '' ? [] : [`No request was answered before the reboot (${none}): there is no rate to compare with.`]),
    ...(silent === '' ? [] : [`No request was answered after the reboot within ${measured} (${silent}).`]),
    ...(slow === '' ? [] : [`The rate was not back at 90 % within ${measured} (${slow}): a longer --after looks on.`]),
    ...(short === '' ? [] : [`A loss has no figure (${short}): ${measured} end before it is complete.`]),
    ...(faster === '' ? [] : [`A negative loss (${faster}): more was answered after the return than before.`]),
  ];
}

const hasAnswered = ({ latency }: WebService): boolean => latency.before.p50Ns !== null && latency.after.p50Ns !== null;

/** What is said of the slides' figures. */
export const OF_THE_SLIDES =
  'The slides tell neither the sizes of their files nor the rate of their clients: our figures beside theirs are no reproduction.';

/** A service that is back less than this earlier is not back earlier, ns: a window. */
const WINDOW_NS = 1e9;

/**
 * One sentence: the strategy with which the service recovers first; undefined when there is nothing
 * to compare.
 */
export function webHeadline({ strategies }: WebResult): string | undefined {
  const best = strategies.reduce((a, b) => (untilOf(b) < untilOf(a) ? b : a));
  const cold = strategies.find(({ name }) => name === 'cold');
  if (cold === undefined || strategies.length === 1 || best.service.until90Ns === null) return undefined;
  if (untilOf(cold) - untilOf(best) < WINDOW_NS) return NOT_EARLIER;
  const other =
    cold.service.until90Ns === null ? 'not while it was measured' : `after ${seconds(cold.service.until90Ns)} s`;
  return (
    `With ${best.name} the service has 90 % of its throughput again ${seconds(best.service.until90Ns)} s after the ` +
    `start of the reboot, after a conventional reboot ${other}.`
  );
}

const NOT_EARLIER =
  'With no strategy is the service at 90 % of its throughput a second earlier than after a conventional reboot.';

const lossOf = ({ loss }: WebService, span: number): number | null => (span === 20 ? loss.first20s : loss.first33s);

const untilOf = ({ service }: WebStrategyResult): number => service.until90Ns ?? Infinity;

/** What was run, as pairs of a parameter and its value. */
export function webParameters(result: WebResult): [name: string, value: string][] {
  const { loop, rate, arrivals, thinkNs, connections, order, alpha, prefetchRate } = result;
  const clients =
    loop === 'open'
      ? `${significant(rate!)} requests/s, ${arrivals}`
      : `${counted(connections, 'client')}, think ${seconds(thinkNs)} s`;
  return [
    ['files', `${grouped(result.served)} of ${grouped(result.files)}, ${amountOf(result.bytes)} on the disk`],
    ['clients over the reboot', clients],
    ['files by', order === 'zipf' ? `Zipf's law, exponent ${significant(alpha!)}` : 'turns'],
    ['clients of the runs', grouped(connections)],
    ['time-out', `${seconds(result.timeoutNs)} s`],
    ['server', `${counted(result.workers, 'worker')}, ${result.send}`],
    ...(prefetchRate === null ? [] : [['prefetch', `${amountOf(prefetchRate)}/s at most`] as [string, string]]),
    ['measured', `${result.before} s before, ${result.after} s after the boot`],
    ['guest memory', sizeOf(result.memory)],
    ['reboot', result.crash ? 'crash, nothing flushed' : 'orderly'],
    ['profile', result.profile],
    ...settings(result),
    ['architecture', result.arch],
    ['disk', result.disk === 'profile' ? 'that of the profile' : result.disk],
    ...fileBackend(result.domain0Cache),
    ['seed', String(result.seed)],
    ['digest', result.digest],
  ];
}

export const webVerification = ({ strategies }: WebResult): Verdict =>
  verdictOf(strategies.map(({ verified }) => verified));

const runOf = ({ runs }: WebStrategyResult, phase: WebRun['phase'], number: number): WebRun =>
  runs.find((run) => run.phase === phase && run.number === number)!;

const perSecond = (amount: number, ns: number): number => (ns === 0 ? 0 : (amount * 1e9) / ns);

/** Bytes a second of a run after the reboot over that of another one. */
function ratio(
  a: WebStrategyResult,
  number: number,
  b: WebStrategyResult | undefined,
  other: number,
): number | undefined {
  if (b === undefined) return undefined;
  const [above, below] = [runOf(a, 'after', number), runOf(b, 'after', other)];
  const speed = perSecond(below.bytes, below.ns);
  return speed === 0 ? undefined : perSecond(above.bytes, above.ns) / speed;
}

const seconds = (ns: number | null): string => (ns === null ? NO_FIGURE : significant(ns / 1e9));
const ms = (ns: number | null): string => (ns === null ? NO_FIGURE : significant(ns / 1e6));
