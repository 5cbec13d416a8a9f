/**
 * The page cache inside another simulator: its clock, its disk, its calls on insert and evict.
 *
 * stillwarm keeps pages, lists and reclaim, all of it synchronous, without time and without I/O.
 * The other simulator runs its own loop and moves the bytes itself. A NameTable tells it which page
 * holds what. The protocol: `get` a page; when it is absent, `begin`, read, and `end` when the
 * bytes have arrived. What a program has changed is `setDirty`; reclaim asks to have it written
 * (`pageOut`). A page between `begin` and `end`, or between `beginWrite` and `endWrite`, stays.
 *
 * 65 lines of code in `playTrace`, of which 9 are the protocol of an access.
 */

// In a project of your own: from 'stillwarm/page-cache'.
import {
  type AddressSpace,
  EmbeddedPageCache,
  FileReadahead,
  NO_PAGE,
  type Pfn,
} from '../src/doors/page-cache/index.ts';

/**
 * One access of a program: page `page` of file `file` at time `at`, in any unit that the other
 * simulator counts.
 */
export interface Access {
  readonly at: number;
  readonly file: number;
  readonly page: number;
  /** Whether it changes the page. */
  readonly writes?: boolean;
}

/** The part of the other simulator. */
export interface Surroundings {
  /**
   * When a read that is submitted at `at` ends. Reads page `page` of `file` into frame number
   * `frame`.
   */
  readonly submitRead: (at: number, file: number, page: number, frame: number) => number;
  /** When a write that is submitted at `at` ends. */
  readonly submitWrite: (at: number, file: number, page: number, frame: number) => number;
  readonly onInsert: (frame: number, file: number, page: number) => void;
  readonly onEvict: (frame: number) => void;
  /** Pages that a file has. Accesses lie before that, and readahead stops there. */
  readonly pagesOf: (file: number) => number;
}

/** The result of a trace. `endsAt`: when the last access had its page. */
export interface Result {
  readonly hits: number;
  readonly misses: number;
  readonly endsAt: number;
}

/** Plays a trace, which ascends in time, with a page cache of `capacity` pages of 4 KiB. */
export function playTrace(trace: readonly Access[], capacity: number, surroundings: Surroundings): Result {
  const { submitRead, submitWrite, onInsert, onEvict, pagesOf } = surroundings;
  /** What the disk is doing to a frame, one thing at a time. */
  const transfers = new Map<number, { readonly endsAt: number; readonly end: () => void }>();
  /** Pages that change when their read has ended. */
  const stores = new Set<number>();
  const readers = new Map<number, FileReadahead>();
  let [now, endsAt] = [0, 0];

  const cache = new EmbeddedPageCache({
    capacity,
    names: {
      insert: (frame, file, _generation, page) => onInsert(frame, file, page),
      erase: onEvict,
      flush: () => undefined,
    },
    pageOut: (frame) => {
      cache.beginWrite(frame);
      const ends = submitWrite(now, cache.fileOf(frame).ino, cache.indexOf(frame), frame);
      transfers.set(frame, { endsAt: ends, end: () => cache.endWrite(frame) });
    },
  });
  const endRead = (frame: Pfn): void => {
    cache.end(frame);
    if (stores.delete(frame)) cache.setDirty(frame);
  };

  /** The disk's interrupt: what has ended by now is made known. */
  const complete = (): void => {
    for (const [frame, transfer] of transfers) {
      if (transfer.endsAt > now) continue;
      transfers.delete(frame);
      transfer.end();
    }
  };
  /** A page for what is to be read; the program waits for the disk while none can leave. */
  const begin = (file: AddressSpace, index: number): Pfn => {
    let frame = cache.begin(file, index);
    for (; frame === NO_PAGE; frame = cache.begin(file, index)) {
      now = Math.min(...Array.from(transfers.values(), (transfer) => transfer.endsAt));
      complete();
    }
    return frame;
  };
  /** The program has its page when that is up to date. */
  const use = (frame: Pfn, writes: boolean): void => {
    const isThere = cache.isUptodate(frame);
    endsAt = Math.max(endsAt, isThere ? now : transfers.get(frame)!.endsAt);
    if (writes && isThere) cache.setDirty(frame);
    else if (writes) stores.add(frame);
  };

  for (const { at, file: number, page, writes = false } of trace) {
    now = Math.max(now, at);
    complete();
    const file = cache.open(number);
    const readahead = readers.get(number) ?? new FileReadahead(cache, file);
    readers.set(number, readahead);
    // The protocol: find the page; read what is to be read now, this page or others ahead of it.
    const found = cache.get(file, page);
    if (found !== NO_PAGE) use(found, writes);
    for (const index of readahead.next(page, 1, pagesOf(number))) {
      const frame = begin(file, index);
      transfers.set(frame, { endsAt: submitRead(now, number, index, frame), end: () => endRead(frame) });
      if (index !== page) continue;
      cache.access(frame);
      use(frame, writes);
    }
  }
  now = Infinity;
  complete();
  const { hits, misses } = cache.counts();
  return { hits, misses, endsAt };
}
