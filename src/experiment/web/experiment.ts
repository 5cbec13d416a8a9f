/**
 * `stillwarm web`: a web server over a reboot of its guest, with each strategy. A strategy is two
 * runs that do not depend on each other: the service over the reboot, and the files before and
 * after it (run.ts). Each has a disk with the same files, and a machine whose memory is cleared in
 * between.
 */

import { checkFunction } from '../../base/argument-error.ts';
import { MachineMemory } from '../../machine/memory.ts';
import { fittedConstants } from '../../machine/profile.ts';
import { Digest } from '../../sim/digest.ts';
import { asUserError, checkDisk, KEPT_BYTES, openDisk, type DiskSource } from '../guest/disk-source.ts';
import { sharedDisk, sharedOf, type SharedDisk } from '../guest/shared-disk.ts';
import type { ProgressListener } from '../guest/progress.ts';
import { OF_THE_HYPERVISOR } from '../guest/options.ts';
import { runInOrder, type DiskSummary, type OpenRuns, type Runs } from '../guest/runs.ts';
import { machineMemoryFor } from '../host/host.ts';
import { domain0CacheOf } from '../host/backend.ts';
import { archOf, profileInResult, profileOf, settingsOf } from '../host/profiles.ts';
import type { StrategyName } from '../host/strategies.ts';
import type { OracleFile } from '../judge/oracle-ext2.ts';
import type { VerifierRecord } from '../judge/verifier.ts';
import { madeDisk } from './made-files.ts';
import { checkWebOptions, type WebOptions } from './options.ts';
import type { WebResult, WebService, WebStrategyResult } from './result.ts';
import { WebRun } from './run.ts';

/** A page or bytes that differ from the disk. */
export interface WebMismatch {
  readonly strategy: StrategyName;
  readonly what: string;
}

export interface WebOutcome {
  readonly result: WebResult;
  /** Empty when every page and every byte was equal to the disk's. */
  readonly mismatches: readonly WebMismatch[];
  /** Remarks for the user about files that are not served and the list of a boot, a line each. */
  readonly notices: readonly string[];
}

/** What one run gave: the service, or the files before and after. */
interface WebPart {
  readonly service?: WebService;
  readonly measured?: Pick<WebStrategyResult, 'runs' | 'pages'>;
  readonly served: number;
  readonly verified: VerifierRecord['verified'];
  /** Digest of the run, hexadecimal. */
  readonly digest: string;
  readonly mismatches: readonly WebMismatch[];
  /** What init has said of its lists. */
  readonly saidByInit: readonly string[];
}

/** Runs of a strategy, in the order of the list. */
const KINDS = ['service', 'runs'] as const;

/** @internal Each strategy as two runs that do not depend on each other. */
export const WEB_RUNS: Runs<WebOptions, WebPart, WebOutcome> = {
  bytesOf: ({ strategies, memory }) => strategies.flatMap(() => KINDS.map(() => machineMemoryFor(memory) + KEPT_BYTES)),
  open: openRuns,
  merge,
};

/**
 * Runs the experiment.
 * @throws UserError when the disk cannot be used or the memory is too small
 * @throws ArgumentError for options that are missing, unknown or out of range
 */
export function runWeb(options: WebOptions, onProgress: ProgressListener = () => undefined): WebOutcome {
  checkFunction('onProgress', onProgress);
  checkWebOptions(options);
  return runInOrder(WEB_RUNS, options, onProgress);
}

function openRuns(options: WebOptions, onProgress: ProgressListener, shared?: SharedDisk): OpenRuns<WebPart> {
  const { path, limit } = options;
  const disk = shared ? sharedDisk(shared) : diskOf(options, onProgress);
  const files = filesOf(disk, limit);
  let memory: MachineMemory | undefined;
  return {
    disk: { all: disk.all, notices: disk.notices, version: disk.version },
    shared: sharedOf(disk),
    check: () => checkDisk(path, disk),
    close: () => disk.close(),
    run: (index, onRun) => {
      const strategy = options.strategies[Math.floor(index / KINDS.length)]!;
      try {
        memory ??= new MachineMemory(machineMemoryFor(options.memory));
        const run = new WebRun({ options, disk, files, memory }, strategy, onRun);
        const part = index % KINDS.length === 0 ? { service: run.service() } : { measured: run.runs() };
        return {
          ...part,
          served: files.length,
          verified: run.found.verified,
          digest: run.digest,
          mismatches: run.found.described.map(({ what }) => ({ strategy, what })),
          saidByInit: run.saidByInit,
        };
      } catch (error) {
        throw asUserError(path, error, options.memory);
      }
    },
  };
}

function diskOf(options: WebOptions, onProgress: ProgressListener): DiskSource {
  const { path, limit, sizes } = options;
  return sizes === undefined
    ? openDisk(path, limit, onProgress, options)
    : madeDisk(sizes, options.withoutBootFiles !== true);
}

/** Files that are asked for: whole ones, as far as the limit reaches, and one at least. */
function filesOf({ files }: DiskSource, limit = Infinity): readonly OracleFile[] {
  let bytes = 0;
  const end = files.findIndex(({ size }) => (bytes += size) > limit);
  return end < 0 ? files : files.slice(0, Math.max(1, end));
}

function merge(options: WebOptions, disk: DiskSummary, parts: readonly WebPart[]): WebOutcome {
  const digest = new Digest();
  for (const { digest: hex } of parts) digest.addHex(hex);
  const isOpen = options.loop === 'open';
  return {
    result: {
      schema: 'stillwarm/web@1',
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
      crash: options.crash,
      ...disk.all,
      served: parts[0]!.served,
      workers: options.workers,
      send: options.sending,
      connections: options.connections,
      loop: options.loop,
      rate: isOpen ? options.rate : null,
      arrivals: isOpen ? options.arrivals : null,
      thinkNs: isOpen ? null : Math.round(options.think * 1e9),
      timeoutNs: Math.round(options.timeout * 1e9),
      order: options.order,
      alpha: options.order === 'zipf' ? options.alpha : null,
      prefetchRate: options.prefetchRate ?? null,
      before: options.before,
      after: options.after,
      strategies: options.strategies.map((name, n) =>
        strategyOf(name, parts.slice(n * KINDS.length, (n + 1) * KINDS.length)),
      ),
      fitted: fittedConstants(profileOf(options), OF_THE_HYPERVISOR),
    },
    mismatches: parts.flatMap(({ mismatches }) => mismatches),
    notices: [...disk.notices, ...new Set(parts.flatMap(({ saidByInit }) => saidByInit))],
  };
}

function strategyOf(name: StrategyName, parts: readonly WebPart[]): WebStrategyResult {
  const [{ service }, { measured }] = parts as [WebPart, WebPart];
  const sum = (figure: keyof WebPart['verified']): number =>
    parts.reduce((total, { verified }) => total + verified[figure], 0);
  return {
    name,
    service: service!,
    ...measured!,
    verified: { pages: sum('pages'), bytes: sum('bytes'), mismatches: sum('mismatches') },
  };
}
