/**
 * Writing files through the page cache: generic_file_buffered_write of mm/filemap.c, 2.6.12, and
 * direct I/O.
 *
 * A page is found or made, and locked. Its block is allocated. Where the write covers it in part,
 * an old page is read first and a new one zeroed. Bytes are copied, the page becomes up to date and
 * dirty, and it is unlocked. Every so many pages the writer looks at the thresholds of dirty memory
 * (page-writeback.ts), and may have to wait there.
 *
 * `writeNow` is the cached-overwrite path. Pages that are up to date and have their blocks take the
 * bytes by plain calls, without a process and without allocation. `writeRest` is the process that
 * takes over where it stopped, under i_sem.
 *
 * Direct I/O (O_DIRECT) goes past the cache through pages taken for the purpose. What the cache
 * holds of the range is written before and dropped after. What programs map of it is unmapped, so
 * that their stores are included (the original unmaps for writes only). Differs in that position
 * and length must be whole blocks (as in 2.4). Another difference: a write to a hole or beyond the
 * end is a buffered one followed by fsync (so does ext2 there for holes).
 *
 * Invariants of an overwrite, which goes page by page:
 *   1. a step begins in its page;
 *   2. a step moves on.
 */

import { assert } from '../../base/assert.ts';
import { counted } from '../../base/counted.ts';
import { ModelError } from '../../base/errno.ts';
import { PAGE_SIZE, pagesOf, type Pfn } from '../../base/units.ts';
import { Completion, NOTHING, type CpuClock, type Process } from '../../sim/index.ts';
import { BlkifOp, SEGMENTS_PER_REQUEST, type GuestMemory } from '../../xen/public/index.ts';
import type { KernelCosts } from '../costs.ts';
import type { FsCore } from '../fs/core.ts';
import type { ChangeOperations, FileSystem } from '../fs/file-system.ts';
import type { OpenFile } from './filemap.ts';
import type { Inode } from '../fs/inode.ts';
import { NO_PAGE, PG } from '../mm/mem-map.ts';
import type { MemoryManagement } from '../mm/mm.ts';
import type { PageCache } from '../mm/page-cache.ts';
import { HOLE, lookUpBlock } from '../cache/mapping.ts';
import type { PageIo } from '../cache/page-io.ts';
import type { Writeback } from '../cache/fs-writeback.ts';
import type { DirtyLimits } from '../cache/page-writeback.ts';
import { unmapRange } from '../mm/rmap.ts';
import { truncatePages } from '../cache/truncate.ts';

// What every overwrite asks (see hot-paths 3).
const PAGE_BYTES = PAGE_SIZE;
const READY = PG.uptodate | PG.hasBlock;
const ASKED = READY | PG.locked;
const DIRTY = PG.dirty;
/** A page that carries these is as young as another access can make it. */
const HOT = PG.referenced | PG.active;

export class FileWrite {
  readonly #cpu: CpuClock;
  readonly #memory: GuestMemory;
  readonly #costs: KernelCosts;
  readonly #pageLookupNs: number;
  readonly #copyNsPerByte: number;
  readonly #mm: MemoryManagement;
  readonly #cache: PageCache;
  readonly #lru: MemoryManagement['lru'];
  /** A page without one of these bits is marked accessed by a write. */
  readonly #hot: number;
  readonly #io: PageIo;
  readonly #writeback: Writeback;
  readonly #limits: DirtyLimits;
  readonly #fs: FileSystem;
  readonly #changes: ChangeOperations;

  constructor({ env, costs, mm, io, writeback }: FsCore, limits: DirtyLimits, fs: FileSystem) {
    this.#cpu = env.cpu;
    this.#memory = env.memory;
    this.#costs = costs;
    this.#pageLookupNs = costs.pageLookupNs;
    this.#copyNsPerByte = costs.copyNsPerByte;
    this.#mm = mm;
    this.#cache = mm.cache;
    this.#lru = mm.lru;
    this.#hot = mm.policy.countsWritesAndFaults ? HOT : 0;
    this.#io = io;
    this.#writeback = writeback;
    this.#limits = limits;
    this.#fs = fs;
    this.#changes = fs.changes;
  }

