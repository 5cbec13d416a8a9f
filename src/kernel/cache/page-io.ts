/**
 * Pages and their I/O: reading them in from blocks, and claiming them from before a reboot
 * (fs/mpage.c and the waiting half of mm/filemap.c, 2.6.12).
 *
 * A window is read in four steps:
 * 1. every absent page is mapped to its block, which may wait for metadata;
 * 2. pages that were cached meanwhile are skipped;
 * 3. the others are claimed in one hypercall;
 * 4. each page that was not handed over is allocated, locked, added to the cache and read. Bios are
 *    of consecutive blocks, at most 11 pages each.
 *
 * A hole is a zeroed page, up to date at once and never named. Where nothing can be claimed, what
 * lies before a boundary is submitted before the next indirect block is read, as in the original. A
 * boundary is the last pointer of an indirect block.
 *
 * After every wait the state is looked up again: a page that was locked may be gone.
 */

import { ModelError } from '../../base/errno.ts';
import { PAGE_SIZE, type Pfn } from '../../base/units.ts';
import type { Process } from '../../sim/index.ts';
import { BlkifOp, type GuestEnvironment } from '../../xen/public/index.ts';
import { BioBuilder } from '../block/bio-builder.ts';
import type { BlockQueue } from '../block/block-queue.ts';
import type { PreservedPages } from './preserved-pages.ts';
import type { KernelCosts } from '../costs.ts';
import { NO_PAGE, PG } from '../mm/mem-map.ts';
import type { MemoryManagement } from '../mm/mm.ts';
import type { AddressSpace } from '../mm/page-cache.ts';
import { RA_MAX } from '../mm/readahead.ts';
import { HOLE, lookUpBlock, NEEDS_METADATA, type Mapping } from './mapping.ts';
import type { MemorySupply } from './memory-supply.ts';
import type { PageLocks } from './page-locks.ts';

/** The page is in the cache. */
const SKIP = -3;

/** What page I/O is made of. */
export interface PageIoParts {
  readonly env: GuestEnvironment;
  readonly costs: KernelCosts;
  readonly mm: MemoryManagement;
  readonly queue: BlockQueue;
  readonly locks: PageLocks;
  readonly supply: MemorySupply;
  readonly preserved: PreservedPages;
}

/** Pages read from the disk. */
export interface ReadCounts {
  data: number;
  metadata: number;
}

export class PageIo {
  readonly counts: ReadCounts = { data: 0, metadata: 0 };
  readonly queue: BlockQueue;
  readonly locks: PageLocks;
  readonly supply: MemorySupply;
  readonly #env: GuestEnvironment;
  readonly #costs: KernelCosts;
  readonly #mm: MemoryManagement;
  readonly #preserved: PreservedPages;

  constructor({ env, costs, mm, queue, locks, supply, preserved }: PageIoParts) {
    this.queue = queue;
    this.locks = locks;
    this.supply = supply;
    this.#env = env;
    this.#costs = costs;
    this.#mm = mm;
    this.#preserved = preserved;
  }

  /**
   * read_cache_page: the page of (mapping, index), up to date, reading it when it is absent. Throws
   * EIO when the read failed, the page has no valid place on the disk, or lies beyond the end of
   * the file.
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
      else if (map.has(pfn, PG.locked)) yield* this.locks.wait(pfn);
      else if (attempts++ > 0)
        throw new ModelError('EIO', `page ${index} of inode ${mapping.space.ino} cannot be read`);
      else yield* this.#readAgain(mapping, index, pfn);
    }
  }

  /** Reads a window ahead of a reader: what cannot be read now is left for the reader to meet. */
  *readAhead(mapping: Mapping, start: number, count: number): Process {
    try {
      yield* this.readPages(mapping, start, count, false);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
    }
  }

  /**
   * mpage_readpages: starts reading the absent pages among start … start + count - 1, up to the end
   * of the file.
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
          let block = mapping.blockNow(index);
          if (block === NEEDS_METADATA) block = yield* lookUpBlock(mapping, index);
          this.#env.cpu.charge(this.#costs.getBlockNs);
          indices.push(index);
          blocks.push(block);
        }
        if (mapping.isBoundary(index++) && this.#preserved.unclaimed === 0) break;
      }
      // The map changed while metadata was read: a reader that still wants an absent page looks it
      // up again.
      if (mapping.mapVersion !== version) return;
      yield* this.#fill(mapping, indices, blocks, must);
    }
  }

  /**
   * What `getPage` would return without waiting: the page when it is in the cache and up to date.
   */
  find(space: AddressSpace, index: number): Pfn | undefined {
    const pfn = this.#mm.cache.find(space, index);
    return pfn !== NO_PAGE && this.#mm.map.has(pfn, PG.uptodate) ? pfn : undefined;
  }

