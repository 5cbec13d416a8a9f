/**
 * Mapped files: mmap, munmap, msync, mincore, and what happens when a program touches memory that
 * maps a file. Modelled after mm/mmap.c, mm/memory.c, mm/msync.c, mm/mincore.c and filemap_nopage
 * of mm/filemap.c, 2.6.12.
 *
 * `loadNow` and `storeNow` are what the processor does: as far as page-table entries lead to pages,
 * bytes move, and no kernel code runs. Where an entry is missing or forbids the store, the access
 * traps. Then `fault` brings the page in, together with those around it, or copies it for a private
 * range. A store into a shared range only sets the entry's dirty bit. The page becomes dirty when
 * the entry is cleaned by msync, or dropped by munmap, truncation or reclaim. So fsync and sync
 * write only what msync has made dirty, as in 2.6.12. The hypervisor misses nothing: the first
 * store to a page that it calls clean traps, whatever the guest knows.
 *
 * Differs from the original:
 * - all programs share one address space, as threads do;
 * - there is no swap, so a private copy stays until it is unmapped;
 * - a fault in a page beyond the end of the file, or in one that cannot be read, is EFAULT; the
 *   original sends SIGBUS.
 */

import { ModelError } from '../../base/errno.ts';
import { PAGE_SIZE, pagesOf, type Pfn } from '../../base/units.ts';
import type { CpuClock, Process } from '../../sim/index.ts';
import type { GuestMemory } from '../../xen/public/index.ts';
import type { KernelCosts } from '../costs.ts';
import type { FsCore } from '../fs/core.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { fput, type FileMap, type OpenFile } from './filemap.ts';
import { NO_PAGE, PG } from '../mm/mem-map.ts';
import type { MemoryManagement } from '../mm/mm.ts';
import type { PageIo } from '../cache/page-io.ts';
import type { Writeback } from '../cache/fs-writeback.ts';
import { PTE, Vma } from './vma.ts';
import { END_ADDRESS, FIRST_ADDRESS, VmaTable } from './vma-table.ts';

/** Protection of a mapping, with Linux's values. */
export const PROT = {
  /** May be read. */
  read: 1,
  /** May be stored to. */
  write: 2,
} as const;
/** Kind of a mapping, with Linux's values. */
export const MAP = {
  /** Stores reach the file. */
  shared: 1,
  /** Stores go to a copy. */
  private: 2,
} as const;
/** Flags of msync, with Linux's values. */
export const MS = {
  /** Writes nothing yet, as in 2.6.12. */
  async: 1,
  /** Changes nothing here. */
  invalidate: 2,
  /** Waits until all is written. */
  sync: 4,
} as const;

export class MemoryMaps {
  readonly #cpu: CpuClock;
  readonly #memory: GuestMemory;
  readonly #costs: KernelCosts;
  readonly #mm: MemoryManagement;
  readonly #io: PageIo;
  readonly #files: FileMap;
  readonly #writeback: Writeback;
  readonly #fs: FileSystem;
  readonly #table = new VmaTable();
  /** Ranges of each file that has some (i_mmap). */
  readonly #ofFile = new Map<OpenFile['inode'], Set<Vma>>();
  readonly #scratch = new Uint8Array(PAGE_SIZE);

  /**
   * @param core with the environment of programs: they store through their own page tables, not
   * through the kernel's mapping
   */
  constructor({ env, costs, mm, io, writeback }: FsCore, files: FileMap, fs: FileSystem) {
    this.#cpu = env.cpu;
    this.#memory = env.memory;
    this.#costs = costs;
    this.#mm = mm;
    this.#io = io;
    this.#files = files;
    this.#writeback = writeback;
    this.#fs = fs;
  }

