/**
 * The runs behind the paper's figures. Each is a reboot of the hypervisor under guests, or of a
 * guest that reads a file. It has constants of its own, and does not depend on the others.
 *
 * Contract: a run and its readings are plain data. A run depends on its job and the seed only. The
 * machine is the paper's, and its files are made up (guest/generated-disk.ts).
 */

import { unreachable } from '../../base/assert.ts';
import { GuestPanic } from '../../base/errno.ts';
import { UserError } from '../../base/user-error.ts';
import { MachineMemory } from '../../machine/memory.ts';
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
}

export type PaperRun = VmmRun | FilesRun;

/** A run on the paper's machine with other values for some constants. */
export interface PaperJob {
  readonly run: PaperRun;
  readonly constants: Constants;
}

/** Times of a run by name, virtual ns: what its figures are worked out from. */
export type Readings = Readonly<Record<string, number>>;

/** What a run gave. */
export interface PaperPart {
  readonly readings: Readings;
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

/** @internal The jobs of a batch, as runs that do not depend on each other. */
export const PAPER_RUNS: Runs<PaperBatch, PaperPart, readonly PaperPart[]> = {
  bytesOf: ({ jobs }) =>
    jobs.map(({ run }) =>
      run.kind === 'hypervisor' ? 2 * machineMemoryFor(run.vms * run.memory) : machineMemoryFor(run.memory),
    ),
  open: ({ seed, jobs }) => {
    const disks = new Map<number, DiskSource>();
    const diskOf = (bytes: number): DiskSource => {
      const disk = disks.get(bytes) ?? generatedDisk(1, bytes);
      disks.set(bytes, disk);
      return disk;
    };
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
              return vmmPart(run, seed, constants, diskOf(SERVED_BYTES), onRun);
            case 'files':
              return filesPart(run, seed, constants, diskOf(run.fileBytes), onRun);
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

function vmmPart(run: VmmRun, seed: number, constants: Constants, disk: DiskSource, onRun: RunListener): PaperPart {
  const { vms, memory, strategy } = run;
  const options = { seed, profile: PAPER_PROFILE, constants, disk: 'profile', limit: SERVED_BYTES } as const;
  const { result, digest, mismatches } = runVmmStrategy(options, disk, { vms, memory }, strategy, onRun);
  const { stopNs, startNs, guests, verified } = result;
  const downtimeNs = Math.max(...guests.map((guest) => guest.downtimeNs));
  return {
    readings: { stopNs, startNs, downtimeNs },
    digest,
    verified,
    mismatches: mismatches.map(({ what }) => what),
  };
}

function filesPart(run: FilesRun, seed: number, constants: Constants, disk: DiskSource, onRun: RunListener): PaperPart {
  const { memory, strategy } = run;
  const options: RebootOptions = {
    ...{ path: '', memory, seed, constants, disk: 'profile', profile: PAPER_PROFILE, strategies: [strategy] },
    ...{ workload: 'files', limit: undefined, crash: false, checksum: false, dumpMemory: undefined },
  };
  const machine = new MachineMemory(machineMemoryFor(memory));
  const { result, digest, mismatches } = runStrategy(
    { options, profile: profileOf(options), disk, domain0Cache: undefined, memory: machine },
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
