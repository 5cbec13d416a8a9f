// Pages, their I/O and their writeback on a device that answers by hand: no file system, one file.
import { type Ino, Ns, type Pfn } from '../../../src/base/index.ts';
import { MemoryImage } from '../../../src/disk/image/memory-image.ts';
import { BlockQueue, PendingRequests } from '../../../src/kernel/block/block-queue.ts';
import { KernelLog } from '../../../src/kernel/log.ts';
import { MemoryManagement, NameBatch, PG, PreservedPages, Unclaimed } from '../../../src/kernel/index.ts';
import { MemorySupply } from '../../../src/kernel/cache/memory-supply.ts';
import { PageLocks } from '../../../src/kernel/cache/page-locks.ts';
import type { Mapping } from '../../../src/kernel/cache/mapping.ts';
import { PageIo } from '../../../src/kernel/cache/page-io.ts';
import { Writeback } from '../../../src/kernel/cache/fs-writeback.ts';
import { DirtyLimits } from '../../../src/kernel/cache/page-writeback.ts';
import { NOTHING, type Process } from '../../../src/sim/index.ts';
import {
  BlkifStatus,
  type CacheMapBatch,
  CacheMapOp,
  ENTRY_INDEX,
  ENTRY_OP,
  ENTRY_PFN,
  ENTRY_RESULT,
  ENTRY_WORDS,
  Reason,
} from '../../../src/xen/public/index.ts';
import { BOOT_PAGES, COSTS, FakeMachine } from '../../support/fake-machine.ts';

export const PAGES = 160;

/** How reclaim naps. */
type Nap = DirtyLimits['nap'];

export interface Rig {
  readonly machine: FakeMachine;
  readonly mm: MemoryManagement;
  readonly preserved: PreservedPages;
  readonly supply: MemorySupply;
  readonly io: PageIo;
  readonly queue: BlockQueue;
  readonly writeback: Writeback;
  readonly limits: DirtyLimits;
  readonly mapping: Mapping;
  /** Blocks read, in the order of the ring. */
  readonly blocks: number[];
  /**
   * Starts a process and lets everything happen that can happen without the device in so many
   * seconds.
   */
  readonly start: (process: Process, seconds?: number) => void;
  /** Answers requests until there are none. */
  readonly serve: (status?: number) => void;
  readonly runFor: (seconds: number) => void;
}

/**
 * The hypervisor has kept these pages of the file, page `index` in pfn FIRST_KEPT + index, and
 * hands out each that is claimed.
 */
const FIRST_KEPT = 100;
const handOut =
  (kept: readonly number[]) =>
  ({ words, count }: CacheMapBatch): void => {
    if (count === 0) throw new Error('a hypercall without an entry');
    for (let at = 0; at < count * ENTRY_WORDS; at += ENTRY_WORDS) {
      const index = words[at + ENTRY_INDEX]!;
      const isKept = words[at + ENTRY_OP] === CacheMapOp.claim && kept.includes(index);
      words[at + ENTRY_RESULT] = isKept ? Reason.ok : Reason.absent;
      if (isKept) words[at + ENTRY_PFN] = FIRST_KEPT + index;
    }
  };

/**
 * A file, no two pages of which lie side by side on the device.
 * @param kept pages of it from before the reboot
 * @param napOf how reclaim naps; by default as DirtyLimits does
 */
export function rig(
  nrPages = 768,
  pages = PAGES,
  kept: readonly number[] = [],
  napOf: (limits: DirtyLimits) => Nap = (limits) => (wanted) => limits.nap(wanted),
): Rig {
  const machine = new FakeMachine({ image: new MemoryImage(1 << 23), nrPages, byHand: true });
  const hypercalls = { cacheMapOp: handOut(kept) };
  const names = new NameBatch(hypercalls);
  const unclaimed = new Unclaimed(names);
  const mm = new MemoryManagement(nrPages, names, unclaimed);
  for (let pfn = 0; pfn < BOOT_PAGES; pfn++) mm.map.set(pfn as Pfn, PG.reserved);
  for (const index of kept) mm.map.set((FIRST_KEPT + index) as Pfn, PG.preserved);
  mm.freeAll();
  const preserved = new PreservedPages(hypercalls, mm, names, unclaimed, undefined);
  const ring = mm.allocator.take();
  mm.map.set(ring, PG.reserved);
  const pending = new PendingRequests();
  const front = machine.connectFront(ring, COSTS.interruptNs, pending.dispatchTo);
  const queue = new BlockQueue(machine.env, pending, front, COSTS.bioSubmitNs);
  const { env } = machine;
  const log = new KernelLog(env.cpu);
  const parts = { env, costs: COSTS, log, mm, queue, locks: new PageLocks(env, COSTS, mm, queue), preserved };
  const writeback = new Writeback({ ...parts, registry: undefined });
  const limits = new DirtyLimits(env, mm, queue, writeback);
  const supply = new MemorySupply(env, COSTS, mm, { nap: napOf(limits) });
  const io = new PageIo({ ...parts, supply });
  const mapping: Mapping = {
    space: mm.cache.open(5 as Ino, 0, true, writeback),
    pageCount: pages,
    isMetadata: false,
    blockNow: (index) => 1000 - 3 * index,
    loadMetadata: function* () {},
    tail: () => 0,
    isBoundary: () => false,
    hold: () => true,
    release: () => NOTHING,
    mapVersion: 0,
    isInodeDirty: false,
    allocate: function* () {},
    withdraw: function* () {},
    writeInode: function* () {},
  };
  const blocks: number[] = [];
  const runFor = (seconds: number): void => {
    const { simulation } = machine;
    const end = simulation.now + seconds * 1e9;
    simulation.after(Ns(seconds * 1e9), () => undefined);
    simulation.run(() => simulation.now >= end);
  };
  return {
    machine,
    mm,
    preserved,
    supply,
    io,
    queue,
    writeback,
    limits,
    mapping,
    blocks,
    runFor,
    start: (process, seconds = 10) => {
      machine.simulation.spawn('test', process);
      runFor(seconds);
    },
    serve: (status = BlkifStatus.ok) => {
      for (let requests = machine.backend!.take(); requests.length > 0; requests = machine.backend!.take()) {
        for (const { id, operation, sector } of requests) {
          blocks.push(sector / 8);
          machine.backend!.answer(id, operation, status);
        }
        machine.backend!.notify();
        runFor(0.05);
      }
    },
  };
}