  /**
   * mmap: maps `length` bytes of a file from `position` on, the start of a page; returns the
   * address. A length of 0 is EINVAL, as in later kernels. Throws EINVAL, EACCES when the file is
   * not open for it, ENODEV when it is no regular file, ENOMEM, EROFS.
   * @param prot of `PROT`
   * @param flags of `MAP`
   */
  mmap(file: OpenFile, length: number, prot: number, flags: number, position: number): number {
    const shared = (flags & MAP.shared) !== 0;
    const writable = (prot & PROT.write) !== 0;
    if (!file.inode.isRegular) throw new ModelError('ENODEV', 'only regular files can be mapped');
    if (!(length > 0)) throw new ModelError('EINVAL', `${length} bytes from ${position}`);
    if (shared === ((flags & MAP.private) !== 0)) throw new ModelError('EINVAL', 'a mapping is shared or private');
    if (!file.isReadable || (shared && writable && !file.isWritable))
      throw new ModelError('EACCES', 'the file is not open for what the mapping asks');
    const pages = pagesOf(length);
    const start = this.#table.lowestGap(pages);
    if (shared && writable) {
      if (this.#fs.changes.isReadOnly)
        throw new ModelError('EROFS', 'a shared mapping cannot be writable: the file system is read-only');
      file.inode.mayHoldTail = true;
    }
    const vma = new Vma({ start, firstIndex: position / PAGE_SIZE, pages }, file, { shared, writable }, (of, pfn) =>
      this.#writeback.markPageDirty(of.inode, pfn),
    );
    this.#table.add(vma);
    this.#hold(vma);
    return start;
  }

  /**
   * munmap: nothing is mapped in the range any more; ranges are cut where they reach beyond. Throws
   * EINVAL.
   */
  *munmap(address: number, length: number): Process {
    const end = this.#range(address, length);
    const cut = this.#table.within(address, end);
    for (const vma of cut) {
      const from = Math.max(0, (address - vma.start) / PAGE_SIZE);
      const to = Math.min(vma.pages, (end - vma.start) / PAGE_SIZE);
      for (let at = from; at < to; at++) {
        this.#noteUse(vma, at);
        this.#drop(vma, at);
      }
      for (const [low, high] of [
        [0, from],
        [to, vma.pages],
      ] as const) {
        if (low >= high) continue;
        const rest = vma.part(low, high, PAGE_SIZE);
        this.#table.replace(rest);
        this.#hold(rest);
      }
      this.#table.release(vma.start + from * PAGE_SIZE, to - from);
      this.#forget(vma);
    }
    // Nothing waits before all is unmapped: another program may map or unmap then.
    for (const { file } of cut) yield* fput(file);
    yield* this.#fs.changes.publish();
  }

  /** exit_mmap: everything is unmapped. */
  *exit(): Process {
    yield* this.munmap(FIRST_ADDRESS, END_ADDRESS - FIRST_ADDRESS);
  }

  /**
   * msync: stores into shared ranges become known as dirty pages; with MS.sync they are on the disk
   * when this returns. Throws EINVAL, ENOMEM when something of the range is not mapped (after the
   * rest was done), EIO, ENOSPC.
   */
  *msync(address: number, length: number, flags: number): Process {
    const unknown = flags & ~(MS.async | MS.invalidate | MS.sync);
    if (unknown !== 0 || (flags & MS.async && flags & MS.sync))
      throw new ModelError('EINVAL', `msync cannot have the flags ${flags}`);
    if (length === 0 && isPageAligned(address)) return;
    const end = this.#range(address, length);
    const files = new Set<OpenFile>();
    let mapped = 0;
    for (const vma of this.#table.within(address, end)) {
      const from = Math.max(0, (address - vma.start) / PAGE_SIZE);
      const to = Math.min(vma.pages, (end - vma.start) / PAGE_SIZE);
      mapped += (to - from) * PAGE_SIZE;
      if (!vma.isShared) continue;
      for (let at = from; at < to; at++) vma.clean(at);
      files.add(vma.file);
    }
    yield* this.#fs.changes.publish();
    if ((flags & MS.sync) !== 0) yield* this.#syncAll([...files]);
    if (mapped < end - address) throw new ModelError('ENOMEM', 'not all of the range is mapped');
  }

  /** fsync of each file, which may be unmapped and closed meanwhile. */
  *#syncAll(files: readonly OpenFile[]): Process {
    for (const file of files) file.users++;
    try {
      for (const file of files) yield* this.#fs.fsync(file.inode, true);
    } finally {
      for (const file of files) yield* fput(file);
    }
  }

