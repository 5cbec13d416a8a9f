/**
 * Writeback: dirty pages and inodes find their way to the disk (fs/fs-writeback.c, fs/mpage.c and
 * mm/filemap.c of 2.6.12). When that is done unasked is page-writeback.ts.
 *
 * A page is dirty (newer than its block), under writeback (a write of it is in flight), or neither.
 * `writepage` works under the page lock. It clears the dirty bit, sets the writeback bit, submits
 * the write and unlocks the page. A store meanwhile sets the dirty bit again, so the end of the old
 * write never makes the page clean. The hypervisor agrees, because it sees the store trap. A file's
 * pages are written in the order of their indices, neighbours on the disk in one bio.
 *
 * Mappings with something dirty form a list in the order in which they became dirty. With a
 * registry (dirty-registry.ts) the hypervisor is told where a page belongs when it becomes dirty.
 *
 * A write that failed leaves the page up to date and clean, with its error bit. The mapping keeps
 * the error for the next fsync, as in the original. If the write was the first of a new block, the
 * page stays dirty and is lost (MemMap.isLost): it is not written again. The next caller that
 * writes or waits takes the block from it (Mapping.withdraw), and the file has a hole there. The
 * original leaves in the file what the block's former owner left in it.
 *
 * Differs besides in that there is one block device, and in that the loss of metadata is noted for
 * the file system.
 *
 * Invariant:
 *   1. a mapping becomes dirty only where the code that opened its space has said who writes it.
 *
 * Longer than other files, because the states of a page under writeback, and each way out of them,
 * are to be read together.
 */

import { assert } from '../../base/assert.ts';
import { ModelError } from '../../base/errno.ts';
import { PAGE_SIZE, type Pfn } from '../../base/units.ts';
import { Completion, WaitQueue, type Process } from '../../sim/index.ts';
import { BLOCK_DEVICE_INO, BlkifOp, type GuestEnvironment } from '../../xen/public/index.ts';
import { BioBuilder } from '../block/bio-builder.ts';
import type { Bio, BlockQueue } from '../block/block-queue.ts';
import type { KernelCosts } from '../costs.ts';
import type { KernelLog } from '../log.ts';
import { DirtyMappings } from './dirty-mappings.ts';
import type { DirtyRegistry } from './dirty-registry.ts';
import { NO_PAGE, PG } from '../mm/mem-map.ts';
import type { MemoryManagement } from '../mm/mm.ts';
import type { AddressSpace } from '../mm/page-cache.ts';
import type { PageWriter } from '../mm/page-users.ts';
import { HOLE, lookUpBlock, noteError, type Mapping } from './mapping.ts';
import type { PageLocks } from './page-locks.ts';
import { everything, type WritebackControl } from './writeback-control.ts';

/** So few pages are looked up one by one rather than sought among all of the mapping's. */
const NARROW = 16;

/** What writeback is made of. */
export interface WritebackParts {
  readonly env: GuestEnvironment;
  readonly costs: KernelCosts;
  readonly log: KernelLog;
  readonly mm: MemoryManagement;
  readonly queue: BlockQueue;
  readonly locks: PageLocks;
  /** Where dirty pages are to survive a crash. */
  readonly registry: DirtyRegistry | undefined;
}

export class Writeback implements PageWriter {
  readonly #env: GuestEnvironment;
  readonly #costs: KernelCosts;
  readonly #log: KernelLog;
  readonly #mm: MemoryManagement;
  readonly #queue: BlockQueue;
  readonly #locks: PageLocks;
  readonly #registry: DirtyRegistry | undefined;
  readonly #dirty = new DirtyMappings();
  /** Woken when a write ends and the queue is not congested. */
  readonly progress = new WaitQueue('a write to end');
  /**
   * Where dirty pages are registered; undefined where they do not survive a crash, and before
   * `startRegistering`. A field, as every overwrite asks; changed here alone.
   */
  registry: DirtyRegistry | undefined;
  /**
   * Whether metadata could not be written since boot: what the disk holds of it is older than what
   * is built on it.
   */
  hasLostMetadata = false;
  /** Pages that became dirty since boot. */
  pagesDirtied = 0;
  /** Pages written since boot. */
  pagesWritten = 0;
  /** Writes of a page that have failed since boot, or could not be begun. */
  pagesLost = 0;

