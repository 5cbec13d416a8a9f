/**
 * The guest kernel: boot, shutdown, crash.
 *
 * Boot (init/main.c): start_info is parsed and checked; memory is initialised, the pages kept from before the reboot
 * taken out before the first allocation; the block front-end connects; kswapd and pdflush start; the root file system
 * is mounted; services start. Shutdown: services stop, the root is remounted read-only (all is written, its cache
 * kept), what was not yet told to the hypervisor is told. A crash flushes nothing.
 *
 * A kernel learns what it knows from its start-info page, its memory and its disk; nothing is handed to it from the
 * kernel before it.
 */

import { counted } from '../base/counted.ts';
import { checkFunction, checkObject, checkOneOf } from '../base/argument-error.ts';
import { archOfCode } from '../base/arch.ts';
import { assert } from '../base/assert.ts';
import { crc32c } from '../base/crc32c.ts';
import { type ErrnoName, GuestPanic, ModelError } from '../base/errno.ts';
import { getField, overlongField, reservedIsZero } from '../base/layout.ts';
import { decodeText } from '../base/text.ts';
import { Ns, PAGE_SIZE, pagesOf, Pfn } from '../base/units.ts';
import type { Process, Task } from '../sim/index.ts';
import {
  CMD_LINE_BYTES,
  NR_GRANT_FRAMES,
  SHUTDOWN_NODE,
  ShutdownReason,
  START_INFO,
  START_INFO_MAGIC,
  START_INFO_PFN,
  START_INFO_VERSION,
  VIF_FRONTEND,
  Virq,
  type GuestEnvironment,
} from '../xen/public/index.ts';
import { BlockFront } from './block/blkfront.ts';
import { Balloon } from './cache/balloon.ts';
import { BlockQueue } from './block/block-queue.ts';
import { CacheMap, type ReuseObserver } from './cache/cache-map.ts';
import { parseCommandLine } from './command-line.ts';
import type { KernelCosts } from './costs.ts';
import { DentryCache } from './fs/dcache.ts';
import { DirtyRegistry } from './cache/dirty-registry.ts';
import { Ext2 } from './fs/ext2/ext2.ts';
import type { Ext2Inode } from './fs/ext2/inode-info.ts';
import type { FileSystem } from './fs/file-system.ts';
import { InodeCache } from './fs/inode.ts';
import { Namespace } from './file/namespace.ts';
import { EventChannels } from './xen/evtchn.ts';
import { FileCacheEnvironment } from './cache/file-cache-memory.ts';
import { FileMap } from './file/filemap.ts';
import { FileWrite } from './file/filemap-write.ts';
import { Writeback } from './cache/fs-writeback.ts';
import { GrantTable } from './xen/gnttab.ts';
import { NO_PAGE, PG } from './mm/mem-map.ts';
import { MemoryManagement } from './mm/mm.ts';
import { MemoryMaps } from './file/mmap.ts';
import { NETFRONT_PAGES, NetFront } from './net/netfront.ts';
import { PathWalker } from './file/namei.ts';
import { PageIo } from './cache/page-io.ts';
import { DirtyLimits } from './cache/page-writeback.ts';
import { RA_MAX } from './mm/readahead.ts';
import { Sockets } from './net/socket.ts';
import { Suspension } from './xen/suspend.ts';
import { Syscalls } from './syscall/syscalls.ts';
import { DENTRIES_PER_PAGE, INODES_PER_PAGE, SlabCache } from './cache/slab.ts';

/** mem_map and the page cache's buckets, in bytes a page: taken from memory at boot. */
const MEM_MAP_BYTES_PER_PAGE = 38;

/** What start_info told. */
interface BootParameters {
  readonly nrPages: number;
  readonly bootPages: number;
  readonly preservedPfn: number;
  readonly preservedCount: number;
  readonly sharedInfoPfn: number;
  readonly grantTablePfn: number;
  readonly modulePfn: number;
  readonly moduleBytes: number;
  readonly cmdLine: string;
}

