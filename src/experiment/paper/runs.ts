/**
 * The runs behind the paper's figures. Each is a reboot of the hypervisor under guests, or of a
 * guest that reads a file or serves many. It has constants of its own, and does not depend on the
 * others.
 *
 * Contract: a run and its readings are plain data. A run depends on its job and the seed only. The
 * machine is the paper's, and its files are made up (guest/generated-disk.ts).
 */

import { unreachable } from '../../base/assert.ts';
import { GuestPanic } from '../../base/errno.ts';
import { UserError } from '../../base/user-error.ts';
import { ReusedMemory } from '../../machine/reused-memory.ts';
import type { SlideStrategy } from '../../slides/figures.ts';
import type { DiskSource } from '../guest/disk-source.ts';
import { generatedDisk } from '../guest/generated-disk.ts';
import type { RebootOptions } from '../guest/options.ts';
import type { RunListener, Runs } from '../guest/runs.ts';
import { runStrategy } from '../guest/strategy.ts';
import { machineMemoryFor } from '../host/host.ts';
import { profileOf, type Constants } from '../host/profiles.ts';
import type { StrategyName } from '../host/strategies.ts';
import { runVmmStrategy } from '../vmm/experiment.ts';
import { madeDisk, nameOf } from '../web/made-files.ts';
import type { MadeFiles, WebOptions } from '../web/options.ts';
import type { WebService } from '../web/result.ts';
import { WebRun } from '../web/run.ts';

/** A reboot of the hypervisor under guests that serve. They have read next to nothing. */
export interface VmmRun {
  readonly kind: 'hypervisor';
  readonly vms: number;
  /** Of each, bytes. */
  readonly memory: number;
  readonly strategy: SlideStrategy;
}

/** A reboot of a guest that reads one file twice before it, and twice after it. */
export interface FilesRun {
  readonly kind: 'files';
  /** Bytes. */
  readonly memory: number;
  readonly fileBytes: number;
  readonly strategy: Extract<StrategyName, 'cold' | 'warm-cache' | 'warm-cache+metadata'>;
  /** Bytes of domain 0's page cache, when the disk is a file in it. */
  readonly domain0Cache?: number;
}

/**
 * A reboot of a guest with a web server. In `runs` each of its files is asked for once, twice
 * before it and twice after it. In `service` clients keep asking over it.
 */
export interface ServerRun {
  readonly kind: 'web server';
  readonly part: 'runs' | 'service';
  /** Bytes. */
  readonly memory: number;
  readonly files: MadeFiles;
  readonly strategy: Extract<StrategyName, 'cold' | 'warm-cache'>;
}

export type PaperRun = VmmRun | FilesRun | ServerRun;

/** A run on the paper's machine with other values for some constants. */
export interface PaperJob {
  readonly run: PaperRun;
  readonly constants: Constants;
}

/**
 * What a run's figures are worked out from, by name: times in virtual ns, and of a service the
 * shares that it lost.
 */
export type Readings = Readonly<Record<string, number>>;

/** What a run gave. */
export interface PaperPart {
  readonly readings: Readings;
  /** Of a run `service`. */
  readonly service?: WebService;
  /** Digest of the run, hexadecimal. */
  readonly digest: string;
  readonly verified: { readonly pages: number; readonly bytes: number; readonly mismatches: number };
  /** What differed from the disk, a line each. */
  readonly mismatches: readonly string[];
}

export interface PaperBatch {
  readonly seed: number;
  readonly jobs: readonly PaperJob[];
}

export const PAPER_PROFILE = 'pentium4-2006';
/** What clients of a web server ask for, bytes: reboots of the hypervisor need no more. */
const SERVED_BYTES = 65_536;
/** How the web server is asked: a later paper is remembered so (slides/figures.ts). */
const WEB: Omit<WebOptions, 'memory' | 'seed' | 'constants' | 'sizes' | 'strategies'> = {
  ...{ path: '', profile: PAPER_PROFILE, disk: 'profile', limit: undefined, crash: false },
  ...{ workers: 150, sending: 'sendfile', connections: 10, timeout: 5, order: 'once', alpha: 1 },
  ...{ loop: 'closed', think: 0, rate: 1, arrivals: 'constant', prefetchRate: undefined },
  // The slides' longest loss lasts 33 s from the return of the service.
  ...{ before: 3, after: 36 },
};

