/**
 * Waiting for a page of the cache that is locked or under writeback (the wait table of
 * mm/filemap.c, 2.6.12). After every wait the state is looked up again: the page may be gone.
 */

import type { Pfn } from '../../base/units.ts';
import { WaitQueue, type Process } from '../../sim/index.ts';
import type { GuestEnvironment } from '../../xen/public/index.ts';
import type { BlockQueue } from '../block/block-queue.ts';
import type { KernelCosts } from '../costs.ts';
import { PG } from '../mm/mem-map.ts';
import type { MemoryManagement } from '../mm/mm.ts';

export class PageLocks {
  readonly #env: GuestEnvironment;
  readonly #costs: KernelCosts;
  readonly #mm: MemoryManagement;
  readonly #queue: BlockQueue;
  readonly #waiters = new Map<Pfn, WaitQueue>();

  constructor(env: GuestEnvironment, costs: KernelCosts, mm: MemoryManagement, queue: BlockQueue) {
    this.#env = env;
    this.#costs = costs;
    this.#mm = mm;
    this.#queue = queue;
  }

  /** unlock_page. */
  unlock(pfn: Pfn): void {
    this.#mm.map.clear(pfn, PG.locked);
    this.wake(pfn);
  }

  /** Wakes the processes that wait for the page: it is unlocked, or its write has ended. */
  wake(pfn: Pfn): void {
    const waiters = this.#waiters.size === 0 ? undefined : this.#waiters.get(pfn);
    if (waiters === undefined) return;
    this.#waiters.delete(pfn);
    waiters.wakeAll();
  }

  /**
   * wait_on_page_bit: unplugs the queue and sleeps until a page of the cache that is locked or
   * under writeback changes. The caller then looks it up again. The page may become another while
   * this process uses the processor, since nothing holds it. If the process waited for that one, it
   * could wait for a holder that waits for a lock of the caller's.
   */
  *wait(pfn: Pfn): Process {
    const { cache, map } = this.#mm;
    const space = cache.spaceOf(pfn);
    const index = cache.indexOf(pfn);
    this.#queue.unplug();
    // Not `settle`: see hot-paths 6.
    const wait = this.#env.cpu.book();
    if (wait > 0) yield wait;
    if (cache.find(space, index) !== pfn || !map.has(pfn, PG.locked | PG.writeback)) return;
    let waiters = this.#waiters.get(pfn);
    if (waiters === undefined) {
      waiters = new WaitQueue(() => this.#describe(pfn));
      this.#waiters.set(pfn, waiters);
    }
    yield waiters;
    this.#env.cpu.charge(this.#costs.contextSwitchNs);
  }

  #describe(pfn: Pfn): string {
    const { cache, map } = this.#mm;
    const state = map.has(pfn, PG.locked) ? 'locked' : 'under writeback';
    return `page ${cache.indexOf(pfn)} of inode ${cache.spaceOf(pfn).ino}, which is ${state}`;
  }
}
