import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Mfn } from '../../../src/base/index.ts';
import { FrameIndex, hashPlace } from '../../../src/xen/frames/frame-index.ts';
import { property } from '../../support/property.ts';

const HASHES = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

property(
  'each of two indices of frames that share their links is a set of frames by hash',
  fc.array(fc.record({ mfn: fc.nat(39), hash: fc.constantFrom(...HASHES), link: fc.boolean(), place: fc.nat(1) }), {
    maxLength: 80,
  }),
  (steps) => {
    const links = new Int32Array(2 * 40);
    const indices = [new FrameIndex(links, 0, 3), new FrameIndex(links, 1, 3)];
    const models = [new Map<number, number>(), new Map<number, number>()];
    for (const { mfn, hash, link, place } of steps) {
      if (link && !models[place]!.has(mfn)) {
        indices[place]!.link(Mfn(mfn), hash);
        models[place]!.set(mfn, hash);
      } else if (!link) {
        indices[place]!.unlink(Mfn(mfn));
        models[place]!.delete(mfn);
      }
      indices.forEach((index, n) => {
        check(index, models[n]!);
      });
    }
  },
);

function check(index: FrameIndex, model: ReadonlyMap<number, number>): void {
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

it('blocks of one number on other media, and neighbours on one, have other hashes', () => {
  const hashes = [0, 1, 2, 3].flatMap((medium) => [0, 1, 2, 3].map((block) => hashPlace(medium * 2 ** 32 + block)));
  expect(new Set(hashes).size).toBe(16);
});