/** Figures of a running kernel. */
export interface KernelStats {
  readonly dataPagesRead: number;
  readonly metadataPagesRead: number;
  readonly pagesReused: number;
  readonly pagesUnclaimed: number;
  readonly pagesCached: number;
  /** Pages of dentries and inodes. */
  readonly pagesSlab: number;
  readonly dentries: number;
  readonly inodes: number;
  readonly pagesFree: number;
  /** Pages that the balloon driver has given back to the hypervisor. */
  readonly pagesBallooned: number;
  readonly pagesReclaimed: number;
  readonly pagesWritten: number;
  /** Writes of a page that have failed. */
  readonly pagesLost: number;
  readonly pagesDirty: number;
  /** Suspensions that it has come back from. */
  readonly suspensions: number;
  /** Transactions committed since the mount. */
  readonly commits: number;
}

export class Kernel {
  readonly syscalls: Syscalls;
  readonly mm: MemoryManagement;
  readonly #env: GuestEnvironment;
  readonly #costs: KernelCosts;
  readonly #io: PageIo;
  readonly #writeback: Writeback;
  readonly #cacheMap: CacheMap;
  readonly #fs: FileSystem;
  readonly #dentrySlab: SlabCache;
  readonly #inodeSlab: SlabCache;
  readonly #suspension: Suspension;
  readonly #balloon: Balloon;
  /** The watch of the shutdown node has fired since the node was last read. */
  #isAsked = false;
  /** What serves the requests of that node, and whether it is talking to the store. */
  #xenwatch: Task | undefined;
  #isTalking = false;
  #panic: string | undefined;

  private constructor(
    env: GuestEnvironment,
    costs: KernelCosts,
    mm: MemoryManagement,
    io: PageIo,
    writeback: Writeback,
    cacheMap: CacheMap,
    fs: FileSystem,
    dentrySlab: SlabCache,
    inodeSlab: SlabCache,
    suspension: Suspension,
    balloon: Balloon,
    syscalls: Syscalls,
  ) {
    this.#env = env;
    this.#costs = costs;
    this.mm = mm;
    this.#io = io;
    this.#writeback = writeback;
    this.#cacheMap = cacheMap;
    this.#fs = fs;
    this.#dentrySlab = dentrySlab;
    this.#inodeSlab = inodeSlab;
    this.#suspension = suspension;
    this.#balloon = balloon;
    this.syscalls = syscalls;
  }

