/**
 * `stillwarm vmm-reboot`: reboots of the hypervisor under each strategy, over memory sizes and
 * numbers of guests.
 *
 * Each guest has a partition, all with the same files. All guests read their files twice at the
 * same time, then the hypervisor is rebooted, then they read again. Every byte of a read, and every
 * page that a guest takes over from the one before it, is compared with the medium.
 */

import { GuestPanic } from '../../base/errno.ts';
import { checkFunction } from '../../base/argument-error.ts';
import { UserError } from '../../base/user-error.ts';
import { JoinedImage, partOf } from '../../disk/image/joined-image.ts';
import { MemoryImage } from '../../disk/image/memory-image.ts';
import { OverlayImage } from '../../disk/image/overlay-image.ts';
import { ReusedMemory } from '../../machine/reused-memory.ts';
import { fittedConstants } from '../../machine/profile.ts';
import { type Process } from '../../sim/index.ts';
import { Digest } from '../../sim/digest.ts';
import { readAllFiles, READ_SIZE } from '../../workload/file-reader.ts';
import { saveFileBytes } from '../../xen/index.ts';
import { verifiedInit } from '../guest/boot-reader.ts';
import { asUserError, checkDisk, openDisk, type DiskSource } from '../guest/disk-source.ts';
import { sharedDisk, sharedOf, type SharedDisk } from '../guest/shared-disk.ts';
import { OracleExt2 } from '../judge/oracle-ext2.ts';
import { Verifier, VerifierRecord } from '../judge/verifier.ts';
import { domain0CacheOf, domain0Rest } from '../host/backend.ts';
import { archOf, profileInResult, profileOf, settingsOf } from '../host/profiles.ts';
import type { ProgressListener } from '../guest/progress.ts';
import { runInOrder, type DiskSummary, type OpenRuns, type RunListener, type Runs } from '../guest/runs.ts';
import { machineMemoryFor } from '../host/host.ts';
import { VmmClients } from './clients.ts';
import { WebServers } from './web-servers.ts';
import { VmmMachine, type VmmGuest } from '../host/machine-room.ts';
import { domain0DiskAt, domain0Image } from './domain0-disk.ts';
import { rebootHypervisor } from './reboot.ts';
import { checkOptions, type VmmExperimentOptions } from './options.ts';
import { type VmmStrategyName } from '../host/strategies.ts';
import type { VmmExperimentResult, VmmMeasurement, VmmReading, VmmStrategyResult } from './result.ts';

const MIB = 1 << 20;
/** Memory sizes over which one guest is measured, and numbers of guests of the smallest of them. */
const MEMORY_SERIES: readonly number[] = [256 * MIB, 512 * MIB, 1024 * MIB, 2048 * MIB];
const VMS_SERIES: readonly number[] = [1, 2, 3, 4, 5, 6];
const VMS_SERIES_MEMORY = 256 * MIB;

/** Differences from the disk. */
export interface VmmMismatch {
  readonly vms: number;
  readonly memory: number;
  readonly strategy: VmmStrategyName;
  readonly what: string;
}

export interface VmmExperimentOutcome {
  readonly result: VmmExperimentResult;
  readonly mismatches: readonly VmmMismatch[];
  /** Remarks for the user about files that are not read, a line each. */
  readonly notices: readonly string[];
}

/** What a run asks of the options. */
export type VmmRunOptions = Pick<
  VmmExperimentOptions,
  'seed' | 'profile' | 'constants' | 'arch' | 'disk' | 'limit' | 'backend' | 'domain0Cache' | 'withoutBootFiles'
>;

type MachineSize = Pick<VmmMeasurement, 'vms' | 'memory'>;

/** @internal What one strategy gave on one machine. */
export interface VmmPart {
  readonly result: VmmStrategyResult;
  /** Digest of the run, hexadecimal. */
  readonly digest: string;
  readonly mismatches: readonly VmmMismatch[];
}

/** @internal Each strategy on each machine as a run that does not depend on the others. */
export const VMM_RUNS: Runs<VmmExperimentOptions, VmmPart, VmmExperimentOutcome> = {
  // A migration has a second machine, and a save copies the memory to the disk.
  bytesOf: (options) =>
    runsOf(options).map(({ vms, memory }) => 2 * (machineMemoryFor(vms * memory) + filesOf(options, vms))),
  open: openRuns,
  merge,
};

/**
 * Runs the experiment.
 * @param afterReboot called before the guests read again; for fault experiments
 * @throws UserError when the disk cannot be used or the memory is too small
 * @throws ArgumentError for options that are missing, unknown or out of range
 */
export function runVmmReboot(
  options: VmmExperimentOptions,
  onProgress: ProgressListener = () => undefined,
  afterReboot?: (machine: VmmMachine) => void,
): VmmExperimentOutcome {
  checkFunction('onProgress', onProgress);
  checkFunction('afterReboot', afterReboot, true);
  checkOptions(options);
  const open: (typeof VMM_RUNS)['open'] = (asked, listener) => openRuns(asked, listener, undefined, afterReboot);
  return runInOrder({ ...VMM_RUNS, open }, options, onProgress);
}

