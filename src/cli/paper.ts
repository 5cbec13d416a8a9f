/**
 * `stillwarm paper`: does the batches of runs that the figures ask for (experiment/paper/paper.ts).
 * The result goes to text, JSON and a page, and the ranges to a file.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { askHost, InputError, UserError } from '../base/index.ts';
import { checkOutputs, replaceFile } from '../experiment/guest/output-file.ts';
import { SAMPLES } from '../experiment/paper/options.ts';
import { paper as paperWork, RANGES_SCHEMA, type PaperOutcome, type WrittenRanges } from '../experiment/paper/paper.ts';
import { renderPaperHtml, renderPaperText } from '../report/index.ts';
import { parseCommand } from './kit/args.ts';
import { commandHelp } from './kit/help.ts';
import type { ProgramIo } from './io.ts';
import { PAPER } from './options.ts';
import { withProgress } from './kit/progress.ts';
import { reportIn, writeReport } from './kit/report.ts';

/** Where the ranges are that came with this program. */
const RANGES = new URL('../../data/paper-ranges.json', import.meta.url);

/**
 * @param shrink memory and files are this many times smaller than the paper's; for tests
 * @returns the exit status: 1 when a page differs from the disk, else 0
 * @throws UserError
 */
export function paper(argv: readonly string[], io: ProgramIo, shrink = 1): number {
  const { options: given } = parseCommand(PAPER, argv);
  if (given.help) {
    io.stdout.write(commandHelp(PAPER));
    return 0;
  }
  const { seed, samples = SAMPLES, jobs, json } = given;
  if (given.samples !== undefined && given.ranges === undefined)
    throw new UserError('--samples: ranges are found with --ranges FILE alone: add it, or leave --samples out');
  const report = given.report === undefined ? undefined : reportIn(resolve(io.cwd, given.report));
  const ranges = given.ranges === undefined ? undefined : { name: '--ranges', path: resolve(io.cwd, given.ranges) };
  checkOutputs(
    [],
    [...(ranges === undefined ? [] : [ranges]), ...(report === undefined ? [] : [report])],
    io.hostStreams,
  );

  const work = paperWork({ seed, samples, shrink, study: ranges !== undefined }, readRanges());
  const outcome = withProgress(io.stderr, (onProgress): PaperOutcome => {
    for (let step = work.next(); ; ) {
      if (step.done) return step.value;
      step = work.next(
        io.onThreads?.('paper', step.value, onProgress, jobs) ?? io.runPaperBatch(step.value, onProgress),
      );
    }
  });
  const { result, found, mismatches } = outcome;
  if (ranges !== undefined)
    replaceFile(ranges.path, (partPath) =>
      writeFileSync(partPath, `${JSON.stringify(found, null, 1)}\n`, { flag: 'wx' }),
    );

  io.stdout.write(json ? `${JSON.stringify(result)}\n` : renderPaperText(outcome, io.colour));
  if (json) for (const line of mismatches) io.stderr.write(`mismatch: ${line}\n`);
  if (report !== undefined) writeReport(report, renderPaperHtml(outcome));
  return mismatches.length === 0 ? 0 : 1;
}

/** @throws InputError when the program's own file is not what it should be */
export function readRanges(): WrittenRanges {
  const text = askHost('the ranges of the figures', () => readFileSync(RANGES, 'utf8'));
  const ranges = JSON.parse(text) as { readonly schema: string };
  if (ranges.schema !== RANGES_SCHEMA) throw new InputError(`data/paper-ranges.json: not ${RANGES_SCHEMA}`);
  return ranges as WrittenRanges;
}
