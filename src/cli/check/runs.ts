/**
 * A check as runs of the pool (../kit/pool.ts): a run is a part. It measures the time of the host,
 * which the lab never asks for.
 */

import { ArgumentError, InputError, InvariantViolation, UserError } from '../../base/index.ts';
import type { OpenRuns, Runs } from '../../experiment/guest/runs.ts';
import type { Program } from '../../doors/machine/index.ts';
import { casesOf, type Check, type CheckOptions } from '../../lab/check.ts';
import { WorkloadError } from '../../lab/crash/index.ts';
import type { Part, PartResult } from '../../lab/part.ts';
import type { CheckEntry } from './entry.ts';
import { blamed } from './workload.ts';

/** What is to be played. Plain data. */
export interface CheckJob {
  /** The sub-command. */
  readonly command: string;
  readonly options: CheckOptions;
  readonly parts: readonly Part[];
  /** Bytes of memory that one part touches. */
  readonly partBytes: number;
  /** On the clock of `hostMs`: no case begins then or later. Undefined: no end. */
  readonly endMs: number | undefined;
  /** Path of a user's program. */
  readonly programFile: string | undefined;
}

/** A clock of the host that all threads share, ms. */
export const hostMs = (): number => Number(process.hrtime.bigint() / 1_000_000n);

/** No part has a disk of the host's. */
const NO_DISK = { all: { files: 0, bytes: 0 }, notices: [], version: '' };

/** A part that the budget left no time for has no result. */
export type CheckRuns = Runs<CheckJob, PartResult | undefined, readonly PartResult[]>;

/** @param program of the user, where the check takes one */
export function checkRuns(checks: readonly CheckEntry[], program?: Program): CheckRuns {
  return {
    bytesOf: ({ parts, partBytes }) => parts.map(() => partBytes),
    open: ({ command, parts, endMs = Infinity, programFile }) => {
      const check = checkOf(checks, command, program);
      return openRuns((index, onProgress) => {
        if (hostMs() >= endMs) return undefined;
        const part = parts[index]!;
        const tell = (done: number): boolean => {
          onProgress(phaseOf(part), done / casesOf(part));
          return hostMs() < endMs;
        };
        return blaming(programFile, () => check.play(part, tell));
      });
    },
    merge: (_options, _disk, results) => results.filter((result) => result !== undefined),
  };
}

export const phaseOf = ({ from, to }: Part): string => `cases ${from} to ${to - 1}`;

/**
 * How many cases a check has with a user's program, as the only run of an experiment. The program
 * is imported twice. What it does must be the same, or no case could be played again.
 */
export function countRuns(checks: readonly CheckEntry[], programs: readonly Program[]): Runs<CheckJob, number, number> {
  return {
    bytesOf: ({ partBytes }) => [partBytes],
    open: ({ command, options, programFile }) =>
      openRuns(() => {
        const [one, two] = programs.map((program) => checkOf(checks, command, program)) as [Check, Check];
        const same = <T>(what: string, ask: (check: Check) => T): T => {
          const [first, second] = [one, two].map((check) => blaming(programFile, () => ask(check))) as [T, T];
          if (JSON.stringify(first) === JSON.stringify(second)) return first;
          throw new InputError(`${programFile}: not deterministic: ${what} differs between two runs of it`);
        };
        const cases = same('the number of cases', (check) => check.count(options));
        for (const from of new Set([0, cases - 1].filter((at) => at >= 0)))
          same(`case ${from}`, (check) => check.play({ check: check.name, options, from, to: from + 1 }, () => true));
        return cases;
      }),
    merge: (_options, _disk, [cases]) => cases!,
  };
}

const checkOf = (checks: readonly CheckEntry[], command: string, program: Program | undefined): Check =>
  checks.find(({ spec }) => spec.name === command)!.checkOf(program);

const openRuns = <T>(run: OpenRuns<T>['run']): OpenRuns<T> => ({
  disk: NO_DISK,
  run,
  check: () => undefined,
  close: () => undefined,
});

/** What the user's program throws is the user's mistake, and is named with its line. */
function blaming<T>(programFile: string | undefined, work: () => T): T {
  if (programFile === undefined) return work();
  try {
    return work();
  } catch (error) {
    if (error instanceof WorkloadError) throw new InputError(whyNot(error, programFile));
    for (const kind of [ArgumentError, InputError, InvariantViolation, UserError])
      if (error instanceof kind) throw error;
    const line = blamed(error, programFile);
    throw line === undefined ? error : new InputError(line);
  }
}

/** Why a program is no workload: one line with the step, and the line of the file if it throws. */
function whyNot({ reason, step, message, cause }: WorkloadError, programFile: string): string {
  const line = reason === 'throws' ? blamed(cause, programFile) : undefined;
  return line === undefined ? message.replace(/^workload/, programFile) : `${line} (step ${step} of the program)`;
}
