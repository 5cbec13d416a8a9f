import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Mfn, ModelError } from '../../src/base/index.ts';
import { RandomStream } from '../../src/sim/index.ts';
import { FrameAllocator } from '../../src/xen/page-alloc.ts';
import { property } from '../support/property.ts';

describe('frame allocator', () => {
  property(
    'hands out each free frame once, and says ENOMEM without taking any',
    fc.integer(),
    fc.array(fc.nat(60), { maxLength: 30 }),
    (seed, sizes) => {
      const allocator = new FrameAllocator(Mfn(10), 110, new RandomStream(seed));
      const held: Uint32Array[] = [];
      const taken = new Set<number>();
      for (const size of sizes) {
        const frames = new Uint32Array(size);
        if (size > allocator.freeCount) {
          expect(() => allocator.allocate(frames)).toThrow(ModelError);
          for (const mfn of held.shift() ?? []) {
            allocator.free(Mfn(mfn));
            taken.delete(mfn);
          }
        } else {
          allocator.allocate(frames);
          for (const mfn of frames) {
            expect(mfn >= 10 && mfn < 110 && !taken.has(mfn)).toBe(true);
            taken.add(mfn);
          }
          held.push(frames);
        }
        expect(allocator.freeCount).toBe(100 - taken.size);
        for (let mfn = 10; mfn < 110; mfn++) expect(allocator.isFree(Mfn(mfn))).toBe(!taken.has(mfn));
      }
    },
  );

  it('scatters a domain in short runs, the same way for the same seed', () => {
    const allocate = () => {
      const frames = new Uint32Array(1000);
      new FrameAllocator(Mfn(100), 5000, new RandomStream(1)).allocate(frames);
      return frames;
    };
    const frames = allocate();
    let neighbours = 0;
    for (let i = 1; i < frames.length; i++) if (frames[i] === frames[i - 1]! + 1) neighbours++;
    expect(neighbours).toBeGreaterThan(500);
    expect(neighbours).toBeLessThan(950);
    expect(allocate()).toEqual(frames);
  });

  it('refuses to free twice', () => {
    expect(() => new FrameAllocator(Mfn(1), 5, new RandomStream(1)).free(Mfn(2))).toThrow('freed once');
  });
});
