/**
 * `stillwarm reboot`: compares a warm-cache reboot on real files with its alternatives. Each
 * strategy has the same disk, workload and seed, on a machine whose memory is cleared in between.
 */

import {
  checkArgument,
  checkBytes,
  checkFunction,
  checkInteger,
  checkListOf,
  checkObject,
  checkOneOf,
  checkText,
} from '../../base/argument-error.ts';
import { MachineMemory } from '../../machine/memory.ts';
import { fittedConstants } from '../../machine/profile.ts';
import { parseFioJobs, type FioJob } from '../../workload/fio-job.ts';
import { Digest } from '../../sim/digest.ts';
import { CURVE_STRATEGIES, curveOf, curveSizes } from './domain0-curve.ts';
import { asUserError, checkDisk, KEPT_BYTES, openDisk, type DiskFiles, type DiskSource } from './disk-source.ts';
import { sharedDisk, sharedOf, type SharedDisk } from './shared-disk.ts';
import { saveMemory } from './memory-dump.ts';
import { domain0CacheOf } from '../host/backend.ts';
import { archOf, profileInResult, profileOf, settingsOf } from '../host/profiles.ts';
import type { ProgressListener } from './progress.ts';
import type { Mismatch, RebootResult } from './result.ts';
import { ALL_WORKLOADS, checkCommonOptions, OF_THE_HYPERVISOR, type RebootOptions } from './options.ts';
import { planFio, roomOf, type FioText, type FioWork } from './fio-plan.ts';
import { STRATEGIES, type StrategyName } from '../host/strategies.ts';
import { runInOrder, type DiskSummary, type OpenRuns, type Runs } from './runs.ts';
import { preserves, runStrategy, type StrategyInput, type StrategyOutcome } from './strategy.ts';
import { machineMemoryFor } from '../host/host.ts';
import type { Testbed } from '../host/testbed.ts';

export interface RebootOutcome {
  readonly result: RebootResult;
  /** Empty when every page and every byte was equal to the disk's. */
  readonly mismatches: readonly Mismatch[];
  /** Remarks for the user about files that are not read, and of init, a line each. */
  readonly notices: readonly string[];
}

/** @internal The strategies as runs that do not depend on each other. */
export const REBOOT_RUNS: Runs<RebootOptions, StrategyOutcome, RebootOutcome> = {
  bytesOf: (options) =>
    runsOf(options).map(
      // Of domain 0's cache only what the files fill is touched.
      ({ domain0Cache = 0 }) =>
        machineMemoryFor(options.memory) + KEPT_BYTES + fioRoom(options) + Math.min(domain0Cache, KEPT_BYTES),
    ),
  open: openRuns,
  merge,
};

/**
 * Runs the experiment.
 * @param betweenGuests called at the moment between the two guests of each strategy; for fault
 * experiments
 * @throws UserError when the disk cannot be used or the memory is too small
 * @throws ArgumentError for options that are missing, unknown or out of range
 */
export function runReboot(
  options: RebootOptions,
  onProgress: ProgressListener = () => undefined,
  betweenGuests?: (testbed: Testbed) => void,
): RebootOutcome {
  checkFunction('onProgress', onProgress);
  checkFunction('betweenGuests', betweenGuests, true);
  checkOptions(options);
  const open: (typeof REBOOT_RUNS)['open'] = (asked, listener) => openRuns(asked, listener, undefined, betweenGuests);
  return runInOrder({ ...REBOOT_RUNS, open }, options, onProgress);
}

function checkOptions(options: RebootOptions): void {
  checkObject('options', options);
  checkCommonOptions(options);
  checkListOf('strategies', options.strategies, STRATEGIES);
  curveSizes(options.domain0Curve);
  checkOneOf('workload', options.workload, ALL_WORKLOADS);
  checkArgument(
    (options.workload === 'fio') === (options.fio !== undefined),
    'fio',
    'expected a job file with the workload fio, and with no other',
  );
  if (options.fio !== undefined) {
    checkObject('fio', options.fio);
    checkText('fio.file', options.fio.file);
    checkBytes('fio.bytes', options.fio.bytes);
  }
  checkOneOf('crash', options.crash, [false, true]);
  checkOneOf('checksum', options.checksum, [false, true]);
  if (options.limit !== undefined) checkInteger('limit', options.limit, 1);
  if (options.expire !== undefined) checkInteger('expire', options.expire, 1);
  if (options.dumpMemory !== undefined)
    checkArgument(typeof options.dumpMemory === 'string', 'dumpMemory', 'expected a path');
}

