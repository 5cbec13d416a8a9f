/**
 * Pages kept from before the reboot. They are claimed when their file is read, and given back when
 * nothing wants them.
 *
 * They are on the LRU lists from the beginning. The kernel before may have saved where they were.
 * Then they return to those places, and a claim does not move them. Otherwise a page that is
 * claimed is as young as one just read. They leave the lists when they are refused, when reclaim
 * comes upon them, when their block is freed, and after a time.
 *
 * Invariants:
 *   1. the hypervisor hands over only pages that were set aside;
 *   2. a page is given up once, as long as it is set aside.
 */

import { assert } from '../../base/assert.ts';
import { Ns, type Ino, type Lba, type PageIndex, Pfn } from '../../base/units.ts';
import type { Process } from '../../sim/index.ts';
import { CacheMapBatch, Reason, type GuestEnvironment, type Hypercalls } from '../../xen/public/index.ts';
import { NO_PAGE, PG } from '../mm/mem-map.ts';
import type { MemoryManagement } from '../mm/mm.ts';
import type { AddressSpace } from '../mm/page-cache.ts';
import { RA_MAX } from '../mm/readahead.ts';
import type { UnclaimedPages } from '../mm/vmscan.ts';
import type { NameBatch } from './name-batch.ts';
import { restoreRecency } from './recency.ts';

// See hot-paths 3.
const NONE = NO_PAGE;
const OK = Reason.ok;
const ABSENT = Reason.absent;
const PRESERVED = PG.preserved;
const UPTODATE_AND_NAMED = PG.uptodate | PG.named;

/** Told of every page taken over, at the moment of reuse; for an oracle outside the guest. */
export type ReuseObserver = (pfn: Pfn, ino: Ino, index: PageIndex, block: Lba) => void;

/**
 * How many preserved pages nobody has claimed yet. Between reclaim, which gives some up, and those
 * who claim them.
 */
export class Unclaimed implements UnclaimedPages {
  count = 0;
  readonly #names: NameBatch;

  constructor(names: NameBatch) {
    this.#names = names;
  }

  release(pfn: Pfn): void {
    this.count--;
    this.#names.release(pfn);
  }
}

export class PreservedPages {
  readonly #hypercalls: Pick<Hypercalls, 'cacheMapOp'>;
  readonly #mm: MemoryManagement;
  readonly #names: NameBatch;
  readonly #unclaimed: Unclaimed;
  readonly #onReuse: ReuseObserver | undefined;
  readonly #claims = new CacheMapBatch(RA_MAX);
  /** The kernel before told the recency of its pages. */
  readonly #hasRecency: boolean;
  /** Pages taken over since boot. */
  reused = 0;

  /**
   * Takes the pages that carry PG.preserved, and puts them on the lists.
   * @param mm made with these `names` and `unclaimed`; its other pages are free
   */
  constructor(
    hypercalls: Pick<Hypercalls, 'cacheMapOp'>,
    mm: MemoryManagement,
    names: NameBatch,
    unclaimed: Unclaimed,
    onReuse: ReuseObserver | undefined,
  ) {
    this.#hypercalls = hypercalls;
    this.#mm = mm;
    this.#names = names;
    this.#unclaimed = unclaimed;
    this.#onReuse = onReuse;
    const pages: Pfn[] = [];
    for (let pfn = 0; pfn < mm.map.nrPages; pfn++) if (mm.map.has(Pfn(pfn), PRESERVED)) pages.push(Pfn(pfn));
    unclaimed.count = pages.length;
    this.#hasRecency = restoreRecency(mm, hypercalls, pages);
  }

  /** Preserved pages that nobody claimed yet. */
  get unclaimed(): number {
    return this.#unclaimed.count;
  }

  /**
   * Claims pages of a file: indices[i] lies at block blocks[i] now. On return pages[i] is the page
   * that holds it, carries uptodate and named and belongs to the caller; or NO_PAGE. At most RA_MAX
   * at once. One hypercall.
   */
  claim(
    space: AddressSpace,
    indices: ArrayLike<number>,
    blocks: ArrayLike<number>,
    count: number,
    pages: Int32Array,
  ): void {
    for (let i = 0; i < count; i++) pages[i] = NONE;
    if (this.#unclaimed.count === 0 || !space.named) return;
    const { map, lru, allocator } = this.#mm;
    const batch = this.#claims;
    batch.reset();
    for (let i = 0; i < count; i++)
      batch.claim(space.ino, space.generation, indices[i]! as PageIndex, blocks[i]! as Lba);
    this.#hypercalls.cacheMapOp(batch);
    for (let i = 0; i < count; i++) {
      const result = batch.result(i);
      if (result === ABSENT) continue;
      const pfn = batch.pfn(i);
      assert(map.has(pfn, PRESERVED), 'preserved pages 1: the hypervisor handed out a page that was not set aside');
      if (result === OK && this.#hasRecency) {
        // It stays in its place.
        map.clear(pfn, PRESERVED);
        this.#unclaimed.count--;
      } else {
        lru.remove(pfn);
        this.#leave(pfn);
      }
      if (result === OK) {
        map.set(pfn, UPTODATE_AND_NAMED);
        pages[i] = pfn;
        this.reused++;
        this.#onReuse?.(pfn, space.ino, indices[i]! as PageIndex, blocks[i]! as Lba);
      } else allocator.free(pfn);
    }
  }

  /** Gives back, coldest first, what nobody has claimed so many seconds after the boot. */
  *expire({ cpu }: GuestEnvironment, seconds: number): Process {
    yield Ns(seconds * 1e9);
    const pages = this.coldestFirst();
    for (let at = 0; at < pages.length; at += RA_MAX) {
      this.giveBack(pages.slice(at, at + RA_MAX));
      yield* cpu.settle();
    }
  }

  /** The unclaimed pages, coldest first. */
  coldestFirst(): Pfn[] {
    return this.#mm.lru
      .orders()
      .flat()
      .filter((pfn) => this.#mm.map.has(pfn, PRESERVED));
  }

  /** Gives those of the pages that are unclaimed still back to the allocator. */
  giveBack(pages: readonly Pfn[]): void {
    const { map, lru, allocator } = this.#mm;
    const given = pages.filter((pfn) => map.has(pfn, PRESERVED));
    for (const pfn of given) {
      lru.remove(pfn);
      this.#leave(pfn);
      this.#names.release(pfn);
    }
    this.#names.flush();
    for (const pfn of given) allocator.free(pfn);
  }

  /** Blocks of the device were freed: pages that were kept for their sake are given back. */
  discard(block: number, count: number): void {
    for (let at = 0; at < count && this.#unclaimed.count > 0; at += RA_MAX)
      this.#discard(block + at, Math.min(RA_MAX, count - at));
  }

  #discard(block: number, count: number): void {
    const { lru, allocator } = this.#mm;
    const batch = this.#claims;
    batch.reset();
    for (let i = 0; i < count; i++) batch.discard((block + i) as Lba);
    this.#hypercalls.cacheMapOp(batch);
    for (let i = 0; i < batch.count; i++) {
      if (batch.result(i) === ABSENT) continue;
      const pfn = batch.pfn(i);
      lru.remove(pfn);
      this.#leave(pfn);
      allocator.free(pfn);
    }
  }

  /** A page is neither preserved nor anything else any more. */
  #leave(pfn: Pfn): void {
    const { map } = this.#mm;
    assert(map.has(pfn, PRESERVED), 'preserved pages 2: the page was set aside');
    map.clear(pfn, map.flagsOf(pfn));
    this.#unclaimed.count--;
  }
}
