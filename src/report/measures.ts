/**
 * What a result says, as words and figures. The printed tables and the HTML page have these
 * sections in common, so that the two cannot say different things.
 *
 * The measures are the paper's: the first run after the reboot against the first before it, and
 * against the second after it. The first run before the reboot finds an empty cache, too; the
 * second after it finds a full one. Where a run read nothing there is no ratio: '—'.
 */

import prettyBytes from 'pretty-bytes';
import { counted, grouped } from '../base/index.ts';
import type { RebootResult, RunResult, StrategyResult } from '../experiment/guest/result.ts';
import { NO_FIGURE, significant } from './kit/figures.ts';

/** A table about one question: a column a strategy, a row a measure. */
export interface Section {
  readonly question: string;
  readonly rows: readonly { readonly label: string; readonly values: readonly string[] }[];
}

type ReasonName = keyof StrategyResult['pages']['refused'];

/** Why a page was refused, for readers who do not know the hypercall's codes. */
export const REASON_TEXTS: Readonly<Record<ReasonName, string>> = {
  ok: 'not refused',
  absent: 'never kept',
  dirty: 'not vouched for',
  inFlight: 'I/O in flight',
  staleBlock: 'lies elsewhere now',
  generation: 'inode used anew',
  checksum: 'checksum differs',
  corruptRecord: 'corrupt record',
  duplicate: 'name taken twice',
  bootRegion: 'in the boot region',
  memoryShrank: 'memory shrank',
  badTable: 'table did not parse',
  badP2m: 'P2M did not parse',
  released: 'given back',
  notAsked: 'nothing to keep',
  ioError: 'not taken by the disk',
  otherDisk: 'another disk',
  diskChanged: 'disk written by others',
};

/** A run of the four; undefined when the result has none such. */
export function runOf(strategy: StrategyResult, phase: RunResult['phase'], number: number): RunResult | undefined {
  return strategy.runs.find((run) => run.phase === phase && run.number === number);
}

/** MB/s (10^6 bytes a second); 0 when no time passed or there is no run. */
export function throughput(run: RunResult | undefined): number {
  return run === undefined || run.ns === 0 ? 0 : (run.bytes * 1000) / run.ns;
}

/** What is said of boots whose services have read nothing; nothing of others. */
export function readsNothing(boots: readonly { readonly bytes: number }[]): string {
  return boots.some(({ bytes }) => bytes > 0) ? '' : ' (No list of files to read was found that makes sense.)';
}

/** What a negative figure means that was saved of a boot. */
export const NEGATIVE_SAVING = 'A negative figure saved of a boot: it took longer than the first one.';

/** What is said of boots in the reboot that took longer than the first ones; none of others. */
export const bootNotes = ({ strategies }: RebootResult): string[] =>
  strategies.some(({ boots }) => boots.after.ns > boots.before.ns) ? [NEGATIVE_SAVING] : [];

/** The question-by-question tables of a result. */
export function sections(result: RebootResult): Section[] {
  const { strategies } = result;
  const row = (label: string, value: (strategy: StrategyResult) => string) => ({
    label,
    values: strategies.map(value),
  });
  const speed = (label: string, phase: RunResult['phase'], number: number) =>
    row(label, (strategy) => significant(throughput(runOf(strategy, phase, number))));
  const reasons = (Object.keys(REASON_TEXTS) as ReasonName[]).filter(
    (reason) => reason !== 'ok' && strategies.some(({ pages }) => pages.refused[reason] > 0),
  );
  return [
    {
      question: 'How fast are the files read?',
      rows: [
        speed('before, first run, MB/s', 'before', 1),
        speed('before, second run, MB/s', 'before', 2),
        speed('after, first run, MB/s', 'after', 1),
        speed('after, second run, MB/s', 'after', 2),
        row('first after / first before', (strategy) => times(firstAfterOverFirstBefore(strategy))),
        row('first after / second after', (strategy) => percent(firstAfterOverSecondAfter(strategy))),
      ],
    },
    {
      question: 'How long does the reboot take, and what survives it?',
      rows: [
        row('reboot, s', ({ rebootNs }) => significant(rebootNs / 1e9)),
        row('pages preserved', ({ pages }) => grouped(pages.preserved)),
        row('pages reused', ({ pages }) => grouped(pages.reused)),
        row('pages read again', ({ pages }) => grouped(pages.readAgain)),
        ...(strategies.some(({ writes }) => writes.bytes > 0)
          ? [
              row('dirty pages at its start', ({ writes }) => grouped(writes.dirtyPages)),
              row('dirty pages written back', ({ writes }) => grouped(writes.pagesWrittenBack)),
              row('dirty pages lost', ({ writes }) => grouped(writes.pagesLost)),
              row('bytes written before', ({ writes }) => grouped(writes.bytes)),
              row('bytes lost', ({ writes }) => grouped(writes.bytesLost)),
            ]
          : []),
        ...(strategies.some(({ pages }) => pages.recency === 'damaged')
          ? [row('order of the LRU lists', ({ pages }) => pages.recency)]
          : []),
        ...reasons.map((reason) =>
          row(`refused: ${REASON_TEXTS[reason]}`, ({ pages }) => grouped(pages.refused[reason])),
        ),
      ],
    },
    {
      question: `How long does the boot in it take?${readsNothing(strategies.flatMap(({ boots }) => [boots.before, boots.after]))}`,
      rows: [
        row('first boot, s', ({ boots }) => significant(boots.before.ns / 1e9)),
        row('boot in the reboot, s', ({ boots }) => significant(boots.after.ns / 1e9)),
        row('saved of the boot, s', ({ boots }) => significant((boots.before.ns - boots.after.ns) / 1e9)),
        row('read by services, MB', ({ boots }) => significant(boots.after.bytes / 1e6)),
        row('boot: pages read', ({ boots }) => grouped(boots.after.pagesRead)),
        row('boot: pages reused', ({ boots }) => grouped(boots.after.pagesReused)),
      ],
    },
    {
      question: 'What does it cost?',
      rows: [
        row('metadata reads, blocks', ({ metadataReads }) => grouped(metadataReads)),
        row('hypercalls', ({ hypercalls }) => grouped(hypercalls.count)),
        row('hypercalls, share of time', ({ hypercalls }) => percent(hypercalls.share)),
        ...domain0Rows(strategies),
      ],
    },
  ];
}

