/**
 * Reading files through the page cache: do_generic_mapping_read of mm/filemap.c, 2.6.12.
 *
 * `readNow` is the cached-read path: no process, no allocation (see hot-paths 6). It goes as far as
 * the pages are up to date and no readahead is due; `readRest` goes on from there. Differs from the
 * original in that access times are not kept (as mounted with noatime).
 */

import { ModelError } from '../../base/errno.ts';
import { PAGE_SIZE } from '../../base/units.ts';
import { NOTHING, type CpuClock, type Process } from '../../sim/index.ts';
import { BlkifOp, type GuestEnvironment, type GuestMemory } from '../../xen/public/index.ts';
import type { KernelCosts } from '../costs.ts';
import type { Inode } from '../fs/inode.ts';
import { type MemMap, NO_PAGE, PG } from '../mm/mem-map.ts';
import type { MemoryManagement } from '../mm/mm.ts';
import type { PageCache } from '../mm/page-cache.ts';
import type { PageIo } from '../cache/page-io.ts';
import { NO_MARK, RA_MAX, type MarkedPages, type Readahead } from '../mm/readahead.ts';

/** Flags of open, with Linux's values. */
export const O = {
  /** For reading. */
  rdonly: 0,
  /** For writing. */
  wronly: 1,
  /** For both. */
  rdwr: 2,
  /** Makes the file if there is none. */
  creat: 0o100,
  /** With `creat`: EEXIST if there is one. */
  excl: 0o200,
  /** Cuts the file to 0 bytes. */
  trunc: 0o1000,
  /** Every write goes to the end. */
  append: 0o2000,
  /** A write returns when it is on the medium. */
  sync: 0o10000,
  /** Past the cache. */
  direct: 0o40000,
  /** ENOTDIR unless it is a directory. */
  directory: 0o200000,
  /** ELOOP for a symbolic link. */
  nofollow: 0o400000,
} as const;
/** Every bit that `O` names; a mode of access of 3 opens for neither reading nor writing. */
export const OPEN_FLAGS = Object.values(O).reduce<number>((all, flag) => all | flag, 0);
export const ACCESS_MODE = 3;
// What every read asks (see hot-paths 3).
const UPTODATE = PG.uptodate;
/**
 * Faults that may miss in excess of those that hit, until no pages are read around them any more.
 */
const MMAP_LOTSAMISS = 100;

/** An open file, made by `FileMap.open`. It answers what readahead asks about its pages. */
export class OpenFile implements MarkedPages {
  readonly inode: Inode;
  readonly #cache: PageCache;
  readonly #map: MemMap;
  readonly #io: PageIo;
  readonly readahead: Readahead;
  /** Faults in a mapping of it that found their page, and that did not. */
  mmapHit = 0;
  mmapMiss = 0;
  /** Offset of the next read, bytes. */
  position = 0;
  /** Page at which readahead is asked again. */
  nextReadahead = 0;
  /** Page that was read last: a second read of it does not count as another access. */
  previousPage = -1;

  /** Calls that run now: a file that is closed meanwhile lives until they have ended. */
  users = 0;
  isClosed = false;
  /** Whether the program has said that it reads from front to back. */
  isSequential = false;
  readonly isReadable: boolean;
  readonly isWritable: boolean;
  readonly isAppending: boolean;
  readonly isSynchronous: boolean;
  readonly isDirect: boolean;
  /** Whether a write is more than storing bytes in the cache. */
  readonly needsProcess: boolean;
  /** Whether it has bytes that a program may read and write. */
  readonly isRegular: boolean;

  constructor(mm: MemoryManagement, io: PageIo, inode: Inode, flags: number) {
    this.#cache = mm.cache;
    this.#map = mm.map;
    this.#io = io;
    this.readahead = mm.newReadahead();
    this.inode = inode;
    const access = flags & ACCESS_MODE;
    this.isReadable = access === O.rdonly || access === O.rdwr;
    this.isWritable = access === O.wronly || access === O.rdwr;
    this.isAppending = (flags & O.append) !== 0;
    this.isSynchronous = (flags & O.sync) !== 0;
    this.isDirect = (flags & O.direct) !== 0;
    this.needsProcess = this.isAppending || this.isSynchronous || this.isDirect;
    this.isRegular = inode.isRegular;
  }