  /**
   * Boots a guest.
   * Throws GuestPanic when start_info makes no sense or memory is too small; ModelError EINVAL when the root cannot be
   * mounted, EIO when it cannot be read.
   * @param onReuse told of every page taken over from before the reboot
   */
  static *boot(environment: GuestEnvironment, costs: KernelCosts, onReuse?: ReuseObserver): Process<Kernel> {
    checkObject('environment', environment, 'memory', 'hypercalls', 'xenstore');
    checkObject('costs', costs, 'syscallNs', 'bootKernelNs');
    checkFunction('onReuse', onReuse, true);
    const parameters = parseStartInfo(environment);
    const { naming, registersDirtyPages: hasRegistry, expireSeconds } = parseCommandLine(parameters.cmdLine);
    const env = hasRegistry ? new FileCacheEnvironment(environment) : environment;
    const cacheMap = new CacheMap(env.hypercalls, onReuse);
    const mm = new MemoryManagement(parameters.nrPages, cacheMap, cacheMap);
    const kernelPages = initMemory(env, mm, cacheMap, parameters);
    const queue = new BlockQueue(env);
    const io = new PageIo(env, costs, mm, cacheMap, queue);
    const writeback = new Writeback(env, costs, mm, io, queue);
    const limits = new DirtyLimits(env, mm, queue, writeback);
    io.nap = (pages) => limits.nap(pages);
    const ring = reservePage(mm, 'no page is free for the block ring');
    const events = new EventChannels(env, Pfn(parameters.sharedInfoPfn));
    const grants = new GrantTable(env, Pfn(parameters.grantTablePfn));
    const front = new BlockFront(env, events, grants, ring, costs.interruptNs, queue.dispatch);
    yield* front.connect();
    queue.attach(front);
    const suspension = new Suspension(env, costs, events, grants, kernelPages, (message) => {
      kernel.#panic = message;
      kernel.crash();
    });
    suspension.add(front);
    const network = yield* connectNetwork(env, costs, mm, events, grants);
    if (network !== undefined) suspension.add(network);
    const balloon = new Balloon(env, costs, mm, io);
    env.spawn('kswapd', io.kswapd());
    limits.start();
    if (expireSeconds > 0 && cacheMap.unclaimed > 0) env.spawn('expire', expireUnclaimed(env, cacheMap, expireSeconds));
    yield costs.bootKernelNs;
    const inodeSlab = new SlabCache(mm, io, INODES_PER_PAGE);
    const dentrySlab = new SlabCache(mm, io, DENTRIES_PER_PAGE);
    const dentries = new DentryCache(dentrySlab);
    const inodes = new InodeCache<Ext2Inode>(mm, inodeSlab);
    mm.reclaim.addShrinker(dentries);
    mm.reclaim.addShrinker(inodes);
    const core = { env, costs, mm, io, writeback };
    const fs = yield* Ext2.mount(core, {
      policy: naming,
      sectorCount: front.sectorCount,
      inodes,
      dentries,
      copies: cacheMap,
      registry: hasRegistry ? new DirtyRegistry(mm, cacheMap) : undefined,
    });
    const walker = new PathWalker(env, costs, fs, inodes, dentries);
    inodes.put(yield* walker.root());
    const files = new FileMap(env, costs, mm, io);
    const syscalls = new Syscalls(env, costs, {
      mm,
      files,
      writer: new FileWrite(core, limits, fs),
      fs,
      inodes,
      writeback,
      walker,
      namespace: new Namespace(fs, inodes, walker),
      // Programs store through their own page tables, not through the kernel's mapping.
      maps: new MemoryMaps({ ...core, env: environment }, files, fs),
      module: { pfn: Pfn(parameters.modulePfn), bytes: parameters.moduleBytes },
      sockets: new Sockets(network),
    });
    yield* env.cpu.settle();
    yield* env.compute(Ns(costs.bootServicesNs));
    const kernel: Kernel = new Kernel(
      env,
      costs,
      mm,
      io,
      writeback,
      cacheMap,
      fs,
      dentrySlab,
      inodeSlab,
      suspension,
      balloon,
      syscalls,
    );
    suspension.add({ disconnected: () => kernel.#storeIsGone(), connect: () => kernel.#watchShutdown() });
    events.bind(env.hypercalls.eventChannels.bindVirq(Virq.suspend), () => {
      env.spawn('suspend', suspension.run());
    });
    yield* kernel.#watchShutdown();
    suspension.add(balloon);
    yield* balloon.connect();
    return kernel;
  }

  /**
   * Orderly reboot, or power off: the domain is shut down when this returns, and the kernel must not be used again. What cannot be
   * written does not keep it from stopping, as in 2.6.12.
   * @returns EIO when something that was dirty did not reach the medium; undefined when everything did
   */
  *shutdown(reason: ShutdownReason = ShutdownReason.reboot): Process<ErrnoName | undefined> {
    checkOneOf('reason', reason, Object.values(ShutdownReason));
    yield this.#costs.shutdownServicesNs;
    const lostBefore = this.#writeback.pagesLost;
    const exited = yield* unlessFails(this.syscalls.exit());
    const mustFlush = this.#fs.isChanged || this.#writeback.nrDirtyMappings > 0;
    const flushed = mustFlush ? yield* unlessFails(this.#fs.remountReadOnly()) : true;
    this.#cacheMap.tellRecency();
    yield* this.#env.cpu.settle();
    this.#env.hypercalls.shutdown(reason);
    return exited && flushed && this.#writeback.pagesLost === lostBefore ? undefined : 'EIO';
  }

  /** The kernel dies where it stands: nothing is flushed and nothing is told. */
  crash(): void {
    this.#env.hypercalls.shutdown(ShutdownReason.crash);
  }

  /** What the kernel said last when it gave up after a suspension; undefined when it did not. */
  get panic(): string | undefined {
    return this.#panic;
  }

  /** Watches what the tool stack asks for in the store. */
  *#watchShutdown(): Process {
    yield* this.#env.xenstore.watch(SHUTDOWN_NODE, () => {
      this.#isAsked = true;
      this.#xenwatch ??= this.#env.spawn('xenwatch', this.#serveRequests());
    });
  }