  constructor({ env, costs, log, mm, queue, locks, registry }: WritebackParts) {
    this.#env = env;
    this.#costs = costs;
    this.#log = log;
    this.#mm = mm;
    this.#queue = queue;
    this.#locks = locks;
    this.#registry = registry;
  }

  /**
   * The disk is as a crash should find it: dirty pages are registered from now on, if this kernel
   * does that.
   */
  startRegistering(): void {
    this.registry = this.#registry;
  }

  /** Whether a mapping has dirty pages or a dirty inode. */
  isDirty(space: AddressSpace): boolean {
    return this.#dirty.has(space);
  }

  /** Woken when something becomes dirty and nothing was. */
  get somethingDirty(): WaitQueue {
    return this.#dirty.somethingDirty;
  }

  /** Mappings that have dirty pages or a dirty inode. */
  get nrDirtyMappings(): number {
    return this.#dirty.size;
  }

  /** set_page_dirty. */
  markPageDirty(mapping: Mapping, pfn: Pfn): void {
    const isNew = this.#mm.cache.setDirty(pfn);
    if (this.registry !== undefined) {
      const { map } = this.#mm;
      // A write in flight may have ended for the hypervisor: then the page is not registered any
      // more.
      if (isNew || map.has(pfn, PG.writeback) || !map.has(pfn, PG.registered)) {
        // From here on it may be written home as it is.
        this.#zeroTail(mapping, this.#mm.cache.indexOf(pfn), pfn);
        this.registry.register(mapping, pfn);
      }
    }
    if (!isNew) return;
    this.pagesDirtied++;
    this.markInodeDirty(mapping);
  }

