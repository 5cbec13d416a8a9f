/** What `stillwarm reboot` is asked: the options of the experiment. */

import { ARCHS, type Arch } from '../../base/arch.ts';
import { checkArgument, checkInteger, checkOneOf } from '../../base/argument-error.ts';
import { PAGE_SIZE } from '../../base/units.ts';
import { checkDiskLimit, type DiskLimit } from '../../disk/drive/limited-disk.ts';
import type { CostName } from '../../machine/profile.ts';
import { type BackendOptions, checkBackend } from '../host/backend.ts';
import { checkConstants, DISKS, type Constants, type DiskName, type ProfileChoice } from '../host/profiles.ts';
import type { StrategyName } from '../host/strategies.ts';
import { POLICIES, type PolicyName } from '../../kernel/index.ts';
import type { FioText } from './fio-plan.ts';

/**
 * What is compared by default: by what survives of the cache; and, where something is written and
 * lost, of what was written.
 */
export const STRATEGIES_OF_READERS: readonly StrategyName[] = ['cold', 'prefetch', 'warm-cache', 'warm-cache+metadata'];
export const STRATEGIES_OF_CRASHES: readonly StrategyName[] = ['cold', 'warm-cache', 'rio', 'rio+warm-cache'];
/** Strategies in which dirty pages survive a crash. */
export const RIO_STRATEGIES: readonly StrategyName[] = ['rio', 'rio+warm-cache'];

export const WORKLOADS = ['files', 'random', 'zipf', 'log'] as const;
/**
 * The order in which files are read:
 * - files: all files in order;
 * - random: 4 KiB reads at random places;
 * - zipf: whole files, chosen by Zipf's law;
 * - log: all files in order, with a line for each at the end of a log.
 */
export type WorkloadName = (typeof WORKLOADS)[number];

/** The fixed ones, and `fio`: the jobs of a job file. */
export const ALL_WORKLOADS = [...WORKLOADS, 'fio'] as const;

/** An image that was made ready before the experiment: part of a file, and what to say of it. */
export interface ReadyImage {
  readonly file: string;
  /** Where it begins in the file, and how long it is, bytes. */
  readonly offset: number;
  readonly bytes: number;
  /** Remarks for the user, a line each. */
  readonly notices: readonly string[];
}

export interface RebootOptions extends BackendOptions {
  /** A directory of files or an ext2 image. */
  readonly path: string;
  /** What is read in place of the file at `path`, which is its name for the user. */
  readonly image?: ReadyImage | undefined;
  /** Of a directory, leave out what it has itself under names that begin with a dot. */
  readonly withoutHidden?: boolean | undefined;
  /** Of a directory: put no files on the disk that a boot reads. */
  readonly withoutBootFiles?: boolean | undefined;
  /** Guest memory in bytes. */
  readonly memory: number;
  readonly disk: DiskName;
  /** What the drive may do a second at most; no limit by default. */
  readonly diskLimit?: DiskLimit | undefined;
  readonly profile: ProfileChoice;
  /** Other values for constants of the profile, by name; none by default. */
  readonly constants?: Constants | undefined;
  /** Architecture of the machine; the profile's by default. */
  readonly arch?: Arch | undefined;
  /** Strategies to run, in order. */
  readonly strategies: readonly StrategyName[];
  readonly workload: WorkloadName | 'fio';
  /** With the workload `fio`: its job file. */
  readonly fio?: FioText | undefined;
  readonly seed: number;
  /** What the guests' kernels replace and read ahead; as Linux 2.6.12 by default. */
  readonly policy?: PolicyName | undefined;
  /**
   * At most this many bytes are read in one run, and of a directory only the first files are used;
   * undefined: no limit.
   */
  readonly limit: number | undefined;
  /** Crash the guest (nothing flushed, no shutdown) instead of an orderly reboot. */
  readonly crash: boolean;
  /** Record a CRC-32C of every clean page, and ask for it at the claim. */
  readonly checksum: boolean;
  /**
   * Seconds from the start of the new guest's boot after which pages that it has not claimed are
   * given back; undefined: never.
   */
  readonly expire?: number | undefined;
  /**
   * Sizes of domain 0's page cache, bytes. At each of them two more reboots are run over a disk
   * that is a file, cold and with a warm cache. 0 stands for a partition.
   */
  readonly domain0Curve?: readonly number[] | undefined;
  /** Write the machine's memory to this file at the moment between the old guest and the new. */
  readonly dumpMemory: string | undefined;
}

/**
 * @internal What the experiments have in common. @throws ArgumentError for what is missing, unknown
 * or out of range
 */
export function checkCommonOptions(
  options: Pick<
    RebootOptions,
    | 'path'
    | 'withoutHidden'
    | 'withoutBootFiles'
    | 'memory'
    | 'disk'
    | 'diskLimit'
    | 'profile'
    | 'constants'
    | 'arch'
    | 'seed'
    | 'policy'
  > &
    BackendOptions,
): void {
  checkArgument(typeof options.path === 'string', 'path', 'expected the path of a directory or an image');
  if (options.withoutHidden !== undefined) checkOneOf('withoutHidden', options.withoutHidden, [false, true]);
  if (options.withoutBootFiles !== undefined) checkOneOf('withoutBootFiles', options.withoutBootFiles, [false, true]);
  checkInteger('memory', options.memory, PAGE_SIZE);
  checkArgument(options.memory % PAGE_SIZE === 0, 'memory', `${options.memory} bytes are not whole pages`);
  checkOneOf('disk', options.disk, DISKS);
  if (options.diskLimit !== undefined) checkDiskLimit('diskLimit', options.diskLimit);
  checkConstants(options);
  if (options.arch !== undefined) checkOneOf('arch', options.arch, ARCHS);
  checkInteger('seed', options.seed, Number.MIN_SAFE_INTEGER);
  if (options.policy !== undefined) checkOneOf('policy', options.policy, POLICIES);
  checkBackend(options);
}

/** Fitted constants that no reboot of a guest uses. */
export const OF_THE_HYPERVISOR: readonly CostName[] = [
  'guest.suspendNs',
  'hypervisor.domain0ShutdownNs',
  'hypervisor.domain0BootNs',
];
