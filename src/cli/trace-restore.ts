/**
 * `stillwarm trace restore`: what part of a warm page cache is worth restoring first after a reboot
 * in the middle of a trace. Each order and each share of the pages is a replay of the rest, on all
 * cores.
 */

import { grouped, printableJson, UserError } from '../base/index.ts';
import { PageAccesses, type RecordedAccesses } from '../experiment/accesses/page-accesses.ts';
import { restoreSweep } from '../experiment/accesses/findings.ts';
import type { RestoreResult } from '../experiment/accesses/result.ts';
import { RESTORE_RUNS, restoreJob, type RestoreJob, type RestoreOutcome } from '../experiment/accesses/restore.ts';
import { runInOrder } from '../experiment/guest/runs.ts';
import type { TraceFileSummary } from '../experiment/host/trace-file.ts';
import type { ProgramIo } from './io.ts';
import { parseCommand } from './kit/args.ts';
import { commandHelp } from './kit/help.ts';
import type { ValuesOf } from './kit/option-kinds.ts';
import { withProgress } from './kit/progress.ts';
import { renderTable } from './kit/table.ts';
import { sizeText } from './kit/values.ts';
import { checkAccesses, sizeOf } from './trace-curve.ts';
import { headline, later, readFrom } from './trace-reading.ts';
import { TRACE_RESTORE } from './trace-replay-options.ts';

type Given = ValuesOf<typeof TRACE_RESTORE.options>;

/**
 * @returns the exit status
 * @throws UserError
 */
export function restore(argv: readonly string[], io: ProgramIo): number {
  const { options, positionals } = parseCommand(TRACE_RESTORE, argv);
  if (options.help) {
    io.stdout.write(commandHelp(TRACE_RESTORE));
    return 0;
  }
  const name = positionals[0]!;
  return later(io, async () => {
    const sink = new PageAccesses(true);
    const summary = await readFrom(name, options, io, sink);
    const accesses = sink.recorded;
    const rebootAt = rebootAccess(accesses, options);
    const job = restoreJob({
      ...{ accesses, rebootAt, filePlaces: sink.filePlaces(), rate: options['rate-limit'] },
      size: options.memory ?? Math.max(1, Math.ceil(accesses.distinct / 2)),
      orders: options.order,
      percents: options.first,
    });
    const outcome = withProgress(
      io.stderr,
      (onProgress) =>
        io.onThreads?.('restore', job, onProgress, options.jobs) ?? runInOrder(RESTORE_RUNS, job, onProgress),
    );
    const result = restoreResult(summary.format, job, options['rate-limit'], outcome);
    io.stdout.write(
      options.json ? `${printableJson(result)}\n` : `${headline(name, summary)}\n${renderRestore(result)}`,
    );
    return 0;
  });
}

/** The first access after the reboot. @throws UserError when none is before it, or none after it */
function rebootAccess({ pages, times }: RecordedAccesses, given: Given): number {
  const { 'reboot-at': at, 'rate-limit': rate } = given;
  checkAccesses(pages.length);
  const hasTimes = !times.some(Number.isNaN);
  if (!hasTimes && rate !== undefined && 'bytesPerSecond' in rate)
    throw new UserError('--rate-limit: the trace tells no times: only pages an access are possible');
  if (!hasTimes && 'seconds' in at)
    throw new UserError('--reboot-at: the trace tells no times: only a share of the accesses is possible');
  const index =
    'seconds' in at ? times.findIndex((time) => time >= at.seconds * 1e9) : Math.floor(pages.length * at.fraction);
  if (index <= 0 || index >= pages.length)
    throw new UserError('--reboot-at: the trace has no page access before it, or none after it');
  return index;
}

/** What `--json` prints: docs/reference/restore-schema.md. */
export function restoreResult(
  format: TraceFileSummary['format'],
  job: RestoreJob,
  rate: Given['rate-limit'],
  outcome: RestoreOutcome,
): RestoreResult {
  return {
    schema: 'stillwarm/restore@1',
    format,
    pageAccesses: job.accesses.pages.length,
    distinctPages: job.accesses.distinct,
    ...restoreSweep({ ...job, keptPages: job.kept.pages.length }, rate, outcome),
  };
}

function renderRestore(result: RestoreResult): string {
  const { cachePages, rebootAt, keptPages, accessesAfter, coldHits, warmHits, sweep } = result;
  const ratio = (hits: number): string => `${((100 * hits) / accessesAfter).toFixed(2)} %`;
  const orders = [...new Set(sweep.map(({ order }) => order))];
  const percents = [...new Set(sweep.map(({ percent }) => percent))];
  const limit =
    result.pagesPerAccess !== null
      ? `Pages come at up to ${result.pagesPerAccess} an access`
      : result.bytesPerSecond !== null
        ? `Pages come at up to ${sizeText(result.bytesPerSecond)} a second of the trace`
        : 'Pages come before the first access';
  const rows = percents.map((percent) => [
    `${percent} %`,
    ...orders.map((order) => {
      const { hits, gain } = sweep.find((run) => run.order === order && run.percent === percent)!;
      return gain === null ? ratio(hits) : `${ratio(hits)} (${Math.round(100 * gain)} %)`;
    }),
  ]);
  return `${[
    `A page cache of ${sizeOf(cachePages)} has ${grouped(keptPages)} pages at the reboot, after ${grouped(rebootAt)} page accesses`,
    `Hit ratio of the ${grouped(accessesAfter)} accesses after it: ${ratio(coldHits)} cold, ${ratio(warmHits)} with the whole cache at once`,
    `${limit}, and only the first of them in this order (in brackets: of the hits that the whole cache adds)`,
    renderTable(['only', ...orders], rows),
  ].join('\n')}\n`;
}
