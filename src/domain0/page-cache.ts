/**
 * The page cache of domain 0, in front of a drive: pages of image files, and the requests that fill
 * and empty them. Lists and reclaim are those of Linux 2.6.12 (kernel/mm).
 *
 * Its frames are memory of domain 0, which no guest gets. A reset of the machine loses all of it
 * (`lose`). A page that was not written back then is lost, although a guest was told that it was
 * written. Each such block counts as a change of the disk (disk/image/backing-store.ts). So no copy
 * of the lost bytes is vouched for afterwards.
 *
 * An image file lies in one run of sectors of the drive. Its file system's own blocks are neither
 * read nor written.
 *
 * Errors. Pages that cannot be read leave again, and the reader is told. A page that
 * cannot be written stays dirty and is tried again later. Linux 2.6.12 gives it up: it marks the
 * file, and the page counts as clean.
 *
 * Invariants:
 * 1. a page is locked exactly while it is being read;
 * 2. a dirty page is cached: reclaim begins to write it, and takes it afterwards;
 * 3. of a page that is neither dirty nor being written, the drive has the same bytes.
 *
 * Longer than other files: a page passes from its look-up over a request to its way out here.
 */

import { assert } from '../base/assert.ts';
import { type Ino, type Mfn, PAGE_SIZE, type Pfn, SECTOR_SIZE, SECTORS_PER_PAGE } from '../base/units.ts';
import type { BlockOp, Segment } from '../disk/drive/block-device.ts';
import type { Drive } from '../disk/drive/drive.ts';
import type { DrivePort } from '../disk/drive/drive-port.ts';
import { noteChange, type StoreBehindCache, type Writer } from '../disk/image/backing-store.ts';
import { NO_PAGE, PG } from '../kernel/mm/mem-map.ts';
import { MemoryManagement } from '../kernel/mm/mm.ts';
import type { AddressSpace } from '../kernel/mm/page-cache.ts';
import { MachineMemory } from '../machine/memory.ts';
import { type Process, WaitQueue } from '../sim/simulation.ts';
import {
  type CachedFile,
  type Domain0CacheCounters,
  type Domain0Costs,
  type Domain0Processor,
  pagesOf,
} from './cached-file.ts';

/** Pages of a request, at most: 128 KiB, as readahead asks for. */
const REQUEST_PAGES = 32;
/** Requests for writes that may be under way (nr_requests of a queue). */
const WRITES_UNDER_WAY = 128;
/** Passes of reclaim in which any clean page can leave. */
const LOOKS = 3;
interface Parts {
  readonly drive: Drive;
  readonly bytes: number;
  readonly costs: Domain0Costs;
  readonly store: StoreBehindCache;
  readonly processor: () => Domain0Processor;
}

export class Domain0PageCache {
  readonly counters: Domain0CacheCounters = {
    pagesHit: 0,
    pagesMissed: 0,
    pagesRead: 0,
    pagesStored: 0,
    pagesWritten: 0,
    pagesLost: 0,
  };
  /** Pages that it may have: dirty ratios are shares of it. */
  readonly nrPages: number;
  readonly costs: Domain0Costs;
  /** Wakes those who wait for a page: some request has ended. */
  readonly io = new WaitQueue('a request of domain 0');
  /** Its frames. */
  readonly #memory: MachineMemory;
  readonly files: CachedFile[] = [];
  readonly #port: DrivePort;
  readonly #store: StoreBehindCache;
  readonly #processor: () => Domain0Processor;
  #mm: MemoryManagement;
  /** Requests for pages that have not ended. */
  #underWay = 0;
  #writesUnderWay = 0;

  constructor({ drive, bytes, costs, store, processor }: Parts) {
    this.nrPages = Math.floor(bytes / PAGE_SIZE);
    // Not more frames than the drive has blocks: they would never be used.
    const blocks = Math.ceil(drive.sectorCount / SECTORS_PER_PAGE);
    this.#memory = new MachineMemory(Math.min(this.nrPages, blocks) * PAGE_SIZE);
    this.costs = costs;
    this.#port = drive.port(this.#memory);
    this.#store = store;
    this.#processor = processor;
    this.#mm = this.#fresh();
  }

