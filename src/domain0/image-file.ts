/**
 * A guest's disk that is a file in domain 0, as the loop driver of Linux 2.6.12 shows it
 * (drivers/block/loop.c).
 *
 * One thread does the requests of a device, in the order in which they came, page by page. A read
 * looks for each page in domain 0's page cache, reads ahead as any reader of the file does, and
 * copies. A write is copied into the page, which is dirty then, and completes. It is on the drive
 * when it was written back (writeback.ts), or when a flush that was submitted after its completion
 * has completed.
 *
 * So a completed write survives the guest, however the guest ends. A reset of the machine loses it
 * unless it was flushed or written back; then the disk counts as changed. An orderly shutdown of
 * domain 0 loses nothing (`Domain0Files.sync`).
 *
 * Differs from 2.6.12, whose loop driver knows no flush. There a guest's fsync is safe from the
 * guest's own crash and from nothing else.
 *
 * Invariants:
 * 1. the thread runs while there is a request, and at no other time;
 * 2. requests end in the order in which they were submitted.
 */

import { Ns, PAGE_SIZE, type Pfn, SECTOR_SIZE, SECTORS_PER_PAGE } from '../base/units.ts';
import { type BlockDevice, type BlockRequest, checkRequest, sectorsOf } from '../disk/drive/block-device.ts';
import { type BackingStore, noteChange } from '../disk/image/backing-store.ts';
import { NO_PAGE } from '../kernel/mm/mem-map.ts';
import type { AddressSpace } from '../kernel/mm/page-cache.ts';
import { type ReadaheadIo, ReadaheadState } from '../kernel/mm/readahead.ts';
import type { MachineMemory } from '../machine/memory.ts';
import type { Process } from '../sim/simulation.ts';
import { type CachedFile, pagesOf, type Place } from './cached-file.ts';
import type { Domain0PageCache } from './page-cache.ts';
import type { Domain0Writeback } from './writeback.ts';

export class ImageFile implements BlockDevice, CachedFile {
  /** Size in 512-byte sectors. */
  readonly sectorCount: number;
  /** The store of its sectors, as it is read through domain 0's cache. */
  readonly store: BackingStore;
  /** First sector on the drive. */
  readonly first: number;
  space: AddressSpace;
  failures = 0;
  readonly #memory: MachineMemory;
  readonly #cache: Domain0PageCache;
  readonly #writeback: Domain0Writeback;
  readonly #readaheadIo: ReadaheadIo;
  #readahead = new ReadaheadState();
  /** Page that was read last: a second read of it does not count as another access. */
  #previousPage = -1;
  #requests: BlockRequest[] = [];
  #isRunning = false;

