/**
 * Domain 0's own disk: a partition of the drive, read through domain 0's page cache. Programs of
 * domain 0 ask it with the calls of a guest's programs, as far as its services need them.
 *
 * Contract: nothing is written. Where a file lies is known from the start: blocks of the file
 * system itself are not read. A call takes no time besides look-ups, copies and the drive.
 */

import { ModelError } from '../base/errno.ts';
import { PAGE_SIZE, type Pfn } from '../base/units.ts';
import type { BackingStore } from '../disk/image/backing-store.ts';
import { NO_PAGE } from '../kernel/mm/mem-map.ts';
import type { AddressSpace } from '../kernel/mm/page-cache.ts';
import { NOTHING, type Process } from '../sim/simulation.ts';
import type { CachedFile, Place } from './cached-file.ts';
import type { Domain0PageCache } from './page-cache.ts';

/** A file of domain 0. */
export interface RootFile {
  readonly path: string;
  /** Number of its inode. */
  readonly ino: number;
  /** Bytes. */
  readonly size: number;
}

/** What lies on domain 0's disk. */
export interface RootContents {
  readonly files: readonly RootFile[];
  /** Block of 4 KiB on the partition that has a page of a file; 0 for a hole. */
  readonly blockOf: (ino: number, page: number) => number;
}

interface OpenFile {
  readonly file: RootFile;
  position: number;
}

export class Domain0Root implements CachedFile {
  readonly sectorCount: number;
  readonly store: BackingStore;
  readonly first: number;
  space: AddressSpace;
  readonly failures = 0;
  readonly #cache: Domain0PageCache;
  readonly #contents: RootContents;
  readonly #byPath: ReadonlyMap<string, RootFile>;
  readonly #open = new Map<number, OpenFile>();
  #nextFd = 0;

  constructor(cache: Domain0PageCache, { first, sectorCount, store }: Place, contents: RootContents) {
    this.first = first;
    this.sectorCount = sectorCount;
    this.store = store;
    this.#cache = cache;
    this.#contents = contents;
    this.#byPath = new Map(contents.files.map((file) => [file.path, file]));
    this.space = cache.openSpace(this);
  }

  lose(): void {
    this.#open.clear();
  }

  /** Throws ENOENT. */
  *open(path: string): Process<number> {
    const file = this.#byPath.get(path);
    yield* NOTHING;
    if (file === undefined) throw new ModelError('ENOENT', `domain 0: ${path}`);
    this.#open.set(this.#nextFd, { file, position: 0 });
    return this.#nextFd++;
  }

  /** Throws EBADF. */
  fstat(fd: number): RootFile {
    return this.#opened(fd).file;
  }

  /** Nothing is read ahead but by `readahead`. */
  posixFadvise(): Process {
    return NOTHING;
  }

  /** Begins to read what is not cached of these bytes. Throws EBADF. */
  *readahead(fd: number, position: number, length: number): Process {
    const { file } = this.#opened(fd);
    const end = Math.ceil(Math.min(position + length, file.size) / PAGE_SIZE);
    for (let page = Math.floor(position / PAGE_SIZE); page < end; ) {
      const block = this.#contents.blockOf(file.ino, page);
      let pages = 1;
      while (page + pages < end && this.#contents.blockOf(file.ino, page + pages) === block + pages) pages++;
      if (block > 0) this.#cache.readAhead(this, block, pages);
      page += pages;
    }
    yield* this.settle();
  }

  /** Reads on from where the last `read` ended. Throws EBADF, EIO. */
  *read(fd: number, buffer: Uint8Array, offset: number, length: number): Process<number> {
    const opened = this.#opened(fd);
    const bytes = yield* this.pread(fd, buffer, offset, length, opened.position);
    opened.position += bytes;
    return bytes;
  }

  /** Returns how many bytes there were. Throws EBADF, EIO. */
  *pread(fd: number, buffer: Uint8Array, offset: number, length: number, position: number): Process<number> {
    const { file } = this.#opened(fd);
    const bytes = Math.max(0, Math.min(length, file.size - position));
    for (let done = 0; done < bytes; ) {
      const inPage = (position + done) % PAGE_SIZE;
      const part = Math.min(PAGE_SIZE - inPage, bytes - done);
      const block = this.#contents.blockOf(file.ino, Math.floor((position + done) / PAGE_SIZE));
      if (block === 0) buffer.fill(0, offset + done, offset + done + part);
      else yield* this.#copyOut(block, inPage, buffer, offset + done, part);
      done += part;
    }
    return bytes;
  }

  *#copyOut(block: number, from: number, buffer: Uint8Array, to: number, bytes: number): Process {
    const { mm, processor, costs } = this.#cache;
    let pfn: Pfn = mm.cache.find(this.space, block);
    if (!this.#cache.isReady(pfn)) {
      yield* this.settle();
      pfn = yield* this.#cache.read(this, block);
      if (pfn === NO_PAGE) throw new ModelError('EIO', `domain 0: block ${block}`);
    }
    mm.lru.markAccessed(pfn);
    buffer.set(this.#cache.bytesOf(pfn).subarray(from, from + bytes), to);
    processor.domain0Cpu.charge(costs.pageLookupNs + bytes * costs.copyNsPerByte);
  }

  /** Throws EBADF. */
  *close(fd: number): Process {
    this.#opened(fd);
    this.#open.delete(fd);
    yield* NOTHING;
  }

  /** Pays for what was charged. */
  settle(): Process {
    return this.#cache.processor.domain0Cpu.settle();
  }

  #opened(fd: number): OpenFile {
    const opened = this.#open.get(fd);
    if (opened === undefined) throw new ModelError('EBADF', `domain 0: file ${fd}`);
    return opened;
  }
}
