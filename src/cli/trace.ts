/**
 * `stillwarm trace`: what is in a trace of another program, and how it begins. The reading is
 * experiment/host/trace-file.ts; here it is printed.
 */

import prettyBytes from 'pretty-bytes';
import { counted, grouped, printable, printableJson, UserError } from '../base/index.ts';
import type { TraceFileSummary } from '../experiment/host/trace-file.ts';
import {
  OPERATIONS,
  SHOWN,
  TraceStatistics,
  type OperationBatch,
  type OperationSink,
  type TraceFile,
} from '../trace/index.ts';
import { parseCommand } from './kit/args.ts';
import { commandHelp, familyHelp } from './kit/help.ts';
import type { Io } from './kit/io.ts';
import { renderTable } from './kit/table.ts';
import { oneLine } from './kit/values.ts';
import type { ProgramIo } from './io.ts';
import { convert } from './trace-convert.ts';
import { curve } from './trace-curve.ts';
import { headline, later, readFrom } from './trace-reading.ts';
import { restore } from './trace-restore.ts';
import type { TraceResult } from './trace-result.ts';
import { TRACE, TRACE_COMMANDS, TRACE_HEAD, TRACE_STAT } from './trace-options.ts';
import { TRACE_CURVE, TRACE_RESTORE } from './trace-replay-options.ts';

const COMMANDS = [...TRACE_COMMANDS, TRACE_CURVE, TRACE_RESTORE];
/** Columns of a name in a table. */
const NAME_COLUMNS = 48;

/**
 * @returns the exit status
 * @throws UserError
 */
export function trace([name, ...rest]: readonly string[], io: ProgramIo): number {
  if (name === '--help' || name === '-h') {
    io.stdout.write(familyHelp(TRACE, COMMANDS));
    return 0;
  }
  if (name === 'stat') return stat(rest, io);
  if (name === 'head') return head(rest, io);
  if (name === 'convert') return convert(rest, io);
  if (name === 'curve') return curve(rest, io);
  if (name === 'restore') return restore(rest, io);
  const names = COMMANDS.map((spec) => spec.name).join(', ');
  if (name === undefined) throw new UserError(`trace: a command is missing: ${names} (see stillwarm trace --help)`);
  throw new UserError(`trace: unknown command ${oneLine(name)}; there are ${names} (see stillwarm trace --help)`);
}

function stat(argv: readonly string[], io: Io): number {
  const { options, positionals } = parseCommand(TRACE_STAT, argv);
  if (options.help) {
    io.stdout.write(commandHelp(TRACE_STAT));
    return 0;
  }
  const statistics = new TraceStatistics();
  return later(io, async () => {
    const summary = await readFrom(positionals[0]!, options, io, statistics);
    const result = traceResult(summary, statistics, options.largest);
    io.stdout.write(options.json ? `${printableJson(result)}\n` : renderStat(positionals[0]!, result));
    return 0;
  });
}

function head(argv: readonly string[], io: Io): number {
  const { options, positionals } = parseCommand(TRACE_HEAD, argv);
  if (options.help) {
    io.stdout.write(commandHelp(TRACE_HEAD));
    return 0;
  }
  const first = new FirstOperations(options.lines);
  return later(io, async () => {
    const summary = await readFrom(positionals[0]!, { ...options, hasEnough: () => first.isFull }, io, first);
    const columns = ['time', 'thread', 'operation', 'file', 'byte', 'bytes'];
    io.stdout.write(`${headline(positionals[0]!, summary)}\n${renderTable(columns, first.rows)}\n`);
    return 0;
  });
}

/** The first operations as rows of a table. */
class FirstOperations implements OperationSink {
  readonly rows: string[][] = [];
  readonly #most: number;
  readonly #files: TraceFile[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  get isFull(): boolean {
    return this.rows.length >= this.#most;
  }

  file(file: TraceFile): void {
    this.#files.push(file);
  }

  operations({ count, time, thread, kind, file, offset, length }: OperationBatch): void {
    for (let i = 0; i < count && !this.isFull; i++)
      this.rows.push([
        Number.isNaN(time[i]!) ? '' : secondsText(time[i]!),
        String(thread[i]!),
        OPERATIONS[kind[i]!]!,
        shortName(this.#files[file[i]!]?.name ?? 'all files'),
        grouped(offset[i]!),
        grouped(length[i]!),
      ]);
  }
}

