// On-demand readahead. The windows were worked out by hand from the rules of mm/readahead.c, Linux
// 2.6.30 and later. A plain model of these rules is compared with it, too.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OnDemandReadahead } from '../../../src/kernel/mm/ondemand-readahead.ts';
import type { MarkedPages } from '../../../src/kernel/mm/readahead.ts';
import { property } from '../../support/property.ts';

type Window = readonly [start: number, count: number, mark: number];

/** A reader of a long file: what it asks for is cached from then on, with its mark. */
class Reader implements MarkedPages {
  readonly state: OnDemandReadahead;
  readonly cached = new Set<number>();
  readonly marks = new Set<number>();

  constructor(isSince616 = false) {
    this.state = new OnDemandReadahead(isSince616);
  }

  absent(start: number, count: number): number {
    let absent = 0;
    for (let page = start; page < start + count; page++) if (!this.cached.has(page)) absent++;
    return absent;
  }

  isCongested(): boolean {
    return false;
  }

  takeMark(index: number): boolean {
    return this.marks.delete(index);
  }

  /** A read of pages; returns the windows that it asks for. */
  read(index: number, count = 1): Window[] {
    const windows: Window[] = [];
    for (let at = index; at < index + count; at++) {
      expect(this.state.access(at, index + count - at, this)).toBe(at + 1);
      if (!this.state.hasBatch) continue;
      const { batchStart, batchCount, batchMark } = this.state;
      this.state.takeBatch();
      windows.push([batchStart, batchCount, batchMark]);
      if (batchMark >= 0 && !this.cached.has(batchMark)) this.marks.add(batchMark);
      for (let page = batchStart; page < batchStart + batchCount; page++) this.cached.add(page);
    }
    return windows;
  }
}

describe('on-demand readahead', () => {
  it('a reader of single pages from the start gets windows that double up to 32, each asked for at a mark', () => {
    const reader = new Reader();
    const asked = Array.from({ length: 80 }, (_, page) => reader.read(page).map((window) => [page, ...window])).flat();
    expect(asked).toEqual([
      [0, 0, 4, 1],
      [1, 4, 8, 4],
      [4, 12, 16, 12],
      [12, 28, 32, 28],
      [28, 60, 32, 60],
      [60, 92, 32, 92],
    ]);
  });

  it('a random page is read alone, and the one behind it begins a window', () => {
    const reader = new Reader();
    expect(reader.read(1000)).toEqual([[1000, 1, -1]]);
    expect(reader.read(500)).toEqual([[500, 1, -1]]);
    expect(reader.read(501)).toEqual([[501, 4, 502]]);
  });

  it('a random page behind cached ones begins a window: an earlier reader has left them', () => {
    const reader = new Reader();
    for (const page of [97, 98, 99]) reader.cached.add(page);
    reader.read(5000);
    // Three pages of history, and one that is asked for; the mark is on the last.
    expect(reader.read(100)).toEqual([[100, 4, 103]]);
    reader.read(9000);
    expect(reader.read(103)).toEqual([[104, 8, 104]]);
  });

  it('a mark of another reader is a place in a window: the next one begins where pages are absent', () => {
    const reader = new Reader();
    for (let page = 200; page < 210; page++) reader.cached.add(page);
    reader.marks.add(204);
    reader.read(7000);
    // Six pages are ahead, with the one that is asked for seven: twice as many come.
    expect(reader.read(204)).toEqual([[210, 14, 210]]);
  });

  it('a read of more than the largest window begins one at once', () => {
    expect(new Reader().read(64, 40)).toEqual([
      [64, 32, 80],
      [96, 32, 96],
      [128, 32, 128],
    ]);
  });

  it('a fault reads 32 pages around its own, and a fault on the marked one, where the last quarter begins, the next 32', () => {
    const reader = new Reader();
    const { state } = reader;
    const take = (): Window => {
      const window = [state.batchStart, state.batchCount, state.batchMark] as const;
      state.takeBatch();
      return window;
    };
    state.around(100);
    expect(take()).toEqual([84, 32, 108]);
    for (let page = 84; page < 116; page++) reader.cached.add(page);
    reader.marks.add(108);
    state.foundByFault(107, reader);
    expect(state.hasBatch).toBe(false);
    state.foundByFault(108, reader);
    expect([take(), state.hasBatch]).toEqual([[116, 32, 116], false]);
    state.around(3);
    expect(take()).toEqual([0, 32, 24]);
  });

  it('on-demand readahead with a largest window of 0 reads nothing ahead', () => {
    const reader = new Reader();
    reader.state.max = 0;
    expect([reader.read(0), reader.read(1)]).toEqual([[], []]);
  });
});

