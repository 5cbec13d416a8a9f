/**
 * Memory for the kernel's processes: pages allocated, with waiting where that is needed, and
 * kswapd, which keeps some free (mm/page_alloc.c and mm/vmscan.c of 2.6.12). What reclaim does
 * without waiting is kernel/mm/vmscan.ts.
 */

import { ModelError } from '../../base/errno.ts';
import type { Pfn } from '../../base/units.ts';
import { WaitQueue, type Process } from '../../sim/index.ts';
import type { GuestEnvironment } from '../../xen/public/index.ts';
import type { KernelCosts } from '../costs.ts';
import { NO_PAGE, PG } from '../mm/mem-map.ts';
import type { MemoryManagement } from '../mm/mm.ts';
import { DEF_PRIORITY, SWAP_CLUSTER_MAX } from '../mm/policy/policy.ts';
import type { DirtyLimits } from './page-writeback.ts';

/**
 * Direct reclaim gives up after so many rounds, of up to a second each, that freed nothing.
 * Assumed: the original tries for ever and kills a process at times.
 */
const RECLAIM_ROUNDS = 3;

export class MemorySupply {
  /** Woken when free memory falls below the low watermark: kswapd sleeps here. */
  readonly memoryLow = new WaitQueue('free memory to fall low');
  readonly #env: GuestEnvironment;
  readonly #costs: KernelCosts;
  readonly #mm: MemoryManagement;
  readonly #limits: Pick<DirtyLimits, 'nap'>;

  /** @param limits where reclaim waits for dirty pages to be written */
  constructor(env: GuestEnvironment, costs: KernelCosts, mm: MemoryManagement, limits: Pick<DirtyLimits, 'nap'>) {
    this.#env = env;
    this.#costs = costs;
    this.#mm = mm;
    this.#limits = limits;
  }

  /** alloc_page without waiting; NO_PAGE when nothing is free and nothing can be freed. */
  allocate(): Pfn {
    const { allocator, reclaim } = this.#mm;
    const before = reclaim.reclaimed;
    const pfn = this.#mm.allocate();
    this.#env.cpu.charge(this.#costs.pageAllocNs + (reclaim.reclaimed - before) * this.#costs.pageFreeNs);
    if (allocator.freeCount < allocator.marks.low) this.memoryLow.wakeAll();
    return pfn;
  }

  /** alloc_page that waits for memory. Throws ENOMEM when there is none to be had. */
  *allocateWaiting(): Process<Pfn> {
    const { allocator } = this.#mm;
    for (let round = 0; ; round++) {
      const pfn = this.allocate();
      if (pfn !== NO_PAGE) return pfn;
      if (round === RECLAIM_ROUNDS) throw new ModelError('ENOMEM', 'no page is free and none can be reclaimed');
      if ((yield* this.shrinkAll(() => allocator.freeCount > 0)) === 0) yield* this.#limits.nap(SWAP_CLUSTER_MAX);
    }
  }

  /** A page that is the kernel's own. Throws ENOMEM. */
  *allocateReserved(): Process<Pfn> {
    const pfn = yield* this.allocateWaiting();
    this.#mm.map.set(pfn, PG.reserved);
    return pfn;
  }

  /**
   * The passes of try_to_free_pages and of kswapd, with rising pressure, until `isEnough` or
   * SWAP_CLUSTER_MAX pages are freed. Naps after a pass below priority 10, if any page was looked
   * at. Returns the pages freed.
   */
  *shrinkAll(isEnough: () => boolean): Process<number> {
    const { reclaim } = this.#mm;
    const { contextSwitchNs, pageFreeNs } = this.#costs;
    const begin = reclaim.scanned;
    let freed = 0;
    this.#env.cpu.charge(contextSwitchNs);
    let priority = DEF_PRIORITY;
    for (; priority >= 0; priority--) {
      const now = reclaim.shrink(priority, SWAP_CLUSTER_MAX);
      freed += now;
      this.#env.cpu.charge(now * pageFreeNs);
      yield* this.#env.cpu.settle();
      if (freed >= SWAP_CLUSTER_MAX || isEnough()) break;
      if (reclaim.scanned > begin && priority < DEF_PRIORITY - 2) yield* this.#limits.nap(reclaim.scanned - begin);
    }
    reclaim.endPass(Math.max(priority, 0));
    return freed;
  }

  /**
   * kswapd (balance_pgdat). Below the low watermark it wakes, and frees pages until the high one is
   * reached. It also stops when a round with all its priorities freed nothing (all_unreclaimable).
   */
  *kswapd(): Process {
    const { allocator } = this.#mm;
    const isBalanced = (): boolean => allocator.freeCount >= allocator.marks.high;
    for (;;) {
      yield this.memoryLow;
      while (!isBalanced() && (yield* this.shrinkAll(isBalanced)) > 0);
    }
  }
}