  /** @param memory of the machine, whose frames requests name */
  constructor(memory: MachineMemory, cache: Domain0PageCache, writeback: Domain0Writeback, place: Place) {
    this.first = place.first;
    this.sectorCount = place.sectorCount;
    this.store = place.store;
    this.#memory = memory;
    this.#cache = cache;
    this.#writeback = writeback;
    this.#readaheadIo = {
      absent: (start, count) => this.#absent(start, count),
      // A window is read only when it is due, so there is no long queue.
      isCongested: () => false,
    };
    this.space = cache.openSpace(this);
  }

  submit(request: BlockRequest): void {
    checkRequest(request);
    const { power } = this.#cache.processor;
    const sectors = sectorsOf(request, this.#memory.frameCount, this.sectorCount);
    if (sectors < 0) {
      power.after(Ns(0), () => request.done('EIO'));
      return;
    }
    if (request.op === 'write') {
      const first = Math.floor(request.sector / SECTORS_PER_PAGE);
      const end = Math.ceil((request.sector + sectors) / SECTORS_PER_PAGE);
      noteChange(this.store, first, end - first, request.by);
    }
    this.#requests.push(request);
    if (this.#isRunning) return;
    this.#isRunning = true;
    power.spawn('loop', this.#run());
  }

  lose(): void {
    this.#requests = [];
    this.#isRunning = false;
    this.#readahead = new ReadaheadState();
    this.#previousPage = -1;
  }

  #absent(start: number, count: number): number {
    const end = Math.min(start + count, pagesOf(this));
    let absent = 0;
    for (let index = start; index < end; index++)
      if (this.#cache.mm.cache.find(this.space, index) === NO_PAGE) absent++;
    return absent;
  }

  *#run(): Process {
    const { domain0Cpu } = this.#cache.processor;
    domain0Cpu.charge(this.#cache.costs.contextSwitchNs);
    while (this.#requests.length > 0) {
      // Those that come meanwhile are behind these.
      const requests = this.#requests;
      this.#requests = [];
      for (const request of requests) {
        const isOk = yield* this.#perform(request);
        yield* domain0Cpu.settle();
        request.done(isOk ? undefined : 'EIO');
      }
    }
    this.#isRunning = false;
  }

  #perform(request: BlockRequest): Process<boolean> {
    switch (request.op) {
      case 'read':
        return this.#read(request);
      case 'write':
        return this.#write(request);
      case 'flush':
        return this.#cache.sync(this);
    }
  }

  *#read({ sector, segments }: BlockRequest): Process<boolean> {
    const { processor, costs } = this.#cache;
    let at = sector * SECTOR_SIZE;
    for (const { mfn, offset, length } of segments) {
      for (let done = 0; done < length; ) {
        const index = Math.floor(at / PAGE_SIZE);
        const inPage = at % PAGE_SIZE;
        const bytes = Math.min(PAGE_SIZE - inPage, length - done);
        let pfn = this.#lookUp(index);
        if (pfn === NO_PAGE) {
          yield* processor.domain0Cpu.settle();
          pfn = yield* this.#cache.read(this, index);
          if (pfn === NO_PAGE) return false;
        }
        if (this.#previousPage !== index) this.#cache.mm.lru.markAccessed(pfn);
        this.#previousPage = index;
        this.#memory.copyIn(mfn, offset + done, this.#cache.bytesOf(pfn), inPage, bytes);
        processor.domain0Cpu.charge(costs.pageLookupNs + bytes * costs.copyNsPerByte);
        done += bytes;
        at += bytes;
      }
    }
    return true;
  }

  /** Reads ahead, and returns the page if there is nothing to be waited for. */
  #lookUp(index: number): Pfn {
    const cache = this.#cache;
    const readahead = this.#readahead;
    readahead.access(index, 1, this.#readaheadIo);
    const isCached = cache.mm.cache.find(this.space, index) !== NO_PAGE;
    while (readahead.hasBatch) {
      const { batchStart, batchCount } = readahead;
      readahead.takeBatch();
      cache.readAhead(this, batchStart, batchCount);
    }
    if (isCached) cache.counters.pagesHit++;
    else cache.counters.pagesMissed++;
    const pfn = cache.mm.cache.find(this.space, index);
    if (pfn === NO_PAGE) readahead.noteMiss();
    return cache.isReady(pfn) ? pfn : NO_PAGE;
  }

  *#write({ sector, segments, by }: BlockRequest): Process<boolean> {
    const cache = this.#cache;
    const { processor, costs } = cache;
    let at = sector * SECTOR_SIZE;
    for (const { mfn, offset, length } of segments) {
      for (let done = 0; done < length; ) {
        const index = Math.floor(at / PAGE_SIZE);
        const inPage = at % PAGE_SIZE;
        const bytes = Math.min(PAGE_SIZE - inPage, length - done);
        const ready = cache.mm.cache.find(this.space, index);
        // The first store to a page that was not read reads it, except when it covers the page.
        const pfn = cache.isReady(ready)
          ? ready
          : yield* bytes === this.#bytesOfPage(index) ? cache.grab(this, index) : cache.read(this, index);
        if (pfn === NO_PAGE) return false;
        cache.copyIn(pfn, inPage, this.#memory.frame(mfn), offset + done, bytes);
        cache.stored(this, index, pfn, by);
        this.#writeback.dirtied(this);
        processor.domain0Cpu.charge(costs.pageLookupNs + bytes * costs.copyNsPerByte);
        done += bytes;
        at += bytes;
        if (this.#writeback.isOverLimit) {
          yield* processor.domain0Cpu.settle();
          yield* this.#writeback.balance(this);
        }
      }
    }
    return true;
  }

  #bytesOfPage(index: number): number {
    return Math.min(PAGE_SIZE, this.sectorCount * SECTOR_SIZE - index * PAGE_SIZE);
  }
}
