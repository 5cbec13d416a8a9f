/**
 * The guest kernel: boot, shutdown, crash.
 *
 * Boot (init/main.c) goes in this order:
 * - start_info is parsed and checked;
 * - memory is initialised, after the pages kept from before the reboot are taken out;
 * - the block front-end connects;
 * - kswapd and pdflush start;
 * - the root file system is mounted;
 * - services start.
 *
 * Shutdown stops the services and remounts the root read-only: all is written, and its cache is
 * kept. Then the hypervisor learns what still waits to be told. A crash flushes nothing.
 *
 * A kernel learns what it knows from its start-info page, its memory and its disk. The kernel
 * before hands it nothing.
 */

import { checkFunction, checkObject, checkOneOf } from '../base/argument-error.ts';
import { type ErrnoName, ModelError } from '../base/errno.ts';
import { Ns } from '../base/units.ts';
import type { Process } from '../sim/index.ts';
import { ShutdownReason, Virq, type GuestEnvironment } from '../xen/public/index.ts';
import { bootCache, type Cache } from './boot/cache.ts';
import { bootDevices, type Devices } from './boot/devices.ts';
import { bootFiles, type Files } from './boot/files.ts';
import { bootMemory, type BootMemory } from './boot/memory.ts';
import { FileCacheEnvironment } from './cache/file-cache-memory.ts';
import type { ReuseObserver } from './cache/preserved-pages.ts';
import { tellRecency } from './cache/recency.ts';
import { parseCommandLine } from './command-line.ts';
import type { KernelCosts } from './costs.ts';
import { KernelLog, type KernelMessage } from './log.ts';
import type { MemoryManagement } from './mm/mm.ts';
import { initContext, type InitProcess } from './boot/services.ts';
import { parseStartInfo } from './boot/start-info.ts';
import type { Syscalls } from './syscall/syscalls.ts';
import { ShutdownWatch } from './xen/shutdown-watch.ts';

/** Figures of a running kernel. */
export interface KernelStats {
  /** Pages of files that were read from the disk. */
  readonly dataPagesRead: number;
  /** Blocks of the file system that were read from the disk. */
  readonly metadataPagesRead: number;
  /** Pages that were taken over from before the reboot. */
  readonly pagesReused: number;
  /** Pages from before the reboot that are not claimed yet. */
  readonly pagesUnclaimed: number;
  /** Pages in the page cache. */
  readonly pagesCached: number;
  /** Pages of dentries and inodes. */
  readonly pagesSlab: number;
  /** Names in the dentry cache. */
  readonly dentries: number;
  /** Inodes in memory. */
  readonly inodes: number;
  /** Free pages. */
  readonly pagesFree: number;
  /** Pages that the balloon driver has given back to the hypervisor. */
  readonly pagesBallooned: number;
  /** Pages that reclaim has freed. */
  readonly pagesReclaimed: number;
  /** Pages that were written to the disk. */
  readonly pagesWritten: number;
  /** Writes of a page that have failed. */
  readonly pagesLost: number;
  /** Pages that are newer than their block. */
  readonly pagesDirty: number;
  /** How many suspensions it has come back from. */
  readonly suspensions: number;
  /** Transactions committed since the mount. */
  readonly commits: number;
  /** Frames that found the queue of the network interface full, and were lost. */
  readonly framesDropped: number;
}

/** What a boot took, from the kernel's first instruction until the services run. */
export interface BootStats {
  /** Virtual ns. */
  readonly ns: number;
  /** Bytes that the services read to start. */
  readonly bytes: number;
  /** Pages of files and blocks of the file system that were read from the disk. */
  readonly pagesRead: number;
  /** Pages that were taken over from before the reboot. */
  readonly pagesReused: number;
}

/** What a booted kernel is made of. */
interface KernelParts {
  readonly env: GuestEnvironment;
  readonly costs: KernelCosts;
  readonly log: KernelLog;
  readonly memory: BootMemory;
  readonly devices: Devices;
  readonly cache: Cache;
  readonly files: Files;
  readonly init: InitProcess | undefined;
  readonly bootStats: BootStats;
}

/** A guest kernel. Made by `Kernel.boot`. */
export class Kernel {
  /** Its system calls. */
  readonly syscalls: Syscalls;
  /** Its memory management. */
  readonly mm: MemoryManagement;
  readonly #parts: KernelParts;

  private constructor(parts: KernelParts) {
    this.#parts = parts;
    this.mm = parts.memory.mm;
    this.syscalls = parts.files.syscalls;
  }