/** The same rules once more, over plain objects. */
class Model {
  #start = 0;
  #size = 0;
  #async = 0;
  #end = -1;
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  at(index: number, wanted: number, cached: ReadonlySet<number>, isMarked: boolean): Window | undefined {
    const before = this.#end;
    this.#end = index + 1;
    if (cached.has(index) && !isMarked) return undefined;
    const grow = (size: number): number =>
      Math.min(this.#max, size < this.#max / 16 ? 4 * size : size <= this.#max / 2 ? 2 * size : this.#max);
    const stop = this.#start + this.#size;
    let history = 0;
    while (history < this.#max && index - history > 0 && cached.has(index - 1 - history)) history++;
    if (index !== 0 && this.#size > 0 && (index === stop || index === stop - this.#async)) {
      [this.#start, this.#size] = [stop, grow(this.#size)];
      this.#async = this.#size;
    } else if (index !== 0 && isMarked) {
      let gap = index + 1;
      while (cached.has(gap)) gap++;
      if (gap - index > this.#max) return undefined;
      [this.#start, this.#size] = [gap, grow(gap - index + wanted)];
      this.#async = this.#size;
    } else if (index === 0 || wanted > this.#max || (before >= 0 && (index === before || index === before + 1))) {
      const power = 2 ** Math.ceil(Math.log2(wanted));
      const size = power <= this.#max / 32 ? 4 * power : power <= this.#max / 4 ? 2 * power : this.#max;
      [this.#start, this.#size, this.#async] = [index, size, size > wanted ? size - wanted : size];
    } else if (history > wanted) {
      const size = Math.min(this.#max, (history >= index ? 2 * history : history) + wanted);
      [this.#start, this.#size, this.#async] = [index, size, 1];
    } else return [index, wanted, -1];
    if (this.#start === index && this.#size === this.#async) {
      const more = grow(this.#size);
      if (this.#size + more <= this.#max) [this.#size, this.#async] = [this.#size + more, more];
      else [this.#size, this.#async] = [this.#max, Math.floor(this.#max / 2)];
    }
    return [this.#start, this.#size, this.#start + this.#size - this.#async];
  }
}

property(
  'on-demand readahead asks for the windows of a plain model, whatever is read and dropped',
  fc.constantFrom(4, 8, 32, 64),
  fc.array(
    fc.record({
      start: fc.oneof(fc.nat(300), fc.constant(-1)),
      count: fc.integer({ min: 1, max: 40 }),
      dropped: fc.array(fc.nat(300), { maxLength: 3 }),
    }),
    { minLength: 1, maxLength: 40 },
  ),
  (max, reads) => {
    const reader = new Reader();
    reader.state.max = max;
    const model = new Model(max);
    let at = 0;
    for (const { start, count, dropped } of reads) {
      for (const page of dropped) {
        reader.cached.delete(page);
        reader.marks.delete(page);
      }
      // Every other read goes on where the one before has ended.
      if (start >= 0) at = start;
      const expected: Window[] = [];
      const cached = new Set(reader.cached);
      const marks = new Set(reader.marks);
      for (let page = at; page < at + count; page++) {
        const isMarked = cached.has(page) && marks.has(page);
        if (isMarked) marks.delete(page);
        const window = model.at(page, at + count - page, cached, isMarked);
        if (window === undefined) continue;
        expected.push(window);
        if (window[2] >= 0 && !cached.has(window[2])) marks.add(window[2]);
        for (let n = 0; n < window[1]; n++) cached.add(window[0] + n);
      }
      expect(reader.read(at, count)).toEqual(expected);
      at += count;
    }
  },
);

describe('on-demand readahead since 6.16', () => {
  it('a page that is absent behind a window does not go on with it', () => {
    const [before, since] = [false, true].map((is) => {
      const reader = new Reader(is);
      return [reader.read(0), reader.read(4)];
    });
    expect(before).toEqual([[[0, 4, 1]], [[4, 24, 12]]]);
    // The pages before it are cached from the start of the file on: twice as many, and itself.
    expect(since).toEqual([[[0, 4, 1]], [[4, 9, 12]]]);
  });

  it('a window that is begun by a mark ends at a multiple of 4 pages', () => {
    const reader = new Reader(true);
    for (const page of [100, 101, 102]) reader.cached.add(page);
    reader.marks.add(100);
    expect(reader.read(100)).toEqual([[103, 5, 103]]);
    expect(reader.read(103)).toEqual([[108, 8, 108]]);
  });

  it('a first window is not joined with the next, and has its mark in the middle', () => {
    const whole = [false, true].map((is) => new Reader(is).read(0, 16));
    expect(whole).toEqual([[[0, 32, 16]], [[0, 32, 16]]]);
    expect([false, true].map((is) => new Reader(is).read(0, 32)[0])).toEqual([
      [0, 32, 16],
      [0, 32, 16],
    ]);
  });
});
