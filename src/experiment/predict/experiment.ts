/**
 * `stillwarm predict`: a trace over a reboot of its guest, with each strategy. A strategy is one
 * run (run.ts), on a machine whose memory is cleared in between. Further runs replay the pages
 * alone (page-runs.ts).
 */

import { checkFunction } from '../../base/argument-error.ts';
import { PAGE_SIZE } from '../../base/units.ts';
import type { MachineMemory } from '../../machine/memory.ts';
import { PatternMemory } from '../../machine/pattern-memory.ts';
import { fittedConstants } from '../../machine/profile.ts';
import { Digest } from '../../sim/digest.ts';
import { asUserError, type DiskSource } from '../guest/disk-source.ts';
import { patternBytes } from '../guest/generated-disk.ts';
import { OF_THE_HYPERVISOR } from '../guest/options.ts';
import type { ProgressListener } from '../guest/progress.ts';
import { runInOrder, type DiskSummary, type OpenRuns, type Runs } from '../guest/runs.ts';
import { domain0CacheOf } from '../host/backend.ts';
import { machineMemoryFor } from '../host/host.ts';
import { archOf, profileInResult, profileOf, settingsOf } from '../host/profiles.ts';
import type { StrategyName } from '../host/strategies.ts';
import type { VerifierRecord } from '../judge/verifier.ts';
import { checkPredictOptions, rebootOperation, type PredictOptions } from './options.ts';
import { PageRuns, type PagesFound } from './page-runs.ts';
import type { PredictFile, PredictResult } from './result.ts';
import { PredictRun, type PredictRunResult } from './run.ts';
import { blocksOf, traceDisk } from './trace-disk.ts';

/** Files that a result names. */
const TOP_FILES = 10;
/** Bytes of a guest's memory that a boot fills, and the kernel's own. */
const BOOTED_BYTES = 256 << 20;
/** Bytes of tables of the model outside machine memory, for each page of the guest. */
const TABLE_BYTES_PER_PAGE = 80;
/** Bytes of indirect blocks for each block of a file. */
const BYTES_OF_MAP_ENTRY = 4;
/** Bytes of tables that a run has for each operation. */
const BYTES_PER_OPERATION = 24;

/** A page or bytes that are not what they must be. */
export interface PredictMismatch {
  readonly strategy: StrategyName;
  readonly what: string;
}

export interface PredictOutcome {
  readonly result: PredictResult;
  /** Empty when every page and every byte was what it must be. */
  readonly mismatches: readonly PredictMismatch[];
  /** Remarks for the user about the trace, a line each. */
  readonly notices: readonly string[];
}

interface PredictRunPart extends PredictRunResult {
  readonly verified: VerifierRecord['verified'];
  /** Digest of the run, hexadecimal. */
  readonly digest: string;
  readonly mismatches: readonly PredictMismatch[];
}

/** @internal The strategies, then the replays of pages: runs that do not depend on each other. */
export const PREDICT_RUNS: Runs<PredictOptions, PredictRunPart | PagesFound, PredictOutcome> = {
  bytesOf: (options) => [...options.strategies.map(() => bytesOfRun(options)), ...new PageRuns(options).bytes],
  open: openRuns,
  merge,
};

/**
 * Bytes of the host's memory that a run fills, at most. These are the tables of machine and guest,
 * and the pages whose bytes are stored. Whole pages of the trace's files are not: see
 * pattern-memory.ts. A page of which a part was written is, and so is the last one of a file.
 */
export function bytesOfRun({ memory, trace }: Pick<PredictOptions, 'memory' | 'trace'>): number {
  const pages = memory / PAGE_SIZE;
  const tables = machineMemoryFor(memory) - memory + pages * TABLE_BYTES_PER_PAGE;
  const blocks = trace.files.reduce((sum, file) => sum + blocksOf(file) + file.newPages, 0);
  // A write has two pages of which it stores a part, at most.
  const written = Math.min(blocks, 2 * trace.byKind.write + trace.bytesWritten / PAGE_SIZE);
  const stored = BOOTED_BYTES + (trace.files.length + written) * PAGE_SIZE + blocks * BYTES_OF_MAP_ENTRY;
  // What was written is kept once more, for the disk.
  const kept = written * PAGE_SIZE + trace.columns.count * BYTES_PER_OPERATION;
  return tables + Math.min(memory, stored) + kept;
}

/**
 * Runs the experiment.
 * @throws UserError when the trace's files have no room on a disk or the memory is too small
 * @throws ArgumentError for options that are missing, unknown or out of range
 */
