/**
 * Pages and their I/O: allocating them, reading them in from blocks, claiming them from before a reboot, waiting for
 * them. fs/mpage.c and the waiting half of mm/filemap.c, 2.6.12.
 *
 * Reading a window: (1) every absent page is mapped to its block, which may wait for metadata; (2) what was cached
 * meanwhile is skipped; (3) the pages are claimed in one hypercall; (4) what was not handed over is allocated, locked,
 * added to the cache and read by bios of consecutive blocks, at most 11 pages each. A hole is a zeroed page, up to date
 * at once and never named. Where nothing can be claimed, what lies before a boundary (the last pointer of an indirect
 * block) is submitted before the next indirect block is read, as in the original.
 *
 * After every wait the state is looked up again: a page that was locked may be gone.
 */

import { ModelError } from '../../base/errno.ts';
import { Ns, PAGE_SIZE, type Pfn } from '../../base/units.ts';
import { WaitQueue, type Process } from '../../sim/index.ts';
import { BlkifOp, SEGMENTS_PER_REQUEST, type GuestEnvironment } from '../../xen/public/index.ts';
import type { Bio, BlockQueue } from '../block/block-queue.ts';
import type { CacheMap } from './cache-map.ts';
import type { KernelCosts } from '../costs.ts';
import { NO_PAGE, PG } from '../mm/mem-map.ts';
import type { MemoryManagement } from '../mm/mm.ts';
import type { AddressSpace } from '../mm/page-cache.ts';
import { RA_MAX } from '../mm/readahead.ts';
import { DEF_PRIORITY, SWAP_CLUSTER_MAX } from '../mm/vmscan.ts';

/** The block is not known without reading metadata first. */
export const NEEDS_METADATA = -1;
/** No block: the page is a hole. Not 0, which is a block of the device's own mapping. */
export const HOLE = -2;
/**
 * Direct reclaim gives up after so many rounds, of up to a second each, that freed nothing. Assumed: the original tries for ever and
 * kills a process at times.
 */
const RECLAIM_ROUNDS = 3;
/** blk_congestion_wait of direct reclaim and kswapd. */
const NAP = Ns(100_000_000);
const SKIP = -3;

/** A file as its pages see it: address_space_operations. */
export interface Mapping {
  readonly space: AddressSpace;
  /** Pages up to the end of the file. */
  readonly pageCount: number;
  /** Changes whenever the map from pages to blocks does: what was looked up before a wait may not hold after it. */
  readonly mapVersion: number;
  /** Its pages count as metadata in the statistics. */
  readonly isMetadata: boolean;
  /** get_block as far as it does not wait: the page's block, HOLE, or NEEDS_METADATA. Throws EIO on a bad pointer. */
  blockNow(index: number): number;
  /** Reads the metadata that blockNow lacks for this page. */
  loadMetadata(index: number): Process;
  /** get_block for writing a page that has no block: it is given one, unless it lies beyond the end. Throws ENOSPC, EIO, EROFS. */
  allocate(index: number): Process;
  /** A page is lost: its block is taken from it again, and the page goes. */
  withdraw(index: number): Process;
  /** Whether writeInode has something to write. */
  readonly isInodeDirty: boolean;
  /** write_inode: puts what changed of the inode into its block's buffer. Throws EIO. */
  writeInode(): Process;
  /** Bytes at the end of a page that lie beyond the end of the file, and in which a mapped store may have left something. */
  tail(index: number): number;
  /** Whether the block after this page's is mapped by another indirect block. */
  isBoundary(index: number): boolean;
  /** __iget: the mapping stays while somebody works on it unasked; false when it is being deleted. */
  hold(): boolean;
  /** iput after `hold`. */
  release(): Process;
}

/** get_block without allocating: the page's block or HOLE, reading the metadata that says so. Throws EIO. */
export function* lookUpBlock(mapping: Pick<Mapping, 'blockNow' | 'loadMetadata'>, index: number): Process<number> {
  let block = mapping.blockNow(index);
  while (block === NEEDS_METADATA) {
    yield* mapping.loadMetadata(index);
    block = mapping.blockNow(index);
  }
  return block;
}

/** Pages read from the disk. */
export interface ReadCounts {
  data: number;
  metadata: number;
}