/** @internal The jobs of a batch, as runs that do not depend on each other. */
export const PAPER_RUNS: Runs<PaperBatch, PaperPart, readonly PaperPart[]> = {
  bytesOf: ({ jobs }) =>
    jobs.map(({ run }) => {
      if (run.kind === 'hypervisor') return 2 * machineMemoryFor(run.vms * run.memory);
      return machineMemoryFor(run.memory);
    }),
  open: ({ seed, jobs }) => {
    const disks = new Map<number, DiskSource>();
    let served: { readonly name: string; readonly disk: DiskSource } | undefined;
    const servedDisk = (files: MadeFiles): DiskSource => {
      const name = nameOf(files);
      if (served?.name !== name) served = { name, disk: madeDisk(files, true) };
      return served.disk;
    };
    const diskOf = (bytes: number): DiskSource => {
      const disk = disks.get(bytes) ?? generatedDisk(1, bytes);
      disks.set(bytes, disk);
      return disk;
    };
    const memory = new ReusedMemory();
    return {
      // Disks are made up, so all threads have the same.
      disk: { all: { files: 0, bytes: 0 }, notices: [], version: '' },
      check: () => undefined,
      close: () => undefined,
      run: (index, onRun) => {
        const { run, constants } = jobs[index]!;
        try {
          switch (run.kind) {
            case 'hypervisor':
              return vmmPart(run, seed, constants, diskOf(SERVED_BYTES), memory, onRun);
            case 'files':
              return filesPart(run, seed, constants, diskOf(run.fileBytes), memory, onRun);
            case 'web server':
              return serverPart(run, seed, constants, servedDisk(run.files), memory, onRun);
            default:
              return unreachable(run);
          }
        } catch (error) {
          if (error instanceof GuestPanic) throw new UserError(`a guest panics: ${error.message}`);
          throw error;
        }
      },
    };
  },
  merge: (_, __, parts) => parts,
};

function vmmPart(
  run: VmmRun,
  seed: number,
  constants: Constants,
  disk: DiskSource,
  reused: ReusedMemory,
  onRun: RunListener,
): PaperPart {
  const { vms, memory, strategy } = run;
  const options = { seed, profile: PAPER_PROFILE, constants, disk: 'profile', limit: SERVED_BYTES } as const;
  const { result, digest, mismatches } = runVmmStrategy(
    { options, disk, size: { vms, memory }, memory: reused },
    strategy,
    onRun,
  );
  const { stopNs, startNs, guests, verified } = result;
  const downtimeNs = Math.max(...guests.map((guest) => guest.downtimeNs));
  return {
    readings: { stopNs, startNs, downtimeNs },
    digest,
    verified,
    mismatches: mismatches.map(({ what }) => what),
  };
}

function filesPart(
  run: FilesRun,
  seed: number,
  constants: Constants,
  disk: DiskSource,
  reused: ReusedMemory,
  onRun: RunListener,
): PaperPart {
  const { memory, strategy } = run;
  const options: RebootOptions = {
    ...{ path: '', memory, seed, constants, disk: 'profile', profile: PAPER_PROFILE, strategies: [strategy] },
    ...{ workload: 'files', limit: undefined, crash: false, checksum: false, dumpMemory: undefined },
  };
  const machine = reused.take(machineMemoryFor(memory));
  const { result, digest, mismatches } = runStrategy(
    { options, profile: profileOf(options), disk, domain0Cache: run.domain0Cache, memory: machine },
    strategy,
    ({ phase, done, total }) => onRun(phase, done / total),
  );
  const [firstBefore, secondBefore, first, second] = result.runs.map(({ ns }) => ns);
  return {
    readings: { firstBeforeNs: firstBefore!, secondBeforeNs: secondBefore!, firstNs: first!, secondNs: second! },
    digest,
    verified: result.verified,
    mismatches: mismatches.map(({ what }) => what),
  };
}

function serverPart(
  run: ServerRun,
  seed: number,
  constants: Constants,
  disk: DiskSource,
  reused: ReusedMemory,
  onRun: RunListener,
): PaperPart {
  const { memory, files: sizes, strategy, part } = run;
  const options: WebOptions = { ...WEB, memory, seed, constants, sizes, strategies: [strategy] };
  const machine = reused.take(machineMemoryFor(memory));
  const web = new WebRun({ options, disk, files: disk.files, memory: machine }, strategy, onRun);
  const service = part === 'service' ? web.service() : undefined;
  return {
    readings: service === undefined ? runReadings(web) : serviceReadings(service),
    ...(service !== undefined && { service }),
    digest: web.digest,
    verified: web.found.verified,
    mismatches: web.found.described.map(({ what }) => what),
  };
}

function runReadings(web: WebRun): Readings {
  const [firstBefore, secondBefore, first, second] = web.runs().runs.map(({ ns }) => ns);
  return { firstBeforeNs: firstBefore!, secondBeforeNs: secondBefore!, firstNs: first!, secondNs: second! };
}

/** Those that there are. */
function serviceReadings({ loss: { first20s, first33s }, returnNs, until90Ns }: WebService): Readings {
  return {
    ...(first20s !== null && { lost20: first20s }),
    ...(first33s !== null && { lost33: first33s }),
    ...(returnNs !== null && until90Ns !== null && { recoveryNs: until90Ns - returnNs }),
  };
}