  /**
   * Does what the shutdown node asks for (drivers/xen/core/reboot.c), one request after the other, as the one thread that serves all
   * watches there. However often the watch fires, a request is served once: it is taken off the node first.
   */
  *#serveRequests(): Process {
    while (this.#isAsked) {
      this.#isAsked = false;
      const request = yield* this.#takeRequest();
      if (request === 'suspend') yield* this.#suspension.run();
      else if (request !== undefined) {
        yield* this.shutdown(ShutdownReason[request]);
        return;
      }
    }
    this.#xenwatch = undefined;
  }

  *#takeRequest(): Process<'poweroff' | 'reboot' | 'suspend' | undefined> {
    const { xenstore } = this.#env;
    this.#isTalking = true;
    const request = yield* xenstore.read(SHUTDOWN_NODE);
    const isKnown = request === 'poweroff' || request === 'reboot' || request === 'suspend';
    if (isKnown) yield* xenstore.write(SHUTDOWN_NODE, '');
    this.#isTalking = false;
    return isKnown ? request : undefined;
  }

  /** The store is another one: what was asked for in the former nobody waits for, and what is being said to it is not said to this. */
  #storeIsGone(): void {
    this.#isAsked = false;
    if (!this.#isTalking) return;
    this.#isTalking = false;
    this.#xenwatch?.kill();
    this.#xenwatch = undefined;
  }

  get stats(): KernelStats {
    return {
      dataPagesRead: this.#io.counts.data,
      metadataPagesRead: this.#io.counts.metadata,
      pagesReused: this.#cacheMap.reused,
      pagesUnclaimed: this.#cacheMap.unclaimed,
      pagesCached: this.mm.cache.nrPages,
      pagesSlab: this.#dentrySlab.nrPages + this.#inodeSlab.nrPages,
      dentries: this.#dentrySlab.nrObjects,
      inodes: this.#inodeSlab.nrObjects,
      pagesFree: this.mm.allocator.freeCount,
      pagesBallooned: this.#balloon.nrPages,
      pagesReclaimed: this.mm.reclaim.reclaimed,
      pagesWritten: this.#writeback.pagesWritten,
      pagesLost: this.#writeback.pagesLost,
      pagesDirty: this.mm.cache.nrDirty,
      suspensions: this.#suspension.count,
      commits: this.#fs.commits,
    };
  }
}

/**
 * Takes the boot region and the preserved pages out, then frees the rest, then allocates the kernel's own tables. Returns the
 * pages of the kernel image and of these tables.
 */
function initMemory(
  env: GuestEnvironment,
  mm: MemoryManagement,
  cacheMap: CacheMap,
  parameters: BootParameters,
): Pfn[] {
  const { map, allocator } = mm;
  const { nrPages, bootPages, preservedPfn, preservedCount } = parameters;
  for (let pfn = 0; pfn < bootPages; pfn++) map.set(Pfn(pfn), PG.reserved);
  let preserved = 0;
  for (let pfn = bootPages; preservedCount > 0 && pfn < nrPages; pfn++) {
    const byte = pfn >>> 3;
    const bits = env.memory.readU8(Pfn(preservedPfn + Math.floor(byte / PAGE_SIZE)), byte % PAGE_SIZE);
    if (((bits >>> (pfn & 7)) & 1) === 0) continue;
    map.set(Pfn(pfn), PG.preserved);
    preserved++;
  }
  if (preserved !== preservedCount)
    throw new GuestPanic(`start_info: ${counted(preservedCount, 'page')} preserved, ${counted(preserved, 'bit')} set`);
  mm.freeAll();
  cacheMap.attach(mm);
  const kernelPages: Pfn[] = [];
  const { grantTablePfn, modulePfn, moduleBytes } = parameters;
  const image = modulePfn === 0 ? grantTablePfn + NR_GRANT_FRAMES : modulePfn + pagesOf(moduleBytes);
  for (let pfn = image; pfn < bootPages; pfn++) kernelPages.push(Pfn(pfn));
  const tables = Math.ceil((nrPages * MEM_MAP_BYTES_PER_PAGE) / PAGE_SIZE);
  for (let i = 0; i < tables; i++)
    kernelPages.push(reservePage(mm, `memory of ${nrPages} pages is too small for the kernel's tables`));
  if (allocator.freeCount + preserved <= allocator.marks.high)
    throw new GuestPanic(`memory of ${nrPages} pages leaves too few for the page cache`);
  return kernelPages;
}

