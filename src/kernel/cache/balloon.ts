/**
 * The balloon driver (drivers/xen/balloon of 2.6.12-xen): the guest has as much memory as the tool
 * stack wants it to have.
 *
 * The target is in the store, `memory/target`, in KiB. Below it, pages that were given back get
 * frames again and are free. Above it, pages are allocated in the ordinary way, with reclaim where
 * needed, and given back to the hypervisor. Both go in batches of 1024. What cannot be done now is
 * tried again a second later. The guest gives no page that it needs: free pages stay above the min
 * watermark. The hypervisor may have no frames.
 *
 * Differs from the original: the balloon does not clear what it gives back, since the hypervisor
 * does that here. As in the original, the watermarks stay as they were at boot. A restart of the
 * domain gives all of it back to the next guest.
 */

import { Ns, PAGE_SIZE, type Pfn } from '../../base/units.ts';
import type { Process } from '../../sim/index.ts';
import { type GuestEnvironment, MEMORY_TARGET_NODE } from '../../xen/public/index.ts';
import type { KernelCosts } from '../costs.ts';
import { NO_PAGE, PG } from '../mm/mem-map.ts';
import type { MemoryManagement } from '../mm/mm.ts';
import type { MemorySupply } from './memory-supply.ts';
import type { SuspendableDriver } from '../xen/suspend.ts';

/** Entries of the driver's frame list: one page of them. */
const BATCH = 1024;
/** HZ jiffies. */
const RETRY = Ns(1_000_000_000);

export class Balloon implements SuspendableDriver {
  readonly #env: GuestEnvironment;
  readonly #costs: KernelCosts;
  readonly #mm: MemoryManagement;
  readonly #supply: MemorySupply;
  /** Pages that have no frame; those given back last get one first. */
  readonly #pages: Pfn[] = [];
  #target: number;
  #isWorking = false;
  #hasTimer = false;

  constructor(env: GuestEnvironment, costs: KernelCosts, mm: MemoryManagement, supply: MemorySupply) {
    this.#env = env;
    this.#costs = costs;
    this.#mm = mm;
    this.#supply = supply;
    this.#target = mm.map.nrPages;
  }

  /** Pages that were given back. */
  get nrPages(): number {
    return this.#pages.length;
  }

  disconnected(): void {
    // What was told to the store that is gone is told to the next one, or is not.
  }

  /** Watches the target. */
  *connect(): Process {
    yield* this.#env.xenstore.watch(MEMORY_TARGET_NODE, () => {
      this.#env.spawn('balloon', this.#newTarget());
    });
  }

  *#newTarget(): Process {
    const value = yield* this.#env.xenstore.read(MEMORY_TARGET_NODE);
    if (value === undefined || !/^[0-9]{1,12}$/.test(value)) return;
    this.#target = Math.min(Math.floor(Number(value) / (PAGE_SIZE / 1024)), this.#mm.map.nrPages);
    yield* this.#work();
  }

  /** balloon_process. */
  *#work(): Process {
    if (this.#isWorking) return;
    this.#isWorking = true;
    for (let isStuck = false; !isStuck && this.#surplus !== 0; ) {
      const surplus = this.#surplus;
      isStuck = surplus > 0 ? yield* this.#inflate(Math.min(surplus, BATCH)) : this.#deflate(Math.min(-surplus, BATCH));
      yield* this.#env.cpu.settle();
    }
    this.#isWorking = false;
    if (this.#surplus !== 0 && !this.#hasTimer) {
      this.#hasTimer = true;
      this.#env.after(RETRY, () => {
        this.#hasTimer = false;
        this.#env.spawn('balloon', this.#work());
      });
    }
  }

  /** Pages that the guest has more than it should. */
  get #surplus(): number {
    return this.#mm.map.nrPages - this.#pages.length - this.#target;
  }

  /** Gives pages back; returns true when it was fewer than `count`. */
  *#inflate(count: number): Process<boolean> {
    const { map, allocator } = this.#mm;
    const pages: Pfn[] = [];
    const isSpare = (): boolean => allocator.freeCount > allocator.marks.min;
    while (pages.length < count) {
      if (!isSpare()) yield* this.#supply.shrinkAll(isSpare);
      if (!isSpare()) break;
      const pfn = allocator.take();
      if (pfn === NO_PAGE) break;
      map.set(pfn, PG.reserved);
      pages.push(pfn);
      this.#env.cpu.charge(this.#costs.pageAllocNs);
    }
    const given = this.#env.hypercalls.decreaseReservation(pages);
    this.#pages.push(...pages.slice(0, given));
    for (const pfn of pages.slice(given)) this.#free(pfn);
    return given < count;
  }

  /** Gets frames for pages that have none; returns true when it was fewer than `count`. */
  #deflate(count: number): boolean {
    const pages = this.#pages.slice(-count).reverse();
    const got = this.#env.hypercalls.increaseReservation(pages);
    this.#pages.length -= got;
    for (const pfn of pages.slice(0, got)) this.#free(pfn);
    return got < count;
  }

  #free(pfn: Pfn): void {
    this.#mm.map.clear(pfn, PG.reserved);
    this.#mm.allocator.free(pfn);
    this.#env.cpu.charge(this.#costs.pageFreeNs);
  }
}
