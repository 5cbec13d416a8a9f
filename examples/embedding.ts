/**
 * The page cache inside another simulator: its clock, its disk, its calls on insert and evict.
 *
 * stillwarm keeps memory, lists and reclaim (MemoryManagement), all of it synchronous, without time
 * and without I/O. The other simulator runs its own loop and moves the bytes itself. A NameTable
 * tells it which page holds what. The protocol is that of a kernel: look the page up; when it is
 * absent, allocate, lock, add, read; when the read has ended, mark it up to date and unlock it. A
 * locked page is never evicted.
 */

// In a project of your own: from 'stillwarm/base' and from 'stillwarm/kernel'.
import type { Ino, Pfn } from '../src/base/index.ts';
import { type AddressSpace, MemoryManagement, NO_PAGE, PG } from '../src/kernel/index.ts';

/**
 * One access of a program: page `page` of file `file` at time `at`, in whatever unit the other
 * simulator counts.
 */
export interface Access {
  readonly at: number;
  readonly file: number;
  readonly page: number;
}

/** The part of the other simulator. */
export interface Surroundings {
  /**
   * When a read that is submitted at `at` ends. Reads page `page` of `file` into frame number
   * `frame`.
   */
  readonly submitRead: (at: number, file: number, page: number, frame: number) => number;
  readonly onInsert: (frame: number, file: number, page: number) => void;
  readonly onEvict: (frame: number) => void;
}

/** The result of a trace. `endsAt`: when the last access had its page. */
export interface Result {
  readonly hits: number;
  readonly misses: number;
  readonly endsAt: number;
}

/** Plays a trace, which ascends in time, on a machine of `frames` page frames of 4 KiB. */
export function playTrace(
  trace: readonly Access[],
  frames: number,
  { submitRead, onInsert, onEvict }: Surroundings,
): Result {
  // Evicted frames are only used again after `flush`, so a table elsewhere may collect calls until
  // then.
  const mm = new MemoryManagement(frames, {
    insert: (frame, ino, _generation, page) => onInsert(frame, ino, page),
    erase: onEvict,
    flush: () => undefined,
  });
  mm.freeAll();
  const files = new Map<number, AddressSpace>();
  const reading: { frame: Pfn; endsAt: number }[] = [];
  let [hits, misses, endsAt] = [0, 0, 0];

  /** The disk's interrupt: reads that have ended by `now` make their pages usable. */
  const completeReads = (now: number): void => {
    for (const { frame } of reading.filter((read) => read.endsAt <= now)) {
      mm.cache.setUptodate(frame);
      mm.map.clear(frame, PG.locked);
    }
    reading.splice(0, reading.length, ...reading.filter((read) => read.endsAt > now));
  };

  for (const { at, file, page } of trace) {
    completeReads(at);
    const space = files.get(file) ?? mm.cache.open(file as Ino);
    files.set(file, space);
    // The ten lines: find the page, or make room for it and read it.
    let frame = mm.cache.find(space, page);
    if (frame !== NO_PAGE) hits++;
    else {
      misses++;
      frame = mm.allocate();
      if (frame === NO_PAGE) throw new Error('every frame is being read into');
      mm.map.set(frame, PG.locked);
      mm.cache.add(space, page, frame);
      reading.push({ frame, endsAt: submitRead(at, file, page, frame) });
    }
    mm.lru.markAccessed(frame);
    endsAt = Math.max(endsAt, reading.find((read) => read.frame === frame)?.endsAt ?? at);
  }
  completeReads(Infinity);
  return { hits, misses, endsAt };
}