  /** __mark_inode_dirty: the mapping is on the list of what is to be written. */
  markInodeDirty(mapping: Mapping): void {
    if (this.#dirty.has(mapping.space)) return;
    assert(mapping.space.writer === this, 'writeback 1: a space that becomes dirty has a writer');
    this.#dirty.add(mapping, this.#env.now);
  }

  /** The inode is deleted: nothing of it needs writing. */
  forget(space: AddressSpace): void {
    this.#dirty.delete(space);
  }

  /**
   * filemap_fdatawrite: starts writing the dirty pages of a mapping, from page `start` up to and
   * without `end`. With `all` every page that is dirty now is submitted, waiting for earlier writes
   * of it; else pages in use are left out.
   * @param placedOnly leave pages out that have no block yet
   */
  writePages(mapping: Mapping, all: boolean, start = 0, end = Infinity, placedOnly = false): Process {
    return this.#writePages(mapping, all, everything(), start, end, placedOnly);
  }

  /** mpage_writepages. */
  *#writePages(
    mapping: Mapping,
    all: boolean,
    control: WritebackControl,
    start = 0,
    end = Infinity,
    placedOnly = false,
  ): Process {
    const { cache, map } = this.#mm;
    if (mapping.space.hasLost) yield* this.#withdrawLost(mapping);
    const indices = end - start <= NARROW ? range(start, end) : cache.dirtyIndices(mapping.space, start, end);
    const bios = new BioBuilder(this.#queue, BlkifOp.write, this.#endOf(mapping));
    for (const index of indices) {
      if (control.nrToWrite <= 0 || this.#mustLeaveOff(control)) break;
      let pfn = cache.find(mapping.space, index);
      if (pfn !== NO_PAGE && map.has(pfn, PG.dirty) && !map.has(pfn, PG.hasBlock)) {
        if (placedOnly) continue;
        yield* bios.submit();
        yield* this.#allocate(mapping, index);
        pfn = cache.find(mapping.space, index);
      }
      while (all && pfn !== NO_PAGE && map.has(pfn, PG.dirty) && map.has(pfn, PG.locked | PG.writeback)) {
        yield* bios.submit();
        yield* this.#locks.wait(pfn);
        pfn = cache.find(mapping.space, index);
      }
      if (pfn === NO_PAGE || !map.has(pfn, PG.dirty) || map.has(pfn, PG.locked | PG.writeback)) continue;
      if (!map.has(pfn, PG.hasBlock) || map.isLost(pfn)) continue;
      map.set(pfn, PG.locked);
      const block = yield* this.#blockOf(mapping, index, pfn);
      if (block < 0) continue;
      this.#zeroTail(mapping, index, pfn);
      cache.clearDirty(pfn);
      cache.setWriteback(pfn);
      this.#locks.unlock(pfn);
      this.#env.cpu.charge(this.#costs.getBlockNs);
      if (!bios.hasRoomFor(block)) yield* bios.submit();
      bios.add(block, pfn);
      control.nrToWrite--;
      this.pagesWritten++;
    }
    yield* bios.submit();
    if (mapping.space.nrDirty === 0 && !mapping.isInodeDirty) this.#dirty.delete(mapping.space);
  }

  #mustLeaveOff(control: WritebackControl): boolean {
    if (!control.isNonblocking || !this.#queue.isCongested(BlkifOp.write)) return false;
    control.encounteredCongestion = true;
    return true;
  }

  /**
   * filemap_fdatawait: waits until no page from `start` up to and without `end` is under writeback.
   * Returns whether blocks were taken from pages that are lost.
   */
  *waitPages(mapping: Mapping, start = 0, end = Infinity): Process<boolean> {
    if (mapping.space.nrWriteback > 0) yield* this.#waitPages(mapping, start, end);
    if (!mapping.space.hasLost) return false;
    yield* this.#withdrawLost(mapping);
    return true;
  }

  *#waitPages(mapping: Mapping, start: number, end: number): Process {
    const { cache, map } = this.#mm;
    const indices = end - start <= NARROW ? range(start, end) : cache.writebackIndices(mapping.space, start, end);
    for (const index of indices) {
      for (;;) {
        const pfn = cache.find(mapping.space, index);
        if (pfn === NO_PAGE || !map.has(pfn, PG.writeback)) break;
        yield* this.#locks.wait(pfn);
      }
    }
  }

  /** Takes their blocks from all pages of a mapping that are lost. */
  *#withdrawLost(mapping: Mapping): Process {
    const { cache, map } = this.#mm;
    const { space } = mapping;
    space.hasLost = false;
    for (const index of cache.dirtyIndices(space, 0, Infinity)) {
      const pfn = cache.find(space, index);
      if (pfn !== NO_PAGE && map.isLost(pfn)) yield* mapping.withdraw(index);
    }
  }

  /**
   * The error that a write of the mapping met since it was asked last; throws it once (AS_EIO,
   * AS_ENOSPC).
   */
  throwError(mapping: Mapping): void {
    const { error } = mapping.space;
    if (error === undefined) return;
    mapping.space.error = undefined;
    throw new ModelError(error, `writing pages of inode ${mapping.space.ino} has failed`);
  }

  /**
   * sync: writes everything that is dirty, and waits for it. The drive's own cache is flushed too.
   */
  *sync(device: Mapping): Process {
    yield* this.#syncOnce(device);
    // Some pages were lost: that their blocks are taken from them is to be on the medium, too.
    if (this.#dirty.all().some(({ mapping }) => mapping.space.hasLost)) yield* this.#syncOnce(device);
  }

  *#syncOnce(device: Mapping): Process {
    for (const wait of [false, true]) {
      for (const { mapping } of this.#dirty.all()) {
        if (mapping === device) continue;
        yield* this.#writeMapping(mapping, wait, everything());
      }
      yield* this.#writeMapping(device, wait, everything());
    }
    yield* this.flushDrive();
  }

