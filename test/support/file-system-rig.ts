// The parts of a kernel below its file systems, on a machine that is made up, with the buffers of
// its drive. Nothing runs by itself: no journal, no writeback.
import { type Ino, PAGE_SIZE, type Pfn } from '../../src/base/index.ts';
import type { ImageStore } from '../../src/disk/image/image-store.ts';
import { BlockQueue, PendingRequests } from '../../src/kernel/block/block-queue.ts';
import { DirtyLimits } from '../../src/kernel/cache/page-writeback.ts';
import { MemorySupply } from '../../src/kernel/cache/memory-supply.ts';
import { PageIo } from '../../src/kernel/cache/page-io.ts';
import { PageLocks } from '../../src/kernel/cache/page-locks.ts';
import { Writeback } from '../../src/kernel/cache/fs-writeback.ts';
import { BlockDeviceMapping, Buffers } from '../../src/kernel/fs/buffer.ts';
import type { FsCore } from '../../src/kernel/fs/core.ts';
import { MemoryManagement, NameBatch, PG, PreservedPages, Unclaimed } from '../../src/kernel/index.ts';
import { KernelLog } from '../../src/kernel/log.ts';
import { KERNEL_RULES, type KernelRules } from '../../src/kernel/rules.ts';
import type { Process } from '../../src/sim/index.ts';
import { BOOT_PAGES, COSTS, FakeMachine } from './fake-machine.ts';

export class FileSystemRig {
  readonly machine: FakeMachine;
  readonly log: KernelLog;
  readonly core: FsCore;
  readonly device: BlockDeviceMapping;
  /** They go straight to their places. */
  readonly buffers: Buffers;

  constructor(
    image: ImageStore,
    { nrPages = 512, rules = KERNEL_RULES }: { nrPages?: number; rules?: KernelRules } = {},
  ) {
    this.machine = new FakeMachine({ image, nrPages });
    const { env } = this.machine;
    const names = new NameBatch(env.hypercalls);
    const unclaimed = new Unclaimed(names);
    const mm = new MemoryManagement(nrPages, names, unclaimed);
    for (let pfn = 0; pfn < BOOT_PAGES; pfn++) mm.map.set(pfn as Pfn, PG.reserved);
    mm.freeAll();
    const preserved = new PreservedPages(env.hypercalls, mm, names, unclaimed, undefined);
    const ring = mm.allocator.take();
    mm.map.set(ring, PG.reserved);
    const pending = new PendingRequests();
    const front = this.machine.connectFront(ring, COSTS.interruptNs, pending.dispatchTo);
    const queue = new BlockQueue(env, pending, front, COSTS.bioSubmitNs);
    const log = (this.log = new KernelLog(env.cpu));
    const parts = { env, costs: COSTS, log, mm, queue, locks: new PageLocks(env, COSTS, mm, queue), preserved };
    const writeback = new Writeback({ ...parts, registry: undefined });
    const limits = new DirtyLimits(env, mm, queue, writeback);
    const io = new PageIo({ ...parts, supply: new MemorySupply(env, COSTS, mm, limits) });
    const space = mm.cache.open(0 as Ino, 0, false, writeback);
    this.device = new BlockDeviceMapping(space, image.size / PAGE_SIZE, {
      all: () => [][Symbol.iterator](),
      get: () => undefined,
      put: () => undefined,
    });
    this.core = { env, costs: COSTS, log, mm, io, writeback, rules };
    this.buffers = new Buffers(this.core, this.device);
  }

  run<T>(process: Process<T>): T {
    return this.machine.run(process);
  }
}
