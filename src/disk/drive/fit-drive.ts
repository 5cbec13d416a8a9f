/**
 * Fits the constants of a drive to a log of its requests, so that the model's response times are
 * distributed as the drive's were.
 *
 * Pattern search (Hooke and Jeeves, "Direct search solution of numerical and statistical problems",
 * 1961, without its pattern moves). Each constant in turn is multiplied and divided by a factor.
 * What lowers the demerit stays. When a round over all constants lowers nothing, the factor moves
 * halfway to 1. There is no randomness: a log and a start have one answer.
 *
 * A fit is one of constants. Tables of the drive that it starts from are left out.
 *
 * The answer is a local minimum. A constant that the log does not depend on keeps its value and its
 * provenance. Geometry, cache sizes and the spindle speed are never touched.
 */

import { ArgumentError, checkArgument, checkObject } from '../../base/argument-error.ts';
import type { Constant, DiskSection, NvmeConstant, RotatingDiskConstant } from '../../machine/profile.ts';
import { demerit, type LoggedRequest, replayDriveLog } from './drive-log.ts';

/** The constants that are fitted, most influential first. */
const FITTED = {
  disk: ['readMissNs', 'writeNs', 'readHitNs', 'busMBps', 'averageSeekNs'] satisfies RotatingDiskConstant[],
  nvme: ['readLatencyNs', 'commandNs', 'writeLatencyNs', 'readMBps', 'writeMBps'] satisfies NvmeConstant[],
} as const;

/** The first factor of the search. */
const FIRST_STEP = 1.4;
/** The search ends when the factor has come nearer to 1 than this. */
const LAST_STEP = 1.002;
/** Rounds over all constants, at most. */
const MAX_ROUNDS = 60;

/** A drive as a log describes it. */
export interface FittedDrive {
  /** The drive, with the constants that were fitted marked as measured. */
  readonly disk: DiskSection;
  /** Demerit of that drive, as a share of the mean response in the log. */
  readonly demerit: number;
  /** Demerit of the drive that the fit started from. */
  readonly startDemerit: number;
  /** Requests of the log. */
  readonly requests: number;
  /** Names of the constants that have changed. */
  readonly changed: readonly string[];
}

/**
 * Fits a drive to a log. It replays the log some dozens of times.
 * @param log at least one request, and a mean response above 0
 * @param start the drive to start from: its kind, geometry and cache are kept
 * @throws ArgumentError for an empty log, or one whose requests took no time
 */
export function fitDrive(log: readonly LoggedRequest[], start: DiskSection): FittedDrive {
  checkObject('start', start, 'kind', 'constants');
  checkArgument(log.length > 0, 'log', 'it holds a request');
  const real = log.map(({ responseNs }) => responseNs);
  checkArgument(
    real.some((ns) => ns > 0),
    'log',
    'some request takes time',
  );
  const names: readonly string[] = FITTED[start.kind];
  const constants: Record<string, Constant> = { ...start.constants };
  const drive = (): DiskSection => ({ kind: start.kind, model: start.model, constants }) as DiskSection;
  /** Demerit with the present constants; infinite where no drive can have them. */
  const measure = (): number => {
    try {
      return demerit(real, replayDriveLog(log, drive()));
    } catch (error) {
      if (error instanceof ArgumentError) return Infinity;
      throw error;
    }
  };
  const startDemerit = demerit(real, replayDriveLog(log, start));
  let best = measure();
  let step = FIRST_STEP;
  for (let round = 0; round < MAX_ROUNDS && step >= LAST_STEP; round++) {
    const before = best;
    for (const name of names) {
      for (const factor of [step, 1 / step]) {
        const kept = constants[name]!;
        constants[name] = measured(kept, kept.value * factor, log.length);
        const tried = measure();
        if (tried < best) {
          best = tried;
          break;
        }
        constants[name] = kept;
      }
    }
    if (best === before) step = (step + 1) / 2;
  }
  const changed = names.filter((name) => constants[name] !== start.constants[name as keyof typeof start.constants]);
  return { disk: drive(), demerit: best, startDemerit, requests: log.length, changed };
}

function measured({ unit }: Constant, value: number, requests: number): Constant {
  const rounded = unit === 'ns' ? Math.round(value) : Number(value.toPrecision(6));
  return {
    value: rounded,
    unit,
    provenance: 'measured',
    fitted: false,
    note: `fitted to a log of ${requests} requests`,
  };
}
