import fc from 'fast-check';
import { expect } from 'vitest';
import { Mfn } from '../../src/base/index.ts';
import { FrameIndex } from '../../src/xen/frame-index.ts';
import { property } from '../support/property.ts';

const HASHES = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

property(
  'the index of frames is a set of frames by hash',
  fc.array(fc.record({ mfn: fc.nat(39), hash: fc.constantFrom(...HASHES), link: fc.boolean() }), { maxLength: 80 }),
  (steps) => {
    const index = new FrameIndex(40, 3);
    const model = new Map<number, number>();
    for (const { mfn, hash, link } of steps) {
      if (link && !model.has(mfn)) {
        index.link(Mfn(mfn), hash);
        model.set(mfn, hash);
      } else if (!link) {
        index.unlink(Mfn(mfn));
        model.delete(mfn);
      }
      for (const wanted of HASHES) {
        const chain: number[] = [];
        for (let at = index.first(wanted); at >= 0 && chain.length <= 40; at = index.after(at)) chain.push(at);
        // A chain may hold frames of other hashes, each frame once.
        expect(new Set(chain).size).toBe(chain.length);
        for (const [frame, its] of model) if (its === wanted) expect(chain).toContain(frame);
        for (const frame of chain) expect(model.has(frame)).toBe(true);
      }
      for (let frame = 0; frame < 40; frame++) expect(index.has(Mfn(frame))).toBe(model.has(frame));
    }
  },
);