  get processor(): Domain0Processor {
    return this.#processor();
  }

  get mm(): MemoryManagement {
    return this.#mm;
  }

  #fresh(): MemoryManagement {
    const mm = new MemoryManagement(this.#memory.frameCount);
    mm.freeAll();
    return mm;
  }

  /** Opens the pages of a file. */
  openSpace(file: Pick<CachedFile, 'first'>): AddressSpace {
    const pageOut = (pfn: Pfn): void => this.#pageOut(pfn);
    return this.#mm.cache.open((file.first / SECTORS_PER_PAGE) as Ino, 0, false, { pageOut });
  }

  /** The bytes of a page. */
  bytesOf(pfn: Pfn): Uint8Array {
    return this.#memory.frame(frameOf(pfn));
  }

  /** Copies into a page. */
  copyIn(pfn: Pfn, offset: number, src: Uint8Array, srcOffset: number, length: number): void {
    this.#memory.copyIn(frameOf(pfn), offset, src, srcOffset, length);
  }

  /** A guest's write has changed a page. */
  stored(file: CachedFile, index: number, pfn: Pfn, by: Writer | undefined): void {
    this.counters.pagesStored++;
    this.#mm.cache.setDirty(pfn);
    noteChange(file.store, index, 1, by);
  }

  /** Whether the page is there and up to date. */
  isReady(pfn: Pfn): boolean {
    return pfn !== NO_PAGE && this.#mm.map.has(pfn, PG.uptodate);
  }

  /**
   * A page of a file, up to date, read when it is absent; NO_PAGE when it cannot be read.
   */
  *read(file: CachedFile, index: number): Process<Pfn> {
    for (;;) {
      const pfn = this.#mm.cache.find(file.space, index);
      if (this.isReady(pfn)) return pfn;
      if (pfn !== NO_PAGE) {
        yield this.io;
        continue;
      }
      if (!(yield* this.#makeRoom())) return NO_PAGE;
      if (this.#mm.cache.find(file.space, index) !== NO_PAGE) continue;
      const request = this.#beginRead(file, index, 1);
      while (request.state === 'under way') yield this.io;
      if (request.state === 'failed') return NO_PAGE;
    }
  }

  /**
   * A page of a file that is about to be written as a whole; NO_PAGE when there is no room for it.
   */
  *grab(file: CachedFile, index: number): Process<Pfn> {
    for (;;) {
      const pfn = this.#mm.cache.find(file.space, index);
      if (this.isReady(pfn)) return pfn;
      if (pfn !== NO_PAGE) yield this.io;
      else if (!(yield* this.#makeRoom())) return NO_PAGE;
      else if (this.#mm.cache.find(file.space, index) === NO_PAGE) {
        const added = this.#add(file, index);
        this.#mm.cache.setUptodate(added);
        return added;
      }
    }
  }

  /** Begins to read the absent pages of a window, as far as there is room for them. */
  readAhead(file: CachedFile, start: number, count: number): void {
    const end = Math.min(start + count, pagesOf(file));
    for (let index = start; index < end; ) {
      let pages = 0;
      while (index + pages < end && pages < REQUEST_PAGES && this.#isAbsent(file, index + pages)) pages++;
      if (pages === 0) index++;
      else {
        const { pages: begun } = this.#beginRead(file, index, pages);
        if (begun < pages) return;
        index += pages;
      }
    }
  }

  #isAbsent(file: CachedFile, index: number): boolean {
    return this.#mm.cache.find(file.space, index) === NO_PAGE;
  }

  /** Takes a free page into the cache. */
  #add(file: CachedFile, index: number): Pfn {
    const pfn = this.#mm.allocator.take();
    assert(pfn !== NO_PAGE, 'room was made for the page');
    this.processor.domain0Cpu.charge(this.costs.pageAllocNs);
    this.#mm.cache.add(file.space, index, pfn);
    return pfn;
  }

  #hasRoom(): boolean {
    const { allocator, reclaim } = this.#mm;
    for (let looks = LOOKS; looks > 0 && allocator.freeCount === 0; looks--) reclaim.tryToFreePages();
    return allocator.freeCount > 0;
  }

  /** Waits for a free page. False when dirty pages fill the cache, and the drive refuses them. */
  *#makeRoom(): Process<boolean> {
    const failures = this.#failures();
    const { pagesWritten } = this.counters;
    while (!this.#hasRoom()) {
      if (this.#failures() > failures && this.counters.pagesWritten === pagesWritten) return false;
      if (this.#underWay === 0) {
        // What reclaim did not begin to write, because it was used.
        for (const file of this.files) this.#beginWrites(file, REQUEST_PAGES);
        assert(this.#underWay > 0, 'a page that does not leave is dirty or in transfer');
      }
      yield this.io;
    }
    return true;
  }

  #failures(): number {
    return this.files.reduce((sum, { failures }) => sum + failures, 0);
  }

  #beginRead(file: CachedFile, start: number, count: number): { state: State; readonly pages: number } {
    const { map } = this.#mm;
    const pages: Pfn[] = [];
    while (pages.length < count && this.#hasRoom()) {
      const pfn = this.#add(file, start + pages.length);
      map.set(pfn, PG.locked);
      pages.push(pfn);
    }
    const request = { state: 'under way' as State, pages: pages.length };
    if (pages.length > 0)
      this.#submit('read', file, start, pages, (isOk) => {
        request.state = isOk ? 'done' : 'failed';
        if (isOk) this.counters.pagesRead += pages.length;
        for (const pfn of pages) {
          map.clear(pfn, PG.locked);
          if (isOk) this.#mm.cache.setUptodate(pfn);
        }
        if (!isOk) this.#mm.discard(pages);
      });
    return request;
  }