  *#fill(mapping: Mapping, indices: number[], blocks: number[], must: boolean): Process {
    const { cache, map, allocator } = this.#mm;
    const { space } = mapping;
    const version = mapping.mapVersion;
    // The file may have been cut while metadata was read, here or below: its pages are dropped
    // first, and its map changes later.
    while (indices.length > 0 && indices.at(-1)! >= mapping.pageCount) indices.pop();
    this.#claim(space, indices, blocks);
    const bios = new BioBuilder(this.queue, BlkifOp.read, this.#endRead);
    for (let i = 0; i < indices.length; i++) {
      const index = indices[i]!;
      const block = blocks[i]!;
      if (block === SKIP) continue;
      let pfn = this.supply.allocate();
      if (pfn === NO_PAGE) {
        if (!must) break;
        pfn = yield* this.supply.allocateWaiting();
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
      if (!bios.hasRoomFor(block)) yield* bios.submit();
      bios.add(block, pfn);
    }
    yield* bios.submit();
  }

  /** Adds what was preserved; marks it, and what was cached meanwhile, to be skipped. */
  #claim(space: AddressSpace, indices: number[], blocks: number[]): void {
    const { cache } = this.#mm;
    for (let i = 0; i < indices.length; i++) if (cache.find(space, indices[i]!) !== NO_PAGE) blocks[i] = SKIP;
    if (this.#preserved.unclaimed === 0 || !space.named) return;
    const wantedIndices: number[] = [];
    const wantedBlocks: number[] = [];
    for (let i = 0; i < indices.length; i++) {
      if (blocks[i] === SKIP || blocks[i] === HOLE) continue;
      wantedIndices.push(indices[i]!);
      wantedBlocks.push(blocks[i]!);
    }
    if (wantedIndices.length === 0) return;
    const pages = new Int32Array(wantedIndices.length);
    this.#preserved.claim(space, wantedIndices, wantedBlocks, wantedIndices.length, pages);
    for (let i = 0, claim = 0; i < indices.length; i++) {
      if (blocks[i] === SKIP || blocks[i] === HOLE) continue;
      const pfn = pages[claim++]! as Pfn;
      if (pfn === NO_PAGE) continue;
      this.#mm.map.set(pfn, PG.hasBlock);
      cache.add(space, indices[i]!, pfn);
      blocks[i] = SKIP;
    }
  }

  /** readpage on a page that is in the cache but whose read failed before. */
  *#readAgain(mapping: Mapping, index: number, pfn: Pfn): Process {
    const { map } = this.#mm;
    map.set(pfn, PG.locked);
    map.clear(pfn, PG.error);
    try {
      const block = yield* lookUpBlock(mapping, index);
      if (block === HOLE) throw new ModelError('EIO', `page ${index} of inode ${mapping.space.ino} has lost its block`);
      yield* this.queue.submitBio({ op: BlkifOp.read, block, pages: [pfn], endPage: this.#endRead });
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
    this.locks.unlock(pfn);
  };

  /**
   * What `grabPage` would return without waiting or reclaiming; undefined when it would have to.
   */
  tryGrab(mapping: Mapping, index: number): Pfn | undefined {
    const { cache, map, allocator } = this.#mm;
    const found = cache.find(mapping.space, index);
    if (found !== NO_PAGE) {
      if (map.has(found, PG.locked)) return undefined;
      map.set(found, PG.locked);
      return found;
    }
    if (allocator.freeCount <= allocator.marks.low) return undefined;
    const pfn = this.supply.allocate();
    map.set(pfn, PG.locked);
    cache.add(mapping.space, index, pfn);
    return pfn;
  }

  /**
   * find_or_create_page: the page of (mapping, index), locked by the caller; a new one is not up to
   * date. Throws ENOMEM.
   */
  *grabPage(mapping: Mapping, index: number): Process<Pfn> {
    const { cache, map, allocator } = this.#mm;
    for (;;) {
      const found = cache.find(mapping.space, index);
      if (found === NO_PAGE) {
        let pfn = this.supply.allocate();
        if (pfn === NO_PAGE) {
          pfn = yield* this.supply.allocateWaiting();
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
      yield* this.locks.wait(found);
    }
  }

  /** Takes the page out of the cache, unwritten, when it is not in use any more. */
  *dropPage(mapping: Mapping, index: number): Process {
    const { cache, map } = this.#mm;
    for (;;) {
      const pfn = cache.find(mapping.space, index);
      if (pfn === NO_PAGE) return;
      if (map.has(pfn, PG.locked | PG.writeback)) {
        yield* this.locks.wait(pfn);
        continue;
      }
      cache.clearDirty(pfn);
      map.clear(pfn, PG.pinned);
      this.#mm.discard([pfn]);
      return;
    }
  }
}