  absent(start: number, count: number): number {
    const { space, pageCount } = this.inode;
    const end = Math.min(start + count, pageCount);
    let absent = 0;
    for (let index = start; index < end; index++) if (this.#cache.find(space, index) === NO_PAGE) absent++;
    return absent;
  }

  isCongested(): boolean {
    return this.#io.queue.isCongested(BlkifOp.read);
  }

  takeMark(index: number): boolean {
    const pfn = this.#cache.find(this.inode.space, index);
    if (!this.#map.has(pfn, PG.readahead)) return false;
    this.#map.clear(pfn, PG.readahead);
    return true;
  }
}

/**
 * fput: a call or a mapping has no more use for an open file; the last one after `close` lets the
 * inode go.
 */
export function fput(file: OpenFile): Process {
  return --file.users === 0 && file.isClosed ? file.inode.release() : NOTHING;
}

export class FileMap {
  readonly #cpu: CpuClock;
  readonly #memory: GuestMemory;
  readonly #costs: KernelCosts;
  readonly #mm: MemoryManagement;
  readonly #io: PageIo;

  constructor(env: GuestEnvironment, costs: KernelCosts, mm: MemoryManagement, io: PageIo) {
    this.#cpu = env.cpu;
    this.#memory = env.memory;
    this.#costs = costs;
    this.#mm = mm;
    this.#io = io;
  }

  open(inode: Inode, flags: number): OpenFile {
    return new OpenFile(this.#mm, this.#io, inode, flags);
  }

  /**
   * Reads up to `length` bytes at `position` into dst[offset …], as far as that needs no waiting
   * (see hot-paths 6).
   * @returns the bytes read, less than `length` only at the end of the file. When the rest must
   * wait, the bitwise complement of the bytes read so far: pass those to `readRest`.
   */
  readNow(file: OpenFile, dst: Uint8Array, offset: number, position: number, length: number): number {
    file.nextReadahead = Math.floor(position / PAGE_SIZE);
    return this.#copyCached(file, dst, offset, position, length, 0);
  }

  /**
   * The rest of a read that had to wait after `done` bytes. Returns the bytes read in all, fewer
   * than there are when an error stopped it after some; throws EIO, ENOMEM when it stopped before
   * any.
   */
  *readRest(
    file: OpenFile,
    dst: Uint8Array,
    offset: number,
    position: number,
    length: number,
    done: number,
  ): Process<number> {
    let total = ~done;
    while (total < 0) {
      const reached = ~total;
      try {
        yield* this.#makeReady(file, Math.floor((position + reached) / PAGE_SIZE));
      } catch (error) {
        if (!(error instanceof ModelError) || reached === 0) throw error;
        return reached;
      }
      total = this.#copyCached(file, dst, offset, position, length, reached);
    }
    return total;
  }

  /**
   * Sends what the file has from its position on, up to `length` bytes: generic_file_sendfile.
   * Pages are not copied to a program. What is cached is sent before this waits for the rest. The
   * position advances by what was sent.
   * @param chunk takes what is sent at once
   * @param send sends the first bytes of `chunk`, as many as it is told
   * @returns the bytes sent, fewer than asked only at the end of the file or when an error stopped
   * it after some. Throws EIO, ENOMEM and what `send` throws when it stopped before any.
   */
  *send(file: OpenFile, length: number, chunk: Uint8Array, send: (bytes: number) => Process): Process<number> {
    const start = file.position;
    file.nextReadahead = Math.floor(start / PAGE_SIZE);
    try {
      while (file.position < Math.min(start + length, file.inode.size)) {
        const bytes = this.#gather(file, Math.min(start + length, file.inode.size), chunk);
        if (bytes > 0) {
          yield* this.#cpu.settle();
          yield* send(bytes);
          file.position += bytes;
        } else yield* this.#makeReady(file, Math.floor(file.position / PAGE_SIZE));
      }
    } catch (error) {
      if (!(error instanceof ModelError) || file.position === start) throw error;
    }
    return file.position - start;
  }

  /** Fills `chunk` from the file's position on, as far as pages are up to date. */
  #gather(file: OpenFile, end: number, chunk: Uint8Array): number {
    const { cache, lru, map } = this.#mm;
    const { inode, position } = file;
    let done = 0;
    while (done < chunk.length && position + done < end) {
      const at = position + done;
      const index = Math.floor(at / PAGE_SIZE);
      if (index === file.nextReadahead) {
        file.nextReadahead = file.readahead.access(index, Math.floor((end - 1) / PAGE_SIZE) - index + 1, file);
        if (file.readahead.hasBatch) break;
      }
      const pfn = cache.find(inode.space, index);
      if (pfn === NO_PAGE || (map.flagsOf(pfn) & UPTODATE) === 0) break;
      if (file.previousPage !== index) lru.markAccessed(pfn);
      file.previousPage = index;
      const bytes = Math.min(PAGE_SIZE - (at - index * PAGE_SIZE), end - at, chunk.length - done);
      this.#memory.copyOut(pfn, at - index * PAGE_SIZE, chunk, done, bytes);
      this.#cpu.charge(this.#costs.pageLookupNs);
      done += bytes;
    }
    return done;
  }

  /**
   * What filemap_nopage reads ahead for a fault at page `index`. With sequential access in mind
   * that is the next window. Otherwise it is the pages around it, as long as that has proved
   * useful.
   */
  *readAround(file: OpenFile, index: number): Process {
    const { readahead, inode } = file;
    const { max } = readahead;
    if (max === 0) return;
    if (file.isSequential) {
      readahead.access(index, 1, file);
      yield* this.#startReadahead(file);
      if (this.#mm.cache.find(inode.space, index) === NO_PAGE) readahead.noteMiss();
      return;
    }
    if (this.#mm.cache.find(inode.space, index) !== NO_PAGE) {
      file.mmapHit++;
      return;
    }
    if (++file.mmapMiss > file.mmapHit + MMAP_LOTSAMISS) return;
    yield* this.#io.readAhead(inode, Math.max(0, index - (max >>> 1)), max);
  }

  /**
   * force_page_cache_readahead: starts reading a range, 32 pages at a time; of half the free and
   * inactive pages at most (max_sane_readahead).
   */
  *readahead(inode: Inode, start: number, count: number): Process {
    const sane = Math.floor((this.#mm.lru.nrInactive + this.#mm.allocator.freeCount) / 2);
    const end = Math.min(start + Math.min(count, sane), inode.pageCount);
    for (let at = start; at < end; at += RA_MAX) {
      yield* this.#io.readAhead(inode, at, Math.min(RA_MAX, end - at));
      yield* this.#cpu.settle();
    }
  }

  #copyCached(
    file: OpenFile,
    dst: Uint8Array,
    offset: number,
    position: number,
    length: number,
    alreadyDone: number,
  ): number {
    const { inode } = file;
    const { cache, lru, map } = this.#mm;
    const memory = this.#memory;
    const cpu = this.#cpu;
    const end = Math.min(length, inode.size - position);
    const { pageLookupNs, copyNsPerByte } = this.#costs;
    let done = alreadyDone;
    while (done < end) {
      const at = position + done;
      const index = at < 0x8000_0000 ? at >>> 12 : Math.floor(at / PAGE_SIZE);
      if (index === file.nextReadahead) {
        const last = Math.floor((position + end - 1) / PAGE_SIZE);
        file.nextReadahead = file.readahead.access(index, last - index + 1, file);
        if (file.readahead.hasBatch) return ~done;
      }
      const pfn = cache.lookUp(inode.space, index);
      if (pfn < 0 || (map.flagsOf(pfn) & UPTODATE) === 0) return ~done;
      if (file.previousPage !== index) lru.markAccessed(pfn);
      file.previousPage = index;
      const inPage = at - index * PAGE_SIZE;
      const bytes = Math.min(PAGE_SIZE - inPage, end - done);
      memory.copyOut(pfn, inPage, dst, offset + done, bytes);
      cpu.charge(pageLookupNs + bytes * copyNsPerByte);
      done += bytes;
    }
    return Math.max(done, 0);
  }

  *#makeReady(file: OpenFile, index: number): Process {
    if (file.readahead.hasBatch) yield* this.#startReadahead(file);
    if (this.#io.find(file.inode.space, index) !== undefined || index >= file.inode.pageCount) return;
    if (this.#mm.cache.find(file.inode.space, index) === NO_PAGE) file.readahead.noteMiss();
    try {
      yield* this.#io.getPage(file.inode, index);
    } catch (error) {
      // The file was cut short meanwhile: the reader finds its end.
      if (index < file.inode.pageCount) throw error;
    }
  }

  *#startReadahead(file: OpenFile): Process {
    const { cache, map } = this.#mm;
    const { space } = file.inode;
    while (file.readahead.hasBatch) {
      const { batchStart, batchCount, batchMark } = file.readahead;
      file.readahead.takeBatch();
      const isMarked = batchMark !== NO_MARK && cache.find(space, batchMark) === NO_PAGE;
      yield* this.#io.readAhead(file.inode, batchStart, batchCount);
      const pfn = isMarked ? cache.find(space, batchMark) : NO_PAGE;
      if (pfn !== NO_PAGE) map.set(pfn, PG.readahead);
    }
  }
}