/** A page that stays the kernel's own. Throws GuestPanic when none is free. */
function reservePage(mm: MemoryManagement, message: string): Pfn {
  const pfn = mm.allocate();
  if (pfn === NO_PAGE) throw new GuestPanic(message);
  mm.map.set(pfn, PG.reserved);
  return pfn;
}

/** The network interface, if the domain has one. */
function* connectNetwork(
  env: GuestEnvironment,
  costs: KernelCosts,
  mm: MemoryManagement,
  events: EventChannels,
  grants: GrantTable,
): Process<NetFront | undefined> {
  if ((yield* env.xenstore.read(`${VIF_FRONTEND}/backend`)) === undefined) return undefined;
  const pages = Array.from({ length: NETFRONT_PAGES }, () =>
    reservePage(mm, 'no page is free for the network interface'),
  );
  const front = new NetFront(env, events, grants, costs, pages);
  yield* front.connect();
  return front;
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

/** Gives back, coldest first, what nobody has claimed so many seconds after the boot. */
function* expireUnclaimed(env: GuestEnvironment, cacheMap: CacheMap, seconds: number): Process {
  yield Ns(seconds * 1e9);
  const pages = cacheMap.coldestFirst();
  for (let at = 0; at < pages.length; at += RA_MAX) {
    cacheMap.giveBack(pages.slice(at, at + RA_MAX));
    yield* env.cpu.settle();
  }
}

function parseStartInfo(env: GuestEnvironment): BootParameters {
  const page = new Uint8Array(PAGE_SIZE);
  env.memory.copyOut(START_INFO_PFN, 0, page, 0, PAGE_SIZE);
  const arch = archOfCode(getField(START_INFO.x86_64, page, 0, 'arch'));
  const layout = START_INFO[arch ?? 'x86_64'];
  const field = (name: keyof typeof layout.offset): number => getField(layout, page, 0, name);
  if (START_INFO_MAGIC.some((byte, i) => page[i] !== byte)) throw new GuestPanic('start_info: bad magic');
  if (field('version') !== START_INFO_VERSION) throw new GuestPanic(`start_info: version ${field('version')}`);
  if (arch === undefined) throw new GuestPanic(`start_info: architecture ${field('arch')}`);
  if (!reservedIsZero(layout, page, 0)) throw new GuestPanic('start_info: reserved field is not zero');
  const { checksum, cmdLine } = layout.offset;
  const head = crc32c(page, 0, checksum);
  if (field('checksum') !== crc32c(page, cmdLine, CMD_LINE_BYTES, head))
    throw new GuestPanic('start_info: bad checksum');
  const overlong = overlongField(layout, page, 0);
  if (overlong !== undefined) throw new GuestPanic(`start_info: ${overlong} has more than 32 bits`);
  const nrPages = field('nrPages');
  if (nrPages !== env.memory.nrPages)
    throw new GuestPanic(`start_info: ${counted(nrPages, 'page')}, not ${env.memory.nrPages}`);
  const end = page.indexOf(0, cmdLine);
  assert(end >= cmdLine && end < layout.size, 'command line is not terminated');
  return {
    nrPages,
    bootPages: field('bootPages'),
    preservedPfn: field('preservedPfn'),
    preservedCount: field('preservedCount'),
    sharedInfoPfn: field('sharedInfoPfn'),
    grantTablePfn: field('grantTablePfn'),
    modulePfn: field('modulePfn'),
    moduleBytes: field('moduleBytes'),
    cmdLine: decodeText(page.subarray(cmdLine, end)),
  };
}