  /**
   * Boots a guest. Throws GuestPanic when start_info makes no sense or memory is too small. Throws
   * ModelError EINVAL when the root cannot be mounted, EIO when it cannot be read.
   * @param onReuse called for every page taken over from before the reboot
   * @param init starts and stops the services; without it, they take their constants of time
   */
  static *boot(
    environment: GuestEnvironment,
    costs: KernelCosts,
    onReuse?: ReuseObserver,
    init?: InitProcess,
  ): Process<Kernel> {
    checkObject('environment', environment, 'memory', 'hypercalls', 'xenstore');
    checkObject('costs', costs, 'syscallNs', 'bootKernelNs');
    checkFunction('onReuse', onReuse, true);
    if (init !== undefined) checkObject('init', init, 'start', 'stop');
    const startedAt = environment.now;
    const parameters = parseStartInfo(environment);
    const options = parseCommandLine(parameters.cmdLine);
    const env = options.registersDirtyPages ? new FileCacheEnvironment(environment) : environment;
    const log = new KernelLog(env.cpu);
    const memory = bootMemory(env, parameters, options, onReuse);
    const devices = yield* bootDevices(env, costs, log, memory, parameters);
    const cache = bootCache(env, costs, log, memory, devices, options);
    yield costs.bootKernelNs;
    const files = yield* bootFiles({
      programs: environment,
      env,
      costs,
      log,
      memory,
      devices,
      cache,
      parameters,
      options,
    });
    devices.sockets.bringUp();
    yield* env.cpu.settle();
    let bytes = 0;
    if (init === undefined) yield* env.compute(Ns(costs.bootServicesNs));
    else bytes = yield* init.start(initContext(env, log, files.syscalls), costs.bootServicesNs);
    const { counts } = cache.io;
    const bootStats = {
      ns: env.now - startedAt,
      bytes,
      pagesRead: counts.data + counts.metadata,
      pagesReused: memory.preserved.reused,
    };
    const kernel = new Kernel({ env, costs, log, memory, devices, cache, files, init, bootStats });
    const { suspension, events } = devices;
    const watch = new ShutdownWatch(env, suspension, kernel);
    suspension.add(watch);
    events.bind(env.hypercalls.eventChannels.bindVirq(Virq.suspend), () => {
      env.spawn('suspend', suspension.run());
    });
    yield* watch.connect();
    suspension.add(cache.balloon);
    yield* cache.balloon.connect();
    return kernel;
  }

  /**
   * Orderly reboot, or power off: the domain is shut down when this returns, and the kernel must
   * not be used again. What cannot be written does not keep it from stopping, as in 2.6.12.
   * @returns EIO when something that was dirty did not reach the medium; undefined when everything
   * did
   */
  *shutdown(reason: ShutdownReason = ShutdownReason.reboot): Process<ErrnoName | undefined> {
    checkOneOf('reason', reason, Object.values(ShutdownReason));
    const { env, costs, log, memory, cache, files, init } = this.#parts;
    const { writeback } = cache;
    const { fs } = files;
    if (init === undefined) yield Ns(costs.shutdownServicesNs + costs.killWaitNs);
    else {
      yield* init.stop(initContext(env, log, this.syscalls), costs.shutdownServicesNs);
      yield Ns(costs.killWaitNs);
    }
    const lostBefore = writeback.pagesLost;
    const exited = yield* unlessFails(this.syscalls.exit());
    const mustFlush = fs.isChanged || writeback.nrDirtyMappings > 0;
    const flushed = mustFlush ? yield* unlessFails(fs.remountReadOnly()) : true;
    tellRecency(memory.mm, env.hypercalls, memory.names);
    yield* env.cpu.settle();
    env.hypercalls.shutdown(reason);
    return exited && flushed && writeback.pagesLost === lostBefore ? undefined : 'EIO';
  }

  /** The kernel dies where it stands: nothing is flushed and nothing is told. */
  crash(): void {
    this.#parts.env.hypercalls.shutdown(ShutdownReason.crash);
  }

  /** What the kernel said last when it gave up after a suspension; undefined when it did not. */
  get panic(): string | undefined {
    return this.#parts.devices.panic.message;
  }

  /**
   * dmesg: the last 256 messages of this kernel, the oldest first. What an error of the file system
   * was is among them. Readable also after its end.
   */
  get messages(): readonly KernelMessage[] {
    return this.#parts.log.messages;
  }

  /** Messages that came before those and were forgotten. */
  get messagesDropped(): number {
    return this.#parts.log.dropped;
  }

  /**
   * Whether the disk lacks something that was changed in memory: pages, inodes, or a transaction.
   */
  get isAheadOfDisk(): boolean {
    const { cache, files } = this.#parts;
    return this.mm.cache.nrDirty > 0 || cache.writeback.nrDirtyMappings > 0 || files.fs.hasUncommitted;
  }

  /** What its boot took. */
  get bootStats(): BootStats {
    return this.#parts.bootStats;
  }

  /** Figures of now. */
  get stats(): KernelStats {
    const { mm } = this;
    const { memory, devices, cache, files } = this.#parts;
    return {
      dataPagesRead: cache.io.counts.data,
      metadataPagesRead: cache.io.counts.metadata,
      pagesReused: memory.preserved.reused,
      pagesUnclaimed: memory.preserved.unclaimed,
      pagesCached: mm.cache.nrPages,
      pagesSlab: files.dentrySlab.nrPages + files.inodeSlab.nrPages,
      dentries: files.dentrySlab.nrObjects,
      inodes: files.inodeSlab.nrObjects,
      pagesFree: mm.allocator.freeCount,
      pagesBallooned: cache.balloon.nrPages,
      pagesReclaimed: mm.reclaim.reclaimed,
      pagesWritten: cache.writeback.pagesWritten,
      pagesLost: cache.writeback.pagesLost,
      pagesDirty: mm.cache.nrDirty,
      suspensions: devices.suspension.count,
      commits: files.fs.commits,
      framesDropped: devices.sockets.dropped,
    };
  }
}

/** Runs a process; returns whether it has ended without an error of the modelled world. */
function* unlessFails(process: Process): Process<boolean> {
  try {
    yield* process;
    return true;
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    return false;
  }
}