  /**
   * mincore: for each page of the range, 1 when touching it would not have to wait for the disk.
   * Throws EINVAL, ENOMEM.
   */
  mincore(address: number, length: number): Uint8Array {
    if (length === 0 && isPageAligned(address)) return new Uint8Array(0);
    const end = this.#range(address, length);
    const resident = new Uint8Array((end - address) / PAGE_SIZE);
    for (let i = 0; i < resident.length; i++) {
      const vma = this.#table.find(address + i * PAGE_SIZE);
      if (vma === undefined) throw new ModelError('ENOMEM', 'not all of the range is mapped');
      const index = vma.firstIndex + (address - vma.start) / PAGE_SIZE + i;
      resident[i] = this.#io.find(vma.file.inode.space, index) !== undefined ? 1 : 0;
    }
    return resident;
  }

  /**
   * Loads `length` bytes from `address` into dst[offset …], as far as no access traps (see
   * hot-paths 6).
   * @returns `length`, or the bitwise complement of the bytes loaded so far. Throws EFAULT where
   * nothing is mapped.
   */
  loadNow(address: number, dst: Uint8Array, offset: number, length: number): number {
    let done = 0;
    while (done < length) {
      const vma = this.#mustFind(address + done);
      const at = Math.floor((address + done - vma.start) / PAGE_SIZE);
      const pfn = vma.access(at, false);
      if (pfn === NO_PAGE) return ~done;
      const inPage = (address + done) % PAGE_SIZE;
      const bytes = Math.min(PAGE_SIZE - inPage, length - done);
      this.#memory.copyOut(pfn, inPage, dst, offset + done, bytes);
      this.#cpu.charge(bytes * this.#costs.copyNsPerByte);
      done += bytes;
    }
    return done;
  }

  /**
   * Stores `length` bytes from src[offset …] to `address`, as far as no access traps; else as
   * `loadNow`.
   */
  storeNow(address: number, src: Uint8Array, offset: number, length: number): number {
    let done = 0;
    while (done < length) {
      const vma = this.#mustFind(address + done);
      const at = Math.floor((address + done - vma.start) / PAGE_SIZE);
      const pfn = vma.access(at, true);
      if (pfn === NO_PAGE) return ~done;
      const inPage = (address + done) % PAGE_SIZE;
      const bytes = Math.min(PAGE_SIZE - inPage, length - done);
      if (vma.isShared) this.#memory.expose(pfn);
      this.#memory.copyIn(pfn, inPage, src, offset + done, bytes);
      this.#cpu.charge(bytes * this.#costs.copyNsPerByte);
      done += bytes;
    }
    return done;
  }

  /** Loads, with the faults that it takes. Throws EFAULT, ENOMEM. */
  *load(address: number, dst: Uint8Array, offset: number, length: number): Process {
    for (let done = 0; ; ) {
      const result = this.loadNow(address + done, dst, offset + done, length - done);
      if (result >= 0) return;
      done += ~result;
      yield* this.#fault(address + done, false);
    }
  }

  /**
   * Stores, with the faults that it takes. Throws EFAULT, also where the range may not be written,
   * ENOMEM.
   */
  *store(address: number, src: Uint8Array, offset: number, length: number): Process {
    for (let done = 0; ; ) {
      const result = this.storeNow(address + done, src, offset + done, length - done);
      if (result >= 0) return;
      done += ~result;
      yield* this.#fault(address + done, true);
    }
  }

  /** handle_mm_fault: the next access of this kind to the address finds its entry. */
  *#fault(address: number, isStore: boolean): Process {
    this.#cpu.charge(this.#costs.pageFaultNs);
    const vma = this.#mustFind(address);
    if (isStore && !vma.isWritable) throw new ModelError('EFAULT', `address ${address} may not be stored to`);
    const at = Math.floor((address - vma.start) / PAGE_SIZE);
    const index = vma.firstIndex + at;
    // The range may be unmapped, and its file closed, while this process waits.
    vma.file.users++;
    try {
      yield* this.#bringIn(vma, at, index, address, isStore && !vma.isShared);
    } finally {
      yield* fput(vma.file);
    }
    if (this.#cpu.isDue) yield* this.#cpu.settle();
  }

