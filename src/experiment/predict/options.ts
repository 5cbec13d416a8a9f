/** What `stillwarm predict` is asked: the options of the experiment. */

import {
  ArgumentError,
  checkArgument,
  checkInteger,
  checkListOf,
  checkObject,
  checkOneOf,
} from '../../base/argument-error.ts';
import { checkBackend } from '../host/backend.ts';
import { STRATEGIES, type StrategyName } from '../host/strategies.ts';
import { checkCommonOptions, RIO_STRATEGIES, type RebootOptions } from '../guest/options.ts';
import type { RestoreRate } from '../accesses/restore.ts';
import type { TraceRecording } from './recording.ts';

/** What is run by default. */
export const STRATEGIES_OF_TRACES: readonly StrategyName[] = ['cold', 'prefetch', 'warm-cache', 'warm-cache+metadata'];

export const PACES = ['asfast', 'recorded'] as const;
/**
 * `asfast`: each thread asks as soon as it has its answer. `recorded`: not before the operation's
 * time.
 */
export type Pace = (typeof PACES)[number];

/** How often faster or slower than recorded, at most. */
export const MOST_SPEED = 1e6;

/** When the guest is rebooted: a time of the trace, or a share of its operations. */
export type RebootAt = { readonly seconds: number } | { readonly fraction: number };

export interface PredictOptions
  extends Omit<
    RebootOptions,
    'strategies' | 'workload' | 'checksum' | 'expire' | 'dumpMemory' | 'domain0Curve' | 'limit' | 'crash'
  > {
  /** The trace; `path` is a name for it. */
  readonly trace: TraceRecording;
  /** Name of its format. */
  readonly format: string;
  readonly strategies: readonly StrategyName[];
  readonly pace: Pace;
  /** With the pace `recorded`: so many times faster. */
  readonly speed: number;
  readonly rebootAt: RebootAt;
  /** Bytes a second that `prefetch` reads at most; undefined: no limit. */
  readonly prefetchRate: number | undefined;
  /** How fast the pages of a cache come back in the sweep of orders; by default all at once. */
  readonly restoreRate?: RestoreRate | undefined;
}

/** @internal @throws ArgumentError for what is missing, unknown or out of range */
export function checkPredictOptions(options: PredictOptions): void {
  checkObject('options', options);
  checkCommonOptions(options);
  checkBackend(options);
  checkListOf('strategies', options.strategies, STRATEGIES);
  const rio = options.strategies.find((name) => RIO_STRATEGIES.includes(name));
  if (rio !== undefined) throw new ArgumentError(`strategies: ${rio} is for a guest that crashes`);
  checkObject('trace', options.trace, 'columns', 'files', 'firsts', 'accesses', 'filePlaces');
  checkOneOf('pace', options.pace, PACES);
  checkArgument(
    options.pace === 'asfast' || options.trace.hasTimes,
    'pace',
    'recorded: the trace tells no times: only asfast is possible',
  );
  checkArgument(
    options.speed > 0 && options.speed <= MOST_SPEED,
    'speed',
    `expected more than 0, at most ${MOST_SPEED}`,
  );
  if (options.prefetchRate !== undefined) checkInteger('prefetchRate', options.prefetchRate, 1);
  checkRestoreRate(options);
  checkObject('rebootAt', options.rebootAt);
  rebootOperation(options.trace, options.rebootAt);
}

function checkRestoreRate({ restoreRate, trace }: PredictOptions): void {
  if (restoreRate === undefined) return;
  checkObject('restoreRate', restoreRate);
  const isOfTime = 'bytesPerSecond' in restoreRate;
  const rate = isOfTime ? restoreRate.bytesPerSecond : restoreRate.pagesPerAccess;
  checkArgument(rate > 0 && rate < Infinity, 'restoreRate', 'expected more than 0');
  checkArgument(
    !isOfTime || (trace.hasTimes && trace.accesses.times.length === trace.accesses.pages.length),
    'restoreRate',
    'the trace tells no times of accesses: only pages an access are possible',
  );
}

/**
 * The first operation that may come after the reboot.
 * @throws ArgumentError where there is none before the reboot, or none after it
 */
export function rebootOperation({ columns, hasTimes, spanNs }: TraceRecording, at: RebootAt): number {
  const { count, time } = columns;
  checkArgument(count > 1, 'trace', 'it has one operation: a reboot needs one before it and one after');
  if ('fraction' in at) {
    checkArgument(at.fraction > 0 && at.fraction < 1, 'rebootAt', 'expected a share of more than 0 and less than 1');
    return Math.min(count - 1, Math.max(1, Math.round(count * at.fraction)));
  }
  checkArgument(hasTimes, 'rebootAt', 'the trace tells no times: give a share of its operations, such as 0.5');
  const wanted = at.seconds * 1e9;
  const first = time.findIndex((ns) => ns >= wanted);
  checkArgument(
    first > 0,
    'rebootAt',
    `${at.seconds} s: there must be an operation before it and one after; the trace ends after ${spanNs / 1e9} s`,
  );
  return first;
}