  /** Memory is short: writes the page, and dirty pages behind it. */
  #pageOut(pfn: Pfn): void {
    const { cache, map } = this.#mm;
    const space = cache.spaceOf(pfn);
    const file = this.files.find((each) => each.space === space);
    assert(file !== undefined, 'a page is of an open file');
    const index = map.indexOf(pfn);
    map.set(pfn, PG.reclaim);
    this.#beginWrite(file, index, this.#runFrom(file, index));
  }

  /** The dirty pages from a page on that can be written by one request. */
  #runFrom(file: CachedFile, start: number): Pfn[] {
    const { cache, map } = this.#mm;
    const pages: Pfn[] = [];
    for (let index = start; pages.length < REQUEST_PAGES; index++) {
      const pfn = cache.find(file.space, index);
      if (pfn === NO_PAGE || !map.has(pfn, PG.dirty) || map.has(pfn, PG.writeback)) break;
      pages.push(pfn);
    }
    return pages;
  }

  /** Begins to write the pages that were dirty first. */
  #beginWrites(file: CachedFile, limit: number): void {
    for (const index of this.#dirtyFirst(file, limit)) {
      const pages = this.#runFrom(file, index);
      if (pages.length > 0) this.#beginWrite(file, index, pages);
    }
  }

  /** Indices of the pages that became dirty first, ascending. */
  #dirtyFirst({ space }: CachedFile, limit: number): number[] {
    const indices: number[] = [];
    for (const pfn of space.dirtyPages ?? []) {
      if (indices.length >= limit) break;
      indices.push(this.#mm.map.indexOf(pfn));
    }
    return indices.sort((one, other) => one - other);
  }

  #beginWrite(file: CachedFile, start: number, pages: readonly Pfn[]): void {
    const { cache, map, lru } = this.#mm;
    for (const pfn of pages) {
      cache.clearDirty(pfn);
      cache.setWriteback(pfn);
    }
    this.#writesUnderWay++;
    this.#submit('write', file, start, pages, (isOk) => {
      this.#writesUnderWay--;
      if (isOk) this.counters.pagesWritten += pages.length;
      else file.failures++;
      for (const pfn of pages) {
        if (!isOk) cache.setDirty(pfn);
        cache.endWriteback(pfn);
        if (!map.has(pfn, PG.reclaim)) continue;
        map.clear(pfn, PG.reclaim);
        if (isOk) lru.rotate(pfn);
      }
    });
  }

  #submit(op: BlockOp, file: CachedFile, start: number, pages: readonly Pfn[], ended: (isOk: boolean) => void): void {
    const { power, domain0Cpu } = this.processor;
    const { first, sectorCount } = file;
    const segments: Segment[] = pages.map((pfn, n) => {
      const sectors = Math.min(SECTORS_PER_PAGE, sectorCount - (start + n) * SECTORS_PER_PAGE);
      return { mfn: frameOf(pfn), offset: 0, length: sectors * SECTOR_SIZE };
    });
    this.#underWay++;
    domain0Cpu.charge(this.costs.bioSubmitNs);
    power.after(domain0Cpu.book(), () => {
      this.#port.submit({
        op,
        sector: first + start * SECTORS_PER_PAGE,
        segments,
        by: this.#store.writtenBack,
        done: (error) => {
          power.run(() => {
            this.#underWay--;
            ended(error === undefined);
            domain0Cpu.charge(this.costs.interruptNs);
            power.after(domain0Cpu.book(), () => this.io.wakeAll());
          });
        },
      });
    });
  }

  /**
   * Writes the dirty pages of a file, up to `limit` of them, and waits for them. False when one
   * could not be written.
   */
  *writeBack(file: CachedFile, limit = Infinity): Process<boolean> {
    const { failures } = file;
    for (const index of this.#dirtyFirst(file, limit)) {
      while (this.#writesUnderWay >= WRITES_UNDER_WAY) yield this.io;
      if (file.failures > failures) break;
      const pages = this.#runFrom(file, index);
      if (pages.length > 0) this.#beginWrite(file, index, pages);
    }
    while (file.space.nrWriteback > 0) yield this.io;
    return file.failures === failures;
  }

  /**
   * fsync: writes the dirty pages of a file, and empties the drive's write cache. False when
   * something could not be written.
   */
  *sync(file: CachedFile): Process<boolean> {
    // A page that was stored to while it was being written is dirty again.
    do if (!(yield* this.writeBack(file))) return false;
    while (file.space.nrDirty > 0);
    return yield* this.#flush();
  }

  *#flush(): Process<boolean> {
    const { power, domain0Cpu } = this.processor;
    const request: { state: State } = { state: 'under way' };
    yield* domain0Cpu.settle();
    this.#port.submit({
      op: 'flush',
      sector: 0,
      segments: [],
      done: (error) => {
        power.run(() => {
          request.state = error === undefined ? 'done' : 'failed';
          this.io.wakeAll();
        });
      },
    });
    while (request.state === 'under way') yield this.io;
    return request.state === 'done';
  }

  /**
   * Forgets the pages of a file, because another machine may write to it now. None is in use.
   */
  forget(file: CachedFile): void {
    this.#mm.invalidate(file.space);
    assert(file.space.nrPages === 0, 'no page of a file that has moved away is in use');
  }

  /**
   * The machine was reset, and domain 0's memory is lost. Requests that were under way never end.
   */
  lose(): void {
    this.#port.reset();
    for (const file of this.files) {
      const lost = this.#mm.cache.indicesWith(file.space, PG.dirty | PG.writeback, 0, Infinity);
      for (const index of lost) noteChange(file.store, index);
      this.counters.pagesLost += lost.length;
    }
    this.#underWay = 0;
    this.#writesUnderWay = 0;
    this.#mm = this.#fresh();
    for (const file of this.files) {
      file.space = this.openSpace(file);
      file.lose();
    }
  }
}

type State = 'under way' | 'done' | 'failed';

/** Page `pfn` of domain 0's cache is this frame of its memory. */
const frameOf = (pfn: Pfn): Mfn => pfn as number as Mfn;