export class PageIo {
  readonly counts: ReadCounts = { data: 0, metadata: 0 };
  /** Woken when free memory falls below the low watermark: kswapd sleeps here. */
  readonly memoryLow = new WaitQueue('free memory to fall low');
  readonly #env: GuestEnvironment;
  readonly #costs: KernelCosts;
  readonly #mm: MemoryManagement;
  readonly #cacheMap: CacheMap;
  readonly #queue: BlockQueue;
  readonly #waiters = new Map<Pfn, WaitQueue>();
  /** Waits 100 ms; bound by the writeback, which begins to write so many pages (wakeup_bdflush) and waits until a write ends, 100 ms at most. */
  nap: (pages: number) => Process = function* () {
    yield NAP;
  };

  constructor(env: GuestEnvironment, costs: KernelCosts, mm: MemoryManagement, cacheMap: CacheMap, queue: BlockQueue) {
    this.#env = env;
    this.#costs = costs;
    this.#mm = mm;
    this.#cacheMap = cacheMap;
    this.#queue = queue;
  }

  /** Whether the device has so much to read that nothing is to be read ahead. */
  get isCongested(): boolean {
    return this.#queue.isCongested(BlkifOp.read);
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
      if ((yield* this.shrinkAll(() => allocator.freeCount > 0)) === 0) yield* this.nap(SWAP_CLUSTER_MAX);
    }
  }

  /** A page that is the kernel's own. Throws ENOMEM. */
  *allocateReserved(): Process<Pfn> {
    const pfn = yield* this.allocateWaiting();
    this.#mm.map.set(pfn, PG.reserved);
    return pfn;
  }

  /**
   * The passes of try_to_free_pages and of kswapd, with rising pressure, until `isEnough` or SWAP_CLUSTER_MAX pages are freed; where
   * pages were looked at to no avail below priority 10, a nap. Returns the pages freed.
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
      if (reclaim.scanned > begin && priority < DEF_PRIORITY - 2) yield* this.nap(reclaim.scanned - begin);
    }
    reclaim.endPass(Math.max(priority, 0));
    return freed;
  }

  /**
   * kswapd (balance_pgdat): woken below the low watermark, frees pages until the high one is reached; or until a round with all its
   * priorities freed nothing (all_unreclaimable).
   */
  *kswapd(): Process {
    const { allocator } = this.#mm;
    const isBalanced = (): boolean => allocator.freeCount >= allocator.marks.high;
    for (;;) {
      yield this.memoryLow;
      while (!isBalanced() && (yield* this.shrinkAll(isBalanced)) > 0);
    }
  }

  /**
   * read_cache_page: the page of (mapping, index), up to date, reading it when it is absent.
   * Throws EIO when the read failed, the page has no valid place on the disk, or lies beyond the end of the file.
   */
  *getPage(mapping: Mapping, index: number): Process<Pfn> {
    const { map, cache } = this.#mm;
    for (let attempts = 0; ; ) {
      const pfn = cache.find(mapping.space, index);
      if (pfn === NO_PAGE) {
        if (index >= mapping.pageCount)
          throw new ModelError('EIO', `page ${index} lies beyond the end of inode ${mapping.space.ino}`);
        attempts++;
        yield* this.readPages(mapping, index, 1, true);
      } else if (map.has(pfn, PG.uptodate)) return pfn;
      else if (map.has(pfn, PG.locked)) yield* this.waitOnPage(pfn);
      else if (attempts++ > 0)
        throw new ModelError('EIO', `page ${index} of inode ${mapping.space.ino} cannot be read`);
      else yield* this.#readAgain(mapping, index, pfn);
    }
  }

  /** Reads a window ahead of a reader: what cannot be had is left for the reader to stumble over. */
  *readAhead(mapping: Mapping, start: number, count: number): Process {
    try {
      yield* this.readPages(mapping, start, count, false);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
    }
  }

  /**
   * mpage_readpages: starts reading the absent pages among start … start + count - 1, up to the end of the file.
   * @param must wait for memory rather than leave pages out
   */
  *readPages(mapping: Mapping, start: number, count: number, must: boolean): Process {
    const { cache } = this.#mm;
    const end = Math.min(start + count, mapping.pageCount);
    const indices: number[] = [];
    const blocks: number[] = [];
    for (let index = start; index < end; ) {
      indices.length = 0;
      blocks.length = 0;
      const version = mapping.mapVersion;
      while (index < end && indices.length < RA_MAX) {
        if (cache.find(mapping.space, index) === NO_PAGE) {
          const block = yield* lookUpBlock(mapping, index);
          this.#env.cpu.charge(this.#costs.getBlockNs);
          indices.push(index);
          blocks.push(block);
        }
        if (mapping.isBoundary(index++) && this.#cacheMap.unclaimed === 0) break;
      }
      // The map changed while metadata was read: what is absent is looked up again by whoever still wants it.
      if (mapping.mapVersion !== version) return;
      yield* this.#fill(mapping, indices, blocks, must);
    }
  }

  /** Hands what is queued to the driver at once. */
  unplug(): void {
    this.#queue.unplug();
  }

  /** What `getPage` would return without waiting: the page when it is in the cache and up to date. */
  find(space: AddressSpace, index: number): Pfn | undefined {
    const pfn = this.#mm.cache.find(space, index);
    return pfn !== NO_PAGE && this.#mm.map.has(pfn, PG.uptodate) ? pfn : undefined;
  }

  *#fill(mapping: Mapping, indices: number[], blocks: number[], must: boolean): Process {
    const { cache, map, allocator } = this.#mm;
    const { space } = mapping;
    const version = mapping.mapVersion;
    // The file may have been cut while metadata was read, here or below: its pages are dropped first, and its map changes later.
    while (indices.length > 0 && indices.at(-1)! >= mapping.pageCount) indices.pop();
    this.#claim(space, indices, blocks);
    let bio: Bio | undefined;
    for (let i = 0; i < indices.length; i++) {
      const index = indices[i]!;
      const block = blocks[i]!;
      if (block === SKIP) continue;
      let pfn = this.allocate();
      if (pfn === NO_PAGE) {
        if (!must) break;
        pfn = yield* this.allocateWaiting();
      }
      // Another process may have brought the page in while this one waited.
      if (cache.find(space, index) !== NO_PAGE) {
        allocator.free(pfn);
        continue;
      }
      if (mapping.mapVersion !== version || index >= mapping.pageCount) {
        allocator.free(pfn);
        break;
      }
      if (block === HOLE) {
        this.#env.memory.zero(pfn, 0, PAGE_SIZE);
        this.#env.cpu.charge(this.#costs.clearNsPerByte * PAGE_SIZE);
        cache.add(space, index, pfn);
        map.set(pfn, PG.uptodate);
        continue;
      }
      map.set(pfn, PG.locked | PG.hasBlock);
      cache.add(space, index, pfn);
      if (mapping.isMetadata) this.counts.metadata++;
      else this.counts.data++;
      if (bio !== undefined && (bio.block + bio.pages.length !== block || bio.pages.length === SEGMENTS_PER_REQUEST)) {
        yield* this.submit(bio);
        bio = undefined;
      }
      bio ??= { op: BlkifOp.read, block, pages: [], endPage: this.#endRead };
      bio.pages.push(pfn);
    }
    if (bio !== undefined) yield* this.submit(bio);
  }

  /** Adds what was preserved; marks it, and what was cached meanwhile, to be skipped. */
  #claim(space: AddressSpace, indices: number[], blocks: number[]): void {
    const { cache } = this.#mm;
    const wantedIndices: number[] = [];
    const wantedBlocks: number[] = [];
    for (let i = 0; i < indices.length; i++) {
      if (cache.find(space, indices[i]!) !== NO_PAGE) blocks[i] = SKIP;
      else if (blocks[i] !== HOLE) {
        wantedIndices.push(indices[i]!);
        wantedBlocks.push(blocks[i]!);
      }
    }
    if (this.#cacheMap.unclaimed === 0 || !space.named || wantedIndices.length === 0) return;
    const pages = new Int32Array(wantedIndices.length);
    this.#cacheMap.claim(space, wantedIndices, wantedBlocks, wantedIndices.length, pages);
    for (let i = 0, claim = 0; i < indices.length; i++) {
      if (blocks[i] === SKIP || blocks[i] === HOLE) continue;
      const pfn = pages[claim++]! as Pfn;
      if (pfn === NO_PAGE) continue;
      this.#mm.map.set(pfn, PG.hasBlock);
      cache.add(space, indices[i]!, pfn);
      blocks[i] = SKIP;
    }
  }

  /** submit_bio: waits for room in the queue. */
  *submit(bio: Bio): Process {
    if (this.#queue.isFull(bio.op)) yield* this.#queue.waitForRoom(bio.op);
    this.#env.cpu.charge(this.#costs.bioSubmitNs);
    this.#queue.submit(bio);
  }

  /** readpage on a page that is in the cache but whose read failed before. */
  *#readAgain(mapping: Mapping, index: number, pfn: Pfn): Process {
    const { map } = this.#mm;
    map.set(pfn, PG.locked);
    map.clear(pfn, PG.error);
    try {
      const block = yield* lookUpBlock(mapping, index);
      if (block === HOLE) throw new ModelError('EIO', `page ${index} of inode ${mapping.space.ino} has lost its block`);
      yield* this.submit({ op: BlkifOp.read, block, pages: [pfn], endPage: this.#endRead });
    } catch (error) {
      this.#endRead(pfn, true);
      throw error;
    }
  }

  /** mpage_end_io_read for one page, in interrupt context. */
  readonly #endRead = (pfn: Pfn, failed: boolean): void => {
    const { map, cache } = this.#mm;
    if (failed) map.set(pfn, PG.error);
    else cache.setUptodate(pfn);
    this.unlockPage(pfn);
  };

  /** What `grabPage` would return without waiting or reclaiming; undefined when it would have to. */
  tryGrab(mapping: Mapping, index: number): Pfn | undefined {
    const { cache, map, allocator } = this.#mm;
    const found = cache.find(mapping.space, index);
    if (found !== NO_PAGE) {
      if (map.has(found, PG.locked)) return undefined;
      map.set(found, PG.locked);
      return found;
    }
    if (allocator.freeCount <= allocator.marks.low) return undefined;
    const pfn = this.allocate();
    map.set(pfn, PG.locked);
    cache.add(mapping.space, index, pfn);
    return pfn;
  }

  /**
   * find_or_create_page: the page of (mapping, index), locked by the caller; a new one is not up to date.
   * Throws ENOMEM.
   */
  *grabPage(mapping: Mapping, index: number): Process<Pfn> {
    const { cache, map, allocator } = this.#mm;
    for (;;) {
      const found = cache.find(mapping.space, index);
      if (found === NO_PAGE) {
        let pfn = this.allocate();
        if (pfn === NO_PAGE) {
          pfn = yield* this.allocateWaiting();
          if (cache.find(mapping.space, index) !== NO_PAGE) {
            allocator.free(pfn);
            continue;
          }
        }
        map.set(pfn, PG.locked);
        cache.add(mapping.space, index, pfn);
        return pfn;
      }
      if (!map.has(found, PG.locked)) {
        map.set(found, PG.locked);
        return found;
      }
      yield* this.waitOnPage(found);
    }
  }

  /** Takes the page out of the cache, unwritten, when it is not in use any more. */
  *dropPage(mapping: Mapping, index: number): Process {
    const { cache, map } = this.#mm;
    for (;;) {
      const pfn = cache.find(mapping.space, index);
      if (pfn === NO_PAGE) return;
      if (map.has(pfn, PG.locked | PG.writeback)) {
        yield* this.waitOnPage(pfn);
        continue;
      }
      cache.clearDirty(pfn);
      map.clear(pfn, PG.pinned);
      this.#mm.discard([pfn]);
      return;
    }
  }

  /** unlock_page. */
  unlockPage(pfn: Pfn): void {
    this.#mm.map.clear(pfn, PG.locked);
    this.wakePage(pfn);
  }

  /** Wakes those who wait for the page: it is unlocked, or its write has ended. */
  wakePage(pfn: Pfn): void {
    const waiters = this.#waiters.size === 0 ? undefined : this.#waiters.get(pfn);
    if (waiters === undefined) return;
    this.#waiters.delete(pfn);
    waiters.wakeAll();
  }

  /**
   * wait_on_page_bit: unplugs the queue and sleeps until something about a page of the cache that is locked or under writeback
   * has changed. The caller looks it up again. Nobody holds the page: while this process uses the processor it may become
   * another, and whoever locks that one may wait for a lock of the caller's.
   */
  *waitOnPage(pfn: Pfn): Process {
    const { cache, map } = this.#mm;
    const space = cache.spaceOf(pfn);
    const index = cache.indexOf(pfn);
    this.#queue.unplug();
    yield* this.#env.cpu.settle();
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
