/**
 * The options of `stillwarm reboot` and its result, the object that `--json` prints (schema
 * "stillwarm/reboot@1", documented in docs/reference/reboot-schema.md).
 */

import { ARCHS, type Arch } from '../../base/arch.ts';
import { checkArgument, checkInteger, checkOneOf } from '../../base/argument-error.ts';
import { PAGE_SIZE } from '../../base/units.ts';
import type { RecencyState } from '../../xen/index.ts';
import type { ReasonCounts } from '../../xen/public/reason.ts';

export const STRATEGIES = ['cold', 'prefetch', 'warm-cache', 'warm-cache+metadata', 'rio', 'rio+warm-cache'] as const;
export type StrategyName = (typeof STRATEGIES)[number];

/**
 * The strategies that are compared by default: by the cache that survives, and, where files are
 * written, by the writes that survive.
 */
export const STRATEGIES_OF_READERS: readonly StrategyName[] = ['cold', 'prefetch', 'warm-cache', 'warm-cache+metadata'];
export const STRATEGIES_OF_CRASHES: readonly StrategyName[] = ['cold', 'warm-cache', 'rio', 'rio+warm-cache'];
/** Strategies in which dirty pages survive a crash. */
export const RIO_STRATEGIES: readonly StrategyName[] = ['rio', 'rio+warm-cache'];

export const WORKLOADS = ['files', 'random', 'zipf', 'log'] as const;
/**
 * files: all files in order; random: 4 KiB reads at random places; zipf: whole files, chosen by
 * Zipf's law; log: all files in order, with a line for each at the end of a log.
 */
export type WorkloadName = (typeof WORKLOADS)[number];

export const PROFILES = ['pentium4-2006', 'server-2026'] as const;
export type ProfileName = (typeof PROFILES)[number];

export const DISKS = ['profile', 'disk', 'nvme', 'instant'] as const;
/** Service-time model of the drive; `profile` is the one that belongs to the profile. */
export type DiskName = (typeof DISKS)[number];

export interface RebootOptions {
  /** A directory of files or an ext2 image. */
  readonly path: string;
  /** Leave out names of a directory itself that begin with a dot. */
  readonly withoutHidden?: boolean | undefined;
  /** Guest memory in bytes. */
  readonly memory: number;
  readonly disk: DiskName;
  readonly profile: ProfileName;
  /** Architecture of the machine; the profile's by default. */
  readonly arch?: Arch | undefined;
  /** Strategies to run, in order. */
  readonly strategies: readonly StrategyName[];
  readonly workload: WorkloadName;
  readonly seed: number;
  /**
   * The most bytes that one run reads; from a directory only the first files are used. Undefined
   * for no limit.
   */
  readonly limit: number | undefined;
  /** Crash the guest (nothing flushed, no shutdown) instead of an orderly reboot. */
  readonly crash: boolean;
  /** Record a CRC-32C of every clean page, and check it at the claim. */
  readonly checksum: boolean;
  /**
   * Seconds from the start of the new guest's boot until unclaimed pages are given back; undefined
   * for never.
   */
  readonly expire?: number | undefined;
  /** Write the machine's memory to this file at the moment between the old guest and the new. */
  readonly dumpMemory: string | undefined;
}

/**
 * @internal Checks the options that experiments share.
 * @throws ArgumentError for one that is missing, unknown or out of range
 */
export function checkCommonOptions(
  options: Pick<RebootOptions, 'path' | 'withoutHidden' | 'memory' | 'disk' | 'profile' | 'arch' | 'seed'>,
): void {
  checkArgument(typeof options.path === 'string', 'path', 'expected the path of a directory or an image');
  if (options.withoutHidden !== undefined) checkOneOf('withoutHidden', options.withoutHidden, [false, true]);
  checkInteger('memory', options.memory, PAGE_SIZE);
  checkArgument(options.memory % PAGE_SIZE === 0, 'memory', `${options.memory} bytes are not whole pages`);
  checkOneOf('disk', options.disk, DISKS);
  checkOneOf('profile', options.profile, PROFILES);
  if (options.arch !== undefined) checkOneOf('arch', options.arch, ARCHS);
  checkInteger('seed', options.seed, Number.MIN_SAFE_INTEGER);
}