/** What domain 0's page cache did; nothing where disks are partitions. */
export function domain0Rows(
  strategies: readonly Pick<StrategyResult, 'domain0'>[],
): { readonly label: string; readonly values: readonly string[] }[] {
  if (strategies.every(({ domain0 }) => domain0 === null)) return [];
  const row = (label: string, name: keyof NonNullable<StrategyResult['domain0']>) => ({
    label,
    values: strategies.map(({ domain0 }) => (domain0 === null ? NO_FIGURE : grouped(domain0[name]))),
  });
  return [
    row("domain 0's cache: hits, pages", 'pagesHit'),
    row("domain 0's cache: misses, pages", 'pagesMissed'),
    row('pages that it read', 'pagesRead'),
    row('pages that it wrote', 'pagesWritten'),
  ];
}

/**
 * Throughput of the first run after the reboot over that of the first before; undefined when there
 * is none.
 */
export function firstAfterOverFirstBefore(strategy: StrategyResult): number | undefined {
  return ratio(throughput(runOf(strategy, 'after', 1)), throughput(runOf(strategy, 'before', 1)));
}

/**
 * Throughput of the first run after the reboot over that of the second after; undefined when there
 * is none.
 */
export function firstAfterOverSecondAfter(strategy: StrategyResult): number | undefined {
  return ratio(throughput(runOf(strategy, 'after', 1)), throughput(runOf(strategy, 'after', 2)));
}

/** The constants that were given another value, each a pair. */
export const settings = ({ set }: Pick<RebootResult, 'set'>): [name: string, value: string][] =>
  set.map(({ constant, value }) => [`set ${constant}`, String(value)]);

/** An amount of bytes, in units of 1000. */
export const amountOf = (bytes: number): string => prettyBytes(bytes);
/** A size of memory, in units of 1024: 256 MiB, 1.5 GiB. */
export const sizeOf = (bytes: number): string => prettyBytes(bytes, { binary: true });

/** What was run, as pairs of a parameter and its value. */
export function parameters(result: RebootResult): [name: string, value: string][] {
  return [
    ['files', `${grouped(result.files)}, ${amountOf(result.bytes)}`],
    ['workload', result.workload],
    ['guest memory', sizeOf(result.memory)],
    ['reboot', result.crash ? 'crash, nothing flushed' : 'orderly'],
    ['checksums', result.checksum ? 'CRC-32C at every claim' : 'off'],
    ...(result.expire === null
      ? []
      : [['unclaimed pages', `given back ${result.expire} s after boot began`] as [string, string]]),
    ['profile', result.profile],
    ...settings(result),
    ['architecture', result.arch],
    ['disk', result.disk === 'profile' ? 'that of the profile' : result.disk],
    ...fileBackend(result.domain0Cache),
    ['seed', String(result.seed)],
    ['digest', result.digest],
  ];
}

/** What is said of a disk that is a file; nothing of a partition. */
export function fileBackend(domain0Cache: number | null): [name: string, value: string][] {
  return domain0Cache === null
    ? []
    : [["guest's disk", `a file behind ${sizeOf(domain0Cache)} of domain 0's page cache`]];
}

/** The line about what was compared with the disk. */
export interface Verdict {
  readonly line: string;
  readonly allEqual: boolean;
}

/**
 * What the parts of a result have compared with the disk, as one line.
 * @param differing what is said of so many differences
 */
export function verdictOf(
  parts: readonly { readonly pages: number; readonly bytes: number; readonly mismatches: number }[],
  differing = (count: number): string => `${grouped(count)} NOT EQUAL`,
): Verdict {
  const sum = (key: 'pages' | 'bytes' | 'mismatches'): number => parts.reduce((total, part) => total + part[key], 0);
  const mismatches = sum('mismatches');
  const verdict = mismatches === 0 ? 'all equal' : differing(mismatches);
  return {
    line: `verified ${counted(sum('pages'), 'page')}, ${counted(sum('bytes'), 'byte')}: ${verdict}`,
    allEqual: mismatches === 0,
  };
}

export const verification = ({ strategies }: RebootResult): Verdict =>
  verdictOf(strategies.map(({ verified }) => verified));

export function times(value: number | undefined): string {
  return value === undefined ? NO_FIGURE : `${significant(value)} ×`;
}

export function percent(value: number | null | undefined): string {
  return typeof value !== 'number' ? NO_FIGURE : `${significant(value * 100)} %`;
}

function ratio(numerator: number, denominator: number): number | undefined {
  return denominator === 0 ? undefined : numerator / denominator;
}
