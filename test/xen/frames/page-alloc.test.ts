import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Mfn } from '../../../src/base/index.ts';
import { FrameAllocator } from '../../../src/xen/frames/page-alloc.ts';
import { property } from '../../support/property.ts';

const FIRST = 10;
const END = 205;

/** The same thing as Xen does it: a frame at a time, over plain lists. */
class PlainBuddies {
  readonly #lists: number[][] = Array.from({ length: 21 }, () => []);
  readonly free = new Set<number>();

  release(frame: number): void {
    this.free.add(frame);
    let mfn = frame;
    let order = 0;
    for (; order < 20; order++) {
      const buddy = Math.floor(mfn / 2 ** order) % 2 === 0 ? mfn + 2 ** order : mfn - 2 ** order;
      const at = this.#lists[order]!.indexOf(buddy);
      if (at < 0) break;
      this.#lists[order]!.splice(at, 1);
      mfn = Math.min(mfn, buddy);
    }
    this.#lists[order]!.unshift(mfn);
  }

  take(): number {
    let order = this.#lists.findIndex((list) => list.length > 0);
    let mfn = this.#lists[order]!.shift()!;
    while (order > 0) {
      order--;
      this.#lists[order]!.push(mfn);
      mfn += 2 ** order;
    }
    this.free.delete(mfn);
    return mfn;
  }
}

const preserved = fc.uniqueArray(fc.integer({ min: FIRST, max: END - 1 }), { maxLength: 60 });
const action = fc.oneof(
  fc.record({ do: fc.constant('allocate' as const), count: fc.oneof(fc.nat(4), fc.nat(120)) }),
  fc.record({ do: fc.constant('free' as const), from: fc.nat(END), every: fc.integer({ min: 1, max: 7 }) }),
);

describe('frame allocator', () => {
  property(
    'the frame allocator hands out the frames that Xen does one by one, whatever was preserved, and joins what is freed',
    preserved,
    fc.array(action, { maxLength: 25 }),
    (taken, actions) => {
      const isTaken = new Set(taken);
      const allocator = new FrameAllocator(Mfn(FIRST), END, (mfn) => isTaken.has(mfn));
      const model = new PlainBuddies();
      for (let mfn = FIRST; mfn < END; mfn++) if (!isTaken.has(mfn)) model.release(mfn);
      let held: number[] = [];
      for (const one of actions) {
        if (one.do === 'free') {
          const goes = (i: number): boolean => i >= one.from && i % one.every === 0;
          for (const mfn of held.filter((_, i) => goes(i))) {
            allocator.free(Mfn(mfn));
            model.release(mfn);
          }
          held = held.filter((_, i) => !goes(i));
        } else {
          const frames = new Uint32Array(one.count);
          const allocated = allocator.allocate(frames);
          if (one.count > model.free.size) expect(allocated.ok).toBe(false);
          else {
            expect([...frames]).toEqual(Array.from(frames, () => model.take()));
            held.push(...frames);
          }
        }
        expect(allocator.freeCount).toBe(model.free.size);
        for (let mfn = 0; mfn < END; mfn++) expect(allocator.isFree(Mfn(mfn))).toBe(model.free.has(mfn));
        allocator.checkInvariants();
      }
      // What was preserved is freed in the end as well: then everything is in as few blocks as at
      // first.
      for (const mfn of [...held, ...taken]) allocator.free(Mfn(mfn));
      expect(allocator.freeCount).toBe(END - FIRST);
      allocator.checkInvariants();
    },
  );

  it('frame allocator gives a domain descending neighbours on a fresh machine, and what lies between others later', () => {
    const allocator = new FrameAllocator(Mfn(3), 64);
    const [first, second, third] = [new Uint32Array(4), new Uint32Array(4), new Uint32Array(4)];
    allocator.allocate(first);
    expect([...first]).toEqual([3, 7, 6, 5]);
    allocator.allocate(second);
    expect([...second]).toEqual([4, 15, 14, 13]);
    for (const mfn of first) allocator.free(Mfn(mfn));
    allocator.allocate(third);
    expect([...third]).toEqual([5, 3, 12, 7]);
  });

  it('frame allocator refuses to free twice, and what no domain can have', () => {
    const allocator = new FrameAllocator(Mfn(2), 5);
    expect(() => allocator.free(Mfn(2))).toThrow('freed once');
    for (const mfn of [1, 5]) expect(() => allocator.free(Mfn(mfn))).toThrow('not one of a domain');
  });

  it('frame allocator manages more than a block of the largest order', () => {
    const frameCount = 3 * 2 ** 20 + 5;
    const allocator = new FrameAllocator(Mfn(0), frameCount);
    const frames = new Uint32Array(2 ** 20 + 6);
    allocator.allocate(frames);
    // The five at the end, then the block that was freed last.
    expect([...frames.subarray(0, 6)]).toEqual([
      3 * 2 ** 20 + 4,
      3 * 2 ** 20 + 3,
      3 * 2 ** 20 + 2,
      3 * 2 ** 20 + 1,
      3 * 2 ** 20,
      3 * 2 ** 20 - 1,
    ]);
    expect(frames.at(-1)).toBe(2 ** 21 - 1);
    expect(allocator.freeCount).toBe(frameCount - frames.length);
  });
});
