/**
 * A check as runs of the pool (pool.ts): a run is a part. It measures the time of the host, which
 * the lab never asks for.
 */

import type { Runs } from '../experiment/guest/runs.ts';
import type { Program } from '../doors/machine/index.ts';
import { casesOf, type CheckOptions } from '../lab/check.ts';
import type { Part, PartResult } from '../lab/part.ts';
import type { CheckEntry } from './check-entry.ts';

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
}

/** A clock of the host that all threads share, ms. */
export const hostMs = (): number => Number(process.hrtime.bigint() / 1_000_000n);

/** No part has a disk of the host's. */
const NO_DISK = { all: { files: 0, bytes: 0 }, notices: [], version: '' };

/** A part that the budget left no time for has no result. */
export type CheckRuns = Runs<CheckJob, PartResult | undefined, readonly PartResult[]>;

export function checkRuns(checks: readonly CheckEntry[], program?: Program): CheckRuns {
  return {
    bytesOf: ({ parts, partBytes }) => parts.map(() => partBytes),
    open: ({ command, parts, endMs = Infinity }) => {
      const check = checks.find(({ spec }) => spec.name === command)!.checkOf(program);
      return {
        disk: NO_DISK,
        run: (index, onProgress) => {
          if (hostMs() >= endMs) return undefined;
          const part = parts[index]!;
          return check.play(part, (done) => {
            onProgress(`cases ${part.from} to ${part.to - 1}`, done / casesOf(part));
            return hostMs() < endMs;
          });
        },
        check: () => undefined,
        close: () => undefined,
      };
    },
    merge: (_options, _disk, results) => results.filter((result) => result !== undefined),
  };
}