export function runPredict(options: PredictOptions, onProgress: ProgressListener = () => undefined): PredictOutcome {
  checkFunction('onProgress', onProgress);
  checkPredictOptions(options);
  return runInOrder(PREDICT_RUNS, options, onProgress);
}

function openRuns(options: PredictOptions): OpenRuns<PredictRunPart | PagesFound> {
  const { path, trace, withoutBootFiles } = options;
  let disk: DiskSource;
  try {
    disk = traceDisk(trace, withoutBootFiles !== true);
  } catch (error) {
    throw asUserError(path, error);
  }
  const pages = new PageRuns(options);
  let memory: MachineMemory | undefined;
  return {
    disk: { all: disk.all, notices: noticesOf(options), version: disk.version },
    check: () => undefined,
    close: () => undefined,
    run: (index, onRun) => {
      const strategy = options.strategies[index];
      if (strategy === undefined) return pages.run(index - options.strategies.length, onRun);
      try {
        memory ??= new PatternMemory(machineMemoryFor(options.memory), patternBytes());
        const run = new PredictRun({ options, disk, memory }, strategy, onRun);
        const result = run.result();
        return {
          ...result,
          verified: run.found.verified,
          digest: run.digest,
          mismatches: run.found.described.map(({ what }) => ({ strategy, what })),
        };
      } catch (error) {
        throw asUserError(path, error, options.memory);
      }
    },
  };
}

function noticesOf({ trace }: PredictOptions): string[] {
  const partly = trace.files.filter(({ runs }) => runs !== undefined).length;
  return [
    ...(trace.leftOut === 0 ? [] : [`operations left out, because no guest could carry them out: ${trace.leftOut}`]),
    ...(partly === 0
      ? []
      : [`files of which only the pages that the trace touches have blocks, as all together are large: ${partly}`]),
  ];
}

function merge(
  options: PredictOptions,
  disk: DiskSummary,
  all: readonly (PredictRunPart | PagesFound)[],
): PredictOutcome {
  const { trace, pace } = options;
  const runs = options.strategies.length;
  const parts = all.slice(0, runs) as PredictRunPart[];
  const digest = new Digest();
  for (const { digest: hex } of parts) digest.addHex(hex);
  return {
    result: {
      schema: 'stillwarm/predict@1',
      seed: options.seed,
      digest: digest.hex,
      ...profileInResult(options),
      arch: archOf(options),
      ...(options.policy && { policy: options.policy }),
      disk: options.disk,
      ...(options.diskLimit && { diskLimit: options.diskLimit }),
      set: settingsOf(options),
      memory: options.memory,
      backend: options.backend ?? 'partition',
      domain0Cache: domain0CacheOf(options, profileOf(options), options.memory) ?? null,
      format: options.format,
      operations: trace.columns.count,
      byKind: trace.byKind,
      leftOut: trace.leftOut,
      threads: trace.firsts.length,
      depth: trace.depth,
      files: trace.files.length,
      distinctPages: trace.accesses.distinct,
      bytesRead: trace.bytesRead,
      bytesWritten: trace.bytesWritten,
      hasTimes: trace.hasTimes,
      spanNs: Math.round(trace.spanNs),
      pace,
      speed: pace === 'asfast' ? null : options.speed,
      rebootAt: rebootOperation(trace, options.rebootAt),
      prefetchRate: options.prefetchRate ?? null,
      strategies: parts.map(({ result, verified }) => ({ ...result, verified })),
      topFiles: topFiles(options, parts),
      ...new PageRuns(options).result(all.slice(runs) as PagesFound[]),
      fitted: fittedConstants(profileOf(options), OF_THE_HYPERVISOR),
    },
    mismatches: parts.flatMap(({ mismatches }) => mismatches),
    notices: disk.notices,
  };
}

/** The files with the most missing pages after the reboot with the first strategy. */
function topFiles({ trace, strategies }: PredictOptions, parts: readonly PredictRunPart[]): PredictFile[] {
  const { missedOfFile, readOfFile } = parts[0]!;
  const numbers = Array.from(missedOfFile.keys())
    .filter((file) => missedOfFile[file]! > 0)
    .sort((a, b) => missedOfFile[b]! - missedOfFile[a]! || a - b)
    .slice(0, TOP_FILES);
  return numbers.map((file) => ({
    file,
    name: trace.files[file]!.name,
    pagesRead: readOfFile[file]!,
    misses: strategies.map((strategy, n) => ({ strategy, missed: parts[n]!.missedOfFile[file]! })),
  }));
}
