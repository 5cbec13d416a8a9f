/** Where the findings of a check go, of one run and of merged shards alike. */

import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { printableJson } from '../../base/index.ts';
import { replaceFile, type NamedPath, type OutputFile } from '../../experiment/guest/output-file.ts';
import { merged, type Verdict } from '../../lab/check.ts';
import type { Part, PartResult, Violation } from '../../lab/part.ts';
import type { RunPlan } from './file.ts';
import { checkResult } from './result-of.ts';
import { renderCheck } from './text.ts';
import type { CheckEntry } from './entry.ts';
import type { Io } from '../kit/io.ts';
import { junit } from './junit.ts';
import { writeReport } from '../kit/report.ts';

const STATUS: Readonly<Record<Verdict, number>> = { passed: 0, violated: 1, partial: 3 };

/** Where findings go besides standard output. */
export interface Outputs {
  readonly json: boolean;
  readonly junit: NamedPath | undefined;
  /** Directory of `--keep`. */
  readonly keep?: string | undefined;
}

/** A file in the directory of `--keep`, which is made when there is none. */
export const keptIn = (dir: string, name: string, { cwd }: Io): OutputFile => ({
  name: '--keep',
  path: join(resolve(cwd, dir), name),
  makesDirectories: true,
});

/**
 * Prints the findings, and writes the files of `--junit` and `--keep`.
 * @param parts that were wanted
 * @returns the exit status
 */
export function tellFindings(
  entry: CheckEntry,
  plan: RunPlan,
  parts: readonly Part[],
  results: readonly PartResult[],
  { json, junit: file, keep }: Outputs,
  io: Io,
): number {
  const findings = merged(parts, results);
  const kept = keep === undefined ? new Map<Violation, string>() : keepAll(entry, findings.violations, keep, io);
  io.stdout.write(
    json ? `${printableJson(checkResult(plan, findings))}\n` : renderCheck(entry, plan.options, findings, kept),
  );
  if (file !== undefined)
    replaceFile(file.path, (partPath) =>
      writeFileSync(partPath, junit(plan.check, parts, results, findings), { flag: 'wx' }),
    );
  return STATUS[findings.verdict];
}

/** @returns the names of the files, from where the user is */
function keepAll(
  { kept }: CheckEntry,
  violations: readonly Violation[],
  dir: string,
  io: Io,
): ReadonlyMap<Violation, string> {
  return new Map(
    violations.map((violation) => {
      const { name, text } = kept!(violation);
      writeReport(keptIn(dir, name, io), text);
      return [violation, join(dir, name)];
    }),
  );
}