const secondsText = (ns: number): string => `${(ns / 1e9).toFixed(6)} s`;

/** A name on one line of a table: its end, which tells files apart. */
function shortName(name: string): string {
  const shown = printable(name);
  return shown.length <= NAME_COLUMNS ? shown : `…${shown.slice(1 - NAME_COLUMNS)}`;
}

/** What `--json` prints: docs/reference/trace-schema.md. */
export function traceResult(summary: TraceFileSummary, statistics: TraceStatistics, largest: number): TraceResult {
  const { leftOut, spanNs, partitionOffset, packer, ...rest } = summary;
  const { kinds, pageAccesses, distinctPages, bytesRead, bytesWritten } = statistics;
  return {
    schema: 'stillwarm/trace@1',
    ...rest,
    packer: packer ?? null,
    leftOut: [...leftOut].map(([what, count]) => ({ what, count })),
    spanNs: spanNs ?? null,
    partitionOffset: partitionOffset ?? null,
    ...{ kinds, pageAccesses, distinctPages, bytesRead, bytesWritten },
    largest: statistics.largest(largest).map((file) => ({ ...file, size: file.size ?? null })),
  };
}

/** What was not understood, and what is no operation, in lines. */
export function renderRest({ unit, lines, problemCount, problems, leftOut }: TraceResult): string[] {
  const said = problems.map(({ line, why, text }) => `    ${unit} ${grouped(line)} (${why}): ${text}`);
  return [
    ...leftOut.map(({ what, count }) => `left out: ${what}: ${grouped(count)}`),
    ...(problemCount === 0 ? [] : [`not understood: ${counted(problemCount, unit)} of ${grouped(lines)}:`, ...said]),
    ...(problemCount > problems.length ? [`    and ${grouped(problemCount - problems.length)} more`] : []),
  ];
}

function renderStat(name: string, result: TraceResult): string {
  const { unit, lines, bytes, shows, operations, kinds, files, threads, spanNs, backwards, partitionOffset } = result;
  const used = Object.entries(kinds).filter(([, count]) => count > 0);
  const rows: (readonly [string, string])[] = [
    ['size', `${prettyBytes(bytes, { binary: true })}, ${counted(lines, unit)}`],
    ['it shows', SHOWN[shows]],
    [
      'operations',
      `${grouped(operations)}${used.length === 0 ? '' : `: ${used.map(([kind, count]) => `${kind} ${grouped(count)}`).join(', ')}`}`,
    ],
    ['files', grouped(files)],
    ['threads', grouped(threads)],
    ['time', spanNs === null ? 'not told' : secondsText(spanNs)],
    ...(backwards > 0
      ? [['', `${counted(backwards, 'operation')} with an earlier time than the one before`] as const]
      : []),
    ['read', prettyBytes(result.bytesRead, { binary: true })],
    ['written', prettyBytes(result.bytesWritten, { binary: true })],
    ['pages', `${grouped(result.pageAccesses)} accesses to ${grouped(result.distinctPages)} different ones`],
    ...(partitionOffset === null ? [] : [['pages begin', `at sectors of ${partitionOffset} modulo 8`] as const]),
  ];
  const width = Math.max(...rows.map(([left]) => left.length));
  const tables =
    result.largest.length === 0
      ? []
      : [
          '',
          'Which files have most pages?',
          renderTable(
            ['file', 'pages', 'operations', 'read', 'written'],
            result.largest.map((file) => [
              shortName(file.name),
              file.pages,
              file.operations,
              prettyBytes(file.bytesRead, { binary: true }),
              prettyBytes(file.bytesWritten, { binary: true }),
            ]),
          ),
        ];
  const rest = renderRest(result);
  return `${[
    headline(name, result),
    ...rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`),
    ...tables,
    ...(rest.length === 0 ? [] : ['', ...rest]),
  ].join('\n')}\n`;
}