  /** Makes the entry of a page of a range, or of a copy of the page. */
  *#bringIn(vma: Vma, at: number, index: number, address: number, needsCopy: boolean): Process {
    const copy = needsCopy ? yield* this.#io.supply.allocateWaiting() : NO_PAGE;
    let pfn: Pfn;
    try {
      pfn = yield* this.#nopage(vma.file, index);
    } catch (error) {
      if (copy !== NO_PAGE) this.#mm.allocator.free(copy);
      if (!(error instanceof ModelError) || error.code === 'ENOMEM') throw error;
      throw new ModelError('EFAULT', `page ${index} of inode ${vma.file.inode.ino}: ${error.message}`);
    }
    // The last wait is over. The range may have been unmapped, or the page brought in, meanwhile.
    const isStale =
      this.#table.find(address) !== vma || (vma.page(at) !== NO_PAGE && (copy === NO_PAGE || vma.isAnonymous(at)));
    if (isStale) {
      if (copy !== NO_PAGE) this.#mm.allocator.free(copy);
    } else if (copy === NO_PAGE) {
      this.#mm.cache.addEntry(pfn);
      vma.set(at, pfn, vma.isShared && vma.isWritable ? PTE.writable : 0);
    } else {
      this.#memory.copyOut(pfn, 0, this.#scratch, 0, PAGE_SIZE);
      this.#memory.copyIn(copy, 0, this.#scratch, 0, PAGE_SIZE);
      this.#cpu.charge(this.#costs.copyNsPerByte * PAGE_SIZE);
      this.#mm.map.set(copy, PG.reserved);
      this.#drop(vma, at);
      vma.set(at, copy, PTE.writable | PTE.anonymous);
    }
  }

  /** filemap_nopage: the page, up to date, reading what lies around it too. Throws EIO, ENOMEM. */
  *#nopage(file: OpenFile, index: number): Process<Pfn> {
    const { inode } = file;
    if (index >= inode.pageCount) throw new ModelError('EIO', 'beyond the end of the file');
    yield* this.#files.readAround(file, index);
    const pfn = yield* this.#io.getPage(inode, index);
    if (index >= inode.pageCount) throw new ModelError('EIO', 'beyond the end of the file');
    if (this.#mm.policy.countsWritesAndFaults) this.#mm.lru.markAccessed(pfn);
    return pfn;
  }

  /** Where a fault is no use of its page, the end of the mapping tells of one (zap_pte_range). */
  #noteUse(vma: Vma, at: number): void {
    const { policy, lru } = this.#mm;
    if (policy.countsWritesAndFaults || !vma.testAndClearYoung(vma.firstIndex + at)) return;
    lru.markAccessed(vma.page(at));
  }

  /**
   * Drops one entry: a private copy is freed; a page of the cache is mapped no more if this was its
   * last entry.
   */
  #drop(vma: Vma, at: number): void {
    const pfn = vma.page(at);
    if (pfn === NO_PAGE) return;
    const { cache, map, allocator } = this.#mm;
    if (vma.isAnonymous(at)) {
      vma.set(at, NO_PAGE, 0);
      map.clear(pfn, PG.reserved);
      allocator.free(pfn);
      return;
    }
    vma.clear(at);
    cache.removeEntry(pfn);
  }

  /**
   * Private copies of pages that a file has lost go with them (unmap_mapping_range with even_cows).
   */
  truncated(file: OpenFile['inode']): void {
    for (const vma of this.#ofFile.get(file) ?? []) {
      for (let at = Math.max(0, file.pageCount - vma.firstIndex); at < vma.pages; at++) this.#drop(vma, at);
    }
  }

  /** The range uses its file, and the file's pages are mapped by it. */
  #hold(vma: Vma): void {
    const { inode } = vma.file;
    vma.file.users++;
    const ranges = this.#ofFile.get(inode) ?? new Set();
    ranges.add(vma);
    this.#ofFile.set(inode, ranges);
    inode.space.ranges = ranges;
  }

  /** The file's pages are not mapped by the range any more; `fput` ends its use. */
  #forget(vma: Vma): void {
    const { inode } = vma.file;
    const ranges = this.#ofFile.get(inode);
    if (ranges?.delete(vma) === true && ranges.size === 0) this.#ofFile.delete(inode);
  }

  #mustFind(address: number): Vma {
    const vma = this.#table.find(address);
    if (vma === undefined) throw new ModelError('EFAULT', `nothing is mapped at ${address}`);
    return vma;
  }

  /** End of a range that a call names. */
  #range(address: number, length: number): number {
    if (!isPageAligned(address) || !Number.isSafeInteger(length) || length <= 0)
      throw new ModelError('EINVAL', `length ${length} at ${address}`);
    return address + pagesOf(length) * PAGE_SIZE;
  }
}

export function isPageAligned(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value % PAGE_SIZE === 0;
}