function openRuns(
  options: VmmExperimentOptions,
  onProgress: ProgressListener,
  shared?: SharedDisk,
  afterReboot?: (machine: VmmMachine) => void,
): OpenRuns<VmmPart> {
  const disk = shared ? sharedDisk(shared) : openDisk(options.path, options.limit, onProgress, options);
  const asked = runsOf(options);
  const memory = new ReusedMemory();
  return {
    disk: { all: disk.all, notices: disk.notices, version: disk.version },
    shared: sharedOf(disk),
    check: () => checkDisk(options.path, disk),
    close: () => disk.close(),
    run: (index, onRun) => {
      const { strategy, ...size } = asked[index]!;
      try {
        return runVmmStrategy({ options, disk, size, memory }, strategy, onRun, afterReboot);
      } catch (error) {
        if (error instanceof GuestPanic)
          throw new UserError(`--memory ${options.memory}: a guest panics: ${error.message}`);
        throw asUserError(options.path, error);
      }
    },
  };
}

/** @internal */
export interface VmmRunInput {
  readonly options: VmmRunOptions;
  readonly disk: DiskSource;
  readonly size: MachineSize;
  /** Where the machine's is taken from. */
  readonly memory: ReusedMemory;
}

/** @internal One strategy on one machine. */
export function runVmmStrategy(
  input: VmmRunInput,
  strategy: VmmStrategyName,
  onRun: RunListener,
  afterReboot?: (machine: VmmMachine) => void,
): VmmPart {
  const { size } = input;
  const phase = `${size.vms} × ${size.memory / MIB} MiB: ${strategy}`;
  onRun(phase, 0);
  const run = new VmmRun(input, strategy, afterReboot);
  const result = run.result(() => onRun(phase, 0));
  const mismatches = run.found.described.map(({ what }) => ({ ...size, strategy, what }));
  return { result, digest: run.digest, mismatches };
}

function merge(options: VmmExperimentOptions, disk: DiskSummary, parts: readonly VmmPart[]): VmmExperimentOutcome {
  const digest = new Digest();
  for (const { digest: hex } of parts) digest.addHex(hex);
  const { length } = options.strategies;
  return {
    result: {
      schema: 'stillwarm/vmm-reboot@1',
      seed: options.seed,
      digest: digest.hex,
      ...profileInResult(options),
      arch: archOf(options),
      disk: options.disk,
      ...disk.all,
      limit: options.limit,
      backend: options.backend ?? 'partition',
      machines: machineSizes(options).map((size, n) => ({
        ...size,
        domain0Cache: cacheOf(options, size) ?? null,
        strategies: parts.slice(n * length, (n + 1) * length).map(({ result }) => result),
      })),
      set: settingsOf(options),
      fitted: fittedConstants(profileOf(options)),
    },
    mismatches: parts.flatMap(({ mismatches }) => mismatches),
    notices: disk.notices,
  };
}

/** What guests read through domain 0's cache, bytes. */
const filesOf = ({ backend, limit }: VmmExperimentOptions, vms: number): number =>
  backend === 'file' ? vms * limit : 0;

const cacheOf = (options: VmmRunOptions, { vms, memory }: MachineSize): number | undefined =>
  domain0CacheOf(options, profileOf(options), vms * memory);

/** Each strategy on the first machine, then on the next one. */
function runsOf(options: VmmExperimentOptions): (MachineSize & { readonly strategy: VmmStrategyName })[] {
  return machineSizes(options).flatMap((size) => options.strategies.map((strategy) => ({ ...size, strategy })));
}

function machineSizes({ vms, memory, series }: VmmExperimentOptions): MachineSize[] {
  const sizes: MachineSize[] = [{ vms, memory }];
  const add = (size: MachineSize): void => {
    if (!sizes.some((other) => other.vms === size.vms && other.memory === size.memory)) sizes.push(size);
  };
  if (series) {
    for (const each of MEMORY_SERIES) add({ vms: 1, memory: each });
    for (const each of VMS_SERIES) add({ vms: each, memory: VMS_SERIES_MEMORY });
  }
  return sizes;
}

class VmmRun {
  readonly found = new VerifierRecord();
  readonly #afterReboot: ((machine: VmmMachine) => void) | undefined;
  readonly #options: VmmRunOptions;
  readonly #disk: DiskSource;
  readonly #strategy: VmmStrategyName;
  readonly #machine: VmmMachine;
  readonly #clients: VmmClients;
  /** The file that clients ask for. */
  readonly #served: DiskSource['files'][number];
  /** The contents of each guest's partition. */
  readonly #verifiers: readonly Verifier[];

