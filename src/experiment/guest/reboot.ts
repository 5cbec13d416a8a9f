/**
 * `stillwarm reboot`: compares a warm-cache reboot on real files with its alternatives. Each
 * strategy has the same disk, workload and seed, on a machine whose memory is cleared in between.
 */

import {
  checkArgument,
  checkFunction,
  checkInteger,
  checkListOf,
  checkObject,
  checkOneOf,
} from '../../base/argument-error.ts';
import { GuestPanic } from '../../base/errno.ts';
import { UserError } from '../../base/user-error.ts';
import { MachineMemory } from '../../machine/memory.ts';
import { type CostName, fittedConstants } from '../../machine/profile.ts';
import { Digest } from '../../sim/digest.ts';
import { asUserError, checkDisk, KEPT_BYTES, openDisk } from './disk-source.ts';
import { saveMemory } from './memory-dump.ts';
import { archOf, profileOf, settingsOf } from '../host/profiles.ts';
import type { ProgressListener } from './progress.ts';
import type { Mismatch, RebootResult } from './result.ts';
import { checkCommonOptions, WORKLOADS, type RebootOptions } from './options.ts';
import { STRATEGIES, type StrategyName } from '../host/strategies.ts';
import { runInOrder, type DiskSummary, type OpenRuns, type Runs } from './runs.ts';
import { preserves, runStrategy, type StrategyInput, type StrategyOutcome } from './strategy.ts';
import { machineMemoryFor } from '../host/host.ts';
import type { Testbed } from '../host/testbed.ts';

/** Fitted constants that no reboot of a guest uses. */
const OF_THE_HYPERVISOR: readonly CostName[] = [
  'guest.suspendNs',
  'hypervisor.domainResumeNs',
  'hypervisor.domain0ShutdownNs',
  'hypervisor.handoverNs',
  'hypervisor.domain0BootNs',
  'hypervisor.resumeSetupNs',
];

export interface RebootOutcome {
  readonly result: RebootResult;
  /** Empty when every page and every byte was equal to the disk's. */
  readonly mismatches: readonly Mismatch[];
  /** Remarks for the user about files that are not read, a line each. */
  readonly notices: readonly string[];
}

/** @internal The strategies as runs that do not depend on each other. */
export const REBOOT_RUNS: Runs<RebootOptions, StrategyOutcome, RebootOutcome> = {
  bytesOf: ({ strategies, memory }) => strategies.map(() => machineMemoryFor(memory) + KEPT_BYTES),
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
  const open: typeof openRuns = (asked, listener) => openRuns(asked, listener, betweenGuests);
  return runInOrder({ ...REBOOT_RUNS, open }, options, onProgress);
}

function checkOptions(options: RebootOptions): void {
  checkObject('options', options);
  checkCommonOptions(options);
  checkListOf('strategies', options.strategies, STRATEGIES);
  checkOneOf('workload', options.workload, WORKLOADS);
  checkOneOf('crash', options.crash, [false, true]);
  checkOneOf('checksum', options.checksum, [false, true]);
  if (options.limit !== undefined) checkInteger('limit', options.limit, 1);
  if (options.expire !== undefined) checkInteger('expire', options.expire, 1);
  if (options.dumpMemory !== undefined)
    checkArgument(typeof options.dumpMemory === 'string', 'dumpMemory', 'expected a path');
}

function openRuns(
  options: RebootOptions,
  onProgress: ProgressListener,
  betweenGuests?: (testbed: Testbed) => void,
): OpenRuns<StrategyOutcome> {
  const disk = openDisk(options.path, options.limit, onProgress, options.withoutHidden);
  const dumped = dumpedStrategy(options);
  let memory: MachineMemory | undefined;
  return {
    disk: { all: disk.all, notices: disk.notices, version: disk.version },
    check: () => checkDisk(options.path, disk),
    close: () => disk.close(),
    run: (index, onRun) => {
      const name = options.strategies[index]!;
      try {
        const machine = (memory ??= new MachineMemory(machineMemoryFor(options.memory)));
        const input: StrategyInput = {
          options,
          profile: profileOf(options),
          disk,
          memory: machine,
          betweenGuests: (testbed) => {
            if (name === dumped && options.dumpMemory !== undefined) saveMemory(machine, options.dumpMemory);
            betweenGuests?.(testbed);
          },
        };
        return runStrategy(input, name, ({ phase, done, total }) => onRun(phase, done / total));
      } catch (error) {
        if (error instanceof GuestPanic)
          throw new UserError(`--memory ${options.memory}: the guest panics: ${error.message}`);
        throw asUserError(options.path, error);
      }
    },
  };
}

function merge(options: RebootOptions, disk: DiskSummary, outcomes: readonly StrategyOutcome[]): RebootOutcome {
  const digest = new Digest();
  for (const { digest: hex } of outcomes) digest.addHex(hex);
  return {
    result: {
      schema: 'stillwarm/reboot@1',
      seed: options.seed,
      digest: digest.hex,
      profile: options.profile,
      arch: archOf(options),
      disk: options.disk,
      workload: options.workload,
      crash: options.crash,
      checksum: options.checksum,
      expire: options.expire ?? null,
      memory: options.memory,
      ...disk.all,
      strategies: outcomes.map(({ result }) => result),
      set: settingsOf(options),
      fitted: fittedConstants(profileOf(options), OF_THE_HYPERVISOR),
    },
    mismatches: outcomes.flatMap(({ mismatches }) => mismatches),
    notices: disk.notices,
  };
}

/** The memory dump is that of the last strategy that keeps pages, or else of the last strategy. */
function dumpedStrategy({ strategies }: RebootOptions): StrategyName | undefined {
  return strategies.findLast(preserves) ?? strategies.at(-1);
}
