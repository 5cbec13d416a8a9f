/** Where the findings of a check go, of one run and of merged shards alike. */

import { writeFileSync } from 'node:fs';
import { printableJson } from '../base/index.ts';
import { replaceFile, type NamedPath } from '../experiment/guest/output-file.ts';
import { merged, type Verdict } from '../lab/check.ts';
import type { Part, PartResult } from '../lab/part.ts';
import type { RunPlan } from './check-file.ts';
import { checkResult } from './check-result-of.ts';
import { renderCheck } from './check-text.ts';
import type { CheckEntry } from './check-entry.ts';
import type { Io } from './io.ts';
import { junit } from './junit.ts';

const STATUS: Readonly<Record<Verdict, number>> = { passed: 0, violated: 1, partial: 3 };

/**
 * Prints the findings, and writes the file of `--junit`.
 * @param parts that were wanted
 * @returns the exit status
 */
export function tellFindings(
  entry: CheckEntry,
  plan: RunPlan,
  parts: readonly Part[],
  results: readonly PartResult[],
  { json, junit: file }: { readonly json: boolean; readonly junit: NamedPath | undefined },
  io: Io,
): number {
  const findings = merged(parts, results);
  io.stdout.write(
    json ? `${printableJson(checkResult(plan, findings))}\n` : renderCheck(entry, plan.options, findings),
  );
  if (file !== undefined)
    replaceFile(file.path, (partPath) =>
      writeFileSync(partPath, junit(plan.check, parts, results, findings), { flag: 'wx' }),
    );
  return STATUS[findings.verdict];
}