/** The jobs of the job file; none without one. @throws UserError */
function jobsOf({ fio }: RebootOptions): FioJob[] {
  return fio === undefined ? [] : asked(fio.file, () => parseFioJobs(fio.bytes, fio.file));
}

const fioRoom = (options: RebootOptions): number => roomOf(jobsOf(options));

function asked<T>(file: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw asUserError(file, error);
  }
}

function fioWorkOf(options: RebootOptions, fio: FioText, { files }: DiskFiles): FioWork {
  // What a crash leaves of a file that grew is not to be relied on.
  return asked(fio.file, () => planFio(jobsOf(options), fio, files, options.crash));
}

function openRuns(
  options: RebootOptions,
  onProgress: ProgressListener,
  shared?: SharedDisk,
  betweenGuests?: (testbed: Testbed) => void,
): OpenRuns<StrategyOutcome> {
  const disk = shared
    ? sharedDisk(shared)
    : openDisk(options.path, options.limit, onProgress, { ...options, room: fioRoom(options) });
  const dumped = dumpedStrategy(options);
  const asked = runsOf(options);
  let memory: MachineMemory | undefined;
  const { fio } = options;
  const fioWork = fio && closing(disk, () => fioWorkOf(options, fio, disk));
  return {
    disk: { all: disk.all, notices: disk.notices, version: disk.version },
    shared: sharedOf(disk),
    check: () => checkDisk(options.path, disk),
    close: () => disk.close(),
    run: (index, onRun) => {
      const { name, domain0Cache } = asked[index]!;
      try {
        const machine = (memory ??= new MachineMemory(machineMemoryFor(options.memory)));
        const input: StrategyInput = {
          options,
          profile: profileOf(options),
          disk,
          fio: fioWork,
          domain0Cache,
          memory: machine,
          betweenGuests: (testbed) => {
            if (index === dumped && options.dumpMemory !== undefined) saveMemory(machine, options.dumpMemory);
            betweenGuests?.(testbed);
          },
        };
        return runStrategy(input, name, ({ phase, done, total }) => onRun(phase, done / total));
      } catch (error) {
        throw asUserError(options.path, error, options.memory);
      }
    },
  };
}

function merge(options: RebootOptions, disk: DiskSummary, outcomes: readonly StrategyOutcome[]): RebootOutcome {
  const digest = new Digest();
  const { length } = options.strategies;
  const results = outcomes.map(({ result }) => result);
  for (const { digest: hex } of outcomes) digest.addHex(hex);
  return {
    result: {
      schema: 'stillwarm/reboot@1',
      seed: options.seed,
      digest: digest.hex,
      ...profileInResult(options),
      arch: archOf(options),
      ...(options.policy && { policy: options.policy }),
      disk: options.disk,
      ...(options.diskLimit && { diskLimit: options.diskLimit }),
      workload: options.workload,
      ...(options.fio && { fio: options.fio.file }),
      crash: options.crash,
      checksum: options.checksum,
      expire: options.expire ?? null,
      memory: options.memory,
      backend: options.backend ?? 'partition',
      domain0Cache: cacheOf(options) ?? null,
      ...disk.all,
      strategies: results.slice(0, length),
      domain0Curve: curveOf(curveSizes(options.domain0Curve), results.slice(length)),
      set: settingsOf(options),
      fitted: fittedConstants(profileOf(options), OF_THE_HYPERVISOR),
    },
    mismatches: outcomes.flatMap(({ mismatches }) => mismatches),
    notices: [...disk.notices, ...new Set(outcomes.flatMap(({ saidByInit }) => saidByInit))],
  };
}

/** Closes the disk when what is asked of it fails. */
function closing<T>(disk: DiskSource, ask: () => T): T {
  try {
    return ask();
  } catch (error) {
    disk.close();
    throw error;
  }
}

const cacheOf = (options: RebootOptions): number | undefined =>
  domain0CacheOf(options, profileOf(options), options.memory);

/** The strategies over the disk that was asked for, then those of the curve. */
function runsOf(options: RebootOptions): { readonly name: StrategyName; readonly domain0Cache: number | undefined }[] {
  const own = options.strategies.map((name) => ({ name, domain0Cache: cacheOf(options) }));
  const curve = curveSizes(options.domain0Curve).flatMap((size) =>
    CURVE_STRATEGIES.map((name) => ({ name, domain0Cache: size === 0 ? undefined : size })),
  );
  return [...own, ...curve];
}

/** The memory dump is that of the last strategy that keeps pages, or else of the last strategy. */
function dumpedStrategy({ strategies }: RebootOptions): number {
  const last = strategies.findLastIndex(preserves);
  return last < 0 ? strategies.length - 1 : last;
}