/** One run of the workload. */
export interface RunResult {
  readonly phase: 'before' | 'after';
  /** 1 or 2 within the phase. */
  readonly number: number;
  readonly bytes: number;
  /** Virtual time, ns. */
  readonly ns: number;
}

/**
 * Bytes that the workload read during `ns` from `startNs` on; time 0 is the start of the reboot.
 */
export interface Sample {
  readonly startNs: number;
  readonly ns: number;
  readonly bytes: number;
}

export interface StrategyResult {
  readonly name: StrategyName;
  /** Four: before 1, before 2, after 1, after 2. */
  readonly runs: readonly RunResult[];
  /**
   * From the start of the shutdown (or the crash) to the end of the new guest's boot, virtual ns.
   */
  readonly rebootNs: number;
  readonly pages: {
    /** Pages the hypervisor kept. */
    readonly preserved: number;
    /** Kept pages that the new guest took over. */
    readonly reused: number;
    /** File and metadata pages read from the disk after the reboot. */
    readonly readAgain: number;
    /** Pages that were not kept or not handed over, by reason. */
    readonly refused: ReasonCounts;
    /**
     * Whether the old guest told the places of its pages on the LRU lists, and whether that was
     * believed.
     */
    readonly recency: RecencyState;
  };
  /**
   * Blocks of metadata (superblock, descriptors, inode tables, indirect blocks, directories) read
   * from the disk after the reboot.
   */
  readonly metadataReads: number;
  /** Hypercalls of both guests. */
  readonly hypercalls: {
    readonly count: number;
    readonly ns: number /** Share of the four runs' time, 0 … 1. */;
    readonly share: number;
  };
  /** What the workload wrote before the reboot, and what survived; zeros when it only reads. */
  readonly writes: {
    /** Bytes of system calls that had returned. */
    readonly bytes: number;
    /** Of these, not read back after the reboot. */
    readonly bytesLost: number;
    /** Pages in the guest's memory, newer than the disk, when it went down. */
    readonly dirtyPages: number;
    /** Pages that domain 0 wrote home after the crash. */
    readonly pagesWrittenBack: number;
    /** Dirty pages that were never written. */
    readonly pagesLost: number;
  };
  readonly verified: { readonly pages: number; readonly bytes: number; readonly mismatches: number };
  /**
   * Throughput around the reboot. Time 0 is the start of the reboot: samples before it have
   * negative startNs.
   */
  readonly timeline: readonly Sample[];
}

export interface RebootResult {
  readonly schema: 'stillwarm/reboot@1';
  readonly seed: number;
  /** Digest of all runs: equal inputs and seed give an equal digest. */
  readonly digest: string;
  readonly profile: ProfileName;
  readonly arch: Arch;
  readonly disk: DiskName;
  readonly workload: WorkloadName;
  readonly crash: boolean;
  /** Whether pages were taken over only when their CRC-32C matched. */
  readonly checksum: boolean;
  /** Seconds until unclaimed pages were given back; null for never. */
  readonly expire: number | null;
  /** Guest memory, bytes. */
  readonly memory: number;
  /** Regular files on the disk, one for each of their names, and their bytes. */
  readonly files: number;
  readonly bytes: number;
  readonly strategies: readonly StrategyResult[];
  /** Constants that the result rests on and that were fitted to the paper. */
  readonly fitted: readonly string[];
}

/** A page or a read that differs from the disk: a failed run. */
export interface Mismatch {
  readonly strategy: StrategyName;
  /** What differs and where, in one line. */
  readonly what: string;
  /** Everything that happened to the page, oldest first, a line each. */
  readonly history: readonly string[];
}