  /**
   * Overwrites `length` bytes at `position` from src[offset …] as far as that needs no waiting.
   * That is, pages inside the file that are cached, up to date and have a block (see hot-paths 6).
   * It is long, so that it is the root of what it calls (see hot-paths 7).
   * @returns `length`, or the bitwise complement of the bytes written so far: pass those to
   * `writeRest`.
   */
  writeNow(file: OpenFile, src: Uint8Array, offset: number, position: number, length: number): number {
    const { inode } = file;
    const changes = this.#changes;
    if (inode.sem.isHeld || file.needsProcess || position + length > inode.size) return ~0;
    // Bytes may be stored, and times changed, where no handle is needed for that now.
    if (!changes.isOpen) return ~0;
    const { hearsEveryStore } = changes;
    const cache = this.#cache;
    const hot = this.#hot;
    let done = 0;
    while (done < length) {
      const at = position + done;
      // See hot-paths 5.
      const index = at <= 0x7fff_ffff ? at >>> 12 : Math.floor(at / PAGE_BYTES);
      const pfn = cache.lookUp(inode.space, index);
      if (pfn < 0 || this.#limits.isDue) return ~done;
      const flags = cache.flagsOf(pfn);
      if ((flags & ASKED) !== READY) return ~done;
      const inPage = at - index * PAGE_BYTES;
      const bytes = Math.min(PAGE_BYTES - inPage, length - done);
      assert(inPage >= 0 && inPage < PAGE_BYTES, 'file write 1: a step begins in its page');
      assert(bytes > 0, 'file write 2: a step moves on');
      this.#memory.copyIn(pfn, inPage, src, offset + done, bytes);
      if ((flags & DIRTY) === 0 || hearsEveryStore) changes.markPageDirty(inode, pfn);
      if ((flags & hot) !== hot) this.#lru.markAccessed(pfn);
      this.#cpu.charge(this.#pageLookupNs + bytes * this.#copyNsPerByte);
      done += bytes;
    }
    if (length > 0) changes.touch(inode);
    return done;
  }

  /**
   * The rest of a write that had to wait after `done` bytes. For a file opened with O_APPEND,
   * `position` is ignored. Returns the bytes written in all, fewer than asked when an error stopped
   * it after some. Throws ENOSPC, EFBIG, EIO, ENOMEM, EROFS when it stopped before any.
   * @param from called with the position at which the write began
   */
  *writeRest(
    file: OpenFile,
    src: Uint8Array,
    offset: number,
    position: number,
    length: number,
    done: number,
    from?: (position: number) => void,
  ): Process<number> {
    const { inode } = file;
    if (length === 0) return 0;
    let written = done;
    let isOnDisk = false;
    // See hot-paths 14.
    if (!inode.sem.tryAcquire()) yield* inode.sem.acquire();
    try {
      const start = file.isAppending && done === 0 ? inode.size : position;
      from?.(start);
      const limit = Math.min(length, this.#fs.maxFileBytes - start);
      if (limit <= 0) throw new ModelError('EFBIG', `position ${start}`);
      const begin = this.#changes.change(() => this.#beginWrite(inode, start + done > inode.size), false);
      if (begin !== NOTHING) yield* begin;
      if (file.isDirect) {
        checkDirect(start, length);
        isOnDisk = yield* this.#directWrite(inode, src, offset, start, length);
        if (isOnDisk) written = length;
      }
      try {
        while (written < limit) {
          const at = start + written;
          const index = Math.floor(at / PAGE_SIZE);
          const inPage = at - index * PAGE_SIZE;
          const bytes = Math.min(PAGE_SIZE - inPage, limit - written);
          const from = offset + written;
          yield* this.#changes.change(() => this.#writePage(inode, index, inPage, src, from, bytes), false);
          written += bytes;
          if (this.#limits.isDue) yield* this.#limits.balance();
          if (this.#cpu.isDue) yield* this.#cpu.settle();
        }
      } catch (error) {
        if (!(error instanceof ModelError) || written === 0) throw error;
      }
    } finally {
      const publishing = this.#changes.publish();
      if (publishing !== NOTHING) yield* publishing;
      inode.sem.release();
    }
    if (file.isSynchronous || (file.isDirect && !isOnDisk)) yield* this.#fs.fsync(inode, false);
    return written;
  }

  /**
   * Reads past the cache: what it holds of the range is written first. Returns the bytes read.
   * Throws EINVAL when the range is not whole blocks; EIO.
   */
  *directRead(file: OpenFile, dst: Uint8Array, offset: number, position: number, length: number): Process<number> {
    checkDirect(position, length);
    const { inode } = file;
    // So that no block of the range is another file's before it is read.
    return yield* inode.sem.run(this.#directRead(inode, dst, offset, position, length));
  }

  /** The caller holds i_sem. */
  *#directRead(inode: Inode, dst: Uint8Array, offset: number, position: number, length: number): Process<number> {
    const first = position / PAGE_SIZE;
    const end = first + pagesOf(Math.max(0, Math.min(length, inode.size - position)));
    unmapRange(this.#mm.cache, this.#mm.map, inode.space, first, end);
    yield* this.#writeback.writePages(inode, true, first, end);
    yield* this.#writeback.waitPages(inode, first, end);
    for (let index = first; index < end; index++) {
      const at = offset + (index - first) * PAGE_SIZE;
      const bytes = Math.min(PAGE_SIZE, Math.max(0, inode.size - index * PAGE_SIZE));
      const block = yield* lookUpBlock(inode, index);
      if (block === HOLE) dst.fill(0, at, at + bytes);
      else yield* this.#transfer(BlkifOp.read, [block], dst, at, bytes);
    }
    return Math.max(0, Math.min(length, inode.size - position));
  }

  #beginWrite(inode: Inode, leavesHole: boolean): Process {
    const begin = this.#fs.pages.beginWrite(inode, leavesHole);
    if (begin !== NOTHING) return this.#beginColdWrite(inode, begin);
    this.#changes.touch(inode);
    return NOTHING;
  }

  *#beginColdWrite(inode: Inode, begin: Process): Process {
    yield* begin;
    this.#changes.touch(inode);
  }

  /** prepare_write, copy, commit_write for one page. */
  *#writePage(inode: Inode, index: number, inPage: number, src: Uint8Array, offset: number, bytes: number): Process {
    const { map, cache, lru } = this.#mm;
    const isWhole = bytes === PAGE_SIZE;
    for (;;) {
      const found = cache.find(inode.space, index);
      const isReady = found !== NO_PAGE && map.has(found, PG.uptodate);
      if (!isReady && !isWhole && index < inode.pageCount) yield* this.#io.getPage(inode, index);
      const pfn = this.#io.tryGrab(inode, index) ?? (yield* this.#io.grabPage(inode, index));
      if (!map.has(pfn, PG.uptodate) && !isWhole && index < inode.pageCount) {
        // It went, or came, while this process waited.
        this.#giveUp(pfn);
        continue;
      }
      try {
        if (!map.has(pfn, PG.hasBlock)) {
          yield* this.#fs.pages.blockForWrite(inode, index);
          map.set(pfn, PG.hasBlock);
        }
      } catch (error) {
        this.#giveUp(pfn);
        throw error;
      }
      if (!map.has(pfn, PG.uptodate) && !isWhole) {
        this.#memory.zero(pfn, 0, PAGE_SIZE);
        this.#cpu.charge(this.#costs.clearNsPerByte * PAGE_SIZE);
      }
      this.#memory.copyIn(pfn, inPage, src, offset, bytes);
      this.#cpu.charge(this.#costs.pageLookupNs + this.#costs.getBlockNs + bytes * this.#costs.copyNsPerByte);
      cache.setUptodate(pfn);
      map.clear(pfn, PG.error);
      this.#changes.markPageDirty(inode, pfn);
      this.#io.locks.unlock(pfn);
      if (this.#hot !== 0) lru.markAccessed(pfn);
      const end = index * PAGE_SIZE + inPage + bytes;
      if (end > inode.size) {
        inode.fields.size = end;
        inode.isSizeDirty = true;
        this.#changes.markInodeDirty(inode);
      }
      return;
    }
  }

  /** Unlocks a page that could not be prepared; a new one leaves the cache again. */
  #giveUp(pfn: Pfn): void {
    const { map } = this.#mm;
    map.clear(pfn, PG.locked);
    if (!map.has(pfn, PG.uptodate | PG.writeback | PG.dirty)) this.#mm.discard([pfn]);
    this.#io.locks.wake(pfn);
  }

  /**
   * Writes past the cache where every block is there already; false when that is not so. The caller
   * holds i_sem.
   */
  *#directWrite(inode: Inode, src: Uint8Array, offset: number, position: number, length: number): Process<boolean> {
    if (position + length > inode.size) return false;
    const first = position / PAGE_SIZE;
    const end = first + length / PAGE_SIZE;
    if ((yield* this.#blocksOf(inode, first, end)) === undefined) return false;
    unmapRange(this.#mm.cache, this.#mm.map, inode.space, first, end);
    yield* this.#writeback.writePages(inode, true, first, end);
    yield* this.#writeback.waitPages(inode, first, end);
    // A page that could not be written to a new block has lost it.
    const blocks = yield* this.#blocksOf(inode, first, end);
    if (blocks === undefined) return false;
    yield* truncatePages(this.#mm, this.#io, inode.space, first, end);
    try {
      yield* this.#transfer(BlkifOp.write, blocks, src, offset, length);
    } finally {
      // A reader may have brought old contents in meanwhile.
      yield* truncatePages(this.#mm, this.#io, inode.space, first, end);
    }
    return true;
  }

  /** The blocks of some pages; undefined when one of them has none. Throws EIO. */
  *#blocksOf(inode: Inode, first: number, end: number): Process<number[] | undefined> {
    const blocks: number[] = [];
    for (let index = first; index < end; index++) {
      const block = yield* lookUpBlock(inode, index);
      if (block === HOLE) return undefined;
      blocks.push(block);
    }
    return blocks;
  }

  /**
   * Moves whole blocks between a buffer and the disk through pages of their own. A damaged map may
   * give a block twice, and `runsOf` puts equal places into one run; here each has a page of its
   * own. Throws EIO, ENOMEM.
   */
  *#transfer(op: BlkifOp, blocks: readonly number[], buffer: Uint8Array, offset: number, length: number): Process {
    const { map, allocator } = this.#mm;
    const memory = this.#memory;
    const room = new Uint8Array(PAGE_SIZE);
    for (let at = 0; at < blocks.length; ) {
      const first = blocks[at]!;
      let count = 1;
      while (at + count < blocks.length && count < SEGMENTS_PER_REQUEST && blocks[at + count] === first + count)
        count++;
      const pages: Pfn[] = [];
      for (let i = 0; i < count; i++) {
        const pfn = yield* this.#io.supply.allocateWaiting();
        map.set(pfn, PG.reserved);
        pages.push(pfn);
      }
      const bytesOf = (i: number): number => Math.min(PAGE_SIZE, length - (at + i) * PAGE_SIZE);
      if (op === BlkifOp.write)
        for (let i = 0; i < count; i++) memory.copyIn(pages[i]!, 0, buffer, offset + (at + i) * PAGE_SIZE, PAGE_SIZE);
      const transfer = new Completion(() => `direct I/O on block ${first}`, count);
      yield* this.#io.queue.submitBio({
        op,
        block: first,
        pages,
        endPage: (_, failed) => {
          transfer.complete(!failed);
        },
      });
      this.#io.queue.unplug();
      yield* this.#cpu.settle();
      const isMoved = yield* transfer.wait();
      for (let i = 0; i < count; i++) {
        if (op === BlkifOp.read && isMoved) {
          memory.copyOut(pages[i]!, 0, room, 0, PAGE_SIZE);
          buffer.set(room.subarray(0, bytesOf(i)), offset + (at + i) * PAGE_SIZE);
        }
        map.clear(pages[i]!, PG.reserved);
        allocator.free(pages[i]!);
      }
      if (!isMoved) throw new ModelError('EIO', `direct I/O on block ${first} has failed`);
      at += count;
    }
  }
}

function checkDirect(position: number, length: number): void {
  if (position % PAGE_SIZE !== 0 || length % PAGE_SIZE !== 0)
    throw new ModelError('EINVAL', `direct I/O of ${counted(length, 'byte')} at ${position}`);
}
