/**
 * `stillwarm trace curve`: the misses of a trace by the size of the page cache. They are exact,
 * by a replay of each size on all cores; or estimated from a sample in one pass.
 */

import prettyBytes from 'pretty-bytes';
import { counted, grouped, PAGE_SIZE, printableJson, UserError } from '../base/index.ts';
import { CURVE_RUNS, halvings, type CurveOptions } from '../experiment/accesses/curve.ts';
import { PageAccesses } from '../experiment/accesses/page-accesses.ts';
import { curvePoint } from '../experiment/accesses/findings.ts';
import type { CurveResult } from '../experiment/accesses/result.ts';
import { StackDistances } from '../experiment/accesses/stack-distances.ts';
import { runInOrder } from '../experiment/guest/runs.ts';
import type { TraceFileSummary } from '../experiment/host/trace-file.ts';
import type { ProgramIo } from './io.ts';
import { parseCommand } from './kit/args.ts';
import { commandHelp } from './kit/help.ts';
import type { ValuesOf } from './kit/option-kinds.ts';
import { withProgress } from './kit/progress.ts';
import { renderTable } from './kit/table.ts';
import { headline, later, readFrom } from './trace-reading.ts';
import { SAMPLE_MIN, TRACE_CURVE } from './trace-replay-options.ts';

type Given = ValuesOf<typeof TRACE_CURVE.options>;

/**
 * @returns the exit status
 * @throws UserError
 */
export function curve(argv: readonly string[], io: ProgramIo): number {
  const { options, positionals } = parseCommand(TRACE_CURVE, argv);
  if (options.help) {
    io.stdout.write(commandHelp(TRACE_CURVE));
    return 0;
  }
  const name = positionals[0]!;
  return later(io, async () => {
    const { summary, result } = await (options.sample === undefined ? exact : sampled)(name, options, io);
    io.stdout.write(options.json ? `${printableJson(result)}\n` : `${headline(name, summary)}\n${renderCurve(result)}`);
    return 0;
  });
}

interface Found {
  readonly summary: TraceFileSummary;
  readonly result: CurveResult;
}

async function exact(name: string, options: Given, io: ProgramIo): Promise<Found> {
  const sink = new PageAccesses(false);
  const summary = await readFrom(name, options, io, sink);
  const accesses = sink.recorded;
  checkAccesses(accesses.pages.length);
  const job = { accesses, sizes: options.sizes ?? halvings(accesses.distinct), policies: options.policy };
  const misses = withProgress(
    io.stderr,
    (onProgress) => io.onThreads?.('curve', job, onProgress, options.jobs) ?? runInOrder(CURVE_RUNS, job, onProgress),
  );
  return { summary, result: exactResult(summary.format, job, misses) };
}

async function sampled(name: string, options: Given, io: ProgramIo): Promise<Found> {
  const sink = new StackDistances(options.sample!);
  const summary = await readFrom(name, options, io, sink);
  checkAccesses(sink.accesses);
  if (sink.rate < 1 && sink.sampledPages < SAMPLE_MIN)
    throw new UserError(
      `--sample: it has ${counted(sink.sampledPages, 'page')}, and tells nothing: take a larger share`,
    );
  return { summary, result: sampledResult(summary.format, sink, options.sizes ?? halvings(sink.distinct)) };
}

/** What `--json` prints: docs/reference/curve-schema.md. */
export function exactResult(
  format: CurveResult['format'],
  { accesses, sizes, policies }: CurveOptions,
  misses: readonly (readonly number[])[],
): CurveResult {
  const { pages, distinct } = accesses;
  return {
    schema: 'stillwarm/curve@1',
    format,
    pageAccesses: pages.length,
    distinctPages: distinct,
    sample: null,
    curves: policies.map((policy, n) => ({
      policy,
      points: sizes.map((size, at) => curvePoint(size, misses[n]![at]!, pages.length, null)),
    })),
  };
}

/** The same from a sample. */
export function sampledResult(
  format: CurveResult['format'],
  sample: StackDistances,
  sizes: readonly number[],
): CurveResult {
  const { accesses, distinct, rate, sampledPages, sampledAccesses } = sample;
  return {
    schema: 'stillwarm/curve@1',
    format,
    pageAccesses: accesses,
    distinctPages: distinct,
    sample: { rate, pages: sampledPages, accesses: sampledAccesses },
    curves: [
      {
        policy: 'lru',
        points: sizes.map((size) => {
          const { misses, error } = sample.estimate(size);
          return curvePoint(size, Math.round(misses), accesses, error / accesses);
        }),
      },
    ],
  };
}

/** @throws UserError when there are none */
export function checkAccesses(count: number): void {
  if (count === 0) throw new UserError('TRACE: it reads and writes no page');
}

export const sizeOf = (pages: number): string => prettyBytes(pages * PAGE_SIZE, { binary: true });

const ratio = (value: number): string => `${(100 * value).toFixed(2)} %`;

function renderCurve({ pageAccesses, distinctPages, sample, curves }: CurveResult): string {
  const different = `${grouped(distinctPages)} different ones (${sizeOf(distinctPages)})`;
  const how =
    sample === null
      ? [
          `${grouped(pageAccesses)} page accesses to ${different}`,
          curves.length === 1
            ? `Each size is a replay on the page cache of ${curves[0]!.policy}, and exact. Nothing is read ahead.`
            : 'Each miss ratio is a replay on the page cache, and exact. Nothing is read ahead.',
        ]
      : [
          `${grouped(pageAccesses)} page accesses to about ${different}`,
          `Estimated for an LRU from ${grouped(sample.pages)} pages, ${significantPercent(sample.rate)} of all, with ${grouped(sample.accesses)} accesses. Nothing is read ahead.`,
        ];
  if (curves.length > 1) {
    const rows = curves[0]!.points.map(({ pages }, at) => [
      ...[sizeOf(pages), pages],
      ...curves.map(({ points }) => ratio(points[at]!.missRatio)),
    ]);
    return `${[...how, renderTable(['page cache', 'pages', ...curves.map(({ policy }) => policy)], rows)].join('\n')}\n`;
  }
  const { points } = curves[0]!;
  const columns = ['page cache', 'pages', 'misses', 'miss ratio', ...(sample === null ? [] : ['off by up to'])];
  const rows = points.map(({ pages, misses, missRatio, missRatioError }) => [
    sizeOf(pages),
    pages,
    misses,
    ratio(missRatio),
    ...(missRatioError === null ? [] : [ratio(missRatioError)]),
  ]);
  return `${[...how, renderTable(columns, rows)].join('\n')}\n`;
}

const significantPercent = (share: number): string => `${Number((100 * share).toPrecision(3))} %`;