  constructor(
    { options, disk, size, memory: reused }: VmmRunInput,
    strategy: VmmStrategyName,
    afterReboot: ((machine: VmmMachine) => void) | undefined,
  ) {
    this.#afterReboot = afterReboot;
    this.#options = options;
    this.#disk = disk;
    this.#strategy = strategy;
    const { vms, memory } = size;
    const guests = Array.from({ length: vms }, (_, n) => n);
    const image = new JoinedImage([
      ...guests.map(() => new OverlayImage(disk.image)),
      ...guests.map(() => new MemoryImage(saveFileBytes(memory, archOf(options)))),
      ...(options.withoutBootFiles === true ? [] : [new OverlayImage(domain0Image())]),
    ]);
    /** Of the disk that domain 0's services read when it boots, if they do. */
    const domain0Place = image.places[2 * vms];
    const domain0Memory = domain0Rest(profileOf(options), vms * memory);
    const partitions = image.places.slice(0, vms);
    this.#machine = new VmmMachine({
      seed: options.seed,
      profile: profileOf(options),
      arch: options.arch,
      disk: options.disk,
      image,
      partitions,
      saveAreas: image.places.slice(vms, 2 * vms),
      domain0Disk: domain0Place && domain0DiskAt(domain0Place, domain0Memory, () => domain0!),
      memory: reused.take(machineMemoryFor(vms * memory)),
      guestMemory: memory,
      domain0Cache: cacheOf(options, size),
      cmdLine: strategy === 'warm-cache' ? 'cachemap=files' : 'cachemap=all',
      services: new WebServers(),
      inits: guests.map((n) => verifiedInit(disk, () => this.#verifiers[n]!)),
      onReuse: ({ config: { name }, domain, machine }, pfn, ino, index, block) => {
        this.#verifierOf(name).reused(ino, index, pfn, block, machine.memory.frame(domain.frameOf(pfn)));
      },
    });
    // Its name fits into a request.
    this.#served = disk.files.reduce((a, b) => (b.path.length < a.path.length ? b : a));
    this.#clients = new VmmClients(this.#machine, {
      ...this.#served,
      check: (guest, bytes) => this.#verifierOf(guest).sent(this.#served, bytes),
    });
    const { contents } = this.#machine;
    const domain0 =
      domain0Place && new Verifier(new OracleExt2(partOf(contents, domain0Place)), this.found, 'domain 0: ');
    this.#verifiers = partitions.map(
      (place, n) =>
        new Verifier(new OracleExt2(partOf(contents, place)), this.found, `${this.#machine.configs[n]!.name}: `),
    );
  }

  get digest(): string {
    return this.#machine.simulation.digest.hex;
  }

  /** @param onEvents called now and then */
  result(onEvents: () => void): VmmStrategyResult {
    return this.#machine.simulation.runProcess(this.#strategy, this.#main(), onEvents);
  }

  *#main(): Process<VmmStrategyResult> {
    // The first hypervisor is there without a boot. Its domain 0 has what a boot has cached.
    const { domain0Services } = this.#machine;
    if (domain0Services !== undefined) yield* domain0Services.start(0);
    yield* this.#machine.start();
    const first = yield* this.#read();
    const cached = yield* this.#read();
    const reboot = yield* rebootHypervisor(this.#machine, this.#clients, this.#strategy);
    for (const { oracle } of this.#verifiers) oracle.invalidate();
    this.#afterReboot?.(this.#machine);
    const after = yield* this.#read();
    const domain0 = this.#machine.files?.counters ?? null;
    return { ...reboot, reads: { first, cached, after }, domain0, verified: this.found.verified };
  }

  /** All guests read their files. */
  *#read(): Process<VmmReading> {
    const { simulation, configs, guests } = this.#machine;
    const start = simulation.now;
    const before = this.found.bytes;
    const tasks = configs.flatMap(({ name }, n) => {
      const guest = guests.get(name);
      return guest === undefined
        ? []
        : [guest.domain.environment.spawn('read', this.#readIn(guest, this.#verifiers[n]!))];
    });
    for (const task of tasks) yield* task.join();
    simulation.digest.addTime(this.found.bytes);
    return { bytes: this.found.bytes - before, ns: simulation.now - start };
  }

  #readIn({ kernel }: VmmGuest, verifier: Verifier): Process<number> {
    const { files } = this.#disk;
    const buffer = new Uint8Array(READ_SIZE);
    return readAllFiles({
      sys: kernel.syscalls,
      files,
      buffer,
      limit: this.#options.limit,
      onRead: (file, position, length) => verifier.read(files[file]!, position, length, buffer),
      onEnd: (file, position) => verifier.ended(files[file]!, position),
    });
  }

  #verifierOf(guest: string): Verifier {
    return this.#verifiers[this.#machine.configs.findIndex(({ name }) => name === guest)]!;
  }
}