  /** Empties the drive's volatile cache; waits for it. Throws EIO. */
  *flushDrive(): Process {
    const flushed = new Completion('the drive to flush its cache');
    if (this.#queue.isFull(BlkifOp.flush)) yield* this.#queue.waitForRoom(BlkifOp.flush);
    this.#queue.flush((failed) => {
      flushed.complete(!failed);
    });
    yield* this.#env.cpu.settle();
    if (!(yield* flushed.wait())) throw new ModelError('EIO', 'the drive did not flush its cache');
  }

  /**
   * Pages and inode of one mapping; with `wait`, until they are written. One that is being deleted
   * is left alone.
   */
  *#writeMapping(mapping: Mapping, wait: boolean, control: WritebackControl): Process {
    if (!mapping.hold()) return;
    try {
      yield* this.#writeHeld(mapping, wait, control);
    } finally {
      yield* mapping.release();
    }
  }

  *#writeHeld(mapping: Mapping, wait: boolean, control: WritebackControl): Process {
    yield* this.#writePages(mapping, wait, control);
    yield* this.#writeInode(mapping);
    if (wait && (yield* this.waitPages(mapping))) yield* this.#writeInode(mapping);
    if (mapping.space.nrDirty === 0 && !mapping.isInodeDirty) this.#dirty.delete(mapping.space);
  }

  *#writeInode(mapping: Mapping): Process {
    if (!mapping.isInodeDirty) return;
    try {
      yield* mapping.writeInode();
    } catch (error) {
      noteError(mapping.space, error);
    }
  }

  /**
   * writeback_inodes: writes the oldest mappings first, those dirty since before `olderThan` when
   * that is given. Returns the pages submitted.
   */
  *writeInodes(control: WritebackControl, olderThan?: number): Process<number> {
    const budget = control.nrToWrite;
    for (const dirty of this.#dirty.all()) {
      if (control.nrToWrite <= 0 || this.#mustLeaveOff(control)) break;
      if (!this.#dirty.has(dirty.mapping.space)) continue;
      if (olderThan !== undefined && dirty.since > olderThan) break;
      yield* this.#writeMapping(dirty.mapping, false, control);
      // What is left of it, pages that were in use, waits its turn behind the others; for kupdate
      // it keeps its place.
      if (!this.#dirty.has(dirty.mapping.space) || olderThan !== undefined) continue;
      this.#dirty.requeue(dirty, this.#env.now);
    }
    this.#queue.unplug();
    yield* this.#env.cpu.settle();
    return budget - control.nrToWrite;
  }

  /**
   * A place for a page that a mapped store has made of a hole; when there is none, the page is
   * given up.
   */
  *#allocate(mapping: Mapping, index: number): Process {
    const { map, cache } = this.#mm;
    try {
      yield* mapping.allocate(index);
      const block = yield* lookUpBlock(mapping, index);
      const pfn = cache.find(mapping.space, index);
      if (pfn === NO_PAGE || block === HOLE) return;
      map.set(pfn, PG.hasBlock);
      // A hole has no name; now the page has a place.
      if (map.has(pfn, PG.uptodate)) cache.setUptodate(pfn);
    } catch (error) {
      const pfn = cache.find(mapping.space, index);
      this.#giveUp(mapping, pfn, error);
    }
  }

  /** get_block of a page that has one; on failure the page is given up. */
  *#blockOf(mapping: Mapping, index: number, pfn: Pfn): Process<number> {
    try {
      const block = yield* lookUpBlock(mapping, index);
      if (block === HOLE) throw new ModelError('EIO', `page ${index} of inode ${mapping.space.ino} has lost its block`);
      return block;
    } catch (error) {
      this.#giveUp(mapping, pfn, error);
      this.#locks.unlock(pfn);
      return HOLE;
    }
  }

  /** A page that cannot be written is clean or lost, and the error is in the mapping. */
  #giveUp(mapping: Mapping, pfn: Pfn, error: unknown): void {
    this.#tellLoss(mapping);
    noteError(mapping.space, error);
    this.hasLostMetadata ||= mapping.isMetadata;
    this.pagesLost++;
    if (pfn === NO_PAGE) return;
    this.#mm.map.set(pfn, PG.error);
    if (this.#mm.map.has(pfn, PG.fresh)) mapping.space.hasLost = true;
    else this.#mm.cache.clearDirty(pfn);
  }

  /**
   * block_write_full_page: what a mapped store left behind the end of the file never reaches the
   * disk.
   */
  #zeroTail(mapping: Mapping, index: number, pfn: Pfn): void {
    const tail = mapping.tail(index);
    if (tail > 0) this.#env.memory.zero(pfn, PAGE_SIZE - tail, tail);
  }

  /** pageout for reclaim: starts writing one page if that needs no waiting. */
  pageOut(pfn: Pfn): void {
    const { cache, map } = this.#mm;
    const mapping = this.#dirty.get(cache.spaceOf(pfn));
    const hasRoom = !this.#queue.isCongested(BlkifOp.write) && !this.#queue.isFull(BlkifOp.write);
    if (mapping === undefined || !hasRoom || !map.has(pfn, PG.hasBlock) || map.isLost(pfn)) return;
    let block: number;
    try {
      block = mapping.blockNow(cache.indexOf(pfn));
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      return;
    }
    if (block < 0) return;
    this.#zeroTail(mapping, cache.indexOf(pfn), pfn);
    cache.clearDirty(pfn);
    cache.setWriteback(pfn);
    map.set(pfn, PG.reclaim);
    this.#queue.submit({ op: BlkifOp.write, block, pages: [pfn], endPage: this.#endOf(mapping) });
    this.pagesWritten++;
  }

  #endOf(mapping: Mapping): Bio['endPage'] {
    return (pfn, failed) => this.#endWrite(mapping, pfn, failed);
  }

  /** end_page_writeback, in interrupt context. */
  #endWrite(mapping: Mapping, pfn: Pfn, failed: boolean): void {
    const { map, cache, lru } = this.#mm;
    if (failed) this.#failed(mapping, pfn);
    else map.clear(pfn, PG.error | PG.fresh);
    cache.endWriteback(pfn);
    if (this.registry !== undefined && map.has(pfn, PG.dirty)) {
      // Stored to before the write was taken up, perhaps: then the hypervisor calls it clean.
      const dirty = this.#dirty.get(cache.spaceOf(pfn));
      if (dirty !== undefined) this.registry.register(dirty, pfn);
    }
    if (map.has(pfn, PG.reclaim)) {
      map.clear(pfn, PG.reclaim);
      lru.rotate(pfn);
    }
    this.#locks.wake(pfn);
    if (!this.#queue.isCongested(BlkifOp.write)) this.progress.wakeAll();
  }

  #failed(mapping: Mapping, pfn: Pfn): void {
    const { map } = this.#mm;
    this.#tellLoss(mapping);
    mapping.space.error = 'EIO';
    this.hasLostMetadata ||= mapping.isMetadata;
    this.pagesLost++;
    if (!map.has(pfn, PG.fresh)) map.set(pfn, PG.error);
    else if (!map.has(pfn, PG.dirty)) {
      map.set(pfn, PG.error);
      mapping.space.hasLost = true;
      this.markPageDirty(mapping, pfn);
    }
    // One that was stored to meanwhile is written again.
  }

  /** buffer_io_error: once for each mapping, until an fsync or sync has asked. */
  #tellLoss({ space }: Mapping): void {
    if (space.error === undefined) this.#log.say('err', `lost page write: ${nameOf(space)}`);
  }
}

function range(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, i) => start + i);
}

function nameOf({ ino }: AddressSpace): string {
  return ino === BLOCK_DEVICE_INO ? 'the block device' : `inode ${ino}`;
}
